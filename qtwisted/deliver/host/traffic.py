"""Traffic: all mail that qmail-rspawn has in hand, by destination.

Rules the file keeps:

* Hosts with the same best servers are one destination; see there for what happens inside it.
* At most ``limit`` letters are under way at a time, from MAIL to the reply to the message, and destinations take
  turns. A letter whose server has been silent for five seconds is not counted.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred

from qtwisted.deliver.host.destination import Destination
from qtwisted.deliver.host.letters import Letter
from qtwisted.deliver.host.mx import NowhereToGo
from qtwisted.deliver.host.reports import Report
from qtwisted.deliver.host.sending import check_addresses

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from twisted.python.failure import Failure

    from qtwisted.deliver.host.letters import Message
    from qtwisted.deliver.host.sending import Remote
    from qtwisted.deliver.host.slots import Delivery

SILENT_FOR = 5.0
LOOK_EVERY = 1.0
DESTINATIONS_KEPT = 64
"""How many destinations with nothing to do may stand in the table before it is cleaned."""


class Traffic:
    """Sends the recipients of messages on their way, and joins those that go the same way."""

    def __init__(self, clock: Any, remote: Remote, limit: int, complain: Callable[[Failure], None]) -> None:
        """Have at most so many letters under way."""
        self.resting = 0
        self._clock = clock
        self._remote = remote
        self._limit = max(1, limit)
        self._complain = complain
        self._destinations: dict[Hashable, Destination] = {}
        self._under_way: set[Letter] = set()
        self._held: deque[Destination] = deque()
        self._timer: Any = None

    def deliver(
        self, host: bytes, sender: bytes, recipient: bytes, name: bytes, body: Message, delivery: Delivery
    ) -> Deferred[Report]:
        """Send a message to one recipient; ``name`` tells which message it is. The body is closed at the end."""
        work = self._deliver(host, sender, recipient, name, body, delivery)

        def close(result: Any) -> Any:
            """Close the message before anybody hears that it is over."""
            if delivery.letter is None:
                body.close()
            return result

        return Deferred.fromCoroutine(work).addBoth(close)

    async def _deliver(
        self, host: bytes, sender: bytes, recipient: bytes, name: bytes, body: Message, delivery: Delivery
    ) -> Report:
        """Find the way, and put the recipient into a letter."""
        try:
            way = await self._remote.find(host)
            check_addresses(sender, [recipient])
            most = self._remote.config().concurrencydestination
        except NowhereToGo as nowhere:
            return Report(nowhere.report)
        destination = self._destinations.get(way.destination)
        if destination is None:
            most = min(most or self._limit, self._limit)
            destination = Destination(self._clock, self._remote, self, most)
            self._destinations[way.destination] = destination
        letter = destination.joinable(sender, name)
        if letter is None:
            letter = Letter(sender, name, body)
            destination.add(letter, way, delivery.delnum)
        else:
            body.close()
        delivery.letter = letter
        delivery.destination = destination
        return await letter.add(recipient)

    def close(self) -> Deferred[Any]:
        """End all connections that nobody uses, and wait until every connection is closed."""
        for destination in list(self._destinations.values()):
            destination.close()
        self._remote.drop_unopened()
        return self._remote.all_closed()

    # What destinations ask for

    def may_begin(self, destination: Destination) -> bool:
        """Let one more letter begin, or have the destination wait for its turn."""
        if len(self._under_way) < self._limit or self._speaking() < self._limit:
            return True
        if destination not in self._held:
            self._held.append(destination)
        if self._timer is None:
            self._timer = self._clock.callLater(LOOK_EVERY, self._look)
        return False

    def began(self, letter: Letter) -> None:
        """Count a letter that is under way."""
        self._under_way.add(letter)

    def ended(self, letter: Letter) -> None:
        """Count it no longer, and let the next destination have its turn."""
        self._under_way.discard(letter)
        if self._held:
            self._held.popleft().advance_soon()

    def complain(self, failure: Failure) -> None:
        """Note a fault of ours."""
        self._complain(failure)

    def idle(self) -> None:
        """Forget destinations that have nothing any more, now and then."""
        if len(self._destinations) > DESTINATIONS_KEPT:
            self._destinations = {
                key: destination for key, destination in self._destinations.items() if not destination.is_empty
            }

    def _speaking(self) -> int:
        """Count the letters whose servers are not silent."""
        now = self._clock.seconds()
        return sum(now - last_sign(letter) <= SILENT_FOR for letter in self._under_way)

    def _look(self) -> None:
        """Look whether servers have gone silent."""
        self._timer = None
        for _ in range(min(len(self._held), max(0, self._limit - self._speaking()))):
            self._held.popleft().advance_soon()
        if self._held:
            self._timer = self._clock.callLater(LOOK_EVERY, self._look)


def last_sign(letter: Letter) -> float:
    """Say when something last happened with a letter that is under way."""
    return max(letter.begun_at or 0.0, letter.body.read_at)
