"""Keeps the configuration of a front up to date: each client gets what the control files say when it comes.

Unlike 1.02: the control files are not read for every client, but when one of them has changed; until a broken file is
mended clients are sent away with 421, as before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from qtwisted.accept.deadlines import Deadlines, configured
from qtwisted.accept.gate import localiser
from qtwisted.accept.smtpd import settings
from qtwisted.config import fields
from qtwisted.config.control import Control, ControlError
from qtwisted.system.interfaces import ipv4_addresses
from qtwisted.system.watch import DirectoryWatch

if TYPE_CHECKING:
    from collections.abc import Callable

    from qtwisted.wire.smtp_verbs import Settings

_NAMES = [field.name for field in fields.ALL if "qmail-smtpd" in field.readers] + ["morercpthosts.cdb"]


class Current(NamedTuple):
    """What a new session starts with."""

    config: fields.SmtpdConfig
    settings: Settings
    deadlines: Deadlines


class Controls:
    """The control files of a home as the SMTP server needs them."""

    def __init__(self, home: str, alert: Callable[[str], None]) -> None:
        """Read them; ``alert`` gets a line where one is broken."""
        self._control = Control(home)
        self._alert = alert
        self._watch = DirectoryWatch(f"{home}/control", _NAMES)
        self._current = self._load()

    def current(self) -> Current | None:
        """Give what is valid now; None while the files cannot be used."""
        if self._watch.has_changed():
            self.reload()
        return self._current

    def reload(self) -> None:
        """Read the files again."""
        # sessions under way go on with what they began with; its table of hosts closes with the last of them
        self._current = self._load()

    def _load(self) -> Current | None:
        """Read the files."""
        try:
            config = fields.smtpd(self._control)
        except ControlError as error:
            self._alert(f"unable to read controls: {error}")
            return None
        localise = localiser(config.localiphost, _our_addresses)
        return Current(config, settings(config, localise), configured(config))


def _our_addresses() -> frozenset[bytes]:
    """Ask the kernel for our addresses; none where it does not say."""
    try:
        return ipv4_addresses()
    except OSError:
        return frozenset()
