"""Callers that mean no good, at a door that really runs."""

from __future__ import annotations

import array
import os
import random
import socket

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.store import quota
from qtwisted.wire import door
from test.kit.doors import Caller, DoorHome
from test.kit.running import wait_until

ENVELOPE = b"Fs@x\0Tr@y\0\0"
#: what control/userbytes is unless set
SHARE = 64 << 20


class HostileCase(SynchronousTestCase):
    """A test with a running door, which must be alive and free of rests at the end."""

    def setUp(self) -> None:
        """Start the door."""
        self.home = DoorHome(self)
        self.home.start()

    def caller(self, name: str = "queue.sock") -> Caller:
        """Connect as a user of the machine."""
        caller = self.home.caller(name)
        self.addCleanup(caller.close)
        return caller

    def still_serves(self) -> None:
        """A good message is taken."""
        caller = self.caller("queue-priv.sock")
        caller.message(9, b"good\n", ENVELOPE)
        answer = caller.answer()
        assert answer is not None
        self.assertEqual(answer[:2], (door.STORED, 9))
        assert self.home.process is not None
        self.assertIsNone(self.home.process.poll())
        self.assertNotIn("Traceback", self.home.log())

    def nothing_queued(self) -> None:
        """No message exists, and nothing of one outside the pool."""
        wait_until(
            lambda: not [name for name in self.home.rests() if not name.startswith("pid/")], "no rests"
        )

    def descriptors(self) -> int:
        """How many descriptors the door has open."""
        assert self.home.process is not None
        return len(os.listdir(f"/proc/{self.home.process.pid}/fd"))


class ProtocolTests(HostileCase):
    """Breaches of the protocol end the connection and nothing else."""

    def test_breaches(self) -> None:
        """Unknown letters, frames too long, the door's own letters and qmail-send's are cut off."""
        for data in (
            b"?" + bytes(8),
            b"B\0\0\0\1\0\1\0\1",
            b"B\0\0\0\1\xff\xff\xff\xff",
            door.frame(door.STORED, 1, b"1"),
            door.frame(door.NOTICE, 1, b"1"),
            door.frame(door.WATCH, 0),
            door.frame(door.COMMAND, 1, b"foop/1\0"),
            b"GET / HTTP/1.0\r\n\r\n",
            b"\0" * 100,
        ):
            caller = self.caller()
            caller.send(door.frame(door.PIECE, 1, b"text"), data)
            self.assertIsNone(caller.answer(), data)
        self.nothing_queued()
        self.still_serves()

    def test_cut_anywhere(self) -> None:
        """A submission that ends after any byte but the last queues nothing."""
        data = door.frame(door.PIECE, 1, b"hi\n") + door.frame(door.ENVELOPE, 1, ENVELOPE)
        for end in range(len(data)):
            caller = self.caller("queue-priv.sock")
            caller.send(data[:end])
            caller.close()
        self.still_serves()
        self.assertEqual(len(self.home.names("todo")), 1)

    def test_split_anywhere(self) -> None:
        """A submission sent byte by byte is one message."""
        caller = self.caller()
        for byte in door.frame(door.PIECE, 1, b"hi\n") + door.frame(door.ENVELOPE, 1, ENVELOPE):
            caller.send(bytes((byte,)))
        answer = caller.answer()
        assert answer is not None
        self.assertEqual(answer[0], door.STORED)
        (message,) = self.home.queued()
        self.assertTrue(message.text.endswith(b"-0000\nhi\n"))

    def test_envelopes(self) -> None:
        """Bad envelopes get qmail's exit codes, whatever frames they are cut into, and leave nothing."""
        for envelope, code in (
            (b"a\0\0", b"91"),
            (b"Fa\0Fb\0\0", b"91"),
            (b"Tb\0Fa\0\0", b"91"),
            (b"F" + b"x" * 1003 + b"\0\0", b"11"),
            (b"Fa\0T" + b"x" * 1003 + b"\0\0", b"11"),
        ):
            for step in (1, 7, 5000):
                caller = self.caller()
                for at in range(0, len(envelope), step):
                    caller.send(door.frame(door.ENVELOPE, 1, envelope[at : at + step]))
                self.assertEqual(caller.answer(), (door.REFUSED, 1, code), envelope[:10])
                caller.send(door.frame(door.ABANDON, 1))
                caller.message(1, b"hi", b"F\0")
                caller.send(door.frame(door.ABANDON, 1), door.frame(door.ABANDON, 77))
                caller.close()
        self.nothing_queued()
        self.still_serves()

    def test_rest_of_refused(self) -> None:
        """What follows a refused envelope under the same id is not taken for a new message."""
        caller = self.caller()
        caller.send(door.frame(door.ENVELOPE, 1, b"X"), door.frame(door.ENVELOPE, 1, ENVELOPE))
        self.assertEqual(caller.answer(), (door.REFUSED, 1, b"91"))
        caller.message(2, b"hi\n", ENVELOPE)
        answer = caller.answer()
        assert answer is not None
        self.assertEqual(answer[1], 2)
        self.assertEqual(len(self.home.names("todo")), 1)

    def test_id_in_use(self) -> None:
        """More under an id that waits for its answer is a breach; the message itself may be queued."""
        caller = self.caller()
        caller.send(door.frame(door.ENVELOPE, 1, ENVELOPE) + door.frame(door.ENVELOPE, 1, ENVELOPE))
        while caller.answer() is not None:
            pass
        wait_until(lambda: len(self.home.names("todo")) == 1, "one message")
        self.still_serves()

    def test_noise(self) -> None:
        """Random bytes and random frames do no harm."""
        chance = random.Random(7)
        letters = [bytes((letter,)) for letter in door.FROM_CLIENT]
        for _ in range(60):
            caller = self.caller("queue-priv.sock")
            pieces = [
                door.frame(
                    chance.choice(letters), chance.randrange(3), chance.randbytes(chance.randrange(40))
                )
                for _ in range(20)
            ]
            try:
                caller.send(*pieces, chance.randbytes(50))
            except OSError:
                pass  # it was cut off already
            caller.close()
        self.still_serves()

    def test_commands(self) -> None:
        """Commands that qmail-clean would reject are answered with one x, whoever sends them."""
        caller = self.caller("queue-priv.sock")
        for command, outcome in (
            (b"todo/12\0", b"+"),
            (b"foop/12\0", b"+"),
            (b"done/12\0", b"+"),
            (b"to/1\0", b"x"),
            (b"todo/\0", b"x"),
            (b"mess/77\0", b"x"),
            (b"xxxx/12\0", b"x"),
            (b"foop/" + b"1" * 95 + b"\0", b"x"),
            (b"foop/" + b"1" * 94 + b"\0", b"+"),
            (b"todo/x\0", b"x"),
            (b"todo/12a\0", b"x"),
            (b"todo/../../etc\0", b"x"),
            (b"todo/-1\0", b"x"),
            (b"todo/1\0\0", b"x"),
            (b"todo/1", b"x"),
            (b"", b"x"),
        ):
            caller.send(door.frame(door.COMMAND, 3, command))
            self.assertEqual(caller.answer(), (door.DONE, 3, outcome), command)


class QuotaTests(HostileCase):
    """One user cannot take everything."""

    def test_in_flight(self) -> None:
        """More than the share of bytes in open messages is refused as a full disk; then there is room again."""
        caller = self.caller()
        piece = door.frame(door.PIECE, 1, bytes(65536))
        for _ in range(SHARE // 65536 + 1):
            caller.send(piece)
        caller.send(door.frame(door.ENVELOPE, 1, ENVELOPE))
        self.assertEqual(caller.answer(), (door.REFUSED, 1, b"53"))
        self.nothing_queued()
        caller.message(2, b"hi\n", ENVELOPE)
        answer = caller.answer()
        assert answer is not None
        self.assertEqual(answer[:2], (door.STORED, 2))
        self.assertIn("hands in more at a time than control/userbytes allows", self.home.log())

    def test_share_is_set(self) -> None:
        """control/userbytes makes the share smaller or larger."""
        self.home.kill()
        self.home.write("control/userbytes", "100000\n")
        self.home.start()
        for size, letter in ((99000, door.STORED), (100001, door.REFUSED)):
            caller = self.caller()
            caller.message(1, bytes(size), ENVELOPE)
            answer = caller.answer()
            assert answer is not None
            self.assertEqual(answer[0], letter)

    def test_connections(self) -> None:
        """Ten are served, some wait for a place, the rest is turned away; roles are not hit."""
        served = [self.caller() for _ in range(quota.CONNECTIONS)]
        waiting = [self.caller() for _ in range(quota.WAITING)]
        surplus = self.caller()
        self.assertIsNone(surplus.answer())
        for caller in waiting:
            caller.message(1, b"hi\n", ENVELOPE)
        self.still_serves()
        self.assertEqual(len(self.home.names("todo")), 1)
        for caller in served:
            caller.close()
        for caller in waiting:
            answer = caller.answer()
            assert answer is not None
            self.assertEqual(answer[0], door.STORED)
            caller.close()

    def test_drafts(self) -> None:
        """A user cannot open messages without end on one connection."""
        caller = self.caller()
        caller.send(*[door.frame(door.PIECE, ident, b"x") for ident in range(quota.DRAFTS + 1)])
        self.assertIsNone(caller.answer())
        self.still_serves()

    def test_comes_and_goes(self) -> None:
        """Many connections one after the other leave no descriptor behind."""
        self.still_serves()
        before = self.descriptors()
        for _ in range(300):
            caller = self.home.caller("queue.sock")
            try:
                caller.send(door.frame(door.PIECE, 1, b"x" * 40000))
            except ConnectionError:
                pass  # the door has not yet seen how many of us have gone, and turned this one away
            caller.close()
        self.still_serves()
        wait_until(lambda: self.descriptors() <= before + 2, "descriptors are closed")

    def test_passed_descriptors(self) -> None:
        """Descriptors that a user passes are dropped by the kernel and never show up in the door."""
        self.still_serves()
        before = self.descriptors()
        caller = self.caller()
        fds = array.array("i", [0] * 200)
        try:
            caller.socket.sendmsg(
                [door.frame(door.PIECE, 1, b"x")], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds.tobytes())]
            )
        finally:
            caller.send(door.frame(door.ENVELOPE, 1, ENVELOPE))
        answer = caller.answer()
        assert answer is not None
        self.assertEqual(answer[0], door.STORED)
        self.assertLessEqual(self.descriptors(), before + 2)

    def test_never_reads(self) -> None:
        """Somebody who reads no answers is not listened to for ever; others are served."""
        caller = self.caller("queue-priv.sock")
        caller.socket.settimeout(1)
        commands = door.frame(door.COMMAND, 1, b"bad\0") * 5000
        with self.assertRaises(TimeoutError):
            while True:
                caller.socket.sendall(commands)
        self.still_serves()
