"""Lists that could drift apart: what the code has, each in the page that is to have it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import kumo
from kumo._pools.follow import FOLLOWERS, NAMES
from kumo._runtimes.runtimes import RUNTIMES, Runtime
from kumo._survey import ANNOUNCED

PACKAGE = Path(kumo.__file__).parent
# Runtimes whose page has another name for them.
SHOWN_AS = {
    "joblib, physical cores": "the physical cores that joblib counts",
    "faiss-cpu": "faiss",
    "opencv-python-headless": "OpenCV",
    "django": "Django",
}
DOCS = Path(__file__).parents[1] / "docs" / "reference"


def page(*names: str) -> str:
    return "".join((DOCS / f"{name}.md").read_text("utf-8") for name in names)


def missing(names: set[str], text: str) -> set[str]:
    """The names that are not in *text* as code, alone or with what surrounds them."""
    code = " ".join(re.findall(r"`([^`\n]+)`", text))
    words = set(re.findall(r"[\w!.-]+", code))
    return {name for name in names if name not in words}


def calls(path: Path, name: str) -> Iterator[ast.Call]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == name:
            yield node


def first_words(paths: list[Path], name: str) -> set[str]:
    """The constant texts that the function *name* is called with first."""
    return {
        call.args[0].value
        for path in paths
        for call in calls(path, name)
        if call.args
        and isinstance(call.args[0], ast.Constant)
        and isinstance(call.args[0].value, str)
    }


# --- public names


def names_for_type_checkers() -> dict[str, str]:
    """What the type-checking block imports: the name, and the module that it is in."""
    tree = ast.parse((PACKAGE / "__init__.py").read_text("utf-8"))
    (block,) = (
        node
        for node in tree.body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    )
    return {
        alias.asname: node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
        if alias.asname == alias.name  # as a re-export is written
    }


def test_type_checkers_see_the_names_that_load() -> None:
    assert names_for_type_checkers() == kumo._HOMES
    assert set(kumo.__all__) == set(kumo._HOMES)


def test_every_public_name_is_in_the_page() -> None:
    shown = set(re.findall(r"^::: kumo\.(\w+)$", page("api"), re.MULTILINE))

    assert shown == set(kumo.__all__)


def test_dir_offers_public_names_alone() -> None:
    assert dir(kumo) == sorted([*kumo.__all__, "__version__"])


@pytest.mark.parametrize("error", ["OverrideError", "MachineError"])
def test_a_traceback_names_an_error_as_users_catch_it(error: str) -> None:
    assert getattr(kumo, error).__module__ == "kumo"


def test_the_help_is_for_users() -> None:
    text = kumo.__doc__ or ""

    assert "kumo.available_parallelism()" in text
    assert "`_" not in text


# --- what is added to from time to time


def test_every_follower_is_in_the_page_and_in_the_docstring() -> None:
    names = {*FOLLOWERS, "asyncio"}

    assert set(NAMES.split(", ")) == names
    table = page("live").partition("## Followers")[2].partition("\n## ")[0]
    assert set(re.findall(r'^\| `"([a-z]+)"` \|', table, re.MULTILINE)) == names
    assert [name for name in names if name not in (kumo.follow.__doc__ or "")] == []


def test_every_verdict_of_pressure_is_in_the_page() -> None:
    verdicts = first_words([PACKAGE / "_pressure" / "rules.py"], "Verdict")
    table = page("pressure").partition("| verdict |")[2].partition("\n\n")[0]

    assert {"quota", "idle", "none"} <= verdicts  # so the search works
    assert set(re.findall(r"^\| `([a-z-]+)` \|", table, re.MULTILINE)) == verdicts


@pytest.mark.parametrize("runtime", RUNTIMES, ids=lambda runtime: runtime.name)
def test_every_runtime_has_a_judge_and_is_in_the_page(runtime: Runtime) -> None:
    assert runtime.calls
    assert SHOWN_AS.get(runtime.name, runtime.name) in page("doctor")


def test_every_announced_source_is_in_a_page() -> None:
    assert missing(set(ANNOUNCED), page("schedulers", "platforms", "machine-files", "run")) == set()


def facts_offered() -> set[str]:
    """The keys of the tables ``FACTS``, on every system."""
    names: set[str] = set()
    for path in (PACKAGE / "_system").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "FACTS":
                assert isinstance(node.value, ast.Dict)
                names |= {ast.literal_eval(key) for key in node.value.keys if key is not None}
        for call in calls(path, "update"):
            if ast.unparse(call.func) == "FACTS.update":
                names |= {keyword.arg for keyword in call.keywords if keyword.arg}
    return names


def test_every_fact_is_in_a_page() -> None:
    asked = first_words(sorted(PACKAGE.rglob("*.py")), "fact")
    offered = facts_offered()

    assert {"platform", "affinity", "hw.ncpu", "memory"} <= offered
    assert asked - offered == set()
    rows = re.findall(r"^\|([^|]*)\|", page("machine-files"), re.MULTILINE)
    pages = "".join(rows) + page("systems", "topology", "pressure")
    assert missing({f"!{name}" for name in offered}, pages) == set()
