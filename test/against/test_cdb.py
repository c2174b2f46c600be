"""Our cdb files and those of Debian's tinycdb and freecdb: the same bytes, and each reads the other's."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.config import newmrh, newu
from qtwisted.config.cdb import Reader, make, records
from test.unit.config.program_case import ProgramCase

Records = list[tuple[bytes, bytes]]

SAMPLES: dict[str, Records] = {
    "empty": [],
    "one": [(b"one", b"Hello")],
    "empty key and empty data": [(b"", b"x"), (b"y", b""), (b"", b"")],
    "duplicate keys": [(b"k", b"first"), (b"other", b"o"), (b"k", b"second"), (b"k", b"third")],
    "any bytes": [(bytes(range(256)), b"->:,\n+\0"), (b"\n", b"\n\n"), (b"\0", bytes(range(255, -1, -1)))],
    "long": [(b"k" * 5000, b"d" * 300000)],
    "10,000 keys": [(b"key%d" % number, b"d" * (number % 17) + b"%d" % number) for number in range(10000)],
    "10,000 times one key": [(b"k", b"%d" % number) for number in range(10000)],
}


def as_text(entries: Records) -> bytes:
    """What cdbmake and cdb -c read."""
    return b"".join(b"+%d,%d:%s->%s\n" % (len(key), len(data), key, data) for key, data in entries) + b"\n"


class CdbTests(SynchronousTestCase):
    """tinycdb (cdb) and freecdb (cdbmake, cdbdump, cdbget)."""

    def setUp(self) -> None:
        """Look for their programs."""
        for program in ("cdb", "cdbmake", "cdbdump", "cdbget"):
            if shutil.which(program) is None:
                raise self.skipTest(f"{program} is not installed")

    def run_it(self, *words: str | bytes, data: bytes = b"") -> bytes:
        """Run one of their programs and give what it prints."""
        done = subprocess.run(words, input=data, capture_output=True, check=False, timeout=120)
        self.assertEqual(done.returncode, 0, (words, done.stderr))
        return done.stdout

    def test_same_bytes(self) -> None:
        """From the same records all three make the same file."""
        for name, entries in SAMPLES.items():
            tiny, free = self.mktemp(), self.mktemp()
            self.run_it("cdb", "-c", tiny, "-", data=as_text(entries))
            self.run_it("cdbmake", free, free + ".tmp", data=as_text(entries))
            image = make(entries)
            self.assertTrue(Path(tiny).read_bytes() == image, f"tinycdb, {name}")
            self.assertTrue(Path(free).read_bytes() == image, f"freecdb, {name}")

    def test_they_list_ours(self) -> None:
        """Both print all records of a file of ours in their order, equal keys included."""
        for name, entries in SAMPLES.items():
            path = self.mktemp()
            Path(path).write_bytes(make(entries))
            self.assertTrue(self.run_it("cdb", "-d", path) == as_text(entries), f"tinycdb, {name}")
            dumped = self.run_it("cdbdump", data=Path(path).read_bytes())
            self.assertTrue(dumped == as_text(entries), f"freecdb, {name}")

    def test_they_find_in_ours(self) -> None:
        """Both find what is in a file of ours, and the first of equal keys; what is not there they do not find."""
        for name, entries in SAMPLES.items():
            path = self.mktemp()
            Path(path).write_bytes(make(entries))
            keys = [key for key, _ in entries if key and b"\0" not in key]  # those that a command line can hold
            for key in keys[:: max(1, len(keys) // 20)]:
                first = next(data for other, data in entries if other == key)
                self.assertTrue(self.run_it("cdb", "-q", "-n", "1", path, key) == first, (name, key[:20]))
                with open(path, "rb") as file:  # cdbget seeks in it
                    done = subprocess.run([b"cdbget", key], stdin=file, capture_output=True, check=True)
                self.assertTrue(done.stdout == first, (name, key[:20]))
            done = subprocess.run(["cdb", "-q", path, "unknown"], capture_output=True, check=False)
            self.assertEqual((done.returncode, done.stdout), (100, b""))

    def test_we_read_theirs(self) -> None:
        """We list and find every record of files that they made."""
        for name, entries in SAMPLES.items():
            for words in (("cdb", "-c", "{}", "-"), ("cdbmake", "{}", "{}.tmp")):
                path = self.mktemp()
                self.run_it(*(word.format(path) for word in words), data=as_text(entries))
                self.assertTrue(list(records(Path(path).read_bytes())) == entries, name)
                with Reader.open(path) as reader:
                    for key, data in dict(reversed(entries)).items():
                        self.assertEqual(reader.get(key), data)
                    self.assertIsNone(reader.get(b"unknown"))


class TableTests(ProgramCase):
    """The tables that our programs write, in the hands of Debian's."""

    def test_tables(self) -> None:
        """What qmail-newu and qmail-newmrh write, tinycdb reads."""
        if shutil.which("cdb") is None:
            raise self.skipTest("tinycdb is not installed")
        people = b"".join(b"=user%d:joe:%d:100:/home/%d:::\n" % (number, number, number) for number in range(1000))
        self.put("users/assign", people + b"+list-:joe:7:8:/l:-::\n.\n")
        self.assertEqual(self.run_program(newu.main), (0, ""))
        self.put("control/morercpthosts", b"One.example\n.two.example\n")
        self.assertEqual(self.run_program(newmrh.main), (0, ""))
        for table, key, wanted in (
            ("users/cdb", b"!list-", b"joe\x007\x008\0/l\0-\0"),
            ("control/morercpthosts.cdb", b"one.example", b""),
            ("control/morercpthosts.cdb", b".two.example", b""),
        ):
            found = subprocess.run(["cdb", "-q", f"{self.home}/{table}", key], capture_output=True, check=True)
            self.assertEqual(found.stdout, wanted)
        dumped = subprocess.run(["cdb", "-d", f"{self.home}/users/cdb"], capture_output=True, check=True).stdout
        self.assertTrue(b"+9,23:!user777\0->joe\x00777\x00100\0/home/777\0\0\n" in dumped)
