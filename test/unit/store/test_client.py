"""Tests of handing in one message, without a door: a connection in memory answers."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.model.envelope import Envelope
from qtwisted.store import client as module
from qtwisted.store.client import DoorCall, DoorSubmission, open_submission
from qtwisted.store.external import ProgramSubmission
from qtwisted.system import sockets
from qtwisted.wire import door

if TYPE_CHECKING:
    from typing import Any

ENVELOPE = Envelope(b"s", (b"r",))


class FakeSocket:
    """A connection that notes what is sent and answers with what it was given."""

    def __init__(self, answers: list[bytes | Exception], broken_after: int = 1000000) -> None:
        """Break when more than so many bytes are sent."""
        self.answers = answers
        self.broken_after = broken_after
        self.sent: list[bytes] = []
        self.is_closed = False

    def sendall(self, data: bytes) -> None:
        """Take bytes."""
        self.sent.append(data)
        if sum(map(len, self.sent)) > self.broken_after:
            raise BrokenPipeError(32, "broken pipe")

    def recv(self, count: int) -> bytes:
        """Give the next answer, or the end."""
        answer = self.answers.pop(0) if self.answers else b""
        if isinstance(answer, Exception):
            raise answer
        return answer

    def settimeout(self, seconds: float) -> None:
        """Time does not pass here."""

    def close(self) -> None:
        """Note it."""
        self.is_closed = True


class SubmissionTests(SynchronousTestCase):
    """A message and its result."""

    def submit(self, *answers: bytes | Exception, broken_after: int = 1000000, text: bytes = b"hi\n") -> Any:
        """Hand in a message over a connection with these answers."""
        self.socket = FakeSocket(list(answers), broken_after)
        self.patch(module, "connect", lambda home: self.socket)
        submission = DoorSubmission(DoorCall("/home"))
        submission.write(text)
        return submission.commit(ENVELOPE)

    def test_stored(self) -> None:
        """The number is what the door says; a small message is sent in one piece."""
        frame = door.frame(door.STORED, 1, b"77")
        result = self.submit(door.frame(door.HOLD, 1) + frame[:5], frame[5:])
        self.assertEqual((result.ok, result.qp), (True, 77))
        self.assertEqual(
            self.socket.sent,
            [door.frame(door.PIECE, 1, b"hi\n") + door.frame(door.ENVELOPE, 1, b"Fs\0Tr\0\0")],
        )
        self.assertTrue(self.socket.is_closed)

    def test_streamed(self) -> None:
        """A large message is sent while it comes in."""
        self.submit(door.frame(door.STORED, 1, b"77"), text=bytes(300000))
        self.assertGreater(len(self.socket.sent), 1)

    def test_refused(self) -> None:
        """A refusal is told in qmail's words; code 0 would be nonsense."""
        result = self.submit(door.frame(door.REFUSED, 1, b"53"))
        self.assertEqual(result.problem, b"Zqq write error or disk full (#4.3.0)")
        result = self.submit(door.frame(door.REFUSED, 1, b"0"))
        self.assertEqual(result.problem, b"Zqq internal bug (#4.3.0)")

    def test_lost(self) -> None:
        """A connection that ends, breaks or talks nonsense is a temporary failure."""
        lost = b"Zcommunication with mail server failed (#4.4.2)"
        for answers in (
            [],
            [b"?" * 9],
            [door.frame(door.STORED, 1, b"x")],
            [ConnectionResetError(104, "reset")],
        ):
            self.assertEqual(self.submit(*answers).problem, lost)
        self.assertEqual(self.submit(broken_after=0).problem, lost)
        self.assertEqual(self.submit(broken_after=100000, text=bytes(300000)).problem, lost)

    def test_no_answer(self) -> None:
        """A door that never answers is a temporary failure too."""
        result = self.submit(TimeoutError())
        self.assertEqual(result.problem, b"Zconnection to mail server timed out (#4.4.1)")

    def test_bad_envelope(self) -> None:
        """Addresses that cannot be written down are refused here, and nothing is sent."""
        for address, letter in ((b"a\0Tb", b"Z"), (b"x" * 1003, b"D")):
            submission = DoorSubmission(DoorCall("/home"))
            self.assertEqual(submission.commit(Envelope(b"", (address,))).problem[:1], letter)

    def test_abandon(self) -> None:
        """An abandoned message ends the connection, if there is one."""
        submission = DoorSubmission(DoorCall("/home"))
        submission.abandon()
        self.socket = FakeSocket([])
        self.patch(module, "connect", lambda home: self.socket)
        submission.write(bytes(300000))
        submission.abandon()
        self.assertTrue(self.socket.is_closed)

    def test_nothing_sent(self) -> None:
        """To wait for an answer to nothing is a bug, not a wait."""
        self.assertEqual(DoorCall("/home").answer(), (81, 0))

    def test_unreachable(self) -> None:
        """Without a door the result is a temporary failure, and further pieces are dropped."""

        def refuse(home: str) -> None:
            """Refuse."""
            raise ConnectionRefusedError(111, "refused")

        self.patch(module, "connect", refuse)
        submission = DoorSubmission(DoorCall("/home"))
        submission.write(bytes(300000))
        submission.write(bytes(300000))
        problem = submission.commit(ENVELOPE).problem
        self.assertEqual(problem, b"Zmail server temporarily rejected message (#4.3.0)")

    def test_choice(self) -> None:
        """QMAILQUEUE decides between the door and a program."""
        self.assertIsInstance(open_submission("/home", {}), DoorSubmission)
        submission = open_submission(os.getcwd(), {"QMAILQUEUE": "/bin/true"})
        self.assertIsInstance(submission, ProgramSubmission)
        submission.abandon()


class ConnectTests(SynchronousTestCase):
    """Finding the door."""

    def setUp(self) -> None:
        """Let time pass only when somebody sleeps; the first connections fail."""
        self.now = 0.0
        self.tried: list[str] = []
        self.works_at = 1000.0
        self.patch(module.time, "monotonic", lambda: self.now)
        self.patch(sockets, "connect_unix", self.connect_unix)

    def connect_unix(self, directory: str, name: str) -> str:
        """Connect, if it is time."""
        self.tried.append(f"{directory}/{name}")
        if self.now < self.works_at:
            raise ConnectionRefusedError(111, "refused")
        return name

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds

    def test_retries(self) -> None:
        """While the door is away it is tried again for half a minute, the role's socket before the other."""
        self.patch(module, "is_role", lambda home, uid: True)
        self.works_at = 20
        self.assertEqual(module.connect("/home", self.sleep), "queue-priv.sock")  # type: ignore[comparison-overlap]
        self.assertEqual(self.tried[:2], ["/home/run/queue-priv.sock", "/home/run/queue.sock"])

    def test_gives_up(self) -> None:
        """After half a minute it gives up; an ordinary user never tries the roles' socket."""
        self.patch(module, "is_role", lambda home, uid: False)
        self.assertRaises(ConnectionRefusedError, module.connect, "/home", self.sleep)
        self.assertTrue(25 < self.now <= 30)
        self.assertEqual(set(self.tried), {"/home/run/queue.sock"})

    def test_is_role(self) -> None:
        """Roles are known by the home's users; a home without settings that work has none."""
        home = self.mktemp()
        os.makedirs(home + "/conf")
        with open(home + "/conf/conf-users", "w", encoding="ascii") as file:
            file.write("no-such-user\n" * 8)
        self.assertFalse(module.is_role(home, 0))
        with open(home + "/conf/conf-users", "w", encoding="ascii") as file:
            file.write("root\n" * 8)
        with open(home + "/conf/conf-groups", "w", encoding="ascii") as file:
            file.write("root\n" * 2)
        self.assertTrue(module.is_role(home, 0))
        self.assertFalse(module.is_role(home, 12345))
