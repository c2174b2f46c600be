"""qmail-tcpto shows the table of timeouts, qmail-tcpok clears it."""

from __future__ import annotations

import os
import struct
import time
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.deliver.tcpok import tcpok
from qtwisted.deliver.tcpto import shown, tcpto
from qtwisted.system.ending import Ending
from test.unit.store.test_qstat import printed


def record(address: tuple[int, ...], timeouts: int, last_at: int) -> bytes:
    """Write a record of the table."""
    return struct.pack("<4BB3xI4x", *address, timeouts, last_at)


class TableCase(SynchronousTestCase):
    """A home with a table."""

    def setUp(self) -> None:
        """Make it."""
        self.addCleanup(os.chdir, os.getcwd())
        self.home = os.path.abspath(self.mktemp())
        self.file = Path(self.home) / "queue/lock/tcpto"
        self.file.parent.mkdir(parents=True)
        self.file.write_bytes(bytes(1024))


class TcptoTests(TableCase):
    """What is shown."""

    def test_lines(self) -> None:
        """Addresses with a timeout are shown, others are not (ADM-05)."""
        now = 1_800_000_000
        table = record((10, 0, 0, 1), 1, now - 10) + record((10, 0, 0, 2), 10, now - 5000) + record(
            (10, 0, 0, 3), 0, now - 1)
        self.assertEqual(list(shown(table.ljust(1024, b"\0"), now)), [
            b"10.0.0.1 timed out 10 seconds ago; # recent timeouts: 1\n",
            b"10.0.0.2 timed out 5000 seconds ago; # recent timeouts: 10\n"])

    def test_future(self) -> None:
        """What will be was just now."""
        (line,) = shown(record((10, 0, 0, 1), 1, 100), 50)
        self.assertEqual(line, b"10.0.0.1 timed out 0 seconds ago; # recent timeouts: 1\n")

    def test_short_file(self) -> None:
        """Of a short file the whole records count; an empty one says nothing."""
        now = int(time.time())
        self.file.write_bytes(record((10, 0, 0, 1), 2, now) + record((10, 0, 0, 2), 2, now)[:15])
        text, code = printed(tcpto(self.home))
        self.assertRegex(text, rb"^10\.0\.0\.1 timed out \d+ seconds ago; # recent timeouts: 2\n$")
        self.file.write_bytes(b"")
        self.assertEqual((printed(tcpto(self.home)), code), ((b"", 0), 0))

    def test_trouble(self) -> None:
        """Without the file, or a queue, that is said on standard output (ADM-07)."""
        self.file.unlink()
        self.assertEqual(printed(tcpto(self.home)), (b"fatal: unable to open tcpto: file does not exist\n", 111))
        self.file.mkdir()
        self.assertEqual(printed(tcpto(self.home)), (b"fatal: unable to open tcpto: is a directory\n", 111))
        self.assertEqual(printed(tcpto(f"{self.home}/nowhere")),
                         (b"fatal: unable to chdir: file does not exist\n", 111))


class TcpokTests(TableCase):
    """What is cleared."""

    def test_cleared(self) -> None:
        """The table is empty afterwards, and as long as a table, whatever it was (ADM-06)."""
        for before in (record((10, 0, 0, 1), 2, 5).ljust(1024, b"\0"), b"", b"x" * 40):
            self.file.write_bytes(before)
            self.assertEqual(tcpok(self.home), 0)
            self.assertEqual(self.file.read_bytes(), bytes(1024))
            self.assertEqual(printed(tcpto(self.home)), (b"", 0))

    def test_link(self) -> None:
        """A link does not make root clear another file, nor show it."""
        other = self.file.parent.parent / "other"
        other.write_bytes(b"x" * 2000)
        self.file.unlink()
        self.file.symlink_to(other)
        self.assertEqual(self.trouble(self.home),
                         b"qmail-tcpok: fatal: unable to write HOME/queue/lock/tcpto: symbolic link loop")
        self.assertEqual(printed(tcpto(self.home)), (b"fatal: unable to open tcpto: symbolic link loop\n", 111))
        self.assertEqual(other.read_bytes(), b"x" * 2000)

    def trouble(self, home: str) -> bytes:
        """Say why the table of a home cannot be cleared."""
        ending = self.assertRaises(Ending, tcpok, home)
        self.assertEqual(ending.code, 111)
        return ending.line.replace(os.fsencode(home), b"HOME")

    def test_trouble(self) -> None:
        """Each step that may fail is named with its place (ADM-07)."""
        self.file.unlink()
        self.assertEqual(self.trouble(self.home),
                         b"qmail-tcpok: fatal: unable to write HOME/queue/lock/tcpto: file does not exist")
        self.file.parent.rmdir()
        self.assertEqual(self.trouble(self.home),
                         b"qmail-tcpok: fatal: unable to chdir to HOME/queue/lock: file does not exist")
        self.assertEqual(self.trouble(f"{self.home}/nowhere"),
                         b"qmail-tcpok: fatal: unable to chdir to HOME: file does not exist")
