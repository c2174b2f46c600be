"""The program qmail-local, as qmail-lspawn of 1.02 ran it."""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from test.kit.homes import scratch
from test.kit.lspawn import OF_THE_SHELL, VARIABLES
from test.kit.programs import Ended, NotedQueue, run_main

TEXT = b"Subject: hi\nFrom: x\n\nbody\nFrom here\n>From q\n.\nend\n"
USAGE = b"qmail-local: usage: qmail-local [ -nN ] user homedir local dash ext domain sender aliasempty\n"


class LocalTests(SynchronousTestCase):
    """Each row of edge-local 13 that takes a process, and what only the program does."""

    def setUp(self) -> None:
        """A home for joe, and a queue."""
        self.place = scratch(self)
        self.home = self.place + "/joe"
        os.mkdir(self.home, 0o700)
        self.queue = NotedQueue(self.place)

    def write(self, name: str, text: str | bytes, mode: int = 0o600) -> None:
        """Write a file in the home."""
        with open(f"{self.home}/{name}", "wb") as file:
            file.write(text.encode() if isinstance(text, str) else text)
        os.chmod(f"{self.home}/{name}", mode)

    def read(self, name: str) -> bytes:
        """Read a file in the home."""
        with open(f"{self.home}/{name}", "rb") as file:
            return file.read()

    def run_it(self, *words: str | bytes, text: bytes = TEXT) -> Ended:
        """Run the program with just these arguments."""
        return run_main("qtwisted.deliver.local", *words, message=text, QMAILHOME=self.place,
                        QMAILQUEUE=str(self.queue.path))

    def deliver(self, *options: str, dash: str = "", ext: str = "", domain: str = "h.o.s.t", sender: str = "s@t",
                default: str = "./Mailbox", text: bytes = TEXT) -> Ended:
        """Deliver to joe or one of his extensions."""
        return self.run_it(*options, "--", "joe", self.home, f"joe{dash}{ext}", dash, ext, domain, sender, default,
                           text=text)

    def lines(self, *lines: str) -> Ended:
        """Deliver by these instructions."""
        self.write(".qmail", "".join(line + "\n" for line in lines))
        return self.deliver()

    def test_default(self) -> None:
        """Without .qmail the default delivery is made, into a file of mode 0600 (L1)."""
        self.assertEqual(self.deliver(), (0, b"did 1+0+0\n", b""))
        first, _, rest = self.read("Mailbox").partition(b"\n")
        self.assertRegex(first, rb"^From s@t [A-Z][a-z]{2} [A-Z][a-z]{2} \d\d \d\d:\d\d:\d\d \d{4,}$")
        self.assertEqual(rest, b"Return-Path: <s@t>\nDelivered-To: joe@h.o.s.t\nSubject: hi\nFrom: x\n\nbody\n"
                               b">From here\n>>From q\n.\nend\n\n")
        self.assertEqual(os.stat(self.home + "/Mailbox").st_mode & 0o777, 0o600)

    def test_no_mailbox(self) -> None:
        """Failures are told on standard error, without the program's name (L2)."""
        self.assertEqual(self.deliver(dash="-", ext="foo"),
                         (100, b"", b"Sorry, no mailbox here by that name. (#5.1.1)\n"))

    def test_description(self) -> None:
        """-n describes, and -N takes it back (L3)."""
        self.write(".qmail", "# c\n|echo hi\n&a@b\nc@d \t\n./mbox\n/abs/dir/\n\n+list\n")
        said = b"program echo hi\nforward a@b\nforward c@d\nmbox ./mbox\nmaildir /abs/dir/\ndid 2+2+1\n"
        self.assertEqual(self.deliver("-n"), (0, said, b""))
        self.assertEqual(self.deliver("-Nn"), (0, said, b""))
        self.write(".qmail", "#\n")
        self.assertEqual(self.deliver("-nN"), (0, b"did 0+0+0\n", b""))

    def test_usage(self) -> None:
        """Wrong arguments are answered with the usage line, wrong options with one more."""
        self.assertEqual(self.run_it(), (100, b"", USAGE))
        self.assertEqual(self.run_it("joe", "relative", "joe", "", "", "h", "s@t", "./Mailbox"), (100, b"", USAGE))
        self.assertEqual(self.run_it("joe", self.home, "joe", "", "", "h", "s@t"), (100, b"", USAGE))
        self.assertEqual(self.run_it("joe", self.home, "joe", "", "", "h", "s@t", "./Mailbox", "x"),
                         (100, b"", USAGE))
        self.assertEqual(self.run_it("-z"), (100, b"", b"qmail-local: illegal option -- z\n" + USAGE))

    def test_help(self) -> None:
        """--help prints the manual page."""
        ended = self.run_it("--help")
        self.assertEqual((ended.code, ended.err), (0, b""))
        self.assertTrue(ended.out.startswith(b"qmail-local -- deliver or forward"))

    def test_sticky_description(self) -> None:
        """With -n a sticky home is a warning on standard error (L13)."""
        os.chmod(self.home, 0o1700)
        self.assertEqual(self.deliver("-n"),
                         (0, b"mbox ./Mailbox\ndid 1+0+0\n", b"Warning: home directory is sticky.\n"))

    def test_99(self) -> None:
        """Exit code 99 ends the instructions well; what was to be forwarded before is (L6)."""
        ended = self.lines("&a@b", "|exit 99", "&c@d", "./never")
        self.assertEqual((ended.code, ended.err), (0, b""))
        self.assertRegex(ended.out, rb"^did 0\+1\+1\nqp \d+\n$")
        self.assertEqual(self.queue.envelope, b"Fs@t\0Ta@b\0\0")
        self.assertEqual(self.queue.message, b"Delivered-To: joe@h.o.s.t\n" + TEXT)
        self.assertFalse(os.path.exists(self.home + "/never"))

    def test_failure_forwards_nothing(self) -> None:
        """A program that fails keeps back the forwards before it (L7)."""
        self.assertEqual(self.lines("&a@b", "|exit 1"), (111, b"", b""))
        self.assertIsNone(self.queue.envelope)

    def test_failure_after_delivery(self) -> None:
        """What was delivered stays delivered (L8)."""
        self.assertEqual(self.lines("./ok", "|exit 100"), (100, b"", b""))
        self.assertTrue(self.read("ok").endswith(b"end\n\n"))

    def test_exit_codes(self) -> None:
        """The shell's exit code decides (L9)."""
        for code, expected in ((64, 100), (100, 100), (112, 100), (1, 111), (111, 111), (127, 111), (255, 111)):
            self.assertEqual(self.lines(f"|exit {code}").code, expected)

    def test_killed(self) -> None:
        """A program ended by a signal is tried again (L10, L13)."""
        for number in (9, 11):
            self.assertEqual(self.lines(f"|kill -{number} $$"), (111, b"", b"Aack, child crashed. (#4.3.0)\n"))

    def test_output_of_programs(self) -> None:
        """Programs print on the program's own descriptors, before its own line."""
        self.assertEqual(self.lines("|echo out; echo err >&2"), (0, b"out\ndid 0+0+1\n", b"err\n"))

    def test_environment(self) -> None:
        """DEFAULT, EXT2 to EXT4 and the rest are what they should be (L17, L29)."""
        self.write(".qmail-a-default", '|printf "%s|" "$DEFAULT" "$EXT2" "$EXT3" "$EXT4" "$HOST2" "$HOST3" "$HOST4"')
        ended = self.deliver(dash="-", ext="A-b.C-d-e", domain="a.b.c.d.e")
        self.assertEqual(ended.out, b"b.C-d-e|b.C-d-e|d-e|e|a.b.c.d|a.b.c|a.b|did 0+0+1\n")

    def test_clean_environment(self) -> None:
        """Nothing is inherited but the search path (L22)."""
        listed = self.lines("|env -0 | tr '\\n\\0' '/\\n'").out.splitlines()[:-1]
        names = {line.split(b"=")[0].decode() for line in listed}
        self.assertEqual(names - OF_THE_SHELL, VARIABLES)

    def test_shell_in_the_sender(self) -> None:
        """What looks like shell code in an address is not run (L22)."""
        self.write(".qmail", '|printf "%s" "$SENDER" > sender')
        sender = "() { :;}; touch hacked\n$(touch hacked)"
        self.assertEqual(self.deliver(sender=sender).code, 0)
        self.assertEqual(self.read("sender"), sender.encode())
        self.assertFalse(os.path.exists(self.home + "/hacked"))

    def test_mapping(self) -> None:
        """An extension with capitals and dots has its file in small letters and colons (L18)."""
        self.write(".qmail-a:b", "|echo yes")
        self.assertEqual(self.deliver(dash="-", ext="A.b").out, b"yes\ndid 0+0+1\n")

    def test_owner(self) -> None:
        """A list's forwards come from its owner (L19)."""
        self.write(".qmail-l", "&a@b\n")
        self.write(".qmail-l-owner", "")
        self.deliver(dash="-", ext="l")
        self.assertEqual(self.queue.envelope, b"Fjoe-l-owner@h.o.s.t\0Ta@b\0\0")

    def test_two_readers(self) -> None:
        """Each program sees the whole message, whatever those before have read or sought (L25, L28)."""
        ended = self.lines("|head -c 5 >/dev/null; wc -c", "|cat >/dev/null", "|wc -c")
        self.assertEqual(ended.out.split(), [b"%d" % (len(TEXT) - 5), b"%d" % len(TEXT), b"did", b"0+0+3"])

    def test_copy(self) -> None:
        """A program can read its message by any name, but write it by none (L24)."""
        ended = self.lines("|cat /proc/self/fd/0 | wc -c; (: > /dev/stdin) && echo cut; (echo x >&0) && echo put; :")
        self.assertEqual(ended.out, b"%d\ndid 0+0+1\n" % len(TEXT))

    def test_queue_trouble(self) -> None:
        """What the queue says stands on standard error (L26)."""
        self.write(".qmail", "&a@b\n")
        self.queue = NotedQueue(self.place, 31)
        self.assertEqual(self.deliver(), (
            100, b"", b"Unable to forward message: mail server permanently rejected message (#5.3.0).\n"))
        self.queue = NotedQueue(self.place, 53)
        self.assertEqual(self.deliver(), (
            111, b"", b"Unable to forward message: qq write error or disk full (#4.3.0).\n"))

    def test_maildir(self) -> None:
        """A Maildir gets one file of mode 0600 named TIME.PID.HOST (L21)."""
        for name in ("md", "md/tmp", "md/new", "md/cur"):
            os.mkdir(f"{self.home}/{name}")
        self.assertEqual(self.lines("./md/"), (0, b"did 1+0+0\n", b""))
        (name,) = os.listdir(self.home + "/md/new")
        self.assertRegex(name, r"^\d+\.\d+\.[^/:]+$")
        self.assertEqual(os.stat(f"{self.home}/md/new/{name}").st_mode & 0o777, 0o600)
        self.assertEqual(self.read(f"md/new/{name}"), b"Return-Path: <s@t>\nDelivered-To: joe@h.o.s.t\n" + TEXT)

    def test_large_message(self) -> None:
        """A message larger than what memory takes is delivered and given to programs whole."""
        text = TEXT + b"0123456789abcdef" * 200000
        self.write(".qmail", "|md5sum\n./Mailbox\n")
        ended = self.deliver(text=text)
        from hashlib import md5

        self.assertEqual(ended.out, md5(text).hexdigest().encode() + b"  -\ndid 1+0+1\n")
        self.assertTrue(self.read("Mailbox").endswith(b"abcdef\n\n"))

    def test_long_lines(self) -> None:
        """A line of a mebibyte in a .qmail file is a command too long for the shell, and no more (L07)."""
        self.write(".qmail", "|: " + "x" * ((1 << 20) - 3))
        self.assertEqual(self.deliver(), (111, b"", b"Unable to run /bin/sh: argument list too long. (#4.3.0)\n"))

    def test_races_of_two(self) -> None:
        """Two deliveries into one mbox file at once do not mix."""
        import threading

        text = b"line\n" * 50000
        threads = [threading.Thread(target=self.deliver, kwargs={"text": text}) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(self.read("Mailbox").count(text + b"\nFrom "), 2)
