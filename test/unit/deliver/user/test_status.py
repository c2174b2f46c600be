"""What exit codes of local deliveries become."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.deliver.user.status import report_text

FIXED = {
    112: b"ZInternal qmail-lspawn bug.\n",
    113: b"ZNot allowed to perform deliveries as root.\n",
    115: b"ZNFS failure in qmail-local.\n",
    116: b"ZUnable to find alias user!\n",
    117: b"ZTrouble reading users/cdb in qmail-lspawn.\n",
    118: b"ZTemporary failure in qmail-lspawn.\n",
    119: b"ZOut of memory in qmail-lspawn.\n",
    120: b"ZUnable to run qmail-local.\n",
    121: b"ZUnable to run qmail-getpw.\n",
    126: b"DUnable to run qmail-local.\n",
}


class StatusTests(SynchronousTestCase):
    """Each row of core-spawn A3.2 (SPN-12)."""

    def test_every_code(self) -> None:
        """Of all 256 codes, 0 is success, four are put off, some have fixed texts, all others are failures."""
        for code in range(256):
            letter = b"K" if code == 0 else b"Z" if code in (71, 74, 75, 111) else b"D"
            self.assertEqual(report_text(code, b"said X\n"), FIXED.get(code, letter + b"said X\n"))

    def test_killed(self) -> None:
        """A delivery ended by a signal is put off, and what it said is not passed on."""
        self.assertEqual(report_text(None, b"said X\n"), b"Zqmail-local crashed.\n")
