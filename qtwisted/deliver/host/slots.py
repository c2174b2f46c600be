"""Slots: how qmail-rspawn lends the slots of deliveries that only wait, so that silent servers hold up nobody.

qmail-send gives orders for as many deliveries as control/concurrencyremote says, in the order in which mail is due. A
delivery that waits, for a name server, for a connection, for a greeting or for its turn, does nothing with its slot.
While all slots are taken

* a delivery that has waited for a quarter of a second, or whose server has been silent for five seconds in the
  dialogue, lends its slot: qmail-send is told so, and orders another delivery;
* if it would be more than a thousand deliveries that have lent their slots, those that have waited longest, and
  longer than thirty seconds, are put off.

While slots are free nobody is disturbed. The delivery goes on all the time, and is reported when it is over.

Unlike 1.02: a delivery whose server is silent does not count against control/concurrencyremote while others wait for
its slot, so that no number of dead servers holds up mail for the living.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtwisted.deliver.host.traffic import last_sign

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtwisted.deliver.host.destination import Destination
    from qtwisted.deliver.host.letters import Letter

LOOK_EVERY = 0.1
LEND_AFTER = 0.25
LEND_SPEAKING_AFTER = 5.0
PUT_OFF_AFTER = 30.0


class Delivery:
    """One order: its number, and how far it has come."""

    __slots__ = ("began_at", "delnum", "destination", "letter")

    def __init__(self, delnum: int, began_at: float) -> None:
        """Begin."""
        self.delnum = delnum
        self.began_at = began_at
        self.letter: Letter | None = None
        self.destination: Destination | None = None

    def is_silent(self, now: float) -> bool:
        """Tell whether nothing has happened for longer than it may keep a slot for."""
        if self.letter is None or self.letter.begun_at is None:
            return now - self.began_at >= LEND_AFTER
        return now - last_sign(self.letter) >= LEND_SPEAKING_AFTER

    def put_off(self, now: float) -> bool:
        """Give it up, if it has waited long enough for that."""
        letter, destination = self.letter, self.destination
        if letter is None or destination is None or letter.begun_at is not None:
            return False
        return now - self.began_at >= PUT_OFF_AFTER and destination.put_off(letter)


class Slots:
    """Knows who holds a slot and who has lent it."""

    def __init__(self, clock: Any, limit: int, most_lent: int, lend: Callable[[int], None]) -> None:
        """There are ``limit`` slots; ``lend`` is told each number of a delivery that lends its slot."""
        self._clock = clock
        self._limit = limit
        self._most_lent = most_lent
        self._lend = lend
        self._holding: dict[int, Delivery] = {}
        self._lent: dict[int, Delivery] = {}
        self._timer: Any = None

    def __contains__(self, delnum: object) -> bool:
        """Is this number in use?"""
        return delnum in self._holding or delnum in self._lent

    def __len__(self) -> int:
        """Count the deliveries that are not over."""
        return len(self._holding) + len(self._lent)

    def numbers(self) -> list[int]:
        """List the deliveries that are not over."""
        return [*self._holding, *self._lent]

    def begin(self, delnum: int) -> Delivery:
        """Begin a delivery."""
        delivery = self._holding[delnum] = Delivery(delnum, self._clock.seconds())
        self._watch()
        return delivery

    def end(self, delnum: int) -> None:
        """End a delivery."""
        if self._holding.pop(delnum, None) is None:
            self._lent.pop(delnum, None)

    def _watch(self) -> None:
        """While all slots are taken, look again and again."""
        if self._timer is None and self._most_lent and len(self._holding) >= self._limit:
            self._timer = self._clock.callLater(LOOK_EVERY, self._look)

    def _look(self) -> None:
        """Lend the slots of those that only wait."""
        self._timer = None
        if len(self._holding) < self._limit:
            return
        now = self._clock.seconds()
        silent = [delivery for delivery in self._holding.values() if delivery.is_silent(now)]
        room = self._most_lent - len(self._lent)
        for delivery in silent[:room]:
            self._lent[delivery.delnum] = self._holding.pop(delivery.delnum)
            self._lend(delivery.delnum)
        self._make_room(len(silent) - room, now)
        self._watch()

    def _make_room(self, wanted: int, now: float) -> None:
        """Put off some that have lent their slots long ago."""
        for delivery in list(self._lent.values()):
            if wanted <= 0:
                return
            wanted -= delivery.put_off(now)
