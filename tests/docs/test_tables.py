"""Tables of the pages, each compared with what it lists."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import kumo
from kumo._cgroups.unmounted import GVISOR, WITHOUT
from kumo._command import doctor_host_report, fleet
from kumo._command.options import make_parser
from kumo._command.verbs import VERBS
from kumo._detectors.machine import CALLS
from kumo._fleet.adapters import ENGINES
from kumo._notes import NOTES
from kumo._runtimes.runtimes import RUNTIMES
from kumo._survey import ANNOUNCED, HOSTS
from kumo._top.app import TITLES, Levels, Top

ROOT = Path(__file__).parents[2]
PACKAGE = Path(kumo.__file__).parent
DOCS = ROOT / "docs"
REFERENCE = DOCS / "reference"
VARIABLE = re.compile(r"_?[A-Z][A-Z0-9]*_[A-Z0-9_]+|KUMO_\w+")
# Texts of that form which are no variables: names for `sysconf`, and the end of a name.
NO_VARIABLES = {"SC_NPROCESSORS_ONLN", "NUM_PPN"}
# Runtimes that the page has by the name that people know.
SHOWN_AS = {"faiss-cpu": "faiss", "opencv-python-headless": "OpenCV", "django": "Django"}
# Options that a table leaves out: the page has a section for them, or they are every verb's.
ELSEWHERE = {
    "run": {"--memory-per-worker"},
    "measure": {"--pid"},
}
# Notes that say how something known counts. The others are about something that stays unknown.
ON_WHAT_IS_KNOWN = {
    "override-exceeds-machine",
    "real-time",
    "real-time-reset",
    "burst-allowed",
    "quota-below-one",
    "grant-of-one-task",
    "step-smaller-than-job",
    "cpu-sets",
    "topology-overlaps",
    "topology-siblings-apart",
    "view",
}
KEYS = {
    "up": "↑",
    "down": "↓",
    "pageup": "PgUp",
    "pagedown": "PgDn",
    "home": "Home",
    "end": "End",
    "question_mark": "?",
    "slash": "/",
    "backslash": "\\",
    "escape": "Esc",
    "greater_than_sign": ">",
    "full_stop": ">",
    "less_than_sign": "<",
    "comma": "<",
    "ctrl+c": "Ctrl-C",
}


def table(page: str, header: str, section: str = "") -> list[list[str]]:
    """The cells of the first table whose header begins so, after the heading *section*."""
    text = (ROOT / page).read_text("utf-8")
    assert section in text
    _, here, rest = text[text.index(section) :].partition(f"\n| {header}")
    assert here, f"no table {header} after {section}"
    rows = rest.partition("\n\n")[0].split("\n")[2:]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]] for row in rows]


def column(rows: list[list[str]], number: int = 0) -> str:
    return "\n".join(row[number] for row in rows)


def codes(text: str) -> set[str]:
    """What is written as code."""
    return set(re.findall(r"`([^`\n]+)`", text))


def words(text: str) -> set[str]:
    """The words of what is written as code."""
    whole = {word for code in codes(text) for word in re.findall(r"[\w!.-]+", code)}
    return whole | {part for word in whole for part in word.split(".")}


def trees(folder: str) -> Iterator[tuple[str, ast.Module]]:
    for path in sorted((PACKAGE / folder).rglob("*.py")):
        yield path.stem, ast.parse(path.read_text("utf-8"))


def texts(tree: ast.AST) -> set[str]:
    """The texts in the code."""
    values = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant))
    return {value for value in values if isinstance(value, str)}


def sources(tree: ast.AST) -> set[str]:
    """The sources of the limits that a detector yields."""
    return {
        ast.literal_eval(node.args[0])
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) == "Limit"
        and isinstance(node.args[0], ast.Constant)
    }


# --- where limits come from


def test_every_scheduler_has_a_row() -> None:
    schedulers = {*ANNOUNCED.values()} - {*HOSTS} | {"build_farm"}
    yielded = {name: sources(tree) for name, tree in trees("_detectors") if name in schedulers}
    rows = table("docs/reference/schedulers.md", "scheduler | source |")

    assert codes(column(rows, 1)) == set().union(*yielded.values())
    assert all(yielded.values())  # so the search works
    links = {link for row in rows for link in re.findall(r"\]\(#([\w-]+)\)", row[0])}
    names = {import_module(f"kumo._detectors.{name}").SOURCE for name in schedulers}
    assert links == {name.removesuffix(" TCS").lower().replace(" ", "-") for name in names}


def test_every_platform_has_a_row() -> None:
    rows = table("docs/reference/platforms.md", "platform | recognised by |")
    variables = {
        name
        for name, detector in ANNOUNCED.items()
        if detector in ("platforms", "aws_lambda") and not name.startswith("!")
    }

    assert variables - codes(column(rows, 1)) == set()
    named = column(rows)
    assert [name for name in (*WITHOUT, GVISOR) if name not in named] == []
    hidden = table("docs/reference/platforms.md", "platform | a process sees | hidden |")
    assert {row[0] for row in hidden} == {row[0] for row in rows} - {"AWS SAM's emulator"}
    plain = table(
        "docs/reference/platforms.md", "platform |", "## Platforms without a special rule"
    )
    verified = table("docs/reference/platforms.md", "platform | verified by |")
    names = {name for row in rows + plain for name in row[0].partition(":")[0].split(", ")}
    names -= {"DigitalOcean App Platform"}  # its documents name nothing that could be verified
    assert {name for row in verified for name in row[0].split(", ")} == names


def test_every_farm_has_a_row() -> None:
    rows = table("docs/reference/schedulers.md", "farm | source |")
    markers = {name for name, detector in ANNOUNCED.items() if detector == "build_farm"}

    assert markers - words(column(rows, 2)) == set()


def test_every_source_of_a_limit_is_in_a_page() -> None:
    known = set().union(*(sources(tree) for _, tree in trees("_detectors")))
    pages = ("command", "schedulers", "platforms", "systems")
    shown = words("".join((REFERENCE / f"{name}.md").read_text("utf-8") for name in pages))

    assert {"override", "online", "slurm"} <= known  # so the search works
    assert known - shown == set()


def test_every_variable_that_a_detector_reads_is_in_a_page() -> None:
    shown = words("".join(path.read_text("utf-8") for path in DOCS.rglob("*.md")))
    read = set().union(*(texts(tree) for _, tree in trees("_detectors")))

    assert {name for name in read if VARIABLE.fullmatch(name)} - shown - NO_VARIABLES == set()


def test_every_variable_that_kumo_reads_is_in_the_table() -> None:
    """Those of its name anywhere, and others that the command itself looks at."""
    shown = codes(column(table("docs/reference/command.md", "variable | effect |")))
    files = [*PACKAGE.rglob("*.py"), *PACKAGE.rglob("*.c")]
    named = {
        name
        for path in files
        for name in re.findall(r"\bKUMO_(?:[A-Z]|<NAME>_)\w*\b", path.read_text("utf-8"))
    }
    changes = {name for name in named if re.match("KUMO_(OLD|NEW|CHANGE)", name)}
    command = set().union(*(texts(tree) for _, tree in trees("_command")))

    assert changes == codes(column(table("docs/reference/command.md", "variable | content |")))
    assert named - changes - shown == set()
    assert (command & {"COLUMNS", "NO_COLOR", "TERM"}) - shown == set()


# --- what is read, and what stays unknown


def test_every_file_that_an_estimate_reads_has_a_row() -> None:
    """Those of cgroups with ``DIR``, the directory of a level, before their names."""
    shown = codes(column(table("docs/reference/machine-files.md", "path | for |")))
    read = {
        text
        for room in ("_cgroups", "_detectors")
        for _, tree in trees(room)
        for text in texts(tree)
    }
    whole = {text for text in read if re.fullmatch(r"/(?:proc|sys)/\S+/\S+", text)}
    of_cgroups = {
        name
        for text in read
        for name in re.findall(r"^(?:.*/)?((?:cpu|cpuset|cgroup)\.[a-z_.]+)$", text)
    }

    assert whole - shown == {"/sys/devices/system/cpu"}  # a directory
    assert {path for path in shown if path.startswith("/sys/")} - whole == set()
    of_a_process = {name for room in ("_cgroups", "_detectors") for name in asked_of_proc(room)}
    assert {"cgroup", "status"} <= of_a_process  # so the search works
    paths = {f"/proc/{own}/{name}" for own in ("self", "thread-self") for name in of_a_process}
    assert paths - shown == set()
    without_prefix = {"tasks", "cpus", "effective_cpus"}
    assert {path.removeprefix("DIR/") for path in shown if path.startswith("DIR/")} == (
        of_cgroups | without_prefix
    )


def asked_of_proc(room: str) -> Iterator[str]:
    """Yield the names of the files in ``/proc`` on the process or thread of the estimate."""
    for _, tree in trees(room):
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "system.proc":
                yield ast.literal_eval(node.args[0])


@pytest.mark.parametrize(
    ("module", "system"),
    [
        ("aix", "AIX"),
        ("freebsd", "FreeBSD"),
        ("macos", "macOS"),
        ("netbsd", "NetBSD"),
        ("openbsd", "OpenBSD"),
        ("sunos", "illumos"),
    ],
)
def test_every_call_of_a_system_has_its_row(module: str, system: str) -> None:
    rows = table("docs/reference/systems.md", "system | call |")
    calls = column([row for row in rows if system in row[0]], 1)

    assert [n for n in import_module(f"kumo._system.{module}").FACTS if n not in calls] == []


def test_every_call_of_other_systems_is_in_both_tables() -> None:
    facts = codes(column(table("docs/reference/machine-files.md", "NAME |", "Systems other than")))
    calls = column(table("docs/reference/systems.md", "system | call |"), 1)

    online = table("docs/reference/machine-files.md", "NAME |", "Systems other than")
    counted = [codes(row[0]) for row in online if row[1] == "the number of online CPUs"]
    assert counted == [{f"!{name}" for name in CALLS} - {"!cpus"}]
    assert len(facts) > 9
    assert [fact for fact in facts if fact.removeprefix("!") not in calls] == []


def test_every_verb_is_in_the_table_of_what_is_read() -> None:
    shown = codes(column(table("docs/understand/security.md", "command | reads |")))
    asking = {verb for verb in VERBS if verb not in ("help", "version")}
    every = {f"{verb} --all" for verb in asking if "--all" in make_parser(verb).format_help()}

    assert {code.split()[0] for code in shown} - {"kumo", "--pid", "--machine"} == asking
    assert every | {"--pid N", "--machine FILE", "doctor --pid N", "top --pid N"} <= shown


def test_every_use_of_the_network_is_in_the_page_on_security() -> None:
    text = (DOCS / "understand" / "security.md").read_text("utf-8")
    shown = set(re.findall(r"^- `kumo (\w+)[^`]*` ", text, re.MULTILINE))
    reaching = {
        path.relative_to(PACKAGE).parts
        for path in PACKAGE.rglob("*.py")
        if re.search(r"import (socket|urlopen|start_http_server)\b", path.read_text("utf-8"))
    }

    # A room has the name of its verb, and a module of the command too.
    assert shown == {
        Path(parts[-1 if parts[0] == "_command" else 0]).stem.strip("_") for parts in reaching
    }


def test_every_note_on_something_unknown_has_a_row() -> None:
    rows = table("docs/understand/cannot-know.md", "unknown | note |")

    assert codes(column(rows, 1)) == set(NOTES) - ON_WHAT_IS_KNOWN


# --- columns


@pytest.mark.parametrize(
    ("page", "header", "section", "columns"),
    [
        ("guides/fleet", "column | meaning |", "## The table", fleet.COLUMNS),
        (
            "reference/doctor",
            "column | content |",
            "## All processes",
            re.split("  +", doctor_host_report.HEADER.strip()),
        ),
        (
            "reference/top",
            "column | what it is |",
            "## The table",
            ["▶", *list(TITLES.values())[1:], "last 2 min", "some"],
        ),
    ],
)
def test_every_column_has_a_row(
    page: str, header: str, section: str, columns: Sequence[str]
) -> None:
    rows = table(f"docs/{page}.md", header, section)

    assert [row[0].strip("`") for row in rows] == [*columns]


def test_every_verdict_on_a_setting_has_a_row() -> None:
    rows = table("docs/reference/doctor.md", "verdict | meaning |", "## A process")
    (annotation,) = (
        node.annotation
        for _, tree in trees("_doctor")
        for node in ast.walk(tree)
        if isinstance(node, ast.AnnAssign)
        and ast.unparse(node.target) == "verdict"
        and "within" in texts(node.annotation)
        and "other" in texts(node.annotation)
    )

    assert {code.split()[0].strip(",") for code in codes(column(rows))} == texts(annotation)
    assert {"over by N", "over, no bound"} < codes(column(rows))


# --- engines, runtimes, extras


def test_every_engine_has_a_row() -> None:
    guide = (DOCS / "guides" / "fleet.md").read_text("utf-8")
    rows = table("docs/guides/fleet.md", "engine | ask |")
    asked = {code.removeprefix("kumo fleet ") for code in codes(column(rows, 1))}

    assert asked == set(ENGINES) - {"files"}
    assert all(f"kumo fleet {engine}" in guide for engine in ENGINES)


def test_every_runtime_has_a_row() -> None:
    shown = table("docs/reference/doctor.md", "runtime | found as |")
    names = [name for row in shown for name in row[0].split(", ")]
    runtimes = [SHOWN_AS.get(each.name, each.name) for each in RUNTIMES if "," not in each.name]

    assert sorted(names) == sorted(runtimes)


def test_every_extra_has_a_row_with_what_it_brings() -> None:
    text = (ROOT / "pyproject.toml").read_text("utf-8").partition("optional-dependencies]")[2]
    text = text.partition("\n[")[0]
    extras = {
        name: ", ".join(re.findall(r'"([\w-]+)>=', packages))
        for name, packages in re.findall(r"^(\w+) = \[([^\]\n]*)\]$", text, re.MULTILINE)
    }
    rows = table("docs/index.md", "extra | brings |")

    assert {row[0].strip("`"): row[1] for row in rows[1:]} == {
        name: packages for name, packages in extras.items() if name not in ("docs", "site")
    }


# --- the command


@pytest.mark.parametrize(
    ("verb", "page", "section"),
    [
        ("run", "run", ""),
        ("pressure", "pressure", ""),
        ("measure", "measure", ""),
        ("watch", "command", "### `kumo watch`"),
    ],
)
def test_every_option_has_a_row(verb: str, page: str, section: str) -> None:
    rows = table(f"docs/reference/{page}.md", "option | effect |", section)
    options = {
        option
        for action in make_parser(verb)._actions
        for option in action.option_strings
        if option.startswith("--") and option not in ("--help", "--version")
    }

    shown = set(re.findall(r"--[\w-]+", " ".join(codes(column(rows)))))
    assert shown == {option.partition("=")[0] for option in options} - ELSEWHERE.get(verb, set())


def test_every_option_that_the_verbs_on_one_estimate_share_has_a_row() -> None:
    rows = table("docs/reference/command.md", "option | effect |", "\n## Options\n")
    helps = [make_parser(verb).format_help() for verb in ("count", "explain", "topology")]
    shared = set.intersection(
        *(set(re.findall(r"^  .*(--\w+)", text, re.MULTILINE)) for text in helps)
    )

    assert {code.split()[0] for code in codes(column(rows, 0))} == shared - {"--help"}


@pytest.mark.parametrize("verb", ["doctor", "measure", "run"])
def test_every_exit_code_has_a_row(verb: str) -> None:
    header = "exit code | meaning |" if verb == "measure" else "code | meaning |"
    rows = table(f"docs/reference/{verb}.md", header)
    text = make_parser(verb).format_help().partition("\nexit codes:\n")[2].partition("\n\n")[0]
    codes_of_help = set(re.findall(r"^  (\d+) +\S", text, re.MULTILINE))

    shown = {row[0] for row in rows if row[0].isdigit()}
    assert shown == codes_of_help - ({"0"} if verb == "run" else set())  # it is the command's


def test_every_verb_with_json_has_a_row() -> None:
    rows = table("docs/reference/schemas.md", "verb | schema |")
    verbs = {re.match(r"kumo (\w*)", code)[1] for code in codes(column(rows))}  # type: ignore[index]  # each code has this form
    numbers = {
        node.value.value
        for _, tree in trees("")
        for node in tree.body
        if isinstance(node, ast.Assign)
        and ast.unparse(node.targets[0]) == "SCHEMA"
        and isinstance(node.value, ast.Constant)
    }

    links = set(re.findall(r"\]\(([^)]+)\)", column(rows, 2)))
    headings = {
        f"{path.name}#{heading.lower().replace(' ', '-')}"
        for path in REFERENCE.glob("*.md")
        for heading in re.findall(r"^##+ (JSON.*)$", path.read_text("utf-8"), re.MULTILINE)
    }
    assert headings - links == {"command.md#json"}  # `command.md#the-object` is below it
    with_json = {verb for verb in VERBS if "--json" in make_parser(verb).format_help()}
    assert verbs - {""} == with_json - {"count"}
    assert {int(row[1]) for row in rows} == numbers


def test_every_key_has_a_row() -> None:
    bound = [binding for screen in (Top, Levels) for binding in screen.BINDINGS]
    keys = {KEYS.get(key, key) for binding in bound for key in binding.key.split(",")}  # type: ignore[union-attr]  # none of these is a tuple
    shown = column(table("docs/reference/top.md", "key | what it does |"))

    named = set(re.findall(r"[\w-]+|[^\w\s]", shown))
    other = {key.capitalize() for key in named if len(key) > 1}
    assert {key for key in keys if key.capitalize() not in other} - named == set()


# --- the library


@pytest.mark.parametrize(
    ("name", "page", "section", "elsewhere"),
    [
        ("Estimate", "api", "## Estimate", "workers"),
        ("Limit", "api", "## Limit", ""),
        ("Note", "api", "## Note", ""),
        ("ThreadPool", "api", "## ThreadPool", ""),
        ("ProcessPool", "api", "## ProcessPool", ""),
        ("Budget", "api", "## Budget", ""),
        ("Watch", "api", "### Watch", ""),
        ("Change", "api", "### Change", ""),
        ("Follow", "api", "### Follow", ""),
        ("Pressure", "pressure", "", ""),
        ("Topology", "topology", "", "split"),
    ],
)
def test_every_attribute_has_a_row(name: str, page: str, section: str, elsewhere: str) -> None:
    text = (REFERENCE / f"{page}.md").read_text("utf-8")
    assert section in text
    part = text.partition(section)[2] if section else text
    header = re.search(r"^\| (attribute|attribute or method|member) \|.*$", part, re.MULTILINE)
    assert header
    rows = table(f"docs/reference/{page}.md", header[0].removeprefix("| "), section)
    made: Any = getattr(kumo, name)

    public = {attribute for attribute in dir(made) if not attribute.startswith("_")}
    # The name before the arguments, or of a pool's attribute: `pool.name`.
    shown = {re.split(r"\W", code.partition(".")[2] or code)[0] for code in codes(column(rows))}
    assert public - shown == {elsewhere} - {""}


def test_every_line_of_expect_has_a_row() -> None:
    sections = [
        path.read_text("utf-8", "replace").partition("-- expect --\n")[2].partition("\n-- ")[0]
        for path in (ROOT / "tests/machines").glob("*.txt")
    ]
    used = {line.split()[0] for section in sections for line in section.splitlines() if line}
    rows = table("docs/reference/machine-files.md", "line | meaning |")

    assert {code.split()[0] for code in codes(column(rows))} == used


# --- the source


def test_every_room_is_in_the_page_on_architecture() -> None:
    text = (DOCS / "understand" / "architecture.md").read_text("utf-8")
    below = {"_cgroups", "_detectors", "_hot", "_system"}  # the text on how a count is made
    assert below - codes(text.partition("## How a count is made")[2].partition("\n## ")[0]) == set()
    rooms = {path.name for path in PACKAGE.glob("_*") if (path / "__init__.py").exists()}

    assert codes(column(table("docs/understand/architecture.md", "room |"))) == rooms - below


def test_every_place_to_begin_exists() -> None:
    rows = table("docs/understand/architecture.md", "to add |")

    assert len(rows) > 9
    assert [path for path in codes(column(rows, 1)) if not (ROOT / path).exists()] == []


# --- jobs


def test_every_mark_of_a_test_has_a_row() -> None:
    text = (ROOT / "pyproject.toml").read_text("utf-8").partition("\nmarkers = [")[2]
    marks = set(re.findall(r'^    "(\w+):', text.partition("\n]")[0], re.MULTILINE))
    rows = table("CONTRIBUTING.md", "tests | need |")

    of_another = {"v1", "width"}  # they choose among tests of another mark
    assert of_another < marks
    assert set(re.findall(r"^`(\w+)`", column(rows), re.MULTILINE)) == marks - of_another


def test_every_job_runs_in_ci_or_is_run_by_hand() -> None:
    jobs = set(re.findall(r"@nox\.session.*\ndef (\w+)\(", (ROOT / "noxfile.py").read_text()))
    pages = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    script = (ROOT / ".ci" / "run").read_text("utf-8")

    assert "lint" in jobs
    named = set(re.findall(r"nox -s (\w+)", pages))
    ran = set(re.findall(r"[a-z]+", " ".join(re.findall(r"jobs_of (.*)", script))))
    assert jobs - ran - named == set()
