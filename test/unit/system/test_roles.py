"""Tests for qtwisted.system.roles: the list of roles is the security diagram, so it is pinned here."""

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.config import conf
from qtwisted.system import roles


class RolesTests(SynchronousTestCase):
    """Who runs as whom, and who can talk to whom."""

    def test_users(self) -> None:
        """Each role has the user and the group of qmail's table; only lspawn and auth keep root's uid."""
        self.assertEqual(
            {row.name: (row.user, row.group) for row in roles.ROLES},
            {"log": ("qmaill", "nofiles"), "door": ("qmailq", "qmail"), "send": ("qmails", "qmail"),
             "lspawn": ("root", "qmail"), "rspawn": ("qmailr", "qmail"), "front": ("qmaild", "nofiles"),
             "auth": ("root", "nofiles"), "pop3": ("qmaild", "nofiles")})

    def test_users_exist(self) -> None:
        """Every user is one of conf-users."""
        for row in roles.ROLES:
            self.assertIn(row.user, conf.ROLES)

    def test_pairs(self) -> None:
        """Only send talks to the two spawners, and only the POP3 front to auth; both ends are declared by their
        roles, and nothing else is but the socket by which send is asked.
        """
        self.assertEqual(roles.PAIRS, ((("send", "lspawn"), ("lspawn", "orders")),
                                       (("send", "rspawn"), ("rspawn", "orders")),
                                       (("pop3", "auth"), ("auth", "attempts"))))
        declared = {(row.name, fd) for row in roles.ROLES if row.unit in ("send", "pop3") for fd in row.fds}
        asked = {("send", name) for name in roles.SEND_SOCKETS}
        self.assertEqual(declared, {end for pair in roles.PAIRS for end in pair} | asked)

    def test_partners(self) -> None:
        """Who serves one other role has a socket of its own where there is no master to pair them."""
        self.assertEqual(roles.PARTNERS, {"lspawn": "send", "rspawn": "send", "auth": "pop3"})
        self.assertEqual(roles.partner_socket("lspawn"), "lspawn.sock")

    def test_units(self) -> None:
        """send, lspawn and rspawn live and die together, and so do the POP3 front and auth; everybody else alone."""
        self.assertEqual({row.name for row in roles.unit("send")}, {"send", "lspawn", "rspawn"})
        self.assertEqual({row.name for row in roles.unit("pop3")}, {"pop3", "auth"})
        for name in ("log", "door", "front"):
            self.assertEqual([row.name for row in roles.unit(name)], [name])

    def test_servers(self) -> None:
        """POP3 is served by a unit of its own, everything else by the fronts."""
        self.assertEqual({roles.server_of(service) for service in roles.SERVICES}, {"front", "pop3"})
        self.assertEqual([service for service in roles.SERVICES if roles.server_of(service) != "front"], ["pop3"])

    def test_signals(self) -> None:
        """HUP reaches who rereads control files, ALRM reaches send; nobody else may be sent either."""
        self.assertEqual({row.name: row.signals for row in roles.ROLES if row.signals},
                         {"send": ("HUP", "ALRM"), "front": ("HUP",)})

    def test_unknown(self) -> None:
        """There is no role by another name."""
        self.assertRaises(KeyError, roles.role, "smtpd")
