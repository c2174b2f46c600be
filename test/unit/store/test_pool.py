"""Tests of the pool of inodes: what is used again, when, and what never."""

from __future__ import annotations

import errno

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.store.kinds import pool as pools
from qtwisted.store.kinds.pool import Pool
from test.kit.powercut import PowerCutDisk, empty_queue


class PoolCase(SynchronousTestCase):
    """A test with a pool on a disk in memory."""

    recycle = True

    def setUp(self) -> None:
        """Make both."""
        self.disk = PowerCutDisk(empty_queue(2), "ordered")
        self.taken: set[int] = set()
        self.now = 1000000.0
        self.pool = Pool(
            self.disk,  # type: ignore[arg-type]
            lambda: self.now,
            lambda number: number in self.taken,
            self.recycle,
        )

    def served(self, size: int = 100) -> int:
        """Have a file serve as a text and retire it; give its number."""
        blank = self.pool.take(size)
        self.disk.write_all(blank.fd, b"x" * size)
        self.disk.close(blank.fd)
        self.disk.rename(blank.path, f"mess/0/{blank.number}")
        self.pool.retire(f"mess/0/{blank.number}", blank.number, size)
        return blank.number

    def make_clean(self) -> None:
        """Let a group pass that makes all removals durable."""
        numbers, directories = self.pool.removed_so_far()
        for directory in directories:
            self.disk.fsync_dir(directory)
        self.pool.cleaned(numbers)

    def names(self) -> list[str]:
        """What lies in pid/."""
        return sorted(self.disk.names_now["pid"])


class ReuseTests(PoolCase):
    """Files are used again when that is safe."""

    def test_clean_only(self) -> None:
        """A retired file waits in pid/ under its number and is used again only when it is clean."""
        number = self.served()
        self.assertEqual(self.names(), [str(number)])
        other = self.pool.take(100)
        self.assertNotEqual(other.number, number)
        self.make_clean()
        again = self.pool.take(100)
        self.assertEqual((again.number, again.path, again.size), (number, f"pid/{number}", 100))

    def test_directories(self) -> None:
        """The directories a file left and the one it entered must be synced; without removals, none."""
        self.assertEqual(self.pool.removed_so_far(), ([], set()))
        number = self.served()
        self.assertEqual(self.pool.removed_so_far(), ([number], {"mess/0", "pid"}))

    def test_size(self) -> None:
        """A file of about the same number of blocks is preferred, then a smaller one, then a larger one."""
        sizes = [100, 5000, 20000]
        blanks = [self.pool.take(size) for size in sizes]
        for blank, size in zip(blanks, sizes, strict=True):
            self.disk.write_all(blank.fd, b"x" * size)
            self.pool.retire(blank.path, blank.number, size)
        self.make_clean()
        self.assertEqual(self.pool.take(6000).size, 5000)
        self.assertEqual(self.pool.take(6000).size, 100)
        self.assertEqual(self.pool.take(6000).size, 20000)

    def test_blocks(self) -> None:
        """Sizes are sorted by blocks of 4096 bytes, doubling."""
        self.assertEqual(
            [pools.blocks(size) for size in (0, 1, 4096, 4097, 8192, 8193, 16385)], [0, 0, 0, 1, 1, 2, 3]
        )

    def test_other_name(self) -> None:
        """A file that somebody linked elsewhere is not overwritten; our name for it goes."""
        number = self.served()
        self.make_clean()
        self.disk.link(f"pid/{number}", "info/backup")
        self.assertNotEqual(self.pool.take(1).number, number)
        self.assertNotIn(str(number), self.names())

    def test_other_file(self) -> None:
        """A file that is not the one we put there is not used."""
        number = self.served()
        self.make_clean()
        self.disk.unlink(f"pid/{number}")
        self.disk.close(self.disk.create(f"pid/{number}"))
        self.assertNotEqual(self.pool.take(1).path, f"pid/{number}")

    def test_vanished(self) -> None:
        """A file that somebody removed is not missed, and one that vanished before it is retired either."""
        number = self.served()
        self.make_clean()
        self.disk.unlink(f"pid/{number}")
        self.assertNotEqual(self.pool.take(1).number, number)
        self.pool.retire("mess/0/4711", 4711, 1)
        self.assertEqual(self.pool.removed_so_far(), ([], set()))

    def test_times(self) -> None:
        """A file whose times are old gets new ones, so that nobody takes its next message for abandoned."""
        touched: list[float] = []
        self.disk.utime = lambda fd, accessed_at, modified_at: touched.append(accessed_at)  # type: ignore[method-assign, assignment, misc]
        self.served()
        self.make_clean()
        self.pool.take(1)
        self.assertEqual(touched, [self.now])
        self.now = 100.0
        self.served()
        self.make_clean()
        self.pool.take(1)
        self.assertEqual(touched, [1000000.0])


class NewFileTests(PoolCase):
    """Where the pool is empty a file is made."""

    def test_collision(self) -> None:
        """A new file whose number a message has stays aside and another one is made."""
        self.taken = {1001, 1002}
        self.assertEqual(self.pool.take(1).number, 1003)
        self.assertEqual(len(self.names()), 3)

    def test_too_many_collisions(self) -> None:
        """After many collisions it gives up; the next attempt goes on from there."""
        self.taken = set(range(1001, 1001 + pools.COLLISIONS_MAX + 5))
        self.assertRaises(FileExistsError, self.pool.take, 1)
        self.assertNotIn(self.pool.take(1).number, self.taken)

    def test_name_in_use(self) -> None:
        """A name that a dead door left is stepped over."""
        blank = self.pool.take(1)
        head, _, serial = blank.path.rpartition(".")
        self.disk.close(self.disk.create(f"{head}.{int(serial) + 1}"))
        self.assertEqual(self.pool.take(1).path, f"{head}.{int(serial) + 2}")


class BoundTests(PoolCase):
    """The pool does not grow without end and shrinks when it is idle."""

    def test_large(self) -> None:
        """A large file is removed, not kept."""
        self.served(pools.LARGEST + 1)
        self.assertEqual(self.names(), [])

    def test_count(self) -> None:
        """Beyond the greatest number of files, and of bytes, no more are kept."""
        self.patch(pools, "FILES_MAX", 2)
        numbers = [self.served() for _ in range(3)]
        self.assertEqual(self.names(), [str(number) for number in numbers[:2]])
        self.pool.empty()
        self.patch(pools, "BYTES_MAX", 150)
        self.served()
        self.served()
        self.assertEqual(len(self.names()), 1)

    def test_no_space(self) -> None:
        """A file that cannot be renamed is removed."""
        self.disk.fails = lambda step, what: (
            errno.ENOSPC if step == "rename" and what.startswith("pid/") else 0
        )
        self.served()
        self.assertEqual(self.disk.names_now["mess/0"], {})

    def test_trim(self) -> None:
        """An eighth of what was not needed goes with each round; what was needed stays."""
        for _ in range(16):
            blank = self.pool.take(1)
            self.pool.retire(blank.path, blank.number, 1)
        self.make_clean()
        self.pool.trim()
        self.assertEqual(len(self.names()), 16)
        self.pool.trim()
        self.assertEqual(len(self.names()), 14)
        for _ in range(14):
            self.pool.take(1)
        self.pool.trim()
        self.assertEqual(len(self.names()), 14)

    def test_trim_to_nothing(self) -> None:
        """An idle pool is empty after a while, and stays so."""
        for _ in range(5):
            self.served()
        self.make_clean()
        for _ in range(30):
            self.pool.trim()
        self.assertEqual(self.names(), [])

    def test_empty(self) -> None:
        """Emptied, it holds neither clean nor unclean files, whatever the disk says."""
        self.served()
        self.make_clean()
        self.disk.close(self.pool.take(1).fd)
        blank = self.pool.take(1)
        self.pool.retire(blank.path, blank.number, 1)
        self.pool.empty()
        self.assertEqual(self.pool.removed_so_far(), ([], set()))
        self.served()
        self.disk.fails = lambda step, what: errno.EIO if step == "unlink" else 0
        self.pool.empty()
        self.assertEqual(self.pool.removed_so_far(), ([], set()))

    def test_voided(self) -> None:
        """After a failed sync what was to become clean is removed, and so is what came later."""
        self.served()
        numbers, _ = self.pool.removed_so_far()
        self.served()
        self.pool.voided(numbers)
        self.assertEqual(self.names(), [])


class NoReuseTests(PoolCase):
    """With reuse turned off every file is new."""

    recycle = False

    def test_removed(self) -> None:
        """A retired file is removed."""
        self.served()
        self.assertEqual(self.names(), [])
