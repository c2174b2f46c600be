"""What ``qmailctl explain`` says about an address is what then happens to mail for it, for many kinds of address."""

from __future__ import annotations

import json
import os
import re
import smtplib
import time
from typing import TYPE_CHECKING, NamedTuple

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.model.logline import logsafe
from test.kit.code import code
from test.kit.homes import HOST
from test.kit.running import wait_until
from test.kit.sink import Sink
from test.kit.world import NOT_ROOT, Person, World
from test.kit.world_outside import Forwarder, name_server

if TYPE_CHECKING:
    from typing import Any

    from test.kit.running import Running

#: addresses of our own, since tests may run side by side and port 25 is wanted
_NET = f"127.{100 + os.getpid() // 250 % 100}.{os.getpid() % 250}"
FIRST, SECOND, DEAD, SLOW = (f"{_NET}.{last}" for last in (2, 3, 4, 5))
STRANGER, RELAY, DENIED = "127.0.0.1", "127.0.0.2", "127.0.0.4"
SENDER, BAD_SENDER = "sender@far.example", "spam@bad.example"
NAMES = (
    f"one.example MX 10 mx1.example.\ntwo.example MX 20 mx1.example.\ntwo.example MX 10 mx2.example.\n"
    f"mx1.example A {FIRST}\nmx2.example A {SECOND}\nplain.example A {FIRST}\nnull.example MX 0 .\n"
    f"trouble.example MX SERVFAIL\nself.example MX 10 me.example.\nme.example A 127.0.0.1\n"
    f"backup.example MX 10 mx1.example.\nbackup.example MX 20 me.example.\nbackup.example MX 30 mx2.example.\n"
    f"worst.example MX 10 me.example.\nworst.example MX 20 mx1.example.\nhostless.example MX 10 nowhere.example.\n"
    f"secret.example MX 10 mx1.example.\nslow.example MX 10 slowhost.example.\nslowhost.example A {SLOW}\n"
    f"clear.example MX 10 mx1.example."
)
#: how deliveries to programs end
PROGRAMS = {
    "joe-null": ("success", "did_0+0+1/"), "joe-enough": ("success", "did_0+0+1/"), "joe-no": ("failure", ""),
    "joe-wait": ("deferral", ""), "joe-both": ("success", "did_1+0+1/"),
}
PEOPLE = ("me", "joe", "sam", "ann", "bob", "cat", "dan", "eve", "fay", "gus", "hal", "ivy", "kim", "lee")
DOTQMAIL = {
    ("joe", ""): "./Maildir/\n", ("joe", "-ext"): "./ext\n", ("joe", "-a:b"): "./dotted\n",
    ("joe", "-x-default"): "./listed\n", ("joe", "-default"): "./other\n", ("joe", "-a b"): "./blank\n",
    ("joe", "-mix"): "# both\n./Maildir/\n&me@test.example\n", ("joe", "-comment"): "# nothing\n",
    ("joe", "-empty"): "", ("joe", "-blank"): "\n./Maildir/\n", ("joe", "-null"): "|exit 0\n",
    ("joe", "-enough"): "|exit 99\n./never\n", ("joe", "-no"): "|exit 100\n", ("joe", "-wait"): "|exit 111\n",
    ("joe", "-both"): "|cat > /dev/null\n./after\n", ("joe", "-nodir"): "./Missing/\n",
    ("joe", "-isdir"): "./Maildir\n", ("joe", "-nofolder"): "./missing/mbox\n", ("joe", "-abs"): "/nowhere/mbox\n",
    ("joe", "-plus"): "+list\n./Maildir/\n", ("joe", "-loop"): "joe-loop\n", ("joe", "-out"): "you@one.example\n",
    ("joe", "-list"): "me\nann@one.example\n", ("joe", "-list-owner"): "./owner\n",
    ("joe", "-verp"): "ann@one.example\n", ("joe", "-verp-owner"): "./owner\n",
    ("joe", "-verp-owner-default"): "./owner\n", ("joe", "-virt-default"): "./virtual\n",
    ("joe", "-wild-default"): "./wild\n", ("joe", "-all-default"): "./all\n", ("joe", "-vip-default"): "./vip\n",
    ("joe", "-chain"): "joe-mix\n", ("joe", "-lost"): "joe-nodir\n", ("joe", "-fifo-default"): "./past\n",
    ("joe", "-sales"): "./sales\n", ("joe", "-team-red"): "./team\n",
    ("ann", ""): "./Maildir/\n", ("cat", ""): "./Mailbox\n", ("fay", ""): "|exit 0\n", ("fay", "-fwd"): "&me\n",
}


class Kind(NamedTuple):
    """One kind of address: who hands in mail for it, and from whom."""

    address: str
    client: str = STRANGER
    sender: str = SENDER


KINDS = (
    *(Kind(f"{local}@{HOST}") for local in (
        "me", "ME", "sam", "joe", "joe-ext", "JOE-Ext", "joe-a.b", "joe-x-y", "joe-other", "ann-nothing", "unknown",
        "postmaster", "PoStMaStEr", "mailer-daemon", "root", "joe-mix", "joe-comment", "joe-empty", "joe-blank",
        "joe-null", "joe-enough", "joe-no", "joe-wait", "joe-both", "joe-nodir", "joe-isdir", "joe-nofolder",
        "joe-abs", "joe-plus", "joe-loop", "joe-out", "joe-list", "joe-verp", "joe-chain", "joe-lost",
        "joe-fifo-x", "joe-link", "joe-secret", "ann", "bob", "cat", "dan", "eve", "fay", "fay-fwd",
        "gus", "gus-x", "hal", "boss", "sales",
        "team-red", "team", "lost", '"joe-a b"', "me%test.example", "x.y", "joe-../../etc/passwd", "a" * 40,
    )),
    Kind(f"me@{HOST.upper()}"), Kind("me"), Kind("nobody-at-all"), Kind(""), Kind("me@[127.0.0.1]"),
    Kind("me%test.example@hack.example"), Kind("you%one.example@hack.example", RELAY),
    Kind("you@hack.example", RELAY),
    Kind("info@virt.example"), Kind("Info@VIRT.Example"), Kind("a@b.wild.example"), Kind("vip@user.example"),
    Kind("other@user.example", RELAY), Kind("any@everything.invalid", RELAY),
    Kind("you@one.example"), Kind("you@one.example", RELAY), Kind("you@one.example", RELAY, BAD_SENDER),
    Kind(f"me@{HOST}", STRANGER, BAD_SENDER), Kind(f"me@{HOST}", DENIED), Kind(f"me@{HOST}", RELAY),
    *(Kind(f"you@{domain}", RELAY) for domain in (
        "two.example", "plain.example", "nowhere.example", "null.example", "trouble.example", "self.example",
        "backup.example", "worst.example", "hostless.example", "routed.example", "below.dotted.example",
        "refused.example", f"[{FIRST}]", "[127.0.0.1]", "secret.example", "clear.example", "slow.example",
        "badroute.example",
    )),
)


class ExplainCase(SynchronousTestCase):
    """A world with many kinds of users, and hosts around it."""

    skip = NOT_ROOT
    timeout = 600

    def setUp(self) -> None:
        """Make the users, their files, the hosts, and start the system."""
        self.world = World(self, PEOPLE)
        self.sink = Sink(self)
        Forwarder(self, FIRST, self.sink.port)
        Forwarder(self, SECOND, self.sink.port)
        self.fill_homes()
        self.fill_controls()
        self.running = self.world.up()
        self.port = self.running.port()
        record = bytes(map(int, SLOW.split("."))) + b"\5\0\0\0" + int(time.time()).to_bytes(4, "little") + bytes(4)
        with open(f"{self.world.home}/queue/lock/tcpto", "r+b") as file:
            file.write(record)

    def fill_homes(self) -> None:
        """Write .qmail files, and spoil some homes."""
        people = self.world.people
        for name in ("joe", "ann"):
            done = self.world.run([f"{self.world.home}/bin/maildirmake", f"{people[name].home}/Maildir"],
                                  who=people[name])
            self.assertEqual(done.returncode, 0, done.stderr)
        for (name, ext), text in DOTQMAIL.items():
            self.world.write(people[name], f".qmail{ext}", text)
        joe = people["joe"].home
        os.mkfifo(f"{joe}/.qmail-fifo-x")
        os.symlink("/etc/shadow", f"{joe}/.qmail-secret")
        os.symlink(".qmail-ext", f"{joe}/.qmail-link")
        os.chmod(people["ann"].home, 0o1755)
        os.chmod(people["bob"].home, 0o775)
        os.chmod(f"{people['cat'].home}/.qmail", 0o666)
        os.chmod(people["dan"].home, 0o700)
        os.mkfifo(f"{people['eve'].home}/Mailbox")
        os.chmod(f"{people['fay'].home}/.qmail", 0o744)
        os.chmod(f"{people['fay'].home}/.qmail-fwd", 0o744)
        os.rmdir(people["gus"].home)
        os.chown(people["hal"].home, people["ivy"].uid, people["ivy"].gid)

    def fill_controls(self) -> None:
        """Write the control files and users/assign."""
        world, joe = self.world, self.world.people["joe"]
        for name, text in {
            "rcpthosts": f"{HOST}\nhack.example\nvirt.example\n.wild.example\nuser.example\n",
            "percenthack": "hack.example\n", "badmailfrom": "# bad ones\n@bad.example\n", "localiphost": f"{HOST}\n",
            "tcprules": f'{RELAY}:allow,RELAYCLIENT=""\n{DENIED}:deny\n:allow\n',
            "virtualdomains": "virt.example:joe-virt\n.wild.example:joe-wild\nvip@user.example:joe-vip\n"
                              "user.example:\n.example:\none.example:\n[127.0.0.1]:\n"
                              f"[{FIRST}]:\n:joe-all\n",
            "smtproutes": f"routed.example:127.0.0.1:{self.sink.port}\n.dotted.example:{FIRST}\n"
                          f"refused.example:{DEAD}\nbadroute.example:no-such-host.example\n",
            "tlsdestinations": "secret.example:encrypt\nclear.example:none\n",
            "resolvers": name_server(self, *NAMES.split("\n")),
        }.items():
            world.control(name, text)
        with open(f"{world.home}/users/assign", "w", encoding="ascii") as file:
            file.write(f"=boss:root:0:0:/root:::\n=sales:joe:{joe.uid}:{joe.gid}:{joe.home}:-:sales:\n"
                       f"=lost:joe:{joe.uid}:{joe.gid}:/nonexistent:::\n"
                       f"+team:joe:{joe.uid}:{joe.gid}:{joe.home}:-:team:\n.\n")
        done = world.run([f"{world.home}/bin/qmail-newu"])
        self.assertEqual(done.returncode, 0, done.stderr)

    def explain(self, *words: str, who: Person | None = None) -> list[dict[str, Any]]:
        """Run the command; each answer is one line."""
        command = code().module("qtwisted.admin.qmailctl", "--home", self.world.home, "explain", "--json", *words)
        done = self.world.run(command, who=who)
        self.assertIn(done.returncode, (0, 1), done.stderr)
        return [json.loads(line) for line in done.stdout.splitlines()]


class AgreementTests(ExplainCase):
    """First it is explained, then it is sent."""

    def test_kinds(self) -> None:
        """Each kind of address meets the end that was told."""
        self.assertGreaterEqual(len(KINDS), 50)
        told = {}
        for asked in dict.fromkeys((kind.client, kind.sender) for kind in KINDS):
            group = [kind for kind in KINDS if (kind.client, kind.sender) == asked]
            words = ["--client", asked[0], "--sender", asked[1], "--connect", "--deep", "--"]
            told.update(zip(group, self.explain(*words, *(kind.address for kind in group)), strict=True))
        wrong = []
        for at, kind in enumerate(KINDS):
            try:
                Sent(self, self.running, kind, f"kind {at}").compare(told[kind])
            except AssertionError as difference:
                wrong.append(f"{kind}: {difference}\n{json.dumps(told[kind], indent=1)}")
        self.assertEqual(wrong, [], "\n\n".join(wrong))


class Sent:
    """A message of one kind that was really sent, and what has become of it."""

    def __init__(self, case: ExplainCase, running: Running, kind: Kind, subject: str) -> None:
        """Send it."""
        self._case = case
        self._running = running
        self._start = len(running.log)
        self._subject = subject
        self.reply, self.qp = self._send(kind)

    def _send(self, kind: Kind) -> tuple[str, int | None]:
        """Send it by SMTP: the reply that refuses it, or the number it has in the queue."""
        try:
            talk = smtplib.SMTP("127.0.0.1", self._case.port, timeout=60, source_address=(kind.client, 0))
        except smtplib.SMTPConnectError as refused:
            return f"{refused.smtp_code} {_text(refused.smtp_error)}", None
        with talk:
            talk.docmd("HELO", "client.example")
            talk.docmd("MAIL", f"FROM:<{kind.sender}>")
            number, text = talk.docmd("RCPT", f"TO:<{kind.address}>")
            if number == 250:
                talk.docmd("DATA")
                talk.send(f"Subject: {self._subject}\r\n\r\nhello\r\n.\r\n")
                number, text = talk.getreply()
            if number != 250:
                return f"{number} {_text(text)}", None
            return "", int(_text(text).rpartition(" ")[2])

    def compare(self, told: dict[str, Any]) -> None:
        """Compare it with what was told."""
        outcome, text = told["verdict"]["outcome"], told["verdict"]["text"]
        if self.qp is None:
            self._case.assertEqual((outcome, text), ("refused", self.reply))
        else:
            self._compare_delivery(told, self._delivery(self.qp))

    def _delivery(self, qp: int) -> tuple[str, str, str]:
        """How the delivery of the message with this number ended: channel, word and text."""
        at, match = self._running.wait_for_line(rf"info msg (\d+): bytes \d+ from <.*> qp {qp} uid \d+", self._start)
        number = match.group(1)
        at, match = self._running.wait_for_line(rf"starting delivery (\d+): msg {number} to (local|remote) .*", at)
        delivery, channel = match.groups()
        match = self._running.wait_for(rf"delivery {delivery}: (success|deferral|failure): (.*)", at)
        return channel, match.group(1), match.group(2)

    def _compare_delivery(self, told: dict[str, Any], found: tuple[str, str, str]) -> None:
        """Compare the end of a delivery with the verdict."""
        case, (channel, word, said) = self._case, found
        outcome, text = told["verdict"]["outcome"], told["verdict"]["text"]
        is_remote = any(step["stage"] == "send" for step in told["steps"])
        case.assertEqual("remote" if is_remote else "local", channel)
        if outcome == "depends":
            local = told["address"].partition("@")[0]
            case.assertEqual((word, said), PROGRAMS[local])
            self._compare_program(told, said)
            return
        words = {"delivered": "success", "sent": "success", "forwarded": "success", "discarded": "success",
                 "later": "deferral", "bounced": "failure"}
        case.assertEqual(words[outcome], word, said)
        if outcome in ("later", "bounced"):
            case.assertEqual(_plain(logsafe(text.encode()).decode()), _plain(said))
        elif outcome == "sent":
            case.assertTrue(said.startswith(text.split()[1] + "_accepted_message."), said)
        else:
            self._compare_success(told, said)

    def _compare_program(self, told: dict[str, Any], said: str) -> None:
        """A program decides: its line was told with what its exit codes mean, and the rest is as for a success."""
        step = next(step for step in told["steps"] if step["text"].startswith("|"))
        for words in ("with 0 we go on", "with 99 the lines below do not count", "with 100 it bounces", "with 111"):
            self._case.assertIn(words, step["text"])
        self._case.assertEqual(step["line"], 1)
        kept = re.findall(r"in (/[^,]*)", told["verdict"]["text"])
        if said.startswith("did_1"):
            wait_until(lambda: self._holds(kept[0]), f"{self._subject} in {kept}")
        self._case.assertFalse(any("never" in place and self._holds(place) for place in kept))

    def _compare_success(self, told: dict[str, Any], said: str) -> None:
        """Compare what was done here: so many files, which hold the message, and so many forwards."""
        text = told["verdict"]["text"]
        kept = re.findall(r"in (/[^,]*)", text)
        forwards = text.count("forwarded to")
        if told["verdict"]["outcome"] != "discarded" or said:
            self._case.assertIn(f"did_{len(kept)}+{forwards}+0/", said)
        for place in kept:
            wait_until(lambda place=place: self._holds(place), f"{self._subject} in {place}")
        self._case.assertEqual(len(told["onward"]), forwards)
        if forwards:
            qp = int(re.search(r"qp_(\d+)/", said).group(1))
            self._compare_onward(told["onward"], qp)

    def _compare_onward(self, onward: list[dict[str, Any]], qp: int) -> None:
        """Compare what becomes of the copies with what was told of them."""
        at, match = self._running.wait_for_line(rf"info msg (\d+): bytes \d+ from <.*> qp {qp} uid \d+", self._start)
        number, found = match.group(1), []
        for _ in onward:
            begun = rf"starting delivery (\d+): msg {number} to (local|remote) .*"
            at, match = self._running.wait_for_line(begun, at)
            delivery, channel = match.groups()
            match = self._running.wait_for(rf"delivery {delivery}: (success|deferral|failure): (.*)", at)
            found.append((channel, match.group(1), match.group(2)))
            at += 1
        self._case.assertEqual(len(found), len(onward))
        local = [told for told in onward if not any(step["stage"] == "send" for step in told["steps"])]
        remote = [told for told in onward if told not in local]
        for channel, told_of in (("local", local), ("remote", remote)):
            for told, one in zip(told_of, [one for one in found if one[0] == channel], strict=True):
                self._compare_delivery(told, one)

    def _holds(self, place: str) -> bool:
        """Is the message in this mbox or Maildir?"""
        files = [place]
        if place.endswith("/"):
            files = [f"{place}new/{name}" for name in os.listdir(f"{place}new")]
        return any(f"Subject: {self._subject}\n" in self._case.world.read(file) for file in files)


def _text(said: bytes | str) -> str:
    """The text of a reply."""
    return said.decode("latin-1") if isinstance(said, bytes) else said


def _plain(text: str) -> list[str]:
    """A text of the log or of a verdict, without what the log makes of blanks and line ends."""
    return text.replace("/", " ").replace("_", " ").split()


class LookingTests(ExplainCase):
    """What is seen, and what is not."""

    def setUp(self) -> None:
        """Make a world without a system that runs: nothing is sent."""
        self.world = World(self, PEOPLE)
        self.sink = Sink(self)
        self.fill_homes()
        self.fill_controls()

    def verdict(self, *words: str, who: str | None = None) -> tuple[str, str]:
        """The verdict on one address."""
        told, = self.explain(*words, who=None if who is None else self.world.people[who])
        return told["verdict"]["outcome"], told["verdict"]["text"]

    def shown(self, *words: str) -> str:
        """What people are shown."""
        command = code().module("qtwisted.admin.qmailctl", "--home", self.world.home, "explain", *words)
        return self.world.run(command).stdout.decode()

    def test_nothing_of_others(self) -> None:
        """A link to a file that the user cannot read shows nothing of it, though root asks."""
        self.assertEqual(self.verdict("joe-secret@" + HOST),
                         ("later", "Unable to open .qmail-secret: access denied. (#4.3.0)"))
        os.chmod(self.world.people["joe"].home, 0o700)
        self.assertEqual(self.verdict("joe@" + HOST)[0], "delivered")

    def test_terminal(self) -> None:
        """What a user writes into his files never reaches the terminal as it is."""
        joe = self.world.people["joe"]
        self.world.write(joe, ".qmail-esc", "|echo \x1b]0;x\x07\x9b\n&a\x1b[2J@b\n# \x1b[31m\n")
        text = self.shown("joe-esc@" + HOST)
        self.assertIn("\\x1b]0;x\\x07", text)
        self.assertFalse(set(text) - set(map(chr, range(32, 127))) - {"\n"}, text)

    def test_many_lines(self) -> None:
        """Of a long list the first lines are told; all of it counts."""
        joe = self.world.people["joe"]
        self.world.write(joe, ".qmail-long", "me\n" * 5000)
        told, = self.explain("joe-long@" + HOST)
        self.assertEqual(told["verdict"]["text"].count("forwarded to"), 5000)
        self.assertLess(len(told["steps"]), 320)

    def test_lists_of_lists(self) -> None:
        """Lists that forward to each other many times over are told once each, and only so many."""
        joe = self.world.people["joe"]
        self.world.write(joe, ".qmail-huge", "".join(f"me-{number}\n" for number in range(300)))
        told, = self.explain("--deep", "joe-huge@" + HOST)
        last = told["onward"][-1]["verdict"]
        self.assertEqual(last, {"outcome": "unknown", "text": "not followed: more than 100 addresses"})

    def test_not_root(self) -> None:
        """Users see what their own mail meets; what they cannot see is said."""
        self.assertEqual(self.verdict("sam@" + HOST, who="sam")[0], "delivered")
        outcome, text = self.verdict("joe@" + HOST, who="sam")
        self.assertEqual(outcome, "unknown")
        self.assertIn("only root and joe can see", text)

    def test_secrets(self) -> None:
        """The name we log in with is told, with its line; the password never is."""
        self.world.control("smtpauth", "# relays\nrouted.example:ourname:ourpassword\n")
        path = f"{self.world.home}/control/smtpauth"
        os.chmod(path, 0o640)
        os.chown(path, 0, 64000)
        told, = self.explain("--no-dns", "--client", RELAY, "you@routed.example")
        self.assertIn({"stage": "send", "text": "we log in as ourname", "file": "control/smtpauth", "line": 2},
                      told["steps"])
        self.assertNotIn("ourpassword", json.dumps(told))

    def test_control_trouble(self) -> None:
        """A control file that cannot be read is named with its line; mail is put off."""
        self.world.control("tlsdestinations", "a.example:may\nb.example:sometimes\n")
        outcome, text = self.verdict("--no-dns", "--client", RELAY, "you@routed.example")
        self.assertEqual(outcome, "later")
        self.assertIn("control/tlsdestinations line 2", text)

    def test_on_hold(self) -> None:
        """Where no delivery is begun, mail waits."""
        self.world.control("concurrencylocal", "0\n")
        self.assertEqual(self.verdict("me@" + HOST), ("later", "no local delivery is ever begun"))

    def test_lines(self) -> None:
        """Each step names the file and the line that decided."""
        told, = self.explain("--client", STRANGER, "a@b.wild.example")
        places = [(step["file"], step["line"]) for step in told["steps"] if step["file"]]
        qmail = f"{self.world.people['joe'].home}/.qmail-wild-default"
        self.assertEqual(places, [("control/tcprules", 3), ("control/rcpthosts", 4), ("control/virtualdomains", 2),
                                  ("users/cdb", None), (qmail, None), (qmail, 1)])

    def test_assignment(self) -> None:
        """An assignment is told with its line, and a table that is older than its source is noticed."""
        told, = self.explain("sales@" + HOST)
        step = next(step for step in told["steps"] if step["stage"] == "user")
        self.assertEqual((step["file"], step["line"]), ("users/assign", 2))
        with open(f"{self.world.home}/users/assign", "w", encoding="ascii") as file:
            file.write(".\n")
        told, = self.explain("sales@" + HOST)
        self.assertIn("users/assign says something else: qmail-newu has not been run since",
                      [step["text"] for step in told["steps"]])

    def test_without_client(self) -> None:
        """Without a client it is mail from this host: what strangers are told is told, and does not count."""
        told, = self.explain("--no-dns", "you@routed.example")
        self.assertEqual(told["verdict"]["outcome"], "sent")
        self.assertTrue(any(step["text"].startswith("strangers are refused: 553 ") for step in told["steps"]))

    def test_no_dns(self) -> None:
        """Without name servers it is said what was not looked up."""
        self.assertEqual(self.verdict("--no-dns", "you@one.example"), ("unknown", "one.example was not looked up"))

    def test_exit_codes(self) -> None:
        """The exit code says whether mail would arrive."""
        for address, expected in (("me", 0), ("ann-nothing", 1)):
            command = code().module("qtwisted.admin.qmailctl", "--home", self.world.home, "explain", address)
            self.assertEqual(self.world.run(command).returncode, expected, address)
