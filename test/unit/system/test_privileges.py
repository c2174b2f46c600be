"""Tests for qtwisted.system.privileges: every step of a switch of users is taken in order and checked."""

import os
from collections.abc import Callable
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.system import privileges


class Kernel:
    """A kernel that keeps the ids of one process, and can be told to do a step wrong."""

    def __init__(self, uid: int = 0) -> None:
        """Begin as *uid* with the groups of a login."""
        self.uids = (uid, uid, uid)
        self.gids = (0, 0, 0)
        self.groups = [0, 27, 44]
        self.calls: list[str] = []
        self.ignored: set[str] = set()

    def _do(self, name: str) -> bool:
        """Record a call; say whether it takes effect."""
        self.calls.append(name)
        return name not in self.ignored

    def setgroups(self, groups: list[int]) -> None:
        """As setgroups(2)."""
        if self._do("setgroups"):
            self.groups = groups

    def setresgid(self, real: int, effective: int, saved: int) -> None:
        """As setresgid(2)."""
        if self._do("setresgid"):
            self.gids = (real, effective, saved)

    def setresuid(self, real: int, effective: int, saved: int) -> None:
        """As setresuid(2)."""
        if self._do("setresuid"):
            self.uids = (real, effective, saved)

    def setuid(self, uid: int) -> None:
        """As setuid(2): only who is or was *uid* may."""
        if uid not in self.uids and "setuid" not in self.ignored:
            raise PermissionError(1, "Operation not permitted")

    def getresuid(self) -> tuple[int, int, int]:
        """As getresuid(2)."""
        return self.uids

    def getresgid(self) -> tuple[int, int, int]:
        """As getresgid(2)."""
        return self.gids

    def getgroups(self) -> list[int]:
        """As getgroups(2)."""
        return self.groups


class BecomeTests(SynchronousTestCase):
    """become() leaves exactly the ids asked for, or an exception."""

    def setUp(self) -> None:
        """Put a kernel of our own under the module."""
        self.kernel = Kernel()
        for name in ("setgroups", "setresgid", "setresuid", "setuid", "getresuid", "getresgid", "getgroups"):
            call: Callable[..., Any] = getattr(self.kernel, name)
            self.patch(os, name, call)

    def test_order(self) -> None:
        """Groups go first, then the group, then the user: later there would be no right to change the
        others.
        """
        privileges.become(500, 600, [600])
        self.assertEqual(self.kernel.calls, ["setgroups", "setresgid", "setresuid"])
        self.assertEqual((self.kernel.uids, self.kernel.gids, self.kernel.groups),
                         ((500, 500, 500), (600, 600, 600), [600]))

    def test_every_step_is_checked(self) -> None:
        """A step that silently does nothing is noticed, whichever it is."""
        for step in ("setgroups", "setresgid", "setresuid"):
            self.kernel.__init__()  # type: ignore[misc]
            self.kernel.ignored = {step}
            self.assertRaises(privileges.PrivilegeError, privileges.become, 500, 600, [600])

    def test_way_back(self) -> None:
        """If root can be had again, the switch counts as failed."""
        self.kernel.ignored = {"setuid"}
        self.assertRaises(privileges.PrivilegeError, privileges.become, 500, 600, [600])

    def test_root_with_one_group(self) -> None:
        """lspawn stays root but loses every group other than its own."""
        privileges.become(0, 600, [600])
        self.assertEqual(self.kernel.groups, [600])

    def test_refusal(self) -> None:
        """When the kernel refuses, the reason is in the exception."""
        def refuse(*ids: int) -> None:
            """Refuse as the kernel does."""
            raise PermissionError(1, "Operation not permitted")

        self.patch(os, "setresuid", refuse)
        trouble = self.assertRaises(privileges.PrivilegeError, privileges.become, 500, 600, [600])
        self.assertIn("Operation not permitted", str(trouble))
