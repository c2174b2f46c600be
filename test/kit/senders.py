"""Clients that send mail by SMTP without pause, and remember what was accepted."""

from __future__ import annotations

import itertools
import re
import smtplib
import threading
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def arrived(messages: Iterable[bytes]) -> Counter[tuple[str, str]]:
    """How often each recipient has got each message, and each bounce (``bounced`` and the recipient) has come.

    A torn message counts for none.
    """
    found: Counter[tuple[str, str]] = Counter()
    for message in messages:
        name = re.search(rb"\nSubject: (\S+)\n\nbody of (\S+)\n$", message)
        is_bounce = message.startswith(b"Return-Path: <>\n")
        recipient = re.search(rb"\n<(\S+)>:\n" if is_bounce else rb"\nDelivered-To: (\S+)\n", message)
        if name and recipient and name[1] == name[2]:
            found["bounced " * is_bounce + recipient[1].decode(), name[1].decode()] += 1
    return found


class Sender(threading.Thread):
    """Sends one message after the other."""

    def __init__(self, name: str, port: int, sender: str, recipients: Sequence[str]) -> None:
        """It talks to *port* of this machine."""
        super().__init__(name=name, daemon=True)
        self.port = port
        self.sender = sender
        self.recipients = recipients
        self.accepted: list[str] = []
        self.enough = threading.Event()

    def run(self) -> None:
        """Send until it is enough; begin a new connection whenever one is lost."""
        numbers = itertools.count()
        while not self.enough.is_set():
            try:
                with smtplib.SMTP("127.0.0.1", self.port, timeout=20) as client:
                    while not self.enough.is_set():
                        self.send(client, f"{self.name}-{next(numbers)}")
            except (smtplib.SMTPException, OSError):
                self.enough.wait(0.01)  # who we talked to is gone, and nobody has promised anything

    def send(self, client: smtplib.SMTP, name: str) -> None:
        """Send the message *name*; only the answer 250 counts."""
        text = f"Subject: {name}\r\n\r\nbody of {name}\r\n".encode()
        refused = client.sendmail(self.sender, self.recipients, text)
        assert not refused, refused
        self.accepted.append(name)

    def stop(self) -> set[str]:
        """Come to an end; give what was accepted."""
        self.enough.set()
        self.join()
        return set(self.accepted)
