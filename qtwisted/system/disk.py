"""Everything that changes a disk: the one place where files are linked, renamed, removed and made durable.

Queue and mailboxes reach the file system only through a Disk that is given to them, so that a test can give
them one that records each step, fails at the third, or loses power in between.

Names may be relative to a directory that the Disk keeps open, as qmail's programs work after their ``chdir``.
Methods raise OSError; nothing is retried here. Above all a failed fsync is never repeated: the kernel may
have dropped the dirty pages, and the second call would say that all is well.
"""

from __future__ import annotations

import errno
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    Path = str | bytes

_RENAME_NOREPLACE = 1
_AT_FDCWD = -100
#: what create_nameless fails with where there are no nameless files
NO_NAMELESS = (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL)
#: what a kernel or file system answers that cannot rename without replacing
_CANNOT = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP)


class Disk:
    """The file system, seen from one directory."""

    def __init__(self, at: Path | None = None) -> None:
        """Resolve relative names from ``at``, or from the working directory where it is not given."""
        self._at = None if at is None else os.open(at, os.O_RDONLY | os.O_DIRECTORY)
        self._sync_fd = self._at
        self._rename_new: Callable[[bytes, bytes], int] | None = None
        self._syncfs: Callable[[int], int] | None = None

    def release(self) -> None:
        """Close the directory that was kept open."""
        for fd in {self._at, self._sync_fd} - {None}:
            assert fd is not None
            os.close(fd)
        self._at = self._sync_fd = None

    # Descriptors

    def open(self, path: Path, flags: int = os.O_RDONLY, mode: int = 0o600) -> int:
        """Open a file; no child inherits the descriptor."""
        return os.open(path, flags, mode, dir_fd=self._at)

    def create(self, path: Path, mode: int = 0o644) -> int:
        """Make a file that must not exist yet and open it for writing."""
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode, dir_fd=self._at)

    def create_nameless(self, directory: Path, mode: int = 0o600) -> int:
        """Make a file that has no name yet and open it for writing; without one by the end it is gone.

        Where the file system cannot do that, errno is one of NO_NAMELESS.
        """
        return os.open(directory, os.O_WRONLY | os.O_TMPFILE, mode, dir_fd=self._at)

    def give_name(self, fd: int, path: Path) -> None:
        """Give a nameless file its first name, which must be free."""
        # Python passes AT_SYMLINK_FOLLOW only together with a directory descriptor, which an absolute path ignores
        os.link(f"/proc/self/fd/{fd}", path, src_dir_fd=fd, dst_dir_fd=self._at, follow_symlinks=True)

    def close(self, fd: int) -> None:
        """Close a descriptor."""
        os.close(fd)

    def read(self, fd: int, count: int) -> bytes:
        """Read at most ``count`` bytes; none at the end of the file."""
        return os.read(fd, count)

    def read_file(self, path: Path) -> bytes:
        """Read a small file as a whole."""
        fd = self.open(path)
        try:
            pieces = []
            while piece := self.read(fd, 65536):
                pieces.append(piece)
        finally:
            self.close(fd)
        return b"".join(pieces)

    def write_all(self, fd: int, data: bytes) -> None:
        """Write all of ``data`` where the descriptor stands."""
        written = os.write(fd, data)
        while written < len(data):
            data = data[written:]
            written = os.write(fd, data)

    def write_pieces(self, fd: int, pieces: Sequence[bytes]) -> None:
        """Write pieces one after the other where the descriptor stands."""
        self.write_all(fd, pieces[0] if len(pieces) == 1 else b"".join(pieces))

    def write_at(self, fd: int, data: bytes, offset: int) -> None:
        """Overwrite bytes in the middle of a file."""
        if os.pwrite(fd, data, offset) != len(data):
            raise OSError(errno.EIO, "short write")

    def truncate(self, fd: int, size: int) -> None:
        """Cut a file to ``size`` bytes."""
        os.ftruncate(fd, size)

    def set_mode(self, fd: int, mode: int) -> None:
        """Set the permissions of a file."""
        os.fchmod(fd, mode)

    def utime(self, target: Path | int, accessed_at: float, modified_at: float) -> None:
        """Set the two times of a file, given by name or descriptor."""
        if isinstance(target, int):
            os.utime(target, (accessed_at, modified_at))
        else:
            os.utime(target, (accessed_at, modified_at), dir_fd=self._at)

    # Names

    def link(self, source: Path, target: Path) -> None:
        """Give a file a further name, which must be free."""
        os.link(source, target, src_dir_fd=self._at, dst_dir_fd=self._at, follow_symlinks=False)

    def rename(self, source: Path, target: Path) -> None:
        """Give a file another name; what had that name before loses it."""
        os.rename(source, target, src_dir_fd=self._at, dst_dir_fd=self._at)

    def rename_new(self, source: str, target: str) -> None:
        """Give a file another name, which must be free (FileExistsError)."""
        if self._rename_new is None:
            self._rename_new = self._load_rename_new()
        number = self._rename_new(os.fsencode(source), os.fsencode(target))
        if number in _CANNOT:
            self.link(source, target)
            self.unlink(source)
        elif number:
            raise OSError(number, os.strerror(number), source, None, target)

    def unlink(self, path: Path) -> None:
        """Take a name away."""
        os.unlink(path, dir_fd=self._at)

    def discard(self, path: Path) -> bool:
        """Take a name away if it is there; say whether it was."""
        try:
            os.unlink(path, dir_fd=self._at)
        except FileNotFoundError:
            return False
        return True

    def mkdir(self, path: Path, mode: int = 0o700) -> None:
        """Make a directory."""
        os.mkdir(path, mode, dir_fd=self._at)

    def rmdir(self, path: Path) -> None:
        """Take an empty directory away."""
        os.rmdir(path, dir_fd=self._at)

    # Durability

    def fsync(self, fd: int) -> None:
        """Return when the contents and size of a file would survive a power cut."""
        os.fsync(fd)

    def fsync_dir(self, path: Path) -> None:
        """Return when the names in a directory, and the names gone from it, would survive a power cut."""
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY, dir_fd=self._at)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def syncfs(self) -> None:
        """Return when everything on this file system would survive a power cut.

        The kernel reports a failed write once for each open descriptor (Linux 5.8), so one descriptor is kept
        and used for every call.
        """
        if self._syncfs is None:
            self._syncfs = self._load_syncfs()
        if self._sync_fd is None:
            self._sync_fd = os.open(".", os.O_RDONLY | os.O_DIRECTORY)
        number = self._syncfs(self._sync_fd)
        if number:
            raise OSError(number, os.strerror(number))

    # Looking

    def stat(self, path: Path) -> os.stat_result:
        """Look at a file, not at what a symbolic link points to."""
        return os.stat(path, dir_fd=self._at, follow_symlinks=False)

    def fstat(self, fd: int) -> os.stat_result:
        """Look at an open file."""
        return os.fstat(fd)

    def exists(self, path: Path) -> bool:
        """Is the name taken, by whatever it may be? Only a plain no is a no."""
        try:
            self.stat(path)
        except FileNotFoundError:
            return False
        return True

    def names(self, path: Path) -> Iterator[tuple[str, int]]:
        """Go through a directory: each name with the inode number the directory notes for it."""
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY, dir_fd=self._at)
        try:
            with os.scandir(fd) as entries:
                for entry in entries:
                    yield entry.name, entry.inode()
        finally:
            os.close(fd)

    # System calls that Python does not offer. ctypes is slow to load, so only those who need them load it.

    def _load_rename_new(self) -> Callable[[bytes, bytes], int]:
        """Find renameat2(2); the result answers 0 or an error number."""
        import ctypes

        call: Callable[..., int] | None = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
        if call is None:
            return lambda source, target: errno.ENOSYS
        at = _AT_FDCWD if self._at is None else self._at

        def rename_new(source: bytes, target: bytes) -> int:
            """Rename unless the target exists."""
            failed = call(at, source, at, target, _RENAME_NOREPLACE)
            return ctypes.get_errno() if failed else 0

        return rename_new

    def _load_syncfs(self) -> Callable[[int], int]:
        """Find syncfs(2); the result answers 0 or an error number."""
        import ctypes

        call: Callable[..., int] | None = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
        if call is None:
            return lambda fd: errno.ENOSYS

        def syncfs(fd: int) -> int:
            """Sync the file system that the descriptor is on."""
            return ctypes.get_errno() if call(fd) else 0

        return syncfs
