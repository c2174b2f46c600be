"""The messages that orders name."""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.deliver import spawn
from qtwisted.deliver.spawn import Unusable, open_message


class OpenMessageTests(SynchronousTestCase):
    """Rows 10 to 13 of core-spawn A1."""

    def setUp(self) -> None:
        """A directory like queue/mess."""
        self.addCleanup(os.chdir, os.getcwd())
        mess = self.mktemp()
        os.makedirs(mess + "/14")
        os.chdir(mess)
        self.uid = os.getuid()

    def refused(self, messid: bytes, report: bytes, owner: int | None = None) -> None:
        """Assert that a message is not used, with this report, and that nothing is left open."""
        before = os.listdir("/proc/self/fd")
        unusable = self.assertRaises(Unusable, open_message, messid, self.uid if owner is None else owner)
        self.assertEqual(unusable.report, report)
        self.assertEqual(len(os.listdir("/proc/self/fd")), len(before))

    def test_good(self) -> None:
        """A regular file of the right owner is opened for reading, close-on-exec."""
        with open("14/1", "w") as file:
            file.write("hi\n")
        fd = open_message(b"14/1", self.uid)
        self.addCleanup(os.close, fd)
        self.assertEqual(os.read(fd, 10), b"hi\n")
        self.assertFalse(os.get_inheritable(fd))

    def test_missing(self) -> None:
        """A message that does not exist cannot be opened (SPN-06)."""
        self.refused(b"14/1", b"Zqmail-spawn unable to open message. (#4.3.0)\n")
        self.refused(b"9" * 99, b"Zqmail-spawn unable to open message. (#4.3.0)\n")

    def test_wrong_type(self) -> None:
        """A directory, a FIFO or a link is no message, and none is waited for (SPN-09, L43)."""
        os.mkfifo("14/2")
        os.symlink("/etc/passwd", "14/3")
        for messid in (b"14", b"14/2", b"14/3"):
            self.refused(messid, b"ZSorry, message has wrong type. (#4.3.5)\n")

    def test_wrong_owner(self) -> None:
        """A file of anybody else is no message (SPN-10, L43)."""
        open("14/1", "w").close()
        self.refused(b"14/1", b"ZSorry, message has wrong owner. (#4.3.5)\n", self.uid + 1)

    def test_unknown(self) -> None:
        """A file that cannot be looked at is not used."""
        open("14/1", "w").close()

        def fail(fd: int) -> os.stat_result:
            """Refuse to look."""
            raise OSError

        self.patch(spawn.os, "fstat", fail)
        self.refused(b"14/1", b"Zqmail-spawn unable to fstat message. (#4.3.0)\n")
