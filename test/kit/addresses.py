"""Addresses of loopback that no test in another process uses, for those that cannot let the kernel choose a port."""

from __future__ import annotations

import os
import socket

#: another one in every process: the last byte is left to its tests
_NET = f"127.{100 + os.getpid() // 250 % 100}.{os.getpid() % 250}"


def own_address(number: int) -> str:
    """One of our addresses; *number* is from 1 to 254."""
    return f"{_NET}.{number}"


def free_port(address: str) -> int:
    """A port nobody listens on, nor will, if the address is ours."""
    with socket.socket() as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])


def is_listened_to(address: str, port: int) -> bool:
    """Is somebody there? Asked of the kernel, so that no service is started for it."""
    wanted = f"{socket.inet_aton(address)[::-1].hex().upper()}:{port:04X} 00000000:0000 0A"
    with open("/proc/net/tcp", encoding="ascii") as file:
        return any(wanted in line for line in file)
