"""Tests: one caller on the socket, well-behaved or not."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from qtwisted.schedule.requests.connection import IDLE_FOR, PIECE, Connection
from qtwisted.wire.request import END, Answers, request_bytes


class Wire(StringTransport):
    """A transport whose peer reads when the test says so."""

    is_aborted = False
    is_reading = True

    def pauseProducing(self):
        """Read no more."""
        self.is_reading = False

    def resumeProducing(self):
        """Read."""
        self.is_reading = True

    def abortConnection(self):
        """Cut off."""
        self.is_aborted = True

    def registerProducer(self, producer, streaming):
        """Ask the producer at once, as the reactor does."""
        super().registerProducer(producer, streaming)
        producer.resumeProducing()

    def read(self):
        """Let the peer read all that is there, and the producer write again."""
        data = self.value()
        self.clear()
        if self.producer is not None:
            self.producer.resumeProducing()
        return data


class ConnectionTests(SynchronousTestCase):
    """A caller and his requests."""

    def setUp(self):
        """Be the desk."""
        self.clock = Clock()
        self.asked = []
        self.has_left = False

    def ask(self, words, answer):
        """Take a request."""
        self.asked.append(words)
        self.answer = answer

    def left(self, connection):
        """Hear that the caller has gone."""
        self.has_left = True

    def connect(self, greeting=None, is_allowed=True):
        """Come as a caller, and read the greeting."""
        self.wire = Wire()
        self.connection = Connection(self.clock, self, 7, greeting or {"server": "x"}, is_allowed)
        self.connection.makeConnection(self.wire)
        return self.values()

    def values(self):
        """Read everything and give the values."""
        answers, found = Answers(), []
        while data := self.wire.read():
            found += answers.received(data)
        return found

    def test_order(self):
        """Requests are carried out one after the other, each when the answer before it has been read."""
        self.assertEqual(self.connect(), [{"server": "x"}, None])
        both = request_bytes([b"one", b"1"]) + request_bytes([b"two"])
        for at in range(len(both)):
            self.connection.dataReceived(both[at : at + 1])
        self.assertEqual(self.asked, [[b"one", b"1"]])
        self.answer.say({"a": 1})
        self.answer.say({"a": 2})
        self.answer.end()
        self.assertEqual(self.values(), [{"a": 1}, {"a": 2}, None])
        self.assertEqual(self.asked, [[b"one", b"1"], [b"two"]])

    def test_later(self):
        """An answer may come in parts, much later."""
        self.connect()
        self.connection.dataReceived(request_bytes([b"one"]))
        self.clock.advance(IDLE_FOR * 3)
        self.answer.say({"a": 1})
        self.assertEqual(self.values(), [{"a": 1}])
        self.answer.end()
        self.assertEqual(self.values(), [None])
        self.assertFalse(self.wire.is_aborted)

    def test_no_reader(self):
        """Who does not read gets one piece, is not read himself, and is cut off in the end."""
        self.connect()
        self.connection.dataReceived(request_bytes([b"one"]))
        made = []

        def values():
            """Make a great many."""
            for at in range(1_000_000):
                made.append(at)
                yield {"text": "x" * 100}

        self.answer.stream(values())
        self.answer.end()
        self.assertLess(len(self.wire.value()), PIECE + 200)
        self.assertLess(len(made), 1000)
        self.connection.dataReceived(b"9" * 5)
        self.assertFalse(self.wire.is_reading)
        self.clock.advance(IDLE_FOR + 1)
        self.assertTrue(self.wire.is_aborted)

    def test_slow_reader(self):
        """Who reads slowly gets all of it."""
        self.connect()
        self.connection.dataReceived(request_bytes([b"one"]))
        self.answer.stream({"at": at, "text": "x" * 1000} for at in range(500))
        self.answer.end()
        answers, found = Answers(), []
        while data := self.wire.read():
            self.clock.advance(IDLE_FOR / 2)
            found += answers.received(data)
        self.assertEqual([value and value["at"] for value in found], [*range(500), None])

    def test_silent(self):
        """Who says nothing is cut off."""
        self.connect()
        self.clock.advance(IDLE_FOR + 1)
        self.assertTrue(self.wire.is_aborted)

    def test_breaches(self):
        """Who breaks the rules is cut off, and nothing of it is carried out."""
        for data in (b"GET / HTTP/1.0\r\n", b"5:hello,", b"0:,", b"1:\0;", b"4:a\0b\0", b"99999:",
                     b"40000:" + b"x" * 10, b"-1:,", b"04:abc\0,", b"99999999999999999999:"):
            self.asked = []
            self.connect()
            self.connection.dataReceived(data + b"x" * 20)
            self.assertTrue(self.wire.is_aborted, data)
            self.assertEqual(self.asked, [], data)

    def test_refused(self):
        """Who may not ask is told so and nothing else."""
        self.assertEqual(self.connect({"refused": "no"}, is_allowed=False), [{"refused": "no"}, None])
        self.assertTrue(self.wire.disconnecting)
        self.connection.dataReceived(request_bytes([b"one"]))
        self.assertEqual(self.asked, [])

    def test_gone(self):
        """An answer for somebody who has gone is dropped."""
        self.connect()
        self.connection.dataReceived(request_bytes([b"one"]))
        self.connection.connectionLost()
        self.assertTrue(self.has_left)
        self.answer.say({"a": 1})
        self.answer.end()
        self.assertEqual(self.wire.value(), b"")
        self.assertEqual([call for call in self.clock.getDelayedCalls() if call.active()], [])

    def test_end(self):
        """An answer without values is its end."""
        self.connect()
        self.connection.dataReceived(request_bytes([b"one"]))
        self.answer.end()
        self.assertEqual(self.wire.value(), END)
