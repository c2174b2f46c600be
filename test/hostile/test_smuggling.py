"""No sequence of bytes ends a message where qmail does not end it: mail cannot be smuggled in another's text.

Each body is ``hi``, the sequence, and then what an attacker wants to be taken for commands.
"""

from __future__ import annotations

from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from qtwisted.store.kinds.memory import MemoryIntake
from test.kit.smtp import by_table, queue_talk

BEFORE = b"EHLO x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<v1@l>\r\nDATA\r\n"
SMUGGLED = (
    b"MAIL FROM:<f@bank>\r\nRCPT TO:<v2@l>\r\nDATA\r\nSubject: s\r\n\r\nx\r\n.\r\nQUIT\r\n"
)
NONE = 0

#: the sequence, and how many messages there are; none means 451 and close
SEQUENCES = {
    "M01": (b"\r\n.\r\n", 2),
    "M02": (b"\n.\n", NONE),
    "M03": (b"\n.\r\n", NONE),
    "M04": (b"\r\n.\n", NONE),
    "M05": (b"\n.\r", NONE),
    "M06": (b"\r.\n", NONE),
    "M07": (b"\r.\r", 1),
    "M08": (b"\r.\r\n", 1),
    "M09": (b"\r\n.\rtext", 1),
    "M10": (b"\r\n.\r\r\n", 1),
    "M11": (b"\r\r\n.\r\r\n", 1),
    "M12": (b"\r\r\n.\r\n", 2),
    "M13": (b"\r\n..\r\n", 1),
    "M14": (b"\r\n.\0\r\n", 1),
    "M15": (b"\r\n. \r\n", 1),
    "M16": (b"\r\n\0.\r\n", 1),
    "M17 one dot leader": (b"\r\n\xe2\x80\xa4\r\n", 1),
    "M17 next line": (b"\xc2\x85.\xc2\x85", 1),
    "M17 vertical tab": (b"\x0b.\x0b", 1),
    "M17 form feed": (b"\x0c.\x0c", 1),
    "M17 line separator": (b"\xe2\x80\xa8.\xe2\x80\xa8", 1),
}
BARE_LF = b"451 See http://pobox.com/~djb/docs/smtplf.html.\r\n"


class SmugglingTests(SynchronousTestCase):
    """Whole, byte by byte, and cut at every position."""

    def hold(self, sequence: bytes, cuts: list[int]) -> tuple[list[tuple[tuple[bytes, ...], bytes]], bytes]:
        """Send the body with this sequence, cut there; give the messages and the output."""
        data = BEFORE + b"hi" + sequence + SMUGGLED
        intake = MemoryIntake()
        talk = queue_talk(intake)
        output = b""
        for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
            output += talk.say(data[start:end])
        output += talk.end()
        self.assertEqual(intake.open_drafts, 0)
        texts = [message.text.partition(b"-0000\n")[2] for message in intake.messages]
        return list(zip([message.envelope.recipients for message in intake.messages], texts, strict=True)), output

    def wanted(self, sequence: bytes) -> tuple[list[tuple[tuple[bytes, ...], bytes]], bool]:
        """Say by qmail's table which messages there are, and whether a bare LF ended the session."""
        stored, ending, rest = by_table(b"hi" + sequence + SMUGGLED)
        if ending != "end":
            return [], ending == "bare LF"
        messages = [((b"v1@l",), stored)]
        # what is left of the sequence is commands that mean nothing; the next line begins after the last LF of it
        if rest.endswith(SMUGGLED) and rest.removesuffix(SMUGGLED)[-1:] in (b"", b"\n"):
            messages.append(((b"v2@l",), b"Subject: s\n\nx\n"))
        return messages, False

    def check(self, sequence: bytes, cuts: list[int]) -> int:
        """Compare; give the number of messages."""
        messages, output = self.hold(sequence, cuts)
        wanted, has_bare_lf = self.wanted(sequence)
        self.assertEqual(messages, wanted, (sequence, cuts))
        self.assertEqual(output.endswith(BARE_LF), has_bare_lf, (sequence, cuts))
        return len(messages)

    def test_table(self) -> None:
        """Every sequence of the table gives this number of messages, in any segments."""
        for name, (sequence, count) in SEQUENCES.items():
            size = len(BEFORE + b"hi" + sequence + SMUGGLED)
            self.assertEqual(self.check(sequence, []), count, name)
            self.assertEqual(self.check(sequence, list(range(1, size))), count, name)
            for cut in range(1, size):
                self.assertEqual(self.check(sequence, [cut]), count, name)

    def test_all_sequences(self) -> None:
        """All sequences of up to five symbols, whole and byte by byte, are read as qmail reads them."""
        for length in range(6):
            for symbols in product((b"\r", b"\n", b"."), repeat=length):
                sequence = b"".join(symbols)
                at = len(BEFORE) + 2
                self.check(sequence, [])
                self.check(sequence, list(range(at, at + length + 2)))

    def test_all_three_symbols_with_nul_and_text(self) -> None:
        """All sequences of three symbols with NUL and text among them, too."""
        for symbols in product((b"\r", b"\n", b".", b"\0", b"a"), repeat=3):
            self.check(b"".join(symbols), [])

    @settings(derandomize=True, max_examples=500, deadline=None)
    @given(
        st.lists(st.sampled_from([b"\r", b"\n", b".", b"a", b"\0", b" ", b"\r\n", b"\r\n."]), max_size=12),
        st.lists(st.integers(1, 200), max_size=6, unique=True),
    )
    def test_any_sequence_and_any_cuts(self, symbols: list[bytes], cuts: list[int]) -> None:
        """Longer sequences cut in many places are read as qmail reads them."""
        sequence = b"".join(symbols)
        size = len(BEFORE + b"hi" + sequence + SMUGGLED)
        self.check(sequence, sorted(cut for cut in cuts if cut < size))

    def test_dot_at_once(self) -> None:
        """M20: a dot right after 354 is the end of an empty message."""
        intake = MemoryIntake()
        talk = queue_talk(intake)
        self.assertEqual(talk.codes(BEFORE + b".\r\nQUIT\r\n"), [250, 250, 250, 354, 250, 221])
        self.assertTrue(intake.messages[0].text.endswith(b"-0000\n"))

    def test_long_lines(self) -> None:
        """M21: a line of any length before the end changes nothing, in segments of any size."""
        for length in (16383, 16384, 16385, 65536, 1048577):
            for step in (1 << 21, 65536, 1000, length - 1, length, length + 1, length + 2):
                intake = MemoryIntake()
                talk = queue_talk(intake)
                talk.say(BEFORE)
                data = b"x" * length + b"\r\n.\r\nNOOP\r\n"
                output = b"".join(talk.say(data[at : at + step]) for at in range(0, len(data), step))
                self.assertEqual(output, b"250 ok 1000000000 qp 1\r\n250 ok\r\n")
                self.assertTrue(intake.messages[0].text.endswith(b"\n" + b"x" * length + b"\n"))
