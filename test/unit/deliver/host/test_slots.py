"""Tests: qtwisted.deliver.host.slots and traffic: dead and slow servers do not hold up mail for others."""

from __future__ import annotations

import os
import random
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.deliver.host.letters import Message
from qtwisted.deliver.host.reports import combine
from qtwisted.deliver.host.slots import PUT_OFF_AFTER, Slots
from test.kit.smtp_peer import SILENT, Script
from test.kit.traffic import Road

NO_CONNECTION = b"ZSorry, I wasn't able to establish an SMTP connection. (#4.4.1)\n"


class Send:
    """What qmail-send does: keeps ``limit`` deliveries going, in the order of the mail, as long as there is any."""

    def __init__(self, road: Road, recipients: list[bytes], limit: int = 20, lent: int = 1000) -> None:
        """Begin with the first ones."""
        self.road = road
        self.waiting = list(recipients)
        self.told: dict[bytes, bytes] = {}
        self.told_at: dict[bytes, float] = {}
        self.counted = 0
        self.most = 0
        self._limit = limit
        self._next = 0
        self.slots = Slots(road.network, limit, lent, self._lent)
        self._lent_now: set[int] = set()
        self._fill()

    def _fill(self) -> None:
        """Order what there are slots for."""
        while self.waiting and self.counted < self._limit:
            self.counted += 1
            self.most = max(self.most, len(self.slots) + 1)
            self._order(self.waiting.pop(0), self._next)
            self._next += 1

    def _order(self, recipient: bytes, delnum: int) -> None:
        """Order one delivery."""
        delivery = self.slots.begin(delnum)
        body = Message(os.open(os.devnull, os.O_RDONLY), self.road.network.seconds)
        host = recipient.rpartition(b"@")[2]
        done = self.road.traffic.deliver(host, b"s@x", recipient, recipient, body, delivery)
        done.addCallback(self._done, recipient, delnum)

    def _done(self, report: Any, recipient: bytes, delnum: int) -> None:
        """Note how it ended, and order the next."""
        self.told[recipient] = combine(report.wire())
        self.told_at[recipient] = self.road.network.seconds()
        self.slots.end(delnum)
        if delnum in self._lent_now:
            self._lent_now.discard(delnum)
        else:
            self.counted -= 1
        self.road.network.callLater(0, self._fill)

    def _lent(self, delnum: int) -> None:
        """Order another."""
        self._lent_now.add(delnum)
        self.counted -= 1
        self.road.network.callLater(0, self._fill)


def pass_time(road: Road, seconds: float, step: float = 0.05) -> None:
    """Let time pass in small steps, with all that happens in it."""
    for _ in range(round(seconds / step)):
        road.network.advance(step)
        for _ in range(12):
            road.network.advance(0)


class SlotCase(SynchronousTestCase):
    """Some good servers and many that are not."""

    def road(self, bad: Any, count: int, limit: int = 20, good: int = 1) -> tuple[Road, list[bytes]]:
        """A network with so many bad servers, and their mail before that for the good."""
        hosts = {b"bad%d" % number: [f"10.0.{number // 250}.{number % 250 + 1}"] for number in range(count)}
        hosts |= {b"good%d" % number: [f"192.0.2.{number + 1}"] for number in range(good)}
        road = Road(limit, hosts=hosts)
        for host, (address,) in hosts.items():
            road.network.hosts[address] = bad() if host.startswith(b"bad") else Script()
        return road, [b"r@" + host for host in hosts]


class StarvationTests(SlotCase):
    """Nobody starves."""

    def test_hundred_hang_at_the_greeting(self) -> None:
        """While a hundred servers hang at the greeting and there are 20 slots, a good one has its mail in seconds."""
        road, recipients = self.road(lambda: Script(greeting=None), 100)
        send = Send(road, recipients)
        pass_time(road, 5)
        self.assertEqual(list(send.told), [b"r@good0"])
        self.assertEqual(send.told[b"r@good0"][:1], b"K")

    def test_four_hundred_of_five_hundred(self) -> None:
        """While 400 of 500 domains hang, the other hundred have their mail within ten seconds."""
        road, recipients = self.road(lambda: Script(greeting=None), 400, good=100)
        random.Random(1).shuffle(recipients)
        send = Send(road, recipients)
        pass_time(road, 10)
        self.assertEqual(sum(told[:1] == b"K" for told in send.told.values()), 100)

    def test_hang_in_the_dialogue(self) -> None:
        """Servers that hang at any later step do not hold up the good one for long, either."""
        for step in ("ehlo", "mail", "rcpt", "data", "dot"):
            road, recipients = self.road(lambda step=step: Script(**{step: None}), 60)
            send = Send(road, recipients)
            pass_time(road, 40)
            self.assertEqual(send.told.get(b"r@good0", b"")[:1], b"K", step)

    def test_ten_thousand_dead_domains(self) -> None:
        """While ten thousand domains lead to black holes, ten times what may lend slots, mail that came after all
        theirs is sent within minutes; with 20 slots of a minute each it would be hours (D25).
        """
        road, recipients = self.road(lambda: SILENT, 10000)
        send = Send(road, recipients)
        pass_time(road, 700, step=1.0)
        self.assertEqual(send.told[b"r@good0"][:1], b"K")
        self.assertLessEqual(send.most, 1020)

    def test_two_thousand_dead_domains(self) -> None:
        """While two thousand domains do, it is sent within two minutes."""
        road, recipients = self.road(lambda: SILENT, 2000)
        send = Send(road, recipients)
        pass_time(road, 120)
        self.assertEqual(send.told[b"r@good0"][:1], b"K")

    def test_one_dead_domain_with_much_mail(self) -> None:
        """A hundred messages to one domain that hangs make few connections and hold up nobody."""
        road, _ = self.road(lambda: Script(greeting=None), 1)
        send = Send(road, [b"%d@bad0" % number for number in range(100)] + [b"r@good0"])
        pass_time(road, 5)
        self.assertEqual(send.told[b"r@good0"][:1], b"K")
        self.assertLessEqual(len(road.network.tried), 6)

    def test_names_that_are_not_answered(self) -> None:
        """Domains whose name servers are silent hold up nobody."""
        road, recipients = self.road(lambda: SILENT, 100)
        road.resolver._hosts.update({b"bad%d" % number: "silent" for number in range(100)})
        send = Send(road, recipients)
        pass_time(road, 5)
        self.assertEqual(send.told[b"r@good0"][:1], b"K")


class LendingTests(SlotCase):
    """Who lends a slot, and when."""

    def test_slow_is_not_refused(self) -> None:
        """A server that is slow to greet has its mail in the end, however many wait meanwhile."""
        road, recipients = self.road(lambda: Script(greeting=None), 30)
        send = Send(road, recipients, limit=5)
        pass_time(road, 20)
        for line in list(road.network.lines):
            if not line._ear._script.heard:
                line.say(b"220 at last\r\n")
        pass_time(road, 5)
        self.assertEqual({told[:1] for told in send.told.values()}, {b"K"})
        self.assertEqual(len(send.told), 31)

    def test_nobody_waits(self) -> None:
        """As long as a slot is free nobody lends one."""
        road, recipients = self.road(lambda: Script(greeting=None), 10)
        send = Send(road, recipients[:10], limit=11)
        pass_time(road, 30)
        self.assertEqual((send.counted, send._lent_now), (10, set()))

    def test_longest_waiting_is_put_off(self) -> None:
        """When no more slots can be lent, those that have waited longest, and long enough, are put off."""
        road, recipients = self.road(lambda: SILENT, 30)
        send = Send(road, recipients, limit=5, lent=10)
        pass_time(road, PUT_OFF_AFTER - 1)
        self.assertEqual(send.told, {})
        pass_time(road, 2)
        self.assertEqual(send.told[b"r@bad0"], NO_CONNECTION)
        pass_time(road, 40)
        self.assertEqual(send.told[b"r@good0"][:1], b"K")

    def test_numbers(self) -> None:
        """A number is in use until its delivery is over, lent or not."""
        road = Road()
        lent: list[int] = []
        slots = Slots(road.network, 2, 10, lent.append)
        for number in (0, 1):
            slots.begin(number)
        pass_time(road, 1)
        self.assertEqual(lent, [0, 1])
        self.assertTrue(0 in slots and 1 in slots and 2 not in slots)
        slots.end(0)
        self.assertEqual((0 in slots, len(slots)), (False, 1))

    def test_without_lending(self) -> None:
        """Where no slots may be lent nothing is looked at."""
        road = Road()
        slots = Slots(road.network, 1, 0, lambda delnum: self.fail("lent"))
        slots.begin(0)
        self.assertEqual(road.network.getDelayedCalls(), [])


class FloorTests(SlotCase):
    """How many letters are under way."""

    def test_transactions_at_a_time(self) -> None:
        """However many connections are greeted at a moment, no more transactions run than there are slots."""
        road, recipients = self.road(lambda: Script(greeting=None, data=None), 30, limit=5)
        Send(road, recipients[:30], limit=5)
        pass_time(road, 5)
        lines = list(road.network.lines)
        self.assertEqual(len(lines), 30)
        for line in lines:
            line.say(b"220 at last\r\n")
        pass_time(road, 1)
        self.assertEqual(sum(b"DATA" in line._ear._script.heard for line in lines), 5)
        for line in [line for line in lines if b"DATA" in line._ear._script.heard]:
            line.say(b"354 go\r\n")
            line.say(b"250 done\r\n")
        pass_time(road, 10)
        self.assertGreaterEqual(sum(b"DATA" in line._ear._script.heard for line in lines), 10)
