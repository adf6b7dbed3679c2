"""The function that runs on a node. It needs nothing but the standard library.

An adapter calls `report_node` there, or sends the text of this module as a program, for nodes
that have another version of kumo or none. So the functions alone import from kumo, and they rely
on public names. Any error becomes a reason in the report: in some engines, a node that raises
would take the answers of others with it.
"""

from __future__ import annotations

import json
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SCHEMA = 1
ASK_SECONDS = 20.0  # for a kumo that runs as a command
# They decide how many threads a task starts inside, or name the job of the process.
VARIABLES = (
    "OMP_NUM_THREADS",
    "OMP_THREAD_LIMIT",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "NUMEXPR_MAX_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "RAYON_NUM_THREADS",
    "GOMAXPROCS",
    "KUMO_AVAILABLE_PARALLELISM",
    "SLURM_JOB_ID",
    "SLURM_CPUS_ON_NODE",
    "SLURM_CPUS_PER_TASK",
    "SLURMD_NODENAME",
    "OMPI_COMM_WORLD_LOCAL_SIZE",
    "MPI_LOCALNRANKS",
    "PARSL_CORES",
    "SPARK_WORKER_CORES",
    "CELERY_WORKER_CONCURRENCY",
)


def report_node(pressure: float | None = None) -> str:
    """Return what kumo finds in this process, as one line of JSON; never raise.

    With *pressure*, also watch for so many seconds how much the cgroups are throttled.
    If kumo is not there or fails, ``reason`` says why.
    """
    report: dict[str, Any] = {
        "schema": SCHEMA,
        "host": _hostname(),
        "boot": _first_line("/proc/sys/kernel/random/boot_id"),
        "kumo": None,
        "explain": None,
        "cgroups": {},
        "environment": {name: os.environ[name] for name in VARIABLES if name in os.environ},
        "pressure": None,
        "reason": None,
    }
    try:
        report["kumo"], report["explain"] = _explained()
        report["cgroups"] = _cgroups(report["explain"])
        if pressure is not None:
            report["pressure"] = _pressure(pressure)
    except Exception as error:  # noqa: BLE001 - whatever it is, the node has to answer
        report["reason"] = f"{type(error).__name__}: {error}"[:500]
    return json.dumps(report)


def _hostname() -> str:
    import socket

    try:
        return socket.gethostname()
    except OSError:
        return ""


def _first_line(path: str) -> str | None:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return file.readline(200).strip() or None
    except OSError:
        return None


def _explained() -> tuple[str | None, dict[str, Any]]:
    """Return kumo's version and what ``kumo explain --json`` says here."""
    try:
        import kumo
    except ImportError:
        return None, _from_command(None)
    try:
        from kumo._explain import as_dict
    except ImportError:  # another version: only the command is certain
        return kumo.__version__, _from_command(sys.executable)
    return kumo.__version__, as_dict(kumo.estimate())


def _from_command(python: str | None) -> dict[str, Any]:
    import shutil
    import subprocess

    command = shutil.which("kumo")
    if python is None and command is None:
        raise LookupError("kumo is not installed there")
    words = [python, "-m", "kumo"] if python is not None else [command]
    ran = subprocess.run(
        [str(word) for word in words] + ["explain", "--json"],
        capture_output=True, check=False, stdin=subprocess.DEVNULL, timeout=ASK_SECONDS,
    )  # fmt: skip
    if ran.returncode != 0:
        raise RuntimeError(ran.stderr.decode("utf-8", "replace").strip()[:300] or "no answer")
    answer = json.loads(ran.stdout)
    if not isinstance(answer, dict):
        raise TypeError("kumo explain --json prints no object there")
    return answer


def _cgroups(explained: dict[str, Any]) -> dict[str, str]:
    """Return by the directory of each quota what identifies it in every namespace of the host.

    That is the inode: it is the kernel's number of the cgroup, and the same through every mount.
    """
    numbers = {}
    for limit in explained.get("limits", ()):
        if limit.get("kind") == "rate" and str(limit.get("where", ""))[:1] == "/":
            directory = os.path.dirname(limit["where"])
            try:
                numbers[directory] = str(os.stat(directory).st_ino)
            except OSError:
                continue
    return numbers


def _pressure(seconds: float) -> dict[str, Any]:
    import kumo

    seen = kumo.pressure(seconds=seconds)
    levels = [
        {
            "where": level.where,
            "periods": level.throttling.periods,
            "throttled": level.throttling.throttled,
            "seconds": level.throttling.seconds,
        }
        for level in seen.levels
        if level.throttling is not None
    ]
    return {"seconds": seen.seconds, "levels": levels}


if __name__ == "__main__":
    # In one write, and on a separate line even if the engine puts other output before it.
    sys.stdout.write(f"\n{report_node(float(sys.argv[1]) if len(sys.argv) > 1 else None)}\n")
