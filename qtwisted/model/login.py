"""Login: a name and a password with which we prove to a server who we are."""

from __future__ import annotations

from qtwisted.model.frozen import NamedTuple


class Login(NamedTuple):
    """A user's name and password; only the name is ever shown."""

    user: bytes
    password: bytes

    def __repr__(self) -> str:
        """Show the name only."""
        return f"Login({self.user!r}, …)"
