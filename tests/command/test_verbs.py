"""The verbs as a set: one shape, one list, the same options before and behind the verb."""

from __future__ import annotations

import argparse
import ast
import re
from inspect import signature
from pathlib import Path

import pytest

import kumo as package
from command.conftest import CHECKOUT, Kumo, machine
from kumo._command.dispatch import split
from kumo._command.options import WIDTH, Answered, load, make_parser
from kumo._command.verbs import TAKES_VALUE, VERBS

PACKAGE = Path(package.__file__).parent
COMMAND = PACKAGE / "_command"
PAGE = CHECKOUT / "docs" / "reference" / "command.md"
SOME = machine("ecs-66-task-level-v1")
SHAPE = {"add_arguments", "run"}
# Two programs of their own, whose stdout is a pipe to kumo, and what a log handler raises, which
# goes to stderr as `logging` itself would write it.
OTHERS = {"_fleet/node.py", "_measure/worker.py", "_watch/say.py"}


def functions(path: Path) -> set[str]:
    body = ast.parse(path.read_text("utf-8")).body
    return {node.name for node in body if isinstance(node, ast.FunctionDef)}


def help_of(verb: str | None) -> str:
    return make_parser(verb).format_help()


def exit_codes(verb: str | None) -> set[str]:
    codes = help_of(verb).partition("\nexit codes:\n")[2].partition("\n\n")[0]
    return set(re.findall(r"^  (\d+) +\S", codes, re.MULTILINE))


# --- one shape, one list


def test_every_verb_has_a_module_and_every_module_of_that_shape_is_a_verb() -> None:
    shaped = {
        path.stem
        for path in COMMAND.glob("*.py")
        if {"add_arguments", "run"}
        <= {
            n.name
            for n in ast.parse(path.read_text("utf-8")).body
            if isinstance(n, ast.FunctionDef)
        }
    }

    assert shaped == {verb.replace("-", "_") for verb in VERBS}


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_has_the_shape(verb: str) -> None:
    module = load(verb)

    assert list(signature(module.add_arguments).parameters) == ["parser"]
    assert list(signature(module.run).parameters) == ["options"]
    assert module.DESCRIPTION.endswith(".")


def test_the_options_that_take_a_value_are_those_of_the_parsers() -> None:
    """A verb is recognized behind options without loading each parser."""
    taking = {
        option
        for verb in VERBS
        for action in make_parser(verb)._actions
        for option in action.option_strings
        if action.nargs is None
    }

    assert taking == TAKES_VALUE


# --- help


@pytest.mark.parametrize("verb", [None, *VERBS])
def test_help_fits_in_80_columns_and_its_usage_names_every_option(verb: str | None) -> None:
    text = help_of(verb)
    usage, _, rest = text.partition("\n\n")

    assert max(map(len, text.splitlines())) <= WIDTH
    for option in re.findall(r"^  (?:-\w, )?(--[\w-]+)", rest, re.MULTILINE):
        if option not in ("--help", "--version"):
            assert option in usage


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_a_verb_is_asked_for_in_three_ways(kumo: Kumo, verb: str) -> None:
    expected = (0, help_of(verb), "")

    assert kumo("help", verb) == kumo(verb, "--help") == kumo("-h", verb) == expected


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_says_its_version(verb: str) -> None:
    with pytest.raises(Answered, match=r"^kumo \d"):
        make_parser(verb).parse(["-V"])


def test_the_page_has_every_verb_and_its_help() -> None:
    text = PAGE.read_text("utf-8")

    for verb, what in VERBS.items():
        assert re.search(rf"^### .*`kumo {verb}`", text, re.MULTILINE), verb
        assert f"  {verb:<9} {what}\n" in text
        assert f"$ kumo {verb} --help\n{help_of(verb)}" in text, f"{verb}: check_docs.py --update"


def test_the_exit_codes_of_the_helps_are_those_of_the_page() -> None:
    table = PAGE.read_text("utf-8").partition("\n## Exit codes\n")[2].partition("\n## ")[0]
    rows = dict(re.findall(r"^\| (\d+) \| ([^|]+) \|", table, re.MULTILINE))

    every = {verb: exit_codes(verb) for verb in VERBS}
    assert set(rows) == set().union(*every.values())
    for code, meaning in rows.items():
        # A code of some verbs alone names each of them.
        some = [verb for verb, codes in every.items() if code in codes]
        named = set(re.findall(r"`kumo (\w+)[` ]", meaning))
        assert named == (set(some) if len(some) < len(VERBS) / 2 else set()), code


# --- options before the verb


@pytest.mark.parametrize("verb", [verb for verb in VERBS if "--json" in help_of(verb)])
def test_an_option_before_the_verb_means_the_same(verb: str) -> None:
    before, behind = (split(words) for words in (["--json", verb, "-x"], [verb, "--json", "-x"]))

    assert before == behind == (verb, ["--json", "-x"])


@pytest.mark.parametrize("verb", ["count", "explain", "topology"])
def test_json_before_and_behind(kumo: Kumo, verb: str) -> None:
    ran = kumo(verb, "--json", "--machine", SOME)

    assert ran.code == 0
    assert ran == kumo("--json", verb, "--machine", SOME) == kumo("--machine", SOME, "--json", verb)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], (None, [])),
        (["--json"], (None, ["--json"])),
        (["--machine", "explain"], (None, ["--machine", "explain"])),
        (["--machine=a", "explain"], ("explain", ["--machine=a"])),
        (["--pid", "1", "doctor"], ("doctor", ["--pid", "1"])),
        (
            ["--share", "1/2", "run", "--", "make", "-j"],
            ("run", ["--share", "1/2", "--", "make", "-j"]),
        ),
        (["run", "explain"], ("run", ["explain"])),
        (["--", "explain"], ("explain", [])),
        (["", "--json"], ("", ["--json"])),
        (["--pid"], (None, ["--pid"])),
    ],
)
def test_the_verb_is_the_first_word_that_is_no_option(
    words: list[str], expected: tuple[str | None, list[str]]
) -> None:
    assert split(words) == expected


def test_count_is_what_kumo_alone_prints(kumo: Kumo) -> None:
    assert kumo("count") == kumo()
    assert kumo("count", "--machine", SOME) == kumo("--machine", SOME) == (0, "1\n", "")


# --- one output


STREAMS = {"stdout", "stderr", "__stdout__", "__stderr__"}
# What writes to stderr or stdout without naming it, by the end of its name.
WRITERS = {
    *("print", "pprint", "warn", "StreamHandler", "basicConfig", "captureWarnings"),
    *("print_exc", "print_exception", "print_tb", "print_stack", "print_last", "print_usage"),
    *("_print_message", "input", "system", "lastResort"),
}
NUMBERED = {"write", "writev", "fdopen", "open", "dup2", "sendfile"}  # with a descriptor first
DEVICES = re.compile(r"/dev/(std(out|err)|tty|fd/[12])|/proc/self/fd/[12]")


def writes(tree: ast.AST) -> list[int]:
    """The lines that could write to stdout or stderr."""
    return [getattr(node, "lineno", 0) for node in ast.walk(tree) if is_writing(node)]


def is_writing(node: ast.AST) -> bool:
    match node:
        case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name), args=arguments):
            numbers = [each.value for each in arguments[:2] if isinstance(each, ast.Constant)]
            return name in WRITERS or (name in NUMBERED and (1 in numbers or 2 in numbers))
        case ast.Attribute(value=ast.Name(id="sys"), attr=name):
            return name in STREAMS
        case ast.ImportFrom(module="sys", names=names):
            return any(alias.name in STREAMS for alias in names)
        case ast.Constant(value=str(text)):
            return DEVICES.fullmatch(text) is not None
    return False


@pytest.mark.parametrize(
    "line",
    [
        *("print(1)", "sys.stdout", "sys.__stderr__.flush()", "from sys import stderr"),
        *("os.write(1, b'')", "os.write(2, b'')", "os.fdopen(1, 'w')", "open(2, 'w')"),
        *("logging.StreamHandler()", "logging.basicConfig()", "warnings.warn('')"),
        *("traceback.print_exc()", "parser.print_usage()", "open('/dev/stderr', 'w')"),
        *("os.system('true')", "os.dup2(number, 2)", "input()"),
    ],
)
def test_each_way_to_write_is_known(line: str) -> None:
    assert writes(ast.parse(line))


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.relative_to(PACKAGE).as_posix()
)
def test_nothing_but_the_output_writes_to_the_streams(path: Path) -> None:
    name = path.relative_to(PACKAGE).as_posix()
    lines = writes(ast.parse(path.read_text("utf-8")))

    if name == "_command/output.py" or name in OTHERS:
        assert lines
    else:
        assert lines == []


def test_the_whole_parser_has_every_verb() -> None:
    from kumo._command.options import make_whole_parser

    (verbs,) = (
        action
        for action in make_whole_parser()._actions
        if isinstance(action, argparse._SubParsersAction)
    )
    assert list(verbs.choices) == list(VERBS)
