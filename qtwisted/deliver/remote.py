"""qmail-remote -- send one message by SMTP

Synopsis::

    qmail-remote HOST SENDER RECIPIENT…

qmail-remote reads a message from its standard input and sends it to one or more recipients at a remote host. The
addresses are as they stand in the envelope, not quoted. It looks up the host's mail exchangers and tries them by
preference; ``control/smtproutes`` can name a relay instead.

Where a server offers STARTTLS the message is encrypted, whatever its certificate; if that fails it is sent in clear.
``control/tlsdestinations`` can demand more, or less, of the servers of a domain, or of a relay:

| ``example.org:none``             do not encrypt
| ``example.org:may``              encrypt if that works; so it is for all that are not named
| ``.example.org:encrypt``         encrypt, or try later
| ``example.org:verify``           the same, with a trusted certificate for the exchanger, the relay or the domain
| ``example.org:verify:NAME``      the same, for this name alone; then nothing depends on what the DNS says
| ``:encrypt``                     for all domains that are not named

Only ``verify`` helps against somebody who can change what goes over the network.

A relay whose route ends in ``tls`` is spoken to in TLS from the first byte. If ``control/smtpauth`` has a name and a
password for a relay, nothing is sent without logging in there, and never in clear unless its policy is ``none``.

It then writes, on its standard output, one part for each recipient and one for the message, each ended by a zero
byte. The first letter of a part says how it went, the rest is text:

| ``r``  the recipient was accepted; ``h`` it was refused; ``s`` another time it may be accepted
| ``K``  the message was accepted for every ``r`` recipient; ``Z`` try later; ``D`` refused

There may be fewer recipient parts than recipients when the connection ended early. Fewer than three arguments
are answered with a ``D`` part.

Exit codes: always 0.

Files, below HOME ($QMAILHOME, else /var/qmail):

| ``control/helohost``         the name to give the other side; default ``control/me``
| ``control/smtproutes``       relays: ``domain:relay``, ``domain:relay:port``, ``domain:relay:port:tls`` or
                             ``domain:relay:port:qmtp``
| ``control/timeoutconnect``   seconds to wait for a connection, 60
| ``control/timeoutremote``    seconds to wait for each answer, 1200
| ``control/resolvers``        name servers, ``ADDRESS`` or ``ADDRESS:PORT``; default /etc/resolv.conf
| ``control/tlsdestinations``  where mail must be encrypted: ``domain:level``
| ``control/tlscafile``        certificates to trust instead of the system's, or a line that names their file
| ``control/clientcert.pem``   our own certificate and its key
| ``control/smtpauth``         ``relay:user:password``; it must not be readable by other users
| ``queue/lock/tcpto``         addresses that did not answer lately
"""

from __future__ import annotations

import os
import sys
import traceback
from io import FileIO
from typing import TYPE_CHECKING, Any

from qtwisted.config.conf import home_dir
from qtwisted.config.control import Control
from qtwisted.deliver.host import reports
from qtwisted.deliver.host.reports import Report
from qtwisted.deliver.host.sending import Remote, controls
from qtwisted.deliver.host.tcpto import Tcpto
from qtwisted.system.ending import helped
from qtwisted.trust.dns import Resolver
from qtwisted.trust.nameservers import nameservers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from twisted.python.failure import Failure

TCPTO = "queue/lock/tcpto"


def remote_of(reactor: Any, home: str, tcpto: Tcpto) -> Remote:
    """Make a sender with the settings of a home."""
    control = Control(home)
    return Remote(reactor, Resolver(reactor, nameservers(control)), controls(control), tcpto)


def deliver(home: str, host: bytes, sender: bytes, recipients: Sequence[bytes]) -> Report:
    """Send what comes on standard input; give the report when the last word is said."""
    from twisted.internet import reactor as any_reactor

    reactor: Any = any_reactor
    remote = remote_of(reactor, home, Tcpto(f"{home}/{TCPTO}"))
    outcome = [Report(reports.CRASHED)]

    def reported(report: Report) -> Any:
        """Keep the report; the connection still has to be closed."""
        outcome[0] = report
        return remote.all_closed()

    def stop(result: Any) -> None:
        """End the reactor."""
        reactor.stop()

    def start() -> None:
        """Begin the delivery."""
        sending = remote.deliver(host, sender, recipients, FileIO(0, closefd=False), os.getpid())
        sending.addCallback(reported).addErrback(_say_crashed).addBoth(stop)

    reactor.callWhenRunning(start)
    reactor.run()
    return outcome[0]


def _say_crashed(failure: Failure) -> None:
    """Show on standard error what is wrong in this program."""
    traceback.print_exception(failure.value)


def run(home: str, arguments: Sequence[bytes]) -> Report:
    """Do what the arguments say."""
    if len(arguments) < 3:
        return Report(reports.USAGE)
    try:
        os.chdir(home)
    except OSError:
        return Report(reports.NO_HOME)
    host, sender, *recipients = arguments
    return deliver(home, host, sender, recipients)


def main() -> None:
    """Run as a program."""
    if helped(__doc__):
        return
    report = run(home_dir(os.environ), [os.fsencode(argument) for argument in sys.argv[1:]])
    try:
        with FileIO(1, "w", closefd=False) as output:
            left = memoryview(report.wire())
            while left:
                left = left[output.write(left) :]
    except OSError:
        pass  # nobody hears the report; qmail-rspawn takes that for a failure that may pass


if __name__ == "__main__":
    main()
