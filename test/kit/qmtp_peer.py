"""A QMTP server that answers what it is told to answer, for tests of the client; it takes the place of a Script."""

from __future__ import annotations

from typing import Any

from test.kit.smtp_peer import Script


def netstring(text: bytes) -> bytes:
    """Write a netstring."""
    return b"%d:%s," % (len(text), text)


def take_netstring(data: bytes) -> tuple[bytes | None, bytes]:
    """Take a netstring from the beginning of some bytes; None if it is not complete."""
    digits, colon, rest = data.partition(b":")
    if not colon or len(rest) <= int(digits):
        return None, data
    assert rest[int(digits) : int(digits) + 1] == b","
    return rest[: int(digits)], rest[int(digits) + 1 :]


class QmtpScript(Script):
    """What a QMTP server says to each recipient, in turn, the last answer again and again."""

    def __init__(self, *answers: bytes, greeting: bytes | None = None) -> None:
        """Say ``Kok`` to everybody if nothing is given; a ``greeting`` would be wrong."""
        super().__init__(greeting=greeting, recipient=list(answers or (netstring(b"Kok"),)))
        self.packages: list[tuple[bytes, bytes, list[bytes]]] = []

    def ear(self) -> Any:
        """Give a new connection what hears for it."""
        return QmtpEar(self)


class QmtpEar:
    """What a server has heard on one connection."""

    def __init__(self, script: QmtpScript) -> None:
        """Answer as the script says."""
        self._script = script
        self._buffer = b""

    def received(self, data: bytes) -> list[bytes]:
        """Hear some bytes, and give the answers to whole packages."""
        self._buffer += data
        answers = []
        while True:
            message, rest = take_netstring(self._buffer)
            sender, rest = take_netstring(rest) if message is not None else (None, b"")
            recipients, rest = take_netstring(rest) if sender is not None else (None, b"")
            if message is None or sender is None or recipients is None:
                return answers
            self._buffer = rest
            named = []
            while recipients:
                one, recipients = take_netstring(recipients)
                named.append(one or b"")
            self._script.packages.append((message, sender, named))
            answers += [self._script.reply("recipient") or b"" for _ in named]
