"""qmail-qmqpc: which servers it tries, what it sends, and what its exit codes say."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.model.envelope import BAD_FORMAT, CUT_OFF, EnvelopeError
from qtwisted.store import qmqpc
from qtwisted.store.qmqpc import Kept, hand_over, read_envelope, read_message, server

if TYPE_CHECKING:
    from qtwisted.store.qmqpc import Server

MESSAGE = b"S: x\n\nhi\n"
ENVELOPE = b"Fs@x\0Ta@b\0Tc@d\0\0"
SENT = b"30:9:S: x\n\nhi\n,3:s@x,3:a@b,3:c@d,,"


class Hosts:
    """Servers in memory: for each an answer, or the error that a connection to it ends in."""

    def __init__(self, *answers: bytes | type[OSError]) -> None:
        """Number the servers."""
        self.answers = answers
        self.tried: list[str] = []
        self.received = b""
        self._threads: list[threading.Thread] = []

    @property
    def all(self) -> list[Server]:
        """Give what stands for their addresses."""
        return [(socket.AF_INET, str(number)) for number in range(len(self.answers))]

    def connect(self, where: Server) -> socket.socket:
        """Connect to one."""
        self.tried.append(where[1])
        answer = self.answers[int(where[1])]
        if not isinstance(answer, bytes):
            raise answer
        near, far = socket.socketpair()
        self._threads.append(threading.Thread(target=self._serve, args=(far, answer)))
        self._threads[-1].start()
        return near

    def _serve(self, connection: socket.socket, answer: bytes) -> None:
        """Read all of a package, answer, close; without an answer read only a little of it."""
        with connection:
            head = connection.recv(3)
            self.received += head
            while answer and not self.received.endswith(b",,"):
                self.received += connection.recv(65536)
            connection.sendall(answer)

    def end(self) -> None:
        """Wait until all is over."""
        for thread in self._threads:
            thread.join()


class HandOverTests(SynchronousTestCase):
    """Servers of all kinds."""

    def hand(self, *answers: bytes | type[OSError], message: bytes = MESSAGE) -> tuple[int, Hosts]:
        """Hand over a message; give the exit code and the servers."""
        hosts = Hosts(*answers)
        code = hand_over(hosts.all, read_message([message]), read_envelope([ENVELOPE]), hosts.connect)
        hosts.end()
        return code, hosts

    def test_c1_bytes(self) -> None:
        """A message goes out as one package; K is success."""
        code, hosts = self.hand(b"8:Kok 1 qp,")
        self.assertEqual((code, hosts.received), (0, SENT))

    def test_c2_answers(self) -> None:
        """The first K, Z or D decides; without any the connection was lost."""
        for answer, code in ((b"3:Zno,", 71), (b"3:Dno,", 31), (b"garbage", 74), (b"12 Z D", 71), (b"", 74)):
            self.assertEqual(self.hand(answer)[0], code, answer)

    def test_c3_next_server(self) -> None:
        """A server that does not take the connection is passed over."""
        code, hosts = self.hand(ConnectionRefusedError, TimeoutError, b"3:Kok,")
        self.assertEqual((code, hosts.tried), (0, ["0", "1", "2"]))

    def test_c4_no_second_chance(self) -> None:
        """A server that took the connection is the last that is tried."""
        code, hosts = self.hand(b"", b"3:Kok,", message=b"x" * 1000000)
        self.assertEqual((code, hosts.tried), (74, ["0"]))

    def test_c5_nobody(self) -> None:
        """If nobody takes the connection the last failure tells why."""
        self.assertEqual(self.hand(TimeoutError, ConnectionRefusedError)[0], 73)
        self.assertEqual(self.hand(ConnectionRefusedError, TimeoutError)[0], 72)
        self.assertEqual(self.hand()[0], 55)

    def test_large(self) -> None:
        """A message that does not fit into memory arrives whole."""
        message = b"x" * (3 * qmqpc.IN_MEMORY + 5) + b"y"
        code, hosts = self.hand(b"3:Kok,", message=message)
        self.assertEqual(code, 0)
        self.assertIn(b":%d:%s,3:s@x," % (len(message), message), hosts.received)

    def test_empty_message(self) -> None:
        """A message may be empty."""
        self.assertEqual(self.hand(b"3:Kok,", message=b"")[1].received, b"21:0:,3:s@x,3:a@b,3:c@d,,")

    def test_silence(self) -> None:
        """A server that says nothing is not waited for for ever."""
        near, far = socket.socketpair()
        with near, far:
            near.settimeout(0.01)
            code = hand_over([(socket.AF_INET, "0")], Kept(), read_envelope([ENVELOPE]), lambda _: near)
            self.assertEqual(code, 74)


class EnvelopeTests(SynchronousTestCase):
    """What an envelope becomes."""

    def test_netstrings(self) -> None:
        """Sender and recipients become netstrings, however they are cut; what follows the end is not read."""
        for size in (1, 2, 5, 100):
            pieces = [ENVELOPE[at : at + size] for at in range(0, len(ENVELOPE), size)]
            kept = read_envelope([*pieces, b"junk"])
            self.assertEqual(b"".join(kept.pieces()), b"3:s@x,3:a@b,3:c@d,")
            self.assertEqual(kept.size, 18)

    def test_long_address(self) -> None:
        """An address may have any length: the server decides."""
        self.assertEqual(read_envelope([b"F\0T" + b"x" * 5000 + b"\0\0"]).size, 3 + 5006)

    def test_no_recipients(self) -> None:
        """An envelope may have no recipients."""
        self.assertEqual(b"".join(read_envelope([b"F\0\0"]).pieces()), b"0:,")

    def test_c6_wrong(self) -> None:
        """What is no envelope is not sent."""
        for data, code in ((b"Xs\0\0", BAD_FORMAT), (b"Fs\0Xr\0\0", BAD_FORMAT), (b"\0", BAD_FORMAT),
                           (b"Fs\0Tr\0", CUT_OFF), (b"Fs\0Tr", CUT_OFF), (b"", CUT_OFF)):
            self.assertEqual(self.assertRaises(EnvelopeError, read_envelope, [data]).code, code, data)


class KeptTests(SynchronousTestCase):
    """Where bytes are kept."""

    def test_memory_and_file(self) -> None:
        """Few bytes stay in memory, many go to a file that has no name; all come out in order."""
        kept = Kept(10)
        for number in range(100):
            kept.add(b"%d," % number)
        self.assertEqual(b"".join(kept.pieces()), b"".join([b"%d," % number for number in range(100)]))
        self.assertLess(kept._held_size, 11)
        self.assertEqual(kept.size, 290)
        os.close(kept._fd)

    def test_no_such_files(self) -> None:
        """Where the directory cannot have such a file the kernel keeps the bytes."""
        self.patch(os, "environ", {"TMPDIR": "/proc"})
        kept = Kept(1)
        kept.add(b"abc")
        self.assertEqual(b"".join(kept.pieces()), b"abc")
        os.close(kept._fd)


class ServerTests(SynchronousTestCase):
    """Lines of qmqpservers."""

    def test_ipv4(self) -> None:
        """What follows an address does not count; a number counts modulo 256."""
        for line in (b"192.0.2.7", b"192.0.2.7 backup", b"192.0.2.7:628", b"448.0.2.7", b"192.0.2.7.9",
                     b"192.0.2.007"):
            self.assertEqual(server(line), (socket.AF_INET, "192.0.2.7"), line)

    def test_ipv6(self) -> None:
        """An IPv6 address is one, too."""
        for line, text in ((b"2001:db8::7", "2001:db8::7"), (b"::1 backup", "::1"),
                           (b"::ffff:1.2.3.4", "::ffff:1.2.3.4")):
            self.assertEqual(server(line), (socket.AF_INET6, text))

    def test_no_address(self) -> None:
        """Names and whatever else are passed over."""
        for line in (b"foo.bar", b"1.2.3", b"1.2.3.", b" 1.2.3.4", b"127", b"a.b.c.d", b"::g", b"\xff", b"x\0y",
                     b"-1.2.3.4"):
            self.assertIsNone(server(line), line)


class RunTests(SynchronousTestCase):
    """The program as a whole."""

    def setUp(self) -> None:
        """Make a home."""
        self.home = Path(self.mktemp()).absolute()
        (self.home / "control").mkdir(parents=True)
        self.addCleanup(os.chdir, os.getcwd())
        self.inputs = {0: MESSAGE, 1: ENVELOPE}
        self.patch(qmqpc, "read_all", self.read)

    def read(self, fd: int) -> Iterator[bytes]:
        """Give what is on a descriptor."""
        yield self.inputs[fd]

    def servers(self, text: str) -> None:
        """Write qmqpservers."""
        (self.home / "control" / "qmqpservers").write_text(text)

    def run_with(self, *answers: bytes | type[OSError]) -> int:
        """Run it where the servers answer so."""
        hosts = Hosts(*answers)
        found: list[Server] = []

        def connect(where: Server) -> socket.socket:
            """Connect to the next one."""
            found.append(where)
            return hosts.connect((where[0], str(len(found) - 1)))

        code = qmqpc.run(str(self.home), connect)
        hosts.end()
        self.found = [address for _, address in found]
        return code

    def test_servers_in_order(self) -> None:
        """The servers of the file are tried in its order, whatever is no address is passed over."""
        self.servers("# ours\nfoo.bar\n192.0.2.1\n\n2001:db8::2\n192.0.2.3\n")
        self.assertEqual(self.run_with(ConnectionRefusedError, b"3:Kok,", b"3:Dno,"), 0)
        self.assertEqual(self.found, ["192.0.2.1", "2001:db8::2"])

    def test_c5_no_servers(self) -> None:
        """Without the file, without an address in it, and where it cannot be read, the exit code is 55."""
        self.assertEqual(self.run_with(), 55)
        for text in ("", "foo.bar\n", "# nothing\n"):
            self.servers(text)
            self.assertEqual(self.run_with(), 55)
        (self.home / "control" / "qmqpservers").unlink()
        (self.home / "control" / "qmqpservers").mkdir()
        self.assertEqual(self.run_with(), 55)

    def test_no_home(self) -> None:
        """Without a home the exit code is 61."""
        self.assertEqual(qmqpc.run(str(self.home / "none")), 61)

    def test_c6_bad_envelope(self) -> None:
        """A bad envelope is not sent to anybody."""
        self.servers("192.0.2.1\n")
        for data in (b"Xs\0\0", ENVELOPE[:-1]):
            self.inputs[1] = data
            self.assertEqual((self.run_with(), self.found), (91, []))

    def test_unreadable(self) -> None:
        """If the message or the envelope cannot be read, or memory ends, nothing is sent."""
        self.servers("192.0.2.1\n")
        for trouble, code in ((OSError, 54), (MemoryError, 51)):

            def fail(fd: int, trouble: type[Exception] = trouble) -> Iterator[bytes]:
                """Fail."""
                raise trouble

            self.patch(qmqpc, "read_all", fail)
            self.assertEqual((self.run_with(), self.found), (code, []))

    def test_no_socket(self) -> None:
        """If there are no sockets the exit code is 56."""

        def none(*what: object) -> socket.socket:
            """Refuse."""
            raise OSError

        self.patch(socket, "socket", none)
        self.assertEqual(self.assertRaises(SystemExit, qmqpc.connect, (socket.AF_INET, "192.0.2.1")).code, 56)
