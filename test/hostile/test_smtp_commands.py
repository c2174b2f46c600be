"""Commands of clients that mean no good, each with what it must come to; the numbers are those of the case table.

What needs time or a transport is in test.unit.accept.test_session and test_listen.
"""

from __future__ import annotations

import time
import tracemalloc

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.accept.gate import Client
from qtwisted.config.hosts import BadMailFrom, RcptHosts
from qtwisted.store.kinds.memory import MemoryIntake
from test.kit.smtp import Talk, queue_talk

ENVELOPE = b"MAIL FROM:<a@x>\r\nRCPT TO:<v@local>\r\nDATA\r\n"
LOCAL = RcptHosts([b"local"])


class CommandTests(SynchronousTestCase):
    """Each case in one session with an empty queue behind it."""

    def setUp(self) -> None:
        """Begin a session that takes mail for ``local`` only."""
        self.intake = MemoryIntake()
        self.talk = queue_talk(self.intake, rcpthosts=LOCAL)

    def tearDown(self) -> None:
        """Nothing is left half done, whatever the client did."""
        self.talk.end()
        self.assertEqual(self.intake.open_drafts, 0)

    def other(self, **changes: object) -> Talk:
        """Begin another session."""
        return queue_talk(self.intake, **changes)

    def send(self, text: bytes) -> bytes:
        """Send a message text; give it as it was stored, without our field."""
        self.talk.say(ENVELOPE)
        self.talk.say(text + b"\r\n.\r\n")
        return self.intake.messages.pop().text.partition(b"-0000\n")[2]

    def test_s01_plain_message(self) -> None:
        """A message is taken once, with our Received field first."""
        output = self.talk.say(b"HELO x\r\n" + ENVELOPE + b"Subject: s\r\n\r\nhi\r\n.\r\n")
        self.assertTrue(output.endswith(b"354 go ahead\r\n250 ok 1000000000 qp 1\r\n"))
        (message,) = self.intake.messages
        self.assertEqual(message.envelope, (b"a@x", (b"v@local",)))
        self.assertTrue(message.text.startswith(b"Received: from unknown (HELO x) (192.0.2.7)\n  by "))

    def test_s02_all_in_one_segment(self) -> None:
        """Two messages and QUIT in one segment are answered in order."""
        once = ENVELOPE + b"one\r\n.\r\n"
        self.assertEqual(self.talk.codes(once + once + b"QUIT\r\n"), [250, 250, 354, 250] * 2 + [221])
        self.assertEqual(len(self.intake.messages), 2)

    def test_s04_first_character_at(self) -> None:
        """An address whose only @ is its first character is checked like any other."""
        self.assertEqual(self.talk.codes(b'MAIL <>\r\nRCPT TO:<""@any.host>\r\n'), [250, 553])

    def test_s05_empty_recipient(self) -> None:
        """The empty recipient has no host and is local."""
        self.assertEqual(self.talk.codes(b"MAIL <>\r\nRCPT TO:<>\r\n"), [250, 250])

    def test_s07_relay(self) -> None:
        """A foreign domain is refused with 5.7.1."""
        output = self.talk.say(b"MAIL <>\r\nRCPT TO:<x@any.host>\r\n")
        self.assertTrue(output.startswith(b"250 ok\r\n553 ") and output.endswith(b"(#5.7.1)\r\n"))

    def test_s08_last_at_decides(self) -> None:
        """Routes of any kind are taken as local addresses, or shortened to one."""
        for address in (b"u%any.host@local", b"any.host!u@local", b"a@any.host@local", b"@evil:v@local"):
            self.assertEqual(self.talk.codes(b"MAIL <>\r\nRCPT TO:<" + address + b">\r\n"), [250, 250])
        self.assertEqual(self.talk.codes(b"MAIL <>\r\nRCPT TO:<v@local@any.host>\r\n"), [250, 553])

    def test_s10_unterminated_quote(self) -> None:
        """An open quote ends with its line."""
        self.assertEqual(self.talk.codes(b'MAIL FROM:<"a@x>\r\nRCPT TO:<v@local>\r\nDATA\r\n.\r\n')[-1], 250)
        self.assertEqual(self.intake.messages[0].envelope, (b"a@x>", (b"v@local",)))

    def test_s11_nul_in_address(self) -> None:
        """An address with a NUL is refused."""
        codes = self.talk.codes(b"MAIL FROM:<a\0b@x>\r\nMAIL FROM:<>\r\nRCPT TO:<v@local\0x>\r\n")
        self.assertEqual(codes, [555, 250, 555])

    def test_s13_line_ends_in_address(self) -> None:
        """No address in an envelope ever holds CR or LF."""
        self.talk.say(b"MAIL FROM:<a\rb@x>\r\nMAIL FROM:<a\n@x>\r\nRCPT TO:<v\r@local>\r\nRCPT TO:<v@lo\ncal>\r\n")
        self.talk.say(b"RCPT TO:<v@local>\r\nDATA\r\n.\r\n")
        for message in self.intake.messages:
            self.assertFalse(any(set(address) & set(b"\r\n") for address in message.envelope.recipients))

    def test_s14_eight_bit_address(self) -> None:
        """Bytes above 127 in an address stay what they are, valid UTF-8 or not."""
        for local in (b"\xc3\xa4", b"\xff\x80", b"\xc0\xaf"):
            self.talk.say(b"MAIL FROM:<" + local + b"@x>\r\nRCPT TO:<" + local + b"@local>\r\nDATA\r\n.\r\n")
            self.assertEqual(self.intake.messages.pop().envelope, (local + b"@x", (local + b"@local",)))

    def test_s16_long_line(self) -> None:
        """A line of a megabyte is refused when it ends; nothing of it is kept, and the session goes on."""
        tracemalloc.start()
        self.talk.say(b"NOOP ")
        for _ in range(16):
            self.assertEqual(self.talk.say(b"x" * 65536), b"")
        self.assertLess(tracemalloc.get_traced_memory()[0], 256 * 1024)
        tracemalloc.stop()
        self.assertEqual(self.talk.say(b"\r\nNOOP\r\n"), b"500 5.5.2 line too long\r\n250 ok\r\n")

    def test_s17_endless_line(self) -> None:
        """A line that does not end is 421."""
        output = b""
        for _ in range(160):
            output += self.talk.say(b"x" * 65536)
        self.assertTrue(output.startswith(b"421 "))
        self.assertTrue(self.talk.is_closed)

    def test_s19_order(self) -> None:
        """RCPT needs MAIL, DATA needs both, and RSET, HELO and EHLO forget both."""
        self.assertEqual(self.talk.codes(b"RCPT <v@local>\r\nMAIL <>\r\nDATA\r\n"), [503, 250, 503])
        for command in (b"RSET", b"HELO x", b"EHLO x"):
            self.assertEqual(self.talk.codes(b"MAIL <>\r\nRCPT <v@local>\r\n" + command + b"\r\nDATA\r\n")[-1], 503)

    def test_s20_mail_twice(self) -> None:
        """A second MAIL forgets the recipients of the first."""
        self.assertEqual(self.talk.codes(b"MAIL <a>\r\nRCPT <v@local>\r\nMAIL <b>\r\nDATA\r\n"), [250, 250, 250, 503])

    def test_s22_text_after_refused_data(self) -> None:
        """Text that follows a refused DATA is commands, each wrong."""
        text = b"From: a\r\nTo: b\r\n\r\nhi\r\n.\r\n"
        self.assertEqual(self.talk.codes(b"DATA\r\n" + text), [503] + [502] * 5)
        self.assertEqual(self.intake.messages, [])

    def test_s23_thousand_recipients(self) -> None:
        """The message goes to the first thousand; the others are put off."""
        codes = self.talk.codes(b"MAIL <a>\r\n" + b"RCPT TO:<v@local>\r\n" * 1001)
        self.assertEqual(codes, [250] * 1001 + [452])
        self.assertEqual(self.talk.say(b"RCPT TO:<v@local>\r\n"), b"452 4.5.3 too many recipients\r\n")
        self.talk.say(b"DATA\r\n.\r\n")
        self.assertEqual(len(self.intake.messages[0].envelope.recipients), 1000)

    def test_s25_refused_recipients(self) -> None:
        """Guessing ends at error 20."""
        codes = self.talk.codes(b"MAIL <a>\r\n" + b"RCPT TO:<v@elsewhere>\r\n" * 100000)
        self.assertEqual(codes, [250] + [553] * 19 + [421])
        self.assertTrue(self.talk.is_closed)

    def test_s26_idle_commands(self) -> None:
        """The 101st command that does no work is 421."""
        for command in (b"NOOP", b"RSET", b"VRFY x", b"HELP", b"HELO x", b"EHLO x"):
            codes = self.other().codes((command + b"\r\n") * 101)
            self.assertEqual(codes[-1], 421)
            self.assertNotIn(421, codes[:100])

    def test_s28_size(self) -> None:
        """An absurd size is too big; what is no number is a wrong parameter."""
        for size, code in ((b"99999999999999999999", 552), (b"-1", 501), (b"1e3", 501), (b"0x10", 501), (b"", 501)):
            self.assertEqual(self.talk.codes(b"MAIL FROM:<a@x> SIZE=" + size + b"\r\n"), [code])

    def test_s29_parameters(self) -> None:
        """Known parameters are taken, an unknown one is 555, however many or long, in little time."""
        began = time.process_time()
        for rest, code in (
            (b" BODY=8BITMIME FOO=bar", 555),
            (b" BODY=8BITMIME" * 140, 250),
            (b" A=b" * 200, 555),
            (b" FOO=" + b"x" * 2000, 555),
        ):
            self.assertEqual(self.talk.codes(b"MAIL FROM:<a@x>" + rest + b"\r\n"), [code])
        self.assertLess(time.process_time() - began, 0.5)

    def test_s31_auth_parameter_with_newline(self) -> None:
        """A parameter that a newline cuts is wrong, and the rest is another command."""
        self.assertEqual(self.talk.codes(b"MAIL FROM:<a@x> AUTH=<\n>\r\n"), [501, 502])

    def test_s32_null_sender(self) -> None:
        """Bounces are taken for one and for three recipients."""
        for count in (1, 3):
            codes = self.talk.codes(b"MAIL FROM:<>\r\n" + b"RCPT TO:<v@local>\r\n" * count + b"DATA\r\n.\r\n")
            self.assertEqual(codes[-1], 250)

    def test_s34_verp_sender(self) -> None:
        """A sender that looks like one of ours for lists is stored as it stands."""
        self.talk.say(b"MAIL FROM:<x-@[]>\r\nRCPT TO:<v@local>\r\nDATA\r\n.\r\n")
        self.assertEqual(self.intake.messages[0].envelope.sender, b"x-@[]")

    def test_s35_badmailfrom(self) -> None:
        """A listed sender, or one of a listed host, in any case, is refused at RCPT."""
        talk = self.other(badmailfrom=BadMailFrom([b"X@y", b"@SP.com"]))
        for sender, code in ((b"x@Y", 553), (b"a@sp.COM", 553), (b"a@b.sp.com", 250), (b"", 250)):
            self.assertEqual(talk.codes(b"MAIL FROM:<" + sender + b">\r\nRCPT TO:<v@local>\r\n"), [250, code])

    def test_s37_bdat(self) -> None:
        """BDAT is not offered; what follows it is commands."""
        self.assertEqual(self.talk.codes(b"BDAT 10\r\n12345678\r\n"), [502, 502])

    def test_s38_early_talker(self) -> None:
        """A client that talks before the greeting loses nothing, and data sent before 354 is data."""
        talk = self.other()
        codes = talk.codes(b"HELO x\r\n" + ENVELOPE + b"early\r\n.\r\nNOOP\r\n")
        self.assertEqual(codes, [250, 250, 250, 354, 250, 250])

    def test_s40_body_with_data(self) -> None:
        """A body in the segment of DATA is taken once, as the body."""
        self.assertEqual(self.talk.codes(ENVELOPE + b"RSET\r\n.\r\n"), [250, 250, 354, 250])
        self.assertTrue(self.intake.messages[0].text.endswith(b"\nRSET\n"))

    def test_s41_quit_in_data(self) -> None:
        """QUIT in a message is text; a client that goes then leaves nothing."""
        self.talk.say(ENVELOPE + b"QUIT\r\n")
        self.assertEqual(self.talk.end(), b"")
        self.assertEqual((self.intake.messages, self.intake.open_drafts), ([], 0))

    def test_s43_helo(self) -> None:
        """Whatever the name, the Received field has two lines of harmless bytes."""
        for name in (b"x" * 2000, b"()<>\\", b"\xff\x80", b"a\rb", b"a\nX: y"):
            talk = self.other()
            talk.say(b"HELO " + name + b"\r\n" + ENVELOPE + b".\r\n")
            field = self.intake.messages.pop().text
            self.assertEqual((field.count(b"\n"), field.count(b"\r")), (2, 0))
            self.assertTrue(field.replace(b"\n", b"").decode("ascii").isprintable())

    def test_s44_names_from_outside(self) -> None:
        """The same holds for what name servers and ident say."""
        client = Client(b"192.0.2.7", b"evil\r\nX: y", b"joe)\r\n\xff(", b"here", None)
        self.other(client=client).say(ENVELOPE + b".\r\n")
        first, second = self.intake.messages[0].text.splitlines()
        self.assertEqual(first, b"Received: from evil??X:?y (joe?????@192.0.2.7)")
        self.assertTrue(second.startswith(b"  by here with SMTP; "))

    def test_s46_received_in_body(self) -> None:
        """Lines of the text are no hops."""
        self.talk.say(ENVELOPE + b"\r\n" + b"Received: x\r\n" * 500)
        self.assertEqual(self.talk.codes(b".\r\n"), [250])

    def test_s47_one_long_line(self) -> None:
        """A line of ten megabytes is text to its end, and little of it is in memory at a time."""

        class Counting(MemoryIntake):
            """An intake that only counts."""

            size = 0

            def begin(self, owner: object) -> object:  # type: ignore[override]
                """Be the draft as well."""
                self.owner = owner
                return self

            def write(self, piece: bytes) -> None:
                """Count."""
                self.size += len(piece)

            def commit(self, envelope: object) -> None:
                """Say that it is stored."""
                from qtwisted.model.submission import result_of

                self.owner.stored(result_of(0, 1))  # type: ignore[attr-defined]

        intake = Counting()
        talk = queue_talk(intake)
        talk.say(ENVELOPE)
        tracemalloc.start()
        for _ in range(160):
            self.assertEqual(talk.say(b"M" * 65536), b"")
        self.assertLess(tracemalloc.get_traced_memory()[1], 1 << 20)
        tracemalloc.stop()
        self.assertEqual(talk.codes(b"\r\n.\r\n"), [250])
        self.assertGreater(intake.size, 160 * 65536)

    def test_s49_all_bytes(self) -> None:
        """All 256 bytes pass; only CR LF is changed."""
        text = b"".join(bytes([byte]) for byte in range(256) if byte != 10)
        self.assertEqual(self.send(b"-" + text), b"-" + text + b"\n")

    def test_s50_strange_headers(self) -> None:
        """Headers are not parsed: what bombs a parser costs what plain text costs."""
        plain = b"x" * 1048576
        bombs = (
            b"X: y\r\n" * 174763,
            b"X: " + b"y" * 1048573,
            b"Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n" * 20000,
            b"=?utf-8?q?" * 104858,
        )
        self.send(plain)
        for bomb in bombs:
            began = time.process_time()
            self.send(bomb)
            self.assertLess(time.process_time() - began, 0.5)

    def test_s62_foreign_commands(self) -> None:
        """Commands of other servers and a proxy's header that is not expected are not implemented."""
        commands = b"XCLIENT ADDR=127.0.0.1\r\nPROXY TCP4 127.0.0.1 127.0.0.1 1 25\r\nGET / HTTP/1.0\r\n"
        codes = self.talk.codes(commands)
        self.assertEqual(codes, [502, 502, 502])
