"""What only the scheduler knows of some messages: when they are tried next, what is in flight, what was said last."""

from __future__ import annotations

from qtwisted.store.kinds.ledger import CHANNELS
from qtwisted.wire.request import text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from qtwisted.schedule.scheduler import Scheduler


def shown(scheduler: Scheduler, numbers: Sequence[int], seconds: float) -> Iterator[dict[str, Any]]:
    """Give one value for each message; *seconds* is a reading of the clock of the process."""
    entries = scheduler.agenda.entries_of(set(numbers))
    running = _running(scheduler, set(numbers), seconds)
    for number in numbers:
        arrival = scheduler.agenda.held.get(number)
        sentence = scheduler.wishes.sentences.passed.get(number)
        yield {
            "id": number,
            "is_in_memory": arrival is not None,
            "is_on_hold": number in scheduler.agenda.on_hold,
            "is_being_ended": None if sentence is None else sentence.verb,
            "next": {CHANNELS[channel]: at for channel, at in sorted(entries[number], reverse=True)},
            "deliveries": running.get(number, []),
            "reports": [
                {"recipient": text(recipient), "at": at, "text": text(report)}
                for recipient, at, report in scheduler.wishes.reports.of(number)
            ],
        }


def _running(scheduler: Scheduler, numbers: set[int], seconds: float) -> dict[int, list[dict[str, Any]]]:
    """List the deliveries of some messages."""
    found: dict[int, list[dict[str, Any]]] = {}
    for name, channel in zip(CHANNELS, scheduler.attempts.channels, strict=True):
        for delivery in channel.slots:
            if delivery is not None and delivery.job.number in numbers:
                told = {"channel": name, "recipient": text(delivery.recipient),
                        "running_for": round(seconds - delivery.started_at, 1)}
                found.setdefault(delivery.job.number, []).append(told)
    return found
