"""Tests: qtwisted.wire.smtp_client: PIPELINING, SIZE, 8BITMIME, and several messages over one connection."""

from __future__ import annotations

from itertools import product
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.wire.dialogue import CLOSE, DATA
from qtwisted.wire.smtp_client import Step, Transaction, Trouble
from test.kit.smtp_talk import LINES, ONE, THREE, ClientCase, Talk

OFFER = b"250-server\r\n250-PIPELINING\r\n250-SIZE 1000000\r\n250 8BITMIME\r\n"
GROUP = b"MAIL FROM:<s@x>\r\nRCPT TO:<r1@d>\r\nRCPT TO:<r2@d>\r\nRCPT TO:<r3@d>\r\nDATA\r\n"


class PipeliningCase(ClientCase):
    """Has a talk with a server that offers PIPELINING."""

    def begin(self, transaction: Transaction = THREE, **more: Any) -> Talk:
        """Talk up to the commands of the transaction."""
        return Talk(transaction, **more).hear(b"220 s\r\n", OFFER)


class GroupTests(PipeliningCase):
    """The commands of a transaction go out together."""

    def test_whole_dialogue(self) -> None:
        """MAIL, all RCPT and DATA are one write, and the replies may come in any pieces."""
        replies = b"250 s\r\n250 r1\r\n550 r2\r\n450 r3\r\n354 go\r\n"
        for size in (1, 2, 3, 7, 12, 100):
            talk = self.begin()
            talk.hear(*(replies[at : at + size] for at in range(0, len(replies), size)), b"250 done\r\n")
            self.assertEqual(talk.said[1:], [GROUP, LINES, b"QUIT\r\n"])
            self.check(talk, Step.MESSAGE, 250, 250, 550, 450)
            self.assertTrue(talk.outcomes[0].accepted)

    def test_not_offered(self) -> None:
        """Without the offer each command waits for the reply before."""
        talk = Talk(THREE).hear(b"220 s\r\n", b"250-s\r\n250 PIPELINE\r\n")
        self.assertEqual(talk.said[1:], [b"MAIL FROM:<s@x>\r\n"])

    def test_sender_refused(self) -> None:
        """A refused sender is the outcome, whatever is said to the rest."""
        for rest in (b"503 x\r\n" * 4, b"250 x\r\n" * 3 + b"503 x\r\n", b"550 x\r\n" * 3 + b"250 x\r\n"):
            talk = self.begin().hear(b"550 no\r\n" + rest)
            self.check(talk, Step.MAIL, 550)
            self.assertEqual(talk.said[2:], [b"QUIT\r\n"])

    def test_data_refused(self) -> None:
        """DATA is refused on its own account only if a recipient was accepted."""
        talk = self.begin(ONE).hear(b"250 s\r\n250 r\r\n451 no\r\n")
        self.check(talk, Step.DATA, 451, 250)
        talk = self.begin(ONE).hear(b"250 s\r\n550 r\r\n554 no valid recipients\r\n")
        self.check(talk, Step.RECIPIENTS, None, 550)

    def test_message_wanted_for_nobody(self) -> None:
        """A server that wants the message though it refused all recipients, or the sender, gets an empty one."""
        for replies, step, code, recipients in (
            (b"250 s\r\n550 a\r\n450 b\r\n550 c\r\n354 go\r\n", Step.RECIPIENTS, None, (550, 450, 550)),
            (b"550 s\r\n550 a\r\n450 b\r\n550 c\r\n354 go\r\n", Step.MAIL, 550, ()),
        ):
            for last in (b"250 accepted\r\n", b"554 no\r\n", None):
                talk = self.begin().hear(replies)
                self.assertEqual(talk.said[2:], [b".\r\n"])
                if last is None:
                    talk.lose()
                else:
                    talk.hear(last)
                self.check(talk, step, code, *recipients)
                self.assertFalse(talk.outcomes[0].accepted)

    def test_recipients_beyond_ascii(self) -> None:
        """A recipient the server cannot understand is left out of the group, at his place in the outcome."""
        utf8 = "jos\xe9@d".encode()
        talk = self.begin(Transaction(b"s@x", (utf8, b"r@d", utf8))).hear(b"250 s\r\n250 r\r\n354 go\r\n")
        self.assertEqual(talk.said[1], b"MAIL FROM:<s@x>\r\nRCPT TO:<r@d>\r\nDATA\r\n")
        talk.hear(b"250 done\r\n")
        self.check(talk, Step.MESSAGE, 250, 0, 250, 0)
        alone = self.begin(Transaction(b"s@x", (utf8,)))
        self.assertEqual(alone.said[1], b"MAIL FROM:<s@x>\r\n")
        self.check(alone.hear(b"250 s\r\n"), Step.RECIPIENTS, None, 0)

    def test_time_for_each_reply(self) -> None:
        """Each reply moves the state and the count by which a driver gives the server new time."""
        talk = self.begin()
        seen = []
        for reply in (b"250 s\r\n", b"250 1\r\n", b"250 2\r\n", b"250 3\r\n"):
            seen.append((talk.core.state.value, talk.core.replies))
            talk.hear(reply)
        seen.append((talk.core.state.value, talk.core.replies))
        self.assertEqual(seen, [("mail", 2), ("rcpt", 3), ("rcpt", 4), ("rcpt", 5), ("data", 6)])


class CountTests(PipeliningCase):
    """Replies match commands exactly."""

    REPLIES = (b"250 s\r\n", b"250 r1\r\n", b"250 r2\r\n", b"250 r3\r\n", b"354 go\r\n")

    def test_lost(self) -> None:
        """A connection lost in the middle leaves the steps it did not answer undone."""
        steps = (Step.MAIL, Step.RECIPIENTS, Step.RECIPIENTS, Step.RECIPIENTS, Step.DATA)
        for heard, step in enumerate(steps):
            talk = self.begin().hear(b"".join(self.REPLIES[:heard])).lose()
            self.check(talk, step, None, *[250] * max(heard - 1, 0), trouble=Trouble.DIED)

    def test_lost_after_the_decision(self) -> None:
        """What is decided stays so, also if the server hangs up before it has answered everything."""
        self.check(self.begin().hear(b"554 go away\r\n").lose(), Step.MAIL, 554)
        refused = self.begin().hear(b"250 s\r\n550 1\r\n550 2\r\n550 3\r\n").lose()
        self.check(refused, Step.RECIPIENTS, None, 550, 550, 550)

    def test_one_too_many(self) -> None:
        """An extra reply at any place lets no message be taken for accepted, and shifts nothing into success."""
        for place in range(5):
            replies = [*self.REPLIES[: place + 1], b"250 extra\r\n", *self.REPLIES[place + 1 :]]
            talk = self.begin().hear(b"".join(replies), b"250 done\r\n")
            self.assertIs(talk.wait, CLOSE)
            self.assertEqual([outcome.accepted for outcome in talk.outcomes], [False])

    def test_one_too_few(self) -> None:
        """If a reply is missing the core waits for it and sends nothing."""
        talk = self.begin().hear(b"250 s\r\n250 r1\r\n250 r2\r\n354 go\r\n")
        self.assertIs(talk.wait, DATA)
        self.assertEqual(talk.outcomes, [])
        self.assertEqual(talk.said[1:], [GROUP])

    def test_replies_before_the_commands(self) -> None:
        """Replies that come with the EHLO reply, before anything was said, end the session."""
        talk = Talk(THREE).hear(b"220 s\r\n", OFFER + b"".join(self.REPLIES))
        self.assertEqual(talk.outcomes, [])
        self.assertIs(talk.wait, CLOSE)


class ParameterTests(PipeliningCase):
    """What the server is told of the message in advance."""

    def mail(self, offer: bytes, **more: Any) -> bytes:
        """Give the MAIL command for a message."""
        return Talk(ONE._replace(**more)).hear(b"220 s\r\n", offer).said[1].split(b"\r\n")[0]

    def test_size(self) -> None:
        """SIZE is said where it is offered and the size is known (RFC 1870)."""
        self.assertEqual(self.mail(OFFER, size=42), b"MAIL FROM:<s@x> SIZE=42")
        self.assertEqual(self.mail(OFFER), b"MAIL FROM:<s@x>")
        self.assertEqual(self.mail(b"250 s\r\n", size=42), b"MAIL FROM:<s@x>")

    def test_eight_bit(self) -> None:
        """8BITMIME is declared where it is offered and needed (RFC 6152)."""
        self.assertEqual(self.mail(OFFER, is_eight_bit=True), b"MAIL FROM:<s@x> BODY=8BITMIME")
        self.assertEqual(self.mail(OFFER, is_eight_bit=True, size=7), b"MAIL FROM:<s@x> SIZE=7 BODY=8BITMIME")
        self.assertEqual(self.mail(b"250 s\r\n", is_eight_bit=True), b"MAIL FROM:<s@x>")

    def test_with_utf8(self) -> None:
        """SMTPUTF8 implies 8BITMIME (RFC 6531 3.6)."""
        offer = b"250-s\r\n250-8BITMIME\r\n250-SIZE\r\n250 SMTPUTF8\r\n"
        line = self.mail(offer, recipients=("\xe9@d".encode(),), size=9)
        self.assertEqual(line, b"MAIL FROM:<s@x> SIZE=9 BODY=8BITMIME SMTPUTF8")


class SeveralTests(PipeliningCase):
    """One message after the other."""

    def two(self, *first: bytes, offer: bytes = OFFER) -> Talk:
        """Talk about two messages, of which the first gets these replies."""
        talk = Talk(ONE)
        talk.todo = [ONE, ONE, None]
        return talk.hear(b"220 s\r\n", offer, *first)

    def test_after_success(self) -> None:
        """After an accepted message the next begins at once."""
        talk = self.two(b"250 s\r\n250 r\r\n354 go\r\n", b"250 done\r\n")
        self.assertEqual(talk.said[-1], b"MAIL FROM:<s@x>\r\nRCPT TO:<r@d>\r\nDATA\r\n")

    def test_after_failure(self) -> None:
        """After anything else RSET comes first, in the same write where that is possible."""
        group = b"RSET\r\nMAIL FROM:<s@x>\r\nRCPT TO:<r@d>\r\nDATA\r\n"
        for replies in ((b"450 s\r\n503 r\r\n503 d\r\n",), (b"250 s\r\n550 r\r\n503 d\r\n",),
                        (b"250 s\r\n250 r\r\n451 d\r\n",), (b"250 s\r\n250 r\r\n354 d\r\n", b"554 no\r\n")):
            talk = self.two(*replies)
            self.assertEqual(talk.said[-1], group)
            talk.hear(b"250 reset\r\n250 s\r\n250 r\r\n354 d\r\n", b"250 done\r\n")
            self.assertEqual([outcome.accepted for outcome in talk.outcomes], [False, True])

    def test_after_failure_one_by_one(self) -> None:
        """Where commands wait for each other, MAIL waits for RSET."""
        talk = self.two(b"450 s\r\n", offer=b"250 s\r\n")
        self.assertEqual(talk.said[-1], b"RSET\r\n")
        talk.hear(b"250 reset\r\n")
        self.assertEqual(talk.said[-1], b"MAIL FROM:<s@x>\r\n")

    def test_reset_refused(self) -> None:
        """A server that cannot even forget has not heard of the second message."""
        talk = self.two(b"450 s\r\n", b"421 bye\r\n", offer=b"250 s\r\n")
        self.assertEqual([(outcome.step, outcome.trouble) for outcome in talk.outcomes],
                         [(Step.MAIL, None), (Step.MAIL, Trouble.DIED)])
        self.assertIs(talk.wait, CLOSE)


class EveryPrefixTests(SynchronousTestCase):
    """Whatever a server says, only its own acceptance is success."""

    def test_every_combination(self) -> None:
        """Of all combinations of replies, those count as accepted in which every step was."""
        codes, good = (b"250", b"354", b"450", b"550", b"999"), (b"250", b"250", b"354", b"250")
        for said in product(codes, repeat=4):
            talk = Talk(ONE).hear(b"220 s\r\n", OFFER, b"".join(code + b" x\r\n" for code in said[:3]))
            if talk.wait is DATA:
                talk.hear(said[3] + b" x\r\n")
            self.assertEqual([outcome.accepted for outcome in talk.outcomes], [said == good])
            self.assertIs(talk.wait, CLOSE)
