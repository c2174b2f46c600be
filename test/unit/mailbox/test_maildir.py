"""Messages in Maildirs."""

from __future__ import annotations

import errno
import os
import re
from typing import TYPE_CHECKING

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from qtwisted.mailbox.maildir import Names, NoMaildir, deliver
from qtwisted.system.disk import Disk

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = 1795354812


class NamesTests(SynchronousTestCase):
    """The names messages get."""

    def setUp(self) -> None:
        """A clock that stands still."""
        self.clock = Clock()
        self.clock.advance(NOW)
        self.pid = b"%d" % os.getpid()

    def names(self, host: bytes = b"mx.example") -> Names:
        """Names on a host."""
        return Names(host, self.clock.seconds)

    def test_shape(self) -> None:
        """The first name in a second is TIME.PID.HOST, as in 1.02 (L21)."""
        self.assertEqual(self.names().next(), b"1795354812.%s.mx.example" % self.pid)

    def test_frozen_clock(self) -> None:
        """Names differ even if the clock stands still (L33)."""
        names = self.names()
        given = [names.next() for _ in range(1000)]
        self.assertEqual(len(set(given)), 1000)
        self.assertEqual(given[1:3], [b"1795354812.%s_%d.mx.example" % (self.pid, n) for n in (1, 2)])

    def test_next_second(self) -> None:
        """In the next second counting begins anew."""
        names = self.names()
        names.next(), names.next()
        self.clock.advance(1)
        self.assertEqual(names.next(), b"1795354813.%s.mx.example" % self.pid)

    def test_clock_goes_back(self) -> None:
        """A clock that is set back does not make names come again."""
        names = self.names()
        given = {names.next() for _ in range(3)}
        self.clock.rightNow = NOW - 10
        given |= {names.next() for _ in range(3)}
        self.clock.rightNow = NOW
        given |= {names.next() for _ in range(3)}
        self.assertEqual(len(given), 9)

    def test_odd_hosts(self) -> None:
        """Slash and colon of a host's name are escaped, and no more than 64 bytes of it are used."""
        self.assertTrue(self.names(b"a/b:c").next().endswith(b".a\\057b\\072c"))
        self.assertTrue(self.names(b"x" * 70).next().endswith(b"." + b"x" * 64))

    def test_this_host(self) -> None:
        """Without being told, names are those of this machine and this moment."""
        self.assertTrue(re.fullmatch(rb"\d{10,}\.\d+\.[^/:]+", Names().next()))


class ClashingNames(Names):
    """Names some of which others have taken."""

    def __init__(self, *given: bytes) -> None:
        """Give these."""
        self.given = list(given)

    def next(self) -> bytes:
        """The next of them."""
        return self.given.pop(0)


class NamingDisk(Disk):
    """A file system on which every file has a name."""

    def create_nameless(self, directory: str | bytes, mode: int = 0o600) -> int:
        """Refuse, as such a file system does."""
        raise OSError(errno.EOPNOTSUPP, "no nameless files")


class DeliverTests(SynchronousTestCase):
    """What is in the directories afterwards."""

    def setUp(self) -> None:
        """An empty Maildir."""
        self.path = os.fsencode(self.mktemp())
        for name in (b"", b"/tmp", b"/new", b"/cur"):
            os.mkdir(self.path + name, 0o700)
        self.names = Names()

    def deliver(self, *pieces: bytes, names: Names | None = None, disk: Disk | None = None) -> bytes:
        """Deliver a message."""
        return deliver(disk or Disk(), self.path + b"/", names or self.names, pieces)

    def listed(self, name: bytes) -> list[bytes]:
        """What is in a subdirectory."""
        return os.listdir(self.path + name)

    def test_delivered(self) -> None:
        """One file of mode 0600 is in new/, byte for byte what was given, and nothing in tmp/ (L21)."""
        name = self.deliver(b"Subject: x\n\nFrom here\n", b"no newline\xff\0")
        self.assertEqual((self.listed(b"/new"), self.listed(b"/tmp")), ([name], []))
        found = os.stat(self.path + b"/new/" + name)
        self.assertEqual((found.st_mode & 0o777, found.st_nlink), (0o600, 1))
        with open(self.path + b"/new/" + name, "rb") as file:
            self.assertEqual(file.read(), b"Subject: x\n\nFrom here\nno newline\xff\0")

    def test_without_slash(self) -> None:
        """The slash at the end of the directory's name is not needed."""
        deliver(Disk(), self.path, self.names, [b"x"])
        self.assertEqual(len(self.listed(b"/new")), 1)

    def test_no_directory(self) -> None:
        """Where there is no such directory, or something else, there is no Maildir (L22)."""
        for path in (self.path + b"/nope/", self.path + b"/file/", self.path + b"/loop/"):
            os.symlink(b"loop", self.path + b"/loop") if path.endswith(b"loop/") else None
            if path.endswith(b"file/"):
                open(self.path + b"/file", "w").close()
            self.assertRaises(NoMaildir, deliver, Disk(), path, self.names, [b"x"])

    def test_not_a_whole_maildir(self) -> None:
        """A directory without tmp/ or new/ is other trouble, and nothing stays behind (L22)."""
        os.rmdir(self.path + b"/new")
        self.assertRaises(FileNotFoundError, self.deliver, b"x")
        self.assertEqual(self.listed(b"/tmp"), [])
        os.rmdir(self.path + b"/tmp")
        self.assertRaises(FileNotFoundError, self.deliver, b"x")

    def test_working_directory_stays(self) -> None:
        """Finding out what is wrong leaves the working directory alone."""
        here = os.getcwd()
        os.rmdir(self.path + b"/tmp")
        self.assertRaises(FileNotFoundError, self.deliver, b"x")
        self.assertEqual(os.getcwd(), here)

    def test_name_taken_in_tmp(self) -> None:
        """A name somebody else has in tmp/ is passed over, and his file is left alone."""
        open(self.path + b"/tmp/a", "w").close()
        self.assertEqual(self.deliver(b"x", names=ClashingNames(b"a", b"b", b"c"), disk=NamingDisk()), b"c")
        self.assertEqual(self.listed(b"/tmp"), [b"a"])

    def test_name_taken_in_new(self) -> None:
        """A name somebody else has in new/ is passed over, too."""
        open(self.path + b"/new/a", "w").close()
        self.assertEqual(self.deliver(b"x", names=ClashingNames(b"a", b"b")), b"b")
        self.assertEqual(os.stat(self.path + b"/new/a").st_size, 0)

    def test_names_run_out(self) -> None:
        """If every name is taken, delivery fails in the end, and nothing stays behind."""
        open(self.path + b"/tmp/a", "w").close()
        open(self.path + b"/new/a", "w").close()
        for disk in (Disk(), NamingDisk()):
            self.assertRaises(FileExistsError, self.deliver, b"x", names=ClashingNames(*[b"a"] * 5000), disk=disk)
            self.assertEqual(self.listed(b"/tmp"), [b"a"])

    def test_trouble_with_the_message(self) -> None:
        """If the message cannot be read to its end, nothing of it stays."""

        def pieces() -> Iterator[bytes]:
            """A message that breaks off."""
            yield b"x"
            raise ValueError("no more")

        self.assertRaises(ValueError, deliver, Disk(), self.path, self.names, pieces())
        self.assertEqual((self.listed(b"/new"), self.listed(b"/tmp")), ([], []))

    def test_directory_sync_fails(self) -> None:
        """If new/ cannot be synced the message is taken back: it was never delivered."""

        class Broken(Disk):
            """A disk that cannot sync directories."""

            def fsync_dir(self, path: str | bytes) -> None:
                """Fail."""
                raise OSError(errno.EIO, "broken")

        self.assertRaises(OSError, deliver, Broken(), self.path, self.names, [b"x"])
        self.assertEqual((self.listed(b"/new"), self.listed(b"/tmp")), ([], []))

    def test_tmp_is_a_link(self) -> None:
        """A tmp/ that leads elsewhere is followed, as the user's own doing; no existing file is written (L34)."""
        elsewhere = os.fsencode(self.mktemp())
        os.mkdir(elsewhere)
        os.rmdir(self.path + b"/tmp")
        os.symlink(os.path.abspath(elsewhere), self.path + b"/tmp")
        self.deliver(b"x")
        self.assertEqual((len(self.listed(b"/new")), os.listdir(elsewhere)), (1, []))
