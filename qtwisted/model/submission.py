"""The outcome of handing one message to the queue: what an exit code of qmail-queue means, and in which
words.

A problem is a text whose first letter says its class: ``D`` for good, ``Z`` for now; it is empty if all is
well. The same words are used by all that hand in mail: SMTP, qmail-inject, forwards, bounces (qmail.c
qmail_close).
"""

from __future__ import annotations

from qtwisted.model.frozen import NamedTuple

#: nobody could learn how qmail-queue ended
WAIT_FAILED = b"Zqq waitpid surprise (#4.3.0)"

_CRASHED = b"Zqq crashed (#4.3.0)"
_TOO_LONG = b"Denvelope address too long for qq (#5.1.3)"
_IN_QUEUE = b"Zqq trouble creating files in queue (#4.3.0)"
_BUG = b"Zqq internal bug (#4.3.0)"

_TEXTS = {
    0: b"",
    11: _TOO_LONG,
    31: b"Dmail server permanently rejected message (#5.3.0)",
    51: b"Zqq out of memory (#4.3.0)",
    52: b"Zqq timeout (#4.3.0)",
    53: b"Zqq write error or disk full (#4.3.0)",
    54: b"Zqq read error (#4.3.0)",
    55: b"Zqq unable to read configuration (#4.3.0)",
    56: b"Zqq trouble making network connection (#4.3.0)",
    61: b"Zqq trouble in home directory (#4.3.0)",
    62: _IN_QUEUE,
    63: _IN_QUEUE,
    64: _IN_QUEUE,
    65: _IN_QUEUE,
    66: _IN_QUEUE,
    71: b"Zmail server temporarily rejected message (#4.3.0)",
    72: b"Zconnection to mail server timed out (#4.4.1)",
    73: b"Zconnection to mail server rejected (#4.4.1)",
    74: b"Zcommunication with mail server failed (#4.4.2)",
    81: _BUG,
    91: _BUG,
    115: _TOO_LONG,
    120: b"Zunable to exec qq (#4.3.0)",
}


def explain(code: int | None) -> bytes:
    """Say what an exit code of qmail-queue means; None stands for death by a signal."""
    if code is None:
        return _CRASHED
    text = _TEXTS.get(code)
    if text is not None:
        return text
    return b"Dqq permanent problem (#5.3.0)" if 11 <= code <= 40 else b"Zqq temporary problem (#4.3.0)"


class Result(NamedTuple):
    """How handing in one message ended: with which problem, and which number the queue gave it."""

    problem: bytes
    qp: int

    @property
    def ok(self) -> bool:
        """Is the message ours now?"""
        return not self.problem

    @property
    def is_permanent(self) -> bool:
        """Would the same message be refused again?"""
        return self.problem.startswith(b"D")


def result_of(code: int | None, qp: int) -> Result:
    """Make the result from an exit code."""
    return Result(explain(code), qp)
