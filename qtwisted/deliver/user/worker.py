"""The children of qmail-lspawn: one kind looks up accounts as qmailp, the other delivers as a recipient.

A child serves one packet after the other until its channel is closed. A packet for a recipient's child carries the
open message; the answer is one byte, the exit code, and what was said. So a busy mailbox costs no fork per message,
and nothing of one user's ever passes through another user's child.

Rules this file keeps:

* The message is received close-on-exec and closed before the answer is given: the queue may then use the file again.
* Whatever goes wrong here is an exit code too. No text tells of our arguments, paths or code.
"""

from __future__ import annotations

import os
import socket
from array import array

from qtwisted.config import getpw
from qtwisted.config.users import UserError
from qtwisted.deliver.user import recipient, status
from qtwisted.deliver.user.delivery import deliver
from qtwisted.deliver.user.message import Message
from qtwisted.deliver.user.outcome import TRY_LATER
from qtwisted.deliver.user.output import Collected
from qtwisted.deliver.user.request import Request
from qtwisted.model.frozen import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import NoReturn

    from qtwisted.config.conf import Conf
    from qtwisted.deliver.user.delivery import Settings

    Serve = Callable[[bytes, int], tuple[int, bytes]]

PACKET_MAX = 1 << 18
"""More than any packet holds: six fields that came in one order."""

NO_MESSAGE = -1

ACCOUNTS = "accounts"
RECIPIENT = "recipient"
"""The two kinds of children."""

_FD = array("i", (0,)).itemsize
_ROOM_FOR_FD = socket.CMSG_SPACE(_FD)
_packet = bytearray(PACKET_MAX)


class Identity(NamedTuple):
    """What a child is for and who it is; it serves exactly one identity."""

    kind: str
    name: bytes
    uid: int
    gid: int


def run(channel: socket.socket, keep: Iterable[int], identity: Identity, switch: bool, parent: int,
        serve: Serve) -> NoReturn:
    """Be a child of qmail-lspawn, just forked: become *identity*, then answer packets until the end."""
    try:
        try:
            recipient.detach([*keep, channel.fileno()])
            recipient.become(identity.uid, identity.gid, switch, parent)
        except Exception:
            serve = _be_broken
        while _answer_one(channel, serve):
            pass
    finally:
        os._exit(0)


def recipient_service(name: bytes, default: bytes, settings: Settings) -> Serve:
    """What a recipient's child does with a packet: deliver the message."""

    def serve(packet: bytes, fd: int) -> tuple[int, bytes]:
        """Deliver one message; the packet has what the arguments of qmail-local have, user and default apart."""
        home, local, dash, ext, domain, sender = packet.split(b"\0")
        output = Collected()
        try:
            code = deliver(Request(name, home, local, dash, ext, domain, sender, default), Message(fd), settings,
                           output)
        except Exception as bug:
            output.complain(b"Unexpected %s in qmail-local. (#4.3.0)\n" % type(bug).__name__.encode())
            code = TRY_LATER
        return code, output.report.text()

    return serve


def account_service(conf: Conf) -> Serve:
    """What the child that runs as qmailp does with a packet: look up the account for a local part."""

    def serve(packet: bytes, fd: int) -> tuple[int, bytes]:
        """Answer as the program qmail-getpw does, by exit code and six fields."""
        try:
            return 0, getpw.look_up(conf, packet).record()
        except UserError as error:
            return error.code, b""

    return serve


def request_packet(home: bytes, local: bytes, dash: bytes, ext: bytes, domain: bytes, sender: bytes) -> bytes:
    """The packet that asks a recipient's child for one delivery."""
    return b"\0".join((home, local, dash, ext, domain, sender))


def _answer_one(channel: socket.socket, serve: Serve) -> bool:
    """Serve one packet; says whether there may be more."""
    size, ancillary, _, _ = channel.recvmsg_into([_packet], _ROOM_FOR_FD, socket.MSG_CMSG_CLOEXEC)
    if not size:
        return False
    message = NO_MESSAGE
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            message = int.from_bytes(data[:_FD], "little")
    try:
        code, said = serve(bytes(memoryview(_packet)[:size]), message)
    finally:
        if message != NO_MESSAGE:
            os.close(message)
    channel.send(b"%c%s" % (code, said))
    return True


def _be_broken(packet: bytes, fd: int) -> tuple[int, bytes]:
    """What a child does that could not become who it should be."""
    return status.BUG, b""
