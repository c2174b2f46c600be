"""Which recipients and senders the network may use: rcpthosts with morercpthosts.cdb, and badmailfrom.

Names that differ only in the case of A to Z are the same. ``.b.com`` stands for all names below b.com, not
for b.com itself.
"""

from __future__ import annotations

import errno

from qtwisted.config import cdb
from qtwisted.config.control import Control, ControlError, fold
from qtwisted.model import oserrors
from qtwisted.model.address import split

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

TABLE = "morercpthosts.cdb"


def names_of(domain: bytes) -> Iterator[bytes]:
    """Give the names under which a domain may be listed: itself, then each suffix that begins with a dot."""
    yield domain
    at = domain.find(b".")
    while at >= 0:
        yield domain[at:]
        at = domain.find(b".", at + 1)


class RcptHosts:
    """The domains we take mail for. Without control/rcpthosts every domain is one of them, as in 1.02."""

    def __init__(self, listed: Iterable[bytes] | None, more: cdb.Reader | None = None) -> None:
        """Take the entries of rcpthosts, None where the file is missing, and the table of further names."""
        self._listed = None if listed is None else frozenset(fold(entry) for entry in listed)
        self._more = more

    @property
    def is_open(self) -> bool:
        """Is every recipient allowed, so that strangers may relay through this host?"""
        return self._listed is None

    def allows(self, address: bytes) -> bool:
        """May a stranger send to this address? Raise ControlError where the table is damaged.

        Unlike 1.02: the first character of the address is looked at too; there an address whose only ``@``
        came first was always allowed.
        """
        return self._listed is None or split(address)[1] is None or self.entry(address) is not None

    def entry(self, address: bytes) -> tuple[str, bytes] | None:
        """Find what allows the domain of an address: the name of the file it is in, and how it stands there."""
        names = list(names_of(fold(split(address)[1] or b"")))
        listed = self._listed or ()
        found = next((("rcpthosts", name) for name in names if name in listed), None)
        if found is not None or self._more is None:
            return found
        try:
            return next(((TABLE, name) for name in names if self._more.get(name) is not None), None)
        except cdb.CdbError as error:
            raise ControlError(f"control/{TABLE}", None, str(error)) from None


def rcpthosts(control: Control) -> RcptHosts:
    """Load rcpthosts; the table counts only if the file exists (rcpthosts.c rcpthosts_init)."""
    listed = control.list("rcpthosts")
    if listed is None:
        return RcptHosts(None)
    try:
        return RcptHosts(listed, cdb.Reader.open(control.path(TABLE)))
    except OSError as error:
        if error.errno == errno.ENOENT:
            return RcptHosts(listed)
        raise ControlError(f"control/{TABLE}", None, oserrors.text(error.errno)) from None


class BadMailFrom:
    """The envelope senders whose mail is refused: whole addresses, or ``@host`` for all of a host."""

    def __init__(self, listed: Iterable[bytes] | None) -> None:
        """Take the entries of badmailfrom."""
        self._listed = frozenset(fold(entry) for entry in listed or ())

    def names(self, sender: bytes) -> bool:
        """Is this sender listed? The empty sender never is."""
        return self.entry(sender) is not None

    def entry(self, sender: bytes) -> bytes | None:
        """Find the entry that names a sender."""
        if not self._listed or not sender:
            return None
        sender = fold(sender)
        _, domain = split(sender)
        if sender in self._listed:
            return sender
        return b"@" + domain if domain is not None and b"@" + domain in self._listed else None
