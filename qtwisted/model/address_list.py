"""Address lists in header fields: tokens, grouping into addresses from right to left, the written form.

The language is that of RFC 822 6.1 as qmail reads it (token822.c), which also understands what people write
in its place: ``djb fred`` is two addresses, and the comma that was forgotten between them is put in. A list
is read backwards, because from the right it is always clear where an address begins; a comment inside an
address moves to its right.

A token is a pair: what kind it is, and its text with quoting undone. The kinds are the words ``ATOM``,
``QUOTE``, ``LITERAL``, ``COMMENT``, and the seven special characters, each of which is its own kind.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    Token = tuple[str, bytes]
    Tokens = list[Token]

ATOM, QUOTE, LITERAL, COMMENT = "atom", "quote", "literal", "comment"
#: no token of the language: what a reader of another language puts in the place of one that has no meaning there
NOTHING = "nothing"
DOT, COMMA, AT, LEFT = (".", b"."), (",", b","), ("@", b"@"), ("<", b"<")
RIGHT, COLON, SEMICOLON = (">", b">"), (":", b":"), (";", b";")

#: how long a line may be before a list is folded at a comma
LINE_LENGTH = 78

_SPECIAL = {token[1][0]: token for token in (DOT, COMMA, AT, LEFT, RIGHT, COLON, SEMICOLON)}
_BLANK = frozenset(b" \t\r\n")
_ENDS_ATOM = frozenset(b' \t\r\n(["<>;:@,.')
_CLOSING = {ord("("): COMMENT, ord('"'): QUOTE, ord("["): LITERAL}
_ATOM_BYTES = bytes(byte for byte in range(32, 127) if byte not in b")]\\")
_MARKS = {ATOM: (b"", b""), QUOTE: (b'"', b'"'), LITERAL: (b"[", b"]"), COMMENT: (b"(", b")")}
_BACKSLASH, _OPEN, _CLOSE = b"\\()"
_ESCAPED = b'\\"[]()\r\n'


class Unparsable(Exception):
    """This text is no address list; ``text`` is all of it."""

    def __init__(self, text: bytes = b"") -> None:
        """Keep the text for the one who is told."""
        self.text = text
        super().__init__(text)


# ---- reading


def parse(text: bytes) -> Tokens:
    """Cut ``text`` into tokens; white space vanishes."""
    tokens: Tokens = []
    at, end = 0, len(text)
    while at < end:
        byte = text[at]
        if byte in _BLANK:
            at += 1
        elif byte in _SPECIAL:
            tokens.append(_SPECIAL[byte])
            at += 1
        elif byte in _CLOSING:
            token, at = _enclosed(text, at)
            tokens.append(token)
        elif byte in b")]":
            raise Unparsable(text)
        else:
            token, at = _atom(text, at)
            tokens.append(token)
    return tokens


def _enclosed(text: bytes, at: int) -> tuple[Token, int]:
    """Read the comment, quoted string or literal that opens at ``at``; tell where it ends."""
    kind = _CLOSING[text[at]]
    closing = _MARKS[kind][1][0]
    inside = bytearray()
    depth, end = 1, len(text)
    at += 1
    while at < end:
        byte = text[at]
        at += 1
        if byte == _BACKSLASH:
            inside += text[at : at + 1]
            at += 1
        elif byte == closing:
            depth -= 1
            if not depth:
                return (kind, bytes(inside)), at
        elif byte == _OPEN and kind == COMMENT:
            depth += 1
        else:
            inside.append(byte)
    raise Unparsable(text)


def _atom(text: bytes, at: int) -> tuple[Token, int]:
    """Read the atom that begins at ``at``; with bytes that only quotes can show it is a quoted string."""
    start, end, escapes = at, len(text), False
    while at < end and text[at] not in _ENDS_ATOM:
        if text[at] == _BACKSLASH:
            escapes = True
            at += 1
        at += 1
    inside = _unescape(text[start:at]) if escapes else text[start:at]
    return (QUOTE if inside.translate(None, _ATOM_BYTES) else ATOM, inside), at


def _unescape(text: bytes) -> bytes:
    """Let every backslash stand for the byte after it."""
    plain = bytearray()
    at, end = 0, len(text)
    while at < end:
        at += text[at] == _BACKSLASH
        plain += text[at : at + 1]
        at += 1
    return bytes(plain)


# ---- grouping


def regroup(tokens: Tokens, rewrite: Callable[[Tokens], Tokens]) -> Tokens:
    """Hand every address of the list to ``rewrite``, the last one first; give the list of the answers."""
    grouping = _Grouping(tokens, rewrite)
    while grouping.left:
        _STEPS.get(grouping.left[-1][0], _Grouping.joint)(grouping)
    grouping.finish()
    grouping.out.reverse()
    return grouping.out


class _Grouping:
    """A walk over a list from right to left: a method for each kind of token that may be met.

    ``left`` are the tokens still to be read, the next one last; ``out`` what was written, from right to left.
    """

    def __init__(self, tokens: Tokens, rewrite: Callable[[Tokens], Tokens]) -> None:
        """Stand right of the last token."""
        self.left = list(tokens)
        self.out: Tokens = []
        self._rewrite = rewrite
        self._address: Tokens = []
        self._in_group = False
        self._word_fits = True

    def finish(self) -> bool:
        """Write the address read so far; was there one?"""
        if not self._address:
            return False
        self._write_address()
        return True

    def semicolon(self) -> None:
        """Enter a group, at its end."""
        self._finish_with_comma()
        if self._in_group:
            raise Unparsable
        self._in_group = self._word_fits = True
        self._copy()

    def colon(self) -> None:
        """Leave a group; its name reaches to the next comma."""
        self.finish()
        if not self._in_group:
            raise Unparsable
        self._in_group, self._word_fits = False, True
        while self._copy()[0] != "," and self.left:
            pass

    def right(self) -> None:
        """Read an address in angle brackets, empty or not, and the words that describe it."""
        self._finish_with_comma()
        self._copy()
        while self.left and self.left[-1][0] != "<":
            self._address.append(self.left.pop())
        self._write_address()
        if not self.left:
            raise Unparsable
        self._copy()
        while self.left and self.left[-1][0] in _DESCRIBING:
            self._copy()
        self._word_fits = False

    def word(self) -> None:
        """Add a word to the address, or begin another one where two words meet."""
        if not self._word_fits:
            self._finish_with_comma()
        self._word_fits = False
        self._address.append(self.left.pop())

    def comment(self) -> None:
        """Pass a comment by: it is a blank, lexically."""
        self._copy()

    def comma(self) -> None:
        """End an address."""
        self.finish()
        self._word_fits = True
        self._copy()

    def joint(self) -> None:
        """Add what may stand between the words of an address."""
        self._word_fits = True
        self._address.append(self.left.pop())

    def _copy(self) -> Token:
        """Write the next token as it is."""
        token = self.left.pop()
        self.out.append(token)
        return token

    def _write_address(self) -> None:
        """Write the address read so far, rewritten, even if it is empty."""
        address, self._address = self._address, []
        address.reverse()
        self.out.extend(reversed(self._rewrite(address)))

    def _finish_with_comma(self) -> None:
        """Write the address read so far, and to its left the comma that somebody forgot."""
        if self.finish():
            self.out.append(COMMA)


_DESCRIBING = frozenset((COMMENT, ATOM, QUOTE, "@", "."))
_STEPS = {
    ATOM: _Grouping.word,
    QUOTE: _Grouping.word,
    LITERAL: _Grouping.word,
    COMMENT: _Grouping.comment,
    NOTHING: _Grouping.comment,
    ",": _Grouping.comma,
    ";": _Grouping.semicolon,
    ":": _Grouping.colon,
    ">": _Grouping.right,
}


# ---- writing


def unquote(address: Tokens) -> bytes:
    """Give the envelope form of an address: words without quoting, literals in brackets, no comments."""
    return b"".join(b"[%s]" % text if kind == LITERAL else text for kind, text in address if kind != COMMENT)


def unparse(tokens: Iterable[Token], line_length: int = LINE_LENGTH) -> bytes:
    """Write tokens as a field or part of one, LF included, folded only after commas."""
    line = None
    lines = []
    for segment in _segments(tokens):
        if line is None:
            line = segment
        elif len(line) + len(segment) <= line_length:
            line += segment
        else:
            lines.append(line)
            line = b" " + segment
    lines.append(line or b"")
    return b"\n".join(lines) + b"\n"


def _segments(tokens: Iterable[Token]) -> Iterable[bytes]:
    """Give the written tokens in pieces, each up to a comma; the last piece may be empty."""
    pieces: list[bytes] = []
    before = ""
    for kind, text in tokens:
        if before and (before in ":," or kind == "<" or (before in _MARKS and kind in _MARKS)):
            pieces.append(b" ")
        pieces.append(_written(kind, text))
        before = kind
        if kind == ",":
            yield b"".join(pieces)
            pieces.clear()
    yield b"".join(pieces)


def _written(kind: str, text: bytes) -> bytes:
    """Write one token.

    Unlike 1.02: a line end inside a token is written as an underscore unless a blank follows it, so that no
    quoting in an address can begin a header field of its own.
    """
    if kind not in _MARKS:
        return text
    if text.translate(None, _ESCAPED) != text:
        for special in _ESCAPED:
            text = text.replace(b"%c" % special, b"\\%c" % special)
        text = _on_one_line(text)
    opening, closing = _MARKS[kind]
    return opening + text + closing


def _on_one_line(text: bytes) -> bytes:
    """Take away the escaped line ends that would not be a continuation of the line before."""
    first, *others = text.split(b"\\\n")
    return first + b"".join(b"\\\n" + rest if rest[:1] in (b" ", b"\t") else b"_" + rest for rest in others)


def rewrite_field(field: bytes, rewrite: Callable[[Tokens], Tokens]) -> bytes:
    """Give a field, whose name is made of letters and hyphens, with every address of its list rewritten."""
    try:
        tokens = parse(field)
        return unparse(tokens[:2] + regroup(tokens[2:], rewrite))
    except Unparsable:
        raise Unparsable(field) from None
