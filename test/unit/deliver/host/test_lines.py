"""Tests: qtwisted.deliver.host.lines, by what qmail-remote reports over each kind of line."""

from __future__ import annotations

import io
import os
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from test.kit.qmtp_peer import QmtpScript, netstring
from test.kit.smtp_peer import CLOSE, Script
from test.kit.traffic import TEXT, Road


class LineCase(SynchronousTestCase):
    """Sends one message to several recipients, as qmail-remote does."""

    def send(self, server: Script, body: Any = None, route: bytes = b"192.0.2.1:209:qmtp") -> bytes:
        """Send it, and give the whole report."""
        road = Road()
        road.routes[b""] = route
        road.network.hosts["192.0.2.1"] = server
        sending = road.remote.deliver(b"d", b"s@x", [b"1@d", b"2@d"], body or io.BytesIO(TEXT))
        road.settle()
        self.assertEqual(road.network.lines[0].disconnecting or road.network.lines[0].aborted, True)
        return self.successResultOf(sending).wire()


class QmtpTests(LineCase):
    """Lines on which QMTP is spoken."""

    def test_reports(self) -> None:
        """Each recipient has his part, and the message is as well off as the one who is best off."""
        no = b"h192.0.2.1 does not like recipient.\nRemote host said: no\n\0"
        ok = b"K192.0.2.1 accepted message.\nRemote host said: ok\n\0"
        yes = netstring(b"Kok")
        for answers, report in (((yes,), b"r\0r\0" + ok), ((netstring(b"Dno"), yes), no + b"r\0" + ok),
                                ((netstring(b"Dno"),), no + no + b"DGiving up on 192.0.2.1.\n\0")):
            self.assertEqual(self.send(QmtpScript(*answers)), report)

    def test_connection_lost(self) -> None:
        """What was answered before the connection was lost holds; the others wait."""
        died = b"Connected to 192.0.2.1 but connection died. Possible duplicate! (#4.4.2)\n\0"
        self.assertEqual(self.send(QmtpScript(netstring(b"Kok"), CLOSE)),
                         b"r\0s" + died + b"K192.0.2.1 accepted message.\nRemote host said: ok\n\0")
        self.assertEqual(self.send(QmtpScript(CLOSE)), b"Z" + died)

    def test_pipe(self) -> None:
        """A message that comes through a pipe is measured first, and arrives whole."""
        reader, writer = os.pipe()
        os.write(writer, TEXT)
        os.close(writer)
        script = QmtpScript()
        with io.FileIO(reader) as body:
            self.assertIn(b"\0K", self.send(script, body))
        self.assertEqual(script.packages[0][0], b"\n" + TEXT)

    def test_rest_of_a_file(self) -> None:
        """What of a file was read before does not count."""
        script = QmtpScript()
        body = io.BytesIO(b"read before" + TEXT)
        body.seek(11)
        self.send(script, body)
        self.assertEqual(script.packages[0][0], b"\n" + TEXT)

    def test_unreadable(self) -> None:
        """A message that cannot be read waits."""
        class Broken(io.BytesIO):
            """Cannot be read."""

            def read(self, size: int | None = -1, /) -> bytes:
                """Fail."""
                raise OSError(5, "broken")

        self.assertEqual(self.send(QmtpScript(), Broken(TEXT)), b"ZUnable to read message. (#4.3.0)\n\0")


class SmtpTests(LineCase):
    """Lines on which SMTP is spoken."""

    def test_reports(self) -> None:
        """qmail-remote names all recipients in one transaction, and a refusal because of their number is one."""
        report = self.send(Script(rcpt=[b"250 ok\r\n", b"452 too many\r\n"]), route=b"192.0.2.1")
        self.assertEqual(report, b"r\0s192.0.2.1 does not like recipient.\nRemote host said: 452 too many\n\0"
                                 b"K192.0.2.1 accepted message.\nRemote host said: 250 done\n\0")
