"""The environment of programs in .qmail files."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.deliver.user.environment import environment, from_line, search_path
from qtwisted.deliver.user.request import Request

AT = 1795354812
"""Sun Nov 22 13:40:12 2026."""


def variables(default: bytes | None = None, **fields: bytes) -> dict[bytes, bytes]:
    """The environment for a delivery to joe."""
    given = {"user": b"joe", "home": b"/home/joe", "local": b"joe", "dash": b"", "ext": b"", "domain": b"h.o.s.t",
             "sender": b"s@t", "default": b"./Mailbox", **fields}
    return environment(Request(**given), b"new@t", default, AT, b"/bin")


class EnvironmentTests(SynchronousTestCase):
    """Each variable has the value of edge-local 8, and there are no others."""

    def test_exactly_these(self) -> None:
        """The list is complete: nothing of ours is among it."""
        self.assertEqual(variables(), {
            b"USER": b"joe", b"HOME": b"/home/joe", b"SHELL": b"/bin/sh", b"PATH": b"/bin",
            b"HOST": b"h.o.s.t", b"HOST2": b"h.o.s", b"HOST3": b"h.o", b"HOST4": b"h",
            b"LOCAL": b"joe", b"EXT": b"", b"EXT2": b"", b"EXT3": b"", b"EXT4": b"",
            b"RECIPIENT": b"joe@h.o.s.t", b"SENDER": b"s@t", b"NEWSENDER": b"new@t",
            b"DTLINE": b"Delivered-To: joe@h.o.s.t\n", b"RPLINE": b"Return-Path: <s@t>\n",
            b"UFLINE": b"From s@t Sun Nov 22 13:40:12 2026\n"})

    def test_extensions(self) -> None:
        """EXT2 to EXT4 follow the first three dashes (L17)."""
        found = variables(ext=b"A-b.C-d-e")
        self.assertEqual([found[name] for name in (b"EXT", b"EXT2", b"EXT3", b"EXT4")],
                         [b"A-b.C-d-e", b"b.C-d-e", b"d-e", b"e"])

    def test_hosts(self) -> None:
        """HOST2 to HOST4 lose one label each (L29)."""
        found = variables(domain=b"a.b.c.d.e")
        self.assertEqual([found[name] for name in (b"HOST2", b"HOST3", b"HOST4")], [b"a.b.c.d", b"a.b.c", b"a.b"])

    def test_few_labels(self) -> None:
        """A domain never becomes less than its first label."""
        for domain, short in ((b"a.b", b"a"), (b"h", b"h")):
            found = variables(domain=domain)
            self.assertEqual({found[b"HOST2"], found[b"HOST3"], found[b"HOST4"]}, {short})

    def test_default(self) -> None:
        """DEFAULT is there only for a default file, and may be empty."""
        self.assertNotIn(b"DEFAULT", variables())
        self.assertEqual(variables(b"")[b"DEFAULT"], b"")

    def test_values_pass_unchanged(self) -> None:
        """Senders are passed as they are, whatever a shell might make of them (L22)."""
        sender = b"() { :;}; echo x\nBcc: y@z"
        self.assertEqual(variables(sender=sender)[b"SENDER"], sender)
        self.assertEqual(variables(sender=sender)[b"UFLINE"].count(b"\n"), 1)

    def test_search_path(self) -> None:
        """The home's programs come first, those beside the interpreter last."""
        self.assertEqual(search_path("/var/qmail", "/opt/q/bin"),
                         b"/var/qmail/bin:/usr/local/bin:/usr/bin:/bin:/opt/q/bin")


class FromLineTests(SynchronousTestCase):
    """The line that begins a message in an mbox file."""

    def test_blanks(self) -> None:
        """Spaces, tabs and line feeds in the sender become dashes (L24)."""
        self.assertEqual(from_line(b"a\nb c\td@e", AT), b"From a-b-c-d@e Sun Nov 22 13:40:12 2026\n")

    def test_no_sender(self) -> None:
        """A bounce comes from MAILER-DAEMON."""
        self.assertEqual(from_line(b"", AT), b"From MAILER-DAEMON Sun Nov 22 13:40:12 2026\n")
