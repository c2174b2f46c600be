"""What an SMTP server says: a code of three digits and one or more lines of text."""

from __future__ import annotations

from qtwisted.model.frozen import NamedTuple


class Reply(NamedTuple):
    """A reply with its first line, and further lines if it has any."""

    code: int
    text: bytes
    more: tuple[bytes, ...] = ()

    @property
    def lines(self) -> tuple[bytes, ...]:
        """Give all lines of text."""
        return (self.text, *self.more)

    @property
    def is_ok(self) -> bool:
        """Does it say yes (2yz)?"""
        return 200 <= self.code <= 299

    @property
    def is_later(self) -> bool:
        """Does it ask to try again later (4yz)?"""
        return 400 <= self.code <= 499

    @property
    def is_refusal(self) -> bool:
        """Does it say no for good (5yz)?"""
        return 500 <= self.code <= 599

    def wire(self) -> bytes:
        """Write it as it goes over the network (RFC 5321 4.2.1)."""
        if not self.more:
            return b"%d %s\r\n" % (self.code, self.text)
        lines = self.lines
        leading = b"".join([b"%d-%s\r\n" % (self.code, line) for line in lines[:-1]])
        return leading + b"%d %s\r\n" % (self.code, lines[-1])
