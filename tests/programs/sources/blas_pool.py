"""The BLAS threads of a plain pool's workers, summed: nobody divides them."""

import os
import time
from concurrent.futures import ProcessPoolExecutor


def blas(_: int) -> tuple[int, int]:
    import numpy  # noqa: F401 - it loads the library that is asked
    import threadpoolctl

    time.sleep(0.3)  # so that no worker does it all
    return os.getpid(), sum(
        pool["num_threads"]
        for pool in threadpoolctl.threadpool_info()
        if pool["user_api"] == "blas"
    )


if __name__ == "__main__":
    with ProcessPoolExecutor(2) as pool:
        workers = dict(pool.map(blas, range(6)))
    assert len(workers) == 2
    print(sum(workers.values()))
