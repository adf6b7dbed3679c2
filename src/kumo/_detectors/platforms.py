"""Platforms that hold a program to less than anything inside shows, and what would tell.

docs/reference/platforms.md has the sources, and the platforms that hide nothing.
"""

from __future__ import annotations

from kumo._cgroups.levels import V2, levels, parse_membership, read_mounts
from kumo._notes import note

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from kumo._records import Limit, Note
    from kumo._system.live import System

SOURCE = "platforms"
ANNOUNCED = (
    "ECS_CONTAINER_METADATA_URI_V4",
    "K_SERVICE",
    "CLOUD_RUN_JOB",
    "CLOUD_RUN_WORKER_POOL",
    "DYNO",
    "FLY_MACHINE_ID",
    "!sandbox",
)
CLOUD_RUN = (
    "Cloud Run",
    "a limit below one CPU, or the CPU time between requests,",
    "`gcloud run services describe`, with `jobs` or `worker-pools` for theirs",
)

# By the variable that the platform sets: its name, what cannot be seen, what would tell.
HIDES: dict[str, tuple[str, str, str]] = {
    "ECS_CONTAINER_METADATA_URI_V4": (
        "Amazon ECS",
        "the task's CPU limit",
        "Limits.CPU of $ECS_CONTAINER_METADATA_URI_V4/task",
    ),
    "K_SERVICE": CLOUD_RUN,
    "CLOUD_RUN_JOB": CLOUD_RUN,
    "CLOUD_RUN_WORKER_POOL": CLOUD_RUN,
    "DYNO": (
        "Heroku",
        "an Eco, Basic or Standard dyno's share of the CPUs",
        "the dyno's type with `heroku ps:type`",
    ),
    "FLY_MACHINE_ID": (
        "Fly.io",
        "the baseline of a shared CPU, a sixteenth,",
        "steal in /proc/stat and the CPU quota balance in Fly's Grafana",
    ),
}
GVISOR = ("gVisor", "the sandbox's quota", "the limits of the container or pod on its host")


def detect(system: System) -> Iterator[Limit | Note]:
    told = [variable for variable in HIDES if system.env(variable) and _hidden(system, variable)]
    found = [HIDES[variable] for variable in told]
    if system.fact("sandbox") == "gVisor":
        found.append(GVISOR)
    for platform, what, tells in dict.fromkeys(found):
        yield note("platform-hides", platform=platform, what=what, tells=tells)


def _hidden(system: System, variable: str) -> bool:
    """Whether it is hidden: Knative sets K_SERVICE too, in pods with their quota."""
    if variable == "ECS_CONTAINER_METADATA_URI_V4":
        return not _shows_task(system)
    return variable != "K_SERVICE" or system.env("KUBERNETES_SERVICE_HOST") is None


def _shows_task(system: System) -> bool:
    """Whether the level of the task, above the container's, is among those that are looked at.

    Format: ``4:cpu,cpuacct:/ecs/TASK/CONTAINER``, on v2
    ``0::/ecstasks.slice/ecstasks-TASK.slice/…``; https://github.com/aws/amazon-ecs-agent
    """
    try:
        paths, _ = parse_membership(system.read(system.proc("cgroup")) or "")
        mounts, _ = read_mounts(system)
    except OSError:
        return False  # the detector of quotas tells
    return any(
        path.startswith(("/ecs/", "/ecstasks"))
        and len(levels(system, controller, path, mounts).directories) > 1
        for controller, path in paths.items()
        if controller in ("cpu", V2)
    )
