"""The table of cases for the small delivery programs, row by row; H13 is in test_tcpenv, with tcp-env."""

from __future__ import annotations

import os
from pathlib import Path

from qtwisted.config import cdb
from qtwisted.config.aliases import newaliases
from qtwisted.model.rewriting import Rewriting
from test.kit.programs import Ended, run_main
from test.unit.dotqmail.test_dotqmail import MESSAGE, DotqmailCase

NAMES = Rewriting(b"mx.example.org", b"example.org", b"plus.net")
MARKED = b"Delivered-To: joe@h.org\n" + MESSAGE
FROM_, RETURN, MARK = b"From s@x Mon\n", b"Return-Path: <s@x>\n", b"Delivered-To: joe@h.org\n"
NOBODY = b"Sorry, no mailbox here by that name. (#5.1.1)\n"


class RowTests(DotqmailCase):
    """The rows up to H12, and those of dot-forward and fastforward."""

    def setUp(self) -> None:
        """Have names for those who need a host."""
        super().setUp()
        os.mkdir(f"{self.room}/control")
        for name, text in (("me", "mx.example.org\n"), ("defaultdomain", "example.org\n")):
            Path(f"{self.room}/control/{name}").write_text(text)

    def check(self, ended: Ended, code: int, err: bytes = b"", out: bytes = b"") -> None:
        """How a program ended; ``qp`` stands for a line with the number of a message."""
        said = ended.err.rpartition(b": ")[0] + b": qp\n" if b": qp " in ended.err else ended.err
        self.assertEqual((ended.code, said, ended.out), (code, err, out))

    def test_h1_h2(self) -> None:
        """forward."""
        self.check(self.call("forward", "a@b", "c d"), 0, b"forward: qp\n")
        self.assertEqual((self.queue.message, self.queue.envelope), (MARKED, b"Fns@x\0Ta@b\0Tc d\0\0"))
        self.check(self.call("forward", "a", without="NEWSENDER"), 100, b"forward: fatal: NEWSENDER not set\n")

    def test_h3_h4(self) -> None:
        """preline."""
        self.check(self.call("preline", "cat"), 0, out=FROM_ + RETURN + MARK + MESSAGE)
        self.check(self.call("preline", "-fr", "cat"), 0, out=MARK + MESSAGE)
        self.check(self.call("preline", "sh", "-c", "exit 7"), 7)
        self.check(self.call("preline", "nonexist"), 100,
                   b"preline: fatal: unable to run nonexist: file does not exist\n")

    def test_h5(self) -> None:
        """condredirect."""
        for words, code, err in ((("false",), 0, b""), (("sh", "-c", "exit 99"), 0, b""),
                                 (("sh", "-c", "exit 111"), 111, b"condredirect: fatal: temporary child error\n")):
            self.check(self.call("condredirect", "n@w", *words), code, err)
            self.assertIsNone(self.queue.envelope)
        self.check(self.call("condredirect", "n@w", "true"), 99, b"condredirect: qp\n")
        self.assertEqual((self.queue.message, self.queue.envelope), (MARKED, b"Fs@x\0Tn@w\0\0"))

    def test_h6_h7(self) -> None:
        """bouncesaying and except."""
        self.check(self.call("bouncesaying", "Go away", "true"), 100, b"Go away\n")
        self.check(self.call("bouncesaying", "Go away", "false"), 0)
        self.check(self.call("bouncesaying", "Go away"), 100, b"Go away\n")
        self.check(self.call("except", "true"), 100)
        self.check(self.call("except", "false"), 0)

    def test_h8(self) -> None:
        """maildirmake twice."""
        place = f"{self.room}/md"
        self.check(run_main("qtwisted.mailbox.maildirmake", place), 0)
        self.check(run_main("qtwisted.mailbox.maildirmake", place), 111,
                   f"maildirmake: fatal: unable to mkdir {place}: file already exists\n".encode())

    def test_h9_h10(self) -> None:
        """qreceipt."""
        text = b"Notice-Requested-Upon-Delivery-To: foo, me@h,\n bar\nMessage-ID: <1@x>\n\nbody\n"
        for variables, word in (({"SENDER": ""}, "me@h"), ({"SENDER": "#@[]"}, "me@h"), ({}, "you@h")):
            self.check(self.call("qreceipt", word, message=text, **variables), 0)
            self.assertIsNone(self.queue.envelope)
        self.check(self.call("qreceipt", "me@h", message=text), 0)
        self.assertEqual(self.queue.envelope, b"F\0Ts@x\0\0")
        message = self.queue.message
        assert message is not None
        self.assertIn(b"following address: me@h. Thanks for asking.\nYour Message-ID: <1@x>\n", message)

    def test_h11(self) -> None:
        """maildir2mbox."""
        for at, first in ((900, b"Return-Path: <a b@c>\n"), (1200, b"X: y\n"), (259200, b"Return-Path: <>\n")):
            path = Path(f"{self.room}/md/new/{at}")
            for folder in ("new", "cur", "tmp"):
                os.makedirs(f"{self.room}/md/{folder}", exist_ok=True)
            path.write_bytes(first + b"\nbody")
            os.utime(path, (at, at))
        ended = run_main("qtwisted.mailbox.maildir2mbox", MAILDIR=f"{self.room}/md", MAIL=f"{self.room}/mbox",
                         MAILTMP=f"{self.room}/mbox.tmp")
        self.check(ended, 0)
        text = Path(f"{self.room}/mbox").read_bytes()
        self.assertEqual([line for line in text.split(b"\n") if line.startswith(b"From ")], [
            b"From a-b@c Thu Jan 01 00:15:00 1970", b"From XXX Thu Jan 01 00:20:00 1970",
            b"From MAILER-DAEMON Sun Jan 04 00:00:00 1970"])
        self.assertEqual(text.count(b"\nbody\n\n"), 3)
        self.assertEqual(os.listdir(f"{self.room}/md/new"), [])

    def test_h12(self) -> None:
        """qsmhook."""
        ended = self.call("qsmhook", "echo", "%u|%h|%g|%%|%z|%", LOCAL="me", HOST="h")
        self.check(ended, 0, out=b"me|h|s@x|%||\n")

    def obey(self, text: bytes | None) -> Ended:
        """Run dot-forward on a file."""
        path = Path(self.room) / ".forward"
        if text is not None:
            path.write_bytes(text)
        return self.call("dotforward", str(path))

    def test_h14_h17_h20(self) -> None:
        """dot-forward without a file, for the user alone, and with comments only."""
        for text in (None, b"JOE@H.ORG\n", b"# one\n#two\n"):
            self.check(self.obey(text), 0)
            self.assertIsNone(self.queue.envelope)

    def test_h15_h16(self) -> None:
        """dot-forward to others, and to the user as well."""
        self.check(self.obey(b"bob, fred\n"), 99, b"dot-forward: info: qp\n")
        self.assertEqual(self.queue.envelope, b"Fns@x\0Tfred@mx.example.org\0Tbob@mx.example.org\0\0")
        self.check(self.obey(b"\\joe, bob@x.y\n"), 0, b"dot-forward: info: qp\n")
        self.assertEqual(self.queue.envelope, b"Fns@x\0Tbob@x.y\0\0")

    def test_h18_h19(self) -> None:
        """dot-forward with programs that fail, and with a file."""
        for number, code in ((100, 100), (1, 111), (99, 111)):
            self.check(self.obey(b'"|exit %d"\n' % number), code)
        self.check(self.obey(b"/tmp/mbox\n"), 111, b"dot-forward: fatal: file delivery /tmp/mbox not supported\n")

    def expand(self, aliases: bytes, recipient: str, *options: str, **more: str) -> Ended:
        """Compile aliases as newaliases does, and have fastforward say what it would do for a recipient."""
        path = Path(self.room) / "aliases.cdb"
        path.write_bytes(cdb.make(newaliases.compiled(aliases, NAMES)))
        return self.call("fastforward", "-n", *options, str(path), RECIPIENT=recipient, **more)

    def test_h21_h22(self) -> None:
        """fastforward: users at any host, and hosts before them."""
        self.check(self.expand(b"root: alice, bill\n", "root@any.host"), 0,
                   b"from <s@x>\nto <bill@mx.example.org>\nto <alice@mx.example.org>\n")
        self.check(self.expand(b"@v.dom: joe@x.y\nroot: me\n", "root@v.dom"), 0, b"from <s@x>\nto <joe@x.y>\n")

    def test_h23(self) -> None:
        """fastforward: owners."""
        text = b"list: a@b.c\nowner-list: boss@x.y\n"
        self.check(self.expand(text, "list@h"), 0, b"from <owner-list@mx.example.org>\nto <a@b.c>\n")
        self.check(self.expand(text, "list@h", SENDER=""), 0, b"from <>\nto <a@b.c>\n")

    def test_h24_h25(self) -> None:
        """fastforward: nobody by that name, and the same recipient twice."""
        self.check(self.expand(b"a: b\n", "nobody@h"), 100, NOBODY)
        self.check(self.expand(b"a: b\n", "nobody@h", "-p"), 0)
        self.check(self.expand(b"z: a@b.c, a@b.c\n", "z@h"), 0, b"from <s@x>\nto <a@b.c>\n")

    def test_h26(self) -> None:
        """newaliases refuses a file, and the old table stays."""
        source, scratch, target = (Path(self.room) / name for name in ("aliases", "aliases.tmp", "aliases.cdb"))
        source.write_bytes(b"a: b\nf: /tmp/file\n")
        target.write_bytes(b"old")
        call = ("import sys; from qtwisted.config.aliases import newaliases as n; "
                f"n.SOURCE, n.SCRATCH, n.TARGET = {os.fsencode(source)!r}, {os.fsencode(scratch)!r}, "
                f"{os.fsencode(target)!r}; sys.argv = ['newaliases']; sys.exit(n.main())")
        ended = self.run_python(call)
        self.check(ended, 111, b"newaliases: fatal: file delivery /tmp/file not supported\n")
        self.assertEqual((target.read_bytes(), scratch.exists()), (b"old", False))

    def run_python(self, call: str) -> Ended:
        """Run a few lines of Python with our home."""
        import subprocess
        import sys

        from test.kit.programs import environment

        done = subprocess.run([sys.executable, "-P", "-c", call], stdin=subprocess.DEVNULL, capture_output=True,
                              env=environment(QMAILHOME=self.room), timeout=60, check=False)
        return Ended(done.returncode, done.stdout, done.stderr)
