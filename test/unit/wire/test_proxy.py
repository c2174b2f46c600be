"""The header of a proxy."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.wire.proxy import Header, ProxyError, read

BINARY = b"\r\n\r\n\0\r\nQUIT\n"


class ReadTests(SynchronousTestCase):
    """Both versions, whole and in pieces."""

    def test_headers(self) -> None:
        """Each header names this client; the bytes after it are not touched."""
        six = bytes.fromhex("20010db8000000000000000000000007")
        for data, client in (
            (b"PROXY TCP4 192.0.2.7 198.51.100.1 5 25\r\n", b"192.0.2.7"),
            (b"PROXY TCP6 2001:db8::7 ::1 5 25\r\n", b"2001:db8::7"),
            (b"PROXY UNKNOWN\r\n", b""),
            (BINARY + b"\x21\x11\0\x0c" + bytes([192, 0, 2, 7, 198, 51, 100, 1, 0, 5, 0, 25]), b"192.0.2.7"),
            (BINARY + b"\x21\x21\0\x24" + six + six + b"\0\5\0\x19", b"2001:db8::7"),
            (BINARY + b"\x21\x11\0\x0e" + bytes([192, 0, 2, 7, 198, 51, 100, 1, 0, 5, 0, 25]) + b"tl", b"192.0.2.7"),
            (BINARY + b"\x20\0\0\0", b""),
        ):
            self.assertEqual(read(data + b"NOOP\r\n"), Header(client, len(data)))
            for cut in range(len(data)):
                self.assertIsNone(read(data[:cut]), (data, cut))

    def test_rubbish(self) -> None:
        """Anything else is an error, as early as it can be seen."""
        for data in (
            b"HELO x\r\n",
            b"PROXY TCP4 x y 5 25\r\n",
            b"PROXY TCP4 192.0.2.7\r\n",
            b"PROXY TCP9 192.0.2.7 198.51.100.1 5 25\r\n",
            b"PROXY " + b"x" * 200,
            BINARY + b"\x31\x11\0\x0c",
            BINARY + b"\x21\x11\xff\xff",
            BINARY + b"\x21\x11\0\x04abcd",
        ):
            self.assertRaises(ProxyError, read, data)
