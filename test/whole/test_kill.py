"""Any role is killed at any moment under load: what was answered with 250 is delivered or bounced."""

import os
import random
import signal

from twisted.trial.unittest import SynchronousTestCase

from test.kit.homes import HOST, PORT, SingleHome
from test.kit.reliability import often
from test.kit.running import wait_until
from test.kit.senders import Sender, arrived

KILLS = often(100, 300)
CLIENTS = 3
SEED = 1998
RECIPIENTS = (f"me@{HOST}", f"never@{HOST}")
#: what must come of each message
OUTCOMES = (f"me@{HOST}", f"bounced never@{HOST}")
#: deliveries that may be in flight when a role dies: local ones, and those whose marks wait
IN_FLIGHT = 20


class KillTests(SynchronousTestCase):
    """kill -9 in the midst of it all."""

    timeout = often(600, 1800)

    def test_nothing_is_lost(self) -> None:
        """After a hundred kills of roles chosen at random each recipient of each message that was answered with 250
        has it, or the sender has a bounce that names him; only what was in flight comes twice.
        """
        home = SingleHome(self)
        with open(f"{home.path}/mail/.qmailnever", "w", encoding="ascii") as file:
            file.write("|exit 100\n")
        running = home.up(*PORT, "--fronts", "2")
        chance = random.Random(SEED)
        clients = [Sender(f"c{number}", running.port(), RECIPIENTS[0], RECIPIENTS) for number in range(CLIENTS)]
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
        found = arrived(home.mailbox())
        wanted = {(outcome, name) for outcome in OUTCOMES for name in accepted}
        self.assertEqual(wanted - set(found), set())
        self.assertLessEqual(found.total() - len(found), KILLS * IN_FLIGHT)
        self.assertEqual(found.total(), len(home.mailbox()))
