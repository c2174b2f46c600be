"""Destination: the mail for one set of servers, and the connections to them.

Rules the file keeps:

* A connection that has carried a message is used for the next one. When there is none it is kept for five
  seconds; after a hundred messages it is given up.
* Of all destinations together 200 connections are kept so.
* Connections are opened for letters that wait, five at first. Each message that is accepted allows one more, up to
  the limit of control/concurrencydestination.
* Whichever connection is ready first takes the letter that has waited longest.
* A connection that cannot be opened while others are open lowers the number for five minutes: the server does not
  want more of them, and the letters wait for those there are. If there is no other, what waits has failed with it.
* A server that ends a used connection before it has seen the message costs no attempt: the letter goes out on
  another.
* Recipients that are too many for the server in one transaction are named in another one.

Unlike 1.02: connections are used for several messages, and several recipients of a message are named in one
transaction.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from qtwisted.deliver.host import reports
from qtwisted.deliver.host.mx import NowhereToGo
from qtwisted.deliver.host.reports import Report

if TYPE_CHECKING:
    from typing import Protocol

    from qtwisted.deliver.host.letters import Letter
    from qtwisted.deliver.host.lines import Line, Result
    from qtwisted.deliver.host.sending import Remote, Way

    class Floor(Protocol):
        """Whoever decides how many letters may be under way at a time, and counts the connections that rest."""

        resting: int

        def may_begin(self, destination: Destination) -> bool:
            """May one more letter begin? If not, the destination is told to advance later."""

        def began(self, letter: Letter) -> None:
            """Count a letter that is under way."""

        def ended(self, letter: Letter) -> None:
            """Count it no longer."""

        def complain(self, failure: Failure) -> None:
            """Note a fault of ours."""

        def idle(self) -> None:
            """Forget destinations that have nothing any more."""


IDLE_FOR = 5.0
MESSAGES_MAX = 100
RESTING_MAX = 200
"""How many idle connections are kept, to all destinations together."""
LINES_AT_FIRST = 5
REFUSED_FOR = 300.0


class Destination:
    """One set of servers."""

    def __init__(self, clock: Any, remote: Remote, floor: Floor, most: int) -> None:
        """Have at most so many connections, opened by ``remote``."""
        self._clock = clock
        self._remote = remote
        self._floor = floor
        self._most = max(1, most)
        self._wanted = min(LINES_AT_FIRST, self._most)
        self._refused_at: float | None = None
        self._way: Way | None = None
        self._waiting: deque[Letter] = deque()
        self._joinable: dict[tuple[bytes, bytes], Letter] = {}
        self._lines: set[Line] = set()
        self._idle: dict[Line, Any] = {}
        self._opening = 0
        self._spread = 0
        self._is_called = False
        self._is_closing = False

    @property
    def is_empty(self) -> bool:
        """Tell whether there is nothing to remember."""
        return not (self._waiting or self._lines or self._opening or self._is_called)

    def joinable(self, sender: bytes, name: bytes) -> Letter | None:
        """Find a letter with the same message and sender that has not been begun and takes one recipient more."""
        letter = self._joinable.get((sender, name))
        return None if letter is None or letter.is_full else letter

    def add(self, letter: Letter, way: Way, spread: int) -> None:
        """Send a letter, in a moment, so that others can join it; ``way`` is the latest way to the servers."""
        self._way, self._spread = way, spread
        self._waiting.append(letter)
        self._joinable[letter.sender, letter.name] = letter
        self.advance_soon()

    def put_off(self, letter: Letter) -> bool:
        """Give up a letter that waits; False if it does not wait here any more."""
        if letter not in self._waiting:
            return False
        self._waiting.remove(letter)
        self._leave(letter)
        letter.tell_all(Report(reports.NO_CONNECTION))
        return True

    def advance_soon(self) -> None:
        """Advance in the next turn of the reactor."""
        if not self._is_called:
            self._is_called = True
            self._clock.callLater(0, self._called)

    def _called(self) -> None:
        """Advance now."""
        self._is_called = False
        self.advance()

    def advance(self) -> None:
        """Begin what can be begun, and open connections for the rest."""
        while self._waiting and self._idle and self._floor.may_begin(self):
            self._begin(self._take_idle(), self._waiting.popleft())
        while self._needs_more():
            self._opening += 1
            self._run(self._open())
        if self._is_closing:
            self.close()
        if self.is_empty:
            self._floor.idle()

    def _needs_more(self) -> bool:
        """Tell whether a connection more would help, and may be opened."""
        coming = self._opening + len(self._idle)
        return coming < len(self._waiting) and self._opening + len(self._lines) < self._wanted

    def close(self) -> None:
        """End the connections that nobody uses."""
        self._is_closing = True
        while self._idle:
            self._end(self._take_idle())

    def _run(self, work: Any) -> None:
        """Let something run by itself."""
        Deferred.fromCoroutine(work).addErrback(self._floor.complain)

    async def _open(self) -> None:
        """Open one more connection."""
        assert self._way is not None
        try:
            line = await self._remote.open(self._way, self._spread)
        except NowhereToGo as nowhere:
            self._opening -= 1
            self._not_opened(nowhere.report)
        except Exception:
            self._opening -= 1
            self._fail_waiting(_failure())
        else:
            self._opening -= 1
            self._lines.add(line)
            line.closed.addCallback(lambda _: self._lost(line))
            if line in self._lines:
                self._rest(line)
        self.advance()

    def _not_opened(self, report: bytes) -> None:
        """Make do with the connections there are; without any, fail what waits."""
        others = len(self._lines) + self._opening
        self._wanted = max(1, others)
        self._refused_at = self._clock.seconds()
        if not others:
            waiting = list(self._waiting)
            self._waiting.clear()
            self._joinable.clear()
            for letter in waiting:
                letter.tell_all(Report(report))

    def _fail_waiting(self, failure: Failure) -> None:
        """Tell of a fault of ours whoever would wait for this connection."""
        if not self._waiting:
            self._floor.complain(failure)
            return
        letter = self._waiting.popleft()
        self._leave(letter)
        letter.fail(failure)

    def _leave(self, letter: Letter) -> None:
        """Let nobody join the letter any more."""
        key = letter.sender, letter.name
        if self._joinable.get(key) is letter:
            del self._joinable[key]

    def _begin(self, line: Line, letter: Letter) -> None:
        """Send a letter on a connection."""
        self._leave(letter)
        letter.begun_at = self._clock.seconds()
        self._floor.began(letter)
        self._run(self._talk(line, letter))

    async def _talk(self, line: Line, letter: Letter) -> None:
        """Send a letter, and see what becomes of it and of the connection."""
        is_used = line.carried > 0
        try:
            result = await line.send(letter.sender, letter.recipients, letter.body)
        except Exception:
            self._floor.ended(letter)
            self._end(line)
            letter.fail(_failure())
            self.advance()
            return
        self._floor.ended(letter)
        if result.untouched:
            self._end(line)
        elif line in self._lines:
            self._rest(line)
        if result.untouched and is_used:
            letter.rewind()
            self._waiting.appendleft(letter)
        else:
            self._tell(letter, result)
        self.advance()

    def _tell(self, letter: Letter, result: Result) -> None:
        """Tell the reports; recipients that were too many come first in the next transaction."""
        each = result.each
        if result.again:
            rest = letter.split(result.again)
            rest.rewind()
            self._waiting.appendleft(rest)
            each = [report for at, report in enumerate(each) if at not in result.again]
        if result.whole.message[:1] == b"K":
            self._grow()
        letter.tell(each, is_over=not result.again)

    def _grow(self) -> None:
        """Allow one connection more, since the server accepts what we send."""
        if self._refused_at is not None and self._clock.seconds() < self._refused_at + REFUSED_FOR:
            return
        self._refused_at = None
        self._wanted = min(self._wanted + 1, self._most)

    def _rest(self, line: Line) -> None:
        """Keep a connection that can carry more."""
        is_needed = len(self._idle) < len(self._waiting)
        is_spare = bool(self._idle) if not line.carried else self._floor.resting >= RESTING_MAX
        if not line.is_idle or line.carried >= MESSAGES_MAX or self._is_closing or (is_spare and not is_needed):
            self._end(line)
        else:
            self._floor.resting += 1
            self._idle[line] = self._clock.callLater(IDLE_FOR, self._tired, line)

    def _take_idle(self) -> Line:
        """Take the connection that was used last."""
        line = next(reversed(self._idle))
        self._wake(line)
        return line

    def _wake(self, line: Line) -> None:
        """Count a connection as idle no longer, if it was."""
        timer = self._idle.pop(line, None)
        if timer is None:
            return
        self._floor.resting -= 1
        if timer.active():
            timer.cancel()

    def _tired(self, line: Line) -> None:
        """Give up a connection that nobody used for a while."""
        self._wake(line)
        self._end(line)
        self.advance()

    def _end(self, line: Line) -> None:
        """End a connection."""
        self._lines.discard(line)
        line.quit()

    def _lost(self, line: Line) -> None:
        """Learn that a connection is closed."""
        self._lines.discard(line)
        self._wake(line)
        self.advance_soon()


def _failure() -> Failure:
    """The exception that is being dealt with."""
    return Failure()  # type: ignore[no-untyped-call]
