"""qmailctl completion -- print what makes a shell complete the commands and their options.

For bash: ``eval "$(qmailctl completion bash)"``, or the same text in /etc/bash_completion.d/qmailctl. For zsh: the
text as the file _qmailctl in a directory of $fpath. For fish: as ~/.config/fish/completions/qmailctl.fish.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from qtwisted.admin.ctl.screen import Screen

SHELLS = ("bash", "zsh", "fish")


class Option(NamedTuple):
    """One option of a command: its names, what it is for, whether a value follows, and which values there are."""

    names: tuple[str, ...]
    summary: str
    has_value: bool
    values: tuple[str, ...]


class Known(NamedTuple):
    """One command: its name, what it is for, its options, and the words it may have besides."""

    name: str
    summary: str
    options: tuple[Option, ...]
    words: tuple[str, ...]


def arguments(name: str, parser: argparse.ArgumentParser) -> None:
    """Declare the words of the command."""
    parser.add_argument("shell", choices=SHELLS, help="for which shell")


def run(name: str, options: argparse.Namespace, home: str, screen: Screen) -> int:
    """Print it."""
    write: dict[str, Callable[[list[Known]], Iterator[str]]] = {"bash": bash, "zsh": zsh, "fish": fish}
    for line in write[options.shell](commands()):
        screen.whole(line)
    return 0


def commands() -> list[Known]:
    """All commands, as their parsers tell of them."""
    from qtwisted.admin import qmailctl

    found = []
    for command in qmailctl.COMMANDS:
        try:
            actions = qmailctl.parser(command)._actions
        except ModuleNotFoundError:
            continue  # this command is not installed
        options = tuple(_option(action) for action in actions if action.option_strings)
        words = tuple(str(word) for action in actions if not action.option_strings for word in action.choices or ())
        found.append(Known(command.name, command.summary, options, words))
    names = tuple(each.name for each in found)
    return [*found, Known("help", "tell the words of a command", (), names)]


def _option(action: argparse.Action) -> Option:
    """Describe one option."""
    summary = (action.help or "").replace("%%", "%")
    values = tuple(str(each) for each in action.choices or ())
    return Option(tuple(action.option_strings), summary, action.nargs != 0, values)


def bash(known: list[Known]) -> Iterator[str]:
    """Write a function for bash."""
    yield "_qmailctl() {"
    yield "    local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command= words= at"
    yield "    for ((at = 1; at < COMP_CWORD; at++)); do"
    yield "        case ${COMP_WORDS[at]} in"
    yield "            --home) ((at += 1)) ;;"
    yield "            *) command=${COMP_WORDS[at]}; break ;;"
    yield "        esac"
    yield "    done"
    yield "    case $command:$before in"
    yield "        :--home) COMPREPLY=($(compgen -d -- \"$current\")); return ;;"
    for command in known:
        for option in command.options:
            for name in option.names if option.has_value else ():
                values = " ".join(option.values)
                yield f"        {command.name}:{name}) words='{values}' ;;"
    yield f"        :*) words='{' '.join(command.name for command in known)} --home' ;;"
    for command in known:
        names = [name for option in command.options for name in option.names]
        yield f"        {command.name}:*) words='{' '.join([*command.words, *names])}' ;;"
    yield "    esac"
    yield "    COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))"
    yield "}"
    yield "complete -F _qmailctl qmailctl"


def zsh(known: list[Known]) -> Iterator[str]:
    """Write a function for zsh."""
    yield "#compdef qmailctl"
    yield "_qmailctl() {"
    yield "    local -a commands"
    yield "    commands=("
    for command in known:
        yield f"        {_quoted(f'{command.name}:{command.summary}')}"
    yield "    )"
    yield "    if (( CURRENT == 2 )); then"
    yield "        _describe command commands"
    yield "        return"
    yield "    fi"
    yield "    local command=$words[2]"
    yield "    shift words"
    yield "    (( CURRENT-- ))"
    yield "    case $command in"
    for command in known:
        specs = [_quoted(spec) for option in command.options for spec in _zsh_specs(option)]
        words = f"'*:word:({' '.join(command.words)})'" if command.words else "'*:number: '"
        yield f"        {command.name}) _arguments {' '.join([*specs, words])} ;;"
    yield "    esac"
    yield "}"
    yield "if [ \"$funcstack[1]\" = _qmailctl ]; then _qmailctl \"$@\"; else compdef _qmailctl qmailctl; fi"


def _zsh_specs(option: Option) -> Iterator[str]:
    """Write the names of an option as _arguments wants them."""
    summary = "".join(" " if each in "[]:\\" else each for each in option.summary)
    for name in option.names:
        value = f":value:({' '.join(option.values)})" if option.values else ":value: "
        yield f"{name}[{summary}]" + (value if option.has_value else "")


def fish(known: list[Known]) -> Iterator[str]:
    """Write commands for fish."""
    yield "complete -c qmailctl -f"
    yield "complete -c qmailctl -n __fish_use_subcommand -l home -r -d 'the home of the mail system'"
    for command in known:
        yield f"complete -c qmailctl -n __fish_use_subcommand -a {command.name} -d {_quoted(command.summary)}"
        seen = f"-n '__fish_seen_subcommand_from {command.name}'"
        if command.words:
            yield f"complete -c qmailctl {seen} -a '{' '.join(command.words)}'"
        for option in command.options:
            names = " ".join(f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names)
            value = f" -x -a '{' '.join(option.values)}'" if option.values else " -x" if option.has_value else ""
            yield f"complete -c qmailctl {seen} {names}{value} -d {_quoted(option.summary)}"


def _quoted(text: str) -> str:
    """Write a word in single quotes."""
    return "'" + text.replace("\\", " ").replace("'", "’") + "'"
