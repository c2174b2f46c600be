"""fastforward and dot-forward, run as real processes with the environment of a delivery."""

from __future__ import annotations

import os
from pathlib import Path

from qtwisted.config import cdb
from qtwisted.config.aliases import instructions, lists
from test.kit.programs import Ended
from test.unit.dotqmail.test_dotqmail import MESSAGE, DotqmailCase


class FastforwardTests(DotqmailCase):
    """|fastforward cdb"""

    def table(self, text: bytes) -> str:
        """Compile a table; give the name of its file."""
        path = Path(self.room) / "f.cdb"
        path.write_bytes(cdb.make(instructions.compiled(text)))
        return str(path)

    def list_(self, name: str, text: bytes, mode: int = 0o644) -> str:
        """Compile a list; give the name of its file."""
        path = Path(self.room) / name
        path.write_bytes(lists.compiled(text))
        path.chmod(mode)
        return str(path)

    def shown(self, table: bytes, *options: str, **variables: str) -> tuple[int, list[str]]:
        """What -n prints for joe@h.dom, and the exit code."""
        given = {"RECIPIENT": "Joe@H.dom", "HOST": "H.dom", "DEFAULT": "joe", **variables}
        ended = self.call("fastforward", "-n", *options, self.table(table), **given)
        return ended.code, ended.err.decode().splitlines()

    def test_targets(self) -> None:
        """The address itself comes first, then its host, then its user anywhere."""
        self.assertEqual(self.shown(b"joe@: x@y; @h.dom: z@w;"), (0, ["from <s@x>", "to <z@w>"]))
        self.assertEqual(self.shown(b"joe@: x@y;"), (0, ["from <s@x>", "to <x@y>"]))
        self.assertEqual(self.shown(b"joe@h.dom: 1@y; @h.dom: z@w;"), (0, ["from <s@x>", "to <1@y>"]))

    def test_expansion(self) -> None:
        """Lists and targets are gone through; a loop ends, and nobody gets the message twice."""
        path = self.list_("l.bin", b"i@x\n&joe@h.dom\n" + self.list_("l2.bin", b"k@x\n").encode() + b"\n")
        code, lines = self.shown(b"joe@h.dom: a@b, |prog, " + path.encode() + b", a@b;")
        self.assertEqual((code, lines[-4:]), (0, ["from <s@x>", "to <i@x>", "to <k@x>", "to <a@b>"]))
        self.assertEqual(set(lines[:-4]), {"run |prog"})

    def test_list_of_a_stranger(self) -> None:
        """Only addresses and lists count in a list, whatever its owner puts there: no program of his is run."""
        path = Path(self.room) / "l.bin"
        path.write_bytes(b"|touch %s/ran\0!touch %s/ran\0?own@x\0junk\0&a@b\0" % ((os.fsencode(self.room),) * 2))
        ended = self.call("fastforward", self.table(b"joe@: " + os.fsencode(path) + b";"), RECIPIENT="joe@h")
        self.assertEqual((ended.code, self.queue.envelope), (0, b"Fs@x\0Ta@b\0\0"))
        self.assertFalse(os.path.exists(f"{self.room}/ran"))

    def test_owners(self) -> None:
        """The owner gets the bounces; a recipient with an owner of his own is forwarded to by name."""
        table = b"joe@h.dom: ?own@x, l@x; l@x: q@x, joe@h.dom; q@x: ?o2@x, n@x;"
        self.assertEqual(self.shown(table), (0, ["from <own@x>", "to <q@x>", "to <joe@h.dom>"]))
        self.assertEqual(self.shown(b"joe@h.dom: ?own@x, l@x;", SENDER=""), (0, ["from <>", "to <l@x>"]))
        self.assertEqual(self.shown(b"joe@h.dom: ?own@x, l@x;", SENDER="#@[]"), (0, ["from <#@[]>", "to <l@x>"]))

    def test_unknown(self) -> None:
        """An unknown recipient bounces, or with -p goes on; a known one then ends the lines."""
        nobody = "Sorry, no mailbox here by that name. (#5.1.1)"
        for table in (b"x: y@z;", b"joe@h.dom: ?own@x;", b"joe@h.dom:;"):
            self.assertEqual(self.shown(table), (100, [nobody]))
        self.assertEqual(self.shown(b"x: y@z;", "-p"), (0, []))
        self.assertEqual(self.shown(b"joe@: y@z;", "-p"), (99, ["from <s@x>", "to <y@z>"]))

    def test_default_recipient(self) -> None:
        """-d takes $DEFAULT, or $EXT, at $HOST."""
        self.assertEqual(self.shown(b"bob@h.dom: y@z;", "-d", DEFAULT="bob")[0], 0)
        given = {"HOST": "h.dom", "EXT": "bob"}
        self.assertEqual(self.call("fastforward", "-dn", self.table(b"bob@h.dom: y@z;"), **given).code, 0)

    def test_forwards(self) -> None:
        """The message goes on to everybody at once, with Delivered-To in front."""
        ended = self.call("fastforward", self.table(b"joe@: x@y, z@w;"), RECIPIENT="joe@h.org")
        self.assertEqual(ended.code, 0)
        self.assertRegex(ended.err, rb"^fastforward: qp [0-9]+\n$")
        self.assertEqual(self.queue.envelope, b"Fs@x\0Tx@y\0Tz@w\0\0")
        self.assertEqual(self.queue.message, b"Delivered-To: joe@h.org\n" + MESSAGE)

    def test_programs(self) -> None:
        """Programs read the message, with its lines after !; their exit codes decide."""
        out = Path(self.room) / "out"
        ended = self.call("fastforward", self.table(f"joe@: |cat\\ >{out}1, !cat\\ >{out}2;".encode()),
                          RECIPIENT="joe@h")
        self.assertEqual(ended, Ended(0, b"", b""))
        self.assertEqual(Path(f"{out}1").read_bytes(), MESSAGE)
        lines = b"From s@x Mon\nReturn-Path: <s@x>\nDelivered-To: joe@h.org\n"
        self.assertEqual(Path(f"{out}2").read_bytes(), lines + MESSAGE)
        for code, wanted in ((100, 100), (65, 100), (1, 111), (99, 111), (111, 111)):
            ended = self.call("fastforward", self.table(b"joe@: |exit\\ %d, a@b;" % code), RECIPIENT="joe@h")
            self.assertEqual((ended.code, self.queue.envelope), (wanted, None))

    def test_trouble(self) -> None:
        """Missing files, closed lists and missing variables have their words."""
        for table, words in (
            (b"joe@: /nonexistent/l;", "unable to read /nonexistent/l: file does not exist"),
            (b"joe@: " + self.list_("closed", b"a@b\n", 0o600).encode() + b";",
             f"{self.room}/closed is not world-readable"),
        ):
            self.assertEqual(self.shown(table), (111, [f"fastforward: fatal: {words}"]))
        for words, wanted in (
            ((), (100, b"fastforward: usage: fastforward [ -nNpP ] data.cdb\n")),
            ((self.table(b"a: b;"),), (100, b"fastforward: fatal: $RECIPIENT must be set\n")),
            (("-d", self.table(b"a: b;")), (100, b"fastforward: fatal: $DEFAULT or $EXT must be set\n")),
        ):
            ended = self.call("fastforward", *words)
            self.assertEqual((ended.code, ended.err), wanted)
        ended = self.call("fastforward", "/nonexistent", RECIPIENT="a@b")
        wanted = b"fastforward: fatal: unable to read /nonexistent: file does not exist\n"
        self.assertEqual(ended, Ended(111, b"", wanted))

    def test_damage(self) -> None:
        """A damaged table is trouble that may pass, never a bounce."""
        path = Path(self.table(b"joe@: x@y;"))
        path.write_bytes(path.read_bytes()[:1000])
        self.assertEqual(self.call("fastforward", str(path), RECIPIENT="joe@h").code, 111)


class DotForwardTests(DotqmailCase):
    """|dot-forward file ..."""

    def setUp(self) -> None:
        """Make a home with names, and a place for .forward."""
        super().setUp()
        control = Path(self.room) / "control"
        control.mkdir()
        (control / "me").write_text("mx.example.org\n")
        (control / "defaultdomain").write_text("example.org\n")
        self.file = Path(self.room) / ".forward"

    def obey(self, text: bytes, *options: str, **variables: str) -> tuple[int, list[str]]:
        """The exit code, and what is said, for a .forward file."""
        self.file.write_bytes(text)
        ended = self.call("dotforward", *options, str(self.file), **variables)
        return ended.code, ended.err.decode().splitlines()

    def test_shown(self) -> None:
        """-n prints one line for each recipient, the user himself last."""
        for text, wanted in (
            (b'a, "|cat x", joe\n', (0, ["pipe through cat x", "forward a@mx.example.org", "direct delivery"])),
            (b"g: a@b;\n", (99, ["forward a@b.example.org", "forward g@mx.example.org"])),
            (b"\\joe, bob@x.y\n", (0, ["forward bob@x.y", "direct delivery"])),
            (b"#c\nx\n", (99, ["forward x@mx.example.org"])),
            (b"JOE@H.ORG\n", (0, ["direct delivery"])),
            (b"|cat foo bar\n",
             (99, ["forward bar@mx.example.org", "forward foo@mx.example.org", "pipe through cat"])),
            (b"a b\nc\n",
             (99, ["forward b@mx.example.org", "forward a@mx.example.org", "forward c@mx.example.org"])),
            (b"# c\n\n", (0, [f"skipping empty file {self.file}", "direct delivery"])),
            (b"<>\n", (0, [f"skipping empty file {self.file}", "direct delivery"])),
        ):
            self.assertEqual(self.obey(text, "-n"), wanted, text)

    def test_not_supported(self) -> None:
        """Files, lists and nonsense are trouble that the user can mend."""
        for text, words in (
            (b"/tmp/mb\n", "file delivery /tmp/mb not supported"),
            (b":include:/x/y\n", "file delivery /x/y not supported"),
            (b"a(b\n", "unable to parse this line: a(b"),
        ):
            code, lines = self.obey(text)
            self.assertEqual((code, lines[0]), (111, f"dot-forward: fatal: {words}"))

    def test_forwards(self) -> None:
        """Everybody gets the message in one go, and the lines after this one are skipped."""
        code, lines = self.obey(b"bob, fred\n")
        self.assertEqual((code, self.queue.envelope), (99, b"Fns@x\0Tfred@mx.example.org\0Tbob@mx.example.org\0\0"))
        self.assertRegex(lines[0], "^dot-forward: info: qp [0-9]+$")
        self.assertEqual(self.queue.message, b"Delivered-To: joe@h.org\n" + MESSAGE)

    def test_also_for_the_user(self) -> None:
        """A file that names the user forwards, and lets the lines after this one deliver."""
        self.assertEqual(self.obey(b"\\joe, bob@x.y\n")[0], 0)
        self.assertEqual(self.queue.envelope, b"Fns@x\0Tbob@x.y\0\0")

    def test_programs(self) -> None:
        """Programs get the message with its lines; their exit codes decide."""
        out = Path(self.room) / "out"
        self.assertEqual(self.obey(b'"|cat >%s"\n' % os.fsencode(out)), (99, []))
        lines = b"From s@x Mon\nReturn-Path: <s@x>\nDelivered-To: joe@h.org\n"
        self.assertEqual(out.read_bytes(), lines + MESSAGE)
        for code, wanted in ((100, 100), (1, 111), (99, 111)):
            self.assertEqual(self.obey(b'"|exit %d", a@b\n' % code)[0], wanted)

    def test_no_file(self) -> None:
        """Without a file the lines after this one deliver; the first that exists counts."""
        self.assertEqual(self.call("dotforward", "/nonexistent"), Ended(0, b"", b""))
        self.assertEqual(self.obey(b"x@y\n", "/nonexistent")[0], 99)
        ended = self.call("dotforward", self.room)
        wanted = f"dot-forward: fatal: unable to read {self.room}: is a directory\n".encode()
        self.assertEqual(ended, Ended(111, b"", wanted))
        ended = self.call("dotforward", "-z", "x")
        self.assertTrue(ended.err.endswith(b"dot-forward: usage: dot-forward [ -nN ] file ...\n"))
