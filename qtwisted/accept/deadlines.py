"""How long a client may take: the rules, without a clock of their own.

A client may be silent between two commands. A command or message that has begun must come to its end, however slowly
its bytes come one by one; a long message gets time by its size.
"""

from __future__ import annotations

from qtwisted.model.frozen import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qtwisted.config.fields import SmtpdConfig


class Deadlines(NamedTuple):
    """How long a client may take, in seconds."""

    #: between two pieces of input, and to take our output
    silence_for: float = 1200.0
    #: for one command or message; 0 is for ever
    unit_for: float = 300.0
    #: a message may take one second more for so many bytes of it; 0 is as long as it wants
    minimum_rate: float = 500.0

    @property
    def shortest(self) -> float:
        """Say within which time no deadline can pass that is not set yet."""
        return min(self.silence_for, self.unit_for or self.silence_for)


def configured(config: SmtpdConfig) -> Deadlines:
    """Take the deadlines from the control files timeoutsmtpd, timeoutcommand and minrate."""
    return Deadlines(config.timeout, config.timeoutcommand, config.minrate)


class Patience:
    """What a client has used of its time."""

    __slots__ = ("_bytes", "_deadlines", "_heard_at", "_is_idle", "_unit_at")

    def __init__(self, deadlines: Deadlines, now: float) -> None:
        """Begin with a client that has said nothing."""
        self._deadlines = deadlines
        self._heard_at = now
        self._unit_at = now
        self._bytes = 0
        self._is_idle = True

    def heard(self, count: int, now: float) -> None:
        """So many bytes came."""
        self._heard_at = now
        if self._is_idle:
            self._is_idle = False
            self._unit_at = now
            self._bytes = 0
        self._bytes += count

    def settled(self, is_idle: bool) -> None:
        """All that came has been looked at; is nothing left of it that is not complete?"""
        self._is_idle = is_idle

    def begin_anew(self, now: float) -> None:
        """The client had to wait for us: that time does not count."""
        self._heard_at = self._unit_at = now
        self._bytes = 0

    def ends_at(self, in_body: bool) -> float:
        """Say until when more must have come."""
        silence_for, unit_for, minimum_rate = self._deadlines
        silence = self._heard_at + silence_for
        if self._is_idle or not unit_for or (in_body and not minimum_rate):
            return silence
        unit = self._unit_at + unit_for
        return min(silence, unit + self._bytes / minimum_rate if in_body else unit)
