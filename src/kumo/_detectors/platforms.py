"""Platforms that limit a program to less than anything inside shows, and where to look instead.

docs/reference/platforms.md has the sources, and the platforms that hide nothing.
"""

from __future__ import annotations

from kumo._cgroups.levels import V2, levels, read_own
from kumo._cgroups.quota import level_limits
from kumo._cgroups.unmounted import GVISOR
from kumo._notes import malformed, note
from kumo._records import Limit, inf
from kumo._text import whole_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from kumo._records import Note
    from kumo._system.live import System

SOURCE = "platforms"
CLOUD_RUN = (
    "Cloud Run",
    "a limit below one CPU, or the CPU time between requests,",
    "`gcloud run services describe`, with `jobs` or `worker-pools` for theirs",
)

CONTAINER_APPS = (
    "Azure Container Apps",
    "the CPUs of the container",
    "`az containerapp show`, at resources",
)
RAILWAY = ("Railway", "the service's vCPU limit", "the service's settings, at Resource Limits")

# By the variable that the platform sets: its name, what cannot be seen, where to look instead.
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
    "CIRCLECI": ("CircleCI", "the job's number of CPUs", "the job's resource_class"),
    "CONTAINER_APP_NAME": CONTAINER_APPS,
    "CONTAINER_APP_JOB_NAME": CONTAINER_APPS,
    "RAILWAY_SERVICE_ID": RAILWAY,
    "RAILWAY_ENVIRONMENT_NAME": RAILWAY,
    "RENDER": ("Render", "the instance type's number of CPUs", "the service's instance type"),
}
ANNOUNCED = (*HIDES, "!sandbox")
# Those that hide nothing if their quota is visible.
QUOTA_SHOWS_IT = (
    "CIRCLECI",
    "CONTAINER_APP_NAME",
    "CONTAINER_APP_JOB_NAME",
    "RAILWAY_SERVICE_ID",
    "RAILWAY_ENVIRONMENT_NAME",
    "RENDER",
)
CPU_COUNT = "RENDER_CPU_COUNT"  # "0.5" or "2", by the instance type
GVISOR_HIDES = (
    GVISOR,
    "the sandbox's quota",
    "the limits of the container or pod on its host, which may have changed since the start,",
)


def detect(system: System) -> Iterator[Limit | Note]:
    if system.env("RENDER") and system.env(CPU_COUNT):
        yield from _render(system.env(CPU_COUNT) or "")
    hiding = [variable for variable in HIDES if system.env(variable) and _hidden(system, variable)]
    for platform, what, place in dict.fromkeys(HIDES[variable] for variable in hiding):
        less = {"platform": platform, "what": what, "place": place, "differs": "is less"}
        yield note("platform-hides", **less)
    if system.fact("sandbox") == GVISOR:
        platform, what, place = GVISOR_HIDES
        other = {"platform": platform, "what": what, "place": place, "differs": "differs"}
        yield note("platform-hides", "either", **other)


def _render(text: str) -> Iterator[Limit | Note]:
    """Yield what Render says of its instance type: https://render.com/docs/environment-variables"""
    if whole_number(text.strip().replace(".", "", 1)):
        shown = f"{text.strip()} (Render: CPUs of the instance type)"
        yield Limit("render", "rate", float(text), f"${CPU_COUNT}", shown)
    else:
        yield malformed(f"${CPU_COUNT}", text, "a number of CPUs such as 0.5")


def _hidden(system: System, variable: str) -> bool:
    """Whether it is hidden: Knative sets K_SERVICE too, in pods with their quota."""
    if variable == "ECS_CONTAINER_METADATA_URI_V4":
        return not _shows_task(system)
    if variable == "RENDER" and system.env(CPU_COUNT):
        return False
    if variable in QUOTA_SHOWS_IT:
        return not _shows_quota(system)
    return variable != "K_SERVICE" or system.env("KUBERNETES_SERVICE_HOST") is None


def _shows_quota(system: System) -> bool:
    """Whether a level that can be seen has a quota."""
    paths, mounts = read_own(system)
    return any(
        isinstance(record, Limit) and record.cpus < inf
        for controller in ("cpu", V2)
        if controller in paths
        for record in level_limits(
            system, controller, levels(system, controller, paths[controller], mounts), at_home=True
        )
    )


def _shows_task(system: System) -> bool:
    """Whether the level of the task, above the container's, is among those that are looked at.

    Format: ``4:cpu,cpuacct:/ecs/TASK/CONTAINER``, on v2
    ``0::/ecstasks.slice/ecstasks-TASK.slice/…``; https://github.com/aws/amazon-ecs-agent
    """
    paths, mounts = read_own(system)
    return any(
        path.startswith(("/ecs/", "/ecstasks"))
        and len(levels(system, controller, path, mounts).directories) > 1
        for controller, path in paths.items()
        if controller in ("cpu", V2)
    )
