"""Which qmail is it? The programs tell by what is in them, and by which of them there are."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from qtwisted.admin.adopt import DIFFERS, FINE, MUST, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from qtwisted.admin.adopt import Place

SIZE_MAX = 1 << 24
"""No program of qmail is larger."""


class Mark(NamedTuple):
    """A text in a program, and what it shows."""

    program: str
    text: bytes
    what: str


_LINEAGE = (
    Mark("qmail-rspawn", b"QMAILREMOTE", "notqmail, 1.08 or later"),
    Mark("qmail-queue", b"unable to find user", "notqmail"),
    Mark("qmail-queue", b"fatal: unable to find", "notqmail"),
    Mark("qmail-inject", b"QMAILQUEUE", "netqmail"),
    Mark("qmail-showctl", b"qmail home directory: ", "qmail 1.03"),
    Mark("qmail-send", b"status: ", "qmail 1.02"),
)
"""The first that fits says what it is."""
_PATCHES = (
    Mark("qmail-smtpd", b"STARTTLS", "SMTP with STARTTLS"),
    Mark("qmail-smtpd", b"SPF", "checks of SPF"),
    Mark("qmail-smtpd", b"AUTH", "SMTP with AUTH"),
    Mark("qmail-smtpd", b"chkuser", "checks of recipients (chkuser)"),
    Mark("qmail-smtpd", b"validrcptto", "checks of recipients (validrcptto)"),
    Mark("qmail-smtpd", b"badrcptto", "refused recipients (badrcptto)"),
    Mark("qmail-smtpd", b"tarpit", "tarpits"),
    Mark("qmail-remote", b"outgoingip", "a choice of our address for outgoing mail"),
    Mark("qmail-remote", b"domainkeys", "signatures (DomainKeys or DKIM)"),
    Mark("qmail-send", b"bouncemaxbytes", "bounces that are cut (bouncemaxbytes)"),
    Mark("qmail-send", b"trigger-todo", "a process of its own for new mail (ext-todo)"),
)
"""Texts that only a patch can have brought."""
PROGRAMS = ("qmail-send", "qmail-queue", "qmail-lspawn", "qmail-rspawn", "qmail-clean")


def look(place: Place) -> Iterator[Finding]:
    """Tell which qmail it is, and with what patches."""
    if not os.path.isdir(f"{place.home}/queue") or not os.path.isdir(f"{place.home}/control"):
        yield Finding(MUST, place.home, "is not the home of a mail system: it has no queue, or no control files")
        return
    scripts = [name for name in PROGRAMS if contents(place.home, name)[:2] == b"#!"]
    if scripts:
        yield Finding(FINE, "bin", f"holds programs of ours already: {', '.join(scripts)}")
    elif not contents(place.home, "qmail-send"):
        yield Finding(DIFFERS, "bin", "has no qmail-send, so it cannot be told which qmail it was")
    else:
        what = next((mark.what for mark in _LINEAGE if has(place.home, mark)), "qmail of some other kind")
        yield Finding(FINE, "bin", f"{what}, with its own programs, which may stay")
        yield from patches(place.home)
    yield from queue_program(place.home)


def patches(home: str) -> Iterator[Finding]:
    """Tell of patches."""
    for mark in _PATCHES:
        if has(home, mark):
            yield Finding(DIFFERS, f"bin/{mark.program}", f"was patched: {mark.what}; its control files are below")


def queue_program(home: str) -> Iterator[Finding]:
    """Tell of qmail-queue: as long as it stays set-uid, whoever calls it goes on as before."""
    try:
        status = os.stat(f"{home}/bin/qmail-queue")
    except OSError:
        return
    if status.st_mode & 0o4000:
        yield Finding(FINE, "bin/qmail-queue", "is set-uid, and puts mail into the same queue; it may be used on")


def has(home: str, mark: Mark) -> bool:
    """Is this text in the program?"""
    return mark.text in contents(home, mark.program)


def contents(home: str, program: str) -> bytes:
    """A program as it is on disk; nothing if there is none, or none that could be one of qmail's."""
    try:
        with open(f"{home}/bin/{program}", "rb") as file:
            return file.read(SIZE_MAX)
    except OSError:
        return b""
