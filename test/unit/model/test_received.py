"""Received fields look as 1.02 writes them, and nobody can smuggle anything into them."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.model.received import by_queue, from_network, safe

AT = 1795354812
DATE = b"22 Nov 2026 13:40:12 -0000"


class QueueTests(SynchronousTestCase):
    """The line of the queue."""

    def test_each_invoker(self) -> None:
        """The line is not folded and names who invoked the queue."""
        for who in (b"by alias", b"from network", b"for bounce", b"by uid 12345"):
            self.assertEqual(
                by_queue(2620, who, AT), b"Received: (qmail 2620 invoked %s); %s\n" % (who, DATE)
            )


class NetworkTests(SynchronousTestCase):
    """The field of a network server."""

    def field(self, info: bytes | None = None, helo: bytes | None = None, host: bytes = b"client.example") -> bytes:
        """Write the field of one client."""
        return from_network(b"SMTP", b"192.0.2.7", host, info, helo, b"srv.example", AT)

    def test_same_helo_is_not_shown(self) -> None:
        """A HELO name equal to the known one but for case is left out, and ident is made safe."""
        self.assertEqual(
            self.field(b"joe(x)", b"CLIENT.example"),
            b"Received: from client.example (joe?x?@192.0.2.7)\n  by srv.example with SMTP; %s\n" % DATE,
        )

    def test_other_helo_is_shown(self) -> None:
        """The whole argument of HELO is shown, with question marks for what is not safe."""
        self.assertIn(b"from client.example (HELO foo?bar??1.2.3.4?) (", self.field(helo=b"foo bar [1.2.3.4]"))
        self.assertIn(b"from client.example (HELO ) (", self.field(helo=b""))

    def test_no_helo_yet(self) -> None:
        """Before any HELO there is nothing to show."""
        self.assertNotIn(b"HELO", self.field())

    def test_ident(self) -> None:
        """Without ident there is no @; empty ident leaves the @."""
        self.assertIn(b" (192.0.2.7)\n", self.field())
        self.assertIn(b" (@192.0.2.7)\n", self.field(info=b""))

    def test_nothing_can_break_the_line(self) -> None:
        """Line ends, parentheses and 8-bit bytes of a stranger become question marks."""
        field = self.field(b"a\r\nX: y)", b"b\n)(\xe9\0", b"h\r\n(")
        self.assertEqual(field.count(b"\n"), 2)
        self.assertTrue(field.startswith(b"Received: from h??? (HELO b?????) (a??X:?y?@192.0.2.7)\n  by "))

    def test_safe_bytes(self) -> None:
        """Letters, digits and . @ % + / = : - stay, every other byte does not."""
        kept = bytes(byte for byte in range(256) if safe(bytes([byte])) != b"?")
        self.assertEqual(
            kept, b"%+-./0123456789:=@ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
        )
