"""The stories that are asked for are found, with what has come of them."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.admin.logs import stories, tracing
from test.unit.admin.logs.logtext import BOUNCED, found, traced

FIRST, BOUNCE, FORWARD, OTHER = (53, 20351), (54, 20357), (53, 20360), (53, 20400)


class FindTests(SynchronousTestCase):
    """What may be named."""

    def test_number(self) -> None:
        """Every message that had the number is told, recycled or not, and what has come of it."""
        self.assertEqual(found(BOUNCED, "53"), [FIRST, BOUNCE, FORWARD, OTHER])
        self.assertEqual(found(BOUNCED, "msg", "99"), [])

    def test_qp(self) -> None:
        """The qp of the reply leads to one message; the whole reply may be given."""
        self.assertEqual(found(BOUNCED, "qp", "20400"), [OTHER])
        self.assertEqual(found(BOUNCED, "250", "ok", "1700000000", "qp", "20400"), [OTHER])

    def test_follows(self) -> None:
        """A bounce and a forward are told with the message that has begun them, and this one with them."""
        self.assertEqual(found(BOUNCED, "qp", "20351"), [FIRST, BOUNCE, FORWARD])
        self.assertEqual(sorted(found(BOUNCED, "qp", "20357")), sorted([FIRST, BOUNCE, FORWARD]))
        self.assertEqual(sorted(found(BOUNCED, "qp", "20360")), sorted([BOUNCE, FORWARD]))

    def test_addresses(self) -> None:
        """Senders and recipients are found in either case, with stars, by user or host alone."""
        self.assertEqual(found(BOUNCED, "OTHER@X.example"), [OTHER])
        self.assertEqual(found(BOUNCED, "other"), [OTHER])
        self.assertEqual(found(BOUNCED, "@x.example"), [OTHER])
        self.assertEqual(found(BOUNCED, "o*@?.example"), [OTHER])
        self.assertEqual(sorted(found(BOUNCED, "me@elsewhere.example")), sorted([BOUNCE, FORWARD]))
        self.assertEqual(found(BOUNCED, "the.r"), [])
        self.assertEqual(found(BOUNCED, "x.example"), [])

    def test_virtual(self) -> None:
        """A recipient in a virtual domain is found as people know him and as the log has him."""
        self.assertEqual(found(BOUNCED, "info@virtual.example"), [OTHER])
        self.assertEqual(found(BOUNCED, "alice-info@virtual.example"), [OTHER])

    def test_delivery(self) -> None:
        """The number of a delivery leads to its message."""
        self.assertEqual(found(BOUNCED, "delivery", "5"), [OTHER])

    def test_message_id(self) -> None:
        """A Message-ID that a report names is found."""
        self.assertEqual(sorted(found(BOUNCED, "<abc@elsewhere.example>")), sorted([BOUNCE, FORWARD]))
        self.assertEqual(found(BOUNCED, "<abd@elsewhere.example>"), [])

    def test_bounce_first(self) -> None:
        """A bounce may have all its lines before the message it returns has its last."""
        text = """
            new msg 1
            info msg 1: bytes 1 from <a@x> qp 10 uid 5
            starting delivery 1: msg 1 to local b@x
            delivery 1: failure: no/
            new msg 2
            info msg 2: bytes 2 from <> qp 11 uid 5
            starting delivery 2: msg 2 to local a@x
            delivery 2: success: did_1+0+0/
            end msg 2
            bounce msg 1 qp 11
            end msg 1
        """
        self.assertEqual(sorted(found(text, "qp", "10")), [(1, 10), (2, 11)])
        self.assertEqual(sorted(found(text, "qp", "11")), [(1, 10), (2, 11)])

    def test_own_qp(self) -> None:
        """A report that names the message's own qp, or one in a circle, ends all the same."""
        text = """
            new msg 1
            info msg 1: bytes 1 from <a@x> qp 10 uid 5
            new msg 2
            info msg 2: bytes 1 from <a@x> qp 11 uid 5
            starting delivery 1: msg 1 to local b@x
            starting delivery 2: msg 2 to local b@x
            delivery 1: success: did_0+1+0/qp_10/qp_11/
            delivery 2: success: did_0+1+0/qp_10/
        """
        self.assertEqual(found(text, "qp", "10"), [(1, 10), (2, 11)])


class BoundTests(SynchronousTestCase):
    """However long the log is, memory has a bound."""

    def test_found(self) -> None:
        """Of many stories the last are kept, and the number of the others is known."""
        text = "".join(f"new msg {at}\ninfo msg {at}: bytes 1 from <a@x> qp {at} uid 5\nend msg {at}\n"
                       for at in range(1, 31))
        trace = traced(text, "a@x", found_max=10)
        self.assertEqual([story.number for story in trace.told()], list(range(21, 31)))
        self.assertEqual(trace.left_out, 20)

    def test_open(self) -> None:
        """Of too many open messages the oldest are dropped, and their number is known."""
        self.patch(stories, "OPEN_MAX", 10)
        opened = stories.Stories(keep_attempts=True, open_max=10)
        for number in range(25):
            opened.add(None, stories.events.NewMessage(number))
        self.assertEqual((len(opened.open), opened.dropped), (10, 15))

    def test_tables(self) -> None:
        """Links and messages of a while ago are forgotten."""
        self.patch(tracing, "RECENT_MAX", 20)
        self.patch(tracing, "LINKS_MAX", 20)
        text = "".join(f"new msg 1\ninfo msg 1: bytes 1 from <a@x> qp {at} uid 5\nbounce msg 1 qp {at + 1000}\n"
                       "end msg 1\n" for at in range(1, 201))
        trace = traced(text, "qp", "5")
        self.assertEqual((len(trace.links), len(trace._recent)), (20, 20))

    def test_attempts(self) -> None:
        """Of a message's very many deliveries the last are kept."""
        text = "new msg 1\ninfo msg 1: bytes 1 from <a@x> qp 1 uid 5\n" + "".join(
            f"starting delivery {at}: msg 1 to local b@x\ndelivery {at}: deferral: later/\n" for at in range(1, 3001))
        (story,) = traced(text, "qp", "1").told()
        self.assertLessEqual(len(story.attempts), stories.ATTEMPTS_MAX)
        self.assertEqual(len(story.attempts) + story.omitted, 3000)
        self.assertEqual(story.attempts[-1].delivery, 3000)
