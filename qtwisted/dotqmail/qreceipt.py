"""qreceipt - tell a sender who asked for it that the message has arrived, from a .qmail line

SYNOPSIS
========

In ``.qmail``::

    |qreceipt deliveryaddress

DESCRIPTION
===========

qreceipt looks for deliveryaddress in the Notice-Requested-Upon-Delivery-To fields of the message. If it
is there a success notice is sent to the envelope sender. A bounce never gets a notice.

EXIT CODES
==========

0 whether a notice was sent or not; 100 for a wrong command line, a missing $SENDER, a field that cannot
be parsed, and when the queue refuses the notice for good; 111 when it should be tried again.

SEE ALSO
========

dot-qmail(5), qmail-command(8)
"""

from __future__ import annotations

import os

from qtwisted.dotqmail import delivery
from qtwisted.model.address import quote
from qtwisted.model.address_list import Unparsable, parse, regroup, unquote
from qtwisted.model.envelope import Envelope
from qtwisted.model.header import HeaderReader, HeaderTooLong, field_name
from qtwisted.system.ending import NEVER, fatal, run, usage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qtwisted.model.address_list import Tokens

NAME = b"qreceipt"

_ASKING = b"notice-requested-upon-delivery-to"


def addresses(field: bytes) -> list[bytes]:
    """List the addresses of one header field, unquoted; raise Unparsable where it is none."""
    found: list[bytes] = []

    def record(address: Tokens) -> Tokens:
        """Note an address and leave it as it is."""
        found.append(unquote(address))
        return address

    regroup(parse(field.partition(b":")[2]), record)
    return found


def read_header() -> list[bytes]:
    """Read the fields of the message's header."""
    reader = HeaderReader()
    try:
        for piece in delivery.pieces(NAME):
            reader.received(piece)
            if reader.ended:
                break
        reader.finished()
    except HeaderTooLong:
        raise fatal(NAME, b"header too long", NEVER) from None
    return reader.fields()


def notice(sender: bytes, address: bytes, message_id: bytes) -> bytes:
    """Write the success notice; ``message_id`` is the complete field, or nothing."""
    quoted = quote(sender)
    return b"".join([
        b"From: DELIVERY NOTICE SYSTEM <%s>\nTo: <%s>\nSubject: success notice\n\n" % (quoted, quoted),
        b"Hi! This is the qreceipt program. Your message was delivered to the\n",
        b"following address: %s. Thanks for asking.\n" % address,
        b"Your " + message_id if message_id else b"",
    ])


def qreceipt(argv: list[bytes]) -> int:
    """Send the notice if it was asked for."""
    sender = os.environb.get(b"SENDER")
    if len(argv) < 2 or sender is None:
        raise usage(NAME, b"qreceipt deliveryaddress")
    wanted, message_id = False, b""
    for field in read_header():
        if field_name(field) == b"message-id":
            message_id = field
        elif field_name(field) == _ASKING:
            try:
                wanted |= argv[1] in addresses(field)
            except Unparsable:
                text = b"unable to parse this: " + field.rstrip(b"\n")
                raise fatal(NAME, text, NEVER) from None
    if wanted and sender not in (b"", b"#@[]"):
        _send(sender, notice(sender, argv[1], message_id))
    return delivery.DONE


def _send(sender: bytes, text: bytes) -> None:
    """Put the notice into the queue; it has no sender itself, so that it never bounces."""
    result = delivery.submit(Envelope(b"", (sender,)), [text])
    if result.is_permanent:
        raise fatal(NAME, b"permanent qmail-queue error", NEVER)
    if not result.ok:
        raise fatal(NAME, b"temporary qmail-queue error")


def main() -> int:
    """Run the program."""
    return run(qreceipt, __doc__)
