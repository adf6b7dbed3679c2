"""``pytest -n auto`` with pytest-xdist: the workers that it starts, in a pytest of its own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow  # each test is a pytest with workers of its own

THREE = {"KUMO_AVAILABLE_PARALLELISM": "3"}
Pytest = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run_pytest(tmp_path: Path) -> Pytest:
    """Run pytest in a project of one test; no variable is set but those given."""
    pytest.importorskip("xdist", reason="pytest-xdist is not installed")
    (tmp_path / "test_one.py").write_text("def test_one(): pass\n")
    (tmp_path / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")

    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("KUMO", "PYTEST"))}
        return subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
            cwd=tmp_path,
            env=kept | variables,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


def workers(done: subprocess.CompletedProcess[str]) -> int:
    """How many were started, as "created: 3/3 workers" says it."""
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    (count,) = set(re.findall(r"created: \d+/(\d+) worker", done.stdout))
    return int(count)


@pytest.mark.parametrize("how", ["auto", "logical"])
def test_as_many_workers_as_kumo_counts(run_pytest: Pytest, how: str) -> None:
    assert workers(run_pytest("-n", how, **THREE)) == 3


def test_a_number_of_workers_is_taken_as_it_is(run_pytest: Pytest) -> None:
    assert workers(run_pytest("-n", "1", **THREE)) == 1


def test_the_users_variable_wins(run_pytest: Pytest) -> None:
    assert workers(run_pytest("-n", "auto", **THREE, PYTEST_XDIST_AUTO_NUM_WORKERS="1")) == 1


def test_an_empty_variable_is_no_word_of_the_user(run_pytest: Pytest) -> None:
    assert workers(run_pytest("-n", "auto", **THREE, PYTEST_XDIST_AUTO_NUM_WORKERS="")) == 3


def test_a_conftests_hook_wins(run_pytest: Pytest, tmp_path: Path) -> None:
    hook = "def pytest_xdist_auto_num_workers(config): return 2\n"
    (tmp_path / "conftest.py").write_text(hook)

    assert workers(run_pytest("-n", "auto", **THREE)) == 2


def test_where_plugins_are_named_one_by_one(run_pytest: Pytest) -> None:
    named = ("-p", "kumo", "-p", "xdist")

    done = run_pytest(*named, "-n", "auto", **THREE, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")

    assert workers(done) == 3


def test_switched_off_it_leaves_the_count_to_xdist(run_pytest: Pytest) -> None:
    own = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count()

    assert workers(run_pytest("-p", "no:kumo", "-n", "auto", **THREE)) == own


def test_without_xdist_it_does_nothing(run_pytest: Pytest) -> None:
    done = run_pytest("-p", "no:xdist", **THREE)

    assert done.returncode == 0
    assert "1 passed" in done.stdout
    assert "warning" not in done.stdout + done.stderr


def test_a_malformed_override_is_a_usage_error(run_pytest: Pytest) -> None:
    done = run_pytest("-n", "auto", KUMO_AVAILABLE_PARALLELISM="many")

    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "ERROR: KUMO_AVAILABLE_PARALLELISM='many' is not a positive" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("workers", "given", "expected"),
    [
        (8, {}, "1"),
        (2, {}, "4"),
        (0, {}, "8"),
        (8, {"OMP_NUM_THREADS": "3"}, "3"),
    ],
)
def test_workers_share_the_threads(
    monkeypatch: pytest.MonkeyPatch, workers: int, given: dict[str, str], expected: str
) -> None:
    from kumo._pytest import divide
    from kumo._runtimes.knobs import KNOBS

    inner = [knob.name for knob in KNOBS.values() if knob.use == "inner"]
    for name in {*inner, *(other for n in inner for other in KNOBS[n].unless)}:
        monkeypatch.delenv(name, raising=False)
    for name in inner:  # so that what is set is undone
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    for name, value in given.items():
        monkeypatch.setenv(name, value)

    divide(8, workers)

    assert os.environ["OMP_NUM_THREADS"] == expected
    # What the user's OMP_NUM_THREADS has a say in stays the user's.
    assert ("OPENBLAS_NUM_THREADS" in os.environ) is not bool(given)


# --- for people who merely have kumo installed

PROGRAM = """
import sys
{before}
import pytest
code = pytest.main(["-W", "error", "-p", "no:cacheprovider", "-q"])
import kumo
kumo.estimate, kumo.ThreadPool, kumo.watch, kumo.topology
rewritten = [
    name
    for name, module in sys.modules.items()
    if name.partition(".")[0] == "kumo" and "rewrite" in type(module.__loader__).__module__
]
print("rewritten:", *rewritten)
sys.exit(code)
"""


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """kumo as from a wheel: pytest reads the list of its files and its entry point."""
    import kumo

    package = Path(kumo.__file__).parent
    site = tmp_path / "site"
    information = site / "kumo_parallelism-0.0.dist-info"
    information.mkdir(parents=True)
    (site / "kumo").symlink_to(package)
    (information / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: kumo-parallelism\nVersion: 0.0\n"
    )
    (information / "entry_points.txt").write_text("[pytest11]\nkumo = kumo._pytest\n")
    files = [f"kumo/{path.relative_to(package)},," for path in package.rglob("*.py")]
    (information / "RECORD").write_text("\n".join(files))
    return site


@pytest.mark.parametrize("before", ["", "import kumo", "import kumo; kumo.ThreadPool"])
def test_warnings_as_errors_with_kumo_installed(
    tmp_path: Path, installed: Path, before: str
) -> None:
    (tmp_path / "test_one.py").write_text(
        "def test_one():\n    import kumo\n    assert kumo.available_parallelism() >= 1\n"
    )
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("KUMO", "PYTEST"))}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM.replace("{before}", before)],
        cwd=tmp_path,
        env=kept | {"PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    assert "1 passed" in done.stdout
    assert "warning" not in done.stdout
    # Imported by the loader of pytest, which leaves them as they are.
    first = "" if before else " kumo"
    assert done.stdout.splitlines()[-1] in (f"rewritten:{first} kumo._pytest", "rewritten:")
