"""The lines of the log for what happens most often, without their numbers."""

from __future__ import annotations

import re


def numberless(line: str) -> str:
    """A log line with message, delivery, process and user numbers and sizes replaced by letters."""
    line = re.sub(r"\bmsg \d+", "msg N", line)
    line = re.sub(r"\bqp \d+", "qp P", line)
    line = re.sub(r"\buid \d+", "uid U", line)
    line = re.sub(r"\bbytes \d+", "bytes B", line)
    return re.sub(r"\bdelivery \d+", "delivery D", line)


def success(sender: str, recipient: str) -> list[str]:
    """The lines for one message that is delivered locally."""
    return ["new msg N", f"info msg N: bytes B from <{sender}> qp P uid U",
            f"starting delivery D: msg N to local {recipient}", "status: local 1/10 remote 0/20",
            "delivery D: success: did_1+0+0/", "status: local 0/10 remote 0/20", "end msg N"]


def failure(sender: str, recipient: str, text: str = "No_such_address.__#5.1.1_/") -> list[str]:
    """The lines for one message that fails locally and is bounced."""
    return ["new msg N", f"info msg N: bytes B from <{sender}> qp P uid U",
            f"starting delivery D: msg N to local {recipient}", "status: local 1/10 remote 0/20",
            f"delivery D: failure: {text}", "status: local 0/10 remote 0/20", "bounce msg N qp P", "end msg N"]


NO_MAILBOX = "Sorry,_no_mailbox_here_by_that_name._(#5.1.1)/"
