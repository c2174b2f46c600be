"""Who may send what to whom."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.accept.gate import Client, Crowd, localiser, may_send
from qtwisted.config.hosts import BadMailFrom, RcptHosts
from qtwisted.model.reply import Reply
from qtwisted.wire.smtp_replies import BAD_SENDER, NOT_OURS, TOO_MANY_CONNECTIONS, TOO_MANY_FROM_YOU
from test.kit.smtp import config


class GateTests(SynchronousTestCase):
    """The checks and their order."""

    def check(self, sender: bytes, recipient: bytes, relay: bytes | None = None) -> Reply | None:
        """Ask about a message of a client."""
        values = config(badmailfrom=BadMailFrom([b"bad@x"]), rcpthosts=RcptHosts([b"ours"]))
        return may_send(values, Client(relay=relay), sender, recipient)

    def test_strangers(self) -> None:
        """A stranger may send to our domains only."""
        self.assertIsNone(self.check(b"a@x", b"b@ours"))
        self.assertEqual(self.check(b"a@x", b"b@theirs"), NOT_OURS)

    def test_relay_clients(self) -> None:
        """A client with RELAYCLIENT, even an empty one, may send anywhere."""
        self.assertIsNone(self.check(b"a@x", b"b@theirs", relay=b""))

    def test_bad_senders_come_first(self) -> None:
        """A bad sender is refused before the recipient is looked at, even of a client that may relay."""
        self.assertEqual(self.check(b"BAD@x", b"b@theirs"), BAD_SENDER)
        self.assertEqual(self.check(b"bad@x", b"b@ours", relay=b""), BAD_SENDER)


class LocaliserTests(SynchronousTestCase):
    """Our own addresses in brackets."""

    def test_rows(self) -> None:
        """Only a domain that is exactly one of our addresses is replaced."""
        localise = localiser(b"L.h", lambda: frozenset({bytes([127, 0, 0, 1])}))
        assert localise is not None
        for address, wanted in (
            (b"a@[127.0.0.1]", b"a@L.h"),
            (b"a@b@[127.0.0.1]", b"a@b@L.h"),
            (b"@[127.0.0.1]", b"@L.h"),
            (b"a@[383.256.0.001]", b"a@L.h"),
            (b"a@[127.0.0.1]x", None),
            (b"a@x[127.0.0.1]", None),
            (b"a@[127.0.0.2]", None),
            (b"a@[127.0.0]", None),
            (b"a@[127.0.0.1.1]", None),
            (b"a@[127.0.0.]", None),
            (b"a@[127.0.0.-1]", None),
            (b"a@[]", None),
            (b"[127.0.0.1]@b", None),
        ):
            self.assertEqual(localise(address), wanted or address, address)

    def test_no_name(self) -> None:
        """Without localiphost and me nothing is replaced."""
        self.assertIsNone(localiser(None, frozenset))


class CrowdTests(SynchronousTestCase):
    """Counting connections."""

    def test_limits(self) -> None:
        """Who is one too many of his address, or of all, is sent away, and others are not."""
        crowd = Crowd()
        self.assertEqual([crowd.enter(b"a", 5, 2) for _ in range(3)], [None, None, TOO_MANY_FROM_YOU])
        self.assertEqual([crowd.enter(b"b", 5, 2) for _ in range(2)], [None, None])
        self.assertEqual(crowd.enter(b"c", 5, 2), TOO_MANY_CONNECTIONS)
        self.assertEqual(len(crowd), 6)

    def test_leaving(self) -> None:
        """Whoever leaves makes room, and is forgotten."""
        crowd = Crowd()
        for _ in range(3):
            crowd.enter(b"a", 0, 2)
        for _ in range(3):
            crowd.leave(b"a")
        self.assertEqual(len(crowd), 0)
        self.assertIsNone(crowd.enter(b"a", 1, 1))

    def test_no_limits(self) -> None:
        """0 is no limit."""
        crowd = Crowd()
        self.assertEqual({crowd.enter(b"a", 0, 0) for _ in range(2000)}, {None})
