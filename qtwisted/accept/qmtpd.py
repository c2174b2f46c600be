"""qmail-qmtpd -- receive mail via QMTP

Synopsis::

    qmail-qmtpd

qmail-qmtpd receives packages by QMTP, the Quick Mail Transfer Protocol, on descriptor 0, answers on descriptor 1,
and hands each message to the queue. It is started for one connection, by tcpserver, usually on port 209, and takes
any number of messages. ``twistd qmail --qmtp`` does not need it: there the same dialogue is held by processes that
serve many connections.

Which recipients it accepts is said in the same control files as for qmail-smtpd. Nothing is parsed: addresses are
taken as they come. A client that does not keep to the protocol is left without a word. A connection may last an
hour.

Environment: TCPREMOTEIP, TCPREMOTEHOST, TCPREMOTEINFO, TCPLOCALHOST and TCPLOCALIP appear in the Received field.
RELAYCLIENT: if set, recipients of any domain are accepted, and its value is appended to each; without it a client
listed in relayclients may relay, too. DATABYTES replaces control/databytes. QMAILQUEUE is a program to run in the
place of qmail-queue. QMAILHOME is the home, usually /var/qmail.

Exit codes:

| 0    the client closed the connection, or does not take our answers
| 100  the client broke the protocol
| 111  trouble here, or a length that is too great, or an hour is over

Files: HOME/control/ databytes, morercpthosts.cdb, rcpthosts, relayclients.
"""

from __future__ import annotations

import os
import sys
import time

from qtwisted.accept.packages import HANG_UP, PackageReceiver, serve
from qtwisted.accept.stdio import Submissions, client_of, databytes_of
from qtwisted.config.conf import home_dir
from qtwisted.config.control import Control, ControlError
from qtwisted.config.package_fields import qmtpd
from qtwisted.system.ending import helped
from qtwisted.wire.package import ADDRESS_MAX, TROUBLE
from qtwisted.wire.qmtp import CANNOT_HANDLE, QmtpServer
from qtwisted.wire.smtp_replies import NOT_OURS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from qtwisted.accept.gate import Client
    from qtwisted.config.package_fields import QmtpdConfig
    from qtwisted.model.reply import Reply
    from qtwisted.store.interface import Intake
    from qtwisted.wire.dialogue import Later


class QmtpReceiver(PackageReceiver):
    """Decides about the recipients of one client."""

    word = b"QMTP"

    def __init__(
        self,
        config: QmtpdConfig,
        client: Client,
        intake: Intake,
        now: Callable[[], float],
        alert: Callable[[str], None] | None = None,
    ) -> None:
        """Take what the connection needs; ``alert`` tells the operator."""
        super().__init__(client, intake, now)
        self._config = config
        self._alert = alert

    def recipient(self, address: bytes) -> Reply | Later | None:
        """Accept the recipient, or say why not (qmail-qmtpd.c main)."""
        relay = self._client.relay
        if len(address) + len(relay or b"") > ADDRESS_MAX:
            return CANNOT_HANDLE
        try:
            if relay is None and not self._config.rcpthosts.allows(address):
                return NOT_OURS
        except ControlError as error:
            if self._alert is not None:
                self._alert(str(error))
            return HANG_UP
        if b"\0" in address:
            return CANNOT_HANDLE
        return super().recipient(address + (relay or b""))


def run(home: str, environ: Mapping[bytes, bytes], texts: Mapping[str, str]) -> int:
    """Serve the client on descriptors 0 and 1; give the exit code."""
    try:
        os.chdir(home)
        config = qmtpd(Control(home))
    except (OSError, ControlError):
        return TROUBLE
    databytes = databytes_of(environ)
    core = QmtpServer(config.databytes if databytes is None else databytes)
    return serve(core, QmtpReceiver(config, client_of(environ, config), Submissions(home, texts), time.time))


def main() -> None:
    """Run the program qmail-qmtpd."""
    if helped(__doc__):
        sys.exit(0)
    sys.exit(run(os.path.abspath(home_dir(os.environ)), os.environb, os.environ))


if __name__ == "__main__":
    main()
