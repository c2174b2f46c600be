"""Logs for tests: written as qmail-send does, with a stamp before each line that moves on by a second."""

from __future__ import annotations

from qtwisted.admin.logs.tracing import Trace
from qtwisted.admin.logs.wanted import Wanted
from qtwisted.model.logstamps import read_log

START = 1_700_000_000


def stamped(text: str) -> list[bytes]:
    """The lines of a text, each a second later than the last."""
    lines = text.strip().splitlines()
    return [b"%d.000000 %b" % (START + at, line.strip().encode()) for at, line in enumerate(lines)]


def traced(text: str, *words: str, found_max: int = 100) -> Trace:
    """Look for *words* in a log."""
    trace = Trace(Wanted(words, "/nowhere"), found_max)
    trace.read(read_log(stamped(text)))
    return trace


def found(text: str, *words: str) -> list[tuple[int, int | None]]:
    """Number and qp of the stories that are found."""
    return [(story.number, story.qp) for story in traced(text, *words).told()]


BOUNCED = """
status: local 0/10 remote 0/20
new msg 53
info msg 53: bytes 246 from <me@domain.example> qp 20351 uid 666
starting delivery 1: msg 53 to local nonexistent@domain.example
status: local 1/10 remote 0/20
delivery 1: failure: No_such_address._(#5.1.1)/
status: local 0/10 remote 0/20
bounce msg 53 qp 20357
end msg 53
new msg 54
info msg 54: bytes 743 from <> qp 20357 uid 666
starting delivery 2: msg 54 to local me@domain.example
status: local 1/10 remote 0/20
delivery 2: success: did_0+1+0/qp_20360/
status: local 0/10 remote 0/20
end msg 54
new msg 53
info msg 53: bytes 843 from <> qp 20360 uid 666
starting delivery 3: msg 53 to remote me@elsewhere.example
status: local 0/10 remote 1/20
delivery 3: deferral: Sorry,_try_later/
status: local 0/10 remote 0/20
starting delivery 4: msg 53 to remote me@elsewhere.example
status: local 0/10 remote 1/20
delivery 4: success: 192.0.2.1_accepted_message./Remote_host_said:_250_ok_qp_77_<abc@elsewhere.example>/
status: local 0/10 remote 0/20
end msg 53
new msg 53
info msg 53: bytes 100 from <other@x.example> qp 20400 uid 5
starting delivery 5: msg 53 to local alice-info@virtual.example
status: local 1/10 remote 0/20
delivery 5: success: did_1+0+0/
status: local 0/10 remote 0/20
end msg 53
"""
