"""Every note that an estimate can carry, in full.

A row: what was found, in which direction the count may err, what to do about it.
Codes are stable: programs test for them.
"""

from __future__ import annotations

from kumo._records import Note
from kumo._text import error_name, quoted, repr_short

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kumo._records import Errs

DIRECTION: dict[Errs, str] = {
    "over": "the true count may be lower",
    "under": "the true count may be higher",
    "either": "the true count may be lower or higher",
    "no": "the count is not affected",
}

NOTES: dict[str, tuple[str, Errs, str]] = {
    "override-exceeds-machine": (
        "KUMO_AVAILABLE_PARALLELISM asks for {override} CPUs where {online} are on line",
        "over",
        "Lower or unset it unless that is meant.",
    ),
    "affinity-failed": (
        "the affinity could not be asked ({error}); {instead} was used instead",
        "over",
        "Let the sandbox allow sched_getaffinity.",
    ),
    "affinity-empty": (
        "the affinity mask is empty; {instead} was used instead",
        "over",
        "Look at the cpuset of the process's cgroup: its CPUs may all be off line.",
    ),
    "threads-unreadable": (
        "the masks of the process's other threads could not be read ({error})",
        "under",
        "Mount /proc, or ask from a thread that is not pinned.",
    ),
    "cgroup-not-mounted": (
        "{what}, so that CPU quotas cannot be found",
        "over",
        "Mount /proc and the cgroup file system in the container or sandbox.",
    ),
    "unreadable": (
        "{where} could not be read ({error})",
        "over",
        "Grant read access to it, or ask as a user who has it.",
    ),
    "path-outside-mounts": (
        "the process's cgroup {path} lies outside every mount of its hierarchy, "
        "so that no quota is known to be its own",
        "over",
        "Remount the cgroup file system inside the container, or ask from the host with --pid.",
    ),
    "level-covered": (
        "another mount covers {where}, so that this level's quota cannot be read",
        "over",
        "Unmount it, or ask from outside the container with --pid.",
    ),
    "ancestors-hidden": (
        "cgroup levels above {top} cannot be seen from here, and a quota may stand there",
        "over",
        "Ask from the host with --pid, or set KUMO_AVAILABLE_PARALLELISM.",
    ),
    "malformed": (
        "{where} holds {text}, which is not {form}; it was left out",
        "either",
        "Report it with the output of `kumo snapshot`.",
    ),
    "real-time": (
        "the thread is scheduled by {policy}, and CPU quotas hold for fair policies alone; "
        "they were left out",
        "over",
        "Expect the quota to hold for workers that are started under SCHED_OTHER.",
    ),
    "real-time-reset": (
        "the thread is scheduled by {policy}, outside CPU quotas, "
        "but the workers that it starts are not",
        "no",
        "Use scope='thread' for the calling thread's own parallelism.",
    ),
    "burst-allowed": (
        "{where} lets {burst} CPUs more be used for a moment; the steady state counts",
        "no",
        "Nothing needs doing.",
    ),
    "quota-below-one": (
        "the quota is {quota} of one CPU, so that even a single busy thread is throttled",
        "no",
        "Raise the quota to at least 1 CPU where latency matters.",
    ),
    "threaded-cgroup": (
        "{path} is a threaded cgroup, the main thread's; other threads may be in others",
        "either",
        "Use scope='thread' in the thread that starts the workers.",
    ),
    "topology-unknown": (
        "the system does not tell which core the CPUs {cpus} belong to; each is taken as its own",
        "no",
        "Mount /sys, or take the machine file with `kumo snapshot --topology`.",
    ),
    "topology-malformed": (
        "{where} holds {text}, which is not {form}; the topology was read without it",
        "no",
        "Report it with the output of `kumo snapshot --topology`.",
    ),
    "topology-unreadable": (
        "{where} could not be read ({error}); the topology was read without it",
        "no",
        "Grant read access to it, or ask as a user who has it.",
    ),
    "topology-overlaps": (
        "the system lists the CPUs {cpus} in several {what}; each is taken for the first",
        "no",
        "Check what the virtual machine or the firmware was configured to report.",
    ),
    "topology-siblings-apart": (
        "the CPUs {cpus} are listed as siblings of CPUs in another NUMA node; "
        "those of each node are taken as a core of their own, as Linux's scheduler does",
        "no",
        "Configure the virtual machine so that no core is in two nodes.",
    ),
    "topology-no-node": (
        "the system has NUMA nodes, but lists none for the CPUs {cpus}",
        "no",
        "Check what the virtual machine or the firmware was configured to report.",
    ),
    "grant-left-out": (
        "{where} says {text}, but {reason}; it was left out",
        "over",
        "Ask inside the job itself, or set KUMO_AVAILABLE_PARALLELISM to what it was granted.",
    ),
    "grant-not-confirmed": (
        "{where} says {text}, which counts although {doubt}",
        "under",
        "Unset the scheduler's variables where this process is in no job.",
    ),
    "grant-of-one-task": (
        "{where} is one task's part of the {all} CPUs that the job has on this host",
        "under",
        "Start each task with the scheduler's launcher, or ask for one task with all the CPUs.",
    ),
    "grant-shared": (
        "the {processes} processes that {where} lists for this host "
        "may share the {cpus} CPUs of ${name}, or have as many each",
        "either",
        "Divide them where one chunk has these processes; place=scatter keeps chunks apart.",
    ),
    "tasks-share-cpus": (
        "the job's {tasks} tasks on {nodes} of its nodes may be bound to the same CPUs, "
        "as Flux does by default",
        "over",
        "Submit with -o cpu-affinity=per-task, or divide the CPUs by the tasks on the node.",
    ),
    "platform-hides": (
        "on {platform}, {what} cannot be seen from inside: look at {tells}",
        "over",
        "Set KUMO_AVAILABLE_PARALLELISM where that is less.",
    ),
    "job-parents-hidden": (
        "the process is in a job, whose rate counts within those of its parent jobs, "
        "and these cannot be asked",
        "over",
        "Ask whoever started the process, or set KUMO_AVAILABLE_PARALLELISM.",
    ),
    "cpu-sets": (
        "CPU Sets keep the process to {count} CPUs as a rule, and let it run on others at times",
        "over",
        "Start no more workers than that if they are to stay there.",
    ),
    "performance-levels": (
        "the CPUs are of different speed: {levels}",
        "no",
        "Give the workers many small pieces, since equal shares end with the slowest CPU.",
    ),
    "view": (
        "kumo run --view shows this process {cpus}; the limits here are the true ones",
        "no",
        "Nothing needs doing: a view pins nothing.",
    ),
    "nothing-known": (
        "no limit could be found, not even the machine's number of CPUs",
        "under",
        "Set KUMO_AVAILABLE_PARALLELISM.",
    ),
}


def note(code: str, **detail: object) -> Note:
    """Return the note *code* with *detail* filled in."""
    found, errs, step = NOTES[code]
    return Note(code, f"{found.format(**detail)}; {DIRECTION[errs]}. {step}", errs)


def unreadable(where: str, error: OSError) -> Note:
    """Return the note that *where* could not be read."""
    return note("unreadable", where=quoted(where, 200), error=error_name(error))


def malformed(where: str, text: str, form: str) -> Note:
    """Return the note that *where* holds *text* instead of *form*."""
    return note("malformed", where=quoted(where, 200), text=repr_short(text.strip()), form=form)
