"""Each program gets its settings with 1.02's defaults."""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.config import fields
from qtwisted.config.control import Control, ControlError
from qtwisted.config.security import NO_SECURITY

#: every file of 1.02, its kind and its default
TABLE = {
    "badmailfrom": ("list", None),
    "bouncefrom": ("line", b"MAILER-DAEMON"),
    "bouncehost": ("line", b"bouncehost"),
    "concurrencylocal": ("integer", 10),
    "concurrencyremote": ("integer", 20),
    "databytes": ("integer", 0),
    "defaultdomain": ("line", b"defaultdomain"),
    "defaulthost": ("line", b"defaulthost"),
    "doublebouncehost": ("line", b"doublebouncehost"),
    "doublebounceto": ("line", b"postmaster"),
    "envnoathost": ("line", b"envnoathost"),
    "helohost": ("line", None),
    "idhost": ("line", b"idhost"),
    "localiphost": ("line", None),
    "locals": ("list", None),
    "me": ("line", None),
    "morercpthosts": ("list", None),
    "percenthack": ("list", None),
    "plusdomain": ("line", b"plusdomain"),
    "qmqpservers": ("list", None),
    "queuelifetime": ("integer", 604800),
    "rcpthosts": ("list", None),
    "smtpgreeting": ("line", None),
    "smtproutes": ("mapping", None),
    "timeoutconnect": ("integer", 60),
    "timeoutremote": ("integer", 1200),
    "timeoutsmtpd": ("integer", 1200),
    "virtualdomains": ("mapping", None),
}


class DeclarationTests(SynchronousTestCase):
    """The table of all control files."""

    def test_all_files_of_qmail(self) -> None:
        """Every file of 1.02 is declared with its kind and default, and nothing else is called 1.02's."""
        declared = {field.name: (field.kind, field.default) for field in fields.ALL if not field.is_ours}
        self.assertEqual(declared, TABLE)

    def test_order_and_names(self) -> None:
        """Files of 1.02 and ours each stand in order, and each once."""
        for ours in (False, True):
            names = [field.name for field in fields.ALL if field.is_ours is ours]
            self.assertEqual(names, sorted(names))
        self.assertEqual(len(fields.BY_NAME), len(fields.ALL))

    def test_everything_is_told(self) -> None:
        """Each file has readers and one sentence."""
        for field in fields.ALL:
            self.assertTrue(field.readers, field.name)
            self.assertTrue(field.sentence.endswith("."), field.name)

    def test_hangup(self) -> None:
        """HUP rereads locals and virtualdomains only."""
        reread = {field.name for field in fields.ALL if field.rereads}
        self.assertEqual(reread, {"locals", "virtualdomains"})


class SliceCase(SynchronousTestCase):
    """A home whose control files a test writes."""

    def setUp(self) -> None:
        """Make a home with control/me."""
        self.home = self.mktemp()
        os.makedirs(f"{self.home}/control")
        self.control = Control(self.home)
        self.put("me", b"mx.example.org\n")

    def put(self, name: str, text: bytes) -> None:
        """Write a control file."""
        with open(self.control.path(name), "wb") as file:
            file.write(text)

    def remove(self, name: str) -> None:
        """Remove a control file."""
        os.unlink(self.control.path(name))


class SmtpdTests(SliceCase):
    """The settings of the SMTP server."""

    def problem(self) -> str:
        """Say why the slice cannot be loaded."""
        return str(self.assertRaises(ControlError, fields.smtpd, self.control))

    def test_defaults(self) -> None:
        """Only control/me is needed."""
        config = fields.smtpd(self.control)
        self.assertEqual((config.me, config.greeting, config.localiphost), (b"mx.example.org",) * 3)
        self.assertEqual((config.timeout, config.databytes), (1200, 0))
        self.assertEqual((config.helolines, config.maxrcpt), (1, 1000))
        self.assertTrue(config.rcpthosts.is_open)
        self.assertFalse(config.may_relay(b"127.0.0.1"))
        self.assertFalse(config.badmailfrom.names(b"a@b"))

    def test_greeting(self) -> None:
        """An empty greeting is a greeting; without one and without me there is no server."""
        self.put("smtpgreeting", b"\n")
        self.assertEqual(fields.smtpd(self.control).greeting, b"")
        self.remove("me")
        self.assertEqual(fields.smtpd(self.control).localiphost, None)
        self.remove("smtpgreeting")
        self.assertEqual(self.problem(), "control/smtpgreeting: does not exist, nor does control/me")

    def test_timeout_is_at_least_a_second(self) -> None:
        """A timeout of 0 is 1 second."""
        self.put("timeoutsmtpd", b"0\n")
        self.assertEqual(fields.smtpd(self.control).timeout, 1)

    def test_lenient_where_qmail_is(self) -> None:
        """In a file of 1.02 what is no number is the default."""
        for text in (b" 10", b"-5", b""):
            self.put("databytes", text)
            self.assertEqual(fields.smtpd(self.control).databytes, 0)

    def test_strict_where_the_file_is_ours(self) -> None:
        """In a file of ours what is no number is an error with its line."""
        for text in (b"", b"many", b"-1", b" 5", b"12abc", b"1" * 10, "٣".encode()):
            self.put("maxrcpt", text)
            self.assertEqual(self.problem(), "control/maxrcpt line 1: is not a number of at most 9 digits")

    def test_helolines(self) -> None:
        """helolines is 0 or 1."""
        self.put("helolines", b"0\n")
        self.assertEqual(fields.smtpd(self.control).helolines, 0)
        self.put("helolines", b"2\n")
        self.assertEqual(self.problem(), "control/helolines line 1: must be 0 or 1")

    def test_relayclients(self) -> None:
        """Clients listed in relayclients may relay."""
        self.put("relayclients", b"127.\n")
        config = fields.smtpd(self.control)
        self.assertTrue(config.may_relay(b"127.0.0.1"))
        self.assertFalse(config.may_relay(b"128.0.0.1"))

    def test_matching_files(self) -> None:
        """rcpthosts and badmailfrom come ready for use."""
        self.put("rcpthosts", b"b.com\n")
        self.put("badmailfrom", b"@sp.com\n")
        config = fields.smtpd(self.control)
        self.assertFalse(config.rcpthosts.allows(b"a@x"))
        self.assertTrue(config.badmailfrom.names(b"a@sp.com"))


class SendTests(SliceCase):
    """The settings of qmail-send."""

    def test_defaults(self) -> None:
        """Everything that is a host is me."""
        config = fields.send(self.control)
        self.assertEqual((config.concurrencylocal, config.concurrencyremote), (10, 20))
        self.assertEqual(config.queuelifetime, 604800)
        self.assertEqual(config.envnoathost, b"mx.example.org")
        self.assertEqual(config.bouncefrom, b"MAILER-DAEMON")
        self.assertEqual(config.bouncehost, b"mx.example.org")
        self.assertEqual((config.doublebounceto, config.doublebouncehost), (b"postmaster", b"mx.example.org"))
        self.assertEqual(config.locals, {b"mx.example.org"})
        self.assertEqual((config.percenthack, config.virtualdomains), (frozenset(), {}))

    def test_without_me(self) -> None:
        """Without me, hosts are called like their files; locals is needed then."""
        self.remove("me")
        error = self.assertRaises(ControlError, fields.send, self.control)
        self.assertEqual(error.file, "control/locals")
        self.put("locals", b"a.B\n")
        config = fields.send(self.control)
        self.assertEqual((config.envnoathost, config.bouncehost), (b"envnoathost", b"bouncehost"))
        self.assertEqual((config.doublebounceto, config.doublebouncehost), (b"postmaster", b"doublebouncehost"))
        self.assertEqual(config.locals, {b"a.b"})

    def test_numbers(self) -> None:
        """Leading digits count; what begins otherwise is the default."""
        self.put("queuelifetime", b"12abc\n")
        self.put("concurrencylocal", b"0\n")
        self.put("concurrencyremote", b"-3\n")
        config = fields.send(self.control)
        self.assertEqual((config.queuelifetime, config.concurrencylocal, config.concurrencyremote), (12, 0, 20))

    def test_empty_locals(self) -> None:
        """An empty locals is empty, not me."""
        self.put("locals", b"")
        self.assertEqual(fields.send(self.control).locals, frozenset())

    def test_empty_me(self) -> None:
        """An empty me is set, to the empty name."""
        self.put("me", b"\n")
        self.assertEqual(fields.send(self.control).bouncehost, b"")

    def test_hangup_rereads_two_files(self) -> None:
        """HUP brings new locals and virtualdomains; me and the rest stay."""
        config = fields.send(self.control)
        self.put("me", b"other\n")
        self.put("envnoathost", b"other\n")
        self.put("concurrencylocal", b"1\n")
        self.put("virtualdomains", b"V:joe\n")
        again = fields.reread_send(self.control, config)
        self.assertEqual(again, config._replace(virtualdomains={b"v": b"joe"}))
        self.put("locals", b"L\n")
        self.assertEqual(fields.reread_send(self.control, config).locals, {b"l"})

    def test_hangup_names_the_file_in_trouble(self) -> None:
        """The error says which of the two could not be read."""
        config = fields.send(self.control)
        os.mkdir(self.control.path("virtualdomains"))
        error = self.assertRaises(ControlError, fields.reread_send, self.control, config)
        self.assertEqual(error.file, "control/virtualdomains")
        os.mkdir(self.control.path("locals"))
        error = self.assertRaises(ControlError, fields.reread_send, self.control, config)
        self.assertEqual(error.file, "control/locals")

    def test_hangup_without_any_local_name(self) -> None:
        """Where locals disappeared and there is no me, the old locals stay."""
        self.remove("me")
        self.put("locals", b"a.b\n")
        config = fields.send(self.control)
        self.remove("locals")
        error = self.assertRaises(ControlError, fields.reread_send, self.control, config)
        self.assertEqual(error.file, "control/locals")


class InjectTests(SliceCase):
    """The settings of qmail-inject."""

    def test_defaults(self) -> None:
        """All four are me, or without me called like their files."""
        self.assertEqual(fields.inject(self.control, {}), (b"mx.example.org",) * 4)
        self.remove("me")
        expected = (b"defaultdomain", b"defaulthost", b"idhost", b"plusdomain")
        self.assertEqual(fields.inject(self.control, {}), expected)

    def test_environment(self) -> None:
        """Variables come before files, also when they are empty."""
        self.put("idhost", b"id.h\n")
        environ = {b"QMAILDEFAULTHOST": b"", b"QMAILPLUSDOMAIN": b"p.d"}
        config = fields.inject(self.control, environ)
        self.assertEqual(config, (b"mx.example.org", b"", b"id.h", b"p.d"))


class RemoteTests(SliceCase):
    """The settings of qmail-remote."""

    def test_defaults(self) -> None:
        """HELO is me, and there are no routes."""
        config = fields.remote(self.control)
        self.assertEqual(config[:4], (b"mx.example.org", {}, 60, 1200))
        self.assertEqual(config.security, NO_SECURITY)

    def test_files(self) -> None:
        """No floor is put under the timeouts; of two default routes the last wins; a line is no comment."""
        self.put("timeoutconnect", b"0\n")
        self.put("smtproutes", b":r1\n:r2:26\nDom.example:\n")
        self.put("helohost", b"#comment\n")
        config = fields.remote(self.control)
        self.assertEqual(config[:4], (b"#comment", {b"": b"r2:26", b"dom.example": b""}, 0, 1200))

    def test_no_name(self) -> None:
        """Without helohost and me there is no name for HELO."""
        self.remove("me")
        error = self.assertRaises(ControlError, fields.remote, self.control)
        self.assertEqual(error.file, "control/helohost")


class OtherTests(SliceCase):
    """Single settings."""

    def test_queuesync(self) -> None:
        """One of three words, auto without the file."""
        self.assertEqual(fields.queuesync(self.control), b"auto")
        self.put("queuesync", b"fsync\n")
        self.assertEqual(fields.queuesync(self.control), b"fsync")
        self.put("queuesync", b"never\n")
        error = self.assertRaises(ControlError, fields.queuesync, self.control)
        self.assertEqual(str(error), "control/queuesync line 1: must be one of auto syncfs fsync")

    def test_qmqpservers(self) -> None:
        """The servers in order; none without the file."""
        self.assertEqual(fields.qmqpservers(self.control), [])
        self.put("qmqpservers", b"10.0.0.2\n10.0.0.1\n")
        self.assertEqual(fields.qmqpservers(self.control), [b"10.0.0.2", b"10.0.0.1"])
