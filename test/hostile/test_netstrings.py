"""Clients of QMTP and QMQP that mean no good; the numbers are those of the case table.

Small cases run on the cores in memory with a queue in memory; what has to do with memory, time and back-pressure runs
against processes.
"""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
import threading

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.wire.netstring import netstring
from test.kit.fronts import FrontHome, receive_all, resident
from test.kit.packages import (
    BAD_SENDER,
    CANNOT_HANDLE,
    OK,
    TOO_BIG,
    QmqpDesk,
    QmtpDesk,
    listed,
    qmqp_package,
    qmtp_package,
)
from test.kit.programs import NotedQueue, environment

MESSAGE = b"\nSubject: x\n\n"
GOOD = qmtp_package(MESSAGE)
MILLION = 1_000_000


class InMemory(SynchronousTestCase):
    """Cases against the cores."""

    def closed(self, data: bytes, desk: QmtpDesk | None = None, code: int = 100) -> None:
        """Expect that nothing is said or queued, at once and byte by byte, and that the dialogue is over."""
        for bytewise in (False, True):
            served = QmtpDesk() if desk is None else type(desk)()
            (served.talk.say_bytewise if bytewise else served.talk.say)(data)
            self.assertEqual((served.talk.output, served.envelopes, served.intake.open_drafts), (b"", [], 0), data)
            self.assertEqual((served.talk.is_over, served.talk.core.code), (True, code), data)


class QmtpCases(InMemory):
    """Cases of QMTP."""

    def test_q01_good(self) -> None:
        """Q01: a package, two packages, cut at every byte: K for each recipient."""
        self.assertEqual(QmtpDesk().talk.say(GOOD), OK)
        for at in range(len(GOOD)):
            desk = QmtpDesk()
            desk.talk.say(GOOD[:at])
            self.assertEqual(desk.talk.say(GOOD[at:]), OK)
            self.assertEqual((desk.texts, desk.envelopes), ([MESSAGE[1:]], [(b"s@x", (b"a@b",))]))
        desk = QmtpDesk()
        self.assertEqual(desk.talk.say_bytewise(GOOD + GOOD), OK + OK.replace(b"qp 1", b"qp 2"))

    def test_q02_leading_zero(self) -> None:
        """Q02: a leading zero closes the connection, in any place."""
        for data in (b"0" + GOOD, GOOD.replace(b"3:s@x", b"03:s@x"), GOOD.replace(b"6:3:a@b", b"06:3:a@b"),
                     GOOD.replace(b"6:3:a@b", b"7:03:a@b"), b"00:"):
            self.closed(data)

    def test_q04_first_byte(self) -> None:
        """Q04: the first byte of a message is LF or CR."""
        for byte in set(range(256)) - {10, 13}:
            self.closed(qmtp_package(bytes([byte]) + b"x"))

    def test_q05_no_numbers(self) -> None:
        """Q05: what is no number closes the connection, in any place."""
        for number in (b"-1", b"+5", b" 5", b"1a", b"0x10", "５".encode(), b"", b"5 ", b"\t5", b"5\0"):
            self.closed(number + b":\nabcd,")
            self.closed(b"2:\nx," + number + b":s@x,")
            self.closed(b"2:\nx,1:s," + number + b":1:a,,")
            self.closed(b"2:\nx,1:s,20:" + number + b":a,,")

    def test_q07_endless_number(self) -> None:
        """Q07: more digits than a length can have close the connection at once."""
        self.closed(b"1" * 20, code=111)
        self.closed(b"9999999999:", code=111)

    def test_q08_commas(self) -> None:
        """Q08: a missing comma closes the connection, wherever it is missing."""
        for data in (b"2:\nx;1:s,4:1:a,,", b"2:\nx,1:s;4:1:a,,", b"2:\nx,1:s,4:1:a;,", b"2:\nx,1:s,4:1:a,;"):
            self.closed(data)

    def test_q10_sender(self) -> None:
        """Q10: a sender of 999 bytes is accepted; one of 1000, or with a zero byte, is unacceptable."""
        for sender, answer in ((b"s" * 999, OK), (b"s" * 1000, BAD_SENDER), (b"s\0x", BAD_SENDER), (b"", OK)):
            desk = QmtpDesk()
            self.assertEqual(desk.talk.say(qmtp_package(sender=sender) + GOOD)[: len(answer)], answer)
            self.assertEqual(len(desk.envelopes), 2 if answer is OK else 1)

    def test_q11_recipients(self) -> None:
        """Q11: a recipient of 1000 bytes or with a zero byte cannot be handled; others are still served."""
        desk = QmtpDesk()
        self.assertEqual(desk.talk.say(qmtp_package(recipients=(b"a" * 1000, b"ok", b"b\0c"))),
                         CANNOT_HANDLE + OK + CANNOT_HANDLE)
        self.assertEqual(desk.envelopes, [(b"s@x", (b"ok",))])

    def test_q13_inner_lengths(self) -> None:
        """Q13: inner netstrings that end one byte early or late, or are longer than the list, close it."""
        for size, inside in ((5, b"1:a,"), (3, b"1:a,"), (4, b"9:a,"), (4, b"2:a,"), (6, b"1:a,1:b,"), (1, b"1:a,")):
            self.closed(b"2:\nx,1:s,%d:%s," % (size, inside) + b"1:z,")

    def test_q14_empty_list(self) -> None:
        """Q14: an empty list brings no answer, queues nothing, and the connection stays open."""
        desk = QmtpDesk()
        self.assertEqual(desk.talk.say(qmtp_package(recipients=())), b"")
        self.assertEqual((desk.envelopes, desk.intake.open_drafts), ([], 0))
        self.assertEqual(desk.talk.say(GOOD), OK)

    def test_q16_databytes(self) -> None:
        """Q16: one byte too many is too many, in both modes."""
        for fits, too_big in ((b"\n" + b"x" * 9, b"\n" + b"x" * 10), (b"\r12345678\r\n", b"\r123456789\r\n")):
            self.assertEqual(QmtpDesk(databytes=9).talk.say(qmtp_package(fits)), OK)
            desk = QmtpDesk(databytes=9)
            self.assertEqual(desk.talk.say(qmtp_package(too_big)), TOO_BIG)
            self.assertEqual((desk.envelopes, desk.intake.open_drafts), ([], 0))

    def test_q25_contents(self) -> None:
        """Q25: contents of 0, 1 and 65535 bytes, commas and digits among them, are stored exactly."""
        for body in (b"", b",", b"5:a,b,"[:1], (b"3:ab,\r\n\0" * 8192)[:65535]):
            for marker in (b"\n", b"\r"):
                desk = QmtpDesk()
                self.assertEqual(desk.talk.say(qmtp_package(marker + body)), OK)
                self.assertEqual(desk.texts, [body if marker == b"\n" else body.replace(b"\r\n", b"\n")])

    def test_q26_odd_recipients(self) -> None:
        """Q26: a recipient with LF, without @, or empty is one record, literally."""
        recipients = (b"a\nTb@c", b"x", b"", b"Tb", b" <a@b>,")
        desk = QmtpDesk()
        desk.talk.say(qmtp_package(recipients=recipients))
        self.assertEqual(desk.envelopes, [(b"s@x", recipients)])


class QmqpCases(InMemory):
    """Cases of QMQP."""

    def test_q22_outer_length(self) -> None:
        """Q22: an outer length that is too short or too long closes the connection."""
        inside = qmqp_package(MESSAGE).partition(b":")[2][:-1]
        for size in (*range(len(inside)), len(inside) + 2):
            self.closed(b"%d:%s,1:z,,,," % (size, inside), QmqpDesk())

    def test_q05_no_numbers(self) -> None:
        """Q05: what is no number closes the connection, in any place."""
        for number in (b"-1", b"+5", b" 5", b"1a", b"0x10", b"", b"05"):
            for head in (b"", b"30:", b"30:1:x,", b"30:1:x,1:s,"):
                self.closed(head + number + b":", QmqpDesk())

    def test_q23_no_recipients(self) -> None:
        """Q23: a message without recipients is accepted."""
        self.assertEqual(QmqpDesk().talk.say(qmqp_package(recipients=())), OK)

    def test_q25_contents(self) -> None:
        """Q25: contents of 0, 1 and 65535 bytes are stored exactly."""
        for body in (b"", b",", (b"3:ab,\r\n\0" * 8192)[:65535]):
            desk = QmqpDesk()
            self.assertEqual(desk.talk.say_bytewise(qmqp_package(body)), OK)
            self.assertEqual(desk.texts, [body])


def kept(recipients: int) -> bytes:
    """Write what the queue keeps of so many recipients."""
    return b"".join([b"Tuser%07d@example.org\0" % number for number in range(recipients)])


def send_package(connection: socket.socket, head: bytes, recipients: int, tail: bytes) -> None:
    """Send a package with so many recipients, without having all of them in memory."""
    connection.sendall(head)
    for first in range(0, recipients, 1000):
        connection.sendall(listed([b"user%07d@example.org" % number for number in range(first, first + 1000)]))
    connection.sendall(tail)


def receive(connection: socket.socket, size: int) -> bytes:
    """Read so many bytes."""
    data = bytearray()
    while len(data) < size and (piece := connection.recv(65536)):
        data += piece
    return bytes(data)


#: bytes of one recipient's netstring
EACH = len(netstring(b"user0000000@example.org"))


class FrontCases(SynchronousTestCase):
    """A front and a door, as processes."""

    def test_q17_million_by_qmtp(self) -> None:
        """Q17: a million recipients pass through little memory, and each is answered."""
        front = FrontHome(self, "qmtp")
        with front.connect("qmtp") as connection:
            connection.sendall(GOOD)
            self.assertIn(b":Kok ", connection.recv(100))
            before = front.resident()
            head = netstring(MESSAGE) + netstring(b"s@x") + b"%d:" % (EACH * MILLION)
            sender = threading.Thread(target=send_package, args=(connection, head, MILLION, b","))
            sender.start()
            first = connection.recv(65536)
            wanted = first[: first.index(b",") + 1] * MILLION
            answers = first + receive(connection, len(wanted) - len(first))
            sender.join()
            self.assertTrue(answers == wanted, answers[:100])
            self.assertLess(front.resident() - before, 32 << 20)
        last = max(front.queued(), key=lambda one: len(one.todo))
        self.assertTrue(last.todo.endswith(b"\0Fs@x\0" + kept(MILLION)))

    def test_q17_million_by_qmqp(self) -> None:
        """Q17: the same by QMQP, with one answer."""
        front = FrontHome(self, "qmqp", qmqpclients="127.0.0.1\n")
        with front.connect("qmqp") as connection:
            connection.sendall(qmqp_package())
            self.assertIn(b":Kok ", receive_all(connection))
        before = front.resident()
        with front.connect("qmqp") as connection:
            head = netstring(b"x") + netstring(b"s@x")
            send_package(connection, b"%d:" % (len(head) + EACH * MILLION) + head, MILLION, b",")
            self.assertIn(b":Kok ", receive_all(connection))
        self.assertLess(front.resident() - before, 32 << 20)
        last = max(front.queued(), key=lambda one: len(one.todo))
        self.assertTrue(last.todo.endswith(b"\0Fs@x\0" + kept(MILLION)))

    def test_q19_answers_are_not_read(self) -> None:
        """Q19: a client that sends packages and reads no answer is not read any more; then all are answered."""
        front = FrontHome(self, "qmtp")
        package = qmtp_package(b"\n", b"", [b""] * 3000)
        with front.connect("qmtp") as connection:
            connection.sendall(GOOD)
            self.assertIn(b":Kok ", connection.recv(100))
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.setblocking(False)
            sent, data, before = 0, package * 3000, front.resident()
            while sent < len(data) and select.select([], [connection], [], 1.0)[1]:
                sent += connection.send(data[sent : sent + 65536])
            self.assertLess(sent, len(data))
            self.assertLess(front.resident() - before, 8 << 20)
            with front.connect("qmtp") as other:
                other.sendall(GOOD)
                self.assertIn(b":Kok ", other.recv(100))

    def test_q17_program_in_place_of_the_queue(self) -> None:
        """Q17: a long envelope gets whole to a program that takes the place of the queue."""
        room = self.mktemp()
        os.mkdir(room)
        queue = NotedQueue(room)
        front = FrontHome(self, "qmtp", queue=str(queue.path))
        count = MILLION // 10
        with front.connect("qmtp") as connection:
            send_package(connection, netstring(MESSAGE) + netstring(b"s@x") + b"%d:" % (EACH * count), count, b",")
            connection.shutdown(socket.SHUT_WR)
            answers = receive_all(connection)
        self.assertEqual(answers.count(b":Kok "), count)
        self.assertEqual(queue.envelope, b"Fs@x\0" + kept(count) + b"\0")
        self.assertTrue((queue.message or b"").endswith(MESSAGE[1:]))

    def test_q20_not_allowed(self) -> None:
        """Q20: a QMQP client whose address is not listed is refused before anything is read."""
        front = FrontHome(self, "qmqp", qmqpclients="192.0.2.0/24\n")
        with front.connect("qmqp") as connection:
            self.assertEqual(receive_all(connection), b"")
        self.assertEqual((front.queued(), front.stop()), ([], 0))

    def test_client_vanishes(self) -> None:
        """A client that goes in the middle of a package leaves nothing."""
        front = FrontHome(self, "qmtp")
        for at in (1, 8, 20, len(GOOD) - 1):
            with front.connect("qmtp") as connection:
                connection.sendall(GOOD[:at])
        with front.connect("qmtp") as connection:
            connection.sendall(GOOD)
            connection.shutdown(socket.SHUT_WR)
            self.assertIn(b":Kok ", receive_all(connection))
        self.assertEqual(front.stop(), 0)
        self.assertEqual(len(front.home.texts()), 1)


class ProgramCases(SynchronousTestCase):
    """qmail-qmtpd and qmail-qmqpd, as processes."""

    def start(self, program: str) -> tuple[subprocess.Popen[bytes], socket.socket, NotedQueue]:
        """Start a program on one end of a socket pair; give the other."""
        room = self.mktemp()
        os.makedirs(f"{room}/home/control")
        queue = NotedQueue(room)
        near, far = socket.socketpair()
        near.settimeout(60)
        environ = environment(QMAILHOME=os.path.abspath(f"{room}/home"), QMAILQUEUE=str(queue.path))
        with far:
            process = subprocess.Popen([sys.executable, "-m", f"qtwisted.accept.{program}"], stdin=far, stdout=far,
                                       env=environ)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.addCleanup(near.close)
        return process, near, queue

    def test_q17_many(self) -> None:
        """Q17: very many recipients pass through little memory of the program, too."""
        process, connection, queue = self.start("qmqpd")
        head = netstring(b"x") + netstring(b"s@x")
        count = MILLION // 5
        send_package(connection, b"%d:" % (len(head) + EACH * count) + head, count, b"")
        self.assertLess(resident(process.pid), 48 << 20)
        connection.sendall(b",")
        self.assertIn(b":Kok ", receive_all(connection))
        self.assertEqual(process.wait(30), 0)
        envelope = queue.envelope
        assert envelope is not None
        self.assertEqual((envelope.count(b"\0T"), envelope[-3:]), (count, b"g\0\0"))

    def test_endings(self) -> None:
        """The exit code says how it ended: 0 at the end of input, 100 after a breach, 111 for too long a length."""
        for data, code in ((b"", 0), (GOOD[:-3], 0), (GOOD + b"x", 100), (b"0:,", 100), (b"9999999999:", 111)):
            process, connection, _ = self.start("qmtpd")
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            answer = receive_all(connection)
            self.assertEqual((process.wait(30), bool(answer)), (code, data.startswith(GOOD)), data)
