r"""The language of forwarding tables, and their compiled form.

A table is a list of instructions ``target: command, command;``. White space does not count, ``#`` begins a comment,
and ``\`` takes the special meaning from any character. A command is ``&address``, ``?owner``, ``./list`` or
``/list``, ``|program``, ``!program``, or just an address.

In the cdb file an owner is the data of the key ``?target``, and the other commands, each with a zero byte after it,
are the data of the key ``:target``. Targets are in small letters there.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

#: the longest address in a table or list
ADDRESS_MAX = 800

_BLANK = frozenset(b" \t\n\r")
#: what is written with a backslash: what has a meaning, blanks, and what is not ASCII (printforward 0.51)
_SPECIAL = frozenset(b"\\#:,;") | frozenset(range(33)) | frozenset(range(128, 256))
_MARKS = b"&?./|!"


class TableError(Exception):
    """The table is wrong; the message says why."""


def command(text: bytes) -> bytes:
    """Write a command with its mark; a plain address gets its ampersand."""
    is_plain = text[:1] not in (bytes((mark,)) for mark in _MARKS)
    if len(text) > ADDRESS_MAX and (is_plain or text.startswith(b"&")):
        raise TableError("addresses over 800 bytes are not permitted")
    return b"&" + text if is_plain else text


def forwarding(address: bytes) -> bytes:
    """Write an address as a command, whatever it begins with."""
    if len(address) > ADDRESS_MAX:
        raise TableError("addresses over 800 bytes are not permitted")
    return b"&" + address


def records(target: bytes, commands: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Compile one instruction."""
    target = target.lower()
    others = []
    for each in commands:
        if each.startswith(b"?"):
            yield b"?" + target, each[1:]
        else:
            others.append(each + b"\0")
    if others:
        yield b":" + target, b"".join(others)


def compiled(table: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Compile a table; raise TableError where it is wrong."""
    if b"\0" in table:
        raise TableError("NUL bytes are not permitted")
    words: list[bytes] = []
    word = bytearray()
    for sign in _signs(table):
        if len(sign) == 1 and sign in b":,;":
            _check_place(sign, words)
            words.append(bytes(word))
            word.clear()
            if sign == b";":
                yield from records(words[0], [command(each) for each in words[1:] if each])
                words.clear()
        else:
            word += sign[-1:]
    if words or word:
        raise TableError("final instruction must end with semicolon")


def _check_place(sign: bytes, words: list[bytes]) -> None:
    """Make sure that the sign may stand here: there is one colon in an instruction, and it comes first."""
    if sign == b":" and words:
        raise TableError("double colons are not permitted")
    if sign != b":" and not words:
        raise TableError("commas are not permitted before colons")


def _signs(table: bytes) -> Iterator[bytes]:
    """Give what counts in a table: single characters, and those that were escaped with their backslash."""
    at = 0
    while at < len(table):
        byte = table[at]
        if byte == ord("\\"):
            if at + 1 < len(table):
                yield table[at : at + 2]
            at += 2
        elif byte == ord("#"):
            at = table.find(b"\n", at) % (len(table) + 1)
        else:
            if byte not in _BLANK:
                yield table[at : at + 1]
            at += 1


def shown(found: Iterable[tuple[bytes, bytes]]) -> Iterator[bytes]:
    """Write compiled records as a table again; raise TableError where they are none."""
    for key, data in found:
        if key.startswith(b"?"):
            yield b"%s: ?%s;\n" % (_escaped(key[1:]), _escaped(data))
        elif key.startswith(b":") and data.endswith(b"\0"):
            commands = data[:-1].split(b"\0")
            yield b"%s:\n%s;\n" % (_escaped(key[1:]), b"".join(b", %s\n" % _escaped(each) for each in commands))
        else:
            raise TableError("bad database format")


def _escaped(text: bytes) -> bytes:
    """Take the special meaning from every character."""
    written = bytearray()
    for byte in text:
        if byte in _SPECIAL:
            written += b"\\"
        written.append(byte)
    return bytes(written)
