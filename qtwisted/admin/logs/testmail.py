"""A message that is sent to see how it fares: handed in as qmail-inject would, by whoever runs this."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, NamedTuple

from qtwisted.accept.submit.identity import one_line
from qtwisted.admin.logs.wanted import queued
from qtwisted.admin.refusal import Refused
from qtwisted.config import fields
from qtwisted.config.control import Control
from qtwisted.model import address, date
from qtwisted.model.address_list import Unparsable
from qtwisted.model.envelope import Envelope
from qtwisted.model.rewriting import Rewriting
from qtwisted.store.client import open_submission

if TYPE_CHECKING:
    from qtwisted.model.submission import Result

_RECEIVED = re.compile(rb"Received: \(qmail ([0-9]{1,20}) ")


class TestMail(NamedTuple):
    """Who sends to whom, complete addresses, and what identifies the message."""

    sender: bytes
    recipient: bytes
    message_id: bytes


def compose(home: str, sender: str, recipient: str, now: int) -> TestMail:
    """Complete the addresses as qmail-inject does; raise Refused for what is none."""
    names = fields.inject(Control(home), os.environb)
    try:
        rewriting = Rewriting(one_line(names.defaulthost), one_line(names.defaultdomain), one_line(names.plusdomain))
        found = [rewriting.envelope_address(os.fsencode(text)) if text else b""
                 for text in (sender.removeprefix("<").removesuffix(">"), recipient)]
    except Unparsable:
        raise Refused(f"no address: {sender!r} or {recipient!r}") from None
    if not found[1]:
        raise Refused("no recipient")
    ident = b"<%s.%d.test@%s>" % (date.digits(now), os.getpid(), one_line(names.idhost))
    return TestMail(found[0], found[1], ident)


def send(home: str, mail: TestMail, now: int) -> Result:
    """Hand the message in and wait until it is durable, or refused."""
    submission = open_submission(home, {})
    submission.write(text(mail, now))
    return submission.commit(Envelope(mail.sender, (mail.recipient,)))


def text(mail: TestMail, now: int) -> bytes:
    """The message."""
    author = one_line(address.quote(mail.sender)) if mail.sender else b"MAILER-DAEMON"
    return (b"Date: %s\nMessage-ID: %s\nFrom: <%s>\nTo: <%s>\nSubject: test message\n"
            b"Auto-Submitted: auto-generated\n\n"
            b"This message was sent by qmailctl test to see whether mail arrives. It can be deleted.\n"
            % (date.rfc822(now), mail.message_id, author, one_line(address.quote(mail.recipient))))


def number_of(home: str, qp: int) -> int | None:
    """The number that the queue has given to a message, as long as it is there and may be read."""
    for number, path in queued(home):
        try:
            fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            continue
        with open(fd, "rb") as file:
            found = _RECEIVED.match(file.read(100))
        if found is not None and int(found[1]) == qp:
            return number
    return None
