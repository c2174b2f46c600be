"""For tests of SMTP: a dialogue without transport and time, and qmail's own table of how a message is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtwisted.accept.gate import Client
from qtwisted.accept.smtpd import QueueReceiver, settings
from qtwisted.config.control import Control
from qtwisted.config.fields import SmtpdConfig, smtpd
from qtwisted.store.kinds.memory import MemoryIntake
from qtwisted.wire.dialogue import CLOSE, DATA, Wait
from qtwisted.wire.smtp_server import SmtpServer

if TYPE_CHECKING:
    from qtwisted.wire.smtp_events import Receiver

_SOL, _MID, _DOT, _DOTCR, _CR = range(5)


def by_table(data: bytes) -> tuple[bytes, str, bytes]:
    """Run qmail-smtpd's states byte by byte: what is stored, how it ends, and what is left over."""
    stored = bytearray()
    state = _SOL
    for at in range(len(data)):
        byte = data[at : at + 1]
        if byte == b"\n":
            if state == _CR:
                stored += b"\n"
                state = _SOL
                continue
            if state == _DOTCR:
                return bytes(stored), "end", data[at + 1 :]
            return b"", "bare LF", b""
        if state == _DOT:
            if byte == b"\r":
                state = _DOTCR
                continue
            state = _MID
        elif state == _DOTCR:
            stored += b".\r"
            state = _MID
            if byte == b"\r":
                state = _CR
                continue
        elif state == _CR:
            stored += b"\r"
            state = _MID
        elif state == _SOL and byte == b".":
            state = _DOT
            continue
        if byte == b"\r":
            state = _CR
        else:
            stored += byte
            state = _MID
    return bytes(stored), "more", b""


def config(home: str = "/nonexistent", **changes: object) -> SmtpdConfig:
    """Make a configuration: that of a home with nothing but me, changed as wanted."""

    class OnlyMe(Control):
        """Control files of which only ``me`` exists."""

        def _read(self, name: str) -> bytes | None:
            """Read ``me``."""
            return b"mx.example.org" if name == "me" else None

    return smtpd(OnlyMe(home))._replace(**changes)


class Talk:
    """A dialogue with the bare core: no transport, no time."""

    def __init__(self, core: SmtpServer, receiver: Receiver) -> None:
        """Begin."""
        self.core = core
        self.receiver = receiver
        self.is_closed = False

    def say(self, data: bytes) -> bytes:
        """Send bytes and give what is answered."""
        self.core.received(data)
        return self.run()

    def run(self) -> bytes:
        """Let the core do what it can."""
        output = b""
        while True:
            event = self.core.next()
            if isinstance(event, Wait):
                output += self.core.take()
                if event is CLOSE:
                    self.is_closed = True
                if event in (CLOSE, DATA):
                    return output
            else:
                reply = event.put_to(self.receiver)
                if event.asks:
                    self.core.answer(reply)

    def end(self) -> bytes:
        """The client goes away."""
        self.core.lost()
        return self.run()

    def codes(self, data: bytes) -> list[int]:
        """Send bytes; give the code of every reply."""
        return [int(line[:3]) for line in self.say(data).split(b"\r\n")[:-1] if line[3:4] == b" "]


def queue_talk(intake: MemoryIntake, client: Client | None = None, **changes: object) -> Talk:
    """Begin a dialogue whose messages go into the intake, and read the greeting."""
    values = config(**changes)
    receiver = QueueReceiver(values, client or Client(ip=b"192.0.2.7"), intake, lambda: 1000000000)
    talk = Talk(SmtpServer(settings(values, None)), receiver)
    talk.run()
    return talk
