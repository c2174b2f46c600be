"""Our servers under the super-servers people have: tcpserver (Debian's ucspi-tcp), inetd (openbsd-inetd), systemd."""

from __future__ import annotations

import os
import shutil
import smtplib
import socket
import subprocess
import threading

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.config.control import Control
from qtwisted.config.tcprules import Rules, tcprules
from test.kit.addresses import free_port, is_listened_to, own_address
from test.kit.fronts import receive_all
from test.kit.homes import SingleHome, scratch
from test.kit.packages import qmqp_package, qmtp_package
from test.kit.running import wait_until

#: where those listen who cannot be told to take any port
HERE = own_address(20)
RECIPIENT = "who@test.example"
MESSAGE = "Subject: x\n\nbody\n"
NOT_ROOT = None if os.geteuid() == 0 else "needs root, to answer on port 113"


def missing(*programs: str) -> str | None:
    """Say which Debian package is missing; None if none is."""
    packages = {"systemd-socket-activate": "systemd", "tcpserver": "ucspi-tcp", "tcprules": "ucspi-tcp",
                "inetd": "openbsd-inetd"}
    lacking = sorted({packages[name] for name in programs if shutil.which(name, path=search_path()) is None})
    return f"not installed: {' '.join(lacking)}" if lacking else None


def search_path() -> str:
    """Where servers are, too."""
    return f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"


class SuperServerCase(SynchronousTestCase):
    """A mail system; its own port does not matter here."""

    def setUp(self) -> None:
        """Start it."""
        self.home = SingleHome(self)
        self.running = self.home.up()

    def launch(self, *words: str, **more: str) -> subprocess.Popen[bytes]:
        """Start a server as the user of the home; it is ended after the test."""
        who = {} if self.home.user is None else {
            "user": self.home.user[0], "group": self.home.user[1], "extra_groups": []}
        process: subprocess.Popen[bytes] = subprocess.Popen(  # type: ignore[call-overload]
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, cwd=self.home.place,
            env={"PATH": search_path(), "PYTHONDONTWRITEBYTECODE": "1", **more}, **who)
        self.addCleanup(process.communicate)
        self.addCleanup(process.terminate)
        return process

    def send(self, port: int, *, to: str = RECIPIENT, address: str = "127.0.0.1") -> None:
        """Send a message."""
        with smtplib.SMTP(address, port, "client.example", timeout=60, source_address=(address, 0)) as client:
            client.sendmail("me@client.example", [to], MESSAGE)

    def received(self) -> str:
        """Wait for the one message; give the field that the server wrote, in one line."""
        wait_until(self.home.names, "the message")
        [text] = self.home.mailbox()
        field = text.decode().split("\nReceived: ")[2]
        return " ".join(field.partition("\nSubject")[0].partition(";")[0].split())


class TcpserverTests(SuperServerCase):
    """qmail-smtpd under tcpserver."""

    skip = missing("tcpserver", "tcprules")

    def server(self, *options: str, rules: str = ":allow\n") -> int:
        """Start tcpserver with rules; give its port."""
        compiled = f"{self.home.place}/rules.cdb"
        subprocess.run(["tcprules", compiled, compiled + ".tmp"], input=rules.encode(), check=True)
        os.chmod(compiled, 0o644)
        process = self.launch("tcpserver", "-1", "-H", *options, "-l", "local.example", "-x", compiled,
                              "127.0.0.1", "0", self.home.program("qmail-smtpd"))
        assert process.stdout is not None
        return int(process.stdout.readline())

    def test_mail(self) -> None:
        """The variables of tcpserver are in the Received field."""
        self.send(self.server("-R"))
        self.assertEqual(self.received(), "from unknown (HELO client.example) (127.0.0.1) by local.example with SMTP")

    def test_rules(self) -> None:
        """RELAYCLIENT and DATABYTES of compiled rules count."""
        self.home.control("rcpthosts", "test.example\n")
        rules = '127.0.0.2:allow,RELAYCLIENT="@test.example",TCPREMOTEINFO="joe"\n127.0.0.3:allow,DATABYTES="9"\n'
        port = self.server("-R", rules=rules + "127.0.0.4:deny\n:allow\n")
        self.assertRaises(smtplib.SMTPRecipientsRefused, self.send, port, to="a@b.example")
        with smtplib.SMTP() as client:
            client.timeout = 60
            client.source_address = ("127.0.0.3", 0)
            client.connect("127.0.0.1", port)
            client.ehlo()
            self.assertEqual(client.esmtp_features["size"], "9")
        denied = socket.create_connection(("127.0.0.1", port), 60, ("127.0.0.4", 0))
        self.addCleanup(denied.close)
        self.assertEqual(denied.recv(100), b"")
        with smtplib.SMTP("127.0.0.1", port, "x", 60, ("127.0.0.2", 0)) as client:
            client.sendmail("me@x", ["a@b.example"], MESSAGE)
        self.assertEqual(self.received(), "from unknown (HELO x) (joe@127.0.0.2) by local.example with SMTP")

    def test_tcp_env_changes_nothing(self) -> None:
        """Under tcpserver tcp-env leaves the variables alone."""
        process = self.launch("tcpserver", "-1", "-H", "-R", "-l", "local.example", "127.0.0.1", "0",
                              self.home.program("tcp-env"), "sh", "-c", "env | grep ^TCP | sort")
        assert process.stdout is not None
        with socket.create_connection(("127.0.0.1", int(process.stdout.readline())), 60) as client:
            here = client.getsockname()[1]
            lines = client.makefile().read().splitlines()
            self.assertIn(f"TCPREMOTEPORT={here}", lines)
            self.assertIn("TCPLOCALHOST=local.example", lines)
            self.assertFalse([line for line in lines if line.startswith("TCPREMOTEHOST")])


class InetdTests(SuperServerCase):
    """tcp-env and qmail-smtpd under inetd."""

    skip = missing("inetd")

    def server(self, *command: str) -> int:
        """Start inetd with one service; give its port."""
        port = free_port(HERE)
        user = "nobody" if self.home.user is not None else os.environ.get("USER", str(os.getuid()))
        table = f"{self.home.place}/inetd.conf"
        tcp_env = self.home.program("tcp-env")
        with open(table, "w", encoding="ascii") as file:
            file.write(f"{HERE}:{port} stream tcp nowait {user} {tcp_env} tcp-env {' '.join(command)}\n")
        os.chmod(table, 0o644)
        self.launch("inetd", "-i", "-E", table)
        wait_until(lambda: is_listened_to(HERE, port), "inetd")
        return port

    def test_mail(self) -> None:
        """The ends of the connection are in the Received field; nobody answers for the user, so none is shown."""
        self.send(self.server("-t5", self.home.program("qmail-smtpd")), address=HERE)
        name = socket.getnameinfo((HERE, 0), 0)[0].lower()
        known = "unknown" if name == HERE else name
        expected = f"from {known} (HELO client.example) ({HERE}) by {name} with SMTP"
        self.assertEqual(self.received(), expected)

    def test_relayclient(self) -> None:
        """RELAYCLIENT from the command line in inetd.conf counts."""
        self.home.control("rcpthosts", "test.example\n")
        port = self.server("-R", "/usr/bin/env", "RELAYCLIENT=@test.example", self.home.program("qmail-smtpd"))
        self.send(port, to="a@b.example", address=HERE)
        self.assertIn(f"({HERE})", self.received())

    def test_variables(self) -> None:
        """Programs find all variables of tcp-environ(5)."""
        port = self.server("-R", "/bin/sh", "-c", "env")
        with socket.create_connection((HERE, port), 60, ("127.0.0.1", 0)) as client:
            found = dict(line.split("=", 1) for line in client.makefile().read().splitlines() if line[:3] == "TCP")
            here = client.getsockname()[1]
        self.assertEqual(found["TCPREMOTEPORT"], str(here))
        self.assertEqual(found["TCPLOCALPORT"], str(port))
        self.assertEqual((found["TCPREMOTEIP"], found["TCPLOCALIP"]), ("127.0.0.1", HERE))
        self.assertNotIn("TCPREMOTEINFO", found)


class SystemdTests(SuperServerCase):
    """All servers on sockets with Accept=yes and StandardInput=socket, as systemd-socket-activate has them."""

    skip = missing("systemd-socket-activate")

    def server(self, *command: str) -> int:
        """Listen for one service; give its port."""
        port = free_port(HERE)
        self.launch("systemd-socket-activate", "--inetd", "-a", "-l", f"{HERE}:{port}", *command)
        wait_until(lambda: is_listened_to(HERE, port), "the socket")
        return port

    def talk(self, port: int, data: bytes) -> bytes:
        """Say something and no more, and read the answer to its end."""
        with socket.create_connection((HERE, port), 60) as client:
            client.sendall(data)
            client.shutdown(socket.SHUT_WR)
            return receive_all(client)

    def test_smtp(self) -> None:
        """qmail-smtpd takes mail from a client of whom it knows nothing, and behind tcp-env it knows the address."""
        self.send(self.server(self.home.program("qmail-smtpd")), address=HERE)
        self.assertEqual(self.received(), "from unknown (HELO client.example) (unknown) by unknown with SMTP")
        port = self.server(self.home.program("tcp-env"), "-R", self.home.program("qmail-smtpd"))
        self.send(port, address=HERE)
        wait_until(lambda: len(self.home.names()) == 2, "the other message")
        self.assertEqual(len([text for text in self.home.mailbox() if f"({HERE})".encode() in text]), 1)

    def test_packages(self) -> None:
        """qmail-qmtpd and qmail-qmqpd take packages."""
        port = self.server(self.home.program("qmail-qmtpd"))
        answer = self.talk(port, qmtp_package(b"\nS: x\n\nby QMTP\n", b"s@x", (RECIPIENT.encode(),)))
        self.assertRegex(answer, rb"^\d+:Kok ")
        port = self.server(self.home.program("qmail-qmqpd"))
        answer = self.talk(port, qmqp_package(b"S: x\n\nby QMQP\n", b"s@x", (RECIPIENT.encode(),)))
        self.assertRegex(answer, rb"^\d+:Kok ")
        wait_until(lambda: len(self.home.names()) == 2, "two messages")

    def test_pop3(self) -> None:
        """qmail-popup, a password program and qmail-pop3d serve a mailbox."""
        self.send(self.running.port())
        wait_until(self.home.names, "the message")
        program = f"{self.home.place}/anybody"
        with open(program, "w", encoding="ascii") as file:
            file.write(f'#!/bin/sh\ncat <&3 >/dev/null\ncd {self.home.path}/mail && exec "$@"\n')
        os.chmod(program, 0o755)
        port = self.server(self.home.program("qmail-popup"), "pop.example", program,
                           self.home.program("qmail-pop3d"), "Maildir")
        # a message of this very second is for the next session
        said = b"USER me\r\nPASS x\r\nSTAT\r\nQUIT\r\n"
        wait_until(lambda: b"+OK 1 " in self.talk(port, said), "the message listed")


class TcpEnvTests(SynchronousTestCase):
    """The program tcp-env, with a connection on descriptor 0."""

    def setUp(self) -> None:
        """Make a home for the program."""
        self.home = SingleHome(self)

    def run_on(self, descriptor: object, *words: str, **more: str) -> subprocess.CompletedProcess[bytes]:
        """Run tcp-env with this as its descriptor 0."""
        return subprocess.run([self.home.program("tcp-env"), *words], stdin=descriptor, capture_output=True,
                              env={"PATH": os.defpath, **more}, timeout=60, check=False)  # type: ignore[call-overload]

    def connection(self, address: str = HERE) -> tuple[socket.socket, socket.socket]:
        """Make a connection: our client, and the server's end of it."""
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.create_server((address, 0), family=family) as listener:
            client = socket.create_connection(listener.getsockname()[:2], 60, (address, 0))
            self.addCleanup(client.close)
            server = listener.accept()[0]
            self.addCleanup(server.close)
        return client, server

    def ident(self, address: str, answer: bytes) -> list[bytes]:
        """Answer one question on port 113 of this address; give the list the question comes into."""
        asked: list[bytes] = []
        listener = socket.create_server((address, 113))

        def serve() -> None:
            """Answer, and leave the port to the next one before that."""
            with listener:
                peer = listener.accept()[0]
            with peer:
                asked.append(peer.makefile("rb").readline())
                peer.sendall(answer)

        listener.settimeout(60)
        thread = threading.Thread(target=serve)
        thread.start()
        self.addCleanup(thread.join)
        return asked

    def info(self, address: str, *words: str) -> str | None:
        """Run tcp-env for a client at this address; give TCPREMOTEINFO."""
        client, server = self.connection(address)
        self.ports = (client.getsockname()[1], server.getsockname()[1])
        done = self.run_on(server, *words, "sh", "-c", 'echo "${TCPREMOTEINFO-unset}"', TCPREMOTEINFO="old")
        self.assertEqual(done.returncode, 0)
        return done.stdout.decode().rstrip("\n")

    def test_ident(self) -> None:
        """H13: the client's host is asked about the two ports, and what it says is the user, without blanks."""
        for answer, wanted in (
            (b"25 , 4000 : USERID : UNIX : joe user\r\n", "joeuser"),
            (b"25 , 4000 : ERROR : NO-USER\r\n", ""),
            (b"no end", "unset"),
        ):
            asked = self.ident(own_address(21), answer)
            self.assertEqual(self.info(own_address(21), "-t20"), wanted)
            self.assertEqual(asked, [b"%d , %d\r\n" % self.ports])

    test_ident.skip = NOT_ROOT  # type: ignore[attr-defined]

    def test_nobody_answers(self) -> None:
        """Where nobody answers, or nobody is asked, there is no variable."""
        self.assertEqual(self.info(own_address(22)), "unset")
        self.assertEqual(self.info(own_address(22), "-R"), "unset")

    def test_timeout(self) -> None:
        """An answer is waited for as long as -t says; the last of -r and -R counts."""
        with socket.create_server((own_address(23), 113)):
            self.assertEqual(self.info(own_address(23), "-R", "-r", "-t", "1"), "unset")

    test_timeout.skip = NOT_ROOT  # type: ignore[attr-defined]

    def test_ipv6(self) -> None:
        """A connection by IPv6 is described as well."""
        client, server = self.connection("::1")
        done = self.run_on(server, "-R", "sh", "-c", "echo $PROTO $TCPREMOTEIP $TCPREMOTEPORT $TCPLOCALIP")
        self.assertEqual(done.stdout, b"TCP ::1 %d ::1\n" % client.getsockname()[1])

    def test_failures(self) -> None:
        """Every failure is 111 without a word."""
        _, server = self.connection()
        one, other = socket.socketpair()
        self.addCleanup(one.close)
        self.addCleanup(other.close)
        for descriptor, words in (
            (server, ()), (server, ("-R", "/nonexistent/program")), (server, ("-R", "/etc/passwd")),
            (one, ("-R", "true")), (subprocess.DEVNULL, ("-R", "true")), (server, ("-t",)),
        ):
            done = self.run_on(descriptor, *words)
            said = b"tcp-env: option requires an argument -- t\n" if words == ("-t",) else b""
            self.assertEqual((done.returncode, done.stdout, done.stderr), (111, b"", said), words)

    def test_proto_is_set(self) -> None:
        """Where PROTO is TCP nothing is touched, whatever descriptor 0 is."""
        done = self.run_on(subprocess.DEVNULL, "sh", "-c", "env | grep ^TCP | sort", PROTO="TCP", TCPREMOTEHOST="x")
        self.assertEqual((done.returncode, done.stdout), (0, b"TCPREMOTEHOST=x\n"))

    def test_unknown_option(self) -> None:
        """An option that does not exist is named, and passed over."""
        done = self.run_on(subprocess.DEVNULL, "-xR", "echo", "hi", PROTO="TCP")
        self.assertEqual((done.returncode, done.stdout, done.stderr), (0, b"hi\n", b"tcp-env: illegal option -- x\n"))

    def test_pipes(self) -> None:
        """The program dies of a broken pipe as usual."""
        done = self.run_on(subprocess.DEVNULL, "sh", "-c", "kill -PIPE $$; echo no", PROTO="TCP")
        self.assertEqual((done.returncode, done.stdout), (-13, b""))


class TcprulesTests(SynchronousTestCase):
    """Our reading of rules, against tcprules and tcprulescheck."""

    skip = missing("tcprules")

    RULES = (
        '# comment\n\n:allow,R="all"\n10.:allow,R="10."\n10.1.:deny\n10.1.2.3:allow,R="10.1.2.3"\n'
        '10.2.3-5.:allow,R="range"\n10.2.9.7-9:allow,R="tail",S="s"\n=:allow,R="named"\n=.example:allow,R=xendx\n'
        '=.a.example:deny\n=b.a.example:allow,R="b"\njoe@10.1.2.4:allow,R="joe"\njoe@=b.a.example:allow,R="joe@"\n'
        '10.:allow,R="second"\n'
    )
    CLIENTS = (
        ("10.1.2.3", None, None), ("10.1.2.4", None, None), ("10.1.2.4", None, "joe"), ("10.2.2.1", None, None),
        ("10.2.3.1", None, None), ("10.2.5.1", None, None), ("10.2.6.1", None, None), ("10.2.9.7", None, None),
        ("10.2.9.9", None, None), ("10.2.9.10", None, None), ("11.0.0.1", None, None), ("11.0.0.1", "x", None),
        ("11.0.0.1", "c.example", None), ("11.0.0.1", "a.example", None), ("11.0.0.1", "c.a.example", None),
        ("11.0.0.1", "b.a.example", None), ("11.0.0.1", "b.a.example", "joe"), ("10.1.2.3", "b.a.example", "sue"),
        ("10.3.0.1", "b.a.example", None), ("10.3.0.1", "c.a.example", None), ("11.0.0.1", "d.e.f", "joe"),
    )

    def test_same(self) -> None:
        """For every client the same rule counts."""
        place = scratch(self)
        os.mkdir(f"{place}/control")
        with open(f"{place}/control/tcprules", "w", encoding="ascii") as file:
            file.write(self.RULES)
        compiled = f"{place}/cdb"
        subprocess.run(["tcprules", compiled, compiled + ".tmp"], input=self.RULES.encode(), check=True)
        rules = tcprules(Control(place))
        assert rules is not None
        for ip, host, info in self.CLIENTS:
            environ = {"PATH": os.defpath, "TCPREMOTEIP": ip}
            environ |= {name: value for name, value in (("TCPREMOTEHOST", host), ("TCPREMOTEINFO", info)) if value}
            done = subprocess.run(["tcprulescheck", compiled], env=environ, capture_output=True, check=False)
            self.assertEqual(self.ours(rules, ip, host, info), done.stdout.decode().splitlines()[1:], environ)

    def ours(self, rules: Rules, ip: str, host: str | None, info: str | None) -> list[str]:
        """Tell what we find in the words of tcprulescheck."""
        given = [None if text is None else text.encode() for text in (host, info)]
        rule = rules.find(ip.encode(), *given)
        variables = [f"set environment variable {name.decode()}={value.decode()}"
                     for name, value in rule.variables.items()]
        return [*variables, "allow connection" if rule.is_allowed else "deny connection"]
