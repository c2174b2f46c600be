"""What the scheduler is doing at this moment, for those who watch it."""

from __future__ import annotations

import os

from qtwisted.store.kinds.ledger import CHANNELS
from qtwisted.wire.request import text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from qtwisted.schedule.jobs import Delivery
    from qtwisted.schedule.scheduler import Scheduler

#: deliveries shown; there can be more only where remote deliveries have lent their slots
DELIVERIES_MAX = 5000


def snapshot(scheduler: Scheduler, now: int, seconds: float, started: float) -> Iterator[dict[str, Any]]:
    """Give the numbers first, then each delivery that runs.

    *now* is the time of the schedule; *seconds* and *started* are readings of the clock of the process. All of it is
    as it was when the first value was asked for.
    """
    deliveries = _running(scheduler)
    yield {"pid": os.getpid(), "now": now, "running_for": round(seconds - started, 1), **_numbers(scheduler)}
    for channel, delivery, is_lent in deliveries[:DELIVERIES_MAX]:
        yield {
            "delivery": delivery.ident,
            "message": delivery.job.number,
            "channel": channel,
            "sender": text(delivery.job.sender),
            "recipient": text(delivery.recipient),
            "running_for": round(seconds - delivery.started_at, 1),
            "waits": is_lent,
        }


def _running(scheduler: Scheduler) -> list[tuple[str, Delivery, bool]]:
    """List what is in flight: channel, delivery, and whether it only waits."""
    found = []
    for name, channel in zip(CHANNELS, scheduler.attempts.channels, strict=True):
        slots = enumerate(channel.slots)
        found += [(name, delivery, slot in channel.lent) for slot, delivery in slots if delivery is not None]
    return found


def _numbers(scheduler: Scheduler) -> dict[str, Any]:
    """Count everything."""
    agenda, attempts = scheduler.agenda, scheduler.attempts
    channels = {
        name: {
            "running": channel.used,
            "limit": channel.limit,
            "waiting": len(channel.lent),
            "scheduled": len(agenda.dues[number]),
        }
        for number, (name, channel) in enumerate(zip(CHANNELS, attempts.channels, strict=True))
    }
    return {
        "is_paused": attempts.is_paused,
        "is_ending": attempts.is_exiting,
        "is_loading": not scheduler.loading.is_over,
        "on_hold": len(agenda.on_hold),
        "new": len(agenda.held) + scheduler.arrivals.waiting,
        "leaving": scheduler.cleaner.unanswered,
        **channels,
        "deliveries_ended": dict(attempts.ended),
    }
