"""Tests: qtwisted.deliver.host.reports."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.config.control import ControlError
from qtwisted.deliver.host.reports import NO_CONTROLS, Report, bad_control, combine, no_such_host, of_outcome
from qtwisted.wire.smtp_client import NOT_OFFERED, Outcome, PeerReply, Step, Trouble

YES = PeerReply(250, b"250 ok\n")
LATER = PeerReply(450, b"450 later\n")
NEVER = PeerReply(550, b"550 no\n")
SAID_LATER = b"Remote host said: 450 later\n"
SAID_NEVER = b"Remote host said: 550 no\n"


def wire(step: Step, reply: PeerReply | None, *recipients: PeerReply, trouble: Trouble | None = None) -> bytes:
    """Write the report on an outcome."""
    return of_outcome(b"1.2.3.4", Outcome(step, reply, trouble, recipients)).wire()


class OutcomeTests(SynchronousTestCase):
    """The words of qmail-remote for every outcome."""

    def test_message_rows(self) -> None:
        """Each step has its words; the letter follows the code, except that a greeting never refuses mail."""
        never, later = SAID_NEVER + b"\0", SAID_LATER + b"\0"
        for step, reply, report in (
            (Step.GREETING, NEVER, b"ZConnected to 1.2.3.4 but greeting failed.\n" + never),
            (Step.GREETING, LATER, b"ZConnected to 1.2.3.4 but greeting failed.\n" + later),
            (Step.HELLO, NEVER, b"ZConnected to 1.2.3.4 but my name was rejected.\n" + never),
            (Step.MAIL, NEVER, b"DConnected to 1.2.3.4 but sender was rejected.\n" + never),
            (Step.MAIL, LATER, b"ZConnected to 1.2.3.4 but sender was rejected.\n" + later),
            (Step.DATA, NEVER, b"D1.2.3.4 failed on DATA command.\n" + never),
            (Step.DATA, LATER, b"Z1.2.3.4 failed on DATA command.\n" + later),
            (Step.MESSAGE, NEVER, b"D1.2.3.4 failed after I sent the message.\n" + never),
            (Step.MESSAGE, LATER, b"Z1.2.3.4 failed after I sent the message.\n" + later),
            (Step.MESSAGE, YES, b"K1.2.3.4 accepted message.\nRemote host said: 250 ok\n\0"),
            (Step.RECIPIENTS, None, b"DGiving up on 1.2.3.4.\n\0"),
            (Step.MAIL, PeerReply(999, b"999\n"), b"ZConnected to 1.2.3.4 but sender was rejected.\n"
                                                  b"Remote host said: 999\n\0"),
        ):
            self.assertEqual(wire(step, reply), report)

    def test_trouble_rows(self) -> None:
        """A lost connection is told with the danger of a duplicate where there is one."""
        for trouble, report in (
            (Trouble.DIED, b"ZConnected to 1.2.3.4 but connection died. (#4.4.2)\n\0"),
            (Trouble.DIED_UNANSWERED,
             b"ZConnected to 1.2.3.4 but connection died. Possible duplicate! (#4.4.2)\n\0"),
            (Trouble.SPOKE_EARLY, b"ZConnected to 1.2.3.4 but it spoke out of turn. (#4.5.0)\n\0"),
            (Trouble.UNREADABLE, b"ZUnable to read message. (#4.3.0)\n\0"),
            (Trouble.NOT_OFFERED, b"D1.2.3.4 does not take internationalized addresses. (#5.6.7)\n\0"),
        ):
            self.assertEqual(wire(Step.MESSAGE, None, trouble=trouble), report)
        self.assertEqual(wire(Step.MESSAGE, NEVER, trouble=Trouble.SPOKE_EARLY),
                         b"ZConnected to 1.2.3.4 but it spoke out of turn. (#4.5.0)\n" + SAID_NEVER + b"\0")

    def test_security_rows(self) -> None:
        """A message that was accepted is followed by how it went; one that could not be secured by why not."""
        over, clear = b"Sent over TLSv1.3 X.\n", b"Sent in clear, since TLS failed: because.\n"
        accepted = b"K1.2.3.4 accepted message.\nRemote host said: 250 "
        for reply, security, in_clear, text in (
            (YES, b"TLSv1.3 X", b"", accepted + b"ok\n" + over),
            (YES, b"", b"because", accepted + b"ok\n" + clear),
            (PeerReply(250, b"250 cut"), b"TLSv1.3 X", b"", accepted + b"cut\n" + over),
            (YES, b"", b"", accepted + b"ok\n"),
            (NEVER, b"TLSv1.3 X", b"because", b"D1.2.3.4 failed after I sent the message.\n" + SAID_NEVER),
        ):
            outcome = Outcome(Step.MESSAGE, reply, None, (), security, in_clear)
            self.assertEqual(of_outcome(b"1.2.3.4", outcome).message, text)
        refused = Outcome(Step.HELLO, LATER, Trouble.NOT_SECURED, (), b"because")
        self.assertEqual(of_outcome(b"1.2.3.4", refused).message,
                         b"ZConnected to 1.2.3.4 but it cannot be secured: because. (#4.7.5)\n" + SAID_LATER)

    def test_login_rows(self) -> None:
        """A login that fails never refuses mail."""
        rejected = b"ZConnected to 1.2.3.4 but my login was rejected.\n"
        self.assertEqual(wire(Step.LOGIN, NEVER), rejected + SAID_NEVER + b"\0")
        self.assertEqual(wire(Step.LOGIN, None, trouble=Trouble.NO_LOGIN),
                         b"ZConnected to 1.2.3.4 but it offers no way to log in. (#4.7.0)\n\0")

    def test_control_rows(self) -> None:
        """A file of 1.02 that cannot be used has 1.02's words; one of ours says what is wrong."""
        self.assertEqual(bad_control(ControlError("control/me", None, "x")), NO_CONTROLS)
        self.assertEqual(bad_control(ControlError("control/smtpauth", 2, "must be x")),
                         b"ZSorry, control/smtpauth line 2: must be x. (#4.3.0)\n")

    def test_recipient_rows(self) -> None:
        """Each recipient has its part, before the message's."""
        self.assertEqual(
            wire(Step.MESSAGE, YES, NEVER, LATER, YES, NOT_OFFERED, PeerReply(0, b"2x0\n")),
            b"h1.2.3.4 does not like recipient.\n" + SAID_NEVER + b"\0"
            b"s1.2.3.4 does not like recipient.\n" + SAID_LATER + b"\0"
            b"r\0"
            b"h1.2.3.4 does not take internationalized addresses. (#5.6.7)\n\0"
            b"s1.2.3.4 does not like recipient.\nRemote host said: 2x0\n\0"
            b"K1.2.3.4 accepted message.\nRemote host said: 250 ok\n\0",
        )

    def test_host_is_shown_safely(self) -> None:
        """Bytes of a host name that cannot be printed are question marks."""
        self.assertEqual(no_such_host(b"weird\1host \xc3\xa9"),
                         b"DSorry, I couldn't find any host named weird?host???. (#5.1.2)\n")

    def test_report_without_recipients(self) -> None:
        """Trouble before the dialogue is one part."""
        self.assertEqual(Report(b"Zno\n").wire(), b"Zno\n\0")


class CombineTests(SynchronousTestCase):
    """What qmail-rspawn makes of the parts, row by row."""

    def test_rows(self) -> None:
        """The first recipient and the message give one letter and one text."""
        for output, report in (
            (b"r\0Kaccepted it.\n\0", b"Kaccepted it.\n"),
            (b"rA\n\0KB\n\0", b"KA\nB\n"),
            (b"hA\n\0KB\n\0", b"DA\n"),
            (b"hA\n\0DB\n\0", b"DA\nB\n"),
            (b"sA\n\0KB\n\0", b"ZA\n"),
            (b"sA\n\0ZB\n\0", b"ZA\nB\n"),
            (b"sA\n\0DB\n\0", b"ZA\nB\n"),
            (b"rA\n\0ZB\n\0", b"ZA\nB\n"),
            (b"rA\n\0DB\n\0", b"DA\nB\n"),
            (b"ZX\n\0", b"ZX\n"),
            (b"DX\n\0", b"DX\n"),
            (b"KX\n\0", b"KX\n"),
            (b"Dtext", b"D"),
            (b"xyz\0qqq\0", b"Dyz"),
            (b"", b"Zqmail-remote produced no output.\n"),
            (b"hA\n\0ZB\n\0", b"DA\n"),
            (b"r\0K1.2.3.4 accepted message.\nRemote host said: 250 ok\n\0",
             b"K1.2.3.4 accepted message.\nRemote host said: 250 ok\n"),
            (b"h1.2.3.4 does not like recipient.\nRemote host said: 550 x\n\0DGiving up on 1.2.3.4.\n\0",
             b"D1.2.3.4 does not like recipient.\nRemote host said: 550 x\nGiving up on 1.2.3.4.\n"),
            (b"s450\n\0DGiving up on 1.2.3.4.\n\0", b"Z450\nGiving up on 1.2.3.4.\n"),
            (b"r\0ZConnected to", b"DConnected to"),
            (b"r\0ZConnected to\0", b"ZConnected to"),
        ):
            self.assertEqual(combine(output), report, output)
