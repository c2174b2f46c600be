"""Lines of a log are put together to the stories of messages."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as some
from twisted.trial.unittest import SynchronousTestCase

from qtwisted.admin.logs.stories import Attempt, Stories, Story
from qtwisted.model import events
from qtwisted.model.logreading import event
from test.unit.admin.logs.logtext import BOUNCED


class Book:
    """Notes what is told."""

    def __init__(self, text: str) -> None:
        """Read a log, a second for each line."""
        self.closed: list[Story] = []
        self.finished: list[Attempt] = []
        self.stories = Stories(keep_attempts=True)
        self.stories.closed = self.closed.append
        self.stories.finished = self.finished.append
        for at, line in enumerate(text.strip().splitlines()):
            self.stories.add(float(at), event(line.strip().encode()))

    def ends(self) -> list[tuple[int, int, str | None]]:
        """Message, delivery and verdict of every delivery that ended."""
        return [(attempt.story.number, attempt.delivery, attempt.verdict) for attempt in self.finished]


class StoryTests(SynchronousTestCase):
    """Numbers are used again; deliveries belong to the message of the moment."""

    def test_recycled(self) -> None:
        """A number that is used again begins another story."""
        book = Book(BOUNCED)
        self.assertEqual([(story.number, story.qp) for story in book.closed],
                         [(53, 20351), (54, 20357), (53, 20360), (53, 20400)])
        self.assertEqual(book.ends(), [(53, 1, "failure"), (54, 2, "success"), (53, 3, "deferral"),
                                       (53, 4, "success"), (53, 5, "success")])
        self.assertEqual((book.stories.open, book.stories.flying, book.stories.orphans), ({}, {}, 0))
        first = book.closed[0]
        self.assertEqual((first.began_at, first.ended_at, first.failed), (1.0, 8.0, 1))
        self.assertEqual(book.finished[0].lasted_for(), 2.0)

    def test_restart(self) -> None:
        """After a restart deliveries are numbered from 1 again; what was in flight has no end."""
        lines = """
            new msg 1
            info msg 1: bytes 1 from <a@x> qp 1 uid 5
            starting delivery 1: msg 1 to remote b@x
            starting delivery 2: msg 1 to remote c@x
            delivery 1: deferral: later/
            {end}
            status: local 0/10 remote 0/20
            starting delivery 1: msg 1 to remote d@x
            delivery 2: success: of_nobody/
            delivery 1: success: ok/
            starting delivery 2: msg 1 to remote c@x
            delivery 2: success: ok/
            end msg 1
        """
        for end in ("status: exiting", "alert: cannot start send: x", "status: local 0/10 remote 0/20"):
            book = Book(lines.format(end=end))
            self.assertEqual([verdict for _, _, verdict in book.ends()], ["deferral", "lost", "success", "success"])
            self.assertEqual(book.finished[2].recipient, b"d@x")
            self.assertEqual((book.stories.orphans, len(book.closed)), (1, 1))

    def test_lent_slots(self) -> None:
        """A delivery whose slot was lent is not counted by status, and reports all the same."""
        book = Book("""
            starting delivery 1: msg 1 to remote b@x
            status: local 0/10 remote 1/20
            status: local 0/10 remote 0/20
            delivery 1: success: ok/
        """)
        self.assertEqual(book.ends(), [(1, 1, "success")])

    def test_preprocessed_again(self) -> None:
        """A message that qmail-send begins again after a crash is the same; another of the same number is not."""
        again = """
            new msg 1
            info msg 1: bytes 1 from <a@x> qp 1 uid 5
            starting delivery 1: msg 1 to local b@x
            new msg 1
            info msg 1: bytes 1 from <a@x> qp {qp} uid 5
            starting delivery 1: msg 1 to local b@x
            delivery 1: success: ok/
            end msg 1
        """
        (story,) = Book(again.format(qp=1)).closed
        self.assertEqual([attempt.verdict for attempt in story.attempts], ["lost", "success"])
        self.assertEqual(story.began_at, 0.0)
        first, second = Book(again.format(qp=2)).closed
        self.assertEqual((first.has_end, second.has_end, first.qp, second.qp), (False, True, 1, 2))

    def test_begins_in_the_middle(self) -> None:
        """A log that begins in the middle tells what it knows."""
        book = Book("delivery 7: success: x/\nstarting delivery 8: msg 3 to local a@x\ndelivery 8: failure: x/\n"
                    "bounce msg 3 qp 9\nend msg 3\nend msg 4\n")
        self.assertEqual(([story.number for story in book.closed], book.stories.orphans), ([3, 4], 1))
        self.assertFalse(book.closed[0].has_begin)

    def test_wishes(self) -> None:
        """What an administrator has done with a message belongs to its story."""
        book = Book("new msg 3\nqmailctl: hold msg 3 by uid 0\nqmailctl: delete msg 3 by uid 5\nend msg 3\n")
        (story,) = book.closed
        told = [(at, wish.verb, wish.uid) for at, wish in story.wishes]
        self.assertEqual(told, [(1.0, b"hold", 0), (2.0, b"delete", 5)])

    def test_mangled(self) -> None:
        """A mangled report puts the recipient off."""
        book = Book("starting delivery 1: msg 3 to local a@x\ndelivery 1: report mangled, will defer\n")
        self.assertEqual((book.ends(), book.finished[0].story.put_off), ([(3, 1, "mangled")], 1))


NUMBERS = some.integers(min_value=0, max_value=3)
ANY = some.one_of(
    NUMBERS.map(events.NewMessage), NUMBERS.map(events.MessageEnded), NUMBERS.map(events.TripleBounce),
    some.tuples(NUMBERS, NUMBERS).map(lambda pair: events.BounceQueued(*pair)),
    some.tuples(NUMBERS, NUMBERS).map(lambda pair: events.MessageInfo(pair[0], 1, b"a@x", pair[1], 1)),
    some.tuples(NUMBERS, NUMBERS).map(lambda pair: events.DeliveryStarted(*pair, b"local", b"a@x")),
    NUMBERS.map(lambda number: events.DeliverySucceeded(number, b"qp 2\n")), NUMBERS.map(events.ReportMangled),
    some.just(events.Exiting()),
)


class AnyOrderTests(SynchronousTestCase):
    """Lines may stand in any order: they were lost, mixed, or written by somebody hostile."""

    @settings(max_examples=300, deadline=None)
    @given(some.lists(ANY, max_size=40))
    def test_any(self, told: list[events.Event]) -> None:
        """Nothing is raised, and each delivery has one end at most."""
        stories = Stories(keep_attempts=True, open_max=2)
        finished: list[Attempt] = []
        stories.finished = finished.append
        for one in told:
            stories.add(None, one)
        self.assertLessEqual(len(stories.open), 2)
        self.assertEqual(len(finished), len({id(attempt) for attempt in finished}))
        self.assertGreaterEqual(stories._kept, 0)
