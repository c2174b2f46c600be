"""When a message is tried again, and when it has been tried long enough.

The schedule is quadratic: the attempts of a message lie at birth + (k * skip)^2 for k = 0, 1, 2, …, so that a
new message is tried often and an old one seldom (qmail-send.c nextretry).
"""

from __future__ import annotations

from math import isqrt

#: by how much the square root of the age grows from one attempt to the next: local, remote
SKIP = (10, 20)

#: a message that met trouble with the system, not with its recipient, is looked at again after so many seconds
SYSTEM_TROUBLE_FOR = 123

_LARGEST_ROOT = 65535


def next_retry(birth_at: int, recent_at: int, channel: int) -> int:
    """Say when a message is tried again if the attempt that begins at *recent_at* leaves something over."""
    root = min(isqrt(max(0, recent_at - birth_at)), _LARGEST_ROOT)
    return birth_at + (root + SKIP[channel]) ** 2


def is_dying(age_for: int, lifetime_for: int) -> bool:
    """Is this attempt the last one? A message as old as the limit is not yet too old."""
    return age_for > lifetime_for


def longest_wait(lifetime_for: int) -> int:
    """Say how long a message of the greatest age waits for its next attempt: no schedule goes beyond that."""
    return next_retry(0, lifetime_for, 1) - lifetime_for
