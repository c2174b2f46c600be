"""Programs in the place of qmail-queue: what they get, and what their end means."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from twisted.internet import reactor
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.trial.unittest import SynchronousTestCase, TestCase

from qtwisted.model.envelope import Envelope
from qtwisted.store.client import open_submission
from qtwisted.store.feeder import Feeder

if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Any

    from qtwisted.model.submission import Result

ENVELOPE = Envelope(b"s@x", (b"r@y",))

#: what a program does, and what its caller is told
TABLE = (
    ("exit 0", b""),
    ("exit 31", b"Dmail server permanently rejected message (#5.3.0)"),
    ("exit 99", b"Zqq temporary problem (#4.3.0)"),
    ("cat >/dev/null; exit 1", b"Zqq temporary problem (#4.3.0)"),
    ("kill -9 $$", b"Zqq crashed (#4.3.0)"),
    ("cat >/dev/null; printf 'Dno thanks' >&6; exit 82", b"Dno thanks"),
    ("printf 'Zlater' >&6; exit 82", b"Zlater"),
    ("printf 'Xodd' >&6; exit 82", b"Zodd"),
    ("printf 'D1' >&6; exit 82", b"Zqq temporary problem (#4.3.0)"),
    ("exit 82", b"Zqq temporary problem (#4.3.0)"),
    ("printf 'Dno thanks' >&6; exit 0", b""),
    ("sleep 1000 & echo $! >child; exit 31", b"Dmail server permanently rejected message (#5.3.0)"),
)


class ProgramCase:
    """A home with a program in it."""

    home: str

    def make(self, script: str) -> dict[str, str]:
        """Write a program that keeps what it got; give the environment that names it."""
        case: Any = self
        self.home = os.path.abspath(case.mktemp())
        os.mkdir(self.home)
        path = self.home + "/queue program"
        with open(path, "w", encoding="ascii") as file:
            file.write(
                "#!/bin/sh\ncat >text\ncat <&1 >envelope\nls /proc/self/fd >fds\npwd >here\n"
                f'printf %s "$0" >name\nenv >env\n{script}\n'
            )
        os.chmod(path, 0o755)
        case.addCleanup(self.kill_child)
        return {"QMAILQUEUE": "queue program", "PATH": os.environ["PATH"], "KEPT": "yes"}

    def kill_child(self) -> None:
        """End what a program left behind."""
        try:
            os.kill(int(self.got("child")), 9)
        except FileNotFoundError:
            pass

    def got(self, name: str) -> str:
        """What the program wrote down."""
        with open(f"{self.home}/{name}", encoding="latin-1") as file:
            return file.read()

    def check(self) -> None:
        """The program got the message, the envelope, its name, the home, and no other descriptors."""
        case: Any = self
        case.assertEqual(self.got("text"), "hi\n" * 10000)
        case.assertEqual(self.got("envelope"), "Fs@x\0Tr@y\0\0")
        case.assertEqual(self.got("here"), self.home + "\n")
        case.assertIn("KEPT=yes\n", self.got("env"))
        listing = "3"  # the directory that ls itself has open
        case.assertLessEqual(set(self.got("fds").split()), {"0", "1", "2", "6", listing})


class BlockingTests(ProgramCase, SynchronousTestCase):
    """The variant that waits."""

    def submit(self, environ: dict[str, str]) -> Result:
        """Hand in a message."""
        submission = open_submission(self.home, environ)
        for _ in range(10):
            submission.write(b"hi\n" * 1000)
        return submission.commit(ENVELOPE)

    def test_table(self) -> None:
        """Each end of a program has its meaning; a process it leaves behind is not waited for."""
        for script, problem in TABLE:
            self.assertEqual(self.submit(self.make(script)).problem, problem, script)
            self.check()
            self.kill_child()

    def test_number(self) -> None:
        """The number is the process of the program."""
        result = self.submit(self.make("echo $$ >pid"))
        self.assertEqual(result.qp, int(self.got("pid")))

    def test_own_fd(self) -> None:
        """A child that holds descriptor 6 open does not hold us up, and more text than counts is cut."""
        environ = self.make(
            "sleep 1000 6>&6 & echo $! >child; head -c 300 /dev/zero | tr '\\0' D >&6; exit 82"
        )
        self.assertEqual(self.submit(environ).problem, b"D" * 255)

    def test_does_not_read(self) -> None:
        """A program that takes no message but says it did is not believed."""
        environ = self.make("")
        with open(self.home + "/queue program", "w", encoding="ascii") as file:
            file.write("#!/bin/sh\nexec <&- >&-\nexit 0\n")
        submission = open_submission(self.home, environ)
        for _ in range(100):
            submission.write(bytes(10000))
        self.assertEqual(submission.commit(ENVELOPE).problem, b"Zqq read error (#4.3.0)")

    def test_cannot_run(self) -> None:
        """No program, an empty name, no home: each is told (QUE-26 and others)."""
        self.home = os.getcwd()
        for name, problem in (
            ("/bin/false", b"Zqq temporary problem (#4.3.0)"),
            ("no such file", b"Zunable to exec qq (#4.3.0)"),
            ("", b"Zunable to exec qq (#4.3.0)"),
            (".", b"Zunable to exec qq (#4.3.0)"),
        ):
            submission = open_submission(self.home, {"QMAILQUEUE": name})
            self.assertEqual(submission.commit(Envelope(b"", ())).problem, problem, name)
        submission = open_submission(self.home + "/none", {"QMAILQUEUE": "/bin/true"})
        self.assertEqual(
            submission.commit(Envelope(b"", ())).problem, b"Zqq trouble in home directory (#4.3.0)"
        )

    def test_abandon(self) -> None:
        """An abandoned message ends before its envelope."""
        submission = open_submission(self.home if hasattr(self, "home") else os.getcwd(), self.make(""))
        submission.write(b"x")
        submission.abandon()
        self.assertFalse(os.path.exists(self.home + "/envelope") and self.got("envelope"))

    def test_bad_address(self) -> None:
        """An address with a zero byte is never written; the program sees an envelope cut off."""
        submission = open_submission("/", self.make(""))
        result = submission.commit(Envelope(b"a\0Tb", ()))
        self.assertEqual(result.problem, b"Zqq internal bug (#4.3.0)")


class ReactorTests(ProgramCase, TestCase):
    """The variant on the reactor."""

    timeout = 60

    def submit(self, environ: dict[str, str], text: bytes = b"hi\n" * 1000) -> Deferred[Result]:
        """Hand in a message."""
        owner = WaitingOwner()
        draft = Feeder(reactor, self.home, environ).begin(owner)
        for _ in range(10):
            draft.write(text)
        draft.commit(ENVELOPE)
        return owner.waited

    @inlineCallbacks
    def test_table(self) -> Generator[Any, Any, None]:
        """Each end of a program has the same meaning as to those who wait."""
        for script, problem in TABLE:
            result = yield self.submit(self.make(script))
            self.assertEqual(result.problem, problem, script)
            self.check()
            self.kill_child()

    @inlineCallbacks
    def test_cannot_run(self) -> Generator[Any, Any, None]:
        """No program, or no home: each is told."""
        environ = self.make("")
        result = yield self.submit({**environ, "QMAILQUEUE": "none"})
        self.assertEqual(result.problem, b"Zunable to exec qq (#4.3.0)")
        self.home += "/none"
        result = yield self.submit(environ)
        self.assertEqual(result.problem, b"Zqq trouble in home directory (#4.3.0)")
        self.home = os.path.dirname(self.home)

    @inlineCallbacks
    def test_records(self) -> Generator[Any, Any, None]:
        """An envelope in records reaches the program whole."""
        environ = self.make("")
        owner = WaitingOwner()
        draft = Feeder(reactor, self.home, environ).begin(owner)
        draft.write(b"hi\n" * 10000)
        draft.envelope(b"Fs@x\0")
        draft.envelope(b"Tr@y\0")
        draft.commit()
        result = yield owner.waited
        self.assertEqual(result.problem, b"")
        self.check()

    @inlineCallbacks
    def test_does_not_read(self) -> Generator[Any, Any, None]:
        """A program that takes no message but says it did is not believed, and its giver is not held for ever."""
        environ = self.make("")
        with open(self.home + "/queue program", "w", encoding="ascii") as file:
            file.write("#!/bin/sh\nexec <&- >&-\nexit 0\n")
        owner = WaitingOwner()
        draft = Feeder(reactor, self.home, environ).begin(owner)
        for _ in range(100):
            draft.write(bytes(10000))
        yield owner.freed
        draft.commit(ENVELOPE)
        result = yield owner.waited
        self.assertEqual(result.problem, b"Zqq read error (#4.3.0)")


class WaitingOwner:
    """An owner whose answer can be waited for."""

    def __init__(self) -> None:
        """Nothing was said yet."""
        self.waited: Deferred[Any] = Deferred()
        self.freed: Deferred[Any] = Deferred()
        self._was_held = False

    def stored(self, result: Result) -> None:
        """Pass the answer on."""
        self.waited.callback(result)

    def hold(self) -> None:
        """Note it."""
        self._was_held = True

    def go_on(self) -> None:
        """The first time after a hold, tell."""
        if self._was_held and not self.freed.called:
            self.freed.callback(None)
