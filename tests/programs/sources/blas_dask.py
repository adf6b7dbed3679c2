"""The BLAS threads of dask's workers, each below a nanny, summed."""

from distributed import Client, LocalCluster


def blas() -> int:
    import numpy  # noqa: F401 - it loads the library that is asked
    import threadpoolctl

    return sum(
        pool["num_threads"]
        for pool in threadpoolctl.threadpool_info()
        if pool["user_api"] == "blas"
    )


if __name__ == "__main__":
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        client.wait_for_workers(2)
        workers = client.run(blas)
    assert len(workers) == 2
    print(sum(workers.values()))
