"""qmail-qmqpd -- receive mail via QMQP

Synopsis::

    qmail-qmqpd

qmail-qmqpd receives one message by QMQP, the Quick Mail Queueing Protocol, on descriptor 0, hands it to the queue,
answers on descriptor 1 and exits. It is started for one connection, by tcpserver, usually on port 628.
``twistd qmail --qmqp`` does not need it: there the same dialogue is held by processes that serve many connections.

A client of QMQP may send mail from anybody to anybody, so it must be one of your own hosts, and nobody else may be
able to connect.

Unlike 1.02: ``twistd qmail --qmqp`` serves only clients whose addresses are listed in control/qmqpclients, in the
forms that relayclients has; whoever else connects is cut off before anything is read. If that file exists
qmail-qmqpd looks for TCPREMOTEIP in it, too; without it whoever starts the program decides, as in 1.02.

Environment: TCPREMOTEIP, TCPREMOTEHOST, TCPREMOTEINFO, TCPLOCALHOST and TCPLOCALIP appear in the Received field.
QMAILQUEUE is a program to run in the place of qmail-queue. QMAILHOME is the home, usually /var/qmail.

Exit codes:

| 0    the client has its answer, closed the connection, or does not take the answer
| 100  the client broke the protocol, or is not listed
| 111  trouble here, or a length that is too great, or an hour is over

Files: HOME/control/qmqpclients.
"""

from __future__ import annotations

import os
import sys
import time

from qtwisted.accept.packages import PackageReceiver, serve
from qtwisted.accept.stdio import Submissions, client_of
from qtwisted.config.conf import home_dir
from qtwisted.config.control import Control, ControlError
from qtwisted.system.ending import helped
from qtwisted.wire.netstring import BAD
from qtwisted.wire.package import TROUBLE
from qtwisted.wire.qmqp import QmqpServer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


class QmqpReceiver(PackageReceiver):
    """Takes whatever a host of ours sends."""

    word = b"QMQP"


def may_submit(control: Control, ip: bytes) -> bool:
    """May the client with this address hand in mail to the program?"""
    if control.list("qmqpclients") is None:
        return True
    # imported only here: ipaddress costs more than all the rest
    from qtwisted.config.relay import QMQPCLIENTS, relayclients

    return relayclients(control, QMQPCLIENTS).allow(ip)


def run(home: str, environ: Mapping[bytes, bytes], texts: Mapping[str, str]) -> int:
    """Serve the client on descriptors 0 and 1; give the exit code."""
    client = client_of(environ, None)
    try:
        os.chdir(home)
        if not may_submit(Control(home), client.ip):
            return BAD
    except (OSError, ControlError):
        return TROUBLE
    return serve(QmqpServer(), QmqpReceiver(client, Submissions(home, texts), time.time))


def main() -> None:
    """Run the program qmail-qmqpd."""
    if helped(__doc__):
        sys.exit(0)
    sys.exit(run(os.path.abspath(home_dir(os.environ)), os.environb, os.environ))


if __name__ == "__main__":
    main()
