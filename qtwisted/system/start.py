"""start -- turn a fresh process into one role and run it.

Synopsis::

    python -P -s start.py ROLE home=DIR parent=PID [uid=N gid=N] [path=DIR]… [NAME=VALUE]… fd.NAME=N…

The master runs this, or ``twistd qmail --role ROLE`` turns into it; nobody else needs it. What is done here is the
same for every role, in this order, and only then is any code of the role loaded:

1. leave the session of whoever started us, take the name that ps shows, default signals, an empty mask and the
   role's umask;
2. make every descriptor close-on-exec, those handed over included;
3. become the role's user and group (when root starts us), checked;
4. change to the role's directory; ask to be killed when the master ends (PID 0: there is none);
5. import the role's module and call its ``main(opened)``.

So the sentence "this code never runs with the master's rights" is true of every role by its position.

Arguments: words ``NAME=VALUE``. ``fd.NAME`` gives the number of an inherited descriptor. ``path`` names a
further directory to import from. What is not listed above is an option for the role.

Exit codes: 0 when the role ends by itself; 3 when it has lost a partner it cannot work without; 111 when it cannot be
started (one line on the log says why); 1 when it crashes (one line on the log says with what, and where).
"""

from __future__ import annotations

import os
import signal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, NoReturn

    from qtwisted.config.conf import Conf, Ids

CONF = "qtwisted.config.conf"
PLACES = 6
"""How many places the line about a crash names."""


class Opened:
    """What a role is given: the home and its build settings, open descriptors by name, and options."""

    __slots__ = ("conf", "fds", "home", "ids", "options")

    def __init__(self, home: str, conf: Conf, ids: Ids, fds: dict[str, int], options: dict[str, str]) -> None:
        """Hold what the master handed over."""
        self.home = home
        self.conf = conf
        self.ids = ids
        self.fds = fds
        self.options = options


class StartError(Exception):
    """This role cannot be started."""


class Words:
    """The command line of a role, taken apart."""

    __slots__ = ("fds", "gid", "home", "options", "parent", "path", "role", "uid")

    def __init__(self, argv: Sequence[str]) -> None:
        """Read the words after the program's name."""
        if not argv:
            raise StartError("no role named")
        self.role = argv[0]
        self.fds: dict[str, int] = {}
        self.options: dict[str, str] = {}
        self.path: list[str] = []
        given: dict[str, str] = {}
        for word in argv[1:]:
            name, equals, value = word.partition("=")
            if not equals:
                raise StartError(f"no = in {word!r}")
            if name.startswith("fd."):
                self.fds[name[3:]] = int(value)
            elif name == "path":
                self.path.append(value)
            elif name in ("home", "parent", "uid", "gid"):
                given[name] = value
            else:
                self.options[name] = value
        if "home" not in given or "parent" not in given:
            raise StartError("home and parent must be given")
        self.home = given["home"]
        self.parent = int(given["parent"])
        self.uid = int(given["uid"]) if "uid" in given else None
        self.gid = int(given["gid"]) if "gid" in given else None


def command(role: str, home: str, parent: int, who: tuple[int, int] | None,
            fds: Mapping[str, int], options: Mapping[str, str], path: Sequence[str] = ()) -> list[str]:
    """The words of a command line that starts *role*; *who* is the uid and gid to take, None to keep ours."""
    words = ["home=" + home, f"parent={parent}"]
    if who is not None:
        words += [f"uid={who[0]}", f"gid={who[1]}"]
    words += ["path=" + directory for directory in path]
    words += [f"{name}={value}" for name, value in options.items()]
    words += [f"fd.{name}={number}" for name, number in fds.items()]
    flags = ["-P", "-s", "-B"] if sys.dont_write_bytecode else ["-P", "-s"]
    return [sys.executable, *flags, os.path.abspath(__file__), role, *words]


def calm_signals(ignored: Sequence[str]) -> None:
    """Take default actions and an empty mask; ignore those *ignored* until the role asks for them."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGALRM, signal.SIGCHLD,
                   signal.SIGUSR1, signal.SIGUSR2, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)
    for name in ignored:
        signal.signal(getattr(signal, "SIG" + name), signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


def keep_descriptors(fds: dict[str, int]) -> None:
    """Check that every descriptor was really handed over, and let none of them pass an exec."""
    for name, number in fds.items():
        try:
            os.set_inheritable(number, False)
        except OSError as trouble:
            raise StartError(f"descriptor {name} ({number}) is not open") from trouble


def raise_limits() -> None:
    """Allow as many open descriptors as we may have, and no core files: they would hold people's mail."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    if soft:
        resource.setrlimit(resource.RLIMIT_CORE, (0, hard))


def drop(words: Words) -> None:
    """Become the user and group that the command line names, if it names them."""
    from qtwisted.system.privileges import become, die_with_parent

    if words.uid is not None and words.gid is not None:
        become(words.uid, words.gid, [words.gid])
    if words.parent:
        die_with_parent(words.parent)


def say(log: int, line: str) -> None:
    """Write one line to the log; a log that does not listen must not stop us."""
    try:
        os.write(log, line.encode("utf-8", "backslashreplace") + b"\n")
    except OSError:
        pass


def report_crash(role: str, log: int) -> None:
    """Have whatever ends this process appear in the log as one line: what, and where, the last place first."""

    def hook(kind: type[BaseException], value: BaseException, trace: Any) -> None:
        """Say it."""
        from traceback import extract_tb

        frames = [frame for frame in reversed(extract_tb(trace)) if not frame.filename.startswith("<frozen")]
        places = ", ".join(f"{frame.filename} {frame.lineno}" for frame in frames[:PLACES])
        words = " ".join(str(value).split())
        say(log, f"alert: {role}: {kind.__name__}: {words} ({places})")

    sys.excepthook = hook


def prepare(words: Words) -> None:
    """Do everything that must be done before any code of the role runs."""
    from qtwisted.system.privileges import show_as
    from qtwisted.system.roles import SHOWN_AS
    from qtwisted.system.roles import role as find

    try:
        row = find(words.role)
    except KeyError:
        raise StartError(f"there is no role {words.role!r}") from None
    try:
        os.setsid()
    except PermissionError:
        pass  # whoever leads a process group already has what setsid gives
    show_as(SHOWN_AS.get(words.role, words.role))
    calm_signals(row.signals)
    os.umask(row.umask)
    raise_limits()
    keep_descriptors(words.fds)
    drop(words)
    try:
        os.chdir(os.path.join(words.home, row.directory))
    except OSError as trouble:
        raise StartError(f"cannot change to {words.home}/{row.directory}: {trouble.strerror}") from trouble


_NEW_OBJECTS = 20000
"""How many new objects make the collector look at them; Python's 700 is meant for small programs."""


def run(words: Words) -> None:
    """Import the role's module and hand it what was opened for it."""
    from importlib import import_module

    from qtwisted.system.roles import role as find

    conf_module = import_module(CONF)
    conf = conf_module.load(words.home)
    opened = Opened(words.home, conf, conf_module.ids(conf), words.fds, words.options)
    module = import_module(find(words.role).module)
    settle_memory()
    module.main(opened)


def settle_memory() -> None:
    """Tell the collector that what is loaded stays, and that a role makes many objects which need no collecting."""
    import gc

    gc.collect()
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS)


def main() -> NoReturn:
    """Start the role that the command line names."""
    log = 2
    name = "role"
    try:
        words = Words(sys.argv[1:])
        sys.path[0:0] = words.path
        log = words.fds.get("log", 2)
        name = words.role
        report_crash(name, log)
        prepare(words)
    except Exception as trouble:
        say(log, f"alert: cannot start {name}: {trouble}")
        sys.exit(111)
    run(words)
    sys.exit(0)


if __name__ == "__main__":
    # Run by path, so that the package is found wherever it lies; the module that others import is the real
    # one.
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
    from qtwisted.system.start import main as real_main

    real_main()
