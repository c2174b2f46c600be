"""The server's side of QMTP, the Quick Mail Transfer Protocol: packages in, one answer for each recipient out.

A package is three netstrings: the message, the sender, and a string that is full of netstrings, the recipients.
Packages may follow each other without waiting; the answers come in the same order. Further rules this file keeps:

* The first byte of the message says how its lines end and is no part of it: LF for LF, CR for CRLF.
* An address is what it is, byte for byte: nothing is parsed or unquoted.
* Each recipient is asked about even if the message cannot be taken, and a recipient that is refused hears why. To
  all others the same is said: that the message is too big, that the sender is unacceptable, or what the queue says.
* While answers wait to be sent no further package is read. Of each recipient one byte is kept.
* Nobody is asked about a message without an accepted recipient; it is void.

The protocol: https://cr.yp.to/proto/qmtp.txt. The words are those of qmail-qmtpd.
"""

from __future__ import annotations

from qtwisted.model.reply import Reply
from qtwisted.wire.dialogue import DATA, SEND, Wait
from qtwisted.wire.netstring import BAD, TOO_LONG, NetstringError
from qtwisted.wire.package import ADDRESS_MAX, ANSWERS, BODY, START, PackageServer, answer_string
from qtwisted.wire.smtp_events import BodyBegin, BodyEnd, Event, Recipient
from qtwisted.wire.smtp_replies import TOO_BIG

BAD_SENDER = Reply(553, b"unacceptable sender (#5.1.7)")
CANNOT_HANDLE = Reply(553, b"sorry, I can't handle that recipient (#5.1.3)")
#: why a message without recipients is void; nobody hears it
_NOBODY = Reply(554, b"no recipients")

# Unlike 1.02: a package may have so many recipients and no more; 1.02 took as many as fit into two thousand million
# bytes, if it had the memory.
RECIPIENTS_MAX = 4_000_000
#: different refusals in one package
REFUSALS_MAX = 255
#: answers are made so many at a time
_AT_A_TIME = 256


class CrLf:
    """Makes LF of each CRLF; a CR that no LF follows, and an LF alone, stay what they are."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        """Begin a message."""
        self._held = b""

    def feed(self, piece: bytes, is_last: bool) -> bytes:
        """Take a piece of the message, give what is to be stored; a CR at the end waits for what follows."""
        piece = self._held + piece
        self._held = b"\r" if piece.endswith(b"\r") and not is_last else b""
        return piece[: len(piece) - len(self._held)].replace(b"\r\n", b"\n")


class QmtpServer(PackageServer):
    """One QMTP connection as the server sees it."""

    _bad_sender = BAD_SENDER

    def __init__(self, databytes: int = 0) -> None:
        """Take messages of at most ``databytes`` bytes; 0 is no limit."""
        super().__init__()
        self._databytes = databytes
        self._size = 0
        self._crlf: CrLf | None = None
        self._begin_package()

    def _begin_package(self) -> None:
        """Forget the package before."""
        self._state = START
        self._refusal = None
        self._crlf = None
        self._size = 0
        #: for each recipient which of the answers it gets; 0 is that to all who were not refused
        self._verdicts = bytearray()
        self._answers: dict[bytes, int] = {b"": 0}
        self._has_accepted = False
        self._final = b""
        self._said = 0

    # Readers.

    def _read_start(self) -> Event | Wait:
        """Read the length of the message and its first byte."""
        strings = self._strings
        if strings.left < 0 and strings.begin() is None:
            return DATA
        if not strings.left:
            raise NetstringError(BAD)
        marker = strings.piece(1)
        if not marker:
            return DATA
        if marker == b"\r":
            self._crlf = CrLf()
        elif marker != b"\n":
            raise NetstringError(BAD)
        self._state = BODY
        if self._crlf is None and 0 < self._databytes < strings.left:
            self._refuse(TOO_BIG)
            return self._read_body()
        return BodyBegin()

    def _text(self, piece: bytes, is_last: bool) -> bytes:
        """Convert line ends and count what is to be stored."""
        if self._crlf is not None:
            piece = self._crlf.feed(piece, is_last)
        self._size += len(piece)
        if 0 < self._databytes < self._size:
            self._refuse(TOO_BIG)
        return piece

    def _read_recipients(self) -> Event | Wait:
        """Read the list of recipients to its end."""
        strings = self._strings
        if not strings.is_inside:
            if strings.begin() is None:
                return DATA
            strings.enter()
        while strings.has_more:
            address = strings.string(ADDRESS_MAX)
            if address is None:
                return DATA
            if len(address) <= ADDRESS_MAX:
                return Recipient(address)
            self._answer_recipient(CANNOT_HANDLE)
        if not strings.leave():
            return DATA
        self._state = ANSWERS
        if self._refusal is not None:
            self._final = answer_string(self._refusal)
        elif self._has_accepted:
            return BodyEnd()
        else:
            self._refuse(_NOBODY)
        return self.next()

    def _read_answers(self) -> Event | Wait:
        """Say some of the answers."""
        texts = [self._final, *list(self._answers)[1:]]
        verdicts = self._verdicts[self._said : self._said + _AT_A_TIME]
        self._said += len(verdicts)
        self._output += b"".join([texts[verdict] for verdict in verdicts])
        if self._said < len(self._verdicts):
            return SEND
        self._begin_package()
        return self._read_start()

    # Answers.

    def _answer_recipient(self, refusal: Reply | None) -> None:
        """Keep what the recipient is to hear."""
        answer = b"" if refusal is None else answer_string(refusal)
        number = self._answers.setdefault(answer, len(self._answers))
        if number > REFUSALS_MAX or len(self._verdicts) >= RECIPIENTS_MAX:
            raise NetstringError(TOO_LONG)
        self._verdicts.append(number)
        self._has_accepted = self._has_accepted or refusal is None

    def _answer_end(self, reply: Reply) -> None:
        """Keep what all are to hear who were not refused."""
        self._final = answer_string(reply)
