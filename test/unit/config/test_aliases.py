"""The alias programs: the language of tables and lists, and the programs as real processes."""

from __future__ import annotations

import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.config import cdb
from qtwisted.config.aliases import instructions, lists, newaliases, newinclude
from qtwisted.model.rewriting import Rewriting
from qtwisted.system.ending import Ending
from test.kit.programs import Ended, run_main

NAMES = Rewriting(b"mx.example.org", b"example.org", b"plus.net")


def table_of(records: object) -> str:
    """The table that compiled records stand for, on one line."""
    return b"".join(instructions.shown(records)).decode().replace("\n", "")  # type: ignore[arg-type]


class InstructionTests(SynchronousTestCase):
    """The language of setforward."""

    def test_compiled(self) -> None:
        """Owners stand under ?target, everything else under :target, in small letters; comments and blanks vanish."""
        table = (b"joe: alice, &bob@x, ?own@x;\n# c\nz@v.dom: |prog a b,!prog2, ./list.bin, /abs/l;\n"
                 b"@h.dom: a\\,b@c;\n JOE : late@x;\n")
        self.assertEqual(list(instructions.compiled(table)), [
            (b"?joe", b"own@x"), (b":joe", b"&alice\0&bob@x\0"),
            (b":z@v.dom", b"|progab\0!prog2\0./list.bin\0/abs/l\0"),
            (b":@h.dom", b"&a,b@c\0"), (b":joe", b"&late@x\0"),
        ])

    def test_printed_and_read_again(self) -> None:
        """What printforward prints means the same."""
        records = list(instructions.compiled(b"a\\:b\\#: &x\\;y\\ z\\\\w%, \\&q, ?o; c: d"b";"))
        printed = b"".join(instructions.shown(records))
        self.assertEqual(list(instructions.compiled(printed)), records)
        self.assertIn(b", &x\\;y\\ z\\\\w%\n", printed)

    def test_errors(self) -> None:
        """Each fault has its words."""
        for table, words in (
            (b"joe: a@b", "final instruction must end with semicolon"),
            (b"joe a@b;", "commas are not permitted before colons"),
            (b",a: b;", "commas are not permitted before colons"),
            (b"a: b; ;", "commas are not permitted before colons"),
            (b"a: b:c@d;", "double colons are not permitted"),
            (b"a\0", "NUL bytes are not permitted"),
            (b"a: " + b"x" * 801 + b";", "addresses over 800 bytes are not permitted"),
        ):
            error = self.assertRaises(instructions.TableError, list, instructions.compiled(table))
            self.assertEqual(str(error), words)

    def test_longest_address(self) -> None:
        """800 bytes are an address."""
        self.assertEqual(len(dict(instructions.compiled(b"a: " + b"x" * 800 + b";"))[b":a"]), 802)


class ListTests(SynchronousTestCase):
    """The language of setmaillist."""

    def test_compiled(self) -> None:
        """Lines become commands; comments, empty lines and blanks at the end vanish."""
        text = b"a@b.c\n&d@e.f  \n./x\n# c\n\n/abs\nnoat\n|prog\nlast"
        wanted = b"&a@b.c\0&d@e.f\0./x\0/abs\0&noat\0&|prog\0&last\0"
        self.assertEqual(lists.compiled(text), wanted)
        self.assertEqual(b"".join(lists.shown(wanted)), b"&a@b.c\n&d@e.f\n./x\n/abs\n&noat\n&|prog\n&last\n")

    def test_errors(self) -> None:
        """NUL bytes and long addresses cannot be; a file that is no list is not printed as one."""
        self.assertRaises(instructions.TableError, lists.compiled, b"a\0b\n")
        self.assertRaises(instructions.TableError, lists.compiled, b"x" * 801)
        for data in (b"&a\0&b", b"\0", b"x\0"):
            self.assertRaises(instructions.TableError, list, lists.shown(data))


class NewaliasesTests(SynchronousTestCase):
    """What newaliases makes of /etc/aliases."""

    def test_entries(self) -> None:
        """Names, recipients, programs, lists and owners."""
        for text, wanted in (
            (b"root: alice, bill\n", "root@:, &bill@mx.example.org, &alice@mx.example.org;"),
            (b"Post.Master root\n", "post.master@:, &root@mx.example.org;"),
            (b'list: a@b.c, "|prog a b", :include:/etc/inc, x+\n',
             "list@:, /etc/inc.bin, !prog\\ a\\ b, &x+@mx.example.org, &a@b.c;"),
            (b"owner-x: o\nx: y\n", "x@: ?owner-x@mx.example.org;owner-x@:, &o@mx.example.org;"
                                    "x@:, &y@mx.example.org;"),
            (b"owner-X@H: z\n", "x@h: ?owner-X@H.example.org;owner-x@h:, &z@mx.example.org;"),
            (b"@v.dom: joe@x.y,\n  more@d\n", "@v.dom:, &more@d.example.org, &joe@x.y;"),
            (b"z: a@b.c, a@b.c\n", "z@:, &a@b.c, &a@b.c;"),
            (b'"quoted name": t\n', "quoted\\ name@:, &t@mx.example.org;"),
            (b"self: \\self, self\n", "self@:, &self@mx.example.org, &self@mx.example.org;"),
            (b"c: <a@b>, (cc) d e\n", "c@:, &e@mx.example.org, &d@mx.example.org, &a@b.example.org;"),
            (b"g: grp: a,b;\n", "g@:, &b@mx.example.org, &a@mx.example.org, &grp@mx.example.org;"),
            (b"a: :include:rel\n", "a@:, ./rel.bin;"),
            (b"b: |foo@bar.com\n", "b@:, &|foo@bar.com;"),
            (b'o: "|cat a@b"\n', "o@:, !cat\\ a@b;"),
            (b"a: b\n\n c\nd: e\n", "a@:, &c@mx.example.org, &b@mx.example.org;d@:, &e@mx.example.org;"),
            (b'a: ":include:/x/y"\n', "a@:, &\\:include\\:/x/y@mx.example.org;"),
            (b"a: [1.2.3.4], b@[1.2.3.4]\n", "a@:, &b@[1.2.3.4], &[1.2.3.4]@mx.example.org;"),
            (b"# c\n continued\n\na: b", "a@:, &b@mx.example.org;"),
        ):
            self.assertEqual(table_of(newaliases.compiled(text, NAMES)), wanted, text)

    def test_faults(self) -> None:
        """What cannot be compiled ends the program and says which line."""
        for text, words in (
            (b"f: /tmp/file\n", b"file delivery /tmp/file not supported"),
            (b"h: a(b\n", b"unable to parse this line: h: a(b\n"),
            (b"x\n", b"unable to parse this line: x\n"),
            (b": y\n", b"unable to parse this line: : y\n"),
            (b"@: x\n", b"unable to parse this line: @: x\n"),
            (b"u@: x\n", b"unable to parse this line: u@: x\n"),
            (b"a: \n", b"unable to parse this line: a: \n"),
            (b"a: <>\n", b"empty recipient addresses not permitted"),
        ):
            error = self.assertRaises(Ending, list, newaliases.compiled(text, NAMES))
            self.assertEqual((error.code, error.line), (111, b"newaliases: fatal: " + words))


class NewincludeTests(SynchronousTestCase):
    """What newinclude makes of an :include: file."""

    def test_compiled(self) -> None:
        """Addresses are completed, from right to left in each line; an included list is named with .bin."""
        text = b"a, b@c (x)\n# com\n:include:/etc/other\n\n d\n"
        wanted = b"&b@c.example.org\0&a@mx.example.org\0/etc/other.bin\0&d@mx.example.org\0"
        self.assertEqual(b"".join(newinclude.compiled(text, NAMES)), wanted)

    def test_faults(self) -> None:
        """Programs and files cannot be in a list."""
        for text, words in ((b'"|prog"\n', b"program delivery |prog not supported"),
                            (b"/file\n", b"file delivery /file not supported")):
            error = self.assertRaises(Ending, list, newinclude.compiled(text, NAMES))
            self.assertEqual((error.code, error.line), (111, b"newinclude: fatal: " + words))


class ProgramTests(SynchronousTestCase):
    """The programs as real processes."""

    def setUp(self) -> None:
        """Make a home with a name."""
        self.room = Path(os.path.abspath(self.mktemp()))
        (self.room / "control").mkdir(parents=True)
        (self.room / "control/me").write_text("mx.example.org\n")

    def call(self, program: str, *words: str, text: bytes = b"") -> Ended:
        """Run one of them."""
        return run_main(f"qtwisted.config.aliases.{program}", *words, message=text, QMAILHOME=str(self.room))

    def test_setforward_and_back(self) -> None:
        """setforward writes a database that printforward prints."""
        target, scratch = str(self.room / "f.cdb"), str(self.room / "f.tmp")
        self.assertEqual(self.call("setforward", target, scratch, text=b"a: b;"), Ended(0, b"", b""))
        data = Path(target).read_bytes()
        self.assertEqual(list(cdb.records(data)), [(b":a", b"&b\0")])
        self.assertEqual(self.call("printforward", text=data), Ended(0, b"a:\n, &b\n;\n", b""))
        self.assertFalse(os.path.exists(scratch))

    def test_a_wrong_table_changes_nothing(self) -> None:
        """The old database stays when the new table is wrong."""
        target, scratch = str(self.room / "f.cdb"), str(self.room / "f.tmp")
        self.call("setforward", target, scratch, text=b"a: b;")
        before = Path(target).read_bytes()
        ended = self.call("setforward", target, scratch, text=b"a: c")
        wanted = b"setforward: fatal: final instruction must end with semicolon\n"
        self.assertEqual((ended, Path(target).read_bytes()), (Ended(100, b"", wanted), before))

    def test_lists(self) -> None:
        """setmaillist, printmaillist and newinclude do what their functions do."""
        target, scratch = str(self.room / "l.bin"), str(self.room / "l.tmp")
        self.assertEqual(self.call("setmaillist", target, scratch, text=b"a@b\n"), Ended(0, b"", b""))
        self.assertEqual(self.call("printmaillist", text=Path(target).read_bytes()), Ended(0, b"&a@b\n", b""))
        source = self.room / "inc"
        source.write_text("joe\n")
        self.assertEqual(self.call("newinclude", str(source)), Ended(0, b"", b""))
        self.assertEqual((self.room / "inc.bin").read_bytes(), b"&joe@mx.example.org\0")

    def test_usage(self) -> None:
        """Wrong command lines and places that cannot be written."""
        self.assertEqual(self.call("setforward"),
                         Ended(100, b"", b"setforward: usage: setforward data.cdb data.tmp\n"))
        self.assertEqual(self.call("setmaillist"),
                         Ended(100, b"", b"setmaillist: usage: setmaillist list.bin list.tmp\n"))
        wanted = b"setforward: fatal: unable to create /nonexistent/b: file does not exist\n"
        self.assertEqual(self.call("setforward", "/nonexistent/a", "/nonexistent/b"), Ended(111, b"", wanted))
        self.assertEqual(self.call("printforward", text=b"x"),
                         Ended(100, b"", b"printforward: fatal: bad database format\n"))
