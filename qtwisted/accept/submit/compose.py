"""The header that is sent, made from the one that was written: what stays, what goes, what is added.

A message is *resent* as soon as one Resent- field is in it (RFC 822 4.2); then the Resent- fields name the
recipients and only Resent- fields are added.
"""

from __future__ import annotations

from qtwisted.accept.submit.identity import one_line
from qtwisted.model import address
from qtwisted.model.address_list import Unparsable, rewrite_field, unquote
from qtwisted.model.date import digits, rfc822
from qtwisted.model.header import field_name

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qtwisted.accept.submit.identity import Identity
    from qtwisted.model.address_list import Tokens
    from qtwisted.model.rewriting import Rewriting

NOBODY, MAIL, RESENT, SENDER = "nobody", "recipients", "resent recipients", "sender"

#: the fields that are address lists: who their addresses are, and whether the field stays
_LISTS = {
    b"to": (MAIL, True),
    b"cc": (MAIL, True),
    b"bcc": (MAIL, False),
    b"apparently-to": (MAIL, True),
    b"resent-to": (RESENT, True),
    b"resent-cc": (RESENT, True),
    b"resent-bcc": (RESENT, False),
    b"return-path": (SENDER, False),
    b"sender": (NOBODY, True),
    b"from": (NOBODY, True),
    b"reply-to": (NOBODY, True),
    b"return-receipt-to": (NOBODY, True),
    b"errors-to": (NOBODY, True),
    b"resent-sender": (NOBODY, True),
    b"resent-from": (NOBODY, True),
    b"resent-reply-to": (NOBODY, True),
}
_DROPPED = frozenset((b"content-length",))
_MAKES_RESENT = frozenset(
    b"resent-sender resent-from resent-reply-to resent-to resent-cc resent-bcc resent-date"
    b" resent-message-id".split()
)
_NAMED_OPENLY = (b"to", b"cc")
_LETTERS_THAT_DROP = {b"f": b"from", b"i": b"message-id", b"s": b"return-path"}


class Header:
    """The header of one message, built up field by field."""

    def __init__(self, rewriting: Rewriting, identity: Identity, letters: bytes = b"") -> None:
        """Begin without any field; ``letters`` is $QMAILINJECT, three of which have fields dropped."""
        self._rewriting = rewriting
        self._identity = identity
        self._unwanted = {name for letter, name in _LETTERS_THAT_DROP.items() if letter in letters}
        self._unwanted |= _DROPPED
        self._seen: set[bytes] = set()
        self._kept: list[bytes] = []
        self._found: dict[str, list[bytes]] = {MAIL: [], RESENT: [], SENDER: []}
        self._named_openly: list[bytes] = []

    # ---- the fields that were written

    def add(self, field: bytes) -> None:
        """Take the next field; raise Unparsable if it should be an address list and is not."""
        name = field_name(field)
        if name in self._unwanted:
            return
        self._seen.add(name)
        if name not in _LISTS:
            self._kept.append(field)
            return
        use, stays = _LISTS[name]
        addresses: list[bytes] = []
        field = rewrite_field(field, lambda tokens: self._complete(tokens, addresses))
        if use != NOBODY:
            self._found[use] += addresses
        if name in _NAMED_OPENLY:
            self._named_openly += addresses
        if stays:
            self._kept.append(field)

    def _complete(self, tokens: Tokens, addresses: list[bytes]) -> Tokens:
        """Rewrite one address and note its envelope form.

        Unlike 1.02: an address with a zero byte in it is a syntax error; it is not cut off there.
        """
        tokens = self._rewriting.rewrite(tokens)
        plain = unquote(tokens)
        if b"\0" in plain:
            raise Unparsable
        addresses.append(plain)
        return tokens

    # ---- what follows from them

    @property
    def is_resent(self) -> bool:
        """Is there a Resent- field?"""
        return not self._seen.isdisjoint(_MAKES_RESENT)

    def recipients(self) -> list[bytes]:
        """Give the recipients the header names, field after field, right to left in each."""
        return self._found[RESENT if self.is_resent else MAIL]

    def sender(self) -> bytes | None:
        """Give the sender that a Return-Path field names, if there is one."""
        found = self._found[SENDER]
        return self._identity.marked(found[0]) if found else None

    def kept(self) -> bytes:
        """Give the fields that stay, in the order in which they were written."""
        return b"".join(self._kept)

    def generated(self, started_at: int, pid: int, id_host: bytes, followup_lists: frozenset[bytes]) -> bytes:
        """Write the fields that are missing; ``followup_lists`` are mailing lists, in small letters."""
        prefix = b"Resent-" if self.is_resent else b""
        fields = (
            (b"Date", b"Date: %s\n" % rfc822(started_at)),
            (b"Message-ID", _message_id(started_at, pid, id_host)),
        )
        added = [prefix + field for name, field in fields if not self._has(prefix + name)]
        if not self._has(prefix + b"From"):
            added.append(prefix + self._identity.author(self._rewriting))
        if not self._has(prefix + b"To") and not self._has(prefix + b"Cc"):
            added.append(prefix + b"Cc: recipient list not shown: ;\n")
        if not prefix and not self._has(b"Mail-Followup-To"):
            added.append(self._mail_followup_to(followup_lists))
        return b"".join(added)

    def _has(self, name: bytes) -> bool:
        """Was such a field kept or used?"""
        return name.lower() in self._seen

    def _mail_followup_to(self, lists: frozenset[bytes]) -> bytes:
        """Write the field that asks for answers to all, if one of them is a list; nothing otherwise."""
        if lists.isdisjoint(recipient.lower() for recipient in self._named_openly):
            return b""
        everybody = [one_line(address.quote(recipient)) for recipient in reversed(self._named_openly)]
        return b"Mail-Followup-To: %s\n" % b",\n  ".join(everybody)


def _message_id(started_at: int, pid: int, id_host: bytes) -> bytes:
    """Write the Message-ID field: a moment, and a process of that moment."""
    return b"Message-ID: <%s.%d.qmail@%s>\n" % (digits(started_at), pid, id_host)
