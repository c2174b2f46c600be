"""Questions that are asked in another process."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.admin.explain import apart
from qtwisted.admin.explain.apart import Identity, NoAnswer, ask
from test.kit.code import NOBODY

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

IS_ROOT = os.geteuid() == 0
WHO = Identity("nobody", NOBODY, NOBODY) if IS_ROOT else Identity("me", os.geteuid(), os.getegid())


def is_open(number: int) -> bool:
    """Is this descriptor open?"""
    try:
        os.fstat(number)
    except OSError:
        return False
    return True


class AskTests(SynchronousTestCase):
    """Who looks, and what is believed."""

    def fails(self, question: Callable[[], Any], within: float = 60) -> str:
        """Why there is no answer."""
        return str(self.assertRaises(NoAnswer, ask, WHO, question, within))

    def test_answer(self) -> None:
        """An answer comes back as it was given."""
        self.assertEqual(ask(WHO, lambda: {"a": [1, "two", None]}), {"a": [1, "two", None]})

    def test_identity(self) -> None:
        """The question is asked as the user, with his group alone."""
        found = ask(WHO, lambda: [os.getresuid(), os.getresgid(), os.getgroups()])
        expected = [[WHO.uid] * 3, [WHO.gid] * 3]
        self.assertEqual(found[:2], expected)
        if IS_ROOT:
            self.assertEqual(found[2], [WHO.gid])

    def test_nothing_kept(self) -> None:
        """The process has no environment and none of our descriptors."""
        secret = os.open(os.devnull, os.O_RDONLY)
        self.addCleanup(os.close, secret)
        os.set_inheritable(secret, True)
        self.assertEqual(ask(WHO, lambda: [dict(os.environ), is_open(secret)]), [{}, False])

    def test_trouble(self) -> None:
        """What goes wrong there is told, harmless."""
        self.assertEqual(self.fails(lambda: int("x\x1b")),
                         r"ValueError: invalid literal for int() with base 10: 'x\x1b'")

    def test_death(self) -> None:
        """A process that dies has not answered."""
        self.assertIn("nothing could be looked at as", self.fails(lambda: os.kill(os.getpid(), signal.SIGKILL)))

    def test_too_slow(self) -> None:
        """Nobody is waited for longer than a limit, and nothing is left behind."""
        self.assertEqual(self.fails(signal.pause, 0.2), "there was no answer within 0 seconds")
        self.assertRaises(ChildProcessError, os.waitpid, -1, os.WNOHANG)

    def test_too_long(self) -> None:
        """No answer fills our memory."""
        self.patch(apart, "ANSWER_MAX", 1000)
        self.assertEqual(self.fails(lambda: "x" * 2000), "the answer is too long")

    def test_no_form(self) -> None:
        """An answer without the form of one is none."""
        for said in (b"", b"{", b"[" * 100000, b"[]", b"7"):
            self.assertRaises(NoAnswer, apart._believed, said, WHO)

    def test_printable(self) -> None:
        """Only printable ASCII is left of a text."""
        self.assertEqual(apart.printable("a\x1b[31m\u20ac\n"), "a?[31m??")
        self.assertEqual(apart.printable(None), "None")
