"""The scheduler's way to have files removed that belong to the door: todo, intd and mess.

It knows which numbers are about to be removed, so that nobody asks twice: the second request could come when
the number belongs to a new message already.
"""

from __future__ import annotations

from qtwisted.schedule.retry import SYSTEM_TROUBLE_FOR
from qtwisted.store.watch import CARRIED_OUT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from qtwisted.store.kinds.together import Clock

    Clean = Callable[[bytes, Callable[[bytes], None]], None]


class Cleaner:
    """Sends commands to the door and counts the answers that are missing.

    ``removed`` hears of each answer, ``tried`` of each second try.
    """

    def __init__(self, clock: Clock, send: Clean) -> None:
        """Send through *send*, which takes a command and whom to tell the answer."""
        self._clock = clock
        self._send = send
        self._removing: dict[int, int] = {}
        self.removed: Callable[[int], None] = lambda number: None
        self.tried: Callable[[], None] = lambda: None

    @property
    def is_idle(self) -> bool:
        """Is every command answered?"""
        return not self._removing

    @property
    def unanswered(self) -> int:
        """How many messages are on their way out."""
        return len(self._removing)

    def is_removing(self, number: int) -> bool:
        """Is a message on its way out?"""
        return number in self._removing

    def hold(self, number: int) -> Callable[[], None]:
        """Count a message as being removed already; give what ends that."""
        self._removing[number] = self._removing.get(number, 0) + 1

        def end() -> None:
            """Count it no more."""
            left = self._removing[number] - 1
            if left:
                self._removing[number] = left
            else:
                del self._removing[number]

        return end

    def clean(self, command: bytes, answered: Callable[[bool], None]) -> None:
        """Have the door carry out ``todo/N``, ``foop/N`` or ``done/N``; *answered* hears whether it could."""
        number = int(command[5:])
        release = self.hold(number)

        def answer(word: bytes) -> None:
            """Pass on the door's word."""
            release()
            answered(word == CARRIED_OUT)
            self.removed(number)

        self._send(command, answer)

    def later(self, again: Callable[[], None]) -> None:
        """Have something tried again in a while."""

        def now() -> None:
            """Try it."""
            again()
            self.tried()

        self._clock.callLater(SYSTEM_TROUBLE_FOR, now)
