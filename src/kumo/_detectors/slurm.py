"""Slurm: what the job has on this node, and what one of its tasks asked for.

The output environment variables of https://slurm.schedmd.com/sbatch.html,
https://slurm.schedmd.com/srun.html and https://slurm.schedmd.com/salloc.html
"""

from __future__ import annotations

from kumo._detectors._grants import left_out, own_cpus, read_count, read_membership, same_host
from kumo._detectors._slurm_format import (
    COUNTS_FORM,
    NODELIST_FORM,
    in_login,
    is_step,
    job_of_cgroup,
    local_tasks,
    parse_counts,
    parse_nodelist,
    read_list,
)
from kumo._notes import note
from kumo._records import Limit, inf
from kumo._text import quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from kumo._records import Note
    from kumo._system.live import System

SOURCE = "Slurm"
ANNOUNCED = (
    "SLURM_JOB_ID",
    "SLURM_JOB_CPUS_PER_NODE",
)
SCHEDULERS = {"SLURM": SOURCE}
PER_TASK, ON_NODE, PER_NODE = "SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE", "SLURM_JOB_CPUS_PER_NODE"
NODE, NODES = "SLURMD_NODENAME", "SLURM_JOB_NODELIST"


def detect(system: System) -> Iterator[Limit | Note]:
    job, node = system.env("SLURM_JOB_ID"), system.env(NODE)
    own, host = job_of_cgroup(read_membership(system)), system.fact("hostname") or "(unknown)"
    notes: list[Note] = []
    nodes = read_list(system, NODES, parse_nodelist, NODELIST_FORM, notes)
    # A heterogeneous job's variables have its first component's id, cgroups each one's.
    foreign = own and job and own != job and system.env("SLURM_HET_SIZE") is None
    at = next((i for i, name in enumerate(nodes) if same_host(name, node or host)), None)
    if own:
        is_here = True
    elif node:
        is_here = same_host(node, host)
    else:
        is_here = at is not None
    if foreign or not is_here:
        names = tuple(filter(system.env, (PER_TASK, ON_NODE, PER_NODE))) or ("SLURM_JOB_ID",)
        reason, counts = _elsewhere(system, job, f"job {own}" if foreign else "", host)
        yield left_out(system, names, reason, counts)
    else:
        job_name = f"job {job or own or '?'}"
        in_a_step = own or node
        granted: list[Limit | Note] = [*_step(system, job_name, notes)] if in_a_step else []
        granted = granted or [*_node(system, job_name, at, notes)]
        yield from granted
        names = tuple(filter(system.env, (PER_TASK, ON_NODE)))
        if names and not granted and not in_a_step:
            reason = f"nothing says that this process is in a task of {job_name}: {NODE} is not set"
            yield left_out(system, names, reason, "in a batch script or a task of srun")
        yield from in_login(system) if node and not own else ()
    yield from notes


def _elsewhere(system: System, job: str | None, own: str, host: str) -> tuple[str, str]:
    """Why the variables are not this process's, and in which process they count."""
    name = f"job {job}" if job else "the job"
    node = system.env(NODE)
    nodes = node or system.env(NODES)
    if own:
        place = f"they belong to {name} and this process to {own}"
    elif node:
        place = f"{name} runs on {node} ({NODE}) and this host is {host}"
    elif nodes:
        place = f"{name} runs on {nodes} ({NODES}) and this host is {host}"
    else:
        place = f"nothing says that {name} runs on this host, {host}: {NODES} is not set"
    return place, f"in {name}" + (f" on {quoted(nodes, 60)}" if nodes else "")


def _step(system: System, job: str, notes: list[Note]) -> Iterator[Limit]:
    """Yield the grant of this batch script or task; slurmstepd alone sets SLURM_CPUS_ON_NODE."""
    per_task, on_node = read_count(system, PER_TASK, notes), read_count(system, ON_NODE, notes)
    if per_task is not None:
        text = f"{per_task} (Slurm: --cpus-per-task of {job})"
        yield Limit("slurm", "allocation", per_task, f"${PER_TASK}", text)
    tasks = local_tasks(system, notes) if on_node is not None else 0
    share = inf
    if on_node is not None:
        if tasks == 0 and per_task is not None and 2 * per_task <= on_node:
            notes.append(note("grant-of-one-task", where=f"${PER_TASK}", all=on_node))
        of = f"shared by {tasks} tasks of {job}" if tasks > 1 else job
        text, share = f"{on_node} (Slurm: {of} on this node)", max(1, on_node // max(1, tasks))
        yield Limit("slurm", "allocation", share, f"${ON_NODE}", text)
    in_step = tasks or is_step(read_membership(system))
    if per_task is not None and in_step and not system.env("SLURM_OVERCOMMIT"):
        cpus = min(share, own_cpus(system) or share)
        if cpus < per_task:
            notes.append(note("step-smaller-than-job", cpus=cpus, granted=per_task, name=PER_TASK))


def _node(system: System, job: str, at: int | None, notes: list[Note]) -> Iterator[Limit | Note]:
    """Yield the job's grant on this node, as in a shell of salloc, which is in no step."""
    counts = read_list(system, PER_NODE, parse_counts, COUNTS_FORM, notes)
    if at is None and len(set(counts)) == 1:
        at = 0
    if at is not None and at < len(counts):
        text = f"{counts[at]} (Slurm: {job} on this node)"
        yield Limit("slurm", "allocation", counts[at], f"${PER_NODE}", text)
    elif counts:
        reason = f"{NODES} does not list this host, so that its count is not known"
        yield left_out(system, PER_NODE, reason)
