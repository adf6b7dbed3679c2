"""What the package shows and costs: its names, its imports, its size, its documentation."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

import kumo
from kumo._command.verbs import VERBS
from kumo._survey import ANNOUNCED, ANNOUNCED_BY_FILE

PACKAGE = Path(kumo.__file__).parent
SOURCES = sorted(PACKAGE.rglob("*.py"))
PUBLIC = {
    "Budget",
    "Change",
    "Counters",
    "Estimate",
    "Follow",
    "Limit",
    "MachineError",
    "Measurement",
    "Note",
    "OverrideError",
    "Part",
    "Pool",
    "Pressure",
    "ProcessPool",
    "ThreadPool",
    "Topology",
    "Watch",
    "available_cpus",
    "available_parallelism",
    "counters",
    "estimate",
    "follow",
    "headroom",
    "measure",
    "pools",
    "pressure",
    "round_cpus",
    "topology",
    "watch",
}
EXTRAS_MODULES = {
    "_top/app.py",
    "celery.py",
    "dask.py",
    "opentelemetry.py",
    "prometheus.py",
}  # they are about an extra, and import it
EXTRAS = {
    "anyio",
    "celery",
    "dask",
    "distributed",
    "jinja2",
    "loky",
    "markupsafe",
    "numba",
    "opentelemetry",
    "prometheus_client",
    "pytest",
    "ray",
    "rich",
    "sniffio",
    "textual",
    "threadpoolctl",
    "torch",
    "trio",
}
FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef
HEAVY = {
    *("argparse", "collections", "dataclasses", "enum", "functools", "json", "math", "re"),
    *("subprocess", "threading", "typing"),
}


# What the plain command loads on Linux.
PLAIN = {"__future__", "gc", "kumo"} | {
    f"kumo.{name}"
    for name in (
        *("_command", "_command.main", "_command.output"),
        *("_text", "_records", "_notes", "_survey"),
        *("_cgroups", "_cgroups.cpulist", "_cgroups.cpuset", "_cgroups.levels", "_cgroups.quota"),
        *("_system", "_system.calls", "_system.live"),
        *("_detectors", "_detectors.affinity", "_detectors.cgroup_quota", "_detectors.machine"),
    )
}
# What it loads too, where files, variables or notes ask for that.
OF_SOME_MACHINES = {"errno", "kumo._cgroups.unmounted"} | {
    f"kumo._detectors.{name}"
    for name in (
        *ANNOUNCED.values(),
        *ANNOUNCED_BY_FILE.values(),
        "_grants",
        "_kinds",
        "_slurm_format",
    )
}
FIRST_CALL = {"_xxsubinterpreters", "kumo._override", "select"} | {
    f"kumo.{name}"
    for name in (
        *("_hot", "_hot.calls", "_hot.count", "_hot.descriptors", "_hot.grants", "_hot.kept"),
        "_system.view",
    )
}


def name(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def modules_after(statements: str) -> set[str]:
    """The modules that *statements* load in a fresh, bare interpreter."""
    program = (
        f"import os, sys; sys.path.insert(0, {str(PACKAGE.parent)!r}); before = {{*sys.modules}}\n"
        f"{statements}\n"
        "print(*sorted({*sys.modules} - before))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program], capture_output=True, text=True, check=True
    )
    return set(done.stdout.splitlines()[-1].split())


# --- names


def test_the_public_names() -> None:
    assert set(kumo.__all__) == PUBLIC
    assert len(kumo.__all__) == len(PUBLIC)


@pytest.mark.parametrize("public", sorted(PUBLIC))
def test_each_public_name_loads_and_is_listed(public: str) -> None:
    assert getattr(kumo, public).__name__ == public
    assert public in dir(kumo)


def test_a_star_import_gives_the_public_names() -> None:
    names: dict[str, object] = {}
    exec("from kumo import *", names)

    assert set(names) - {"__builtins__"} == PUBLIC


def test_the_version_is_a_string() -> None:
    assert kumo.__version__[0].isdigit()
    assert "__version__" in dir(kumo)


def test_another_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'kumo' has no attribute 'nonsense'"):
        getattr(kumo, "nonsense")  # noqa: B009 - written out, a type checker would refuse it


def test_the_public_modules() -> None:
    public = {path.name for path in PACKAGE.iterdir() if path.name[0].isalpha()}

    assert public == {
        "celery.py",
        "dask.py",
        "fleet.py",
        "lua.py",
        "opentelemetry.py",
        "prometheus.py",
        "py.typed",
    }


# --- imports


def test_importing_the_package_loads_nothing_else_of_it() -> None:
    loaded = modules_after("import kumo")

    assert {module for module in loaded if module.partition(".")[0] == "kumo"} == {"kumo"}
    assert loaded & HEAVY == set()


@pytest.mark.parametrize(
    "statement", ["kumo.available_parallelism()", "kumo.available_cpus()", "kumo.estimate()"]
)
def test_counting_loads_no_heavy_module(statement: str) -> None:
    loaded = modules_after(f"import kumo; {statement}")

    assert loaded & HEAVY == set()


def test_the_plain_command_loads_what_it_needs_alone() -> None:
    """Each module more is a fiftieth of its time: a new name here has to be worth that."""
    loaded = modules_after("from kumo._command.main import main; main([])")

    assert loaded & HEAVY == set()
    if sys.platform == "linux":
        assert loaded <= PLAIN | OF_SOME_MACHINES


def test_the_first_call_loads_little_more() -> None:
    loaded = modules_after("import kumo; kumo.available_parallelism()")

    assert loaded & HEAVY == set()
    if sys.platform == "linux":
        assert loaded <= PLAIN | FIRST_CALL | OF_SOME_MACHINES


def test_no_verb_is_loaded_beside_the_one_that_runs() -> None:
    loaded = modules_after("from kumo._command.main import main; main(['--json'])")

    verbs = {f"kumo._command.{verb}" for verb in VERBS}
    assert loaded & verbs == {"kumo._command.count"}
    assert loaded & {"threading", "logging", "subprocess", "typing"} == set()


def imported(tree: ast.AST) -> set[str]:
    """The packages that *tree* imports, relative imports refused."""
    roots = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            roots |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            roots.add((node.module or "").partition(".")[0])
    return roots - {"kumo"}


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_a_module_imports_the_standard_library_alone(path: Path) -> None:
    """What extras bring is imported by the function that needs it."""
    tree = ast.parse(path.read_text("utf-8"))
    for block in ast.walk(tree):
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING":
            block.body = [ast.Pass()]  # never run
    assert imported(tree) - EXTRAS <= sys.stdlib_module_names
    if name(path) in EXTRAS_MODULES:
        return
    for function in [node for node in ast.walk(tree) if isinstance(node, FUNCTIONS)]:
        function.body = [ast.Pass()]

    assert imported(tree) <= sys.stdlib_module_names


# --- documentation and types


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


@pytest.mark.parametrize("public", sorted(PUBLIC))
def test_what_is_public_has_a_docstring(public: str) -> None:
    value = getattr(kumo, public)
    members = vars(value).items() if isinstance(value, type) else ()

    assert inspect.getdoc(value)
    assert [
        member
        for member, what in members
        if not member.startswith("_")
        and (inspect.isfunction(what) or isinstance(what, property))
        and not what.__doc__
    ] == []


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_a_modules_public_functions_and_classes_have_a_docstring(path: Path) -> None:
    """A detector's `detect` is what the module is about, and is documented there."""
    tree = ast.parse(path.read_text("utf-8"))

    assert [
        node.name
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
        and not node.name.startswith("_")
        and not ast.get_docstring(node)
        and not (node.name == "detect" and path.parent.name == "_detectors")
    ] == []
    assert ast.get_docstring(tree) or path.name == "__main__.py"


def is_annotated(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    given = function.args
    arguments = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
    return function.returns is not None and all(
        argument is None or argument.annotation is not None or argument.arg in ("self", "cls")
        for argument in arguments
    )


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_every_function_is_annotated(path: Path) -> None:
    assert [node.name for node in functions(path) if not is_annotated(node)] == []


def test_the_package_says_that_it_is_typed() -> None:
    assert (PACKAGE / "py.typed").is_file()


def test_every_detector_has_one_function_detect() -> None:
    for path in (PACKAGE / "_detectors").glob("[!_]*.py"):
        module = import_module(f"kumo._detectors.{path.stem}")

        assert list(inspect.signature(module.detect).parameters) == ["system"]
