"""Tests: qtwisted.deliver.host.qmtp_session, lines and connect: mail by QMTP, on a network in memory."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.deliver.host.connect import Server, servers
from qtwisted.deliver.host.mx import Target
from qtwisted.deliver.host.reports import combine
from test.kit.qmtp_peer import QmtpScript, netstring
from test.kit.smtp_peer import CLOSE, REFUSED, SILENT, Script
from test.kit.traffic import TEXT, Road

ACCEPTED = b"K192.0.2.1 accepted message.\nRemote host said: ok\n"
DIED = b"ZConnected to 192.0.2.1 but connection died. (#4.4.2)\n"
DUPLICATE = b"ZConnected to 192.0.2.1 but connection died. Possible duplicate! (#4.4.2)\n"
NONSENSE = b"Zrecipient did not talk proper QMTP (#4.3.0)\n"


class QmtpCase(SynchronousTestCase):
    """Sends messages to one server."""

    def setUp(self) -> None:
        """Route all mail to a QMTP server."""
        self.road = Road()
        self.road.routes[b""] = b"192.0.2.1:209:qmtp"
        self.network: Any = self.road.network

    def serve(self, *answers: bytes, greeting: bytes | None = None) -> QmtpScript:
        """Let the server answer."""
        script = self.network.hosts["192.0.2.1", 209] = QmtpScript(*answers, greeting=greeting)
        return script

    def begin(self, *recipients: bytes, text: bytes = TEXT, name: bytes = b"m") -> list[Any]:
        """Begin to send."""
        sendings = [self.road.post(recipient, name, text=text) for recipient in recipients or (b"r@d",)]
        self.road.settle()
        return sendings

    def send(self, *recipients: bytes, **more: Any) -> list[bytes]:
        """Send, and give what qmail-send is told for each recipient."""
        return [combine(self.successResultOf(sending).wire()) for sending in self.begin(*recipients, **more)]


class DialogueTests(QmtpCase):
    """Whole dialogues."""

    def test_package(self) -> None:
        """A message goes out as it is stored, with its sender and all its recipients."""
        script = self.serve()
        self.assertEqual(self.send(b"1@d", b'"a b"@d'), [ACCEPTED] * 2)
        self.assertEqual(script.packages, [(b"\n" + TEXT, b"s@x", [b"1@d", b'"a b"@d'])])

    def test_each_recipient_has_an_answer(self) -> None:
        """The answers are told one by one."""
        self.serve(netstring(b"Kok 1"), netstring(b"Dno such"), netstring(b"Zlater\0x"))
        disliked = b"192.0.2.1 does not like recipient.\nRemote host said: "
        self.assertEqual(self.send(b"1@d", b"2@d", b"3@d"),
                         [b"K192.0.2.1 accepted message.\nRemote host said: ok 1\n",
                          b"D" + disliked + b"no such\nGiving up on 192.0.2.1.\n",
                          b"Z" + disliked + b"later?x\nGiving up on 192.0.2.1.\n"])

    def test_connection_is_kept(self) -> None:
        """The next message goes over the same connection; the connection ends when nobody needs it."""
        script = self.serve()
        self.send(name=b"1")
        self.send(name=b"2")
        self.assertEqual((len(self.network.tried), len(script.packages)), (1, 2))
        self.network.advance(5)
        self.assertTrue(self.network.lines[0].disconnecting)

    def test_closed_while_idle(self) -> None:
        """A server that closes an idle connection costs no attempt."""
        script = self.serve()
        self.send(name=b"1")
        self.network.lines[0].say(CLOSE)
        self.assertEqual(self.send(name=b"2"), [ACCEPTED])
        self.assertEqual(len(script.packages), 2)

    def test_large_and_empty_messages(self) -> None:
        """A message of any size arrives whole."""
        script = self.serve()
        for text in (b"", b"x" * 100_000, b"no line end"):
            self.assertEqual(self.send(text=text, name=text[:9]), [ACCEPTED])
            self.assertEqual(script.packages.pop()[0], b"\n" + text)

    def test_internationalized(self) -> None:
        """Addresses in UTF-8 are bytes like any other."""
        script = self.serve()
        recipient = "jos\xe9@d".encode()
        self.assertEqual(self.send(recipient), [ACCEPTED])
        self.assertEqual(script.packages[0][2], [recipient])


class MisbehaviourTests(QmtpCase):
    """Servers that misbehave: the mail waits."""

    def test_not_proper(self) -> None:
        """Answers that are too long, too short, of no known letter, or one too many, are believed in nothing."""
        for answer in (netstring(b"K" + b"x" * 6000), netstring(b""), netstring(b"Xyes"), b"3:Kok;", b"x:Kok,",
                       b"99999999999:K", netstring(b"Kok") * 2, b"250 ok\r\n"):
            self.setUp()
            self.serve(answer)
            self.assertEqual(self.send(), [NONSENSE], answer[:20])

    def test_too_few_answers(self) -> None:
        """An answer that holds before the connection ends holds; the others are missing."""
        self.serve(netstring(b"Kok"), CLOSE)
        self.assertEqual(self.send(b"1@d", b"2@d"), [ACCEPTED, DUPLICATE])

    def test_no_answer(self) -> None:
        """A server that takes the package and says nothing has ten minutes."""
        self.serve(b"3:Ko")
        sending, = self.begin()
        self.road.pass_time(599)
        self.assertNoResult(sending)
        self.road.pass_time(1)
        self.assertEqual(combine(self.successResultOf(sending).wire()), DUPLICATE)

    def test_speaks_first(self) -> None:
        """A server that greets speaks another protocol."""
        self.serve(greeting=b"220 smtp\r\n")
        self.assertEqual([told[:1] for told in self.send()], [b"Z"])

    def test_does_not_read(self) -> None:
        """A server that stops reading is given up."""
        self.serve()
        self.network.windows["192.0.2.1"] = 5000
        sending, = self.begin(text=b"x" * 200_000)
        self.road.pass_time(180)
        self.assertEqual(combine(self.successResultOf(sending).wire()), DIED)

    def test_reads_slowly(self) -> None:
        """A server that reads a hundred bytes a second is given up in the end."""
        self.serve()
        self.network.windows["192.0.2.1"] = 100
        sending, = self.begin(text=b"x" * 10_000_000)
        for _ in range(4000):
            self.network.advance(1)
            self.network.lines[0].open_window(100)
        self.assertEqual(combine(self.successResultOf(sending).wire()), DIED)


class MxpsTests(SynchronousTestCase):
    """Exchangers whose preference says that they speak QMTP."""

    def test_preferences(self) -> None:
        """Each sixteenth preference from 12801 to 13041 means QMTP first, then SMTP; all others SMTP."""
        qmtp = {preference for preference in range(65536)
                if servers([Target("192.0.2.1", preference)])[0].kind == b"qmtp"}
        self.assertEqual(qmtp, set(range(12801, 13042, 16)))
        self.assertEqual(servers([Target("192.0.2.1", 12801), Target("192.0.2.2", 12816)]),
                         [Server("192.0.2.1", 209, b"qmtp"), Server("192.0.2.1", 25), Server("192.0.2.2", 25)])

    def send(self, qmtp: Any, smtp: Any) -> tuple[bytes, list[tuple[str, int]]]:
        """Send to a host with such an exchanger; give what is told, and what was tried."""
        road = Road(mx={b"d": [(12801, b"mx")]}, hosts={b"mx": ["192.0.2.1"]})
        road.network.hosts = {("192.0.2.1", 209): qmtp, ("192.0.2.1", 25): smtp}
        sending = road.post()
        road.settle()
        road.pass_time(40)
        return combine(self.successResultOf(sending).wire()), road.network.tried

    def test_qmtp(self) -> None:
        """Such an exchanger gets the mail by QMTP."""
        told, tried = self.send(QmtpScript(), Script())
        self.assertEqual((told, tried), (ACCEPTED, [("192.0.2.1", 209)]))

    def test_fallback(self) -> None:
        """If nobody takes the connection it gets it by SMTP."""
        for trouble in (REFUSED, SILENT):
            told, tried = self.send(trouble, Script())
            self.assertEqual(told[:1], b"K")
            self.assertEqual(tried, [("192.0.2.1", 209), ("192.0.2.1", 25)])

    def test_no_fallback(self) -> None:
        """Once connected by QMTP there is no way back."""
        told, tried = self.send(QmtpScript(b"nonsense"), Script())
        self.assertEqual((told, tried), (NONSENSE, [("192.0.2.1", 209)]))
