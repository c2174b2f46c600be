"""How a command of the administrator's ends: well, refused, or stopped by the system."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from qtwisted.config.control import ControlError

if TYPE_CHECKING:
    from collections.abc import Callable

REFUSED, TROUBLE = 100, 111


class Refused(Exception):
    """What was asked for cannot be done; the text is for the administrator."""


def attempt(name: str, work: Callable[[], int | None]) -> int:
    """Do *work* and give its exit code, if it gives one; what stands in the way is said on standard error, after
    *name*.
    """
    try:
        return work() or 0
    except (Refused, ControlError) as trouble:
        sys.stderr.write(f"{name}: {trouble}\n")
        return REFUSED
    except OSError as trouble:
        place = f"{trouble.filename}: " if trouble.filename else ""
        sys.stderr.write(f"{name}: {place}{trouble.strerror}\n")
        return TROUBLE
