"""Tests: where a recipient goes."""

from __future__ import annotations

from twisted.trial.unittest import TestCase

from qtwisted.schedule.route import LOCAL, REMOTE, Router

VIRTUAL = {
    b"virt.example": b"joe-foo",
    b".wild.example": b"joe-w",
    b"user@vu.example": b"joe-vu",
    b"exc.wild.example": b"",
    b".z.exc.wild.example": b"joe-z",
}

#: core-send 6, the table
ROWS = [
    (b"info@virt.example", LOCAL, b"joe-foo-info@virt.example"),
    (b"Info@VIRT.example", LOCAL, b"joe-foo-Info@VIRT.example"),
    (b"a@b.c.wild.example", LOCAL, b"joe-w-a@b.c.wild.example"),
    (b"a@wild.example", REMOTE, b"a@wild.example"),
    (b"a@.wild.example", LOCAL, b"joe-w-a@.wild.example"),
    (b"a@exc.wild.example", REMOTE, b"a@exc.wild.example"),
    (b"a@q.exc.wild.example", LOCAL, b"joe-w-a@q.exc.wild.example"),
    (b"a@y.z.exc.wild.example", LOCAL, b"joe-z-a@y.z.exc.wild.example"),
    (b"USER@vu.example", LOCAL, b"joe-vu-USER@vu.example"),
    (b"other@vu.example", REMOTE, b"other@vu.example"),
    (b"noat", LOCAL, b"noat@test.example"),
    (b"", LOCAL, b"@test.example"),
    (b"u%ok.example@ph.example", REMOTE, b"u@ok.example"),
    (b"u%v%ph.example@ph.example", REMOTE, b"u@v"),
    (b"u@ph.example", REMOTE, b"u@ph.example"),
    (b"joe%test.example@PH.example", LOCAL, b"joe@test.example"),
    (b"x@y@test.example", LOCAL, b"x@y@test.example"),
    (b"user@dom.", REMOTE, b"user@dom."),
]


def router(virtualdomains=VIRTUAL):
    """Make the tables of the specification's examples."""
    return Router(b"test.example", [b"test.example"], [b"ph.example"], virtualdomains)


class Route(TestCase):
    """Rewriting and the choice of the channel."""

    def test_table(self):
        """Every address of the table goes where it should (SND-07)."""
        for address, channel, recipient in ROWS:
            self.assertEqual(router().route(address), (channel, recipient), address)

    def test_catch_all(self):
        """The empty key takes everything that is not local, exceptions aside."""
        tables = router({b"": b"all", b"exc.example": b""})
        self.assertEqual(tables.route(b"a@b.example"), (LOCAL, b"all-a@b.example"))
        self.assertEqual(tables.route(b"a@exc.example"), (REMOTE, b"a@exc.example"))
        self.assertEqual(tables.route(b"a@sub.exc.example"), (LOCAL, b"all-a@sub.exc.example"))
        self.assertEqual(tables.route(b"a@test.example"), (LOCAL, b"a@test.example"))
        self.assertEqual(tables.route(b"a@"), (LOCAL, b"all-a@"))

    def test_dots_at_the_ends(self):
        """A domain may begin or end with a dot; the suffix that is a dot counts."""
        self.assertEqual(router({b".": b"dot"}).route(b"a@dom."), (LOCAL, b"dot-a@dom."))
        self.assertEqual(router({b".x": b"x"}).route(b"a@.x"), (LOCAL, b"x-a@.x"))

    def test_user_before_domain(self):
        """The whole address is looked up first."""
        tables = router({b"v.example": b"all", b"a@v.example": b"one"})
        self.assertEqual(tables.route(b"A@v.example"), (LOCAL, b"one-A@v.example"))

    def test_user_exception(self):
        """An exception for one address stops the search."""
        self.assertEqual(router({b"v.example": b"all", b"a@v.example": b""}).route(b"a@v.example")[0], REMOTE)

    def test_locals_before_virtualdomains(self):
        """A local domain is never virtual."""
        self.assertEqual(router({b"test.example": b"no"}).route(b"a@test.example"), (LOCAL, b"a@test.example"))

    def test_non_ascii_letters_do_not_fold(self):
        """Only A to Z are folded."""
        tables = Router(b"h", [b"\xc4.example"])
        self.assertEqual(tables.route(b"a@\xe4.example")[0], REMOTE)

    def test_new_tables(self):
        """HUP replaces locals and virtualdomains and nothing else (SND-28, SND-29)."""
        tables = router().with_domains([b"new.example"], {})
        self.assertEqual(tables.route(b"info@virt.example"), (REMOTE, b"info@virt.example"))
        self.assertEqual(tables.route(b"x@new.example")[0], LOCAL)
        self.assertEqual(tables.route(b"noat"), (REMOTE, b"noat@test.example"))
        self.assertEqual(tables.route(b"u%v@ph.example"), (REMOTE, b"u@v"))


class WithoutPrefix(TestCase):
    """What the sender is told."""

    def test_virtual_domains(self):
        """Prefixes of virtual domains, subdomains and users are removed (B10)."""
        for address, channel, recipient in ROWS:
            if channel == LOCAL and b"@" in address and b"%" not in address:
                self.assertEqual(router().without_prefix(recipient), address)

    def test_others_stay(self):
        """What only looks like a prefix stays."""
        for recipient in (b"joe-foo@test.example", b"a@exc.wild.example", b"noat", b"joe-fo-x@virt.example",
                          b"joe-foo@virt.example", b"joe-vu-other@vu.example", b"-user@vu.example"):
            self.assertEqual(router().without_prefix(recipient), recipient)

    def test_no_tables(self):
        """Without virtualdomains nothing is removed."""
        self.assertEqual(router({}).without_prefix(b"joe-foo-info@virt.example"), b"joe-foo-info@virt.example")
