"""Tests: the scheduler's files."""

from __future__ import annotations

import os

from twisted.trial.unittest import TestCase

from qtwisted.model import alerts
from qtwisted.store.kinds.ledger import Ledger, PlanFiles, Trouble
from qtwisted.system.disk import Disk

SPLIT = 23


class Queue(TestCase):
    """A queue on a real disk."""

    def setUp(self):
        """Make the directories."""
        self.path = self.mktemp()
        for kind in ("bounce", "intd", "lock", "todo"):
            os.makedirs(f"{self.path}/{kind}")
        for kind in ("mess", "info", "local", "remote"):
            for part in range(SPLIT):
                os.makedirs(f"{self.path}/{kind}/{part}")
        open(f"{self.path}/lock/sendmutex", "w").close()
        self.disk = Disk(self.path)
        self.ledger = Ledger(self.disk, SPLIT)

    def put(self, name, data=b""):
        """Write a file."""
        with open(f"{self.path}/{name}", "wb") as file:
            file.write(data)

    def read(self, name):
        """Read a file."""
        with open(f"{self.path}/{name}", "rb") as file:
            return file.read()

    def assert_trouble(self, event, call, *arguments):
        """Check that a call fails, and what the log will say."""
        self.assertEqual(self.assertRaises(Trouble, call, *arguments).event, event)

    def refuse(self, *arguments):
        """Fail as a disk does."""
        raise OSError(28, "No space left on device")


class Whole(Queue):
    """The whole queue."""

    def test_names(self):
        """Some directories are split, some are not."""
        self.assertEqual(self.ledger.name("mess", 2318345), f"mess/{2318345 % 23}/2318345")
        self.assertEqual([self.ledger.file(kind, 24) for kind in ("info", "local", "remote", "todo", "bounce")],
                         [b"info/1/24", b"local/1/24", b"remote/1/24", b"todo/24", b"bounce/24"])
        self.assertEqual(self.ledger.directories("todo"), ["todo"])
        self.assertEqual(len(self.ledger.directories("info")), SPLIT)

    def test_lock(self):
        """Only one scheduler holds the queue."""
        self.ledger.lock()
        self.assert_trouble(alerts.AlreadyRunning(), Ledger(self.disk, SPLIT).lock)

    def test_no_mutex(self):
        """Without its file there is no lock."""
        os.unlink(f"{self.path}/lock/sendmutex")
        self.assert_trouble(alerts.NoMutex(), self.ledger.lock)

    def test_numbers(self):
        """Numbers are found, other names are passed over."""
        for name in ("5", "18446744073709551615", "18446744073709551616", "05", "x", "5x", "+5", "\xb2", " 5"):
            self.put(f"info/5/{name}")
        self.assertEqual(sorted(self.ledger.numbers("info/5")), [5, (1 << 64) - 1])
        os.rmdir(f"{self.path}/info/6")
        self.assert_trouble(alerts.CannotOpenDirectory(b"info/6"), list, self.ledger.numbers("info/6"))

    def test_stamp(self):
        """The note on the clocks lies in the times of the mutex, whose contents stay empty."""
        self.ledger.set_stamp(5000, 1_800_000_000)
        self.assertEqual(self.ledger.stamp(), (5000, 1_800_000_000))
        self.assertEqual(self.read("lock/sendmutex"), b"")
        os.unlink(f"{self.path}/lock/sendmutex")
        self.ledger.set_stamp(1, 2)
        self.assertIsNone(self.ledger.stamp())


class One(Queue):
    """One message."""

    def test_info(self):
        """Sender and birth come from info."""
        self.put("info/1/24", b"Fs@x\0Fother\0")
        os.utime(f"{self.path}/info/1/24", (7, 1234))
        self.assertEqual(self.ledger.info(24), (b"s@x", 1234))
        for bad in (b"", b"Fs@x", b"Ts@x\0"):
            self.put("info/1/24", bad)
            self.assert_trouble(alerts.TroubleOpening(b"info/1/24"), self.ledger.info, 24)
        self.assert_trouble(alerts.TroubleOpening(b"info/2/25"), self.ledger.info, 25)

    def test_looking(self):
        """Sizes and times are told; what is missing is missing."""
        self.put("mess/1/24", b"12345")
        self.put("local/1/24")
        os.utime(f"{self.path}/local/1/24", (9, -7))
        self.assertEqual(self.ledger.size(24), 5)
        self.assertEqual((self.ledger.modified_at("local", 24), self.ledger.modified_at("remote", 24)), (-7, None))
        self.assertEqual((self.ledger.exists("local", 24), self.ledger.exists("remote", 24)), (True, False))
        self.assert_trouble(alerts.CannotStat(b"mess/2/25"), self.ledger.size, 25)
        self.assert_trouble(alerts.TroubleOpening(b"remote/1/24"), self.ledger.open_recipients, 1, 24)

    def test_todo(self):
        """todo/N is read, missing, or not to be opened."""
        self.put("todo/24", b"u1\0")
        fd = self.ledger.open_todo(24)
        self.assertEqual(self.ledger.read_todo(24, fd, 10), b"u1\0")
        os.close(fd)
        self.assertIsNone(self.ledger.open_todo(25))
        os.symlink("26", f"{self.path}/todo/26")
        self.assert_trouble(alerts.CannotOpen(b"todo/26"), self.ledger.open_todo, 26)

    def test_bounce(self):
        """Paragraphs are appended; the file is ours alone."""
        for text in (b"one\n", b"two\n"):
            os.close(self.ledger.append_bounce(24, text))
        self.assertEqual(self.read("bounce/24"), b"one\ntwo\n")
        self.assertEqual(os.stat(f"{self.path}/bounce/24").st_mode & 0o777, 0o600)

    def test_no_space(self):
        """Half a paragraph is taken back (F03)."""
        os.close(self.ledger.append_bounce(24, b"one\n"))

        def write_half(fd, data):
            """Run out of space."""
            os.write(fd, data[:2])
            self.refuse()

        self.disk.write_all = write_half
        self.assert_trouble(alerts.CannotAppendToBounce(), self.ledger.append_bounce, 24, b"two\n")
        self.assertEqual(self.read("bounce/24"), b"one\n")
        self.disk.open = self.refuse
        self.assert_trouble(alerts.CannotAppendToBounce(), self.ledger.append_bounce, 24, b"two\n")

    def test_unlink(self):
        """A file that cannot be removed is told in two ways."""
        self.assert_trouble(alerts.CannotUnlink(b"bounce/24"), self.ledger.unlink, "bounce", 24)
        self.assert_trouble(alerts.CannotUnlinkYet(b"info/1/24"), self.ledger.unlink, "info", 24, True)

    def test_retry_time(self):
        """The next attempt is kept in the times of the file."""
        self.put("remote/1/24")
        self.ledger.set_retry(1, 24, 1_900_000_000)
        self.assertEqual(self.ledger.modified_at("remote", 24), 1_900_000_000)
        self.assert_trouble(alerts.CannotSetTime(b"local/1/24"), self.ledger.set_retry, 0, 24, 1)

    def test_remains(self):
        """Remains are found and removed, and it is told which directories have lost a name."""
        self.assertFalse(self.ledger.has_remains(24))
        self.assertEqual(self.ledger.remove_remains(24), [])
        for name in ("info/1/24", "bounce/24"):
            self.put(name)
        self.assertTrue(self.ledger.has_remains(24))
        self.assertEqual(self.ledger.remove_remains(24), ["info/1", "bounce"])
        os.mkdir(f"{self.path}/local/1/24")
        self.assert_trouble(alerts.CannotUnlink(b"local/1/24"), self.ledger.remove_remains, 24)
        self.disk.stat = self.refuse
        self.assertTrue(self.ledger.has_remains(25))


class Plan(Queue):
    """Writing a message down."""

    def test_files(self):
        """The files are written; what must be synced is told."""
        self.put("remote/1/24", b"stale")
        files = PlanFiles(self.ledger, 24)
        files.write("info", b"Fs@x\0")
        files.write("local", b"Ta@b\0")
        files.write("local", bytearray(b"Tc@d\0"))
        files.write_bounce(b"text\n")
        self.assertEqual((files.has(0), files.has(1)), (True, False))
        fds, directories = files.finish(1234)
        self.assertEqual(len(fds), 3)
        self.assertEqual(sorted(directories), ["bounce", "info/1", "local/1", "remote/1"])
        for fd in fds:
            os.close(fd)
        self.assertEqual(self.read("local/1/24"), b"Ta@b\0Tc@d\0")
        self.assertEqual(self.ledger.info(24), (b"s@x", 1234))
        self.assertEqual(os.stat(f"{self.path}/info/1/24").st_mode & 0o777, 0o644 & ~os_umask())
        self.assertFalse(self.ledger.exists("remote", 24))

    def test_trouble(self):
        """Whatever fails is told with its file."""
        os.rename(f"{self.path}/info/1", f"{self.path}/info/was")
        self.assert_trouble(alerts.CannotCreate(b"info/1/24"), PlanFiles, self.ledger, 24)
        os.rename(f"{self.path}/info/was", f"{self.path}/info/1")
        files = PlanFiles(self.ledger, 24)
        self.addCleanup(files.abandon)
        os.rmdir(f"{self.path}/local/1")
        self.assert_trouble(alerts.CannotCreate(b"local/1/24"), files.write, "local", b"")
        self.disk.write_all = self.refuse
        self.assert_trouble(alerts.TroubleWriting(b"info/1/24"), files.write, "info", b"x")
        self.disk.utime = self.refuse
        self.assert_trouble(alerts.TroubleWriting(b"info/1/24"), files.finish, 5)


def os_umask():
    """Tell the umask of this process."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
