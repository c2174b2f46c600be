"""One POP3 client after the other: its login, and then the bytes between it and the session of the mailbox's owner.

Rules this file keeps:

* Back-pressure both ways: 64 KB wait for a client, or for its session, and no more is read for it.
* Who says nothing and takes nothing for 1200 seconds is cut off.
* A failed attempt is answered a whole number of seconds after it was made, so that the time tells nothing about
  whether there is such a user.
* An address that has failed too often must wait (trust.limits).
* Whom control/tcprules denies is sent away; while the name is looked up on which that depends, nothing is read.
"""

from __future__ import annotations

import math
import secrets
from typing import TYPE_CHECKING

from twisted.internet.interfaces import IHalfCloseableProtocol, IPushProducer
from twisted.internet.protocol import Factory, Protocol
from zope.interface import implementer

from qtwisted.accept.admission import Visitor
from qtwisted.accept.gate import Crowd
from qtwisted.accept.listen import client_ip
from qtwisted.accept.popup import IDLE_FOR, LAST_WORDS
from qtwisted.accept.session import LINGER_FOR
from qtwisted.accept.waiting import Waiting
from qtwisted.config import fields
from qtwisted.config.control import Control, ControlError
from qtwisted.config.fresh import fresh
from qtwisted.trust.login.limits import Attempts
from qtwisted.wire import logins, smtp_replies
from qtwisted.wire.dialogue import CLOSE
from qtwisted.wire.logins import Attempt, ProtocolError
from qtwisted.wire.popup import Credentials, Login

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any
    from typing import Protocol as Interface

    from twisted.internet.defer import Deferred
    from twisted.internet.interfaces import IAddress
    from twisted.python.failure import Failure

    class Authority(Interface):
        """Has attempts made."""

        def begin(self, client: Client, attempt: Attempt, session: Session) -> None:
            """Have an attempt made, and connect the session.

            Raises OSError or ProtocolError where that cannot be done; else the client hears how it ends.
            """


#: seconds after which a failed login is forgiven entirely
FORGIVEN_FOR = 60.0
#: seconds of silence after which a session is over whose process has ended, though something keeps its connection
DRAIN_FOR = 5.0

TOO_MANY_FAILURES = b"-ERR too many failed logins, try again in a minute\r\n"
TOO_MANY_CONNECTIONS = b"-ERR too many connections, try again later\r\n"
NOT_SERVED = b"-ERR no mail is given to your address\r\n"
NO_CONTROLS = b"-ERR unable to read controls\r\n"


@implementer(IHalfCloseableProtocol, IPushProducer)
class Side(Protocol):
    """One of two connections between which bytes are carried: reads no faster than the other one writes."""

    transport: Any
    #: is nothing read, because the other side has enough?
    is_paused = False

    def pauseProducing(self) -> None:
        """The other side has enough."""
        self.is_paused = True
        self.transport.pauseProducing()

    def resumeProducing(self) -> None:
        """The other side takes more."""
        self.is_paused = False
        self.transport.resumeProducing()

    def stopProducing(self) -> None:
        """The other side is gone; what is still to be said here is said all the same."""


class Session(Side):
    """Our end of the connection to the process that serves a client who has logged in."""

    def __init__(self, client: Client) -> None:
        """Belong to a client."""
        self._client = client

    def dataReceived(self, data: bytes) -> None:
        """Pass it on to the client."""
        self._client.session_said(data)

    def readConnectionLost(self) -> None:
        """The session has said all it has to say."""
        self._client.session_finished()

    def writeConnectionLost(self) -> None:
        """The session reads no more; what the client still says is nobody's."""

    def connectionLost(self, reason: Failure | None = None) -> None:
        """The session has gone."""
        self._client.session_finished()


class Client(Side):
    """One client from the network."""

    def __init__(self, front: PopFactory, ip: bytes, stamp: bytes, refusal: bytes) -> None:
        """Take the address of the client, and the words that send it away, if it must not come in."""
        self._front = front
        self._clock = front.clock
        self._ip = ip
        self._core = Login(stamp)
        self._refusal = refusal
        self._session: Session | None = None
        self._asked_at = 0.0
        self._heard_at = self._clock.seconds()
        self._has_logged_in = False
        self._has_heard_all = False
        self._ending: bytes | None = None
        self._idle: Any = None
        self._later: Any = None
        self._input_ended = False
        self._is_closing = False
        self._is_gone = False

    # What Twisted calls.

    def connectionMade(self) -> None:
        """Greet the client, or send it away."""
        self._idle = self._clock.callLater(IDLE_FOR, self._ring)
        if self._refusal:
            self._close(self._refusal)
        else:
            self._converse()

    def dataReceived(self, data: bytes) -> None:
        """Take what the client says, to its session if it has one."""
        self._heard_at = self._clock.seconds()
        if self._is_closing:
            return
        if self._session is not None:
            self._session.transport.write(data)
        else:
            self._core.received(data)
            self._converse()

    def readConnectionLost(self) -> None:
        """The client will say no more, but may still listen."""
        self._input_ended = True
        if self._session is None or self._is_closing:
            self.transport.loseConnection()
        else:
            # a producer that may be asked for more would put off the end
            self._session.transport.unregisterProducer()
            self._session.transport.loseWriteConnection()

    def writeConnectionLost(self) -> None:
        """Our last words are with the kernel, which takes them to the client even when we have closed."""
        self._later = self._clock.callLater(LINGER_FOR, self.transport.loseConnection)

    def connectionLost(self, reason: Failure | None = None) -> None:
        """The client has gone; its session sees the end."""
        self._is_gone = True
        for timer in (self._idle, self._later):
            if timer is not None and timer.active():
                timer.cancel()
        if self._session is not None:
            self._session.transport.abortConnection()
        self._front.closed(self, self._ip)

    # The session.

    def session_said(self, data: bytes) -> None:
        """Pass on what the session says; its first words mean that the login has succeeded."""
        self._heard_at = self._clock.seconds()
        if not self._has_logged_in:
            self._has_logged_in = True
            self._front.attempts.succeeded(self._ip)
        self.transport.write(data)

    def session_finished(self) -> None:
        """The session has said everything."""
        if not self._has_heard_all:
            self._has_heard_all = True
            self._finish()

    def ended(self, ending: bytes) -> None:
        """The process of the session, or of the password program, has ended."""
        self._ending = ending
        if self._has_heard_all or self._is_gone:
            self._finish()
        else:
            self._later = self._clock.callLater(DRAIN_FOR, self._drain)

    def _drain(self) -> None:
        """Wait for the last bytes of a session whose process has ended, while there are any."""
        assert self._session is not None
        if self._session.is_paused or self._clock.seconds() - self._heard_at < DRAIN_FOR:
            self._later = self._clock.callLater(DRAIN_FOR, self._drain)
        else:
            self.session_finished()

    def _finish(self) -> None:
        """Close when all is over; after a failed attempt at a time that tells nothing."""
        if self._ending is None or self._is_gone:
            return
        if self._later is not None and self._later.active():
            self._later.cancel()
        words = LAST_WORDS[self._ending]
        if self._has_logged_in:
            self._close(words)
        else:
            passed = self._clock.seconds() - self._asked_at
            self._later = self._clock.callLater(max(math.ceil(passed), 1) - passed, self._close, words)

    def _close(self, words: bytes) -> None:
        """Say the last words. The client gets the end of our stream, and a while to close its own.

        To close with input unread would make the kernel send a reset, which can destroy them on their way.
        """
        self._is_closing = True
        if self._session is not None:
            self.transport.unregisterProducer()
        self.transport.write(words)
        if self._input_ended:
            self.transport.loseConnection()
        else:
            self.transport.loseWriteConnection()
            self.transport.resumeProducing()

    # The inside.

    def _converse(self) -> None:
        """Answer the client until it wants to log in."""
        event = self._core.next()
        if event is CLOSE:
            self._close(self._core.take())
            return
        self.transport.write(self._core.take())
        if isinstance(event, Credentials):
            self._log_in(Attempt(self._ip, event.login, event.password, event.stamp))

    def _log_in(self, attempt: Attempt) -> None:
        """Have an attempt made, and be only a go-between from now on."""
        if not self._front.attempts.begin(self._ip):
            self._turn_down(TOO_MANY_FAILURES)
            return
        session = Session(self)
        try:
            self._front.authority.begin(self, attempt, session)
        except (OSError, ProtocolError):
            self._turn_down(LAST_WORDS[logins.REFUSED])
            return
        self._asked_at = self._clock.seconds()
        self._session = session
        session.transport.registerProducer(self, True)
        self.transport.registerProducer(session, True)
        session.transport.write(self._core.rest())

    def _turn_down(self, words: bytes) -> None:
        """End the dialogue without an attempt."""
        self._core.answer(words)
        self._converse()

    def _ring(self) -> None:
        """Cut off who has been idle for too long, else look again when that could be."""
        left = self._heard_at + IDLE_FOR - self._clock.seconds()
        if left > 0:
            self._idle = self._clock.callLater(left, self._ring)
        else:
            self.transport.abortConnection()


class PopFactory(Factory):
    """Makes and keeps the clients of all POP3 ports."""

    noisy = False

    def __init__(self, home: str, authority: Authority, clock: Any, now: Callable[[], float],
                 alert: Callable[[str], None]) -> None:
        """Take what every client needs; *now* is the time of day, for stamps."""
        control = Control(home)
        self._config = fresh([control.path(name) for name in fields.Pop3Config._fields], lambda: fields.pop3(control))
        self.authority = authority
        self.clock = clock
        self._now = now
        self._alert = alert
        #: who a client is, and whether it may come in; everybody may who is not asked
        self.meet: Callable[[bytes], Visitor | Deferred[Visitor]] = Visitor
        self._crowd = Crowd()
        self._clients: set[Client] = set()
        self._waiting: set[Waiting] = set()
        self._all_gone: Callable[[], None] | None = None
        self.attempts = Attempts(0, FORGIVEN_FOR, clock.seconds)

    def buildProtocol(self, addr: IAddress | None) -> Client | Waiting:
        """Serve a client."""
        return self.protocol(client_ip(addr))

    def protocol(self, ip: bytes) -> Client | Waiting:
        """Serve the client with this address, as soon as it is known whether it may come in."""
        visitor = self.meet(ip)
        if isinstance(visitor, Visitor):
            return self._client(visitor)

        def ended(waiting: Waiting) -> None:
            """Count it no longer as somebody who waits."""
            self._waiting.discard(waiting)
            self._crowd.leave(ip)
            self._look()

        self._crowd.enter(ip, 0, 0)
        waiting = Waiting(visitor, self._client, ended)
        self._waiting.add(waiting)
        return waiting

    def _client(self, visitor: Visitor) -> Client:
        """Make the client that has come in, or is sent away."""
        ip, stamp, refusal = visitor.ip, b"", NO_CONTROLS
        most = most_of_one = 0
        try:
            config = self._config()
        except ControlError as error:
            self._alert(f"unable to read controls: {error}")
        else:
            stamp, refusal = self._stamp(config.me), b""
            most, most_of_one = config.concurrencypop3, config.maxconnip
            self.attempts.most = config.maxbadlogins
        if self._crowd.enter(ip, most, most_of_one) is not None:
            refusal = TOO_MANY_CONNECTIONS
        elif visitor.refusal is not None:
            refusal = NO_CONTROLS if visitor.refusal == smtp_replies.NO_CONTROLS else NOT_SERVED
        elif not self.attempts.may_try(ip):
            refusal = TOO_MANY_FAILURES
        client = Client(self, ip, stamp, refusal)
        self._clients.add(client)
        return client

    def _stamp(self, me: bytes) -> bytes:
        """Make a stamp that nobody can know in advance.

        Unlike 1.02: the first number of a front's stamp is a random one, since one process serves all clients.
        """
        return b"<%d.%d@%s>" % (secrets.randbits(48), self._now(), me)

    def closed(self, client: Client, ip: bytes) -> None:
        """A client has gone."""
        self._crowd.leave(ip)
        self._clients.discard(client)
        self._look()

    def leave(self, all_gone: Callable[[], None]) -> None:
        """Call *all_gone* when the last client has gone."""
        self._all_gone = all_gone
        for waiting in list(self._waiting):
            waiting.hurry()
        self._look()

    def _look(self) -> None:
        """Tell who waits for that when everybody has gone."""
        if self._all_gone is not None and not self._clients and not self._waiting:
            self._all_gone()
