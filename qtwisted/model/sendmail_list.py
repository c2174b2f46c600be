"""The recipient lists of sendmail's files: /etc/aliases, :include: files, .forward.

They look like address lists in a header (address_list), and are read from right to left like those, but:

* There are no groups: a colon or semicolon counts no more than a blank.
* A word without ``@`` may be something else than an address: ``|command``, which needs quotes when it has blanks,
  ``/file``, or ``:include:/list``.
"""

from __future__ import annotations

from qtwisted.model.address_list import ATOM, COLON, COMMA, NOTHING, SEMICOLON, parse, regroup, unquote
from qtwisted.model.frozen import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qtwisted.model.address_list import Token, Tokens

ADDRESS, PROGRAM, FILE, INCLUDE = "address", "program", "file", "include"

_INCLUDE_WORD = b"include"
#: stands in the place of ``:include:``, as the first token of the recipient on its right
_MARK: Token = (INCLUDE, b"")
_NOTHING: Token = (NOTHING, b"")


class Item(NamedTuple):
    """One recipient: its kind, its text without what marks the kind, and the tokens of an address."""

    kind: str
    text: bytes
    tokens: Tokens = []


def items(text: bytes) -> list[Item]:
    """List the recipients from right to left; raise Unparsable where ``text`` is no such list."""
    found: list[Item] = []

    def note(tokens: Tokens) -> Tokens:
        """Take one recipient down."""
        found.append(_judge(tokens))
        return tokens

    regroup(_prepared(text), note)
    return found


def _judge(tokens: Tokens) -> Item:
    """Say what a recipient is."""
    text = unquote(tokens)
    if _MARK in tokens:
        return Item(INCLUDE, text)
    if all(kind != "@" for kind, _ in tokens):
        if text.startswith(b"|"):
            return Item(PROGRAM, text[1:])
        if text.startswith(b"/"):
            return Item(FILE, text)
    return Item(ADDRESS, text, tokens)


def _prepared(text: bytes) -> Tokens:
    """Cut the text into tokens, with every ``:include:`` as one of them; other colons count no more than a blank.

    Like the list itself it is read backwards: what stands in angle brackets is left alone.
    """
    left = parse(text)
    prepared: Tokens = []
    is_bracketed = False
    while left:
        token = left.pop()
        if is_bracketed:
            is_bracketed = token[0] != "<"
        elif token[0] == ">":
            is_bracketed = True
        elif token == SEMICOLON:
            token = _NOTHING
        elif token == COLON:
            token = _NOTHING
            if _is_include(left):
                del left[-2:]
                prepared.append(_MARK)
                token = COMMA
        prepared.append(token)
    prepared.reverse()
    return prepared


def _is_include(left: Tokens) -> bool:
    """Do these tokens end in the first two of ``:include:``?"""
    if [kind for kind, _ in left[-2:]] != [":", ATOM]:
        return False
    return left[-1][1] == _INCLUDE_WORD
