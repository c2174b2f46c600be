"""Orders to spawners and reports from them, both sides."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from qtwisted.wire.spawn import (
    FIELDMAX,
    IN_USE,
    NO_HOST,
    NO_MEMORY,
    NONNUMERIC,
    REPORTMAX,
    TOO_BIG,
    TOO_LONG,
    TOO_SHORT,
    Order,
    OrderReader,
    Report,
    ReportReader,
    hello_bytes,
    order_bytes,
    report_bytes,
)

GOOD = Order(0, b"0/1", b"s@t", b"joe@host")


def read(data: bytes, slots: int = 120, busy: tuple[int, ...] = (), width: int = 1) -> list[Order | Report]:
    """What a spawner makes of these bytes."""
    return list(OrderReader(slots, busy, width).received(data))


def order(delnum: int = 0, messid: bytes = b"0/1", sender: bytes = b"", recipient: bytes = b"a@b") -> bytes:
    """The bytes of an order, legal where nothing else is said."""
    return order_bytes(Order(delnum, messid, sender, recipient))


class GreetingTests(SynchronousTestCase):
    """The byte a spawner begins with."""

    def test_one_byte(self) -> None:
        """The greeting is one byte with the number of slots; 120 is an x (SPN-01)."""
        self.assertEqual(hello_bytes(120), b"x")

    def test_two_bytes(self) -> None:
        """With wide delivery numbers the greeting is as wide, low byte first."""
        self.assertEqual(hello_bytes(300, 2), b"\x2c\x01")


class OrderTests(SynchronousTestCase):
    """What a spawner accepts and what it answers to the rest (core-spawn A1)."""

    def refused(self, data: bytes, text: bytes, delnum: int = 0, **how: object) -> None:
        """Assert that an order is answered by a report."""
        self.assertEqual(read(data, **how), [Report(delnum, text)])  # type: ignore[arg-type]

    def test_good(self) -> None:
        """A legal order comes out as it was put in, the empty sender included."""
        self.assertEqual(read(order_bytes(GOOD)), [GOOD])
        self.assertEqual(read(order()), [Order(0, b"0/1", b"", b"a@b")])

    def test_wire_format(self) -> None:
        """An order is the number and three strings, each ended by a NUL."""
        self.assertEqual(order_bytes(GOOD._replace(delnum=7)), b"\x070/1\0s@t\0joe@host\0")

    def test_nonnumerics(self) -> None:
        """A messid with anything but digits and slashes, or a leading slash, is refused (SPN-03, SPN-04)."""
        for messid in (b"1/2x", b"/1", b"14/..", b"../x", b"-1", b"1/ 2", b"\xb2", b"/", b"1\n"):
            self.refused(order(messid=messid), b"DInternal error: messid has nonnumerics. (#5.3.5)\n")

    def test_slashes(self) -> None:
        """Slashes are allowed anywhere but first."""
        for messid in (b"1/2/3", b"1//2", b"12/"):
            self.assertEqual(read(order(messid=messid)), [Order(0, messid, b"", b"a@b")])

    def test_too_short(self) -> None:
        """An empty messid is refused (SPN-05)."""
        self.refused(order(messid=b""), b"DInternal error: messid too short. (#5.3.5)\n")

    def test_too_long(self) -> None:
        """A messid of 99 digits passes, one of 100 does not (SPN-06)."""
        self.assertEqual(len(read(order(messid=b"1" * 99))[0][1]), 99)
        self.refused(order(messid=b"1" * 100), b"DInternal error: messid too long. (#5.3.5)\n")

    def test_delnum_too_big(self) -> None:
        """A number beyond the slots is refused under that number (SPN-07)."""
        for delnum in (120, 255):
            self.refused(order(delnum), b"ZInternal error: delnum too big. (#4.3.5)\n", delnum)
        self.assertEqual(read(order(119)), [Order(119, b"0/1", b"", b"a@b")])

    def test_in_use(self) -> None:
        """A number that is taken is refused."""
        self.refused(order(3), b"ZInternal error: delnum in use. (#4.3.5)\n", 3, busy=(3,))

    def test_in_use_at_once(self) -> None:
        """What the caller began with the first of two orders counts for the second."""
        busy: set[int] = set()
        seen = []
        for each in OrderReader(120, busy).received(order() + order()):
            seen.append(each)
            busy.add(each.delnum)
        self.assertEqual(seen, [Order(0, b"0/1", b"", b"a@b"), Report(0, IN_USE)])

    def test_no_host(self) -> None:
        """A recipient without @ is refused for good (SPN-08)."""
        self.refused(order(recipient=b"ab"), b"DSorry, address must include host name. (#5.1.3)\n")

    def test_sequence_of_checks(self) -> None:
        """When several things are wrong, the first in the sequence of 1.02 is named."""
        self.refused(order(200, b"x" * 200, b"", b"ab"), TOO_BIG, 200, busy=(200,))
        self.refused(order(5, b"x" * 200, b"", b"ab"), IN_USE, 5, busy=(5,))
        self.refused(order(5, b"x" * 200, b"", b"ab"), NONNUMERIC, 5)
        self.refused(order(5, b"1" * 200, b"", b"ab"), TOO_LONG, 5)
        self.refused(order(5, b"", b"", b"ab"), TOO_SHORT, 5)
        self.refused(order(5, b"1", b"", b"ab"), NO_HOST, 5)

    def test_oversize(self) -> None:
        """A field beyond all reason is answered as out of memory, and the next order is read as usual (L42)."""
        for field in ("messid", "sender", "recipient"):
            data = order(9, **{field: b"1@" * (1 << 19)}) + order_bytes(GOOD)
            reader = OrderReader(120, ())
            seen: list[Order | Report] = []
            for at in range(0, len(data), 16384):
                seen += reader.received(data[at : at + 16384])
                self.assertLess(len(reader._buffer), FIELDMAX * 4)
            self.assertEqual(seen, [Report(9, NO_MEMORY), GOOD])

    def test_unterminated(self) -> None:
        """An order that never ends gives nothing and takes no more memory than a legal one."""
        reader = OrderReader(120, ())
        for _ in range(200):
            self.assertEqual(list(reader.received(b"1" * 9999)), [])
        self.assertLess(len(reader._buffer), FIELDMAX * 4)

    def test_two_in_one_write(self) -> None:
        """Two orders may come in one portion (SPN-29)."""
        other = GOOD._replace(delnum=1)
        self.assertEqual(read(order_bytes(GOOD) + order_bytes(other)), [GOOD, other])

    def test_byte_by_byte(self) -> None:
        """An order may come byte by byte (SPN-29)."""
        reader = OrderReader(120, ())
        data = order_bytes(GOOD._replace(delnum=0))
        seen = [list(reader.received(data[at : at + 1])) for at in range(len(data))]
        self.assertEqual(seen, [[]] * (len(data) - 1) + [[GOOD]])

    def test_wide(self) -> None:
        """With two-byte numbers more than 255 slots can be named, low byte first."""
        wide = GOOD._replace(delnum=511)
        self.assertEqual(order_bytes(wide, 2)[:2], b"\xff\x01")
        self.assertEqual(read(order_bytes(wide, 2), 512, width=2), [wide])
        self.assertEqual(read(order_bytes(wide._replace(delnum=0), 2), 512, width=2), [wide._replace(delnum=0)])
        self.assertEqual(read(order_bytes(wide, 2), 511, width=2), [Report(511, TOO_BIG)])

    @settings(max_examples=200, derandomize=True, deadline=None)
    @given(st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=8), st.binary(max_size=8),
                              st.binary(max_size=8)), max_size=6), st.integers(1, 2), st.data())
    def test_any_portions(self, fields: list[tuple[int, bytes, bytes, bytes]], width: int,
                          data: st.DataObject) -> None:
        """However the bytes are cut, the same orders and refusals come out, one for each order."""
        stream = b"".join(order_bytes(Order(number, *(each.replace(b"\0", b"") for each in rest)), width)
                          for number, *rest in fields)
        whole = read(stream, width=width)
        reader, parts = OrderReader(120, (), width), []
        while stream:
            cut = data.draw(st.integers(1, len(stream)))
            parts += reader.received(stream[:cut])
            stream = stream[cut:]
        self.assertEqual(parts, whole)
        self.assertEqual(len(whole), len(fields))


class ReportTests(SynchronousTestCase):
    """What qmail-send hears (core-send 7.3)."""

    def test_there_and_back(self) -> None:
        """What a spawner writes is what qmail-send reads, in any number at once."""
        reports = [Report(0, b"Kdid 1+0+0\n"), Report(7, b"Dno\n"), Report(0, b""), Report(119, b"Z")]
        self.assertEqual(ReportReader().received(b"".join(map(report_bytes, reports))), reports)

    def test_number_zero_is_no_end(self) -> None:
        """A NUL ends a report only after the number, even if it comes alone."""
        reader = ReportReader()
        self.assertEqual(reader.received(b"\0"), [])
        self.assertEqual(reader.received(b"\0"), [Report(0, b"")])

    def test_text_ends_at_nul(self) -> None:
        """Nothing in a text can make two reports of one."""
        self.assertEqual(report_bytes(Report(1, b"Kgood\0\2Dbad\0")), b"\1Kgood\0")

    def test_byte_by_byte(self) -> None:
        """Reports may come in any portions."""
        data = report_bytes(Report(0, b"Kfine")) + report_bytes(Report(1, b"Zlater"))
        reader = ReportReader()
        seen = [report for at in range(len(data)) for report in reader.received(data[at : at + 1])]
        self.assertEqual(seen, [Report(0, b"Kfine"), Report(1, b"Zlater")])

    def test_too_long(self) -> None:
        """What goes beyond REPORTMAX is thrown away, whole or in portions, and the next report is unharmed."""
        data = b"\5K" + b"x" * 70000 + b"\0" + report_bytes(Report(6, b"K"))
        expected = [Report(5, b"K" + b"x" * (REPORTMAX - 2)), Report(6, b"K")]
        self.assertEqual(ReportReader().received(data), expected)
        reader, seen = ReportReader(), []
        for at in range(0, len(data), 777):
            seen += reader.received(data[at : at + 777])
            self.assertLessEqual(len(reader._buffer), REPORTMAX)
        self.assertEqual(seen, expected)

    def test_wide(self) -> None:
        """Two-byte numbers may hold NULs in either byte."""
        reports = [Report(0, b"K"), Report(256, b"Z"), Report(1, b"D")]
        data = b"".join(report_bytes(report, 2) for report in reports)
        self.assertEqual(ReportReader(2).received(data), reports)
        reader = ReportReader(2)
        seen = [report for at in range(len(data)) for report in reader.received(data[at : at + 1])]
        self.assertEqual(seen, reports)
