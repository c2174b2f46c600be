"""qmail-inject completes messages to the byte as 1.02 does."""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.accept.submit.inject import Injection
from qtwisted.model.header import LIMIT
from qtwisted.system.ending import Ending
from test.kit.desk import DATE, HIDDEN, MESSAGE_ID, Desk, Tray

FATAL = b"qmail-inject: fatal: "
HOST = b"@mx.example.org"


class AtDesk(SynchronousTestCase):
    """Messages are written at a desk of mx.example.org."""

    def setUp(self) -> None:
        """Make the home."""
        self.room = self.mktemp()
        os.mkdir(self.room)
        self.desk = Desk(self.room)

    def refused(self, text: bytes, *arguments: bytes, tray: Tray | None = None, **variables: bytes) -> Ending:
        """Hand in what is refused; say how."""
        return self.assertRaises(Ending, self.desk.inject, text, *arguments, tray=tray, **variables)

    def unparsable(self, line: bytes, text: bytes, *arguments: bytes, **variables: bytes) -> None:
        """Expect that the message is refused for good because of this line."""
        ending = self.refused(text, *arguments, **variables)
        self.assertEqual(
            (ending.code, ending.line + ending.newline), (100, FATAL + b"unable to parse this line:\n" + line)
        )

    def written_from(self, **variables: bytes) -> bytes:
        """Give the From field made from these variables."""
        return self.desk.inject(b"To: a\n", **variables).field(b"From")


class GeneratedTests(AtDesk):
    """What is added to a message."""

    def test_i1_empty_message(self) -> None:
        """An empty message becomes Date, Message-ID, From and a Cc that names nobody, sent to nobody."""
        letter = self.desk.inject(b"")
        self.assertEqual(letter.text, DATE + MESSAGE_ID + b"From: joe" + HOST + b"\n" + HIDDEN)
        self.assertEqual((letter.sender, letter.recipients), (b"joe" + HOST, ()))

    def test_what_is_there_is_not_added(self) -> None:
        """A message with all fields gets none, and their text is not touched."""
        text = b"Date: yesterday\nMessage-ID: <x>\nFrom: j@k.l\nCc: a@b.c\nsubject :  x \n y\n\nbody\n"
        self.assertEqual(self.desk.inject(text).text, text)

    def test_order(self) -> None:
        """Added fields come first, kept ones after them in their order, then the body as it was."""
        letter = self.desk.inject(b"Subject: s\nTo: a\nX: 1\n\n\x00\xff\r\nbody")
        head = DATE + MESSAGE_ID + b"From: joe" + HOST + b"\n"
        self.assertEqual(letter.text, head + b"Subject: s\nTo: a" + HOST + b"\nX: 1\n\n\x00\xff\r\nbody\n")

    def test_i5_full_name(self) -> None:
        """A full name is quoted, the host is completed."""
        field = self.written_from(QMAILNAME=b'Joe "X" User', QMAILHOST=b"foo")
        self.assertEqual(field, b'From: "Joe \\"X\\" User" <joe@foo.example.org>')

    def test_i6_name_as_comment(self) -> None:
        """With letter c the name is a comment; a user name that needs quotes gets them."""
        field = self.written_from(QMAILINJECT=b"c", MAILNAME=b"Joe (X) User", MAILUSER=b"a b")
        self.assertEqual(field, b'From: "a b"@mx.example.org (Joe \\(X\\) User)')

    def test_i18_no_control_files(self) -> None:
        """Without any control file each name is the name of its file."""
        letter = Desk(self.room, {}).inject(b"")
        self.assertEqual(letter.field(b"From"), b"From: joe@defaulthost.defaultdomain")
        self.assertIn(b".qmail@idhost>", letter.field(b"Message-ID"))

    def test_me_is_the_default(self) -> None:
        """Names without a file of their own are control/me."""
        letter = Desk(self.room, {"me": "m.n"}).inject(b"To: a+, b, c@d, e@f+\n")
        self.assertEqual(letter.recipients, (b"e@f.m.n", b"c@d.m.n", b"b@m.n", b"a+@m.n"))
        self.assertIn(b"@m.n>", letter.field(b"Message-ID"))

    def test_empty_control_files(self) -> None:
        """A file that is empty is an empty name."""
        desk = Desk(self.room, {"me": "m.n", "idhost": "", "defaultdomain": ""})
        letter = desk.inject(b"To: c@d\n")
        self.assertEqual(letter.recipients, (b"c@d.",))
        self.assertTrue(letter.field(b"Message-ID").endswith(b".qmail@>"))

    def test_i20_empty_user(self) -> None:
        """A variable that is set and empty counts."""
        self.assertEqual(self.written_from(USER=b""), b'From: ""@mx.example.org')
        self.assertEqual(self.written_from(QMAILNAME=b"", MAILNAME=b"x"), b'From: "" <joe@mx.example.org>')

    def test_order_of_variables(self) -> None:
        """The first variable that is set counts."""
        users = {"LOGNAME": b"d", "USER": b"c", "MAILUSER": b"b", "QMAILUSER": b"a"}
        given: dict[str, bytes] = {}
        for name, value in users.items():
            given[name] = value
            if name != "LOGNAME":
                self.assertEqual(self.written_from(**given), b"From: " + value + HOST)
        self.assertEqual(self.written_from(MAILHOST=b"h", QMAILHOST=b"q"), b"From: joe@q.example.org")
        self.assertEqual(
            self.written_from(NAME=b"n", MAILNAME=b"m"), b'From: "m" <joe@mx.example.org>'
        )

    def test_variables_override_controls(self) -> None:
        """Four variables stand for the control files of the same name."""
        letter = self.desk.inject(
            b"To: a, b@c, d@e+\n",
            QMAILDEFAULTHOST=b"dh", QMAILDEFAULTDOMAIN=b"dd.x", QMAILPLUSDOMAIN=b"pp", QMAILIDHOST=b"ii",
        )
        self.assertEqual(letter.recipients, (b"d@e.pp", b"b@c.dd.x", b"a@dh.dd.x"))
        self.assertTrue(letter.field(b"Message-ID").endswith(b".qmail@ii>"))

    def test_letters_drop_fields(self) -> None:
        """Letter f makes a new From, i a new Message-ID; what is dropped is not even parsed."""
        text = b"From: a(b\nMessage-ID: <x>\nTo: c\n"
        letter = self.desk.inject(text, QMAILINJECT=b"zif?")
        self.assertEqual(letter.field(b"From"), b"From: joe" + HOST)
        self.assertEqual(letter.field(b"Message-ID") + b"\n", MESSAGE_ID)

    def test_letter_f_spares_resent_from(self) -> None:
        """Letter f has no effect on Resent-From."""
        letter = self.desk.inject(b"Resent-From: r@s.t\n", QMAILINJECT=b"f")
        self.assertEqual(letter.field(b"Resent-From"), b"Resent-From: r@s.t")

    def test_host_that_makes_two_addresses(self) -> None:
        """User and host are parsed again once they are joined."""
        self.assertEqual(self.written_from(MAILHOST=b"a, b@c"), b"From: joe@a.example.org, b@c.example.org")

    def test_host_that_is_no_host(self) -> None:
        """A host that makes the field unusable stops the message."""
        self.unparsable(b'Return-Path: "joe"@a:b\n', b"", MAILHOST=b"a:b")
        self.unparsable(b"From: joe@a:b\n", b"", b"-fx", MAILHOST=b"a:b")


class ResentTests(AtDesk):
    """Messages that were sent before."""

    def test_i10_resent_recipients(self) -> None:
        """With a Resent- field only Resent- recipients count, and Resent- fields are added."""
        letter = self.desk.inject(b"Resent-To: r\nBcc: bb\nResent-Bcc: rb\nReturn-Path: q\n", b"-h")
        self.assertEqual((letter.sender, letter.recipients), (b"q" + HOST, (b"r" + HOST, b"rb" + HOST)))
        added = b"Resent-" + DATE + b"Resent-" + MESSAGE_ID + b"Resent-From: joe" + HOST + b"\n"
        self.assertEqual(letter.text, added + b"Resent-To: r" + HOST + b"\n")

    def test_i11_no_resent_recipients(self) -> None:
        """A resent message that names nobody gets a Resent-Cc, and no Cc."""
        letter = self.desk.inject(b"Resent-From: r\n")
        self.assertEqual(letter.field(b"Resent-Cc") + b"\n", b"Resent-" + HIDDEN)
        self.assertFalse(letter.has(b"Cc"))

    def test_each_field_makes_it_resent(self) -> None:
        """Any of the eight fields is enough."""
        for name in (b"Sender", b"From", b"Reply-To", b"To", b"Cc", b"Bcc", b"Date", b"Message-ID"):
            letter = self.desk.inject(b"To: a\nRESENT-" + name + b": x\n")
            self.assertFalse(letter.has(b"Date"), name)
            self.assertTrue(letter.has(b"Resent-Date"), name)
            self.assertNotIn(b"a" + HOST, letter.recipients)


class FieldTests(AtDesk):
    """What happens to each field that was written."""

    def test_i2_address_lists(self) -> None:
        """Commas are put in, groups and names stay, comments move, long lists are folded."""
        letter = self.desk.inject(b"To: a, b@c, Joe User <d@e.f.g>, grp: x, y@z;, (cmt) k@l.m, n o\n")
        self.assertEqual(
            letter.field(b"To"),
            b"To: a@mx.example.org, b@c.example.org, Joe User <d@e.f.g>,\n"
            b"  grp: x@mx.example.org, y@z.example.org;, k@l.m (cmt), n@mx.example.org,\n"
            b"  o@mx.example.org",
        )

    def test_i3_plus_domain(self) -> None:
        """A plus sign at the end of a host stands for the plus domain."""
        self.assertEqual(self.desk.inject(b"To: a@b+\n").field(b"To"), b"To: a@b.plus.net")

    def test_i4_unparsable_fields(self) -> None:
        """A field that is no address list stops the message, which field it may be."""
        for line in (b"To: a(b\n", b"From: a(b\n", b"To: foo:bar\n", b"Bcc: )\n", b"Return-Path: a>\n",
                     b"Resent-Cc: [\n", b"Errors-To: \"\n x\n"):
            self.unparsable(line, b"Subject: x\n" + line + b"Cc: a\n")

    def test_i12_from_line(self) -> None:
        """A From_ line becomes MBOX-Line."""
        letter = self.desk.inject(b"From joe Mon\nTo: a\n")
        self.assertEqual(letter.field(b"MBOX-Line"), b"MBOX-Line: From joe Mon")

    def test_i13_line_that_is_no_field(self) -> None:
        """What is no field ends the header."""
        letter = self.desk.inject(b"To: a\nthis is not header\nTo: b\n")
        self.assertTrue(letter.text.endswith(b"\nTo: a" + HOST + b"\n\nthis is not header\nTo: b\n"))
        self.assertEqual(letter.recipients, (b"a" + HOST,))

    def test_i14_blank_first(self) -> None:
        """A message that begins with a blank has no header of its own."""
        letter = self.desk.inject(b" To: a\nTo: b\n")
        self.assertTrue(letter.text.endswith(HIDDEN + b"\n To: a\nTo: b\n"))
        self.assertEqual(letter.recipients, ())

    def test_i15_name_of_field(self) -> None:
        """A known field keeps the case of its name, blanks before the colon go."""
        self.assertEqual(self.desk.inject(b"tO : a\n").field(b"To"), b"tO: a" + HOST)

    def test_i28_bcc_only(self) -> None:
        """Bcc is a recipient, is taken out, and does not count as naming anybody."""
        letter = self.desk.inject(b"Bcc: x\n")
        self.assertEqual(letter.recipients, (b"x" + HOST,))
        self.assertTrue(letter.text.endswith(HIDDEN))
        self.assertFalse(letter.has(b"Bcc"))

    def test_i29_content_length(self) -> None:
        """Content-Length is taken out."""
        self.assertNotIn(b"ontent", self.desk.inject(b"Content-Length: 5\nCONTENT-LENGTH : 6\n").text)

    def test_rewritten_without_being_recipients(self) -> None:
        """Eight fields are completed but name no recipients."""
        for name in (b"Sender", b"From", b"Reply-To", b"Return-Receipt-To", b"Errors-To",
                     b"Resent-Sender", b"Resent-From", b"Resent-Reply-To"):
            letter = self.desk.inject(name + b": a\n")
            self.assertEqual(letter.field(name), name + b": a" + HOST)
            self.assertEqual(letter.recipients, ())

    def test_untouched_fields(self) -> None:
        """All other fields keep every byte, known or not."""
        for field in (b"Subject :a(b \r\n\t c", b"Received: x", b"Delivered-To: a", b"X-To: a", b"!: x", b"Date: (",
                      b"Mail-Followup-To: a", b"Notice-Requested-Upon-Delivery-To: a", b"Content-Type: ("):
            self.assertIn(b"\n" + field + b"\n", self.desk.inject(field + b"\n").text)


class AddressTests(AtDesk):
    """How addresses are completed."""

    def test_i19_plus_in_default_host(self) -> None:
        """The default host may have a plus sign itself."""
        letter = self.desk.inject(b"To: e\n", QMAILDEFAULTHOST=b"dh+")
        self.assertEqual(letter.recipients, (b"e@dh.plus.net",))

    def test_i27_literals_and_plus_signs(self) -> None:
        """Literals are hosts; a local part may have dots, quotes and plus signs."""
        letter = self.desk.inject(b'To: a@b@[1.2.3.4], c.d, e@[x y], "q.r", s+, t+@u\n')
        self.assertEqual(
            letter.field(b"To"),
            b'To: a@b@[1.2.3.4], c.d@mx.example.org, e@[x y], "q.r"@mx.example.org,\n'
            b"  s+@mx.example.org, t+@u.example.org",
        )

    def test_i30_routes_and_remains(self) -> None:
        """Source routes, a trailing dot and a trailing @ go; an empty address stays empty."""
        letter = self.desk.inject(b"To: <@r:z@y>, w@, x@y., <>\n")
        self.assertEqual(letter.field(b"To"), b"To: <z@y.example.org>, w@mx.example.org, x@y.example.org, <>")
        self.assertEqual(letter.recipients, (b"", b"x@y.example.org", b"w@mx.example.org", b"z@y.example.org"))

    def test_special_sender_stays(self) -> None:
        """What ends in @[] is not completed."""
        letter = self.desk.inject(b"To: #@[], list@h-@[], @[]\n")
        self.assertEqual(letter.recipients, (b"@[]", b"list@h-@[]", b"#@[]"))

    def test_route_without_end(self) -> None:
        """A source route without a colon is nothing."""
        self.assertEqual(self.desk.inject(b"To: <@a.b>\n").recipients, (b"",))

    def test_control_files_that_are_no_hosts(self) -> None:
        """A name that cannot be parsed stops every message, shown with the sign it would follow."""
        self.unparsable(b"@a(b", b"", QMAILDEFAULTHOST=b"a(b")
        self.unparsable(b".)", b"", QMAILDEFAULTDOMAIN=b")")
        self.unparsable(b'."', b"", QMAILPLUSDOMAIN=b'"')


class SenderTests(AtDesk):
    """Who is the envelope sender."""

    def test_i7_verp(self) -> None:
        """Letters m and r mark the sender, which has a user and a host of its own."""
        given = {"QMAILSUSER": b"su", "QMAILSHOST": b"sh"}
        for letters, sender in (
            (b"m", b"su-1795354812.2620@sh.example.org"),
            (b"r", b"su-@sh.example.org-@[]"),
            (b"rm", b"su-1795354812.2620-@sh.example.org-@[]"),
        ):
            self.assertEqual(self.desk.inject(b"", QMAILINJECT=letters, **given).sender, sender)

    def test_i8_return_path(self) -> None:
        """The last address of the first Return-Path is the sender, unless letter s says no."""
        text = b"Return-Path: <a@b>, c@d\nReturn-Path: e@f\n"
        letter = self.desk.inject(text)
        self.assertEqual(letter.sender, b"c@d.example.org")
        self.assertFalse(letter.has(b"Return-Path"))
        self.assertEqual(self.desk.inject(text, QMAILINJECT=b"s").sender, b"joe" + HOST)

    def test_empty_return_path(self) -> None:
        """An empty address is a sender; a field without any address is not."""
        self.assertEqual(self.desk.inject(b"Return-Path: <>\nReturn-Path: a\n").sender, b"")
        self.assertEqual(self.desk.inject(b"Return-Path: g:;\nReturn-Path: a\n").sender, b"a" + HOST)

    def test_letter_r_marks_return_path(self) -> None:
        """Letter r marks the sender of a Return-Path too, m does not; -f is never marked."""
        self.assertEqual(self.desk.inject(b"Return-Path: q@h.x\n", QMAILINJECT=b"rm").sender, b"q@h.x-@[]")
        self.assertEqual(self.desk.inject(b"", b"-fq@h.x", QMAILINJECT=b"rm").sender, b"q@h.x")

    def test_i16_argument(self) -> None:
        """-f is completed like any bare address; nothing else can be the sender then."""
        for given, sender in (
            (b"", b""), (b"#@[]", b"#@[]"), (b"list@h.x-@[]", b"list@h.x-@[]"), (b"a b@h", b"a b@h.example.org"),
            (b"x", b"x" + HOST), (b"a@b@c.d", b"a@b@c.d"),
        ):
            letter = self.desk.inject(b"Return-Path: q\n", b"-f", given, QMAILSUSER=b"z")
            self.assertEqual(letter.sender, sender)

    def test_unparsable_argument(self) -> None:
        """A sender whose host is no host is shown as it was quoted, without a newline."""
        self.unparsable(b'"a b"@c(d', b"", b"-f", b"a b@c(d")


class RecipientTests(AtDesk):
    """Who gets the message."""

    def test_i9_order(self) -> None:
        """Arguments come first, then the fields, each from its right end; duplicates stay."""
        text = b"To: a, b\nCc: c, d\nBcc: e\nApparently-To: f, b\n"
        letter = self.desk.inject(text, b"-H", b"arg1", b"arg2@x.y")
        plain = [b"arg1" + HOST, b"arg2@x.y", *(name + HOST for name in (b"b", b"a", b"d", b"c", b"e", b"b", b"f"))]
        self.assertEqual(letter.recipients, tuple(plain))
        self.assertFalse(letter.has(b"Bcc"))

    def test_options(self) -> None:
        """Four options choose where the recipients come from, the last one counts."""
        text = b"To: a@b.c\n"
        for options, recipients in (
            ((), (b"x@y.z",)),
            ((b"-A",), (b"x@y.z",)),
            ((b"-a",), (b"x@y.z",)),
            ((b"-h",), (b"a@b.c",)),
            ((b"-H",), (b"x@y.z", b"a@b.c")),
            ((b"-Hah",), (b"a@b.c",)),
            ((b"-h", b"-A"), (b"x@y.z",)),
        ):
            self.assertEqual(self.desk.inject(text, *options, b"--", b"x@y.z").recipients, recipients, options)

    def test_no_arguments(self) -> None:
        """Without arguments -A means the header, -a nobody."""
        self.assertEqual(self.desk.inject(b"To: a@b.c\n").recipients, (b"a@b.c",))
        self.assertEqual(self.desk.inject(b"To: a@b.c\n", b"-a").recipients, ())
        self.assertEqual(self.desk.inject(b"To: a@b.c\n", b"-H").recipients, (b"a@b.c",))

    def test_arguments_are_bare_addresses(self) -> None:
        """An argument is never a list, its local part is taken as it is."""
        for argument, recipient in (
            (b"a b", b"a b" + HOST), (b"<a@b>", b"<a@b>.example.org"), (b"x,y@z.w", b"x,y@z.w"), (b"", b""),
            (b"@h.x", b"@h.x"), (b'"q"@h.x', b'"q"@h.x'), (b"a@b+", b"a@b.plus.net"), (b"a@b@c.d", b"a@b@c.d"),
            (b"\xe9@h.x", b"\xe9@h.x"), (b"a@[1.2]", b"a@[1.2]"), (b"a..b", b"a..b" + HOST),
        ):
            self.assertEqual(self.desk.inject(b"", b"--", argument).recipients, (recipient,), argument)

    def test_unparsable_argument(self) -> None:
        """An argument whose host is no host is refused as it was given, unless arguments do not count."""
        ending = self.refused(b"", b"a@b(c")
        self.assertEqual((ending.code, ending.line), (100, FATAL + b"unable to parse address: a@b(c"))
        self.assertEqual(self.desk.inject(b"To: x@y.z\n", b"-h", b"a@b(c").recipients, (b"x@y.z",))

    def test_i25_list_of_mailsubj(self) -> None:
        """A list without commas, as mailsubj makes it, is completed."""
        letter = self.desk.inject(b"Subject: My subj\nTo: a@b c@d \n\nbody\n")
        self.assertEqual(letter.field(b"To"), b"To: a@b.example.org, c@d.example.org")
        self.assertEqual(letter.recipients, (b"c@d.example.org", b"a@b.example.org"))


class FollowupTests(AtDesk):
    """Mail-Followup-To, for messages to mailing lists."""

    def lists(self, text: str) -> bytes:
        """Make a file of mailing lists."""
        path = os.path.join(self.room, "lists")
        with open(path, "w") as file:
            file.write(text)
        return os.fsencode(path)

    def test_i17_everybody(self) -> None:
        """If one of the recipients is a list, all of To and Cc are asked for, in reverse order."""
        text = b'To: a, list@x.Y\nCc: c@d, "q r"@s.t\nBcc: b\n'
        letter = self.desk.inject(text, QMAILMFTFILE=self.lists("# mine\n\nLIST@x.y \t\n"))
        field = b'Mail-Followup-To: c@d.example.org,\n  "q r"@s.t,\n  a@mx.example.org,\n  list@x.Y'
        self.assertEqual(letter.field(b"Mail-Followup-To"), field)
        self.assertIn(b"From: joe@mx.example.org\n" + field + b"\nTo: ", letter.text)

    def test_nothing(self) -> None:
        """Without a list, with a field of that name, in a resent message, or without the file there is nothing."""
        lists = self.lists("list@x.y\n")
        self.assertFalse(self.desk.inject(b"To: a\n", QMAILMFTFILE=lists).has(b"Mail-Followup-To"))
        self.assertFalse(self.desk.inject(b"Bcc: list@x.y\n", QMAILMFTFILE=lists).has(b"Mail-Followup-To"))
        letter = self.desk.inject(b"To: list@x.y\nResent-To: a\n", QMAILMFTFILE=lists)
        self.assertFalse(letter.has(b"Mail-Followup-To"))
        letter = self.desk.inject(b"To: list@x.y\nMail-Followup-To: z\n", QMAILMFTFILE=lists)
        self.assertEqual(letter.field(b"Mail-Followup-To"), b"Mail-Followup-To: z")
        self.assertFalse(self.desk.inject(b"To: a\n", QMAILMFTFILE=b"/nonexistent").has(b"Mail-Followup-To"))

    def test_unreadable_file(self) -> None:
        """A file that is there but cannot be read stops the message for now."""
        ending = self.refused(b"", QMAILMFTFILE=os.fsencode(self.room))
        self.assertEqual((ending.code, ending.line), (111, FATAL + b"read error"))


class TroubleTests(AtDesk):
    """What cannot be sent."""

    def test_i21_answers_of_the_queue(self) -> None:
        """A problem for good is exit code 100, one for now 111; the words are the queue's."""
        for problem, code, words in (
            (b"Dmail server permanently rejected message (#5.3.0)", 100,
             b"mail server permanently rejected message (#5.3.0)"),
            (b"Zqq write error or disk full (#4.3.0)", 111, b"qq write error or disk full (#4.3.0)"),
        ):
            ending = self.refused(b"To: a\n", tray=Tray(problem))
            self.assertEqual((ending.code, ending.line, ending.newline), (code, FATAL + words, b"\n"))

    def test_usage(self) -> None:
        """Options that do not exist or lack their value are refused."""
        self.assertEqual(self.refused(b"", b"-z").line, b"qmail-inject: illegal option -- z\n")
        ending = self.refused(b"", b"-nf")
        self.assertEqual((ending.code, ending.line), (100, b"qmail-inject: option requires an argument -- f\n"))

    def test_no_home(self) -> None:
        """Without its home the program can do nothing."""
        ending = self.refused(b"", QMAILHOME=b"/nonexistent")
        self.assertEqual((ending.code, ending.line), (111, FATAL + b"internal bug"))

    def test_control_file_that_cannot_be_read(self) -> None:
        """A control file in the way of which something stands stops the message for now."""
        (self.desk.home / "control" / "idhost").mkdir()
        ending = self.refused(b"")
        self.assertEqual((ending.code, ending.line), (111, FATAL + b"read error"))

    def failing(self, pieces: list[bytes], tray: Tray) -> Ending:
        """Hand in pieces after which reading fails."""

        def read() -> bytes:
            """Give the next piece."""
            if not pieces:
                raise OSError
            return pieces.pop(0)

        here = os.getcwd()
        self.addCleanup(os.chdir, here)
        environ = {b"QMAILHOME": os.fsencode(self.desk.home)}
        injection = Injection([b"qmail-inject"], environ, read, lambda home: tray)
        return self.assertRaises(Ending, injection.run, 1, 1)

    def test_read_error(self) -> None:
        """If the message breaks off, in the header or in the body, nothing is queued."""
        for pieces in ([], [b"To: a\n"], [b"To: a\n\nbody"]):
            tray = Tray()
            begun = len(pieces) == 1 and b"\n\n" in pieces[0]
            ending = self.failing(pieces, tray)
            self.assertEqual((ending.code, ending.line), (111, FATAL + b"read error"))
            self.assertEqual((tray.envelope, tray.is_abandoned), (None, begun))

    def test_no_queue(self) -> None:
        """If a submission cannot even be begun the message may be sent later."""

        def closed(home: str) -> Tray:
            """Fail as a process that cannot be started."""
            raise OSError

        self.addCleanup(os.chdir, os.getcwd())
        injection = Injection([b"i"], {b"QMAILHOME": os.fsencode(self.desk.home)}, lambda: b"", closed)
        ending = self.assertRaises(Ending, injection.run, 1, 1)
        self.assertEqual((ending.code, ending.line), (111, FATAL + b"unable to run qmail-queue"))

    def test_header_without_end(self) -> None:
        """A header beyond all measure is refused for good, before it fills the memory."""
        ending = self.refused(b"X: y\n" * (LIMIT // 5 + 1))
        self.assertEqual((ending.code, ending.line), (100, FATAL + b"header too long"))

    def test_nothing_is_begun_before_the_header_is_known(self) -> None:
        """A header that cannot be parsed never reaches the queue."""
        tray = Tray()
        self.refused(b"To: (\n\nbody\n", tray=tray)
        self.assertEqual((tray.pieces, tray.is_abandoned), ([], False))
