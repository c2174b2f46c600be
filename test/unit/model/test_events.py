"""Events are told in qmail-send's lines."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.model import events


class LineTests(SynchronousTestCase):
    """Each line of a message's life."""

    def told(self, event: events.Event, line: bytes) -> None:
        """Check the line of an event."""
        self.assertEqual(event.line(), line)

    def test_status(self) -> None:
        """The counts of both channels, and whether it is ending."""
        self.told(events.Status(0, 10, 0, 20), b"status: local 0/10 remote 0/20")
        self.told(events.Status(1, 10, 2, 20, True), b"status: local 1/10 remote 2/20 exitasap")
        self.told(events.Exiting(), b"status: exiting")

    def test_a_message_comes_and_goes(self) -> None:
        """From new msg to end msg."""
        self.told(events.NewMessage(2318349), b"new msg 2318349")
        self.told(
            events.MessageInfo(2318349, 104, b"joe@test.example", 3374, 1002),
            b"info msg 2318349: bytes 104 from <joe@test.example> qp 3374 uid 1002",
        )
        self.told(events.MessageEnded(2318349), b"end msg 2318349")

    def test_sender_is_made_safe(self) -> None:
        """A sender cannot put anything else on its line."""
        self.told(
            events.MessageInfo(24, 104, b"sp ace%\xe9\n@x", 1, 2),
            b"info msg 24: bytes 104 from <sp_ace__/@x> qp 1 uid 2",
        )

    def test_deliveries(self) -> None:
        """A delivery starts on a channel and ends with one of four lines."""
        self.told(
            events.DeliveryStarted(1, 24, b"remote", b"o k@remote.example"),
            b"starting delivery 1: msg 24 to remote o_k@remote.example",
        )
        self.told(events.DeliverySucceeded(1, b"accepted it.\n"), b"delivery 1: success: accepted_it./")
        self.told(events.DeliveryPutOff(2, b"later"), b"delivery 2: deferral: later")
        self.told(events.DeliveryFailed(3, b"RCPTTEXT\n"), b"delivery 3: failure: RCPTTEXT/")
        self.told(events.ReportMangled(4), b"delivery 4: report mangled, will defer")

    def test_empty_text_leaves_a_blank(self) -> None:
        """A delivery without text ends with the blank."""
        self.told(events.DeliverySucceeded(26, b""), b"delivery 26: success: ")

    def test_bounces(self) -> None:
        """A bounce is queued, or a triple bounce dropped."""
        self.told(events.BounceQueued(2318345, 3395), b"bounce msg 2318345 qp 3395")
        self.told(events.TripleBounce(24), b"triple bounce: discarding bounce/24")


class ValueTests(SynchronousTestCase):
    """Events are values."""

    def test_equality(self) -> None:
        """Events are equal if their lines are, and no event equals anything else."""
        self.assertEqual(events.NewMessage(1), events.NewMessage(1))
        self.assertNotEqual(events.NewMessage(1), events.NewMessage(2))
        self.assertNotEqual(events.NewMessage(1), b"new msg 1")
        self.assertEqual(len({events.Exiting(), events.Exiting(), events.NewMessage(1)}), 2)

    def test_people_see_the_line(self) -> None:
        """A failing test shows which event it was."""
        self.assertEqual(repr(events.NewMessage(1)), "<NewMessage new msg 1>")
