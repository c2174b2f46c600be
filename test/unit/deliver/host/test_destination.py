"""Tests: qtwisted.deliver.host.destination, on a network in memory."""

from __future__ import annotations

from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.deliver.host.destination import IDLE_FOR, MESSAGES_MAX, REFUSED_FOR
from qtwisted.deliver.host.reports import combine
from test.kit.smtp_peer import CLOSE, REFUSED, Script
from test.kit.traffic import Road

ACCEPTED = b"K192.0.2.1 accepted message.\nRemote host said: 250 done\n"
DIED = b"ZConnected to 192.0.2.1 but connection died. (#4.4.2)\n"


class DestinationCase(SynchronousTestCase):
    """Sends messages to one destination."""

    def setUp(self) -> None:
        """Begin."""
        self.road = Road()
        self.network = self.road.network

    def told(self, sending: Any) -> bytes:
        """What qmail-send is told of a delivery."""
        return combine(self.successResultOf(sending).wire())

    def send(self, *recipients: bytes, **more: Any) -> list[bytes]:
        """Send one message, and give what is told for each recipient."""
        sendings = [self.road.post(recipient, name=b"m", **more) for recipient in recipients or (b"r@d",)]
        self.road.settle()
        return [self.told(sending) for sending in sendings]

    def verbs(self, script: Script) -> list[bytes]:
        """The commands a server has heard."""
        return [line.split(b" ")[0] for line in script.heard]


class ReuseTests(DestinationCase):
    """Connections are used again."""

    def test_reuse(self) -> None:
        """A second message goes over the connection of the first, and QUIT is said when nobody needs it any more."""
        script = self.road.serve()
        self.assertEqual(self.send() + self.send(), [ACCEPTED] * 2)
        self.assertEqual(self.verbs(script), [b"EHLO", *[b"MAIL", b"RCPT", b"DATA"] * 2])
        self.network.advance(IDLE_FOR)
        self.road.settle()
        self.assertEqual(script.heard[-1], b"QUIT")
        self.send()
        self.assertEqual(len(self.network.tried), 2)

    def test_closed_while_idle(self) -> None:
        """A server that closes an idle connection, with or without a word, costs no attempt."""
        script = self.road.serve()
        for last_words in (CLOSE, b"421 time is up\r\n" + CLOSE, b"421 time is up\r\n"):
            self.send()
            self.network.lines[-1].say(last_words)
            self.assertEqual(self.send(), [ACCEPTED], last_words)
        self.assertEqual(script.body, b"Subject: x\r\n\r\nhi\r\n")

    def test_closed_while_asked(self) -> None:
        """A used connection that ends before the message is sent costs no attempt; the message goes out whole."""
        for step, ok in (("mail", b"250 ok\r\n"), ("rcpt", b"250 ok\r\n"), ("data", b"354 go\r\n")):
            for end in (CLOSE, b"421 no more\r\n" + CLOSE, b"421 no more\r\n"):
                self.setUp()
                script = self.road.serve(**{step: [ok, end, ok]})
                self.assertEqual(self.send() + self.send(), [ACCEPTED] * 2, (step, end))
                self.assertEqual(len(self.network.tried), 2)
                self.assertEqual(script.body, b"Subject: x\r\n\r\nhi\r\n")

    def test_fresh_connection_counts(self) -> None:
        """On a fresh connection the same is an attempt in vain."""
        self.road.serve(mail=CLOSE)
        self.assertEqual(self.send(), [DIED])
        self.assertEqual(len(self.network.tried), 1)

    def test_message_sent(self) -> None:
        """When the message was sent nobody tries again on another connection: it may have been taken."""
        self.road.serve(dot=[b"250 done\r\n", CLOSE])
        self.send()
        self.assertEqual(self.send(),
                         [b"ZConnected to 192.0.2.1 but connection died. Possible duplicate! (#4.4.2)\n"])
        self.assertEqual(len(self.network.tried), 1)

    def test_messages_per_connection(self) -> None:
        """After a hundred messages a connection is given up."""
        script = self.road.serve()
        for _ in range(MESSAGES_MAX + 1):
            self.send()
        self.assertEqual(len(self.network.tried), 2)
        self.assertEqual(script.heard.count(b"QUIT"), 1)

    def test_idle_connections_of_all(self) -> None:
        """Not more than two hundred idle connections are kept."""
        hosts = {b"h%d" % number: [f"10.0.{number // 250}.{number % 250 + 1}"] for number in range(210)}
        self.road = Road(hosts=hosts)
        scripts = [self.road.serve(address) for address, in hosts.values()]
        for host in hosts:
            self.road.post(b"r@" + host)
            self.road.settle()
        self.assertEqual(sum(script.heard[-1] == b"QUIT" for script in scripts), 10)
        self.road.pass_time(6)
        self.assertEqual(sum(script.heard[-1] == b"QUIT" for script in scripts), 210)
        self.assertEqual(self.road.traffic.resting, 0)

    def test_refused_message(self) -> None:
        """A message that is refused leaves a connection that is good for the next."""
        self.road.serve(rcpt=[b"550 no\r\n", b"250 ok\r\n"], dot=[b"554 spam\r\n", b"250 done\r\n"])
        self.assertEqual(self.send()[0][:1], b"D")
        self.assertEqual(self.send()[0][:1], b"D")
        self.assertEqual(self.send(), [ACCEPTED])
        self.assertEqual(len(self.network.tried), 1)


class JoinTests(DestinationCase):
    """Recipients of one message share a transaction."""

    def test_joined(self) -> None:
        """Recipients that come together are named together, and each hears that the message is accepted."""
        script = self.road.serve()
        self.assertEqual(self.send(b"1@d", b"2@d", b"3@d"), [ACCEPTED] * 3)
        self.assertEqual(self.verbs(script), [b"EHLO", b"MAIL", b"RCPT", b"RCPT", b"RCPT", b"DATA"])

    def test_different(self) -> None:
        """Another sender or another message is another transaction."""
        script = self.road.serve()
        self.road.post(name=b"m")
        self.road.post(name=b"m", sender=b"t@x")
        self.road.post(name=b"n")
        self.road.settle()
        self.assertEqual(self.verbs(script).count(b"DATA"), 3)

    def test_each_has_its_report(self) -> None:
        """Each recipient gets the report he would get alone."""
        self.road.serve(rcpt=[b"550 no\r\n", b"450 later\r\n", b"250 ok\r\n"])
        disliked = b"192.0.2.1 does not like recipient.\nRemote host said: "
        self.assertEqual(self.send(b"1@d", b"2@d", b"3@d"),
                         [b"D" + disliked + b"550 no\nGiving up on 192.0.2.1.\n",
                          b"Z" + disliked + b"450 later\nGiving up on 192.0.2.1.\n", ACCEPTED])

    def test_connection_dies_among_recipients(self) -> None:
        """What was refused before the connection died stays refused; the others wait."""
        self.road.serve(rcpt=[b"550 no\r\n", CLOSE])
        self.assertEqual([told[:1] for told in self.send(b"1@d", b"2@d", b"3@d")], [b"D", b"Z", b"Z"])

    def test_too_many_recipients(self) -> None:
        """Recipients that are too many for one transaction are named in the next, at once."""
        script = self.road.serve(rcpt=[b"250 ok\r\n", b"250 ok\r\n", b"452 too many\r\n", b"552 too many\r\n",
                                       b"250 ok\r\n"])
        self.assertEqual(self.send(b"1@d", b"2@d", b"3@d", b"4@d"), [ACCEPTED] * 4)
        self.assertEqual([line for line in script.heard if line.startswith(b"RCPT")][4:],
                         [b"RCPT TO:<3@d>", b"RCPT TO:<4@d>"])
        self.assertEqual(script.body, b"Subject: x\r\n\r\nhi\r\n")
        self.assertEqual(len(self.network.tried), 1)

    def test_full_mailbox(self) -> None:
        """A recipient refused with the same code when he is the first, and there is no other, waits."""
        self.road.serve(rcpt=b"452 full\r\n")
        self.assertEqual([told[:1] for told in self.send(b"1@d", b"2@d")], [b"Z", b"Z"])

    def test_hundred_at_most(self) -> None:
        """A transaction has a hundred recipients at most."""
        script = self.road.serve()
        told = self.send(*(b"%d@d" % number for number in range(250)))
        self.assertEqual(told, [ACCEPTED] * 250)
        self.assertEqual(self.verbs(script).count(b"DATA"), 3)

    def test_hosts_with_the_same_servers(self) -> None:
        """Hosts with the same exchangers are one destination."""
        self.road = Road(mx={b"a": [(10, b"mx")], b"b": [(5, b"mx"), (9, b"c")]}, hosts={b"mx": ["192.0.2.1"]})
        script = self.road.serve()
        self.assertEqual(self.send(b"r@a", b"r@b"), [ACCEPTED] * 2)
        self.assertEqual(self.verbs(script).count(b"MAIL"), 1)

    def test_unspeakable_recipient(self) -> None:
        """An address that cannot be said refuses itself only."""
        self.road.serve()
        told = self.send(b"1@d", b"a b>\n@d", b"3@d")
        self.assertEqual([one[:1] for one in told], [b"K", b"D", b"K"])


class LimitTests(DestinationCase):
    """How many connections there are."""

    def crowd(self, count: int = 30) -> list[Any]:
        """Give it so many messages."""
        sendings = [self.road.post() for _ in range(count)]
        for _ in range(20):
            self.road.settle()
        return sendings

    def test_not_more_than_the_limit(self) -> None:
        """There are never more connections than control/concurrencydestination says."""
        self.road = Road(most=3)
        self.network = self.road.network
        self.road.serve(greeting=None)
        self.crowd()
        self.assertEqual(len(self.network.tried), 3)

    def test_not_more_than_slots(self) -> None:
        """There are never more than control/concurrencyremote allows, either."""
        self.road = Road(limit=2)
        self.network = self.road.network
        self.road.serve(greeting=None)
        self.crowd()
        self.assertEqual(len(self.network.tried), 2)

    def test_growth(self) -> None:
        """There are five at first, and one more for each message accepted."""
        self.road.serve(dot=None)
        self.crowd()
        self.assertEqual(len(self.network.tried), 5)
        self.network.lines[0].say(b"250 done\r\n")
        self.road.settle()
        self.assertEqual(len(self.network.tried), 6)

    def test_server_that_allows_two(self) -> None:
        """Of a server that takes only two connections thirty messages make use of two, and none is put off."""
        for third in (b"421 too many connections\r\n", CLOSE, b"554 go away\r\n"):
            self.setUp()
            script = self.road.serve(greeting=[b"220 s\r\n", b"220 s\r\n", third])
            self.assertEqual([self.told(sending) for sending in self.crowd()], [ACCEPTED] * 30, third)
            self.assertEqual(len(self.network.tried), 5)
            script.replies["greeting"] = b"220 s\r\n"
            self.network.advance(REFUSED_FOR)
            self.road.settle()
            script.replies["dot"] = [b"250 done\r\n"] * 3 + [None]  # type: ignore[list-item]
            self.crowd()
            self.assertGreater(len(self.network.tried), 6)

    def test_one_connection_at_a_time(self) -> None:
        """A server that greets one client after the other gets all the mail over the connection it greeted."""
        self.road.serve(greeting=[b"220 s\r\n", None])
        self.assertEqual([self.told(sending) for sending in self.crowd()], [ACCEPTED] * 30)

    def test_nobody_there(self) -> None:
        """If no connection can be opened everything that waits has failed, at once."""
        self.network.hosts["192.0.2.1"] = REFUSED
        refused = b"ZSorry, I wasn't able to establish an SMTP connection. (#4.4.1)\n"
        self.assertEqual([self.told(sending) for sending in self.crowd()], [refused] * 30)
        self.assertLessEqual(len(self.network.tried), 5)

    def test_hang(self) -> None:
        """What waits for a server that hangs at the greeting fails with the first deadline, all at once."""
        self.road.serve(greeting=None)
        sendings = self.crowd()
        self.road.pass_time(299)
        self.assertNoResult(sendings[0])
        self.road.pass_time(1)
        self.assertEqual([self.told(sending) for sending in sendings], [DIED] * 30)

    def test_fault_of_ours(self) -> None:
        """A fault of ours fails one delivery and not the others."""
        async def broken(*arguments: Any) -> Any:
            """Have a fault."""
            raise RuntimeError("bug")

        self.road.serve()
        self.road.remote.open = broken  # type: ignore[method-assign]
        sending = self.road.post()
        self.road.settle()
        self.failureResultOf(sending, RuntimeError)
        self.assertEqual(self.road.failures, [])


class EndTests(DestinationCase):
    """The end."""

    def test_close(self) -> None:
        """At the end idle connections hear QUIT, and those that were not greeted yet are dropped."""
        script = self.road.serve(greeting=[b"220 s\r\n", None])
        self.road.post(), self.road.post()
        self.road.settle()
        closed = self.road.traffic.close()
        self.road.settle()
        self.successResultOf(closed)
        self.assertEqual(script.heard[-1], b"QUIT")
        self.assertEqual(self.network.getDelayedCalls(), [])
