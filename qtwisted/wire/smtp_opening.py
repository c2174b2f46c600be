"""SMTP opening: what a client and a server say to each other before the first transaction, as a core.

That is the greeting, EHLO or HELO, STARTTLS and EHLO again, and a login. What follows is in ``smtp_client``.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Callable, Mapping

from qtwisted.model.login import Login
from qtwisted.wire.dialogue import ANSWER, CLOSE, DATA, Wait
from qtwisted.wire.peer_reply import PeerReply, ReplyReader, extensions_in
from qtwisted.wire.smtp_auth import Exchange, exchanges
from qtwisted.wire.smtp_outcome import Event, Finished, HandshakeWanted, Outcome, Question, Ready, Step, Trouble


class Tls(enum.Enum):
    """When to protect the connection."""

    NEVER = "never"
    IF_OFFERED = "if offered"
    REQUIRED = "required"
    AT_ONCE = "before the greeting"


class State(enum.Enum):
    """Where the dialogue stands: the command whose reply is awaited, or the question put to the driver."""

    GREETING = "greeting"
    EHLO = "ehlo"
    HELO = "helo"
    STARTTLS = "starttls"
    HANDSHAKE = "handshake"
    AUTH = "auth"
    READY = "ready"
    RSET = "rset"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    BODY = "body"
    DOT = "dot"
    NO_BODY = "dot without a message"
    ENDED = "ended"


_STEP_OF = {
    State.GREETING: Step.GREETING,
    State.EHLO: Step.HELLO,
    State.HELO: Step.HELLO,
    State.STARTTLS: Step.HELLO,
    State.HANDSHAKE: Step.HELLO,
    State.AUTH: Step.LOGIN,
    State.RSET: Step.MAIL,
    State.MAIL: Step.MAIL,
    State.RCPT: Step.RECIPIENTS,
    State.DATA: Step.DATA,
    State.BODY: Step.MESSAGE,
    State.DOT: Step.MESSAGE,
    State.NO_BODY: Step.RECIPIENTS,
}


class Opening:
    """The client's side of a session up to its first transaction, and what both parts need."""

    def __init__(
        self,
        helo: bytes,
        extended: bool = True,
        tls: Tls = Tls.NEVER,
        login: Login | None = None,
        in_clear: bytes = b"",
    ) -> None:
        """Name ourselves ``helo``; where not ``extended``, say HELO at once.

        ``in_clear`` goes into every outcome: why TLS is not wanted, where it was tried before.
        """
        self._helo = helo
        self._extended = extended
        self._tls = tls
        self._login = login
        self._in_clear = in_clear
        self._is_secure = False
        self._security = b""
        self._state = State.GREETING
        self._reader = ReplyReader()
        self._events: deque[Event] = deque()
        self._question: Question | None = None
        self._asked = False
        self._output: list[bytes] = []
        self._said: list[State] = []
        self._awaited: deque[State] = deque()
        self._replies = 0
        self._extensions: Mapping[bytes, bytes] = {}
        self._exchanges: list[Exchange] = []
        self._answers: tuple[PeerReply, ...] = ()
        if tls is Tls.AT_ONCE:
            self._ask(State.HANDSHAKE, HandshakeWanted())
        else:
            self._awaited.append(State.GREETING)

    @property
    def state(self) -> State:
        """Say where the dialogue stands, so that the driver can choose how long to wait."""
        return self._state

    @property
    def replies(self) -> int:
        """Say how many replies were heard; each gives the server new time."""
        return self._replies

    def received(self, data: bytes) -> None:
        """Give the core bytes from the server."""
        start = 0
        while start < len(data) and self._state is not State.ENDED:
            reply, start = self._reader.feed(data, start)
            if not self._awaited:
                self._break(Trouble.SPOKE_EARLY, reply)
            elif reply is not None:
                self._replies += 1
                self._heard(self._awaited.popleft(), reply)
            elif self._reader.is_overlong:
                self.lost()

    def next(self) -> Event | Wait:
        """Return the next event, or what the core waits for."""
        if self._events:
            return self._events.popleft()
        if self._question is None:
            return CLOSE if self._state is State.ENDED else DATA
        if self._asked:
            return ANSWER
        self._asked = True
        return self._question

    def take(self) -> bytes:
        """Return the bytes to send now; the replies to them are due from here on."""
        self._awaited += self._said
        self._said.clear()
        taken = b"".join(self._output)
        self._output.clear()
        return taken

    def lost(self) -> None:
        """Say that the connection is gone, or that the server took too long."""
        if self._state in (State.STARTTLS, State.HANDSHAKE) or (self._state is State.EHLO and self._is_secure):
            self.unsecured(b"the connection was lost")
        elif self._state is State.DOT:
            self._break(Trouble.DIED_UNANSWERED)
        elif self._state is not State.ENDED:
            self._break(Trouble.DIED)

    def unsecured(self, why: bytes) -> None:
        """Say that the handshake failed, or that what it proved is not enough."""
        if self._state is not State.ENDED:
            self._security = why
            self._break(Trouble.NOT_SECURED)

    def _heard(self, state: State, reply: PeerReply) -> None:
        """Deal with the reply that was awaited in this state."""
        _ON_REPLY[state](self, reply)

    def _ask(self, state: State, question: Question) -> None:
        """Put a question to the driver."""
        self._state, self._question, self._asked = state, question, False

    def _say(self, state: State, line: bytes) -> None:
        """Say a command, whose reply is awaited in ``state``."""
        if not self._said and not self._awaited:
            self._state = state
        self._output.append(line + b"\r\n")
        self._said.append(state)

    def _outcome(self, step: Step, reply: PeerReply | None, trouble: Trouble | None = None) -> None:
        """Tell what became of the transaction."""
        outcome = Outcome(step, reply, trouble, self._answers, self._security, self._in_clear)
        self._events.append(Finished(outcome))

    def _break(self, trouble: Trouble, reply: PeerReply | None = None) -> None:
        """End the session without another word, with the transaction if one is under way."""
        if self._state is not State.READY:
            self._outcome(_STEP_OF[self._state], reply, trouble)
        self._state, self._question = State.ENDED, None
        self._output.clear()

    def _turn_away(self, step: Step, reply: PeerReply | None, trouble: Trouble | None = None) -> None:
        """End a session whose server does not want to talk to us, or not as we must."""
        self._outcome(step, reply, trouble)
        self._quit()

    def _quit(self) -> None:
        """Say goodbye; nobody waits for the reply."""
        self._state, self._question = State.ENDED, None
        self._output.append(b"QUIT\r\n")

    def _greeted(self, reply: PeerReply) -> None:
        """Say our name, if the server is in service."""
        if reply.code != 220:
            self._turn_away(Step.GREETING, reply)
        elif self._extended:
            self._say(State.EHLO, b"EHLO " + self._helo)
        else:
            self._say(State.HELO, b"HELO " + self._helo)

    def _ehlo_answered(self, reply: PeerReply) -> None:
        """Learn what the server offers; say HELO if it does not know EHLO (RFC 5321 3.2)."""
        if reply.forbids:
            self._say(State.HELO, b"HELO " + self._helo)
        else:
            self._named(reply, extensions_in(reply.text))

    def _helo_answered(self, reply: PeerReply) -> None:
        """Go on with a server that offers nothing."""
        self._named(reply, {})

    def _named(self, reply: PeerReply, extensions: Mapping[bytes, bytes]) -> None:
        """Go on, if the server likes our name: to TLS, to the login, or to the first transaction."""
        self._extensions = extensions
        if reply.code != 250:
            self._turn_away(Step.HELLO, reply)
        elif self._is_secure or self._tls is Tls.NEVER:
            self._log_in()
        elif b"STARTTLS" in extensions:
            self._say(State.STARTTLS, b"STARTTLS")
        elif self._tls is Tls.REQUIRED or self._login is not None:
            self._security = b"STARTTLS is not offered"
            self._turn_away(Step.HELLO, None, Trouble.NOT_SECURED)
        else:
            self._log_in()

    def _starttls_answered(self, reply: PeerReply) -> None:
        """Have the driver do the handshake, if the server agrees."""
        if reply.code == 220:
            self._ask(State.HANDSHAKE, HandshakeWanted())
        else:
            self._security = b"STARTTLS was refused"
            self._turn_away(Step.HELLO, reply, Trouble.NOT_SECURED)

    def _secured(self, security: bytes) -> None:
        """Begin anew under protection: nothing that was said before counts any more (RFC 3207 4.2)."""
        self._is_secure, self._security = True, security
        self._question = None
        self._reader, self._extensions = ReplyReader(), {}
        if self._tls is Tls.AT_ONCE:
            self._state = State.GREETING
            self._awaited.append(State.GREETING)
        else:
            self._say(State.EHLO, b"EHLO " + self._helo)

    def _log_in(self) -> None:
        """Log in, if we have a login, then be ready."""
        if self._login is None:
            self._ask(State.READY, Ready(self._extensions))
            return
        self._exchanges = exchanges(self._extensions.get(b"AUTH"), self._login)
        if self._exchanges:
            self._say(State.AUTH, self._exchanges[0].command)
        else:
            self._turn_away(Step.LOGIN, None, Trouble.NO_LOGIN)

    def _auth_answered(self, reply: PeerReply) -> None:
        """Go on with the exchange, or with the next if the server does not know this one after all."""
        answer = self._exchanges[0].answer(reply.text[4:]) if reply.code == 334 else None
        if reply.accepts:
            self._ask(State.READY, Ready(self._extensions))
        elif answer is not None:
            self._say(State.AUTH, answer)
        elif reply.code == 504 and len(self._exchanges) > 1:
            del self._exchanges[0]
            self._say(State.AUTH, self._exchanges[0].command)
        else:
            self._turn_away(Step.LOGIN, reply)


_ON_REPLY: dict[State, Callable[[Opening, PeerReply], None]] = {
    State.GREETING: Opening._greeted,
    State.EHLO: Opening._ehlo_answered,
    State.HELO: Opening._helo_answered,
    State.STARTTLS: Opening._starttls_answered,
    State.AUTH: Opening._auth_answered,
}
