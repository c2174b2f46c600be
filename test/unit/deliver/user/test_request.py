"""Local deliveries as they are asked for."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.deliver.user.request import Request

JOE = Request(b"joe", b"/home/joe", b"joe", b"", b"", b"h.o.s.t", b"s@t", b"./Mailbox")


class RequestTests(SynchronousTestCase):
    """The lines a delivery adds to the message."""

    def test_delivered_to(self) -> None:
        """The recipient's address stands in Delivered-To, line feeds made harmless."""
        self.assertEqual(JOE.delivered_to, b"Delivered-To: joe@h.o.s.t\n")
        self.assertEqual(JOE._replace(local=b"a\nb").delivered_to, b"Delivered-To: a_b@h.o.s.t\n")

    def test_return_path(self) -> None:
        """The sender stands in Return-Path, quoted where that is needed (L24)."""
        self.assertEqual(JOE.return_path, b"Return-Path: <s@t>\n")
        self.assertEqual(JOE._replace(sender=b"a\nb c\td@e").return_path, b'Return-Path: <"a\\_b c\td"@e>\n')

    def test_no_sender(self) -> None:
        """An empty sender stays empty, and #@[] stays what it is."""
        self.assertEqual(JOE._replace(sender=b"").return_path, b"Return-Path: <>\n")
        self.assertEqual(JOE._replace(sender=b"#@[]").return_path, b"Return-Path: <#@[]>\n")
