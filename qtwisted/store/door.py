"""door -- the process all mail enters the queue by

Synopsis::

    start.py door home=DIR fd.users=N fd.roles=N fd.log=N

The door alone writes pid/, mess/, intd/ and todo/ of the queue. It runs as qmailq and listens on two sockets
that the master made in HOME/run. ``queue.sock`` is for every user of the machine, each with a share of his
own; ``queue-priv.sock`` is for the roles, so that users cannot keep network mail, forwards and bounces out.
Who calls is asked of the kernel.

The door also does qmail-clean's work for qmail-send, and tells it of every message that has become durable.
When no qmail-send of ours listens it pulls lock/trigger, as qmail-queue did.

How messages are taken and made durable is told in ``store/kinds/files`` and ``store/kinds/groups``; what is
said on the sockets in ``wire/door``.

Unlike 1.02: there is no set-uid program. qmail-queue is a client of this process.

Exit codes: 0 after SIGTERM, when all that was complete is durable and answered; 111 if the queue cannot be
opened or another door has it; 1 after a bug, which is told in the log.

Files: HOME/queue; HOME/run/queue.sock and queue-priv.sock; control/queuesync (auto, syncfs or fsync) and
control/userbytes (how much of messages that are not complete one local user may have here), read at the start.
"""

from __future__ import annotations

import os
import stat
import sys
import time
from functools import partial

from qtwisted.store import quota
from qtwisted.store.acceptor import Acceptor, serve
from qtwisted.store.caller import Caller
from qtwisted.store.clean import clean_pid
from qtwisted.store.kinds.files import FileIntake
from qtwisted.store.kinds.syncing import Syncing
from qtwisted.store.quota import Account
from qtwisted.system.disk import Disk
from qtwisted.system.lock import try_exclusive
from qtwisted.wire.door import NOTICE, frame, notice

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator
    from typing import Any

    from qtwisted.config.conf import Ids
    from qtwisted.system.start import Opened

#: seconds between two looks at idle connections and idle files
ROUND = 15.0
#: seconds between two looks for old files in pid/
CLEAN_ROUND = 3600.0
#: complaints about one user are logged once in so many seconds
QUIET_FOR = 60.0


def who_is(ids: Ids, uid: int) -> bytes:
    """Say in the words of the Received line who handed in a message (qmail-queue.c received_setup).

    Where the users of the home are not separated nobody can be told from another, so only the number is said.
    """
    if ids.separated:
        for role, words in (
            (ids.alias_uid, b"by alias"),
            (ids.qmaild_uid, b"from network"),
            (ids.qmails_uid, b"for bounce"),
        ):
            if uid == role:
                return words
    return b"by uid %d" % uid


class Door:
    """Lets callers in, gives them to the intake, and passes answers and news on."""

    def __init__(
        self,
        reactor: Any,
        intake: FileIntake,
        ids: Ids,
        uid: int,
        warn: Callable[[str], None],
        descriptors: int,
        ticks: Callable[[], float] = time.monotonic,
        user_bytes: int = 0,
    ) -> None:
        """Serve the queue of ``intake`` as the user ``uid``, who may have so many descriptors.

        ``user_bytes`` is control/userbytes.
        """
        self.intake = intake
        self.seconds = ticks
        self._reactor = reactor
        self._warn = warn
        if ids.separated:
            self._roles = {ids.alias_uid, ids.qmaild_uid, ids.qmails_uid, ids.qmailr_uid, 0}
            self._watcher_uids = {ids.qmails_uid, 0}
        else:
            self._roles = self._watcher_uids = {uid, 0}
        self._user_bytes = user_bytes
        self._total = quota.total_for(descriptors)
        self._accounts: dict[int, Account] = {}
        self._users: set[Caller] = set()
        self._messages = 0
        self._watchers: set[Caller] = set()
        self._speaking: list[Caller] = []
        self._has_news = False
        self._complained_at: dict[int, float] = {}
        intake.groups.announce = self._announce
        intake.groups.finished = self._finished

    # Who comes and goes

    def role_came(self, connection: socket.socket, uid: int) -> None:
        """Serve a role, and nobody else, on the roles' socket."""
        if uid in self._roles:
            serve(self._reactor, connection, Caller(self, uid, None, uid in self._watcher_uids))
        else:
            connection.close()
            self.complain(uid, "tries the socket of the roles")

    def user_came(self, connection: socket.socket, uid: int) -> None:
        """Serve anybody as far as his share goes."""
        account = self._accounts.get(uid)
        if account is None:
            account = self._accounts[uid] = Account(uid, self._user_bytes)
        if account.connections < quota.CONNECTIONS and self._has_room():
            self._serve_user(connection, account)
        elif account.connections and len(account.waiting) < quota.WAITING:
            account.waiting.append((connection, self.seconds()))
        else:
            connection.close()
            self.complain(uid, "has too many connections")
            self._forget_unused(account)

    def left(self, caller: Caller) -> None:
        """Somebody went; who waits for his place gets it."""
        self._watchers.discard(caller)
        account = caller.account
        if account is None:
            return
        self._users.discard(caller)
        account.connections -= 1
        if account.waiting:
            self._serve_user(account.waiting.pop(0)[0], account)
        self._forget_unused(account)

    def _serve_user(self, connection: socket.socket, account: Account) -> None:
        """Serve a user."""
        account.connections += 1
        caller = Caller(self, account.uid, account, False)
        self._users.add(caller)
        serve(self._reactor, connection, caller)

    def _forget_unused(self, account: Account) -> None:
        """Keep no account for somebody who is not here."""
        if account.is_unused():
            self._accounts.pop(account.uid, None)

    def _has_room(self) -> bool:
        """Is there room for one more user's connection? If not, the one that is silent longest is ended."""
        if len(self._users) < self._total:
            return True
        idlest = min(self._users, key=lambda caller: caller.heard_at)
        if self.seconds() - idlest.heard_at < quota.SHED_AFTER:
            return False
        idlest.transport.abortConnection()
        return True

    def may_open(self, account: Account) -> bool:
        """Count one more open message of a user, if his share and that of all users allow it."""
        if account.messages >= quota.OPEN_MESSAGES or self._messages >= self._total:
            return False
        account.messages += 1
        self._messages += 1
        return True

    def closed(self, account: Account) -> None:
        """A message that was counted is open no longer."""
        account.messages -= 1
        self._messages -= 1

    def look_around(self) -> None:
        """End what is idle too long or lasts too long, and shrink the pool of files."""
        now = self.seconds()
        for caller in list(self._users):
            if now - caller.heard_at > quota.IDLE_FOR or now - caller.came_at > quota.LASTS_FOR:
                caller.transport.abortConnection()
        for account in list(self._accounts.values()):
            account.drop_waiting(now - quota.IDLE_FOR)
            self._forget_unused(account)
        self.intake.pool.trim()

    def complain(self, uid: int, what: str) -> None:
        """Log what a user does wrong, once a minute at most."""
        now = self.seconds()
        if now - self._complained_at.get(uid, -QUIET_FOR) < QUIET_FOR:
            return
        if len(self._complained_at) > 1000:
            self._complained_at.clear()
        self._complained_at[uid] = now
        self._warn(f"warning: door: uid {uid} {what}")

    # What is said

    def watch(self, caller: Caller) -> None:
        """Tell this caller of every message from now on."""
        self._watchers.add(caller)

    def has_words(self, caller: Caller) -> None:
        """This caller wants to be flushed at the end of the group."""
        self._speaking.append(caller)

    def make_room(self) -> None:
        """Carry out a group before too many messages wait."""
        if self.intake.groups.is_full():
            self.intake.groups.run()

    def _announce(self, number: int, size: int, record: bytes | None) -> None:
        """Tell whoever watches of a durable message."""
        self._has_news = True
        if self._watchers:
            data = frame(NOTICE, 0, notice(number, size, record))
            for caller in self._watchers:
                caller.notice(data)

    def _finished(self) -> None:
        """Send all answers of a group; if nobody watches, wake a qmail-send that uses the trigger."""
        speaking, self._speaking = self._speaking, []
        for caller in speaking:
            caller.flush()
        if self._has_news and not self._watchers:
            pull_trigger(self.intake.disk)
        self._has_news = False


def pull_trigger(disk: Disk) -> None:
    """Wake qmail-send through lock/trigger, if it is there and listens (triggerpull.c)."""
    try:
        fd = disk.open("lock/trigger", os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return
    try:
        if stat.S_ISFIFO(disk.fstat(fd).st_mode):
            disk.write_all(fd, b"\0")
    except OSError:
        pass  # it has been pulled often enough
    finally:
        disk.close(fd)


def open_intake(reactor: Any, opened: Opened, warn: Callable[[str], None]) -> FileIntake:
    """Open the queue of a home for ourselves alone; raise OSError or ControlError if that is not possible."""
    from qtwisted.config.control import Control
    from qtwisted.config.fields import queuesync

    disk = Disk(opened.home + "/queue")
    if not try_exclusive(disk.open("pid", os.O_RDONLY | os.O_DIRECTORY)):
        raise BlockingIOError(11, "another door has this queue")
    intake = FileIntake(
        disk,
        reactor,
        time.time,
        partial(who_is, opened.ids),
        Syncing(disk, queuesync(Control(opened.home)).decode(), time.monotonic),
        split=opened.conf.split,
        recycle=opened.conf.recycle,
        warn=warn,
    )
    intake.recover()
    return intake


def every(reactor: Any, seconds: float, action: Callable[[], object]) -> None:
    """Do something again and again."""
    action()
    reactor.callLater(seconds, every, reactor, seconds, action)


def step(reactor: Any, work: Iterator[None]) -> None:
    """Do the parts of a long piece of work in different turns."""
    for _ in work:
        reactor.callLater(0.01, step, reactor, work)
        return


def log_to(fd: int) -> Callable[[str], None]:
    """Make a function that writes lines to the log; a log that does not listen must not stop us."""

    def say(line: str) -> None:
        """Write one line."""
        try:
            os.write(fd, line.replace("\n", "/").encode("utf-8", "backslashreplace") + b"\n")
        except OSError:
            pass

    return say


def die_of_bugs(warn: Callable[[str], None]) -> None:
    """Let whatever nobody caught end the process: the master starts another, and no mail is lost."""
    from twisted.logger import globalLogPublisher

    def look(event: dict[str, Any]) -> None:
        """Log a failure line by line and end."""
        failure = event.get("log_failure")
        if failure is not None:
            for line in failure.getTraceback().splitlines():
                warn(f"alert: door: {line}")
            os._exit(1)

    publisher: Any = globalLogPublisher
    publisher.addObserver(look)


def main(opened: Opened) -> None:
    """Run the role."""
    import resource

    from twisted.internet import reactor as default_reactor

    from qtwisted.config.control import Control, ControlError
    from qtwisted.config.fields import userbytes

    reactor: Any = default_reactor
    warn = log_to(opened.fds.get("log", 2))
    die_of_bugs(warn)
    try:
        user_bytes = userbytes(Control(opened.home))
        intake = open_intake(reactor, opened, warn)
    except (OSError, ControlError) as trouble:
        warn(f"alert: cannot start: {trouble}")
        sys.exit(111)
    descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    door = Door(reactor, intake, opened.ids, os.geteuid(), warn, descriptors, user_bytes=user_bytes)
    Acceptor(reactor, opened.fds["roles"], "roles", door.role_came)
    Acceptor(reactor, opened.fds["users"], "users", door.user_came)
    every(reactor, ROUND, door.look_around)
    every(reactor, CLEAN_ROUND, lambda: clean_pid(intake.disk, time.time()))
    step(reactor, intake.check_numbers())
    reactor.addSystemEventTrigger("before", "shutdown", intake.close)
    reactor.run()
