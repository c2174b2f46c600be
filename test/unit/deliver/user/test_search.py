"""Which .qmail file an address belongs to."""

from __future__ import annotations

import os

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.deliver.user import search
from qtwisted.deliver.user.outcome import REFUSED, TRY_LATER, Failed
from qtwisted.deliver.user.request import Request

PATRN = 0o022


def names(dash: bytes, ext: bytes) -> list[bytes]:
    """The candidates for an extension, without the .qmail in front."""
    return [name.removeprefix(b".qmail") for name, _ in search.candidates(dash, ext)]


class CandidatesTests(SynchronousTestCase):
    """The names tried, in order (edge-local 5)."""

    def test_table(self) -> None:
        """Each row of the table."""
        self.assertEqual(names(b"", b""), [b"", b"default"])
        self.assertEqual(names(b"-", b""), [b"-", b"-default"])
        self.assertEqual(names(b"-", b"a"), [b"-a", b"-default"])
        self.assertEqual(names(b"-", b"a-"), [b"-a-", b"-a-default", b"-default"])
        self.assertEqual(names(b"-", b"a-b-c"), [b"-a-b-c", b"-a-b-default", b"-a-default", b"-default"])

    def test_mapping(self) -> None:
        """Capitals become small and dots colons, in the extension only (L18)."""
        self.assertEqual(names(b"-A.", b"A.b")[0], b"-A.a:b")

    def test_default(self) -> None:
        """DEFAULT is what the default file stands for, as it was written (L17)."""
        found = dict(search.candidates(b"-", b"A-b.C-d-e"))
        self.assertEqual(found[b".qmail-a-default"], b"b.C-d-e")
        self.assertEqual(found[b".qmail-default"], b"A-b.C-d-e")
        self.assertEqual(found[b".qmail-a-b:c-d-default"], b"e")
        self.assertIsNone(found[b".qmail-a-b:c-d-e"])

    def test_extension_named_default(self) -> None:
        """An extension that ends in default is its own DEFAULT."""
        self.assertEqual(next(search.candidates(b"-", b"x-DeFault")), (b".qmail-x-default", b"DeFault"))

    def test_stays_below_home(self) -> None:
        """No extension leads up in the tree (L10)."""
        self.assertEqual(names(b"-", b"../../etc/passwd")[0], b"-::/::/etc/passwd")
        self.assertEqual(names(b"-", b"..")[0], b"-::")


class InHome(SynchronousTestCase):
    """A test that works in a home of its own."""

    def setUp(self) -> None:
        """Make the home and go there."""
        here = os.getcwd()
        self.addCleanup(os.chdir, here)
        home = self.mktemp()
        os.mkdir(home)
        os.chdir(home)

    def write(self, name: str, text: str = "", mode: int = 0o600) -> None:
        """Write a file."""
        with open(name, "w") as file:
            file.write(text)
        os.chmod(name, mode)

    def failure(self, code: int, text: bytes, *arguments: bytes) -> None:
        """Assert that a search fails in this way."""
        failed = self.assertRaises(Failed, search.find, *(arguments or (b"-", b"a")), PATRN)
        self.assertEqual((failed.code, failed.text), (code, text))


class FindTests(InHome):
    """Which file it is in the end."""

    def test_nothing(self) -> None:
        """If there is no file, that is said and nothing else."""
        self.assertIsNone(search.find(b"-", b"a", PATRN))

    def test_first_wins(self) -> None:
        """The file of the address comes before the default files."""
        self.write(".qmail-default", "#default\n")
        self.assertEqual(search.find(b"-", b"a", PATRN), (b"#default\n", False, b"a", b".qmail-default"))
        self.write(".qmail-a", "#a\n")
        self.assertEqual(search.find(b"-", b"a", PATRN), (b"#a\n", False, None, b".qmail-a"))

    def test_qmaildefault(self) -> None:
        """Without dash and extension the default file has no dash either."""
        self.write(".qmaildefault", "#\n")
        self.assertEqual(search.find(b"", b"", PATRN), (b"#\n", False, b"", b".qmaildefault"))

    def test_x_bit(self) -> None:
        """The owner's x bit says that only forwards are allowed."""
        self.write(".qmail-a", "&a@b\n", 0o700)
        self.assertEqual(search.find(b"-", b"a", PATRN), (b"&a@b\n", True, None, b".qmail-a"))
        self.write(".qmail-a", "&a@b\n", 0o655)
        self.assertEqual(search.find(b"-", b"a", PATRN), (b"&a@b\n", False, None, b".qmail-a"))

    def test_writable(self) -> None:
        """A file that others may write is not believed, empty or not (L14)."""
        for mode in (0o646, 0o664, 0o620, 0o602):
            self.write(".qmail-a", "", mode)
            self.failure(TRY_LATER, b"Uh-oh: .qmail file is writable. (#4.7.0)\n")

    def test_not_regular(self) -> None:
        """What is no regular file is passed over at once, without opening what would wait (L06, L27)."""
        self.write(".qmail-default", "#default\n")
        os.mkdir(".qmail-dir")
        os.mkfifo(".qmail-fifo")
        os.symlink("/dev/zero", ".qmail-zero")
        os.symlink("nowhere", ".qmail-dangling")
        os.symlink(".qmail-loop", ".qmail-loop")
        for name in (b"dir", b"fifo", b"zero", b"dangling", b"loop", b"default/x"):
            self.assertEqual(search.find(b"-", name, PATRN), (b"#default\n", False, name, b".qmail-default"))

    def test_link(self) -> None:
        """A link to a regular file is as good as the file."""
        self.write("elsewhere", "#x\n")
        os.symlink("elsewhere", ".qmail-a")
        self.assertEqual(search.find(b"-", b"a", PATRN), (b"#x\n", False, None, b".qmail-a"))

    def test_too_big(self) -> None:
        """A file of a mebibyte is read, a larger one is not waited for (L06)."""
        self.write(".qmail-a", "#" * (1 << 20))
        found = search.find(b"-", b"a", PATRN)
        assert found is not None
        self.assertEqual(len(found.text), 1 << 20)
        os.truncate(".qmail-a", 1 << 30)
        self.failure(TRY_LATER, b"Uh-oh: .qmail file is too big. (#4.3.0)\n")

    def test_long_names(self) -> None:
        """A name too long for the file system does not exist; the default file is found (L10)."""
        self.write(".qmail-default", "#\n")
        for ext in (b"x" * 255, b"x" * 900, b"x-" * 450, b"/x" * 4000):
            self.assertEqual(search.find(b"-", ext, PATRN), (b"#\n", False, ext, b".qmail-default"))

    def test_odd_extensions(self) -> None:
        """8-bit and percent signs are names like others (L10)."""
        for ext in (b"\xff\xfe", b"%00", b"a b"):
            self.write(f".qmail-{os.fsdecode(ext)}", "#\n")
            self.assertEqual(search.find(b"-", ext, PATRN), (b"#\n", False, None, b".qmail-" + ext))

    def test_trouble(self) -> None:
        """A file that cannot be opened now stops the delivery; nothing less specific is used (L30)."""
        import errno

        self.write(".qmail-default", "#\n")
        for number, text in ((errno.EACCES, b"access denied"), (errno.EPERM, b"permission denied"),
                             (errno.EIO, b"input/output error"), (errno.EMFILE, b"process cannot open more files")):

            def fail(*arguments: object, number: int = number) -> int:
                """Refuse to open anything."""
                raise OSError(number, "no")

            self.patch(search.os, "open", fail)
            self.failure(TRY_LATER, b"Unable to open .qmail-a: " + text + b". (#4.3.0)\n")


class ForwardingSenderTests(InHome):
    """Who sends the forwards (edge-local 7, L19)."""

    def sender(self, sender: bytes = b"s@t", ext: bytes = b"l") -> bytes:
        """The sender of forwards for joe-l."""
        request = Request(b"joe", b"/", b"Joe-" + ext, b"-", ext, b"H.o", sender, b"")
        return search.forwarding_sender(request)

    def test_plain(self) -> None:
        """Without an owner the sender stays."""
        self.assertEqual(self.sender(), b"s@t")

    def test_owner(self) -> None:
        """With an owner file of any type, bounces go to the owner; the address keeps its case."""
        os.mkdir(".qmail-l-owner")
        self.assertEqual(self.sender(), b"Joe-l-owner@H.o")

    def test_owner_default(self) -> None:
        """With a default owner as well, each recipient gets a sender of its own."""
        self.write(".qmail-l-owner")
        self.write(".qmail-l-owner-default")
        self.assertEqual(self.sender(), b"Joe-l-owner-@H.o-@[]")

    def test_owner_default_alone(self) -> None:
        """A default owner alone does not count."""
        self.write(".qmail-l-owner-default")
        self.assertEqual(self.sender(), b"s@t")

    def test_bounces(self) -> None:
        """Bounces and double bounces stay what they are."""
        self.write(".qmail-l-owner")
        self.assertEqual(self.sender(b""), b"")
        self.assertEqual(self.sender(b"#@[]"), b"#@[]")

    def test_full_extension(self) -> None:
        """The owner belongs to the whole extension, also if a default file handles it."""
        self.write(".qmail-l-owner")
        self.assertEqual(self.sender(ext=b"l-x"), b"s@t")
        self.write(".qmail-l-x:y-owner")
        self.assertEqual(self.sender(ext=b"l-X.Y"), b"Joe-l-X.Y-owner@H.o")

    def test_trouble(self) -> None:
        """If it cannot be told now whether there is an owner, the delivery waits."""
        import errno

        def fail(*arguments: object) -> int:
            """Refuse to look at anything."""
            raise OSError(errno.EIO, "no")

        self.patch(search.os, "stat", fail)
        failed = self.assertRaises(Failed, self.sender)
        self.assertEqual((failed.code, failed.text),
                         (TRY_LATER, b"Unable to open .qmail-l-owner: input/output error. (#4.3.0)\n"))
        self.assertNotEqual(failed.code, REFUSED)
