"""Tests: qtwisted.trust.dns, without a network."""

from __future__ import annotations

from typing import Any

import dns.rrset
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from qtwisted.trust.dns import ANSWER_WITHIN, RECORDS_MAX, Cache, LookupFailed, Mx, NoSuchName, Resolver
from qtwisted.trust.nameservers import Nameserver
from test.contract.resolver import ResolverPromises
from test.kit.names import MemoryBackend, Names, Question, follow_clock, records
from test.kit.resolver import BROKEN, TableResolver


class ResolverCase(SynchronousTestCase):
    """Has a table of names, a clock, and a resolver that sees nothing else."""

    def setUp(self) -> None:
        """Begin with no names."""
        self.names = Names()
        self.clock = Clock()
        follow_clock(self, self.clock)
        servers = [Nameserver("192.0.2.53")]
        self.resolver = Resolver(self.clock, lambda: servers, MemoryBackend(self.names, self.clock))

    def wait(self, seconds: float) -> None:
        """Let time pass, a quarter of a second at a time."""
        self.clock.pump([0.25] * int(seconds * 4))

    def mx_failure(self, error: type[Exception], name: bytes = b"example.org") -> None:
        """Look up exchangers in vain, for half a minute at most."""
        found = self.resolver.mx(name)
        self.wait(ANSWER_WITHIN)
        self.failureResultOf(found, error)


class TablePromisesTests(ResolverPromises, SynchronousTestCase):
    """The resolver that other tests use keeps the promises."""

    def make(self, mx: dict[bytes, Any], hosts: dict[bytes, Any]) -> TableResolver:
        """Make it."""
        return TableResolver(mx, hosts)


class PromisesTests(ResolverPromises, ResolverCase):
    """The real resolver keeps the promises."""

    def make(self, mx: dict[bytes, Any], hosts: dict[bytes, Any]) -> Resolver:
        """Fill the table of names."""
        for name, exchangers in mx.items():
            if exchangers == BROKEN:
                self.names.fail(name.decode(), "MX")
            else:
                self.names.add(name.decode(), "MX", *(f"{pref} {host.decode()}." for pref, host in exchangers))
        for name, addresses in hosts.items():
            if addresses == BROKEN:
                self.names.fail(name.decode(), "A")
                self.names.fail(name.decode(), "AAAA")
            elif addresses:
                four = [address for address in addresses if ":" not in address]
                six = [address for address in addresses if ":" in address]
                if four:
                    self.names.add(name.decode(), "A", *four)
                if six:
                    self.names.add(name.decode(), "AAAA", *six)
            else:
                self.names.add(name.decode(), "CNAME", "empty.example.")
                self.names.add("empty.example", "TXT", "nothing")
        return self.resolver


class MemoryTests(ResolverCase):
    """What was asked once is remembered for a while."""

    def test_asks_once(self) -> None:
        """An answer is used again while its TTL lasts, and not longer."""
        self.names.add("example.org", "MX", "10 a.example.", ttl=60)
        for _ in range(2):
            self.successResultOf(self.resolver.mx(b"example.org"))
        self.assertEqual(len(self.names.asked), 1)
        self.clock.advance(60)
        self.successResultOf(self.resolver.mx(b"example.org"))
        self.assertEqual(len(self.names.asked), 2)

    def test_ttl_is_bounded(self) -> None:
        """However long a TTL, an answer is asked for again after an hour."""
        self.names.add("example.org", "MX", "10 a.example.", ttl=2**31 - 1)
        self.successResultOf(self.resolver.mx(b"example.org"))
        self.clock.advance(3600)
        self.successResultOf(self.resolver.mx(b"example.org"))
        self.assertEqual(len(self.names.asked), 2)

    def test_no_is_remembered(self) -> None:
        """That a name does not exist is remembered, too."""
        for _ in range(2):
            self.failureResultOf(self.resolver.mx(b"nx.example"), NoSuchName)
        self.assertEqual(len(self.names.asked), 1)

    def test_trouble_is_not_remembered(self) -> None:
        """After a failure the next question is asked afresh."""
        self.names.fail("example.org", "MX")
        self.failureResultOf(self.resolver.mx(b"example.org"), LookupFailed)
        self.names.special("example.org", "MX",
                           lambda question: question.response(records("example.org", "MX", "1 a.")).to_wire())
        self.assertEqual(self.successResultOf(self.resolver.mx(b"example.org")), [Mx(1, b"a")])

    def test_same_question_is_asked_once(self) -> None:
        """Who asks what is being asked already waits for the same answer."""
        self.names.special("example.org", "MX", lambda question: None)
        first, second = self.resolver.mx(b"example.org"), self.resolver.mx(b"Example.ORG")
        self.assertEqual(len(self.names.asked), 1)
        self.wait(ANSWER_WITHIN)
        self.failureResultOf(first, LookupFailed)
        self.failureResultOf(second, LookupFailed)

    def test_cache_is_bounded(self) -> None:
        """Of too many answers the one unused for longest is forgotten."""
        cache = Cache(self.clock, 2)
        one, two, three = ((name, 1) for name in (b"1", b"2", b"3"))
        cache.put(one, [1], 60)
        cache.put(two, [2], 60)
        cache.get(one)
        cache.put(three, [3], 60)
        self.assertEqual([cache.get(key) for key in (one, two, three)], [[1], None, [3]])


class TroubleTests(ResolverCase):
    """Whatever a name server does, the answer comes in time, and is never a wrong no."""

    def respond(self, make: Any) -> None:
        """Answer every question with what ``make`` makes of it."""
        self.names.special("*", "*", make)

    def test_error_codes(self) -> None:
        """SERVFAIL, REFUSED, FORMERR and NOTIMP mean: try later."""
        for rcode in ("SERVFAIL", "REFUSED", "FORMERR", "NOTIMP"):
            self.names.fail("example.org", "MX", rcode)
            self.mx_failure(LookupFailed)

    def test_formerr_is_asked_without_edns(self) -> None:
        """A server that does not understand EDNS is asked without it."""
        def old(question: Question) -> bytes:
            """Understand the plain question only."""
            if question.message.edns >= 0:
                return question.response(rcode="FORMERR").to_wire()
            return question.response(records("example.org", "MX", "1 a.")).to_wire()

        self.names.special("example.org", "MX", old)
        self.assertEqual(self.successResultOf(self.resolver.mx(b"example.org")), [Mx(1, b"a")])

    def test_silence(self) -> None:
        """A silent server is asked again for half a minute; then it is: try later."""
        self.names.special("example.org", "MX", lambda question: None)
        found = self.resolver.mx(b"example.org")
        self.wait(ANSWER_WITHIN - 5)
        self.assertNoResult(found)
        self.wait(5)
        self.failureResultOf(found, LookupFailed)

    def test_third_try(self) -> None:
        """An answer to the third packet counts."""
        def third(question: Question) -> bytes | None:
            """Answer it."""
            if question.attempt < 3:
                return None
            return question.response(records("example.org", "MX", "1 a.")).to_wire()

        self.names.special("example.org", "MX", third)
        found = self.resolver.mx(b"example.org")
        self.wait(20)
        self.assertEqual(self.successResultOf(found), [Mx(1, b"a")])

    def test_chain_of_nine(self) -> None:
        """Nine aliases in a row are followed, also where each answer has only one."""
        for number in range(9):
            self.names.special(f"a{number}.example", "MX", self._one_alias(number))
        self.names.add("a9.example", "MX", "5 mail.example.")
        self.assertEqual(self.successResultOf(self.resolver.mx(b"a0.example")), [Mx(5, b"mail.example")])

    def _one_alias(self, number: int) -> Any:
        """Answer with one alias and nothing it leads to."""
        alias = records(f"a{number}.example", "CNAME", f"a{number + 1}.example.")
        return lambda question: question.response(alias).to_wire()

    def test_chain_of_nine_at_once(self) -> None:
        """Nine aliases in one answer are followed."""
        for number in range(9):
            self.names.add(f"a{number}.example", "CNAME", f"a{number + 1}.example.")
        self.names.add("a9.example", "A", "192.0.2.9")
        self.assertEqual(self.successResultOf(self.resolver.addresses(b"a0.example")), ["192.0.2.9"])

    def test_chain_of_twenty(self) -> None:
        """Twenty aliases are too many: try later, whether they come at once or one by one."""
        for number in range(20):
            self.names.special(f"a{number}.example", "MX", self._one_alias(number))
            self.names.add(f"b{number}.example", "CNAME", f"b{number + 1}.example.")
        self.names.add("a20.example", "MX", "1 mail.example.")
        self.names.add("b20.example", "MX", "1 mail.example.")
        self.mx_failure(LookupFailed, b"a0.example")
        self.mx_failure(LookupFailed, b"b0.example")

    def test_loops(self) -> None:
        """Aliases that go in a circle are followed for a while only."""
        self.names.add("one.example", "CNAME", "two.example.")
        self.names.add("two.example", "CNAME", "one.example.")
        self.names.special("self.example", "MX", lambda question: question.response(
            records("self.example", "CNAME", "self.example.")).to_wire())
        self.mx_failure(LookupFailed, b"one.example")
        self.mx_failure(LookupFailed, b"self.example")

    def test_wrong_packets_are_ignored(self) -> None:
        """Another number, another question, no response, another operation, another class: all are ignored."""
        good = records("example.org", "MX", "1 a.")

        def changed(change: Any) -> Any:
            """Answer with a response in which one thing is wrong."""
            def answer(question: Question) -> bytes:
                """Make it wrong."""
                return bytes(change(bytearray(question.response(good).to_wire())))
            return answer

        def other_id(wire: bytearray) -> bytearray:
            """Another number."""
            wire[0] ^= 1
            return wire

        def query(wire: bytearray) -> bytearray:
            """No response."""
            wire[2] &= 0x7F
            return wire

        def update(wire: bytearray) -> bytearray:
            """Another operation."""
            wire[2] |= 5 << 3
            return wire

        def many(wire: bytearray) -> bytearray:
            """65535 records, says the header."""
            wire[6:8] = b"\xff\xff"
            return wire

        def two_questions(wire: bytearray) -> bytearray:
            """Two questions, says the header."""
            wire[5] = 2
            return wire

        def other_name(wire: bytearray) -> bytearray:
            """Another question."""
            wire[13] = ord("x")
            return wire

        def chaos(wire: bytearray) -> bytearray:
            """Another class."""
            wire[12 + 13 + 3] = 3
            return wire

        for change in (other_id, query, update, many, two_questions, other_name, chaos):
            self.names.special("example.org", "MX", changed(change))
            self.mx_failure(LookupFailed)

    def test_case_of_the_question_may_change(self) -> None:
        """A server may write the name in the question in capitals."""
        def capitals(question: Question) -> bytes:
            """Change the case."""
            wire = question.response(records("example.org", "MX", "1 a.")).to_wire()
            return wire.replace(b"\7example", b"\7EXAMPLE", 1)

        self.names.special("example.org", "MX", capitals)
        self.assertEqual(self.successResultOf(self.resolver.mx(b"example.org")), [Mx(1, b"a")])

    def test_broken_records(self) -> None:
        """Records of a wrong length, or longer than the packet, are no answer."""
        for kind, rdatas in (("MX", (b"", b"\0", b"\0\1")), ("A", (b"abc", b"abcde")), ("AAAA", (b"x" * 15,))):
            for rdata in rdatas:
                self.respond(_with_rdata(rdata))
                found = self.resolver.mx(b"r.example") if kind == "MX" else self.resolver.addresses(b"r.example")
                self.wait(ANSWER_WITHIN)
                self.failureResultOf(found, LookupFailed)

    def test_rdlength_past_the_end(self) -> None:
        """A record that says it is longer than the packet is no answer."""
        self.respond(lambda question: _with_rdata(b"\0\1\1a\0")(question)[:-3])
        self.mx_failure(LookupFailed)

    def test_impossible_labels_in_answers(self) -> None:
        """Label types that do not exist, and pointers to themselves, are no answer."""
        for label in (b"\x40abc\0", b"\x80abc\0", b"\xc0\xff"):
            self.respond(_with_rdata(b"\0\1" + label))
            self.mx_failure(LookupFailed)

    def test_noise(self) -> None:
        """Packets of noise are no answer."""
        for size in (0, 1, 11, 12, 13, 512):
            self.respond(lambda question, size=size: question.wire[:2] + b"\xff" * size)
            self.mx_failure(LookupFailed)


def _with_rdata(rdata: bytes) -> Any:
    """An answerer whose one record has these bytes."""
    def answer(question: Question) -> bytes:
        """Append the record by hand."""
        wire = bytearray(question.wire)
        wire[2] |= 0x80
        wire[6:8] = b"\0\1"
        wire[10:12] = b"\0\0"
        end = 12 + len(question.message.question[0].name.to_wire() or b"") + 4
        kind = bytes(wire[end - 4 : end - 2])
        record = b"\xc0\x0c" + kind + b"\0\1\0\0\0\1" + len(rdata).to_bytes(2, "big") + rdata
        return bytes(wire[:end]) + record

    return answer


class NameTests(ResolverCase):
    """Names are bytes and are looked up exactly as given."""

    def test_impossible_names(self) -> None:
        """What cannot be a name does not exist; nobody is asked."""
        for name in (b"", b".", b"..", b"a..b", b".a", b"a" * 64 + b".example", b".".join([b"a" * 63] * 5)):
            self.failureResultOf(self.resolver.mx(name), NoSuchName)
            self.failureResultOf(self.resolver.addresses(name), NoSuchName)
        self.assertEqual(self.names.asked, [])

    def test_longest_label(self) -> None:
        """A label of 63 bytes is a label."""
        name = "a" * 63 + ".example"
        self.names.add(name, "A", "192.0.2.1")
        self.assertEqual(self.successResultOf(self.resolver.addresses(name.encode())), ["192.0.2.1"])

    def test_strange_bytes(self) -> None:
        """Any other byte may stand in a name."""
        for name in (b"a\nb.example", b"a\0b", b"a b", b"%s", b";rm", b"\xe9t\xe9", b"xn--zz--", b"\\.x"):
            self.failureResultOf(self.resolver.mx(name), NoSuchName)

    def test_no_search_list(self) -> None:
        """A name without dots is asked for without any."""
        self.failureResultOf(self.resolver.mx(b"localpart"), NoSuchName)
        self.assertEqual(self.names.asked, [("localpart", "MX")])


class AddressTests(ResolverCase):
    """Both families are asked for, and one may fail."""

    def test_one_family_fails(self) -> None:
        """Addresses of one family count although the other could not be looked up."""
        self.names.add("a.example", "A", "192.0.2.1")
        self.names.fail("a.example", "AAAA")
        self.names.add("b.example", "AAAA", "2001:db8::1")
        self.names.fail("b.example", "A")
        self.assertEqual(self.successResultOf(self.resolver.addresses(b"a.example")), ["192.0.2.1"])
        self.assertEqual(self.successResultOf(self.resolver.addresses(b"b.example")), ["2001:db8::1"])

    def test_no_and_trouble(self) -> None:
        """If one family has no addresses and the other fails, the failure counts."""
        self.names.add("a.example", "TXT", "x")
        self.names.fail("a.example", "AAAA")
        self.failureResultOf(self.resolver.addresses(b"a.example"), LookupFailed)

    def test_silent_second_family(self) -> None:
        """IPv6 addresses are not waited for long when there are IPv4 addresses."""
        self.names.add("a.example", "A", "192.0.2.1")
        self.names.special("a.example", "AAAA", lambda question: None)
        found = self.resolver.addresses(b"a.example")
        self.wait(4)
        self.assertNoResult(found)
        self.wait(2)
        self.assertEqual(self.successResultOf(found), ["192.0.2.1"])

    def test_mapped_address(self) -> None:
        """An IPv6 address that stands for an IPv4 address is that address, and counts once."""
        self.names.add("a.example", "A", "192.0.2.1")
        self.names.add("a.example", "AAAA", "::ffff:192.0.2.1", "::1")
        self.assertEqual(self.successResultOf(self.resolver.addresses(b"a.example")), ["192.0.2.1", "::1"])

    def test_many_addresses(self) -> None:
        """Of a long answer, which comes by TCP, the first hundred records are used."""
        self.names.add("a.example", "A", *(f"192.0.{n // 250}.{n % 250}" for n in range(500)))
        self.assertEqual(len(self.successResultOf(self.resolver.addresses(b"a.example"))), RECORDS_MAX)

    def test_many_exchangers(self) -> None:
        """Of many exchangers the hundred best are used."""
        self.names.add("example.org", "MX", *(f"{300 - n} m{n}.example." for n in range(300)))
        found = self.successResultOf(self.resolver.mx(b"example.org"))
        self.assertEqual([exchanger.preference for exchanger in found], list(range(1, 101)))


class RecordTests(SynchronousTestCase):
    """The kit itself."""

    def test_records(self) -> None:
        """Records are made from text."""
        self.assertIsInstance(records("a", "A", "192.0.2.1"), dns.rrset.RRset)
