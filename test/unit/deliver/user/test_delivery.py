"""One local delivery, step by step, without programs (those run in test/whole)."""

from __future__ import annotations

import errno
import os

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from qtwisted.deliver.user import delivery, programs
from qtwisted.deliver.user.delivery import Settings, deliver, describe
from qtwisted.deliver.user.message import Message
from qtwisted.deliver.user.output import Collected
from qtwisted.deliver.user.request import Request
from qtwisted.mailbox import mbox
from qtwisted.model.envelope import Envelope
from qtwisted.model.submission import Result
from qtwisted.store import client

NOW = 1795354812
TEXT = b"Subject: hi\nFrom: x\n\nbody\nFrom here\n>From q\n.\nend\n"
TRACE = b"Return-Path: <s@t>\nDelivered-To: joe@h.o.s.t\n"
IN_MBOX = (b"From s@t Sun Nov 22 13:40:12 2026\n" + TRACE
           + b"Subject: hi\nFrom: x\n\nbody\n>From here\n>>From q\n.\nend\n\n")


class NotingSubmission:
    """A way into the queue that notes what goes there."""

    def __init__(self, result: Result) -> None:
        """Answer so."""
        self.result = result
        self.text = b""
        self.envelope: Envelope | None = None
        self.abandoned = False

    def write(self, piece: bytes) -> None:
        """Note a piece."""
        self.text += piece

    def commit(self, envelope: Envelope) -> Result:
        """Note the envelope."""
        self.envelope = envelope
        return self.result

    def abandon(self) -> None:
        """Note that nothing shall be sent."""
        self.abandoned = True


class InHome(SynchronousTestCase):
    """A test that delivers to joe, whose home is fresh."""

    def setUp(self) -> None:
        """Make the home, the message, and a queue."""
        self.addCleanup(os.chdir, os.getcwd())
        self.home = os.path.abspath(self.mktemp())
        os.mkdir(self.home, 0o700)
        self.message = os.path.abspath(self.mktemp())
        self.clock = Clock()
        self.clock.advance(NOW)
        self.settings = Settings("/nonexistent", 0o022, {})
        self.settings.clock = self.clock.seconds
        self.submission = NotingSubmission(Result(b"", 4711))
        self.patch(client, "open_submission", lambda home, environ: self.submission)

    def write(self, name: str, text: str | bytes, mode: int = 0o600) -> None:
        """Write a file in the home."""
        with open(f"{self.home}/{name}", "wb") as file:
            file.write(text.encode() if isinstance(text, str) else text)
        os.chmod(f"{self.home}/{name}", mode)

    def read(self, name: str) -> bytes:
        """Read a file in the home."""
        with open(f"{self.home}/{name}", "rb") as file:
            return file.read()

    def request(self, dash: bytes = b"", ext: bytes = b"", **fields: bytes) -> Request:
        """Mail for joe, or for one of his extensions."""
        local = b"joe" + dash + ext
        request = Request(b"joe", self.home.encode(), local, dash, ext, b"h.o.s.t", b"s@t", b"./Mailbox")
        return request._replace(**fields)

    def deliver(self, dash: bytes = b"", ext: bytes = b"", text: bytes = TEXT, **fields: bytes) -> tuple[int, bytes]:
        """Deliver; returns exit code and report."""
        with open(self.message, "wb") as file:
            file.write(text)
        with open(self.message, "rb") as file:
            output = Collected()
            code = deliver(self.request(dash, ext, **fields), Message(file.fileno()), self.settings, output)
        return code, output.report.text()

    def describe(self, dash: bytes = b"", ext: bytes = b"") -> tuple[int, bytes]:
        """Describe; returns exit code and report."""
        output = Collected()
        return describe(self.request(dash, ext), self.settings, output), output.report.text()


class HomeTests(InHome):
    """Checks before anything is done (edge-local 3)."""

    def test_no_home(self) -> None:
        """A home that is missing may come back."""
        self.assertEqual(self.deliver(home=b"/nonexistent"),
                         (111, b"Unable to switch to /nonexistent: file does not exist. (#4.3.0)\n"))

    def test_relative_home(self) -> None:
        """A home that is not an absolute path is nobody's: it would depend on where we are."""
        self.assertEqual(self.deliver(home=b"home"),
                         (111, b"Unable to switch to home: not an absolute path. (#4.3.0)\n"))

    def test_writable(self) -> None:
        """A home that the group or others may write is not worked in (L11, L12)."""
        for mode in (0o775, 0o757, 0o1777):
            os.chmod(self.home, mode)
            self.assertEqual(self.deliver(), (111, b"Uh-oh: home directory is writable. (#4.7.0)\n"))
            self.assertEqual(self.describe(), (111, b"Uh-oh: home directory is writable. (#4.7.0)\n"))

    def test_paternalism(self) -> None:
        """Which bits are forbidden is a setting: 002 as in 1.03 lets a group work together (L11)."""
        os.chmod(self.home, 0o775)
        self.settings.forbidden = 0o002
        self.assertEqual(self.deliver(), (0, b"did 1+0+0\n"))

    def test_sticky(self) -> None:
        """A sticky home says that its user is at work; -n only warns (L13)."""
        os.chmod(self.home, 0o1700)
        self.assertEqual(self.deliver(),
                         (111, b"Home directory is sticky: user is editing his .qmail file. (#4.2.1)\n"))
        self.assertEqual(self.describe(), (0, b"Warning: home directory is sticky.\nmbox ./Mailbox\ndid 1+0+0\n"))

    def test_unknown(self) -> None:
        """A home that cannot be looked at may be looked at later."""

        def fail(path: str) -> os.stat_result:
            """Refuse to look."""
            raise OSError(errno.EIO, "no")

        self.patch(delivery.os, "stat", fail)
        self.assertEqual(self.deliver(), (111, b"Unable to stat home directory: input/output error. (#4.3.0)\n"))

    def test_before_the_loop(self) -> None:
        """The home is checked before the message."""
        os.chmod(self.home, 0o777)
        self.assertEqual(self.deliver(text=b"Delivered-To: joe@h.o.s.t\n")[0], 111)


class MessageTests(InHome):
    """Checks of the message (edge-local 4)."""

    def test_looping(self) -> None:
        """A message that was here before is refused for good (L20)."""
        self.assertEqual(self.deliver(text=b"A: b\nDelivered-To: joe@h.o.s.t\n\n"),
                         (100, b"This message is looping: it already has my Delivered-To line. (#5.4.6)\n"))

    def test_not_looping(self) -> None:
        """The same line in another case, or in the body, says nothing (L20)."""
        for text in (b"delivered-to: joe@h.o.s.t\n\n", b"A: b\n\nDelivered-To: joe@h.o.s.t\n"):
            self.assertEqual(self.deliver(text=text), (0, b"did 1+0+0\n"))

    def test_before_the_search(self) -> None:
        """A loop is found before it matters whether there is a mailbox."""
        self.assertEqual(self.deliver(b"-", b"x", text=b"Delivered-To: joe-x@h.o.s.t\n")[0], 100)
        self.assertIn(b"no mailbox", self.deliver(b"-", b"y", text=b"Delivered-To: joe-x@h.o.s.t\n")[1])

    def test_unseekable(self) -> None:
        """A message that cannot be read twice is not delivered."""
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        self.addCleanup(os.close, writer)
        output = Collected()
        self.assertEqual(deliver(self.request(), Message(reader), self.settings, output), 111)
        self.assertEqual(output.report.text(), b"Unable to rewind message. (#4.3.0)\n")

    def test_unreadable(self) -> None:
        """A message that cannot be read may be readable later."""
        fd = os.open(self.home, os.O_RDONLY)
        self.addCleanup(os.close, fd)
        output = Collected()
        self.assertEqual(deliver(self.request(), Message(fd), self.settings, output), 111)
        self.assertEqual(output.report.text(), b"Unable to read message: is a directory. (#4.3.0)\n")


class InstructionTests(InHome):
    """What instructions do (edge-local 5, 6, 9)."""

    def test_default_delivery(self) -> None:
        """Without a .qmail file the default delivery is made (L1)."""
        self.assertEqual(self.deliver(), (0, b"did 1+0+0\n"))
        self.assertEqual(self.read("Mailbox"), IN_MBOX)

    def test_no_mailbox(self) -> None:
        """An extension without a file is refused (L2)."""
        self.assertEqual(self.deliver(b"-", b"foo"), (100, b"Sorry, no mailbox here by that name. (#5.1.1)\n"))

    def test_empty_file(self) -> None:
        """An empty file means the default delivery, too, and its x bit nothing (L01)."""
        self.write(".qmail-foo", "", 0o700)
        self.assertEqual(self.deliver(b"-", b"foo"), (0, b"did 1+0+0\n"))

    def test_comment(self) -> None:
        """A file with a comment alone throws mail away (L4)."""
        self.write(".qmail", "#only")
        self.assertEqual(self.deliver(), (0, b"did 0+0+0\n"))
        self.assertEqual(os.listdir(self.home), [".qmail"])

    def test_blank_first_line(self) -> None:
        """A first line that is blank stops the delivery (L5)."""
        for text in ("\n./Mailbox\n", " \t\n", "\n"):
            self.write(".qmail", text)
            self.assertEqual(self.deliver(), (111, b"Uh-oh: first line of .qmail file is blank. (#4.2.1)\n"))

    def test_empty_default(self) -> None:
        """An empty default delivery is a blank first line, too."""
        self.assertEqual(self.deliver(default=b""), (111, b"Uh-oh: first line of .qmail file is blank. (#4.2.1)\n"))

    def test_default_of_several_lines(self) -> None:
        """The default delivery may have several lines."""
        self.assertEqual(self.deliver(default=b"./one\n./two"), (0, b"did 2+0+0\n"))

    def test_description(self) -> None:
        """-n says what each line means, and does nothing (L3)."""
        self.write(".qmail", "# c\n|echo hi\n&a@b\nc@d \t\n./mbox\n/abs/dir/\n\n+list\n")
        self.assertEqual(self.describe(), (0, b"program echo hi\nforward a@b\nforward c@d\nmbox ./mbox\n"
                                              b"maildir /abs/dir/\ndid 2+2+1\n"))
        self.assertEqual(os.listdir(self.home), [".qmail"])

    def test_description_of_trouble(self) -> None:
        """-n tells of the same trouble as a delivery would."""
        self.write(".qmail", "&a@b\n./Mailbox\n", 0o700)
        self.assertEqual(self.describe(), (
            111, b"forward a@b\nUh-oh: .qmail has file delivery but has x bit set. (#4.7.0)\n"))
        self.assertEqual(self.describe(b"-", b"no"), (100, b"Sorry, no mailbox here by that name. (#5.1.1)\n"))

    def test_x_bit(self) -> None:
        """With the x bit only forwards are allowed (L15, L09)."""
        for line, kind in (("./Mailbox", b"file"), ("./md/", b"file"), ("|true", b"prog")):
            self.write(".qmail", f"&a@b\n{line}\n", 0o700)
            self.assertEqual(self.deliver(), (
                111, b"Uh-oh: .qmail has " + kind + b" delivery but has x bit set. (#4.7.0)\n"))
            self.assertIsNone(self.submission.envelope)

    def test_list(self) -> None:
        """After +list only forwards are allowed; what stands before is done (L16)."""
        self.write(".qmail", "./Mailbox\n+list\n&a@b\n")
        self.assertEqual(self.deliver(), (0, b"did 1+1+0\nqp 4711\n"))
        self.write(".qmail", "./Mailbox\n+list\n./other\n")
        self.assertEqual(self.deliver(), (111, b"Uh-oh: .qmail has file delivery but has x bit set. (#4.7.0)\n"))
        self.assertEqual(self.read("Mailbox"), IN_MBOX * 2)

    def test_carriage_return(self) -> None:
        """A file edited elsewhere names a file with a carriage return (L31)."""
        self.write(".qmail", b"./Mailbox\r\n")
        self.assertEqual(self.deliver(), (0, b"did 1+0+0\n"))
        self.assertEqual(sorted(os.listdir(self.home)), [".qmail", "Mailbox\r"])

    def test_qmail_is_a_directory(self) -> None:
        """A directory in place of the file is as good as none (L27)."""
        os.mkdir(self.home + "/.qmail")
        self.assertEqual(self.deliver(), (0, b"did 1+0+0\n"))

    def test_many_lines(self) -> None:
        """100000 forwards are one submission (L07)."""
        self.write(".qmail", "&a@b\n" * 100000)
        self.assertEqual(self.deliver(), (0, b"did 0+100000+0\nqp 4711\n"))


class MboxTests(InHome):
    """Deliveries to mbox files (edge-local 6.2)."""

    def trouble(self, path: str, text: bytes) -> None:
        """Assert that a delivery to a file fails for now."""
        self.write(".qmail", path + "\n")
        self.assertEqual(self.deliver(), (111, text))

    def test_trouble(self) -> None:
        """What is wrong with the file stands in the report (L23, L28)."""
        os.mkdir(self.home + "/md")
        os.mkfifo(self.home + "/fifo")
        self.trouble("./nope/mbox", b"Unable to open ./nope/mbox: file does not exist. (#4.2.1)\n")
        self.trouble("./md", b"Unable to open ./md: is a directory. (#4.2.1)\n")
        self.trouble("./fifo", b"Unable to open ./fifo: device not configured. (#4.2.1)\n")
        self.trouble("/dev/full", b"Unable to write /dev/full: out of disk space. (#4.3.0)\n")
        self.trouble("/dev/null", b"Unable to write /dev/null: invalid argument. (#4.3.0)\n")

    def test_locked(self) -> None:
        """A file that stays locked is tried again later."""

        def lock(fd: int) -> bool:
            """Thirty seconds are over."""
            raise mbox.LockTimeout

        self.patch(mbox, "lock_for_a_while", lock)
        self.assertEqual(self.deliver(), (111, b"File has been locked for 30 seconds straight. (#4.3.0)\n"))

    def test_senders(self) -> None:
        """Odd senders make neither a From_ line nor a Return-Path of two lines (L24)."""
        self.deliver(sender=b"a\nb c\td@e")
        self.assertTrue(self.read("Mailbox").startswith(
            b'From a-b-c-d@e Sun Nov 22 13:40:12 2026\nReturn-Path: <"a\\_b c\td"@e>\nDelivered-To: '))

    def test_bounce(self) -> None:
        """A bounce comes from MAILER-DAEMON, with an empty Return-Path."""
        self.deliver(sender=b"")
        self.assertTrue(self.read("Mailbox").startswith(
            b"From MAILER-DAEMON Sun Nov 22 13:40:12 2026\nReturn-Path: <>\n"))

    def test_no_final_newline(self) -> None:
        """A last line gets its end (L25)."""
        self.deliver(text=b"a: b\n\nend")
        self.assertTrue(self.read("Mailbox").endswith(b"a: b\n\nend\n\n"))


class MaildirTests(InHome):
    """Deliveries to Maildirs (edge-local 6.3)."""

    def setUp(self) -> None:
        """Make a Maildir, too."""
        super().setUp()
        for name in ("md", "md/tmp", "md/new", "md/cur"):
            os.mkdir(f"{self.home}/{name}", 0o700)
        self.write(".qmail", "./md/\n")

    def test_delivered(self) -> None:
        """The message is in new/ below its trace, otherwise unchanged (L21)."""
        self.assertEqual(self.deliver(), (0, b"did 1+0+0\n"))
        (name,) = os.listdir(self.home + "/md/new")
        self.assertEqual(self.read("md/new/" + name), TRACE + TEXT)
        self.assertEqual(os.listdir(self.home + "/md/tmp"), [])

    def test_empty_message(self) -> None:
        """Even an empty message has its trace."""
        self.deliver(text=b"")
        (name,) = os.listdir(self.home + "/md/new")
        self.assertEqual(self.read("md/new/" + name), TRACE)

    def test_large_message(self) -> None:
        """A message of many pieces arrives whole."""
        text = TEXT + b"0123456789abcde\n" * 20000
        self.deliver(text=text)
        (name,) = os.listdir(self.home + "/md/new")
        self.assertEqual(self.read("md/new/" + name), TRACE + text)

    def test_no_maildir(self) -> None:
        """A directory that is missing is told from one that is no Maildir (L22)."""
        self.write(".qmail", "./nope/\n")
        self.assertEqual(self.deliver(), (111, b"Unable to chdir to maildir. (#4.2.1)\n"))
        os.rmdir(self.home + "/md/tmp")
        self.write(".qmail", "./md/\n")
        self.assertEqual(self.deliver(), (111, b"Temporary error on maildir delivery. (#4.3.0)\n"))


class ForwardTests(InHome):
    """Forwards (edge-local 7)."""

    def test_together(self) -> None:
        """All addresses get one copy together, under the trace but without Return-Path."""
        self.write(".qmail", "&a@b\nc@d\n")
        self.assertEqual(self.deliver(), (0, b"did 0+2+0\nqp 4711\n"))
        self.assertEqual(self.submission.text, b"Delivered-To: joe@h.o.s.t\n" + TEXT)
        self.assertEqual(self.submission.envelope, Envelope(b"s@t", (b"a@b", b"c@d")))

    def test_owner(self) -> None:
        """A list's forwards come from its owner (L19)."""
        self.write(".qmail-l", "&a@b\n")
        self.write(".qmail-l-owner", "#\n")
        self.deliver(b"-", b"l")
        self.assertEqual(self.submission.envelope, Envelope(b"joe-l-owner@h.o.s.t", (b"a@b",)))
        self.write(".qmail-l-owner-default", "#\n")
        self.deliver(b"-", b"l")
        self.assertEqual(self.submission.envelope, Envelope(b"joe-l-owner-@h.o.s.t-@[]", (b"a@b",)))

    def test_after_failure(self) -> None:
        """If any instruction fails nothing is forwarded, not even what stands before it (L7)."""
        self.write(".qmail", "&a@b\n./nope/mbox\n")
        self.assertEqual(self.deliver()[0], 111)
        self.assertIsNone(self.submission.envelope)

    def test_queue_trouble(self) -> None:
        """The queue's reason stands in the report, and its class decides (L26)."""
        self.write(".qmail", "&a@b\n./Mailbox\n")
        for problem, code in ((b"Dmail server permanently rejected message (#5.3.0)", 100),
                              (b"Zqq write error or disk full (#4.3.0)", 111)):
            self.submission.result = Result(problem, 0)
            self.assertEqual(self.deliver(), (code, b"Unable to forward message: " + problem[1:] + b".\n"))
        self.assertEqual(self.read("Mailbox"), IN_MBOX * 2)

    def test_message_breaks_off(self) -> None:
        """If the message cannot be read while it is forwarded, nothing is queued."""
        from qtwisted.deliver.user.message import Unreadable

        class Breaking(Message):
            """A message that can be read once."""

            readings = 0

            def pieces(self):  # type: ignore[no-untyped-def]
                """Break off at the second reading."""
                self.readings += 1
                yield from super().pieces()
                if self.readings > 1:
                    raise Unreadable(OSError(errno.EIO, "no"))

        self.write(".qmail", "&a@b\n")
        self.write("message", TEXT)
        output = Collected()
        with open(self.home + "/message", "rb") as file:
            self.assertEqual(deliver(self.request(), Breaking(file.fileno()), self.settings, output), 111)
        self.assertEqual(output.report.text(), b"Unable to read message: input/output error. (#4.3.0)\n")
        self.assertTrue(self.submission.abandoned)


class ProgramTests(InHome):
    """How the end of a program is judged (edge-local 6.1); the programs themselves run in test/whole."""

    def end(self, status: int | Exception) -> tuple[int, bytes]:
        """Deliver to a program that ends so, between a forward and an mbox file."""

        def run(*arguments: object) -> int:
            """End at once."""
            if isinstance(status, Exception):
                raise status
            return status

        self.patch(programs, "run", run)
        self.write(".qmail", "&a@b\n|command\n&c@d\n./after\n")
        self.submission.envelope = None
        return self.deliver()

    def test_every_exit_code(self) -> None:
        """0 goes on, 99 stops well, eight codes refuse, all others put off (L9, L12)."""
        for code in range(256):
            if code == 0:
                expected = (0, b"did 1+2+1\nqp 4711\n")
            elif code == 99:
                expected = (0, b"did 0+1+1\nqp 4711\n")
            else:
                expected = (100 if code in (100, 64, 65, 70, 76, 77, 78, 112) else 111, b"")
            self.assertEqual(self.end(code << 8), expected)
            self.assertEqual(self.submission.envelope is None, code not in (0, 99))

    def test_99_keeps_what_came_before(self) -> None:
        """After 99 the forwards collected before are sent, and no others (L6)."""
        self.end(99 << 8)
        self.assertEqual(self.submission.envelope, Envelope(b"s@t", (b"a@b",)))
        self.assertFalse(os.path.exists(self.home + "/after"))

    def test_killed(self) -> None:
        """A program ended by a signal is trouble that may go away (L10, L13)."""
        for number in (9, 11, 11 | 0x80):
            self.assertEqual(self.end(number), (111, b"Aack, child crashed. (#4.3.0)\n"))

    def test_too_slow(self) -> None:
        """A program that was ended for its slowness is tried again."""
        self.assertEqual(self.end(programs.TimedOut()), (111, b"Timeout on program delivery. (#4.3.0)\n"))

    def test_not_started(self) -> None:
        """A shell that cannot be started may be started later."""
        self.assertEqual(self.end(OSError(errno.EAGAIN, "")), (111, b"Unable to fork: temporary failure. (#4.3.0)\n"))
        self.assertEqual(self.end(OSError(errno.ENOENT, "")),
                         (111, b"Unable to run /bin/sh: file does not exist. (#4.3.0)\n"))

    def test_no_copy(self) -> None:
        """Without room for a copy of the message no program is started."""
        self.patch(Message, "for_program", lambda self: (_ for _ in ()).throw(OSError(errno.ENOSPC, "")))
        self.assertEqual(self.end(0), (111, b"Unable to copy message: out of disk space. (#4.3.0)\n"))
