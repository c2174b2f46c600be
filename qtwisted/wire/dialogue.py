"""What all protocol cores share: how ``next()`` says that it has no event, and how an answer is put off.

A core, server or client, has five methods: ``received(data)`` gives it bytes, ``next()`` gives an event or a
Wait, ``answer(reply)`` says what was decided about the last event that asked, ``take()`` gives the bytes to
send now, and ``lost()`` says that the peer went away. A core never calls anybody and knows no socket, no clock.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    from qtwisted.model.reply import Reply

    class Line(Protocol):
        """What a driver lends to the one who decides about the events of its session."""

        def answer(self, reply: Reply | None) -> None:
            """Give the answer that was put off with LATER."""

        def hold(self) -> None:
            """Take no more input until ``go_on``."""

        def go_on(self) -> None:
            """Take input again."""


class Wait:
    """Why there is no event: compare with DATA, ANSWER, SEND and CLOSE."""

    __slots__ = ("why",)

    def __init__(self, why: str) -> None:
        """Take a word for people who debug."""
        self.why = why

    def __repr__(self) -> str:
        """Show the word."""
        return f"<wait: {self.why}>"


#: feed me
DATA = Wait("data")
#: the last event wants its answer first
ANSWER = Wait("answer")
#: send what ``take()`` gives, then ask again; so unsent output stays small whatever the peer asks for
SEND = Wait("send")
#: the dialogue is over: send what ``take()`` gives, then close
CLOSE = Wait("close")


class Later:
    """The type of LATER."""

    __slots__ = ()


#: the answer "I do not know yet": it comes through the line of the session
LATER = Later()
