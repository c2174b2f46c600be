"""A POP3 client of the front: login, relay in both directions, time, limits, and how it ends."""

from __future__ import annotations

import os
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from qtwisted.accept.admission import Visitor
from qtwisted.accept.popclient import DRAIN_FOR, TOO_MANY_CONNECTIONS, TOO_MANY_FAILURES, Client, PopFactory, Session
from qtwisted.accept.popup import IDLE_FOR
from qtwisted.accept.session import LINGER_FOR
from qtwisted.wire import logins
from qtwisted.wire.logins import Attempt, ProtocolError
from qtwisted.wire.smtp_replies import NO_CONTROLS, NOT_SERVED

FAILED = b"-ERR authorization failed\r\n"
OK = b"+OK \r\n"


class Transport(StringTransport):
    """A connection in memory that remembers how it was ended."""

    def __init__(self) -> None:
        """Begin open."""
        super().__init__()
        self.half_closed = False
        self.aborted = False

    def loseWriteConnection(self) -> None:
        """End what we send."""
        self.half_closed = True

    def abortConnection(self) -> None:
        """End it at once."""
        self.aborted = True

    @property
    def is_closing(self) -> bool:
        """Has it been closed, if only for what we say?"""
        return bool(self.disconnecting or self.half_closed)

    def said(self) -> bytes:
        """Give what was written since this was asked last."""
        data = bytes(self.value())
        self.clear()
        return data


class FakeAuthority:
    """Connects sessions in memory."""

    def __init__(self) -> None:
        """Begin with nothing asked."""
        self.attempts: list[Attempt] = []
        self.sessions: list[Session] = []
        self.trouble: Exception | None = None

    def begin(self, client: Client, attempt: Attempt, session: Session) -> None:
        """Connect a session."""
        if self.trouble is not None:
            raise self.trouble
        self.attempts.append(attempt)
        self.sessions.append(session)
        session.makeConnection(Transport())  # type: ignore[no-untyped-call]


class ClientCase(SynchronousTestCase):
    """A front in memory."""

    def setUp(self) -> None:
        """Make a home and the factory."""
        self.home = os.path.abspath(self.mktemp())
        os.makedirs(f"{self.home}/control")
        self.control("me", "pop.host")
        self.clock = Clock()
        self.authority = FakeAuthority()
        self.alerts: list[str] = []
        self.factory = PopFactory(self.home, self.authority, self.clock, lambda: 1000.5, self.alerts.append)

    def control(self, name: str, text: str) -> None:
        """Write a control file."""
        with open(f"{self.home}/control/{name}", "w", encoding="ascii") as file:
            file.write(text)

    def connect(self, ip: bytes = b"192.0.2.7") -> tuple[Any, Transport]:
        """Connect a client."""
        client, transport = self.factory.protocol(ip), Transport()
        client.makeConnection(transport)  # type: ignore[no-untyped-call]
        return client, transport

    def log_in(self, ip: bytes = b"192.0.2.7", behind: bytes = b"") -> tuple[Client, Transport, Session, Transport]:
        """Connect a client that logs in; give both sides."""
        client, transport = self.connect(ip)
        client.dataReceived(b"USER joe\r\nPASS secret\r\n" + behind)
        transport.said()
        session = self.authority.sessions[-1]
        return client, transport, session, session.transport

    def lose(self, client: Client | Session) -> None:
        """A connection is gone."""
        client.connectionLost(Failure(ConnectionDone()))


class LoginTests(ClientCase):
    """Up to the attempt."""

    def test_greeting(self) -> None:
        """Every client gets a stamp of its own, with the time and our name."""
        first, second = self.connect()[1].said(), self.connect()[1].said()
        self.assertRegex(first.decode(), r"\A\+OK <\d+\.1000@pop\.host>\r\n\Z")
        self.assertNotEqual(first, second)

    def test_attempt(self) -> None:
        """Name, password, stamp and address are handed over; the client hears nothing yet."""
        client, transport = self.connect()
        stamp = transport.said().split()[1]
        client.dataReceived(b"USER joe\r\n")
        client.dataReceived(b"PASS se cret\r\n")
        self.assertEqual(transport.said(), OK)
        self.assertEqual(self.authority.attempts, [Attempt(b"192.0.2.7", b"joe", b"se cret", stamp)])

    def test_quit(self) -> None:
        """QUIT closes."""
        client, transport = self.connect()
        client.dataReceived(b"QUIT\r\n")
        self.assertTrue(transport.is_closing)

    def test_p02_before_login(self) -> None:
        """Before login there are no other commands."""
        client, transport = self.connect()
        transport.said()
        client.dataReceived(b"STAT\r\nRETR 1\r\nPASS x\r\n")
        refusal = b"-ERR authorization first\r\n"
        self.assertEqual(transport.said(), refusal * 2 + b"-ERR USER first\r\n")

    def test_no_authority(self) -> None:
        """Where nobody can check a password nobody comes in."""
        for trouble in (BlockingIOError(11, ""), ProtocolError("attempt too long")):
            self.authority.trouble = trouble
            client, transport = self.connect()
            transport.said()
            client.dataReceived(b"APOP a b\r\n")
            self.assertEqual((transport.said(), transport.is_closing), (FAILED, True))

    def test_broken_controls(self) -> None:
        """Without control/me clients are sent away, and the operator is told; it works again when that is mended."""
        os.unlink(f"{self.home}/control/me")
        _, transport = self.connect()
        self.assertEqual((transport.said(), transport.is_closing), (b"-ERR unable to read controls\r\n", True))
        self.assertIn("control/me", self.alerts[0])
        self.control("me", "pop.host")
        self.assertIn(b"+OK", self.connect()[1].said())


    def test_linger(self) -> None:
        """When it has read our last words the client may still speak, to nobody; it is closed then, or soon."""
        for ends_itself in (True, False):
            self.authority.trouble = OSError(11, "")
            client, transport = self.connect()
            client.dataReceived(b"APOP a b\r\n")
            self.assertEqual((transport.half_closed, transport.disconnecting), (True, False))
            transport.clear()
            client.dataReceived(b"NOOP\r\n")
            self.assertEqual(transport.said(), b"")
            if ends_itself:
                client.readConnectionLost()
                self.assertTrue(transport.disconnecting)
            else:
                client.writeConnectionLost()
                self.clock.advance(LINGER_FOR)
                self.assertTrue(transport.disconnecting)
            self.assertFalse(transport.aborted)


class RelayTests(ClientCase):
    """From the attempt on."""

    def test_both_ways(self) -> None:
        """Bytes pass in both directions, unread ones of the login first."""
        client, transport, session, inside = self.log_in(behind=b"STAT\r\nQU")
        self.assertEqual(inside.said(), b"STAT\r\nQU")
        session.dataReceived(OK)
        self.assertEqual(transport.said(), OK)
        client.dataReceived(b"IT\r\n")
        self.assertEqual(inside.said(), b"IT\r\n")

    def test_back_pressure(self) -> None:
        """Who does not read is not read for."""
        _, transport, _, inside = self.log_in()
        transport.producer.pauseProducing()
        self.assertEqual((inside.producerState, transport.producerState), ("paused", "producing"))
        transport.producer.resumeProducing()
        inside.producer.pauseProducing()
        self.assertEqual((inside.producerState, transport.producerState), ("producing", "paused"))

    def test_reset(self) -> None:
        """A session that ends with input unread does not take the last words with it."""
        client, transport, session, inside = self.log_in(behind=b"STAT\r\n")
        inside.producer.stopProducing()
        self.lose(session)
        client.ended(logins.REFUSED)
        self.assertFalse(transport.is_closing)
        self.clock.advance(1)
        self.assertEqual((transport.said(), transport.is_closing), (FAILED, True))

    def test_end_of_a_session(self) -> None:
        """When a session has ended well, the client is closed after its last bytes, with nothing added."""
        client, transport, session, _ = self.log_in()
        session.dataReceived(OK + OK)
        session.readConnectionLost()
        self.assertFalse(transport.is_closing)
        client.ended(logins.ENDED)
        self.assertEqual((transport.said(), transport.is_closing), (OK + OK, True))

    def test_end_before_the_last_bytes(self) -> None:
        """The news that the process has ended may come before its last bytes."""
        client, transport, session, _ = self.log_in()
        session.dataReceived(OK)
        client.ended(logins.ENDED)
        self.assertFalse(transport.is_closing)
        session.dataReceived(b"more")
        session.readConnectionLost()
        self.assertEqual((transport.said(), transport.is_closing), (OK + b"more", True))

    def test_connection_kept_open(self) -> None:
        """A process left behind that keeps the connection does not keep the client."""
        client, transport, session, _ = self.log_in()
        session.dataReceived(OK)
        client.ended(logins.ENDED)
        self.clock.advance(DRAIN_FOR)
        self.assertTrue(transport.is_closing)

    def test_slow_client(self) -> None:
        """A client that takes its time gets what a session has said that has ended long ago."""
        client, transport, session, _ = self.log_in()
        session.dataReceived(OK)
        transport.producer.pauseProducing()
        client.ended(logins.ENDED)
        self.clock.pump([DRAIN_FOR] * 9)
        self.assertFalse(transport.is_closing)
        transport.producer.resumeProducing()
        session.dataReceived(b"more")
        session.readConnectionLost()
        self.assertEqual((transport.said(), transport.is_closing), (OK + b"more", True))

    def test_p14_killed(self) -> None:
        """A session that is killed ends with qmail-popup's words, and only that client notices."""
        client, transport, session, _ = self.log_in()
        _, other, _, _ = self.log_in()
        session.dataReceived(OK)
        self.lose(session)
        client.ended(logins.CRASHED)
        self.assertEqual(transport.said(), OK + b"-ERR aack, child crashed\r\n")
        self.assertTrue(transport.is_closing)
        self.assertFalse(other.is_closing)

    def test_client_goes(self) -> None:
        """When the client goes its session sees the end, and the news of that disturbs nobody."""
        client, transport, session, inside = self.log_in()
        session.dataReceived(OK)
        self.lose(client)
        self.assertTrue(inside.aborted)
        self.lose(session)
        client.ended(logins.CRASHED)
        self.assertEqual(transport.said(), OK)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_client_says_no_more(self) -> None:
        """A client that only listens on gets its answers: the session sees the end of input."""
        client, transport, session, inside = self.log_in(behind=b"QUIT\r\n")
        client.readConnectionLost()
        self.assertTrue(inside.half_closed)
        self.assertIsNone(inside.producer)
        session.dataReceived(OK)
        self.assertEqual(transport.said(), OK)
        self.assertFalse(transport.is_closing)


class TimeTests(ClientCase):
    """Deadlines, and what time must not tell."""

    def refused_after(self, checked_for: float) -> float:
        """Fail to log in when the password has been checked for so long; give the time to the answer."""
        began_at = self.clock.seconds()
        client, transport, session, _ = self.log_in()
        self.clock.advance(checked_for)
        self.lose(session)
        client.ended(logins.REFUSED)
        while not transport.is_closing:
            self.clock.advance(0.125)
        self.assertEqual(transport.said(), FAILED)
        self.lose(client)
        return self.clock.seconds() - began_at

    def test_a07_equal_times(self) -> None:
        """Whatever took the password program its time, the answer comes at a whole second."""
        times = [self.refused_after(checked_for) for checked_for in (0.0, 0.25, 0.875, 1.25, 2.5)]
        self.assertEqual(times, [1.0, 1.0, 1.0, 2.0, 3.0])

    def test_idle(self) -> None:
        """Who says and takes nothing for 1200 seconds is cut off, before login and after it."""
        _, transport = self.connect()
        _, other, session, _ = self.log_in()
        self.clock.advance(IDLE_FOR - 1)
        session.dataReceived(OK)
        self.assertFalse(transport.aborted)
        self.clock.advance(1)
        self.assertEqual((transport.aborted, other.aborted), (True, False))
        self.clock.advance(IDLE_FOR - 1)
        self.assertTrue(other.aborted)

    def test_input_keeps_awake(self) -> None:
        """Each piece of input gives 1200 seconds more."""
        client, transport = self.connect()
        for _ in range(5):
            self.clock.advance(IDLE_FOR - 1)
            client.dataReceived(b"N")
        self.assertFalse(transport.aborted)


class LimitTests(ClientCase):
    """How much of everything one client may have."""

    def test_connections(self) -> None:
        """There are so many clients at most, and so many of one address; who leaves makes room."""
        self.control("concurrencypop3", "3")
        self.control("maxconnip", "2")
        clients = [self.connect(), self.connect()]
        third, transport = self.connect()
        self.assertEqual((transport.said(), transport.is_closing), (TOO_MANY_CONNECTIONS, True))
        self.lose(third)
        self.assertIn(b"+OK", self.connect(b"192.0.2.8")[1].said())
        fourth, transport = self.connect(b"192.0.2.9")
        self.assertEqual(transport.said(), TOO_MANY_CONNECTIONS)
        for client in (fourth, clients[0][0]):
            self.lose(client)
        self.assertIn(b"+OK", self.connect(b"192.0.2.9")[1].said())

    def refuse(self, ip: bytes) -> None:
        """Fail to log in."""
        client, _, session, _ = self.log_in(ip)
        self.lose(session)
        client.ended(logins.REFUSED)
        self.lose(client)

    def test_a08_failures(self) -> None:
        """After too many failures an address is sent away, also when it comes anew; others are not."""
        self.control("maxbadlogins", "3")
        for _ in range(3):
            self.refuse(b"192.0.2.7")
        _, transport = self.connect()
        self.assertEqual((transport.said(), transport.is_closing), (TOO_MANY_FAILURES, True))
        self.assertIn(b"+OK", self.connect(b"192.0.2.8")[1].said())
        self.clock.advance(20)
        self.assertIn(b"+OK", self.connect()[1].said())

    def test_at_the_same_time(self) -> None:
        """Many connections at a time make no more attempts than one after the other."""
        self.control("maxbadlogins", "3")
        clients = [self.connect() for _ in range(5)]
        for client, _ in clients:
            client.dataReceived(b"APOP a b\r\n")
        self.assertEqual(len(self.authority.attempts), 3)
        self.assertTrue(clients[4][1].said().endswith(TOO_MANY_FAILURES))

    def test_success_does_not_count(self) -> None:
        """Who logs in well may do so as often as he likes."""
        self.control("maxbadlogins", "3")
        for _ in range(10):
            client, _, session, _ = self.log_in()
            session.dataReceived(OK)
            self.lose(client)

    def test_leave(self) -> None:
        """The front hears when the last client has gone."""
        client, _ = self.connect()
        gone: list[bool] = []
        self.factory.leave(lambda: gone.append(True))
        self.assertEqual(gone, [])
        self.lose(client)
        self.assertEqual(gone, [True])


class AdmissionTests(ClientCase):
    """Who may come in."""

    def test_denied(self) -> None:
        """Whom the rules deny is sent away before the greeting; so is everybody while they are broken."""
        for reply, words in ((NOT_SERVED, b"-ERR no mail is given to your address\r\n"),
                             (NO_CONTROLS, b"-ERR unable to read controls\r\n")):
            self.factory.meet = lambda ip, reply=reply: Visitor(ip, reply)  # type: ignore[misc]
            _, transport = self.connect()
            self.assertEqual((transport.said(), transport.is_closing), (words, True))

    def test_name(self) -> None:
        """While its name is looked up a client is counted and nothing is read; then it is served."""
        looking: Deferred[Visitor] = Deferred()
        self.factory.meet = lambda ip: looking
        client, transport = self.connect()
        self.assertEqual((transport.said(), transport.producerState), (b"", "paused"))
        looking.callback(Visitor(b"192.0.2.7"))
        gone: list[bool] = []
        self.factory.leave(lambda: gone.append(True))
        self.assertTrue(transport.said().startswith(b"+OK <"))
        client.dataReceived(b"NOOP\r\n")
        self.assertEqual((transport.said(), gone), (OK, []))
        self.lose(client)
        self.assertEqual(gone, [True])

    def test_gone_while_waiting(self) -> None:
        """A client that goes meanwhile is forgotten, and counts no longer."""
        self.control("maxconnip", "1")
        looking: Deferred[Visitor] = Deferred(lambda later: later.callback(Visitor(b"192.0.2.7")))
        self.factory.meet = lambda ip: looking
        client, _ = self.connect()
        self.lose(client)
        self.factory.meet = Visitor
        self.assertTrue(self.connect()[1].said().startswith(b"+OK <"))
