"""The children of qmail-lspawn, seen from the parent; here they are only sockets."""

from __future__ import annotations

import array
import errno
import os
import select
import socket

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from qtwisted.deliver.user import workers
from qtwisted.deliver.user.worker import RECIPIENT, Identity
from qtwisted.deliver.user.workers import IDLE_FOR, Workers

JOE = Identity(RECIPIENT, b"joe", 1001, 2001)
ANN = Identity(RECIPIENT, b"ann", 1002, 2002)


class WorkersTests(SynchronousTestCase):
    """Who gets which job."""

    def setUp(self) -> None:
        """Have forks fail to make processes, and keep the children's ends of the channels."""
        self.ends: list[socket.socket] = []
        really = socket.socketpair

        def pair(family: int, kind: int) -> tuple[socket.socket, socket.socket]:
            """Make a pair and keep a copy of the child's end."""
            ours, theirs = really(family, kind)
            self.ends.append(theirs.dup())
            self.addCleanup(self.ends[-1].close)
            self.addCleanup(ours.close)
            return ours, theirs

        self.fork_fails = 0
        self.patch(workers.socket, "socketpair", pair)
        self.patch(workers.os, "fork", self.fork)
        self.clock = Clock()
        self.clock.advance(100)
        self.poll = select.poll()
        self.workers = Workers(3, self.clock.seconds, lambda identity, channel: None, self.poll)

    def fork(self) -> int:
        """Say that there is a child now."""
        if self.fork_fails:
            raise OSError(self.fork_fails, "no")
        return 4711

    def ready(self) -> list[int]:
        """The channels on which something has come in."""
        return [fd for fd, _ in self.poll.poll(0)]

    def finish(self, worker: workers.Worker) -> bytes | None:
        """Have a child answer."""
        self.ends[self.channels.index(worker)].send(b"\0done")
        self.assertEqual(self.ready(), [worker.channel.fileno()])
        return self.workers.answer(worker)

    def give(self, identity: Identity = JOE, job: object = "job") -> workers.Worker:
        """Give a job, and note which child has it."""
        worker = self.workers.give(identity, job, b"packet")
        if worker not in self.channels:
            self.channels.append(worker)
        return worker

    @property
    def channels(self) -> list[workers.Worker]:
        """All children there ever were, in the order of the ends of their channels."""
        if not hasattr(self, "_channels"):
            self._channels: list[workers.Worker] = []
        return self._channels

    def test_packet(self) -> None:
        """A child gets the packet, with the descriptor if there is one."""
        with open(os.devnull) as file:
            self.workers.give(JOE, "job", b"packet", file.fileno())
            packet, ((level, kind, data),), _, _ = self.ends[0].recvmsg(100, 100, socket.MSG_CMSG_CLOEXEC)
            (fd,) = array.array("i", data)
            self.addCleanup(os.close, fd)
            self.assertEqual((packet, level, kind), (b"packet", socket.SOL_SOCKET, socket.SCM_RIGHTS))
            self.assertTrue(os.path.sameopenfile(fd, file.fileno()))

    def test_answer(self) -> None:
        """After its answer a child is idle, and gets the next job of the same identity."""
        worker = self.give()
        self.assertEqual(worker.job, "job")
        self.assertEqual(self.finish(worker), b"\0done")
        self.assertIsNone(worker.job)
        self.assertIs(self.give(), worker)

    def test_never_for_others(self) -> None:
        """An idle child is not used for another identity, not even for another gid or name of the same uid (V5)."""
        worker = self.give()
        self.finish(worker)
        for other in (ANN, JOE._replace(gid=1), JOE._replace(name=b"x"), JOE._replace(kind="accounts")):
            self.assertIsNot(self.give(other), worker)

    def test_side_by_side(self) -> None:
        """A busy child gets nothing more; another is started beside it."""
        self.assertIsNot(self.give(), self.give())
        self.assertEqual(len(list(self.workers.busy())), 2)

    def test_gone(self) -> None:
        """A child whose channel ends has gone, busy or idle."""
        worker = self.give()
        self.ends[0].close()
        self.assertIsNone(self.workers.answer(worker))
        other = self.give()
        self.finish(other)
        self.ends[1].close()
        self.assertIsNone(self.workers.answer(other))
        self.assertEqual((self.workers.by_channel, list(self.workers.idle()), self.ready()), ({}, [], []))

    def test_unasked_answer(self) -> None:
        """A child that speaks without having been asked is cut off (V7)."""
        worker = self.give()
        self.finish(worker)
        self.ends[0].send(b"\0done again")
        self.assertIsNone(self.workers.answer(worker))
        self.assertEqual(self.workers.by_channel, {})

    def test_died_while_idle(self) -> None:
        """A job for a child that died meanwhile is given to a fresh one."""
        worker = self.give()
        self.finish(worker)
        self.ends[0].close()
        self.assertIsNot(self.give(), worker)
        self.assertEqual(len(self.workers.by_channel), 1)

    def test_idle_for_long(self) -> None:
        """A child that has been idle for long is let go; a busy one is not."""
        worker, busy = self.give(), self.give(ANN)
        self.finish(worker)
        self.clock.advance(IDLE_FOR - 1)
        self.workers.let_go_idle()
        self.assertEqual(len(self.workers.by_channel), 2)
        self.clock.advance(1)
        self.workers.let_go_idle()
        self.assertEqual(list(self.workers.by_channel.values()), [busy])
        self.assertEqual(self.ends[0].recv(100), b"packet")
        self.assertEqual(self.ends[0].recv(100), b"")

    def test_latest_first(self) -> None:
        """Of several idle children the one idle for the shortest time is used, so that the others can go."""
        one, two = self.give(), self.give()
        self.finish(one)
        self.clock.advance(1)
        self.finish(two)
        self.assertIs(self.give(), two)

    def test_too_many(self) -> None:
        """When there are too many children the longest idle one goes; busy ones stay, even beyond the limit."""
        joe, ann = self.give(), self.give(ANN)
        self.finish(joe)
        self.clock.advance(1)
        self.finish(ann)
        third = self.give(JOE._replace(uid=5))
        self.give(JOE._replace(uid=6))
        self.assertNotIn(joe, self.workers.by_channel.values())
        self.give(JOE._replace(uid=7))
        self.give(JOE._replace(uid=8))
        self.assertEqual((third in self.workers.by_channel.values(), len(self.workers.by_channel)), (True, 4))

    def test_no_fork(self) -> None:
        """Without processes the job is not taken, and nothing stays open."""
        before = len(os.listdir("/proc/self/fd"))
        self.fork_fails = errno.EAGAIN
        self.assertRaises(OSError, self.give)
        self.assertEqual((self.workers.by_channel, self.ready()), ({}, []))
        self.ends.pop().close()
        self.assertEqual(len(os.listdir("/proc/self/fd")), before)
