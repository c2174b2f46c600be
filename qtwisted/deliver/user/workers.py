"""qmail-lspawn's view of its children: who is idle, who is busy with what, who has gone.

Rules this file keeps:

* A child has at most one job at a time. An idle one is used again only for the same identity.
* A child idle for ten seconds is let go, and the longest idle one earlier when there are too many.
* A child that ends before it has answered has crashed, whatever its exit status.
"""

from __future__ import annotations

import os
import select
import socket
from array import array

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from qtwisted.deliver.user.worker import Identity

IDLE_FOR = 10.0
"""Seconds a child waits for more work of its identity."""

ANSWER_MAX = 1 << 14


class Worker:
    """One child, from the parent's side; ``job`` is whatever the caller gave it to do, None while it is idle."""

    __slots__ = ("channel", "identity", "job", "pid", "since")

    def __init__(self, identity: Identity, pid: int, channel: socket.socket, now: float) -> None:
        """Know a child that was just started."""
        self.identity = identity
        self.pid = pid
        self.channel = channel
        self.job: object = None
        self.since = now


class Workers:
    """All children of one qmail-lspawn."""

    def __init__(self, limit: int, clock: Callable[[], float],
                 child: Callable[[Identity, socket.socket], None], poll: select.poll) -> None:
        """Keep about *limit* children at most; *child* is what a new one runs, and must not return.

        *poll* waits for their answers.
        """
        self._limit = limit
        self._clock = clock
        self._child = child
        self._poll = poll
        self._idle: dict[Identity, list[Worker]] = {}
        self.by_channel: dict[int, Worker] = {}

    def __len__(self) -> int:
        """How many there are."""
        return len(self.by_channel)

    def give(self, identity: Identity, job: object, packet: bytes, fd: int | None = None) -> Worker:
        """Give a packet, and a descriptor with it, to a child of *identity*; raises OSError if there can be none."""
        while True:
            worker, is_fresh = self._take(identity)
            worker.job, worker.since = job, self._clock()
            try:
                _send(worker.channel, packet, fd)
                return worker
            except OSError as trouble:
                self.forget(worker)
                if is_fresh or not isinstance(trouble, (BrokenPipeError, ConnectionResetError)):
                    raise  # else somebody ended it while it was idle

    def answer(self, worker: Worker) -> bytes | None:
        """The answer of a child whose channel is readable, None if it has gone instead; afterwards it is idle."""
        try:
            answer = worker.channel.recv(ANSWER_MAX, socket.MSG_DONTWAIT)
        except OSError:
            answer = b""
        if not answer or worker.job is None:
            self.forget(worker)
            return None
        worker.job, worker.since = None, self._clock()
        self._idle.setdefault(worker.identity, []).append(worker)
        return answer

    def forget(self, worker: Worker) -> None:
        """Close the channel of a child; that ends it, if it has not ended."""
        del self.by_channel[worker.channel.fileno()]
        self._poll.unregister(worker.channel)
        worker.channel.close()
        idle = self._idle.get(worker.identity, [])
        if worker in idle:
            idle.remove(worker)
            if not idle:
                del self._idle[worker.identity]

    def idle(self) -> Iterator[Worker]:
        """The children without work."""
        for workers in self._idle.values():
            yield from workers

    def busy(self) -> Iterator[Worker]:
        """The children at work."""
        return (worker for worker in self.by_channel.values() if worker.job is not None)

    def let_go_idle(self) -> None:
        """End the children that have waited long enough."""
        old = self._clock() - IDLE_FOR
        for worker in [worker for worker in self.idle() if worker.since <= old]:
            self.forget(worker)

    def _take(self, identity: Identity) -> tuple[Worker, bool]:
        """The child that has been idle for the shortest time, or a fresh one, and whether it is fresh."""
        idle = self._idle.get(identity)
        if not idle:
            return self._start(identity), True
        worker = idle.pop()
        if not idle:
            del self._idle[identity]
        return worker, False

    def _start(self, identity: Identity) -> Worker:
        """Fork a new child; if there are enough already, the longest idle one goes."""
        if len(self.by_channel) >= self._limit:
            longest = min(self.idle(), key=_since, default=None)
            if longest is not None:
                self.forget(longest)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            pid = os.fork()
            if pid == 0:
                self._child(identity, theirs)
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        worker = Worker(identity, pid, ours, self._clock())
        self.by_channel[ours.fileno()] = worker
        self._poll.register(ours, select.POLLIN)
        return worker


def _since(worker: Worker) -> float:
    """Since when a child has been doing what it does."""
    return worker.since


def _send(channel: socket.socket, packet: bytes, fd: int | None) -> None:
    """Send a packet to a child that waits for one."""
    if fd is None:
        channel.send(packet, socket.MSG_DONTWAIT)
        return
    rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", (fd,)))
    channel.sendmsg((packet,), (rights,), socket.MSG_DONTWAIT)
