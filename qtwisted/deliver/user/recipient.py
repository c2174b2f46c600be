"""Turns a fresh child of qmail-lspawn into the user who gets the mail, for good.

The steps, in this order: a session of its own; umask 077; nothing open but the channel to qmail-lspawn and the
lifeline, /dev/null as 0, 1 and 2; signals as a new program finds them; limits; exactly one group, the gid, the uid,
all checked; closed to other processes of the same user; death when qmail-lspawn dies; a parent to the orphans of
the user's programs. The environment is emptied. Nothing of the user's is touched before the switch.

Unlike 1.02: a delivery may not leave core files, and, where we switch users, a recipient may have no more than 1024
processes while it lasts.
"""

from __future__ import annotations

import os
import resource
import signal

from qtwisted.deliver.user import programs
from qtwisted.system import privileges

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

PROCESSES_MAX = 1024
DESCRIPTORS_SOFT = 1024
"""As many descriptors programs expect; some try to close every one they may have."""


def detach(keep: Iterable[int]) -> None:
    """Let go of everything of our parent's but the descriptors to *keep*."""
    os.setsid()
    os.umask(0o077)
    os.environ.clear()
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    _close_all_but(sorted(keep))


def become(uid: int, gid: int, switch: bool, parent: int) -> None:
    """Be *uid* and *gid* from now on, or stay who we are if we cannot *switch*; raises PrivilegeError or OSError."""
    _limit(resource.RLIMIT_CORE, 0, 0)
    _limit(resource.RLIMIT_NOFILE, DESCRIPTORS_SOFT, None)
    if switch:
        _limit(resource.RLIMIT_NPROC, PROCESSES_MAX, PROCESSES_MAX)
        privileges.become(uid, gid, [gid])
    privileges.hide()
    programs.end_with_us(signal.SIGTERM)
    privileges.die_with_parent(parent, signal.SIGTERM)
    privileges.adopt_orphans()


def _close_all_but(keep: list[int]) -> None:
    """Close every descriptor but those; put /dev/null where programs expect three."""
    null = os.open("/dev/null", os.O_RDWR)
    for number in range(3):
        os.dup2(null, number)
    begin = 3
    for fd in keep:
        os.closerange(begin, fd)
        begin = fd + 1
    os.closerange(begin, os.sysconf("SC_OPEN_MAX"))


def _limit(what: int, soft: int, hard: int | None) -> None:
    """Lower a limit; one that is lower already stays."""
    soft_now, hard_now = resource.getrlimit(what)
    hard = _lower(hard_now, hard_now if hard is None else hard)
    resource.setrlimit(what, (_lower(_lower(soft_now, soft), hard), hard))


def _lower(one: int, other: int) -> int:
    """The stricter of two limits."""
    if one == resource.RLIM_INFINITY:
        return other
    return one if other == resource.RLIM_INFINITY else min(one, other)
