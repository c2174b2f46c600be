"""Tests for qtwisted.system.notify: what a service manager is told."""

import os
import socket

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.system import notify


class NotifyTests(SynchronousTestCase):
    """One datagram, to a socket by path or to an abstract one, and no trouble whatever becomes of it."""

    def told(self, name: str, address: str | bytes) -> bytes:
        """What arrives at *address* when the variable says *name*."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(address)
            notify.tell(name, notify.READY)
            return manager.recv(100, socket.MSG_DONTWAIT)

    def test_path(self) -> None:
        """A socket in the file system."""
        path = self.mktemp()
        os.mkdir(path)
        self.assertEqual(self.told(f"{path}/n", f"{path}/n"), b"READY=1")

    def test_abstract(self) -> None:
        """A name that begins with @ is one that no file has."""
        name = f"qtwisted-test-{os.getpid()}"
        self.assertEqual(self.told("@" + name, b"\0" + name.encode()), b"READY=1")

    def test_nobody(self) -> None:
        """Without a manager, with one that is gone, and with a name that is no address, nothing happens."""
        for name in (None, "/nonexistent/socket", "/" + "x" * 200):
            notify.tell(name, notify.STOPPING)

    def test_taken(self) -> None:
        """The variable does not stay in the environment."""
        environment = {"NOTIFY_SOCKET": "/run/n", "PATH": "/bin"}
        self.assertEqual(notify.take(environment), "/run/n")
        self.assertEqual(environment, {"PATH": "/bin"})
        self.assertIsNone(notify.take({"NOTIFY_SOCKET": ""}))
