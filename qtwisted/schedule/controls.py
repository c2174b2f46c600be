"""The control files of qmail-send, as the scheduler wants them."""

from __future__ import annotations

import os

from qtwisted.config import fields
from qtwisted.config.control import ControlError
from qtwisted.model import alerts
from qtwisted.model.frozen import NamedTuple
from qtwisted.schedule.jobs import Settings
from qtwisted.schedule.route import Router

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qtwisted.config.control import Control
    from qtwisted.config.fields import SendConfig
    from qtwisted.model.events import Event


class Controls(NamedTuple):
    """Everything read at the start; ``config`` is what is compared with when it is read again."""

    config: SendConfig
    concurrency: tuple[int, int]
    settings: Settings
    router: Router


def read(control: Control) -> Controls:
    """Read all control files; raise ControlError where one is unreadable, or no name of ours is known."""
    config = fields.send(control)
    settings = Settings(
        lifetime_for=config.queuelifetime,
        bouncefrom=config.bouncefrom,
        bouncehost=config.bouncehost,
        doublebounce=(config.doublebounceto, config.doublebouncehost),
    )
    router = Router(config.envnoathost, config.locals, config.percenthack, config.virtualdomains)
    return Controls(config, (config.concurrencylocal, config.concurrencyremote), settings, router)


def reread(control: Control, controls: Controls, router: Router) -> Router | Event:
    """Read locals and virtualdomains again (HUP): the new tables, or what went wrong, and then the old ones stay."""
    if not os.access(control.home, os.X_OK):
        return alerts.CannotRereadHome()
    try:
        config = fields.reread_send(control, controls.config)
    except ControlError as error:
        return alerts.CannotReread(error.file.encode())
    return router.with_domains(config.locals, config.virtualdomains)
