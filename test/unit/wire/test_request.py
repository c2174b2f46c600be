"""Tests: requests to qmail-send, and its answers."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.wire.request import (
    ANSWER_MAX,
    END,
    REQUEST_MAX,
    Answers,
    RequestError,
    Requests,
    request_bytes,
    text,
    value_bytes,
)


class RequestTests(SynchronousTestCase):
    """The server's side."""

    def test_cut_anywhere(self) -> None:
        """However the bytes come, the words are the same; any byte but zero may stand in one."""
        data = request_bytes([b"bounce", b"go, \xff\naway:", b"5"]) + request_bytes([b""])
        for at in range(len(data)):
            requests, found = Requests(), []
            for piece in (data[:at], data[at:]):
                requests.add(piece)
                while (words := requests.next()) is not None:
                    found.append(words)
            self.assertEqual(found, [[b"bounce", b"go, \xff\naway:", b"5"], [b""]])

    def test_breaches(self) -> None:
        """What is no request is refused as soon as that is known."""
        for data in (b"x", b"0:,", b"3:abc,", b"4:a\0bc,", b"2:a\0;", b"02:a\0,", b"%d:" % (REQUEST_MAX + 1),
                     b"9999999"):
            requests = Requests()
            requests.add(data)
            if data == b"9999999":
                self.assertIsNone(requests.next())
                requests.add(b"999999")
            self.assertRaises(RequestError, requests.next)

    def test_longest(self) -> None:
        """The longest request is taken."""
        requests = Requests()
        requests.add(request_bytes([b"x" * (REQUEST_MAX - 1)]))
        self.assertEqual(requests.next(), [b"x" * (REQUEST_MAX - 1)])


class AnswerTests(SynchronousTestCase):
    """The client's side."""

    def test_values(self) -> None:
        """Values come out as they went in, and the end is told."""
        data = value_bytes({"a": text(b"\xff\x1b")}) + value_bytes({"b": [1, None]}) + END
        data.decode("ascii")
        for at in range(len(data)):
            answers = Answers()
            found = [*answers.received(data[:at]), *answers.received(data[at:])]
            self.assertEqual(found, [{"a": "\xff\x1b"}, {"b": [1, None]}, None])

    def test_breaches(self) -> None:
        """What is no answer is refused."""
        for data in (b"x", b"2:{},"[:-1] + b";", b"1:{,", b"2:[],", b"4:null,", b"%d:" % (ANSWER_MAX + 1)):
            self.assertRaises(RequestError, list, Answers().received(data))
