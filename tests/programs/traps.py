"""Programs that divide the inner threads of their workers, as long as no variable forbids it."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import NamedTuple

from programs.programs import last_number


def summed(text: str) -> int:
    """The sum of what torchrun's workers print.

    [default0]:threads 1
    """
    return sum(map(int, re.findall(r"threads (\d+)", text)))


class Trap(NamedTuple):
    """*start* starts two workers and prints their inner threads, which *read* sums."""

    name: str
    version: tuple[str, ...]
    start: tuple[str, ...]
    read: Callable[[str], int] = last_number
    divides: bool = True
    heavy: bool = False
    ready: tuple[str, ...] = ("true",)


TRAPS = (
    Trap(
        "joblib, n_jobs=2",
        ("python", "-c", "import joblib; print(joblib.__version__)"),
        ("python", "SOURCES/blas_joblib.py"),
    ),
    Trap(
        "dask, LocalCluster with nannies",
        ("python", "-c", "import distributed; print(distributed.__version__)"),
        ("python", "SOURCES/blas_dask.py"),
    ),
    Trap(
        "torchrun, --nproc_per_node=2",
        ("/usr/bin/python3", "-c", "import torch; print(torch.__version__)"),
        # With Python 3.11, PyTorch 1.13 knows no other value of --tee and --redirects, not even 0.
        (
            *("/usr/bin/python3", "-m", "torch.distributed.run", "--standalone"),
            *("--nproc_per_node=2", "--tee=1", "--redirects=1", "SOURCES/threads_torchrun.py"),
        ),
        summed,
        heavy=True,
    ),
    Trap(
        "ProcessPoolExecutor(2)",
        ("python", "-c", "import platform; print(platform.python_version())"),
        ("python", "SOURCES/blas_pool.py"),
        divides=False,
    ),
)

KUMO = [sys.executable, "-m", "kumo", "run"]
# What springs the trap, as many a Dockerfile has it.
EXPORTED = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
