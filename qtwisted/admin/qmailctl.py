"""qmailctl -- the administrator's one command

Synopsis::

    qmailctl [--home DIR] COMMAND [ARGUMENT...]
    qmailctl help [COMMAND]

qmailctl starts and stops the mail system, shows what is in its queue, and changes what happens to it. ``qmailctl
help`` lists the commands; ``qmailctl help COMMAND`` tells the words of one.

The mail system as a whole:

``start``, ``stop``, ``restart``, ``reload``, ``stat``
    ``start`` leaves it to systemd where that has a unit for the home, else runs HOME/rc as a boot script does, else
    twistd; it waits until qmail-send answers, and starts qmail-send alone where only that was told to end. ``stop``
    waits until the running deliveries have ended. ``reload`` has the control files read again.
``pause``, ``cont``, ``flush`` (or ``doqueue``, ``alrm``; and ``hup`` is ``reload``)
    Start no delivery, while mail is still received; go on; try every message now. A pause lasts until ``cont``, or
    until qmail-send is started again, whatever the reason.

Messages in the queue, by number or by what they have in common (``--sender``, ``--recipient``, ``--domain``,
``--older``, ``--younger``, ``--larger``, ``--smaller``, ``--state``, ``--local``, ``--remote``):

``queue``, ``show``
    List messages, in no order; show everything about some. Both read the files, so they work without qmail-send, too.
``retry``, ``hold``, ``release``
    Try messages now; start no delivery of them until they are released, across restarts, too.
``bounce``, ``delete``
    Return messages to their senders with a text; remove them, and tell nobody, not even of recipients that failed
    before.

Filters choose whole messages, never single recipients. ``--dry-run`` lists what would be touched. Without a number or
a filter nothing is done, nor is every message returned or deleted, unless ``--all`` says so. A delivery that runs is
not interrupted: then ``waits`` is answered, and the rest is done when it has ended, unless qmail-send ends before.
``done`` means that a power cut could not undo it. qmail-send does all this itself, in the order it does everything
else, and notes it in the log on lines that begin with ``qmailctl:``.

On a terminal output is coloured and cut to the width; anywhere else it is plain and does not change between versions.
Commands that print much have ``--json`` for one JSON value a line; there the bytes of addresses are the characters of
the same numbers. ``eval "$(qmailctl completion bash)"`` makes bash complete commands and options; zsh and fish are
known, too.

Only root, and the owner of the home, may use commands that change something or look into the queue.

Exit codes: 0 done; 1 it looked, and something is wrong or was not found; 100 wrong usage, or refused; 111 trouble
with the system.

Files: HOME/control, HOME/queue and HOME/run/send.sock; HOME is DIR, else $QMAILHOME, else /var/qmail.
"""

from __future__ import annotations

import argparse
import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

from qtwisted.admin.ctl.screen import Screen
from qtwisted.admin.refusal import Refused, attempt
from qtwisted.config import conf as build
from qtwisted.system.ending import occupy

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any


class Command(NamedTuple):
    """One command: its name, the module below qtwisted.admin.ctl that has it, and what it is for."""

    name: str
    module: str
    summary: str


COMMANDS = (
    Command("start", "service", "start the mail system"),
    Command("stop", "service", "stop it when the running deliveries have ended"),
    Command("restart", "service", "stop it and start it again"),
    Command("reload", "service", "have it read its control files again"),
    Command("stat", "stat", "tell whether it runs, for how long, and what is in the queue"),
    Command("pause", "service", "start no delivery; mail is still received"),
    Command("cont", "service", "go on with deliveries"),
    Command("flush", "service", "try every message now"),
    Command("queue", "queue", "list the messages in the queue"),
    Command("show", "show", "show everything about a message"),
    Command("retry", "change", "try messages now"),
    Command("bounce", "change", "return messages to their senders"),
    Command("delete", "change", "remove messages without telling anybody"),
    Command("hold", "change", "start no delivery of messages until they are released"),
    Command("release", "change", "go on with messages that are held"),
    Command("explain", "explain", "tell what would happen to mail for an address"),
    Command("check", "check", "look for mistakes in the configuration"),
    Command("cdb", "cdb", "compile every table that is older than its source"),
    Command("trace", "trace", "tell the story of a message from the log"),
    Command("top", "top", "watch the mail system at work"),
    Command("test", "test", "send a message and follow it to its end"),
    Command("summary", "summary", "sum up a log: deliveries, bounces, what was put off and why"),
    Command("adopt", "adopt", "look at an existing qmail and tell how to take it over"),
    Command("completion", "completion", "print what makes a shell complete these commands"),
)


ALIASES = {"alrm": "flush", "doqueue": "flush", "hup": "reload"}
"""Other names that some commands have in Life with qmail."""


def find(name: str) -> Command:
    """The command called *name*."""
    for command in COMMANDS:
        if command.name == ALIASES.get(name, name):
            return command
    raise Refused(f"there is no command {name!r}; try: qmailctl help")


def load(command: Command) -> Any:
    """The module of a command, with ``arguments(name, parser)`` and ``run(name, options, home, screen) -> int``."""
    return import_module(f"qtwisted.admin.ctl.{command.module}")


def parser(command: Command) -> argparse.ArgumentParser:
    """What the command line of one command may hold."""
    made = argparse.ArgumentParser(prog=f"qmailctl {command.name}", description=command.summary[:1].upper()
                                   + command.summary[1:] + ".")
    load(command).arguments(command.name, made)
    return made


def overview() -> str:
    """What ``qmailctl help`` prints."""
    rows = "".join(f"  {command.name:<11} {command.summary}\n" for command in COMMANDS)
    return f"usage: qmailctl [--home DIR] COMMAND [ARGUMENT...]\n\n{rows}"


def perform(words: Sequence[str], home: str, screen: Screen) -> int:
    """Run one command of *home*; returns the exit code."""
    if not words:
        sys.stderr.write(overview())
        return 100
    name, *rest = words
    if name in ("help", "--help", "-h"):
        if not rest:
            screen.whole(overview().rstrip("\n"))
            return 0
        name, rest = rest[0], ["--help"]
    command = find(name)
    options = parser(command).parse_args(rest)
    code: int = load(command).run(command.name, options, home, screen)
    return code


def watched(words: Sequence[str], home: str) -> int:
    """Run one command before people who may have seen enough before it ends; returns the exit code."""
    try:
        code = perform(words, home, Screen())
        sys.stdout.flush()
    except SystemExit as usage:
        return 100 if usage.code else 0
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # as head does, once it has its lines
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 0
    return code


def main() -> int:
    """Run the program."""
    occupy()
    words = sys.argv[1:]
    argument = None
    if words and words[0].startswith("--home"):
        flag, _, argument = words.pop(0).partition("=")
        if flag != "--home" or not (argument or words):
            sys.stderr.write(overview())
            return 100
        argument = argument or words.pop(0)
    home = os.path.abspath(build.home_dir(os.environ, argument))
    return attempt("qmailctl: fatal", lambda: watched(words, home))


if __name__ == "__main__":
    sys.exit(main())
