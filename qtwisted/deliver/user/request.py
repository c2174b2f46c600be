"""One local delivery as it is asked for: the arguments of qmail-local, and the two header lines made from them."""

from __future__ import annotations

from qtwisted.model.address import quote
from qtwisted.model.frozen import NamedTuple


class Request(NamedTuple):
    """Who gets a message, where, and who sent it; the fields are qmail-local's arguments in their order."""

    user: bytes
    home: bytes
    local: bytes
    dash: bytes
    ext: bytes
    domain: bytes
    sender: bytes
    default: bytes

    @property
    def recipient(self) -> bytes:
        """The address the message is for."""
        return b"%s@%s" % (self.local, self.domain)

    @property
    def delivered_to(self) -> bytes:
        """The line that shows a message has been here, by which loops are found."""
        return b"Delivered-To: %s\n" % self.recipient.replace(b"\n", b"_")

    @property
    def return_path(self) -> bytes:
        """The line that keeps the envelope sender with the message."""
        return b"Return-Path: <%s>\n" % quote(self.sender).replace(b"\n", b"_")
