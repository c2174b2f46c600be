"""The way of a local delivery through qmail-lspawn: order, message, user, turn, child, report.

An order becomes a job; at the end of each job there is exactly one report. Nothing here waits: accounts are looked
up, and mail is delivered, by children whose answers come in later.
"""

from __future__ import annotations

import os
import signal

from qtwisted.config import users
from qtwisted.deliver import spawn
from qtwisted.deliver.user import shares, status
from qtwisted.deliver.user.worker import RECIPIENT, Identity, request_packet
from qtwisted.model.address import split
from qtwisted.wire.spawn import Order, Report

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from qtwisted.config.users import User
    from qtwisted.deliver.user.lookup import Lookup
    from qtwisted.deliver.user.workers import Worker, Workers

OTHER_USER = b"ZUnable to deliver to another user without root privileges. (#4.3.5)\n"

DELIVERY_FOR = 86400.0
"""Seconds a delivery may take."""

_CLOSED = -1


def objection(user: User, only_uid: int | None) -> bytes | None:
    """The report on mail for a user who cannot be delivered to, where only *only_uid* can be if that is not None."""
    if user.uid == 0:
        return status.report_text(status.IS_ROOT)
    return OTHER_USER if only_uid is not None and user.uid != only_uid else None


class Job:
    """One delivery, from order to report."""

    __slots__ = ("local", "message", "order", "since", "user")

    def __init__(self, order: Order, local: bytes, message: int) -> None:
        """Begin with an order whose message is open."""
        self.order = order
        self.local = local
        self.message = message
        self.user: User | None = None
        self.since = 0.0

    def close_message(self) -> None:
        """Close our descriptor of the message, if it is still open."""
        if self.message != _CLOSED:
            os.close(self.message)
            self.message = _CLOSED


class Dispatch:
    """All jobs of one qmail-lspawn; ``jobs`` has them by delivery number."""

    def __init__(self, owner: int, lookup: Lookup, accounts: Identity, turns: shares.Shares, workers: Workers,
                 only_uid: int | None, clock: Callable[[], float], report: Callable[[Report], None],
                 say: Callable[[str], None]) -> None:
        """Deliver messages that belong to uid *owner*; to nobody but *only_uid*, unless that is None.

        *accounts* is the identity of children that look up accounts, *report* takes the reports, *say* takes lines
        for the log.
        """
        self.jobs: dict[int, Job] = {}
        self._owner = owner
        self._lookup = lookup
        self._accounts = accounts
        self._turns = turns
        self._workers = workers
        self._only_uid = only_uid
        self._clock = clock
        self._report = report
        self._say = say
        self._is_over = False
        self._asked: dict[bytes, list[Job]] = {}
        self._waiting: list[Job] = []

    def begin(self, order: Order) -> None:
        """Take an order: open the message and find out whose it is."""
        if self._is_over:
            self._report(Report(order.delnum, spawn.GIVEN_UP))
            return
        try:
            message = spawn.open_message(order.messid, self._owner)
        except spawn.Unusable as unusable:
            self._report(Report(order.delnum, unusable.report))
            return
        local, _ = split(order.recipient)
        job = self.jobs[order.delnum] = Job(order, local, message)
        if not local:
            self._end(job, status.report_text(status.DELIVERED))
            return
        try:
            user = self._lookup.find(local)
        except users.UserError as error:
            self._end(job, status.report_text(error.code))
            return
        if user is None:
            self._ask(job)
        else:
            self._assign(job, user)

    def answered(self, worker: Worker) -> None:
        """A child's channel is readable: it has answered, or has gone."""
        job = worker.job
        answer = self._workers.answer(worker)
        code, said = (None, b"") if answer is None else (answer[0], answer[1:])
        if isinstance(job, Job):
            self._delivered(job, status.report_text(code, said))
        elif isinstance(job, bytes):
            self._looked_up(job, status.SYSTEM_TROUBLE if code is None else code, said)

    def tick(self) -> None:
        """Put off what has waited too long, end what takes too long, let idle children go."""
        now = self._clock()
        for job in [job for job in self._waiting if now - job.since > shares.PATIENCE_FOR]:
            self._waiting.remove(job)
            self._end(job, shares.PUT_OFF)
        for worker in self._workers.busy():
            if now - worker.since > DELIVERY_FOR:
                os.kill(worker.pid, signal.SIGKILL)
        self._workers.let_go_idle()

    def give_up(self) -> None:
        """Put off every job, and end the children that are at work, with the programs that they run."""
        self._is_over = True
        for worker in list(self._workers.busy()):
            os.kill(worker.pid, signal.SIGTERM)
            self._workers.forget(worker)
        self._asked.clear()
        self._waiting.clear()
        for job in list(self.jobs.values()):
            self._end(job, spawn.GIVEN_UP)

    # Whose it is

    def _ask(self, job: Job) -> None:
        """Have the account looked up, once for all who wait for the same."""
        asked = self._asked.setdefault(job.local, [])
        asked.append(job)
        if len(asked) == 1 and not self._give(self._accounts, job.local, job.local, None):
            self._looked_up(job.local, status.SYSTEM_TROUBLE, b"")

    def _looked_up(self, local: bytes, code: int, record: bytes) -> None:
        """An account has been looked up, or could not be."""
        jobs = self._asked.pop(local)
        try:
            if code:
                raise users.UserError(code)
            user = users.parse(record)
        except users.UserError as error:
            for job in jobs:
                self._end(job, status.report_text(error.code))
            return
        self._lookup.learn(local, user)
        for job in jobs:
            self._assign(job, user)

    def _assign(self, job: Job, user: User) -> None:
        """The user is known: deliver, wait for his turn, or refuse."""
        refusal = objection(user, self._only_uid)
        if refusal is not None:
            self._end(job, refusal)
        elif self._turns.may_start(user.uid):
            self._start(job, user)
        elif self._turns.is_stuck(user.uid):
            self._end(job, shares.PUT_OFF)
        else:
            job.user, job.since = user, self._clock()
            self._waiting.append(job)

    # The delivery

    def _start(self, job: Job, user: User) -> None:
        """Give the delivery to a child of the user."""
        order, job.user = job.order, user
        domain = order.recipient[len(job.local) + 1 :]
        packet = request_packet(user.home, job.local, user.dash, user.ext, domain, order.sender)
        self._turns.started(user.uid)
        if self._give(Identity(RECIPIENT, user.name, user.uid, user.gid), job, packet, job.message):
            job.close_message()
        else:
            self._delivered(job, spawn.NO_FORK)

    def _delivered(self, job: Job, report: bytes) -> None:
        """A delivery that was started is over; somebody who waits may be next."""
        assert job.user is not None
        self._turns.ended(job.user.uid)
        self._end(job, report)
        for waiting in self._waiting:
            if waiting.user is not None and self._turns.may_start(waiting.user.uid):
                self._waiting.remove(waiting)
                self._start(waiting, waiting.user)
                return

    def _end(self, job: Job, report: bytes) -> None:
        """Report on a job and free its slot."""
        job.close_message()
        del self.jobs[job.order.delnum]
        self._report(Report(job.order.delnum, report))

    def _give(self, identity: Identity, job: object, packet: bytes, message: int | None) -> bool:
        """Give a job to a child; says whether there could be one."""
        try:
            self._workers.give(identity, job, packet, message)
        except OSError as trouble:
            self._say(f"warning: qmail-lspawn: unable to start a child: {trouble.strerror}")
            return False
        return True
