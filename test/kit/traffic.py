"""Mail on its way in a network in memory, for tests of what qmail-rspawn does with many messages."""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING, Any

from qtwisted.config.fields import RemoteConfig
from qtwisted.deliver.host.letters import Message
from qtwisted.deliver.host.sending import Remote
from qtwisted.deliver.host.slots import Delivery
from qtwisted.deliver.host.traffic import Traffic
from test.kit.resolver import TableResolver
from test.kit.smtp_peer import Network, Script

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred

TEXT = b"Subject: x\n\nhi\n"


class Road:
    """A network, a resolver and the traffic on it."""

    def __init__(self, limit: int = 20, most: int = 20, **tables: Any) -> None:
        """``tables`` are those of the resolver; the host ``d`` has one server, 192.0.2.1."""
        self.network: Any = Network()
        tables.setdefault("hosts", {b"d": ["192.0.2.1"]})
        self.routes: dict[bytes, bytes] = {}
        self.failures: list[Any] = []
        self.resolver = TableResolver(**tables)
        self.remote = Remote(self.network, self.resolver, lambda: RemoteConfig(b"h", self.routes, 60, 1200, most),
                             is_ours=lambda address: False, choose=lambda below: 0)
        self.traffic = Traffic(self.network, self.remote, limit, self.failures.append)
        self.deliveries: list[Delivery] = []

    def serve(self, address: str = "192.0.2.1", **replies: Any) -> Script:
        """Let a server say something."""
        script = self.network.hosts[address] = Script(**replies)
        return script

    def post(self, recipient: bytes = b"r@d", name: bytes | None = None, sender: bytes = b"s@x",
             text: bytes = TEXT) -> Deferred[Any]:
        """Give it a message for one recipient; each is another message unless it has a name."""
        file, path = tempfile.mkstemp()
        os.write(file, text)
        os.lseek(file, 0, os.SEEK_SET)
        os.unlink(path)
        delivery = Delivery(len(self.deliveries), self.network.seconds())
        self.deliveries.append(delivery)
        body = Message(file, self.network.seconds)
        name = name or b"%d" % delivery.delnum
        return self.traffic.deliver(recipient.rpartition(b"@")[2], sender, recipient, name, body, delivery)

    def settle(self) -> None:
        """Let everything happen that takes no time."""
        self.network.settle()
        self.network.settle()

    def pass_time(self, seconds: int) -> None:
        """Let time pass."""
        for _ in range(seconds):
            self.network.advance(1)
        self.settle()
