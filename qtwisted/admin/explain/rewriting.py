"""The second stage: what the scheduler makes of a recipient, and whether it goes to a user here or to another host.

Asked as user qmails, with the router of qmail-send.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtwisted.admin.ctl.screen import shown
from qtwisted.admin.explain import places
from qtwisted.admin.explain.story import Step
from qtwisted.config.control import Control, ControlError
from qtwisted.schedule import controls
from qtwisted.schedule.route import CHANNELS

if TYPE_CHECKING:
    from typing import Any

    from qtwisted.schedule.route import Router

STAGE = "route"


class Rewriting:
    """Tells what is done with one address."""

    def __init__(self, control: Control, router: Router) -> None:
        """Take the router that decides."""
        self._control = control
        self._router = router
        self.steps: list[Step] = []

    def say(self, text: str, file: str | None = None, line: int | None = None) -> None:
        """Tell a step."""
        self.steps.append(Step(STAGE, text, None if file is None else f"control/{file}", line))

    def tell(self, address: bytes) -> None:
        """Tell how the router comes to its decision."""
        whole = self._router.with_host(address)
        if whole != address:
            self.say(f"there is no @, so it is {shown(whole)}", *self._line("envnoathost"))
        plain = self._router.unhacked(whole)
        if plain != whole:
            hack = whole.rpartition(b"@")[2].lower()
            self.say(f"it is rewritten to {shown(plain)}", "percenthack",
                     places.in_list(self._control, "percenthack", hack))
        if self._router.is_local(plain):
            self._tell_local(plain.rpartition(b"@")[2])
        else:
            self._tell_virtual(plain)

    def _line(self, file: str) -> tuple[str, int | None]:
        """The file a value of one line comes from: its own, or me, which stands for it; none of both has a line."""
        if self._control.line(file) is not None:
            return file, 1
        return ("me", 1) if self._control.me() is not None else (file, None)

    def _tell_local(self, domain: bytes) -> None:
        """Say where the domain is named as local."""
        if self._control.list("locals") is None:
            self.say(f"{shown(domain)} is local: it is this host", "me", 1)
        else:
            self.say(f"{shown(domain)} is local", "locals", places.in_list(self._control, "locals", domain.lower()))

    def _tell_virtual(self, address: bytes) -> None:
        """Say what virtualdomains has to do with it."""
        domain = shown(address.rpartition(b"@")[2])
        key = self._router.virtual_key(address)
        if key is None:
            self.say(f"{domain} is neither in locals nor in virtualdomains, so it is remote")
            return
        prefix = self._router.virtualdomains[key]
        line = places.in_mapping(self._control, "virtualdomains", key)
        if prefix:
            self.say(f"{shown(prefix)} has it as a virtual domain, as {shown(prefix + b'-' + address)}",
                     "virtualdomains", line)
        else:
            self.say(f"{domain} is an exception among the virtual domains, so it is remote", "virtualdomains", line)


def rewrite(home: str, address: bytes) -> dict[str, Any]:
    """Ask all of it: the steps, the channel, the recipient as the agents get it, and what holds deliveries up."""
    control = Control(home)
    try:
        read = controls.read(control)
    except ControlError as error:
        return {"steps": [Step(STAGE, error.why, error.file, error.line)], "channel": None}
    telling = Rewriting(control, read.router)
    telling.tell(address)
    channel, recipient = read.router.route(address)
    if not read.concurrency[channel]:
        telling.say(f"there are no {CHANNELS[channel]} deliveries at all", "concurrency" + CHANNELS[channel], 1)
    return {
        "steps": telling.steps,
        "channel": CHANNELS[channel],
        "recipient": recipient.decode("latin-1"),
        "is_held": not read.concurrency[channel],
        "me": (read.config.me or b"").decode("latin-1"),
    }
