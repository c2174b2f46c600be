"""One local delivery, step by step: what qmail-local does, or with ``-n`` says that it would do.

The steps are always the same: go home, look at the message, find the instructions, obey them in order, forward.
A Description only says what the instructions mean; a Delivery carries them out. The first that fails ends it: what
was delivered stays delivered, what comes later is not done, and nothing at all is forwarded.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from time import time

from qtwisted.deliver.user import instructions, programs, search
from qtwisted.deliver.user.environment import environment, from_line, search_path
from qtwisted.deliver.user.message import Message, Unreadable
from qtwisted.deliver.user.outcome import DONE, REFUSED, TRY_LATER, Failed, because, refused, try_later
from qtwisted.mailbox import maildir, mbox
from qtwisted.model import oserrors
from qtwisted.model.envelope import Envelope
from qtwisted.system.disk import Disk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from qtwisted.deliver.user.output import Collected, Printed
    from qtwisted.deliver.user.request import Request

GO_ON, ENOUGH = True, False

_SKIP_THE_REST = 99
_REFUSING = frozenset((100, 64, 65, 70, 76, 77, 78, 112))


class Settings:
    """What all deliveries of a process share."""

    def __init__(self, home: str, forbidden: int, queue_environ: Mapping[str, str]) -> None:
        """Know qmail's *home*, the mode bits *forbidden* on homes, and how forwards find the queue."""
        self.home = home
        self.forbidden = forbidden
        self.queue_environ = queue_environ
        self.path = search_path(home, os.path.dirname(sys.executable))
        self.time_limit = programs.TIME_LIMIT
        self.disk = Disk()
        self.names = maildir.Names()
        self.clock: Callable[[], float] = time


def deliver(request: Request, message: Message, settings: Settings, output: Collected | Printed) -> int:
    """Deliver a message, saying how it went; returns the exit code of qmail-local."""
    try:
        Delivery(request, message, settings, output).run()
    except Failed as failed:
        output.complain(failed.text)
        return failed.code
    except Unreadable as unreadable:
        output.complain(_unreadable(unreadable).text)
        return TRY_LATER
    finally:
        message.forget_copy()
    return DONE


def describe(request: Request, settings: Settings, output: Collected | Printed) -> int:
    """Say what would be done with a message, without looking at one; returns the exit code of qmail-local."""
    try:
        Description(request, settings, output).run()
    except Failed as failed:
        output.complain(failed.text)
        return failed.code
    return DONE


class Description:
    """Says for each instruction what it means (``qmail-local -n``)."""

    def __init__(self, request: Request, settings: Settings, output: Collected | Printed) -> None:
        """Prepare to describe one delivery."""
        self.request = request
        self.settings = settings
        self.output = output
        self.line = 0
        self.files = 0
        self.forwards: list[bytes] = []
        self.programs = 0

    def run(self) -> None:
        """Go through the instructions; raises Failed."""
        self.enter_home()
        self.check_message()
        found = self.find_instructions()
        self.prepare(found)
        text, forwards_only = found.text, found.forwards_only
        if not text:
            text, forwards_only = self.request.default, False
        self.obey(text, forwards_only)
        self.conclude()

    def enter_home(self) -> None:
        """Go to the user's home and refuse to work in one that others may write."""
        if not self.request.home.startswith(b"/"):
            raise try_later(b"Unable to switch to %s: not an absolute path. (#4.3.0)" % self.request.home)
        try:
            os.chdir(self.request.home)
        except OSError as trouble:
            raise because(b"Unable to switch to " + self.request.home, trouble, b"#4.3.0") from trouble
        try:
            mode = os.stat(".").st_mode
        except OSError as trouble:
            raise because(b"Unable to stat home directory", trouble, b"#4.3.0") from trouble
        if mode & self.settings.forbidden:
            raise try_later(b"Uh-oh: home directory is writable. (#4.7.0)")
        if mode & stat.S_ISVTX:
            self.is_sticky()

    def is_sticky(self) -> None:
        """The user is at work on his .qmail files."""
        self.output.complain(b"Warning: home directory is sticky.\n")

    def check_message(self) -> None:
        """Look at the message before anything is done with it."""

    def find_instructions(self) -> search.Found:
        """The .qmail file for this address."""
        found = search.find(self.request.dash, self.request.ext, self.settings.forbidden)
        if found is not None:
            return found
        if self.request.dash:
            raise refused(b"Sorry, no mailbox here by that name. (#5.1.1)")
        return search.Found(b"", False, None)

    def prepare(self, found: search.Found) -> None:
        """Learn what the instructions need to know; whatever can fail does so before the first is obeyed."""
        self.new_sender = search.forwarding_sender(self.request)

    def obey(self, text: bytes, forwards_only: bool) -> None:
        """Carry out the instructions in order, until one says that it is enough."""
        acts = {
            instructions.MBOX: self.mbox,
            instructions.MAILDIR: self.maildir,
            instructions.PROGRAM: self.program,
            instructions.FORWARD: self.forward,
        }
        try:
            for self.line, (kind, what) in instructions.numbered(text):
                if kind == instructions.FORWARDS_ONLY:
                    forwards_only = True
                    continue
                if forwards_only and kind != instructions.FORWARD:
                    raise _not_only_forwards(kind)
                if acts[kind](what) is ENOUGH:
                    return
        except instructions.BlankFirstLine:
            raise try_later(b"Uh-oh: first line of .qmail file is blank. (#4.2.1)") from None

    def mbox(self, path: bytes) -> bool:
        """A message is appended to a file."""
        self.output.say(b"mbox %s\n" % path)
        self.files += 1
        return GO_ON

    def maildir(self, path: bytes) -> bool:
        """A message is put into a Maildir."""
        self.output.say(b"maildir %s\n" % path)
        self.files += 1
        return GO_ON

    def program(self, command: bytes) -> bool:
        """A message is given to a program."""
        self.output.say(b"program %s\n" % command)
        self.programs += 1
        return GO_ON

    def forward(self, address: bytes) -> bool:
        """A message goes to another address, together with all other forwards."""
        self.output.say(b"forward %s\n" % address)
        self.forwards.append(address)
        return GO_ON

    def conclude(self) -> None:
        """Say how much there was of each kind."""
        self.output.say(b"did %d+%d+%d\n" % (self.files, len(self.forwards), self.programs))


class Delivery(Description):
    """Does for each instruction what it means."""

    def __init__(self, request: Request, message: Message, settings: Settings, output: Collected | Printed) -> None:
        """Prepare to deliver *message*."""
        super().__init__(request, settings, output)
        self.message = message
        self.began_at = int(settings.clock())
        self.default: bytes | None = None
        self._environment: dict[bytes, bytes] | None = None

    def is_sticky(self) -> None:
        """Leave users alone who are at work on their .qmail files."""
        raise try_later(b"Home directory is sticky: user is editing his .qmail file. (#4.2.1)")

    def check_message(self) -> None:
        """Refuse a message that has been here before."""
        if self.message.has_header_line(self.request.delivered_to):
            raise refused(b"This message is looping: it already has my Delivered-To line. (#5.4.6)")

    def prepare(self, found: search.Found) -> None:
        """Learn who sends the forwards, and what DEFAULT is."""
        super().prepare(found)
        self.default = found.default

    def mbox(self, path: bytes) -> bool:
        """Append the message to a file."""
        heading = from_line(self.request.sender, self.began_at) + self.request.return_path + self.request.delivered_to
        try:
            mbox.deliver(self.settings.disk, path, heading, self.message.pieces())
        except mbox.Unopened as unopened:
            raise because(b"Unable to open " + path, unopened.trouble, b"#4.2.1") from unopened
        except mbox.LockTimeout:
            raise try_later(b"File has been locked for 30 seconds straight. (#4.3.0)") from None
        except OSError as trouble:
            raise because(b"Unable to write " + path, trouble, b"#4.3.0") from trouble
        self.files += 1
        return GO_ON

    def maildir(self, path: bytes) -> bool:
        """Put the message into a Maildir."""
        try:
            maildir.deliver(self.settings.disk, path, self.settings.names, self._with_trace())
        except maildir.NoMaildir:
            raise try_later(b"Unable to chdir to maildir. (#4.2.1)") from None
        except Unreadable:
            raise try_later(b"Unable to read message. (#4.3.0)") from None
        except OSError as trouble:
            raise try_later(b"Temporary error on maildir delivery. (#4.3.0)") from trouble
        self.files += 1
        return GO_ON

    def program(self, command: bytes) -> bool:
        """Run a program on the message."""
        if self._environment is None:
            self._environment = environment(self.request, self.new_sender, self.default, self.began_at,
                                            self.settings.path)
        try:
            copy = self.message.for_program()
        except OSError as trouble:
            raise because(b"Unable to copy message", trouble, b"#4.3.0") from trouble
        try:
            status = programs.run(command, self._environment, copy, self.output.report, self.settings.time_limit)
        except programs.TimedOut:
            raise try_later(b"Timeout on program delivery. (#4.3.0)") from None
        except OSError as trouble:
            what = b"Unable to fork" if oserrors.is_temporary(trouble.errno) else b"Unable to run /bin/sh"
            raise because(what, trouble, b"#4.3.0") from trouble
        finally:
            os.close(copy)
        self.programs += 1
        return _judge(status)

    def forward(self, address: bytes) -> bool:
        """Note an address; the copies go out together, when all else has gone well."""
        self.forwards.append(address)
        return GO_ON

    def conclude(self) -> None:
        """Send the forwards, then say how much there was of each kind."""
        number = self._send_forwards() if self.forwards else 0
        super().conclude()
        if self.forwards:
            self.output.say(b"qp %d\n" % number)

    def _send_forwards(self) -> int:
        """Hand one copy for all addresses to the queue; returns the number it got there."""
        from qtwisted.store.client import open_submission

        submission = open_submission(self.settings.home, self.settings.queue_environ)
        try:
            submission.write(self.request.delivered_to)
            for piece in self.message.pieces():
                submission.write(piece)
        except Unreadable:
            submission.abandon()
            raise
        result = submission.commit(Envelope(self.new_sender, tuple(self.forwards)))
        if result.ok:
            return result.qp
        text = b"Unable to forward message: %s." % result.problem[1:]
        raise refused(text) if result.is_permanent else try_later(text)

    def _with_trace(self) -> Iterator[bytes]:
        """The message under the lines that say how it came here; a small one in a single piece."""
        heading = self.request.return_path + self.request.delivered_to
        for piece in self.message.pieces():
            yield heading + piece
            heading = b""
        if heading:
            yield heading


def _unreadable(unreadable: Unreadable) -> Failed:
    """The failure when a message cannot be read, or not from any place."""
    if unreadable.trouble.errno == errno.ESPIPE:
        return try_later(b"Unable to rewind message. (#4.3.0)")
    return because(b"Unable to read message", unreadable.trouble, b"#4.3.0")


def _not_only_forwards(kind: str) -> Failed:
    """The failure when a .qmail file that may only forward does more."""
    what = b"prog" if kind == instructions.PROGRAM else b"file"
    return try_later(b"Uh-oh: .qmail has %s delivery but has x bit set. (#4.7.0)" % what)


def _judge(status: int) -> bool:
    """What the wait status of a program means: go on, or it is enough; a failing program has said all itself."""
    if os.WIFSIGNALED(status):
        raise try_later(b"Aack, child crashed. (#4.3.0)")
    code = os.WEXITSTATUS(status)
    if code in (0, _SKIP_THE_REST):
        return ENOUGH if code else GO_ON
    raise Failed(REFUSED if code in _REFUSING else TRY_LATER, b"")
