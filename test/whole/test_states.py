"""A queue as qmail 1.02 leaves it, written byte for byte, is picked up in every state it can be in.

The states are those of INTERNALS: which of the files mess, intd, todo, info, local, remote and bounce exist.
"""

import os
import signal
import time

from twisted.trial.unittest import SynchronousTestCase

from test.kit.homes import SingleHome
from test.kit.running import Running, wait_until

SPLIT = 23
OLD = 129600 + 3600
"""Older than a writer may live: what it has left is rubbish then."""
MESSAGE = b"Received: (qmail 2620 invoked by uid 1002); 22 Nov 2026 13:40:12 -0000\nSubject: %s\n\nbody\n"


class Queue:
    """Writes into a queue as the programs of qmail 1.02 do, without any of ours."""

    def __init__(self, home: SingleHome) -> None:
        """The queue of *home*, of which nothing may be running."""
        self.path = f"{home.path}/queue"
        self.user = home.user

    def put(self, name: str, data: bytes, mode: int, at: float | None = None) -> None:
        """Write a file, with the times *at* if given."""
        path = f"{self.path}/{name}"
        with open(path, "wb") as file:
            file.write(data)
        os.chmod(path, mode)
        if self.user is not None:
            os.chown(path, *self.user)
        if at is not None:
            os.utime(path, (at, at))

    def mess(self, subject: bytes, at: float | None = None) -> int:
        """A message text under the number of its inode, made by way of pid/ (qmail-queue.c)."""
        self.put("pid/2620.1795354812.1", MESSAGE % subject, 0o644, at)
        number = os.stat(f"{self.path}/pid/2620.1795354812.1").st_ino
        os.link(f"{self.path}/pid/2620.1795354812.1", f"{self.path}/{self.name('mess', number)}")
        os.unlink(f"{self.path}/pid/2620.1795354812.1")
        return number

    def name(self, folder: str, number: int) -> str:
        """Where the file of message *number* is."""
        return f"{folder}/{number % SPLIT}/{number}"

    def envelope(self, number: int, data: bytes, queued: bool = True) -> None:
        """The envelope, in intd/ and, if the message is queued, in todo/."""
        self.put(f"intd/{number}", data, 0o644)
        if queued:
            os.link(f"{self.path}/intd/{number}", f"{self.path}/todo/{number}")

    def exists(self, name: str) -> bool:
        """Whether there is such a file."""
        return os.path.lexists(f"{self.path}/{name}")


class StateTests(SynchronousTestCase):
    """Every state is continued as qmail would."""

    def setUp(self) -> None:
        """Make a home and its queue."""
        self.home = SingleHome(self)
        self.queue = Queue(self.home)

    def start(self) -> Running:
        """Start the system on the queue."""
        return self.home.up()

    def subjects(self) -> list[bytes]:
        """The subjects of what has been delivered."""
        return sorted(message.partition(b"Subject: ")[2].partition(b"\n")[0] for message in self.home.mailbox())

    def drained(self, running: Running) -> None:
        """Wait until nothing is queued."""
        folders = ("mess", "intd", "todo", "info", "local", "remote", "bounce")
        wait_until(lambda: (running.read(0.02), not self.home.files(*folders))[1], "an empty queue")

    def test_s2_old(self) -> None:
        """S2, message only, 36 hours old: its writer is dead, and it is removed without a word."""
        number = self.queue.mess(b"s2", time.time() - OLD)
        running = self.start()
        self.drained(running)
        self.assertFalse(self.queue.exists(self.queue.name("mess", number)))
        self.assertEqual(self.subjects(), [])

    def test_s2_young(self) -> None:
        """S2, message only, young: its writer may be alive, so it stays."""
        number = self.queue.mess(b"s2")
        running = self.start()
        self.home.run([self.home.program("sendmail"), "me"], b"Subject: other\n\n")
        running.wait_for(r"end msg \d+")
        running.stop()
        self.assertTrue(self.queue.exists(self.queue.name("mess", number)))

    def test_s3_old(self) -> None:
        """S3, message and envelope under construction, 36 hours old: both are removed."""
        number = self.queue.mess(b"s3", time.time() - OLD)
        self.queue.envelope(number, b"u1002\0p2620\0Fs@x\0Tme@test", queued=False)
        self.drained(self.start())
        self.assertEqual(self.subjects(), [])

    def test_s4(self) -> None:
        """S4, queued: it is delivered, with the numbers of its envelope in the log."""
        number = self.queue.mess(b"s4")
        self.queue.envelope(number, b"u1002\0p2620\0Fs@x.example\0Tme@test.example\0")
        running = self.start()
        self.drained(running)
        size = len(MESSAGE % b"s4")
        running.wait_for(f"new msg {number}")
        running.wait_for(f"info msg {number}: bytes {size} from <s@x\\.example> qp 2620 uid 1002")
        running.wait_for(f"end msg {number}")
        self.assertEqual(self.subjects(), [b"s4"])

    def test_s4_without_intd(self) -> None:
        """S4 after half of the removal of the envelope: intd is gone, todo is not. It is delivered."""
        number = self.queue.mess(b"s4")
        self.queue.envelope(number, b"u1002\0p2620\0Fs@x.example\0Tme@test.example\0")
        os.unlink(f"{self.queue.path}/intd/{number}")
        self.drained(self.start())
        self.assertEqual(self.subjects(), [b"s4"])

    def test_s4_interrupted(self) -> None:
        """S4 with the remains of an interrupted preprocessing: they are rubbish, and the envelope counts."""
        number = self.queue.mess(b"s4")
        self.queue.envelope(number, b"u1002\0p2620\0Fs@x.example\0Tme@test.example\0")
        self.queue.put(self.queue.name("info", number), b"Fwro", 0o600)
        self.queue.put(self.queue.name("local", number), b"Twrong@test.example\0Dme@test.example\0", 0o600)
        self.queue.put(self.queue.name("remote", number), b"Twrong@elsewhere.example\0", 0o600)
        running = self.start()
        self.drained(running)
        self.assertEqual(self.subjects(), [b"s4"])
        self.assertNotIn("wrong@", running.told())

    def preprocessed(self, subject: bytes, local: bytes | None = None, bounce: bytes | None = None,
                     at: float | None = None, born_at: float | None = None) -> int:
        """A message in S5."""
        number = self.queue.mess(subject)
        self.queue.put(self.queue.name("info", number), b"Fme@test.example\0", 0o600, born_at)
        if local is not None:
            self.queue.put(self.queue.name("local", number), local, 0o600, at)
        if bounce is not None:
            self.queue.put(f"bounce/{number}", bounce, 0o600)
        return number

    def test_s5(self) -> None:
        """S5: recipients marked T are tried, those marked D never again."""
        number = self.preprocessed(b"s5", b"Ddone@test.example\0Ttodo@test.example\0")
        running = self.start()
        self.drained(running)
        self.assertEqual(self.subjects(), [b"s5"])
        self.assertIn(b"\nDelivered-To: todo@test.example\n", self.home.mailbox()[0])
        running.wait_for(f"starting delivery 1: msg {number} to local todo@test.example")
        self.assertNotIn("done@", running.told())

    def test_s5_scheduled(self) -> None:
        """S5 after an orderly shutdown: the time of the file is when it is tried next; ALRM tries it now."""
        number = self.preprocessed(b"s5", b"Tlater@test.example\0", at=time.time() + 3600)
        running = self.start()
        self.home.run([self.home.program("sendmail"), "me"], b"Subject: now\n\n")
        running.wait_for(r"end msg \d+")
        self.assertEqual(self.subjects(), [b"now"])
        running.signal(signal.SIGALRM)
        running.wait_for(f"end msg {number}")
        self.assertEqual(self.subjects(), [b"now", b"s5"])

    def test_s5_finished(self) -> None:
        """S5 with nobody left to deliver to: it ends at once."""
        number = self.preprocessed(b"s5", b"Ddone@test.example\0")
        running = self.start()
        running.wait_for(f"end msg {number}")
        self.drained(running)
        self.assertEqual(self.subjects(), [])

    def test_s5_bounce(self) -> None:
        """S5 with a bounce recorded and nobody left: the bounce is sent."""
        number = self.preprocessed(b"s5", bounce=b"<joe@x.example>:\nNo such person.\n\n")
        running = self.start()
        running.wait_for(rf"bounce msg {number} qp \d+")
        running.wait_for(f"end msg {number}")
        self.drained(running)
        bounce, = self.home.mailbox()
        self.assertIn(b"\nSubject: failure notice\n", bounce)
        self.assertIn(b"\n<joe@x.example>:\nNo such person.\n\n--- Below this line is a copy of the message.\n\n"
                      b"Return-Path: <me@test.example>\n", bounce)
        self.assertTrue(bounce.endswith(b"\nSubject: s5\n\nbody\n"))

    def test_strangers(self) -> None:
        """What is no message is left alone."""
        for name in ("todo/notanumber", "mess/3/foo", "bounce/107", "local/16/108", "intd/106"):
            self.queue.put(name, b"x", 0o644, time.time() - OLD)
        running = self.start()
        self.home.run([self.home.program("sendmail"), "me"], b"Subject: x\n\n")
        running.wait_for(r"end msg \d+")
        running.stop()
        for name in ("todo/notanumber", "mess/3/foo", "bounce/107", "local/16/108", "intd/106"):
            self.assertTrue(self.queue.exists(name), name)
