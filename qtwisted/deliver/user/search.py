"""Finds the .qmail file that an address belongs to, and reads it (qmail-local.c qmesearch, dot-qmail.5).

Rules this file keeps:

* Only the extension is mapped for the file name: capitals become small, dots become colons. So no extension leads
  out of the home by way of ``..``.
* The first candidate that is a regular file wins. What is no regular file is passed over, and so is a name that
  cannot exist; what cannot be opened *now* stops the delivery.
* Nothing is waited for: a file is opened without blocking and looked at before it is read.

Unlike 1.02: a .qmail file above one mebibyte stops the delivery for the time being; 1.02 read whatever its memory
could hold.
"""

from __future__ import annotations

import errno
import os
import stat

from qtwisted.deliver.user.outcome import because, try_later
from qtwisted.model import oserrors
from qtwisted.model.frozen import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from qtwisted.deliver.user.request import Request

SIZE_LIMIT = 1 << 20

_DEFAULT = b"default"
_TEMPORARY_STATUS = b"#4.3.0"
_UNOPENED = (errno.EPERM, errno.EACCES)
_DOT_TO_COLON = bytes.maketrans(b".", b":")


class Found(NamedTuple):
    """A .qmail file: its text, whether its x bit allows forwards only, what DEFAULT is, if anything, and its name;
    without a name there is no file.
    """

    text: bytes
    forwards_only: bool
    default: bytes | None
    name: bytes = b""


def safe(ext: bytes) -> bytes:
    """An extension as it stands in file names."""
    return ext.lower().translate(_DOT_TO_COLON)


def candidates(dash: bytes, ext: bytes) -> Iterator[tuple[bytes, bytes | None]]:
    """The names of .qmail files to try, in order, each with the value DEFAULT takes if it is the one."""
    mapped = safe(ext)
    yield b".qmail" + dash + mapped, ext[-len(_DEFAULT) :] if mapped.endswith(_DEFAULT) else None
    for end in range(len(mapped), -1, -1):
        if end == 0 or mapped[end - 1 : end] == b"-":
            yield b".qmail" + dash + mapped[:end] + _DEFAULT, ext[end:]


def find(dash: bytes, ext: bytes, forbidden: int) -> Found | None:
    """The .qmail file for an extension in the current directory; it must not have a *forbidden* mode bit."""
    for name, default in candidates(dash, ext):
        opened = _open(name)
        if opened is None:
            continue
        fd, mode = opened
        try:
            if mode & forbidden:
                raise try_later(b"Uh-oh: .qmail file is writable. (#4.7.0)")
            return Found(_read(fd, name), bool(mode & stat.S_IXUSR), default, name)
        finally:
            os.close(fd)
    return None


def forwarding_sender(request: Request) -> bytes:
    """The sender of forwards: the list's owner where one is declared, else the original sender.

    With ``-owner-default`` beside ``-owner`` each recipient's bounces come back under its own address
    (qmail-send expands the form that ends in ``-@[]``).
    """
    if request.sender in (b"", b"#@[]"):
        return request.sender
    owner = b".qmail%s%s-owner" % (request.dash, safe(request.ext))
    if not _exists(owner):
        return request.sender
    if _exists(owner + b"-default"):
        return b"%s-owner-@%s-@[]" % (request.local, request.domain)
    return b"%s-owner@%s" % (request.local, request.domain)


def _open(name: bytes) -> tuple[int, int] | None:
    """Open a candidate if it is a regular file; give its descriptor and its mode."""
    try:
        fd = os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError as trouble:
        if oserrors.is_temporary(trouble.errno) or trouble.errno in _UNOPENED:
            raise because(b"Unable to open " + name, trouble, _TEMPORARY_STATUS) from trouble
        return None
    mode = os.fstat(fd).st_mode
    if stat.S_ISREG(mode):
        return fd, mode
    os.close(fd)
    return None


def _read(fd: int, name: bytes) -> bytes:
    """The text of a .qmail file."""
    pieces, size = [], 0
    try:
        while piece := os.read(fd, 65536):
            pieces.append(piece)
            size += len(piece)
            if size > SIZE_LIMIT:
                raise try_later(b"Uh-oh: .qmail file is too big. (#4.3.0)")
    except OSError as trouble:
        raise because(b"Unable to read " + name, trouble, _TEMPORARY_STATUS) from trouble
    return b"".join(pieces)


def _exists(name: bytes) -> bool:
    """Is there anything of this name?"""
    try:
        os.stat(name)
    except OSError as trouble:
        if oserrors.is_temporary(trouble.errno):
            raise because(b"Unable to open " + name, trouble, _TEMPORARY_STATUS) from trouble
        return False
    return True
