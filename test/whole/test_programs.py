"""Programs of .qmail lines, really run."""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.deliver.user import programs
from qtwisted.deliver.user.output import Report
from test.kit.running import wait_until
from test.kit.speed import is_done_within


def is_inheritable(fd: int) -> bool:
    """Would a child get this descriptor, if it is open at all?"""
    try:
        return os.get_inheritable(fd)
    except OSError:
        return False


def living(group: int) -> list[int]:
    """The processes of a group that have not ended, whether or not their parents have noticed."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/stat") as file:
                state, _, its_group = file.read().rpartition(")")[2].split()[:3]
        except OSError:
            continue
        if int(its_group) == group and state not in "ZX":
            found.append(int(pid))
    return found


ENVIRONMENT = {b"PATH": b"/usr/bin:/bin"}


class RunTests(SynchronousTestCase):
    """What a program finds, and what is found out about it."""

    def setUp(self) -> None:
        """A message; orphans are left to whoever else runs in this process."""
        self.patch(programs, "reap_orphans", lambda: None)
        path = self.mktemp()
        with open(path, "w") as file:
            file.write("the message")
        self.message = os.open(path, os.O_RDONLY)
        self.addCleanup(os.close, self.message)

    def run_it(self, command: bytes, limit: float = 30.0) -> tuple[int, bytes]:
        """Run a command; returns wait status and report."""
        report = Report()
        return programs.run(command, ENVIRONMENT, self.message, report, limit), report.text()

    def test_output(self) -> None:
        """Both outputs stand in the report, in the order of printing."""
        self.assertEqual(self.run_it(b"echo one; echo two >&2; echo three"), (0, b"one\ntwo\nthree\n"))

    def test_exit_code(self) -> None:
        """The status is the shell's."""
        self.assertEqual(self.run_it(b"exit 99")[0], 99 << 8)
        self.assertEqual(self.run_it(b"kill -9 $$")[0], 9)
        self.assertEqual(self.run_it(b"/nonexistent")[0], 127 << 8)

    def test_message(self) -> None:
        """The message is on descriptor 0."""
        self.assertEqual(self.run_it(b"cat"), (0, b"the message"))

    def test_environment(self) -> None:
        """The environment is what was given, and nothing else but what the shell itself adds."""
        names = {line.split(b"=")[0] for line in self.run_it(b"env")[1].split()}
        self.assertEqual(names - {b"PWD", b"_", b"SHLVL", b"OLDPWD"}, {b"PATH"})

    def test_descriptors(self) -> None:
        """A program has descriptors 0 to 2, and the one with which it looks; besides only what any child gets."""
        ours = {b"%d" % fd for fd in map(int, os.listdir("/proc/self/fd")) if is_inheritable(fd)}
        _, listed = self.run_it(b"exec ls /proc/self/fd")
        self.assertEqual(len(set(listed.split()) - {b"0", b"1", b"2"} - ours), 1, listed)

    def test_signals(self) -> None:
        """No signal is ignored or blocked, real-time ones aside, which are whoever's who started the tests."""
        _, found = self.run_it(b"exec grep -E '^Sig(Blk|Ign)' /proc/self/status")
        _, blocked, _, ignored = found.split()
        self.assertEqual((int(blocked, 16) & 0x7FFFFFFF, int(ignored, 16) & 0x7FFFFFFF), (0, 0))

    def test_own_group(self) -> None:
        """A program leads a process group of its own."""
        _, found = self.run_it(b"exec cut -d ' ' -f 1,5 /proc/self/stat")
        pid, group = found.split()
        self.assertEqual(pid, group)

    def test_long_output(self) -> None:
        """Output without end of lines or measure is read to its end and cut."""
        status, text = self.run_it(b"head -c 20000000 /dev/zero | tr '\\0' x")
        self.assertEqual((status, len(text)), (0, 2997))

    def test_background(self) -> None:
        """A process left behind with the output open delays nothing for long (L16)."""
        texts = []

        def leave_behind() -> None:
            """Run a program that leaves one behind."""
            status, text = self.run_it(b"sleep 3600 & echo $!; exit 0")
            texts.append(text)
            self.assertEqual(status, 0)

        is_fast = is_done_within(2.0, leave_behind)
        for text in texts:
            os.kill(int(text), 9)  # it is there still, so nobody has waited for it
        self.assertTrue(is_fast)

    def test_noisy_background(self) -> None:
        """Not even if it prints without end."""
        def leave_behind() -> None:
            """Run a program that leaves such a one behind."""
            self.assertEqual(self.run_it(b"echo $$; (while :; do echo; done) & exit 7")[0], 7 << 8)

        self.assertTrue(is_done_within(3.0, leave_behind))

    def test_time_is_up(self) -> None:
        """A program that takes too long is ended with all its group, and that is said."""
        report = Report()
        self.assertRaises(programs.TimedOut, programs.run, b"echo $$; sleep 3600 | sleep 3600", ENVIRONMENT,
                          self.message, report, 0.3)
        wait_until(lambda: not living(int(report.text())), "the end of the whole group")

    def test_deaf(self) -> None:
        """A program that does not listen to TERM is killed after a grace period (L15)."""
        self.patch(programs, "GRACE_FOR", 0.3)
        report = Report()
        self.assertRaises(programs.TimedOut, programs.run, b"trap '' TERM; echo $$; while :; do sleep 60; done",
                          ENVIRONMENT, self.message, report, 0.3)
        wait_until(lambda: not living(int(report.text())), "the end of the whole group")

    def test_inherited_output(self) -> None:
        """Without a report a program prints where we print."""
        self.assertEqual(programs.run(b"exit 3", ENVIRONMENT, self.message, None, 30.0), 3 << 8)

    def test_nothing_stays_open(self) -> None:
        """Programs cost no descriptors in the end, whatever they do."""
        before = sorted(os.listdir("/proc/self/fd"))
        self.run_it(b"exit 1")
        self.assertRaises(programs.TimedOut, self.run_it, b"sleep 60", 0.1)
        self.assertRaises(OSError, self.run_it, b"x" * 300000)
        self.assertEqual(sorted(os.listdir("/proc/self/fd")), before)
