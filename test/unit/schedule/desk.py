"""The scheduler on a real queue directory, with a clock, a door, spawners and an intake that do as the test says."""

from __future__ import annotations

import os

from twisted.internet.task import Clock

from qtwisted.model.envelope import Envelope, todo_record
from qtwisted.schedule.due import Agenda
from qtwisted.schedule.jobs import Settings
from qtwisted.schedule.log import Log
from qtwisted.schedule.route import Router
from qtwisted.schedule.scheduler import Scheduler
from qtwisted.schedule.times import Times
from qtwisted.store.kinds.ledger import Ledger
from qtwisted.store.kinds.memory import MemoryIntake
from qtwisted.store.kinds.together import GroupSync
from qtwisted.system.disk import Disk

SPLIT = 23
START = 1_800_000_000
HOST = b"test.example"


def make_queue(path):
    """Make the directories and lock files of an empty queue."""
    for kind in ("bounce", "intd", "lock", "pid", "todo"):
        os.makedirs(f"{path}/{kind}")
    for kind in ("mess", "info", "local", "remote"):
        for part in range(SPLIT):
            os.makedirs(f"{path}/{kind}/{part}")
    open(f"{path}/lock/sendmutex", "w").close()


class Door:
    """Removes queue files on command, as the real door does; answers in a later turn."""

    def __init__(self, desk):
        """Work for one desk; put words into ``words`` to have commands fail."""
        self.desk = desk
        self.commands = []
        self.words = []
        self.held = None

    def clean(self, command, answer):
        """Carry out one command."""
        self.commands.append(command.decode())
        if self.held is not None:
            self.held.append((command, answer))
            return
        self.carry_out(command, answer)

    def carry_out(self, command, answer):
        """Remove the files and answer."""
        word = self.words.pop(0) if self.words else b"+"
        if word == b"+":
            verb, number = command.decode().split("/")
            names = {
                "todo": [f"intd/{number}", f"todo/{number}"],
                "foop": [f"intd/{number}", self.desk.name("mess", number)],
                "done": [f"todo/{number}", f"intd/{number}", self.desk.name("mess", number)],
            }
            for name in names[verb]:
                self.desk.disk.discard(name)
            self.desk.disk.fsync_dir("todo")
        self.desk.clock.callLater(0, answer, word)

    def release(self):
        """Carry out what was held back."""
        held, self.held = self.held, None
        for command, answer in held:
            self.carry_out(command, answer)


class Desk:
    """One queue, and one run of the scheduler after another."""

    def __init__(self, path, disk=None, **settings):
        """Make an empty queue at *path*; *settings* are those of ``run``."""
        self.path = path
        make_queue(path)
        self.disk = disk or Disk(path)
        self.clock = Clock()
        self.jump = 0
        self.clock.advance(100_000)
        self.settings = settings
        self.text = ""
        self.intake = MemoryIntake()
        self.number = 20
        self.begin()

    def wall(self):
        """Tell the wall time, which a test may set with ``jump``."""
        return START - 100_000 + self.clock.seconds() + self.jump

    def now(self):
        """Tell the wall time in whole seconds."""
        return int(self.wall())

    def begin(self, **changes):
        """Make a scheduler, as a new process would; it does nothing before ``start``."""
        self.settings.update(changes)
        wanted = self.settings
        self.door = Door(self)
        self.orders = []
        self.stopped = False
        self.armed = 0
        self.ledger = Ledger(self.disk, SPLIT)
        agenda = Agenda()
        times = Times(self.wall, self.clock.seconds, self.ledger.stamp(), agenda.shift)
        self.reread_gives = None
        self.scheduler = Scheduler(
            clock=self.clock,
            outside=self,
            ledger=self.ledger,
            sync=GroupSync(self.disk, self.clock),
            intake=self.intake,
            log=Log(self.clock, self.write),
            times=times,
            agenda=agenda,
            settings=Settings(
                wanted.get("lifetime", 604800),
                wanted.get("bouncefrom", b"MAILER-DAEMON"),
                wanted.get("bouncehost", HOST),
                (wanted.get("doublebounceto", b"postmaster"), HOST),
            ),
            router=Router(
                HOST, [HOST], wanted.get("percenthack", ()), wanted.get("virtualdomains", {})
            ),
            limits=wanted.get("limits", (10, 20)),
            widths=wanted.get("widths", (1, 1)),
        )

    def start(self):
        """Let the scheduler begin, and do what there is to do now."""
        self.scheduler.start()
        self.settle()
        return self

    # What the scheduler asks for

    def write(self, piece, within):
        """Take log lines."""
        self.text += piece.decode("latin-1")
        return len(piece)

    def order(self, channel, order):
        """Take an order: (channel, slot, messid, sender, recipient)."""
        width = self.settings.get("widths", (1, 1))[channel]
        messid, sender, recipient, _ = order[width:].split(b"\0")
        slot = int.from_bytes(order[:width], "little")
        self.orders.append((channel, slot, messid.decode(), sender, recipient))

    def clean(self, command, answer):
        """Take a command for the door."""
        self.door.clean(command, answer)

    def arm(self):
        """Count how often the trigger is made ready."""
        self.armed += 1

    def reread(self):
        """Give what the test prepared."""
        return self.reread_gives

    def stop(self):
        """Note that the process would end."""
        self.stopped = True

    # What a test does

    def settle(self, turns=400):
        """Let everything happen that happens without time passing."""
        for _ in range(turns):
            calls = self.clock.getDelayedCalls()
            if not any(call.getTime() <= self.clock.seconds() for call in calls):
                return
            self.clock.advance(0)
        raise AssertionError("it does not come to rest")

    def wait(self, seconds):
        """Let time pass, moment by moment."""
        end = self.clock.seconds() + seconds
        while True:
            self.settle()
            times = [call.getTime() for call in self.clock.getDelayedCalls()]
            upcoming = min([at for at in times if at <= end], default=None)
            if upcoming is None:
                break
            self.clock.advance(max(0.0, upcoming - self.clock.seconds()))
        self.clock.advance(end - self.clock.seconds())
        self.settle()

    def name(self, kind, number):
        """Name a queue file."""
        return f"{kind}/{int(number) % SPLIT}/{number}"

    def put(self, name, data, at=None):
        """Write a queue file by hand."""
        with open(f"{self.path}/{name}", "wb") as file:
            file.write(data)
        at = self.now() if at is None else at
        os.utime(f"{self.path}/{name}", (at, at))

    def store(self, *recipients, sender=b"joe@test.example", text=b"Subject: x\n\nhello\n", number=None, uid=1002):
        """Queue a message as the door would, without telling; give its number, size and todo record."""
        if number is None:
            self.number += 1
            number = self.number
        record = todo_record(uid, 7000 + number, Envelope(sender, recipients))
        self.put(self.name("mess", number), text)
        self.put(f"intd/{number}", record)
        self.put(f"todo/{number}", record)
        return number, len(text), record

    def arrive(self, *recipients, **more):
        """Queue a message and have the door tell of it."""
        number, size, record = self.store(*recipients, **more)
        self.scheduler.arrived(number, size, record)
        self.settle()
        return number

    def report(self, text, channel=1, slot=0):
        """Have a spawner report."""
        self.scheduler.reported(channel, slot, text)
        self.settle()

    def taken(self):
        """Give the log lines since the last time."""
        lines, self.text = self.text.split("\n"), ""
        assert lines.pop() == ""
        return lines

    def files(self, number=None):
        """List all files of the queue, or those of one message."""
        found = []
        for directory, _, names in os.walk(self.path):
            kind = os.path.relpath(directory, self.path).split("/")[0]
            found += [kind for name in names if kind != "lock" and (number is None or name == str(number))]
        return sorted(found)

    def read(self, kind, number):
        """Read a queue file of ours."""
        name = f"{kind}/{number}" if kind in ("bounce", "todo") else self.name(kind, number)
        with open(f"{self.path}/{name}", "rb") as file:
            return file.read()

    def mtime(self, kind, number):
        """Tell the modification time of a queue file."""
        return int(os.stat(f"{self.path}/{self.name(kind, number)}").st_mtime)
