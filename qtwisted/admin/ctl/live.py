"""Talks to the running qmail-send for the commands of qmailctl."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtwisted.admin.ctl.screen import shown
from qtwisted.admin.refusal import Refused
from qtwisted.schedule.asking import Asking, NotAllowed, NotRunning
from qtwisted.wire.request import RequestError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


def plain(told: object) -> str:
    """What qmail-send says, harmless: whoever has got hold of it shall not get hold of root's terminal."""
    return shown(str(told).encode("latin-1", "replace"))


def asking(home: str) -> Asking:
    """Connect to the qmail-send of a home, or say why not."""
    try:
        return Asking(home)
    except (NotRunning, NotAllowed) as why:
        raise Refused(plain(why)) from None
    except RequestError:
        raise Refused(f"what serves {home}/run/send.sock is no qmail-send") from None


def answers(send: Asking, *words: bytes) -> Iterator[dict[str, Any]]:
    """Ask, and give the values of the answer; what goes wrong is for the operator."""
    try:
        for value in send.ask(*words):
            if "error" in value:
                raise Refused(plain(value["error"]))
            yield value
    except (NotRunning, RequestError) as why:
        raise Refused(f"{why}; look at its log for what was done") from None


def if_running(home: str, *words: bytes) -> list[dict[str, Any]] | None:
    """Ask, if anybody answers; None if nobody does, or it is not for us."""
    try:
        with Asking(home) as send:
            return list(send.ask(*words))
    except (NotRunning, NotAllowed, RequestError):
        return None
