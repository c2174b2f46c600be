"""tcp-env describes the connection on descriptor 0; the program itself is tested in test.whole."""

from __future__ import annotations

import socket
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.accept import tcpenv


class FakeConnection:
    """A connection that only has two ends."""

    type = socket.SOCK_STREAM

    def __init__(self, local: Any, remote: Any, family: int = socket.AF_INET) -> None:
        """Take the ends as the kernel would tell them."""
        self.local = local
        self.remote = remote
        self.family = family

    def getsockname(self) -> Any:
        """Give our end."""
        return self.local

    def getpeername(self) -> Any:
        """Give the other end."""
        return self.remote


class DescribeTests(SynchronousTestCase):
    """The variables."""

    def describe(self, connection: Any, names: dict[str, bytes], **before: bytes) -> dict[bytes, bytes]:
        """Describe a connection where hosts have these names; nobody is asked about users."""
        environ = {name.encode(): value for name, value in before.items()}
        tcpenv.describe(connection, environ, names.get, None)
        return environ

    def test_all(self) -> None:
        """Both ends are told; what has no name has no variable, whatever it was before."""
        connection = FakeConnection(("192.0.2.1", 25), ("192.0.2.7", 4000))
        before = {"TCPREMOTEHOST": b"x", "TCPREMOTEINFO": b"y", "A": b"z"}
        found = self.describe(connection, {"192.0.2.1": b"mx.example"}, **before)
        self.assertEqual(found, {
            b"A": b"z", b"PROTO": b"TCP", b"TCPLOCALIP": b"192.0.2.1", b"TCPLOCALPORT": b"25",
            b"TCPLOCALHOST": b"mx.example", b"TCPREMOTEIP": b"192.0.2.7", b"TCPREMOTEPORT": b"4000",
        })

    def test_ipv6(self) -> None:
        """IPv6 addresses are told as they are, IPv4 addresses that came in over IPv6 as IPv4."""
        for ip, plain in (("2001:db8::7", b"2001:db8::7"), ("::ffff:192.0.2.7", b"192.0.2.7"), ("::1", b"::1")):
            connection = FakeConnection(("2001:db8::1", 25, 0, 0), (ip, 4000, 0, 0), socket.AF_INET6)
            self.assertEqual(self.describe(connection, {})[b"TCPREMOTEIP"], plain)

    def test_no_connection(self) -> None:
        """What is no TCP connection is refused, and then nothing is set."""
        for connection in (FakeConnection("", "", socket.AF_UNIX),):
            environ: dict[bytes, bytes] = {}
            self.assertRaises(ValueError, tcpenv.describe, connection, environ)
            self.assertEqual(environ, {})


class HostNameTests(SynchronousTestCase):
    """host_name, with the answers of the system's resolver."""

    def look_up(self, answer: Any) -> bytes | None:
        """Look a name up and get this answer."""

        def getnameinfo(address: Any, flags: int) -> Any:
            """Answer."""
            self.assertEqual((address, flags), (("192.0.2.7", 0), socket.NI_NAMEREQD))
            if isinstance(answer, Exception):
                raise answer
            return answer, "0"

        self.patch(socket, "getnameinfo", getnameinfo)
        return tcpenv.host_name("192.0.2.7")

    def test_answers(self) -> None:
        """A name comes in small letters; no name is none; trouble that may pass is softdnserror."""
        for answer, wanted in (
            ("Client.Example", b"client.example"),
            (socket.gaierror(socket.EAI_NONAME, "no"), None),
            (socket.gaierror(socket.EAI_FAIL, "no"), None),
            (socket.gaierror(socket.EAI_AGAIN, "later"), b"softdnserror"),
            (OSError(111, "refused"), b"softdnserror"),
            (UnicodeError("strange"), None),
        ):
            self.assertEqual(self.look_up(answer), wanted, answer)


class InfoTests(SynchronousTestCase):
    """Answers of ident servers."""

    def test_answers(self) -> None:
        """H13: what follows the third colon counts, without blanks; with fewer colons there is nothing."""
        for answer, wanted in (
            (b"25 , 4000 : USERID : UNIX : joe user\r\n", b"joeuser"),
            (b"25,4000:USERID:UNIX:joe:sue\tx\r\nmore", b"joe:suex"),
            (b"25 , 4000 : ERROR : NO-USER\r\n", b""),
            (b"\n", b""),
            (b":::\n", b""),
            (b":::" + b"x" * 2000 + b"\n", b"x" * 998),
            (b":::\xff()\n", b"\xff()"),
        ):
            self.assertEqual(tcpenv.info_in(answer), wanted)
