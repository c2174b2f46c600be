"""Tests for qtwisted.admin.running.supervise: when processes are started, ended and started again."""

import os
import signal
from typing import Any

from twisted.internet.error import ProcessDone, ProcessTerminated
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from qtwisted.admin.running.supervise import FIRMLY_FOR, HINT_FOR, PARTING_FOR, Child, Surroundings, Unit
from qtwisted.system import roles


class Process:
    """A process that a test has under its thumb."""

    def __init__(self, child: Child, words: list[str], fds: dict[int, int]) -> None:
        """It takes copies of the descriptors it is handed, as a real one would."""
        self.child = child
        self.words = words
        self.fds = {number: os.dup(fd) for number, fd in fds.items()}
        self.signals: list[int] = []
        child.transport = self  # type: ignore[assignment]

    def fd(self, name: str) -> int:
        """Our copy of the descriptor called *name*."""
        number = next(word.partition("=")[2] for word in self.words if word.startswith(f"fd.{name}="))
        return self.fds[int(number)]

    def signalProcess(self, number: int) -> None:
        """What signals it gets."""
        self.signals.append(number)

    def close(self) -> None:
        """Its descriptors go with it."""
        for fd in self.fds.values():
            os.close(fd)
        self.fds = {}

    def end(self, by: int | None = None, code: int = 0) -> None:
        """It ends by itself or by a signal."""
        self.close()
        ok = by is None and code == 0
        reason = ProcessDone(0) if ok else ProcessTerminated(code if by is None else None, by, 0)  # type: ignore
        self.child.processExited(Failure(reason))


class Reactor(Clock):
    """A reactor whose processes are Process objects, and which is told when to look at descriptors."""

    def __init__(self) -> None:
        """Begin with nothing."""
        super().__init__()
        self.started: list[Process] = []
        self.readers: list[Any] = []
        self.broken = False

    def spawnProcess(self, child: Child, executable: str, words: list[str], env: dict[str, str], path: str,
                     childFDs: dict[int, int]) -> None:
        """Start a process."""
        if self.broken:
            raise OSError(11, "Resource temporarily unavailable")
        self.started.append(Process(child, words, childFDs))

    def addReader(self, reader: Any) -> None:
        """Watch a descriptor."""
        self.readers.append(reader)

    def removeReader(self, reader: Any) -> None:
        """Watch it no longer."""
        self.readers.remove(reader)

    def look(self) -> None:
        """Let those see the end of their pipe for whom it has come."""
        import select

        for reader in list(self.readers):
            if select.select([reader], [], [], 0)[0]:
                reader.doRead()


class UnitTests(SynchronousTestCase):
    """A unit is started, watched, started again, and ended."""

    def setUp(self) -> None:
        """Make surroundings with a log that is a list."""
        self.reactor = Reactor()
        self.said: list[str] = []
        self.around = Surroundings(self.reactor, "/home", None, {"PATH": "/bin"}, [], self.said.append)
        self.around.null = self.around.log = os.open(os.devnull, os.O_RDWR)
        self.addCleanup(os.close, self.around.null)
        self.addCleanup(lambda: [process.close() for process in self.reactor.started])
        self.addCleanup(lambda: [os.close(reader.fileno()) for reader in self.reactor.readers])

    def unit(self, name: str) -> Unit:
        """A unit of the real table, started."""
        unit = Unit(name, self.around, roles.unit(name), {}, {})
        unit.start()
        return unit

    def take(self) -> dict[str, Process]:
        """The processes started since last asked, by role."""
        started, self.reactor.started = self.reactor.started, []
        return {process.child.role.name: process for process in started}

    def test_group(self) -> None:
        """send gets one end of a socket to each spawner, each spawner the other end."""
        self.unit("send")
        group = self.take()
        self.assertEqual(set(group), {"send", "lspawn", "rspawn"})
        os.write(group["send"].fd("lspawn"), b"order")
        self.assertEqual(os.read(group["lspawn"].fd("orders"), 9), b"order")
        os.write(group["rspawn"].fd("orders"), b"report")
        self.assertEqual(os.read(group["send"].fd("rspawn"), 9), b"report")
        for process in group.values():
            process.close()

    def test_restart_after_pause(self) -> None:
        """One that dies is started again after a tenth of a second, the next time after two."""
        self.unit("door")
        for pause in (0.1, 0.2, 0.4):
            self.take()["door"].end(code=1)
            self.reactor.look()
            self.reactor.advance(pause - 0.01)
            self.assertEqual(self.reactor.started, [])
            self.reactor.advance(0.02)
        self.take()["door"].close()
        self.assertEqual(self.said, ["alert: door: door exited 1"] * 3)

    def test_lifeline(self) -> None:
        """As long as anything that the unit began holds the lifeline, it is not started again."""
        self.unit("door")
        process = self.take()["door"]
        left_over = os.dup(process.fd("lifeline"))
        process.end(by=signal.SIGKILL)
        self.reactor.look()
        self.reactor.advance(1)
        self.assertEqual(self.reactor.started, [])
        os.close(left_over)
        self.reactor.look()
        self.reactor.advance(1)
        self.take()["door"].close()

    def test_dies_together(self) -> None:
        """When one of a group dies the others see the end of their sockets, then TERM, then KILL."""
        self.unit("send")
        group = self.take()
        group["lspawn"].end(by=signal.SIGSEGV)
        self.assertEqual(os.read(group["send"].fd("lspawn"), 9), b"")
        group["send"].end()
        self.assertEqual(group["rspawn"].signals, [])
        self.reactor.advance(HINT_FOR)
        self.assertEqual(group["rspawn"].signals, [signal.SIGTERM])
        self.reactor.advance(FIRMLY_FOR)
        self.assertEqual(group["rspawn"].signals, [signal.SIGTERM, signal.SIGKILL])
        group["rspawn"].end(by=signal.SIGKILL)
        self.reactor.look()
        self.reactor.advance(1)
        again = self.take()
        self.assertEqual(set(again), {"send", "lspawn", "rspawn"})
        for process in again.values():
            process.close()

    def test_forwards_signals(self) -> None:
        """HUP and ALRM reach send and nobody else."""
        unit = self.unit("send")
        group = self.take()
        unit.signal("HUP")
        self.assertEqual({name: process.signals for name, process in group.items()},
                         {"send": [signal.SIGHUP], "lspawn": [], "rspawn": []})
        for process in group.values():
            process.close()

    def test_stop(self) -> None:
        """To stop, send is told and the spawners see the end; all is over when all have ended."""
        unit = self.unit("send")
        group = self.take()
        over = unit.stop(20, ["send"])
        self.assertEqual([group[name].signals for name in ("send", "lspawn")], [[signal.SIGTERM], []])
        for name in ("send", "lspawn", "rspawn"):
            self.assertNoResult(over)
            group[name].end()
        self.reactor.look()
        self.successResultOf(over)
        self.reactor.advance(100)
        self.assertEqual((self.reactor.started, self.said), ([], []))

    def test_stop_insists(self) -> None:
        """What does not end in time is told more firmly, and then killed."""
        unit = self.unit("door")
        process = self.take()["door"]
        over = unit.stop(5, [])
        self.assertEqual(process.signals, [])
        self.reactor.pump([5, PARTING_FOR])
        self.assertEqual(process.signals, [signal.SIGTERM, signal.SIGKILL])
        process.end(by=signal.SIGKILL)
        self.reactor.look()
        self.successResultOf(over)

    def test_stop_during_pause(self) -> None:
        """A unit that waits to be started again is over at once, and is not started."""
        unit = self.unit("door")
        self.take()["door"].end(code=1)
        self.reactor.look()
        self.successResultOf(unit.stop(5, ["door"]))
        self.reactor.advance(100)
        self.assertEqual(self.reactor.started, [])

    def test_no_fork(self) -> None:
        """If the system has no process left, that is said, and tried again."""
        self.reactor.broken = True
        self.unit("door")
        self.assertEqual(self.said, ["alert: door: cannot start: Resource temporarily unavailable"])
        self.reactor.look()
        self.reactor.broken = False
        self.reactor.advance(0.2)
        self.take()["door"].close()

    def test_rest(self) -> None:
        """TERM to send alone is a wish: whoever is seen to end first, the unit rests until it is resumed."""
        for order in (("send", "lspawn", "rspawn"), ("rspawn", "lspawn", "send")):
            unit = self.unit("send")
            group = self.take()
            notes: list[bool] = []
            unit.on_rest = notes.append
            for name in order:
                group[name].end()
            self.reactor.look()
            self.reactor.advance(1000)
            self.assertEqual((notes, unit.is_resting, self.reactor.started, self.said), ([True], True, [], []))
            unit.resume()
            self.assertEqual((notes, unit.is_resting), ([True, False], False))
            for process in self.take().values():
                process.close()

    def test_rest_before_it_heeds(self) -> None:
        """TERM that comes before send can heed it is the same wish."""
        unit = self.unit("send")
        group = self.take()
        group["send"].end(by=signal.SIGTERM)
        self.assertTrue(unit.is_resting)
        for name in ("lspawn", "rspawn"):
            group[name].end()
        self.reactor.look()
        self.assertEqual(self.said, [])

    def test_no_rest(self) -> None:
        """When send has lost a partner, has crashed, or was told to end because another one died, it starts again."""
        for victim, end in (("send", roles.LOST_PARTNER), ("send", 1), ("lspawn", 1)):
            unit = self.unit("send")
            group = self.take()
            group.pop(victim).end(code=end)
            for process in group.values():
                process.end()
            self.reactor.look()
            self.assertFalse(unit.is_resting)
            self.reactor.advance(1000)
            again = self.take()
            self.assertEqual(set(again), {"send", "lspawn", "rspawn"}, victim)
            for process in again.values():
                process.close()
        self.assertEqual(self.said, [f"alert: send: {name} exited {code}"
                                     for name, code in (("send", 3), ("send", 1), ("lspawn", 1))])

    def test_resume_early(self) -> None:
        """Resumed while the last process is still there, the unit starts when that has ended."""
        unit = self.unit("send")
        group = self.take()
        group["send"].end()
        unit.resume()
        self.assertEqual(self.reactor.started, [])
        for name in ("lspawn", "rspawn"):
            group[name].end()
        self.reactor.look()
        self.reactor.advance(1)
        again = self.take()
        self.assertEqual(set(again), {"send", "lspawn", "rspawn"})
        for process in again.values():
            process.close()

    def test_resume_awake(self) -> None:
        """A unit that does not rest has nothing to resume."""
        unit = self.unit("door")
        unit.resume()
        self.take()["door"].close()
        self.assertEqual(self.reactor.started, [])

    def test_stop_at_rest(self) -> None:
        """A unit at rest is over at once, and cannot be resumed."""
        unit = self.unit("send")
        for process in self.take().values():
            process.end()
        self.reactor.look()
        self.successResultOf(unit.stop(5, ["send"]))
        unit.resume()
        self.assertEqual(self.reactor.started, [])
