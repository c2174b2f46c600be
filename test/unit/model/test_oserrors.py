"""System errors have qmail's words."""

from __future__ import annotations

import errno

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.model.oserrors import is_temporary, text


class TextTests(SynchronousTestCase):
    """The words for error numbers."""

    def test_words(self) -> None:
        """Known errors are named as qmail names them, not as the C library does."""
        self.assertEqual(text(errno.ENOENT), "file does not exist")
        self.assertEqual(text(errno.EACCES), "access denied")
        self.assertEqual(text(errno.EPERM), "permission denied")
        self.assertEqual(text(errno.ENOSPC), "out of disk space")
        self.assertEqual(text(errno.EWOULDBLOCK), "temporary failure")
        self.assertEqual(text(errno.ETOOMANYREFS), "too many references")
        self.assertEqual(text(errno.ENOTSUP), "operation not supported")

    def test_other_numbers(self) -> None:
        """0 is no error; what has no words is unknown."""
        self.assertEqual(text(0), "no error")
        self.assertEqual(text(99999), "unknown error")
        self.assertEqual(text(None), "unknown error")


class TemporaryTests(SynchronousTestCase):
    """Some errors go away by themselves."""

    def test_temporary(self) -> None:
        """Lack of memory, space, descriptors or network may pass."""
        for number in (errno.ENOMEM, errno.ENOSPC, errno.EMFILE, errno.ENETDOWN, errno.ESTALE, errno.ETXTBSY):
            self.assertTrue(is_temporary(number))

    def test_permanent(self) -> None:
        """Missing files and denied access stay."""
        for number in (errno.ENOENT, errno.EACCES, errno.EPERM, errno.ENOEXEC, errno.ELOOP, None):
            self.assertFalse(is_temporary(number))
