"""qmail-pw2u, run as a real process in a home of its own."""

from __future__ import annotations

import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from test.kit.programs import Ended, run_main


class Pw2uTests(SynchronousTestCase):
    """From passwd lines to assignments."""

    def setUp(self) -> None:
        """Make a home with two people in it."""
        self.home = Path(os.path.abspath(self.mktemp()))
        for name in ("users", "alias", "bob"):
            (self.home / name).mkdir(parents=True)
        self.uid = str(os.stat(self.home).st_uid or 1)
        if os.getuid() == 0:
            for name in ("alias", "bob"):
                os.chown(self.home / name, 1, 1)

    def user(self, name: str, home: str = "") -> str:
        """One passwd line."""
        return f"{name}:x:{self.uid}:50:gecos:{self.home / (home or name)}:/bin/sh\n"

    def run_on(self, *words: str, passwd: str) -> Ended:
        """Run it."""
        return run_main("qtwisted.config.pw2u", *words, message=passwd.encode(), QMAILHOME=str(self.home))

    def assign(self, name: str, home: str) -> str:
        """The fields every assignment has."""
        return f"{name}:{self.uid}:50:{self.home / home}"

    def test_table(self) -> None:
        """Each user gets his name and its extensions, alias everything else; root and broken lines get nothing."""
        passwd = self.user("alias") + "root:x:0:0::/root:\nbroken:x:5\n" + self.user("bob")
        a, b = self.assign("alias", "alias"), self.assign("bob", "bob")
        wanted = f"+:{a}:-::\n=alias:{a}:::\n+alias-:{a}:-::\n=bob:{b}:::\n+bob-:{b}:-::\n.\n"
        self.assertEqual(self.run_on(passwd=passwd), Ended(0, wanted.encode(), b""))

    def test_files(self) -> None:
        """include, exclude, mailnames, subusers and append do what they say."""
        (self.home / "users/include").write_text("alias\nbob\nann\n")
        (self.home / "users/exclude").write_text("# not she\nann\n")
        (self.home / "users/mailnames").write_text("bob:robert::bobby\n")
        (self.home / "users/subusers").write_text("sales:bob:dept:\nshort:bob\n")
        (self.home / "users/append").write_text("=x:y:1:1:/:::\n")
        passwd = self.user("alias") + self.user("bob") + self.user("ann", "bob") + self.user("eve", "bob")
        lines = self.run_on(passwd=passwd).out.decode().splitlines()
        b = self.assign("bob", "bob")
        self.assertEqual(lines[3:], [
            f"=robert:{b}:::", f"+robert-:{b}:-::", f"=bobby:{b}:::", f"+bobby-:{b}:-::",
            f"=sales:{b}:-:dept:", f"+sales-:{b}:-:dept-:", "=x:y:1:1:/:::", ".",
        ])

    def test_options(self) -> None:
        """-C leaves extensions out, -c changes the character, -/ the dash, -u takes capitals."""
        passwd = self.user("alias")
        self.assertNotIn(b"+alias", self.run_on("-C", passwd=passwd).out)
        self.assertIn(b"\n+alias=:", self.run_on("-c=", passwd=passwd).out)
        self.assertTrue(self.run_on("-/", passwd=passwd).out.startswith(b"+:alias"))
        self.assertIn(b":-/::\n", self.run_on("-/", passwd=passwd).out)
        capital = passwd + self.user("Bob", "bob")
        taken = [b"=Bob" in self.run_on(*words, passwd=capital).out for words in ((), ("-u",), ("-u", "-U"))]
        self.assertEqual(taken, [False, True, False])

    def test_homes(self) -> None:
        """A missing home passes the user over, stops with -h, and does not matter with -H."""
        passwd = self.user("alias") + self.user("zoe", "nowhere")
        self.assertNotIn(b"=zoe", self.run_on(passwd=passwd).out)
        self.assertIn(b"=zoe", self.run_on("-H", passwd=passwd).out)
        ended = self.run_on("-h", passwd=passwd)
        text = f"qmail-pw2u: fatal: unable to stat {self.home}/nowhere\n".encode()
        self.assertEqual((ended.code, ended.err), (111, text))
        self.assertFalse(ended.out.endswith(b".\n"))

    def test_alias_is_needed(self) -> None:
        """Without the alias user there is no table, and its last line is missing."""
        ended = self.run_on(passwd=self.user("bob"))
        self.assertEqual((ended.code, ended.err), (111, b"qmail-pw2u: fatal: unable to find alias user\n"))
        self.assertFalse(ended.out.endswith(b".\n"))

    def test_unknown_subuser(self) -> None:
        """A subuser of nobody is an error."""
        (self.home / "users/subusers").write_text("sales:zoe:dept:\n")
        ended = self.run_on(passwd=self.user("alias"))
        self.assertEqual((ended.code, ended.err), (111, b"qmail-pw2u: fatal: unable to find zoe user for subuser\n"))

    def test_wrong_option(self) -> None:
        """An unknown option is named."""
        self.assertEqual(self.run_on("-z", passwd=""), Ended(100, b"", b"pw2u: illegal option -- z\n"))
