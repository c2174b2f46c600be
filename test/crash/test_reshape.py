"""qmail-upq is killed, or loses power, after every single step.

After each cut every message is still there with its text, sender and recipients; what a qmail-send started then would
take for a message is a whole one; and the next run of qmail-upq brings the queue into shape.
"""

from __future__ import annotations

import itertools

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.store.kinds import reshape
from qtwisted.store.kinds.reshape import KINDS, SPLIT_KINDS, Reshape
from test.kit.powercut import Image, PowerCutDisk

SPLIT = 3
#: possible states tried after one step
STATES_MAX = 12

#: path and inode of every file before; the text of a message is "text INODE"
BEFORE = {
    # planned for a split of 2, with everything a message may have
    "mess/1/11": 11, "info/1/11": 111, "local/1/11": 112, "remote/1/11": 113, "bounce/11": 114,
    # each has the number that is the other's
    "mess/0/12": 21, "info/0/12": 121, "local/0/12": 122, "remote/0/12": 123, "bounce/12": 124,
    "mess/0/21": 12, "info/0/21": 211, "remote/0/21": 213,
    # two in todo, of which the second must go first; the first was being planned
    "mess/0/30": 31, "todo/30": 301, "intd/30": 301, "info/0/30": 302, "local/0/30": 303,
    "mess/1/31": 32, "todo/31": 311,
    # never split, and abandoned
    "mess/45": 45, "info/45": 451, "local/45": 452,
    "mess/1/41": 41,
    # in shape
    "mess/0/6": 6, "info/0/6": 61, "local/0/6": 62,
    # a rest of a message that is no more, with the number that another one will have
    "local/2/32": 921,
}

#: the same afterwards; the rest went away when its number was taken
AFTER = {
    "mess/2/11": 11, "info/2/11": 111, "local/2/11": 112, "remote/2/11": 113, "bounce/11": 114,
    "mess/0/21": 21, "info/0/21": 121, "local/0/21": 122, "remote/0/21": 123, "bounce/21": 124,
    "mess/0/12": 12, "info/0/12": 211, "remote/0/12": 213,
    "mess/1/31": 31, "todo/31": 301,
    "mess/2/32": 32, "todo/32": 311,
    "mess/0/45": 45, "info/0/45": 451, "local/0/45": 452,
    "mess/2/41": 41,
    "mess/0/6": 6, "info/0/6": 61, "local/0/6": 62,
}


def directories() -> list[str]:
    """All directories of the queue."""
    split = [f"{kind}/{part}" for kind in SPLIT_KINDS for part in range(SPLIT)]
    return [*KINDS, *split]


def image(files: dict[str, int]) -> Image:
    """A file system with these files."""
    names: dict[str, dict[str, int]] = {directory: {} for directory in directories()}
    for path, inode in files.items():
        directory, _, name = path.rpartition("/")
        names[directory][name] = inode
    return Image(names, {inode: b"text %d" % inode for inode in files.values()})


def files(found: Image) -> dict[str, int]:
    """The files of a file system."""
    return {f"{directory}/{name}": inode for directory, names in found.names.items() for name, inode in names.items()}


def messages(there: dict[str, int]) -> set[frozenset[tuple[str, int]]]:
    """What a qmail-send of this split finds, each message as its files without their names.

    A message in todo has its text and its envelope, a planned one its text, sender, recipients and failures.
    """
    found = set()
    for number in {path.rpartition("/")[2] for path in there}:
        part = f"{int(number) % SPLIT}/{number}"
        kinds = ("mess", "todo") if f"todo/{number}" in there else ("mess", "info", "local", "remote", "bounce")
        paths = {kind: f"{kind}/{part}" if kind in SPLIT_KINDS else f"{kind}/{number}" for kind in kinds}
        if paths["mess"] in there and (f"todo/{number}" in there or paths.get("info") in there):
            found.add(frozenset((kind, there[path]) for kind, path in paths.items() if path in there))
    return found


def reshaped(disk: PowerCutDisk) -> list[str]:
    """Run the work on a disk; give what was said."""
    by_kind = {kind: [name for name in directories() if name.split("/")[0] == kind] for kind in KINDS}
    said: list[str] = []
    Reshape(disk, SPLIT, by_kind, said.append).run()  # type: ignore[arg-type]
    return said


class CrashTests(SynchronousTestCase):
    """Cuts everywhere, with several messages moved together and with one at a time."""

    def test_result(self) -> None:
        """Without a cut all is where it belongs, and a second run has nothing to do."""
        disk = PowerCutDisk(image(BEFORE), "ordered")
        self.assertEqual(reshaped(disk), [])
        self.assertEqual(files(disk.image()), AFTER)
        steps = len(disk.steps)
        reshaped(disk)
        self.assertEqual(len(disk.steps), steps)

    def test_cuts(self) -> None:
        """After a cut nothing is lost or halved, and the next run ends where an undisturbed one does."""
        for model, together in itertools.product(("weak", "ordered"), (1, 3, 500)):
            self.patch(reshape, "TOGETHER", together)
            self.cut_everywhere(model)

    def cut_everywhere(self, model: str) -> None:
        """Cut after every step."""
        disk = PowerCutDisk(image(BEFORE), model)
        whole = messages(AFTER)
        tried: set[frozenset[tuple[str, int]]] = set()
        cuts = []

        def cut() -> None:
            """Collect what may be found now."""
            for state in itertools.islice(disk.crash_states(), STATES_MAX):
                there = files(state)
                if frozenset(there.items()) not in tried:
                    tried.add(frozenset(there.items()))
                    cuts.append(there)

        disk.after_step = cut
        reshaped(disk)
        self.assertGreater(len(cuts), 30)
        for there in cuts:
            partly = [found for found in messages(there) if found not in whole and not self.was_before(found)]
            self.assertEqual(partly, [], there)
            after = PowerCutDisk(image(there), model)
            reshaped(after)
            self.assertEqual(messages(files(after.image())), whole, there)

    def was_before(self, found: frozenset[tuple[str, int]]) -> bool:
        """Was this there before anything was done, as the message of a number that is now another's?"""
        return found in messages(BEFORE)

    def test_two_messages_of_one_number(self) -> None:
        """If the split was changed and mail came in since, two messages may have one number; both are kept."""
        before = {"mess/1/11": 50, "info/1/11": 111, "local/1/11": 112, "mess/2/11": 11, "info/2/11": 211,
                  "remote/2/11": 213}
        disk = PowerCutDisk(image(before), "ordered")
        self.assertEqual(reshaped(disk), [])
        self.assertEqual(files(disk.image()), {
            "mess/2/50": 50, "info/2/50": 111, "local/2/50": 112, "mess/2/11": 11, "info/2/11": 211,
            "remote/2/11": 213})

    def test_moved_in_part(self) -> None:
        """Files that a script moved kind by kind, and did not come to the end, are brought together."""
        before = {"mess/2/11": 11, "info/2/11": 111, "local/11": 112, "remote/11": 113}
        disk = PowerCutDisk(image(before), "ordered")
        reshaped(disk)
        self.assertEqual(files(disk.image()), {"mess/2/11": 11, "info/2/11": 111, "local/2/11": 112,
                                               "remote/2/11": 113})

    def test_rest_in_the_way(self) -> None:
        """A number that files without a text have is not taken; the message keeps its own, and that is said."""
        before = {"mess/0/30": 31, "info/0/30": 301, "local/0/30": 302, "info/1/31": 900}
        disk = PowerCutDisk(image(before), "ordered")
        said = reshaped(disk)
        self.assertEqual(set(said), {"warning: message 30 cannot get the number 31, of which there are files"})
        self.assertEqual(files(disk.image()), before)

    def test_started_in_between(self) -> None:
        """After a cut qmail-send may have finished the message under its new number; the rest goes away."""
        before = {"mess/0/30": 31, "mess/1/31": 31, "info/1/31": 301, "local/0/30": 302, "bounce/30": 303}
        disk = PowerCutDisk(image(before), "ordered")
        self.assertEqual(reshaped(disk), [])
        self.assertEqual(files(disk.image()), {"mess/1/31": 31, "info/1/31": 301})
