"""Tests of the feeder: many drafts on one connection that comes and goes."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from twisted.internet.testing import MemoryReactorClock
from twisted.trial.unittest import SynchronousTestCase

from qtwisted.model.envelope import Envelope
from qtwisted.store import feeder as module
from qtwisted.store.feeder import AWAY, Feeder
from qtwisted.wire import door
from test.kit.owners import NotingOwner
from test.unit.store.rooms import Transport

if TYPE_CHECKING:
    from typing import Any

ENVELOPE = Envelope(b"s", (b"r",))
TRUE = door.frame(door.STORED, 1, b"77")


class FeederCase(SynchronousTestCase):
    """A test with a feeder on a reactor in memory."""

    def setUp(self) -> None:
        """Make a home with a directory for the sockets; the feeder begins to connect."""
        self.home = os.path.abspath(self.mktemp())
        os.makedirs(self.home + "/run")
        self.patch(module, "is_role", lambda home, uid: True)
        self.reactor: Any = MemoryReactorClock()
        self.feeder = Feeder(self.reactor, self.home, {})

    def connect(self) -> Any:
        """The connection is made; give the line."""
        line = self.feeder.buildProtocol(None)
        line.makeConnection(Transport())
        return line

    def begin(self) -> tuple[Any, NotingOwner]:
        """Start a message."""
        owner = NotingOwner()
        return self.feeder.begin(owner), owner

    def said(self, line: Any) -> list[tuple[bytes, int, bytes]]:
        """What was sent to the door since the last time."""
        data = line.transport.value()
        line.transport.clear()
        return door.FrameReader(door.FROM_CLIENT).received(data)


class DraftTests(FeederCase):
    """Messages on a connection that is there."""

    def test_frames(self) -> None:
        """Drafts have ids of their own; the owner gets the result the door gives."""
        line = self.connect()
        (one, first), (two, second) = self.begin(), self.begin()
        one.write(b"a")
        two.write(b"b")
        two.commit(ENVELOPE)
        self.assertEqual(self.said(line), [(b"B", 1, b"a"), (b"B", 2, b"b"), (b"E", 2, b"Fs\0Tr\0\0")])
        line.dataReceived(door.frame(door.STORED, 2, b"77"))
        self.assertEqual((first.results, second.result.qp, second.result.ok), ([], 77, True))

    def test_refused(self) -> None:
        """A refusal is explained in qmail's words, and the id given back."""
        line = self.connect()
        draft, owner = self.begin()
        draft.commit(ENVELOPE)
        self.said(line)
        line.dataReceived(door.frame(door.REFUSED, 1, b"53") + door.frame(door.REFUSED, 1, b"53"))
        self.assertEqual(owner.result.problem, b"Zqq write error or disk full (#4.3.0)")
        self.assertEqual(self.said(line), [(b"A", 1, b"")])

    def test_refused_early(self) -> None:
        """A refusal before the envelope is complete is kept for the commit."""
        line = self.connect()
        draft, owner = self.begin()
        draft.envelope(b"X")
        line.dataReceived(door.frame(door.REFUSED, 1, b"91"))
        draft.write(b"more")
        draft.commit(None)
        self.assertEqual(owner.results, [])
        self.reactor.advance(0)
        self.assertEqual(owner.result.problem, b"Zqq internal bug (#4.3.0)")
        self.assertEqual(self.said(line)[1:], [(b"A", 1, b"")])

    def test_abandon(self) -> None:
        """An abandoned draft is taken back once; a committed one stays."""
        line = self.connect()
        draft, owner = self.begin()
        draft.write(b"a")
        draft.abandon()
        draft.abandon()
        self.assertEqual(self.said(line)[1:], [(b"A", 1, b"")])
        draft, owner = self.begin()
        draft.commit(ENVELOPE)
        draft.abandon()
        self.assertEqual([frame[0] for frame in self.said(line)], [b"E"])
        line.dataReceived(door.frame(door.STORED, 2, b"1"))
        self.assertTrue(owner.result.ok)

    def test_bad_envelope(self) -> None:
        """Addresses with a zero byte or too long ones are refused here, and the draft taken back."""
        line = self.connect()
        for address, problem in (
            (b"a\0Tb", b"Zqq internal bug (#4.3.0)"),
            (b"x" * 1003, b"Denvelope address"),
        ):
            draft, owner = self.begin()
            draft.commit(Envelope(b"", (address,)))
            self.assertEqual(owner.results, [])
            self.reactor.advance(0)
            self.assertEqual(owner.result.problem[: len(problem)], problem)
            self.assertEqual([frame[0] for frame in self.said(line)], [b"A"])

    def test_back_pressure(self) -> None:
        """While the door is behind all owners hold, those of new drafts too; single drafts may be held as well."""
        line = self.connect()
        _, first = self.begin()
        line.pauseProducing()
        _, second = self.begin()
        self.assertEqual((first.holds, second.holds), ([True], [True]))
        line.resumeProducing()
        self.assertEqual((first.holds, second.holds), ([True, False], [True, False]))
        line.dataReceived(door.frame(door.HOLD, 1) + door.frame(door.GO_ON, 1))
        self.assertEqual((first.holds[2:], second.holds[2:]), ([True, False], []))
        line.stopProducing()

    def test_ids_wrap(self) -> None:
        """Ids that are in use are stepped over when the numbers begin again."""
        self.patch(module, "LAST_ID", 3)
        line = self.connect()
        drafts = [self.begin()[0] for _ in range(2)]
        self.begin()[0].abandon()
        drafts[0].abandon()
        self.assertEqual([self.begin()[0].ident for _ in range(2)], [1, 3])
        self.said(line)

    def test_breach(self) -> None:
        """A door that breaks the protocol is no door."""
        for data in (b"?" * 9, door.frame(door.STORED, 1, b"1"), door.frame(door.STORED, 1, b"x")):
            line = self.feeder.buildProtocol(None)
            line.makeConnection(Transport())
            line.begin(NotingOwner())
            line.dataReceived(data)
            self.assertTrue(line.transport.disconnecting)


class ConnectionTests(FeederCase):
    """The connection comes and goes."""

    def sockets(self) -> list[str]:
        """Which sockets were tried."""
        return [os.path.basename(client[0]) for client in self.reactor.unixClients]

    def fail(self) -> None:
        """The connection under way is refused."""
        self.feeder.clientConnectionFailed(None, None)  # type: ignore[arg-type]

    def test_away(self) -> None:
        """Without a door each commit fails for now, in a later turn; a draft stays with what it began with."""
        self.assertFalse(self.feeder.is_connected)
        draft, owner = self.begin()
        self.connect()
        self.assertTrue(self.feeder.is_connected)
        draft.write(b"x")
        draft.envelope(b"Fs\0")
        draft.abandon()
        draft.commit(ENVELOPE)
        self.assertEqual(owner.results, [])
        self.reactor.advance(0)
        self.assertEqual(owner.result, AWAY)

    def test_lost(self) -> None:
        """When the door goes, committed drafts fail at once and open ones when they are committed."""
        line = self.connect()
        (one, first), (two, second) = self.begin(), self.begin()
        one.commit(ENVELOPE)
        line.pauseProducing()
        line.connectionLost()
        self.assertEqual((first.result, second.results), (AWAY, []))
        self.assertEqual(second.holds, [True, False])
        two.write(b"x")
        two.commit(ENVELOPE)
        self.reactor.advance(0)
        self.assertEqual(second.result, AWAY)

    def test_retries(self) -> None:
        """The two sockets are tried in turn, with pauses that grow; after a success it begins anew."""
        self.assertEqual(self.sockets(), ["queue-priv.sock"])
        pauses = []
        for _ in range(10):
            self.fail()
            (call,) = self.reactor.getDelayedCalls()
            pauses.append(call.getTime() - self.reactor.seconds())
            self.reactor.advance(pauses[-1])
        self.assertEqual(self.sockets()[1:4], ["queue.sock", "queue-priv.sock", "queue.sock"])
        self.assertAlmostEqual(pauses[0], module.FIRST_PAUSE)
        self.assertAlmostEqual(pauses[-1], module.LONGEST_PAUSE)
        line = self.connect()
        line.connectionLost()
        self.reactor.advance(module.LONGEST_PAUSE)
        self.assertEqual(self.sockets()[-1], "queue-priv.sock")

    def test_descriptors(self) -> None:
        """The directory of the sockets is open only while a connection is being made."""
        before = len(os.listdir("/proc/self/fd"))
        self.fail()
        self.assertEqual(len(os.listdir("/proc/self/fd")), before - 1)
        self.reactor.advance(1)
        self.connect()
        self.assertEqual(len(os.listdir("/proc/self/fd")), before - 1)

    def test_no_directory(self) -> None:
        """Without a directory for sockets it tries again later."""
        feeder = Feeder(self.reactor, self.home + "/none", {})
        self.assertFalse(feeder.is_connected)
        self.assertEqual(len(self.reactor.getDelayedCalls()), 1)
        feeder.close()
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_silent_door(self) -> None:
        """A door that answers nothing for long is given up; one that answers, or owes nothing, is kept."""
        line = self.connect()
        self.reactor.advance(module.PATIENCE)
        for _ in range(2):
            self.begin()[0].commit(ENVELOPE)
        self.reactor.advance(module.PATIENCE / 2)
        line.dataReceived(TRUE)
        self.reactor.advance(module.PATIENCE / 2)
        self.assertFalse(line.transport.disconnecting)
        self.reactor.advance(module.PATIENCE)
        self.assertTrue(line.transport.disconnecting)

    def test_close(self) -> None:
        """Closed, it disconnects and makes no other connection."""
        line = self.connect()
        self.feeder.close()
        line.connectionLost()
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_ordinary_user(self) -> None:
        """Who is no role uses the socket for everybody."""
        self.patch(module, "is_role", lambda home, uid: False)
        self.reactor.unixClients.clear()
        Feeder(self.reactor, self.home, {})
        self.assertEqual(self.sockets(), ["queue.sock"])

    def test_program(self) -> None:
        """Where QMAILQUEUE is set no connection is made, and a program that cannot run is told as such."""
        self.reactor.unixClients.clear()
        feeder = Feeder(self.reactor, self.home, {"QMAILQUEUE": "bin/none"})
        self.assertTrue(feeder.is_connected)
        self.assertEqual(self.reactor.unixClients, [])
        owner = NotingOwner()
        draft = feeder.begin(owner)
        draft.write(b"x")
        draft.commit(ENVELOPE)
        self.reactor.advance(0)
        self.assertEqual(owner.result.problem, b"Zunable to exec qq (#4.3.0)")
