"""Become another user for good, and ask the kernel for the protections that go with it.

Rules kept here:

* a switch sets the supplementary groups first, then the group, then the user, each as real, effective and
  saved id;
* nothing is believed: after the switch every id is read back, and going back to root must fail;
* nothing that fails is repaired: the caller gets an exception and must not go on.

The numbers of prctl(2) are those of Linux.
"""

from __future__ import annotations

import os
import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

SET_PDEATHSIG = 1
GET_DUMPABLE = 3
SET_DUMPABLE = 4
SET_CHILD_SUBREAPER = 36
SET_NO_NEW_PRIVS = 38


class PrivilegeError(Exception):
    """This process could not become the user it has to run as."""


def become(uid: int, gid: int, groups: Sequence[int]) -> None:
    """Turn this process into *uid*, *gid* and exactly *groups*, with no way back.

    *uid* may be 0: then only the groups change. Raises PrivilegeError when the kernel refuses or when what it
    reports afterwards differs in the least.
    """
    try:
        os.setgroups(list(groups))
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
    except OSError as trouble:
        raise PrivilegeError(f"cannot become uid {uid}, gid {gid}: {trouble.strerror}") from trouble
    verify(uid, gid, groups)


def verify(uid: int, gid: int, groups: Sequence[int]) -> None:
    """Check that this process is exactly *uid*, *gid*, *groups*, and that it cannot be root again unless it
    is.
    """
    if os.getresuid() != (uid, uid, uid):
        raise PrivilegeError(f"uid is {os.getresuid()} and not {uid}")
    if os.getresgid() != (gid, gid, gid):
        raise PrivilegeError(f"gid is {os.getresgid()} and not {gid}")
    if sorted(os.getgroups()) != sorted(groups):
        raise PrivilegeError(f"groups are {os.getgroups()} and not {list(groups)}")
    if uid == 0:
        return
    try:
        os.setuid(0)
    except PermissionError:
        return
    raise PrivilegeError("root could be had again")


def prctl(option: int, argument: int = 0) -> int:
    """Call prctl(2) with one argument; the result is the kernel's. Raises OSError when it refuses."""
    import ctypes  # costs milliseconds, and most programs that import this module never come here

    libc = ctypes.CDLL(None, use_errno=True)
    unused = ctypes.c_ulong(0)
    result = libc.prctl(option, ctypes.c_ulong(argument), unused, unused, unused)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return int(result)


def die_with_parent(parent: int, by: int = signal.SIGKILL) -> None:
    """Have the kernel send us signal *by* when our parent, process number *parent*, ends.

    To be called after become(): the kernel forgets the wish at a change of user. If the parent is gone
    already, the signal comes at once.
    """
    prctl(SET_PDEATHSIG, by)
    if os.getppid() != parent:
        os.kill(os.getpid(), by)


def adopt_orphans() -> None:
    """Make this process the parent of grandchildren whose parent ends, so that they can be waited for."""
    prctl(SET_CHILD_SUBREAPER, 1)


def never_gain() -> None:
    """Give up for good that an exec of a set-uid program gives this process more rights."""
    prctl(SET_NO_NEW_PRIVS, 1)


def is_dumpable() -> bool:
    """Tell whether processes of the same user may look into this one."""
    return prctl(GET_DUMPABLE) == 1


def hide() -> None:
    """Close this process to ptrace and /proc readers of its own user."""
    prctl(SET_DUMPABLE, 0)


def show_as(name: str) -> None:
    """Have ps, top, pgrep and killall call this process *name*, of which they see 15 bytes.

    Where /proc is missing or closed the process keeps the name it has.
    """
    try:
        with open("/proc/self/comm", "w", encoding="ascii") as file:
            file.write(name)
    except OSError:
        pass
