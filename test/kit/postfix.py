"""A private Postfix that receives with TLS and hands everything on to a sink, for tests against other software."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING

from bench.postfix import Postfix
from test.kit.running import wait_until
from test.kit.sink import Sink

if TYPE_CHECKING:
    from twisted.trial.unittest import SynchronousTestCase

    from test.kit.certificates import Identity

MISSING = None if os.geteuid() == 0 and os.path.exists("/usr/sbin/postfix") else "needs root and Postfix"
TLS = """\
mydestination =
smtpd_tls_security_level = {level}
smtpd_tls_cert_file = {room}/identity.pem
smtpd_tls_key_file = {room}/identity.pem
smtpd_tls_CAfile = {room}/authority.pem
smtpd_tls_ask_ccert = yes
smtpd_tls_received_header = yes
smtpd_tls_loglevel = 1
smtp_tls_security_level = none
"""


class TlsPostfix:
    """Receives with TLS on a free port until the test is over."""

    def __init__(
        self, test: SynchronousTestCase, room: str, identity: Identity, authority: bytes, level: str = "may"
    ) -> None:
        """Start it below a directory; ``level`` is its smtpd_tls_security_level."""
        self.sink = Sink(test)
        self.room = Path(room)
        (self.room / "authority.pem").write_bytes(authority)
        (self.room / "identity.pem").write_bytes(identity.pem)
        os.chmod(self.room / "identity.pem", 0o600)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self._postfix = Postfix(self.room, self.port, f"[127.0.0.1]:{self.sink.port}")
        with open(self._postfix.settings / "main.cf", "a") as settings:
            settings.write(TLS.format(room=room, level=level))
        with open(self._postfix.settings / "master.cf", "a") as services:
            services.write("tlsmgr    unix  - - n 1000? 1 tlsmgr\n")
        self._postfix.start()
        test.addCleanup(self._postfix.stop)
        wait_until(self._answers, "Postfix to listen")

    def _answers(self) -> bool:
        """Whether it takes connections."""
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def log(self) -> str:
        """What Postfix has logged."""
        return (self.room / "postfix/log").read_text(errors="replace")
