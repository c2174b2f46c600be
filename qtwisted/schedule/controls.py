"""The control files of qmail-send, as the scheduler wants them."""

from __future__ import annotations

import os

from qtwisted.config.control import ControlError
from qtwisted.model import alerts
from qtwisted.model.frozen import NamedTuple
from qtwisted.schedule.jobs import Settings
from qtwisted.schedule.route import Router

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qtwisted.config.control import Control
    from qtwisted.model.events import Event



class Controls(NamedTuple):
    """Everything read at the start; ``me`` is None without control/me, and is never read again."""

    me: bytes | None
    concurrency: tuple[int, int]
    settings: Settings
    router: Router


def read(control: Control) -> Controls:
    """Read all control files; raise ControlError where one is unreadable, or no name of ours is known."""
    me = control.line("me")
    doublebouncehost = _line(control, "doublebouncehost", me)
    settings = Settings(
        lifetime_for=control.integer("queuelifetime", 604800),
        bouncefrom=control.line("bouncefrom", b"MAILER-DAEMON") or b"",
        bouncehost=_line(control, "bouncehost", me),
        doublebounce=(control.line("doublebounceto", b"postmaster") or b"", doublebouncehost),
    )
    concurrency = control.integer("concurrencylocal", 10), control.integer("concurrencyremote", 20)
    router = Router(
        envnoathost=_line(control, "envnoathost", me),
        local_hosts=_locals(control, me),
        percenthack=control.list("percenthack") or (),
        virtualdomains=control.mapping("virtualdomains"),
    )
    return Controls(me, concurrency, settings, router)


def reread(control: Control, controls: Controls, router: Router) -> Router | Event:
    """Read locals and virtualdomains again (HUP): the new tables, or what went wrong, and then the old ones stay."""
    if not os.access(control.home, os.X_OK):
        return alerts.CannotRereadHome()
    try:
        return router.with_domains(_locals(control, controls.me), control.mapping("virtualdomains"))
    except ControlError as error:
        return alerts.CannotReread(error.file.encode())


def _line(control: Control, name: str, me: bytes | None) -> bytes:
    """Read a name that is control/me unless set, and its own name without that."""
    found = control.line(name, me)
    return name.encode() if found is None else found


def _locals(control: Control, me: bytes | None) -> list[bytes]:
    """Read the local domains; without the file there is only our own name, and without that there must be a file."""
    found = control.list("locals")
    if found is None:
        if me is None:
            raise ControlError("control/locals", None, "is missing, and so is control/me")
        return [me]
    return found
