"""The knob table: the variables that tell other programs a count, with provenance.

`KNOBS` maps a variable's name to its `Knob`, in the order of docs/reference/knobs.md, the
page that docs/generate_knobs.py makes from it. `kumo run` decides by it, as do tests.
A source without an address is a file of the project named, at the version that was read.

*use* says when `kumo run` emits the variable:

- ``"default"``: always. It changes no output, prints nothing, and raises no program above what
  it would do on a machine of that many CPUs, but for pytest-xdist's ``-n auto`` with psutil, which
  counts cores.
- ``"inner"``: with ``--workers W``, the share of one worker, or with ``--with``. Set for all, it
  switches off the division of joblib, dask, Ray, torchrun and Spark, which keep what is set.
- ``"opt-in"``: with ``--with GROUP`` or ``--with NAME`` alone.
- ``"never"``: *why* says the reason.

*effect* is ``"cap"`` (can only lower) or ``"set"`` (replaces what the program finds). *most* is
where the program stops by itself, `None` where it does not: from there on a ``"default"`` row is
left out, and others say no more. *sees* is what the program respects by itself: where that is
``"affinity, quota"`` the variable is mostly redundant, else without it the program is wrong under
what it does not see. *known* says how: ``"run"`` on a real program, its ``"source"`` or a
``"document"`` read, or ``"unverified"``.
"""

from __future__ import annotations

from kumo._records import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    Use = Literal["default", "inner", "opt-in", "never"]


class Knob(Record):
    """One variable: who reads it, what is emitted and when, why so, and how that is known."""

    __slots__ = (
        "name", "reader", "use", "group", "effect", "sees", "why", "source", "known",
        "form", "most", "unless",
    )  # fmt: skip
    name: str
    reader: str
    use: Use
    group: str
    effect: str
    sees: str
    why: str
    source: str
    known: str
    form: str
    most: int | None
    unless: tuple[str, ...]

    def __init__(
        self,
        name: str,
        *,
        use: Use,
        why: str,
        source: str,
        known: str,
        reader: str = "",
        group: str = "",
        effect: str = "",
        sees: str = "",
        form: str = "{}",
        most: int | None = None,
        unless: tuple[str, ...] = (),
    ) -> None:
        self._set(
            name=name, reader=reader, use=use, group=group, effect=effect, sees=sees, why=why,
            source=source, known=known, form=form, most=most, unless=unless,
        )  # fmt: skip

    @property
    def redundant(self) -> bool:
        """Whether the program sees all limits by itself, though maybe not rounded alike."""
        return self.sees == "affinity, quota"

    def number(self, count: int) -> int:
        """Return the number that the value holds for *count*: at most *most*."""
        return count if self.most is None else min(count, self.most)

    def value(self, count: int) -> str:
        """Return the variable's value for *count*."""
        return self.form.replace("{}", str(self.number(count)))


# What several rows say alike.
BOTH = "affinity, quota"
ONE_LEVEL = "affinity, quota of one level"
DO_NOT_DIVIDE = (
    "joblib, dask, Ray, torchrun and Spark take it for the user's word, and do not divide"
)
SERIAL = "serial by default"
CONFIG = "beats the project's configuration, which may say less"
FLAGS = "a variable of flags, which holds the user's others"
SCHEDULER = "would pass for a batch scheduler's word"

_ROWS = (
    # Set by default.
    Knob(
        "KUMO_AVAILABLE_PARALLELISM",
        reader="kumo; KumoMTA's kumod and tsa-daemon 2025.05.06",
        use="default",
        effect="set",
        sees=BOTH,
        why="Rust's std misses quotas of hidden or foreign mounts, and counts a pinned launcher",
        source="https://docs.kumomta.com/reference/kumo/available_parallelism/",
        known="source",
    ),
    Knob(
        "PYTHON_CPU_COUNT",
        reader="CPython 3.13",
        use="default",
        effect="set",
        sees="nothing",
        why="os.cpu_count sees nothing, os.process_cpu_count the affinity; pools begin with them",
        source="https://docs.python.org/3/using/cmdline.html#envvar-PYTHON_CPU_COUNT",
        known="run",
    ),
    Knob(
        "LOKY_MAX_CPU_COUNT",
        reader="loky 2.3, joblib, scikit-learn",
        use="default",
        effect="cap",
        sees=ONE_LEVEL,
        why="loky reads the quota of the mount's root alone, and rounds up",
        source="https://loky.readthedocs.io/en/stable/API.html",
        known="run",
    ),
    Knob(
        "NUMEXPR_MAX_THREADS",
        reader="numexpr 2.7",
        use="default",
        effect="set",
        sees="nothing",
        most=16,
        unless=("NUMEXPR_NUM_THREADS", "OMP_NUM_THREADS"),
        why="counts the CPUs on line, up to 16",
        source="numexpr 2.14.2: utils.py",
        known="run",
    ),
    Knob(
        "PYTEST_XDIST_AUTO_NUM_WORKERS",
        reader="pytest-xdist 3.0, with -n auto or logical",
        use="default",
        effect="set",
        sees="nothing",
        why="with psutil it counts the machine's cores or CPUs, else the affinity",
        source="https://pytest-xdist.readthedocs.io/en/stable/distribution.html",
        known="run",
    ),
    Knob(
        "BLACK_NUM_WORKERS",
        reader="black 23.7",
        use="default",
        effect="set",
        sees="nothing",
        why="begins with os.cpu_count",
        source="black 26.10: concurrency.py",
        known="run",
    ),
    Knob(
        "MAX_JOBS",
        reader="PyTorch's cpp_extension",
        use="default",
        effect="set",
        sees="affinity",
        why="else ninja starts two jobs more than CPUs",
        source="https://docs.pytorch.org/docs/stable/cpp_extension.html",
        known="run",
    ),
    Knob(
        "MESON_NUM_PROCESSES",
        reader="meson 1.7: test",
        use="default",
        effect="set",
        sees="nothing",
        unless=("MESON_TESTTHREADS",),
        why="begins with multiprocessing.cpu_count",
        source="meson 1.12.1: utils/universal.py, mtest.py",
        known="run",
    ),
    Knob(
        "JULIA_CPU_THREADS",
        reader="Julia 1.0",
        use="default",
        effect="set",
        sees="nothing",
        why="Sys.CPU_THREADS counts the machine's CPUs",
        source="https://docs.julialang.org/en/v1/manual/environment-variables/",
        known="document",
    ),
    Knob(
        "R_PARALLELLY_AVAILABLECORES_MAX",
        reader="R's parallelly 1.45, future",
        use="default",
        effect="cap",
        sees=BOTH,
        why="rounds a quota half up",
        source="https://parallelly.futureverse.org/reference/parallelly.options.html",
        known="document",
    ),
    Knob(
        "PARALLEL_PROCESSOR_COUNT",
        reader="Ruby's parallel 1.18",
        use="default",
        effect="set",
        sees="affinity",
        why="sees no quota before 1.26, since then that of one level",
        source="grosser/parallel: lib/parallel.rb",
        known="run",
    ),
    Knob(
        "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS",
        reader="ITK 3.8",
        use="default",
        effect="set",
        sees="nothing",
        unless=("NSLOTS",),
        why="counts the machine's CPUs",
        source="InsightSoftwareConsortium/ITK: Modules/Core/Common/src/itkMultiThreaderBase.cxx",
        known="run",
    ),
    Knob(
        "GOMAXPROCS",
        reader="Go",
        use="default",
        effect="set",
        sees=ONE_LEVEL,
        why=(
            "sees no quota before Go 1.25; since then the own cgroup's "
            "alone, rounded up, at least 2"
        ),
        source="https://pkg.go.dev/runtime#GOMAXPROCS",
        known="run",
    ),
    Knob(
        "RAYON_NUM_THREADS",
        reader="Rust's rayon 0.8: ruff, tokenizers and others",
        use="default",
        effect="set",
        sees=BOTH,
        unless=("RAYON_RS_NUM_CPUS",),
        why="begins with Rust's std",
        source="https://docs.rs/rayon/latest/rayon/struct.ThreadPoolBuilder.html",
        known="run",
    ),
    Knob(
        "TOKIO_WORKER_THREADS",
        reader="Rust's tokio 1.24",
        use="default",
        effect="set",
        sees=BOTH,
        why="begins with Rust's std",
        source="https://docs.rs/tokio/latest/tokio/runtime/struct.Builder.html",
        known="run",
    ),
    Knob(
        "RUST_TEST_THREADS",
        reader="Rust's libtest",
        use="default",
        effect="set",
        sees=BOTH,
        why="begins with Rust's std",
        source="https://doc.rust-lang.org/rustc/tests/index.html",
        known="run",
    ),
    Knob(
        "POLARS_MAX_THREADS",
        reader="polars 0.8.3",
        use="default",
        effect="set",
        sees=BOTH,
        why="begins with Rust's std",
        source="https://docs.pola.rs/api/python/stable/reference/api/polars.thread_pool_size.html",
        known="run",
    ),
    Knob(
        "DOTNET_PROCESSOR_COUNT",
        reader=".NET 6",
        use="default",
        effect="set",
        sees=BOTH,
        why="rounds a quota up",
        source=(
            "dotnet/docs: core/compatibility/core-libraries/6.0/"
            "environment-processorcount-on-windows.md"
        ),
        known="document",
    ),
    Knob(
        "PJRT_NPROC",
        reader="XLA on CPUs: JAX",
        use="default",
        effect="set",
        sees="affinity",
        unless=("NPROC",),
        why="sees no quota",
        source="openxla/xla: xla/pjrt/utils.cc",
        known="run",
    ),
    Knob(
        "TF_NUM_INTRAOP_THREADS",
        reader="TensorFlow",
        use="default",
        effect="set",
        sees="affinity",
        why="sees no quota",
        source="tensorflow/tensorflow: core/common_runtime/process_util.cc",
        known="run",
    ),
    Knob(
        "TF_NUM_INTEROP_THREADS",
        reader="TensorFlow",
        use="default",
        effect="set",
        sees="affinity",
        why="sees no quota",
        source="tensorflow/tensorflow: core/common_runtime/process_util.cc",
        known="run",
    ),
    Knob(
        "OPENCV_FOR_THREADS_NUM",
        reader="OpenCV",
        use="default",
        effect="set",
        sees="affinity",
        why="sees no quota",
        source="https://docs.opencv.org/4.x/d6/dea/tutorial_env_reference.html",
        known="run",
    ),
    Knob(
        "VIPS_CONCURRENCY",
        reader="libvips 8.0: pyvips, sharp",
        use="default",
        effect="set",
        sees="affinity",
        why="sees no quota",
        source="https://www.libvips.org/API/current/func.concurrency_set.html",
        known="run",
    ),
    Knob(
        "MAGICK_THREAD_LIMIT",
        reader="ImageMagick 6",
        use="default",
        effect="cap",
        sees="affinity",
        unless=("OMP_NUM_THREADS", "OMP_THREAD_LIMIT"),
        why="sees no quota",
        source="https://imagemagick.org/script/resources.php#environment",
        known="run",
    ),
    Knob(
        "DENO_JOBS",
        reader="deno 1.24: test --parallel",
        use="default",
        effect="set",
        sees=BOTH,
        why="begins with Rust's std",
        source="https://docs.deno.com/runtime/reference/cli/test/",
        known="run",
    ),
    # Set for workers.
    Knob(
        "OMP_NUM_THREADS",
        reader="OpenMP; so BLAS, PyTorch, Arrow and coreutils' nproc",
        use="inner",
        group="omp",
        effect="set",
        sees="affinity",
        why=DO_NOT_DIVIDE,
        source="https://www.openmp.org/spec-html/5.0/openmpse50.html",
        known="run",
    ),
    Knob(
        "OPENBLAS_NUM_THREADS",
        reader="OpenBLAS 0.1, built with pthreads",
        use="inner",
        group="blas",
        effect="cap",
        sees="affinity",
        unless=("GOTO_NUM_THREADS", "OMP_NUM_THREADS"),
        why=DO_NOT_DIVIDE,
        source="OpenMathLib/OpenBLAS: README.md",
        known="run",
    ),
    Knob(
        "MKL_NUM_THREADS",
        reader="oneMKL",
        use="inner",
        group="blas",
        effect="cap",
        sees="affinity",
        unless=("OMP_NUM_THREADS",),
        why=DO_NOT_DIVIDE,
        source="oneMKL's developer guide for Linux: oneMKL-specific environment variables",
        known="run",
    ),
    Knob(
        "BLIS_NUM_THREADS",
        reader="BLIS 0.2.2, AOCL",
        use="inner",
        group="blas",
        effect="set",
        sees="nothing",
        unless=("BLIS_NT", "OMP_NUM_THREADS"),
        why=f"its own default is 1; {DO_NOT_DIVIDE}",
        source="flame/blis: docs/Multithreading.md",
        known="document",
    ),
    Knob(
        "VECLIB_MAXIMUM_THREADS",
        reader="Apple's Accelerate",
        use="inner",
        group="blas",
        effect="cap",
        sees="nothing",
        why=DO_NOT_DIVIDE,
        source="https://developer.apple.com/forums/thread/666635",
        known="document",
    ),
    Knob(
        "NUMBA_NUM_THREADS",
        reader="numba 0.27",
        use="inner",
        group="numba",
        effect="set",
        sees="affinity",
        why=DO_NOT_DIVIDE,
        source="https://numba.readthedocs.io/en/stable/reference/envvars.html",
        known="run",
    ),
    Knob(
        "NUMEXPR_NUM_THREADS",
        reader="numexpr 2.2",
        use="inner",
        group="numexpr",
        effect="set",
        sees="nothing",
        most=16,
        unless=("OMP_NUM_THREADS",),
        why=f"more than 64 it refuses; {DO_NOT_DIVIDE}",
        source="numexpr 2.14.2: utils.py",
        known="run",
    ),
    # Set when asked for.
    Knob(
        "MAKEFLAGS",
        reader="GNU make",
        use="opt-in",
        group="make",
        effect="set",
        form="-j{}",
        unless=("GNUMAKEFLAGS",),
        why=f"{SERIAL}; not every build is ready for it",
        source="https://www.gnu.org/software/make/manual/html_node/Options_002fRecursion.html",
        known="run",
    ),
    Knob(
        "CMAKE_BUILD_PARALLEL_LEVEL",
        reader="cmake --build 3.12",
        use="opt-in",
        group="cmake",
        effect="set",
        unless=("MAKEFLAGS",),
        why=f"{SERIAL} with Makefiles",
        source="https://cmake.org/cmake/help/latest/envvar/CMAKE_BUILD_PARALLEL_LEVEL.html",
        known="run",
    ),
    Knob(
        "CTEST_PARALLEL_LEVEL",
        reader="ctest 2.8.12",
        use="opt-in",
        group="ctest",
        effect="set",
        why=SERIAL,
        source="https://cmake.org/cmake/help/latest/envvar/CTEST_PARALLEL_LEVEL.html",
        known="run",
    ),
    Knob(
        "CARGO_BUILD_JOBS",
        reader="cargo 0.9",
        use="opt-in",
        group="cargo",
        effect="set",
        why=CONFIG,
        source="https://doc.rust-lang.org/cargo/reference/config.html#buildjobs",
        known="run",
    ),
    Knob(
        "NEXTEST_TEST_THREADS",
        reader="cargo-nextest 0.9.12",
        use="opt-in",
        group="nextest",
        effect="set",
        why=CONFIG,
        source="https://nexte.st/docs/configuration/env-vars/",
        known="document",
    ),
    Knob(
        "UV_CONCURRENT_BUILDS",
        reader="uv 0.1.43",
        use="opt-in",
        group="uv",
        effect="set",
        why=CONFIG,
        source="https://docs.astral.sh/uv/reference/environment/",
        known="document",
    ),
    Knob(
        "UV_CONCURRENT_INSTALLS",
        reader="uv 0.1.45",
        use="opt-in",
        group="uv",
        effect="set",
        why=CONFIG,
        source="https://docs.astral.sh/uv/reference/environment/",
        known="document",
    ),
    Knob(
        "JAVA_TOOL_OPTIONS",
        reader="every JVM, from JDK 8u191 and 10",
        use="opt-in",
        group="java",
        effect="set",
        form="-XX:ActiveProcessorCount={}",
        why="each JVM says so on stderr; 1 changes the garbage collector",
        source="https://docs.oracle.com/en/java/javase/17/docs/specs/man/java.html",
        known="run",
    ),
    Knob(
        "JDK_JAVA_OPTIONS",
        reader="the java command, JDK 9",
        use="opt-in",
        group="java-launcher",
        effect="set",
        form="-XX:ActiveProcessorCount={}",
        why="each start says so on stderr; 1 changes the garbage collector",
        source="https://docs.oracle.com/en/java/javase/17/docs/specs/man/java.html",
        known="run",
    ),
    Knob(
        "JULIA_NUM_THREADS",
        reader="Julia",
        use="opt-in",
        group="julia",
        effect="set",
        why=SERIAL,
        source="https://docs.julialang.org/en/v1/manual/environment-variables/",
        known="document",
    ),
    Knob(
        "ERL_ZFLAGS",
        reader="Erlang, Elixir",
        use="opt-in",
        group="erlang",
        effect="set",
        form="+S {}:{}",
        why="a flags variable, often used for others",
        source="https://www.erlang.org/doc/apps/erts/erl_cmd",
        known="unverified",
    ),
    Knob(
        "MC_CORES",
        reader="R's parallel",
        use="opt-in",
        group="r",
        effect="set",
        why="the default is 2; some packages turn parallel because it is set",
        source="https://stat.ethz.ch/R-manual/R-devel/library/parallel/html/mclapply.html",
        known="document",
    ),
    Knob(
        "R_DATATABLE_NUM_THREADS",
        reader="R's data.table 1.12.2",
        use="opt-in",
        group="r",
        effect="cap",
        sees="affinity",
        why="raises its default, half the CPUs",
        source="Rdatatable/data.table: src/openmp-utils.c",
        known="source",
    ),
    Knob(
        "CELERY_WORKER_CONCURRENCY",
        reader="celery 5.0",
        use="opt-in",
        group="celery",
        effect="set",
        why=CONFIG,
        source="celery 5.7: bin/worker.py",
        known="run",
    ),
    Knob(
        "PARALLEL_WORKERS",
        reader="Rails 6.0: tests",
        use="opt-in",
        group="rails",
        effect="set",
        why=f"{CONFIG}; a database for each",
        source="https://api.rubyonrails.org/classes/ActiveSupport/TestCase.html",
        known="document",
    ),
    Knob(
        "BUNDLE_JOBS",
        reader="bundler",
        use="opt-in",
        group="bundler",
        effect="set",
        why=CONFIG,
        source="https://bundler.io/man/bundle-config.1.html",
        known="document",
    ),
    Knob(
        "MYPY_NUM_WORKERS",
        reader="mypy 2.1",
        use="opt-in",
        group="mypy",
        effect="set",
        why=SERIAL,
        source="mypy 2.4.1: main.py",
        known="source",
    ),
    Knob(
        "DASK_NUM_WORKERS",
        reader="dask 0.20: local schedulers",
        use="opt-in",
        group="dask",
        effect="set",
        why="LocalCluster does not read it",
        source="https://docs.dask.org/en/stable/configuration.html",
        known="run",
    ),
    Knob(
        "GDAL_NUM_THREADS",
        reader="GDAL",
        use="opt-in",
        group="gdal",
        effect="set",
        why=f"mostly {SERIAL}",
        source="https://gdal.org/en/stable/user/configoptions.html",
        known="document",
    ),
    Knob(
        "PYFFTW_NUM_THREADS",
        reader="pyFFTW 0.11",
        use="opt-in",
        group="pyfftw",
        effect="set",
        why=SERIAL,
        source="pyfftw/config.py",
        known="source",
    ),
    Knob(
        "BLOSC_NTHREADS",
        reader="c-blosc 1.9",
        use="opt-in",
        group="blosc",
        effect="set",
        why="beats what the program set",
        source="https://github.com/Blosc/c-blosc",
        known="document",
    ),
    Knob(
        "ZSTD_NBTHREADS",
        reader="zstd 1.4.7",
        use="opt-in",
        group="zstd",
        effect="set",
        why=SERIAL,
        source="https://github.com/facebook/zstd/blob/dev/programs/README.md",
        known="run",
    ),
    Knob(
        "TORCHINDUCTOR_COMPILE_THREADS",
        reader="torch.compile",
        use="opt-in",
        group="inductor",
        effect="set",
        most=32,
        why="its default is the affinity, at most 32",
        source="torch 2.14.1: _inductor/config.py",
        known="source",
    ),
    Knob(
        "NPROC",
        reader="XLA, Makefiles",
        use="opt-in",
        group="nproc",
        effect="set",
        why="a general name: Makefiles use it too",
        source="openxla/xla: xla/pjrt/utils.cc",
        known="run",
    ),
    Knob(
        "OPENBLAS_DEFAULT_NUM_THREADS",
        reader="OpenBLAS 0.3.22, built with pthreads",
        use="opt-in",
        group="openblas-default",
        effect="cap",
        sees="affinity",
        unless=("OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS", "OMP_NUM_THREADS"),
        why="beats the OMP_NUM_THREADS=1 that Ray and torchrun give their workers",
        source="OpenMathLib/OpenBLAS: driver/others/openblas_env.c, memory.c",
        known="run",
    ),
    Knob(
        "OMP_THREAD_LIMIT",
        reader="OpenMP, Arrow, coreutils' nproc",
        use="opt-in",
        group="omp-limit",
        effect="cap",
        sees="affinity",
        why="holds for each thread that starts a team; LLVM's may abort a program that exceeds it",
        source="https://openmp.llvm.org/design/Runtimes.html",
        known="run",
    ),
    # Never set.
    Knob(
        "WEB_CONCURRENCY",
        use="never",
        why="starts servers: uvicorn.run with more than 1 refuses to start",
        source="gunicorn 27.0.1: config.py; uvicorn 0.54: config.py; puma: configuration.rb",
        known="run",
    ),
    Knob(
        "GRANIAN_WORKERS",
        use="never",
        why="starts servers",
        source="granian 2.8.7: cli.py",
        known="source",
    ),
    Knob(
        "NGINX_ENTRYPOINT_WORKER_PROCESSES_AUTOTUNE",
        use="never",
        why="rewrites nginx.conf",
        source="https://github.com/nginx/docker-nginx",
        known="document",
    ),
    Knob(
        "KUMOD_MAIN_THREADS",
        use="never",
        why="kumod takes fractions of the count, and Lua may say else",
        source="KumoCorp/kumomta: crates/kumo-server-runtime/src/lib.rs",
        known="source",
    ),
    Knob(
        "GHCRTS",
        use="never",
        why="Haskell programs built without -threaded or -rtsopts end with an error",
        source="https://downloads.haskell.org/ghc/latest/docs/users_guide/using-concurrent.html",
        known="document",
    ),
    Knob(
        "_JAVA_OPTIONS",
        use="never",
        why="beats the user's own command line",
        source="OpenJDK 17",
        known="run",
    ),
    Knob(
        "GOFLAGS",
        use="never",
        why=f"{FLAGS}; GOMAXPROCS does",
        source="go help build",
        known="run",
    ),
    Knob(
        "NODE_OPTIONS",
        use="never",
        why=FLAGS,
        source="https://nodejs.org/api/cli.html#node_optionsoptions",
        known="run",
    ),
    Knob(
        "GRADLE_OPTS",
        use="never",
        why=FLAGS,
        source="https://docs.gradle.org/current/userguide/build_environment.html",
        known="document",
    ),
    Knob(
        "MAVEN_ARGS",
        use="never",
        why=FLAGS,
        source="https://maven.apache.org/configure.html",
        known="document",
    ),
    Knob(
        "SCONSFLAGS",
        use="never",
        why=FLAGS,
        source="scons 4.11: Script/__init__.py",
        known="source",
    ),
    Knob(
        "PARALLEL",
        use="never",
        why=FLAGS,
        source="https://www.gnu.org/software/parallel/man.html",
        known="unverified",
    ),
    Knob(
        "XZ_DEFAULTS",
        use="never",
        why="changes the bytes that xz writes",
        source="xz(1), of XZ Utils 5.6",
        known="run",
    ),
    Knob(
        "XZ_OPT",
        use="never",
        why="changes the bytes that xz writes",
        source="xz(1), of XZ Utils 5.6",
        known="run",
    ),
    Knob(
        "GZIP",
        use="never",
        why=FLAGS,
        source="madler/pigz: pigz.c",
        known="source",
    ),
    Knob(
        "PIGZ",
        use="never",
        why=FLAGS,
        source="madler/pigz: pigz.c",
        known="source",
    ),
    Knob(
        "UV_THREADPOOL_SIZE",
        use="never",
        why="libuv's pool waits for files and names, not for CPUs",
        source="https://docs.libuv.org/en/v1.x/threadpool.html",
        known="run",
    ),
    Knob(
        "ARROW_IO_THREADS",
        use="never",
        why="Arrow's pool waits for storage, not for CPUs",
        source="https://arrow.apache.org/docs/cpp/env_vars.html",
        known="run",
    ),
    Knob(
        "TOKENIZERS_PARALLELISM",
        use="never",
        why="a switch and no count; RAYON_NUM_THREADS does",
        source="huggingface/tokenizers: utils/parallelism.rs",
        known="run",
    ),
    Knob(
        "JOBS",
        use="never",
        why="a general name",
        source="nodejs/node-gyp",
        known="document",
    ),
    Knob(
        "NUM_JOBS",
        use="never",
        why="cargo sets it for build scripts",
        source="cargo's book: environment-variables",
        known="run",
    ),
    Knob(
        "SLURM_CPUS_ON_NODE",
        use="never",
        why=SCHEDULER,
        source="duckdb: src/main/config.cpp",
        known="run",
    ),
    Knob(
        "SLURM_CPUS_PER_TASK",
        use="never",
        why=SCHEDULER,
        source="https://slurm.schedmd.com/srun.html",
        known="document",
    ),
    Knob(
        "NSLOTS",
        use="never",
        why=SCHEDULER,
        source="ITK: Modules/Core/Common/src/itkMultiThreaderBase.cxx",
        known="source",
    ),
    Knob(
        "GOTO_NUM_THREADS",
        use="never",
        why="an old name",
        source="OpenBLAS: driver/others/openblas_env.c",
        known="source",
    ),
    Knob(
        "MKL_DYNAMIC",
        use="never",
        why="a switch: false lets MKL exceed the CPUs",
        source="oneMKL 2026.2",
        known="run",
    ),
    Knob(
        "XLA_FLAGS",
        use="never",
        why=FLAGS,
        source="jax 0.10.2",
        known="run",
    ),
)

KNOBS = {knob.name: knob for knob in _ROWS}
GROUPS = tuple(dict.fromkeys(knob.group for knob in KNOBS.values() if knob.group))
