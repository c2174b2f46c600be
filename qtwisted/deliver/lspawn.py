"""qmail-lspawn -- start local deliveries, each as the user who gets the mail

Synopsis::

    qmail-lspawn defaultdelivery

Description: reads orders from qmail-send on descriptor 0, makes up to conf-spawn deliveries at a time, and writes
reports on descriptor 1, in the order in which deliveries end. *defaultdelivery* are the instructions for users
without a .qmail file. It must run as root with the group qmail, or as the one user all of a private home belongs to;
then it delivers to that user only.

The user for an address is found in ``users/cdb``, else as qmail-getpw(8) does, by a child that runs as qmailp. The
delivery is made by a child that has become the user for good (qmail-local(8) says how). Children are kept for some
seconds for more mail of the same user.

At end of file on descriptor 0 it finishes the deliveries it has begun, and ends. Running as a role of ``twistd
qmail`` both directions are one socket, called ``orders``, and TERM has it put off what it has begun: the deliveries
that had not ended when the time was up that the master gives them.

Exit codes: 0 end of file, 100 no default delivery given, 111 the home cannot be used.

Files: ``users/cdb``; ``queue/mess/*/*``; ``control/concurrencylocal`` (what a user's share is a quarter of);
``control/timeoutprogram`` (seconds a program in a .qmail file may run, 3600).

Unlike 1.02: without root privileges it does not fail, but delivers to its own user and puts off all other mail.

Unlike 1.02: a delivery that takes more than a day is ended and tried again later.

Unlike 1.02: it starts neither bin/qmail-local nor bin/qmail-getpw; its children do the same work, in the same users'
names, and what stands under these names in the home does not matter to it.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import socket
import sys
from time import monotonic

from qtwisted.deliver.user import shares, worker
from qtwisted.deliver.user.delivery import Settings
from qtwisted.deliver.user.dispatch import Dispatch
from qtwisted.deliver.user.lookup import Lookup
from qtwisted.deliver.user.worker import ACCOUNTS, Identity
from qtwisted.deliver.user.workers import Workers
from qtwisted.system import privileges
from qtwisted.wire.spawn import OrderReader, Report, hello_bytes, report_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

    from qtwisted.config.conf import Conf, Ids
    from qtwisted.system.start import Opened

TICK_FOR = 1.0
"""Seconds between looks at what takes too long."""

_READ = 16384


class Pipes:
    """The two directions to qmail-send, which may be one socket; neither is waited for while they are in use."""

    def __init__(self, reader: int, writer: int, hello: bytes) -> None:
        """Read from one descriptor, write to the other, a greeting first."""
        self.reader = reader
        self.writer = writer
        self.is_open = True
        self.unsent = hello
        self._blocking = {fd: os.get_blocking(fd) for fd in (reader, writer)}
        for fd in self._blocking:
            os.set_blocking(fd, False)

    def restore(self) -> None:
        """Leave the descriptors as they were found: others may have them, too."""
        for fd, blocking in self._blocking.items():
            os.set_blocking(fd, blocking)

    def read(self) -> bytes:
        """What has come in; nothing at the end, after which there will be nothing more."""
        try:
            data = os.read(self.reader, _READ)
        except BlockingIOError:
            return b""
        except OSError:
            data = b""
        self.is_open = bool(data)
        return data

    def flush(self) -> None:
        """Write as much as goes without waiting; if nobody listens any more, forget it."""
        try:
            while self.unsent:
                self.unsent = self.unsent[os.write(self.writer, self.unsent) :]
        except BlockingIOError:
            pass
        except OSError:
            self.unsent = b""

    def wanted(self) -> dict[int, int]:
        """The poll events to wait for, by descriptor."""
        events = {self.reader: select.POLLIN} if self.is_open else {}
        if self.unsent:
            events[self.writer] = events.get(self.writer, 0) | select.POLLOUT
        return events


class Loop:
    """Waits for orders, children and room for reports, and deals with each."""

    def __init__(self, pipes: Pipes, poll: select.poll, workers: Workers, width: int) -> None:
        """Serve these pipes; *workers* registers its channels with *poll*."""
        self._pipes = pipes
        self._poll = poll
        self._workers = workers
        self._width = width
        self._polled: dict[int, int] = {}
        self._ticked_at = monotonic()
        self._is_given_up = False
        self._ended, signalled = socket.socketpair()
        self._ended.setblocking(False)
        signalled.setblocking(False)
        self._signalled = signalled
        poll.register(self._ended, select.POLLIN)
        signal.signal(signal.SIGCHLD, lambda *signalled: None)
        signal.set_wakeup_fd(signalled.fileno(), warn_on_full_buffer=False)

    def close(self) -> None:
        """Let the signals go; a child that ends later would be told to a socket that is gone."""
        signal.set_wakeup_fd(-1)

    def report(self, report: Report) -> None:
        """Have a report sent at the end of this turn."""
        self._pipes.unsent += report_bytes(report, self._width)

    def give_up_on_term(self) -> None:
        """When TERM comes, give up what is under way, and go on to the end of the orders, which is near."""
        def asked(*signalled: object) -> None:
            """Note it; the loop is woken."""
            self._is_given_up = True

        signal.signal(signal.SIGTERM, asked)

    def run(self, dispatch: Dispatch, orders: OrderReader) -> None:
        """Serve until there are no more orders and nothing is left to do."""
        self._pipes.flush()
        while self._pipes.is_open or dispatch.jobs or self._pipes.unsent:
            self._turn(dispatch, orders)
            self._pipes.flush()

    def _turn(self, dispatch: Dispatch, orders: OrderReader) -> None:
        """Wait until something happens, and deal with it."""
        self._watch_pipes()
        wait = TICK_FOR * 1000 if self._workers.by_channel or dispatch.jobs else None
        for fd, _ in self._poll.poll(wait):
            child = self._workers.by_channel.get(fd)
            if child is not None:
                dispatch.answered(child)
            elif fd == self._pipes.reader and self._pipes.is_open:
                self._take_orders(dispatch, orders)
            elif fd == self._ended.fileno():
                self._reap()
        if self._is_given_up:
            self._is_given_up = False
            dispatch.give_up()
        if monotonic() - self._ticked_at >= TICK_FOR:
            self._ticked_at = monotonic()
            dispatch.tick()

    def _take_orders(self, dispatch: Dispatch, orders: OrderReader) -> None:
        """Deal with what qmail-send has written."""
        for order in orders.received(self._pipes.read()):
            if isinstance(order, Report):
                self.report(order)
            else:
                dispatch.begin(order)

    def _watch_pipes(self) -> None:
        """Wait for what the pipes can do next, and for nothing they have ended."""
        wanted = self._pipes.wanted()
        if wanted == self._polled:
            return
        for fd in self._polled.keys() - wanted.keys():
            self._poll.unregister(fd)
        for fd, events in wanted.items():
            self._poll.register(fd, events)
        self._polled = wanted

    def _reap(self) -> None:
        """Forget children that have ended, and orphans of users' programs."""
        self._ended.recv(_READ)
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            pass


def serve(reader: int, writer: int, home: str, conf: Conf, ids: Ids, default: bytes, lifeline: int | None,
          width: int, say: Callable[[str], None], gives_up: bool = False) -> None:
    """Be qmail-lspawn until the orders end; the current directory is queue/mess.

    Where it *gives_up* TERM has all deliveries put off, instead of ending us.
    """
    from qtwisted.config.control import Control

    slots = min(conf.spawn, 255)
    control = Control(home)
    concurrency = max(1, min(slots, control.integer("concurrencylocal", 10)))
    is_root = os.geteuid() == 0
    parent = os.getpid()
    settings = Settings(home, conf.patrn, _queue_environ())
    settings.time_limit = max(1, control.integer("timeoutprogram", int(settings.time_limit)))
    accounts = Identity(ACCOUNTS, b"", ids.qmailp_uid, ids.nofiles_gid)

    def child(identity: Identity, channel: socket.socket) -> NoReturn:
        """What a forked child does."""
        privileges.show_as("qmail-getpw" if identity.kind == ACCOUNTS else "qmail-local")
        service = (worker.account_service(conf) if identity.kind == ACCOUNTS
                   else worker.recipient_service(identity.name, default, settings))
        worker.run(channel, () if lifeline is None else (lifeline,), identity, is_root, parent, service)

    poll = select.poll()
    workers = Workers(2 * slots, monotonic, child, poll)
    pipes = Pipes(reader, writer, hello_bytes(slots, width))
    loop = Loop(pipes, poll, workers, width)
    if gives_up:
        loop.give_up_on_term()
    turns = shares.Shares(concurrency, shares.a_quarter(concurrency) if is_root else concurrency, monotonic)
    dispatch = Dispatch(ids.qmailq_uid, Lookup(home, monotonic), accounts, turns, workers,
                        None if is_root else os.geteuid(), monotonic, loop.report, say)
    privileges.adopt_orphans()
    gc.collect()
    gc.freeze()  # what is here now stays, and stays shared with the children
    try:
        loop.run(dispatch, OrderReader(slots, dispatch.jobs, width))
    finally:
        loop.close()
        pipes.restore()


def _queue_environ() -> dict[str, str]:
    """What of our environment says how forwards get into the queue."""
    return {name: os.environ[name] for name in ("QMAILQUEUE",) if name in os.environ}


def main(opened: Opened | None = None) -> None:
    """Run as a role of twistd qmail, or as the program when nothing was opened for us."""
    # Children must not need to load code as their users.
    import qtwisted.store.client
    import qtwisted.store.external
    import qtwisted.system.sockets  # noqa: F401
    from qtwisted.system.start import say

    if opened is None:
        run_program()
    _keep_standard_descriptors()
    log = opened.fds["log"]
    orders = opened.fds["orders"]
    serve(orders, orders, opened.home, opened.conf, opened.ids,
          os.fsencode(opened.options.get("default_delivery", "")), opened.fds.get("lifeline"),
          int(opened.options.get("width", "1")), lambda line: say(log, line), gives_up=True)


def run_program() -> NoReturn:
    """Run as the program qmail-lspawn of qmail 1.02: orders on descriptor 0, reports on descriptor 1."""
    from qtwisted.config import conf as settings
    from qtwisted.config.control import ControlError
    from qtwisted.system.start import say

    if len(sys.argv) < 2:
        sys.exit(100)
    _keep_standard_descriptors()
    home = os.path.abspath(settings.home_dir(os.environ))
    try:
        os.chdir(home)
        os.chdir("queue/mess")
        conf = settings.load(home)
        ids = settings.ids(conf)
    except (OSError, ControlError) as trouble:
        say(2, f"qmail-lspawn: fatal: {trouble}")
        sys.exit(111)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    serve(0, 1, home, conf, ids, os.fsencode(sys.argv[1]), None, 1, lambda line: say(2, line))
    sys.exit(0)


def _keep_standard_descriptors() -> None:
    """See to it that 0, 1 and 2 are open, so that nothing important is ever opened under these numbers."""
    while (fd := os.open("/dev/null", os.O_RDWR)) < 3:
        pass
    os.close(fd)


if __name__ == "__main__":
    main()
