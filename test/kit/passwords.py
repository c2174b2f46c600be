"""Passwords for the people of a world, in the place of the machine's."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from qtwisted.trust.login import crypts

if TYPE_CHECKING:
    from test.kit.world import World

SECRET = "se cret"


def hide_system_files(world: World) -> None:
    """Put passwords and rules of the test in the place of the machine's, in this world only."""
    hashed = crypts._crypt(SECRET.encode(), b"$6$abcdefgh$")
    assert hashed is not None
    shadow, rules = f"{world.place}/shadow", f"{world.place}/pam.d"
    with open(shadow, "w", encoding="ascii") as file:
        for name in ("root", *world.people):
            file.write(f"{name}:{hashed.decode()}:19000:0:99999:7:::\n")
    os.chmod(shadow, 0o600)
    os.mkdir(rules)
    with open(f"{rules}/pop3", "w", encoding="ascii") as file:
        file.write("auth required pam_unix.so nodelay\naccount required pam_unix.so\n")
    for source, target in ((shadow, "/etc/shadow"), (rules, "/etc/pam.d")):
        done = world.run(["mount", "--bind", source, target])
        world.test.assertEqual(done.returncode, 0, done.stderr)
