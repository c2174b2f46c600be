"""Tests for qtwisted.admin.running.alone: what a role without a master must be handed, and who may run it."""

import os
import socket
from types import SimpleNamespace
from typing import Any, cast

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.admin.running import alone
from qtwisted.admin.running.ports import StartError
from qtwisted.system import roles

IDS = cast("Any", SimpleNamespace(
    root_uid=0, qmaild_uid=11, qmailq_uid=14, qmailr_uid=15, qmails_uid=16, qmail_gid=70, nofiles_gid=71))


class NamedTests(SynchronousTestCase):
    """The names of descriptors."""

    def fds(self, role: str, *names: str) -> tuple[dict[str, int], list[str]]:
        """What *role* makes of descriptors with these names, from 3 on."""
        return alone.named(roles.role(role), [(name, 3 + at) for at, name in enumerate(names)])

    def refused(self, role: str, *names: str) -> str:
        """Why *role* cannot do with these."""
        return str(self.assertRaises(StartError, self.fds, role, *names))

    def test_ports(self) -> None:
        """A front takes any number of ports of its services, some of them behind a proxy."""
        self.assertEqual(self.fds("front", "smtp", "smtp", "haproxy-qmtp"),
                         ({"smtp0": 3, "smtp1": 4, "qmtp2": 5}, ["qmtp2"]))
        self.assertEqual(self.fds("pop3", "pop3"), ({"pop30": 3}, []))

    def test_wrong_ports(self) -> None:
        """Ports of somebody else are refused, and so is none."""
        self.assertEqual(self.refused("front", "smtp", "pop3"),
                         "role front serves smtp, qmtp, qmqp, and was handed smtp, pop3")
        self.assertEqual(self.refused("front"), "role front must be handed a listening socket")
        self.assertEqual(self.refused("pop3", "smtp"), "role pop3 serves pop3, and was handed smtp")

    def test_door(self) -> None:
        """The door needs both of its sockets, in any order."""
        self.assertEqual(self.fds("door", "users", "roles"), ({"users": 3, "roles": 4}, []))
        self.assertEqual(self.fds("door", "roles", "users"), ({"users": 4, "roles": 3}, []))
        self.assertEqual(self.refused("door", "users"), "role door must be handed roles and users, not users")

    def test_connection(self) -> None:
        """Who serves one partner is handed one connection, under systemd's name or its own."""
        self.assertEqual(self.fds("lspawn", "connection"), ({"orders": 3}, []))
        self.assertEqual(self.fds("auth", "attempts"), ({"attempts": 3}, []))
        self.assertEqual(self.refused("rspawn"),
                         "role rspawn must be handed the connection of send, and nothing else, not nothing")
        self.refused("lspawn", "connection", "orders")

    def test_send(self) -> None:
        """send makes its own connections and takes only the socket on which it is asked."""
        self.assertEqual(self.fds("send", "control"), ({"control": 3}, []))
        self.assertEqual(self.refused("send", "smtp"), "role send must be handed control, not smtp")
        self.assertEqual(self.refused("send"), "role send must be handed control, not nothing")


class IdentityTests(SynchronousTestCase):
    """Who may be a role."""

    def become(self, uid: int, gid: int, groups: list[int]) -> None:
        """Look like somebody else."""
        for name, value in (("geteuid", uid), ("getegid", gid), ("getgroups", groups)):
            self.patch(os, name, lambda value=value: value)

    def test_root(self) -> None:
        """Started by root, the role has still to become its user; lspawn keeps root's uid with one group."""
        self.become(0, 0, [0])
        self.assertEqual(alone.identity(roles.role("send"), IDS), (16, 70))
        self.assertEqual(alone.identity(roles.role("lspawn"), IDS), (0, 70))

    def test_user(self) -> None:
        """Started as its user, with its group and no other, it has nothing to become."""
        self.become(16, 70, [70])
        self.assertIsNone(alone.identity(roles.role("send"), IDS))
        self.become(16, 70, [])
        self.assertIsNone(alone.identity(roles.role("send"), IDS))

    def test_others(self) -> None:
        """Nobody else is let in, and no group more."""
        for uid, gid, groups in ((11, 70, [70]), (16, 71, [71]), (16, 70, [70, 8])):
            self.become(uid, gid, groups)
            self.assertRaises(StartError, alone.identity, roles.role("send"), IDS)


class PartnerTests(SynchronousTestCase):
    """Orders come from one role only; the kernel says who is at the other end."""

    def setUp(self) -> None:
        """A connection to ourselves."""
        self.ours, theirs = socket.socketpair()
        self.addCleanup(self.ours.close)
        self.addCleanup(theirs.close)

    def check(self, **more: int) -> None:
        """Have the connection checked for lspawn, which serves send."""
        ids: Any = SimpleNamespace(**{**vars(IDS), **more})
        alone.check_partner(self.ours.fileno(), roles.role("lspawn"), ids)

    def test_partner(self) -> None:
        """send is welcome."""
        self.check(qmails_uid=os.geteuid())

    def test_stranger(self) -> None:
        """Anybody else is not."""
        self.patch(alone, "credentials", lambda connection: SimpleNamespace(uid=11))
        trouble = self.assertRaises(StartError, self.check)
        self.assertEqual(str(trouble), "role lspawn takes orders from send only, not from user number 11")

    def test_network(self) -> None:
        """Nor is whoever comes over the network."""
        with socket.socket() as port:
            self.assertRaises(StartError, alone.check_partner, port.fileno(), roles.role("lspawn"), IDS)
