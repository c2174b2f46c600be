"""Tests: qtwisted.deliver.host.tcpto."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.deliver.host.table import RECORDS, SIZE
from qtwisted.deliver.host.tcpto import Tcpto

ONE, TWO, SIX = "192.0.2.1", "192.0.2.2", "2001:db8::1"


class TcptoTests(SynchronousTestCase):
    """Addresses that do not answer are skipped for about an hour."""

    def setUp(self) -> None:
        """Begin with a fresh file, at a time of no importance."""
        self.path = Path(self.mktemp())
        self.path.write_bytes(bytes(RECORDS * SIZE))
        self.now = 1_000_000_000.0
        self.tcpto = Tcpto(str(self.path), lambda: self.now)

    def time_out(self, address: str, times: int = 2) -> None:
        """Let attempts time out, two minutes apart."""
        for _ in range(times):
            self.tcpto.timed_out(address)
            self.now += 120

    def test_two_timeouts(self) -> None:
        """One timeout is none; after two the address is skipped, for 64 minutes and up to half an hour more."""
        for address in (ONE, SIX):
            self.time_out(address, 1)
            self.assertFalse(self.tcpto.advises_against(address, 0))
            self.time_out(address, 1)
            last = self.now - 120
            for spread in (0, 31, 32, 63):
                until = last + (60 + spread % 32) * 64
                self.now = until - 1
                self.assertTrue(self.tcpto.advises_against(address, spread))
                self.now = until
                self.assertFalse(self.tcpto.advises_against(address, spread))

    def test_damper(self) -> None:
        """Timeouts within two minutes are one."""
        for address in (ONE, SIX):
            for _ in range(5):
                self.tcpto.timed_out(address)
                self.now += 23
            self.assertFalse(self.tcpto.advises_against(address, 0))

    def test_success_forgives(self) -> None:
        """An address that answers begins anew."""
        for address in (ONE, SIX):
            self.time_out(address)
            self.tcpto.connected(address)
            self.assertFalse(self.tcpto.advises_against(address, 0))
            self.tcpto.timed_out(address)
            self.assertFalse(self.tcpto.advises_against(address, 0))

    def test_format(self) -> None:
        """The records are those of tcpto.c."""
        self.tcpto.timed_out(ONE)
        when = int(self.now).to_bytes(4, "little")
        record = bytes((192, 0, 2, 1)) + b"\1\0\0\0" + when + bytes(4)
        self.assertEqual(self.path.read_bytes(), record + bytes(63 * SIZE))

    def test_count_is_bounded(self) -> None:
        """No more than ten timeouts are counted."""
        self.time_out(ONE, 20)
        self.assertEqual(self.path.read_bytes()[4], 10)

    def test_oldest_gives_way(self) -> None:
        """In a full table the record goes whose last timeout is oldest, each timeout worth 1024 seconds."""
        self.time_out(ONE, 2)
        self.time_out(TWO, 1)
        for last in range(62):
            self.tcpto.timed_out(f"192.0.3.{last}")
        self.tcpto.timed_out("192.0.4.1")
        table = self.path.read_bytes()
        self.assertIn(bytes((192, 0, 2, 1)), table)
        self.assertNotIn(bytes((192, 0, 2, 2)), table)

    def test_free_record_first(self) -> None:
        """A record without timeouts is used before others give way."""
        self.tcpto.timed_out(ONE)
        self.tcpto.timed_out(TWO)
        self.tcpto.connected(ONE)
        self.tcpto.timed_out("192.0.4.1")
        self.assertEqual(self.path.read_bytes()[:4], bytes((192, 0, 4, 1)))

    def test_short_file(self) -> None:
        """A shorter file has fewer records; bytes after the last whole one do not count."""
        self.path.write_bytes(bytes(SIZE + 7))
        self.time_out(ONE)
        self.time_out(TWO)
        self.assertFalse(self.tcpto.advises_against(ONE, 0))
        self.assertTrue(self.tcpto.advises_against(TWO, 0))
        self.assertEqual(len(self.path.read_bytes()), SIZE + 7)

    def test_no_file(self) -> None:
        """Without the file, or if it is empty or no file, nothing is remembered, and nothing goes wrong."""
        self.path.write_bytes(b"")
        self.time_out(ONE)
        self.assertEqual(self.path.read_bytes(), b"")
        self.path.unlink()
        for _ in range(2):
            self.time_out(ONE)
            self.tcpto.connected(ONE)
            self.tcpto.clear()
            self.assertFalse(self.tcpto.advises_against(ONE, 0))
            if not self.path.exists():
                self.path.mkdir()

    def test_locked(self) -> None:
        """While another program holds the file nobody waits for it."""
        self.time_out(ONE)
        file = os.open(self.path, os.O_RDWR)
        self.addCleanup(os.close, file)
        fcntl.flock(file, fcntl.LOCK_EX)
        self.assertFalse(self.tcpto.advises_against(ONE, 0))
        self.tcpto.timed_out(TWO)
        fcntl.flock(file, fcntl.LOCK_UN)
        self.assertTrue(self.tcpto.advises_against(ONE, 0))
        self.assertNotIn(bytes((192, 0, 2, 2)), self.path.read_bytes())

    def test_cleared_by_another(self) -> None:
        """What qmail-tcpok clears is forgotten at once."""
        self.time_out(ONE)
        self.path.write_bytes(bytes(RECORDS * SIZE))
        self.assertFalse(self.tcpto.advises_against(ONE, 0))

    def test_cleared_by_another_in_memory(self) -> None:
        """IPv6 addresses are forgotten when the file was cleared, and not because it never held anything."""
        self.time_out(SIX)
        self.assertTrue(self.tcpto.advises_against(SIX, 0))
        self.path.write_bytes(bytes(RECORDS * SIZE))
        os.utime(self.path, ns=(0, 1))
        self.assertFalse(self.tcpto.advises_against(SIX, 0))
        self.tcpto.timed_out(SIX)
        self.assertFalse(self.tcpto.advises_against(SIX, 0))

    def test_clear(self) -> None:
        """Everything can be forgotten."""
        self.time_out(ONE)
        self.time_out(SIX)
        self.tcpto.clear()
        self.assertEqual(self.path.read_bytes(), bytes(RECORDS * SIZE))
        self.assertFalse(self.tcpto.advises_against(SIX, 0))

    def test_memory_is_bounded(self) -> None:
        """Of too many IPv6 addresses the one remembered first is forgotten."""
        self.time_out(SIX)
        for last in range(RECORDS):
            self.time_out(f"2001:db8::1:{last:x}")
        self.assertFalse(self.tcpto.advises_against(SIX, 0))
        self.assertTrue(self.tcpto.advises_against("2001:db8::1:3f", 0))
