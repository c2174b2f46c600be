"""Whether tests that can go on for as long as one likes go on for long: ``make reliability`` says so."""

from __future__ import annotations

import os

IS_WHOLE = bool(os.environ.get("QTWISTED_RELIABILITY"))


def often(usually: int, wholly: int) -> int:
    """How often a test does a thing."""
    return wholly if IS_WHOLE else usually
