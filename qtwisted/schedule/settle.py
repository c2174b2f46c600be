"""Writes down what became of a recipient, so that no crash makes us do it twice or forget it.

A delivered recipient is marked in its file at once, and the mark is made durable within a moment, together
with others. A failed one is first written up in bounce/N; only when that text is durable is the recipient
marked (safety order: append, sync, mark, sync). A message that is still in memory is marked there.

Unlike 1.02: marks and failure texts are synced to disk, so that a power cut repeats no delivery and loses no
bounce.
"""

from __future__ import annotations

from qtwisted.model import alerts
from qtwisted.schedule.bounces import paragraph
from qtwisted.schedule.jobs import DONE
from qtwisted.store.kinds.ledger import CHANNELS, Trouble

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from qtwisted.schedule.jobs import Job
    from qtwisted.schedule.log import Log
    from qtwisted.store.kinds.ledger import Ledger
    from qtwisted.store.kinds.together import GroupSync

#: how long a mark may wait for others, well within the 50 ms that the order of operations allows
MARK_WITHIN = 0.03


class Settler:
    """Settles recipients, one at a time."""

    def __init__(self, ledger: Ledger, sync: GroupSync, log: Log) -> None:
        """Write through *ledger*, make durable through *sync*, tell trouble to *log*."""
        self._ledger = ledger
        self._sync = sync
        self._log = log

    def delivered(self, job: Job, offset: int) -> None:
        """Mark a recipient that has the message."""
        if not self._mark_in_memory(job, offset):
            self._mark(job.channel, job.number, offset)

    def failed(self, job: Job, offset: int, recipient: bytes, text: bytes, then: Callable[[bool], None]) -> None:
        """Keep the text for a recipient that will never get the message, mark it, and say whether that
        worked.

        *recipient* is the address as the sender knows it. Without success the recipient stays to do.
        """
        self.failed_together(job, [(offset, recipient)], text, then)

    def failed_together(
        self, job: Job, recipients: Sequence[tuple[int, bytes]], text: bytes, then: Callable[[bool], None]
    ) -> None:
        """Do the same for several recipients (offset, address) that failed for the same reason."""
        words = b"".join([paragraph(recipient, text) for _, recipient in recipients])
        offsets = [offset for offset, _ in recipients]
        arrival = job.arrival
        if arrival is not None:
            arrival.text += words
        marked = [self._mark_in_memory(job, offset) for offset in offsets]
        if all(marked):
            then(True)
            return

        def synced(ok: bool) -> None:
            """Mark the recipients now that their text is safe."""
            if ok:
                for offset in offsets:
                    self._mark(job.channel, job.number, offset)
            else:
                self._log.say(alerts.CannotAppendToBounce())
            then(ok)

        try:
            fd = self._ledger.append_bounce(job.number, words)
        except Trouble as trouble:
            self._log.say(trouble.event)
            then(False)
        else:
            self._sync.add([fd], ["bounce"], synced)

    def _mark_in_memory(self, job: Job, offset: int) -> bool:
        """Mark a recipient of a message in memory; say whether there is no file to be marked as well."""
        arrival = job.arrival
        if arrival is None:
            return False
        image = arrival.images[job.channel]
        if image is not None:
            image[offset : offset + 1] = DONE
        return not arrival.written

    def _mark(self, channel: int, number: int, offset: int) -> None:
        """Mark a recipient in its file."""
        name = self._ledger.name(CHANNELS[channel], number)
        trouble = alerts.TroubleMarking(name.encode())

        def synced(ok: bool) -> None:
            """Tell if the mark is not durable."""
            if not ok:
                self._log.say(trouble)

        disk = self._ledger.disk
        fd = self._sync.open_file(name)
        is_open = fd is not None
        try:
            if fd is None:
                fd = self._ledger.open_for_mark(channel, number)
            disk.write_at(fd, DONE, offset)
        except OSError:
            if fd is not None and not is_open:
                disk.close(fd)
            self._log.say(trouble)
            return
        if not is_open:
            self._sync.add_file(name, fd, synced, MARK_WITHIN)
