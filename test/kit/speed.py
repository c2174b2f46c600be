"""Limits of time on a machine that others use as well: what is fast is fast at least once in a few times."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

TRIES = 5


def is_done_within(seconds: float, work: Callable[[], object]) -> bool:
    """Do something until it takes less than so long, but not for ever: a machine stalls for once, a fault stays."""
    for _ in range(TRIES):
        began_at = time.monotonic()
        work()
        if time.monotonic() - began_at < seconds:
            return True
    return False
