"""Ray: one task on each node, which needs no CPU, so that it also runs if all are taken.

*target* is what ``ray.init`` takes as the address; without one ``RAY_ADDRESS`` counts, then the
cluster of this host. A program that is connected to a cluster asks that.
"""

from __future__ import annotations

import inspect
import os
import time
from functools import partial

from kumo._errors import InputError
from kumo._fleet.portable import node_program, portable, run_program
from kumo._fleet.reading import read_node, silent
from kumo._text import plural, quoted, whole_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any

    from kumo._fleet.records import Node

SLOTS = 'the resource "CPU" of each node'
FIX = "ray start --num-cpus=$(kumo)"
ENGINE = "ray"
# The autoscaler calls it when Kubernetes has resized a pod; it is not public.
RESIZE = "resize_raylet_resource_instances"
CONNECT = 5.0  # seconds
AUTH_MODE = "RAY_AUTH_MODE"
# Ray itself says this in its log alone. An explicit address never switches the mode on.
NEEDS_TOKEN = f"; if the cluster has a token, set {AUTH_MODE}=token, as for ray status"
SHOWN = 0.1  # seconds between two looks at whether the cluster shows a new number
RESIZE_PARAMETERS = ["node_id", "resources"]


def ask(
    target: str | None,
    *,
    pressure: float | None,
    timeout: float,
    progress: Callable[[str], None],
) -> Iterator[Node]:
    """Yield a node for each of the cluster. Raise `InputError` if there is no cluster."""
    with _Cluster(target) as ray:
        alive = [node for node in ray.nodes() if node["Alive"]]
        slots = _slots(ray)
        tasks = {_task(ray, node["NodeID"], pressure): node for node in alive}
        progress(f"asking {plural(len(tasks), 'node')}")
        ready, late = ray.wait(
            list(tasks), num_returns=max(1, len(tasks)), timeout=timeout + (pressure or 0)
        ) if tasks else ([], [])  # fmt: skip
        for task in (*ready, *late):
            node = tasks[task]
            yield _answer(ray, task, node, slots, None if task in ready else timeout)


def set_slots(
    target: str | None, wanted: Mapping[str, int], *, timeout: float
) -> Iterator[tuple[str, str]]:
    """Set the CPUs of the nodes *wanted* names, and yield what came of it, by the node's id.

    A node has the new number at once, and the cluster shows it later. It counts as set when
    the cluster shows it, for which all nodes together have *timeout* seconds. Raise `InputError` if
    this version of Ray has not the call, or with other parameters.
    """
    with _Cluster(target) as ray:
        resize = resize_call(ray)
        sent = []
        for node, count in wanted.items():
            try:
                resize(node, {"CPU": float(count)})
            except Exception as error:  # noqa: BLE001 - the other nodes are still to be set
                yield node, f"failed: {type(error).__name__}: {error}"
            else:
                sent.append(node)
        end = time.monotonic() + timeout
        for node in sent:
            while (shown := _current(ray).get(node, wanted[node])) != wanted[node]:
                if time.monotonic() >= end:
                    late = plural(f"{timeout:g}", "second")
                    yield node, f"failed: the cluster shows {shown:g} after {late}"
                    break
                time.sleep(SHOWN)
            else:
                yield node, "set"


def resize_call(ray: Any) -> Callable[..., Any]:
    """Return the call that changes a node's resources. Raise `InputError` if it has changed."""
    worker = getattr(getattr(ray, "_private", None), "worker", None)
    client = getattr(getattr(worker, "global_worker", None), "gcs_client", None)
    call: Any = getattr(client, RESIZE, None)
    if call is None:
        raise InputError(
            f"ray {ray.__version__} has no {RESIZE}, so the CPUs of a running node cannot be "
            "changed; start the node again with ray start --num-cpus=$(kumo)"
        )
    try:
        parameters = [name for name in inspect.signature(call).parameters if name != "self"]
    except (TypeError, ValueError):
        parameters = []
    if parameters[:2] != RESIZE_PARAMETERS:
        raise InputError(
            f"ray {ray.__version__} has a {RESIZE} with other parameters than kumo knows: "
            f"{', '.join(parameters) or 'unknown'}; nothing was changed"
        )
    return call  # type: ignore[no-any-return]  # Ray may have no types


class _Cluster:
    """A connection to the cluster, which ends with it unless the program had one already."""

    def __init__(self, target: str | None) -> None:
        try:
            import ray
        except ImportError as error:
            raise InputError(
                f"ray: it cannot be imported here: {error}; run kumo with the Python that has it"
            ) from None
        self.ray: Any = ray
        self.connected = False
        if not ray.is_initialized():
            _check_reachable(target)
            try:
                ray.init(address=target or "auto", log_to_driver=False, logging_level="ERROR")
            except Exception as error:  # noqa: BLE001 - Ray's and grpc's have no base
                text = " ".join(str(error).split())[:300]
                hint = "" if os.environ.get(AUTH_MODE) else NEEDS_TOKEN
                raise InputError(f"ray: no cluster at {target or 'auto'}: {text}{hint}") from None
            self.connected = True

    def __enter__(self) -> Any:
        return self.ray

    def __exit__(self, *error: object) -> None:
        if self.connected:
            self.ray.shutdown()


def _check_reachable(target: str | None) -> None:
    """Raise `InputError` if nothing listens at *target*: Ray itself tries for a minute."""
    import socket

    target = target or ""
    host, _, port = target.rpartition(":")
    number = whole_number(port)
    if not host or "/" in host or number is None:
        return
    try:
        socket.create_connection((host.strip("[]"), number), CONNECT).close()
    except (OSError, OverflowError, UnicodeError) as error:  # the last from a host's name
        raise InputError(f"ray: no cluster at {quoted(target)}: {error}") from None


def _slots(ray: Any) -> dict[str, float]:
    """Return the CPUs of each node by its id, as they are now.

    ``ray.nodes()`` keeps those of the registration, after a resize too.
    """
    registered = {node["NodeID"]: node.get("Resources", {}).get("CPU", 0.0) for node in ray.nodes()}
    now = _current(ray)
    return {node: now.get(node, slots) for node, slots in registered.items()}


def _current(ray: Any) -> dict[str, float]:
    """Return the CPUs of each node that the cluster shows; none if it has not the call."""
    try:
        now = ray._private.state.total_resources_per_node()
    except Exception:  # noqa: BLE001 - it is not public
        return {}
    return {node: resources.get("CPU", 0.0) for node, resources in now.items()}


def _task(ray: Any, node: str, pressure: float | None) -> Any:
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    there = NodeAffinitySchedulingStrategy(node, soft=False)
    question = ray.remote(num_cpus=0, max_retries=0)(portable(run_program))
    return question.options(scheduling_strategy=there).remote(node_program(), pressure)


def _answer(
    ray: Any, task: Any, node: Mapping[str, Any], slots: Mapping[str, float], late: float | None
) -> Node:
    """Return the node of a task that has ended, or that has had *late* seconds."""
    host, name = node["NodeManagerHostname"], node["NodeID"]
    no_answer = partial(silent, host, engine=ENGINE, slots=slots.get(name), workers=(name,))
    if late is not None:
        ray.cancel(task, force=True)
        return no_answer(f"no answer in {plural(f'{late:g}', 'second')}")
    try:
        report = ray.get(task)
    except Exception as error:  # noqa: BLE001 - of this node alone
        return no_answer(f"{type(error).__name__}: {error}")
    return read_node(report, engine=ENGINE, slots=slots.get(name), host=host, workers=(name,))
