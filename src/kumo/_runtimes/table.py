"""The rows of the knob table: one a variable. `kumo._runtimes.knobs` says what the columns mean.

A source without an address is a file of the project named, at the version that was read.
"""

# What is emitted where it is not the plain number: flags, of opt-in rows alone.
FORMS = {
    "MAKEFLAGS": "-j{}",
    "JAVA_TOOL_OPTIONS": "-XX:ActiveProcessorCount={}",
    "JDK_JAVA_OPTIONS": "-XX:ActiveProcessorCount={}",
    "ERL_ZFLAGS": "+S {}:{}",
}

# Where the program stops by itself, and the variable would raise it. A default row is left out
# from there on: numexpr refuses any NUMEXPR_NUM_THREADS above NUMEXPR_MAX_THREADS, and so might
# fall to one thread in the workers of joblib. The others say no more than that.
MOST = {
    "NUMEXPR_MAX_THREADS": 16,
    "NUMEXPR_NUM_THREADS": 16,
    "TORCHINDUCTOR_COMPILE_THREADS": 32,
}

# What the programs of the opt-in rows that are caps see without them.
SEES = {
    "OMP_THREAD_LIMIT": "affinity",
    "OPENBLAS_DEFAULT_NUM_THREADS": "affinity",
    "R_DATATABLE_NUM_THREADS": "affinity",
}

# Where the user set one of these, which the variable would beat, it is not emitted.
UNLESS = {
    "BLIS_NUM_THREADS": ("BLIS_NT", "OMP_NUM_THREADS"),
    "CMAKE_BUILD_PARALLEL_LEVEL": ("MAKEFLAGS",),
    "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS": ("NSLOTS",),
    "MAGICK_THREAD_LIMIT": ("OMP_NUM_THREADS", "OMP_THREAD_LIMIT"),
    "MAKEFLAGS": ("GNUMAKEFLAGS",),
    "MESON_NUM_PROCESSES": ("MESON_TESTTHREADS",),
    "MKL_NUM_THREADS": ("OMP_NUM_THREADS",),
    "NUMEXPR_MAX_THREADS": ("NUMEXPR_NUM_THREADS", "OMP_NUM_THREADS"),
    "NUMEXPR_NUM_THREADS": ("OMP_NUM_THREADS",),
    "OPENBLAS_DEFAULT_NUM_THREADS": ("OPENBLAS_NUM_THREADS", "GOTO_NUM_THREADS", "OMP_NUM_THREADS"),
    "OPENBLAS_NUM_THREADS": ("GOTO_NUM_THREADS", "OMP_NUM_THREADS"),
    "PJRT_NPROC": ("NPROC",),
    "RAYON_NUM_THREADS": ("RAYON_RS_NUM_CPUS",),
}

_BOTH = "affinity, quota"
_ONE_LEVEL = "affinity, quota of one level"

# fmt: off
# name, reader, effect, sees, known, why, source
DEFAULT = (
    ("KUMO_AVAILABLE_PARALLELISM", "kumo; KumoMTA's kumod and tsa-daemon 2025.05.06", "set", _BOTH,
     "source", "Rust's std misses quotas of hidden or foreign mounts, and counts a pinned launcher",
     "https://docs.kumomta.com/reference/kumo/available_parallelism/"),
    ("PYTHON_CPU_COUNT", "CPython 3.13", "set", "nothing", "run",
     "os.cpu_count sees nothing, os.process_cpu_count the affinity; pools begin with them",
     "https://docs.python.org/3/using/cmdline.html#envvar-PYTHON_CPU_COUNT"),
    ("LOKY_MAX_CPU_COUNT", "loky 2.3, joblib, scikit-learn", "cap", _ONE_LEVEL, "run",
     "loky reads the quota of the mount's root alone, and rounds up",
     "https://loky.readthedocs.io/en/stable/API.html"),
    ("NUMEXPR_MAX_THREADS", "numexpr 2.7", "set", "nothing", "run",
     "counts the CPUs on line, up to 16", "numexpr 2.14.2: utils.py"),
    ("PYTEST_XDIST_AUTO_NUM_WORKERS", "pytest-xdist 3.0, with -n auto or logical", "set", "nothing",
     "run", "with psutil it counts the machine's cores or CPUs, else the affinity",
     "https://pytest-xdist.readthedocs.io/en/stable/distribution.html"),
    ("BLACK_NUM_WORKERS", "black 23.7", "set", "nothing", "run",
     "begins with os.cpu_count", "black 26.10: concurrency.py"),
    ("MAX_JOBS", "PyTorch's cpp_extension", "set", "affinity", "run",
     "else ninja starts two jobs more than CPUs",
     "https://docs.pytorch.org/docs/stable/cpp_extension.html"),
    ("MESON_NUM_PROCESSES", "meson 1.7: test", "set", "nothing", "run",
     "begins with multiprocessing.cpu_count", "meson 1.12.1: utils/universal.py, mtest.py"),
    ("JULIA_CPU_THREADS", "Julia 1.0", "set", "nothing", "document",
     "Sys.CPU_THREADS counts the machine's CPUs",
     "https://docs.julialang.org/en/v1/manual/environment-variables/"),
    ("R_PARALLELLY_AVAILABLECORES_MAX", "R's parallelly 1.45, future", "cap", _BOTH, "document",
     "rounds a quota half up",
     "https://parallelly.futureverse.org/reference/parallelly.options.html"),
    ("PARALLEL_PROCESSOR_COUNT", "Ruby's parallel 1.18", "set", "affinity", "run",
     "sees no quota before 1.26, since then that of one level",
     "grosser/parallel: lib/parallel.rb"),
    ("ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS", "ITK 3.8", "set", "nothing", "run",
     "counts the machine's CPUs",
     "InsightSoftwareConsortium/ITK: Modules/Core/Common/src/itkMultiThreaderBase.cxx"),
    ("GOMAXPROCS", "Go", "set", _ONE_LEVEL, "run",
     "sees no quota before Go 1.25; since then the own cgroup's alone, rounded up, at least 2",
     "https://pkg.go.dev/runtime#GOMAXPROCS"),
    ("RAYON_NUM_THREADS", "Rust's rayon 0.8: ruff, tokenizers and others", "set", _BOTH, "run",
     "begins with Rust's std", "https://docs.rs/rayon/latest/rayon/struct.ThreadPoolBuilder.html"),
    ("TOKIO_WORKER_THREADS", "Rust's tokio 1.24", "set", _BOTH, "run",
     "begins with Rust's std", "https://docs.rs/tokio/latest/tokio/runtime/struct.Builder.html"),
    ("RUST_TEST_THREADS", "Rust's libtest", "set", _BOTH, "run",
     "begins with Rust's std", "https://doc.rust-lang.org/rustc/tests/index.html"),
    ("POLARS_MAX_THREADS", "polars 0.8.3", "set", _BOTH, "run",
     "begins with Rust's std",
     "https://docs.pola.rs/api/python/stable/reference/api/polars.thread_pool_size.html"),
    ("DOTNET_PROCESSOR_COUNT", ".NET 6", "set", _BOTH, "document",
     "rounds a quota up",
     "dotnet/docs: core/compatibility/core-libraries/6.0/environment-processorcount-on-windows.md"),
    ("PJRT_NPROC", "XLA on CPUs: JAX", "set", "affinity", "run",
     "sees no quota", "openxla/xla: xla/pjrt/utils.cc"),
    ("TF_NUM_INTRAOP_THREADS", "TensorFlow", "set", "affinity", "run",
     "sees no quota", "tensorflow/tensorflow: core/common_runtime/process_util.cc"),
    ("TF_NUM_INTEROP_THREADS", "TensorFlow", "set", "affinity", "run",
     "sees no quota", "tensorflow/tensorflow: core/common_runtime/process_util.cc"),
    ("OPENCV_FOR_THREADS_NUM", "OpenCV", "set", "affinity", "run",
     "sees no quota",
     "https://docs.opencv.org/4.x/d6/dea/tutorial_env_reference.html"),
    ("VIPS_CONCURRENCY", "libvips 8.0: pyvips, sharp", "set", "affinity", "run",
     "sees no quota", "https://www.libvips.org/API/current/func.concurrency_set.html"),
    ("MAGICK_THREAD_LIMIT", "ImageMagick 6", "cap", "affinity", "run",
     "sees no quota", "https://imagemagick.org/script/resources.php#environment"),
    ("DENO_JOBS", "deno 1.24: test --parallel", "set", _BOTH, "run",
     "begins with Rust's std", "https://docs.deno.com/runtime/reference/cli/test/"),
)

_OMP = "joblib, dask, Ray, torchrun and Spark take it for the user's word, and do not divide"
# group, name, reader, effect, sees, known, why, source
INNER = (
    ("omp", "OMP_NUM_THREADS", "OpenMP; so BLAS, PyTorch, Arrow and coreutils' nproc", "set",
     "affinity", "run", _OMP, "https://www.openmp.org/spec-html/5.0/openmpse50.html"),
    ("blas", "OPENBLAS_NUM_THREADS", "OpenBLAS 0.1, built with pthreads", "cap", "affinity", "run",
     _OMP, "OpenMathLib/OpenBLAS: README.md"),
    ("blas", "MKL_NUM_THREADS", "oneMKL", "cap", "affinity", "run", _OMP,
     "oneMKL's developer guide for Linux: oneMKL-specific environment variables"),
    ("blas", "BLIS_NUM_THREADS", "BLIS 0.2.2, AOCL", "set", "nothing", "document",
     f"its own default is 1; {_OMP}", "flame/blis: docs/Multithreading.md"),
    ("blas", "VECLIB_MAXIMUM_THREADS", "Apple's Accelerate", "cap", "nothing", "document",
     _OMP, "https://developer.apple.com/forums/thread/666635"),
    ("numba", "NUMBA_NUM_THREADS", "numba 0.27", "set", "affinity", "run",
     _OMP, "https://numba.readthedocs.io/en/stable/reference/envvars.html"),
    ("numexpr", "NUMEXPR_NUM_THREADS", "numexpr 2.2", "set", "nothing", "run",
     f"more than 64 it refuses; {_OMP}", "numexpr 2.14.2: utils.py"),
)

_SERIAL = "serial by default"
_CONFIG = "beats the project's configuration, which may say less"
# group, name, reader, effect, known, why, source
OPT_IN = (
    ("make", "MAKEFLAGS", "GNU make", "set", "run", f"{_SERIAL}; not every build is ready for it",
     "https://www.gnu.org/software/make/manual/html_node/Options_002fRecursion.html"),
    ("cmake", "CMAKE_BUILD_PARALLEL_LEVEL", "cmake --build 3.12", "set", "run",
     f"{_SERIAL} with Makefiles",
     "https://cmake.org/cmake/help/latest/envvar/CMAKE_BUILD_PARALLEL_LEVEL.html"),
    ("ctest", "CTEST_PARALLEL_LEVEL", "ctest 2.8.12", "set", "run", _SERIAL,
     "https://cmake.org/cmake/help/latest/envvar/CTEST_PARALLEL_LEVEL.html"),
    ("cargo", "CARGO_BUILD_JOBS", "cargo 0.9", "set", "run", _CONFIG,
     "https://doc.rust-lang.org/cargo/reference/config.html#buildjobs"),
    ("nextest", "NEXTEST_TEST_THREADS", "cargo-nextest 0.9.12", "set", "document", _CONFIG,
     "https://nexte.st/docs/configuration/env-vars/"),
    ("uv", "UV_CONCURRENT_BUILDS", "uv 0.1.43", "set", "document", _CONFIG,
     "https://docs.astral.sh/uv/reference/environment/"),
    ("uv", "UV_CONCURRENT_INSTALLS", "uv 0.1.45", "set", "document", _CONFIG,
     "https://docs.astral.sh/uv/reference/environment/"),
    ("java", "JAVA_TOOL_OPTIONS", "every JVM, from JDK 8u191 and 10", "set", "run",
     "each JVM says so on stderr; 1 changes the garbage collector",
     "https://docs.oracle.com/en/java/javase/17/docs/specs/man/java.html"),
    ("java-launcher", "JDK_JAVA_OPTIONS", "the java command, JDK 9", "set", "run",
     "each start says so on stderr; 1 changes the garbage collector",
     "https://docs.oracle.com/en/java/javase/17/docs/specs/man/java.html"),
    ("julia", "JULIA_NUM_THREADS", "Julia", "set", "document", _SERIAL,
     "https://docs.julialang.org/en/v1/manual/environment-variables/"),
    ("erlang", "ERL_ZFLAGS", "Erlang, Elixir", "set", "unverified",
     "a flags variable, often used for others", "https://www.erlang.org/doc/apps/erts/erl_cmd"),
    ("r", "MC_CORES", "R's parallel", "set", "document",
     "the default is 2; some packages turn parallel because it is set",
     "https://stat.ethz.ch/R-manual/R-devel/library/parallel/html/mclapply.html"),
    ("r", "R_DATATABLE_NUM_THREADS", "R's data.table 1.12.2", "cap", "source",
     "raises its default, half the CPUs", "Rdatatable/data.table: src/openmp-utils.c"),
    ("celery", "CELERY_WORKER_CONCURRENCY", "celery 5.0", "set", "run", _CONFIG,
     "celery 5.7: bin/worker.py"),
    ("rails", "PARALLEL_WORKERS", "Rails 6.0: tests", "set", "document",
     f"{_CONFIG}; a database for each",
     "https://api.rubyonrails.org/classes/ActiveSupport/TestCase.html"),
    ("bundler", "BUNDLE_JOBS", "bundler", "set", "document", _CONFIG,
     "https://bundler.io/man/bundle-config.1.html"),
    ("mypy", "MYPY_NUM_WORKERS", "mypy 2.1", "set", "source", _SERIAL, "mypy 2.4.1: main.py"),
    ("dask", "DASK_NUM_WORKERS", "dask 0.20: local schedulers", "set", "run",
     "LocalCluster does not read it", "https://docs.dask.org/en/stable/configuration.html"),
    ("gdal", "GDAL_NUM_THREADS", "GDAL", "set", "document", f"mostly {_SERIAL}",
     "https://gdal.org/en/stable/user/configoptions.html"),
    ("pyfftw", "PYFFTW_NUM_THREADS", "pyFFTW 0.11", "set", "source", _SERIAL, "pyfftw/config.py"),
    ("blosc", "BLOSC_NTHREADS", "c-blosc 1.9", "set", "document", "beats what the program set",
     "https://github.com/Blosc/c-blosc"),
    ("zstd", "ZSTD_NBTHREADS", "zstd 1.4.7", "set", "run", _SERIAL,
     "https://github.com/facebook/zstd/blob/dev/programs/README.md"),
    ("inductor", "TORCHINDUCTOR_COMPILE_THREADS", "torch.compile", "set", "source",
     "its default is the affinity, at most 32", "torch 2.14.1: _inductor/config.py"),
    ("nproc", "NPROC", "XLA, Makefiles", "set", "run", "a general name: Makefiles use it too",
     "openxla/xla: xla/pjrt/utils.cc"),
    ("openblas-default", "OPENBLAS_DEFAULT_NUM_THREADS", "OpenBLAS 0.3.22, built with pthreads",
     "cap", "run", "beats the OMP_NUM_THREADS=1 that Ray and torchrun give their workers",
     "OpenMathLib/OpenBLAS: driver/others/openblas_env.c, memory.c"),
    ("omp-limit", "OMP_THREAD_LIMIT", "OpenMP, Arrow, coreutils' nproc", "cap", "run",
     "holds for each thread that starts a team; LLVM's may abort a program that exceeds it",
     "https://openmp.llvm.org/design/Runtimes.html"),
)

_FLAGS = "a variable of flags, which holds the user's others"
_SCHEDULER = "would pass for a batch scheduler's word"
# name, known, why, source
NEVER = (
    ("WEB_CONCURRENCY", "run", "starts servers: uvicorn.run with more than 1 refuses to start",
     "gunicorn 27.0.1: config.py; uvicorn 0.54: config.py; puma: configuration.rb"),
    ("GRANIAN_WORKERS", "source", "starts servers", "granian 2.8.7: cli.py"),
    ("NGINX_ENTRYPOINT_WORKER_PROCESSES_AUTOTUNE", "document", "rewrites nginx.conf",
     "https://github.com/nginx/docker-nginx"),
    ("KUMOD_MAIN_THREADS", "source", "kumod takes fractions of the count, and Lua may say else",
     "KumoCorp/kumomta: crates/kumo-server-runtime/src/lib.rs"),
    ("GHCRTS", "document", "Haskell programs built without -threaded or -rtsopts end with an error",
     "https://downloads.haskell.org/ghc/latest/docs/users_guide/using-concurrent.html"),
    ("_JAVA_OPTIONS", "run", "beats the user's own command line", "OpenJDK 17"),
    ("GOFLAGS", "run", f"{_FLAGS}; GOMAXPROCS does", "go help build"),
    ("NODE_OPTIONS", "run", _FLAGS, "https://nodejs.org/api/cli.html#node_optionsoptions"),
    ("GRADLE_OPTS", "document", _FLAGS, "https://docs.gradle.org/current/userguide/build_environment.html"),
    ("MAVEN_ARGS", "document", _FLAGS, "https://maven.apache.org/configure.html"),
    ("SCONSFLAGS", "source", _FLAGS, "scons 4.11: Script/__init__.py"),
    ("PARALLEL", "unverified", _FLAGS, "https://www.gnu.org/software/parallel/man.html"),
    ("XZ_DEFAULTS", "run", "changes the bytes that xz writes", "xz(1), of XZ Utils 5.6"),
    ("XZ_OPT", "run", "changes the bytes that xz writes", "xz(1), of XZ Utils 5.6"),
    ("GZIP", "source", _FLAGS, "madler/pigz: pigz.c"),
    ("PIGZ", "source", _FLAGS, "madler/pigz: pigz.c"),
    ("UV_THREADPOOL_SIZE", "run", "libuv's pool waits for files and names, not for CPUs",
     "https://docs.libuv.org/en/v1.x/threadpool.html"),
    ("ARROW_IO_THREADS", "run", "Arrow's pool waits for storage, not for CPUs",
     "https://arrow.apache.org/docs/cpp/env_vars.html"),
    ("TOKENIZERS_PARALLELISM", "run", "a switch and no count; RAYON_NUM_THREADS does",
     "huggingface/tokenizers: utils/parallelism.rs"),
    ("JOBS", "document", "a general name", "nodejs/node-gyp"),
    ("NUM_JOBS", "run", "cargo sets it for build scripts", "cargo's book: environment-variables"),
    ("SLURM_CPUS_ON_NODE", "run", _SCHEDULER, "duckdb: src/main/config.cpp"),
    ("SLURM_CPUS_PER_TASK", "document", _SCHEDULER, "https://slurm.schedmd.com/srun.html"),
    ("NSLOTS", "source", _SCHEDULER, "ITK: Modules/Core/Common/src/itkMultiThreaderBase.cxx"),
    ("GOTO_NUM_THREADS", "source", "an old name", "OpenBLAS: driver/others/openblas_env.c"),
    ("MKL_DYNAMIC", "run", "a switch: false lets MKL exceed the CPUs", "oneMKL 2026.2"),
    ("XLA_FLAGS", "run", _FLAGS, "jax 0.10.2"),
)
# fmt: on
