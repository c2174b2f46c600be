"""Both kinds of mailboxes keep the promises of mailboxes."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.mailbox import maildir, mbox
from test.contract.mailboxes import MailboxContract

if TYPE_CHECKING:
    from collections.abc import Iterable

    from qtwisted.system.disk import Disk

HEADING = b"From s@t Sun Nov 22 13:40:12 2026\n"


class MaildirTests(MailboxContract, SynchronousTestCase):
    """Maildir."""

    def setUp(self) -> None:
        """Make an empty one."""
        self.path = os.fsencode(self.mktemp())
        self.names = maildir.Names()
        for name in (b"", b"/tmp", b"/new", b"/cur"):
            os.mkdir(self.path + name, 0o700)

    def put(self, disk: Disk, pieces: Iterable[bytes]) -> None:
        """Deliver into it."""
        maildir.deliver(disk, self.path + b"/", self.names, pieces)

    def messages(self) -> list[bytes]:
        """Read the files in new/."""
        self.assertEqual(os.listdir(self.path + b"/tmp"), [])
        found = []
        for name in os.listdir(self.path + b"/new"):
            with open(self.path + b"/new/" + name, "rb") as file:
                found.append(file.read())
        return found


class MaildirByNameTests(MaildirTests):
    """Maildir where the file system has no nameless files."""

    def put(self, disk: Disk, pieces: Iterable[bytes]) -> None:
        """Deliver into it, on a disk that refuses such files."""

        def refuse(directory: bytes, mode: int) -> int:
            """Be an old file system."""
            raise OSError(errno.EOPNOTSUPP, "no nameless files")

        disk.create_nameless = refuse  # type: ignore[method-assign, assignment]
        super().put(disk, pieces)


class MboxTests(MailboxContract, SynchronousTestCase):
    """The mbox format."""

    def setUp(self) -> None:
        """Choose a name for one."""
        self.path = os.fsencode(self.mktemp())

    def put(self, disk: Disk, pieces: Iterable[bytes]) -> None:
        """Append to it."""
        mbox.deliver(disk, self.path, HEADING, pieces)

    def messages(self) -> list[bytes]:
        """Take the file apart at its From_ lines."""
        if not os.path.exists(self.path):
            return []
        with open(self.path, "rb") as file:
            parts = file.read().split(HEADING)
        self.assertEqual(parts.pop(0), b"")
        for part in parts:
            self.assertTrue(part.endswith(b"\n"))
        return [part[:-1] for part in parts]
