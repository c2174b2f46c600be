"""Troubles are told in qmail-send's lines."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.model import alerts

WORDS = {
    alerts.NoHome: b"alert: cannot start: unable to switch to home directory",
    alerts.NoControls: b"alert: cannot start: unable to read controls",
    alerts.NoQueue: b"alert: cannot start: unable to switch to queue directory",
    alerts.NoMutex: b"alert: cannot start: unable to open mutex",
    alerts.AlreadyRunning: b"alert: cannot start: qmail-send is already running",
    alerts.NoSpawner: b"alert: cannot start: hath the daemon spawn no fire?",
    alerts.LostClean: b"alert: oh no! lost qmail-clean connection! dying...",
    alerts.LostSpawner: b"alert: oh no! lost spawn connection! dying...",
    alerts.OutOfMemory: b"alert: out of memory, sleeping...",
    alerts.CannotAppendToBounce: b"alert: unable to append to bounce message; HELP! sleeping...",
    alerts.CannotRereadHome: b"alert: unable to reread controls: unable to switch to home directory",
    alerts.CannotReturnToQueue: b"alert: unable to switch back to queue directory; HELP! sleeping...",
    alerts.CannotStartQueue: b"warning: unable to start qmail-queue, will try later",
    alerts.TroubleInjectingBounce: b"warning: trouble injecting bounce message, will try later",
    alerts.ReportOutOfRange: b"warning: internal error: delivery report out of range",
    alerts.TroubleInSelect: b"warning: trouble in select",
}

ABOUT_FILES = {
    alerts.CannotOpenDirectory: b"alert: unable to opendir F, sleeping...",
    alerts.CannotReread: b"alert: unable to reread F",
    alerts.CannotCleanUp: b"warning: qmail-clean unable to clean up F",
    alerts.CannotStatYet: b"warning: unable to stat F; will try again later",
    alerts.CannotStat: b"warning: unable to stat F",
    alerts.CannotUnlinkYet: b"warning: unable to unlink F; will try again later",
    alerts.CannotUnlink: b"warning: unable to unlink F",
    alerts.CannotOpen: b"warning: unable to open F",
    alerts.CannotCreate: b"warning: unable to create F",
    alerts.TroubleReading: b"warning: trouble reading F",
    alerts.TroubleReadingYet: b"warning: trouble reading F; will try again later",
    alerts.TroubleWriting: b"warning: trouble writing to F",
    alerts.TroubleSyncing: b"warning: trouble fsyncing F",
    alerts.UnknownRecord: b"warning: unknown record type in F",
    alerts.UnknownRecipientRecord: b"warning: unknown record type in F!",
    alerts.TroubleOpening: b"warning: trouble opening F; will try again later",
    alerts.TroubleMarking: b"warning: trouble marking F; message will be delivered twice!",
    alerts.CannotSetTime: b"warning: unable to utime F; message will be retried too soon",
}


class AlertTests(SynchronousTestCase):
    """Alerts and warnings, word for word."""

    def test_fixed_lines(self) -> None:
        """Troubles that concern no single file."""
        for kind, line in WORDS.items():
            self.assertEqual(kind().line(), line)

    def test_lines_about_files(self) -> None:
        """Troubles with one file name it."""
        for kind, line in ABOUT_FILES.items():
            self.assertEqual(kind(b"mess/14/2318345").line(), line.replace(b"F", b"mess/14/2318345"))
