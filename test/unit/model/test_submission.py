"""Exit codes of qmail-queue have 1.02's classes and words."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.model.submission import WAIT_FAILED, Result, explain, result_of

TABLE = {
    0: b"",
    11: b"Denvelope address too long for qq (#5.1.3)",
    115: b"Denvelope address too long for qq (#5.1.3)",
    31: b"Dmail server permanently rejected message (#5.3.0)",
    51: b"Zqq out of memory (#4.3.0)",
    52: b"Zqq timeout (#4.3.0)",
    53: b"Zqq write error or disk full (#4.3.0)",
    54: b"Zqq read error (#4.3.0)",
    55: b"Zqq unable to read configuration (#4.3.0)",
    56: b"Zqq trouble making network connection (#4.3.0)",
    61: b"Zqq trouble in home directory (#4.3.0)",
    62: b"Zqq trouble creating files in queue (#4.3.0)",
    63: b"Zqq trouble creating files in queue (#4.3.0)",
    64: b"Zqq trouble creating files in queue (#4.3.0)",
    65: b"Zqq trouble creating files in queue (#4.3.0)",
    66: b"Zqq trouble creating files in queue (#4.3.0)",
    71: b"Zmail server temporarily rejected message (#4.3.0)",
    72: b"Zconnection to mail server timed out (#4.4.1)",
    73: b"Zconnection to mail server rejected (#4.4.1)",
    74: b"Zcommunication with mail server failed (#4.4.2)",
    81: b"Zqq internal bug (#4.3.0)",
    91: b"Zqq internal bug (#4.3.0)",
    120: b"Zunable to exec qq (#4.3.0)",
    None: b"Zqq crashed (#4.3.0)",
}


class ExplainTests(SynchronousTestCase):
    """Every exit code means something."""

    def test_table(self) -> None:
        """Each known code has its own words."""
        for code, text in TABLE.items():
            self.assertEqual(explain(code), text)

    def test_other_codes(self) -> None:
        """Of the codes nobody knows, 11 to 40 are permanent and all others temporary."""
        for code in range(1, 256):
            if code in TABLE:
                continue
            permanent = 11 <= code <= 40
            expected = b"Dqq permanent problem (#5.3.0)" if permanent else b"Zqq temporary problem (#4.3.0)"
            self.assertEqual(explain(code), expected)

    def test_wait_failure(self) -> None:
        """If nobody could learn how it ended, that is said, and it is temporary."""
        self.assertEqual(WAIT_FAILED, b"Zqq waitpid surprise (#4.3.0)")


class ResultTests(SynchronousTestCase):
    """The outcome keeps the problem and the number together."""

    def test_success(self) -> None:
        """Exit code 0 is success and has no problem."""
        result = result_of(0, 2620)
        self.assertEqual(result, Result(b"", 2620))
        self.assertTrue(result.ok)
        self.assertFalse(result.is_permanent)

    def test_problems(self) -> None:
        """A problem is permanent or not, and never success."""
        self.assertTrue(result_of(31, 1).is_permanent)
        self.assertFalse(result_of(53, 1).is_permanent)
        self.assertFalse(result_of(31, 1).ok or result_of(53, 1).ok or result_of(None, 1).ok)
