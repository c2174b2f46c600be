"""What a program in a .qmail file finds in its environment: exactly these variables and nothing inherited.

Every value but HOME, USER, SHELL and PATH is chosen by whoever sent the mail. A shell that looks into the value of
a variable it was not asked for runs the sender's code: that is for the shell's maker to prevent, and for the
writer of a .qmail line to remember.

Unlike 1.02: the environment of qmail-start is not passed on, so nothing of the system's own (LD_PRELOAD, PYTHONPATH,
a service manager's sockets) reaches a user's program; PATH and SHELL are always the same.
"""

from __future__ import annotations

from qtwisted.model.date import mbox as mbox_date

TYPE_CHECKING = False
if TYPE_CHECKING:
    from qtwisted.deliver.user.request import Request

SHELL = b"/bin/sh"
STANDARD_PATH = b"/usr/local/bin:/usr/bin:/bin"

_LINE_BREAKERS = bytes.maketrans(b" \t\n", b"---")


def search_path(home: str, scripts: str) -> bytes:
    """PATH for programs: the home's own, the system's, and last the directory *scripts* our programs lie in."""
    ours = b"%s/bin" % home.encode("utf-8", "surrogateescape")
    return b":".join((ours, STANDARD_PATH, scripts.encode("utf-8", "surrogateescape")))


def from_line(sender: bytes, at: int) -> bytes:
    """The From_ line of a message delivered at that time; blanks in the sender would end it too early."""
    return b"From %s %s\n" % (sender.translate(_LINE_BREAKERS) or b"MAILER-DAEMON", mbox_date(at))


def after_dashes(ext: bytes, count: int) -> bytes:
    """What follows the *count*-th dash of an extension; nothing if there are fewer."""
    parts = ext.split(b"-", count)
    return parts[count] if len(parts) > count else b""


def before_dots(domain: bytes, count: int) -> bytes:
    """A domain without its last *count* labels, but never less than its first."""
    return domain.rsplit(b".", count)[0]


def environment(request: Request, new_sender: bytes, default: bytes | None, at: int,
                path: bytes) -> dict[bytes, bytes]:
    """The variables for the programs of one delivery (qmail-local.c main)."""
    variables = {
        b"USER": request.user,
        b"HOME": request.home,
        b"SHELL": SHELL,
        b"PATH": path,
        b"HOST": request.domain,
        b"LOCAL": request.local,
        b"EXT": request.ext,
        b"RECIPIENT": request.recipient,
        b"SENDER": request.sender,
        b"NEWSENDER": new_sender,
        b"DTLINE": request.delivered_to,
        b"RPLINE": request.return_path,
        b"UFLINE": from_line(request.sender, at),
    }
    for number, count in ((b"2", 1), (b"3", 2), (b"4", 3)):
        variables[b"EXT" + number] = after_dashes(request.ext, count)
        variables[b"HOST" + number] = before_dots(request.domain, count)
    if default is not None:
        variables[b"DEFAULT"] = default
    return variables
