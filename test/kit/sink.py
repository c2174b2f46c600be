"""A mail host that takes everything, for mail that leaves."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from twisted.trial.unittest import SynchronousTestCase


class Sink:
    """Accepts SMTP connections, any number at a time, and keeps what comes after DATA."""

    def __init__(self, test: SynchronousTestCase, hangs_up: bool = False) -> None:
        """Listen on a free port of the loopback interface until the test is over.

        It may hang up after each message.
        """
        self._hangs_up = hangs_up
        self.messages: list[bytes] = []
        self.recipients: list[bytes] = []
        #: what was taken: the RCPT lines that were accepted, and the message
        self.transactions: list[tuple[list[bytes], bytes]] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        thread = threading.Thread(target=self._serve, daemon=True)
        thread.start()
        test.addCleanup(thread.join, 10)
        test.addCleanup(self._listener.close)
        test.addCleanup(self._listener.shutdown, socket.SHUT_RDWR)

    def _serve(self) -> None:
        """Take connections until the listener is closed."""
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve_one, args=(connection,), daemon=True).start()

    def _serve_one(self, connection: socket.socket) -> None:
        """Serve one connection to its end."""
        try:
            with connection, connection.makefile("rwb") as talk:
                self._talk(talk)
        except OSError:
            pass  # the other side has had enough

    def _talk(self, talk) -> None:  # type: ignore[no-untyped-def]
        """One session."""
        self._say(talk, b"220 sink.example")
        accepted: list[bytes] = []
        while line := talk.readline():
            verb = line[:4].upper()
            reply = self.reply(line.strip()) if verb == b"RCPT" else b"250 ok"
            if verb == b"MAIL":
                accepted = []
            if verb == b"RCPT":
                self.recipients.append(line.strip())
                accepted += [line.strip()] if reply.startswith(b"2") else []
            if verb == b"DATA":
                self._say(talk, b"354 go on")
                self.messages.append(self._body(talk))
                self.transactions.append((accepted, self.messages[-1]))
            self._say(talk, b"221 bye" if verb == b"QUIT" else reply)
            if verb == b"QUIT" or (verb == b"DATA" and self._hangs_up):
                return

    def reply(self, recipient: bytes) -> bytes:
        """The reply to a RCPT line."""
        return b"250 ok"

    def _body(self, talk) -> bytes:  # type: ignore[no-untyped-def]
        """Everything up to the dot."""
        body = b""
        while (line := talk.readline()) not in (b".\r\n", b""):
            body += line
        return body

    def _say(self, talk, line: bytes) -> None:  # type: ignore[no-untyped-def]
        """Send one line."""
        talk.write(line + b"\r\n")
        talk.flush()
