"""Tests: what makes shells complete the commands, in those shells that are here."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
from argparse import Namespace

from twisted.trial.unittest import SynchronousTestCase

from qtwisted.admin.ctl import completion
from qtwisted.admin.ctl.screen import Screen


class CompletionTests(SynchronousTestCase):
    """The scripts, and what real shells make of them."""

    def script(self, shell: str) -> str:
        """Write the script for a shell."""
        file = io.StringIO()
        self.assertEqual(completion.run("completion", Namespace(shell=shell), "/", Screen(file)), 0)
        return file.getvalue()

    def bash(self, *words: str) -> list[str]:
        """What bash offers for the last word of a line."""
        line = " ".join(f"'{word}'" for word in words)
        text = (f"{self.script('bash')}\nCOMP_WORDS=({line})\nCOMP_CWORD={len(words) - 1}\n_qmailctl\n"
                "complete -p qmailctl >&2\nprintf '%s\\n' \"${COMPREPLY[@]}\"\n")
        done = subprocess.run(["bash", "--norc", "-u"], input=text, capture_output=True, text=True, check=False,
                              timeout=60)
        self.assertEqual((done.returncode, done.stderr), (0, "complete -F _qmailctl qmailctl\n"))
        return done.stdout.split()

    def test_bash_commands(self) -> None:
        """Commands, after --home too."""
        self.assertEqual(self.bash("qmailctl", "re"), ["restart", "reload", "retry", "release"])
        self.assertLessEqual({"start", "queue", "delete", "help", "--home"}, set(self.bash("qmailctl", "")))
        self.assertEqual(self.bash("qmailctl", "--home", "/var/qmail", "que"), ["queue"])

    def test_bash_options(self) -> None:
        """The options of a command, and the values of an option."""
        self.assertEqual(self.bash("qmailctl", "queue", "--s"), ["--sender", "--smaller", "--state"])
        self.assertEqual(self.bash("qmailctl", "queue", "--state", ""), ["todo", "held", "bouncing", "queued"])
        self.assertEqual(self.bash("qmailctl", "queue", "--sender", ""), [])
        self.assertEqual(self.bash("qmailctl", "--home", "/x", "bounce", "--te"), ["--text"])
        self.assertEqual(self.bash("qmailctl", "completion", "z"), ["zsh"])
        self.assertIn("queue", self.bash("qmailctl", "help", ""))
        self.assertEqual(self.bash("qmailctl", "nonsense", ""), [])

    def test_bash_home(self) -> None:
        """Directories after --home."""
        place = os.path.abspath(self.mktemp())
        os.makedirs(f"{place}/inner")
        self.assertEqual(self.bash("qmailctl", "--home", f"{place}/in"), [f"{place}/inner"])

    def test_syntax(self) -> None:
        """Each shell that is installed takes its script without a word."""
        for shell, words in (("bash", ["-n"]), ("zsh", ["-n"]), ("fish", ["--no-execute"])):
            if shutil.which(shell):
                done = subprocess.run([shell, *words], input=self.script(shell), capture_output=True, text=True,
                                      check=False, timeout=60)
                self.assertEqual((done.returncode, done.stdout, done.stderr), (0, "", ""))

    def test_fish(self) -> None:
        """fish offers commands, options and values."""
        if not shutil.which("fish"):
            self.skipTest("there is no fish")
        place = os.path.abspath(self.mktemp())
        os.mkdir(place)
        for line, wanted in (("qmailctl relea", ["release"]), ("qmailctl queue --stat", ["--state"]),
                             ("qmailctl queue --state h", ["held"])):
            text = f"{self.script('fish')}\ncomplete -C '{line}'\n"
            done = subprocess.run(["fish", "--no-config"], input=text, capture_output=True, text=True, check=False,
                                  env={**os.environ, "HOME": place}, timeout=60)
            self.assertEqual([each.split("\t")[0] for each in done.stdout.splitlines()], wanted, done.stderr)

    def test_zsh(self) -> None:
        """zsh takes the function for the command."""
        if not shutil.which("zsh"):
            self.skipTest("there is no zsh")
        text = f"autoload -Uz compinit; compinit -D -u\n{self.script('zsh')}\nprint -r -- $_comps[qmailctl]\n"
        done = subprocess.run(["zsh", "-f"], input=text, capture_output=True, text=True, check=False, timeout=60)
        self.assertEqual((done.stdout, done.stderr), ("_qmailctl\n", ""))

    def test_quotes(self) -> None:
        """No text of a command ends its quotes early."""
        for shell in completion.SHELLS:
            for line in self.script(shell).splitlines():
                self.assertEqual(line.count("'") % 2, 0, line)

    def test_everything(self) -> None:
        """Every command is offered, and each of its options."""
        for shell in completion.SHELLS:
            script = self.script(shell)
            for command in completion.commands():
                self.assertIn(command.name, script)
                for option in command.options:
                    self.assertIn(option.names[0].lstrip("-"), script)
