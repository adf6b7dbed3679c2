"""Real programs that read a variable of the knob table, a row each: how to start one, how it tells.

tests/programs/test_programs.py and benchmarks/programs.py start each of them in a cgroup with a
quota: with nothing set, with its variable alone, and under ``kumo run``.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from kumo._runtimes.knobs import KNOBS

if TYPE_CHECKING:
    from programs.traps import Trap

SOURCES = Path(__file__).resolve().with_name("sources")
CACHE = Path(os.environ.get("KUMO_PROGRAMS_CACHE", "~/.cache/kumo-programs")).expanduser()
TIMEOUT = 120


def last_number(text: str) -> int:
    """The number that *text* ends with."""
    return int(text.rsplit(maxsplit=1)[-1])


def most_at_once(text: str) -> int:
    """How many of the jobs ran at once, each of which printed when it began and ended.

    span 1764064651000 1764064651300
    """
    spans = [tuple(map(int, times)) for times in re.findall(r"span (\d+) (\d+)", text)]
    return max(sum(begin <= at < end for begin, end in spans) for at, _ in spans)


def created(text: str) -> int:
    """What pytest-xdist says, with more to come on the same line.

    created: 2/2 workers
    """
    return int(re.findall(r"created: \d+/(\d+) worker", text)[-1])


class Program(NamedTuple):
    """*start* is run in an empty directory in which *ready* was run once.

    "SOURCES" in a word is the directory of that name. *read* finds the count in the output.
    *heavy* is what install.sh brings with --heavy alone.
    """

    variable: str
    name: str
    version: tuple[str, ...]
    start: tuple[str, ...]
    read: Callable[[str], int] = last_number
    ready: tuple[str, ...] = ("true",)
    heavy: bool = False


def _package(variable: str, package: str, code: str, **more: object) -> Program:
    """A package for Python, and the code that asks it."""
    version = f"import importlib.metadata; print(importlib.metadata.version({package!r}))"
    start = ("python", "-c", code)
    return Program(variable, package, ("python", "-c", version), start, **more)  # type: ignore[arg-type]  # options of several types


_THREADS = "len(os.listdir('/proc/self/task'))"
# How many threads have a name with a part in it that stands for "PART".
_NAMED = """\
import glob
def named(): return sum("PART" in open(comm).read() for comm in glob.glob("/proc/self/task/*/comm"))
"""

PROGRAMS = (
    Program(
        "KUMO_AVAILABLE_PARALLELISM",
        "a stand-in for kumod",
        ("rustc", "--version"),
        ("./kumod",),
        ready=("rustc", "-o", "kumod", "SOURCES/kumod.rs"),
    ),
    Program(
        "PYTHON_CPU_COUNT",
        "CPython",
        ("python", "-c", "import sys; assert sys.version_info >= (3, 13); print(sys.version)"),
        ("python", "SOURCES/pool.py"),
    ),
    _package("LOKY_MAX_CPU_COUNT", "loky", "import loky; print(loky.cpu_count())"),
    _package("LOKY_MAX_CPU_COUNT", "joblib", "import joblib; print(joblib.cpu_count())"),
    _package("NUMEXPR_MAX_THREADS", "numexpr", "import numexpr; print(numexpr.nthreads)"),
    Program(
        "PYTEST_XDIST_AUTO_NUM_WORKERS",
        "pytest-xdist",
        ("python", "-c", "import xdist, psutil; print(xdist.__version__)"),
        ("python", "-m", "pytest", "-n", "auto", "test_one.py"),
        created,
        ("sh", "-c", "echo 'def test_one(): pass' > test_one.py"),
    ),
    Program(
        "BLACK_NUM_WORKERS",
        "black",
        ("python", "-m", "black", "--version"),
        ("python", "SOURCES/black_workers.py"),
        ready=("sh", "-c", "echo 'a = 1' > a.py; echo 'b = 1' > b.py"),
    ),
    Program(
        "MESON_NUM_PROCESSES",
        "meson test",
        ("meson", "--version"),
        ("meson", "test", "--verbose", "-C", "build"),
        most_at_once,
        ("sh", "-c", "cp SOURCES/meson.build SOURCES/job.py . && meson setup build"),
    ),
    Program(  # Debian 12 has 1.34, which does not read it yet
        "R_PARALLELLY_AVAILABLECORES_MAX",
        "R's parallelly",
        ("Rscript", "-e", "cat(as.character(packageVersion('parallelly')))"),
        ("Rscript", "-e", "cat(parallelly::availableCores())"),
        heavy=True,
    ),
    Program(
        "PARALLEL_PROCESSOR_COUNT",
        "Ruby's parallel",
        ("ruby", "-rparallel", "-e", "puts Parallel::VERSION"),
        ("ruby", "-rparallel", "-e", "puts Parallel.processor_count"),
    ),
    _package(
        "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS",
        "itk-core",
        "import itk; print(itk.MultiThreaderBase.GetGlobalDefaultNumberOfThreads())",
        heavy=True,
    ),
    Program(
        "GOMAXPROCS",
        "Go",
        ("go", "version"),
        ("./count",),
        ready=(
            "sh",
            "-c",
            "cp SOURCES/count.go . && GOCACHE=$PWD/cache go build -o count count.go",
        ),
    ),
    _package(
        "RAYON_NUM_THREADS",
        "tokenizers",
        "import os; from tokenizers import Tokenizer, models\n"
        f"tokenizer = Tokenizer(models.WordLevel({{'a': 0}}, 'a')); before = {_THREADS}\n"
        f"tokenizer.encode_batch(['a a'] * 2000); print({_THREADS} - before)",
    ),
    _package(
        "TOKIO_WORKER_THREADS",
        "obstore",
        f"import os, obstore, obstore.store; before = {_THREADS}\n"
        "obstore.put(obstore.store.MemoryStore(), 'a', b'b')\n"
        f"print({_THREADS} - before)",
    ),
    Program(
        "RUST_TEST_THREADS",
        "libtest",
        ("rustc", "--version"),
        ("sh", "-c", "./tests --nocapture | grep -o 'at once: [0-9]*' | sort | tail -n 1"),
        ready=("rustc", "--test", "-o", "tests", "SOURCES/tests.rs"),
    ),
    _package("POLARS_MAX_THREADS", "polars", "import polars; print(polars.thread_pool_size())"),
    _package(
        "PJRT_NPROC",
        "jax",
        _NAMED.replace("PART", "XLAEigen")
        + "import jax.numpy; a = jax.numpy.ones((999, 999)); a.dot(a).block_until_ready()\n"
        "print(named())",
        heavy=True,
    ),
    _package(
        "TF_NUM_INTRAOP_THREADS",
        "tensorflow-cpu",
        # A pool of the inner threads, which have no name of their own, begins with the first value.
        _NAMED.replace("PART", "python")
        + "import tensorflow; before = named(); tensorflow.ones((9, 9)); print(named() - before)",
        heavy=True,
    ),
    _package(
        "TF_NUM_INTEROP_THREADS",
        "tensorflow-cpu",
        _NAMED.replace("PART", "tf_Compute")
        + "import tensorflow; a = tensorflow.ones((9, 9)); tensorflow.matmul(a, a); print(named())",
        heavy=True,
    ),
    _package(
        "OPENCV_FOR_THREADS_NUM",
        "opencv-python-headless",
        "import cv2; print(cv2.getNumThreads())",
        heavy=True,
    ),
    _package(
        "VIPS_CONCURRENCY",
        "pyvips-binary",
        "import pyvips; print(pyvips.vips_lib.vips_concurrency_get())",
    ),
    Program(
        "MAGICK_THREAD_LIMIT",
        "ImageMagick",
        ("identify", "--version"),
        ("sh", "-c", "identify -list resource | grep Thread:"),
    ),
    Program(
        "DENO_JOBS",
        "deno test",
        ("deno", "--version"),
        ("deno", "test", "--parallel", "--no-check", "."),
        most_at_once,
        ("sh", "-c", "for n in 1 2 3 4 5 6; do cp SOURCES/job_test.js job${n}_test.js; done"),
    ),
    Program(
        "MAX_JOBS",
        "PyTorch's cpp_extension",
        ("/usr/bin/python3", "-c", "import torch; print(torch.__version__)"),
        ("/usr/bin/python3", "SOURCES/ninja_jobs.py"),
        most_at_once,
        ("sh", "-c", "cp SOURCES/build.ninja SOURCES/job.py . && ninja --version"),
        heavy=True,
    ),
    # What `kumo run` emits with --with alone.
    Program(
        "CARGO_BUILD_JOBS",
        "cargo",
        ("cargo", "--version"),
        ("sh", "-c", "rm -rf target; cargo build --offline 2>&1 | grep -o 'jobs [0-9]*'"),
        ready=(
            "sh",
            "-c",
            'printf \'[package]\\nname = "a"\\nversion = "0.0.0"\\n[workspace]\\n\' > Cargo.toml'
            " && mkdir src && echo 'fn main() {}' > src/main.rs && cp SOURCES/build.rs .",
        ),
    ),
    _package(
        "OPENBLAS_DEFAULT_NUM_THREADS",
        "numpy",
        "import numpy, threadpoolctl; print(threadpoolctl.threadpool_info()[0]['num_threads'])",
    ),
    _package(
        "OPENBLAS_NUM_THREADS",
        "numpy",
        "import numpy, threadpoolctl; print(threadpoolctl.threadpool_info()[0]['num_threads'])",
    ),
    Program("OMP_THREAD_LIMIT", "coreutils' nproc", ("nproc", "--version"), ("nproc",)),
    Program(
        "JAVA_TOOL_OPTIONS",
        "Java",
        ("sh", "-c", "java --version"),
        ("java", "SOURCES/Count.java"),
    ),
)

# Default rows whose program could not be brought here, or is too large for a test.
NOT_RUN = {
    "JULIA_CPU_THREADS": "not in Debian 12 or on npm; PyPI's installers fetch it from elsewhere",
    "DOTNET_PROCESSOR_COUNT": "not in Debian 12, on PyPI or on npm; NuGet was not tried",
    "DJANGO_TEST_PROCESSES": "benchmarks/reach.py runs django's tests",
    "DUCC0_NUM_THREADS": "tried by hand",
    "LLAMA_ARG_THREADS": "llama.cpp is not in Debian 12, and has no binary on PyPI or npm",
    "MODIN_CPUS": "tried by hand: it brings Ray",
    "HL_NUM_THREADS": "tried by hand",
    "OMP_NUM_THREADS_ALL": "tried by hand with Intel's runtime and MKL",
    "OPENIMAGEIO_THREADS": "tried by hand",
    "OPENMM_CPU_THREADS": "tried by hand",
    "ORT_INTER_OP_NUM_THREADS": "benchmarks/reach.py runs onnxruntime",
    "ORT_INTRA_OP_NUM_THREADS": "benchmarks/reach.py runs onnxruntime",
    "PARSL_CORES": "tried by hand",
    "PRE_COMMIT_NO_CONCURRENCY": "benchmarks/reach.py runs pre-commit",
    "PXR_WORK_THREAD_LIMIT": "tried by hand",
}


def environment() -> dict[str, str]:
    """This process's environment, with the installed programs first and no knob set."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name not in KNOBS and not name.startswith(("PYTHON", "KUMO_"))
    }
    return inherited | {"PATH": f"{CACHE / 'venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"}


def version_of(program: Program | Trap) -> str | None:
    """What the program calls itself, on one line; `None` where it is not installed."""
    try:
        done = _run(program.version, {}, Path("/"))
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.strip().partition("\n")[0]


def make_ready(program: Program, work: Path) -> None:
    """Run what has to run once, in *work*."""
    _run(program.ready, {}, work)


def ask(
    program: Program | Trap, work: Path, variables: Mapping[str, str], prefix: Sequence[str]
) -> int:
    """The count that the program reports, started through *prefix*."""
    return program.read(_run([*prefix, *program.start], variables, work))


def told(program: Program) -> tuple[str, int]:
    """A value of the variable that nothing else would lead to, and the count that it stands for.

    A cap cannot raise.
    """
    count = 3 if KNOBS[program.variable].effect == "set" else 1
    return KNOBS[program.variable].value(count), count


def under_kumo(program: Program) -> list[str]:
    """The command line of ``kumo run`` that emits the program's variable."""
    knob = KNOBS[program.variable]
    more = [] if knob.use == "default" else ["--with", knob.group]
    return [sys.executable, "-m", "kumo", "run", *more, "--"]


def _run(command: Sequence[str], variables: Mapping[str, str], work: Path) -> str:
    done = subprocess.run(
        [word.replace("SOURCES", str(SOURCES)) for word in command],
        cwd=work,
        env=environment() | dict(variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    if done.returncode:
        sys.stderr.write(done.stdout + done.stderr)
        done.check_returncode()
    return done.stdout
