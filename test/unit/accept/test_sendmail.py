"""sendmail understands what callers of sendmail say, and has qmail-inject do it."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.accept.submit.sendmail import translate
from qtwisted.system.ending import Ending

USAGE = b"sendmail: usage: sendmail [ -t ] [ -fsender ] [ -Fname ] [ -bp ] [ -bs ] [ arg ... ]\n"
INJECT = b"bin/qmail-inject"


class TranslateTests(SynchronousTestCase):
    """What becomes of a command line."""

    def setUp(self) -> None:
        """Begin without variables."""
        self.environ: dict[bytes, bytes] = {}

    def translated(self, *words: bytes, program: bytes = b"/usr/sbin/sendmail") -> list[bytes]:
        """Translate one command line."""
        return translate([program, *words], self.environ)

    def refused(self, *words: bytes, program: bytes = b"/usr/sbin/sendmail") -> bytes:
        """Translate a command line that is refused; say how."""
        ending = self.assertRaises(Ending, self.translated, *words, program=program)
        self.assertEqual(ending.code, 100)
        return ending.line + ending.newline

    def test_recipients(self) -> None:
        """Arguments are the recipients; with -t those of the header as well."""
        self.assertEqual(self.translated(b"a@b", b"-c"), [INJECT, b"-a", b"--", b"a@b", b"-c"])
        self.assertEqual(self.translated(b"-t", b"a@b"), [INJECT, b"-H", b"--", b"a@b"])
        self.assertEqual(self.translated(), [INJECT, b"-a", b"--"])
        self.assertEqual(self.translated(b"--", b"-t"), [INJECT, b"-a", b"--", b"-t"])

    def test_sender(self) -> None:
        """-f is passed on, the last one counts, and an empty one is one."""
        self.assertEqual(self.translated(b"-fs@t", b"x"), [INJECT, b"-a", b"-f", b"s@t", b"--", b"x"])
        self.assertEqual(self.translated(b"-fa", b"-f", b"", b"x"), [INJECT, b"-a", b"-f", b"", b"--", b"x"])

    def test_sender_becomes_author(self) -> None:
        """-f takes the place of the variables from which From is made."""
        self.environ.update({b"QMAILNAME": b"1", b"MAILNAME": b"2", b"NAME": b"3", b"MAILHOST": b"4", b"USER": b"u"})
        self.translated(b"-fa@s@t")
        self.assertEqual(self.environ, {b"QMAILUSER": b"a@s", b"QMAILHOST": b"t", b"USER": b"u"})
        self.environ = {b"QMAILHOST": b"5"}
        self.translated(b"-fs")
        self.assertEqual(self.environ, {b"QMAILUSER": b"s"})

    def test_i22_name(self) -> None:
        """-F gives the name, wherever it stands; without -f a $QMAILNAME still comes before it."""
        for words in ((b"-fs@t", b"-FJoe Q"), (b"-FJoe Q", b"-fs@t")):
            self.environ = {b"QMAILNAME": b"x"}
            self.translated(*words, b"z@y")
            self.assertEqual(
                self.environ, {b"QMAILUSER": b"s", b"QMAILHOST": b"t", b"MAILNAME": b"Joe Q"}
            )
        self.environ = {b"QMAILNAME": b"x"}
        self.translated(b"-FJoe Q")
        self.assertEqual(self.environ, {b"QMAILNAME": b"x", b"MAILNAME": b"Joe Q"})

    def test_i23_ignored(self) -> None:
        """What sendmail needs and we do not is accepted."""
        words = (b"-oi", b"-oem", b"-odb", b"-em", b"-B8BITMIME", b"-v", b"-x", b"-i", b"-m", b"z@y")
        self.assertEqual(self.translated(*words), [INJECT, b"-a", b"--", b"z@y"])
        words = (b"-bm", b"-B", b"7BIT", b"-p", b"x", b"-e", b"x", b"-oZ", b"-Efoo", b"-E", b"-Jt", b"-J", b"z@y")
        self.assertEqual(self.translated(*words), [INJECT, b"-a", b"--", b"z@y"])
        self.assertEqual(self.translated(b"-vimxt"), [INJECT, b"-H", b"--"])

    def test_i24_usage(self) -> None:
        """Modes we do not have, and a mode that is missing, are refused with the usage."""
        for word in (b"-bd", b"-bz", b"-bi"):
            self.assertEqual(self.refused(word), USAGE)
        for letter in b"qrhNRVdCOUGIX":
            expected = b"sendmail: illegal option -- %c\n" % letter
            self.assertEqual(self.refused(b"-%c" % letter), expected + USAGE)
        self.assertEqual(self.refused(b"-t", b"-b"), b"sendmail: option requires an argument -- b\n" + USAGE)

    def test_queue(self) -> None:
        """-bp and the name mailq show the queue."""
        self.assertEqual(self.translated(b"-bp"), [b"bin/qmail-qread"])
        self.assertEqual(self.translated(program=b"mailq"), [b"bin/qmail-qread"])
        self.assertEqual(self.translated(b"-v", b"x", program=b"/usr/bin/mailq"), [b"bin/qmail-qread"])

    def test_newaliases(self) -> None:
        """The name newaliases is refused, after its options were looked at."""
        text = b"sendmail: fatal: please use fastforward/newaliases instead\n"
        self.assertEqual(self.refused(program=b"newaliases"), text)
        self.assertEqual(self.refused(b"-q", program=b"x/newaliases"), b"newaliases: illegal option -- q\n" + USAGE)

    def test_smtp(self) -> None:
        """-bs speaks SMTP as if with a client on this host that may relay."""
        self.assertEqual(self.translated(b"-bs"), [b"bin/qmail-smtpd"])
        self.assertEqual(
            self.environ,
            {b"RELAYCLIENT": b"", b"DATABYTES": b"0", b"PROTO": b"TCP", b"TCPLOCALIP": b"127.0.0.1",
             b"TCPLOCALHOST": b"localhost", b"TCPREMOTEIP": b"127.0.0.1", b"TCPREMOTEHOST": b"localhost",
             b"TCPREMOTEINFO": b"sendmail-bs"},
        )

    def test_smtp_of_a_real_client(self) -> None:
        """If PROTO is set the client is another one, and nothing is changed."""
        self.environ = {b"PROTO": b""}
        self.assertEqual(self.translated(b"-bs", program=b"mailq"), [b"bin/qmail-smtpd"])
        self.assertEqual(self.environ, {b"PROTO": b""})

    def test_modes_act_at_once(self) -> None:
        """What follows -bs or -bp is not looked at; what precedes them is."""
        self.assertEqual(self.translated(b"-bs", b"-q"), [b"bin/qmail-smtpd"])
        self.assertEqual(self.translated(b"-bp", b"-bz"), [b"bin/qmail-qread"])
        self.assertEqual(self.refused(b"-bz", b"-bp"), USAGE)
        self.assertEqual(self.refused(b"-q", b"-bp"), b"sendmail: illegal option -- q\n" + USAGE)
