"""The programs called from a .qmail line, run as real processes with the environment of a delivery."""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from test.kit.programs import Ended, NotedQueue, run_main

DELIVERY = {
    "NEWSENDER": "ns@x",
    "SENDER": "s@x",
    "DTLINE": "Delivered-To: joe@h.org\n",
    "RPLINE": "Return-Path: <s@x>\n",
    "UFLINE": "From s@x Mon\n",
    "USER": "joe",
    "LOCAL": "joe",
    "HOST": "h.org",
}
MESSAGE = b"S: x\n\nbody"


class DotqmailCase(SynchronousTestCase):
    """A delivery environment and a queue that takes note."""

    code = 0

    def setUp(self) -> None:
        """Make a room for the queue."""
        self.room = os.path.abspath(self.mktemp())
        os.mkdir(self.room)
        self.queue = NotedQueue(self.room)

    def refusing(self, code: int) -> None:
        """Let the queue end with another exit code."""
        self.queue = NotedQueue(self.room, code)

    def call(self, program: str, *words: str, message: bytes = MESSAGE, without: str = "", **more: str) -> Ended:
        """Run one of the programs; ``without`` names variables that are not set."""
        variables = {name: value for name, value in DELIVERY.items() if name not in without.split()}
        variables |= {"QMAILHOME": self.room, "QMAILQUEUE": str(self.queue.path), **more}
        module = "except_" if program == "except" else program
        return run_main(f"qtwisted.dotqmail.{module}", *words, message=message, **variables)


class ForwardTests(DotqmailCase):
    """|forward address ..."""

    def test_sends_on(self) -> None:
        """The message goes on with Delivered-To in front, from NEWSENDER, to the addresses as they are."""
        ended = self.call("forward", "a@b", "c d")
        self.assertEqual((ended.code, ended.out), (0, b""))
        self.assertRegex(ended.err, rb"^forward: qp [0-9]+\n$")
        self.assertEqual(self.queue.message, b"Delivered-To: joe@h.org\n" + MESSAGE)
        self.assertEqual(self.queue.envelope, b"Fns@x\0Ta@b\0Tc d\0\0")

    def test_without_addresses(self) -> None:
        """No address at all is a message to nobody, which the queue takes."""
        self.assertEqual(self.call("forward").code, 0)
        self.assertEqual(self.queue.envelope, b"Fns@x\0\0")

    def test_needs_the_delivery(self) -> None:
        """Without NEWSENDER or DTLINE it refuses for good, NEWSENDER first."""
        ended = self.call("forward", "a", without="NEWSENDER DTLINE")
        self.assertEqual(ended, Ended(100, b"", b"forward: fatal: NEWSENDER not set\n"))
        ended = self.call("forward", "a", without="DTLINE")
        self.assertEqual(ended, Ended(100, b"", b"forward: fatal: DTLINE not set\n"))

    def test_queue_trouble(self) -> None:
        """What the queue says decides between never and later."""
        for code, wanted in ((31, (100, b"mail server permanently rejected message (#5.3.0)")),
                             (53, (111, b"qq write error or disk full (#4.3.0)"))):
            self.refusing(code)
            ended = self.call("forward", "a@b")
            self.assertEqual((ended.code, ended.err), (wanted[0], b"forward: fatal: " + wanted[1] + b"\n"))


class CondredirectTests(DotqmailCase):
    """|condredirect newaddress program ..."""

    def test_redirects(self) -> None:
        """A program that agrees sends the message on with its sender unchanged; the other lines are skipped."""
        ended = self.call("condredirect", "n@w", "true")
        self.assertEqual(ended.code, 99)
        self.assertRegex(ended.err, rb"^condredirect: qp [0-9]+\n$")
        self.assertEqual(self.queue.envelope, b"Fs@x\0Tn@w\0\0")
        self.assertEqual(self.queue.message, b"Delivered-To: joe@h.org\n" + MESSAGE)

    def test_program_reads_the_message(self) -> None:
        """The program gets the message, and what it read is sent on all the same."""
        ended = self.call("condredirect", "n@w", "grep", "-q", "body")
        self.assertEqual((ended.code, self.queue.message), (99, b"Delivered-To: joe@h.org\n" + MESSAGE))

    def test_other_codes(self) -> None:
        """Any code but 0 and 111 lets the message go on, also when the program is not there."""
        for words in (("false",), ("sh", "-c", "exit 99"), ("sh", "-c", "exit 100"), ("not-there",)):
            self.assertEqual(self.call("condredirect", "n@w", *words), Ended(0, b"", b""))
        self.assertIsNone(self.queue.envelope)

    def test_later(self) -> None:
        """111 and a killed program mean later."""
        ended = self.call("condredirect", "n@w", "sh", "-c", "exit 111")
        self.assertEqual(ended, Ended(111, b"", b"condredirect: fatal: temporary child error\n"))
        ended = self.call("condredirect", "n@w", "sh", "-c", "kill -9 $$")
        self.assertEqual(ended, Ended(111, b"", b"condredirect: fatal: child crashed\n"))

    def test_usage(self) -> None:
        """Without a program it says how it is used."""
        ended = self.call("condredirect", "n@w")
        wanted = b"condredirect: usage: condredirect newaddress program [ arg ... ]\n"
        self.assertEqual(ended, Ended(100, b"", wanted))

    def test_needs_the_delivery(self) -> None:
        """SENDER and DTLINE are needed, but only when the message is to be sent on."""
        self.assertEqual(self.call("condredirect", "n@w", "false", without="SENDER").code, 0)
        ended = self.call("condredirect", "n@w", "true", without="SENDER")
        self.assertEqual(ended, Ended(100, b"", b"condredirect: fatal: SENDER not set\n"))


class JudgeTests(DotqmailCase):
    """bouncesaying and except."""

    def test_bouncesaying(self) -> None:
        """The text and 100 if the program agrees or none is given; else 0."""
        self.assertEqual(self.call("bouncesaying", "Go away", "true"), Ended(100, b"", b"Go away\n"))
        self.assertEqual(self.call("bouncesaying", "Go away"), Ended(100, b"", b"Go away\n"))
        for words in (("false",), ("sh", "-c", "exit 100"), ("not-there",)):
            self.assertEqual(self.call("bouncesaying", "Go away", *words), Ended(0, b"", b""))

    def test_except(self) -> None:
        """100 if the program agrees, else 0."""
        self.assertEqual(self.call("except", "true"), Ended(100, b"", b""))
        for words in (("false",), ("sh", "-c", "exit 100"), ("not-there",)):
            self.assertEqual(self.call("except", *words), Ended(0, b"", b""))

    def test_later(self) -> None:
        """111 and a killed program mean later."""
        for program, words in (("bouncesaying", ("no",)), ("except", ())):
            name = program.encode()
            ended = self.call(program, *words, "sh", "-c", "exit 111")
            self.assertEqual(ended, Ended(111, b"", name + b": fatal: temporary child error\n"))
            ended = self.call(program, *words, "sh", "-c", "kill -9 $$")
            self.assertEqual(ended, Ended(111, b"", name + b": fatal: child crashed\n"))

    def test_usage(self) -> None:
        """Without arguments they say how they are used."""
        wanted = b"bouncesaying: usage: bouncesaying error [ program [ arg ... ] ]\n"
        self.assertEqual(self.call("bouncesaying"), Ended(100, b"", wanted))
        self.assertEqual(self.call("except"), Ended(100, b"", b"except: usage: except program [ arg ... ]\n"))


class PrelineTests(DotqmailCase):
    """|preline cmd ..."""

    HEAD = b"From s@x Mon\nReturn-Path: <s@x>\nDelivered-To: joe@h.org\n"

    def test_all_lines(self) -> None:
        """The three lines come first, then the message."""
        self.assertEqual(self.call("preline", "cat"), Ended(0, self.HEAD + MESSAGE, b""))

    def test_options(self) -> None:
        """Small letters leave a line out, capitals bring it back."""
        self.assertEqual(self.call("preline", "-fr", "cat").out, b"Delivered-To: joe@h.org\n" + MESSAGE)
        self.assertEqual(self.call("preline", "-frd", "-FRD", "cat").out, self.HEAD + MESSAGE)

    def test_exit_code(self) -> None:
        """The program's exit code is preline's; a killed program means later."""
        self.assertEqual(self.call("preline", "sh", "-c", "cat >/dev/null; exit 7"), Ended(7, b"", b""))
        ended = self.call("preline", "sh", "-c", "cat >/dev/null; kill -9 $$")
        self.assertEqual(ended, Ended(111, b"", b"preline: fatal: child crashed\n"))

    def test_not_there(self) -> None:
        """A program that does not exist is refused for good."""
        ended = self.call("preline", "nonexist")
        self.assertEqual(ended, Ended(100, b"", b"preline: fatal: unable to run nonexist: file does not exist\n"))

    def test_stops_reading(self) -> None:
        """A program that leaves a long message unread means later."""
        ended = self.call("preline", "true", message=b"x" * 1_000_000)
        self.assertEqual(ended, Ended(111, b"", b"preline: fatal: unable to copy input: broken pipe\n"))

    def test_usage(self) -> None:
        """A missing command or variable, and a wrong option, give the usage."""
        usage = b"preline: usage: preline cmd [ arg ... ]\n"
        self.assertEqual(self.call("preline"), Ended(100, b"", usage))
        self.assertEqual(self.call("preline", "-f", "cat", without="UFLINE"), Ended(100, b"", usage))
        self.assertEqual(self.call("preline", "-z", "cat").err, b"preline: illegal option -- z\n" + usage)


class QsmhookTests(DotqmailCase):
    """|qsmhook cmd ..."""

    def test_arguments(self) -> None:
        """Percent sequences are filled in; unknown ones and a last percent sign vanish."""
        ended = self.call("qsmhook", "echo", "%u|%h|%g|%%|%z|%", LOCAL="me", HOST="h")
        self.assertEqual(ended, Ended(0, b"me|h|s@x|%||\n", b""))

    def test_lines(self) -> None:
        """Only the From_ line stands in front, unless options say otherwise."""
        self.assertEqual(self.call("qsmhook", "cat").out, b"From s@x Mon\n" + MESSAGE)
        self.assertEqual(self.call("qsmhook", "-nlP", "cat").out,
                         b"Return-Path: <s@x>\nDelivered-To: joe@h.org\n" + MESSAGE)

    def test_prefix(self) -> None:
        """-x removes the beginning of the local part, whatever its case."""
        self.assertEqual(self.call("qsmhook", "-x", "List-", "echo", "%u", LOCAL="list-A").out, b"A\n")
        self.assertEqual(self.call("qsmhook", "-x", "other", "echo", "%u", LOCAL="list-A").out, b"list-A\n")

    def test_trouble(self) -> None:
        """Each kind of trouble has its words and its exit code."""
        for ended, code, text in (
            (self.call("qsmhook"), 100, b"incorrect usage"),
            (self.call("qsmhook", "cat", without="LOCAL"), 100, b"incorrect usage"),
            (self.call("qsmhook", "not-there"), 100, b"command not found"),
            (self.call("qsmhook", "sh", "-c", "cat >/dev/null; kill -9 $$"), 111, b"temporary problem"),
        ):
            self.assertEqual(ended, Ended(code, b"", b"qsmhook: fatal: " + text + b"\n"))
        self.assertEqual(self.call("qsmhook", "sh", "-c", "cat >/dev/null; exit 3").code, 3)


class QreceiptTests(DotqmailCase):
    """|qreceipt deliveryaddress"""

    ASKING = (b"Message-ID: <1@x>\nNotice-Requested-Upon-Delivery-To: foo, me@h,\n bar\n\nbody\n")

    def test_receipt(self) -> None:
        """A sender who asked about this address gets one notice from nobody."""
        self.assertEqual(self.call("qreceipt", "me@h", message=self.ASKING), Ended(0, b"", b""))
        self.assertEqual(self.queue.envelope, b"F\0Ts@x\0\0")
        self.assertEqual(
            self.queue.message,
            b"From: DELIVERY NOTICE SYSTEM <s@x>\nTo: <s@x>\nSubject: success notice\n\n"
            b"Hi! This is the qreceipt program. Your message was delivered to the\n"
            b"following address: me@h. Thanks for asking.\nYour Message-ID: <1@x>\n",
        )

    def test_no_receipt(self) -> None:
        """Another address, a bounce and a double bounce get none."""
        for words, variables in ((("you@h",), {}), (("me@h",), {"SENDER": ""}), (("me@h",), {"SENDER": "#@[]"})):
            self.assertEqual(self.call("qreceipt", *words, message=self.ASKING, **variables), Ended(0, b"", b""))
        self.assertIsNone(self.queue.envelope)

    def test_parse_failure(self) -> None:
        """A field that is no address list is refused for good, and shown."""
        ended = self.call("qreceipt", "a", message=b"Notice-Requested-Upon-Delivery-To: a(b\n\n")
        text = b"qreceipt: fatal: unable to parse this: Notice-Requested-Upon-Delivery-To: a(b\n"
        self.assertEqual(ended, Ended(100, b"", text))

    def test_trouble(self) -> None:
        """Usage and the two classes of queue trouble."""
        usage = b"qreceipt: usage: qreceipt deliveryaddress\n"
        self.assertEqual(self.call("qreceipt"), Ended(100, b"", usage))
        self.assertEqual(self.call("qreceipt", "a", without="SENDER"), Ended(100, b"", usage))
        for code, wanted in ((31, (100, b"permanent")), (53, (111, b"temporary"))):
            self.refusing(code)
            ended = self.call("qreceipt", "me@h", message=self.ASKING)
            text = b"qreceipt: fatal: " + wanted[1] + b" qmail-queue error\n"
            self.assertEqual(ended, Ended(wanted[0], b"", text))
