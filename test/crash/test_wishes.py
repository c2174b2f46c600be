"""qmail-send is killed, or loses power, after every single step of what an administrator asked it to do.

What he was told is done must be so for whatever qmail-send starts on what is found: a returned message is in the
bounce, a deleted one nowhere, and one on hold goes to nobody. Before that nothing may be lost.
"""

from __future__ import annotations

import itertools

from twisted.trial.unittest import TestCase

from qtwisted.schedule.requests.acts import Acts
from test.crash.test_preprocess import MODELS, NUMBER, STATES_MAX, A, B, C, Journey, SendDisk, World
from test.unit.schedule.requests.window import Answer


class ModeDisk(SendDisk):
    """The disk of power cuts, with permissions: they are durable when their file is."""

    def __init__(self, image, model, skips=lambda step, what: False, modes=None):
        """Start with these permissions."""
        super().__init__(image, model, skips)
        self.modes = dict(modes or {})
        self.durable_modes = dict(modes or {})

    def set_mode(self, fd, mode):
        """Change the permissions of a file."""
        number = self._fds[fd][0]
        self._step("mode", str(number))
        self.modes[number] = mode
        self.after_step()

    def fsync(self, fd):
        """Make a file durable."""
        number = self._fds[fd][0]
        if number in self.modes and not self._skips("fsync", "mode"):
            self.durable_modes[number] = self.modes[number]
        super().fsync(fd)

    def _found(self, number):
        """Look at a file: its permissions, too."""
        found = super()._found(number)
        return found._replace(st_mode=self.modes.get(number, found.st_mode))


class WishJourney(Journey):
    """One message on its way, and an administrator who has a wish."""

    def __init__(self, model, script, wish, wished_after, skips=lambda step, what: False):
        """Prepare; the wish comes so many seconds after the message."""
        super().__init__(model, script, (), skips)
        self.disk = ModeDisk(self.disk.image(), model, skips)
        self.world = World(self.disk, script)
        self.wish = wish
        self.wished_after = wished_after
        self.answer = Answer()
        self.reached = None

    def travel(self):
        """Let it happen."""
        self.disk.after_step = self.cut
        scheduler = self.world.scheduler
        scheduler.start()
        self.world.run(self.wished_after)
        self.firm = list(self.world.delivered)
        acts = Acts(scheduler, self.world.clock, scheduler._times, scheduler._log)
        acts.ask([self.wish, *([b"Go away."] if self.wish == b"bounce" else []), b"%d" % NUMBER], self.answer)
        self.world.run(60)
        assert self.answer.words()[NUMBER] in ("done", "waits"), self.answer.values
        self.cut()

    @property
    def is_done(self):
        """Was the administrator told that it is done?"""
        return self.answer.words().get(NUMBER) == "done"

    def cut(self):
        """Start anew from each state that may be found now; permissions may be found as they were or as they are."""
        is_done = self.is_done
        if is_done and self.reached is None:
            self.reached = list(self.world.delivered)
        for image, modes in itertools.product(
            [self.disk.image(), *itertools.islice(self.disk.crash_states(), STATES_MAX)],
            (self.disk.modes, self.disk.durable_modes),
        ):
            known = (
                tuple(sorted((kind, tuple(sorted(names.items()))) for kind, names in image.names.items())),
                tuple(sorted(image.contents.items())), tuple(sorted(modes.items())),
                len(self.world.intake.messages), tuple(self.world.delivered), is_done,
            )
            if hash(known) not in self.seen:
                self.seen.add(hash(known))
                self.again(image, modes, is_done)

    def again(self, image, modes, is_done):
        """Let a new qmail-send do the rest and see what came of it."""
        self.states += 1
        script = {recipient: [(0, b"K")] for recipient in self.script}
        world = World(ModeDisk(image, "weak", modes=modes), script, began_at=10_000)
        world.scheduler.start()
        world.run(2000)
        left = self.left(world.disk.image())
        delivered = self.world.delivered + world.delivered
        told = b"".join(message.text for message in self.world.intake.messages + world.intake.messages)
        lost = [each for each in self.script if each not in delivered and b"<%s>:\n" % each not in told]
        assert not any(each in self.firm and each in world.delivered for each in self.script), "somebody got it again"
        if self.wish == b"hold" and is_done:
            assert not world.delivered, f"on hold, but {world.delivered} got it"
            assert left or not lost, f"{lost} lost"
            return
        assert not left or self.wish == b"hold", f"left in the queue: {left}"
        if is_done:
            assert not world.delivered, f"{world.delivered} got it after it was {self.wish}"
        if self.wish == b"delete":
            assert not is_done or not world.intake.messages, "a deleted message bounced"
        elif not left:
            assert not lost, f"{lost} lost"


#: what spawners answer, and when the administrator has his wish
SITUATIONS = {
    "on_files": ({A: [(0, b"Z")], B: [(0, b"K")], C: [(0, b"Z")]}, 60),
    "after_a_failure": ({A: [(0, b"Z")], B: [(0, b"D")]}, 60),
    "in_flight": ({A: [(20, b"Z")], B: [(0, b"K")], C: [(0, b"Z")]}, 5),
    "in_memory": ({A: [(20, b"Z")], C: [(20, b"K")]}, 0.01),
}


class Cuts(TestCase):
    """Power cuts and kills at every step."""

    def travel(self, wish, name, skips=lambda step, what: False):
        """Make one journey under both models; give how many states were tried, and how often it was done."""
        script, wished_after = SITUATIONS[name]
        states = done = 0
        for model in MODELS:
            journey = WishJourney(model, script, wish, wished_after, skips)
            journey.travel()
            states += journey.states
            done += journey.is_done
        return states, done

    def test_done(self):
        """The machine that makes the journeys sees many states, and that wishes are fulfilled."""
        states, done = self.travel(b"bounce", "on_files")
        self.assertGreater(states, 20)
        self.assertEqual(done, 2)

    def test_syncs(self):
        """Leaving out the sync of what makes a wish durable is noticed."""
        for wish, step, what in ((b"hold", "fsync", "mode"), (b"bounce", "fsync", "bounce"),
                                 (b"delete", "fsync_dir", "info/1"), (b"bounce", "fsync_dir", "info/1")):
            try:
                for name in SITUATIONS:
                    self.travel(wish, name, lambda done, to, step=step, what=what: (done, to) == (step, what))
            except AssertionError:
                continue
            self.fail(f"nobody noticed that {step} of {what} was left out of {wish}")


def _journey(wish, name):
    """Make the test of one journey."""

    def test(self):
        """See what the journey's name says."""
        self.travel(wish.encode(), name)

    how = name.replace("_", " ")
    test.__doc__ = f"A message {how} that shall be {wish}: no cut undoes what was told, or loses mail."
    return test


for _wish in ("bounce", "delete", "hold"):
    for _name in SITUATIONS:
        setattr(Cuts, f"test_{_wish}_{_name}", _journey(_wish, _name))
