"""The list of a Maildir's messages."""

from __future__ import annotations

import os
import tracemalloc

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.mailbox import contents
from qtwisted.mailbox.listing import Listing
from test.kit.pop3 import MESSAGES, make_maildir, put, put_messages


class ListingTests(SynchronousTestCase):
    """Order, names, sizes, and what they cost."""

    def setUp(self) -> None:
        """Make a Maildir."""
        self.maildir = make_maildir(os.path.abspath(self.mktemp()))

    def listing(self, now: float = 1e9) -> Listing:
        """List it."""
        return Listing(os.fsencode(self.maildir), now)

    def paths(self, now: float = 1e9) -> list[bytes]:
        """List the paths in it."""
        listing = self.listing(now)
        return [listing.path(at) for at in range(len(listing))]

    def test_messages(self) -> None:
        """Messages come in the order of their times, with name and size."""
        put_messages(self.maildir)
        listing = self.listing()
        self.assertEqual(self.paths(), [name.encode() for name, _, _ in MESSAGES])
        self.assertEqual([listing.size(at) for at in range(3)], [14, 17, 0])
        self.assertEqual(listing.name(0), b"900.2.h:2,S")

    def test_same_order_as_everywhere(self) -> None:
        """The order is that of contents.in_order, for equal times and names that begin alike, too."""
        for name, at in (("new/a", 5), ("new/ab", 5), ("cur/a", 5), ("new/z", 4.5), ("cur/y", 0), ("cur/x", -7)):
            put(self.maildir, name, b"x" * len(name), at)
        maildir = os.fsencode(self.maildir)
        found = contents.scan(maildir, b"new", 1e9) + contents.scan(maildir, b"cur", 1e9)
        self.assertEqual(self.paths()[2:], [message.path for message in contents.in_order(found)][2:])
        self.assertEqual(sorted(self.paths()[:2]), [b"cur/x", b"cur/y"])

    def test_p15_not_listed(self) -> None:
        """What was changed in this second or later, and what begins with a dot, is not listed."""
        put(self.maildir, "new/now", b"", 2000)
        put(self.maildir, "new/later", b"", 3000)
        put(self.maildir, "new/.hidden", b"", 1000)
        put(self.maildir, "cur/before", b"", 1999)
        self.assertEqual(self.paths(2000.5), [b"cur/before"])

    def test_missing_folder(self) -> None:
        """Without new or cur there is no list."""
        os.rmdir(f"{self.maildir}/cur")
        self.assertRaises(OSError, self.listing)

    def test_memory(self) -> None:
        """A message takes less than 200 bytes, while the list is made, too."""
        count = 2000
        for at in range(count):
            put(self.maildir, f"new/1700000000.M{at:06d}P12345.mail.example.org", b"", 1000 + at)
        self.listing()
        tracemalloc.start()
        try:
            listing = self.listing()
            self.assertEqual(len(listing), count)
            self.assertLess(tracemalloc.get_traced_memory()[1] / count, 200)
        finally:
            tracemalloc.stop()
