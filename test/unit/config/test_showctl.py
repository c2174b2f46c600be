"""qmail-showctl explains every file."""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.config import conf, showctl
from qtwisted.config.control import ControlError
from qtwisted.config.declared import ALL, INTEGER, LINE
from test.unit.store.test_qstat import printed

IDS = conf.Ids(1, 2, 3, 5, 6, 7, 8, 10, 9, True, root_uid=4)

#: the whole body for control/me, locals, percenthack and virtualdomains alone (core-admin.md 5.2)
BODY = """
badmailfrom: (Default.) Any MAIL FROM is allowed.

bouncefrom: (Default.) Bounce user name is MAILER-DAEMON.

bouncehost: (Default.) Bounce host name is mx.example.org.

concurrencylocal: (Default.) Local concurrency is 10.

concurrencyremote: (Default.) Remote concurrency is 20.

databytes: (Default.) SMTP DATA limit is 0 bytes.

defaultdomain: (Default.) Default domain name is mx.example.org.

defaulthost: (Default.) Default host name is mx.example.org.

doublebouncehost: (Default.) 2B recipient host: mx.example.org.

doublebounceto: (Default.) 2B recipient user: postmaster.

envnoathost: (Default.) Presumed domain name is mx.example.org.

helohost: (Default.) SMTP client HELO host name is mx.example.org.

idhost: (Default.) Message-ID host name is mx.example.org.

localiphost: (Default.) Local IP address becomes mx.example.org.

locals:\x20
Messages for a.example are delivered locally.
Messages for  b.example are delivered locally.

me: My name is mx.example.org.

percenthack:\x20
The percent hack is allowed for user%host@a.example.

plusdomain: (Default.) Plus domain name is mx.example.org.

qmqpservers: (Default.) No QMQP servers.

queuelifetime: (Default.) Message lifetime in the queue is 604800 seconds.

rcpthosts: (Default.) SMTP clients may send messages to any recipient.

morercpthosts: (Default.) No rcpthosts; morercpthosts is irrelevant.

morercpthosts.cdb: (Default.) No effect.

smtpgreeting: (Default.) SMTP greeting: 220 mx.example.org.

smtproutes: (Default.) No artificial SMTP routes.

timeoutconnect: (Default.) SMTP client connection timeout is 60 seconds.

timeoutremote: (Default.) SMTP client data timeout is 1200 seconds.

timeoutsmtpd: (Default.) SMTP server data timeout is 1200 seconds.

virtualdomains:\x20
Virtual domain: v.example:joe
"""


class ShowctlCase(SynchronousTestCase):
    """A home whose control files are shown."""

    def setUp(self) -> None:
        """Make it, with users that exist nowhere else."""
        self.addCleanup(os.chdir, os.getcwd())
        self.home = os.path.abspath(self.mktemp())
        os.makedirs(f"{self.home}/control")
        self.patch(conf, "ids", lambda settings: IDS)
        self.put("me", b"mx.example.org\n")

    def put(self, name: str, text: bytes) -> None:
        """Write a control file."""
        with open(f"{self.home}/control/{name}", "wb") as file:
            file.write(text)

    def shown(self, home: str | None = None) -> str:
        """Print everything; the exit code is 0."""
        text, code = printed(showctl.showctl(home or self.home))
        self.assertEqual(code, 0)
        return text.decode("ascii")

    def block(self, name: str) -> str:
        """Give what is said about one file."""
        blocks = dict(block.split(": ", 1) for block in self.shown().split("\n\n")[1:])
        return blocks[name].rstrip("\n")


class Files102Tests(ShowctlCase):
    """The files of qmail 1.02, in its order and its words."""

    def test_all(self) -> None:
        """With a few files present the others show their defaults (ADM-11, C14)."""
        self.put("locals", b"a.example\n# no\n\n b.example \t\n")
        self.put("percenthack", b"a.example")
        self.put("virtualdomains", b"v.example:joe\n")
        text = self.shown()
        self.assertEqual(text[: text.index("\ncheckpassword: ")],
                         f"The qmail control files are stored in {self.home}/control.\n"
                         f"The uids and gids are 1, 2, 3, 4, 5, 6, 7, 8, 9, 10.\n{BODY}")

    def test_sanitised(self) -> None:
        """Of a line the first counts, and bytes that are not printable become question marks (ADM-12)."""
        self.put("smtpgreeting", b"h\xe9llo  \nsecond")
        self.assertEqual(self.block("smtpgreeting"), "SMTP greeting: 220 h?llo.")
        self.put("locals", b"a\x1b[2J\x07\r\n")
        self.assertEqual(self.block("locals"), "\nMessages for a?[2J?? are delivered locally.")

    def test_numbers(self) -> None:
        """What begins with no digit is the default; digits count as far as they go (ADM-13)."""
        self.put("timeoutconnect", b"abc\n")
        self.put("timeoutremote", b"-5\n")
        self.put("queuelifetime", b"12abc\n")
        self.put("databytes", b"")
        self.assertEqual(self.block("timeoutconnect"), "(Default.) SMTP client connection timeout is 60 seconds.")
        self.assertEqual(self.block("timeoutremote"), "(Default.) SMTP client data timeout is 1200 seconds.")
        self.assertEqual(self.block("queuelifetime"), "Message lifetime in the queue is 12 seconds.")
        self.assertEqual(self.block("databytes"), "(Default.) SMTP DATA limit is 0 bytes.")

    def test_no_me(self) -> None:
        """Without control/me the names are those of the files (ADM-15)."""
        os.unlink(f"{self.home}/control/me")
        for name in ("bouncehost", "helohost", "localiphost", "smtpgreeting"):
            self.assertTrue(self.block(name).endswith(f" {name}."), name)
        self.assertEqual(self.block("bouncehost"), "(Default.) Bounce host name is bouncehost.")
        self.assertEqual(self.block("me"), "(Default.) My name is undefined! Uh-oh.")

    def test_more(self) -> None:
        """morercpthosts counts if there is rcpthosts, be it unreadable."""
        self.put("morercpthosts", b"a.example\n")
        self.assertEqual(self.block("morercpthosts"),
                         "\nNo rcpthosts; doesn't matter that morercpthosts has a.example.")
        self.put("rcpthosts", b"b.example\n")
        expected = "\nSMTP clients may send messages to recipients at a.example."
        self.assertEqual(self.block("morercpthosts"), expected)
        os.unlink(f"{self.home}/control/rcpthosts")
        os.mkdir(f"{self.home}/control/rcpthosts")
        self.assertEqual(self.block("morercpthosts"), expected)
        os.unlink(f"{self.home}/control/morercpthosts")
        self.assertEqual(self.block("morercpthosts"), "(Default.) No effect.")

    def test_table(self) -> None:
        """The table is compared with its source (ADM-16)."""
        name = "morercpthosts.cdb"
        self.assertEqual(self.block(name), "(Default.) No effect.")
        self.put(name, b"")
        self.assertEqual(self.block(name), "Oops! morercpthosts.cdb exists but morercpthosts doesn't.")
        self.put("morercpthosts", b"")
        os.utime(f"{self.home}/control/morercpthosts", (5, 5))
        os.utime(f"{self.home}/control/{name}", (5, 5))
        self.assertEqual(self.block(name), "Modified recently enough; hopefully up to date.")
        os.utime(f"{self.home}/control/morercpthosts", (6, 6))
        self.assertEqual(self.block(name), "Oops! morercpthosts.cdb is older than morercpthosts.")
        os.unlink(f"{self.home}/control/{name}")
        self.assertEqual(self.block(name), "Oops! morercpthosts exists but morercpthosts.cdb doesn't.")

    def test_unreadable(self) -> None:
        """A file that cannot be read is said to be so, whatever its kind."""
        for name in ("badmailfrom", "bouncefrom", "databytes", "smtproutes", "maxrcpt", "tlscafile"):
            os.mkdir(f"{self.home}/control/{name}")
            self.assertEqual(self.block(name), "Oops! Trouble reading this file.")

    def test_empty_files(self) -> None:
        """An empty list is no default, and shows nothing."""
        self.put("rcpthosts", b"")
        self.put("bouncefrom", b"")
        self.assertEqual(self.block("rcpthosts"), "")
        self.assertEqual(self.block("bouncefrom"), "Bounce user name is .")


class OurFilesTests(ShowctlCase):
    """The files that 1.02 does not know."""

    def test_every_file_has_a_text(self) -> None:
        """Each declared file has what is needed to show it, and is shown."""
        text = self.shown()
        for field in ALL:
            self.assertIn(f"\n{field.name}: ", text)
            self.assertTrue(field.shown, field.name)
            self.assertEqual(bool(field.absent), field.kind not in (LINE, INTEGER), field.name)

    def test_order(self) -> None:
        """They come after all of 1.02's."""
        names = showctl.in_order()
        self.assertEqual(names[:2] + names[28:31], ["badmailfrom", "bouncefrom", "virtualdomains", "checkpassword",
                                                    "clientcert.pem"])

    def test_passwords(self) -> None:
        """Names are shown, passwords are not, nor what might be one."""
        self.put("smtpauth", b"relay.example:joe:s:cret\n:ann:secret\nsecret\na:secret\n")
        self.assertEqual(self.block("smtpauth"), (
            "\nSMTP login: relay.example:joe:(not shown)\nSMTP login: :ann:(not shown)\n"
            "SMTP login: (not shown)\nSMTP login: (not shown)"))

    def test_certificate(self) -> None:
        """Of a certificate and its key nothing is shown."""
        self.put("clientcert.pem", b"-----BEGIN PRIVATE KEY-----\n")
        self.assertEqual(self.block("clientcert.pem"), "SMTP client certificate is the one in this file.")

    def test_bad_number(self) -> None:
        """What the programs would refuse is pointed out."""
        self.put("maxrcpt", b"many\n")
        self.assertEqual(self.block("maxrcpt"), "Oops! Line 1 is not a number of at most 9 digits.")
        self.put("maxrcpt", b"7\n")
        self.assertEqual(self.block("maxrcpt"), "SMTP recipient limit is 7.")


class UnknownTests(ShowctlCase):
    """What nobody knows."""

    def test_unknown(self) -> None:
        """Other names are listed at the end, directories too, harmless to a terminal (ADM-14, C15)."""
        self.put("zzz", b"")
        self.put(".hidden", b"")
        self.put("a\x1bb", b"")
        os.mkdir(f"{self.home}/control/dir")
        end = "".join(f"\n{name}: I have no idea what this file does.\n" for name in (".hidden", "a?b", "dir", "zzz"))
        self.assertTrue(self.shown().endswith("\n" + end))


class TroubleTests(ShowctlCase):
    """When there is nothing to show."""

    def ended(self, home: str) -> str:
        """Give the last words of a program that gives up."""
        text, code = printed(showctl.showctl(home))
        self.assertEqual(code, 111)
        return text.decode().partition("10.\n")[2]

    def test_start(self) -> None:
        """Each step of the start has its words."""
        nowhere = f"{self.home}/nowhere"
        self.assertEqual(self.ended(nowhere), f"Oops! Unable to chdir to {nowhere}.\n")
        os.mkdir(nowhere)
        self.assertEqual(self.ended(nowhere), "Oops! Unable to chdir to control.\n")
        os.unlink(f"{self.home}/control/me")
        os.mkdir(f"{self.home}/control/me")
        self.assertEqual(self.ended(self.home), "Oops! Trouble reading control/me.")

    def test_no_users(self) -> None:
        """Where the users do not exist the files are shown all the same."""

        def missing(settings: conf.Conf) -> conf.Ids:
            """Know nobody."""
            raise ControlError("conf/conf-users", 1, "there is no user alias")

        self.patch(conf, "ids", missing)
        self.assertEqual(self.shown().split("\n")[1:4],
                         ["Oops! conf/conf-users line 1: there is no user alias.", "",
                          "badmailfrom: (Default.) Any MAIL FROM is allowed."])
