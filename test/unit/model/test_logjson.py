"""The log in JSON: the same facts, one object a line."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as some
from twisted.trial.unittest import SynchronousTestCase

from qtwisted.model import events
from qtwisted.model.logjson import dressed, read

AT = 1796013901.123456


class DressTests(SynchronousTestCase):
    """From qmail's lines to JSON and back."""

    def test_lines(self) -> None:
        """Each line becomes one, with the moment in front."""
        out = dressed(b"new msg 53\nhello \xff\n", AT)
        self.assertEqual(out, b'{"at": "2026-11-30T04:45:01.123456Z", "kind": "new", "msg": 53}\n'
                              b'{"at": "2026-11-30T04:45:01.123456Z", "kind": "text", "text": "hello \\\\xff"}\n')
        found = read(out.split(b"\n")[0])
        assert found is not None
        self.assertEqual(found[1], events.NewMessage(53))
        self.assertAlmostEqual(found[0] or 0.0, AT, 5)

    @settings(max_examples=300, deadline=None)
    @given(some.binary(max_size=200))
    def test_any_bytes(self, line: bytes) -> None:
        """Whatever a line holds, one line of printable ASCII comes out, which any JSON reader takes."""
        line = line.replace(b"\n", b"")
        out = dressed(line + b"\n", AT)
        self.assertEqual(out.count(b"\n"), 1)
        self.assertTrue(all(0x20 <= byte <= 0x7E for byte in out[:-1]))
        self.assertIn("kind", json.loads(out))
        self.assertIsNotNone(read(out[:-1]))

    def test_others(self) -> None:
        """JSON of others, damaged JSON and JSON made to hurt is not ours, and does not."""
        for line in (b"{}", b"{", b"[1]", b'{"kind": "new"}', b'{"a":' * 20000, b"[" * 60000, b'{"kind": 5}',
                     b"\xff{", b'{"kind": "new", "msg": ' + b"9" * 5000 + b"}",
                     b'{"kind": "text", "text": "' + b"x" * 100000 + b'"}'):
            self.assertIsNone(read(line), line[:40])

    def test_stamps(self) -> None:
        """A moment that is none does not hide the event."""
        for stamp in (b'"x"', b"5", b"null", b'"2026-11-30T04:45:01"', b'"9999-99-99T00:00:00Z"',
                      b'"0001-01-01T00:00:00+14:00"'):
            found = read(b'{"at": %b, "kind": "end", "msg": 5}' % stamp)
            assert found is not None
            self.assertEqual(found[1], events.MessageEnded(5))
