"""Mail programs from Debian: some send through our sendmail, some deliver what we hand them, some read it."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
from collections.abc import Sequence

from twisted.trial.unittest import SynchronousTestCase

from test.kit.homes import PORT, SingleHome
from test.kit.running import wait_until
from test.kit.world import NOT_ROOT, World

RECIPIENT = "who@test.example"
PROCMAILRC = """\
MAILDIR=$HOME
DEFAULT=$HOME/Mailbox.procmail
LOGFILE=$HOME/procmail.log

:0
* ^Subject:.*list
lists/

:0
* ^Subject:.*nobody
{
    EXITCODE=77
    :0
    /dev/null
}
"""
MAILFILTER = """\
if (/^Subject:.*list/)
{
    to "$HOME/lists"
}
if (/^Subject:.*nobody/)
{
    EXITCODE=77
    exit
}
to "$HOME/Mailbox.maildrop"
"""


def missing(*programs: str) -> str | None:
    """Say which Debian package is missing; None if none is. Each is called like its program."""
    lacking = [name for name in programs if shutil.which(name) is None]
    return f"not installed: {' '.join(lacking)}" if lacking else None


class SendingTests(SynchronousTestCase):
    """Programs that send mail by running sendmail."""

    def setUp(self) -> None:
        """Start the mail system."""
        self.home = SingleHome(self)
        self.running = self.home.up()
        self.sendmail = self.home.program("sendmail")

    def file(self, name: str, text: str) -> str:
        """Write a file for a program."""
        path = f"{self.home.place}/{name}"
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, 0o644)
        return path

    def send(self, words: Sequence[str], body: str = "body\n", **more: str) -> bytes:
        """Run a program that sends a message; give the message as it arrives."""
        name = pwd.getpwuid(self.home.user[0] if self.home.user else os.getuid()).pw_name
        login = {"HOME": self.home.place, "USER": name, "LOGNAME": name, "LC_ALL": "C.UTF-8"}
        done = self.home.run(words, body.encode(), **login, **more)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        wait_until(self.home.names, "the message")
        return self.home.mailbox()[0]

    def test_mutt(self) -> None:
        """mutt sends a message with an attachment."""
        rc = self.file("muttrc", f'set sendmail="{self.sendmail} -oem -oi"\nset record=""\nset use_from=no\n')
        other = self.file("other.txt", "in the attachment\n")
        message = self.send(["mutt", "-n", "-F", rc, "-s", "from mutt", "-a", other, "--", RECIPIENT])
        for part in (b"\nSubject: from mutt\n", b"\nTo: who@test.example\n", b"\nbody\n", b"\nin the attachment\n"):
            self.assertIn(part, message)

    test_mutt.skip = missing("mutt")  # type: ignore[attr-defined]

    def test_mailx(self) -> None:
        """bsd-mailx sends a message to two people."""
        rc = self.file("mailrc", f"set sendmail={self.sendmail}\n")
        message = self.send(["bsd-mailx", "-s", "from mailx", "-c", "nobody@test.example", RECIPIENT], MAILRC=rc)
        for part in (b"\nSubject: from mailx\n", b"\nCc: nobody@test.example\n", b"\nbody\n"):
            self.assertIn(part, message)
        wait_until(lambda: len(self.home.names()) == 2, "the other message")

    test_mailx.skip = missing("bsd-mailx")  # type: ignore[attr-defined]

    def test_s_nail(self) -> None:
        """s-nail sends a message in UTF-8, from somebody it names."""
        message = self.send(
            ["s-nail", "-:/", "-Sv15-compat", f"-Smta={self.sendmail}", "-r", "joe@test.example", "-s", "from s-nail",
             RECIPIENT], "grüße\n")
        self.assertTrue(message.startswith(b"Return-Path: <joe@test.example>\n"))
        for part in (b"\nSubject: from s-nail\n", b"\nFrom: joe@test.example\n"):
            self.assertIn(part, message)

    test_s_nail.skip = missing("s-nail")  # type: ignore[attr-defined]

    def test_sendmail_bs(self) -> None:
        """sendmail -bs holds an SMTP dialogue, in which the client may relay."""
        self.home.control("rcpthosts", "other.example\n")
        dialogue = (f"EHLO here\r\nMAIL FROM:<joe@test.example>\r\nRCPT TO:<{RECIPIENT}>\r\nDATA\r\n"
                    "Subject: x\r\n\r\n..dot\r\n.\r\nQUIT\r\n")
        done = self.home.run([self.sendmail, "-bs"], dialogue.encode())
        codes = [line[:3] for line in done.stdout.split(b"\r\n") if line[3:4] == b" "]
        self.assertEqual((done.returncode, codes), (0, [b"220", b"250", b"250", b"250", b"354", b"250", b"221"]))
        wait_until(self.home.names, "the message")
        [message] = self.home.mailbox()
        field = b"Received: from localhost (HELO here) (sendmail-bs@127.0.0.1)\n  by localhost with SMTP;"
        self.assertIn(field, message)
        self.assertTrue(message.endswith(b"\n\n.dot\n"))


class DeliveringTests(SynchronousTestCase):
    """procmail and maildrop deliver what preline hands them."""

    skip = NOT_ROOT

    def setUp(self) -> None:
        """Make users."""
        self.world = World(self)
        self.me = self.world.people["me"]
        self.hide_system_mailboxes()
        for name in ("lists", "lists/new", "lists/cur", "lists/tmp"):
            os.makedirs(f"{self.me.home}/{name}", exist_ok=True)
            os.chown(f"{self.me.home}/{name}", self.me.uid, self.me.gid)

    def hide_system_mailboxes(self) -> None:
        """Let no program find the machine's own /var/mail, where procmail would make a file."""
        mail = f"{self.world.place}/mail"
        os.mkdir(mail)
        os.chmod(mail, 0o1777)
        done = self.world.run(["mount", "--bind", mail, "/var/mail"])
        self.assertEqual((done.returncode, done.stderr), (0, b""))

    def deliver(self, subject: str) -> str:
        """Send a message to me; give the line of the log about its delivery."""
        start = len(self.running.log)
        self.world.inject(f"To: me\nSubject: {subject}\n\nbody\n".encode(), who="joe")
        return self.running.wait_for(r"delivery \d+: (.*)", start).group(1)

    def check(self, mailbox: str) -> None:
        """Deliver messages of three kinds."""
        self.assertEqual(self.deliver("plain"), "success: did_0+0+1/")
        text = self.world.read(f"{self.me.home}/{mailbox}")
        self.assertRegex(text, r"^From joe@test\.example ")
        for part in ("Return-Path: <joe@test.example>", "Delivered-To: me@test.example", "Subject: plain"):
            self.assertIn(f"\n{part}\n", text)
        self.assertEqual(os.stat(f"{self.me.home}/{mailbox}").st_uid, self.me.uid)
        self.assertEqual(self.deliver("a list"), "success: did_0+0+1/")
        [name] = os.listdir(f"{self.me.home}/lists/new")
        self.assertIn("\nSubject: a list\n", self.world.read(f"{self.me.home}/lists/new/{name}"))
        self.assertRegex(self.deliver("nobody"), "^failure: ")

    def test_procmail_from_dot_qmail(self) -> None:
        """A .qmail file runs procmail; its exit code decides."""
        self.world.write(self.me, ".qmail", "|preline /usr/bin/procmail\n")
        self.world.write(self.me, ".procmailrc", PROCMAILRC)
        self.running = self.world.up()
        self.check("Mailbox.procmail")

    test_procmail_from_dot_qmail.skip = NOT_ROOT or missing("procmail")  # type: ignore[attr-defined]

    def test_procmail_by_default(self) -> None:
        """procmail delivers for everybody who has no .qmail file, as in the boot script proc."""
        self.world.write(self.me, ".procmailrc", PROCMAILRC)
        self.running = self.world.up(*PORT, "--fronts", "1", "--default-delivery", "|preline procmail")
        self.check("Mailbox.procmail")

    test_procmail_by_default.skip = NOT_ROOT or missing("procmail")  # type: ignore[attr-defined]

    def test_maildrop_from_dot_qmail(self) -> None:
        """A .qmail file runs maildrop; its exit code decides."""
        self.world.write(self.me, ".qmail", "|preline maildrop\n")
        self.world.write(self.me, ".mailfilter", MAILFILTER, 0o600)
        self.running = self.world.up()
        self.check("Mailbox.maildrop")

    test_maildrop_from_dot_qmail.skip = NOT_ROOT or missing("maildrop")  # type: ignore[attr-defined]

    def test_maildrop_by_default(self) -> None:
        """maildrop delivers for everybody who has no .qmail file."""
        self.world.write(self.me, ".mailfilter", MAILFILTER, 0o600)
        self.running = self.world.up(*PORT, "--fronts", "1", "--default-delivery", "|preline maildrop")
        self.check("Mailbox.maildrop")

    test_maildrop_by_default.skip = NOT_ROOT or missing("maildrop")  # type: ignore[attr-defined]


class ReadingTests(SynchronousTestCase):
    """Mail programs read what we have delivered."""

    skip = NOT_ROOT

    def setUp(self) -> None:
        """Deliver two messages into a mailbox and a Maildir."""
        self.world = World(self)
        self.me = self.world.people["me"]
        done = self.world.run([f"{self.world.home}/bin/maildirmake", f"{self.me.home}/Maildir"], who=self.me)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.world.write(self.me, ".qmail", "./Mailbox\n./Maildir/\n")
        self.running = self.world.up()
        for subject in ("one", "two"):
            start = len(self.running.log)
            self.world.inject(f"To: me\nSubject: {subject}\n\nFrom here\n".encode(), who="joe")
            self.running.wait_for(r"delivery \d+: success: did_2\+0\+0/", start)

    def reads(self, words: Sequence[str], data: bytes = b"") -> str:
        """Run a program as me; give what it shows."""
        done: subprocess.CompletedProcess[bytes] = self.world.run(words, data, self.me)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        return done.stdout.decode()

    def test_mailx(self) -> None:
        """bsd-mailx finds two messages in the mailbox."""
        shown = self.reads(["bsd-mailx", "-n", "-N", "-f", f"{self.me.home}/Mailbox"], b"headers\nexit\n")
        found = [line.split()[-1] for line in shown.splitlines() if "joe@" in line]
        self.assertEqual(found, ["one", "two"], shown)

    test_mailx.skip = NOT_ROOT or missing("bsd-mailx")  # type: ignore[attr-defined]

    def test_s_nail(self) -> None:
        """s-nail finds two messages in the mailbox, and two in the Maildir."""
        for place in ("mbox://{}/Mailbox", "maildir://{}/Maildir"):
            shown = self.reads(["s-nail", "-:/", "-R", "-H", "-f", place.format(self.me.home)])
            self.assertEqual(sorted(line.split()[-1] for line in shown.splitlines()), ["one", "two"], place)

    test_s_nail.skip = NOT_ROOT or missing("s-nail")  # type: ignore[attr-defined]
