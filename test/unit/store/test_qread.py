"""qmail-qread lists messages and recipients."""

from __future__ import annotations

import errno
import os

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.store import qread
from qtwisted.store.kinds.ledger import Ledger
from qtwisted.system.disk import Disk
from test.kit.queue_files import QueueFiles

from .test_qstat import printed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

BORN_AT = 1795355194  # 22 Nov 2026 13:46:34


class TroubledDisk(Disk):
    """A disk on which something happens before a file is looked at."""

    happens: Callable[[str], None] = staticmethod(lambda path: None)

    def open(self, path, flags=os.O_RDONLY, mode=0o600):
        """Open a file."""
        self.happens(path)
        return super().open(path, flags, mode)

    def stat(self, path):
        """Look at a file."""
        self.happens(path)
        return super().stat(path)


class QreadCase(SynchronousTestCase):
    """A queue to list."""

    def setUp(self) -> None:
        """Make it."""
        self.home = os.path.abspath(self.mktemp())
        self.files = QueueFiles(self.home)

    def listed(self, happens: Callable[[str], None] | None = None) -> tuple[str, int]:
        """List the queue, perhaps while something happens to it."""
        disk = TroubledDisk(self.files.queue)
        self.addCleanup(disk.release)
        if happens is not None:
            disk.happens = happens
        text, code = printed(qread.listing(Ledger(disk, 23)))
        return text.decode("ascii"), code


class ListingTests(QreadCase):
    """What is printed."""

    def test_done_and_to_do(self) -> None:
        """A done recipient is marked, one that is still to do is not (ADM-02)."""
        self.files.message(30, local=b"Djoe@test.example\0", born_at=BORN_AT)
        self.files.message(32, local=b"Tjoe@test.example\0", born_at=BORN_AT)
        self.assertEqual(self.listed(), (
            "22 Nov 2026 13:46:34 GMT  #30  3  <s@x> \n"
            "  done\tlocal\tjoe@test.example\n"
            "22 Nov 2026 13:46:34 GMT  #32  3  <s@x> \n"
            "\tlocal\tjoe@test.example\n", 0))

    def test_odd_bytes(self) -> None:
        """Bytes that are not printable become underscores, records of other letters are passed over (ADM-04)."""
        self.files.message(30, remote=b"Ta\xff b@x\0Xq\0Dok@y\0Trest without end")
        self.files.put("info", 30, b"Fs\x01@x\0", 812345679)
        self.files.put("bounce", 30, b"text")
        self.assertEqual(self.listed(), (
            "29 Sep 1995 03:34:39 GMT  #30  3  <s_@x>  bouncing\n"
            "\tremote\ta_ b@x\n"
            "  done\tremote\tok@y\n", 0))

    def test_terminal(self) -> None:
        """No address sends commands to a terminal, or lines of its own."""
        self.files.message(1, local=b"T\x1b]0;x\x07\n\r\x7f\x9b2J@x\0")
        text, _ = self.listed()
        self.assertEqual(text.split("\n")[1:], ["\tlocal\t_]0;x_____2J@x", ""])

    def test_only_planned(self) -> None:
        """Messages still in todo are not listed, nor names that are no numbers."""
        self.files.put("mess", 5, b"")
        self.files.put("todo", 5, b"")
        for name in ("x", "05", "5x"):
            with open(f"{self.files.queue}/info/5/{name}", "wb"):
                pass
        self.assertEqual(self.listed(), ("", 0))

    def test_local_before_remote(self) -> None:
        """Local recipients come first."""
        self.files.message(1, local=b"Ta\0", remote=b"Tb\0Tc\0")
        self.assertEqual(self.listed()[0].split("\n")[1:], ["\tlocal\ta", "\tremote\tb", "\tremote\tc", ""])

    def test_many_recipients(self) -> None:
        """Recipients are read piece by piece."""
        records = [b"r%d@%s" % (number, b"x" * 100) for number in range(5000)]
        self.files.message(1, remote=b"".join(b"T" + record + b"\0" for record in records))
        lines = self.listed()[0].split("\n")[1:-1]
        self.assertEqual(lines, ["\tremote\t" + record.decode() for record in records])


class TroubleTests(QreadCase):
    """What does not go well."""

    def test_leaves_meanwhile(self) -> None:
        """A message that leaves the queue while it is looked at is no trouble, at whatever point."""
        for kind in ("info", "mess", "bounce", "local", "remote"):
            self.files.message(7, local=b"Ta\0", remote=b"Tb\0")
            self.files.put("bounce", 7, b"text")

            def leave(path: str, kind: str = kind) -> None:
                """Be gone, in the order of qmail-send."""
                if path.startswith(kind):
                    for other in ("bounce", "local", "remote", "info", "mess"):
                        if os.path.exists(self.files.path(other, 7)):
                            os.unlink(self.files.path(other, 7))

            text, code = self.listed(leave)
            self.assertNotIn("warning", text)
            self.assertEqual(code, 0)

    def test_text_is_missing(self) -> None:
        """A message that has its info and no text is damaged, and the others are listed."""
        self.files.message(7)
        self.files.message(8)
        os.unlink(self.files.path("mess", 7))
        self.assertEqual(self.listed(), (
            "warning: trouble with #7: file does not exist\n29 Sep 1995 03:34:39 GMT  #8  3  <s@x> \n", 0))

    def test_unreadable(self) -> None:
        """A file that cannot be read is said, and what can be is shown."""

        def fail(path: str) -> None:
            """Refuse."""
            if path in ("info/7/7", "local/8/8"):
                raise PermissionError(errno.EACCES, "no", path)

        self.files.message(7)
        self.files.message(8, local=b"Ta\0", remote=b"Tb\0")
        self.assertEqual(self.listed(fail), (
            "warning: trouble with #7: access denied\n"
            "29 Sep 1995 03:34:39 GMT  #8  3  <s@x> \n"
            "warning: trouble with #8: access denied\n"
            "\tremote\tb\n", 0))

    def test_link(self) -> None:
        """What a link leads to is not shown: root may be looking, and others can write there."""
        secret = f"{self.home}/secret"
        with open(secret, "wb") as file:
            file.write(b"Tsecret\0")
        self.files.message(7)
        self.files.message(8)
        os.unlink(self.files.path("info", 7))
        os.symlink(secret, self.files.path("info", 7))
        os.symlink(secret, self.files.path("local", 8))
        self.assertEqual(self.listed(), (
            "warning: trouble with #7: symbolic link loop\n29 Sep 1995 03:34:39 GMT  #8  3  <s@x> \n"
            "warning: trouble with #8: symbolic link loop\n", 0))

    def test_record_without_end(self) -> None:
        """A file that is no list of records does not fill the memory."""
        self.files.message(7, local=b"Ta\0" + b"x" * 200000)
        self.assertEqual(self.listed()[0].split("\n")[1:],
                         ["\tlocal\ta", "warning: trouble with #7: file too big", ""])

    def test_directory_is_missing(self) -> None:
        """Without one of its directories the queue cannot be listed."""
        os.rmdir(f"{self.files.queue}/info/0")
        self.assertEqual(self.listed(), ("fatal: unable to opendir info/0: file does not exist\n", 111))

    def test_no_queue(self) -> None:
        """Without a queue there is nothing to list."""
        self.assertEqual(printed(qread.qread(f"{self.home}/nowhere")),
                         (b"fatal: unable to chdir: file does not exist\n", 111))

    def test_bad_split(self) -> None:
        """A conf-split that makes no sense is said with file and line."""
        os.mkdir(f"{self.home}/conf")
        with open(f"{self.home}/conf/conf-split", "w", encoding="ascii") as file:
            file.write("many\n")
        self.assertEqual(printed(qread.qread(self.home)),
                         (b"fatal: conf/conf-split line 1: is not a number\n", 111))
