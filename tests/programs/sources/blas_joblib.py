"""The BLAS threads of joblib's workers, summed."""

import os
import time

import joblib


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
    workers = dict(joblib.Parallel(n_jobs=2)(joblib.delayed(blas)(n) for n in range(6)))
    assert len(workers) == 2
    print(sum(workers.values()))
