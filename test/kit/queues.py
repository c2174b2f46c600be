"""Queues full of messages, written by hand."""

from __future__ import annotations

import os

SPLIT = 23
#: a file may have 65,000 names on ext4
LINKS_MAX = 50_000


def fill(queue: str, count: int, begin: int = 1000, born_at: int = 1_800_000_000, recipients: tuple[bytes, ...] = (),
         texts: bool = True) -> None:
    """Write *count* preprocessed messages below *queue*, each from its own sender to a recipient of its own.

    Without *texts* they share one file by hard links, which is all that a program that only lists will see.
    """
    shared = ""
    for number in range(begin, begin + count):
        part = str(number % SPLIT)
        name = os.path.join(queue, "mess", part, str(number))
        if texts or (number - begin) % LINKS_MAX == 0:
            put(name, b"Subject: %d\n\nhello\n" % number)
            shared = name
        else:
            os.link(shared, name)
        info = os.path.join(queue, "info", part, str(number))
        put(info, b"Fs%d@test.example\0" % number)
        os.utime(info, (born_at, born_at))
        wanted = recipients or (b"r%d@far.example" % number,)
        put(os.path.join(queue, "remote", part, str(number)), b"".join([b"T%s\0" % each for each in wanted]))


def put(path: str, data: bytes) -> None:
    """Write a file."""
    with open(path, "wb") as file:
        file.write(data)


def directories(queue: str) -> None:
    """Make the directories of an empty queue."""
    for kind in ("mess", "info", "local", "remote"):
        for part in range(SPLIT):
            os.makedirs(os.path.join(queue, kind, str(part)))
    for kind in ("bounce", "todo", "intd", "pid", "lock"):
        os.makedirs(os.path.join(queue, kind))
