"""Every dialogue in smtp/ is held with the bare core, in memory on Twisted, and with the real program qmail-smtpd."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase, TestCase

from qtwisted.accept.gate import localiser
from qtwisted.accept.listen import _SentAway
from qtwisted.accept.session import Session
from qtwisted.accept.smtpd import QueueReceiver, settings
from qtwisted.accept.stdio import client_of, databytes_of
from qtwisted.config.control import Control, ControlError
from qtwisted.config.fields import smtpd
from qtwisted.model.envelope import parse_submission
from qtwisted.store.kinds.memory import MemoryIntake
from qtwisted.wire.smtp_events import Receiver
from qtwisted.wire.smtp_replies import NO_CONTROLS
from qtwisted.wire.smtp_server import SmtpServer
from qtwisted.wire.smtp_verbs import Settings
from test.dialogs.script import Dialogue, Mail, matches, read_all
from test.kit.smtp import Talk

DIALOGUES = read_all("smtp")
ROOT = Path(__file__).parent.parent.parent

#: stands for qmail-queue: keeps message and envelope in files and exits as it is told
QUEUE = """#!/bin/sh
cat > "$KEEP/message.$$" && cat <&1 > "$KEEP/envelope.$$"
exit "$QUEUE_EXIT"
"""


def write_home(home: Path, dialogue: Dialogue) -> str:
    """Make the home a dialogue wants."""
    (home / "control").mkdir(parents=True)
    for name, text in dialogue.controls.items():
        if text is not None:
            (home / "control" / name).write_bytes(text)
    return str(home)


def parts(home: str, dialogue: Dialogue, intake: MemoryIntake) -> tuple[SmtpServer, Receiver]:
    """Put core and receiver together as the program does."""
    try:
        config = smtpd(Control(home))
    except ControlError:
        return SmtpServer(Settings(b"")), _SentAway(NO_CONTROLS)
    localise = localiser(config.localiphost, lambda: frozenset({bytes([127, 0, 0, 1])}))
    core = SmtpServer(settings(config, localise, databytes_of(dialogue.environ)))
    return core, QueueReceiver(config, client_of(dialogue.environ, config), intake, lambda: 1000000000)


class Case(TestCase):
    """What all ways of holding a dialogue check."""

    def check_answers(self, dialogue: Dialogue, wanted: tuple[bytes, ...], output: bytes) -> None:
        """Compare the lines of the server."""
        lines = tuple(output.split(b"\r\n")[:-1])
        self.assertTrue(output == b"" or output.endswith(b"\r\n"), output)
        same = len(lines) == len(wanted) and all(map(matches, wanted, lines))
        self.assertTrue(same, f"{dialogue.name}: {dialogue.about}\nwanted {wanted}\nheard  {lines}")

    def check_mails(self, dialogue: Dialogue, found: list[Mail]) -> None:
        """Compare what was queued."""
        wanted = dialogue.mails
        self.assertEqual([mail[:2] for mail in found], [mail[:2] for mail in wanted], dialogue.name)
        for mail, model in zip(found, wanted, strict=True):
            if model.text is not None:
                self.assertTrue(matches(model.text, mail.text), f"{dialogue.name}: {mail.text!r}")

    def memory(self, dialogue: Dialogue) -> MemoryIntake:
        """Make the queue of a dialogue."""
        intake = MemoryIntake()
        intake.refusal = dialogue.queue_exit
        return intake

    def kept(self, intake: MemoryIntake) -> list[Mail]:
        """Look into such a queue; no draft may be left open."""
        self.assertEqual(intake.open_drafts, 0)
        return [Mail(*message.envelope, message.text) for message in intake.messages]


class CoreTests(Case, SynchronousTestCase):
    """Every dialogue, held with the bare core."""

    def hold(self, dialogue: Dialogue, step: int) -> None:
        """Hold it turn by turn, or in pieces of so many bytes regardless of turns."""
        intake = self.memory(dialogue)
        talk = Talk(*parts(write_home(Path(self.mktemp()), dialogue), dialogue, intake))
        output = talk.run()
        if not step:
            for turn in dialogue.turns:
                output = (output if turn is dialogue.turns[0] else b"") + talk.say(turn.sent)
                self.check_answers(dialogue, turn.answers, output)
            output = b""
        else:
            for at in range(0, len(dialogue.sent), step):
                output += talk.say(dialogue.sent[at : at + step])
            self.check_answers(dialogue, dialogue.answers, output)
        if dialogue.input_ends:
            self.assertEqual(talk.end(), b"")
        self.assertTrue(talk.is_closed)
        self.assertEqual(talk.core.said_goodbye, dialogue.exit == 0)
        self.check_mails(dialogue, self.kept(intake))

    def test_turns(self) -> None:
        """The client waits for each answer."""
        for dialogue in DIALOGUES:
            self.hold(dialogue, 0)

    def test_at_once(self) -> None:
        """The client says all in one breath."""
        for dialogue in DIALOGUES:
            self.hold(dialogue, 1 << 20)

    def test_bytes(self) -> None:
        """Everything comes byte by byte."""
        for dialogue in DIALOGUES:
            self.hold(dialogue, 1)


class TwistedTests(Case, SynchronousTestCase):
    """Every dialogue, held in memory on Twisted."""

    def hold(self, dialogue: Dialogue, step: int) -> None:
        """Hold it in pieces of so many bytes."""
        intake = self.memory(dialogue)
        core, receiver = parts(write_home(Path(self.mktemp()), dialogue), dialogue, intake)
        clock = Clock()
        session = Session(core, receiver, clock)
        transport = StringTransport()
        session.makeConnection(transport)
        for at in range(0, len(dialogue.sent), step):
            session.dataReceived(dialogue.sent[at : at + step])
        if dialogue.input_ends:
            session.readConnectionLost()
        self.assertTrue(transport.disconnecting, dialogue.name)
        session.connectionLost()
        self.assertEqual(clock.getDelayedCalls(), [])
        self.check_answers(dialogue, dialogue.answers, transport.value())
        self.check_mails(dialogue, self.kept(intake))

    def test_at_once(self) -> None:
        """The client says all in one breath."""
        for dialogue in DIALOGUES:
            self.hold(dialogue, 1 << 20)

    def test_bytes(self) -> None:
        """Everything comes byte by byte."""
        for dialogue in DIALOGUES:
            self.hold(dialogue, 1)


class ProcessTests(Case, SynchronousTestCase):
    """Every dialogue, held with a process of qmail-smtpd and a program in the place of qmail-queue."""

    def start(self, home: Path, dialogue: Dialogue, end: socket.socket) -> subprocess.Popen[bytes]:
        """Start qmail-smtpd as tcpserver would."""
        stub = home / "queue"
        stub.write_text(QUEUE)
        stub.chmod(0o755)
        keep = home / "kept"
        keep.mkdir()
        environ = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        environ |= {name.decode(): os.fsdecode(value) for name, value in dialogue.environ.items()}
        environ |= {"QMAILHOME": str(home), "QMAILQUEUE": str(stub), "KEEP": str(keep)}
        environ |= {"PYTHONPATH": str(ROOT), "QUEUE_EXIT": str(dialogue.queue_exit), "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, "-c", "from qtwisted.accept.stdio import smtpd_main; smtpd_main()"]
        return subprocess.Popen(command, stdin=end, stdout=end, stderr=subprocess.PIPE, env=environ)

    def hold(self, dialogue: Dialogue) -> None:
        """Hold one dialogue turn by turn."""
        home = Path(write_home(Path(self.mktemp()).absolute(), dialogue))
        ours, theirs = socket.socketpair()
        self.addCleanup(ours.close)
        process = self.start(home, dialogue, theirs)
        theirs.close()
        ours.settimeout(20)
        stream = ours.makefile("rb")
        for turn in dialogue.turns:
            ours.sendall(turn.sent)
            output = b"".join([stream.readline() for _ in turn.answers])
            self.check_answers(dialogue, turn.answers, output)
        if dialogue.input_ends:
            ours.shutdown(socket.SHUT_WR)
        try:
            self.assertEqual(stream.read(), b"")
        except ConnectionResetError:
            pass  # the program left input unread when it ended
        stream.close()
        self.assertEqual(process.communicate(timeout=20), (None, b""))
        self.assertEqual(process.returncode, dialogue.exit, dialogue.name)
        self.check_mails(dialogue, self.kept_files(home / "kept") if dialogue.queue_exit == 0 else [])

    def kept_files(self, keep: Path) -> list[Mail]:
        """Read what the program in the place of qmail-queue got; an incomplete envelope is no message."""
        mails = []
        for path in sorted(keep.glob("envelope.*"), key=lambda path: path.stat().st_mtime_ns):
            data = path.read_bytes()
            if data:
                envelope = parse_submission(data)
                text = (keep / path.name.replace("envelope", "message")).read_bytes()
                mails.append(Mail(envelope.sender, envelope.recipients, text))
        return mails

    def test_turns(self) -> None:
        """The client waits for each answer."""
        for dialogue in DIALOGUES:
            self.hold(dialogue)

    def test_timeout(self) -> None:
        """S31: after timeoutsmtpd seconds of silence the program says so and exits 1."""
        controls: dict[str, bytes | None] = {"me": b"mx.example.org", "timeoutsmtpd": b"1"}
        dialogue = DIALOGUES[0]._replace(controls=controls)
        home = Path(write_home(Path(self.mktemp()).absolute(), dialogue))
        ours, theirs = socket.socketpair()
        self.addCleanup(ours.close)
        process = self.start(home, dialogue, theirs)
        theirs.close()
        ours.settimeout(20)
        with ours.makefile("rb") as stream:
            self.assertEqual(stream.read(), b"220 mx.example.org ESMTP\r\n451 timeout (#4.4.2)\r\n")
        self.assertEqual(process.communicate(timeout=20), (None, b""))
        self.assertEqual(process.returncode, 1)

    def test_no_home(self) -> None:
        """Without a home there is no greeting."""
        environ = {**os.environ, "QMAILHOME": "/nonexistent", "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-B", "-c", "from qtwisted.accept.stdio import smtpd_main; smtpd_main()"]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, env=environ, timeout=20)
        wanted = (1, b"421 unable to read controls (#4.3.0)\r\n", b"")
        self.assertEqual((done.returncode, done.stdout, done.stderr), wanted)
