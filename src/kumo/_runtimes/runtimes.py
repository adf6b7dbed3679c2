"""The counts of other runtimes: the programs that ask them, and how their answers are read.

`RUNTIMES` has a row a runtime: how it is found, and what is run so that it prints its own count.
No count is computed here: each comes from the runtime itself, started in the environment,
affinity and cgroup of the caller.
"""

from __future__ import annotations

import re
from base64 import b64decode
from typing import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Belief(NamedTuple):
    """The answer of one call of a runtime."""

    call: str
    version: str
    cpus: int


class Call(NamedTuple):
    """The source of a call's answer, the variable that fixes it, others that it heeds.

    *since* is the first version that reads *variable*, of Python if the answer names one.
    *instead* replaces the call if no variable fixes it. *io* marks the size of a pool
    that waits for input and output. *without* is a variable that must not be set beside.
    """

    goes_by: str
    variable: str = ""
    heeds: tuple[str, ...] = ()
    since: tuple[int, ...] = ()
    instead: str = ""
    io: bool = False
    without: str = ""


class Runtime(NamedTuple):
    """A runtime: *commands* are patterns of its names on PATH, or *module* is what is imported.

    The *steps* are run in turn in a new directory with the *files*. In them ``{program}`` is the
    program that was found. *read* turns all that they print into beliefs.
    *flags* are appended, after a comma, to variables of the environment. *calls* says of each call
    that answers how it is judged.
    """

    name: str
    commands: tuple[str, ...]
    steps: tuple[tuple[str, ...], ...]
    read: Callable[[str], list[Belief]]
    files: tuple[tuple[str, bytes], ...] = ()
    flags: tuple[tuple[str, str], ...] = ()
    module: str = ""
    calls: Mapping[str, Call] = {}


def read_lines(text: str) -> list[Belief]:
    """Read what kumo's own programs print.

    Format: ``os.cpu_count()\\t3.13.0\\t8``, a line a call, among whatever else is printed.
    """
    lines = re.findall(r"^([^\t\n]+)\t([^\t\n]+)\t(\d{1,9})\r?$", text, re.MULTILINE)
    return [Belief(call, version, int(count)) for call, version, count in lines]


def read_executable(text: str) -> str:
    """Return the interpreter's own path, by which two names of one Python are known: else ``""``.

    Format: ``executable\\t/usr/bin/python3.11``.
    """
    match = re.search(r"^executable\t(.+?)\r?$", text, re.MULTILINE)
    return match[1] if match else ""


def _read_pair(call: str, count: str, version: str) -> Callable[[str], list[Belief]]:
    """Make a reader of one belief, from the expressions of its count and its version."""

    def read(text: str) -> list[Belief]:
        counted = re.search(count, text, re.MULTILINE)
        of = re.search(version, text, re.MULTILINE)
        if counted is None:
            return []
        return [Belief(call, of[1] if of else "?", int(counted[1]))]

    return read


# Of any Python 3: `python3` may be an old one.
PYTHON = """\
import os, sys
def say(call, count):
    print("%s\\t%s\\t%s" % (call, "%d.%d.%d" % sys.version_info[:3], count))
print("executable\\t" + os.path.realpath(sys.executable))
say("os.cpu_count()", os.cpu_count())
if hasattr(os, "process_cpu_count"):
    say("os.process_cpu_count()", os.process_cpu_count())
if sys.version_info >= (3, 5):
    from concurrent.futures import ThreadPoolExecutor
    say("ThreadPoolExecutor()", ThreadPoolExecutor()._max_workers)
"""

# libuv starts the whole of its pool at the first use.
NODE = """\
const os = require("os"), fs = require("fs");
const version = process.versions.node + " (libuv " + process.versions.uv + ")";
const say = (call, count) => console.log(call + "\\t" + version + "\\t" + count);
const threads = () => fs.readdirSync("/proc/self/task").length;
if (os.availableParallelism) say("os.availableParallelism()", os.availableParallelism());
say("os.cpus()", os.cpus().length);
if (process.platform === "linux") {
  const before = threads();
  fs.stat("/", () => say("libuv pool", threads() - before));
}
"""

# A class file, since a Java without a compiler is the usual one in containers. It prints the
# property java.version, then Runtime.getRuntime().availableProcessors(), a line each:
# `javac -g:none --release 8`, which every Java since 8 runs.
JAVA = """
yv66vgAAADQAKwoAAgADBwAEDAAFAAYBABBqYXZhL2xhbmcvT2JqZWN0AQAGPGluaXQ+AQADKClWCQAIAAkHAAoM
AAsADAEAEGphdmEvbGFuZy9TeXN0ZW0BAANvdXQBABVMamF2YS9pby9QcmludFN0cmVhbTsIAA4BAAxqYXZhLnZl
cnNpb24KAAgAEAwAEQASAQALZ2V0UHJvcGVydHkBACYoTGphdmEvbGFuZy9TdHJpbmc7KUxqYXZhL2xhbmcvU3Ry
aW5nOwoAFAAVBwAWDAAXABgBABNqYXZhL2lvL1ByaW50U3RyZWFtAQAHcHJpbnRsbgEAFShMamF2YS9sYW5nL1N0
cmluZzspVgoAGgAbBwAcDAAdAB4BABFqYXZhL2xhbmcvUnVudGltZQEACmdldFJ1bnRpbWUBABUoKUxqYXZhL2xh
bmcvUnVudGltZTsKABoAIAwAIQAiAQATYXZhaWxhYmxlUHJvY2Vzc29ycwEAAygpSQoAFAAkDAAXACUBAAQoSSlW
BwAnAQAES3VtbwEABENvZGUBAARtYWluAQAWKFtMamF2YS9sYW5nL1N0cmluZzspVgAgACYAAgAAAAAAAgAAAAUA
BgABACgAAAARAAEAAQAAAAUqtwABsQAAAAAACQApACoAAQAoAAAAJAACAAEAAAAYsgAHEg24AA+2ABOyAAe4ABm2
AB+2ACOxAAAAAAAA
"""

RUST = 'fn main() { println!("count {}", std::thread::available_parallelism().unwrap()); }\n'

RUBY = 'puts "Etc.nprocessors\\t#{RUBY_VERSION}\\t#{Etc.nprocessors}"'

R = """\
say <- function(call, package, count)
  cat(call, "\\t", as.character(packageVersion(package)), "\\t", count, "\\n", sep = "")
say("parallel::detectCores()", "parallel", parallel::detectCores())
if (requireNamespace("parallelly", quietly = TRUE))
  say("parallelly::availableCores()", "parallelly", as.integer(parallelly::availableCores()))
"""

# https://learn.microsoft.com/visualstudio/msbuild/property-functions: what a project may ask.
DOTNET = """\
<Project><PropertyGroup>
<Answer>count $([System.Environment]::ProcessorCount)</Answer>
</PropertyGroup></Project>
"""

POOLS = """\
import importlib, os
from threadpoolctl import threadpool_info
for name in ("numpy", "scipy.linalg", "sklearn"):
    try:
        importlib.import_module(name)
    except ImportError:
        pass
for pool in threadpool_info():
    where = os.path.basename(os.path.dirname(pool["filepath"]))
    call = pool["internal_api"] + " in " + where
    print(call, pool["version"] or "?", pool["num_threads"], sep="\\t")
if not threadpool_info():
    print("numpy, scipy and scikit-learn load no BLAS or OpenMP library here")
"""


def _library(
    name: str, call: str, program: str, version: str = "top.__version__", *, judged: Call
) -> Runtime:
    text = (
        "import platform\n"
        f"import {program.partition('.')[0]} as top, {program.rpartition('.')[0]} as module\n"
        f"count = module.{program.rpartition('.')[2]}\n"
        "count = count() if callable(count) else count\n"
        f"print({call!r}, {version}, int(count), sep='\\t')\n"
    )
    steps = (("{program}", "-c", text),)
    return Runtime(name, (), steps, read_lines, module=name, calls={call: judged})


ADD_PYTHON = "import platform; version += f' (Python {platform.python_version()})'\n"


def _count(
    name: str, call: str, code: str, *, judged: Call, module: str = "", on_python: bool = False
) -> Runtime:
    """Return the row of a library whose count is an expression, after an import.

    *module* is what must be importable, if that is not what is imported first. *on_python* says
    that the library begins with what Python counts, so that Python's version matters.
    """
    statement, _, expression = code.rpartition("; ")
    text = (
        f"{statement}\nimport importlib.metadata as metadata\n"
        f"try: version = metadata.version({name.partition(',')[0]!r})\n"
        "except metadata.PackageNotFoundError: version = '?'\n"
        f"{ADD_PYTHON if on_python else ''}"
        f"print({call!r}, version, int({expression}), sep='\\t')\n"
    )
    module = module or statement.split()[1].partition(".")[0]
    return Runtime(
        name, (), (("{program}", "-c", text),), read_lines, module=module, calls={call: judged}
    )


# Counts the threads of its process.
COUNT = """\
import os
def threads(start=""):
    names = []
    for thread in os.listdir("/proc/self/task"):
        try: names.append(open("/proc/self/task/" + thread + "/comm").read())
        except OSError: pass
    return sum(name.startswith(start) for name in names)
"""

# A model of one node, Identity, of one number: the ONNX format, by hand.
ONNX_MODEL = (
    "08083a2b0a100a016112016222084964656e746974791201675a090a016112040a02080162090a016212040a020801"
    "4202100d"
)

# The master starts all workers before it heeds a signal.
NGINX = b"""\
"$1" -p "$PWD/" -c nginx.conf -e log 2>>log & p=$!
i=0
until grep -q 'start worker process [0-9]' log 2>/dev/null || [ $i = 100 ]
do sleep 0.1; i=$((i + 1)); done
kill $p; wait $p
echo "count $(grep -c 'start worker process [0-9]' log)"
"""
NGINX_CONF = b"daemon off;\nworker_processes auto;\npid pid;\nerror_log log notice;\nevents {}\n"

# 256 blocks, each for a thread while there are fewer than the limit; two threads read and write.
PIGZ = b"""\
mkfifo in && { "$1" <in >/dev/null & p=$!; }
exec 3>in; head -c 33554432 /dev/zero >&3; sleep 0.3
n=$(ls "/proc/$p/task" | wc -l); exec 3>&-; wait $p
echo "count $((n > 3 ? n - 2 : 1))"
"""


def _threads(name: str, module: str, code: str, *, judged: Call, start: str = "") -> Runtime:
    """Return the row of a library that says nowhere how many threads it starts: *code* does so.

    It may set *before* when it has loaded the library. *start* is how its threads' names begin.
    """
    call = f"{name}'s threads"
    text = (
        f"{COUNT}import importlib.metadata as metadata\n{code}"
        f"count = threads({start!r}) if {start!r} else threads() - before + 1\n"
        f"try: version = metadata.version({name!r})\n"
        "except metadata.PackageNotFoundError: version = '?'\n"  # tensorflow-cpu and the like
        f"print({call!r}, version, count, sep='\\t')\n"
    )
    steps = (("{program}", "-c", text),)
    return Runtime(name, (), steps, read_lines, module=module, calls={call: judged})


# Of libraries that begin with what Python counts, of which 3.13 reads a variable.
ON_PYTHON = "f'{top.__version__} (Python {platform.python_version()})'"

MASK = "the affinity"
ONLINE = "the CPUs online"
CPUINFO = "the CPUs of /proc/cpuinfo"
OWN_V2 = "quotas of cgroup v2"

RUNTIMES = (
    Runtime(
        "nproc",
        ("nproc",),
        (("{program}",), ("{program}", "--version")),
        _read_pair("nproc", r"^(\d{1,9})$", r"^nproc \(.+\) (\S+)$"),
        calls={
            "nproc": Call(
                f"{MASK}, and from 9.8 on by {OWN_V2} too",
                heeds=("OMP_NUM_THREADS", "OMP_THREAD_LIMIT"),
                instead="$(kumo)",
            ),
        },
    ),
    Runtime(
        "Python",
        (r"python3(\.\d+t?)?",),
        (("{program}", "-c", PYTHON),),
        read_lines,
        calls={
            "os.cpu_count()": Call(
                ONLINE, "PYTHON_CPU_COUNT", since=(3, 13), instead="kumo.available_parallelism()"
            ),
            "os.process_cpu_count()": Call(MASK, "PYTHON_CPU_COUNT"),
            "ThreadPoolExecutor()": Call(f"{MASK} or {ONLINE}, and 4 more", io=True),
        },
    ),
    Runtime(
        "Node",
        ("node",),
        (("{program}", "-e", NODE),),
        read_lines,
        calls={
            "os.availableParallelism()": Call(f"{MASK}, and from libuv 1.49 on by {OWN_V2} too"),
            "os.cpus()": Call("/proc/stat or the like", instead="os.availableParallelism()"),
            "libuv pool": Call("4 threads", heeds=("UV_THREADPOOL_SIZE",), io=True),
        },
    ),
    Runtime(
        "Java",
        ("java",),
        (("{program}", "-cp", ".", "Kumo"),),
        _read_pair(
            "Runtime.availableProcessors()",
            r"^\d\S*\r?\n(\d{1,9})\r?$",
            r"^(\d\S*)\r?\n\d{1,9}\r?$",
        ),
        (("Kumo.class", b64decode(JAVA)),),
        calls={
            "Runtime.availableProcessors()": Call(
                f"{MASK} and quotas, rounded up", "JAVA_TOOL_OPTIONS"
            ),
        },
    ),
    # The go command is itself a Go program: asked for a trace of its scheduler it prints its
    # own count, and nothing need be compiled. It may end before its first line of trace, a
    # millisecond after its start: hence three times. https://pkg.go.dev/runtime#hdr-Environment_Variables
    Runtime(
        "Go",
        ("go",),
        (("{program}", "version"), *2 * (("{program}", "env"),)),
        _read_pair("GOMAXPROCS", r"^SCHED \d+ms: gomaxprocs=(\d{1,9}) ", r"^go version go(\S+)"),
        flags=(("GODEBUG", "schedtrace=1"),),
        calls={
            "GOMAXPROCS": Call(
                f"{MASK}, and from 1.25 on by its own cgroup's quota too, rounded up, at least 2",
                "GOMAXPROCS",
            ),
        },
    ),
    Runtime(
        "Rust",
        ("rustc",),
        (("{program}", "--version"), ("{program}", "-o", "kumo", "kumo.rs"), ("./kumo",)),
        _read_pair("available_parallelism()", r"^count (\d{1,9})$", r"^rustc (\S+)"),
        (("kumo.rs", RUST.encode()),),
        calls={
            "available_parallelism()": Call(f"{MASK} and quotas of cgroups that it finds"),
        },
    ),
    Runtime(
        "Ruby",
        ("ruby",),
        (("{program}", "-retc", "-e", RUBY),),
        read_lines,
        calls={
            "Etc.nprocessors": Call(MASK),
        },
    ),
    Runtime(
        "R",
        ("Rscript",),
        (("{program}", "--no-init-file", "kumo.R"),),
        read_lines,
        (("kumo.R", R.encode()),),
        calls={
            "parallel::detectCores()": Call(CPUINFO, instead="parallelly::availableCores()"),
            "parallelly::availableCores()": Call(
                f"{MASK}, the nearest quota rounded to nearest, schedulers",
                "R_PARALLELLY_AVAILABLECORES_MAX",
            ),
        },
    ),
    Runtime(
        ".NET",
        ("dotnet",),
        (
            ("{program}", "--version"),
            ("{program}", "msbuild", "-nologo", "kumo.proj", "-getProperty:Answer"),
        ),
        _read_pair("Environment.ProcessorCount", r"^count (\d{1,9})\r?$", r"^(\d+\.\d\S*)\r?$"),
        (("kumo.proj", DOTNET.encode()),),
        calls={
            "Environment.ProcessorCount": Call(
                f"{MASK} and its own cgroup's quota, rounded up", "DOTNET_PROCESSOR_COUNT"
            ),
        },
    ),
    _library(
        "loky",
        "loky.cpu_count()",
        "loky.cpu_count",
        judged=Call(f"{MASK} and the topmost cgroup's quota, rounded up", "LOKY_MAX_CPU_COUNT"),
    ),
    _library(
        "joblib",
        "joblib.cpu_count()",
        "joblib.cpu_count",
        judged=Call(f"{MASK} and the topmost cgroup's quota, rounded up", "LOKY_MAX_CPU_COUNT"),
    ),
    _library(
        "dask",
        "dask.system.CPU_COUNT",
        "dask.system.CPU_COUNT",
        ON_PYTHON,
        judged=Call(f"{MASK} and some quotas, rounded up", "PYTHON_CPU_COUNT", since=(3, 13)),
    ),
    _library(
        "ray",
        "ray.init()",
        "ray._private.utils.get_num_cpus",
        ON_PYTHON,
        judged=Call(
            f"{ONLINE} and the topmost cgroup's quota",
            "PYTHON_CPU_COUNT",
            since=(3, 13),
            instead="ray.init(num_cpus={count})",
        ),
    ),
    _library(
        "numexpr",
        "numexpr.nthreads",
        "numexpr.nthreads",
        judged=Call(
            f"{ONLINE}, at most 16",
            "NUMEXPR_MAX_THREADS",
            heeds=("NUMEXPR_NUM_THREADS", "OMP_NUM_THREADS"),
        ),
    ),
    _library(
        "polars",
        "polars.thread_pool_size()",
        "polars.thread_pool_size",
        judged=Call(f"{MASK} and quotas of cgroups that it finds", "POLARS_MAX_THREADS"),
    ),
    _library(
        "numba",
        "numba.config.NUMBA_NUM_THREADS",
        "numba.core.config.NUMBA_NUM_THREADS",
        judged=Call(MASK, "NUMBA_NUM_THREADS"),
    ),
    _count(
        "joblib, physical cores",
        "joblib.cpu_count(only_physical_cores=True)",
        "import joblib; joblib.cpu_count(only_physical_cores=True)",
        judged=Call(
            "the machine's cores, unless a limit is below os.cpu_count()",
            "LOKY_MAX_CPU_COUNT",
            without="PYTHON_CPU_COUNT",
        ),
    ),
    _count(
        "scikit-learn",
        "scikit-learn's OpenMP",
        "from sklearn.utils import _openmp_helpers; _openmp_helpers._openmp_effective_n_threads()",
        judged=Call(f"{MASK} and what joblib says of physical cores", "OMP_NUM_THREADS"),
    ),
    _count(
        "torch",
        "torch.get_num_threads()",
        "import torch; torch.get_num_threads()",
        judged=Call(MASK, "OMP_NUM_THREADS", heeds=("MKL_NUM_THREADS",)),
    ),
    _count(
        "faiss-cpu",
        "faiss.omp_get_max_threads()",
        "import faiss; faiss.omp_get_max_threads()",
        judged=Call(MASK, "OMP_NUM_THREADS"),
    ),
    _count(
        "pyarrow",
        "pyarrow.cpu_count()",
        "import pyarrow; pyarrow.cpu_count()",
        judged=Call(MASK, "OMP_NUM_THREADS", heeds=("OMP_THREAD_LIMIT",)),
    ),
    _count(
        "opencv-python-headless",
        "cv2.getNumThreads()",
        "import cv2; cv2.getNumThreads()",
        judged=Call(MASK, "OPENCV_FOR_THREADS_NUM"),
    ),
    _count(
        "psutil",
        "psutil.cpu_count()",
        "import psutil; psutil.cpu_count()",
        judged=Call(ONLINE),
    ),
    _count(
        "django",
        "django's test --parallel",
        "from django.test import runner; runner.get_max_test_processes()",
        judged=Call(ONLINE, "DJANGO_TEST_PROCESSES"),
    ),
    _threads(
        "onnxruntime",
        "onnxruntime",
        "import onnxruntime\nbefore = threads()\n"
        f"session = onnxruntime.InferenceSession(bytes.fromhex({ONNX_MODEL!r}), "
        "providers=['CPUExecutionProvider'])\n",
        judged=Call("the machine's cores", "ORT_INTRA_OP_NUM_THREADS", since=(1, 28)),
    ),
    _threads(
        "xgboost",
        "xgboost",
        "import numpy, xgboost\nbefore = threads()\n"
        "X = numpy.arange(1024.0).reshape(256, 4)\n"
        "xgboost.train({'verbosity': 0}, xgboost.DMatrix(X, label=X[:, 0]), 1)\n",
        judged=Call(MASK, "OMP_NUM_THREADS"),
    ),
    _threads(
        "lightgbm",
        "lightgbm",
        "import numpy, lightgbm\nbefore = threads()\n"
        "X = numpy.arange(1024.0).reshape(256, 4)\n"
        "lightgbm.train({'verbose': -1}, lightgbm.Dataset(X, X[:, 0]), 1)\n",
        judged=Call(MASK, "OMP_NUM_THREADS"),
    ),
    _threads(
        "tensorflow",
        "tensorflow",
        "import tensorflow\ntensorflow.constant(1.0) + 1\n",
        start="tf_Compute",
        judged=Call(MASK, "TF_NUM_INTRAOP_THREADS"),
    ),
    _threads(
        "jax",
        "jax",
        "import jax.numpy\njax.numpy.zeros(3).block_until_ready()\n",
        start="tf_XLAEigen",
        judged=Call(MASK, "PJRT_NPROC", heeds=("NPROC",)),
    ),
    _count(
        "openvino",
        "openvino's INFERENCE_NUM_THREADS",
        "import numpy, openvino as ov\nfrom openvino import opset13 as ops\n"
        "x = ops.parameter([1], numpy.float32)\nmodel = ov.Model([ops.relu(x)], [x], 'one'); "
        "ov.compile_model(model, 'CPU').get_property('INFERENCE_NUM_THREADS')",
        module="openvino",
        judged=Call(ONLINE),
    ),
    _count(
        "celery",
        "celery's worker processes",
        "import billiard; billiard.cpu_count()",
        module="celery",
        on_python=True,
        judged=Call(ONLINE, "PYTHON_CPU_COUNT", since=(3, 13), instead="celery worker -c {count}"),
    ),
    Runtime(
        "ffmpeg",
        ("ffmpeg",),
        (
            (
                *("{program}", "-loglevel", "debug", "-nostdin", "-f", "lavfi"),
                *("-i", "nullsrc=s=16x16", "-frames:v", "1", "-f", "null", "-"),
            ),
        ),
        _read_pair(
            "ffmpeg's threads", r"detected (\d{1,9}) logical cores", r"^ffmpeg version (\S+)"
        ),
        calls={"ffmpeg's threads": Call(MASK, instead="-threads {count}")},
    ),
    Runtime(
        "nginx",
        ("nginx",),
        (("{program}", "-v"), ("sh", "nginx.sh", "{program}")),
        _read_pair("worker_processes auto", r"^count ([1-9]\d{0,8})$", r"nginx/(\S+)"),
        (("nginx.conf", NGINX_CONF), ("nginx.sh", NGINX)),
        calls={"worker_processes auto": Call(ONLINE, instead="worker_processes {count}")},
    ),
    Runtime(
        "pigz",
        ("pigz",),
        (("sh", "pigz.sh", "{program}"), ("{program}", "--version")),
        _read_pair("pigz's threads", r"^count (\d{1,9})$", r"^pigz (\S+)"),
        (("pigz.sh", PIGZ),),
        calls={"pigz's threads": Call(ONLINE, instead="-p {count}")},
    ),
    Runtime(
        "xz",
        ("xz",),
        (("{program}", "--version"), ("{program}", "--info-memory")),
        _read_pair("xz -T0", r"^ *Number of processor threads: +(\d{1,9})$", r"^xz .* (\S+)$"),
        calls={"xz -T0": Call(MASK, instead="-T{count}")},
    ),
    Runtime(
        "threadpoolctl",
        (),
        (("{program}", "-c", POOLS),),
        read_lines,
        module="threadpoolctl",
        calls={
            "openblas": Call(
                MASK,
                "OPENBLAS_NUM_THREADS",
                heeds=("GOTO_NUM_THREADS", "OMP_NUM_THREADS"),
            ),
            "mkl": Call(MASK, "MKL_NUM_THREADS", heeds=("OMP_NUM_THREADS",)),
            "blis": Call("1 thread", "BLIS_NUM_THREADS", heeds=("OMP_NUM_THREADS",)),
            "openmp": Call(MASK, "OMP_NUM_THREADS"),
        },
    ),
)

# How each call's answer is judged, by the call.
CALLS = {name: call for runtime in RUNTIMES for name, call in runtime.calls.items()}
