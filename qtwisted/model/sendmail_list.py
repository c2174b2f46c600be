"""The recipient lists of sendmail's files: /etc/aliases, :include: files, .forward.

They look like address lists in a header (address_list), and are read from right to left like those, but:

* There are no groups: a colon or semicolon only parts recipients.
* A word without ``@`` may be something else than an address: ``|command``, which needs quotes when it has blanks,
  ``/file``, or ``:include:/list``.
"""

from __future__ import annotations

from qtwisted.model.address_list import ATOM, COMMA, DOT, QUOTE, Unparsable, parse, regroup, unquote
from qtwisted.model.frozen import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qtwisted.model.address_list import Tokens

ADDRESS, PROGRAM, FILE, INCLUDE = "address", "program", "file", "include"

_INCLUDE_WORD = b"include"


class Item(NamedTuple):
    """One recipient: its kind, its text without what marks the kind, and the tokens of an address."""

    kind: str
    text: bytes
    tokens: Tokens = []


class _Include(tuple):  # type: ignore[type-arg]
    """A token that stands for a whole ``:include:/list``."""

    __slots__ = ()


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
    if tokens and isinstance(tokens[0], _Include):
        return Item(INCLUDE, text)
    if all(kind != "@" for kind, _ in tokens):
        if text.startswith(b"|"):
            return Item(PROGRAM, text[1:])
        if text.startswith(b"/"):
            return Item(FILE, text)
    return Item(ADDRESS, text, tokens)


def _prepared(text: bytes) -> Tokens:
    """Cut the text into tokens, with every include as one of them, and only commas between recipients."""
    tokens = parse(text)
    prepared: Tokens = []
    at = 0
    while at < len(tokens):
        end = _end_of_include(tokens, at)
        if end:
            path = unquote(tokens[at + 3 : end])
            prepared += [COMMA, _Include((QUOTE, path)), COMMA]
            at = end
        else:
            prepared.append(COMMA if tokens[at][0] in (":", ";") else tokens[at])
            at += 1
    return prepared


def _end_of_include(tokens: Tokens, at: int) -> int:
    """Say where the ``:include:`` that begins at ``at`` ends; 0 where none begins."""
    kinds = [kind for kind, _ in tokens[at : at + 3]]
    if kinds != [":", ATOM, ":"] or tokens[at + 1][1].lower() != _INCLUDE_WORD:
        return 0
    end = at + 3
    if end >= len(tokens) or tokens[end][0] not in (ATOM, QUOTE):
        raise Unparsable
    end += 1
    while end + 1 < len(tokens) and tokens[end] == DOT and tokens[end + 1][0] in (ATOM, QUOTE):
        end += 2
    return end

