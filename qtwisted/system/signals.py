"""The module signal for programs that are started once for each message: only the part of it that is written in C.

The other part gives signals names that people can read, and makes a program take a third longer to start.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
else:
    import _signal as signal

__all__ = ["signal"]
