"""Whose mail it is: remembers what users/cdb and qmail-getpw said about local parts.

An answer from users/cdb holds until that file changes. An answer of qmail-getpw holds for a few seconds, or until
users/cdb or the password file changes.

Unlike 1.02: accounts are not looked up anew for each delivery, but at most five seconds later.
"""

from __future__ import annotations

from qtwisted.config import users
from qtwisted.config.fresh import fresh

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from qtwisted.config.users import User

HOLDS_FOR = 5.0
"""Seconds an answer of qmail-getpw is believed."""

REMEMBERED_MAX = 10000

_PASSWORDS = "/etc/passwd"


class Lookup:
    """The users found for local parts in one home."""

    def __init__(self, home: str, clock: Callable[[], float]) -> None:
        """Look into users/cdb of *home*."""
        self._home = home
        self._clock = clock
        self._memory: Callable[[], dict[bytes, tuple[User, float]]] = fresh(
            [f"{home}/users/cdb", _PASSWORDS], dict
        )

    def find(self, local: bytes) -> User | None:
        """The user for a local part; None if qmail-getpw has to be asked. Raises UserError."""
        memory = self._memory()
        known = memory.get(local)
        if known is not None and self._clock() < known[1]:
            return known[0]
        user = users.lookup(self._home, local)
        if user is not None:
            self._remember(memory, local, user, float("inf"))
        return user

    def learn(self, local: bytes, user: User) -> None:
        """Remember what qmail-getpw said."""
        self._remember(self._memory(), local, user, self._clock() + HOLDS_FOR)

    def _remember(self, memory: dict[bytes, tuple[User, float]], local: bytes, user: User, until: float) -> None:
        """Keep an answer; when there are too many, forget all and begin again."""
        if len(memory) >= REMEMBERED_MAX:
            memory.clear()
        memory[local] = user, until
