"""The roles of a running system: which process runs what, as whom, and whom it can talk to.

This list is the security diagram. The master starts processes from it, the documents print it, and a test
compares it with what really runs. A role that is handed no socket to another cannot reach it, whatever is
done to it. (The two UNIX sockets of the door and the one of send are reached by path; door and send ask the kernel
who is calling.)
"""

from __future__ import annotations

from collections import namedtuple

Role = namedtuple("Role", "name module user group directory umask fds signals unit")
Role.__doc__ = """One kind of process.

name       what the process is called on its command line and in the log
module     where its ``main(opened)`` is
user       whose uid it runs under: a name of conf-users
group      its only group: a name of conf-groups
directory  where it works, below the home
umask      what it takes away from the modes of new files
fds        the descriptors it is handed besides ``log`` and ``lifeline``; a front gets one per listener
signals    what the master forwards to it when it gets it itself
unit       roles of one unit live and die together
"""

ROLES = (
    Role("log", "qtwisted.system.logpump", "qmaill", "nofiles", "", 0o077, ("lines",), (), "log"),
    Role("door", "qtwisted.store.door", "qmailq", "qmail", "queue", 0o033, ("users", "roles"), (), "door"),
    Role("lspawn", "qtwisted.deliver.lspawn", "root", "qmail", "queue/mess", 0o077, ("orders",), (), "send"),
    Role("rspawn", "qtwisted.deliver.rspawn", "qmailr", "qmail", "queue/mess", 0o077, ("orders",), (),
         "send"),
    Role("send", "qtwisted.schedule.send", "qmails", "qmail", "queue", 0o077,
         ("lspawn", "rspawn", "control"), ("HUP", "ALRM"), "send"),
    Role("front", "qtwisted.accept.front", "qmaild", "nofiles", "", 0o077, ("crowd",), ("HUP",), "front"),
    Role("auth", "qtwisted.trust.login.auth", "root", "nofiles", "", 0o077, ("attempts",), (), "pop3"),
    Role("pop3", "qtwisted.accept.popfront", "qmaild", "nofiles", "", 0o077, ("auth",), (), "pop3"),
)

PAIRS = (
    (("send", "lspawn"), ("lspawn", "orders")),
    (("send", "rspawn"), ("rspawn", "orders")),
    (("pop3", "auth"), ("auth", "attempts")),
)
"""Which two roles share a socket pair, and what each calls its end: (role, descriptor), (role,
descriptor).
"""

PARTNERS = {server[0]: client[0] for client, server in PAIRS}
"""By roles that serve one other role: which one. Where each role is a unit of systemd of its own, the other one
connects to the UNIX socket that is called after the role that serves it.
"""

SHOWN_AS = {
    "log": "qmail-log", "door": "qmail-clean", "lspawn": "qmail-lspawn", "rspawn": "qmail-rspawn",
    "send": "qmail-send", "front": "qmail-smtpd", "auth": "qmail-auth", "pop3": "qmail-popup",
}
"""What ps, top, pgrep and killall call a role: the program of 1.02 in whose place it is, if there was one.

The door does the work of qmail-queue and of qmail-clean; it has the name of the one that was always there.
"""

LOST_PARTNER = 3
"""The exit code of a role that ends because one it cannot work without has gone."""

DOOR_SOCKETS = {"users": "queue.sock", "roles": "queue-priv.sock"}
"""The two UNIX sockets in HOME/run: what the door calls the descriptor, and the file's name."""

SEND_SOCKETS = {"control": "send.sock"}
"""The UNIX socket in HOME/run by which root and the owner of the home ask and tell send: as DOOR_SOCKETS."""

SERVICES = {
    "smtp": "mail from other hosts and from mail programs",
    "qmtp": "mail from other hosts, faster",
    "qmqp": "mail from hosts in control/qmqpclients, to anybody",
    "pop3": "users who fetch their mail",
}
"""What a front can speak: the name of the option, of the word in control/listen, and of its listeners."""


def partner_socket(server: str) -> str:
    """The file's name, in HOME/run, of the UNIX socket on which *server* serves its partner."""
    return f"{server}.sock"


def server_of(service: str) -> str:
    """The unit that serves *service*: its own, if it has one, else a front."""
    return service if unit(service) else "front"


def role(name: str) -> Role:
    """The role called *name*."""
    for row in ROLES:
        if row.name == name:
            return row
    raise KeyError(name)


def unit(name: str) -> tuple[Role, ...]:
    """The roles that live and die together as *name*, in the order in which they are started."""
    return tuple(row for row in ROLES if row.unit == name)
