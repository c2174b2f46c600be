"""As root: every process is who it should be, holds what it should hold, and nothing more."""

import os
import shutil

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.system import roles
from test.kit.code import code
from test.kit.faults import traced
from test.kit.homes import PORT
from test.kit.running import Running, wait_until
from test.kit.world import NOFILES, NOT_ROOT, QMAIL, ROLES, World

GROUPS = {"qmail": QMAIL, "nofiles": NOFILES}

#: who may write what: directories and files below the home
WRITABLE: dict[str, set[str]] = {
    "alias": {"alias"},
    "qmaild": set(),
    "qmaill": set(),
    "qmailp": set(),
    "qmailq": {"queue", "queue/intd", "queue/lock", "queue/lock/trigger", "queue/mess/0", "queue/pid", "queue/todo"},
    "qmailr": {"queue/lock/tcpto", "queue/lock/trigger"},
    "qmails": {"queue/bounce", "queue/info/0", "queue/local/0", "queue/lock/sendmutex", "queue/lock/trigger",
               "queue/remote/0"},
    "me": set(),
}

#: what root may open for writing: nothing, and the name of the process itself
HARMLESS = ('"/dev/null"', '"/proc/self/comm"')


def status(pid: int) -> dict[str, str]:
    """The lines of /proc/PID/status."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return {name: value.strip() for name, _, value in (line.partition(":") for line in file)}


def environment(pid: int) -> set[str]:
    """The names in the environment of a process."""
    with open(f"/proc/{pid}/environ", "rb") as file:
        return {entry.partition(b"=")[0].decode() for entry in file.read().split(b"\0") if entry}


def descriptors(pid: int) -> int:
    """How many descriptors a process has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))


class SeparationTests(SynchronousTestCase):
    """The security diagram, compared with what really runs."""

    skip = NOT_ROOT

    def setUp(self) -> None:
        """Start the system among its own users."""
        self.world = World(self)
        self.running = self.world.up(*PORT, "--pop3", PORT[1], "--fronts", "1")

    def test_users(self) -> None:
        """Each role has one uid, one gid and one group in every sense of the word: those of the table (X01)."""
        seen = {}
        for pid, name in self.running.roles().items():
            facts = status(pid)
            seen[name] = (set(facts["Uid"].split()), set(facts["Gid"].split()), facts["Groups"].split())
        expected = {}
        for row in roles.ROLES:
            uid = "0" if row.user == "root" else str(ROLES[row.user][0])
            gid = str(GROUPS[row.group])
            expected[row.name] = ({uid}, {gid}, [gid])
        self.assertEqual(seen, expected)

    def test_names(self) -> None:
        """ps, top and killall know each role by the name of the program of 1.02 in whose place it is."""
        self.world.inject(b"to: me\n")
        self.running.wait_for(r"end msg \d+")
        shown = {name: status(pid)["Name"] for pid, name in self.running.roles().items()}
        self.assertEqual(shown, roles.SHOWN_AS)

    def test_capabilities(self) -> None:
        """Nobody but lspawn and auth has any right of root left."""
        for pid, name in self.running.roles().items():
            if name not in ("lspawn", "auth"):
                facts = status(pid)
                self.assertEqual((facts["CapEff"], facts["CapPrm"]), ("0" * 16, "0" * 16), name)

    def test_environment(self) -> None:
        """The environment of every role is a fixed list, whatever the master's holds (X05)."""
        for pid, name in self.running.roles().items():
            self.assertEqual(environment(pid), {"PATH"}, name)

    def test_descriptors(self) -> None:
        """After many deliveries every role has as many descriptors open as before (X04)."""
        self.world.inject(b"to: me\n")  # what is opened at first use is opened now
        self.running.wait_for(r"end msg \d+")
        before = {name: descriptors(pid) for pid, name in self.running.roles().items()}
        for _ in range(20):
            start = len(self.running.log)
            self.world.inject(b"to: me, joe\n")
            self.running.wait_for(r"end msg \d+", start)
        after = {name: descriptors(pid) for pid, name in self.running.roles().items()}
        self.assertEqual(set(before), set(after))
        for name, count in after.items():
            self.assertLessEqual(count, before[name] + 1, name)

    def test_stdin_and_umask(self) -> None:
        """No role has a terminal or anything of the master's on descriptors 0; files are private by default."""
        for pid, name in self.running.roles().items():
            self.assertEqual(os.readlink(f"/proc/{pid}/fd/0"), os.devnull, name)
            self.assertEqual(status(pid)["Umask"], f"{roles.role(name).umask:04o}", name)

    def test_sockets(self) -> None:
        """The private socket of the door hangs up on people, the public one does not."""
        me = self.world.people["me"]
        probe = ("import socket, sys; s = socket.socket(socket.AF_UNIX); s.settimeout(30); s.connect(sys.argv[1])\n"
                 "try:\n  s.sendall(b'A' + bytes(8)); print(s.recv(1) == b'')\n"
                 "except (BrokenPipeError, ConnectionResetError): print(True)\n")
        done = self.world.run(["/usr/bin/python3", "-c", probe, f"{self.world.home}/run/queue-priv.sock"], who=me)
        self.assertEqual(done.stdout, b"True\n", done.stderr)
        self.world.inject(b"to: me\n")

    def test_queue_is_closed(self) -> None:
        """People can neither list nor read the queue."""
        me = self.world.people["me"]
        for words in (["ls", f"{self.world.home}/queue"], ["ls", f"{self.world.home}/queue/mess"]):
            self.assertNotEqual(self.world.run(words, who=me).returncode, 0)

    def test_log_program(self) -> None:
        """The program of --log runs as the log user, and so does the default one for the background."""
        self.running.stop()
        path = f"{self.world.place}/who"
        os.mkdir(path, 0o777)
        os.chmod(path, 0o777)
        running = self.world.start("--log", f"sh -c 'id -u > {path}/u; id -G > {path}/g; exec cat > {path}/log'")
        wait_until(lambda: "status: " in self.world.read(f"{path}/log"), "the log")
        self.assertEqual((self.world.read(f"{path}/u"), self.world.read(f"{path}/g")),
                         (f"{ROLES['qmaill'][0]}\n", f"{NOFILES}\n"))
        running.stop()

    def test_unreachable(self) -> None:
        """Packages that recipients cannot read are refused at the start, with the directory that is in the way."""
        self.running.stop()
        private = f"{self.world.place}/private"
        os.mkdir(private, 0o700)
        shutil.copytree(f"{code().path}/qtwisted", f"{private}/qtwisted")
        shutil.copytree(f"{code().path}/twisted", f"{private}/twisted")
        words = self.world.inside(code().twistd("-n", "qmail", "--home", self.world.home))
        running = Running(words, self.world.home, {**code().environment(), "PYTHONPATH": private})
        self.addCleanup(running.kill)
        self.assertEqual(running.ended(), 1)
        text = running.errors.decode()
        self.assertTrue(text.startswith(f"twistd qmail: fatal: users cannot read {private}/qtwisted/__init__.py: "
                                        f"{private} is closed to them. "), text)
        self.assertEqual(text.count("\n"), 1)

    def test_root_gets_nothing(self) -> None:
        """Mail for root goes to the alias user; nothing is ever delivered as root."""
        self.world.inject(b"to: root\n")
        self.running.wait_for(r"delivery \d+: success: did_1\+0\+0/")
        self.assertIn("Delivered-To: root@test.example", self.world.read(f"{self.world.home}/alias/Mailbox"))

    def test_who_may_write_where(self) -> None:
        """Each user can write in the directories of his own role and nowhere else, people nowhere (X02, I11)."""
        probe = "import os, sys; print(*(name for name in sys.argv[1:] if os.access(name, os.W_OK)))"
        queue = [f"queue/{name}" for name in ("pid", "intd", "todo", "bounce", "lock")]
        queue += [f"queue/{name}/0" for name in ("mess", "info", "local", "remote")]
        files = ["queue/lock/trigger", "queue/lock/sendmutex", "queue/lock/tcpto", "users/cdb", "control/me"]
        names = [".", "bin", "control", "users", "alias", "run", "queue", *queue, *files]
        names = [name for name in names if os.path.lexists(f"{self.world.home}/{name}")]
        found = {}
        users = {name: (uid, gid) for name, (uid, gid) in ROLES.items()}
        users["me"] = (self.world.people["me"].uid, self.world.people["me"].gid)
        for user, (uid, gid) in users.items():
            words = ["setpriv", f"--reuid={uid}", f"--regid={gid}", f"--groups={gid}", "/usr/bin/python3", "-c"]
            done = self.world.run([*words, probe, *(f"{self.world.home}/{name}" for name in names)])
            self.assertEqual(done.returncode, 0, done.stderr)
            found[user] = {os.path.relpath(name, self.world.home) for name in done.stdout.decode().split()}
        self.assertEqual(found, WRITABLE)

    def test_root_opens_nothing_for_writing(self) -> None:
        """While they are root, qmail-lspawn and its children start no program and open no file for writing (X07)."""
        (lspawn,) = self.running.pids("lspawn")
        with traced(["-e", "trace=openat,execve,setresuid"], [lspawn]) as lines:
            for name in ("me", "joe", "nobody-here"):
                start = len(self.running.log)
                self.world.inject(b"to: %s\n" % name.encode())
                self.running.wait_for(r"end msg \d+", start)
        others = {line.split()[0] for line in lines if "setresuid(" in line}
        self.assertGreaterEqual(len(others), 2)
        root = []
        for pid, _, call in (line.partition(" ") for line in lines):
            if "setresuid(" in call:
                others.discard(pid)
            elif (int(pid) == lspawn or pid in others) and not any(name in call for name in HARMLESS):
                root += [call] * any(word in call for word in ("execve(", "O_WRONLY", "O_RDWR", "O_CREAT"))
        self.assertEqual(root, [])
