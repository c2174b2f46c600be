"""Groups reports by their reason: what differs from one delivery to the next is replaced by what it is.

Addresses, hosts, numbers and the identifiers that servers make up become ``<address>``, ``<host>``, ``<n>`` and
``<id>``; codes such as 550 and 5.1.1 say what is wrong and stay. The log has ``_`` where a blank was and ``/``
where a line ended.
"""

from __future__ import annotations

import re

from qtwisted.model.logline import logsafe

#: a reason is cut here
LONGEST = 200
#: of a report, no more is looked at
READ_MAX = 1000

_CODE = rb"#?[245]\.[0-9]{1,3}\.[0-9]{1,3}(?![.0-9A-Za-z])|(?<![0-9A-Za-z])[245][0-9]{2}(?![.0-9A-Za-z])"
_ADDRESS = rb"<?[^\s_<>()\[\],;:\"'/]{1,64}@[A-Za-z0-9.\[\]-]+>?"
_IP = rb"\[?(?:[0-9]{1,3}\.){3}[0-9]{1,3}\]?|\[?(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}\]?"
_HOST = rb"(?:[A-Za-z0-9][A-Za-z0-9-]{0,62}\.)+[A-Za-z]{2,24}\.?(?![A-Za-z0-9@])"
_NUMBER = rb"(?<![0-9A-Za-z])[0-9]+(?![0-9A-Za-z])"
_IDENT = rb"(?<![0-9A-Za-z])(?=[A-Za-z-]{0,30}[0-9])[0-9A-Za-z-]{4,}"
_VARIABLE = re.compile(b"|".join(b"(%b)" % part for part in (_CODE, _ADDRESS, _IP, _HOST, _NUMBER, _IDENT)))
_NAMES = (b"", b"", b"<address>", b"<host>", b"<host>", b"<n>", b"<id>")


def _replaced(found: re.Match[bytes]) -> bytes:
    """What stands for a part that differs."""
    kind = found.lastindex or 1
    return found[0] if kind == 1 else _NAMES[kind]


def reason(text: bytes) -> str:
    """The reason that a report gives, as people read it, the same for all reports that differ in nothing else."""
    alike = _VARIABLE.sub(_replaced, logsafe(text[:READ_MAX]))
    words = alike.rstrip(b"/").replace(b"/", b" / ").replace(b"_", b" ").split()
    return b" ".join(words)[:LONGEST].decode("ascii") or "(no text)"


def domain(address: bytes) -> str:
    """The host of an address, in small letters."""
    return logsafe(address.rpartition(b"@")[2][:255]).lower().decode("ascii") or "(none)"
