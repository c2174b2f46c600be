"""A private Postfix beside the machine's own, for benchmarks and tests: its own configuration, queue and port."""

from __future__ import annotations

import os
import pwd
import subprocess
from pathlib import Path

MAIN_CF = """\
compatibility_level = 3.6
queue_directory = {room}/postfix/spool
data_directory = {room}/postfix/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
meta_directory = /etc/postfix
mail_owner = postfix
setgid_group = postdrop
myhostname = bench.example
mydestination = bench.example
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
alias_maps =
alias_database =
home_mailbox = Maildir/
local_recipient_maps =
relayhost = {relayhost}
maillog_file = {room}/postfix/log
maillog_file_prefixes = {room}
biff = no
smtpd_client_connection_count_limit = 0
smtpd_client_connection_rate_limit = 0
"""

MASTER_CF = """\
{port}    inet  n - n - - smtpd
pickup    unix  n - n 60 1 pickup
cleanup   unix  n - n - 0 cleanup
qmgr      unix  n - n 300 1 qmgr
rewrite   unix  - - n - - trivial-rewrite
bounce    unix  - - n - 0 bounce
defer     unix  - - n - 0 bounce
trace     unix  - - n - 0 bounce
verify    unix  - - n - 1 verify
flush     unix  n - n 1000? 0 flush
proxymap  unix  - - n - - proxymap
smtp      unix  - - n - - smtp
relay     unix  - - n - - smtp
showq     unix  n - n - - showq
error     unix  - - n - - error
retry     unix  - - n - - error
discard   unix  - - n - - discard
local     unix  - n n - - local
virtual   unix  - n n - - virtual
anvil     unix  - - n - 1 anvil
scache    unix  - - n - 1 scache
postlog   unix-dgram n - n - 1 postlogd
"""


class Postfix:
    """One private Postfix: `start`, `pid`, `stop`."""

    def __init__(self, room: Path, port: int, relayhost: str = "") -> None:
        """Write its configuration below `room`; it will listen on 127.0.0.1:`port`."""
        self.port = port
        self.settings = room / "postfix/etc"
        self.spool = room / "postfix/spool"
        for folder in (self.settings, self.spool, room / "postfix/data"):
            folder.mkdir(parents=True, exist_ok=True)
        os.chown(room / "postfix/data", pwd.getpwnam("postfix").pw_uid, 0)
        (self.settings / "main.cf").write_text(MAIN_CF.format(room=room, relayhost=relayhost))
        (self.settings / "master.cf").write_text(MASTER_CF.format(port=port))
        (room / "postfix/log").touch()

    def start(self) -> None:
        """Start it and leave it running in the background."""
        self._run("start")

    def stop(self) -> None:
        """Stop it and wait for its master."""
        self._run("stop")

    def pid(self) -> int:
        """The process id of its master."""
        return int((self.spool / "pid/master.pid").read_text())

    def _run(self, word: str) -> None:
        """Run `postfix` with a command word on this configuration."""
        subprocess.run(
            ["/usr/sbin/postfix", "-c", str(self.settings), word],
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
