"""Maildirs with the messages of the POP3 cases, and POP3 programs as real processes."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from typing import TYPE_CHECKING, NamedTuple

from test.kit.code import NOBODY, code

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from twisted.trial.unittest import SynchronousTestCase

#: name, text and time of the messages of the cases
MESSAGES = (
    ("cur/900.2.h:2,S", b"S: one\n\nb1\nb2\n", 900),
    ("new/1000.1.h", b"S: two\n\n.dot\nlast", 1000),
    ("new/1100.3.h", b"", 1100),
)


class Ended(NamedTuple):
    """What a program said to its client and on standard error, and its exit code."""

    said: bytes
    err: bytes
    code: int


def make_maildir(place: str) -> str:
    """Make an empty Maildir in a directory; give its path."""
    path = os.path.join(place, "Maildir")
    for folder in ("tmp", "new", "cur"):
        os.makedirs(os.path.join(path, folder))
    return path


def put(maildir: str, name: str, text: bytes, at: float) -> None:
    """Put a file into a Maildir, last read and changed at a time."""
    path = os.path.join(maildir, name)
    with open(path, "wb") as file:
        file.write(text)
    os.utime(path, (at, at))


def put_messages(maildir: str) -> None:
    """Put the messages of the cases into a Maildir."""
    for name, text, at in MESSAGES:
        put(maildir, name, text, at)


def files(maildir: str) -> list[str]:
    """List the files of a Maildir by their paths in it."""
    found = []
    for here, _, names in os.walk(maildir):
        found += [os.path.relpath(os.path.join(here, name), maildir) for name in names]
    return sorted(found)


class Place:
    """A directory of somebody who is not root, with a Maildir in it, and programs that serve it."""

    def __init__(self, test: SynchronousTestCase) -> None:
        """Make the directory; it is removed after the test."""
        self.path = tempfile.mkdtemp(prefix="qtwisted-test-", dir="/var/tmp")
        test.addCleanup(shutil.rmtree, self.path, ignore_errors=True)
        os.chmod(self.path, 0o755)
        self.maildir = make_maildir(self.path)

    def hand_over(self) -> None:
        """Have everything belong to nobody, if root made it."""
        if os.geteuid():
            return
        for here, folders, names in os.walk(self.path):
            for name in (".", *folders, *names):
                os.chown(os.path.join(here, name), NOBODY, NOBODY, follow_symlinks=False)

    def start(self, module: str, *words: str, fds: int, user: bool = True,
              **variables: str) -> subprocess.Popen[bytes]:
        """Start the program of a module with a descriptor of ours as its 0 and 1."""
        self.hand_over()
        who: Mapping[str, object] = {}
        if user and not os.geteuid():
            who = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
        return subprocess.Popen(  # type: ignore[call-overload,no-any-return]
            code().module(module, *words), stdin=fds, stdout=fds, stderr=subprocess.PIPE, cwd=self.path,
            env={**code().environment(), **variables}, **who)

    def run(self, module: str, *words: str, said: bytes = b"", user: bool = True, **variables: str) -> Ended:
        """Run the program with all the client's words at once, and their end, to its own end."""
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                process = self.start(module, *words, fds=theirs.fileno(), user=user, **variables)
            ours.settimeout(60)
            ours.sendall(said)
            ours.shutdown(socket.SHUT_WR)
            output = read_all(ours)
        err = process.communicate(timeout=60)[1]
        return Ended(output, err, process.returncode)

    def pop3d(self, said: bytes, *words: str) -> Ended:
        """Run qmail-pop3d on the Maildir, or with other arguments."""
        return self.run("qtwisted.accept.pop3d", *(words or ("Maildir",)), said=said)

    def popup(self, said: bytes, *words: str, **variables: str) -> Ended:
        """Run qmail-popup with these arguments."""
        return self.run("qtwisted.accept.popup", *words, said=said, **variables)


def read_all(end: socket.socket) -> bytes:
    """Read to the end."""
    pieces = []
    try:
        while piece := end.recv(65536):
            pieces.append(piece)
    except ConnectionResetError:
        pass  # the program ended with input unread
    return b"".join(pieces)


def lines(*texts: bytes) -> bytes:
    """Put CRLF behind each."""
    return b"".join(text + b"\r\n" for text in texts)


def check_password(words: Sequence[str], credentials: bytes, environment: Mapping[str, str],
                   user: tuple[int, int] | None = None) -> subprocess.CompletedProcess[bytes]:
    """Run a password program with credentials on descriptor 3."""
    reading, writing = os.pipe()
    os.write(writing, credentials)
    os.close(writing)
    shell = ["sh", "-c", 'exec "$@" 3<&0 </dev/null', "sh", *words]
    who: Mapping[str, object] = {}
    if user is not None:
        who = {"user": user[0], "group": user[1], "extra_groups": []}
    try:
        return subprocess.run(  # type: ignore[call-overload,no-any-return]
            shell, stdin=reading, capture_output=True, env=dict(environment), timeout=60, check=False, cwd="/", **who)
    finally:
        os.close(reading)
