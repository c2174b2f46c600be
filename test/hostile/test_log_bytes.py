"""What others can put into the log reaches no terminal as it is, and makes no event of its own."""

from __future__ import annotations

import io
from argparse import ArgumentParser

from hypothesis import given, settings
from hypothesis import strategies as some
from twisted.trial.unittest import SynchronousTestCase

from qtwisted.admin.ctl import summary, trace
from qtwisted.admin.ctl.screen import Screen
from qtwisted.model import events

ESCAPE = b"\x1b[2J\x1b]0;owned\x07\x9b31m\r\x08\x7f\xe2\x80\xae"


class HostileLogTests(SynchronousTestCase):
    """Logs written by somebody who wants to harm whoever reads them."""

    def run_command(self, module: object, lines: bytes, *words: str) -> tuple[int, str]:
        """Run a command on a log; returns its exit code and what it printed."""
        path = self.mktemp()
        with open(path, "wb") as file:
            file.write(lines)
        parser = ArgumentParser()
        module.arguments("x", parser)  # type: ignore[attr-defined]
        out = io.StringIO()
        options = parser.parse_args([*words, "--log", path])
        code = module.run("x", options, "/nowhere", Screen(out))  # type: ignore[attr-defined]
        return code, out.getvalue()

    def harmless(self, text: str) -> None:
        """Check that nothing but printable ASCII and line ends is there."""
        self.assertEqual([char for char in text if char != "\n" and not " " <= char <= "~"], [])

    def test_terminal(self) -> None:
        """Senders, recipients, reports and words cannot move a cursor, whoever wrote them into the log."""
        lines = b"\n".join([
            b"new msg 1",
            b"info msg 1: bytes 1 from <%b@x> qp 1 uid 5" % ESCAPE,
            events.MessageInfo(1, 1, ESCAPE + b"@x", 1, 5).line(),
            events.DeliveryStarted(1, 1, b"local", ESCAPE + b"@" + ESCAPE).line(),
            events.DeliveryFailed(1, ESCAPE).line(),
            b"warning: " + ESCAPE,
            b'{"kind": "info", "msg": 2, "bytes": 1, "sender": "\\u001b[2J@x", "qp": 2, "uid": 5}',
            b'{"kind": "warning", "text": "warning: \\u001b[2J"}',
            ESCAPE,
            b"",
        ])
        for words in (["*"], ["*", "--json"]):
            code, text = self.run_command(trace, lines, *words)
            self.assertEqual(code, 0)
            self.harmless(text)
        for more in ([], ["--json"]):
            code, text = self.run_command(summary, lines, *more)
            self.assertEqual(code, 0)
            self.harmless(text)

    def test_forged(self) -> None:
        """An address or a report that looks like other lines makes none."""
        forged = b"x\nend msg 1\nbounce msg 1 qp 2\ndelivery 1: success: \n"
        lines = b"\n".join([
            b"new msg 1",
            events.MessageInfo(1, 1, forged, 1, 5).line(),
            events.DeliveryStarted(1, 1, b"local", forged).line(),
            events.DeliveryFailed(1, forged).line(),
            b"",
        ])
        code, text = self.run_command(trace, lines, "qp", "1", "--json")
        self.assertIn('"ended": false', text)
        self.assertIn('"verdict": "failure"', text)
        self.assertIn('"begun": []', text)

    @settings(max_examples=60, deadline=None)
    @given(some.lists(some.one_of(some.binary(max_size=60), some.sampled_from([
        b"new msg 1", b"info msg 1: bytes 99999999999999999999 from <> qp 1 uid 5", b"end msg 1", b"{}",
        b"999999999999.999999999 new msg 1", b"@ffffffffffffffffffffffff new msg 1", b"bounce msg 1 qp 1",
        b"starting delivery 1: msg 1 to local @", b"delivery 1: success: qp_1/", b'{"kind": "end", "msg": 1}',
        b"0.0 delivery 1: deferral: a", b"9999-12-31T23:59:59Z new msg 1", b"0001-01-01T00:00:00+14:00 end msg 1",
    ])), max_size=30))
    def test_any_bytes(self, lines: list[bytes]) -> None:
        """Whatever a log holds, both commands end well and print what is harmless."""
        for module, *words in ((trace, "*"), (trace, "1", "--json"), (summary,), (summary, "--json")):
            code, text = self.run_command(module, b"\n".join(lines), *map(str, words))
            self.assertIn(code, (0, 1))
            self.harmless(text)
