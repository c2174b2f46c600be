"""Collect everything that an installation needs below one directory; ``make it`` runs this.

Synopsis::

    python -m qtwisted.admin.install.collecting TOP BUILD

TOP is the source tree. Afterwards BUILD holds:

| ``site``    our package and those it is built on, as they will lie in the home
| ``site.id`` what these are called: the version, and a number made from every byte of them
| ``conf``    the build settings, checked
| ``boot``    the boot scripts, for this home
| ``doc``     the documents
| ``system``  a description of this machine

and TOP/SYSDEPS names the files that describe the system. Nothing is fetched from anywhere.

Exit codes: 0 done; 100 a file in etc/ makes no sense, or the home cannot be used.
"""

from __future__ import annotations

import base64
import compileall
import configparser
import hashlib
import os
import platform
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

from qtwisted.admin.install import portable
from qtwisted.admin.refusal import Refused
from qtwisted.config import conf as build
from qtwisted.config.control import ControlError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib import metadata

BUILT_FOR = "/var/qmail"
"""The home that the files in the source tree name."""
SETTINGS = ("conf-qmail", "conf-users", "conf-groups", "conf-split", "conf-spawn", "conf-break", "conf-patrn")
_IN_A_PATH = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._+-")


def collect(top: str, target: str) -> None:
    """Do everything."""
    settings(top, target)
    home = home_of(target)
    site(top, f"{target}/site")
    with open(f"{target}/site.id", "w", encoding="ascii") as file:
        file.write(f"{version(top)}-{digest(f'{target}/site')}\n")
    prepare(f"{target}/site")
    boot(f"{top}/etc/boot", f"{target}/boot", home)
    documents(top, f"{target}/doc")
    describe(top, target)


def settings(top: str, target: str) -> None:
    """Copy the build settings and see whether they make sense."""
    renew(f"{target}/conf")
    for name in SETTINGS:
        source = f"{top}/etc/{name}"
        if not os.path.exists(source):
            raise Refused(f"{source} does not exist")
        shutil.copyfile(source, f"{target}/conf/{name}")
    try:
        build.load(target)
    except ControlError as trouble:
        raise Refused(str(trouble).replace("conf/", "etc/", 1)) from None


def home_of(target: str) -> str:
    """The home that conf-qmail names."""
    with open(f"{target}/conf/conf-qmail", encoding="utf-8", errors="surrogateescape") as file:
        home = file.readline().rstrip()
    if not home.startswith("/") or home == "/" or os.path.normpath(home) != home:
        raise Refused(f"etc/conf-qmail line 1: {home!r} is not the full path of a directory")
    if not _IN_A_PATH.issuperset(home):
        raise Refused(f"etc/conf-qmail line 1: {home!r} has characters that scripts would not read as they stand; "
                      f"use letters, digits and / . _ + -")
    return home


def site(top: str, target: str) -> None:
    """Our package, with the facts that an installed one has beside it, and those it is built on."""
    renew(target)
    portable.copy(target)
    os.unlink(f"{target}/setup.cfg")
    facts = f"{target}/qtwisted-{version(top)}.dist-info"
    os.makedirs(facts)
    with open(f"{facts}/METADATA", "w", encoding="ascii") as file:
        file.write(f"Metadata-Version: 2.1\nName: qtwisted\nVersion: {version(top)}\n")
    scripts = declared(top)["options.entry_points"]["console_scripts"].strip()
    with open(f"{facts}/entry_points.txt", "w", encoding="ascii") as file:
        file.write(f"[console_scripts]\n{scripts}\n")
    records = list(recorded(target, ("qtwisted", "twisted/plugins/qmail_plugin.py", os.path.basename(facts))))
    with open(f"{facts}/RECORD", "w", encoding="utf-8") as file:
        file.write("".join(f"{record}\n" for record in records))


def prepare(target: str) -> None:
    """Do once what Python and Twisted would do again in every process that may not write there."""
    for distribution in portable.distributions():
        for file in distribution.files or ():
            source, copy = str(distribution.locate_file(file)), os.path.join(target, file)
            if ".." not in file.parts and source.endswith(".pyc") and os.path.exists(source):
                os.makedirs(os.path.dirname(copy), exist_ok=True)
                shutil.copy2(source, copy)
    compileall.compile_dir(target, quiet=2)
    list_plugins = "import sys; sys.path.insert(0, sys.argv[1])\n" \
                   "from twisted.plugin import IPlugin, getPlugins; list(getPlugins(IPlugin))"
    subprocess.run([sys.executable, "-ISs", "-c", list_plugins, target], check=True)


def recorded(target: str, parts: tuple[str, ...]) -> Iterator[str]:
    """The lines of a RECORD: each file with its digest and size."""
    for part in parts:
        place = os.path.join(target, part)
        for path in [place] if os.path.isfile(place) else sorted(files(place)):
            with open(path, "rb") as file:
                content = file.read()
            code = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
            yield f"{os.path.relpath(path, target)},sha256={code},{len(content)}"


def files(directory: str) -> Iterator[str]:
    """Every file below a directory."""
    for here, _, names in os.walk(directory):
        yield from (os.path.join(here, name) for name in names)


def digest(directory: str) -> str:
    """A number made from every byte below a directory, and from the interpreter that is to run it."""
    whole = hashlib.sha256(f"{sys.version} {interpreter()}".encode())
    for path in sorted(files(directory)):
        with open(path, "rb") as file:
            whole.update(os.fsencode(os.path.relpath(path, directory)) + b"\0" + hashlib.sha256(file.read()).digest())
    return whole.hexdigest()[:12]


def interpreter() -> str:
    """The system's interpreter, without the virtual environment that runs this."""
    return str(getattr(sys, "_base_executable", None) or sys.executable)


def declared(top: str) -> configparser.ConfigParser:
    """What setup.cfg says."""
    parser = configparser.ConfigParser()
    parser.read(f"{top}/setup.cfg")
    return parser


def version(top: str) -> str:
    """Our version."""
    return declared(top)["metadata"]["version"]


def boot(source: str, target: str, home: str) -> None:
    """The boot scripts, with the path of the home."""
    renew(target)
    for name in os.listdir(source):
        with open(f"{source}/{name}", encoding="ascii") as file:
            text = file.read()
        with open(f"{target}/{name}", "w", encoding="ascii") as file:
            file.write(text.replace(BUILT_FOR, home))


def documents(top: str, target: str) -> None:
    """What is to be read; ``guide`` has a directory of its own."""
    renew(target)
    os.mkdir(f"{target}/guide")
    shutil.copyfile(f"{top}/README.rst", f"{target}/README.rst")
    for folder in ("", "/guide"):
        for name in os.listdir(f"{top}/docs{folder}"):
            if os.path.isfile(f"{top}/docs{folder}/{name}") and not name.endswith(".py"):
                shutil.copyfile(f"{top}/docs{folder}/{name}", f"{target}{folder}/{name}")


def describe(top: str, target: str) -> None:
    """Describe this machine, as somebody who is told of a fault or a success wants to know it."""
    renew(f"{target}/system")
    facts = {
        "version": f"qtwisted {version(top)}\n",
        "systype": " ".join(platform.uname()) + "\n",
        "python": f"{interpreter()}\n{sys.version}\n",
        "packages": "".join(f"{found.name} {found.version}\n" for found in found_packages()),
    }
    for name, text in facts.items():
        with open(f"{target}/system/{name}", "w", encoding="utf-8") as file:
            file.write(text)
    names = [*(f"{target}/system/{name}" for name in facts), *(f"{target}/conf/{name}" for name in SETTINGS)]
    with open(f"{top}/SYSDEPS", "w", encoding="utf-8") as file:
        file.write("".join(f"{os.path.relpath(name, top)}\n" for name in names))


def found_packages() -> list[metadata.Distribution]:
    """The packages we are built on, by name."""
    return sorted(portable.distributions(), key=lambda found: found.name.lower())


def renew(directory: str) -> None:
    """An empty directory, whatever was there."""
    shutil.rmtree(directory, ignore_errors=True)
    os.makedirs(directory)


def main() -> int:
    """Run the program."""
    top, target = (os.path.abspath(path) for path in sys.argv[1:])
    os.umask(0o022)
    try:
        collect(top, target)
    except Refused as trouble:
        sys.stderr.write(f"make it: {trouble}\n")
        return 100
    return 0


if __name__ == "__main__":
    sys.exit(main())
