"""Who may connect is said in the source form of tcprules(1)."""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.config.control import Control, ControlError
from qtwisted.config.tcprules import ALLOW, Rule, Rules, parse, tcprules


class TcprulesCase(SynchronousTestCase):
    """A file to load."""

    def load(self, text: bytes) -> Rules:
        """Load it."""
        home = self.mktemp()
        os.makedirs(f"{home}/control")
        with open(f"{home}/control/tcprules", "wb") as file:
            file.write(text)
        rules = tcprules(Control(home))
        assert rules is not None
        return rules

    def name(self, rules: Rules, ip: bytes, host: bytes | None = None, info: bytes | None = None) -> bytes | None:
        """Say which rule is found, by its variable R."""
        return rules.find(ip, host, info).variables.get(b"R")


class LineTests(TcprulesCase):
    """One line."""

    def test_parts(self) -> None:
        """A line is an address, an instruction and variables, whose values end with the character they begin with."""
        for line, address, rule in (
            (b":allow", b"", ALLOW),
            (b"10.:deny", b"10.", Rule(False, {})),
            (b'127.:allow,RELAYCLIENT=""', b"127.", Rule(True, {b"RELAYCLIENT": b""})),
            (b"1.2.3.4:allow,A=/x,y=z/,B='\"'", b"1.2.3.4", Rule(True, {b"A": b"x,y=z", b"B": b'"'})),
            (b'2001:db8:::allow,A=":deny"', b"2001:db8::", Rule(True, {b"A": b":deny"})),
            (b'=a:deny,A="1",A="2"', b"=a", Rule(False, {b"A": b"2"})),
        ):
            self.assertEqual(parse(line), (address, rule), line)

    def test_errors(self) -> None:
        """A line that makes no sense is named with its number and what is wrong with it."""
        for line, why in (
            (b"10.", "has neither :allow nor :deny"),
            (b"10.:permit", "has neither :allow nor :deny"),
            (b"10.:allowed", 'needs ,NAME="value" after allow or deny'),
            (b"10.:allow,", 'needs ,NAME="value" after allow or deny'),
            (b"10.:allow,RELAYCLIENT", 'needs ,NAME="value" after allow or deny'),
            (b"10.:allow,RELAYCLIENT=", 'needs ,NAME="value" after allow or deny'),
            (b'10.:allow,=""', 'needs ,NAME="value" after allow or deny'),
            (b'10.:allow RELAYCLIENT=""', 'needs ,NAME="value" after allow or deny'),
            (b'10.:allow,RELAYCLIENT="', "has a value without an end"),
            (b"10.1:deny", "is for no address, prefix, network or =name"),
            (b"localhost:deny", "is for no address, prefix, network or =name"),
            (b"10.1.2.3/8:deny", "is for no address, prefix, network or =name"),
            (b"1.2.3.4.5:deny", "is for no address, prefix, network or =name"),
            (b"::deny", "is for no address, prefix, network or =name"),
            (b"joe@10.:deny", "is for no address, prefix, network or =name"),
            (b"joe@:deny", "is for no address, prefix, network or =name"),
            (b"\xff:deny", "is for no address, prefix, network or =name"),
            (b"1.2.3.9-4:deny", "has a range that is not from 0 to 255, the lower number first"),
            (b"1.2.3.4-256:deny", "has a range that is not from 0 to 255, the lower number first"),
            (b"1.2.3.4-:deny", "has a range that is not two numbers"),
            (b"1.2.3.4-1000000:deny", "has a range that is not two numbers"),
            (b"1.2.3-4:deny", "is for no address, prefix, network or =name"),
        ):
            error = self.assertRaises(ControlError, self.load, b"# first\n\n" + line + b"\n")
            self.assertEqual(str(error), f"control/tcprules line 3: {why}", line)

    def test_missing(self) -> None:
        """No file is no rules."""
        self.assertIsNone(tcprules(Control(self.mktemp())))

    def test_nothing_counts(self) -> None:
        """Comments, blank lines and blanks at the end of lines do not count; without a rule all are allowed."""
        rules = self.load(b"# 10.:deny\n\n \t\n11.:deny  \n")
        self.assertEqual(rules.find(b"10.1.2.3"), ALLOW)
        self.assertFalse(rules.find(b"11.1.2.3").is_allowed)


class OrderTests(TcprulesCase):
    """Which rule is found."""

    EVERYTHING = (
        b':allow,R="all"\n=:allow,R="named"\n=.example:allow,R="=.example"\n=.b.example:allow,R="=.b.example"\n'
        b'=a.b.example:allow,R="=a.b.example"\n192.:allow,R="192."\n192.0.2.:allow,R="192.0.2."\n'
        b'192.0.2.7:allow,R="ip"\njoe@192.0.2.7:allow,R="joe@ip"\njoe@=a.b.example:allow,R="joe@host"\n'
    )

    def test_order(self) -> None:
        """The rule that says most about the client counts, wherever it stands: the order of tcprules(1)."""
        rules = self.load(self.EVERYTHING)
        for ip, host, info, wanted in (
            (b"192.0.2.7", b"a.b.example", b"joe", b"joe@ip"),
            (b"192.0.2.8", b"a.b.example", b"joe", b"joe@host"),
            (b"192.0.2.7", b"a.b.example", b"sue", b"ip"),
            (b"192.0.2.7", b"a.b.example", None, b"ip"),
            (b"192.0.2.8", b"A.B.Example", None, b"=a.b.example"),
            (b"192.0.2.8", b"c.b.example", None, b"192.0.2."),
            (b"192.0.3.8", b"c.b.example", None, b"192."),
            (b"193.0.3.8", b"c.b.example", None, b"=.b.example"),
            (b"193.0.3.8", b"b.example", None, b"=.example"),
            (b"193.0.3.8", b"example", None, b"named"),
            (b"193.0.3.8", b"x", b"joe", b"named"),
            (b"193.0.3.8", None, None, b"all"),
            (b"unknown", None, None, b"all"),
        ):
            self.assertEqual(self.name(rules, ip, host, info), wanted, (ip, host, info))

    def test_first_of_equals(self) -> None:
        """Of two rules for the same the first counts."""
        rules = self.load(b'10.:allow,R="1"\n10.:allow,R="2"\n=A:allow,R="3"\n=a:allow,R="4"\n')
        self.assertEqual(self.name(rules, b"10.0.0.1"), b"1")
        self.assertEqual(self.name(rules, b"11.0.0.1", b"a"), b"3")

    def test_ranges(self) -> None:
        """A range stands for each of its numbers, at any place of an address or prefix."""
        rules = self.load(b'1.2.3.9-11:allow,R="host"\n1.2.37-53.:allow,R="net"\n0-1.:allow,R="big"\n')
        found = [self.name(rules, ip) for ip in (b"1.2.3.8", b"1.2.3.9", b"1.2.3.10", b"1.2.3.11", b"1.2.3.12")]
        self.assertEqual(found, [b"big", b"host", b"host", b"host", b"big"])
        found = [self.name(rules, b"1.2.%d.1" % number) for number in (36, 37, 53, 54)]
        self.assertEqual(found, [b"big", b"net", b"net", b"big"])
        self.assertIsNone(self.name(rules, b"2.0.0.1"))

    def test_hyphen_in_names(self) -> None:
        """A hyphen in the name of a host or a user is no range."""
        rules = self.load(b'=a-9.example:allow,R="1"\n1-2@1.2.3.4:allow,R="2"\n')
        self.assertEqual(self.name(rules, b"9.9.9.9", b"a-9.example"), b"1")
        self.assertEqual(self.name(rules, b"1.2.3.4", None, b"1-2"), b"2")

    def test_networks(self) -> None:
        """A network counts as a beginning of so many bits."""
        rules = self.load(b'192.0.2.0/25:allow,R="/25"\n192.0.2.:allow,R="/24"\n192.0.2.1/32:allow,R="/32"\n')
        found = [self.name(rules, ip) for ip in (b"192.0.2.1", b"192.0.2.127", b"192.0.2.128", b"192.0.3.1")]
        self.assertEqual(found, [b"/32", b"/25", b"/24", None])
        self.assertFalse(self.load(b"0.0.0.0/0:deny").find(b"1.2.3.4").is_allowed)

    def test_ipv6(self) -> None:
        """IPv6 addresses, beginnings and networks work, in any way to write them, with brackets or without."""
        rules = self.load(
            b'2001:db8::7:allow,R="a"\n2001:db8::allow,R="p"\n[2001:db9::7]:allow,R="b"\n[2001:db9:]:allow,R="q"\n'
            b'2001:db8:1::/48:allow,R="n"\njoe@2001:db8:0::9:allow,R="j"\n'
        )
        for ip, wanted in (
            (b"2001:db8:0:0:0:0:0:7", b"a"),
            (b"2001:db8::8", b"p"),
            (b"2001:db9::7", b"b"),
            (b"2001:db9::8", b"q"),
            (b"2001:db8:1::8", b"n"),
            (b"2001:dba::8", None),
            (b"::", None),
        ):
            self.assertEqual(self.name(rules, ip), wanted, ip)
        self.assertEqual(self.name(rules, b"2001:db8::9", None, b"joe"), b"j")

    def test_mapped(self) -> None:
        """An IPv4 client of an IPv6 socket is an IPv4 client; a scope does not count."""
        rules = self.load(b'10.:allow,R="4"\nfe80::1:allow,R="6"\n')
        self.assertEqual(self.name(rules, b"::ffff:10.0.0.1"), b"4")
        self.assertEqual(self.name(rules, b"fe80::1%eth0"), b"6")


class NameTests(TcprulesCase):
    """When the name of the host matters."""

    def test_needed(self) -> None:
        """A name is needed where there is a rule for names, except for an address with a rule of its own."""
        for text, ip, needed in (
            (b":deny\n10.:allow", b"10.0.0.1", False),
            (b"=:deny", b"10.0.0.1", True),
            (b"=.x:deny\n10.:allow", b"10.0.0.1", True),
            (b"=a:deny\n10.0.0.1:allow", b"10.0.0.1", False),
            (b"=a:deny\n10.0.0.1:allow", b"10.0.0.2", True),
            (b"joe@=a:deny", b"10.0.0.2", False),
        ):
            self.assertIs(self.load(text).needs_name(ip), needed, text)
