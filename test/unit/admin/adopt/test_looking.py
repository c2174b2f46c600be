"""What is found in files, without a queue and without root's rights."""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.admin.adopt import DIFFERS, Place, build, callers, origin, queue


class AdoptCase(SynchronousTestCase):
    """Has a home, and a root of the file system."""

    def setUp(self) -> None:
        """Make them."""
        self.root = os.path.abspath(self.mktemp())
        self.home = f"{self.root}/var/qmail"
        self.place = Place(self.home, self.root)
        for name in ("bin", "control", "queue/mess"):
            os.makedirs(f"{self.home}/{name}")

    def write(self, path: str, text: str | bytes, mode: int = 0o644) -> None:
        """Write a file below the root."""
        path = self.root + path
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(text if isinstance(text, bytes) else text.encode("latin-1"))
        os.chmod(path, mode)


class OriginTests(AdoptCase):
    """Which qmail it is."""

    def lineage(self, **programs: bytes) -> str:
        """What is said of these programs."""
        for name, text in programs.items():
            self.write(f"/var/qmail/bin/{name.replace('_', '-')}", b"\x7fELF\0" + text + b"\0")
        return next(iter(origin.look(self.place))).text

    def test_kinds(self) -> None:
        """Each kind shows by a text in one of its programs."""
        self.assertIn("cannot be told", self.lineage())
        self.assertIn("some other kind", self.lineage(qmail_send=b"x"))
        self.assertIn("qmail 1.02", self.lineage(qmail_send=b"status: "))
        self.assertIn("qmail 1.03", self.lineage(qmail_showctl=b"qmail home directory: "))
        self.assertIn("netqmail", self.lineage(qmail_inject=b"QMAILQUEUE"))
        self.assertIn("notqmail", self.lineage(qmail_queue=b"unable to find user"))
        self.assertIn("notqmail, 1.08", self.lineage(qmail_rspawn=b"QMAILREMOTE"))

    def test_ours(self) -> None:
        """Scripts are programs of ours."""
        self.write("/var/qmail/bin/qmail-send", "#!/usr/bin/python3\n")
        self.assertIn("programs of ours already: qmail-send", next(iter(origin.look(self.place))).text)

    def test_patches(self) -> None:
        """Patches are named by the program and what they bring."""
        self.lineage(qmail_send=b"status: ", qmail_smtpd=b"STARTTLS")
        found = [each for each in origin.look(self.place) if each.mark == DIFFERS]
        self.assertEqual([(each.subject, "STARTTLS" in each.text) for each in found], [("bin/qmail-smtpd", True)])

    def test_no_home(self) -> None:
        """A directory without queue or control files is no home."""
        os.rmdir(f"{self.home}/control")
        found, = origin.look(self.place)
        self.assertEqual(found.mark, "must")


class CallersTests(AdoptCase):
    """Who starts the old programs."""

    def test_lines(self) -> None:
        """Each line that starts a program is named with its file and number; comments are passed over."""
        self.write("/etc/inetd.conf", "# qmail-smtpd\nsmtp stream tcp nowait qmaild /x tcp-env /x/qmail-smtpd\n")
        self.write("/service/qmail-send/run", "#!/bin/sh\nexec /var/qmail/rc\n")
        self.write("/service/qmail-smtpd/run", "#!/bin/sh\nexec tcpserver -v 0 smtp /x/qmail-smtpd\x1b[2J 2>&1\n")
        self.write("/var/qmail/rc", "#!/bin/sh\nqmail-start ./Mailbox splogger qmail\n")
        found = {each.subject.removeprefix(self.root): each for each in callers.look(self.place)}
        self.assertIn("/etc/inetd.conf line 2", found)
        self.assertNotIn("/etc/inetd.conf line 1", found)
        self.assertIn("/var/qmail/rc line 2", found)
        service = found["/service/qmail-smtpd/run line 2"]
        self.assertIn(r"\x1b[2J", service.text)
        self.assertEqual(service.commands, (f"# it may go on, and puts mail into the same queue; else: svc -d "
                                            f"{self.root}/service/qmail-smtpd",))

    def test_stop(self) -> None:
        """A service that delivers has to be stopped for good."""
        self.assertEqual(callers.stop("/service/qmail-send/run"), ("svc -dx /service/qmail-send",))

    def told(self, line: str) -> str | None:
        """The default delivery in a boot script."""
        self.write("/var/qmail/rc", f"#!/bin/sh\n# qmail-start ./wrong\nexec env - PATH=x \\\n{line}\n")
        return callers.told_delivery(self.place)

    def test_default_delivery(self) -> None:
        """The first argument of qmail-start counts, however it is quoted; a command in its place is not run."""
        self.assertEqual(self.told("qmail-start ./Maildir/ splogger qmail"), "./Maildir/")
        self.assertEqual(self.told("qmail-start '|dot-forward .forward\n./Mailbox' splogger qmail"),
                         "|dot-forward .forward\n./Mailbox")
        self.assertIsNone(self.told('qmail-start "`cat /var/qmail/control/defaultdelivery`"'))
        self.write("/var/qmail/control/defaultdelivery", "./Mail/\n")
        self.assertEqual(self.told('qmail-start "$DEFAULTDELIVERY"'), "./Mail/")
        self.assertEqual(self.told('qmail-start "$(cat /var/qmail/control/defaultdelivery)"'), "./Mail/")
        self.assertIsNone(self.told("qmail-start 'never ended"))
        self.assertIsNone(self.told("exit 0"))


class BuildTests(AdoptCase):
    """What was compiled in."""

    def test_split(self) -> None:
        """The directories show conf-split, if they are numbered from 0 on."""
        self.assertEqual(build.split_of(self.home), 0)
        for number in range(5):
            os.mkdir(f"{self.home}/queue/mess/{number}")
        self.assertEqual(build.split_of(self.home), 5)
        os.mkdir(f"{self.home}/queue/mess/7")
        self.assertEqual(build.split_of(self.home), 0)

    def test_showctl(self) -> None:
        """What qmail-showctl says is taken over; of a script nothing is asked."""
        said = (b"qmail home directory: /var/qmail.\nuser-ext delimiter: +.\npaternalism (in decimal): 2.\n"
                b"silent concurrency limit: 200.\nsubdirectory split: 31.\nuser ids: 1, 2, 3, 0, 5, 6, 7, 8.\n"
                b"group ids: 9, 10.\n")
        self.patch(build, "showctl", lambda home: said)
        found = build.compiled(self.place)
        self.assertEqual(found.settings, {"conf-break": "+", "conf-patrn": "002", "conf-spawn": "200",
                                          "conf-split": "31"})
        self.assertEqual((found.uids["qmaild"], found.uids["root"], found.gids["nofiles"]), (2, 0, 9))

    def test_showctl_1_02(self) -> None:
        """qmail 1.02 tells numbers of users only."""
        self.patch(build, "showctl", lambda home: b"The uids and gids are 1, 2, 3, 0, 5, 6, 7, 8, 9, 10.\n")
        found = build.compiled(self.place)
        self.assertEqual(found.settings, {})
        self.assertEqual((found.uids["qmails"], found.gids["nofiles"]), (8, 9))

    def test_script(self) -> None:
        """A script is not run: it could be anything."""
        self.write("/var/qmail/bin/qmail-showctl", f"#!/bin/sh\ntouch {self.root}/ran\n", 0o755)
        self.assertEqual(build.showctl(self.home), b"")
        self.assertFalse(os.path.exists(f"{self.root}/ran"))


class FileSystemTests(AdoptCase):
    """What the queue is on."""

    def kind(self, mounts: str) -> list[tuple[str, str]]:
        """What is said about these mounts."""
        self.write("/proc/mounts", mounts)
        return [(each.mark, each.text.split(";")[0].split(",")[0]) for each in queue.file_system(self.place)]

    def test_kinds(self) -> None:
        """A file system elsewhere will not do; the mount nearest to the queue counts."""
        here = f"dev {self.home}"
        self.assertEqual(self.kind("dev / ext4 rw 0 0\n"), [("ok", "is on ext4")])
        self.assertEqual(self.kind(f"dev / ext4 rw 0 0\n{here} nfs4 rw 0 0\n"), [("must", "is on nfs4")])
        self.assertEqual(self.kind(f"{here} tmpfs rw 0 0\ndev / ext4 rw 0 0\n"), [("differs", "is on tmpfs")])
        self.assertEqual(self.kind(f"dev / xfs rw 0 0\n{here}x nfs rw 0 0\n"), [("ok", "is on xfs")])
