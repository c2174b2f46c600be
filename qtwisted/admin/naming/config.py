"""config - set up the control files of this host from what the DNS says

Synopsis::

    config

config finds the full name of this host: it looks up the address of the host's name, and the name of that address.
It writes control/me, control/defaultdomain and control/plusdomain as config-fast does. Then it looks up the name of
every address of this host, writes these names to control/locals, and copies that to control/rcpthosts. It prints what
it does, and asks no questions. What stood in these five files is lost.

If the DNS does not know this host nothing is written; use config-fast with the full name then.

Unlike 1.02: the IPv6 addresses of this host are looked up, too. A name in the DNS that no host can have counts for
none. If the full name is not found the exit code is not 0.

Exit codes:

| 0    done
| 100  the host has no name, or none in the DNS
| 111  the DNS gave no answer, or a file cannot be written

Files: HOME/control/me, HOME/control/defaultdomain, HOME/control/plusdomain, HOME/control/locals,
HOME/control/rcpthosts, HOME/control/resolvers, /etc/resolv.conf; HOME is $QMAILHOME or /var/qmail.

See also: config-fast(8), qmail-config(8), qmail-showctl(8)
"""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING

from qtwisted.admin.naming.asking import ask
from qtwisted.admin.naming.controls import CHANGE_BOTH, NOW_REFUSES, ControlFiles, named_after, say
from qtwisted.admin.naming.own import host_name, own_addresses
from qtwisted.config.conf import home_dir
from qtwisted.system.ending import LATER, NEVER, run
from qtwisted.trust.dns import LookupFailed, NoSuchName

if TYPE_CHECKING:
    from qtwisted.admin.naming.asking import Names

#: what a name from the DNS may hold if it is to stand in a file that others obey
_NAME = re.compile(rb"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")


async def named(names: Names, address: str) -> str:
    """Find the name of an address."""
    name = await names.pointer(address)
    if not _NAME.fullmatch(name):
        raise NoSuchName(name)
    return name.decode("ascii")


class Config:
    """The files in the making."""

    def __init__(self, names: Names, files: ControlFiles) -> None:
        """Nothing is written yet."""
        self._names = names
        self._files = files

    async def run(self) -> int:
        """Find the name and write everything; give the exit code."""
        host = host_name().lower()
        if not host:
            return sorry("hostname", NEVER)
        say(f"Your hostname is {os.fsdecode(host)}.")
        try:
            addresses = await self._names.addresses_of_short(host)
            if not addresses:
                raise NoSuchName(host)
            name = (await named(self._names, addresses[0])).lower()
        except NoSuchName:
            return sorry("host's canonical name in DNS", NEVER)
        except LookupFailed:
            return sorry("host's canonical name in DNS", LATER)
        say(f"Your host's fully qualified name in DNS is {name}.")
        self._write_names(name)
        await self._write_locals(name)
        self._write_rcpthosts()
        return 0

    def _write_names(self, host: str) -> None:
        """Write the files with one line."""
        for name, value in named_after(host):
            say(f"Putting {value} into control/{name}...")
            self._files.put(name, value + "\n")

    async def _write_locals(self, host: str) -> None:
        """Look up the names of all addresses of this host, and write them to locals."""
        say(" ")
        say("Checking local IP addresses:")
        self.locals = ""
        self._files.put("locals", self.locals)
        for address in sorted({*await self._listed(host), *own_addresses()}):
            say(f"{address}: ", end="")
            try:
                name = await named(self._names, address)
            except (NoSuchName, LookupFailed):
                say("PTR lookup failed. I assume this address has no DNS name.")
                continue
            say(f"Adding {name} to control/locals...")
            self.locals += name + "\n"
            self._files.put("locals", self.locals)
        say(" ")
        say("If there are any other domain names that point to you,")
        say(f"you will have to add them to {self._files.home}/control/locals.")
        say("You don't have to worry about aliases, i.e., domains with CNAME records.")

    async def _listed(self, host: str) -> list[str]:
        """Find the addresses that the full name has; none is no trouble here."""
        try:
            return await self._names.addresses(host.encode())
        except (NoSuchName, LookupFailed):
            return []

    def _write_rcpthosts(self) -> None:
        """Take mail for what is local."""
        control = f"{self._files.home}/control"
        say(" ")
        say(f"Copying {control}/locals to {control}/rcpthosts...")
        self._files.put("rcpthosts", self.locals)
        say(NOW_REFUSES.format("those hosts"))
        say(CHANGE_BOTH)


def sorry(what: str, code: int) -> int:
    """Say that the name was not found, and what is left to do."""
    say(f"Sorry, I couldn't find your {what}.")
    say("You will have to set up control/me yourself.")
    return code


def config(argv: list[bytes]) -> int:
    """Do it for this host."""
    files = ControlFiles(home_dir(os.environ), "config")
    return ask(lambda names: Config(names, files).run())


def main() -> int:
    """Run the program."""
    return run(config, __doc__)


if __name__ == "__main__":
    sys.exit(main())
