"""Tests for qtwisted.system.handed: descriptors from a service manager."""

import os

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.system import handed


class HandedTests(SynchronousTestCase):
    """The variables of sd_listen_fds(3)."""

    def taken(self, count: str, names: str | None = None, pid: int | None = None) -> list[tuple[str, int]]:
        """What is found; the variables must be gone afterwards."""
        environment = {"LISTEN_FDS": count, "LISTEN_PID": str(pid or os.getpid())}
        if names is not None:
            environment["LISTEN_FDNAMES"] = names
        try:
            return handed.take(environment)
        finally:
            self.assertEqual(environment, {})

    def test_named(self) -> None:
        """Each descriptor has its name, and two may have the same."""
        self.assertEqual(self.taken("3", "smtp:smtp:qmtp"), [("smtp", 3), ("smtp", 4), ("qmtp", 5)])

    def test_nameless(self) -> None:
        """Without names they are called unknown, as systemd does it."""
        self.assertEqual(self.taken("2"), [("unknown", 3), ("unknown", 4)])

    def test_none(self) -> None:
        """What is meant for another process, and what is not there, are no descriptors."""
        self.assertEqual(self.taken("1", "smtp", os.getppid()), [])
        self.assertEqual(handed.take({}), [])

    def test_names_alone(self) -> None:
        """Twisted may have been here before and left nothing but the names."""
        environment = {"LISTEN_FDNAMES": "users:roles"}
        self.assertEqual(handed.take(environment), [("users", 3), ("roles", 4)])
        self.assertEqual(environment, {})

    def test_nonsense(self) -> None:
        """Variables that contradict each other are refused."""
        for count, names in (("x", None), ("-1", None), ("2", "one"), ("1", "a:b")):
            self.assertRaises(handed.HandedError, self.taken, count, names)
