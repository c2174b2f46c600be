r"""Reads a dialogue from a text file: who says what, and what has become of it in the end.

| ``# text``                  what the dialogue shows
| ``control NAME = text``     a control file; without ``= text`` the file is missing
| ``env NAME = text``         a variable that tcpserver sets
| ``queue N``                 qmail-queue exits N
| ``C: text``                 the client says this line
| ``R: text``                 the client sends these bytes, nothing added
| ``S: text``                 the server answers this line; ``*`` stands for anything
| ``end of input``            the client says no more
| ``exit N``                  the server closes; the program exits N
| ``mail <A> to <B> <C>``     a message with this envelope is queued
| ``text TEXT``               and it reads so

``\r \n \t \0 \\ \"`` and ``\xNN`` mean what they mean in Python. Without ``control me`` the host is mx.example.org.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parent
_PLAIN = {"r": b"\r", "n": b"\n", "t": b"\t", "0": b"\0", "\\": b"\\", '"': b'"'}


class Turn(NamedTuple):
    """What the client sends at one time, and the lines it must get for it."""

    sent: bytes
    answers: tuple[bytes, ...]


class Mail(NamedTuple):
    """A message that must be queued; a text of None is not looked at."""

    sender: bytes
    recipients: tuple[bytes, ...]
    text: bytes | None


class Dialogue(NamedTuple):
    """One file."""

    name: str
    about: str
    controls: dict[str, bytes | None]
    environ: dict[bytes, bytes]
    queue_exit: int
    turns: tuple[Turn, ...]
    input_ends: bool
    exit: int
    mails: tuple[Mail, ...]

    @property
    def sent(self) -> bytes:
        """Join all that the client sends."""
        return b"".join(turn.sent for turn in self.turns)

    @property
    def answers(self) -> tuple[bytes, ...]:
        """Join all that the server answers."""
        return tuple(answer for turn in self.turns for answer in turn.answers)


def unescape(text: str) -> bytes:
    """Turn a text of the file into bytes."""
    found = b""
    while text:
        if text[0] != "\\":
            found += text[0].encode()
            text = text[1:]
        elif text[1] == "x":
            found += bytes.fromhex(text[2:4])
            text = text[4:]
        else:
            found += _PLAIN[text[1]]
            text = text[2:]
    return found


def matches(pattern: bytes, text: bytes) -> bool:
    """Does the text look like the pattern, in which ``*`` stands for anything?"""
    first, *rest = pattern.split(b"*")
    if not rest:
        return text == first
    if not text.startswith(first):
        return False
    text = text[len(first) :]
    for part in rest[:-1]:
        _, found, text = text.partition(part)
        if part and not found:
            return False
    return text.endswith(rest[-1])


def read(path: Path) -> Dialogue:
    """Read one file."""
    about: list[str] = []
    controls: dict[str, bytes | None] = {"me": b"mx.example.org"}
    environ = {b"TCPREMOTEIP": b"192.0.2.7"}
    turns: list[tuple[bytes, list[bytes]]] = [(b"", [])]
    mails: list[Mail] = []
    queue_exit = ending = 0
    input_ends = False
    for line in path.read_text().splitlines():
        word, _, rest = line.partition(" ")
        if word == "#":
            about.append(rest)
        elif word == "control":
            name, equals, value = rest.partition(" =")
            controls[name] = unescape(value.removeprefix(" ")) if equals else None
        elif word == "env":
            name, _, value = rest.partition(" =")
            environ[name.encode()] = unescape(value.removeprefix(" "))
        elif word == "queue":
            queue_exit = int(rest)
        elif word in ("C:", "R:"):
            data = unescape(rest) + (b"\r\n" if word == "C:" else b"")
            sent, answers = turns[-1]
            if answers:
                turns.append((data, []))
            else:
                turns[-1] = (sent + data, answers)
        elif word == "S:":
            turns[-1][1].append(unescape(rest))
        elif line == "end of input":
            input_ends = True
        elif word == "exit":
            ending = int(rest)
        elif word == "mail":
            sender, _, recipients = rest.partition("> to <")
            mails.append(Mail(unescape(sender[1:]), tuple(map(unescape, recipients[:-1].split("> <"))), None))
        elif word == "text":
            mails[-1] = mails[-1]._replace(text=unescape(rest))
        else:
            raise ValueError(f"{path.name}: {line}")
    return Dialogue(
        path.stem,
        " ".join(about),
        controls,
        environ,
        queue_exit,
        tuple(Turn(sent, tuple(answers)) for sent, answers in turns),
        input_ends,
        ending,
        tuple(mails),
    )


def read_all(folder: str) -> list[Dialogue]:
    """Read all dialogues of a folder."""
    return [read(path) for path in sorted((FOLDER / folder).glob("*.txt"))]
