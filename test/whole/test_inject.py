"""qmail-inject and sendmail as real processes, with a program in the place of the queue."""

from __future__ import annotations

import os
import re
import subprocess
import sys

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.model.envelope import Envelope, submission
from test.kit.desk import HIDDEN, Desk
from test.kit.programs import Ended, NotedQueue, environment, run_main

INJECT = "qtwisted.accept.submit.inject"
SENDMAIL = "qtwisted.accept.submit.sendmail"
STAMP = re.compile(rb"Date: \d+ [A-Z][a-z]{2} 2\d{3} \d\d:\d\d:\d\d -0000\n")
NUMBER = re.compile(rb"Message-ID: <(2\d{13})\.(\d+)\.qmail@mx\.example\.org>\n")


class ProgramTests(SynchronousTestCase):
    """A home, a queue that takes note, and processes between them."""

    def setUp(self) -> None:
        """Make the home."""
        self.room = self.mktemp()
        os.mkdir(self.room)
        self.home = Desk(self.room).home
        self.queue = NotedQueue(self.room)

    def run_program(self, module: str, text: bytes, *words: str, **variables: str) -> Ended:
        """Run a program of ours for user joe."""
        given = {"QMAILHOME": str(self.home), "QMAILQUEUE": str(self.queue.path), "USER": "joe", **variables}
        return run_main(module, *words, message=text, **given)

    def printed(self, text: bytes, *words: str, **variables: str) -> bytes:
        """Run qmail-inject -n; give what it prints, with D and M for its Date and Message-ID."""
        ended = self.run_program(INJECT, text, "-n", *words, **variables)
        self.assertEqual((ended.code, ended.err), (0, b""))
        self.assertEqual((self.queue.message, self.queue.envelope), (None, None))
        return NUMBER.sub(b"M\n", STAMP.sub(b"D\n", ended.out))

    def stub(self, name: str, script: str) -> None:
        """Put a program into HOME/bin."""
        (self.home / "bin").mkdir(exist_ok=True)
        path = self.home / "bin" / name
        path.write_text("#!/bin/sh\n" + script)
        path.chmod(0o755)


class InjectTests(ProgramTests):
    """qmail-inject."""

    def test_i1_print_empty(self) -> None:
        """An empty message is printed with its sender and all that was missing."""
        self.assertEqual(
            self.printed(b""), b"Return-Path: <joe@mx.example.org>\nD\nM\nFrom: joe@mx.example.org\n" + HIDDEN
        )

    def test_i2_print_list(self) -> None:
        """An address list is printed completed and folded."""
        out = self.printed(b"To: a, b@c, Joe User <d@e.f.g>, grp: x, y@z;, (cmt) k@l.m, n o\n\nbody")
        self.assertTrue(out.endswith(
            b"\nTo: a@mx.example.org, b@c.example.org, Joe User <d@e.f.g>,\n"
            b"  grp: x@mx.example.org, y@z.example.org;, k@l.m (cmt), n@mx.example.org,\n"
            b"  o@mx.example.org\n\nbody\n"
        ), out)

    def test_i4_unparsable(self) -> None:
        """A field that cannot be parsed is shown as it was, and nothing is printed or queued."""
        for mode in ("-n", "-N"):
            ended = self.run_program(INJECT, b"To: a(b\n", mode)
            self.assertEqual(ended, (100, b"", b"qmail-inject: fatal: unable to parse this line:\nTo: a(b\n"))
        ended = self.run_program(INJECT, b"", "-f", "a@b(c")
        self.assertEqual(ended, (100, b"", b"qmail-inject: fatal: unable to parse this line:\na@b(c"))
        self.assertIsNone(self.queue.message)

    def test_i7_verp(self) -> None:
        """A sender that is marked for each recipient is printed quoted."""
        out = self.printed(b"", QMAILINJECT="rm", QMAILSUSER="su", QMAILSHOST="sh")
        self.assertTrue(re.match(rb'Return-Path: <"su-\d+\.\d+-@sh\.example\.org-"@\[\]>\n', out), out)

    def test_i9_envelope(self) -> None:
        """The envelope has the sender and all recipients in order; the message has no Bcc."""
        text = b"To: a, b\nCc: c, d\nBcc: e\nApparently-To: f\n\nbody\n"
        ended = self.run_program(INJECT, text, "-H", "arg1", "arg2@x.y")
        self.assertEqual(ended, (0, b"", b""))
        recipients = [b"arg2@x.y" if name == b"arg2" else name + b"@mx.example.org"
                      for name in (b"arg1", b"arg2", b"b", b"a", b"d", b"c", b"e", b"f")]
        self.assertEqual(self.queue.envelope, submission(Envelope(b"joe@mx.example.org", tuple(recipients))))
        message = self.queue.message or b""
        self.assertTrue(message.endswith(b"\nApparently-To: f@mx.example.org\n\nbody\n"), message)
        self.assertNotIn(b"Bcc", message)
        self.assertNotIn(b"Return-Path", message)

    def test_i16_senders(self) -> None:
        """Special senders are printed as they are, others completed and quoted."""
        for given, shown in (("", b"<>"), ("#@[]", b"<#@[]>"), ("list@h.x-@[]", b'<"list@h.x-"@[]>'),
                             ("a b@h", b'<"a b"@h.example.org>')):
            out = self.printed(b"", "-f", given)
            self.assertEqual(out.partition(b"\n")[0], b"Return-Path: " + shown)

    def test_i17_followup_is_relative_to_the_caller(self) -> None:
        """The file of mailing lists is looked for where the caller is, not in the home."""
        lists = os.path.relpath(os.path.join(self.room, "lists"))
        with open(lists, "w") as file:
            file.write("LIST@x.y\n")
        out = self.printed(b"To: a, list@x.Y\n", QMAILMFTFILE=lists)
        self.assertIn(b"\nMail-Followup-To: a@mx.example.org,\n  list@x.Y\nTo: ", out)

    def test_i21_answers(self) -> None:
        """The exit code of the queue program becomes words and an exit code of ours."""
        for code, ours, words in ((31, 100, b"mail server permanently rejected message (#5.3.0)"),
                                  (53, 111, b"qq write error or disk full (#4.3.0)")):
            queue = NotedQueue(self.room, code)
            ended = self.run_program(INJECT, b"To: a\n", QMAILQUEUE=str(queue.path))
            self.assertEqual(ended, (ours, b"", b"qmail-inject: fatal: " + words + b"\n"))

    def test_no_queue_program(self) -> None:
        """A queue program that does not exist is trouble that may pass."""
        ended = self.run_program(INJECT, b"To: a\n", QMAILQUEUE="/nonexistent")
        self.assertEqual(ended, (111, b"", b"qmail-inject: fatal: unable to exec qq (#4.3.0)\n"))

    def test_no_home(self) -> None:
        """Without a home nothing works."""
        ended = self.run_program(INJECT, b"", QMAILHOME="/nonexistent")
        self.assertEqual(ended, (111, b"", b"qmail-inject: fatal: internal bug\n"))

    def test_relative_home(self) -> None:
        """The home may be given relative to the caller, for sendmail as well."""
        home = os.path.relpath(self.home)
        for module, words in ((INJECT, ()), (SENDMAIL, ("-t",))):
            self.assertEqual(self.run_program(module, b"To: a\n", *words, QMAILHOME=home), (0, b"", b""))
        self.assertEqual(self.queue.envelope, submission(Envelope(b"joe@mx.example.org", (b"a@mx.example.org",))))

    def test_manual(self) -> None:
        """--help prints the manual page."""
        for module, name in ((INJECT, b"qmail-inject"), (SENDMAIL, b"sendmail")):
            ended = self.run_program(module, b"", "--help")
            self.assertEqual((ended.code, ended.out.startswith(name + b" - ")), (0, True))

    def test_full_output(self) -> None:
        """What cannot be printed is not passed over in silence."""
        start = f"import sys; sys.argv[0] = 'qmail-inject'; from {INJECT} import main; sys.exit(main())"
        with open("/dev/full", "wb") as full:
            done = subprocess.run(
                [sys.executable, "-P", "-c", start, "-n"],
                stdin=subprocess.DEVNULL,
                stdout=full,
                stderr=subprocess.PIPE,
                env=environment(QMAILHOME=str(self.home)),
                check=False,
            )
        self.assertEqual((done.returncode, done.stderr), (111, b"qmail-inject: fatal: write error\n"))


class SendmailTests(ProgramTests):
    """sendmail."""

    def test_i22_sender_and_name(self) -> None:
        """-f is the sender and the author, -F his name."""
        ended = self.run_program(SENDMAIL, b"\nbody\n", "-fs@t", "-FJoe Q", "z@y")
        self.assertEqual(ended, (0, b"", b""))
        self.assertEqual(self.queue.envelope, submission(Envelope(b"s@t.example.org", (b"z@y.example.org",))))
        self.assertIn(b'\nFrom: "Joe Q" <s@t.example.org>\n', self.queue.message or b"")

    def test_i23_ignored_options(self) -> None:
        """The usual options of callers of sendmail are accepted."""
        words = ["-oi", "-oem", "-odb", "-em", "-B8BITMIME", "-v", "-x", "-i", "-m", "z@y"]
        self.assertEqual(self.run_program(SENDMAIL, b"To: a\n", *words), (0, b"", b""))
        self.assertEqual(
            self.queue.envelope, submission(Envelope(b"joe@mx.example.org", (b"z@y.example.org",)))
        )

    def test_header_recipients(self) -> None:
        """-t sends to the header's recipients and to the arguments; without either to nobody."""
        self.run_program(SENDMAIL, b"To: a@b.c\nBcc: d@e.f\n", "-t", "x@y.z")
        self.assertEqual(
            self.queue.envelope, submission(Envelope(b"joe@mx.example.org", (b"x@y.z", b"a@b.c", b"d@e.f")))
        )
        self.run_program(SENDMAIL, b"To: a@b.c\n")
        self.assertEqual(self.queue.envelope, submission(Envelope(b"joe@mx.example.org", ())))

    def test_i24_usage(self) -> None:
        """Modes and options we do not have are refused."""
        usage = b"sendmail: usage: sendmail [ -t ] [ -fsender ] [ -Fname ] [ -bp ] [ -bs ] [ arg ... ]\n"
        for word, words in (("-bd", b""), ("-bz", b""), ("-q", b"sendmail: illegal option -- q\n")):
            self.assertEqual(self.run_program(SENDMAIL, b"", word), (100, b"", words + usage))

    def test_other_programs(self) -> None:
        """-bs and -bp become the programs of the home, in the home."""
        self.stub("qmail-smtpd", 'echo "$0 $PROTO $TCPREMOTEINFO ${RELAYCLIENT-unset} $DATABYTES"; pwd -P; cat\n')
        self.stub("qmail-qread", 'echo "$0 $#"; exit 3\n')
        ended = self.run_program(SENDMAIL, b"QUIT\r\n", "-bs")
        expected = b"bin/qmail-smtpd TCP sendmail-bs  0\n" + os.fsencode(self.home) + b"\nQUIT\r\n"
        self.assertEqual(ended, (0, expected, b""))
        self.assertEqual(self.run_program(SENDMAIL, b"", "-bp", "x"), (3, b"bin/qmail-qread 0\n", b""))

    def test_programs_that_are_missing(self) -> None:
        """A program that cannot be run is named."""
        for word, name in (("-bs", b"qmail-smtpd"), ("-bp", b"qmail-qread")):
            ended = self.run_program(SENDMAIL, b"", word)
            self.assertEqual(ended, (111, b"", b"sendmail: fatal: unable to run " + name + b"\n"))

    def test_no_home(self) -> None:
        """Without a home nothing works, whatever is asked for."""
        ended = self.run_program(SENDMAIL, b"", "-q", QMAILHOME="/nonexistent")
        self.assertEqual(ended, (111, b"", b"sendmail: fatal: unable to switch to qmail home directory\n"))

    def test_errors_are_those_of_inject(self) -> None:
        """What qmail-inject refuses, it refuses under its own name."""
        ended = self.run_program(SENDMAIL, b"To: (\n", "-t")
        self.assertEqual(ended, (100, b"", b"qmail-inject: fatal: unable to parse this line:\nTo: (\n"))
