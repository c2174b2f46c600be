"""Tests of the disk on a real directory: it does what it says and raises what the system says."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.system.disk import Disk


class DiskCase(SynchronousTestCase):
    """A test with a directory of its own and a Disk on it."""

    def setUp(self) -> None:
        """Make the directory."""
        self.place = Path(self.mktemp())
        self.place.mkdir(parents=True)
        self.disk = Disk(str(self.place))
        self.addCleanup(self.disk.release)

    def put(self, name: str, content: bytes) -> None:
        """Make a file."""
        fd = self.disk.create(name)
        self.disk.write_all(fd, content)
        self.disk.close(fd)


class ContentTests(DiskCase):
    """Reading and writing."""

    def test_round_trip(self) -> None:
        """What is written in pieces is read back as a whole."""
        fd = self.disk.create("a", 0o640)
        self.disk.write_pieces(fd, [b"one ", b"two ", b"three"])
        self.disk.write_pieces(fd, [b"!"])
        self.disk.write_all(fd, b"")
        self.disk.fsync(fd)
        self.assertEqual(stat.S_IMODE(self.disk.fstat(fd).st_mode) & ~0o027, 0o640 & ~0o027)
        self.disk.close(fd)
        self.assertEqual(self.disk.read_file("a"), b"one two three!")

    def test_create_exclusive(self) -> None:
        """An existing file is not opened by create."""
        self.put("a", b"")
        self.assertRaises(FileExistsError, self.disk.create, "a")

    def test_short_writes(self) -> None:
        """What the system does not take at once is written in further calls."""
        taken: list[bytes] = []

        def write(fd: int, data: bytes) -> int:
            """Take three bytes at most."""
            taken.append(data[:3])
            return min(len(data), 3)

        self.patch(os, "write", write)
        self.disk.write_all(7, b"12345678")
        self.assertEqual(b"".join(taken), b"12345678")

    def test_overwrite(self) -> None:
        """Bytes in the middle are replaced, a short write is an error, and a file can be cut."""
        self.put("a", b"Tone\0Ttwo\0")
        fd = self.disk.open("a", os.O_RDWR)
        self.disk.write_at(fd, b"D", 5)
        self.disk.truncate(fd, 9)
        self.assertEqual(self.disk.read(fd, 100), b"Tone\0Dtwo")
        self.patch(os, "pwrite", lambda fd, data, offset: 0)
        self.assertRaises(OSError, self.disk.write_at, fd, b"D", 0)
        self.disk.close(fd)

    def test_times(self) -> None:
        """Times are set by name and by descriptor."""
        self.put("a", b"")
        self.disk.utime("a", 10, 20)
        found = self.disk.stat("a")
        self.assertEqual((found.st_atime, found.st_mtime), (10, 20))
        fd = self.disk.open("a")
        self.disk.utime(fd, 30, 40)
        self.assertEqual(self.disk.fstat(fd).st_mtime, 40)
        self.disk.close(fd)

    def test_not_inherited(self) -> None:
        """No program we start gets a descriptor."""
        fd = self.disk.create("a")
        self.assertFalse(os.get_inheritable(fd))
        self.disk.close(fd)


class NameTests(DiskCase):
    """Making, moving and taking names."""

    def test_link(self) -> None:
        """A link is a second name of the same inode and never replaces anything."""
        self.put("a", b"1")
        self.disk.link("a", "b")
        self.assertEqual(self.disk.stat("a").st_ino, self.disk.stat("b").st_ino)
        self.assertRaises(FileExistsError, self.disk.link, "a", "b")

    def test_rename(self) -> None:
        """A rename replaces, rename_new does not."""
        self.put("a", b"1")
        self.put("b", b"2")
        self.assertRaises(FileExistsError, self.disk.rename_new, "a", "b")
        self.assertRaises(FileNotFoundError, self.disk.rename_new, "x", "y")
        self.disk.rename_new("a", "c")
        self.disk.rename("c", "b")
        self.assertEqual([name for name, _ in self.disk.names(".")], ["b"])
        self.assertEqual(self.disk.read_file("b"), b"1")

    def test_rename_without_the_call(self) -> None:
        """Where the system cannot rename without replacing, a link and an unlink do it."""
        import ctypes

        for answer in (lambda name, use_errno: object(), lambda name, use_errno: self.Refusing()):
            self.patch(ctypes, "CDLL", answer)
            self.patch(ctypes, "get_errno", lambda: 22)
            disk = Disk(str(self.place))
            self.put("a", b"1")
            disk.rename_new("a", "b")
            self.assertFalse(disk.exists("a"))
            self.put("a", b"2")
            self.assertRaises(FileExistsError, disk.rename_new, "a", "b")
            self.assertRaises(OSError, disk.syncfs)
            self.assertTrue(disk.discard("a") and disk.discard("b"))
            disk.release()

    class Refusing:
        """A C library whose calls fail."""

        def renameat2(self, *arguments: object) -> int:
            """Fail."""
            return -1

        def syncfs(self, fd: int) -> int:
            """Fail."""
            return -1

    def test_discard(self) -> None:
        """To discard what is not there is no error; to unlink it is."""
        self.put("a", b"")
        self.assertTrue(self.disk.discard("a"))
        self.assertFalse(self.disk.discard("a"))
        self.assertRaises(FileNotFoundError, self.disk.unlink, "a")
        self.disk.mkdir("d")
        self.assertRaises(OSError, self.disk.discard, "d")

    def test_exists(self) -> None:
        """Every kind of file exists, dangling links too; trouble is not absence."""
        os.symlink("nowhere", self.place / "link")
        self.put("file", b"")
        self.assertTrue(self.disk.exists("link"))
        self.assertFalse(self.disk.exists("none"))
        self.assertRaises(NotADirectoryError, self.disk.exists, "file/x")

    def test_names(self) -> None:
        """A directory is listed with inode numbers and closed when the listing is dropped half-way."""
        self.put("a", b"")
        self.put("b", b"")
        self.assertEqual(dict(self.disk.names("."))["a"], self.disk.stat("a").st_ino)
        before = len(os.listdir("/proc/self/fd"))
        listing = self.disk.names(".")
        next(listing)
        listing.close()  # type: ignore[attr-defined]
        self.assertEqual(len(os.listdir("/proc/self/fd")), before)


class SyncTests(DiskCase):
    """Durability."""

    def test_each_way(self) -> None:
        """Files, directories and the whole file system can be synced."""
        self.put("a", b"1")
        self.disk.fsync_dir(".")
        self.disk.syncfs()
        self.disk.syncfs()
        self.assertRaises(FileNotFoundError, self.disk.fsync_dir, "none")

    def test_working_directory(self) -> None:
        """Without a directory of its own a Disk works from the current one."""
        disk = Disk()
        name = os.path.join(self.place, "a")
        disk.close(disk.create(name))
        disk.rename_new(name, name + "b")
        disk.syncfs()
        self.assertTrue(disk.exists(name + "b"))
        disk.release()
