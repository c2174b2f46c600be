"""Addresses are split, quoted and made into VERP senders as in 1.02."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.model.address import quote, quote_local, split, verp


class SplitTests(SynchronousTestCase):
    """The domain follows the last @."""

    def test_the_last_at_splits(self) -> None:
        """Earlier @ belong to the local part; without any there is no domain, not an empty one."""
        self.assertEqual(split(b"a@b"), (b"a", b"b"))
        self.assertEqual(split(b"a@b@c"), (b"a@b", b"c"))
        self.assertEqual(split(b"@c"), (b"", b"c"))
        self.assertEqual(split(b"a@"), (b"a", b""))
        self.assertEqual(split(b"nohost"), (b"nohost", None))
        self.assertEqual(split(b""), (b"", None))


class QuoteTests(SynchronousTestCase):
    """What RFC 5321 does not allow in a local part goes into quotes."""

    def test_plain_local_parts_stay(self) -> None:
        """All characters of an atom, and single dots between them, need no quotes."""
        plain = b"!#$%&'*+-/09=?AZ^_`az{|}~.x"
        self.assertEqual(quote_local(plain), plain)

    def test_misplaced_dots_are_quoted(self) -> None:
        """A dot at either end, two dots, and an empty local part need quotes."""
        for local in (b".a", b"a.", b"a..b", b".", b""):
            self.assertEqual(quote_local(local), b'"' + local + b'"')

    def test_specials_are_escaped(self) -> None:
        """CR, LF, quote and backslash get a backslash; other bytes only the quotes around."""
        self.assertEqual(quote_local(b"a b"), b'"a b"')
        self.assertEqual(quote_local(b'\r\n"\\'), b'"\\\r\\\n\\"\\\\"')
        self.assertEqual(quote_local(b"\xe9\t@"), b'"\xe9\t@"')

    def test_only_the_local_part_is_touched(self) -> None:
        """The domain stays as it is, and so does an address without @."""
        self.assertEqual(quote(b"a b@D.e"), b'"a b"@D.e')
        self.assertEqual(quote(b'"q r"@d'), b'"\\"q r\\""@d')
        self.assertEqual(quote(b"@x y"), b'""@x y')
        self.assertEqual(quote(b"no host"), b"no host")
        self.assertEqual(quote(b""), b"")


class VerpTests(SynchronousTestCase):
    """A sender that ends with -@[] carries the recipient."""

    def test_the_recipient_goes_into_the_sender(self) -> None:
        """P-@H-@[] becomes P-B=R@H, the rewritten recipient's prefix included."""
        owner = b"owner-@host.example-@[]"
        self.assertEqual(verp(owner, b"d@remote.example"), b"owner-d=remote.example@host.example")
        self.assertEqual(
            verp(owner, b"joe-foo-info@virt.example"), b"owner-joe-foo-info=virt.example@host.example"
        )
        self.assertEqual(verp(b"a@b-@c-@[]", b"x@y@z"), b"a@b-x@y=z@c")
        self.assertEqual(verp(b"@h-@[]", b"x@y"), b"x=y@h")

    def test_other_senders_stay(self) -> None:
        """Without an inner @, without the mark, or for a recipient without @ nothing is changed."""
        for sender in (b"foo-@[]", b"-@[]", b"#@[]", b"", b"joe@x", b"owner-@host.example-@[]x"):
            self.assertEqual(verp(sender, b"d@r"), sender)
        self.assertEqual(verp(b"owner-@h-@[]", b"nohost"), b"owner-@h-@[]")
