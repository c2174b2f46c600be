"""The last stage of local mail: what the user's .qmail file says, line by line.

Asked as the user himself. The steps are those of a delivery, taken by its own code on a message that is not there and
a disk that opens nothing: what a delivery would stumble over is said with its words.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import TYPE_CHECKING, Any

from qtwisted.admin.ctl.screen import shown
from qtwisted.admin.explain.story import Step
from qtwisted.deliver.user import search, status
from qtwisted.deliver.user.delivery import GO_ON, Delivery, Settings
from qtwisted.deliver.user.outcome import DONE, REFUSED, Failed
from qtwisted.deliver.user.output import Collected

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from qtwisted.deliver.user.request import Request

STAGE = "deliver"
LINES_MAX = 300
"""So many lines of a .qmail file are told; a delivery reads them all."""

_WRITABLE = os.W_OK | os.X_OK


class Would(Exception):
    """A delivery would write here."""


class DryDisk:
    """A disk that tells whether something can be opened, and opens nothing."""

    def open(self, path: bytes, flags: int, mode: int) -> int:
        """Raise what opening an mbox file for appending would raise, or Would."""
        try:
            kind = os.stat(path).st_mode
        except FileNotFoundError:
            folder = os.path.dirname(path) or b"."
            os.stat(folder)
            _require(folder, _WRITABLE)
            raise Would from None
        if stat.S_ISDIR(kind):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        _require(path, os.W_OK)
        if stat.S_ISFIFO(kind):
            raise OSError(errno.ENXIO, os.strerror(errno.ENXIO), path)
        raise Would

    def create_nameless(self, folder: bytes, mode: int) -> int:
        """Raise what beginning a file in the ``tmp`` of a Maildir would raise, or Would."""
        for place in (folder, folder.removesuffix(b"tmp") + b"new"):
            if not stat.S_ISDIR(os.stat(place).st_mode):
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), place)
            _require(place, _WRITABLE)
        raise Would


def _require(path: bytes, rights: int) -> None:
    """Raise PermissionError unless we have these rights."""
    if not os.access(path, rights):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)


class Trail:
    """Stands for the message: it has been where the trail says, and holds nothing."""

    def __init__(self, been: Sequence[bytes]) -> None:
        """Take the Delivered-To lines it has."""
        self._been = been

    def has_header_line(self, line: bytes) -> bool:
        """Has it been here?"""
        return line in self._been

    def pieces(self) -> Iterator[bytes]:
        """The text of the message."""
        return iter(())


class Look(Delivery):
    """A delivery that only looks."""

    def __init__(self, request: Request, been: Sequence[bytes], settings: Settings) -> None:
        """Look at one delivery of a message that has been at these addresses."""
        disk: Any = DryDisk()
        settings.disk = disk
        trail: Any = Trail(been)
        super().__init__(request, trail, settings, Collected())
        self.steps: list[Step] = []
        self.keeps: list[str] = []
        self._text: list[bytes] = []
        self._file: str | None = None
        self._told = 0

    def say(self, text: str, line: int | None = None) -> None:
        """Tell a step."""
        self.steps.append(Step(STAGE, text, self._file, line))

    def find_instructions(self) -> search.Found:
        """The .qmail file for this address."""
        names = [name for name, _ in search.candidates(self.request.dash, self.request.ext)]
        try:
            found = super().find_instructions()
        except Failed as failed:
            if failed.code == REFUSED:
                self.say(f"there is none of {_listed(names)}")
            raise
        before = names[: names.index(found.name)] if found.name in names else names
        if before:
            self.say(f"there is no {_listed(before)}")
        if found.name:
            self._file = shown(self.request.home + b"/" + found.name)
            only = ", and may only forward: its x bit is set" if found.forwards_only else ""
            self.say(f"{shown(found.name)} counts{only}")
        return found

    def prepare(self, found: search.Found) -> None:
        """Learn who the sender of forwards is."""
        super().prepare(found)
        if self.new_sender != self.request.sender:
            self.say(f"bounces of what is forwarded go to {shown(self.new_sender)}")

    def obey(self, text: bytes, forwards_only: bool) -> None:
        """Go through the lines."""
        if text == self.request.default and self._file is None:
            self._file = "default delivery"
        elif text == self.request.default:
            self.say("it is empty, so the default delivery counts")
            self._file = "default delivery"
        self._text = text.removesuffix(b"\n").split(b"\n")
        try:
            super().obey(text, forwards_only)
        except Failed:
            if not self.line:
                self.say("the first line is blank", 1)
            elif self._told < self.line:
                self._at(f"{_short(self._text[self.line - 1])}: this must not be here")
            raise
        self._pass_to(len(self._text) + 1)

    def _pass_to(self, line: int) -> None:
        """Tell of the lines before one that say nothing."""
        while self._told < line - 1:
            self._told += 1
            said = self._text[self._told - 1]
            if said.strip() and self._told <= LINES_MAX:
                self.say(f"{_short(said)}: says nothing", self._told)

    def _at(self, what: str) -> None:
        """Tell what the line does that is being obeyed."""
        self._pass_to(self.line)
        self._told = self.line
        if self.line <= LINES_MAX:
            self.say(what, self.line)
        elif self.line == LINES_MAX + 1:
            self.say("the lines from here on are not shown", self.line)

    def mbox(self, path: bytes) -> bool:
        """A message is appended to a file."""
        self._at(f"{_short(path)}: appended to this mbox")
        try:
            super().mbox(path)
        except Would:
            self.files += 1
        self.keeps.append(self._whole(path))
        return GO_ON

    def maildir(self, path: bytes) -> bool:
        """A message is put into a Maildir."""
        self._at(f"{_short(path)}: put into this Maildir")
        try:
            super().maildir(path)
        except Would:
            self.files += 1
        self.keeps.append(self._whole(path))
        return GO_ON

    def program(self, command: bytes) -> bool:
        """A message is given to a program."""
        self._at(f"{_short(b'|' + command)}: given to this program; if it exits with 0 we go on, with 99 the lines "
                 "below do not count, with 100 it bounces, with 111 it is tried again later")
        self.programs += 1
        return GO_ON

    def forward(self, address: bytes) -> bool:
        """A message goes to another address."""
        self._at(f"{_short(address)}: forwarded to this address, when all other lines have been obeyed")
        return super().forward(address)

    def conclude(self) -> None:
        """Send nothing."""

    def _whole(self, path: bytes) -> str:
        """A path with the home in front, unless it begins at the root."""
        return shown(path if path.startswith(b"/") else self.request.home + b"/" + path.removeprefix(b"./"))


def _short(text: bytes) -> str:
    """A line, or as much of it as is worth showing."""
    return shown(text if len(text) <= 200 else text[:200] + b"...")


def _listed(names: Sequence[bytes]) -> str:
    """Several names."""
    few = [*names[:4], *([b"..."] if len(names) > 4 else ())]
    return ", ".join(_short(name) for name in few)


def look(request: Request, been: Sequence[bytes], home: str, forbidden: int) -> dict[str, Any]:
    """Ask all of it: the steps, the report of the delivery, and what is done where nothing fails."""
    looking = Look(request, been, Settings(home, forbidden, {}))
    code, said = DONE, b""
    try:
        looking.run()
    except Failed as failed:
        code, said = failed.code, failed.text
    return {
        "steps": looking.steps,
        "report": status.report_text(code, said).decode("latin-1"),
        "keeps": looking.keeps,
        "programs": looking.programs,
        "forwards": [address.decode("latin-1") for address in looking.forwards],
        "sender": getattr(looking, "new_sender", request.sender).decode("latin-1"),
    }
