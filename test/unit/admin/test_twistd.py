"""Tests for qtwisted.admin.twistd: the command line, and the service made from it."""

import io
import os
import sys
from typing import Any

from twisted.application.service import IService
from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase

from qtwisted.admin import twistd
from qtwisted.admin.running.ports import StartError, Wish


def parsed(*words: str, parent: dict[str, Any] | None = None) -> twistd.Options:
    """The options that *words* give, below twistd's own in *parent*."""
    options = twistd.Options()
    options.parent = parent  # type: ignore[assignment]
    options.parseOptions(list(words))
    return options


class OptionsTests(SynchronousTestCase):
    """The options of design: home, services, fronts, default delivery, log."""

    def setUp(self) -> None:
        """What the options change in the interpreter is put back."""
        self.patch(sys, "excepthook", sys.excepthook)

    def test_defaults(self) -> None:
        """Without options: no ports of our own, a mailbox, the log on standard output."""
        options = parsed()
        self.assertEqual((options["listen"], options["fronts"], options["default-delivery"], options["log"]),
                         ([], None, "./Mailbox", None))

    def test_services(self) -> None:
        """A service may be given more than once."""
        options = parsed("--smtp", "tcp:25", "--smtp=tcp6:25")
        self.assertEqual(options["listen"], [Wish("smtp", "tcp:25", "--smtp"), Wish("smtp", "tcp6:25", "--smtp")])

    def test_refused(self) -> None:
        """Options that make no sense are refused, and so are services that do not exist."""
        for words in (["--fronts", "0"], ["--fronts", "many"], ["--log", "'a"], ["--log", " "],
                      ["--log-format", "xml"], ["--pop2", "tcp:1"]):
            self.assertRaises(UsageError, parsed, *words)

    def test_users_of_twistd(self) -> None:
        """twistd's own switch of users would give every role the same rights, so it is refused."""
        for name in ("uid", "gid", "euid"):
            self.assertRaises(UsageError, parsed, parent={name: 12})

    def test_log(self) -> None:
        """In the background the log goes to splogger, in the foreground to standard output."""
        self.assertEqual(parsed(parent={"nodaemon": 0})["log"], "splogger qmail")
        self.assertIsNone(parsed(parent={"nodaemon": 1})["log"])
        self.assertEqual(parsed("--log", "cat", parent={"nodaemon": 0})["log"], "cat")

    def test_log_format(self) -> None:
        """The log is in qmail's lines unless JSON is asked for."""
        self.assertEqual(parsed()["log-format"], "qmail")
        self.assertEqual(parsed("--log-format", "json")["log-format"], "json")

    def test_silence(self) -> None:
        """twistd says nothing of its own on the log, unless the operator has asked for that."""
        parent: dict[str, Any] = {"nodaemon": 1}
        parsed(parent=parent)
        self.assertEqual(parent["logger"], "qtwisted.admin.twistd.only_trouble")
        for name in ("logfile", "logger", "syslog"):
            parent = {"nodaemon": 1, name: "x"}
            parsed(parent=parent)
            self.assertEqual(parent, {"nodaemon": 1, name: "x", **({} if os.getuid() else {})})

    def test_role(self) -> None:
        """A role of its own runs in the foreground, and its sockets come from systemd alone."""
        parent: dict[str, Any] = {"nodaemon": 1}
        given = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1", "LISTEN_FDNAMES": "smtp", "NOTIFY_SOCKET": "/n"}
        self.patch(os, "environ", dict(given))
        options = parsed("--role", "front", parent=parent)
        self.assertEqual((options["given"], options["notified"], os.environ), ([("smtp", 3)], "/n", {}))
        self.assertRaises(UsageError, parsed, "--role", "front", parent={"nodaemon": 0})
        for words in (["--role", "log"], ["--role", "smtpd"], ["--role", "front", "--smtp", "tcp:25"],
                      ["--role", "send", "--fronts", "1"], ["--role", "send", "--log", "cat"]):
            self.assertRaises(UsageError, parsed, *words, parent=parent)
        self.patch(os, "environ", {**given, "LISTEN_FDS": "2"})
        self.assertRaises(UsageError, parsed, "--role", "front", parent=parent)

    def test_pid_file(self) -> None:
        """root leaves no twistd.pid in whatever directory he is in, but may name a file."""
        self.patch(os, "getuid", lambda: 0)
        for given, taken in (("twistd.pid", ""), ("/run/qmail.pid", "/run/qmail.pid")):
            parent = {"nodaemon": 1, "pidfile": given}
            parsed(parent=parent)
            self.assertEqual(parent["pidfile"], taken)


class ServiceTests(SynchronousTestCase):
    """makeService gives an ordinary service and does nothing yet."""

    def test_service(self) -> None:
        """It provides IService; making it opens nothing, so a home need not even exist."""
        service = twistd.makeService(parsed("--home", "/nonexistent/home"))
        self.assertTrue(IService.providedBy(service))
        self.assertFalse(service.running)

    def test_home(self) -> None:
        """The home is --home, else $QMAILHOME, else /var/qmail; never relative, since twistd changes
        directory.
        """
        self.patch(os, "environ", {"QMAILHOME": "/elsewhere"})
        self.assertEqual(twistd.makeService(parsed("--home", "x")).home, os.path.abspath("x"))
        self.assertEqual(twistd.makeService(parsed()).home, "/elsewhere")
        self.patch(os, "environ", {})
        self.assertEqual(twistd.makeService(parsed()).home, "/var/qmail")

    def test_no_home(self) -> None:
        """A home that does not exist is named, with the command that makes one."""
        service = twistd.makeService(parsed("--home", "/nonexistent/home"))
        trouble = self.assertRaises(StartError, service.privilegedStartService)
        self.assertEqual(str(trouble), "/nonexistent/home is not the home of a mail system; "
                                       "make one with: qmail-config --home /nonexistent/home HOST")

    def test_one_line(self) -> None:
        """What the operator has to mend is told in one line, without a traceback."""
        errors = io.StringIO()
        self.patch(sys, "__stderr__", errors)
        twistd.one_line(StartError, StartError("no port"), None)
        self.assertEqual(errors.getvalue(), "twistd qmail: fatal: no port\n")
