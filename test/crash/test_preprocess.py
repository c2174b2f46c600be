"""qmail-send is killed, or loses power, after every single step of preprocessing, delivery, bounce and
elimination.

After each cut a new qmail-send starts on what is found and delivers whatever is left. Then every recipient
must have the message or be named in a bounce (V1); nobody who was settled for good gets it again (V2, V3);
nothing of the message is left in the queue (C14 to C34). Each sync that is left out must be noticed: that
shows the test can see.
"""

from __future__ import annotations

import os

from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from qtwisted.model.envelope import Envelope, todo_record
from qtwisted.schedule import arrivals
from qtwisted.schedule.due import Agenda
from qtwisted.schedule.jobs import Settings
from qtwisted.schedule.log import Log
from qtwisted.schedule.route import Router
from qtwisted.schedule.scheduler import Scheduler
from qtwisted.schedule.times import Times
from qtwisted.store.kinds.ledger import Ledger
from qtwisted.store.kinds.memory import MemoryIntake
from qtwisted.store.kinds.together import GroupSync
from test.kit import powercut

SPLIT = 2
START = 1_800_000_000
NUMBER = 31
HERE = b"test.example"
MODELS = ("weak", "ordered")
#: possible states tried after one step
STATES_MAX = 60


class SendDisk(powercut.PowerCutDisk):
    """The disk of power cuts, with what qmail-send does besides; its syncs are known by the directory of the file."""

    def open(self, path, flags=os.O_RDONLY, mode=0):
        """Open a file, for appending too."""
        if flags & os.O_CREAT and not self.exists(path):
            return self.create(path, mode)
        fd = super().open(path, flags, mode)
        if flags & os.O_APPEND:
            number, at = self._fds[fd]
            at[0] = len(self.contents[number])
        return fd

    def read(self, fd, count):
        """Read on."""
        number, at = self._fds[fd]
        data = self.contents[number][at[0] : at[0] + count]
        at[0] += len(data)
        return data

    def write_at(self, fd, data, offset):
        """Overwrite in the middle."""
        number = self._fds[fd][0]
        self._step("write", str(number))
        old = self.contents[number]
        self._set(number, old[:offset] + data + old[offset + len(data) :])

    def _possible(self, number):
        """What a file may hold: a single byte is never torn."""
        found = super()._possible(number)
        last, before = self.versions[number][-1], self.durable.get(number, b"")
        return found[:-1] if len(last) == len(before) else found

    def fsync(self, fd):
        """Make a content durable; files are told apart by what they hold."""
        number = self._fds[fd][0]
        content = self.contents[number]
        kind = {b"F": "info", b"<": "bounce"}.get(content[:1], "recipients")
        self._step("fsync", kind)
        if not self._skips("fsync", kind):
            self._settle(number)
            if self.model == "ordered":
                self._commit()
        self.after_step()


def queue_with_message(*recipients):
    """Make the image of a queue in which a message was accepted."""
    image = powercut.empty_queue(SPLIT)
    for kind in ("local", "remote", "info"):
        for part in range(SPLIT):
            image.names[f"{kind}/{part}"] = {}
    image.names.update({"bounce": {}, "lock": {"sendmutex": 900}})
    record = todo_record(1, 2, Envelope(b"joe@test.example", recipients))
    image.names["mess/1"][str(NUMBER)] = NUMBER
    image.names["intd"][str(NUMBER)] = image.names["todo"][str(NUMBER)] = 32
    image.contents.update({NUMBER: b"Subject: x\n\nhello\n", 32: record, 900: b""})
    return image


class World:
    """One qmail-send on a disk, and what the world outside sees of it."""

    def __init__(self, disk, script, began_at=0):
        """Let spawners answer by *script*: recipient to verdicts, the last one repeated."""
        self.disk = disk
        self.clock = Clock()
        self.clock.advance(100_000 + began_at)
        self.script = {recipient: list(verdicts) for recipient, verdicts in script.items()}
        self.delivered = []
        self.intake = MemoryIntake()
        agenda = Agenda()
        self.ledger = Ledger(disk, SPLIT)
        self.scheduler = Scheduler(
            clock=self.clock,
            outside=self,
            ledger=self.ledger,
            sync=GroupSync(disk, self.clock),
            intake=self.intake,
            log=Log(self.clock, lambda piece, within: len(piece)),
            times=Times(self.wall, self.clock.seconds, None, agenda.shift),
            agenda=agenda,
            settings=Settings(604800, b"MAILER-DAEMON", HERE, (b"postmaster", HERE)),
            router=Router(HERE, [HERE]),
            limits=(10, 20),
        )

    def wall(self):
        """Tell the time."""
        return START + self.clock.seconds()

    def run(self, seconds):
        """Let time pass, moment by moment."""
        end = self.clock.seconds() + seconds
        while True:
            self.clock.advance(0)
            upcoming = [call.getTime() for call in self.clock.getDelayedCalls() if call.getTime() <= end]
            if not upcoming:
                break
            self.clock.advance(max(0.0, min(upcoming) - self.clock.seconds()))
        self.clock.advance(max(0.0, end - self.clock.seconds()))

    # What the scheduler asks for

    def order(self, channel, order):
        """Deliver, and report in a while."""
        recipient = order.split(b"\0")[-2]
        verdicts = self.script.get(recipient, [(0, b"K")])
        wait, verdict = verdicts.pop(0) if len(verdicts) > 1 else verdicts[0]
        self.clock.callLater(wait, self.report, channel, order[0], recipient, verdict)

    def report(self, channel, slot, recipient, verdict):
        """Deliver and tell."""
        if verdict == b"K":
            self.delivered.append(recipient)
        self.scheduler.reported(channel, slot, verdict + b"said so\n")

    def clean(self, command, answer):
        """Remove files as the door does, durably."""
        verb, number = command.split(b"/")
        name = number.decode()
        mess = f"mess/{int(number) % SPLIT}/{name}"
        if verb in (b"todo", b"done"):
            self.disk.discard(f"intd/{name}")
            self.disk.discard(f"todo/{name}")
            self.disk.fsync_dir("todo")
            self.disk.fsync_dir("intd")
        if verb in (b"foop", b"done"):
            self.disk.discard(f"intd/{name}")
            self.disk.discard(mess)
        self.clock.callLater(0, answer, b"+")

    def arm(self):
        """There is no trigger."""

    def reread(self):
        """There is no HUP."""

    def stop(self):
        """There is no TERM."""


class Journey:
    """One message on its way, cut off after every step."""

    def __init__(self, model, script, moments, skips=lambda step, what: False):
        """Prepare; *moments* are spans of time, after each of which what was settled is settled for good."""
        self.script = script
        self.moments = moments
        self.disk = SendDisk(queue_with_message(*script), model, skips)
        self.world = World(self.disk, script)
        self.firm = []
        self.seen = set()
        self.states = 0

    def travel(self):
        """Let it happen."""
        self.disk.after_step = self.cut
        self.world.scheduler.start()
        for seconds in self.moments:
            self.world.run(seconds)
            self.firm = list(self.world.delivered)
        assert not self.left(self.disk.image()), self.left(self.disk.image())

    def cut(self):
        """Start anew from each state that may be found now."""
        images = [self.disk.image()]
        images += [image for image, _ in zip(self.disk.crash_states(), range(STATES_MAX), strict=False)]
        for image in images:
            known = (
                tuple(sorted((kind, tuple(sorted(names.items()))) for kind, names in image.names.items())),
                tuple(sorted(image.contents.items())),
                len(self.world.intake.messages),
                tuple(self.world.delivered),
                tuple(self.firm),
            )
            if hash(known) not in self.seen:
                self.seen.add(hash(known))
                self.recover(image)

    def recover(self, image):
        """Let a new qmail-send do the rest and see what came of it."""
        self.states += 1
        script = {recipient: [(0, verdicts[-1][1])] for recipient, verdicts in self.script.items()}
        world = World(SendDisk(image, "weak"), script, began_at=10_000)
        world.scheduler.start()
        world.run(2000)
        left = self.left(world.disk.image())
        assert not left, f"left in the queue: {left}"
        bounces = b"".join(message.text for message in self.world.intake.messages + world.intake.messages)
        for recipient in self.script:
            named = b"<%s>:\n" % recipient in bounces
            has_it = recipient in self.world.delivered or recipient in world.delivered
            assert has_it or named, f"{recipient!r} was lost"
            assert not (recipient in self.firm and recipient in world.delivered), f"{recipient!r} got it again"
        assert set(world.delivered) <= set(self.script), "a stranger got it"

    def left(self, image):
        """List the files left.

        Where names vanish in any order, a bounce or recipient file may survive its info file. It means
        nothing then, and goes when a message of the same number is written down.
        """
        harmless = ("lock", "bounce", "local", "remote") if self.disk.model == "weak" else ("lock",)
        return [f"{kind}/{name}" for kind, names in image.names.items() for name in names
                if kind.partition("/")[0] not in harmless]


A, B, C, D = b"a@remote.example", b"b@remote.example", b"c@test.example", b"d@remote.example"

#: what spawners answer, and the spans after which what is settled is settled for good
JOURNEYS = {
    "all at once": ({A: [(0, b"K")], C: [(0, b"K")]}, (60,)),
    "a failure at once": ({A: [(0, b"K")], B: [(0, b"D")], C: [(0, b"K")]}, (60,)),
    "somebody left over": (
        {A: [(0, b"K")], B: [(0, b"Z"), (0, b"K")], C: [(0, b"D")], D: [(0, b"Z"), (0, b"D")]}, (60, 500)),
    "slow": ({A: [(0.1, b"K")], B: [(3, b"K")], C: [(4, b"D")], D: [(5, b"K")]}, (2.5, 1, 60)),
    "last one fails": ({A: [(0, b"Z"), (0, b"D")], B: [(2, b"K")]}, (60, 500)),
}


class Cuts(TestCase):
    """Power cuts and kills at every step."""

    def travel(self, name, skips=lambda step, what: False, at_once=True):
        """Make one journey under both models; without first attempts from todo if wanted. Count the states tried."""
        if not at_once:
            self.patch(arrivals, "RECIPIENTS_MAX", 0)
        script, moments = JOURNEYS[name]
        states = 0
        for model in MODELS:
            journey = Journey(model, script, moments, skips)
            journey.travel()
            states += journey.states
        return states

    def test_nothing_left_out(self):
        """The machine that makes the journeys tries many states."""
        self.assertGreater(self.travel("somebody left over"), 100)

    def assert_noticed(self, step, what, *names, at_once=True):
        """Check that leaving out a sync is noticed on one of the journeys."""
        for name in names:
            try:
                self.travel(name, lambda done, to: (done, to) == (step, what), at_once)
            except AssertionError:
                return
        self.fail(f"nobody noticed that {step} of {what} was left out")

    def test_syncs_of_files(self):
        """Leaving out the sync of info, of recipients or of bounces is noticed."""
        for what in ("info", "recipients", "bounce"):
            self.assert_noticed("fsync", what, "somebody left over", "slow", "last one fails")

    def test_syncs_of_directories(self):
        """Leaving out the sync of any directory of ours is noticed."""
        for what in ("info/1", "local/1", "remote/1", "bounce"):
            self.assert_noticed("fsync_dir", what, "somebody left over", "slow", "last one fails")

    def test_sync_of_todo(self):
        """Leaving out the sync of todo before deliveries from files is noticed (C23)."""
        self.assert_noticed("fsync_dir", "todo", "slow", "somebody left over")


def _journey(name, at_once):
    """Make the test of one journey."""

    def test(self):
        """See what the journey's name says."""
        self.travel(name, at_once=at_once)

    how = "tried from todo" if at_once else "written down first"
    test.__doc__ = f"A message {how}, {name}: no cut loses, repeats or leaves anything."
    return test


for _name in JOURNEYS:
    for _at_once in (True, False):
        _label = f"test_{_name.replace(' ', '_')}_{'at_once' if _at_once else 'from_files'}"
        setattr(Cuts, _label, _journey(_name, _at_once))
