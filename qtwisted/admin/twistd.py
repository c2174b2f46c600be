"""twistd qmail -- run the mail system.

Synopsis::

    twistd [-n] qmail [--home DIR] [--smtp ENDPOINT]... [--qmtp ENDPOINT]... [--qmqp ENDPOINT]...
                      [--pop3 ENDPOINT]... [--fronts N] [--default-delivery TEXT] [--log COMMAND]
                      [--log-format FORMAT]
    twistd -n qmail --role ROLE [--home DIR] [--default-delivery TEXT]

One process, the master, opens the ports and starts all others: the fronts that receive mail, the door to the
queue, send, and those who deliver. When one of them dies it is started again. The master itself touches no
mail.

``--home DIR``
    the home of the mail system; default $QMAILHOME, else /var/qmail
``--smtp ENDPOINT``
    receive mail by SMTP on this Twisted server endpoint (``tcp:25``, ``tcp:2525:interface=127.0.0.1``,
    ``tcp6:25``, ``unix:/some/path``, ``systemd:domain=INET:index=0``; ``haproxy:`` in front of any of them
    when a proxy tells the client's address). May be given more than once. Port 0 takes a free port; the log
    says which.
``--qmtp ENDPOINT``, ``--qmqp ENDPOINT``
    the same for QMTP, usually on port 209, and for QMQP, usually on port 628. QMQP serves only the addresses that
    control/qmqpclients lists.
``--pop3 ENDPOINT``
    let users fetch their mail by POP3, usually on port 110. The program that control/checkpassword names checks
    their passwords, usually qmail-checkpassword-system(8); sessions run as the owners of the mailboxes.
``--fronts N``
    how many processes receive mail; default: as many as there are processors
``--default-delivery TEXT``
    what is done with mail for users without instructions of their own; default ``./Mailbox``
``--log COMMAND``
    give the log to this program, run as the log user, instead of standard output
``--log-format FORMAT``
    ``qmail``, the default, for qmail's own lines; ``json`` for the same facts as one JSON object a line, each with
    the moment at which it was logged: ``{"at": "2026-11-30T04:45:01.123456Z", "kind": "new", "msg": 53}``. The
    kinds are ``new``, ``info``, ``start``, ``delivery``, ``bounce``, ``triple``, ``end``, ``status``, ``exiting``,
    ``alert``, ``warning``, ``wish``, ``listening`` and ``text``. Lines in JSON are meant for a program of your own;
    splogger cuts long ones and enters alerts as information.
``--role ROLE``
    no master: become this one role, ``front``, ``pop3``, ``auth``, ``door``, ``send``, ``lspawn`` or ``rspawn``.
    systemd opens its sockets and hands them over, starts it as its user, and starts it again; the log goes to
    standard output. The units for this are in etc/systemd; docs/units.rst describes them.

Without any option for a service the ports come from control/listen, in lines such as ``smtp tcp:25``; without
that file no port is opened and only the queue runs.

With ``twistd -n`` each log line goes to standard output as it is. Without ``-n`` and without ``--log`` the
lines go to ``splogger qmail``. The master says ``smtp: listening on 127.0.0.1 port 25`` for every port.

To systemd the master says when all is open and when it begins to end, on the socket that $NOTIFY_SOCKET names
(``Type=notify``). No process it starts gets that variable, nor $LISTEN_FDS.

Signals to the master: TERM and INT stop everything, after the deliveries that are running have ended; ALRM
has all waiting mail tried again; HUP has the control files reread; USR1 starts qmail-send and its spawners again
after TERM to qmail-send alone.

TERM to qmail-send alone ends deliveries: it says ``status: exiting`` and stays down, while mail is received and
waits. Only a start, or USR1 to the master, brings it back. A start finds the master that is still there, has it end
in order, and takes its place; a home whose qmail-send is running is not started a second time.

Started by root, each process runs as the user that conf-users gives it. Otherwise all run as the user who
started them; then nothing separates them, and mail can be delivered to that user only. The options ``--uid``,
``--gid`` and ``--euid`` of twistd are refused.

Exit codes: 1 when the mail system cannot be started (a line on standard error says why); else as twistd.

Files: the home's ``control/``, ``queue/`` and ``run/``, where ``send.stopped`` tells that qmail-send was told to end;
see qmail-config(8), which makes a home.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from twisted.python import usage

from qtwisted.admin.running.ports import StartError, Wish
from qtwisted.system import handed, notify
from qtwisted.system.roles import ROLES, SERVICES

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Any

    from twisted.application.service import Service

REFUSED = ("uid", "gid", "euid")
DEFAULT_LOG = "splogger qmail"
LOG_FORMATS: dict[str, str | None] = {"qmail": None, "json": "qtwisted.model.logjson"}
"""The formats, and the module that writes lines so; qmail's lines stay as they are."""
ALONE = tuple(role.name for role in ROLES if role.name != "log")
"""The roles that run without a master; then the log is the journal's work."""


class Options(usage.Options):
    """The command line of ``twistd qmail``."""

    longdesc = "Runs the mail system of one home."

    optParameters = [
        ["home", None, None, "the home of the mail system [default: $QMAILHOME, else /var/qmail]"],
        ["fronts", None, None, "how many processes receive mail [default: one for each processor]", int],
        ["default-delivery", None, "./Mailbox", "what is done with mail for users without instructions"],
        ["log", None, None, "give the log to this program instead of standard output"],
        ["log-format", None, "qmail", "qmail for qmail's lines, json for one JSON object a line"],
        ["role", None, None, "be this role alone, with sockets from systemd"],
    ]

    def __init__(self) -> None:
        """Begin with no ports."""
        super().__init__()  # type: ignore[no-untyped-call]
        self["listen"] = []
        self["notified"] = None
        self["given"] = []

    def postOptions(self) -> None:
        """Check what can be checked at once, and settle what depends on twistd's own options."""
        if self["fronts"] is not None and self["fronts"] < 1:
            raise usage.UsageError("--fronts must be 1 or more")
        if self["log"] is not None:
            check_command(self["log"])
        if self["log-format"] not in LOG_FORMATS:
            raise usage.UsageError(f"--log-format must be one of: {', '.join(LOG_FORMATS)}")
        if self["role"] is not None:
            self.check_role()
        if self.parent is not None:
            self.fit_in(self.parent)

    def check_role(self) -> None:
        """Refuse what makes no sense for a role without a master."""
        if self["role"] not in ALONE:
            raise usage.UsageError(f"--role must be one of {', '.join(ALONE)}")
        if self["listen"] or self["fronts"] is not None or self["log"] is not None:
            raise usage.UsageError("--role takes neither ports nor --fronts nor --log; systemd hands it the rest")

    def fit_in(self, twistd: Any) -> None:
        """Refuse options of twistd that would break the separation of users, keep its chatter out of the log, and
        take what systemd has to say to us.
        """
        for name in REFUSED:
            if twistd.get(name):
                raise usage.UsageError(f"--{name} cannot be used with qmail: each role has a user of its own")
        if self["role"] is not None:
            self.take_descriptors(twistd)
        self["notified"] = notify.take(os.environ)
        if self["log"] is None and not twistd.get("nodaemon"):
            self["log"] = DEFAULT_LOG
        if not (twistd.get("logfile") or twistd.get("logger") or twistd.get("syslog")):
            twistd["logger"] = "qtwisted.admin.twistd.only_trouble"
        if os.getuid() == 0 and twistd.get("pidfile") == "twistd.pid":
            twistd["pidfile"] = ""  # root writes no file into whatever directory he happens to be in
        sys.excepthook = one_line

    def take_descriptors(self, twistd: Any) -> None:
        """Take what systemd has opened for the role that we are to become."""
        if not twistd.get("nodaemon"):
            raise usage.UsageError("--role runs in the foreground only: twistd -n qmail --role ...")
        try:
            self["given"] = handed.take(os.environ)
        except handed.HandedError as trouble:
            raise usage.UsageError(str(trouble)) from None


def listen_option(service: str) -> Callable[[Options, str], None]:
    """The method that reads the option for one service."""

    def option(self: Options, endpoint: str) -> None:
        """Take one more endpoint; twistd shows the text below as the help for the option."""
        self["listen"].append(Wish(service, endpoint, "--" + service))

    option.__doc__ = f"serve {service.upper()} on this endpoint: {SERVICES[service]}"
    return option


for _service in SERVICES:
    setattr(Options, "opt_" + _service, listen_option(_service))


def check_command(command: str) -> None:
    """Raise UsageError unless *command* can be taken apart as a shell would."""
    import shlex

    try:
        words = shlex.split(command)
    except ValueError as trouble:
        raise usage.UsageError(f"--log: {trouble}") from None
    if not words:
        raise usage.UsageError("--log: no program named")


def only_trouble() -> Any:
    """What twistd itself logs: nothing but errors, and those to standard error, so that the log is mail's
    alone. That somebody asks a second time for the end, which has begun, is none.
    """
    from twisted.internet.error import ReactorNotRunning
    from twisted.logger import (
        FilteringLogObserver,
        LogLevel,
        LogLevelFilterPredicate,
        PredicateResult,
        textFileLogObserver,
    )

    trouble: Any = LogLevelFilterPredicate(defaultLogLevel=LogLevel.error)
    errors: Any = sys.__stderr__
    observer: Any = textFileLogObserver(errors)

    def unless_asked_again(event: Any) -> Any:
        """Drop what Twisted makes of a second TERM or INT."""
        failure = event.get("log_failure")
        is_dropped = failure is not None and failure.check(ReactorNotRunning)
        return PredicateResult.no if is_dropped else PredicateResult.maybe

    predicates: Any = [unless_asked_again, trouble]
    return FilteringLogObserver(observer, predicates)


def one_line(kind: type[BaseException], value: BaseException, trace: TracebackType | None) -> None:
    """End with one line where the operator has to mend something, with a traceback where we have."""
    if not issubclass(kind, StartError):
        sys.__excepthook__(kind, value, trace)
    elif sys.__stderr__ is not None:
        sys.__stderr__.write(f"twistd qmail: fatal: {value}\n")


def makeService(options: Options) -> Service:
    """The mail system as a service: for twistd, for a .tac file, or as a part of a MultiService.

    Nothing is opened or started before the service is. *options* may be an Options or any mapping with its
    keys, of which ``log-format`` may be missing.
    """
    from qtwisted.config.conf import home_dir

    home = os.path.abspath(home_dir(os.environ, options["home"]))
    if options.get("role") is not None:
        from qtwisted.admin.running.alone import Alone

        return Alone(home, options["role"], options["default-delivery"], options["given"])
    from qtwisted.admin.running.master import Master

    return Master(home, options["listen"], options["fronts"], options["default-delivery"], options["log"],
                  log_dress=LOG_FORMATS[options.get("log-format", "qmail")], notified=options.get("notified"))
