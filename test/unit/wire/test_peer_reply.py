"""Tests: qtwisted.wire.peer_reply."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.wire.peer_reply import REPLY_KEPT, REPLY_MAX, PeerReply, ReplyReader, extensions_in


def read(data: bytes, size: int = 0) -> list[PeerReply]:
    """Read replies, in pieces of a size or at once."""
    reader, replies = ReplyReader(), []
    for at in range(0, len(data), size or len(data)):
        piece, start = data[at : at + (size or len(data))], 0
        while start < len(piece):
            reply, start = reader.feed(piece, start)
            if reply is not None:
                replies.append(reply)
    return replies


class ReplyReaderTests(SynchronousTestCase):
    """Replies of any form are read, in any pieces."""

    def test_rows(self) -> None:
        """The first line gives the code; CR is dropped, NUL shown as a question mark."""
        for data, replies in (
            (b"250 ok\r\n", [PeerReply(250, b"250 ok\n")]),
            (b"250 ok\n", [PeerReply(250, b"250 ok\n")]),
            (b"250\r\n", [PeerReply(250, b"250\n")]),
            (b"250ok\r\n", [PeerReply(250, b"250ok\n")]),
            (b"421-busy\r\n421 later\0\r\n", [PeerReply(421, b"421-busy\n421 later?\n")]),
            (b"250-a\r\n550 b\r\n", [PeerReply(250, b"250-a\n550 b\n")]),
            (b"220 a\r\n250 b\r\n", [PeerReply(220, b"220 a\n"), PeerReply(250, b"250 b\n")]),
            (b"2x0 ok\r\n", [PeerReply(0, b"2x0 ok\n")]),
            (b"SSH-2.0\r\n", [PeerReply(0, b"SSH-2.0\n")]),
            (b"250-a\r\nxyz-b\r\n250 c\r\n", [PeerReply(250, b"250-a\nxyz-b\n250 c\n")]),
            (b"25\r\n", [PeerReply(0, b"25\n")]),
            (b"\r\n", [PeerReply(0, b"\n")]),
            (b"\xb2\xb3\xb9 ok\n", [PeerReply(0, b"\xb2\xb3\xb9 ok\n")]),
            (b"250-a", []),
        ):
            self.assertEqual(read(data), replies, data)
            self.assertEqual(read(data, 1), replies, data)

    def test_text_is_cut(self) -> None:
        """Of a long text the first 5000 bytes are kept; the code counts all the same."""
        line = b"550-" + b"x" * 95 + b"\r\n"
        [reply] = read(line * 60 + b"550 end\r\n")
        self.assertEqual(reply.code, 550)
        self.assertEqual(reply.text, (line * 60).replace(b"\r", b"")[:REPLY_KEPT])

    def test_endless_line(self) -> None:
        """A reply without end is noticed, and takes no memory."""
        reader = ReplyReader()
        for _ in range(REPLY_MAX // 1000 + 1):
            self.assertFalse(reader.is_overlong)
            self.assertEqual(reader.feed(b"2" * 1000, 0), (None, 1000))
        self.assertTrue(reader.is_overlong)
        self.assertLessEqual(len(reader._text), REPLY_KEPT)

    def test_overlong_reply_with_an_end(self) -> None:
        """An end after too much is none, even if all comes at once."""
        reader = ReplyReader()
        self.assertIsNone(reader.feed(b"220 " + b"x" * REPLY_MAX + b"\r\n", 0)[0])
        self.assertTrue(reader.is_overlong)

    def test_hundred_lines(self) -> None:
        """A reply of a hundred lines is one reply."""
        [reply] = read(b"250-x\r\n" * 99 + b"250 y\r\n", 7)
        self.assertEqual(reply.code, 250)

    def test_classes(self) -> None:
        """Only 2yz accepts, only 5yz forbids."""
        for code, accepts, forbids in (
            (0, False, False), (199, False, False), (200, True, False), (299, True, False), (354, False, False),
            (450, False, False), (500, False, True), (599, False, True), (600, False, False), (999, False, False),
        ):
            reply = PeerReply(code, b"")
            self.assertEqual((reply.accepts, reply.forbids), (accepts, forbids), code)


class ExtensionTests(SynchronousTestCase):
    """What a server offers is read from its EHLO reply."""

    def test_extensions(self) -> None:
        """Keywords are in capitals; the first line is the server's name."""
        text = b"250-server 8BITMIME\n250-size 1000\n250-Auth PLAIN LOGIN\n250-\n250 PIPELINING\n"
        self.assertEqual(extensions_in(text), {b"SIZE": b"1000", b"AUTH": b"PLAIN LOGIN", b"PIPELINING": b""})
