"""Tests: the text of bounces, and how they are handed in."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from qtwisted.model.envelope import Envelope
from qtwisted.schedule import bounces
from qtwisted.schedule.jobs import Settings
from qtwisted.store.kinds.memory import MemoryIntake


def settings(bouncefrom=b"MAILER-DAEMON", bouncehost=b"test.example"):
    """Make settings as control files give them."""
    return Settings(604800, bouncefrom, bouncehost, (b"postmaster", b"test.example"))


class Paragraph(TestCase):
    """What is said about one recipient."""

    def test_examples(self):
        """Blank lines inside become a slash; one blank line ends the paragraph (core-send 9.1)."""
        for recipient, text, words in (
            (b"nn@remote.example", b"par1\n\npar2\n\n\npar3\n\n", b"par1\n/par2\n//par3\n\n\n"),
            (b"nonul@remote.example", b"", b"\n"),
            (b"x@y", b"no newline", b"no newline\n\n"),
            (b"x@y", b"one\n", b"one\n\n"),
            (b"x@y", b"\n\n\n", b"//\n\n"),
            (b"x@y", b"\nafter", b"/after\n\n"),
            (b"x@y", b"--- Below \xff\n", b"--- Below \xff\n\n"),
        ):
            self.assertEqual(bounces.paragraph(recipient, text), b"<%s>:\n%s" % (recipient, words))

    def test_recipient_with_lf(self):
        """A line feed in an address does not break the line (B06)."""
        self.assertEqual(bounces.paragraph(b"a\nb@c", b"t\n"), b"<a_b@c>:\nt\n\n")


class Head(TestCase):
    """Addresses in a bounce."""

    def test_return_address(self):
        """The mark of a list is taken off the sender."""
        known = ((b"owner-@host-@[]", b"owner-@host"), (b"-@[]", b""), (b"#@[]", b"#@[]"), (b"a@b", b"a@b"))
        for sender, back in known:
            self.assertEqual(bounces.return_address(sender), back)

    def test_quoting(self):
        """Local parts are quoted where they must be, hosts never (B12)."""
        head = bounces.head(b'a "b"@c d', settings(b"Mail er@x", b"h"), 0)
        self.assertIn(b'\nFrom: "Mail er@x"@h\nTo: "a \\"b\\""@c d\n', head)
        self.assertIn(b"at h.\n", head)

    def test_no_at(self):
        """An address without @ is quoted as a whole."""
        self.assertIn(b'Return-Path: <"foo bar">\n', bounces.middle(b"foo bar"))
        self.assertIn(b"Return-Path: <foo>\n", bounces.middle(b"foo"))
        self.assertIn(b"Return-Path: <>\n", bounces.middle(b""))

    def test_body_begins_as_programs_expect(self):
        """The body of a bounce begins with the words that programs look for (QSBMF)."""
        for sender in (b"a@b", b""):
            self.assertTrue(bounces.head(sender, settings(), 0).partition(b"\n\n")[2].startswith(b"Hi. This is the"))

    def test_envelope(self):
        """A bounce has no sender; a double bounce has the one that nothing is returned to."""
        self.assertEqual(bounces.envelope(b"a@b", settings()), Envelope(b"", (b"a@b",)))
        self.assertEqual(bounces.envelope(b"", settings()), Envelope(b"#@[]", (b"postmaster@test.example",)))


class HandingIn(TestCase):
    """Bounces enter by the door, piece by piece."""

    def setUp(self):
        """Have a queue in memory."""
        self.clock = Clock()
        self.intake = MemoryIntake()
        self.bounces = bounces.Bounces(self.clock, self.intake)
        self.results = []

    def inject(self, pieces):
        """Hand in one bounce."""
        self.bounces.inject(lambda: iter(pieces), Envelope(b"", (b"a@b",)), self.results.append)

    def test_piece_by_piece(self):
        """Other work has its turn between the pieces."""
        asked = []
        self.inject(asked.append(piece) or piece for piece in (b"a", b"b", b"c"))
        self.assertEqual(asked, [b"a"])
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        self.clock.advance(0)
        self.assertEqual(self.intake.messages[0].text, b"abc")
        self.assertTrue(self.results[0].ok)
        self.assertTrue(self.bounces.is_idle)

    def test_a_few_at_a_time(self):
        """Only some bounces are under way at the same time (B13)."""
        for _ in range(10):
            self.inject([b"a"])
        self.assertFalse(self.bounces.has_room())
        self.assertEqual(self.intake.open_drafts, bounces.Bounces.SIDE_BY_SIDE)
        while not self.bounces.is_idle:
            self.clock.advance(0)
        self.assertEqual(len(self.results), 10)

    def test_news_waits(self):
        """A message that may be a bounce is not told of before we know that the bounce is stored."""
        told = self.results
        self.bounces.tell(lambda: told.append("before"))
        self.inject([b"a"])
        self.bounces.tell(lambda: told.append("incomplete"))
        self.clock.advance(0)
        self.bounces.tell(lambda: told.append("after"))
        self.assertEqual([each if isinstance(each, str) else each.ok for each in told], [
            "before", "incomplete", True, "after"])

    def test_news_is_in_order(self):
        """News waits for the answers owed when it came in, and for no later ones."""
        owners = self.slow_queue()
        self.bounces.tell(lambda: self.results.append("first"))
        self.inject([b"b"])
        self.clock.advance(0)
        self.bounces.tell(lambda: self.results.append("second"))
        self.assertEqual(self.results, [])
        for owner in owners:
            owner.stored("stored")
        self.assertEqual(self.results, ["stored", "first", "stored", "second"])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_news_waits_a_moment_only(self):
        """A queue that does not answer does not hold up other mail."""
        owners = self.slow_queue()
        self.bounces.tell(lambda: self.results.append("news"))
        self.clock.advance(bounces.Bounces.NEWS_FOR)
        self.assertEqual(self.results, ["news"])
        owners[0].stored("stored")
        self.assertEqual(self.results, ["news", "stored"])

    def slow_queue(self):
        """Have a queue that answers later, and a bounce on its way into it; gives who waits for the answers."""
        owners = []

        class Intake:
            """Takes everything and says nothing."""

            def begin(self, owner):
                """Remember who waits."""
                owners.append(owner)
                return self

            def write(self, piece):
                """Take it."""

            def commit(self, envelope):
                """Take it."""

        self.bounces = bounces.Bounces(self.clock, Intake())
        self.inject([b"a"])
        self.clock.advance(0)
        return owners

    def test_unreadable(self):
        """A text that cannot be read to its end is not handed in."""

        def pieces():
            """Break off."""
            yield b"a"
            raise OSError

        self.inject(pieces())
        self.clock.advance(0)
        self.assertEqual((self.results, self.intake.open_drafts, self.intake.messages), ([None], 0, []))

    def test_pause(self):
        """A queue that wants a pause gets one."""
        drafts = []

        class Intake:
            """Keeps what is written."""

            def begin(self, owner):
                """Give a draft that takes notes."""
                drafts.append((self, owner, []))
                return self

            def write(self, piece):
                """Note a piece."""
                drafts[0][2].append(piece)

            def commit(self, envelope):
                """Note the end."""
                drafts[0][2].append(None)

        bounces.Bounces(self.clock, Intake()).inject(lambda: iter((b"a", b"b", b"c")), Envelope(b"", ()), print)
        _, owner, written = drafts[0]
        owner.hold()
        for _ in range(5):
            self.clock.advance(0)
        self.assertEqual(written, [b"a"])
        owner.go_on()
        owner.hold()
        owner.go_on()
        for _ in range(5):
            self.clock.advance(0)
        owner.go_on()
        self.assertEqual(written, [b"a", b"b", b"c", None])
