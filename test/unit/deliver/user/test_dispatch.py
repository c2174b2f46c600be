"""The way of deliveries through qmail-lspawn, with children that answer when the test says so."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from qtwisted.config.users import User, UserError
from qtwisted.deliver.user import dispatch, shares
from qtwisted.deliver.user.dispatch import DELIVERY_FOR, Dispatch
from qtwisted.deliver.user.shares import PATIENCE_FOR, PUT_OFF, Shares
from qtwisted.deliver.user.worker import ACCOUNTS, RECIPIENT, Identity
from qtwisted.wire.spawn import Order, Report

if TYPE_CHECKING:
    from collections.abc import Iterator

JOE = User(b"joe", 1001, 2001, b"/home/joe", b"", b"")
ANN = User(b"ann", 1002, 2002, b"/home/ann", b"-", b"X")
GETPW = Identity(ACCOUNTS, b"", 5, 6)


class KnownUsers:
    """What is known about local parts: a user, None for unknown, or an error."""

    def __init__(self) -> None:
        """Know joe and ann."""
        self.known: dict[bytes, User | int | None] = {b"joe": JOE, b"ann": ANN, b"root": JOE._replace(uid=0)}
        self.learnt: list[tuple[bytes, User]] = []

    def find(self, local: bytes) -> User | None:
        """The user for a local part."""
        found = self.known.get(local)
        if isinstance(found, int):
            raise UserError(found)
        return found

    def learn(self, local: bytes, user: User) -> None:
        """Note what was found out."""
        self.learnt.append((local, user))


class Child:
    """A child with a job."""

    def __init__(self, identity: Identity, job: object, packet: bytes, since: float) -> None:
        """Begin."""
        self.identity, self.job, self.packet, self.since = identity, job, packet, since
        self.said: bytes | None = None
        self.pid = 4711


class NotedChildren:
    """Children that do nothing until they are told what to answer."""

    def __init__(self, clock: Clock) -> None:
        """Have none."""
        self.clock = clock
        self.given: list[Child] = []
        self.fail = False
        self.messages: list[bytes] = []
        self.idle_looks = 0

    def give(self, identity: Identity, job: object, packet: bytes, fd: int | None = None) -> Child:
        """Note a job, and read the message that comes with it."""
        if self.fail:
            raise OSError(11, "no more processes")
        self.given.append(Child(identity, job, packet, self.clock.seconds()))
        if fd is not None:
            self.messages.append(os.pread(fd, 100, 0))
        return self.given[-1]

    def answer(self, child: Child) -> bytes | None:
        """What a child says now; it is idle afterwards."""
        child.job = None
        return child.said

    def busy(self) -> Iterator[Child]:
        """Those at work."""
        return (child for child in self.given if child.job is not None)

    def let_go_idle(self) -> None:
        """Note that it was time."""
        self.idle_looks += 1


class DispatchTests(SynchronousTestCase):
    """From order to report."""

    is_root = True

    def setUp(self) -> None:
        """One message, four slots."""
        self.addCleanup(os.chdir, os.getcwd())
        os.makedirs(mess := self.mktemp() + "/0")
        os.chdir(os.path.dirname(mess))
        with open("0/1", "w") as file:
            file.write("the message")
        self.clock = Clock()
        self.clock.advance(1000)
        self.reports: list[Report] = []
        self.log: list[str] = []
        self.users = KnownUsers()
        self.children = NotedChildren(self.clock)
        self.descriptors = len(os.listdir("/proc/self/fd"))
        turns = Shares(4, shares.a_quarter(4), self.clock.seconds)
        self.dispatch = Dispatch(os.getuid(), self.users, GETPW, turns, self.children,  # type: ignore[arg-type]
                                 None if self.is_root else JOE.uid, self.clock.seconds, self.reports.append,
                                 self.log.append)

    def order(self, delnum: int, recipient: bytes = b"joe@Host", messid: bytes = b"0/1") -> None:
        """Give an order."""
        self.dispatch.begin(Order(delnum, messid, b"s@t", recipient))

    def answer(self, child: int, said: bytes | None) -> None:
        """Have a child answer, or end without an answer."""
        self.children.given[child].said = said
        self.dispatch.answered(self.children.given[child])  # type: ignore[arg-type]

    def test_delivered(self) -> None:
        """A child of the user gets the message and all that is known; its answer becomes the report."""
        self.order(3, b"ann@Host")
        (child,) = self.children.given
        self.assertEqual(child.identity, Identity(RECIPIENT, b"ann", 1002, 2002))
        self.assertEqual(child.packet, b"/home/ann\0ann\0-\0X\0Host\0s@t")
        self.assertEqual(self.children.messages, [b"the message"])
        self.assertEqual((self.reports, list(self.dispatch.jobs)), ([], [3]))
        self.answer(0, b"\0did 1+0+0\n")
        self.assertEqual((self.reports, self.dispatch.jobs), ([Report(3, b"Kdid 1+0+0\n")], {}))

    def test_descriptors(self) -> None:
        """The message is closed here as soon as the child has it, and in every other case too."""
        self.order(0)
        self.order(1, b"root@x")
        self.order(2, b"@x")
        self.order(3, messid=b"0/9")
        self.users.known[b"bad"] = 117
        self.order(4, b"bad@x")
        self.assertEqual(len(os.listdir("/proc/self/fd")), self.descriptors)

    def test_recipient_with_several_ats(self) -> None:
        """The domain is what follows the last @; case is kept."""
        self.users.known[b"x@Y"] = JOE
        self.order(0, b"x@Y@Z.example")
        self.assertEqual(self.children.given[0].packet.split(b"\0")[1:5], [b"x@Y", b"", b"", b"Z.example"])

    def test_exit_codes(self) -> None:
        """A child's code decides what its words mean."""
        for code, report in ((0, b"Ksaid X"), (100, b"Dsaid X"), (111, b"Zsaid X"),
                             (112, b"ZInternal qmail-lspawn bug.\n")):
            self.order(0)
            self.answer(-1, b"%csaid X" % code)
            self.assertEqual(self.reports.pop(), Report(0, report))

    def test_crashed(self) -> None:
        """A child that ends without an answer has crashed."""
        self.order(0)
        self.answer(0, None)
        self.assertEqual(self.reports, [Report(0, b"Zqmail-local crashed.\n")])

    def test_no_message(self) -> None:
        """Without a message nobody is looked up (rows 10 to 13)."""
        self.order(0, messid=b"0/9")
        self.order(1, messid=b"0")
        self.assertEqual(self.reports, [Report(0, b"Zqmail-spawn unable to open message. (#4.3.0)\n"),
                                        Report(1, b"ZSorry, message has wrong type. (#4.3.5)\n")])
        self.assertEqual((self.children.given, self.dispatch.jobs), ([], {}))

    def test_trash_address(self) -> None:
        """An empty local part is success, and nothing is run (SPN-16)."""
        self.order(0, b"@x")
        self.assertEqual((self.reports, self.children.given), ([Report(0, b"K")], []))

    def test_root(self) -> None:
        """Root gets no deliveries (SPN-24)."""
        self.order(0, b"root@x")
        self.assertEqual(self.reports, [Report(0, b"ZNot allowed to perform deliveries as root.\n")])

    def test_bad_assignments(self) -> None:
        """Trouble with users/cdb puts mail off (SPN-18)."""
        self.users.known[b"joe"] = 117
        self.order(0)
        self.assertEqual(self.reports, [Report(0, b"ZTrouble reading users/cdb in qmail-lspawn.\n")])

    def test_asked(self) -> None:
        """Without an assignment a child that looks up accounts is asked, once for all who wait for the same."""
        self.order(0, b"Bob-x@h")
        self.order(1, b"Bob-x@h")
        self.order(2, b"carl@h")
        self.assertEqual([(child.identity, child.packet) for child in self.children.given],
                         [(GETPW, b"Bob-x"), (GETPW, b"carl")])
        bob = User(b"bob", 1003, 2003, b"/home/bob", b"-", b"x")
        self.answer(0, b"\0" + bob.record())
        self.assertEqual(self.users.learnt, [(b"Bob-x", bob)])
        self.assertEqual([child.identity.name for child in self.children.given[2:]], [b"bob", b"bob"])
        self.assertEqual(self.children.given[2].packet, b"/home/bob\0Bob-x\0-\0x\0h\0s@t")

    def test_exit_codes_of_getpw(self) -> None:
        """What qmail-getpw exits with, the delivery does (SPN-20)."""
        for answer, report in ((b"\0", b"ZInternal qmail-lspawn bug.\n"), (b"s", b"ZNFS failure in qmail-local.\n"),
                               (b"t", b"ZUnable to find alias user!\n"), (b"d", b"D"),
                               (None, b"ZTemporary failure in qmail-lspawn.\n"),
                               (b"\0bob\0", b"ZInternal qmail-lspawn bug.\n"),
                               (b"\0bob\0x\0001\0/\0\0\0", b"ZNot allowed to perform deliveries as root.\n")):
            self.order(0, b"bob@h")
            self.answer(-1, answer)
            self.assertEqual(self.reports.pop(), Report(0, report))

    def test_no_fork(self) -> None:
        """Without processes mail is put off, and the log says why."""
        self.children.fail = True
        self.order(0)
        self.order(1, b"bob@h")
        self.assertEqual(self.reports, [Report(0, b"Zqmail-spawn unable to fork. (#4.3.0)\n"),
                                        Report(1, b"ZTemporary failure in qmail-lspawn.\n")])
        self.assertEqual(self.log, ["warning: qmail-lspawn: unable to start a child: no more processes"] * 2)
        self.assertEqual(self.dispatch.jobs, {})

    def test_order_of_reports(self) -> None:
        """Reports come in the order in which deliveries end."""
        self.order(0)
        self.order(1, b"ann@x")
        self.answer(1, b"\0")
        self.answer(0, b"\0")
        self.assertEqual([report.delnum for report in self.reports], [1, 0])

    def test_turns(self) -> None:
        """A user who has his share waits until one of his deliveries ends, others do not."""
        for delnum in range(4):
            self.order(delnum)
        self.assertEqual(len(self.children.given), 3)
        self.order(4, b"ann@x")
        self.assertEqual(self.children.given[3].identity.name, b"ann")
        self.answer(3, b"\0")
        self.assertEqual(len(self.children.given), 4)
        self.answer(0, b"\0")
        self.assertEqual((len(self.children.given), len(self.children.messages)), (5, 5))
        self.assertEqual(len(os.listdir("/proc/self/fd")), self.descriptors)

    def test_patience(self) -> None:
        """Who has waited too long is put off."""
        for delnum in range(4):
            self.order(delnum)
        self.clock.advance(PATIENCE_FOR)
        self.dispatch.tick()
        self.assertEqual(self.reports, [])
        self.clock.advance(0.5)
        self.dispatch.tick()
        self.assertEqual(self.reports, [Report(3, PUT_OFF)])
        self.assertEqual(len(os.listdir("/proc/self/fd")), self.descriptors)

    def test_stuck(self) -> None:
        """While a user's deliveries hang, more of his mail is put off at once (L15, L16)."""
        for delnum in range(3):
            self.order(delnum)
        self.clock.advance(PATIENCE_FOR + 1)
        self.order(3)
        self.assertEqual(self.reports, [Report(3, PUT_OFF)])

    def test_too_long(self) -> None:
        """A delivery that takes more than a day is ended."""
        killed = []
        self.patch(dispatch.os, "kill", lambda *arguments: killed.append(arguments))
        self.order(0)
        self.clock.advance(DELIVERY_FOR)
        self.dispatch.tick()
        self.assertEqual(killed, [])
        self.clock.advance(1)
        self.dispatch.tick()
        self.assertEqual(killed, [(4711, 9)])
        self.assertEqual(self.children.idle_looks, 2)


class NotRootTests(DispatchTests):
    """The same without root's rights, as joe: everything is the same but that others get no mail."""

    is_root = False

    def setUp(self) -> None:
        """Let ann and bob be other names of joe."""
        super().setUp()
        self.users.known[b"ann"] = ANN._replace(uid=JOE.uid)

    def test_others(self) -> None:
        """Mail for another user is put off, with a clear text."""
        self.users.known[b"eve"] = ANN
        self.order(0, b"eve@h")
        self.assertEqual(self.reports, [
            Report(0, b"ZUnable to deliver to another user without root privileges. (#4.3.5)\n")])

    def test_delivered(self) -> None:
        """Mail for the user himself is delivered."""
        self.order(0)
        self.answer(0, b"\0did 1+0+0\n")
        self.assertEqual(self.reports, [Report(0, b"Kdid 1+0+0\n")])

    def test_asked(self) -> None:
        """An account that is another's gets nothing, however it was found."""
        self.order(0, b"bob@h")
        self.answer(0, b"\0" + User(b"bob", 1003, 2003, b"/home/bob", b"", b"").record())
        self.assertEqual([report.text for report in self.reports], [dispatch.OTHER_USER])

    def test_turns(self) -> None:
        """One user is one user, under any name."""
        for delnum in range(4):
            self.order(delnum, b"ann@x" if delnum % 2 else b"joe@x")
        self.assertEqual(len(self.children.given), 3)

    def test_exit_codes_of_getpw(self) -> None:
        """A record that makes no sense is still a bug, and root still gets nothing."""
        for answer, report in ((b"\0bob\0", b"ZInternal qmail-lspawn bug.\n"),
                               (b"\0bob\0x\0001\0/\0\0\0", b"ZNot allowed to perform deliveries as root.\n")):
            self.order(0, b"bob@h")
            self.answer(-1, answer)
            self.assertEqual(self.reports.pop(), Report(0, report))
