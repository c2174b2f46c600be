"""Tests: the scheduler's connection to the door."""

from __future__ import annotations

from twisted.internet.testing import StringTransport
from twisted.trial.unittest import TestCase

from qtwisted.store.watch import Watch
from qtwisted.wire.door import COMMAND, DONE, FROM_CLIENT, NOTICE, STORED, WATCH, FrameReader, frame, notice


class Connection(TestCase):
    """Notices and commands."""

    def setUp(self):
        """Connect."""
        self.heard = []
        self.transport = StringTransport()
        self.watch = Watch(self)
        self.watch.makeConnection(self.transport)
        self.sent = FrameReader(FROM_CLIENT)

    def arrived(self, *told):
        """Note a message."""
        self.heard.append(told)

    def door_lost(self):
        """Note the loss."""
        self.heard.append("lost")

    def frames(self):
        """Give what was sent since the last time."""
        data = self.transport.value()
        self.transport.clear()
        return self.sent.received(data)

    def test_subscribes(self):
        """The first thing said is the wish to watch."""
        self.assertEqual(self.frames(), [(WATCH, 0, b"")])

    def test_notices(self):
        """Notices are passed on, wherever they are cut."""
        data = frame(NOTICE, 0, notice(7, 100, b"u1\0")) + frame(NOTICE, 0, notice(8, 200, None))
        for at in range(len(data)):
            self.watch.dataReceived(data[at : at + 1])
        self.assertEqual(self.heard, [(7, 100, b"u1\0"), (8, 200, None)])

    def test_commands(self):
        """Many commands may be open; each answer goes where it belongs."""
        self.frames()
        self.watch.clean(b"todo/7", lambda word: self.heard.append((7, word)))
        self.watch.clean(b"done/8", lambda word: self.heard.append((8, word)))
        (_, first, payload), (_, second, other) = self.frames()
        self.assertEqual((payload, other), (b"todo/7\0", b"done/8\0"))
        self.watch.dataReceived(frame(DONE, second, b"!") + frame(DONE, first, b"+"))
        self.assertEqual(self.heard, [(8, b"!"), (7, b"+")])

    def test_ids_differ(self):
        """Open commands have different ids."""
        self.frames()
        for number in range(5):
            self.watch.clean(b"foop/%d" % number, self.heard.append)
        found = self.frames()
        self.assertEqual([letter for letter, _, _ in found], [COMMAND] * 5)
        self.assertEqual(len({ident for _, ident, _ in found}), 5)

    def test_breach(self):
        """A door that answers what nobody asked, or speaks out of turn, is cut off."""
        for data in (frame(DONE, 9, b"+"), frame(STORED, 1, b"5"), frame(NOTICE, 0, b"junk"), b"Z" * 20):
            self.setUp()
            self.watch.dataReceived(data)
            self.assertTrue(self.transport.disconnected, data)

    def test_loss(self):
        """The loss is told; nothing is answered after it."""
        self.watch.clean(b"todo/7", self.heard.append)
        self.watch.connectionLost()
        self.watch.clean(b"todo/8", self.heard.append)
        self.assertEqual(self.heard, ["lost"])
