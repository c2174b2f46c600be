"""One role without a master: ``twistd qmail --role ROLE``, for systemd with a unit for each role.

systemd does here what the master does otherwise: it opens the ports and the UNIX sockets, starts each role as its
user, and starts it again. We check what we were given and turn into the role, so that nothing of twistd is left in
it. (The units are in etc/systemd, what they restrict is in docs/units.rst.)

Which descriptors a role must be handed, by their names (FileDescriptorName=):

* the fronts: a listening socket for each port, called after its service, ``smtp``, ``qmtp``, ``qmqp``, ``pop3``; one
  whose clients come through a proxy that tells their address is called ``haproxy-smtp`` and so on;
* the door: its listening sockets ``users`` (HOME/run/queue.sock) and ``roles`` (HOME/run/queue-priv.sock);
* send: its listening socket ``control`` (HOME/run/send.sock);
* lspawn, rspawn and auth: the connection of their partner (Accept=yes), made to HOME/run/lspawn.sock and so on. The
  partner, send or pop3, makes it when it starts.
"""

from __future__ import annotations

import os
import socket
import stat
from typing import TYPE_CHECKING

from twisted.application.service import Service

from qtwisted.admin.install import reach
from qtwisted.admin.running import master
from qtwisted.admin.running.ports import StartError
from qtwisted.config import conf as build
from qtwisted.config.control import ControlError
from qtwisted.system import roles, sockets, start
from qtwisted.system.peer import credentials

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from qtwisted.config.conf import Ids
    from qtwisted.system.roles import Role

PROXIED = "haproxy-"
CONNECTION = "connection"
"""What systemd calls the socket of an instance that serves one connection."""


class Alone(Service):
    """Turns this process into one role as soon as it is started."""

    def __init__(self, home: str, role: str, default_delivery: str, given: Sequence[tuple[str, int]]) -> None:
        """Remember what is wanted; *given* are the names and numbers of descriptors we were handed."""
        self.home = home
        self._role = roles.role(role)
        self._default_delivery = default_delivery
        self._given = given

    def privilegedStartService(self) -> None:
        """Become the role; raises StartError if that cannot be."""
        try:
            words, fds = self.command()
        except (ControlError, OSError) as trouble:
            raise StartError(str(trouble)) from None
        for fd in fds:
            os.set_inheritable(fd, True)
        os.dup2(os.open(os.devnull, os.O_RDWR), 0)
        os.execve(words[0], words, master.environment(self.home))

    def command(self) -> tuple[list[str], list[int]]:
        """The command line of the role, and the descriptors that it needs."""
        if not os.path.isdir(os.path.join(self.home, "queue")):
            raise StartError(f"{self.home} is not the home of a mail system")
        ids = build.ids(build.load(self.home))
        who = identity(self._role, ids)
        reach.check(ids.qmaild_uid, ids.nofiles_gid)
        fds, proxied = named(self._role, self._given)
        if self._role.name in roles.PARTNERS:
            check_partner(fds[self._role.fds[0]], self._role, ids)
        fds.update(connections(self._role, self.home))
        fds["log"] = log_descriptor()
        options = {"haproxy": ",".join(proxied)} if proxied else {}
        if self._role.unit == "send":
            options.update(default_delivery=self._default_delivery, remote_width=master.REMOTE_WIDTH)
        words = start.command(self._role.name, self.home, 0, who, fds, options, master.import_path())
        return words, list(fds.values())


def identity(role: Role, ids: Ids) -> tuple[int, int] | None:
    """The uid and gid that the role has still to take, None if it has them; nobody else may run it."""
    uid, gid = getattr(ids, role.user + "_uid"), getattr(ids, role.group + "_gid")
    if os.geteuid() == 0:
        return uid, gid
    if os.geteuid() != uid or os.getegid() != gid:
        raise StartError(f"role {role.name} runs as user number {uid} with group number {gid}, and this is "
                         f"{os.geteuid()} with {os.getegid()}")
    if is_separated(ids) and set(os.getgroups()) - {gid}:
        raise StartError(f"role {role.name} must have no group but {gid}, and this process has {os.getgroups()}")
    return None


def is_separated(ids: Ids) -> bool:
    """Whether the home has users of its own, rather than one for everything."""
    return ids.qmailq_uid != ids.qmails_uid


def named(role: Role, given: Sequence[tuple[str, int]]) -> tuple[dict[str, int], list[str]]:
    """What was handed over by the names that the role has for it; and which ports have a proxy in front."""
    if role.name in roles.PARTNERS:
        numbers = [fd for name, fd in given if name in (CONNECTION, role.fds[0])]
        if len(numbers) != 1 or len(given) != 1:
            raise StartError(f"role {role.name} must be handed the connection of {roles.PARTNERS[role.name]}, "
                             f"and nothing else, not {told(given)}")
        return {role.fds[0]: numbers[0]}, []
    if role.name in ("front", "pop3"):
        return ports(role, given)
    wanted = sorted(roles.DOOR_SOCKETS if role.name == "door" else roles.SEND_SOCKETS)
    if sorted(name for name, _ in given) != wanted:
        raise StartError(f"role {role.name} must be handed {' and '.join(wanted)}, not {told(given)}")
    return dict(given), []


def ports(role: Role, given: Sequence[tuple[str, int]]) -> tuple[dict[str, int], list[str]]:
    """The listening sockets of a front, each under the name of its service and a number."""
    services = [service for service in roles.SERVICES if roles.server_of(service) == role.name]
    fds: dict[str, int] = {}
    proxied = []
    for name, fd in given:
        service = name.removeprefix(PROXIED)
        if service not in services:
            raise StartError(f"role {role.name} serves {', '.join(services)}, and was handed {told(given)}")
        fds[f"{service}{len(fds)}"] = fd
        if name.startswith(PROXIED):
            proxied.append(list(fds)[-1])
    if not fds:
        raise StartError(f"role {role.name} must be handed a listening socket")
    return fds, proxied


def told(given: Sequence[tuple[str, int]]) -> str:
    """The names of what was handed over, for the operator."""
    return ", ".join(name for name, _ in given) or "nothing"


def check_partner(fd: int, role: Role, ids: Ids) -> None:
    """Raise StartError unless the only role that may give this one orders is at the other end of *fd*."""
    with socket.socket(fileno=os.dup(fd)) as connection:
        if connection.family != socket.AF_UNIX:
            raise StartError(f"role {role.name} was handed something that is no UNIX socket")
        uid = credentials(connection).uid
    partner = roles.role(roles.PARTNERS[role.name])
    if uid not in (0, getattr(ids, partner.user + "_uid")):
        raise StartError(f"role {role.name} takes orders from {partner.name} only, not from user number {uid}")


def connections(role: Role, home: str) -> Mapping[str, int]:
    """Connect to those who serve this role, each by its socket in HOME/run."""
    made = {}
    for (client, name), (server, _) in roles.PAIRS:
        if client == role.name:
            path = f"{home}/run/{roles.partner_socket(server)}"
            try:
                made[name] = sockets.connect_unix(f"{home}/run", roles.partner_socket(server)).detach()
            except OSError as trouble:
                raise StartError(f"cannot connect to {path}: {trouble.strerror}") from None
    return made


def log_descriptor() -> int:
    """A descriptor for log lines: our standard output, which makes nobody wait if it is a socket of the journal."""
    fd = os.dup(1)
    if stat.S_ISSOCK(os.fstat(fd).st_mode):
        os.set_blocking(fd, False)
    return fd
