"""POP3 as users and operators meet it: the programs on descriptors 0 and 1, and the front with real clients."""

import hashlib
import os
import poplib
import shutil
import socket
import stat
import subprocess
import time

from twisted.trial.unittest import SynchronousTestCase

from test.kit.code import code
from test.kit.homes import SingleHome
from test.kit.passwords import SECRET, hide_system_files
from test.kit.pop3 import Place, check_password, files, lines, put, put_messages, read_all
from test.kit.running import Running, wait_until
from test.kit.world import NOFILES, NOT_ROOT, ROLES, World

POP3 = ("--pop3", "tcp:0:interface=127.0.0.1")
FAILED = b"-ERR authorization failed"


class Pop3dTests(SynchronousTestCase):
    """The table of cases for qmail-pop3d, with the real program."""

    def setUp(self) -> None:
        """Make the Maildir of the table."""
        self.place = Place(self)
        put_messages(self.place.maildir)

    def check(self, said: bytes, *answers: bytes) -> None:
        """Everything a client says in one session, and every line it gets after the first."""
        ended = self.place.pop3d(said)
        self.assertEqual(ended, (lines(b"+OK ", *answers), b"", 0))

    def test_p1_to_p4(self) -> None:
        """Greeting, STAT, LIST, UIDL."""
        self.check(b"STAT\r\nLIST\r\nUIDL\r\n", b"+OK 3 31", b"+OK ", b"1 14", b"2 17", b"3 0", b".",
                   b"+OK ", b"1 900.2.h", b"2 1000.1.h", b"3 1100.3.h", b".")

    def test_p5_and_p6(self) -> None:
        """RETR of a message with dots and without a last newline, and of an empty one."""
        self.check(b"RETR 2\r\nRETR 3\r\n", b"+OK ", b"S: two", b"", b"..dot", b"last", b"", b".", b"+OK ", b"", b".")

    def test_p7(self) -> None:
        """TOP."""
        self.check(b"TOP 1 0\r\nTOP 1 1\r\n", b"+OK ", b"S: one", b"", b"", b".",
                   b"+OK ", b"S: one", b"", b"b1", b"", b".")

    def test_p8_to_p10(self) -> None:
        """DELE, bad numbers, RSET."""
        self.check(b"DELE 1\r\nSTAT\r\nLIST 1\r\nDELE 1\r\nLAST\r\n"
                   b"LIST 0\r\nLIST 9\r\nLIST x\r\nDELE\r\nRSET\r\nLAST\r\nSTAT\r\n",
                   b"+OK ", b"+OK 3 17", b"-ERR already deleted", b"-ERR already deleted", b"+OK 1",
                   b"-ERR messages are counted from 1", b"-ERR not that many messages", b"-ERR syntax error",
                   b"-ERR syntax error", b"+OK ", b"+OK 0", b"+OK 3 31")

    def test_p11(self) -> None:
        """QUIT removes what was deleted and moves what was new."""
        self.check(b"DELE 1\r\nQUIT\r\n", b"+OK ", b"+OK ")
        self.assertEqual(files(self.place.maildir), ["cur/1000.1.h:2,", "cur/1100.3.h:2,"])

    def test_p12(self) -> None:
        """Without QUIT nothing changes."""
        before = files(self.place.maildir)
        self.check(b"DELE 1\r\n", b"+OK ")
        self.assertEqual(files(self.place.maildir), before)

    def test_p13(self) -> None:
        """CAPA is unimplemented."""
        self.check(b"CAPA\r\n", b"-ERR unimplemented")

    def test_p14(self) -> None:
        """A Maildir that is not there, or none named, is an error, and the exit code is 0."""
        answer = (lines(b"-ERR this user has no $HOME/Maildir"), b"", 0)
        self.assertEqual(self.place.pop3d(b"STAT\r\n", "Nope"), answer)
        self.assertEqual(self.place.run("qtwisted.accept.pop3d", said=b"STAT\r\n"), answer)

    def test_p15(self) -> None:
        """Files of the future and hidden ones are not listed."""
        put(self.place.maildir, "new/later", b"", time.time() + 3600)
        put(self.place.maildir, "new/.hidden", b"", 1000)
        self.check(b"STAT\r\n", b"+OK 3 31")

    def test_p16(self) -> None:
        """What is old in tmp goes, unless it is hidden."""
        old = time.time() - 2 * 86400
        for name in ("old", ".old"):
            put(self.place.maildir, f"tmp/{name}", b"", old)
        self.check(b"STAT\r\n", b"+OK 3 31")
        self.assertEqual(os.listdir(f"{self.place.maildir}/tmp"), [".old"])

    def test_not_as_root(self) -> None:
        """As root it says nothing to the client and fails, so that qmail-popup does."""
        if os.geteuid():
            raise self.skipTest("needs root, to be refused")
        ended = self.place.run("qtwisted.accept.pop3d", "Maildir", said=b"STAT\r\n", user=False)
        self.assertEqual(ended, (b"", b"qmail-pop3d invoked as uid 0, terminating\n", 1))


class PopupTests(SynchronousTestCase):
    """The table of cases for qmail-popup, with the real program."""

    def setUp(self) -> None:
        """Make a place for a password program that notes what it gets."""
        self.place = Place(self)
        self.program = f"{self.place.path}/prog"
        self.noted = f"{self.place.path}/noted"

    def note(self, then: str) -> None:
        """Write a program that keeps descriptor 3 and goes on with this."""
        with open(self.program, "w", encoding="ascii") as file:
            file.write(f"#!/bin/sh\ncat <&3 >{self.noted}\n{then}\n")
        os.chmod(self.program, 0o755)

    def popup(self, said: bytes) -> bytes:
        """Run qmail-popup with the program; give all it says after its greeting."""
        ended = self.place.popup(said, "pop.host", self.program, "arg")
        self.assertEqual((ended.err, ended.code), (b"", 1))
        greeting, _, rest = ended.said.partition(b"\r\n")
        self.stamp = greeting.removeprefix(b"+OK ")
        self.assertRegex(self.stamp.decode(), r"\A<\d+\.\d+@pop\.host>\Z")
        return rest

    def credentials(self) -> bytes:
        """What the program got."""
        with open(self.noted, "rb") as file:
            return file.read()

    def test_u1_u2(self) -> None:
        """The greeting, and what may be said in which order."""
        said = lines(b"PASS x", b"USER", b"USER a", b"PASS", b"STAT", b"NOOP", b"QUIT")
        self.assertEqual(self.popup(said), lines(
            b"-ERR USER first", b"-ERR syntax error", b"+OK ", b"-ERR syntax error", b"-ERR authorization first",
            b"+OK ", b"+OK "))

    def test_u3(self) -> None:
        """USER and PASS hand over whole arguments."""
        self.note("exit 0")
        self.assertEqual(self.popup(b"USER joe\r\nPASS se cret\r\n"), b"+OK \r\n")
        self.assertEqual(self.credentials(), b"joe\0se cret\0" + self.stamp + b"\0")

    def test_u4(self) -> None:
        """APOP hands over what is before and after the first blank."""
        self.note("exit 0")
        self.assertEqual(self.popup(b"APOP joe 0123 x\r\n"), b"")
        self.assertEqual(self.credentials(), b"joe\0" b"0123 x\0" + self.stamp + b"\0")

    def test_u5(self) -> None:
        """APOP wants both."""
        self.assertEqual(self.popup(b"APOP joe\r\n"), b"-ERR syntax error\r\n")

    def test_u6(self) -> None:
        """Another exit code than 0, a signal, and no program at all have their words."""
        said = b"APOP joe x\r\n"
        self.assertEqual(self.popup(said), FAILED + b"\r\n")
        for then, words in (("exit 1", FAILED), ("exit 111", FAILED), ("kill -9 $$", b"-ERR aack, child crashed")):
            self.note(then)
            self.assertEqual(self.popup(said), words + b"\r\n")

    def test_u7(self) -> None:
        """Without arguments it says how it is used."""
        for words in ((), ("pop.host",)):
            self.assertEqual(self.place.popup(b"", *words), (b"-ERR usage: popup hostname subprogram\r\n", b"", 1))

    def test_descriptors(self) -> None:
        """The program has the client on 0, 1 and 2; what was sent ahead is there to read."""
        self.note('echo "$1"; cat; echo trouble >&2')
        self.assertEqual(self.popup(b"APOP joe x\r\nSTAT\r\n"), b"arg\nSTAT\r\ntrouble\n")

    def test_chain(self) -> None:
        """The usual chain: qmail-popup, a password program, qmail-pop3d."""
        put_messages(self.place.maildir)
        self.note(f"shift; exec {code().executable} -P -s -m qtwisted.accept.pop3d Maildir")
        said = b"USER joe\r\nPASS x\r\nSTAT\r\nDELE 1\r\nQUIT\r\n"
        self.assertEqual(self.popup(said), lines(b"+OK ", b"+OK ", b"+OK 3 31", b"+OK ", b"+OK "))
        self.assertEqual(len(files(self.place.maildir)), 2)


class FrontCase(SynchronousTestCase):
    """A client of a front."""

    running: Running
    port: int

    def client(self) -> poplib.POP3:
        """Connect Python's own client."""
        client = poplib.POP3("127.0.0.1", self.port, timeout=60)
        self.addCleanup(client.close)
        return client

    def log_in(self, login: str = "me", password: str = SECRET) -> poplib.POP3:
        """Log in."""
        client = self.client()
        client.user(login)
        client.pass_(password)
        return client

    def refused(self, login: str, password: str) -> bytes:
        """Try to log in; give the words of the refusal."""
        trouble = self.assertRaises(poplib.error_proto, self.log_in, login, password)
        words: bytes = trouble.args[0]
        return words


class SingleTests(FrontCase):
    """A home of one user, with virtual users who share his mail."""

    def setUp(self) -> None:
        """Start a home with one login and the messages of the table."""
        self.home = SingleHome(self)
        self.maildir = f"{self.home.path}/mail/Maildir"
        self.home.control("checkpassword", "qmail-checkpassword-virtual\n")
        self.passwd("add", "me", self.owner(), f"{self.home.path}/mail")
        put_messages(self.maildir)
        self.running = self.home.up(*POP3)
        self.port = self.running.port("pop3")

    def owner(self) -> str:
        """The user of the home, in numbers."""
        uid, gid = self.home.user or (os.getuid(), os.getgid())
        return f"{uid}:{gid}"

    def passwd(self, *words: str, password: str = SECRET) -> None:
        """Run qmail-passwd."""
        done = self.home.run([self.home.program("qmail-passwd"), *words], password.encode() + b"\n")
        self.assertEqual((done.returncode, done.stderr), (0, b""))

    def test_poplib(self) -> None:
        """Python's own client lists, fetches, deletes and quits."""
        client = self.log_in()
        self.assertEqual(client.stat(), (3, 31))
        self.assertEqual(client.list()[1], [b"1 14", b"2 17", b"3 0"])
        self.assertEqual(client.uidl()[1], [b"1 900.2.h", b"2 1000.1.h", b"3 1100.3.h"])
        self.assertEqual(client.uidl(2), b"+OK 2 1000.1.h")
        self.assertEqual(client.retr(2)[1], [b"S: two", b"", b".dot", b"last", b""])
        self.assertEqual(client.top(1, 1)[1], [b"S: one", b"", b"b1", b""])
        client.dele(1)
        self.assertEqual(client.quit(), b"+OK ")
        self.assertEqual(files(self.maildir), ["cur/1000.1.h:2,", "cur/1100.3.h:2,"])

    def test_apop(self) -> None:
        """APOP works for a login that was added for it."""
        self.passwd("-a", "add", "apop", self.owner(), f"{self.home.path}/mail")
        client = self.client()
        client.apop("apop", SECRET)
        self.assertEqual(client.stat(), (3, 31))
        stamp = self.client().getwelcome().split()[1]
        digest = hashlib.md5(stamp + SECRET.encode()).hexdigest()
        self.assertEqual(self.refused("apop", digest), FAILED)

    def test_refusals(self) -> None:
        """A wrong password and an unknown login get the same words, and neither at once.

        That the time tells nothing is seen where a test has the clock in its hands (test_a07_equal_times).
        """
        for login, password in (("me", "x"), ("you", SECRET)):
            began_at = time.monotonic()
            self.assertEqual(self.refused(login, password), FAILED)
            self.assertGreater(time.monotonic() - began_at, 0.9)

    def test_password_changes(self) -> None:
        """A new password counts at once, the old one no longer."""
        self.passwd("set", "me", password="other")
        self.log_in(password="other").quit()
        self.assertEqual(self.refused("me", SECRET), FAILED)
        self.passwd("delete", "me")
        self.assertEqual(self.refused("me", "other"), FAILED)

    def test_table_is_private(self) -> None:
        """The table is for its owner only, and holds no password."""
        path = f"{self.home.path}/users/passwords"
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
        with open(path, "rb") as file:
            self.assertNotIn(SECRET.encode(), file.read())

    def test_pipelining(self) -> None:
        """Everything may be sent in one segment, and the client may stop speaking behind it."""
        with socket.create_connection(("127.0.0.1", self.port), 60) as client:
            client.sendall(f"USER me\r\nPASS {SECRET}\r\nSTAT\r\nRETR 3\r\nQUIT\r\n".encode())
            client.shutdown(socket.SHUT_WR)
            answers = read_all(client).partition(b"\r\n")[2]
        self.assertEqual(answers, lines(b"+OK ", b"+OK ", b"+OK 3 31", b"+OK ", b"", b".", b"+OK "))

    def test_pipelining_behind_a_wrong_password(self) -> None:
        """What is sent behind a wrong password is nobody's, and the refusal comes all the same."""
        with socket.create_connection(("127.0.0.1", self.port), 60) as client:
            client.sendall(b"USER me\r\nPASS x\r\nSTAT\r\n" + b"RETR 1\r\n" * 50000 + b"QUIT\r\n")
            answers = read_all(client).partition(b"\r\n")[2]
        self.assertEqual(answers, lines(b"+OK ", FAILED))

    def test_large(self) -> None:
        """Thirty megabytes come through whole, and a client that reads slowly gets them all."""
        text = b"x" * 997 + b"\n.\n"
        put(self.maildir, "new/2000.large", text * 30000, 2000)
        client = self.log_in()
        message = b"\n".join(client.retr(4)[1])
        self.assertEqual(len(message), len(text) * 30000)
        self.assertTrue(message == text * 30000, "the message has changed")

    def test_slow_reader(self) -> None:
        """A client that reads only when its session is long over still gets everything."""
        text = b"y" * (1 << 20)
        put(self.maildir, "new/2000.large", text, 2000)
        with socket.create_connection(("127.0.0.1", self.port), 60) as client:
            client.sendall(f"USER me\r\nPASS {SECRET}\r\nRETR 4\r\nQUIT\r\n".encode())
            wait_until(lambda: len(files(f"{self.maildir}/new")) == 0, "the end of the session")
            wait_until(lambda: not sessions(self.running), "the end of its process")
            answers = read_all(client).partition(b"\r\n")[2]
        self.assertEqual(len(answers), len(lines(b"+OK ", b"+OK ", b"+OK ", text, b"", b".", b"+OK ")))

    def test_p12_never_reads(self) -> None:
        """A client that does not read its gigabyte costs the front no memory, and others are served."""
        put(self.maildir, "new/2000.large", b"", 2000)
        os.truncate(f"{self.maildir}/new/2000.large", 1 << 30)
        os.utime(f"{self.maildir}/new/2000.large", (2000, 2000))
        (front,) = self.running.pids("pop3")
        with socket.create_connection(("127.0.0.1", self.port), 60) as client:
            client.sendall(f"USER me\r\nPASS {SECRET}\r\nRETR 4\r\n".encode())
            while b"\0" not in client.recv(4096):
                pass
            before = memory(front)
            self.assertEqual(self.log_in().stat()[0], 4)
            self.assertLess(memory(front) - before, 4096)

    def test_p14_session_killed(self) -> None:
        """A session that is killed ends with words; the front serves on."""
        client = self.log_in()
        (session,) = sessions(self.running)
        os.kill(session, 9)
        self.assertEqual(client.file.readline(), b"-ERR aack, child crashed\r\n")
        self.assertEqual(self.log_in().stat(), (3, 31))

    def test_client_gone(self) -> None:
        """When a client goes without QUIT its session ends."""
        client = self.log_in()
        self.assertEqual(len(sessions(self.running)), 1)
        client.dele(1)
        client.close()
        wait_until(lambda: not sessions(self.running), "the end of the session")
        self.assertIn("cur/900.2.h:2,S", files(self.maildir))

    def test_missing_maildir(self) -> None:
        """A login without a Maildir is told so."""
        self.passwd("add", "new", self.owner(), self.home.path)
        self.assertEqual(self.refused("new", SECRET), b"-ERR this user has no $HOME/Maildir")
        self.passwd("add", "nowhere", self.owner(), f"{self.home.path}/nowhere")
        self.assertEqual(self.refused("nowhere", SECRET), FAILED)

    def test_other_users(self) -> None:
        """Where nothing runs as root, nobody becomes another user."""
        self.passwd("add", "other", "64999:64999", f"{self.home.path}/mail")
        self.assertEqual(self.refused("other", SECRET), FAILED)

    def test_too_many_failures(self) -> None:
        """After too many failures an address is sent away; the limit is reread."""
        self.home.control("maxbadlogins", "1\n")
        self.assertEqual(self.refused("me", "x"), FAILED)
        trouble = self.assertRaises(poplib.error_proto, self.client)
        self.assertIn(b"too many failed logins", trouble.args[0])
        self.home.control("maxbadlogins", "0\n")
        self.log_in().quit()

    def test_any_password_program(self) -> None:
        """Another program may decide, and gets the client's address."""
        program = f"{self.home.path}/mail/decide"
        with open(program, "w", encoding="ascii") as file:
            file.write(f'#!/bin/sh\ncat <&3 >/dev/null\ntest "$TCPREMOTEIP" = "$1" || exit 1\nshift\n'
                       f'cd {self.home.path}/mail && exec "$@"\n')
        os.chmod(program, 0o755)
        self.home.control("checkpassword", f"{program} 127.0.0.1\n")
        self.assertEqual(self.log_in("anybody", "anything").stat(), (3, 31))
        self.home.control("checkpassword", f"{program} 127.0.0.2\n")
        self.assertEqual(self.refused("anybody", "anything"), FAILED)

    def test_auth_killed(self) -> None:
        """When the role that checks passwords dies, it and the front are started again."""
        os.kill(self.running.pids("auth")[0], 9)
        start = len(self.running.log)
        self.running.wait_for(r"alert: pop3: auth was ended by signal 9", 0)
        wait_until(lambda: (self.running.read(0.0), self.served())[1], "somebody to log in")
        self.assertGreaterEqual(len(self.running.log), start)

    def served(self) -> bool:
        """Can somebody log in?"""
        try:
            self.log_in().quit()
        except (OSError, EOFError, poplib.error_proto):
            return False
        return True

    def test_stop(self) -> None:
        """The end of the system ends sessions, and nothing stays behind."""
        self.log_in()
        self.running.stop()
        wait_until(lambda: not sessions(self.running), "the end of the session")

    def fetch(self, *words: str, **settings: str) -> None:
        """Run a mail fetching program as the user of the home."""
        done = self.home.run(words, HOME=self.home.place, **settings)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def target(self) -> str:
        """Make another Maildir, of the same user."""
        path = f"{self.home.place}/fetched"
        for name in ("", "/tmp", "/new", "/cur"):
            os.mkdir(path + name)
            if self.home.user:
                os.chown(path + name, *self.home.user)
        return path

    def test_mpop(self) -> None:
        """mpop fetches everything and deletes it."""
        if shutil.which("mpop") is None:
            raise self.skipTest("mpop is not installed")
        target = self.target()
        self.fetch("mpop", "--host=127.0.0.1", f"--port={self.port}", "--user=me", f"--passwordeval=echo {SECRET}",
                   "--auth=user", "--tls=off", "--keep=off", "--received-header=off", f"--delivery=maildir,{target}",
                   f"--uidls-file={self.home.place}/uidls")
        self.assertEqual(len(files(target)), 3)
        self.assertEqual(files(self.maildir), [])

    def test_getmail(self) -> None:
        """getmail fetches everything, and the next time nothing."""
        if shutil.which("getmail") is None:
            raise self.skipTest("getmail is not installed")
        target = self.target()
        with open(f"{self.home.place}/getmailrc", "w", encoding="ascii") as file:
            file.write(f"[retriever]\ntype = SimplePOP3Retriever\nserver = 127.0.0.1\nport = {self.port}\n"
                       f"username = me\npassword = {SECRET}\n[destination]\ntype = Maildir\npath = {target}/\n"
                       "[options]\nread_all = false\ndelete = false\n")
        for _ in range(2):
            self.fetch("getmail", f"--getmaildir={self.home.place}", "--rcfile=getmailrc")
            self.assertEqual(len(files(target)), 3)

    def test_fetchmail(self) -> None:
        """fetchmail fetches everything, by USER and by APOP, and deletes it."""
        if shutil.which("fetchmail") is None:
            raise self.skipTest("fetchmail is not installed")
        self.passwd("-a", "add", "apop", self.owner(), f"{self.home.path}/mail")
        script, got = f"{self.home.place}/take", f"{self.home.place}/got"
        with open(script, "w", encoding="ascii") as file:
            file.write(f"#!/bin/sh\ncat >> {got} && echo -- >> {got}\n")
        os.chmod(script, 0o755)
        for login, protocol in (("me", "pop3"), ("apop", "apop")):
            put(self.maildir, "new/2000.more", b"S: more\n\n.dot\nFrom here\n", 2000)
            rules = f"{self.home.place}/fetchmailrc"
            with open(rules, "w", encoding="ascii") as file:
                file.write(f"poll 127.0.0.1 service {self.port} protocol {protocol} timeout 60\n"
                           f"user {login} password '{SECRET}' sslproto '' mda {script} fetchall no keep\n")
            os.chmod(rules, 0o600)
            if self.home.user:
                os.chown(rules, *self.home.user)
            self.fetch("fetchmail", "-f", rules, "--nosyslog", "--pidfile", f"{self.home.place}/{login}.pid",
                       USER="me", LOGNAME="me")
            with open(got, "rb") as taken:
                self.assertIn(b"\n\n.dot\n", taken.read())
            self.assertEqual(files(self.maildir), [])


class WorldTests(FrontCase):
    """Users of the system: each session runs as the owner of the mailbox."""

    skip = NOT_ROOT

    def setUp(self) -> None:
        """Start the system among its own users, who have passwords."""
        self.world = World(self)
        hide_system_files(self.world)
        for person in self.world.people.values():
            for folder in ("tmp", "new", "cur"):
                os.makedirs(f"{person.home}/Maildir/{folder}")
            put(f"{person.home}/Maildir", "new/1000.x", f"S: {person.name}\n".encode(), 1000)
            for here, folders, names in os.walk(person.home):
                for name in (".", *folders, *names):
                    os.chown(os.path.join(here, name), person.uid, person.gid)
            os.chmod(person.home, 0o700)
        self.running = self.world.up("--pop3", POP3[1])
        self.port = self.running.port("pop3")

    def test_sessions(self) -> None:
        """A session has the uid, the gid and the one group of its owner, and no way back."""
        client = self.log_in("joe")
        self.assertEqual(client.retr(1)[1], [b"S: joe", b""])
        (session,) = sessions(self.running)
        joe = self.world.people["joe"]
        facts = status(session)
        self.assertEqual(set(facts["Uid"].split()), {str(joe.uid)})
        self.assertEqual(set(facts["Gid"].split()), {str(joe.gid)})
        self.assertEqual((facts["Groups"].split(), facts["CapPrm"]), ([str(joe.gid)], "0" * 16))
        client.dele(1)
        client.quit()
        self.assertEqual(files(f"{joe.home}/Maildir"), [])
        self.assertEqual(files(f"{self.world.people['me'].home}/Maildir"), ["new/1000.x"])

    def test_roles(self) -> None:
        """The front has no rights; the role that checks passwords is root and holds no port."""
        (front,), (auth,) = self.running.pids("pop3"), self.running.pids("auth")
        facts = status(front)
        self.assertEqual(set(facts["Uid"].split()), {str(ROLES["qmaild"][0])})
        self.assertEqual((facts["Groups"].split(), facts["CapPrm"]), ([str(NOFILES)], "0" * 16))
        self.assertEqual(set(status(auth)["Uid"].split()), {"0"})
        with open(f"/proc/{auth}/net/tcp", encoding="ascii") as file:
            listening = {line.split()[9] for line in file.readlines()[1:] if line.split()[3] == "0A"}
        held = {os.readlink(f"/proc/{auth}/fd/{fd}") for fd in os.listdir(f"/proc/{auth}/fd")}
        self.assertEqual(held & {f"socket:[{inode}]" for inode in listening}, set())

    def test_refusals(self) -> None:
        """Wrong passwords and unknown names are refused (A07), and so is root with the right one (P03)."""
        for login, password in (("joe", "x"), ("nobody here", SECRET), ("nobody", SECRET), ("root", SECRET)):
            self.assertEqual(self.refused(login, password), FAILED)

    def test_home_missing(self) -> None:
        """A home that is missing is a refusal, and the front survives (P14)."""
        os.rename(self.world.people["joe"].home, self.world.people["joe"].home + ".away")
        self.assertEqual(self.refused("joe", SECRET), FAILED)
        self.assertEqual(self.log_in("me").stat()[0], 1)

    def test_maildir_unreadable(self) -> None:
        """A Maildir the owner cannot read is an error, and the front survives (P14)."""
        os.chmod(f"{self.world.people['joe'].home}/Maildir/new", 0)
        self.assertEqual(self.refused("joe", SECRET), b"-ERR unable to scan $HOME/Maildir")
        self.assertEqual(self.log_in("me").stat()[0], 1)

    def check(self, credentials: str, without_pam: bool = False) -> subprocess.CompletedProcess[bytes]:
        """Run qmail-checkpassword-system with credentials; the program it turns into says who it is."""
        program = [f"{self.world.home}/bin/qmail-checkpassword-system"]
        if without_pam:
            call = ("import sys; from qtwisted.trust.login import checkpassword_system, pam; "
                    "pam.library = lambda: None; sys.exit(checkpassword_system.main())")
            program = [code().executable, "-P", "-s", "-c", call]
        words = [*program, "sh", "-c", "id -u; id -G; pwd; echo $USER $HOME $SHELL"]
        line = self.world.inside(["sh", "-c", f"printf '{credentials}' | \"$@\" 3<&0", "sh", *words])
        return subprocess.run(line, capture_output=True, timeout=60, check=False, cwd="/",
                              env=self.world.environment())

    def test_checkpassword(self) -> None:
        """By PAM and by the shadow file alike: who gets in, as whom, and the codes for those who do not."""
        joe = self.world.people["joe"]
        known = f"{joe.uid}\n{joe.gid}\n{joe.home}\njoe {joe.home} /bin/sh\n".encode()
        for without_pam in (False, True):
            done = self.check(f"joe\\0{SECRET}\\0<1>\\0", without_pam)
            self.assertEqual((done.returncode, done.stdout, done.stderr), (0, known, b""))
            for credentials, exit_code in ((f"joe\\0{SECRET}x\\0<1>\\0", 1), (f"ann\\0{SECRET}\\0<1>\\0", 1),
                                           (f"root\\0{SECRET}\\0<1>\\0", 1), ("joe\\0\\0<1>\\0", 1), ("joe", 2)):
                done = self.check(credentials, without_pam)
                self.assertEqual((done.returncode, done.stdout, done.stderr), (exit_code, b"", b""), credentials)


class VirtualTests(SynchronousTestCase):
    """qmail-checkpassword-virtual by itself."""

    def test_program(self) -> None:
        """It becomes the program in the home of the table, and refuses everybody else."""
        home = SingleHome(self)
        uid, gid = home.user or (os.getuid(), os.getgid())
        home.run([home.program("qmail-passwd"), "add", "me", f"{uid}:{gid}", f"{home.path}/mail"], b"pw\n")
        words = [home.program("qmail-checkpassword-virtual"), "sh", "-c", "pwd; echo $USER $HOME; cat <&3"]
        done = check_password(words, b"me\0pw\0<1>\0", code().environment(), home.user)
        self.assertEqual(done.stdout, f"{home.path}/mail\nme {home.path}/mail\n".encode(), done.stderr)
        for credentials, exit_code in ((b"me\0x\0<1>\0", 1), (b"you\0pw\0<1>\0", 1), (b"me\0pw", 2)):
            done = check_password(words, credentials, code().environment(), home.user)
            self.assertEqual((done.returncode, done.stdout, done.stderr), (exit_code, b"", b""))
        os.chmod(f"{home.path}/users/passwords", 0o644)
        self.assertEqual(check_password(words, b"me\0pw\0<1>\0", code().environment(), home.user).returncode, 111)


def sessions(running: Running) -> list[int]:
    """The processes that serve clients who have logged in."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                words = file.read().split(b"\0")
        except OSError:
            continue
        if os.fsencode(f"{running.home}/bin/qmail-pop3d") in words:
            found.append(int(pid))
    return found


def status(pid: int) -> dict[str, str]:
    """The lines of /proc/PID/status."""
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return {name: value.strip() for name, _, value in (line.partition(":") for line in file)}


def memory(pid: int) -> int:
    """How many KB of memory a process uses."""
    return int(status(pid)["VmRSS"].split()[0])
