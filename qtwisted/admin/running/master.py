"""The master: opens the ports, starts every role, starts it again when it dies, and ends everything in order.

It is an ordinary Twisted service. It touches no mail and reads nothing that comes from outside. What it holds
is listening sockets, the ends of pipes, and a lock on HOME/run so that a home is served once only.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING

from twisted.application.service import Service
from twisted.internet.defer import gatherResults, inlineCallbacks

from qtwisted.admin.install import reach
from qtwisted.admin.running import ports, takeover
from qtwisted.admin.running.ports import StartError
from qtwisted.admin.running.supervise import Surroundings, Unit
from qtwisted.config import conf as build
from qtwisted.config.control import ControlError
from qtwisted.system import notify, roles, sockets, tally

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence
    from types import FrameType
    from typing import Any

    from twisted.internet.defer import Deferred

    from qtwisted.admin.running.ports import Listener, Wish
    from qtwisted.config.conf import Conf, Ids

INHERITED = ("TZ", "QMAILQUEUE")
"""Variables of our own environment that the roles get, if set; besides PATH nothing else passes."""
USUAL_PATH = "/usr/local/bin:/usr/bin:/bin"
FORWARDED = ("HUP", "ALRM")
RESUME = "USR1"
DELIVERIES_FOR = 20.0
"""How long running deliveries, and clients in the middle of a message, may take when everything is to end.

Unlike 1.02: deliveries that have not ended by then are put off, and the log says so; qmail-send waited for them
without limit.
"""
REST_FOR = 5.0
PIPE_ROOM = 1 << 20
REMOTE_WIDTH = "2"
"""How many bytes a delivery number takes between send and rspawn."""


class Master(Service):
    """The mail system of one home."""

    def __init__(self, home: str, wishes: Sequence[Wish], fronts: int | None, default_delivery: str,
                 log_command: str | None, reactor: Any = None, log_dress: str | None = None,
                 notified: str | None = None) -> None:
        """Remember what is wanted; nothing is opened before the service is started. *notified* is the socket of a
        service manager that wants to know when all is open.
        """
        self.home = home
        self._wishes = wishes
        self._fronts = fronts
        self._default_delivery = default_delivery
        self._log_options = {} if log_command is None else {"command": log_command}
        if log_dress is not None:
            self._log_options["dress"] = log_dress
        self._reactor = reactor
        self._notified = notified
        self._held: list[int] = []
        self._listeners: list[Listener] = []
        self._units: dict[str, Unit] = {}
        self._around: Surroundings | None = None
        self._former: dict[int, Any] = {}

    def privilegedStartService(self) -> None:
        """Open everything that needs rights, or raise StartError and leave nothing open."""
        if self._around is not None:
            return
        if self._reactor is None:
            from twisted.internet import reactor

            self._reactor = reactor
        try:
            self._around = self._prepare()
        except (StartError, ControlError, OSError) as trouble:
            self._close()
            raise StartError(str(trouble)) from None

    def startService(self) -> None:
        """Start every role."""
        super().startService()  # type: ignore[no-untyped-call]
        self.privilegedStartService()
        assert self._around is not None
        for unit in self._units.values():
            unit.start()
        self._catch_signals()
        self._greet(self._around)
        notify.tell(self._notified, notify.READY)

    def _prepare(self) -> Surroundings:
        """Check the home and open what the roles will be handed."""
        conf, ids = self._settings()
        who = self._users(ids)
        if who is not None:
            reach.check(ids.qmaild_uid, ids.nofiles_gid)
        self._lock()
        wishes = self._wishes or ports.from_control(self.home)
        self._listeners = ports.open_all(self._reactor, wishes)
        around = Surroundings(self._reactor, self.home, who, environment(self.home), import_path(), self.say)
        self._open_log(around)
        self._make_units(around)
        return around

    def _settings(self) -> tuple[Conf, Ids]:
        """The build settings of the home, and its users' numbers."""
        if not os.path.isdir(os.path.join(self.home, "queue")):
            raise StartError(f"{self.home} is not the home of a mail system; make one with: "
                             f"qmail-config --home {self.home} HOST")
        conf = build.load(self.home)
        return conf, build.ids(conf)

    def _users(self, ids: Ids) -> dict[str, tuple[int, int]] | None:
        """Whose uid and gid each role takes; None if all stay what they are."""
        if os.geteuid() == 0:
            return {role.name: (getattr(ids, role.user + "_uid"), getattr(ids, role.group + "_gid"))
                    for role in roles.ROLES}
        for role in roles.ROLES:
            if getattr(ids, role.user + "_uid") != os.geteuid():
                raise StartError(f"{self.home} has users of its own ({role.user}): only root can start it")
        return None

    def _lock(self) -> None:
        """Make sure that nobody else serves this home; a master whose send was told to end makes room."""
        directory = os.path.join(self.home, "run")
        if not os.path.isdir(directory):
            os.mkdir(directory)
            os.chmod(directory, 0o755)  # twistd in the background has a umask that would close it to the roles
        self._held.append(takeover.lock(self.home))
        takeover.note(self.home, False)

    def _open_log(self, around: Surroundings) -> None:
        """Make the pipe that every role writes its lines into; a full one makes nobody wait."""
        read_end, write_end = os.pipe()
        os.set_blocking(write_end, False)
        try:
            fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, PIPE_ROOM)
        except OSError:
            pass  # the usual size does, with less room for a log that is being restarted
        around.null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        around.log = write_end
        self._held += [read_end, write_end, around.null]
        self._units["log"] = Unit("log", around, roles.unit("log"), {"lines": read_end}, self._log_options)

    def _make_units(self, around: Surroundings) -> None:
        """Put together all units but the log: the door, those who deliver, and the fronts."""
        run = os.path.join(self.home, "run")
        door = self._listen(run, roles.DOOR_SOCKETS, 0o666)
        self._units["door"] = Unit("door", around, roles.unit("door"), door, {})
        control = self._listen(run, roles.SEND_SOCKETS, 0o600)
        options = {"default_delivery": self._default_delivery, "remote_width": REMOTE_WIDTH}
        self._units["send"] = Unit("send", around, roles.unit("send"), control, options)
        self._units["send"].on_rest = self._send_rests
        self._make_fronts(around)

    def _listen(self, run: str, names: Mapping[str, str], mode: int) -> dict[str, int]:
        """Make UNIX sockets of these names; gives their descriptors by what the role calls them."""
        opened = {}
        for name, socket_name in names.items():
            opened[name] = sockets.listen_unix(run, socket_name, mode).detach()
            self._held.append(opened[name])
        return opened

    def _make_fronts(self, around: Surroundings) -> None:
        """Put together those who serve the ports."""
        for server in {roles.server_of(listener.service): None for listener in self._listeners}:
            mine = [listener for listener in self._listeners if roles.server_of(listener.service) == server]
            ports_by_name = {listener.name: listener.port.fileno() for listener in mine}
            proxied = ",".join(listener.name for listener in mine if listener.proxied)
            options = {"haproxy": proxied} if proxied else {}
            if server != "front":
                self._units[server] = Unit(server, around, roles.unit(server), ports_by_name, options)
                continue
            fronts = self._fronts or len(os.sched_getaffinity(0))
            crowd = tally.create(fronts)
            self._held.append(crowd)
            for number in range(fronts):
                name = f"front{number}"
                fds = {**ports_by_name, "crowd": crowd}
                self._units[name] = Unit(name, around, roles.unit("front"), fds, {**options, "region": str(number)})

    def _send_rests(self, is_resting: bool) -> None:
        """qmail-send was told to end and has, or is started again: let a new start and the administrator know."""
        takeover.note(self.home, is_resting)
        self.say("send: stopped; mail is received, and waits for the next start" if is_resting else "send: starting")

    def _greet(self, around: Surroundings) -> None:
        """Say on the log what the operator needs to know."""
        uids = {who[0] for who in around.who.values()} if around.who is not None else {os.geteuid()}
        if len(uids) == 1:
            self.say(f"warning: every process runs as uid {uids.pop()}; nothing separates them")
        for listener in self._listeners:
            self.say(listener.announcement())

    def say(self, line: str) -> None:
        """Write one line to the log, if it has room."""
        if self._around is None:
            return
        try:
            os.write(self._around.log, line.encode("utf-8", "backslashreplace") + b"\n")
        except OSError:
            pass

    def _catch_signals(self) -> None:
        """Have HUP and ALRM forwarded, and USR1 resume deliveries; whoever wanted them before us gets them, too."""
        if threading.current_thread() is not threading.main_thread():
            return
        for name in (*FORWARDED, RESUME):
            number = getattr(signal, "SIG" + name)
            self._former[number] = signal.signal(number, self._caught)

    def _caught(self, number: int, frame: FrameType | None) -> None:
        """A signal has come in."""
        self._reactor.callFromThread(self.forward, signal.Signals(number).name.removeprefix("SIG"))
        former = self._former.get(number)
        if callable(former):
            former(number, frame)

    def _release_signals(self) -> None:
        """Leave the signals as we found them, unless somebody has taken them since."""
        for number, former in self._former.items():
            if signal.getsignal(number) == self._caught:
                signal.signal(number, former)
        self._former = {}

    def forward(self, name: str) -> None:
        """Give signal *name* (``HUP``, ``ALRM``) to the roles that understand it; ``USR1`` is for units at rest."""
        if name == RESUME:
            for unit in self._units.values():
                unit.resume()
            return
        for unit in self._units.values():
            unit.signal(name)

    @inlineCallbacks
    def stopService(self) -> Generator[Deferred[Any], Any, None]:
        """End everything: first what takes mail and what delivers it, then the door, at last the log."""
        super().stopService()  # type: ignore[no-untyped-call]
        notify.tell(self._notified, notify.STOPPING)
        self._release_signals()
        ports.close_all(self._listeners)
        self._listeners = []
        door, log = self._units.pop("door", None), self._units.pop("log", None)
        yield gatherResults([unit.stop(DELIVERIES_FOR, ["send", "front", "pop3"]) for unit in self._units.values()])
        if door is not None:
            yield door.stop(REST_FOR, ["door"])
        if log is not None:
            takeover.note(self.home, False)
            log_ended = log.stop(REST_FOR, [])
            self._close()  # with our end of its pipe closed, the log writes what is left and ends
            yield log_ended

    def _close(self) -> None:
        """Close every descriptor we hold."""
        ports.close_all(self._listeners)
        for fd in self._held:
            os.close(fd)
        self._listeners, self._held, self._units, self._around = [], [], {}, None


def environment(home: str) -> dict[str, str]:
    """The environment of every role: a fixed list, whatever ours holds."""
    programs = os.path.dirname(sys.executable)  # where pip puts ours, for homes without a bin of their own
    variables = {"PATH": f"{home}/bin:{programs}:{os.environ.get('PATH', USUAL_PATH)}"}
    variables.update({name: os.environ[name] for name in INHERITED if name in os.environ})
    return variables


def import_path() -> list[str]:
    """Where the roles must look for modules besides the interpreter's own places: what PYTHONPATH told us."""
    given: Mapping[str, str] = os.environ
    return [directory for directory in given.get("PYTHONPATH", "").split(":") if directory.startswith("/")]
