"""Tests for qtwisted.system.start: how a role's command line is made and read."""

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.system.start import StartError, Words, command


class WordsTests(SynchronousTestCase):
    """The command line of a role says what it is handed."""

    def test_round_trip(self) -> None:
        """What the master puts on the command line is what the role reads, odd values included."""
        words = command("lspawn", "/a b", 7, (0, 12), {"orders": 3, "log": 4},
                        {"default_delivery": "|a=b\n./Mailbox"}, ["/x", "/y"])
        read = Words(words[words.index("lspawn"):])
        self.assertEqual((read.role, read.home, read.parent), ("lspawn", "/a b", 7))
        self.assertEqual((read.uid, read.gid), (0, 12))
        self.assertEqual(read.fds, {"orders": 3, "log": 4})
        self.assertEqual(read.options, {"default_delivery": "|a=b\n./Mailbox"})
        self.assertEqual(read.path, ["/x", "/y"])

    def test_no_user(self) -> None:
        """Without root nobody's uid is named, so nobody switches."""
        read = Words(["send", "home=/h", "parent=1"])
        self.assertIsNone(read.uid)
        self.assertIsNone(read.gid)

    def test_isolated(self) -> None:
        """The interpreter looks neither into the working directory nor into a user's own packages."""
        words = command("send", "/h", 1, None, {}, {})
        self.assertEqual(words[1:3], ["-P", "-s"])

    def test_refuses(self) -> None:
        """A command line that lacks something is refused."""
        for argv in ([], ["send"], ["send", "home=/h"], ["send", "parent=1"], ["send", "home=/h", "parent=1", "x"]):
            self.assertRaises(StartError, Words, argv)
