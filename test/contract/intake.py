"""What every intake promises to those who hand in mail, whatever it is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtwisted.model.envelope import Envelope
from test.kit.owners import NotingOwner

if TYPE_CHECKING:
    from typing import Any

    from twisted.trial.unittest import SynchronousTestCase

    from qtwisted.store.interface import Intake

    Case = SynchronousTestCase
else:
    Case = object

ENVELOPE = Envelope(b"s@x", (b"r@y", b"q@z"))


class IntakeContract(Case):
    """Each test is one promise. A subclass builds ``intake`` and can look at what is stored and what remains."""

    intake: Intake

    def settle(self) -> None:
        """Let everything happen that is due."""
        raise AssertionError("not built")

    def stored(self) -> list[tuple[Envelope, bytes, int]]:
        """Envelope, text as it was handed in, and number of every message that is stored, in order."""
        raise AssertionError("not built")

    def is_clean(self) -> bool:
        """Is nothing left of messages that are not stored?"""
        raise AssertionError("not built")

    def break_down(self) -> None:
        """From now on no message can be stored."""
        raise AssertionError("not built")

    def mend(self) -> None:
        """From now on messages can be stored again."""
        raise AssertionError("not built")

    def begin(self) -> tuple[Any, NotingOwner]:
        """Start a message."""
        owner = NotingOwner()
        return self.intake.begin(owner), owner

    def test_stores(self) -> None:
        """A message is stored with its envelope, its text joined from the pieces, and the number it was told."""
        draft, owner = self.begin()
        for piece in (b"Subject: x\n", b"", b"\nb\0d\xff\n"):
            draft.write(piece)
        draft.commit(ENVELOPE)
        self.settle()
        self.assertTrue(owner.result.ok)
        self.assertEqual(self.stored(), [(ENVELOPE, b"Subject: x\n\nb\0d\xff\n", owner.result.qp)])

    def test_nothing_before_commit(self) -> None:
        """Before commit there is no message and no answer."""
        draft, owner = self.begin()
        draft.write(b"x" * 100000)
        self.settle()
        self.assertEqual((self.stored(), owner.results), ([], []))
        draft.abandon()

    def test_abandon(self) -> None:
        """An abandoned message leaves nothing and is not answered."""
        for size in (0, 10, 100000):
            draft, owner = self.begin()
            draft.write(b"x" * size)
            draft.abandon()
            self.settle()
            self.assertEqual((self.stored(), owner.results), ([], []))
            self.assertTrue(self.is_clean())

    def test_empty(self) -> None:
        """No text, no sender and no recipients are a message too."""
        draft, owner = self.begin()
        draft.commit(Envelope(b"", ()))
        self.settle()
        self.assertTrue(owner.result.ok)
        self.assertEqual(self.stored()[0][:2], (Envelope(b"", ()), b""))

    def test_many_at_once(self) -> None:
        """Messages that are open at the same time do not mix; each owner is answered once, with its number."""
        open_drafts = [self.begin() for _ in range(20)]
        for turn in range(3):
            for at, (draft, _) in enumerate(open_drafts):
                draft.write(b"%d of %d\n" % (turn, at))
        for at, (draft, _) in reversed(list(enumerate(open_drafts))):
            draft.commit(Envelope(b"s%d" % at, ()))
        self.settle()
        found = {number: (envelope.sender, text) for envelope, text, number in self.stored()}
        self.assertEqual(len(found), 20)
        for at, (_, owner) in enumerate(open_drafts):
            wanted = b"".join(b"%d of %d\n" % (turn, at) for turn in range(3))
            self.assertEqual(found[owner.result.qp], (b"s%d" % at, wanted))

    def test_long_address(self) -> None:
        """An address of 1002 bytes is taken, a longer one refused for good, and nothing remains."""
        draft, owner = self.begin()
        draft.commit(Envelope(b"s", (b"x" * 1002,)))
        self.settle()
        self.assertTrue(owner.result.ok)
        for envelope in (Envelope(b"x" * 1003, ()), Envelope(b"s", (b"r", b"x" * 1003))):
            draft, owner = self.begin()
            draft.write(b"x" * 100000)
            draft.commit(envelope)
            self.settle()
            self.assertTrue(owner.result.is_permanent)
        self.assertEqual(len(self.stored()), 1)
        self.assertTrue(self.is_clean())

    def test_any_bytes(self) -> None:
        """Addresses may hold any byte but zero; a line feed makes no new recipient."""
        envelope = Envelope(b"s\nTx\r", (b"\xff\x01 ", b"T\n"))
        draft, owner = self.begin()
        draft.commit(envelope)
        self.settle()
        self.assertTrue(owner.result.ok)
        self.assertEqual(self.stored()[0][0], envelope)

    def test_many_recipients(self) -> None:
        """A message may have very many recipients."""
        envelope = Envelope(b"s", tuple(b"recipient%d@example.com" % at for at in range(5000)))
        draft, owner = self.begin()
        draft.commit(envelope)
        self.settle()
        self.assertTrue(owner.result.ok)
        self.assertEqual(self.stored()[0][0], envelope)

    def test_envelope_in_parts(self) -> None:
        """An envelope may be given in records, cut anywhere, and is ended by a commit without one."""
        draft, owner = self.begin()
        draft.write(b"hi\n")
        for part in (b"Fs@", b"x\0Tr@y\0", b"Tq", b"@z\0"):
            draft.envelope(part)
        self.settle()
        self.assertEqual((self.stored(), owner.results), ([], []))
        draft.commit()
        self.settle()
        self.assertTrue(owner.result.ok)
        self.assertEqual(self.stored()[0][:2], (ENVELOPE, b"hi\n"))
        draft, owner = self.begin()
        draft.envelope(b"Fs@x\0Tr")
        draft.abandon()
        self.settle()
        self.assertEqual((len(self.stored()), owner.results), (1, []))
        self.assertTrue(self.is_clean())

    def test_breakdown(self) -> None:
        """While nothing can be stored each message is refused for now; afterwards mail is taken again."""
        self.break_down()
        draft, owner = self.begin()
        draft.write(b"x" * 100000)
        draft.commit(ENVELOPE)
        self.settle()
        self.assertEqual(owner.result.problem[:1], b"Z")
        self.assertEqual((self.stored(), owner.result.qp), ([], 0))
        self.assertTrue(self.is_clean())
        self.mend()
        draft, owner = self.begin()
        draft.commit(ENVELOPE)
        self.settle()
        self.assertTrue(owner.result.ok)
