"""Tests: qtwisted.wire.smtp_opening: STARTTLS, TLS at once, and logins, on the bare core."""

from __future__ import annotations

from typing import Any

from qtwisted.model.login import Login
from qtwisted.wire.dialogue import CLOSE, DATA, Wait
from qtwisted.wire.smtp_client import Finished, HandshakeWanted, SmtpClient, State, Step, Tls, Trouble
from test.kit.smtp_talk import REPLIES, ClientCase, Talk

OFFER = b"250-server\r\n250-PIPELINING\r\n250 STARTTLS\r\n"
INSIDE = b"250-server\r\n250-AUTH PLAIN LOGIN CRAM-MD5\r\n250 PIPELINING\r\n"
LOGIN = Login(b"tim", b"tanstaaftanstaaf")


class TlsTalk(Talk):
    """A talk in which a handshake succeeds, or is left to the test."""

    def __init__(self, tls: Tls = Tls.IF_OFFERED, login: Login | None = None, leave: bool = False) -> None:
        """Have one message to send."""
        super().__init__()
        self.core = SmtpClient(b"h", tls=tls, login=login)
        self._leave = leave
        self.handshakes = 0

    def go_on(self) -> None:
        """Deal with handshakes first."""
        if self.core.state is State.HANDSHAKE:
            event = self.core.next()
            if isinstance(event, HandshakeWanted):
                self.handshakes += 1
                self.said.append(b"<handshake>")
                if not self._leave:
                    self.core.answer(b"TLSv1.3 X")
            elif isinstance(event, Finished):
                self.outcomes.append(event.outcome)
        super().go_on()


class TlsTests(ClientCase):
    """When the connection is secured, and what may pass before."""

    def test_offered(self) -> None:
        """Where STARTTLS is offered it is used, and EHLO is said anew."""
        for tls in (Tls.IF_OFFERED, Tls.REQUIRED):
            talk = TlsTalk(tls).hear(b"220 s\r\n", OFFER, b"220 go\r\n", INSIDE)
            self.assertEqual(talk.said[:4], [b"EHLO h\r\n", b"STARTTLS\r\n", b"<handshake>", b"EHLO h\r\n"])
            talk.hear(b"250 s\r\n250 r\r\n354 go\r\n", b"250 done\r\n")
            self.assertTrue(talk.outcomes[0].accepted)
            self.assertEqual(talk.outcomes[0].security, b"TLSv1.3 X")

    def test_never(self) -> None:
        """Where it is not wanted it is not used."""
        talk = Talk().hear(b"220 s\r\n", OFFER)
        self.assertTrue(talk.said[1].startswith(b"MAIL FROM"))

    def test_not_offered(self) -> None:
        """Without the offer mail goes in clear, or not at all if TLS is required."""
        self.assertEqual(TlsTalk().hear(b"220 s\r\n", b"250 s\r\n").said[1], b"MAIL FROM:<s@x>\r\n")
        for replies in ((b"250 s\r\n",), (b"502 what\r\n", b"250 s\r\n")):
            talk = TlsTalk(Tls.REQUIRED).hear(b"220 s\r\n", *replies)
            self.check(talk, Step.HELLO, None, trouble=Trouble.NOT_SECURED)
            self.assertEqual(talk.outcomes[0].security, b"STARTTLS is not offered")
            self.assertEqual(talk.said[-1], b"QUIT\r\n")

    def test_refused(self) -> None:
        """A server that offers STARTTLS and refuses it has not secured anything; no mail follows."""
        for reply in (b"454 not now", b"500 what", b"503 no", b"250 ok", b"221 x", b"junk"):
            for tls in (Tls.IF_OFFERED, Tls.REQUIRED):
                talk = TlsTalk(tls).hear(b"220 s\r\n", OFFER, reply + b"\r\n")
                self.assertEqual(talk.outcomes[0].trouble, Trouble.NOT_SECURED)
                self.assertEqual(talk.said[1:], [b"STARTTLS\r\n", b"QUIT\r\n"])

    def test_words_before_the_handshake(self) -> None:
        """Anything after the 220 in clear ends the session: nothing of it is heard under TLS."""
        for extra in (b"250-AUTH PLAIN\r\n", b"250 ok\r\n", b"2", b"\r\n"):
            for tls in (Tls.IF_OFFERED, Tls.REQUIRED):
                talk = TlsTalk(tls, leave=True).hear(b"220 s\r\n", OFFER, b"220 ok\r\n" + extra)
                self.assertEqual([outcome.trouble for outcome in talk.outcomes], [Trouble.SPOKE_EARLY])
                self.assertEqual(talk.handshakes, 0)
                self.assertIs(talk.wait, CLOSE)
            late = TlsTalk(leave=True).hear(b"220 s\r\n", OFFER, b"220 ok\r\n")
            late.hear(extra)
            self.assertEqual([outcome.trouble for outcome in late.outcomes], [Trouble.SPOKE_EARLY])

    def test_offers_are_forgotten(self) -> None:
        """What was offered in clear does not count under TLS, and STARTTLS is not said twice."""
        talk = TlsTalk().hear(b"220 s\r\n", OFFER, b"220 go\r\n", b"250 s\r\n")
        self.assertEqual(talk.said[-1], b"MAIL FROM:<s@x>\r\n")
        talk = TlsTalk().hear(b"220 s\r\n", OFFER, b"220 go\r\n", OFFER)
        self.assertTrue(talk.said[-1].startswith(b"MAIL FROM:<s@x>\r\n"))

    def test_handshake_fails(self) -> None:
        """A failed handshake says why, and nothing more is said."""
        for tls in (Tls.IF_OFFERED, Tls.REQUIRED, Tls.AT_ONCE):
            talk = TlsTalk(tls, leave=True)
            talk.go_on()
            if tls is not Tls.AT_ONCE:
                talk.hear(b"220 s\r\n", OFFER, b"220 go\r\n")
            talk.core.unsecured(b"it is bad")
            talk.go_on()
            self.check(talk, Step.HELLO, None, trouble=Trouble.NOT_SECURED)
            self.assertEqual(talk.outcomes[0].security, b"it is bad")
            self.assertEqual(talk.said[-1], b"<handshake>")

    def test_lost_while_securing(self) -> None:
        """A server that goes while the connection is being secured has failed at that, also just after it."""
        for heard in ((OFFER,), (OFFER, b"220 go\r\n")):
            for leave in (False, True):
                talk = TlsTalk(leave=leave).hear(b"220 s\r\n", *heard).lose()
                self.assertEqual([outcome.trouble for outcome in talk.outcomes], [Trouble.NOT_SECURED])
        later = TlsTalk().hear(b"220 s\r\n", OFFER, b"220 go\r\n", INSIDE).lose()
        self.check(later, Step.MAIL, None, trouble=Trouble.DIED)

    def test_at_once(self) -> None:
        """With TLS at once nothing is said or heard before the handshake."""
        talk = TlsTalk(Tls.AT_ONCE)
        talk.go_on()
        talk.hear(b"220 s\r\n", INSIDE)
        self.assertEqual(talk.said[:2], [b"<handshake>", b"EHLO h\r\n"])
        early = TlsTalk(Tls.AT_ONCE, leave=True).hear(b"220 s\r\n")
        self.assertEqual([outcome.trouble for outcome in early.outcomes], [Trouble.SPOKE_EARLY])

    def test_every_state(self) -> None:
        """After any input at any step of the opening the core waits or is closed, with one outcome at most."""
        replies = (b"220 s\r\n", OFFER, b"220 go\r\n", INSIDE, b"235 in\r\n")
        inputs: tuple[Any, ...] = (b"220 a\r\n", b"250 a\r\n", b"334 eA==\r\n", b"334\r\n", b"450 a\r\n",
                                   b"550 a\r\n", b"\xff\r\n", b"2", b"250 a\r\n250 b\r\n", None)
        for heard in range(len(replies) + 1):
            for given in inputs:
                for leave in (False, True):
                    talk = TlsTalk(login=LOGIN, leave=leave).hear(*replies[:heard])
                    if given is None:
                        talk.lose()
                    else:
                        talk.hear(given)
                    self.assertIsInstance(talk.wait, Wait)
                    self.assertLessEqual(len(talk.outcomes), 1)
                    self.assertFalse(any(outcome.accepted for outcome in talk.outcomes))


class LoginTests(ClientCase):
    """Logging in."""

    def begin(self, offer: bytes, tls: Tls = Tls.IF_OFFERED) -> TlsTalk:
        """Talk up to the login."""
        talk = TlsTalk(tls, LOGIN)
        talk.hear(b"220 s\r\n", OFFER, b"220 go\r\n", b"250-s\r\n250 AUTH " + offer + b"\r\n")
        return talk

    def test_plain(self) -> None:
        """PLAIN says everything at once (RFC 4616)."""
        talk = self.begin(b"PLAIN")
        self.assertEqual(talk.said[-1], b"AUTH PLAIN AHRpbQB0YW5zdGFhZnRhbnN0YWFm\r\n")
        talk.hear(b"235 in\r\n")
        self.assertEqual(talk.said[-1], b"MAIL FROM:<s@x>\r\n")

    def test_login(self) -> None:
        """LOGIN says name and password when asked, whatever the questions are."""
        for questions in ((b"VXNlcm5hbWU6", b"UGFzc3dvcmQ6"), (b"", b""), (b"what?", b"=")):
            talk = self.begin(b"login")
            talk.hear(*(b"334 " + question + b"\r\n" for question in questions), b"235 in\r\n")
            self.assertEqual(talk.said[4:], [b"AUTH LOGIN\r\n", b"dGlt\r\n", b"dGFuc3RhYWZ0YW5zdGFhZg==\r\n",
                                             b"MAIL FROM:<s@x>\r\n"])

    def test_cram_md5(self) -> None:
        """CRAM-MD5 is preferred; this is the example of RFC 2195."""
        talk = self.begin(b"LOGIN PLAIN CRAM-MD5")
        talk.hear(b"334 PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+\r\n", b"235 in\r\n")
        self.assertEqual(talk.said[4:6], [
            b"AUTH CRAM-MD5\r\n", b"dGltIGI5MTNhNjAyYzdlZGE3YTQ5NWI0ZTZlNzMzNGQzODkw\r\n"])

    def test_not_known_after_all(self) -> None:
        """A mechanism that the server does not know after all gives way to the next."""
        talk = self.begin(b"PLAIN CRAM-MD5").hear(b"504 what\r\n")
        self.assertTrue(talk.said[-1].startswith(b"AUTH PLAIN "))
        self.check(talk.hear(b"504 what\r\n"), Step.LOGIN, 504)

    def test_refused(self) -> None:
        """A refused login ends the session."""
        for reply in (b"535 no", b"454 later", b"354 x", b"junk", b"421 bye"):
            talk = self.begin(b"PLAIN").hear(reply + b"\r\n")
            self.assertEqual(talk.outcomes[0].step, Step.LOGIN)
            self.assertEqual(talk.said[-1], b"QUIT\r\n")

    def test_endless_questions(self) -> None:
        """Questions that cannot be answered, or one too many, end the session."""
        for offer, questions in ((b"PLAIN", 1), (b"LOGIN", 3), (b"CRAM-MD5", 2)):
            talk = self.begin(offer).hear(*[b"334 eA==\r\n"] * questions)
            self.check(talk, Step.LOGIN, 334)
        self.check(self.begin(b"CRAM-MD5").hear(b"334 a\r\n"), Step.LOGIN, 334)

    def test_nothing_offered(self) -> None:
        """If there is no way to log in, no mail is sent."""
        self.check(self.begin(b"GSSAPI"), Step.LOGIN, None, trouble=Trouble.NO_LOGIN)

    def test_not_in_clear(self) -> None:
        """Without TLS a login is not said, unless TLS is not wanted at all."""
        offer = b"250-s\r\n250 AUTH PLAIN LOGIN CRAM-MD5\r\n"
        for tls in (Tls.IF_OFFERED, Tls.REQUIRED):
            talk = TlsTalk(tls, LOGIN)
            talk.hear(b"220 s\r\n", offer)
            self.check(talk, Step.HELLO, None, trouble=Trouble.NOT_SECURED)
            self.assertNotIn(b"AUTH", b"".join(talk.said))
        clear = TlsTalk(Tls.NEVER, LOGIN)
        clear.hear(b"220 s\r\n", offer)
        self.assertEqual(clear.said[-1], b"AUTH CRAM-MD5\r\n")

    def test_not_shown(self) -> None:
        """A password is in no text about a login."""
        self.assertNotIn("tanstaaf", f"{LOGIN!r} {LOGIN} {[LOGIN]}")


class UnchangedTests(ClientCase):
    """Without TLS and login everything is as it was."""

    def test_same_dialogue(self) -> None:
        """A server that offers nothing hears the same, whether TLS would be used or not."""
        for tls in (Tls.NEVER, Tls.IF_OFFERED):
            talk = TlsTalk(tls).hear(*REPLIES)
            self.assertTrue(talk.outcomes[0].accepted)
            self.assertEqual((talk.outcomes[0].security, talk.outcomes[0].in_clear), (b"", b""))
            self.assertIs(talk.wait, CLOSE)

    def test_wait(self) -> None:
        """While the server is to speak the core waits for data."""
        self.assertIs(TlsTalk().hear(b"220 s\r\n").wait, DATA)
