"""Any role is killed at any moment under load: what was answered with 250 is delivered."""

import itertools
import os
import random
import re
import signal
import smtplib
import threading

from twisted.trial.unittest import SynchronousTestCase

from test.kit.homes import PORT, SingleHome
from test.kit.running import wait_until

KILLS = 100
CLIENTS = 3
SEED = 1998


class Client(threading.Thread):
    """Sends one message after the other, and remembers which were accepted."""

    def __init__(self, name: str, port: int) -> None:
        """It talks to *port*."""
        super().__init__(name=name, daemon=True)
        self.port = port
        self.accepted: list[str] = []
        self.enough = threading.Event()

    def run(self) -> None:
        """Send until it is enough; begin a new connection whenever one is lost."""
        numbers = itertools.count()
        while not self.enough.is_set():
            try:
                with smtplib.SMTP("127.0.0.1", self.port, timeout=20) as client:
                    while not self.enough.is_set():
                        self.send(client, f"{self.name}-{next(numbers)}")
            except (smtplib.SMTPException, OSError):
                pass  # the one we talked to is gone; so is the message, and nobody has promised anything

    def send(self, client: smtplib.SMTP, name: str) -> None:
        """Send the message *name*; only the answer 250 counts."""
        client.sendmail("you@example.com", ["me@test.example"], f"Subject: {name}\r\n\r\nbody of {name}\r\n".encode())
        self.accepted.append(name)


class KillTests(SynchronousTestCase):
    """kill -9 in the midst of it all."""

    timeout = 600

    def test_nothing_is_lost(self) -> None:
        """After a hundred kills of roles chosen at random every message that was answered with 250 is delivered."""
        home = SingleHome(self)
        running = home.up(*PORT, "--fronts", "2")
        chance = random.Random(SEED)
        clients = [Client(f"c{number}", running.port()) for number in range(CLIENTS)]
        for client in clients:
            client.start()
        for _ in range(KILLS):
            running.read(chance.random() * 0.3)
            wait_until(lambda: (running.read(0.0), len(running.roles()) >= 6)[1], "roles to kill")
            pid = chance.choice(sorted(running.roles()))
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        for client in clients:
            client.enough.set()
        for client in clients:
            while client.is_alive():
                running.read(0.05)
        accepted = {name for client in clients for name in client.accepted}
        self.assertGreater(len(accepted), KILLS)
        self.check(home, running, accepted)
        running.stop()
        self.assertEqual(home.queued(), [])

    def check(self, home: SingleHome, running, accepted: set[str]) -> None:  # type: ignore[no-untyped-def]
        """Wait until the queue is empty; then every accepted message is there, whole."""
        def drained() -> bool:
            """Have what was put off tried again, until nothing is left."""
            running.signal(signal.SIGALRM)
            for _ in range(20):
                running.read(0.05)
            return not home.queued()

        try:
            wait_until(drained, "an empty queue", 200)
        except AssertionError as trouble:
            tail = "\n".join(running.log[-40:])
            raise AssertionError(f"{trouble}; left are {home.queued()}; the log ends:\n{tail}") from None
        delivered: dict[str, int] = {}
        for message in home.mailbox():
            found = re.search(rb"\nSubject: (\S+)\n\nbody of (\S+)\n$", message)
            assert found is not None and found.group(1) == found.group(2), message
            name = found.group(1).decode()
            delivered[name] = delivered.get(name, 0) + 1
        self.assertEqual(accepted - set(delivered), set())
