"""Users who hand in mail cannot make more of it than one message to the recipients they name."""

from __future__ import annotations

import os
import subprocess
import sys

from hypothesis import given, settings
from hypothesis import strategies as some
from twisted.trial.unittest import SynchronousTestCase

from qtwisted.model.envelope import Envelope, parse_submission, submission
from qtwisted.system.ending import Ending
from test.kit.desk import Desk, Letter, Tray
from test.kit.programs import NotedQueue, environment, run_main

INJECT = "qtwisted.accept.submit.inject"
SENDMAIL = "qtwisted.accept.submit.sendmail"
HOST = b"@mx.example.org"

#: bytes of which trouble is made
TROUBLE = some.lists(
    some.sampled_from(
        [b"a", b"@", b".", b", ", b"<", b">", b":", b";", b" ", b"+", b"(", b")", b'"', b"[", b"]", b"\\"]
        + [b"\n ", b"\n", b"\r", b"\0", b"\xff", b"To: ", b"Bcc: v@y", b"Return-Path: ", b"Resent-To: ", b"From x"]
    )
).map(b"".join)


class HostileTests(SynchronousTestCase):
    """Everything a user can choose, chosen badly."""

    def setUp(self) -> None:
        """Make a home."""
        self.room = self.mktemp()
        os.mkdir(self.room)
        self.desk = Desk(self.room)

    def header_names(self, letter: Letter) -> list[bytes]:
        """List the fields of a message by name."""
        header = letter.text.partition(b"\n\n")[0].rstrip(b"\n").split(b"\n")
        return [line.partition(b":")[0].lower() for line in header if line[:1] not in (b" ", b"\t")]

    # ---- recipients of every kind

    def test_i14_ten_thousand_recipients(self) -> None:
        """Ten thousand recipients in To and Bcc are ten thousand records; Bcc is not in the message."""
        shown = b",\n ".join(b"Joe U. (c) <u%d@h%d.x>" % (at, at) for at in range(5000))
        hidden = b" ".join(b"b%d@h.x," % at for at in range(5000))
        letter = self.desk.inject(b"To: %s\nBcc: %s\n" % (shown, hidden), b"-H", b"--")
        self.assertEqual(len(letter.recipients), 10000)
        self.assertNotIn(b"b7@h.x", letter.text)
        self.assertEqual(
            parse_submission(submission(Envelope(letter.sender, letter.recipients))),
            Envelope(letter.sender, letter.recipients),
        )

    def test_i14_groups_comments_and_routes(self) -> None:
        """Groups, comments and routes name whom they name; nobody at all is allowed."""
        letter = self.desk.inject(b"To: g: a, b (c, d) <@r,@s:e@f.g>, (x) y@z.w;, nobody: ;\nBcc:\n")
        self.assertEqual(letter.recipients, (b"y@z.w", b"e@f.g", b"a" + HOST))
        self.assertEqual(self.desk.inject(b"To: nobody: ;\n").recipients, ())

    def test_i14_unterminated(self) -> None:
        """Quotes, comments, literals and brackets without end are refused, with exit code 100."""
        for field in (b'To: "a', b"Cc: (((a)", b"Bcc: [", b"To: a>", b"To: ;;", b'To: "a\\"'):
            self.assertEqual(self.assertRaises(Ending, self.desk.inject, field + b"\n").code, 100, field)

    # ---- fields nobody wrote

    def test_i15_line_ends_in_variables(self) -> None:
        """A line end in any variable begins no field."""
        evil = b"a@x\nBcc: v@y\r\nTo: w\n\nbody"
        plain = self.header_names(self.desk.inject(b"To: a\n"))
        for name in ("QMAILUSER", "QMAILHOST", "QMAILNAME", "MAILHOST", "MAILNAME", "QMAILIDHOST", "QMAILSUSER",
                     "QMAILSHOST", "QMAILDEFAULTHOST", "QMAILDEFAULTDOMAIN", "QMAILPLUSDOMAIN"):
            for letters in (b"", b"crm"):
                given = {name: evil, "QMAILINJECT": letters}
                try:
                    letter = self.desk.inject(b"To: a\n", **given)
                except Ending as ending:
                    self.assertEqual(ending.code, 100)
                else:
                    self.assertEqual(self.header_names(letter), plain, name)
                    self.assertNotIn(b"\n\n", letter.text)

    def test_i15_line_ends_in_senders(self) -> None:
        """A line end in -f stays in the one record of the sender."""
        letter = self.desk.inject(b"To: a\n", b"-f", b"a@x\nBcc: v@y")
        self.assertEqual(letter.sender, b"a@x\nBcc: v@y.example.org")
        self.assertEqual(self.header_names(letter), [b"date", b"message-id", b"from", b"to"])

    def test_i15_line_ends_in_printed_sender(self) -> None:
        """A line end in -f is an underscore in the Return-Path that is printed."""
        ended = run_main(INJECT, "-n", "-f", "a@x\nBcc: v@y", QMAILHOME=str(self.desk.home), USER="joe")
        self.assertTrue(ended.out.startswith(b'Return-Path: <"a@x\\_Bcc: v"@y.example.org>\nDate: '), ended.out)

    def test_i15_line_ends_in_followup(self) -> None:
        """A line end in a quoted recipient is an underscore in Mail-Followup-To."""
        lists = os.path.join(self.room, "lists")
        with open(lists, "w") as file:
            file.write("l@x.y\n")
        text = b'To: l@x.y, "a\n Bcc: b"@c.d\n'
        letter = self.desk.inject(text, QMAILMFTFILE=os.fsencode(lists))
        self.assertEqual(letter.field(b"Mail-Followup-To"), b'Mail-Followup-To: l@x.y,\n  "a\\_ Bcc: b"@c.d')

    def test_zero_bytes(self) -> None:
        """An address with a zero byte is no address; elsewhere zero bytes pass."""
        for field in (b"To: a\0b\n", b'Bcc: "a\0Tb"@c\n', b"Return-Path: <\0>\n", b"From: a@b\0\n"):
            ending = self.assertRaises(Ending, self.desk.inject, field)
            self.assertEqual(
                (ending.code, ending.line), (100, b"qmail-inject: fatal: unable to parse this line:\n" + field)
            )
        self.assertIn(b"Subject: \0\n\n\0\n", self.desk.inject(b"Subject: \0\n\n\0").text)

    # ---- anything at all

    @settings(derandomize=True, database=None, deadline=None, max_examples=300)
    @given(TROUBLE, some.lists(TROUBLE, max_size=3), some.sampled_from([b"-a", b"-h", b"-H"]), some.integers(1, 40))
    def test_any_message(self, text: bytes, arguments: list[bytes], source: bytes, piece: int) -> None:
        """Whatever is handed in is one envelope that reads back as it was, or is refused for good."""
        words = [argument.replace(b"\0", b"") for argument in arguments]
        tray = Tray()
        try:
            letter = self.desk.inject(text, source, b"--", *words, tray=tray, piece=piece)
        except Ending as ending:
            self.assertEqual((ending.code, tray.pieces), (100, []))
            return
        envelope = Envelope(letter.sender, letter.recipients)
        self.assertEqual(parse_submission(submission(envelope)), envelope)
        if source == b"-a":
            self.assertEqual(len(letter.recipients), len(words))

    @settings(derandomize=True, database=None, deadline=None, max_examples=150)
    @given(some.dictionaries(
        some.sampled_from(["QMAILUSER", "QMAILHOST", "QMAILNAME", "QMAILSUSER", "QMAILSHOST", "QMAILINJECT",
                           "QMAILDEFAULTHOST", "QMAILDEFAULTDOMAIN", "QMAILPLUSDOMAIN", "QMAILIDHOST"]),
        TROUBLE.map(lambda value: value.replace(b"\0", b"")),
    ))
    def test_any_variables(self, variables: dict[str, bytes]) -> None:
        """Whatever the variables say, a message gets the fields it would get anyway, or is refused."""
        try:
            letter = self.desk.inject(b"To: a\nX: 1\n\n", b"v@w.x", **variables)
        except Ending as ending:
            self.assertEqual(ending.code, 100)
            return
        self.assertEqual(letter.recipients[1:], ())
        self.assertEqual(self.header_names(letter), [b"date", b"message-id", b"from", b"to", b"x"])

    # ---- real processes

    def test_i17_long_command_lines(self) -> None:
        """Tens of thousands of arguments, with 8-bit bytes and words that look like options, are recipients."""
        queue = NotedQueue(self.room)
        words = [b"-t\xff%05d@h.x" % at for at in range(60000)]
        ended = run_main(
            SENDMAIL, "-fs@t.u", "--", *words, QMAILHOME=str(self.desk.home), QMAILQUEUE=str(queue.path)
        )
        self.assertEqual((ended.code, ended.err), (0, b""))
        self.assertEqual(queue.envelope, submission(Envelope(b"s@t.u", tuple(words))))

    def test_message_without_end_is_not_held(self) -> None:
        """A message of 64 MiB in one line passes through a process that may hold 48 MiB in all."""
        queue = NotedQueue(self.room)
        size = 64 << 20
        limit = f"import resource; resource.setrlimit(resource.RLIMIT_DATA, ({48 << 20}, {48 << 20}));"
        start = f"import sys; sys.argv[0] = 'qmail-inject'; from {INJECT} import main; sys.exit(main())"
        given = {"QMAILHOME": str(self.desk.home), "QMAILQUEUE": str(queue.path), "USER": "joe"}
        with subprocess.Popen(
            [sys.executable, "-P", "-c", limit + start, "a@b.c"], stdin=subprocess.PIPE, env=environment(**given)
        ) as process:
            assert process.stdin is not None
            piece = b"x" * 65536
            for _ in range(size // len(piece)):
                process.stdin.write(piece)
            process.stdin.close()
            self.assertEqual(process.wait(60), 0)
        message = queue.message
        assert message is not None
        self.assertEqual(len(message.partition(b"\n\n")[2]), size + 1)
