"""qmail-smtpd -- receive mail via SMTP

Synopsis::

    qmail-smtpd

qmail-smtpd receives messages by SMTP on descriptor 0, answers on descriptor 1, and hands each message to the queue.
It is started for one connection, by tcpserver or inetd, and takes any number of messages. ``twistd qmail`` does not
need it: there the same dialogue is held by processes that serve many connections.

It accepts a recipient if its domain is listed in rcpthosts or morercpthosts.cdb, if there is no rcpthosts, or if
RELAYCLIENT is set; the value of RELAYCLIENT is then appended to every recipient. Mail from senders in badmailfrom is
refused. A message with 100 or more Received or Delivered-To fields is refused as looping.

Environment: TCPREMOTEIP, TCPREMOTEHOST, TCPREMOTEINFO, TCPLOCALHOST and TCPLOCALIP appear in the Received field, as
tcp-environ(5) describes them. RELAYCLIENT: see above; without it a client listed in relayclients may relay, too.
DATABYTES replaces control/databytes. QMAILQUEUE is a program to run in the place of qmail-queue. QMAILHOME is the
home, usually /var/qmail.

Exit codes:

| 0    the client said QUIT
| 1    the session ended in any other way

Files: HOME/control/ badmailfrom, databytes, helolines, localiphost, maxerrors, maxjunk, maxrcpt, me, minrate,
morercpthosts.cdb, rcpthosts, relayclients, smtpgreeting, timeoutcommand, timeoutsmtpd.
"""

from __future__ import annotations

import os
import select
import sys
import time

from qtwisted.accept.deadlines import Patience, configured
from qtwisted.accept.gate import Client, localiser
from qtwisted.accept.smtpd import QueueReceiver, settings
from qtwisted.config.conf import home_dir
from qtwisted.config.control import Control, ControlError, leading_number
from qtwisted.config.fields import smtpd
from qtwisted.model.reply import Reply
from qtwisted.store.client import open_submission
from qtwisted.system.ending import helped
from qtwisted.system.interfaces import ipv4_addresses
from qtwisted.wire.dialogue import CLOSE, DATA, Wait
from qtwisted.wire.smtp_replies import NO_CONTROLS
from qtwisted.wire.smtp_server import SmtpServer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from qtwisted.config.fields import SmtpdConfig
    from qtwisted.config.package_fields import QmtpdConfig
    from qtwisted.model.envelope import Envelope
    from qtwisted.store.client import Submission
    from qtwisted.store.interface import DraftOwner
    from qtwisted.wire.package import PackageServer
    from qtwisted.wire.smtp_events import Receiver

NO_ADDRESSES = Reply(421, b"unable to figure out my IP addresses (#4.3.0)")

_PIECE = 65536
#: so much fits wherever poll says that something does (PIPE_BUF)
_MORSEL = 4096


class Lost(Exception):
    """The client is gone, or does not take what we say."""


class Wire:
    """The two descriptors, with waiting that ends."""

    def __init__(self, input_fd: int, output_fd: int, write_for: float) -> None:
        """Take the descriptors as they are, and how long the client may take to read."""
        self._input = select.poll()
        self._input.register(input_fd, select.POLLIN)
        self._output = select.poll()
        self._output.register(output_fd, select.POLLOUT)
        self._input_fd = input_fd
        self._output_fd = output_fd
        self._write_for = write_for

    def read(self, until: float) -> bytes | None:
        """Wait for bytes; None when the time is over. Raise Lost at the end of the input."""
        if not self._input.poll(max(until - time.monotonic(), 0) * 1000):
            return None
        try:
            data = os.read(self._input_fd, _PIECE)
        except OSError as error:
            raise Lost from error
        if not data:
            raise Lost
        return data

    def write(self, data: bytes) -> None:
        """Write all; raise Lost when nobody takes it."""
        while data:
            if not self._output.poll(self._write_for * 1000):
                raise Lost
            try:
                data = data[os.write(self._output_fd, data[:_MORSEL]) :]
            except OSError as error:
                raise Lost from error


def converse(core: SmtpServer | PackageServer, receiver: Receiver, wire: Wire, patience: Patience) -> None:
    """Hold the dialogue to its end. The receiver must answer at once."""
    try:
        while True:
            event = core.next()
            if not isinstance(event, Wait):
                reply = event.put_to(receiver)
                if event.asks:
                    assert reply is None or isinstance(reply, Reply)
                    core.answer(reply)
                continue
            wire.write(core.take())
            if event is CLOSE:
                break
            if event is DATA:
                _listen(core, wire, patience)
    except Lost:
        core.lost()
        while (event := core.next()) is not CLOSE:
            if isinstance(event, Wait):
                core.take()
            else:
                event.put_to(receiver)
    receiver.closed()


def _listen(core: SmtpServer | PackageServer, wire: Wire, patience: Patience) -> None:
    """Give the core more input, or the end of its time."""
    patience.settled(core.is_idle)
    data = wire.read(patience.ends_at(core.in_body))
    if data is None:
        core.time_is_up()
    else:
        patience.heard(len(data), time.monotonic())
        core.received(data)


class _Draft:
    """A message handed to the queue, whose owner hears the outcome before ``commit`` returns."""

    def __init__(self, submission: Submission, owner: DraftOwner) -> None:
        """Wrap what waits."""
        self._submission = submission
        self._owner = owner

    def write(self, piece: bytes) -> None:
        """Add bytes."""
        self._submission.write(piece)

    def envelope(self, records: bytes) -> None:
        """Give records of the envelope."""
        self._submission.envelope(records)

    def commit(self, envelope: Envelope | None = None) -> None:
        """Store it and tell the owner."""
        self._owner.stored(self._submission.commit(envelope))

    def abandon(self) -> None:
        """Forget it."""
        self._submission.abandon()


class Submissions:
    """An intake that hands each message to the queue and waits for it."""

    def __init__(self, home: str, environ: Mapping[str, str]) -> None:
        """Take the home and the environment, which may name another program for the queue."""
        self._home = home
        self._environ = environ

    def begin(self, owner: DraftOwner) -> _Draft:
        """Begin a message."""
        return _Draft(open_submission(self._home, self._environ), owner)


def client_of(environ: Mapping[bytes, bytes], config: SmtpdConfig | QmtpdConfig | None) -> Client:
    """Read from tcpserver's environment who the client is (qmail-smtpd.c setup)."""
    ip = environ.get(b"TCPREMOTEIP", b"unknown")
    relay = environ.get(b"RELAYCLIENT")
    if relay is None and config is not None and config.may_relay(ip):
        relay = b""
    return Client(
        ip=ip,
        host=environ.get(b"TCPREMOTEHOST", b"unknown"),
        info=environ.get(b"TCPREMOTEINFO"),
        local=environ.get(b"TCPLOCALHOST") or environ.get(b"TCPLOCALIP") or b"unknown",
        relay=relay,
    )


def databytes_of(environ: Mapping[bytes, bytes]) -> int | None:
    """Read $DATABYTES: None if it is not set, 0 if it is no number."""
    text = environ.get(b"DATABYTES")
    return None if text is None else leading_number(text) or 0


def serve(home: str, environ: Mapping[bytes, bytes], texts: Mapping[str, str]) -> int:
    """Serve the client on descriptors 0 and 1; give the exit code."""
    try:
        os.chdir(home)
        config = smtpd(Control(home))
    except (OSError, ControlError):
        return _turn_away(NO_CONTROLS)
    try:
        addresses = ipv4_addresses()
    except OSError:
        return _turn_away(NO_ADDRESSES)
    core = SmtpServer(settings(config, localiser(config.localiphost, lambda: addresses), databytes_of(environ)))
    receiver = QueueReceiver(config, client_of(environ, config), Submissions(home, texts), time.time)
    deadlines = configured(config)
    converse(core, receiver, Wire(0, 1, deadlines.silence_for), Patience(deadlines, time.monotonic()))
    return 0 if core.said_goodbye else 1


def _turn_away(reply: Reply) -> int:
    """Say why there is no greeting."""
    try:
        os.write(1, reply.wire())
    except OSError:
        pass
    return 1


def smtpd_main() -> None:
    """Run the program qmail-smtpd."""
    if helped(__doc__):
        sys.exit(0)
    sys.exit(serve(os.path.abspath(home_dir(os.environ)), os.environb, os.environ))
