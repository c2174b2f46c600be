"""Asks a question in a process of another user, so that the answer is what that user would see.

The process is made as those of deliveries are (deliver.user.recipient): a session of its own, nothing open, one
group, no way back. What it answers is not believed: an answer has its form or is none, and nothing is waited for
longer than a limit. So root can look at what belongs to users who may have laid a trap: a FIFO, a link to a file that
is not theirs, a file system that never answers.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
from time import monotonic
from typing import TYPE_CHECKING, NamedTuple

from qtwisted.deliver.user import recipient

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, NoReturn

ANSWER_WITHIN = 30.0
ANSWER_MAX = 1 << 23

_READ = 65536


class NoAnswer(Exception):
    """The process has not answered; the text says why."""


class Identity(NamedTuple):
    """Who is to look."""

    name: str
    uid: int
    gid: int


def ask(who: Identity, question: Callable[[], Any], within: float = ANSWER_WITHIN) -> Any:
    """What *question* returns when *who* calls it: anything JSON can say; raises NoAnswer.

    Without root's rights it is called as who we are: it is up to the caller whether that is good enough.
    """
    sys.stdout.flush()
    parent = os.getpid()
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        _answer(who, question, writer, parent)
    os.close(writer)
    try:
        said = _read_all(reader, within)
    finally:
        os.close(reader)
        _end(pid)
    return _believed(said, who)


def _answer(who: Identity, question: Callable[[], Any], writer: int, parent: int) -> NoReturn:
    """Be the child."""
    try:
        is_root = os.geteuid() == 0
        recipient.detach([writer])
        recipient.become(who.uid, who.gid, is_root, parent)
        try:
            answer = {"answer": question()}
        except Exception as trouble:
            answer = {"trouble": f"{type(trouble).__name__}: {trouble}"}
        left = json.dumps(answer).encode()
        while left:
            left = left[os.write(writer, left) :]
    finally:
        os._exit(0)


def _read_all(reader: int, within: float) -> bytes:
    """Everything the child says until it has ended."""
    until = monotonic() + within
    said = b""
    while True:
        left = until - monotonic()
        if left <= 0 or not select.select([reader], [], [], left)[0]:
            raise NoAnswer(f"there was no answer within {within:.0f} seconds")
        data = os.read(reader, _READ)
        if not data:
            return said
        said += data
        if len(said) > ANSWER_MAX:
            raise NoAnswer("the answer is too long")


def _end(pid: int) -> None:
    """See to it that the child is no more."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    os.waitpid(pid, 0)


def _believed(said: bytes, who: Identity) -> Any:
    """Take an answer apart."""
    try:
        answer = json.loads(said)
    except (ValueError, RecursionError):
        raise NoAnswer(f"nothing could be looked at as {who.name}, uid {who.uid}, gid {who.gid}") from None
    if isinstance(answer, dict) and "answer" in answer:
        return answer["answer"]
    raise NoAnswer(printable(answer.get("trouble")) if isinstance(answer, dict) else "the answer makes no sense")


def printable(text: object) -> str:
    """A text a child has made, harmless: it ought to be already."""
    return "".join(sign if " " <= sign <= "~" else "?" for sign in str(text))
