"""Tests of asking the kernel who is at the other end."""

from __future__ import annotations

import os
import socket

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.system.peer import credentials


class CredentialsTests(SynchronousTestCase):
    """The kernel tells of the process that made the connection."""

    def test_ourselves(self) -> None:
        """Of a pair that we made ourselves, the peer is us."""
        one, two = socket.socketpair(socket.AF_UNIX)
        self.addCleanup(one.close)
        self.addCleanup(two.close)
        self.assertEqual(tuple(credentials(one)), (os.getpid(), os.geteuid(), os.getegid()))
