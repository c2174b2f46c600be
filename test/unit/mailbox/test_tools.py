"""maildirmake, maildir2mbox, maildirwatch, elq, pinq, qail: run as real processes on real Maildirs."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.mailbox import contents, maildir2mbox, maildirwatch
from qtwisted.system.disk import Disk
from test.kit.programs import Ended, run_main


class MaildirCase(SynchronousTestCase):
    """A Maildir in a room of its own."""

    def setUp(self) -> None:
        """Make the Maildir."""
        self.room = Path(os.path.abspath(self.mktemp()))
        self.maildir = self.room / "Maildir"
        for part in ("tmp", "new", "cur"):
            (self.maildir / part).mkdir(parents=True)

    def put(self, path: str, text: bytes, at: float) -> Path:
        """Put a file into the Maildir as if it had come, and been read, at a time."""
        file = self.maildir / path
        file.write_bytes(text)
        os.utime(file, (at, at))
        return file


class NotingDisk(Disk):
    """Notes the steps whose order matters."""

    def __init__(self, steps: list[str]) -> None:
        """Note them in *steps*."""
        super().__init__()
        self._steps = steps

    def fsync(self, fd: int) -> None:
        """Note it."""
        self._steps.append("fsync")
        super().fsync(fd)

    def fsync_dir(self, path: str | bytes) -> None:
        """Note it."""
        self._steps.append("fsync_dir")
        super().fsync_dir(path)

    def rename(self, source: str | bytes, target: str | bytes) -> None:
        """Note it."""
        self._steps.append("rename")
        super().rename(source, target)

    def unlink(self, path: str | bytes) -> None:
        """Note it."""
        self._steps.append("unlink")
        super().unlink(path)


class ContentsTests(MaildirCase):
    """What counts as mail."""

    def test_scan(self) -> None:
        """Regular files of earlier seconds count, in the order of their times; the rest does not."""
        self.put("new/2", b"second", 200)
        self.put("new/1", b"one", 100)
        self.put("new/.hidden", b"", 100)
        self.put("new/now", b"", 1000)
        os.mkfifo(self.maildir / "new/fifo")
        os.symlink("/etc/passwd", self.maildir / "new/link")
        found = contents.in_order(contents.scan(os.fsencode(self.maildir), b"new", 1000))
        self.assertEqual([(m.path, m.size) for m in found], [(b"new/1", 3), (b"new/2", 6)])

    def test_clean(self) -> None:
        """What nobody has read in tmp/ for 36 hours goes, hidden files and newer ones stay."""
        gone, kept = self.put("tmp/old", b"", 1000), self.put("tmp/.old", b"", 1000)
        younger = self.put("tmp/young", b"", 1001)
        contents.clean(os.fsencode(self.maildir), 1001 + contents.STALE_FOR)
        self.assertEqual([gone.exists(), kept.exists(), younger.exists()], [False, True, True])

    def test_open_never_waits(self) -> None:
        """A FIFO or a link in place of a message is refused at once."""
        os.mkfifo(self.maildir / "new/fifo")
        os.symlink("/etc/passwd", self.maildir / "new/link")
        for name in (b"new/fifo", b"new/link"):
            self.assertRaises(OSError, contents.open_message, os.fsencode(self.maildir), name)


class MaildirmakeTests(MaildirCase):
    """maildirmake name"""

    def test_makes(self) -> None:
        """The four directories appear, closed to others; a second time is an error."""
        name = str(self.room / "md")
        self.assertEqual(run_main("qtwisted.mailbox.maildirmake", name), Ended(0, b"", b""))
        for path in (name, f"{name}/tmp", f"{name}/new", f"{name}/cur"):
            self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o700)
        again = run_main("qtwisted.mailbox.maildirmake", name)
        text = f"maildirmake: fatal: unable to mkdir {name}: file already exists\n".encode()
        self.assertEqual(again, Ended(111, b"", text))

    def test_usage(self) -> None:
        """Without a name it says how it is used."""
        wanted = Ended(100, b"", b"maildirmake: usage: maildirmake name\n")
        self.assertEqual(run_main("qtwisted.mailbox.maildirmake"), wanted)


class Maildir2mboxTests(MaildirCase):
    """maildir2mbox, and the mail programs that call it."""

    def move(self, program: str = "maildir2mbox", **variables: str) -> Ended:
        """Run it on our Maildir."""
        given = {"MAILDIR": str(self.maildir), "MAIL": str(self.room / "mbox"), "MAILTMP": str(self.room / "scratch")}
        return run_main(f"qtwisted.mailbox.{program}", **{**given, **variables})

    def test_moves(self) -> None:
        """Messages of new and cur come in the order of their times, each with the From_ line it deserves."""
        self.put("new/b", b"S: 2\n\nFrom here\n", 1200)
        self.put("cur/a:2,S", b"Return-Path: <a b@c>\n\none\n", 900)
        self.put("new/c", b"Return-Path: <>\n\n>From x", 259200)
        (self.room / "mbox").write_bytes(b"From old\n\nold\n\n")
        self.assertEqual(self.move(), Ended(0, b"", b""))
        self.assertEqual(
            (self.room / "mbox").read_bytes(),
            b"From old\n\nold\n\n"
            b"From a-b@c Thu Jan 01 00:15:00 1970\nReturn-Path: <a b@c>\n\none\n\n"
            b"From XXX Thu Jan 01 00:20:00 1970\nS: 2\n\n>From here\n\n"
            b"From MAILER-DAEMON Sun Jan 04 00:00:00 1970\nReturn-Path: <>\n\n>>From x\n\n",
        )
        self.assertEqual(sum((os.listdir(self.maildir / part) for part in ("new", "cur")), []), [])
        self.assertFalse((self.room / "scratch").exists())

    def test_durable_order(self) -> None:
        """The new mbox is durable, its name too, before the first message leaves the Maildir."""
        self.put("new/b", b"text\n", 1200)
        steps: list[str] = []
        self.patch(maildir2mbox, "Disk", lambda: NotingDisk(steps))
        names = {"MAILDIR": self.maildir, "MAIL": self.room / "mbox", "MAILTMP": self.room / "scratch"}
        self.patch(os, "environb", {os.fsencode(name): os.fsencode(path) for name, path in names.items()})
        self.addCleanup(os.umask, os.umask(0o077))
        self.addCleanup(os.chdir, os.getcwd())
        self.assertEqual(maildir2mbox.maildir2mbox([]), 0)
        self.assertEqual(steps, ["fsync", "rename", "fsync_dir", "unlink"])

    def test_nothing_to_move(self) -> None:
        """With no mail nothing is touched."""
        self.assertEqual(self.move(), Ended(0, b"", b""))
        self.assertFalse((self.room / "mbox").exists())

    def test_missing_variables(self) -> None:
        """Each variable is needed, MAIL first."""
        for name, rest in (("MAIL", {}), ("MAILTMP", {"MAIL": "x"}), ("MAILDIR", {"MAIL": "x", "MAILTMP": "y"})):
            ended = run_main("qtwisted.mailbox.maildir2mbox", **rest)
            self.assertEqual(ended, Ended(111, b"", b"maildir2mbox: fatal: %s not set\n" % name.encode()))

    def test_trouble_leaves_everything(self) -> None:
        """When the new mbox cannot be put in place, mbox and Maildir are as they were."""
        message = self.put("new/a", b"x\n", 900)
        (self.room / "mbox").write_bytes(b"old")
        ended = self.move(MAILTMP=str(self.room / "nowhere/scratch"))
        self.assertEqual((ended.code, ended.err),
                         (111, f"maildir2mbox: fatal: unable to create {self.room}/nowhere/scratch: "
                               "file does not exist\n".encode()))
        self.assertEqual(((self.room / "mbox").read_bytes(), message.read_bytes()), (b"old", b"x\n"))

    def test_mail_programs(self) -> None:
        """elq, pinq and qail move the mail and become their program, with its arguments."""
        bin_ = self.room / "bin"
        bin_.mkdir()
        for name, program in (("elq", "elm"), ("pinq", "pine"), ("qail", "Mail")):
            (bin_ / program).write_text('#!/bin/sh\necho "$0 $@"; exit 3\n')
            (bin_ / program).chmod(0o755)
            self.put("new/m", b"x\n", 900)
            ended = self.move(name, PATH=f"{bin_}:{os.defpath}")
            self.assertEqual(ended, Ended(3, f"{bin_ / program} \n".encode(), b""))
            self.assertFalse(os.listdir(self.maildir / "new"))

    def test_mail_program_missing(self) -> None:
        """A mail program that is not there is named."""
        ended = self.move("elq", PATH="/nonexistent")
        self.assertEqual(ended, Ended(111, b"", b"elq: fatal: unable to run elm: file does not exist\n"))


class MaildirwatchTests(SynchronousTestCase):
    """What maildirwatch shows of a message."""

    def test_describe(self) -> None:
        """Sender, recipient, author, subject and text, without bytes that command a terminal."""
        shown = maildirwatch.describe(
            b"Return-Path: <s@x>\nDelivered-To: joe@h\nFrom: A \x1b[2J\nSubject: hi\n\nbody\n\x1b[0m"
        )
        self.assertEqual(shown, b"FROM <s@x> TO <joe@h>\n\033[1mA ?[2J\033[0m\n hi//body//[0m\n\n")

    def test_unknown(self) -> None:
        """What is not known is a question mark."""
        self.assertEqual(maildirwatch.describe(b"\nx"), b"FROM ? TO <?>\n/x\n\n")

    def test_needs_maildir(self) -> None:
        """Without $MAILDIR it ends."""
        ended = run_main("qtwisted.mailbox.maildirwatch")
        self.assertEqual(ended, Ended(111, b"", b"maildirwatch: fatal: MAILDIR not set\n"))
