"""A resolver for tests that answers from a dict, at once or when told."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, fail, succeed

from qtwisted.trust.dns import LookupFailed, Mx, NoSuchName

#: the answer of a name server that fails
BROKEN = "broken"
#: no answer, ever
SILENT = "silent"


class TableResolver:
    """Implements IResolver; a name that is in neither table does not exist."""

    def __init__(self, mx: dict[bytes, Any] | None = None, hosts: dict[bytes, Any] | None = None) -> None:
        """``mx`` gives pairs of preference and host, ``hosts`` addresses; or BROKEN, or SILENT."""
        self._mx = mx or {}
        self._hosts = hosts or {}
        self.asked: list[tuple[str, bytes]] = []

    def mx(self, name: bytes) -> Deferred[list[Mx]]:
        """Find the mail exchangers of a domain."""
        self.asked.append(("mx", name))
        found = self._answer(self._mx, name)
        return found.addCallback(lambda pairs: [Mx(*pair) for pair in pairs])

    def addresses(self, name: bytes) -> Deferred[list[str]]:
        """Find the addresses of a host."""
        self.asked.append(("addresses", name))
        return self._answer(self._hosts, name)

    def _answer(self, table: dict[bytes, Any], name: bytes) -> Deferred[Any]:
        """Answer as the table says."""
        answer = table.get(name.lower().removesuffix(b"."))
        if answer is None:
            return fail(NoSuchName(name))
        if answer == BROKEN:
            return fail(LookupFailed("broken"))
        return Deferred() if answer == SILENT else succeed(list(answer))
