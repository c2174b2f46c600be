"""qmail-qread - list outgoing messages and recipients

Synopsis::

    qmail-qread

qmail-qread prints each message that qmail-send has preprocessed: when it arrived, its number, its size, its sender,
and whether some recipients have bounced; then its recipients, with their channel and whether they are done::

    22 Nov 2026 13:46:34 GMT  #32  3  <s@x>
      done  local   joe@test.example
            remote  ann@far.example

(with tabs before and after the channel).

Times are in GMT. Whatever is not a printable character of ASCII is shown as ``_``, so that no address can play tricks
with a terminal.

It may be run at any time, of which it shows no single moment: a message that leaves the queue meanwhile is shown in
part or not at all. However long the queue is, printing begins at once and little memory is needed. Only root, or the
user qmails in the group qmail, may read the queue.

Unlike 1.02: a message whose files vanish while they are looked at has left the queue, and nothing is said about it.

Exit codes: 0 when all was listed, 111 if the queue could not be read.

Diagnostics: ``warning: trouble with #N: why`` for a message that could not be read in whole, and ``fatal: why``
before exit code 111, are printed among the messages.

Files: HOME/queue/info, HOME/queue/mess, HOME/queue/local, HOME/queue/remote, HOME/queue/bounce; HOME is $QMAILHOME
or /var/qmail.

See also: qmail-qstat(8), qmail-send(8)
"""

from __future__ import annotations

import os
import sys

from qtwisted.config.conf import home_dir, load
from qtwisted.config.control import ControlError
from qtwisted.model import date, oserrors
from qtwisted.store.inventory import records
from qtwisted.store.kinds.ledger import CHANNELS, Ledger, message_number
from qtwisted.system.disk import Disk
from qtwisted.system.ending import LATER, run_printing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from qtwisted.system.ending import Printing

#: root may be the one who looks, and qmail-send's user the one who made the files: no link leads anywhere else
_LOOK = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW
_PIECE = 65536
#: bytes as they are shown
_SHOWN = bytes(byte if 0x20 <= byte <= 0x7E else ord("_") for byte in range(256))

_LETTERS = {b"T": b"\t%s\t", b"D": b"  done\t%s\t"}


def listing(ledger: Ledger) -> Printing:
    """Print the messages of a queue, directory by directory."""
    for directory in ledger.directories("info"):
        names = ledger.disk.names(directory)
        while True:
            try:
                name, _ = next(names)
            except StopIteration:
                break
            except OSError as trouble:
                yield _fatal(f"unable to opendir {directory}", trouble)
                return LATER
            number = message_number(name)
            if number is not None:
                yield from _message(ledger, number)
    return 0


def _message(ledger: Ledger, number: int) -> Iterator[bytes]:
    """Print one message."""
    try:
        yield _summary(ledger, number)
    except FileNotFoundError as trouble:
        # a message loses its info before its text, so while there is info the text should be there
        if ledger.disk.exists(ledger.name("info", number)):
            yield _warning(number, trouble)
        return
    except OSError as trouble:
        yield _warning(number, trouble)
        return
    for kind in CHANNELS:
        try:
            yield from _recipients(ledger, kind, number)
        except FileNotFoundError:
            continue
        except OSError as trouble:
            yield _warning(number, trouble)


def _summary(ledger: Ledger, number: int) -> bytes:
    """Make the line about a message as a whole; raise OSError where its files cannot be read."""
    disk = ledger.disk
    fd = disk.open(ledger.name("info", number), _LOOK)
    try:
        born_at = int(disk.fstat(fd).st_mtime)
        sender = disk.read(fd, _PIECE).partition(b"\0")[0][1:]
    finally:
        disk.close(fd)
    size = disk.stat(ledger.name("mess", number)).st_size
    bouncing = b" bouncing" if disk.exists(ledger.name("bounce", number)) else b""
    line = b"%s  #%d  %d  <%s> %s" % (date.rfc822(born_at, b"GMT"), number, size, sender, bouncing)
    return line.translate(_SHOWN) + b"\n"


def _recipients(ledger: Ledger, kind: str, number: int) -> Iterator[bytes]:
    """Print the recipients in one file; what is no record is passed over."""
    for record in records(ledger.disk, ledger.name(kind, number)):
        before = _LETTERS.get(record[:1])
        if before is not None:
            yield before % kind.encode() + record[1:].translate(_SHOWN) + b"\n"


def _warning(number: int, trouble: OSError) -> bytes:
    """Make the line about a message that could not be read."""
    return f"warning: trouble with #{number}: {oserrors.text(trouble.errno)}\n".encode()


def _fatal(what: str, trouble: OSError) -> bytes:
    """Make the last line of a listing that could not go on."""
    return f"fatal: {what}: {oserrors.text(trouble.errno)}\n".encode()


def qread(home: str) -> Printing:
    """Print the queue of a home."""
    try:
        split = load(home).split
        disk = Disk(f"{home}/queue")
    except OSError as trouble:
        yield _fatal("unable to chdir", trouble)
        return LATER
    except ControlError as trouble:
        yield f"fatal: {trouble}\n".encode()
        return LATER
    try:
        return (yield from listing(Ledger(disk, split)))
    except MemoryError:
        yield b"fatal: out of memory\n"
        return LATER
    finally:
        disk.release()


def main() -> int:
    """Run the program."""
    return run_printing(lambda argv: qread(home_dir(os.environ)), __doc__)


if __name__ == "__main__":
    sys.exit(main())
