"""Lines: open connections to servers that take one message after the other, whatever is spoken on them.

A message that is sent gets a Result: a report for each recipient, as qmail-remote would make it for him alone, and
one for all.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from qtwisted.deliver.host import reports
from qtwisted.deliver.host.reports import Report
from qtwisted.wire import qmtp_client
from qtwisted.wire.smtp_client import Step, Transaction, Trouble

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twisted.internet.defer import Deferred

    from qtwisted.deliver.host.connect import Dialogue, Server
    from qtwisted.deliver.host.qmtp_session import QmtpSession
    from qtwisted.deliver.host.session import IBody, Session
    from qtwisted.wire.smtp_client import Outcome

_TOO_MANY = (452, 552)
"""How servers refuse one recipient more in a transaction, and not the recipient as such (RFC 5321 4.5.3.1.10)."""
_NOT_NOW = 421
_NOTHING_HEARD = (Trouble.DIED, Trouble.SPOKE_EARLY)


class Result(NamedTuple):
    """What became of a message: a report for each recipient, as if he were alone, and one for all.

    ``again`` are the places of recipients to be named in another transaction. ``untouched`` says that the server
    ended the connection before it saw the message.
    """

    each: Sequence[Report]
    whole: Report
    again: Sequence[int] = ()
    untouched: bool = False


class Line(Protocol):
    """One connection, in use or idle."""

    server: Server
    carried: int
    closed: Deferred[None]

    @property
    def is_idle(self) -> bool:
        """Tell whether it can take a message now."""

    async def send(self, sender: bytes, recipients: Sequence[bytes], body: IBody) -> Result:
        """Send a message; the body stays the caller's to close."""

    def quit(self) -> None:
        """End politely."""

    def drop(self) -> None:
        """End at once."""


class _Connection:
    """What all lines have in common."""

    def __init__(self, server: Server, session: Dialogue) -> None:
        """Take over a session that is ready."""
        self.server = server
        self.carried = 0
        self.closed = session.closed
        self._peer = server.address.encode()
        self._dialogue = session

    @property
    def is_idle(self) -> bool:
        """Tell whether it can take a message now."""
        return self._dialogue.is_idle

    def quit(self) -> None:
        """End politely."""
        self._dialogue.quit()

    def drop(self) -> None:
        """End at once."""
        self._dialogue.drop()


class SmtpLine(_Connection):
    """A line on which SMTP is spoken."""

    def __init__(self, server: Server, session: Session) -> None:
        """Take over a session that is ready."""
        super().__init__(server, session)
        self._session = session

    async def send(self, sender: bytes, recipients: Sequence[bytes], body: IBody) -> Result:
        """Send a message in one transaction."""
        outcome = await self._session.send(Transaction(sender, tuple(recipients)), body)
        self.carried += 1
        whole = reports.of_outcome(self._peer, outcome)
        each = [whole.alone(at, self._peer) for at in range(len(recipients))]
        return Result(each, whole, _unheard(outcome), _is_untouched(outcome))


def _is_untouched(outcome: Outcome) -> bool:
    """Tell whether the server hung up before it saw anything of the message."""
    if outcome.step is Step.MESSAGE:
        return False
    replies = (outcome.reply, *outcome.recipients)
    return outcome.trouble in _NOTHING_HEARD or any(reply and reply.code == _NOT_NOW for reply in replies)


def _unheard(outcome: Outcome) -> list[int]:
    """Say which recipients the server would perhaps have accepted, had there not been others before them."""
    accepted = [at for at, reply in enumerate(outcome.recipients) if reply.accepts]
    if not accepted or outcome.trouble is not None:
        return []
    return [
        at for at, reply in enumerate(outcome.recipients) if reply.code in _TOO_MANY and at > accepted[0]
    ]


class QmtpLine(_Connection):
    """A line on which QMTP is spoken."""

    def __init__(self, server: Server, session: QmtpSession) -> None:
        """Take over a session that is ready."""
        super().__init__(server, session)
        self._session = session

    async def send(self, sender: bytes, recipients: Sequence[bytes], body: IBody) -> Result:
        """Send a message in one package."""
        try:
            measured, size = _measured(body)
        except OSError:
            report = Report(reports.NO_MESSAGE)
            return Result([report] * len(recipients), report)
        package = qmtp_client.Package(sender, tuple(recipients), size)
        outcome = await self._session.send(package, measured)
        self.carried += 1
        each = reports.of_verdicts(self._peer, outcome)
        return Result(each, reports.together(each), (), outcome.trouble is qmtp_client.Trouble.DIED)


def _measured(body: Any) -> tuple[IBody, int]:
    """Find out how long a message is; one that comes through a pipe is kept in a file for that."""
    if not body.seekable():
        spool: Any = tempfile.TemporaryFile()  # noqa: SIM115 - it goes when the message has gone
        shutil.copyfileobj(body, spool)
        spool.seek(0)
        body = spool
    at = body.tell()
    size = body.seek(0, os.SEEK_END) - at
    body.seek(at)
    return body, size
