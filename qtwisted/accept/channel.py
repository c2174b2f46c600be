"""The two descriptors of a program that tcpserver or inetd starts for one client, with waiting that ends.

Only what is needed for that: the programs of POP3 are started for every session.
"""

from __future__ import annotations

import os
import select

#: so much fits wherever poll says that something does (PIPE_BUF)
_MORSEL = 4096


class Gone(Exception):
    """The client cannot be served any more: it has gone, says nothing, or does not take what we say."""


class Channel:
    """A client at the other end of two descriptors."""

    def __init__(self, input_fd: int, output_fd: int, patience: float) -> None:
        """Take the descriptors as they are, and how many seconds each step of the client may take."""
        self._input = select.poll()
        self._input.register(input_fd, select.POLLIN)
        self._output = select.poll()
        self._output.register(output_fd, select.POLLOUT)
        self._input_fd = input_fd
        self._output_fd = output_fd
        self._patience = patience * 1000

    def read(self, most: int) -> bytes:
        """Wait for at most so many bytes; raise Gone if there are none."""
        data = b""
        if self._input.poll(self._patience):
            try:
                data = os.read(self._input_fd, most)
            except OSError:
                pass
        if not data:
            raise Gone
        return data

    def write(self, data: bytes) -> None:
        """Write all; raise Gone when nobody takes it."""
        rest = memoryview(data)
        while rest:
            if not self._output.poll(self._patience):
                raise Gone
            try:
                rest = rest[os.write(self._output_fd, rest[:_MORSEL]) :]
            except OSError as error:
                raise Gone from error
