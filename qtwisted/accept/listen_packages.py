"""Makes a session for each client that connects to a QMTP or QMQP port.

Neither protocol has words for a client that cannot be served now, so it is cut off before anything is read; it will
try again. The same is done to a client that QMQP does not serve at all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from qtwisted.accept.admission import Visitor
from qtwisted.accept.deadlines import Deadlines
from qtwisted.accept.listen import Sessions
from qtwisted.accept.packages import LASTS_FOR
from qtwisted.accept.qmqpd import QmqpReceiver
from qtwisted.accept.qmtpd import QmtpReceiver
from qtwisted.accept.session import Session
from qtwisted.accept.stdio import client_of, databytes_of
from qtwisted.config import fields, package_fields
from qtwisted.config.control import Control, ControlError
from qtwisted.system.watch import DirectoryWatch
from qtwisted.wire.package import PackageServer
from qtwisted.wire.qmqp import QmqpServer
from qtwisted.wire.qmtp import QmtpServer
from qtwisted.wire.smtp_events import Receiver

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from twisted.python.failure import Failure

    from qtwisted.store.interface import Intake

Config = TypeVar("Config", bound="package_fields.QmtpdConfig | package_fields.QmqpdConfig")

_DEADLINES = Deadlines(LASTS_FOR, 0, 0)


class Slice(Generic[Config]):
    """What one program needs of the control files, read again when one of its files has changed."""

    def __init__(
        self, home: str, program: str, load: Callable[[Control], Config], alert: Callable[[str], None]
    ) -> None:
        """Read them; ``alert`` gets a line where one is broken."""
        names = [field.name for field in fields.ALL if program in field.readers]
        self._watch = DirectoryWatch(f"{home}/control", [*names, "morercpthosts.cdb"])
        self._control = Control(home)
        self._read = load
        self._alert = alert
        self.reload()

    def current(self) -> Config | None:
        """Give what is valid now; None while the files cannot be used."""
        if self._watch.has_changed():
            self.reload()
        return self._current

    def reload(self) -> None:
        """Read the files again."""
        self._current: Config | None = None
        try:
            self._current = self._read(self._control)
        except ControlError as error:
            self._alert(f"unable to read controls: {error}")


class HourSession(Session):
    """A session that ends after an hour, whatever it does."""

    def connectionMade(self) -> None:
        """Set the alarm."""
        self._alarm = self._clock.callLater(LASTS_FOR, self.transport.abortConnection)
        super().connectionMade()

    def connectionLost(self, reason: Failure | None = None) -> None:
        """No alarm is needed any more."""
        if self._alarm.active():
            self._alarm.cancel()
        super().connectionLost(reason)


class PackageFactory(Sessions, Generic[Config]):
    """What both services share."""

    kind = HourSession

    def __init__(
        self,
        controls: Slice[Config],
        intake: Intake,
        reactor: Any,
        now: Callable[[], float],
        alert: Callable[[str], None],
    ) -> None:
        """Take what every session needs."""
        super().__init__(reactor)
        self._controls = controls
        self._intake = intake
        self._now = now
        self._alert = alert

    def _enter(self, visitor: Visitor) -> Config | None:
        """Count a client in; give what it may have, None to cut it off."""
        config = self._controls.current()
        most, most_of_one = (0, 0) if config is None else (config.concurrencyincoming, config.maxconnip)
        refusal = self._crowd.enter(visitor.ip, most, most_of_one) or visitor.refusal
        return config if refusal is None else None


class QmtpFactory(PackageFactory[package_fields.QmtpdConfig]):
    """Serves QMTP."""

    def session(self, visitor: Visitor) -> Session:
        """Make the session of a client."""
        config = self._enter(visitor)
        if config is None:
            return self._keep(visitor.ip, cut_off(QmtpServer()), Receiver(), _DEADLINES)
        environ = visitor.environ(config.me or b"unknown")
        databytes = databytes_of(environ)
        core = QmtpServer(config.databytes if databytes is None else databytes)
        intake = self._intake_of(visitor, self._intake)
        receiver = QmtpReceiver(config, client_of(environ, config), intake, self._now, self._alert)
        return self._keep(visitor.ip, core, receiver, _DEADLINES)


class QmqpFactory(PackageFactory[package_fields.QmqpdConfig]):
    """Serves QMQP."""

    def session(self, visitor: Visitor) -> Session:
        """Make the session of a client, if it is listed."""
        config = self._enter(visitor)
        if config is None or not config.may_submit(visitor.ip):
            return self._keep(visitor.ip, cut_off(QmqpServer()), Receiver(), _DEADLINES)
        client = client_of(visitor.environ(config.me or b"unknown"), None)
        receiver = QmqpReceiver(client, self._intake_of(visitor, self._intake), self._now)
        return self._keep(visitor.ip, QmqpServer(), receiver, _DEADLINES)


def cut_off(core: PackageServer) -> PackageServer:
    """Have a dialogue end before it begins."""
    core.shut_down()
    return core


def qmtp_controls(home: str, alert: Callable[[str], None]) -> Slice[package_fields.QmtpdConfig]:
    """Read what QMTP needs of a home."""
    return Slice(home, "qmail-qmtpd", package_fields.qmtpd, alert)


def qmqp_controls(home: str, alert: Callable[[str], None]) -> Slice[package_fields.QmqpdConfig]:
    """Read what QMQP needs of a home."""
    return Slice(home, "qmail-qmqpd", package_fields.qmqpd, alert)
