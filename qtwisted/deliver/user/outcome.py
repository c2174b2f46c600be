"""How a delivery can fail: an exit code and the text that tells the sender why.

The codes are those of qmail-local. What was printed before a failure stays in the report.
"""

from __future__ import annotations

from qtwisted.model import oserrors

DONE = 0
REFUSED = 100
TRY_LATER = 111


class Failed(Exception):
    """The delivery ends here; ``text`` goes into the report, with its line feed, and may be empty."""

    def __init__(self, code: int, text: bytes) -> None:
        """Take one of REFUSED and TRY_LATER."""
        super().__init__(code, text)
        self.code = code
        self.text = text


def refused(text: bytes) -> Failed:
    """A failure that will not go away; *text* is one line without its line feed."""
    return Failed(REFUSED, text + b"\n")


def try_later(text: bytes) -> Failed:
    """A failure that may go away; *text* is one line without its line feed."""
    return Failed(TRY_LATER, text + b"\n")


def because(what: bytes, trouble: OSError, status: bytes) -> Failed:
    """A failure that may go away, with the system's reason: ``what: reason. (#status)``."""
    return try_later(b"%s: %s. (%s)" % (what, oserrors.text(trouble.errno).encode(), status))
