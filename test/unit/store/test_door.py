"""Tests of the door: who is let in, as whom, and how long."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from qtwisted.store import door as module
from qtwisted.store import quota
from qtwisted.system.disk import Disk
from qtwisted.wire import door as wire
from test.unit.store.queues import MemoryQueue
from test.unit.store.rooms import SEPARATE, TOGETHER, Room, Transport, make_door

if TYPE_CHECKING:
    from typing import Any


class WhoTests(SynchronousTestCase):
    """The words for a user in the Received line."""

    def test_separate(self) -> None:
        """Alias, network and bounces are told by their users, everybody else by number (QUE-12)."""
        for uid, words in (
            (1, b"by alias"),
            (2, b"from network"),
            (7, b"for bounce"),
            (0, b"by uid 0"),
            (12345, b"by uid 12345"),
        ):
            self.assertEqual(module.who_is(SEPARATE, uid), words)

    def test_together(self) -> None:
        """Where one user is everything nobody is taken for a role."""
        self.assertEqual(module.who_is(TOGETHER, 1000), b"by uid 1000")


class EntranceTests(SynchronousTestCase):
    """Who is served on which socket."""

    def setUp(self) -> None:
        """Make a door that serves on transports in memory."""
        self.queue = MemoryQueue()
        self.served: list[Any] = []
        self.patch(module, "serve", self.serve)

    def serve(self, reactor: object, connection: socket.socket, protocol: Any) -> None:
        """Serve in memory."""
        protocol.makeConnection(Transport())
        self.served.append(protocol)

    def pair(self) -> socket.socket:
        """A connection; its other end is closed with the test."""
        one, two = socket.socketpair()
        self.addCleanup(one.close)
        self.addCleanup(two.close)
        return one

    def test_roles(self) -> None:
        """Only the users of roles and root are served on the roles' socket; only qmail-send may watch."""
        door = make_door(self.queue, SEPARATE)
        for uid in (0, 1, 2, 6, 7):
            door.role_came(self.pair(), uid)
        self.assertEqual(len(self.served), 5)
        for uid in (3, 4, 5, 1000, 65534):
            connection = self.pair()
            door.role_came(connection, uid)
            self.assertEqual(connection.fileno(), -1)
        self.assertEqual(len(self.served), 5)
        self.assertIn("warning: door: uid 1000 tries the socket of the roles", self.queue.warnings)
        for caller in self.served:
            caller.dataReceived(wire.frame(wire.WATCH, 0))
        self.assertEqual([caller.is_watching for caller in self.served], [True, False, False, False, True])

    def test_one_user(self) -> None:
        """In a home of one user, he and root are the roles."""
        door = make_door(self.queue, TOGETHER, 1000)
        for uid in (1000, 0, 1001):
            door.role_came(self.pair(), uid)
        self.assertEqual([caller.uid for caller in self.served], [1000, 0])

    def test_users_wait(self) -> None:
        """Beyond ten connections a user's callers wait for a place, and beyond those they are turned away."""
        door = make_door(self.queue, descriptors=100000)
        connections = [self.pair() for _ in range(quota.CONNECTIONS + quota.WAITING + 1)]
        for connection in connections:
            door.user_came(connection, 500)
        self.assertEqual(len(self.served), quota.CONNECTIONS)
        self.assertEqual(connections[-1].fileno(), -1)
        self.assertEqual(self.queue.warnings, ["warning: door: uid 500 has too many connections"])
        door.user_came(self.pair(), 501)
        self.assertEqual(len(self.served), quota.CONNECTIONS + 1)
        self.served[0].connectionLost()
        self.assertEqual(self.served[-1].uid, 500)
        self.assertEqual(len(self.served), quota.CONNECTIONS + 2)

    def test_room_for_others(self) -> None:
        """When all places are taken the caller that is silent longest goes, unless all are busy."""
        door = make_door(self.queue, descriptors=0)
        for uid in range(500, 508):
            door.user_came(self.pair(), uid)
        door.user_came(self.pair(), 600)
        self.assertEqual(len(self.served), 8)
        self.queue.clock.advance(quota.SHED_AFTER)
        for caller in self.served[1:]:
            caller.dataReceived(b"")
        door.user_came(self.pair(), 601)
        self.assertEqual(self.served[-1].uid, 601)
        self.assertTrue(self.served[0].transport.disconnecting)

    def test_time(self) -> None:
        """Users are cut off when idle for five minutes, after an hour, or waiting too long; roles never."""
        door = make_door(self.queue)
        door.role_came(self.pair(), 2)
        for _ in range(quota.CONNECTIONS):
            door.user_came(self.pair(), 500)
        waiting = self.pair()
        door.user_came(waiting, 500)
        role, idle, busy = self.served[:3]
        for _ in range(59):
            self.queue.clock.advance(60)
            busy.dataReceived(b"")
            door.look_around()
        self.assertTrue(idle.transport.disconnecting)
        self.assertFalse(busy.transport.disconnecting)
        self.assertEqual(waiting.fileno(), -1)
        self.queue.clock.advance(120)
        busy.dataReceived(b"")
        door.look_around()
        self.assertTrue(busy.transport.disconnecting)
        self.assertFalse(role.transport.disconnecting)

    def test_complaints(self) -> None:
        """A user is complained about once a minute; very many users do not fill the memory."""
        door = make_door(self.queue)
        for uid in range(1100):
            door.complain(uid, "x")
        self.assertEqual(len(self.queue.warnings), 1100)
        self.queue.clock.advance(module.QUIET_FOR)
        door.complain(1, "x")
        door.complain(1, "x")
        self.assertEqual(len(self.queue.warnings), 1101)


class TriggerTests(SynchronousTestCase):
    """lock/trigger is for those who do not watch."""

    def test_only_unwatched(self) -> None:
        """The trigger is pulled once a group where nobody watches, and not for removals."""
        pulled: list[object] = []
        self.patch(module, "pull_trigger", pulled.append)
        queue = MemoryQueue()
        door = make_door(queue)
        queue.enqueue()
        self.assertEqual(len(pulled), 1)
        queue.remove(b"done", 1)
        self.assertEqual(len(pulled), 1)
        watcher = Room(door, 7, None, True)
        watcher.send(wire.frame(wire.WATCH, 0))
        queue.enqueue()
        self.assertEqual(len(pulled), 1)

    def test_pull(self) -> None:
        """One zero byte is written; no reader, a full pipe, no pipe or a plain file are no trouble."""
        place = self.mktemp()
        os.makedirs(place + "/lock")
        disk = Disk(place)
        self.addCleanup(disk.release)
        module.pull_trigger(disk)
        os.mkfifo(place + "/lock/trigger")
        module.pull_trigger(disk)
        reader = os.open(place + "/lock/trigger", os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, reader)
        module.pull_trigger(disk)
        self.assertEqual(os.read(reader, 10), b"\0")
        for _ in range(17):
            fd = disk.open("lock/trigger", os.O_WRONLY | os.O_NONBLOCK)
            try:
                os.write(fd, bytes(4096))
            except BlockingIOError:
                break
            finally:
                os.close(fd)
        module.pull_trigger(disk)


class RoundTests(SynchronousTestCase):
    """Work that comes again, and work in parts."""

    def test_every(self) -> None:
        """An action is done at once and then after each pause."""
        clock = Clock()
        done: list[float] = []
        module.every(clock, 10, lambda: done.append(clock.seconds()))
        clock.pump([5] * 5)
        self.assertEqual(done, [0, 10, 20])

    def test_step(self) -> None:
        """Each part of long work has a turn of its own."""
        clock = Clock()
        work = iter([None, None])
        module.step(clock, work)
        self.assertEqual(len(list(clock.getDelayedCalls())), 1)
        clock.pump([1, 1, 1])
        self.assertEqual(clock.getDelayedCalls(), [])

    def test_log(self) -> None:
        """Each warning is one line; a log that nobody reads is no trouble."""
        reader, writer = os.pipe()
        say = module.log_to(writer)
        say("a\nb \udcff")
        self.assertEqual(os.read(reader, 100), b"a/b \\udcff\n")
        os.close(reader)
        say("lost")
        os.close(writer)
