"""Rules about clients are applied before they are served."""

from __future__ import annotations

from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from qtwisted.accept.admission import Admission, Visitor
from qtwisted.wire.smtp_replies import NO_CONTROLS, NOT_SERVED


class AdmissionTests(SynchronousTestCase):
    """control/tcprules of the moment."""

    def setUp(self) -> None:
        """Make a home without rules."""
        self.control = Path(self.mktemp()) / "control"
        self.control.mkdir(parents=True)
        self.alerts: list[str] = []
        self.clock = Clock()
        self.asked: list[tuple[bytes, Deferred[bytes | None]]] = []
        self.admission = Admission(str(self.control.parent), self.clock, self.alerts.append, self.find_name)
        self.addCleanup(self.admission.close)

    def find_name(self, ip: bytes) -> Deferred[bytes | None]:
        """Look a name up, until the test answers."""
        self.asked.append((ip, Deferred()))
        return self.asked[-1][1]

    def rules(self, text: str) -> None:
        """Write the file."""
        (self.control / "tcprules").write_text(text)

    def test_none(self) -> None:
        """Without rules everybody may come in, as what it is."""
        self.assertEqual(self.admission.meet(b"192.0.2.7"), Visitor(b"192.0.2.7", None, {}))

    def test_variables(self) -> None:
        """A rule gives its variables; the environment has the addresses besides, which a rule may replace."""
        self.rules('192.0.2.:allow,RELAYCLIENT="@x",DATABYTES="5",TCPLOCALHOST="y",QMAILQUEUE="bin/q"\n')
        visitor = self.admission.meet(b"192.0.2.7")
        assert isinstance(visitor, Visitor)
        self.assertEqual(
            visitor.environ(b"me"),
            {
                b"TCPREMOTEIP": b"192.0.2.7",
                b"TCPLOCALHOST": b"y",
                b"RELAYCLIENT": b"@x",
                b"DATABYTES": b"5",
                b"QMAILQUEUE": b"bin/q",
            },
        )
        self.assertEqual(visitor.queue, "bin/q")
        self.assertEqual(Visitor(b"1").environ(b"me"), {b"TCPREMOTEIP": b"1", b"TCPLOCALHOST": b"me"})

    def test_deny(self) -> None:
        """A denied client is not served."""
        self.rules("192.0.2.:deny\n")
        self.assertEqual(self.admission.meet(b"192.0.2.7"), Visitor(b"192.0.2.7", NOT_SERVED, {}))
        self.assertEqual(self.admission.meet(b"192.0.3.7"), Visitor(b"192.0.3.7", None, {}))

    def test_reread(self) -> None:
        """A change counts for the next client; while the file is broken nobody comes in, which is said once."""
        self.rules(":deny\n")
        self.assertEqual(self.admission.meet(b"1.2.3.4"), Visitor(b"1.2.3.4", NOT_SERVED, {}))
        self.rules(":allow\n1.2:deny\n")
        for _ in range(3):
            self.assertEqual(self.admission.meet(b"1.2.3.4"), Visitor(b"1.2.3.4", NO_CONTROLS, {}))
        self.assertEqual(
            self.alerts,
            ["unable to read controls: control/tcprules line 2: is for no address, prefix, network or =name"],
        )
        (self.control / "tcprules").unlink()
        self.assertEqual(self.admission.meet(b"1.2.3.4"), Visitor(b"1.2.3.4", None, {}))

    def test_name(self) -> None:
        """Where a rule depends on the name it is looked up first, and told the server."""
        self.rules("=.bad.example:deny\n=.good.example:allow,RELAYCLIENT=\"\"\n192.0.2.1:allow\n")
        self.assertEqual(self.admission.meet(b"192.0.2.1"), Visitor(b"192.0.2.1", None, {}))
        self.assertEqual(self.asked, [])
        for name, refusal, variables in (
            (b"a.bad.example", NOT_SERVED, {b"TCPREMOTEHOST": b"a.bad.example"}),
            (b"a.good.example", None, {b"TCPREMOTEHOST": b"a.good.example", b"RELAYCLIENT": b""}),
            (None, None, {}),
        ):
            found = self.admission.meet(b"192.0.2.7")
            assert isinstance(found, Deferred)
            self.assertNoResult(found)
            ip, answer = self.asked.pop()
            answer.callback(name)
            self.assertEqual(ip, b"192.0.2.7")
            self.assertEqual(self.successResultOf(found), Visitor(b"192.0.2.7", refusal, variables))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_no_name(self) -> None:
        """A client whose name is not found in five seconds, or not at all, has none; nor has one that cannot wait."""
        self.rules("=:allow\n:deny\n")
        for end in (
            lambda found: self.clock.advance(5),
            lambda found: self.asked[-1][1].errback(OSError("no")),
            lambda found: found.cancel(),
        ):
            found = self.admission.meet(b"192.0.2.7")
            end(found)
            self.assertEqual(self.successResultOf(found), Visitor(b"192.0.2.7", NOT_SERVED, {}))
