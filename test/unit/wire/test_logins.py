"""Attempts to log in, and their endings, between two roles."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.wire import logins
from qtwisted.wire.logins import ATTEMPT_MAX, Attempt, AttemptReader, EndingReader, ProtocolError

ATTEMPT = Attempt(b"192.0.2.7", b"joe", b"se cret", b"<1.2@h>")


class LoginsTests(SynchronousTestCase):
    """Both directions, strictly read."""

    def test_attempts(self) -> None:
        """Attempts are what they were, however they are cut."""
        data = logins.attempt_bytes(1, ATTEMPT) + logins.attempt_bytes(1 << 31, Attempt(b"", b"", b"", b""))
        for at in range(len(data)):
            reader = AttemptReader()
            found = [*reader.received(data[:at]), *reader.received(data[at:])]
            self.assertEqual(found, [(1, ATTEMPT), (1 << 31, Attempt(b"", b"", b"", b""))])

    def test_endings(self) -> None:
        """Endings are what they were, however they are cut."""
        data = logins.ending_bytes(7, logins.ENDED) + logins.ending_bytes(8, logins.CRASHED)
        for at in range(len(data)):
            reader = EndingReader()
            found = [*reader.received(data[:at]), *reader.received(data[at:])]
            self.assertEqual(found, [(7, logins.ENDED), (8, logins.CRASHED)])

    def test_ending_of(self) -> None:
        """A signal, another code than 0, and 0 are three endings."""
        self.assertEqual([logins.ending_of(code) for code in (-9, 1, 111, 0)],
                         [logins.CRASHED, logins.REFUSED, logins.REFUSED, logins.ENDED])

    def test_credentials(self) -> None:
        """A password program reads three strings."""
        self.assertEqual(ATTEMPT.credentials(), b"joe\0se cret\0<1.2@h>\0")

    def test_too_long(self) -> None:
        """What is too long is neither written nor read."""
        long = Attempt(b"", b"x" * ATTEMPT_MAX, b"", b"")
        self.assertRaises(ProtocolError, logins.attempt_bytes, 1, long)
        self.assertRaises(ProtocolError, list, AttemptReader().received(b"\0\0\0\1\xff\xff"))

    def test_nonsense(self) -> None:
        """What is no attempt and no ending ends the conversation."""
        for payload in (b"", b"a\0b\0c", b"a\0b\0c\0d\0e"):
            frame = b"\0\0\0\1\0" + bytes([len(payload)]) + payload
            self.assertRaises(ProtocolError, list, AttemptReader().received(frame))
        self.assertRaises(ProtocolError, list, EndingReader().received(b"\0\0\0\1?"))
