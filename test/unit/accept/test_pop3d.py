"""qmail-pop3d apart from the protocol: what it does to files, and how sessions end."""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.accept import pop3d
from qtwisted.accept.channel import Gone
from qtwisted.accept.pop3d import Maildir
from qtwisted.mailbox.listing import Listing
from qtwisted.system.disk import Disk
from test.kit.pop3 import files, make_maildir, put, put_messages

NOW = 1e6


class FakeChannel:
    """A client who has said everything already."""

    def __init__(self, said: bytes, takes: int = 1 << 30) -> None:
        """Take what the client says, and how much it reads."""
        self.unread = said
        self.room = takes
        self.output = b""

    def read(self, most: int) -> bytes:
        """Give what was said; then the client is gone."""
        if not self.unread:
            raise Gone
        data, self.unread = self.unread[:most], self.unread[most:]
        return data

    def write(self, data: bytes) -> None:
        """Take what there is room for."""
        self.output += data
        self.room -= len(data)
        if self.room < 0:
            raise Gone


class KeeperTests(SynchronousTestCase):
    """What becomes of the files."""

    def setUp(self) -> None:
        """Work in a Maildir with the messages of the cases."""
        self.maildir = make_maildir(os.path.abspath(self.mktemp()))
        put_messages(self.maildir)
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(self.maildir)
        self.keeper = Maildir(Listing(b".", NOW), Disk())

    def test_leave(self) -> None:
        """Deleted messages go, new ones move to cur with flags, old ones stay as they are."""
        self.assertEqual(self.keeper.leave(bytearray(b"\0\1\0")), 0)
        self.assertEqual(files(self.maildir), ["cur/1100.3.h:2,", "cur/900.2.h:2,S"])

    def test_failures(self) -> None:
        """A deleted message that is gone is counted; a new one that is gone is not."""
        for name in ("cur/900.2.h:2,S", "new/1000.1.h", "new/1100.3.h"):
            os.unlink(name)
        self.assertEqual(self.keeper.leave(bytearray(b"\1\0\1")), 2)

    def test_open(self) -> None:
        """A message is read in pieces; one that is gone, or no file any more, cannot be opened."""
        self.assertTrue(self.keeper.open(1))
        self.assertEqual((self.keeper.read(), self.keeper.read()), (b"S: two\n\n.dot\nlast", b""))
        os.unlink("new/1000.1.h")
        self.assertFalse(self.keeper.open(1))
        os.mkfifo("new/1000.1.h")
        self.assertFalse(self.keeper.open(1))

    def test_one_file_at_a_time(self) -> None:
        """However many messages are opened, one is open at most."""
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(20):
            self.keeper.open(0)
        self.assertLessEqual(len(os.listdir("/proc/self/fd")), before + 1)

    def test_broken_message(self) -> None:
        """A message that cannot be read to its end ends the session: half of it must not look whole."""
        self.keeper.open(0)
        self.patch(os, "read", self.fail_to_read)
        self.assertRaises(Gone, self.keeper.read)

    def fail_to_read(self, file: int, most: int) -> bytes:
        """Read from a bad disk."""
        raise OSError(5, "Input/output error")


class ServeTests(SynchronousTestCase):
    """A session from the beginning to the end."""

    def setUp(self) -> None:
        """Make a Maildir beside the working directory."""
        self.place = os.path.abspath(self.mktemp())
        self.maildir = make_maildir(self.place)
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(self.place)

    def serve(self, said: bytes, maildir: bytes = b"Maildir") -> bytes:
        """Serve a client; give what it gets to read."""
        channel = FakeChannel(said)
        try:
            pop3d.serve(maildir, channel, NOW)  # type: ignore[arg-type]
        except Gone:
            pass
        return channel.output

    def test_p14_no_maildir(self) -> None:
        """Without a Maildir there is nothing to log in to."""
        answer = b"-ERR this user has no $HOME/Maildir\r\n"
        self.assertEqual(self.serve(b"QUIT\r\n", b"Nope"), answer)
        self.assertEqual(self.serve(b"QUIT\r\n", b""), answer)

    def test_cannot_scan(self) -> None:
        """A Maildir without its folders cannot be scanned."""
        os.rmdir(f"{self.maildir}/new")
        self.assertEqual(self.serve(b"QUIT\r\n"), b"-ERR unable to scan $HOME/Maildir\r\n")

    def test_p16_clean(self) -> None:
        """What lies in tmp for more than 36 hours goes at the beginning, unless its name begins with a dot."""
        put(self.maildir, "tmp/old", b"", NOW - 129601)
        put(self.maildir, "tmp/.old", b"", NOW - 129601)
        put(self.maildir, "tmp/fresh", b"", NOW - 129599)
        self.serve(b"")
        self.assertEqual(files(self.maildir), ["tmp/.old", "tmp/fresh"])

    def test_p12_gone_without_quit(self) -> None:
        """A client who goes without QUIT has changed nothing."""
        put_messages(self.maildir)
        before = files(self.maildir)
        self.assertEqual(self.serve(b"DELE 1\r\n"), b"+OK \r\n+OK \r\n")
        self.assertEqual(files(self.maildir), before)
