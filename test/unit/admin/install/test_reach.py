"""Tests for qtwisted.admin.install.reach: what keeps a user from a file is found."""

import os

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.admin.install.reach import needed, obstacle

STRANGER = 4000000000


class ObstacleTests(SynchronousTestCase):
    """A path is open when every directory on the way may be passed and the file may be read."""

    def setUp(self) -> None:
        """Make a/b/file, open to everybody as far as we can see to it."""
        self.top = os.path.realpath(self.mktemp())
        self.file = f"{self.top}/a/b/file"
        os.makedirs(os.path.dirname(self.file))
        with open(self.file, "w", encoding="ascii"):
            pass
        for path in (self.top, f"{self.top}/a", f"{self.top}/a/b"):
            os.chmod(path, 0o755)
        os.chmod(self.file, 0o644)
        self.outside = obstacle(self.top, STRANGER, [])

    def found(self, path: str | None = None, uid: int = STRANGER, gids: tuple[int, ...] = ()) -> str | None:
        """The obstacle below our own directory."""
        if self.outside is not None:  # where the tests run is private itself: leave that part out
            self.patch(os, "stat", self._seen_from_below(os.stat))
            self.outside = None
        return obstacle(path or self.file, uid, gids)

    def _seen_from_below(self, stat):  # type: ignore[no-untyped-def]
        """A stat for which everything above our directory is open."""
        return lambda path: stat("/" if not str(path).startswith(self.top) else path)

    def test_open(self) -> None:
        """Nothing is in the way."""
        self.assertIsNone(self.found())

    def test_closed_directory(self) -> None:
        """A directory that may not be passed is named, not the file."""
        os.chmod(f"{self.top}/a", 0o700)
        self.assertEqual(self.found(), f"{self.top}/a")

    def test_closed_file(self) -> None:
        """A file that may not be read is named."""
        os.chmod(self.file, 0o600)
        self.assertEqual(self.found(), self.file)

    def test_owner(self) -> None:
        """The owner is judged by his own bits."""
        os.chmod(self.file, 0o600)
        self.assertIsNone(self.found(uid=os.stat(self.file).st_uid))

    def test_group(self) -> None:
        """A member of the group is judged by the group's bits, even if others may do more."""
        os.chmod(self.file, 0o604)
        self.assertEqual(self.found(gids=(os.stat(self.file).st_gid,)), self.file)

    def test_links(self) -> None:
        """A link is followed, and the directories it leads through count."""
        os.symlink("a/b", f"{self.top}/link")
        self.assertIsNone(self.found(f"{self.top}/link/file"))
        os.chmod(f"{self.top}/a", 0o700)
        self.assertEqual(self.found(f"{self.top}/link/file"), f"{self.top}/a")

    def test_missing(self) -> None:
        """What does not exist cannot be read."""
        self.assertEqual(self.found(f"{self.top}/none"), f"{self.top}/none")

    def test_loop(self) -> None:
        """Links that lead nowhere do not lead us astray."""
        os.symlink("loop", f"{self.top}/loop")
        self.assertEqual(self.found(f"{self.top}/loop/file"), f"{self.top}/loop")

    def test_needed(self) -> None:
        """Interpreter, library and packages are among what is checked, and all of them exist."""
        for path in needed():
            self.assertTrue(os.path.exists(path), path)
