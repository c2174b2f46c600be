"""Days of mail by the dice: messages, verdicts, time, ends and kills of qmail-send in any order.

The name of each test ends with its seed.
"""

from __future__ import annotations

import random
from collections import Counter

from twisted.trial.unittest import TestCase

from test.unit.schedule.desk import Desk

SEEDS = 40
STEPS = 80


class Days(TestCase):
    """Nobody is lost, and nobody gets a message twice but by a kill."""

    def live(self, seed):
        """Throw the dice, then let everything come to its end, and see."""
        self.dice = random.Random(seed)
        limits = self.dice.choice([(1, 1), (2, 3), (10, 20)])
        self.desk = Desk(self.mktemp(), limits=limits, lifetime=self.dice.choice([3000, 604800]))
        self.desk.start()
        self.wanted, self.delivered, self.forgiven = set(), Counter(), Counter()
        self.running = {}
        for _ in range(STEPS):
            step = self.dice.choices(
                [self.arrive, self.report, self.pass_time, self.end, self.kill], [30, 60, 25, 2, 2])[0]
            step()
            self.collect()
        for _ in range(400):
            self.desk.scheduler.alarm()
            self.desk.wait(1510)
            self.collect()
            while self.running:
                self.report(b"K")
                self.collect()
            if not self.desk.files():
                break
        self.assertEqual(self.desk.files(), [], f"seed {seed}")
        bounces = b"".join(message.text for message in self.desk.intake.messages)
        for recipient in self.wanted:
            times = self.delivered[recipient]
            named = b"<%s>:\n" % recipient in bounces
            self.assertTrue(times or named, f"seed {seed}: {recipient!r} was lost")
            self.assertLessEqual(times, 1 + self.forgiven[recipient], f"seed {seed}: {recipient!r}")

    def collect(self):
        """Take up the orders that were given."""
        for channel, slot, _, _, recipient in self.desk.orders:
            self.assertNotIn((channel, slot), self.running)
            self.assertIn(recipient, self.wanted)
            self.running[channel, slot] = recipient
        self.desk.orders.clear()

    def arrive(self):
        """Have a new message, mostly told of by the door, for few or many."""
        count = self.dice.choice([0, 1, 1, 1, 2, 3, 5, 25])
        recipients = [b"u%d@%s.example" % (len(self.wanted) + at, self.dice.choice([b"test", b"remote"]))
                      for at in range(count)]
        self.wanted.update(recipients)
        if self.dice.random() < 0.8:
            self.desk.arrive(*recipients)
        else:
            self.desk.store(*recipients)
            self.desk.scheduler.triggered()
            self.desk.settle()

    def report(self, letter=None):
        """Have a delivery end."""
        if not self.running:
            return
        place = self.dice.choice(sorted(self.running))
        recipient = self.running.pop(place)
        letter = letter or self.dice.choice([b"K", b"K", b"K", b"Z", b"Z", b"D", b"", b"X"])
        if letter == b"K":
            self.delivered[recipient] += 1
        self.desk.report(letter + b"so it is\n", channel=place[0], slot=place[1])

    def pass_time(self):
        """Let time pass, a moment or hours."""
        self.desk.wait(self.dice.choice([0.01, 0.6, 2, 30, 500, 5000]))

    def end(self):
        """End it properly: nobody gets anything twice because of that."""
        self.desk.scheduler.terminate()
        self.desk.settle()
        while self.running:
            self.report()
        self.desk.wait(1)
        self.assertTrue(self.desk.stopped)
        self.again()

    def kill(self):
        """Kill it: what was in flight, or settled in memory only, may come again."""
        self.forgiven.update(self.running.values())
        for arrival in self.desk.scheduler.agenda.held.values():
            for recipient in self.wanted:
                if any(recipient + b"\0" in bytes(image) for image in arrival.images if image):
                    self.forgiven[recipient] += 1
            if arrival.touched:
                self.forgiven.update(recipient for recipient in self.wanted if self.delivered[recipient])
        self.running.clear()
        for call in self.desk.clock.getDelayedCalls():
            call.cancel()
        self.again()

    def again(self):
        """Start a new process."""
        self.desk.orders.clear()
        self.desk.begin()
        self.desk.start()


def _days(seed):
    """Make the test of one seed."""

    def test(self):
        """See what the module says."""
        self.live(seed)

    test.__doc__ = f"With the dice of seed {seed} nobody is lost, and nobody gets a message twice but by a kill."
    return test


for _seed in range(SEEDS):
    setattr(Days, f"test_{_seed}", _days(_seed))
