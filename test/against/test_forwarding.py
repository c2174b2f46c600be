"""dot-forward, fastforward and the programs that make their tables, beside those of Debian.

Each case below is given to both; exit code, output, the file written and the message queued must be the same. Where
we differ on purpose the case stands in a test of its own, with both outcomes.
"""

from __future__ import annotations

import os
import re
import shutil

from twisted.trial.unittest import SynchronousTestCase

from test.kit.originals import Originals, Outcome
from test.kit.world import NOT_ROOT

#: what may stand in one line of a .forward or :include: file
LINES = [
    b"", b" ", b"# comment", b"bob", b"bob, fred", b"bob fred", b"a@b", b"a@b.c", b"a@b+", b"a@", b"@b", b"a@b.",
    b"..", b"joe", b"\\joe", b"JOE@H.ORG", b"joe, bob@x.y", b'"|cat a"', b'"|cat a@b"',
    b"|cat foo bar", b"|foo@bar.com",
    b"/tmp/x", b'"/a b"', b"./x", b"<a@b>", b"Name <a@b.c>", b'"Q N" <a@b.c>, x', b"<>", b'""', b"(com) a (a(b)c)",
    b"a(b", b'"a', b"[1.2.3.4]", b"a@[1.2.3.4]", b"a@[x]", b"x-@[]", b"g: a@b, c;", b"<@r:a@b>", b"@r:a@b", b"a@b@c",
    b'"a b"@c', b'"a\\"b"', b"a\\ b", b"\xe9", b",,a,,", b"x \\", b")", b"a >", b":include:/l", b"!prog",
    b'a b "|c" d',
]
LISTS = [b":include:/a/b", b"x :include:l, y", b':include:"a b".c', b":include:/x:include:/y", b":include:",
         b":include:x y", b'"a "@b', b'a@"b.c "', b'"a\\\nb"']
#: texts of /etc/aliases
ALIASES = [
    b"", b"#x: y\n z\nb: c\n", b"root: alice, bill\n", b"a b\n", b"a: b\n\n c\n", b"a\n  b\n", b"a: b\na: c\n",
    b"A@H: C@D.E\n", b"@v.dom: joe@x.y\nroot: me\n", b"list: a@b.c\nowner-list: boss@x.y\n",
    b"owner-a@h: b@c.d\n", b"Owner-A: b\n",
    b'a: "|p q"\n', b"a: |p\n", b"a: :include:/l, x, :include:m\n", b":include:/x: b\n", b'"|p": b\n',
    b"a: /tmp/file\n", b"a:\n", b": x\n", b"a\n", b"a@: x\n", b"@: x\n", b"a@, x\n", b"a: b@\n",
    b"a: @b\n", b"a: <>\n", b"a: b@c.\n",
    b"a: ./x\n", b"a;b\n", b"; \nlist : \"owner-z\" owner-x\n", b"N <a@h>: b\n", b"a: N <b@c.d>\n", b"list:<a@b>!p\n",
    b"a: b #c\n", b'"a b": c\n', b"a@b+: c+, d@e+\n", b"y:@b,\n\n", b"a: \\\n", b"g: :include:\n",
    b'owner-list: a "!p"[\n\n',
    *(b"a: " + b"x" * length + b"\n" for length in (784, 785, 786, 801)),
]
#: tables for setforward
TABLES = [
    b"", b"a: b;", b"a: b", b"a: b, c,, &d;", b"a@b: ?o@x, ./l, /l, |p\\ q, !r;", b"A@B: C@D;", b"a:;", b"a: b:c;",
    b"a, b;", b"a: \\#\\:\\,\\;\\\\;", b"# x\na: b; # y\nc: d;", b"a: \xe9;", b"a: b\0c;", b"a: b; ;",
    b"a: \\\x01\\\x1b\\ x;", b"a: .l, +x, 1, _;", b"a: b;\\", b"a: b;#",
    *(b"a: " + mark + b"x" * length + b";" for mark in (b"", b"&", b"?") for length in (799, 800, 801)),
]
MAILLISTS = [
    b"", b"a@b.c\n&d@e.f\n./x\n", b"# c\n\na \t\n/y\n", b"no newline", b"|p\n!q\n?r\n", b"a\0b\n", b"x" * 798 + b"\n",
    b"x" * 799 + b"\n", b"x" * 800 + b"\n", b" a b\n", b"\xe9\r\n", b":include:/z\n",
]
#: a table for fastforward, and whom to look up in it
TABLE = b"""joe@h.org: x@y, z@w, x@y; JOE@: any@x; @v.dom: host@x; all@h.org: ?own@x, l@x, joe@h.org, loop@h.org;
loop@h.org: all@h.org, loop@h.org; l@x: ?o2@x, n@x; list@h.org: ./l1.bin, a@b, ./l2.bin; closed@h.org: ./l3.bin;
gone@h.org: ./nope; dir@h.org: ./.; run@h.org: |cat\\ >out, !cat\\ >>out, after@x; no@h.org: |exit\\ 100, x@y;
later@h.org: |exit\\ 1, x@y; skip@h.org: |exit\\ 99; own@h.org: ?only@x; @own.dom: ?host@x; joe@own.dom: p@q;
prog@h.org: ./l4.bin; 8@h.org: \xe9@x;
"""
RECIPIENTS = [
    "joe@h.org", "JOE@H.org", "joe@other", "x@v.dom", "all@h.org", "loop@h.org", "list@h.org", "closed@h.org",
    "gone@h.org", "dir@h.org", "run@h.org", "no@h.org", "later@h.org", "skip@h.org", "own@h.org", "joe@own.dom",
    "x@own.dom", "prog@h.org", "8@h.org", "nobody", "a@b@v.dom", "@v.dom", "",
]


class AgainstDebian(SynchronousTestCase):
    """Both kinds of programs in one room."""

    if NOT_ROOT:
        skip = NOT_ROOT

    def setUp(self) -> None:
        """Make the room."""
        for program in ("dot-forward", "fastforward", "unshare"):
            if shutil.which(program) is None:
                raise self.skipTest(f"{program} is not installed")
        self.room = Originals(self)

    def same(self, program: str, *words: str, data: bytes = b"", file: str = "", **more: str) -> Outcome:
        """Both do the same; what they did, with the numbers of messages left out."""
        theirs = numberless(self.room.theirs(program, *words, data=data, file=file, **more))
        ours = numberless(self.room.ours(program, *words, data=data, file=file, **more))
        self.assertEqual(ours, theirs, (program, words, data, more))
        return ours


def numberless(outcome: Outcome) -> Outcome:
    """An outcome without the process number that a forwarded message has."""
    return outcome._replace(err=re.sub(rb"qp \d+", b"qp N", outcome.err))


class DotForwardTests(AgainstDebian):
    """dot-forward"""

    def test_shown(self) -> None:
        """-n says the same of every line, with and without its end, though ours reads the line to its end first."""
        for line in LINES:
            for end in (b"", b"\n"):
                self.room.write("f", line + end)
                theirs, ours = self.room.theirs("dot-forward", "-n", "f"), self.room.ours("dot-forward", "-n", "f")
                if b"unable to parse" in theirs.err:
                    theirs = theirs._replace(err=theirs.err[theirs.err.index(b"dot-forward: fatal") :])
                self.assertEqual(ours, theirs, line)

    def test_done(self) -> None:
        """The same messages are queued, the same programs run."""
        for text in (b"bob, fred\n", b"\\joe, bob@x.y\n", b"JOE@H.ORG\n", b'"|cat >out"\nx@y\n', b'"|exit 100"\n',
                     b'"|exit 1"',
                     b'"|exit 99"', b'"|exit 64"', b'"|exit 76"', b'"|kill $$"', b"#\n\n", b"a@b\nc@d\n",
                     b"/tmp/mbox\n"):
            self.same("dot-forward", self.room.write("f", text), data=b"S: x\n\nbody", file="out")
        self.same("dot-forward", "f", NEWSENDER="unset", DTLINE="unset")
        self.same("dot-forward", self.room.write("f", b"a@b"), NEWSENDER="unset", DTLINE="unset")

    def test_files(self) -> None:
        """The first file that says anything is used."""
        self.room.write("empty", b"# nothing\n")
        self.room.write("full", b"a@b\n")
        os.mkdir(self.room.room / "folder")
        for words in (("empty", "full"), ("nope", "full"), ("full", "folder"), ("folder", "full"), ("empty",), ()):
            self.same("dot-forward", "-n", *words)
        for words in (("-z", "full"), ("-Nn", "full"), ("-nN", "empty"), ("-n", "--", "full")):
            self.same("dot-forward", *words)

    def test_different(self) -> None:
        """A line that makes no sense stops us before anything is done; includes of any name are refused."""
        self.room.write("f", b'"|echo x >>out"\n(\n')
        self.assertEqual((self.room.theirs("dot-forward", "f", file="out")[0::3],
                          self.room.ours("dot-forward", "f", file="out")[0::3]), ((111, b"x\n"), (111, None)))
        self.room.write("f", b":include:l\n")
        self.assertEqual(self.room.theirs("dot-forward", "-n", "f").code, 99)
        ours = self.room.ours("dot-forward", "-n", "f")
        self.assertEqual((ours.code, ours.err), (111, b"dot-forward: fatal: file delivery l not supported\n"))


class AliasesTests(AgainstDebian):
    """newaliases and newinclude"""

    def test_newaliases(self) -> None:
        """The same table, byte for byte, or the same complaint, and the old table stays."""
        for text in ALIASES:
            (self.room.etc / "aliases").write_bytes(text)
            self.same("qmail-newaliases", file="etc/aliases.cdb")
        (self.room.etc / "aliases").unlink()
        self.same("qmail-newaliases")

    def test_newinclude(self) -> None:
        """The same list, or the same complaint; only that we name included lists as they are compiled."""
        for text in LINES + LISTS:
            name = self.room.write("l", text + b"\nlast\n")
            theirs = self.room.theirs("newinclude", name, file="l.bin")
            ours = self.room.ours("newinclude", name, file="l.bin")
            kept = None if ours.file is None else re.sub(rb"(?<=\0)([./][^\0]*)\.bin\0", rb"\1\0",
            b"\0" + ours.file)[1:]
            self.assertEqual(ours._replace(file=kept), theirs, text)
        self.same("newinclude")
        self.same("newinclude", "nope")

    def test_nested_lists(self) -> None:
        """A list within a list is lost with Debian's newinclude, and reached with ours, by either fastforward."""
        self.room.write("t", b"joe@h.org: ./outer.bin;")
        for name, text in (("outer", b"a@b.c\n:include:inner\n"), ("inner", b"deep@x.y\n")):
            self.room.write(name, text)
            self.assertEqual(self.room.theirs("newinclude", name).code, 0)
        self.room.theirs("setforward", "t.cdb", "t.tmp", data=b"joe@h.org: ./outer.bin;")
        self.assertEqual(self.same("fastforward", "-n", "t.cdb").err, b"from <s@x>\nto <a@b.c>\n")
        for name in ("outer", "inner"):
            self.assertEqual(self.room.ours("newinclude", name).code, 0)
        self.assertEqual(self.same("fastforward", "-n", "t.cdb").err, b"from <s@x>\nto <a@b.c>\nto <deep@x.y>\n")


class TableTests(AgainstDebian):
    """setforward, setmaillist and their inverses"""

    def test_setforward(self) -> None:
        """The same table or complaint; and what either prints of it is the same."""
        for text in TABLES:
            made = self.same("setforward", "t.cdb", "t.tmp", data=text, file="t.cdb")
            if made.file is not None:
                self.same("printforward", data=made.file)
        for words in ((), ("t.cdb",), ("no/t.cdb", "t.tmp"), ("t.cdb", "no/t.tmp")):
            self.same("setforward", *words, data=b"a: b;")

    def test_printed_reads_back(self) -> None:
        """What printforward prints, setforward compiles to the same table, whosever they are."""
        for text in TABLES:
            made = self.room.ours("setforward", "t.cdb", "t.tmp", data=text, file="t.cdb").file
            if made is None or len(text) > 800:  # the ampersand that is printed would make an address too long
                continue
            printed = self.room.ours("printforward", data=made).out
            self.assertEqual(self.room.theirs("setforward", "t.cdb", "t.tmp", data=printed, file="t.cdb").file, made)
            printed = self.room.theirs("printforward", data=made).out
            self.assertEqual(self.room.ours("setforward", "t.cdb", "t.tmp", data=printed, file="t.cdb").file, made)

    def test_damaged(self) -> None:
        """A damaged table is printed as far as it goes; Debian's printforward then calls itself printmaillist."""
        made = self.room.ours("setforward", "t.cdb", "t.tmp", data=b"a: ?b; c: d;", file="t.cdb").file
        assert made is not None
        for length in (0, 7, 2047, 2055, 2062, 2070):
            theirs = self.room.theirs("printforward", data=made[:length])
            renamed = theirs._replace(err=theirs.err.replace(b"printmaillist", b"printforward"))
            self.assertEqual(self.room.ours("printforward", data=made[:length]), renamed, length)

    def test_setmaillist(self) -> None:
        """The same list or complaint; and what either prints of it is the same."""
        for text in MAILLISTS:
            made = self.same("setmaillist", "l.bin", "l.tmp", data=text, file="l.bin")
            self.same("printmaillist", data=made.file or b"")
        for data in (b"&a\0junk\0&b\0", b"&a\0&b", b"junk"):  # what it had to say before that, theirs forgets
            theirs, ours = self.room.theirs("printmaillist", data=data), self.room.ours("printmaillist", data=data)
            self.assertEqual((ours.code, ours.err), (theirs.code, theirs.err))
            self.assertTrue(ours.out.startswith(theirs.out))
        for words in ((), ("l.bin",), ("l.bin", "no/l.tmp")):
            self.same("setmaillist", *words, data=b"a\n")


class FastforwardTests(AgainstDebian):
    """fastforward"""

    def setUp(self) -> None:
        """Make a table and lists."""
        super().setUp()
        self.assertEqual(self.room.ours("setforward", "t.cdb", "t.tmp", data=TABLE).code, 0)
        self.room.write("l1.bin", b"&i@x\0&joe@h.org\0./l2.bin\0")
        self.room.write("l2.bin", b"&k@x\0./l1.bin\0")
        self.room.write("l3.bin", b"&k@x\0", 0o600)
        self.room.write("l4.bin", b"|echo ran >out\0!echo ran >out\0&k@x\0?o@x\0junk\0&last")

    def test_shown(self) -> None:
        """-n says the same of every recipient; a program in a list is run by neither."""
        for recipient in RECIPIENTS:
            self.same("fastforward", "-n", "t.cdb", RECIPIENT=recipient)

    def test_done(self) -> None:
        """The same messages are queued, the same programs run."""
        for recipient in RECIPIENTS:
            self.same("fastforward", "t.cdb", RECIPIENT=recipient, data=b"S: x\n\nbody", file="out")

    def test_senders(self) -> None:
        """Owners get the bounces, but never of a bounce."""
        for sender in ("", "#@[]", "list-@h-@[]", "x@y"):
            for recipient in ("all@h.org", "joe@own.dom", "joe@h.org"):
                self.same("fastforward", "t.cdb", RECIPIENT=recipient, SENDER=sender)
            self.same("fastforward", "-n", "t.cdb", SENDER="unset")

    def test_without_sender(self) -> None:
        """Without a sender ours forwards from nobody, Debian's from words that are no address."""
        self.assertEqual(self.room.theirs("fastforward", "t.cdb", SENDER="unset").envelope,
                         b"Foriginal envelope sender\0Tz@w\0Tx@y\0\0")
        self.assertEqual(self.room.ours("fastforward", "t.cdb", SENDER="unset").envelope, b"F\0Tz@w\0Tx@y\0\0")

    def test_options(self) -> None:
        """Options, variables and files that are missing."""
        for words in (("-p", "t.cdb"), ("-np", "t.cdb"), ("-nd", "t.cdb"), ("-ndD", "t.cdb"), ("-z", "t.cdb"), (),
                      ("nope",)):
            for recipient in ("joe@h.org", "nobody@here", "unset"):
                self.same("fastforward", *words, RECIPIENT=recipient)
        for more in ({"DEFAULT": "list"}, {"DEFAULT": "unset", "EXT": "all"}, {"EXT": "unset"}, {"HOST": "unset"}):
            self.same("fastforward", "-nd", "t.cdb", **more)
