"""Tests: qtwisted.wire.smtp_client, the bare core."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.wire.dialogue import ANSWER, CLOSE, DATA
from qtwisted.wire.smtp_client import (
    NOT_OFFERED,
    PeerReply,
    Ready,
    SmtpClient,
    State,
    Step,
    Transaction,
    Trouble,
    speakable,
)
from test.kit.smtp_talk import EHLO_OK, LINES, ONE, REPLIES, THREE, ClientCase, Talk


class DialogueTests(ClientCase):
    """What is said, and when."""

    def test_whole_dialogue(self) -> None:
        """A message goes out step by step, each after the reply to the one before."""
        talk = Talk().hear(b"220 s\r\n", EHLO_OK, b"250 s\r\n", b"250 r\r\n", b"354 go\r\n", b"250 done\r\n")
        self.assertEqual(talk.said, [
            b"EHLO mx.example.org\r\n", b"MAIL FROM:<s@x>\r\n", b"RCPT TO:<r@d>\r\n", b"DATA\r\n",
            LINES, b"QUIT\r\n"])
        self.check(talk, Step.MESSAGE, 250, 250)
        self.assertTrue(talk.outcomes[0].accepted)
        self.assertIs(talk.wait, CLOSE)

    def test_any_pieces(self) -> None:
        """Replies may come in any pieces."""
        talk = Talk()
        for reply in (b"220-a\r\n220 s\r\n", EHLO_OK, b"250 s\r\n", b"250 r\r\n", b"354 go\r\n", b"250 done\r\n"):
            talk.hear(*(reply[at : at + 1] for at in range(len(reply))))
        self.assertTrue(talk.outcomes[0].accepted)

    def test_helo_only(self) -> None:
        """The client can be made to say HELO at once."""
        talk = Talk(extended=False).hear(b"220 s\r\n", b"250 s\r\n")
        self.assertEqual(talk.said, [b"HELO mx.example.org\r\n", b"MAIL FROM:<s@x>\r\n"])

    def test_fallback_to_helo(self) -> None:
        """A server that does not know EHLO hears HELO."""
        for code in (b"500", b"502", b"550"):
            talk = Talk().hear(b"220 s\r\n", code + b" what?\r\n", b"250 s\r\n")
            self.assertEqual(talk.said[1:], [b"HELO mx.example.org\r\n", b"MAIL FROM:<s@x>\r\n"])

    def test_empty_message(self) -> None:
        """An empty message is only the final dot."""
        talk = Talk(message=b"").hear(b"220 s\r\n", EHLO_OK, b"250 s\r\n", b"250 r\r\n", b"354 go\r\n")
        self.assertEqual(talk.said[-1], b".\r\n")

    def test_addresses_are_quoted(self) -> None:
        """Local parts are quoted where they must be; the rest is untouched."""
        recipients = (
            b'"q r"@d', b"a b@D.e", b"nohost", b"a,b@c", b'"a b"@c', b"(x)a@c", b"a\\@b@c", b"@d", b"a..b@c")
        talk = Talk(Transaction(b"", recipients)).hear(b"220 s\r\n", EHLO_OK, *[b"250 ok\r\n"] * 10)
        self.assertEqual(talk.said[1], b"MAIL FROM:<>\r\n")
        wire = [line[len(b"RCPT TO:") : -2] for line in talk.said[2:-1]]
        self.assertEqual(wire, [
            b'<"\\"q r\\""@d>', b'<"a b"@D.e>', b"<nohost>", b'<"a,b"@c>', b'<"\\"a b\\""@c>', b'<"(x)a"@c>',
            b'<"a\\\\@b"@c>', b'<""@d>', b'<"a..b"@c>'])

    def test_second_message(self) -> None:
        """After a message the session is ready for another."""
        talk = Talk()
        talk.todo = [ONE, ONE, None]
        talk.hear(b"220 s\r\n", EHLO_OK, *[b"250 ok\r\n", b"250 r\r\n", b"354 go\r\n", b"250 done\r\n"] * 2)
        self.assertEqual([outcome.accepted for outcome in talk.outcomes], [True, True])
        self.assertEqual(talk.said.count(LINES), 2)

    def test_answers(self) -> None:
        """A question waits for its answer, and takes no other."""
        core = SmtpClient(b"h")
        core.received(b"220 s\r\n")
        self.assertIs(core.next(), DATA)
        core.take()
        core.received(EHLO_OK)
        self.assertEqual(core.next(), Ready({b"8BITMIME": b""}))
        self.assertIs(core.next(), ANSWER)
        for wrong in (b"body", Transaction(b"s@x", ()), Transaction(b"a\nb@x", (b"r@d",))):
            self.assertRaises(ValueError, core.answer, wrong)
        core.answer(None)
        self.assertEqual(core.take(), b"QUIT\r\n")
        self.assertRaises(ValueError, core.answer, None)


class RefusalTests(ClientCase):
    """What the server's codes mean at each step."""

    CODES = ((0, b"what"), (0, b"2x0 ok"), (0, b"25"), (0, b"000 x"), (199, b"199 x"), (354, b"354 x"),
             (450, b"450 x"), (550, b"550 x"), (600, b"600 x"), (999, b"999 x"))

    def upto(self, *replies: bytes) -> Talk:
        """A talk that has heard these replies."""
        return Talk().hear(b"220 s\r\n", *replies)

    def test_greeting(self) -> None:
        """Only 220 is a greeting; otherwise the client says QUIT at once."""
        for code, line in (*self.CODES, (250, b"250 x"), (221, b"221 x")):
            talk = Talk().hear(line + b"\r\n")
            self.check(talk, Step.GREETING, code)
            self.assertEqual(talk.said, [b"QUIT\r\n"])
            self.assertIs(talk.wait, CLOSE)

    def test_hello(self) -> None:
        """Only 250 is an answer to EHLO or HELO."""
        for code, line in (*self.CODES, (220, b"220 x"), (251, b"251 x")):
            talk = Talk(extended=False).hear(b"220 s\r\n", line + b"\r\n")
            self.check(talk, Step.HELLO, code)
            self.assertEqual(talk.said[1:], [b"QUIT\r\n"])
            if code != 550:
                self.check(self.upto(line + b"\r\n"), Step.HELLO, code)

    def test_mail(self) -> None:
        """Without 2yz for the sender nothing more is said of the message."""
        for code, line in self.CODES:
            talk = self.upto(EHLO_OK, line + b"\r\n")
            self.check(talk, Step.MAIL, code)
            self.assertEqual(talk.said[2:], [b"QUIT\r\n"])

    def test_recipients(self) -> None:
        """Each recipient has its own reply; the message goes out if one is accepted."""
        talk = Talk(THREE).hear(b"220 s\r\n", EHLO_OK, b"250 s\r\n", b"550 no\r\n", b"450 later\r\n", b"250 ok\r\n")
        self.assertEqual(talk.said[-1], b"DATA\r\n")
        talk.hear(b"354 go\r\n", b"250 done\r\n")
        self.check(talk, Step.MESSAGE, 250, 550, 450, 250)

    def test_no_recipient(self) -> None:
        """If no recipient is accepted, DATA is not said."""
        for code, line in self.CODES:
            talk = self.upto(EHLO_OK, b"250 s\r\n", line + b"\r\n")
            self.check(talk, Step.RECIPIENTS, None, code)
            self.assertEqual(talk.said[3:], [b"QUIT\r\n"])

    def test_data(self) -> None:
        """Only 354 lets the message go out."""
        for code, line in self.CODES:
            if code != 354:
                talk = self.upto(EHLO_OK, b"250 s\r\n", b"250 r\r\n", line + b"\r\n")
                self.check(talk, Step.DATA, code, 250)
                self.assertEqual(talk.said[4:], [b"QUIT\r\n"])
        self.check(self.upto(EHLO_OK, b"250 s\r\n", b"250 r\r\n", b"250 ok\r\n"), Step.DATA, 250, 250)

    def test_message(self) -> None:
        """After the dot only 2yz is success."""
        for code, line in self.CODES:
            talk = self.upto(EHLO_OK, b"250 s\r\n", b"250 r\r\n", b"354 go\r\n", line + b"\r\n")
            self.check(talk, Step.MESSAGE, code, 250)
            self.assertFalse(talk.outcomes[0].accepted)
        for line in (b"200 x", b"299 x", b"250", b"250-a\r\n250 b"):
            talk = self.upto(EHLO_OK, b"250 s\r\n", b"250 r\r\n", b"354 go\r\n", line + b"\r\n")
            self.assertTrue(talk.outcomes[0].accepted)


class LossTests(ClientCase):
    """What a lost connection means at each step."""

    STEPS = (Step.GREETING, Step.HELLO, Step.MAIL, Step.RECIPIENTS, Step.DATA, Step.MESSAGE)

    def test_lost(self) -> None:
        """Before the message is sent nothing is lost; after that the server may have it."""
        for heard, step in enumerate(self.STEPS):
            talk = Talk().hear(*REPLIES[:heard]).lose()
            died = Trouble.DIED_UNANSWERED if step is Step.MESSAGE else Trouble.DIED
            self.check(talk, step, None, *[250] * (heard > 3), trouble=died)
            self.assertIs(talk.wait, CLOSE)

    def test_lost_in_the_message(self) -> None:
        """While the final dot has not been said there can be no duplicate."""
        talk = Talk().hear(*REPLIES[:4])
        talk.core.received(b"354 go\r\n")
        talk.core.next()
        talk.core.answer(b"piece")
        self.check(talk.lose(), Step.MESSAGE, None, 250, trouble=Trouble.DIED)

    def test_lost_when_idle(self) -> None:
        """A server that goes while nothing is under way does no harm."""
        core = SmtpClient(b"h")
        core.received(b"220 s\r\n")
        core.take()
        core.received(EHLO_OK)
        core.lost()
        core.lost()
        self.assertIs(core.next(), CLOSE)
        self.assertEqual(core.take(), b"")

    def test_unreadable_message(self) -> None:
        """A message that cannot be read to its end is not ended, and nothing more is said."""
        talk = Talk().hear(*REPLIES[:4])
        talk.core.received(b"354 go\r\n")
        talk.core.next()
        talk.core.answer(b"piece")
        talk.core.answer(None)
        talk.go_on()
        self.check(talk, Step.MESSAGE, None, 250, trouble=Trouble.UNREADABLE)
        self.assertEqual(talk.said[4:], [])

    def test_overlong_reply(self) -> None:
        """A server whose reply does not end is hung up on, at any step."""
        for heard in range(5):
            talk = Talk().hear(*REPLIES[:heard])
            talk.hear(*[b"2" * 8192] * 9)
            self.assertEqual([outcome.trouble for outcome in talk.outcomes], [Trouble.DIED])


class EarlyTests(ClientCase):
    """Nobody may speak out of turn."""

    def test_all_at_once(self) -> None:
        """A server that says all its replies at once delivers nothing."""
        talk = Talk().hear(b"220 s\r\n" + EHLO_OK + b"250 s\r\n250 r\r\n354 go\r\n250 done\r\n")
        self.check(talk, Step.HELLO, 250, trouble=Trouble.SPOKE_EARLY)
        self.assertEqual(talk.said, [])

    def test_extra_reply(self) -> None:
        """A second reply to one command ends the session at any step, and moves no other reply."""
        replies = REPLIES
        for heard in range(5):
            talk = Talk(THREE).hear(*replies[:heard], replies[heard] + b"250 again\r\n")
            self.assertEqual([outcome.trouble for outcome in talk.outcomes], [Trouble.SPOKE_EARLY] * (heard != 1))
            self.assertIs(talk.wait, CLOSE)

    def test_extra_byte(self) -> None:
        """Even a part of a reply is too much."""
        talk = Talk().hear(b"220 s\r\n2")
        self.check(talk, Step.HELLO, None, trouble=Trouble.SPOKE_EARLY)

    def test_reply_in_the_message(self) -> None:
        """A reply before the final dot is no reply to it, and is quoted."""
        talk = Talk().hear(*REPLIES[:4])
        talk.core.received(b"354 go\r\n")
        talk.core.next()
        talk.core.answer(b"piece")
        talk.core.take()
        talk.core.received(b"250 early\r\n")
        talk.go_on()
        self.check(talk, Step.MESSAGE, 250, 250, trouble=Trouble.SPOKE_EARLY)
        self.assertFalse(talk.outcomes[0].accepted)

    def test_after_success(self) -> None:
        """What comes after the reply to the message changes nothing."""
        talk = Talk().hear(*REPLIES[:5], b"250 done\r\n421 bye\r\n")
        self.check(talk, Step.MESSAGE, 250, 250)
        self.assertTrue(talk.outcomes[0].accepted)
        self.assertIs(talk.wait, CLOSE)

    def test_nothing_after_the_end(self) -> None:
        """After the end the core hears nothing any more."""
        talk = Talk().hear(b"554 no\r\n", b"221 bye\r\n" * 100)
        self.assertEqual(len(talk.outcomes), 1)


class InternationalTests(ClientCase):
    """Addresses beyond ASCII."""

    UTF8 = "jos\xe9@d".encode()
    OFFER = b"250-s\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n"

    def test_offered(self) -> None:
        """Where the server offers SMTPUTF8, it is used for addresses that need it, and only for them."""
        talk = Talk(Transaction(b"s@x", (self.UTF8,))).hear(b"220 s\r\n", self.OFFER, b"250 ok\r\n")
        self.assertEqual(talk.said[1], b"MAIL FROM:<s@x> BODY=8BITMIME SMTPUTF8\r\n")
        self.assertEqual(talk.said[2], b'RCPT TO:<"' + "jos\xe9".encode() + b'"@d>\r\n')
        plain = Talk().hear(b"220 s\r\n", self.OFFER)
        self.assertEqual(plain.said[1], b"MAIL FROM:<s@x>\r\n")

    def test_recipient_not_offered(self) -> None:
        """A recipient the server cannot understand is refused without being named; the others get the message."""
        talk = Talk(Transaction(b"s@x", (self.UTF8, b"r@d"))).hear(b"220 s\r\n", EHLO_OK, b"250 s\r\n", b"250 r\r\n")
        self.assertEqual(talk.said[2:], [b"RCPT TO:<r@d>\r\n", b"DATA\r\n"])
        talk.hear(b"354 go\r\n", b"250 done\r\n")
        self.assertEqual(talk.outcomes[0].recipients, (NOT_OFFERED, PeerReply(250, b"250 r\n")))
        alone = Talk(Transaction(b"s@x", (self.UTF8,))).hear(b"220 s\r\n", EHLO_OK, b"250 s\r\n")
        self.check(alone, Step.RECIPIENTS, None, 0)

    def test_sender_not_offered(self) -> None:
        """A sender the server cannot understand stops the message."""
        talk = Talk(Transaction(self.UTF8, (b"r@d",))).hear(b"220 s\r\n", EHLO_OK)
        self.check(talk, Step.MAIL, None, trouble=Trouble.NOT_OFFERED)
        self.assertEqual(talk.said[1:], [b"QUIT\r\n"])

    def test_other_bytes(self) -> None:
        """Bytes that are no UTF-8 go out as they are."""
        talk = Talk(Transaction(b"s@x", (b"jos\xe9@d",))).hear(b"220 s\r\n", EHLO_OK, b"250 s\r\n")
        self.assertEqual(talk.said[2], b'RCPT TO:<"jos\xe9"@d>\r\n')


class SpeakableTests(SynchronousTestCase):
    """Which addresses can be said."""

    def test_rows(self) -> None:
        """No address can bring in a second command or parameter."""
        for address, can in (
            (b"", True), (b"a@b", True), (b"a b@c", True), (b"a>b@c", True), (b"nohost", True), (b"\xff@\xff", True),
            (b"a\rb@c", False), (b"a\nb@c", False), (b"a\0b@c", False), (b"a@b\n", False), (b"a@b c", False),
            (b"a@b> X=<", False), (b"no host", False), (b"a@\x7f", False), (b"a@b\t", False),
        ):
            self.assertEqual(speakable(address), can, address)


class EveryStateTests(SynchronousTestCase):
    """Every state with every input ends in a legal place."""

    INPUTS: tuple[Any, ...] = (b"220 a\r\n", b"250 a\r\n", b"354 a\r\n", b"450 a\r\n", b"550 a\r\n",
                               b"\xff\r\n", b"2", b"250 a\r\n250 b\r\n", None)

    def test_every_state(self) -> None:
        """After any one input in any state the core waits, asks or is closed, and says only whole lines."""
        for heard in range(6):
            for given in self.INPUTS:
                talk = Talk().hear(*REPLIES[:heard])
                if given is None:
                    talk.lose()
                else:
                    talk.hear(given)
                self.assertIn(talk.wait, (DATA, CLOSE), (heard, given))
                self.assertEqual(talk.wait is CLOSE, talk.core.state is State.ENDED)
                self.assertTrue(all(words.endswith(b"\r\n") for words in talk.said))
                self.assertLessEqual(len(talk.outcomes), 1)
