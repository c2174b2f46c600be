"""Tests for qtwisted.system.sockets: UNIX sockets are made and reached below paths of any length."""

import os
import socket

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.system import sockets


class SocketsTests(SynchronousTestCase):
    """A socket in a directory deeper than an address can say."""

    def setUp(self) -> None:
        """Make such a directory."""
        self.directory = os.path.join(os.path.abspath(self.mktemp()), *["d" * 60] * 4)
        os.makedirs(self.directory)

    def listen(self, name: str = "queue.sock", mode: int = 0o666) -> socket.socket:
        """A listening socket, closed when the test is over."""
        listener = sockets.listen_unix(self.directory, name, mode)
        self.addCleanup(listener.close)
        return listener

    def test_connects(self) -> None:
        """Who connects by directory and name reaches who listens there."""
        listener = self.listen()
        caller = sockets.connect_unix(self.directory, "queue.sock")
        self.addCleanup(caller.close)
        answerer, _ = listener.accept()
        self.addCleanup(answerer.close)
        caller.sendall(b"x")
        self.assertEqual(answerer.recv(1), b"x")

    def test_mode(self) -> None:
        """The socket has the mode asked for, whatever the umask; nothing else is left in the directory."""
        former = os.umask(0o077)
        self.addCleanup(os.umask, former)
        self.listen(mode=0o666)
        self.assertEqual(os.listdir(self.directory), ["queue.sock"])
        self.assertEqual(os.stat(os.path.join(self.directory, "queue.sock")).st_mode & 0o777, 0o666)

    def test_replaces(self) -> None:
        """A socket that an earlier run has left is replaced, and so is one that was left half made."""
        first = self.listen()
        os.link(os.path.join(self.directory, "queue.sock"), os.path.join(self.directory, ".queue.sock.new"))
        first.close()
        self.listen()
        sockets.connect_unix(self.directory, "queue.sock").close()

    def test_nobody_there(self) -> None:
        """Where nobody listens, connecting fails as connect(2) does."""
        self.assertRaises(FileNotFoundError, sockets.connect_unix, self.directory, "queue.sock")
        self.listen().close()
        self.assertRaises(ConnectionRefusedError, sockets.connect_unix, self.directory, "queue.sock")

    def test_one_master(self) -> None:
        """A home can be held once; when its holder lets go, it can be held again."""
        held = sockets.lock_home(self.directory)
        self.assertRaises(BlockingIOError, sockets.lock_home, self.directory)
        os.close(held)
        os.close(sockets.lock_home(self.directory))
