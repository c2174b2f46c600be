"""What is written in the log is read from it again, and nothing else is taken for it."""

from __future__ import annotations

import inspect

from hypothesis import given, settings
from hypothesis import strategies as some
from twisted.trial.unittest import SynchronousTestCase

from qtwisted.model import alerts, events
from qtwisted.model.events import AboutFile, Event, OfMessage
from qtwisted.model.logreading import Words, event, facts, from_facts

NUMBERS = some.integers(min_value=0, max_value=10**20 - 1)
TEXTS = some.binary(max_size=60)
FILES = some.sampled_from([b"todo/24", b"mess/14/2318345", b"foop/9", b"info/3", b"control/locals", b"todo"])
SHAPES = {
    events.Status: some.tuples(NUMBERS, NUMBERS, NUMBERS, NUMBERS, some.booleans()),
    events.MessageInfo: some.tuples(NUMBERS, NUMBERS, TEXTS, NUMBERS, NUMBERS),
    events.DeliveryStarted: some.tuples(NUMBERS, NUMBERS, some.sampled_from([b"local", b"remote"]), TEXTS),
    events.DeliverySucceeded: some.tuples(NUMBERS, TEXTS),
    events.DeliveryPutOff: some.tuples(NUMBERS, TEXTS),
    events.DeliveryFailed: some.tuples(NUMBERS, TEXTS),
    events.ReportMangled: some.tuples(NUMBERS),
    events.Wished: some.tuples(some.sampled_from([b"delete", b"bounce", b"hold", b"release"]), NUMBERS, NUMBERS),
    events.BounceQueued: some.tuples(NUMBERS, NUMBERS),
}
ABSTRACT = (Event, OfMessage, AboutFile, events.DeliveryEnded)


def classes() -> list[type[Event]]:
    """Every class of a line."""
    values = [*vars(events).values(), *vars(alerts).values()]
    return [value for value in values
            if inspect.isclass(value) and issubclass(value, Event) and value not in ABSTRACT]


def shape(kind: type[Event]) -> some.SearchStrategy[tuple[object, ...]]:
    """What a class may be made from."""
    if kind in SHAPES:
        return SHAPES[kind]
    if issubclass(kind, OfMessage):
        return some.tuples(NUMBERS)
    return some.tuples(FILES) if issubclass(kind, AboutFile) else some.just(())


EVENTS = some.one_of([shape(kind).map(lambda words, kind=kind: kind(*words)) for kind in classes()])


class RoundTripTests(SynchronousTestCase):
    """From the event to the line, and back."""

    def test_classes(self) -> None:
        """All kinds of lines are tried here, those that were added last, too."""
        self.assertGreaterEqual(len(classes()), 45)

    @settings(max_examples=400, deadline=None)
    @given(EVENTS)
    def test_line(self, told: Event) -> None:
        """The line of any event gives the same event: the same class and the same line."""
        read = event(told.line())
        self.assertIs(type(read), type(told))
        self.assertEqual(read, told)

    @settings(max_examples=400, deadline=None)
    @given(EVENTS)
    def test_facts(self, told: Event) -> None:
        """The facts of any event give it, too."""
        read = from_facts(facts(told))
        self.assertIs(type(read), type(told))
        self.assertEqual(read, told)


class FactsTests(SynchronousTestCase):
    """Facts have their names."""

    def test_message(self) -> None:
        """A message's life, as facts."""
        lines = {
            b"new msg 53": {"kind": "new", "msg": 53},
            b"info msg 53: bytes 246 from <me@domain> qp 20345 uid 666": {
                "kind": "info", "msg": 53, "bytes": 246, "sender": "me@domain", "qp": 20345, "uid": 666},
            b"starting delivery 1: msg 53 to local me@domain": {
                "kind": "start", "delivery": 1, "msg": 53, "channel": "local", "recipient": "me@domain"},
            b"status: local 1/10 remote 0/20 exitasap": {
                "kind": "status", "local": 1, "local_limit": 10, "remote": 0, "remote_limit": 20, "exiting": True},
            b"delivery 1: deferral: later": {
                "kind": "delivery", "delivery": 1, "verdict": "deferral", "text": "later"},
            b"delivery 2: report mangled, will defer": {
                "kind": "delivery", "delivery": 2, "verdict": "mangled", "text": ""},
            b"bounce msg 53 qp 20357": {"kind": "bounce", "msg": 53, "qp": 20357},
            b"triple bounce: discarding bounce/53": {"kind": "triple", "msg": 53},
            b"qmailctl: delete msg 53 by uid 0": {"kind": "wish", "verb": "delete", "msg": 53, "uid": 0},
            b"end msg 53": {"kind": "end", "msg": 53},
            b"status: exiting": {"kind": "exiting"},
        }
        for line, told in lines.items():
            self.assertEqual(facts(event(line)), told)

    def test_others(self) -> None:
        """What roles say besides keeps its words; a file and a port are named."""
        self.assertEqual(facts(event(b"warning: unable to stat mess/1/24")),
                         {"kind": "warning", "text": "warning: unable to stat mess/1/24", "file": "mess/1/24"})
        self.assertEqual(facts(event(b"alert: send: KeyError: 5 (x.py 3)")),
                         {"kind": "alert", "text": "alert: send: KeyError: 5 (x.py 3)"})
        self.assertEqual(facts(event(b"smtp: listening on 127.0.0.1 port 25")),
                         {"kind": "listening", "text": "smtp: listening on 127.0.0.1 port 25", "service": "smtp",
                          "place": "127.0.0.1 port 25"})
        self.assertEqual(facts(event(b"caf\xc3\xa9 \xff")), {"kind": "text", "text": "caf\xe9 \\xff"})

    def test_wrong_facts(self) -> None:
        """Facts that make no sense are no event."""
        for told in ({}, {"kind": "new"}, {"kind": "new", "msg": "5"}, {"kind": []}, {"kind": "text", "text": 5},
                     {"kind": "new", "msg": float("nan")}, {"kind": "new", "msg": float("inf")},
                     {"kind": "start", "delivery": 1, "msg": 2, "channel": None, "recipient": "x"}):
            self.assertIsNone(from_facts(told), told)
        for told in ({"kind": "new", "msg": -1}, {"kind": "new", "msg": 10**30},
                     {"kind": "delivery", "delivery": 1, "verdict": "success", "text": "a b"},
                     {"kind": "start", "delivery": 1, "msg": 2, "channel": "up", "recipient": "x"}):
            self.assertIsInstance(from_facts(told), Words, told)


class ToleranceTests(SynchronousTestCase):
    """What is nearly an event."""

    def test_cut_blank(self) -> None:
        """A system log that removes blanks at the end of lines does no harm."""
        self.assertEqual(event(b"delivery 26: success:"), events.DeliverySucceeded(26, b""))

    def test_no_event(self) -> None:
        """What only looks like an event is words."""
        for line in (b"", b" new msg 5", b"new msg 5 ", b"new msg 5\r", b"new msg -5", b"new msg \xd9\xa3",
                     b"new  msg 5", b"new msg " + b"9" * 5000,
                     b"delivery 1: success: two words", b"status: local 0/10 remote",
                     b"starting delivery 1: msg 2 to other x", b"info msg 1: bytes 2 from <a b> qp 3 uid 4",
                     b"warning: unable to stat /etc/passwd x", b"end msg 5\nend msg 6"):
            self.assertIsInstance(event(line), Words, line)
            self.assertEqual(event(line).line(), line)

    @settings(max_examples=300, deadline=None)
    @given(some.binary(max_size=200))
    def test_any_bytes(self, line: bytes) -> None:
        """Whatever a line is, it is read, and its facts have names."""
        self.assertIn("kind", facts(event(line)))
