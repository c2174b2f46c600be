"""Mail that goes in circles (L36): each circle ends with one bounce to who wrote, and nothing stays in any queue."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from test.kit.homes import SingleHome
from test.kit.running import Running, wait_until

LOOPING = b"This message is looping: it already has my Delivered-To line. (#5.4.6)\n"


class RingTests(SynchronousTestCase):
    """Two systems that send to each other."""

    def setUp(self) -> None:
        """Make them; whoever writes is on the first."""
        self.here, self.there = SingleHome(self, "here.example"), SingleHome(self, "there.example")
        self.running: list[Running] = [home.up() for home in (self.here, self.there)]
        ports = [running.port() for running in self.running]
        for home, port in zip((self.here, self.there), reversed(ports), strict=True):
            home.control("smtproutes", f":[127.0.0.1]:{port}\n")

    def forward(self, home: SingleHome, name: str, to: str) -> None:
        """Have mail for a name go on."""
        with open(f"{home.path}/mail/.qmail{name}", "w", encoding="ascii") as file:
            file.write(f"&{to}\n")

    def check(self, to: str) -> None:
        """Write to somebody; there is one bounce, and nothing else."""
        done = self.here.run([self.here.program("qmail-inject"), "-fme@here.example", to], b"Subject: round\n\nx\n")
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        wait_until(self.here.names, "the bounce")
        for home in (self.here, self.there):
            wait_until(lambda home=home: not home.queued(), "the end of everything")  # type: ignore[misc]
        [bounce] = self.here.mailbox()
        self.assertTrue(bounce.startswith(b"Return-Path: <>\nDelivered-To: me@here.example\n"))
        self.assertIn(LOOPING, bounce)
        self.assertEqual(self.there.names(), [])

    def test_alone(self) -> None:
        """Somebody forwards to himself."""
        self.forward(self.here, "alone", "alone@here.example")
        self.check("alone@here.example")

    def test_two(self) -> None:
        """Two forward to each other."""
        self.forward(self.here, "one", "two@here.example")
        self.forward(self.here, "two", "one@here.example")
        self.check("one@here.example")

    def test_two_systems(self) -> None:
        """Two forward to each other on two systems, over the network."""
        self.forward(self.here, "one", "two@there.example")
        self.forward(self.there, "two", "one@here.example")
        self.check("one@here.example")
        self.assertTrue([line for line in self.running[1].log if "to remote one@here.example" in line]
                        or self.running[1].wait_for(r"starting delivery \d+: msg \d+ to remote one@here\.example"))
