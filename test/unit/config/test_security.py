"""Tests: qtwisted.config.security."""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.config.control import Control, ControlError
from qtwisted.config.security import NO_SECURITY, Policy, security
from qtwisted.model.login import Login


class SecurityCase(SynchronousTestCase):
    """A home whose control files a test writes."""

    def setUp(self) -> None:
        """Make a home without any."""
        self.home = self.mktemp()
        os.makedirs(f"{self.home}/control")
        self.control = Control(self.home)

    def put(self, name: str, text: bytes, mode: int = 0o600) -> None:
        """Write a control file."""
        path = self.control.path(name)
        with open(path, "wb") as file:
            file.write(text)
        os.chmod(path, mode)

    def problem(self) -> str:
        """Say why the files cannot be read."""
        return str(self.assertRaises(ControlError, security, self.control))


class PolicyTests(SecurityCase):
    """control/tlsdestinations."""

    def test_missing(self) -> None:
        """Without any file mail may be encrypted everywhere, and nobody logs in."""
        found = security(self.control)
        self.assertEqual(found, NO_SECURITY)
        self.assertEqual(found.policy(b"any.example"), Policy(b"may"))
        self.assertIsNone(found.login(b"any.example", b"relay.example"))

    def test_rows(self) -> None:
        """The whole domain comes first, then its endings, then the relay, then the empty key."""
        self.put("tlsdestinations", (
            b"# comment\nA.example:none\n.a.example:encrypt\n.example:verify\nb.example:VERIFY:mx.b.example\n"
            b"relay.net:encrypt\n[127.0.0.1]:none\n192.0.2.1:verify:x\n[2001:db8::1]:encrypt\n:may\n"))
        found = security(self.control)
        for host, relay, policy in (
            (b"a.example", None, Policy(b"none")),
            (b"A.EXAMPLE", b"relay.net", Policy(b"none")),
            (b"x.a.example", None, Policy(b"encrypt")),
            (b"c.example", b"relay.net", Policy(b"verify")),
            (b"b.example", None, Policy(b"verify", "mx.b.example")),
            (b"any.org", b"Relay.net", Policy(b"encrypt")),
            (b"any.org", b"[127.0.0.1]", Policy(b"none")),
            (b"any.org", b"[192.0.2.1]", Policy(b"verify", "x")),
            (b"any.org", b"[2001:db8::1]", Policy(b"encrypt")),
            (b"any.org", None, Policy(b"may")),
            (b"", None, Policy(b"may")),
        ):
            self.assertEqual(found.policy(host, relay), policy, (host, relay))

    def test_mistakes(self) -> None:
        """What does not parse is an error with its line; it never means less protection."""
        for text, why in (
            (b"a:maybe\n", "control/tlsdestinations line 1: must say none, may, encrypt, verify or verify:name"),
            (b"\na\n", "control/tlsdestinations line 2: must say none, may, encrypt, verify or verify:name"),
            (b"a:verify:\n", "control/tlsdestinations line 1: must have a name after verify: and nowhere else"),
            (b"a:may:x\n", "control/tlsdestinations line 1: must have a name after verify: and nowhere else"),
            (b"a:verify:b\0c\n", "control/tlsdestinations line 1: must have a name after verify: and nowhere else"),
            (b"a:verify:\xe9\n", "control/tlsdestinations line 1: must have a name after verify: and nowhere else"),
        ):
            self.put("tlsdestinations", text)
            self.assertEqual(self.problem(), why)


class LoginTests(SecurityCase):
    """control/smtpauth."""

    def test_rows(self) -> None:
        """A relay has a name and a password, in which colons may stand."""
        self.put("smtpauth", b"relay.net:me@relay.net:a:b c\n[127.0.0.1]:u:p\n:all:x\n")
        found = security(self.control)
        self.assertEqual(found.login(b"any.org", b"RELAY.net"), Login(b"me@relay.net", b"a:b c"))
        self.assertEqual(found.login(b"any.org", b"[127.0.0.1]"), Login(b"u", b"p"))
        self.assertEqual(found.login(b"any.org", b"other.net"), Login(b"all", b"x"))
        self.assertIsNone(found.login(b"relay.net", None))

    def test_others_can_read_it(self) -> None:
        """A file that other users can read is refused, and says so."""
        for mode in (0o644, 0o604, 0o602, 0o601, 0o666):
            self.put("smtpauth", b"a:b:c\n", mode)
            self.assertEqual(self.problem(), "control/smtpauth: holds passwords and can be read by other users")
        self.put("smtpauth", b"", 0o644)
        self.assertIn("can be read", self.problem())

    def test_group(self) -> None:
        """The group may read it if it is ours, and no other."""
        self.put("smtpauth", b"a:b:c\n", 0o640)
        self.assertEqual(len(security(self.control).logins), 1)
        self.patch(os, "getegid", lambda: 12345)
        self.assertIn("can be read", self.problem())

    def test_mistakes(self) -> None:
        """What does not parse is an error with its line, which does not show what the file says."""
        for text in (b"secret\n", b"a:secret\n", b"a::secret\n", b"a:b:se\0cret\n"):
            self.put("smtpauth", text)
            self.assertEqual(self.problem(), "control/smtpauth line 1: must be relay:user:password")


class PemTests(SecurityCase):
    """control/tlscafile and control/clientcert.pem."""

    PEM = b"-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n"

    def test_contents(self) -> None:
        """Both files may hold what is meant."""
        self.put("tlscafile", self.PEM)
        self.put("clientcert.pem", self.PEM * 2)
        found = security(self.control)
        self.assertEqual((found.roots, found.identity), (self.PEM, self.PEM * 2))

    def test_named_file(self) -> None:
        """tlscafile may name the file instead, from the home or from the root."""
        for name in (b"roots.pem", os.fsencode(os.path.abspath(f"{self.home}/roots.pem"))):
            self.put("tlscafile", name + b"\n")
            self.put("../roots.pem", self.PEM)
            self.assertEqual(security(self.control).roots, self.PEM)
        os.unlink(f"{self.home}/roots.pem")
        self.assertIn("control/tlscafile line 1: names ", self.problem())

    def test_unreadable(self) -> None:
        """A file that cannot be read is not taken for missing."""
        os.mkdir(self.control.path("clientcert.pem"))
        self.assertTrue(self.problem().startswith("control/clientcert.pem: "))
