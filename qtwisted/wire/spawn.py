"""The talk between qmail-send and its two spawners: orders one way, reports the other.

An order is ``byte(delnum) messid NUL sender NUL recipient NUL``; a report is ``byte(delnum) text NUL``, where
the text begins with its letter K, Z or D. Before anything else the spawner says how many deliveries it can
hold. Both sides of both directions live here, so that what one writes the other reads (spawn.c, qmail-send.c).

Rules this file keeps:

* Bytes may arrive in any portions; the same orders and reports come out.
* What an order may contain is checked here and nowhere else, in the sequence of ``docmd`` in spawn.c; the
  first check that fails gives the report to send back, and nothing is started.
* Unfinished input has a ceiling in both directions.

Unlike 1.02: delivery numbers may take two bytes (``width=2``, little-endian, the greeting likewise) when both
sides agree, for more than 255 deliveries at a time.
"""

from __future__ import annotations

from qtwisted.model.frozen import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container, Iterator

REPORTMAX = 10000
"""Longest report qmail-send keeps, its delivery number included; more is thrown away (qmail-send.c)."""

LENT = b"w"
"""With numbers of two bytes, what the remote spawner reports when a delivery that only waits lends its slot: it is
not over, but another may be ordered in its place. The report on its end follows."""

LENT_MAX = 1000
"""So many deliveries may have lent their slots; their numbers go on after the slots."""

FIELDMAX = 32768
"""Longest messid, sender or recipient a spawner collects."""

MESSIDMAX = 99
"""Longest messid a spawner accepts (spawn.c)."""

NO_MEMORY = b"Zqmail-spawn out of memory. (#4.3.0)\n"
TOO_BIG = b"ZInternal error: delnum too big. (#4.3.5)\n"
IN_USE = b"ZInternal error: delnum in use. (#4.3.5)\n"
NONNUMERIC = b"DInternal error: messid has nonnumerics. (#5.3.5)\n"
TOO_LONG = b"DInternal error: messid too long. (#5.3.5)\n"
TOO_SHORT = b"DInternal error: messid too short. (#5.3.5)\n"
NO_HOST = b"DSorry, address must include host name. (#5.1.3)\n"

_DIGITS = b"0123456789"
_ORDER_FIELDS = 3


class Order(NamedTuple):
    """One delivery to make: a message, by its name below queue/mess, to one recipient."""

    delnum: int
    messid: bytes
    sender: bytes
    recipient: bytes


class Report(NamedTuple):
    """What became of a delivery; ``text`` begins with the letter and holds no NUL."""

    delnum: int
    text: bytes


def hello_bytes(slots: int, width: int = 1) -> bytes:
    """The spawner's greeting: how many deliveries it can hold at a time."""
    return slots.to_bytes(width, "little")


def order_bytes(order: Order, width: int = 1) -> bytes:
    """An order as it goes over the pipe."""
    number = order.delnum.to_bytes(width, "little")
    return b"%s%s\0%s\0%s\0" % (number, order.messid, order.sender, order.recipient)


def report_bytes(report: Report, width: int = 1) -> bytes:
    """A report as it goes over the pipe; the text ends at its first NUL, whatever follows."""
    return b"%s%s\0" % (report.delnum.to_bytes(width, "little"), report.text.partition(b"\0")[0])


def refusal(order: Order, slots: int, busy: Container[int]) -> bytes:
    """Why an order cannot be obeyed, as report text; empty if it can (docmd in spawn.c)."""
    if order.delnum >= slots:
        return TOO_BIG
    if order.delnum in busy:
        return IN_USE
    if order.messid.startswith(b"/") or order.messid.translate(None, _DIGITS).strip(b"/"):
        return NONNUMERIC
    if len(order.messid) > MESSIDMAX:
        return TOO_LONG
    if not order.messid:
        return TOO_SHORT
    if b"@" not in order.recipient:
        return NO_HOST
    return b""


class OrderReader:
    """The spawner's ear: bytes in, checked orders or ready refusals out.

    ``busy`` tells which delivery numbers are taken; it is asked at the moment each order comes out, so an order
    the caller has just begun counts.

    Unlike 1.02: an order with a field above 32768 bytes is read to its end and answered as out of memory, where
    1.02 went on collecting until memory really was exhausted.
    """

    def __init__(self, slots: int, busy: Container[int], width: int = 1) -> None:
        """Read orders for delivery numbers below ``slots``."""
        self._slots = slots
        self._busy = busy
        self._width = width
        self._buffer = b""
        self._oversize = False

    def received(self, data: bytes) -> Iterator[Order | Report]:
        """Take in bytes; iterate to get what they complete."""
        self._buffer += data
        return self._complete()

    def _complete(self) -> Iterator[Order | Report]:
        """Each order that is complete, or the report that refuses it."""
        while (end := self._end()) >= 0:
            whole, self._buffer = self._buffer[:end], self._buffer[end + 1 :]
            oversize, self._oversize = self._oversize, False
            order = self._order(whole)
            if oversize or max(map(len, order[1:])) > FIELDMAX:
                yield Report(order.delnum, NO_MEMORY)
                continue
            why = refusal(order, self._slots, self._busy)
            yield Report(order.delnum, why) if why else order
        self._shed()

    def _end(self) -> int:
        """Where the first order's last NUL is, or -1 while it is unfinished."""
        at = self._width - 1
        for _ in range(_ORDER_FIELDS):
            at = self._buffer.find(b"\0", at + 1)
            if at < 0:
                return -1
        return at

    def _order(self, whole: bytes) -> Order:
        """Take apart a complete order, its last NUL removed."""
        messid, sender, recipient = whole[self._width :].split(b"\0", 2)
        return Order(int.from_bytes(whole[: self._width], "little"), messid, sender, recipient)

    def _shed(self) -> None:
        """Forget what can no longer become a legal order, keeping its number and how many fields it had."""
        head, body = self._buffer[: self._width], self._buffer[self._width :]
        if len(body) <= FIELDMAX:
            return
        fields = body.split(b"\0")
        if len(fields[-1]) > FIELDMAX:
            self._oversize = True
            fields = [b"" for _ in fields]
            self._buffer = head + b"\0".join(fields)


class ReportReader:
    """qmail-send's ear: bytes from a spawner in, reports out.

    A NUL ends a report only after the delivery number, so that number 0 is no terminator. Nothing but the length
    is checked: the caller knows which numbers are out (del_dochan in qmail-send.c).
    """

    def __init__(self, width: int = 1) -> None:
        """Read reports whose delivery numbers take ``width`` bytes."""
        self._width = width
        self._buffer = b""

    def received(self, data: bytes) -> list[Report]:
        """Take in bytes; return the reports they complete."""
        buffer, width, reports = self._buffer + data, self._width, []
        start = 0
        while (end := buffer.find(b"\0", start + width)) >= 0:
            delnum = int.from_bytes(buffer[start : start + width], "little")
            reports.append(Report(delnum, buffer[start + width : min(end, start + REPORTMAX)]))
            start = end + 1
        self._buffer = buffer[start : start + REPORTMAX]
        return reports
