"""A window of the desk at which an administrator asks."""

from __future__ import annotations

from qtwisted.schedule.requests.acts import Acts
from test.unit.schedule.desk import Desk


class Answer:
    """What came back to one request."""

    def __init__(self, uid=0):
        """Be asked by *uid*."""
        self.uid = uid
        self.values = []
        self.is_ended = False

    def say(self, value):
        """Take one value."""
        assert not self.is_ended
        self.values.append(value)

    def stream(self, values):
        """Take all values."""
        self.values += values

    def end(self):
        """The answer is complete."""
        assert not self.is_ended
        self.is_ended = True

    def words(self):
        """The answers by message."""
        return {value["id"]: value["answer"] for value in self.values}


class Window(Desk):
    """A desk whose scheduler can be asked."""

    def begin(self, **changes):
        """Make a scheduler, and who carries out requests."""
        super().begin(**changes)
        self.acts = Acts(self.scheduler, self.clock, self.scheduler._times, self.scheduler._log)

    def ask(self, verb, *words):
        """Ask, and let happen what happens at once."""
        answer = Answer()
        self.acts.ask([verb.encode(), *(word if isinstance(word, bytes) else b"%d" % word for word in words)], answer)
        self.settle()
        return answer

    def word(self, verb, *words):
        """Ask about one message and give the one word of the answer; None if there is none yet."""
        answer = self.ask(verb, *words)
        if not answer.is_ended:
            return None
        [value] = answer.values
        return value["answer"]

    def plan(self, *recipients, **more):
        """Queue a message whose files are on disk: its first attempt has put off everybody."""
        number = self.arrive(*recipients, **more)
        count = len(recipients)
        for at in range(-count, 0):
            channel, slot, *_ = self.orders[at]
            self.scheduler.reported(channel, slot, b"Zlater\n")
        self.settle()
        assert "todo" not in self.files(number) and "info" in self.files(number), self.files(number)
        del self.orders[-count:]
        self.taken()
        return number

    def again(self):
        """End this scheduler at once, as a power cut would that loses nothing, and start another one."""
        for call in self.clock.getDelayedCalls():
            call.cancel()
        self.begin()
        return self.start()
