"""Reports: what qmail-remote says about a message, and what qmail-rspawn makes of it for qmail-send.

A report has one part for each recipient, beginning with ``r`` (accepted), ``h`` (refused) or ``s`` (later),
and one part for the message, beginning with ``K``, ``Z`` or ``D``; each part ends with a zero byte.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from qtwisted.config import fields
from qtwisted.model.verdict import DELIVERED, REFUSED, TRY_LATER
from qtwisted.wire import qmtp_client
from qtwisted.wire.smtp_client import NOT_OFFERED, Outcome, Step, Trouble

if TYPE_CHECKING:
    from collections.abc import Sequence

    from qtwisted.config.control import ControlError
    from qtwisted.model.verdict import Verdict
    from qtwisted.wire.peer_reply import PeerReply

USAGE = b"DI (qmail-remote) was invoked improperly. (#5.3.5)\n"
NO_HOME = b"ZUnable to switch to home directory. (#4.3.0)\n"
NO_CONTROLS = b"ZUnable to read control files. (#4.3.0)\n"
NO_MESSAGE = b"ZUnable to read message. (#4.3.0)\n"
NO_RESOURCES = b"ZSystem resources temporarily unavailable. (#4.3.0)\n"
NO_CONNECTION = b"ZSorry, I wasn't able to establish an SMTP connection. (#4.4.1)\n"
DNS_TROUBLE = b"ZSorry, I couldn't find any host by that name. (#4.1.2)\n"
NO_ADDRESS = b"DSorry, I couldn't find a mail exchanger or IP address. (#5.4.4)\n"
WE_ARE_BEST = (
    b"DSorry. Although I'm listed as a best-preference MX or A for that host,\n"
    b"it isn't in my control/locals file, so I don't treat it as local. (#5.4.6)\n"
)
NOT_QMTP = b"Zrecipient did not talk proper QMTP (#4.3.0)\n"
QMTP_IN_CLEAR = b"ZSorry, mail for that host must be encrypted, and QMTP is not. (#4.7.5)\n"
UNSPEAKABLE_SENDER = b"DSorry, the sender's address cannot be sent by SMTP. (#5.1.7)\n"
UNSPEAKABLE_RECIPIENT = b"DSorry, that address cannot be sent by SMTP. (#5.1.3)\n"

CRASHED = b"Zqmail-remote crashed.\n"
NO_OUTPUT = b"Zqmail-remote produced no output.\n"

_AT_STEP = {
    Step.GREETING: (b"Connected to ", b" but greeting failed.\n"),
    Step.HELLO: (b"Connected to ", b" but my name was rejected.\n"),
    Step.LOGIN: (b"Connected to ", b" but my login was rejected.\n"),
    Step.MAIL: (b"Connected to ", b" but sender was rejected.\n"),
    Step.DATA: (b"", b" failed on DATA command.\n"),
    Step.MESSAGE: (b"", b" failed after I sent the message.\n"),
}
_ALWAYS_LATER = (Step.GREETING, Step.HELLO, Step.LOGIN)

_IN_TROUBLE = {
    Trouble.DIED: b" but connection died. (#4.4.2)\n",
    Trouble.DIED_UNANSWERED: b" but connection died. Possible duplicate! (#4.4.2)\n",
    Trouble.SPOKE_EARLY: b" but it spoke out of turn. (#4.5.0)\n",
    Trouble.NO_LOGIN: b" but it offers no way to log in. (#4.7.0)\n",
}

_IN_QMTP_TROUBLE: dict[object, bytes] = {
    qmtp_client.Trouble.DIED_UNANSWERED: _IN_TROUBLE[Trouble.DIED_UNANSWERED],
    qmtp_client.Trouble.SPOKE_EARLY: _IN_TROUBLE[Trouble.SPOKE_EARLY],
}

_NO_NUL = bytes.maketrans(b"\0", b"?")
_PRINTABLE = bytes(byte if 33 <= byte <= 126 else ord("?") for byte in range(256))


class Report(NamedTuple):
    """One report, in parts."""

    message: bytes
    recipients: tuple[bytes, ...] = ()

    def wire(self) -> bytes:
        """Write it as qmail-remote does."""
        return b"".join(part + b"\0" for part in (*self.recipients, self.message))

    def alone(self, at: int, peer: bytes) -> Report:
        """Report on one recipient of several, as if the message had been sent to nobody else."""
        part = self.recipients[at : at + 1]
        if part and part[0][:1] != b"r":
            return Report(_giving_up(peer), part)
        return Report(self.message, part)


def bad_control(error: ControlError) -> bytes:
    """Say that the settings cannot be used; of a file that 1.02 does not know also why."""
    field = fields.BY_NAME.get(error.file.removeprefix("control/"))
    if field is None or not field.is_ours:
        return NO_CONTROLS
    return TRY_LATER + f"Sorry, {error}. (#4.3.0)\n".encode("utf-8", "surrogateescape")


def no_such_host(host: bytes) -> bytes:
    """Say that a name does not exist."""
    return b"DSorry, I couldn't find any host named " + host.translate(_PRINTABLE) + b". (#5.1.2)\n"


def of_outcome(peer: bytes, outcome: Outcome) -> Report:
    """Report what became of a transaction with the server whose address is ``peer``."""
    recipients = tuple(_of_recipient(peer, reply) for reply in outcome.recipients)
    return Report(_of_message(peer, outcome), recipients)


def of_verdicts(peer: bytes, outcome: qmtp_client.Outcome) -> list[Report]:
    """Report what became of a package at the server ``peer``, for each recipient as if it were alone."""
    return [
        Report(_in_qmtp_trouble(peer, outcome.trouble)) if verdict is None else _of_verdict(peer, verdict)
        for verdict in outcome.verdicts
    ]


def together(each: Sequence[Report]) -> Report:
    """Make one report of those on each recipient: the message is as well off as the one that is best off."""
    best = max(each, key=lambda report: _WORTH[report.message[:1]])
    parts = (report.recipients[0] if report.recipients else b"s" + report.message[1:] for report in each)
    return Report(best.message, tuple(parts) if best.recipients else ())


def _of_verdict(peer: bytes, verdict: Verdict) -> Report:
    """Report on one recipient."""
    said = b"Remote host said: " + verdict.text.translate(_NO_NUL) + b"\n"
    if verdict.letter == DELIVERED:
        return Report(DELIVERED + peer + b" accepted message.\n" + said, (b"r",))
    letter = b"h" if verdict.letter == REFUSED else b"s"
    return Report(_giving_up(peer), (letter + peer + b" does not like recipient.\n" + said,))


def _in_qmtp_trouble(peer: bytes, trouble: qmtp_client.Trouble | None) -> bytes:
    """Say what happened to a message that has no answer."""
    if trouble is qmtp_client.Trouble.UNREADABLE:
        return NO_MESSAGE
    if trouble is qmtp_client.Trouble.NOT_PROPER:
        return NOT_QMTP
    return TRY_LATER + b"Connected to " + peer + _IN_QMTP_TROUBLE.get(trouble, _IN_TROUBLE[Trouble.DIED])


def _giving_up(peer: bytes) -> bytes:
    """Say that no recipient was accepted."""
    return REFUSED + b"Giving up on " + peer + b".\n"


def _said(reply: PeerReply | None) -> bytes:
    """Quote the server."""
    return b"" if reply is None else b"Remote host said: " + reply.text


def _of_recipient(peer: bytes, reply: PeerReply) -> bytes:
    """Report on one recipient."""
    if reply.accepts:
        return b"r"
    if reply is NOT_OFFERED:
        return b"h" + peer + b" does not take internationalized addresses. (#5.6.7)\n"
    letter = b"h" if reply.forbids else b"s"
    return letter + peer + b" does not like recipient.\n" + _said(reply)


def _not_secured(why: bytes) -> bytes:
    """Say why there is no TLS where it was demanded."""
    return b" but it cannot be secured: " + why + b". (#4.7.5)\n"


def _protection(outcome: Outcome) -> bytes:
    """Say how a message went over the line.

    Unlike 1.02: after what the server said, the report of a message that was accepted over TLS has a line that
    names protocol and cipher, and one that went in clear because TLS failed a line that says why.
    """
    if outcome.in_clear:
        line = b"Sent in clear, since TLS failed: " + outcome.in_clear + b".\n"
    elif outcome.security:
        line = b"Sent over " + outcome.security + b".\n"
    else:
        return b""
    # a reply that was too long to keep ends in the midst of a line
    return line if outcome.reply is None or outcome.reply.text.endswith(b"\n") else b"\n" + line


def _of_message(peer: bytes, outcome: Outcome) -> bytes:
    """Report on the message."""
    if outcome.trouble is Trouble.UNREADABLE:
        return NO_MESSAGE
    if outcome.trouble is Trouble.NOT_OFFERED:
        return REFUSED + peer + b" does not take internationalized addresses. (#5.6.7)\n"
    if outcome.trouble is Trouble.NOT_SECURED:
        return TRY_LATER + b"Connected to " + peer + _not_secured(outcome.security) + _said(outcome.reply)
    if outcome.trouble is not None:
        return TRY_LATER + b"Connected to " + peer + _IN_TROUBLE[outcome.trouble] + _said(outcome.reply)
    if outcome.step is Step.RECIPIENTS:
        return _giving_up(peer)
    if outcome.accepted:
        return DELIVERED + peer + b" accepted message.\n" + _said(outcome.reply) + _protection(outcome)
    never = outcome.reply is not None and outcome.reply.forbids and outcome.step not in _ALWAYS_LATER
    before, after = _AT_STEP[outcome.step]
    return (REFUSED if never else TRY_LATER) + before + peer + after + _said(outcome.reply)


_WORTH = {DELIVERED: 1, TRY_LATER: 0, REFUSED: -1}
_LETTER = {worth: letter for letter, worth in _WORTH.items()}


def combine(output: bytes) -> bytes:
    """Make one line for qmail-send of what qmail-remote wrote about one recipient (qmail-rspawn.c report).

    The letter is the one of the message, unless the recipient was refused or put off. The text is the first
    part, and the second where the message was no better off than the recipient.
    """
    if not output:
        return NO_OUTPUT
    letters = (part[:1] for part in output.split(b"\0")[:-1])
    message = next((_WORTH[letter] for letter in letters if letter in _WORTH), -1)
    overall = {b"s": 0, b"h": -1}.get(output[:1], message)
    first, ended, rest = output[1:].partition(b"\0")
    text = first if ended else b""
    if message <= overall and rest[:1] in _WORTH:
        text += rest[1:].partition(b"\0")[0]
    return _LETTER[overall] + text
