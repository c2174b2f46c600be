"""qmail-popup - have a POP3 client log in

Synopsis::

    qmail-popup hostname subprogram [ arg … ]

qmail-popup greets the client on descriptors 0 and 1, reads its name and password (USER and PASS, or APOP), and runs
*subprogram*, which gets them on descriptor 3: the name, the password, and the time stamp ``<PID.TIME@hostname>`` of
the greeting, each followed by a zero byte. *subprogram* becomes the user and runs the program that its arguments
name, usually as in::

    qmail-popup pop.example.org qmail-checkpassword-system qmail-pop3d Maildir

It may be any program with the checkpassword interface. There is one attempt: when *subprogram* has ended, so does
qmail-popup. ``twistd qmail --pop3`` does not need it: there one process holds this dialogue with all clients.

Unlike 1.02: what the client sends right behind its password is not lost.

Exit codes:

| 1    the session is over, however it went; or the arguments are missing
"""

from __future__ import annotations

import os
import sys
import time

from qtwisted.accept.channel import Channel, Gone
from qtwisted.system.ending import helped
from qtwisted.trust.login import checkpassword
from qtwisted.trust.login.checkpassword import PipeError
from qtwisted.wire import logins
from qtwisted.wire.dialogue import CLOSE, DATA
from qtwisted.wire.popup import Credentials, Login

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

#: seconds a client may take for each step (qmail-popup.c)
IDLE_FOR = 1200

#: what the client reads when its attempt has ended, by how (qmail-popup.c doanddie)
LAST_WORDS = {
    logins.ENDED: b"",
    logins.REFUSED: b"-ERR authorization failed\r\n",
    logins.CRASHED: b"-ERR aack, child crashed\r\n",
}


def authenticate(argv: Sequence[bytes], credentials: Credentials) -> bytes:
    """Run the subprogram to its end; give the client's last words."""
    record = b"%s\0%s\0%s\0" % (credentials.login, credentials.password, credentials.stamp)
    try:
        pid = checkpassword.start(argv, record, os.environb, [(1, 2)])
    except PipeError as trouble:
        return b"-ERR unable to %s pipe\r\n" % trouble.step
    except BlockingIOError:
        return b"-ERR unable to fork\r\n"
    except OSError:
        return LAST_WORDS[logins.REFUSED]
    return LAST_WORDS[logins.ending_of(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))]


def converse(core: Login, channel: Channel, argv: Sequence[bytes]) -> None:
    """Hold the dialogue to its end; raise Gone where the client does not."""
    while True:
        event = core.next()
        channel.write(core.take())
        if event is CLOSE:
            return
        if event is DATA:
            # byte by byte, since what comes behind the password is for the subprogram to read
            core.received(channel.read(1))
        elif isinstance(event, Credentials):
            core.answer(authenticate(argv, event))


def main() -> int:
    """Run the program."""
    if helped(__doc__):
        return 0
    argv = [os.fsencode(word) for word in sys.argv]
    channel = Channel(0, 1, IDLE_FOR)
    try:
        if len(argv) < 3:
            channel.write(b"-ERR usage: popup hostname subprogram\r\n")
        else:
            stamp = b"<%d.%d@%s>" % (os.getpid(), time.time(), argv[1])
            converse(Login(stamp), channel, argv[2:])
    except Gone:
        pass
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
