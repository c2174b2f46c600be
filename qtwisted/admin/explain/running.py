"""What the running mail system was told at its start: its default delivery."""

from __future__ import annotations

from qtwisted.admin.running import serving

USUAL = b"./Mailbox"

_OPTION = b"default_delivery="


def default_delivery(home: str) -> bytes:
    """What is done with mail for users without instructions, as the lspawn that runs was told; else what is usual.

    Anybody may call a process what he likes; only a child of the master is believed.
    """
    master = serving.master(home)
    for pid, role in serving.roles_of(home):
        if role == "lspawn" and _parent(pid) == master:
            return next((word.removeprefix(_OPTION) for word in _command(pid) if word.startswith(_OPTION)), USUAL)
    return USUAL


def _command(pid: int) -> list[bytes]:
    """The words of a process's command line."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return file.read().split(b"\0")
    except OSError:
        return []


def _parent(pid: int) -> int:
    """The parent of a process; 0 if it has just ended."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[1])
    except OSError:
        return 0
