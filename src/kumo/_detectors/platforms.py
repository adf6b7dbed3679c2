"""Platforms that hold a program to less than anything inside shows, and what would tell.

docs/platforms.md has the sources, and the platforms that hide nothing.
"""

from __future__ import annotations

from kumo._notes import note

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from kumo._records import Limit, Note
    from kumo._system import System

CLOUD_RUN = (
    "Cloud Run",
    "a limit below one CPU, or the CPU time between requests,",
    "`gcloud run services describe` or `gcloud run jobs describe`",
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
    found = [
        HIDES[variable] for variable in HIDES if system.env(variable) and _own(system, variable)
    ]
    if system.fact("sandbox") == "gVisor":
        found.append(GVISOR)
    for platform, what, tells in dict.fromkeys(found):
        yield note("platform-hides", platform=platform, what=what, tells=tells)


def _own(system: System, variable: str) -> bool:
    """Whether it is the platform's own: Knative sets K_SERVICE too, in pods with their quota."""
    return variable != "K_SERVICE" or system.env("KUBERNETES_SERVICE_HOST") is None
