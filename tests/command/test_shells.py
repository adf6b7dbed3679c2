"""The man page and the completions: they have every verb, and shells really complete."""

from __future__ import annotations

import shutil
import subprocess
from itertools import permutations
from pathlib import Path

import pytest
from conftest import skip_real

from command.conftest import CHECKOUT
from kumo._command.options import make_parser
from kumo._command.verbs import VERBS

SHARE = CHECKOUT / "share"
BASH = SHARE / "bash-completion/completions/kumo"
ZSH = SHARE / "zsh/site-functions"
FISH = SHARE / "fish/vendor_completions.d/kumo.fish"
MAN = SHARE / "man/man1/kumo.1"
# Words of a line, the last of them unfinished, and some of what it may become.
LINES: list[tuple[list[str], tuple[str, ...]]] = [
    (["kumo", "exp"], ("explain",)),
    (["kumo", "topology", "--j"], ("--json",)),
    (["kumo", "run", "--round", ""], ("floor", "ceil")),
    (["kumo", "help", "me"], ("measure", "metrics")),
    (["kumo", "run", "basen"], ("basename",)),
]
IN_BASH = """
source "$0"; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
"$(complete -p kumo | sed 's/.*-F \\([^ ]*\\).*/\\1/')" kumo "${!#}"
printf '%s\\n' "${COMPREPLY[@]}"
"""
# A shell of its own in a terminal, which gets the line and a tab. Nothing more is typed before its
# answer has come: keys that wait would keep it from listing.
IN_ZSH = """
zmodload zsh/zpty
zpty shell "TERM=dumb PS1= zsh -f -i"
zpty -w shell "fpath=($1 \\$fpath); autoload -U compinit; compinit -u -D; unsetopt zle; setopt zle"
zpty -w shell "zstyle ':completion:*' list-prompt ''; LISTMAX=0; bindkey '^I' list-choices"
zpty -w shell "echo be''gin"
while zpty -r shell line; do [[ $line == *begin* ]] && break; done
zpty -w -n shell "$2"$'\\t'
zpty -r shell line "$3"
print -r -- $line
zpty -d shell
"""


def ask(command: list[str]) -> set[str]:
    """The words of what a shell prints."""
    if shutil.which(command[0]) is None:
        skip_real(f"{command[0]} is not installed")
    ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return set(ran.stdout.split())


@pytest.mark.parametrize(("words", "expected"), LINES, ids=" ".join)
def test_bash(words: list[str], expected: tuple[str, ...]) -> None:
    assert set(expected) <= ask(["bash", "-c", IN_BASH, str(BASH), *words])


@pytest.mark.programs
@pytest.mark.parametrize(("words", "expected"), LINES, ids=" ".join)
def test_fish(words: list[str], expected: tuple[str, ...]) -> None:
    script = f"source '{FISH}'; complete -C '{' '.join(words)}'"

    assert set(expected) <= ask(["fish", "-c", script])


@pytest.mark.programs
@pytest.mark.parametrize(("words", "expected"), LINES, ids=" ".join)
def test_zsh(tmp_path: Path, words: list[str], expected: tuple[str, ...]) -> None:
    script = tmp_path / "ask.zsh"
    script.write_text(IN_ZSH)

    orders = "|".join(f"*{'*'.join(order)}*" for order in permutations(expected))

    assert set(expected) <= ask(
        ["zsh", "-f", str(script), str(ZSH), " ".join(words), f"({orders})"]
    )


@pytest.mark.parametrize("path", [BASH, ZSH / "_kumo", FISH, MAN], ids=lambda path: path.name)
def test_every_verb_and_option_is_there(path: Path) -> None:
    text = path.read_text("utf-8").replace("\\-", "-")
    options = {
        option.lstrip("-")
        for verb in (None, *VERBS)
        for action in make_parser(verb)._actions
        for option in action.option_strings
        if action.help != "==SUPPRESS=="
    }

    assert {word for word in {*VERBS, *options} if word not in text} == set(), (
        "run python docs/generate_shells.py"
    )
