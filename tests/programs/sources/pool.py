"""The most that Python counts: the workers of a pool that was told nothing, and each function.

With its variable set, all are the same.
"""

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor

if __name__ == "__main__":
    with multiprocessing.Pool() as pool:
        counts = {len(multiprocessing.active_children()), multiprocessing.cpu_count()}
    # The first is of Python 3.13, the second is private.
    counts |= {os.process_cpu_count(), ProcessPoolExecutor()._max_workers}  # type: ignore[attr-defined]
    if "PYTHON_CPU_COUNT" in os.environ:
        (count,) = counts
    print(max(counts))
