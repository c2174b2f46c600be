"""A program that restricts itself as systemd would for a service, and then runs it: ``python confine.py JSON``.

JSON is an object: ``words`` to run, ``user`` and ``group`` (numbers) if it changes them, ``groups`` besides,
``capabilities`` it may ever have, ``fds`` to hand over from number 3 on with their ``names``, ``calls`` allowed
(null: all), ``families`` of sockets allowed (null: all), and ``settings`` of the unit by name.

What is applied: NoNewPrivileges, CapabilityBoundingSet, ProtectSystem, ReadWritePaths, ProtectHome, ProtectProc,
ProcSubset, PrivateNetwork, RestrictAddressFamilies, MemoryDenyWriteExecute and SystemCallFilter. The other settings
of our units take away what their processes could not do anyway as users without rights.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
from typing import Any

NEWNS, NEWNET = 0x20000, 0x40000000
MS_RDONLY, MS_BIND, MS_REC, MS_PRIVATE = 1, 0x1000, 0x4000, 0x40000
SYS_MOUNT_SETATTR, AT_FDCWD, AT_RECURSIVE, ATTR_RDONLY = 442, -100, 0x8000, 1
PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, PR_SET_MDWE = 24, 38, 65
LAST_CAPABILITY = 63
ALLOW, ERRNO_PERM, ERRNO_FAMILY = 0x7FFF0000, 0x00050000 | 1, 0x00050000 | 97
EQUAL, GREATER = 4, 6
FAMILY_MAX = 46

libc = ctypes.CDLL(None, use_errno=True)


def done(result: int, what: str) -> None:
    """Raise OSError unless a call of the C library has succeeded."""
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")


def mount(source: str, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    """mount(2)."""
    texts = [None if text is None else text.encode() for text in (source, target, kind, data)]
    done(libc.mount(texts[0], texts[1], texts[2], ctypes.c_ulong(flags), texts[3]), f"mount {target}")


def set_readonly(path: str, readonly: bool, recursive: bool) -> None:
    """Have a mount, and those below it, refuse writers, or not."""
    attributes = (ctypes.c_uint64 * 4)(*((ATTR_RDONLY, 0) if readonly else (0, ATTR_RDONLY)), 0, 0)
    done(libc.syscall(SYS_MOUNT_SETATTR, AT_FDCWD, path.encode(), AT_RECURSIVE if recursive else 0,
                      attributes, ctypes.sizeof(attributes)), f"protect {path}")


def protect_files(settings: dict[str, str]) -> None:
    """The settings about files, in a mount namespace of our own."""
    mount("none", "/", None, MS_REC | MS_PRIVATE)
    if settings.get("ProtectHome") == "yes":
        for place in filter(os.path.isdir, ("/home", "/root", "/run/user")):
            mount("tmpfs", place, "tmpfs", MS_RDONLY, "mode=0000")
    if settings.get("ProcSubset") == "pid":
        mount("proc", "/proc", "proc", 0, f"subset=pid,hidepid={settings['ProtectProc']}")
    writable = settings.get("ReadWritePaths", "").split()
    system = {"strict": ["/"], "full": ["/usr", "/boot", "/etc"]}.get(settings.get("ProtectSystem", ""), [])
    for path in [*writable, *system]:
        if path != "/":
            mount(path, path, None, MS_BIND | MS_REC)
    for path in system:
        set_readonly(path, True, True)
    for path in writable:
        set_readonly(path, False, False)


def become(order: dict[str, Any]) -> None:
    """Give up capabilities, and take the user."""
    for number in range(LAST_CAPABILITY + 1):
        if number not in order["capabilities"]:
            libc.prctl(PR_CAPBSET_DROP, number, 0, 0, 0)  # those that the kernel does not know need no dropping
    os.setgroups(order["groups"])
    if order["group"] is not None:
        os.setresgid(order["group"], order["group"], order["group"])
    if order["user"] is not None:
        os.setresuid(order["user"], order["user"], order["user"])


class Comparison(ctypes.Structure):
    """A condition on an argument of a system call (struct scmp_arg_cmp)."""

    _fields_ = (("arg", ctypes.c_uint), ("op", ctypes.c_int), ("first", ctypes.c_uint64), ("second", ctypes.c_uint64))


def filter_calls(calls: list[str] | None, families: list[int] | None) -> None:
    """Load filters of system calls."""
    seccomp = ctypes.CDLL("libseccomp.so.2")
    seccomp.seccomp_init.restype = ctypes.c_void_p
    number = seccomp.seccomp_syscall_resolve_name
    if families is not None:
        state = ctypes.c_void_p(seccomp.seccomp_init(ALLOW))
        refused = [Comparison(0, EQUAL, family) for family in range(FAMILY_MAX) if family not in families]
        for condition in [*refused, Comparison(0, GREATER, FAMILY_MAX - 1)]:
            seccomp.seccomp_rule_add_array(state, ERRNO_FAMILY, number(b"socket"), 1, ctypes.byref(condition))
        done(seccomp.seccomp_load(state), "filter of socket families")
    if calls is not None:
        state = ctypes.c_void_p(seccomp.seccomp_init(ERRNO_PERM))
        for call in calls:
            seccomp.seccomp_rule_add(state, ALLOW, number(call.encode()), 0)
        done(seccomp.seccomp_load(state), "filter of system calls")


def hand_over(fds: list[int], names: list[str]) -> None:
    """Put descriptors where a service looks for them."""
    copies = [os.dup(fd) for fd in fds]
    parked = [os.dup(copy) if copy < 3 + len(fds) else copy for copy in copies]
    for at, fd in enumerate(parked):
        os.dup2(fd, 3 + at)
    if fds:
        os.environ.update(LISTEN_FDS=str(len(fds)), LISTEN_PID=str(os.getpid()), LISTEN_FDNAMES=":".join(names))


def main() -> None:
    """Restrict ourselves, and run it."""
    order = json.loads(sys.argv[1])
    settings = order["settings"]
    private = NEWNET if settings.get("PrivateNetwork") == "yes" else 0
    done(libc.unshare(NEWNS | private), "unshare")
    protect_files(settings)
    become(order)
    if settings.get("NoNewPrivileges") == "yes":
        done(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no new privileges")
        filter_calls(order["calls"], order["families"])
    if settings.get("MemoryDenyWriteExecute") == "yes":
        libc.prctl(PR_SET_MDWE, 1, 0, 0, 0)  # kernels before 6.3 have no such thing
    hand_over(order["fds"], order["names"])
    os.execv(order["words"][0], order["words"])


if __name__ == "__main__":
    main()
