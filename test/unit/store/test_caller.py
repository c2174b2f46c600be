"""Tests of one connection to the door."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.store import caller as module
from qtwisted.store import quota
from qtwisted.store.quota import Account
from qtwisted.wire import door as wire
from test.unit.store.queues import MemoryQueue
from test.unit.store.rooms import Room, make_door

ENVELOPE = wire.frame(wire.ENVELOPE, 1, b"Fs\0Tr\0\0")


class CallerCase(SynchronousTestCase):
    """A test with a queue and a door."""

    def setUp(self) -> None:
        """Make both."""
        self.queue = MemoryQueue()
        self.door = make_door(self.queue)


class MessageTests(CallerCase):
    """Messages come in and answers go out."""

    def test_answers_together(self) -> None:
        """All answers of a group are sent in one piece, each under its id."""
        room = Room(self.door)
        room.send(ENVELOPE, wire.frame(wire.PIECE, 2, b"hi"), wire.frame(wire.ENVELOPE, 2, b"F\0\0"))
        self.assertEqual(room.heard(), [])
        writes: list[bytes] = []
        room.transport.write = writes.append  # type: ignore[method-assign]
        self.queue.clock.advance(0)
        self.assertEqual(len(writes), 1)
        found = wire.FrameReader(wire.FROM_DOOR).received(writes[0])
        self.assertEqual([frame[:2] for frame in found], [(wire.STORED, 1), (wire.STORED, 2)])
        self.assertIn(b"p%s\0" % found[0][2], self.queue.read("todo/1001") + self.queue.read("todo/1003"))

    def test_refused(self) -> None:
        """A bad envelope is refused at once; its id is free again when the client abandons it."""
        room = Room(self.door)
        room.send(wire.frame(wire.ENVELOPE, 1, b"X"))
        self.assertEqual(room.heard(), [(wire.REFUSED, 1, b"91")])
        room.send(ENVELOPE)
        self.queue.clock.advance(0)
        self.assertEqual(room.heard(), [])
        room.send(wire.frame(wire.ABANDON, 1), ENVELOPE)
        self.queue.clock.advance(0)
        self.assertEqual(room.heard()[0][:2], (wire.STORED, 1))

    def test_abandoned(self) -> None:
        """An abandoned message is not queued; to abandon what is not there is no error."""
        room = Room(self.door)
        room.send(wire.frame(wire.PIECE, 1, b"x"), wire.frame(wire.ABANDON, 1), wire.frame(wire.ABANDON, 1))
        self.queue.clock.advance(0)
        self.assertEqual((room.heard(), self.queue.files()), ([], []))
        self.assertFalse(room.transport.disconnecting)

    def test_peer_dies(self) -> None:
        """When the peer goes, open messages are dropped; complete ones are queued though nobody hears of it."""
        room = Room(self.door)
        room.send(ENVELOPE, wire.frame(wire.PIECE, 2, b"x" * 60000))
        room.caller.connectionLost()
        self.queue.clock.advance(0)
        self.assertEqual(len(self.queue.announced), 1)
        self.assertEqual(len([name for name in self.queue.files() if name.startswith("mess/")]), 1)

    def test_more_after_envelope(self) -> None:
        """More under the id of a complete message is a breach."""
        for extra in (wire.frame(wire.PIECE, 1, b"x"), wire.frame(wire.ENVELOPE, 1, b"x")):
            room = Room(self.door)
            room.send(ENVELOPE, extra)
            self.assertTrue(room.transport.disconnecting)

    def test_full_group(self) -> None:
        """A group that is full is carried out before more is taken."""
        self.queue.intake.groups.is_full = lambda: True  # type: ignore[method-assign]
        room = Room(self.door)
        room.send(ENVELOPE)
        self.assertEqual(room.heard()[0][0], wire.STORED)

    def test_breach(self) -> None:
        """A breach is logged once a minute for each user and ends the connection."""
        for _ in range(3):
            room = Room(self.door)
            room.send(b"?" * 9)
            self.assertTrue(room.transport.disconnecting)
        self.assertEqual(
            self.queue.warnings, ["warning: door: uid 7 breaks the protocol: unexpected letter b'?'"]
        )

    def test_slow_reader(self) -> None:
        """While the peer does not read we do not listen."""
        room = Room(self.door)
        self.assertIs(room.transport.producer, room.caller)
        room.caller.pauseProducing()
        self.assertEqual(room.transport.producerState, "paused")
        room.caller.resumeProducing()
        self.assertEqual(room.transport.producerState, "producing")
        room.caller.stopProducing()


class ShareTests(CallerCase):
    """A user's share."""

    def test_bytes(self) -> None:
        """Beyond the share a message is refused as on a full disk, once its envelope is complete."""
        account = Account(7, bytes_max=100)
        room = Room(self.door, 7, account)
        room.send(wire.frame(wire.PIECE, 1, bytes(90)), wire.frame(wire.PIECE, 1, bytes(90)))
        self.assertEqual((room.heard(), account.in_flight), ([], 0))
        room.send(wire.frame(wire.PIECE, 1, bytes(90)), ENVELOPE)
        self.assertEqual(room.heard(), [(wire.REFUSED, 1, b"53")])
        room.send(wire.frame(wire.PIECE, 2, bytes(60)))
        self.assertEqual(account.in_flight, 60)
        room.send(wire.frame(wire.ABANDON, 2), wire.frame(wire.PIECE, 3, bytes(70)))
        self.assertEqual(account.in_flight, 70)
        room.caller.connectionLost()
        self.assertEqual(account.in_flight, 0)

    def test_stored(self) -> None:
        """A message that is stored is in flight no longer."""
        account = Account(7)
        room = Room(self.door, 7, account)
        room.send(wire.frame(wire.PIECE, 1, bytes(90)), ENVELOPE)
        self.assertGreater(account.in_flight, 90)
        self.queue.clock.advance(0)
        self.assertEqual(account.in_flight, 0)

    def test_drafts(self) -> None:
        """A user may not open too many messages at a time; a role may."""
        frames = [wire.frame(wire.PIECE, ident, b"") for ident in range(quota.DRAFTS + 1)]
        room = Room(self.door, 7, Account(7))
        room.send(*frames)
        self.assertTrue(room.transport.disconnecting)
        role = Room(self.door)
        role.send(*frames)
        self.assertFalse(role.transport.disconnecting)

    def test_messages(self) -> None:
        """A user has a share of open messages over all connections; beyond it they are refused."""
        self.patch(quota, "OPEN_MESSAGES", 3)
        account = Account(7)
        first, second = Room(self.door, 7, account), Room(self.door, 7, account)
        pieces = [wire.frame(wire.PIECE, ident, b"x") for ident in (1, 2)]
        first.send(*pieces)
        second.send(*pieces, wire.frame(wire.ENVELOPE, 2, b"Fs\0Tr\0\0"))
        self.assertEqual(second.heard(), [(wire.REFUSED, 2, b"53")])
        first.caller.connectionLost()
        self.assertEqual(account.messages, 1)
        second.send(*pieces[1:], wire.frame(wire.ENVELOPE, 2, b"Fs\0Tr\0\0"))
        self.queue.clock.advance(0)
        self.assertEqual([letter for letter, _, _ in second.heard()], [wire.STORED])

    def test_messages_of_all(self) -> None:
        """However many users there are, their open messages leave descriptors to the roles."""
        total = quota.total_for(100)
        rooms = [Room(self.door, uid, Account(uid)) for uid in range(100, 100 + total + 1)]
        for room in rooms:
            room.send(wire.frame(wire.PIECE, 1, bytes(40000)), ENVELOPE[:-1])
        role = Room(self.door)
        role.send(wire.frame(wire.PIECE, 1, bytes(40000)))
        files = [name for name in self.queue.files() if name.startswith("pid/")]
        self.assertEqual(len(files), total + 1)
        rooms[-1].send(ENVELOPE[-1:])
        self.assertEqual(rooms[-1].heard(), [(wire.REFUSED, 1, b"53")])


class WatcherTests(CallerCase):
    """qmail-send watches the queue and has files removed."""

    def test_notices(self) -> None:
        """A watcher hears of every durable message, with the bytes of todo/N; others may not watch."""
        room, watcher = Room(self.door), Room(self.door, 7, None, True)
        watcher.send(wire.frame(wire.WATCH, 0))
        room.send(ENVELOPE)
        self.assertEqual(watcher.heard(), [])
        self.queue.clock.advance(0)
        ((letter, _, payload),) = watcher.heard()
        number, size, record = wire.read_notice(payload)
        self.assertEqual((letter, record), (wire.NOTICE, self.queue.read(f"todo/{number}")))
        self.assertEqual(size, len(self.queue.read(f"mess/{number % 2}/{number}")))
        room.send(wire.frame(wire.WATCH, 0))
        self.assertTrue(room.transport.disconnecting)

    def test_commands(self) -> None:
        """Commands are answered under their ids; a bad one at once."""
        watcher = Room(self.door, 7, None, True)
        watcher.send(wire.frame(wire.COMMAND, 8, b"todo/1\0"), wire.frame(wire.COMMAND, 9, b"todo/1a\0"))
        self.assertEqual(watcher.heard(), [(wire.DONE, 9, b"x")])
        self.queue.clock.advance(0)
        self.assertEqual(watcher.heard(), [(wire.DONE, 8, b"+")])

    def test_not_for_users(self) -> None:
        """Nobody else has files removed."""
        room = Room(self.door)
        room.send(wire.frame(wire.COMMAND, 8, b"foop/1\0"))
        self.assertTrue(room.transport.disconnecting)

    def test_gone(self) -> None:
        """A watcher that went hears of no more messages, and does not disturb the door."""
        watcher = Room(self.door, 7, None, True)
        watcher.send(wire.frame(wire.WATCH, 0), wire.frame(wire.COMMAND, 8, b"todo/1\0"))
        watcher.caller.connectionLost()
        Room(self.door).send(ENVELOPE)
        self.queue.clock.advance(0)
        self.assertEqual(len(self.queue.announced), 1)
        self.assertNotIn(wire.NOTICE, [letter for letter, _, _ in watcher.heard()])

    def test_backlog(self) -> None:
        """A watcher that does not read is cut off when too much waits for it."""
        self.patch(module, "BACKLOG", 40)
        watcher = Room(self.door, 7, None, True)
        watcher.send(wire.frame(wire.WATCH, 0))
        watcher.caller.pauseProducing()
        for _ in range(2):
            Room(self.door).send(ENVELOPE)
            self.queue.clock.advance(0)
        self.assertTrue(watcher.transport.disconnecting)
