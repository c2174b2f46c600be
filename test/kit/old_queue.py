"""A queue as an original qmail leaves it, written byte for byte, with its owners, modes and times (root only)."""

from __future__ import annotations

import os
import shutil
import time
from typing import TYPE_CHECKING

from qtwisted.admin.install import hier
from test.kit.world import NOFILES, QMAIL, ROLES

if TYPE_CHECKING:
    from collections.abc import Sequence

OLD = 129600 + 3600
"""Older than a writer may live: what it has left is rubbish then."""
MESSAGE = b"Received: (qmail 2620 invoked by uid 1002); 22 Nov 2026 13:40:12 -0000\nSubject: %s\n\nbody of %s\n"
#: what an original's programs look like from outside: as netqmail's do
PROGRAMS = {
    "qmail-send": b"status: ", "qmail-inject": b"QMAILQUEUE", "qmail-queue": b"", "qmail-lspawn": b"",
    "qmail-rspawn": b"", "qmail-clean": b"", "qmail-smtpd": b"", "qmail-showctl": b"",
}


def strip(home: str) -> None:
    """Take from a home of ours what an original has not, and put its programs in the place of ours."""
    for name in ("conf", "run", "bin"):
        shutil.rmtree(f"{home}/{name}")
    os.mkdir(f"{home}/bin", 0o755)
    for name, text in PROGRAMS.items():
        path = f"{home}/bin/{name}"
        with open(path, "wb") as file:
            file.write(b"\x7fELF\0" + text + b"\0")
        os.chmod(path, 0o4711 if name == "qmail-queue" else 0o755)
    os.chown(f"{home}/bin/qmail-queue", ROLES["qmailq"][0], QMAIL)
    os.chmod(f"{home}/bin/qmail-queue", 0o4711)


class OldQueue:
    """Writes as the programs of an original do, without any of ours."""

    def __init__(self, home: str, split: int) -> None:
        """Make it empty, with so many directories, in the place of the queue of a home."""
        self.path = f"{home}/queue"
        self._split = split
        shutil.rmtree(self.path)
        for entry in hier.queue(split):
            path = f"{home}/{entry.path}"
            if entry.kind == hier.DIRECTORY:
                os.mkdir(path)
            elif entry.kind == hier.FIFO:
                os.mkfifo(path)
            else:
                hier.write(path, entry.content, entry.mode)
            os.chown(path, ROLES[entry.user][0], QMAIL)
            os.chmod(path, entry.mode)

    def place(self, folder: str, number: int) -> str:
        """Where the file of message *number* is, below the queue."""
        return f"{folder}/{number % self._split}/{number}"

    def _put(self, name: str, data: bytes, role: str, mode: int, at: float | None) -> None:
        """Write a file of one of the users, with the times *at* if given."""
        path = f"{self.path}/{name}"
        with open(path, "wb") as file:
            file.write(data)
        os.chmod(path, mode)
        # the group of qmail-queue's files is that of who called it
        os.chown(path, ROLES[role][0], NOFILES if role == "qmailq" else QMAIL)
        if at is not None:
            os.utime(path, (at, at))

    def mess(self, subject: bytes, at: float | None = None, header: bytes = b"") -> int:
        """S2: a text under the number of its inode, made by way of pid/ (qmail-queue.c)."""
        first = f"pid/2620.{int(time.time())}.1"
        self._put(first, header + MESSAGE % (subject, subject), "qmailq", 0o644, at)
        number = os.stat(f"{self.path}/{first}").st_ino
        os.link(f"{self.path}/{first}", f"{self.path}/{self.place('mess', number)}")
        os.unlink(f"{self.path}/{first}")
        return number

    def received(self, number: int, sender: bytes, recipients: Sequence[bytes], queued: bool = True) -> None:
        """S3, or S4 if it is queued: the envelope in intd/ and todo/."""
        records = b"".join(b"T%s\0" % recipient for recipient in recipients)
        self._put(f"intd/{number}", b"u1002\0p2620\0F%s\0%s" % (sender, records), "qmailq", 0o644, None)
        if queued:
            os.link(f"{self.path}/intd/{number}", f"{self.path}/todo/{number}")

    def planned(self, number: int, sender: bytes, born_at: float, local: bytes = b"", remote: bytes = b"",
                next_at: float | None = None) -> None:
        """S5: what qmail-send has written; recipients are given with their T or D, each ended by a zero byte."""
        self._put(self.place("info", number), b"F%s\0" % sender, "qmails", 0o600, born_at)
        for folder, records in (("local", local), ("remote", remote)):
            if records:
                self._put(self.place(folder, number), records, "qmails", 0o600, next_at)

    def bounced(self, number: int, text: bytes) -> None:
        """The failures that were recorded."""
        self._put(f"bounce/{number}", text, "qmails", 0o600, None)

    def files(self, *folders: str) -> list[str]:
        """The files in these folders."""
        found = []
        for folder in folders:
            for here, _, names in os.walk(f"{self.path}/{folder}"):
                found += [os.path.relpath(os.path.join(here, name), self.path) for name in names]
        return sorted(found)
