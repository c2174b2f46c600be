"""predate, datemail and mailsubj, run as real processes."""

from __future__ import annotations

import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.accept.submit.predate import date_field
from test.kit.programs import Ended, run_main


class PredateTests(SynchronousTestCase):
    """predate child ..."""

    def test_dates(self) -> None:
        """The Date field is in the local zone and comes first."""
        for zone, offset in (("EST5", b"-0500"), ("IST-5:30", b"+0530"), ("UTC0", b"+0000")):
            ended = run_main("qtwisted.accept.submit.predate", "cat", message=b"To: x\n\ny", TZ=zone)
            first, rest = ended.out.split(b"\n", 1)
            self.assertRegex(first, rb"^Date: [1-9][0-9]? [A-Z][a-z]{2} 20[0-9]{2} [0-9:]{8} \%s$" % offset)
            self.assertEqual((ended.code, rest, ended.err), (0, b"To: x\n\ny", b""))

    def test_moment(self) -> None:
        """The field shows the given moment."""
        self.assertTrue(date_field(812345679).startswith(b"Date: 29 Sep 1995 "))

    def test_ends(self) -> None:
        """It ends as its child, and says what is wrong."""
        module = "qtwisted.accept.submit.predate"
        self.assertEqual(run_main(module, "sh", "-c", "cat >/dev/null; exit 7").code, 7)
        self.assertEqual(run_main(module), Ended(100, b"", b"predate: usage: predate child\n"))
        self.assertEqual(run_main(module, "not-there"),
                         Ended(111, b"", b"predate: fatal: unable to run not-there: file does not exist\n"))
        self.assertEqual(run_main(module, "sh", "-c", "cat >/dev/null; kill -9 $$"),
                         Ended(111, b"", b"predate: fatal: child crashed\n"))


class CallerTests(SynchronousTestCase):
    """The two that call programs of the home."""

    def setUp(self) -> None:
        """Make a home whose programs show how they were called."""
        self.home = Path(os.path.abspath(self.mktemp()))
        (self.home / "bin").mkdir(parents=True)
        for name in ("sendmail", "qmail-inject"):
            program = self.home / "bin" / name
            program.write_text('#!/bin/sh\necho "$#:$*"\ncat\nexit 3\n')
            program.chmod(0o755)

    def test_datemail(self) -> None:
        """sendmail gets the arguments, and the message with its date."""
        ended = run_main("qtwisted.accept.submit.datemail", "-t", "-fx", message=b"To: x\n\ny",
                         QMAILHOME=str(self.home))
        self.assertEqual(ended.code, 3)
        self.assertRegex(ended.out, rb"^2:-t -fx\nDate: [^\n]+\nTo: x\n\ny$")

    def test_mailsubj(self) -> None:
        """qmail-inject gets no options, and the message with subject and recipients."""
        ended = run_main("qtwisted.accept.submit.mailsubj", "My subj", "a@b", "c@d", message=b"text\n",
                         QMAILHOME=str(self.home))
        self.assertEqual(ended, Ended(3, b"0:\nSubject: My subj\nTo: a@b c@d\n\ntext\n", b""))

    def test_subject_is_one_line(self) -> None:
        """A subject with a newline makes no field of its own."""
        ended = run_main("qtwisted.accept.submit.mailsubj", "a\nBcc: v@x", "c@d", QMAILHOME=str(self.home))
        self.assertIn(b"Subject: a Bcc: v@x\n", ended.out)
