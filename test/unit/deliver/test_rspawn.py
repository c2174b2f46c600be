"""Tests: qtwisted.deliver.rspawn, with orders and reports in memory."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from qtwisted.config import conf
from qtwisted.config.fields import RemoteConfig
from qtwisted.deliver.host.sending import Remote
from qtwisted.deliver.rspawn import FinishingSpawner, Limits, Spawner, complainer, limits_of
from qtwisted.deliver.spawn import GIVEN_UP
from qtwisted.wire.spawn import Order, order_bytes
from test.kit.resolver import TableResolver
from test.kit.smtp_peer import Network, Script

ACCEPTED = b"K192.0.2.1 accepted message.\nRemote host said: 250 done\n\0"


class Pipe(StringTransport):
    """A connection to qmail-send that can be closed."""

    def loseConnection(self) -> None:
        """Close it."""
        self.protocol.connectionLost(Failure(Exception("closed")))

    protocol: Any = None


class SpawnerCase(SynchronousTestCase):
    """Has a spawner in a directory with one message."""

    def setUp(self) -> None:
        """Begin."""
        place = Path(self.mktemp())
        (place / "1").mkdir(parents=True)
        (place / "1" / "24").write_bytes(b"Subject: x\n\nhi\n")
        here = os.getcwd()
        self.addCleanup(os.chdir, here)
        os.chdir(place)
        self.reactor: Any = Network()
        self.script = self.reactor.hosts["192.0.2.1"] = Script()
        config = RemoteConfig(b"mx.example.org", {b"": b"[192.0.2.1]"}, 60, 1200)
        self.remote: Any = Remote(self.reactor, TableResolver(), lambda: config)
        self.complaints: list[Failure] = []
        self.ends: list[None] = []

    def start(self, slots: int = 120, width: int = 1, owner: int | None = None,
              kind: type[Spawner] = Spawner, active: int | None = None, lent: int = 0) -> None:
        """Start the spawner."""
        limits = Limits(slots, active or slots, lent, width)
        self.spawner: Any = kind(self.reactor, self.remote, os.getuid() if owner is None else owner, limits,
                                 self.complaints.append, lambda: self.ends.append(None))
        self.pipe = Pipe()
        self.pipe.protocol = self.spawner
        self.spawner.makeConnection(self.pipe)
        self.hello = self.pipe.value()
        self.pipe.clear()

    def order(self, delnum: int = 0, messid: bytes = b"1/24", sender: bytes = b"s@x", recipient: bytes = b"r@d",
              width: int = 1) -> bytes:
        """Give an order, and return what is reported so far."""
        self.spawner.dataReceived(order_bytes(Order(delnum, messid, sender, recipient), width))
        return self.reports()

    def reports(self) -> bytes:
        """What was reported since the last time."""
        value = self.pipe.value()
        self.pipe.clear()
        return value


class GivingUpTests(SpawnerCase):
    """The end, when the master has waited long enough."""

    def test_put_off(self) -> None:
        """Everything under way is put off, once; what becomes of it later is not reported, nor begun what comes."""
        self.start()
        self.order(3)
        self.order(5)
        self.spawner.give_up()
        self.assertEqual(self.reports(), b"\3" + GIVEN_UP + b"\0\5" + GIVEN_UP + b"\0")
        self.reactor.settle()
        self.spawner.give_up()
        self.assertEqual(self.reports(), b"")
        self.assertEqual(self.order(7), b"\7" + GIVEN_UP + b"\0")

    def test_idle(self) -> None:
        """With nothing under way there is nothing to say."""
        self.start()
        self.spawner.give_up()
        self.assertEqual(self.reports(), b"")


class OrderTests(SpawnerCase):
    """Orders are obeyed or refused as by spawn.c."""

    def test_hello(self) -> None:
        """The first byte says how many deliveries there can be."""
        self.start()
        self.assertEqual(self.hello, b"x")
        self.start(slots=1000, width=2)
        self.assertEqual(self.hello, b"\xe8\x03")

    def test_delivery(self) -> None:
        """A message is sent to its recipient, and reported under its number."""
        self.start()
        self.assertEqual(self.order(7), b"")
        self.reactor.settle()
        self.assertEqual(self.reports(), b"\7" + ACCEPTED)
        self.assertEqual(self.script.heard[1:3], [b"MAIL FROM:<s@x>", b"RCPT TO:<r@d>"])
        self.assertEqual(self.script.body, b"Subject: x\r\n\r\nhi\r\n")

    def test_wide_numbers(self) -> None:
        """Numbers may have two bytes."""
        self.start(slots=1000, width=2)
        self.order(600, width=2)
        self.reactor.settle()
        self.assertEqual(self.reports(), (600).to_bytes(2, "little") + ACCEPTED)

    def test_split_orders(self) -> None:
        """Orders may come in any pieces, or many at once."""
        self.start()
        orders = b"".join(order_bytes(Order(number, b"1/24", b"", b"r@d")) for number in range(3))
        for at in range(len(orders)):
            self.spawner.dataReceived(orders[at : at + 1])
        self.reactor.settle()
        self.assertEqual(sorted(self.reports().split(b"\0")), sorted(self._parts(3)))

    def _parts(self, count: int) -> list[bytes]:
        """The reports on deliveries from 0 on, split at their zero bytes."""
        return b"".join(bytes((number,)) + ACCEPTED for number in range(count)).split(b"\0")

    def test_refusals(self) -> None:
        """What cannot be obeyed is refused at once."""
        self.start(slots=5)
        for order, report in (
            ({"delnum": 5}, b"\5ZInternal error: delnum too big. (#4.3.5)\n\0"),
            ({"messid": b"1/x"}, b"\0DInternal error: messid has nonnumerics. (#5.3.5)\n\0"),
            ({"messid": b"/1"}, b"\0DInternal error: messid has nonnumerics. (#5.3.5)\n\0"),
            ({"messid": b"1" * 100}, b"\0DInternal error: messid too long. (#5.3.5)\n\0"),
            ({"messid": b""}, b"\0DInternal error: messid too short. (#5.3.5)\n\0"),
            ({"recipient": b"nohost"}, b"\0DSorry, address must include host name. (#5.1.3)\n\0"),
            ({"messid": b"1/25"}, b"\0Zqmail-spawn unable to open message. (#4.3.0)\n\0"),
            ({"messid": b"1"}, b"\0ZSorry, message has wrong type. (#4.3.5)\n\0"),
        ):
            self.assertEqual(self.order(**order), report)  # type: ignore[arg-type]
        self.start(owner=os.getuid() + 1)
        self.assertEqual(self.order(), b"\0ZSorry, message has wrong owner. (#4.3.5)\n\0")

    def test_links_are_not_followed(self) -> None:
        """A message that is a link to another file is none."""
        self.start()
        os.symlink("24", "1/26")
        self.assertEqual(self.order(messid=b"1/26"), b"\0ZSorry, message has wrong type. (#4.3.5)\n\0")

    def test_number_in_use(self) -> None:
        """A number can be used again only after its report."""
        self.start()
        self.order(3)
        self.assertEqual(self.order(3), b"\3ZInternal error: delnum in use. (#4.3.5)\n\0")
        self.reactor.settle()
        self.reports()
        self.order(3)
        self.reactor.settle()
        self.assertEqual(self.reports(), b"\3" + ACCEPTED)

    def test_refused_recipient(self) -> None:
        """The parts of the report become one."""
        self.start()
        self.script.replies["rcpt"] = b"550 no\r\n"
        self.order()
        self.reactor.settle()
        self.assertEqual(self.reports(), b"\0D192.0.2.1 does not like recipient.\nRemote host said: 550 no\n"
                                         b"Giving up on 192.0.2.1.\n\0")

    def test_empty_host(self) -> None:
        """A recipient whose host is empty is refused like one whose host does not exist."""
        self.remote = Remote(self.reactor, TableResolver(), lambda: RemoteConfig(b"h", {}, 60, 1200))
        self.start()
        self.assertEqual(self.order(recipient=b"r@"), b"\0DSorry, I couldn't find any host named . (#5.1.2)\n\0")

    def test_message_is_closed_before_the_report(self) -> None:
        """When the report is written nothing of ours can read the message's file any more."""
        self.start()
        descriptors = len(os.listdir("/proc/self/fd"))
        open_then: list[int] = []
        write = self.pipe.write
        self.pipe.write = lambda data: (  # type: ignore[method-assign,assignment]
            open_then.append(len(os.listdir("/proc/self/fd"))), write(data))
        self.order()
        self.assertEqual(len(os.listdir("/proc/self/fd")), descriptors + 1)
        self.reactor.settle()
        self.assertEqual(open_then, [descriptors])

    def test_fault_of_ours(self) -> None:
        """A fault in one delivery is complained about, and only that message waits."""
        self.start()
        self.remote.find = _broken
        self.assertEqual(self.order(), b"\0Zqmail-remote crashed.\n\0")
        self.assertEqual(len(self.complaints), 1)


async def _broken(host: bytes) -> Any:
    """Have a fault."""
    raise RuntimeError("bug")


class EndTests(SpawnerCase):
    """The end of orders."""

    def test_finishes_first(self) -> None:
        """At the end of orders deliveries are finished, the last word is said, and then it ends."""
        self.start(kind=FinishingSpawner)
        self.order()
        self.spawner.readConnectionLost()
        self.assertEqual(self.ends, [])
        self.reactor.settle()
        self.assertEqual(self.reports(), b"\0" + ACCEPTED)
        self.assertEqual(self.script.heard[-1], b"QUIT")
        self.assertEqual(self.ends, [None])

    def test_nothing_to_finish(self) -> None:
        """With nothing to do it ends at once."""
        self.start(kind=FinishingSpawner)
        self.spawner.readConnectionLost()
        self.assertEqual(self.ends, [None])

    def test_nobody_left(self) -> None:
        """When qmail-send is gone it ends at once."""
        self.start()
        self.order()
        self.spawner.connectionLost()
        self.assertEqual(self.ends, [None])

    def test_last_words(self) -> None:
        """When qmail-send is gone idle connections hear QUIT first; who is slow to close is not waited for."""
        self.start()
        self.order()
        self.reactor.settle()
        self.spawner.connectionLost()
        self.reactor.settle()
        self.assertEqual((self.script.heard[-1], self.ends), (b"QUIT", [None]))
        self.script.replies["data"] = None
        self.start()
        self.order()
        self.reactor.settle()
        self.spawner.connectionLost()
        self.assertEqual(len(self.ends), 1)
        self.reactor.advance(1)
        self.assertEqual(len(self.ends), 2)

    def test_nobody_listens(self) -> None:
        """When only the reports are not wanted any more it goes on."""
        self.start(kind=FinishingSpawner)
        self.spawner.writeConnectionLost()
        self.assertEqual(self.ends, [])


class ComplaintTests(SynchronousTestCase):
    """Faults appear in the log."""

    def test_alert(self) -> None:
        """Each line of a traceback is an alert."""
        reader, writer = os.pipe()
        complainer(writer)(Failure(RuntimeError("bug")))
        os.close(writer)
        with open(reader, encoding="utf-8") as log:
            lines = log.read().splitlines()
        self.assertTrue(all(line.startswith("alert: rspawn: ") for line in lines))
        self.assertIn("alert: rspawn: RuntimeError: bug", lines)


class LendingTests(SpawnerCase):
    """Orders beyond the slots, for deliveries that only wait."""

    def test_lent(self) -> None:
        """When all slots are taken those that wait lend theirs, and more can be ordered."""
        self.script.replies["greeting"] = None
        self.start(slots=2, width=2, active=2, lent=10)
        for number in (0, 1):
            self.order(number, width=2)
        self.reactor.pump([0.1] * 4)
        self.assertEqual(self.reports(), b"\0\0w\0\1\0w\0")
        self.assertEqual(self.order(11, width=2), b"")
        self.assertEqual(self.order(0, width=2), b"\0\0ZInternal error: delnum in use. (#4.3.5)\n\0")
        self.assertEqual(self.order(12, width=2), b"\x0c\0ZInternal error: delnum too big. (#4.3.5)\n\0")
        self.reactor.settle()
        for line in self.reactor.lines:
            line.say(b"220 at last\r\n")
        self.reactor.settle()
        self.assertEqual(self.reports().count(b"accepted message"), 3)

    def test_limits(self) -> None:
        """With numbers of one byte there are 255 slots at most and nothing is lent; with two there is more."""
        settings: Any = conf.load(self.mktemp())
        self.assertEqual(limits_of(settings, 1), Limits(120, 120, 0, 1))
        self.assertEqual(limits_of(settings._replace(spawn=1000), 1).slots, 255)
        limits = limits_of(settings._replace(spawn=1000), 2, 1000)
        self.assertEqual((limits.slots, limits.active, limits.width), (1000, 1000, 2))
        self.assertEqual(limits_of(settings, 2, 500).active, 120)
