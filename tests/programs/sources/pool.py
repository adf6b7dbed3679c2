"""The workers of a pool that was told nothing, which has to be what each function says."""

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor

if __name__ == "__main__":
    with multiprocessing.Pool() as pool:
        counts = {len(multiprocessing.active_children()), multiprocessing.cpu_count()}
    counts |= {os.process_cpu_count(), ProcessPoolExecutor()._max_workers}
    (count,) = counts
    print(count)
