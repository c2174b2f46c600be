"""Tests: control files of qmail-send."""

from __future__ import annotations

import os

from twisted.trial.unittest import TestCase

from qtwisted.config.control import Control, ControlError
from qtwisted.model import alerts
from qtwisted.schedule.controls import read, reread
from qtwisted.schedule.route import LOCAL, REMOTE


class Home(TestCase):
    """A home with control files."""

    def setUp(self):
        """Make an empty home."""
        self.home = self.mktemp()
        os.makedirs(f"{self.home}/control")

    def write(self, **files):
        """Write control files."""
        for name, text in files.items():
            with open(f"{self.home}/control/{name}", "wb") as file:
                file.write(text)

    def read(self):
        """Read all."""
        return read(Control(self.home))


class Files(Home):
    """Reading them at the start."""

    def test_defaults(self):
        """Most is named after me."""
        self.write(me=b"me.example\n")
        controls = self.read()
        settings = controls.settings
        self.assertEqual(controls.concurrency, (10, 20))
        self.assertEqual((settings.lifetime_for, settings.bouncefrom, settings.bouncehost, settings.doublebounce),
                         (604800, b"MAILER-DAEMON", b"me.example", b"postmaster@me.example"))
        self.assertEqual(controls.router.route(b"noat"), (LOCAL, b"noat@me.example"))

    def test_without_me(self):
        """Without me each has a name of its own, and locals must exist (SND-03, SND-04)."""
        self.assertRaises(ControlError, self.read)
        self.write(locals=b"")
        controls = self.read()
        self.assertEqual((controls.settings.bouncehost, controls.settings.doublebounce),
                         (b"bouncehost", b"postmaster@doublebouncehost"))
        self.assertEqual(controls.router.route(b"noat"), (REMOTE, b"noat@envnoathost"))

    def test_values(self):
        """Each file counts."""
        self.write(
            me=b"me.example\n", locals=b"# mine\nl.example  \n\n", virtualdomains=b"v.example:joe\n",
            percenthack=b"ph.example\n", concurrencylocal=b"3x", concurrencyremote=b" 5", queuelifetime=b"0",
            bouncefrom=b"mailer", bouncehost=b"b.example", doublebouncehost=b"d.example", doublebounceto=b"me@here",
            envnoathost=b"e.example")
        controls = self.read()
        settings = controls.settings
        self.assertEqual(controls.concurrency, (3, 20))
        self.assertEqual((settings.lifetime_for, settings.bouncefrom, settings.bouncehost, settings.doublebounce),
                         (0, b"mailer", b"b.example", b"me@here@d.example"))
        for address, routed in (
            (b"a@L.example", (LOCAL, b"a@L.example")), (b"a@me.example", (REMOTE, b"a@me.example")),
            (b"a@v.example", (LOCAL, b"joe-a@v.example")), (b"a", (REMOTE, b"a@e.example")),
            (b"a%l.example@ph.example", (LOCAL, b"a@l.example")),
        ):
            self.assertEqual(controls.router.route(address), routed)

    def test_empty_values(self):
        """A file that is there and empty is a value."""
        self.write(me=b"", bouncefrom=b"", doublebounceto=b"")
        settings = self.read().settings
        self.assertEqual((settings.bouncefrom, settings.bouncehost, settings.doublebounce), (b"", b"", b"@"))

    def test_duplicates(self):
        """Of equal keys the last one counts; lines without a colon do not (SND-08)."""
        self.write(me=b"m", virtualdomains=b"dup.example:joe-1\ndup.example\nDUP.example:joe-2\n")
        self.assertEqual(self.read().router.route(b"x@dup.example"), (LOCAL, b"joe-2-x@dup.example"))


class Again(Home):
    """Reading two of them again."""

    def setUp(self):
        """Start with a virtual domain."""
        super().setUp()
        self.write(me=b"me.example\n", virtualdomains=b"v.example:joe\n")
        self.controls = self.read()

    def reread(self):
        """Read again."""
        return reread(Control(self.home), self.controls, self.controls.router)

    def test_missing(self):
        """A missing virtualdomains is empty; a missing locals is me as it was at the start."""
        os.unlink(f"{self.home}/control/virtualdomains")
        self.write(me=b"other.example\n", envnoathost=b"e.example\n")
        router = self.reread()
        self.assertEqual(router.route(b"a@v.example")[0], REMOTE)
        self.assertEqual(router.route(b"a"), (LOCAL, b"a@me.example"))

    def test_trouble(self):
        """What cannot be read is named; the home is looked at first (SND-26, SND-27)."""
        os.mkdir(f"{self.home}/control/locals")
        self.assertEqual(self.reread(), alerts.CannotReread(b"control/locals"))
        os.rmdir(f"{self.home}/control/locals")
        os.unlink(f"{self.home}/control/virtualdomains")
        os.mkdir(f"{self.home}/control/virtualdomains")
        self.assertEqual(self.reread(), alerts.CannotReread(b"control/virtualdomains"))
        os.rename(self.home, self.home + ".was")
        self.assertEqual(self.reread(), alerts.CannotRereadHome())

    def test_no_name_at_all(self):
        """Without me at the start, locals must stay."""
        controls = self.controls._replace(config=self.controls.config._replace(me=None))
        found = reread(Control(self.home), controls, controls.router)
        self.assertEqual(found, alerts.CannotReread(b"control/locals"))
