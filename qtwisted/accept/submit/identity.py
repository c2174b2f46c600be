"""Who the user says he is: the author and the sender that a message gets if it names none.

Both come from the environment, where the first variable that is set counts, even an empty one.

CR and LF in these variables become underscores, so that no name can begin a header field of its own.
"""

from __future__ import annotations

from qtwisted.model import address
from qtwisted.model.address_list import (
    AT,
    ATOM,
    COLON,
    COMMENT,
    LEFT,
    QUOTE,
    RIGHT,
    Unparsable,
    rewrite_field,
    unparse,
    unquote,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from qtwisted.model.address_list import Token, Tokens
    from qtwisted.model.rewriting import Rewriting

_VERP_MARK = b"-@[]"


def one_line(text: bytes) -> bytes:
    """Make of any text one that stays on its line."""
    return text.replace(b"\r", b"_").replace(b"\n", b"_")


def first_set(environ: Mapping[bytes, bytes], *names: bytes) -> bytes | None:
    """Give the value of the first variable that is set."""
    for name in names:
        if name in environ:
            return one_line(environ[name])
    return None


class Identity:
    """What the environment says about the user, and the letters of $QMAILINJECT that are about him.

    Letter c puts the name into a comment; m gives each message a sender of its own, r each recipient.
    """

    def __init__(self, environ: Mapping[bytes, bytes]) -> None:
        """Read it all."""
        user = first_set(environ, b"QMAILUSER", b"MAILUSER", b"USER", b"LOGNAME")
        self._user = b"anonymous" if user is None else user
        self._host = first_set(environ, b"QMAILHOST", b"MAILHOST")
        self._name = first_set(environ, b"QMAILNAME", b"MAILNAME", b"NAME")
        sender_user = first_set(environ, b"QMAILSUSER")
        self._sender_user = self._user if sender_user is None else sender_user
        sender_host = first_set(environ, b"QMAILSHOST")
        self._sender_host = self._host if sender_host is None else sender_host
        letters = environ.get(b"QMAILINJECT", b"")
        self._name_is_comment = b"c" in letters
        self._marks_message = b"m" in letters
        self._marks_recipients = b"r" in letters

    def author(self, rewriting: Rewriting) -> bytes:
        """Write the From field; raise Unparsable where user and host make no address."""
        kind = ATOM if address.quote_local(self._user) == self._user else QUOTE
        author = _mailbox((kind, self._user), self._host)
        if self._name is not None and self._name_is_comment:
            author = [*author, (COMMENT, self._name)]
        elif self._name is not None:
            author = [(QUOTE, self._name), LEFT, *author, RIGHT]
        return rewrite_field(unparse([(ATOM, b"From"), COLON, *author]), rewriting.rewrite)

    def sender(self, rewriting: Rewriting, started_at: int, pid: int) -> bytes:
        """Make the envelope sender; raise Unparsable where user and host make no address."""
        user = self._sender_user
        if self._marks_message:
            user += b"-%d.%d" % (started_at, pid)
        if self._marks_recipients:
            user += b"-"
        field = unparse([(ATOM, b"Return-Path"), COLON, *_mailbox((QUOTE, user), self._sender_host)])
        senders: list[bytes] = []

        def note(tokens: Tokens) -> Tokens:
            """Keep what the address becomes."""
            senders.append(unquote(rewriting.rewrite(tokens)))
            return tokens

        rewrite_field(field, note)
        if not senders:
            raise Unparsable(field)
        return self.marked(senders[0])

    def marked(self, sender: bytes) -> bytes:
        """Put the mark at the sender's end that makes qmail-send give each recipient a sender of its own."""
        return sender + _VERP_MARK if self._marks_recipients else sender


def _mailbox(user: Token, host: bytes | None) -> Tokens:
    """Join user and host; without a host the default host will be added."""
    return [user] if host is None else [user, AT, (ATOM, host)]
