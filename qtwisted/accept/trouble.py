"""Tells the operator of a bug that ended a session."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from twisted.logger import ILogObserver
from zope.interface import implementer

if TYPE_CHECKING:
    from collections.abc import Callable

    from twisted.logger import LogEvent


@implementer(ILogObserver)
class Trouble:
    """Hears from Twisted of a bug that ended a session, and tells of it.

    It tells at most once a second, since a client may know how to meet the bug again.
    """

    def __init__(self, alert: Callable[[str], None]) -> None:
        """Take whom to tell."""
        self._alert = alert
        self._told_at = float("-inf")

    def __call__(self, event: LogEvent) -> None:
        """Look for a traceback."""
        failure = event.get("log_failure")
        now = time.monotonic()
        if failure is not None and now - self._told_at >= 1.0:
            self._told_at = now
            self._alert("/".join(failure.getTraceback().split("\n")))
