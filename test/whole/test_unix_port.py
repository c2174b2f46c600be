"""Mail taken on a UNIX socket, as a content filter or a proxy on the same machine hands it in."""

from __future__ import annotations

import os
import smtplib
import socket
import stat

from twisted.trial.unittest import SynchronousTestCase

from test.kit.homes import SingleHome
from test.kit.running import Running
from test.kit.world import HOST, World


class UnixSmtp(smtplib.SMTP):
    """SMTP to a path instead of a host."""

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:  # type: ignore[override]
        """Connect to the path."""
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(60)
        connection.connect(host)
        return connection


class UnixPortTests(SynchronousTestCase):
    """``--smtp unix:PATH``."""

    def check(self, running: Running, path: str, recipient: str) -> None:
        """Send a message through the socket, and see that it still has the mode it was made with."""
        mode = stat.S_IMODE(os.stat(path).st_mode)
        with UnixSmtp(path, 1) as client:
            client.sendmail("s@example.org", [recipient], b"Subject: x\r\n\r\nhi\r\n")
        running.wait_for(r"delivery \d+: success: .*")
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), mode)
        self.assertEqual([line for line in running.log if line.startswith("alert:")], [])

    def test_as_root(self) -> None:
        """The fronts, which are not root, accept on the socket that root has made."""
        if os.geteuid() != 0:
            raise self.skipTest("needs root, which makes the socket for others")
        world = World(self)
        path = f"{world.home}/run/smtp.sock"
        self.check(world.up("--smtp", f"unix:{path}"), path, f"me@{HOST}")

    def test_single(self) -> None:
        """Without root it works as well, and a mode asked for is kept."""
        home = SingleHome(self)
        path = f"{home.path}/run/smtp.sock"
        running = home.up("--smtp", f"unix:{path}:mode=600")
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
        self.check(running, path, "me@localhost")
