"""A mailbox loses power after every single step of a delivery.

After each cut readers may find whole messages only, and after the delivery has been reported the message is there,
whatever was lost. Each sync that is left out must be noticed: that shows the test can see.
"""

from __future__ import annotations

import errno
import itertools
import os
from typing import TYPE_CHECKING

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from qtwisted.mailbox import maildir, mbox
from test.kit.powercut import Image, PowerCutDisk

if TYPE_CHECKING:
    from collections.abc import Callable

MODELS = ("weak", "ordered")
PIECES = [b"Return-Path: <s@t>\nSubject: x\n\n", b"body\n" * 3]
WHOLE = b"".join(PIECES)
HEADING = b"From s@t Sun Nov 22 13:40:12 2026\n"


def plain(path: str | bytes) -> str:
    """A path as the disk in memory writes it: text, without a slash at its end."""
    return os.fsdecode(path).rstrip("/")


class MailboxDisk(PowerCutDisk):
    """A disk in memory with the few manners mailboxes want besides: paths in bytes, files made or appended to."""

    has_nameless = True

    def open(self, path: str | bytes, flags: int = os.O_RDONLY, mode: int = 0) -> int:
        """Open a file, make it if that is wanted, and stand at its end if that is wanted."""
        if flags & os.O_CREAT and not self.exists(plain(path)):
            return self.create(path)
        fd = super().open(plain(path))
        if flags & os.O_APPEND:
            number, at = self._fds[fd]
            at[0] = len(self.contents[number])
        return fd

    def create(self, path: str | bytes, mode: int = 0o644) -> int:
        """Make a file."""
        return super().create(plain(path))

    def create_nameless(self, directory: str | bytes, mode: int = 0o600) -> int:
        """Make a file without a name, if this disk has such files."""
        if not self.has_nameless:
            raise OSError(errno.EOPNOTSUPP, "no nameless files")
        return super().create_nameless(plain(directory))

    def give_name(self, fd: int, path: str | bytes) -> None:
        """Name it."""
        super().give_name(fd, plain(path))

    def link(self, source: str | bytes, target: str | bytes) -> None:
        """Add a name."""
        super().link(plain(source), plain(target))

    def unlink(self, path: str | bytes) -> None:
        """Take a name away."""
        super().unlink(plain(path))

    def fsync_dir(self, path: str | bytes) -> None:
        """Make names durable."""
        super().fsync_dir(plain(path))


class MaildirRun:
    """Deliveries into a Maildir, and what every power cut leaves of them."""

    def __init__(self, model: str, skips: Callable[[str, str], bool] = lambda step, what: False,
                 has_nameless: bool = True) -> None:
        """An empty Maildir."""
        self.disk = MailboxDisk(Image({"md/tmp": {}, "md/new": {}, "md/cur": {}}, {}), model, skips)
        self.disk.has_nameless = has_nameless
        self.disk.after_step = self.check
        self.names = maildir.Names(b"host", Clock().seconds)
        self.reported: list[str] = []
        self.states = 0

    def deliver(self) -> None:
        """Deliver a message; the report is the moment from which it must be there."""
        self.reported.append(os.fsdecode(maildir.deliver(self.disk, b"md/", self.names, PIECES)))
        self.check()

    def check(self) -> None:
        """Whatever is in new/ is whole, and what was reported is in new/."""
        for image in self.disk.crash_states():
            self.states += 1
            for name in image.names["md/new"]:
                assert image.read(f"md/new/{name}") == WHOLE, "a reader sees part of a message"
            for name in self.reported:
                assert name in image.names["md/new"], "a reported message is lost"


class MaildirTests(SynchronousTestCase):
    """The durable order: write, fsync, link, fsync(new/), report."""

    def test_every_cut(self) -> None:
        """At each step of three deliveries a power cut leaves whole messages, and all that were reported."""
        for model, has_nameless in itertools.product(MODELS, (True, False)):
            run = MaildirRun(model, has_nameless=has_nameless)
            for _ in range(3):
                run.deliver()
            self.assertGreater(run.states, 20)
            self.assertEqual(run.disk.open_descriptors(), 0)
            self.assertEqual(list(run.disk.names_now["md/tmp"]), [])

    def test_steps(self) -> None:
        """The steps are these, in this order."""
        run = MaildirRun("weak")
        run.deliver()
        self.assertEqual([step for step in run.disk.steps if step[0] != "write"], [
            ("create_nameless", "md/tmp"), ("fsync", "text"), ("give_name", f"md/new/{run.reported[0]}"),
            ("fsync_dir", "md/new")])

    def test_steps_by_name(self) -> None:
        """Where there are no nameless files there is a name in tmp/, which goes last."""
        run = MaildirRun("weak", has_nameless=False)
        run.deliver()
        fresh = next(what for step, what in run.disk.steps if step == "create")
        self.assertTrue(fresh.startswith("md/tmp/"))
        self.assertEqual([step for step in run.disk.steps if step[0] != "write"], [
            ("create", fresh), ("fsync", "text"), ("link", f"md/new/{run.reported[0]}"), ("fsync_dir", "md/new"),
            ("unlink", fresh)])

    def test_left_out_syncs(self) -> None:
        """Without the sync of the file, or that of new/, mail is lost or torn."""
        for left_out in (("fsync", "text"), ("fsync_dir", "md/new")):
            for has_nameless in (True, False):
                run = MaildirRun("weak", lambda *step, left_out=left_out: step == left_out, has_nameless)
                self.assertRaises(AssertionError, run.deliver)


class MboxTests(SynchronousTestCase):
    """An append is whole when it is reported."""

    def run_twice(self, model: str, skips: Callable[[str, str], bool] = lambda step, what: False) -> None:
        """Deliver two messages into a new file; after each report it must be there after every power cut."""
        disk = MailboxDisk(Image({".": {}}, {}), model, skips)
        expected = b""
        for _ in range(2):
            mbox.deliver(disk, b"./Mailbox", HEADING, PIECES, lambda fd: True)  # type: ignore[arg-type]
            expected += HEADING + WHOLE + b"\n"
            for image in disk.crash_states():
                assert image.read("./Mailbox") == expected, "a reported message is lost"

    def test_every_report(self) -> None:
        """After the report the message is there, and so is the file's name, which may be new."""
        for model in MODELS:
            self.run_twice(model)

    def test_left_out_syncs(self) -> None:
        """Without the sync of the file, or that of the directory of a new file, mail is lost."""
        for left_out in (("fsync", "text"), ("fsync_dir", ".")):
            self.assertRaises(AssertionError, self.run_twice, "weak",
                              lambda *step, left_out=left_out: step == left_out)
