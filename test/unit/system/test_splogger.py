"""Tests for qtwisted.system.splogger: what is entered into the system log for which line."""

from collections.abc import Callable

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.system.splogger import facility_of, pump

AT = 1795355342.459981


def entered(*pieces: bytes) -> list[tuple[int, str]]:
    """What splogger enters when it reads *pieces*, at a fixed time."""
    made: list[tuple[int, str]] = []
    source = iter([*pieces, b""])
    read: Callable[[], bytes] = source.__next__
    pump(read, lambda: AT, lambda level, text: made.append((level, text)))
    return made


class SploggerTests(SynchronousTestCase):
    """Lines become entries with a time, a priority and nothing unprintable."""

    def test_priorities(self) -> None:
        """The first word decides the priority, at column 0 only; blank lines are left out (LOG-01)."""
        made = entered(b"status: x\nwarning: y\nalert: z\n\nwarn ing:\n warning: q\n")
        self.assertEqual([level for level, _ in made], [6, 4, 1, 6, 6])
        self.assertEqual(made[0][1], "1795355342.459981 status: x")

    def test_unprintable(self) -> None:
        """What is not printable becomes a question mark; percent signs are nothing special (LOG-02)."""
        self.assertEqual(entered(b"\t\x01\xff%s\n"), [(6, "1795355342.459981 ???%s")])

    def test_folding(self) -> None:
        """A long line is entered in pieces of 799 with one stamp and one priority (LOG-03)."""
        made = entered(b"alert: " + b"k" * 1700 + b"\n")
        stamp = "1795355342.459981"
        self.assertEqual([level for level, _ in made], [1, 1, 1])
        self.assertEqual([len(text) - len(stamp) - 1 for _, text in made], [799, 799, 109])
        self.assertEqual([text[len(stamp)] for _, text in made], [" ", "+", "+"])
        self.assertTrue(all(text.startswith(stamp) for _, text in made))

    def test_exactly_full(self) -> None:
        """A line of 799 characters is one entry (LOG-04)."""
        self.assertEqual(len(entered(b"k" * 799 + b"\n")), 1)

    def test_unfinished(self) -> None:
        """A last line without an end is entered as well (LOG-05)."""
        self.assertEqual(entered(b"unfinished"), [(6, "1795355342.459981 unfinished")])

    def test_facility(self) -> None:
        """A facility is its leading digits; without any it is 0 (LOG-06)."""
        self.assertEqual([facility_of(word) for word in ("3", "16x", "abc", "")], [3, 16, 0, 0])

    def test_cut_anywhere(self) -> None:
        """Where a read ends makes no difference."""
        data = b"warning: y\n\nalert: " + b"k" * 900 + b"\nrest"
        whole = entered(data)
        for cut in range(1, len(data)):
            self.assertEqual(entered(data[:cut], data[cut:]), whole)

    def test_microseconds(self) -> None:
        """Microseconds have six digits, whatever they are."""
        made: list[str] = []
        source = iter([b"x\n", b""])
        pump(source.__next__, lambda: 5.000042, lambda level, text: made.append(text))
        self.assertEqual(made, ["5.000042 x"])
