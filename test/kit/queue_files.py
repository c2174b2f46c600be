"""A home with a queue whose files a test writes itself, as qmail-send and qmail-queue would have left them."""

from __future__ import annotations

import os

SPLIT_KINDS = ("mess", "info", "local", "remote")
OTHER_KINDS = ("pid", "intd", "todo", "bounce", "lock")


class QueueFiles:
    """The files below HOME/queue."""

    def __init__(self, home: str, split: int = 23) -> None:
        """Make the directories, those of the home included."""
        self.home = home
        self.queue = f"{home}/queue"
        self.split = split
        os.makedirs(f"{home}/control", exist_ok=True)
        for kind in OTHER_KINDS:
            os.makedirs(f"{self.queue}/{kind}")
        for kind in SPLIT_KINDS:
            for part in range(split):
                os.makedirs(f"{self.queue}/{kind}/{part}")

    def path(self, kind: str, number: int) -> str:
        """Say where a file of a message lies."""
        part = f"{number % self.split}/" if kind in SPLIT_KINDS else ""
        return f"{self.queue}/{kind}/{part}{number}"

    def put(self, kind: str, number: int, content: bytes, modified_at: int | None = None) -> None:
        """Write a file."""
        path = self.path(kind, number)
        with open(path, "wb") as file:
            file.write(content)
        if modified_at is not None:
            os.utime(path, (modified_at, modified_at))

    def message(self, number: int, local: bytes = b"", remote: bytes = b"", born_at: int = 812345679) -> None:
        """Write the files of a planned message of three bytes from s@x; the recipients are records."""
        self.put("mess", number, b"hi\n")
        self.put("info", number, b"Fs@x\0", born_at)
        for kind, records in (("local", local), ("remote", remote)):
            if records:
                self.put(kind, number, records)
