"""POP3 clients and mailboxes that mean no good; the numbers are those of the case table.

What needs users of its own is in test.whole.test_pop3; what needs time is in test.unit.accept.test_popclient.
"""

from __future__ import annotations

import os
import re
import select
import socket
import time
from collections.abc import Sequence

from twisted.trial.unittest import SynchronousTestCase

from test.kit.pop3 import Place, lines, put, read_all
from test.kit.running import wait_until

POP3D = "qtwisted.accept.pop3d"
MANY = 100000


class MailboxTests(SynchronousTestCase):
    """What may lie in a Maildir."""

    def setUp(self) -> None:
        """Make a Maildir."""
        self.place = Place(self)
        self.maildir = self.place.maildir

    def test_p05_numbers(self) -> None:
        """TOP with a negative count is an error, with a huge one the whole message."""
        put(self.maildir, "new/1", b"S: x\n\ny\n", 1000)
        ended = self.place.pop3d(b"TOP 1 -1\r\nTOP 1 999999999999\r\n")
        self.assertEqual(ended.said, lines(b"+OK ", b"-ERR syntax error", b"+OK ", b"S: x", b"", b"y", b"", b"."))

    def test_p06_contents(self) -> None:
        """Dots, NUL, CRLF and a missing last newline come through; the reply always ends with its dot."""
        put(self.maildir, "new/1", b".\n..\n\0\xff\r\n.x", 1000)
        ended = self.place.pop3d(b"RETR 1\r\nNOOP\r\n")
        self.assertEqual(ended.said, b"+OK \r\n+OK \r\n..\r\n...\r\n\0\xff\r\r\n..x\r\n\r\n.\r\n+OK \r\n")

    def test_p06_long_line(self) -> None:
        """A line of 50 MB is served in little memory."""
        size = 50 * 1024 * 1024
        put(self.maildir, "new/1", b"", 1000)
        os.truncate(f"{self.maildir}/new/1", size)
        os.utime(f"{self.maildir}/new/1", (1000, 1000))
        session = Session(self, self.place)
        session.say(b"TOP 1 5\r\n")
        self.assertEqual(len(session.until(b"\r\n.\r\n")), len(b"+OK \r\n") + size + len(b"\r\n\r\n.\r\n"))
        self.assertLess(session.peak(), 32 * 1024)
        session.end()

    def test_p08_strange_files(self) -> None:
        """FIFOs, sockets, directories, links and hidden files are no messages, and nobody waits for them."""
        new = f"{self.maildir}/new"
        os.mkfifo(f"{new}/fifo")
        os.mkdir(f"{new}/directory")
        os.symlink("/etc/passwd", f"{new}/link")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(f"{new}/socket")
        put(self.maildir, "new/.hidden", b"", 1000)
        put(self.maildir, "new/real", b"x", 1000)
        ended = self.place.pop3d(b"UIDL\r\nQUIT\r\n")
        self.assertEqual(ended.said, lines(b"+OK ", b"+OK ", b"1 real", b".", b"+OK "))
        self.assertEqual(sorted(os.listdir(new)), [".hidden", "directory", "fifo", "link", "socket"])

    def test_p08_swapped_afterwards(self) -> None:
        """A message that becomes a FIFO or a link to another file after login is not opened."""
        session = Session(self, self.place, [("new/1", b"x"), ("new/2", b"y")])
        for name in ("1", "2"):
            os.unlink(f"{self.maildir}/new/{name}")
        os.mkfifo(f"{self.maildir}/new/1")
        os.symlink("/etc/passwd", f"{self.maildir}/new/2")
        error = b"-ERR unable to open that message"
        session.say(b"RETR 1\r\nRETR 2\r\nQUIT\r\n")
        self.assertEqual(session.rest(), lines(error, error, b"+OK "))

    def test_p08_names(self) -> None:
        """A name with a line end injects nothing; one of 255 bytes is whole."""
        long = "n" * 255
        put(self.maildir, "new/a\n2 b\r\n.", b"", 1000)
        put(self.maildir, f"new/{long}", b"", 2000)
        ended = self.place.pop3d(b"UIDL\r\nUIDL 1\r\n")
        first = b"1 a=0A2=20b=0D=0A."
        self.assertEqual(ended.said, lines(b"+OK ", b"+OK ", first, b"2 " + long.encode(), b".", b"+OK " + first))

    def test_p09_many(self) -> None:
        """100,000 messages: login within 5 seconds (of the processor, which others use as well), less than 200 bytes
        of memory for each.
        """
        empty = Session(self, self.place)
        few = empty.peak()
        empty.say(b"QUIT\r\n")
        empty.rest()
        fill(f"{self.maildir}/new", MANY)
        session = Session(self, self.place)
        session.say(b"STAT\r\n")
        self.assertEqual(session.until(b"\n"), b"+OK %d 0\r\n" % MANY)
        self.assertLess(session.used_time() / os.sysconf("SC_CLK_TCK"), 5)
        self.assertLess((session.peak() - few) * 1024 / MANY, 200)
        session.say(b"UIDL\r\n")
        self.assertEqual(session.until(b"\r\n.\r\n").count(b"\r\n"), MANY + 2)
        session.end()

    def test_p11_two_sessions(self) -> None:
        """Two sessions at once: what one has removed or moved is an error for the other, which goes on."""
        first = Session(self, self.place, [("new/1", b"x"), ("new/2", b"y"), ("cur/3:2,S", b"z")])
        second = Session(self, self.place)
        first.say(b"DELE 1\r\nQUIT\r\n")
        self.assertEqual(first.rest(), lines(b"+OK ", b"+OK "))
        error = b"-ERR unable to open that message"
        second.say(b"RETR 1\r\nRETR 2\r\nRETR 3\r\nDELE 1\r\nDELE 3\r\nQUIT\r\n")
        failed = b"-ERR unable to unlink all deleted messages"
        text = lines(b"+OK ", b"z", b"", b".")
        self.assertEqual(second.rest(), lines(error, error) + text + lines(b"+OK ", b"+OK ", failed, b"+OK "))
        self.assertEqual(os.listdir(f"{self.maildir}/cur"), ["2:2,"])

    def test_p12_never_reads(self) -> None:
        """A client that does not read its gigabyte finds us waiting, with little in memory."""
        put(self.maildir, "new/1", b"", 1000)
        os.truncate(f"{self.maildir}/new/1", 1 << 30)
        os.utime(f"{self.maildir}/new/1", (1000, 1000))
        session = Session(self, self.place)
        session.say(b"RETR 1\r\n")
        session.wait_until_blocked()
        self.assertLess(session.peak(), 32 * 1024)
        session.end()

    def test_p14_unreadable(self) -> None:
        """A Maildir that cannot be read is an error and no crash."""
        os.rmdir(f"{self.maildir}/cur")
        self.assertEqual(self.place.pop3d(b"STAT\r\n"), (b"-ERR unable to scan $HOME/Maildir\r\n", b"", 0))


class ClientTests(SynchronousTestCase):
    """What a client may say."""

    def setUp(self) -> None:
        """Make a Maildir with one message."""
        self.place = Place(self)
        put(self.place.maildir, "new/1", b"x\n", 1000)

    def test_long_line(self) -> None:
        """A megabyte without a line end is thrown away."""
        ended = self.place.pop3d(b"RETR " + b"1" * 500000 + b"\r\nNOOP\r\n")
        self.assertEqual(ended.said, lines(b"+OK ", b"-ERR line too long", b"+OK "))

    def test_nul(self) -> None:
        """A NUL ends the line, whatever follows."""
        self.assertEqual(self.place.pop3d(b"NOOP\0DELE 1\r\nLAST\r\n").said, lines(b"+OK ", b"+OK ", b"+OK 0"))

    def test_repeated_retr(self) -> None:
        """A message can be fetched again and again; memory and descriptors do not grow."""
        session = Session(self, self.place)
        session.say(b"RETR 1\r\n" * 2000 + b"QUIT\r\n")
        self.assertEqual(session.rest(), (b"+OK \r\nx\r\n\r\n.\r\n" * 2000) + b"+OK \r\n")

    def test_p02_popup(self) -> None:
        """Before login nothing else can be said, and long or odd lines do no harm."""
        said = b"RETR 1\r\n" + b"USER " + b"x" * 5000 + b"\r\nUSER \0joe\r\nPASS\r\n\0\r\n"
        ended = self.place.popup(said, "pop.host", "true")
        self.assertRegex(ended.said.partition(b"\r\n")[0].decode(), r"\A\+OK <\d+\.\d+@pop\.host>\Z")
        self.assertEqual(ended.said.partition(b"\r\n")[2], lines(
            b"-ERR authorization first", b"-ERR line too long", b"-ERR syntax error", b"-ERR USER first",
            b"-ERR authorization first"))


def fill(directory: str, count: int) -> None:
    """Make so many empty messages with names of a usual length."""
    for at in range(count):
        os.close(os.open(f"{directory}/1700000000.M{at:06d}P12345.mail.example.org", os.O_CREAT | os.O_WRONLY))
    past = time.time() - 10
    for entry in os.scandir(directory):
        os.utime(entry.path, (past, past))


class Session:
    """A qmail-pop3d and its client, one step at a time."""

    def __init__(self, test: SynchronousTestCase, place: Place,
                 messages: Sequence[tuple[str, bytes]] = ()) -> None:
        """Put messages there, start it, and wait for its first line."""
        for at, (name, text) in enumerate(messages):
            put(place.maildir, name, text, 1000 + at)
        self.ours, theirs = socket.socketpair()
        with theirs:
            self.process = place.start(POP3D, "Maildir", fds=theirs.fileno())
        self.ours.settimeout(60)
        self.unread = b""
        test.addCleanup(self.end)
        test.assertEqual(self.until(b"\n"), b"+OK \r\n")

    def say(self, data: bytes) -> None:
        """Send something."""
        self.ours.sendall(data)

    def until(self, end: bytes) -> bytes:
        """Read up to these bytes."""
        pieces = [self.unread]
        tail = self.unread
        while end not in tail:
            piece = self.ours.recv(1 << 16)
            if not piece:
                raise AssertionError(f"the session ended, {tail[-100:]!r}")
            pieces.append(piece)
            tail = tail[-len(end):] + piece
        data = b"".join(pieces)
        at = data.index(end) + len(end)
        self.unread = data[at:]
        return data[:at]

    def rest(self) -> bytes:
        """Read to the end."""
        return self.unread + read_all(self.ours)

    def peak(self) -> int:
        """Say how many KB of memory it has used at most."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as file:
            found = re.search(r"VmHWM:\s+(\d+) kB", file.read())
        assert found is not None
        return int(found[1])

    def wait_until_blocked(self) -> None:
        """Wait until it sleeps though there is something for us to read: it waits for us then."""
        wait_until(lambda: self.is_sent_something() and self.facts()[0] == "S", "the program to sleep")

    def is_sent_something(self) -> bool:
        """Is there anything to read?"""
        return bool(select.select([self.ours], [], [], 0)[0])

    def facts(self) -> list[str]:
        """What the kernel knows of the process, from its state on."""
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as file:
            return file.read().rpartition(")")[2].split()

    def used_time(self) -> int:
        """Say how much time of the processor it has used, in ticks."""
        return int(self.facts()[11]) + int(self.facts()[12])

    def end(self) -> None:
        """Go away; the program ends."""
        self.ours.close()
        self.process.communicate(timeout=60)
