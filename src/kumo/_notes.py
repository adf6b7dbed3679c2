"""Every note that an estimate can carry, in full.

A row: what was found and what that means for the count, in which direction the count may err,
what to do. Codes are stable: programs test for them.
"""

from __future__ import annotations

from kumo._records import Note
from kumo._text import error_name, quoted, repr_short

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from kumo._records import Errs, Limit

MAX_DETAIL = 1000  # characters
# The notes that another mask may give a higher count, and the sources of the mask.
ON_THE_MASK = ("affinity-not-imposed", "isolated-cpus", "threads-unreadable", "other-groups")
MASK = ("affinity", "isolated", "cpuset")
DIRECTION: dict[Errs, str] = {
    "over": "The true count may be lower",
    "under": "The true count may be higher",
    "either": "The true count may be lower or higher",
    "no": "The count is not affected",
}

NOTES: dict[str, tuple[str, Errs, str]] = {
    "override-exceeds-machine": (
        "KUMO_AVAILABLE_PARALLELISM asks for {override} CPUs, more than the {online} online",
        "over",
        "Lower or unset it unless you mean to start more workers than CPUs.",
    ),
    "affinity-failed": (
        "The affinity could not be read ({error}), so {instead} was used instead",
        "over",
        "Let the sandbox allow sched_getaffinity.",
    ),
    "affinity-empty": (
        "The affinity mask is empty, so {instead} was used instead",
        "over",
        "Look at the cpuset of the process's cgroup: all its CPUs may be offline.",
    ),
    "affinity-not-imposed": (
        "The affinity mask has {cpus} of the {allowed} CPUs that {where} allows, and the process "
        "may widen it: it was set on purpose, or inherited from a parent whose main thread a "
        "library had pinned",
        "under",
        "If it was not on purpose, start the program with `taskset -c {list}`, or call "
        "os.sched_setaffinity(0, cpus) with these CPUs before it starts workers.",
    ),
    "isolated-cpus": (
        "{isolated} {cpus} CPUs of the affinity mask are isolated ({where}), and the scheduler "
        "does not spread threads over isolated CPUs, so the mask is worth {count}, not {cpus}",
        "under",
        "To use all {cpus}, pin each worker to a separate CPU, as kumo.ProcessPool(pin=True) "
        "does, or set KUMO_AVAILABLE_PARALLELISM={cpus} if no other limit is lower and the program "
        "pins its workers itself.",
    ),
    "threads-unreadable": (
        "The masks of the process's other threads could not be read ({error})",
        "under",
        "Mount /proc, or ask from a thread that is not pinned.",
    ),
    "cgroup-not-mounted": (
        "{what}, so CPU quotas cannot be read",
        "over",
        "{step}",
    ),
    "unreadable": (
        "{where} could not be read ({error})",
        "over",
        "Grant read access to it, or ask as a user who has it.",
    ),
    "path-outside-mounts": (
        "The process's cgroup {path} lies outside every mount of its hierarchy, "
        "so no quota is known to be its own",
        "over",
        "Remount the cgroup file system inside the container, or ask from the host with --pid.",
    ),
    "level-covered": (
        "Another mount covers {where}, so this level's quota cannot be read",
        "over",
        "Unmount it, or ask from outside the container with --pid.",
    ),
    "ancestors-hidden": (
        "A quota above {top} is hidden from here and may lower the count, "
        "which `kumo measure` finds out",
        "over",
        "",
    ),
    "malformed": (
        "{where} is {text}, which is not {form}, so it was left out",
        "either",
        "{step}",
    ),
    "real-time": (
        "The thread is scheduled by {policy}, which CPU quotas do not limit, so {quota} does not "
        "count",
        "over",
        "Expect the quota to limit workers that are started under SCHED_OTHER.",
    ),
    "real-time-reset": (
        "The thread is scheduled by {policy}, which CPU quotas do not limit, "
        "but the workers that it starts are limited",
        "no",
        "Use scope='thread' for the calling thread's own parallelism.",
    ),
    "burst-allowed": (
        "{where} allows {burst} more CPUs for a moment, but the steady state counts",
        "no",
        "Nothing needs doing.",
    ),
    "quota-below-one": (
        "The quota is {quota} of one CPU, so even a single busy thread is throttled",
        "no",
        "Raise the quota to at least 1 CPU if latency matters.",
    ),
    "threaded-cgroup": (
        "{path} is a threaded cgroup, the main thread's, and other threads may be in others",
        "either",
        "Use scope='thread' in the thread that starts the workers.",
    ),
    "topology-unknown": (
        "The system does not show which core the CPUs {cpus} belong to, "
        "so each is taken as its own",
        "no",
        "Mount /sys, or take the machine file with `kumo snapshot --topology`.",
    ),
    "topology-malformed": (
        "{where} is {text}, which is not {form}, so the topology was read without it",
        "no",
        "Report it with the output of `kumo snapshot --topology`.",
    ),
    "topology-unreadable": (
        "{where} could not be read ({error}), so the topology was read without it",
        "no",
        "Grant read access to it, or ask as a user who has it.",
    ),
    "topology-overlaps": (
        "The system lists the CPUs {cpus} in several {what}, so each is taken for the first",
        "no",
        "Check what the virtual machine or the firmware was configured to report.",
    ),
    "topology-siblings-apart": (
        "The CPUs {cpus} are listed as siblings of CPUs in another NUMA node, so "
        "those of each node are taken as a separate core, as Linux's scheduler does",
        "no",
        "Configure the virtual machine so that no core is in two nodes.",
    ),
    "topology-no-node": (
        "The system has NUMA nodes, but lists none for the CPUs {cpus}",
        "no",
        "Check what the virtual machine or the firmware was configured to report.",
    ),
    "grant-left-out": (
        "{what} {does}, because {reason}",
        "over",
        "{step}",
    ),
    "grant-not-confirmed": (
        "{where} is {text}, which counts although {doubt}",
        "under",
        "Unset the scheduler's variables if this process is in no job.",
    ),
    "grant-of-one-task": (
        "{where} is one task's part of the {all} CPUs that the job has on this host",
        "under",
        "Start each task with the scheduler's launcher, or ask for one task with all the CPUs.",
    ),
    "step-smaller-than-job": (
        "This step has {cpus} of the {granted} CPUs that ${name} names: "
        "since Slurm 22.05 `srun` does not inherit the job's --cpus-per-task",
        "under",
        "Start the step with `srun --cpus-per-task={granted}`, "
        "or set SRUN_CPUS_PER_TASK={granted} before srun.",
    ),
    "grant-shared": (
        "{where} lists this host {processes} times: these processes may share the {cpus} CPUs of "
        "${name}, or have as many each",
        "either",
        "Divide them if one chunk has these processes, or keep chunks apart with place=scatter.",
    ),
    "tasks-share-cpus": (
        "The job's {tasks} tasks on {nodes} of its nodes may be bound to the same CPUs, "
        "which is Flux's default",
        "over",
        "Submit with -o cpu-affinity=per-task, or divide the CPUs by the tasks on the node.",
    ),
    "platform-hides": (
        "On {platform}, {what} cannot be seen from inside",
        "over",
        "Look at {place} and set KUMO_AVAILABLE_PARALLELISM if that {differs}.",
    ),
    "job-parents-hidden": (
        "The process is in a job, whose parent jobs may have a tighter rate that cannot be read",
        "over",
        "`kumo measure` shows what is really delivered.",
    ),
    "other-groups": (
        "The process is in processor group {group}, with {cpus} of the machine's {all} CPUs, and "
        "its threads stay there unless they move themselves, so {cpus} are all that threads use",
        "under",
        "Start up to {all} child processes instead, since Windows spreads those over all groups.",
    ),
    "cpu-sets": (
        "CPU Sets usually keep the process on {count} CPUs, but let it run on others at times",
        "over",
        "Start no more workers than that if they are to stay there.",
    ),
    "performance-levels": (
        "The CPUs are of different speed: {levels}",
        "no",
        "Give the workers many small pieces, since equal shares end with the slowest CPU. "
        "Threads that wait for each other may be fastest on the {fast} fastest.",
    ),
    "view": (
        "kumo run --view shows this process {cpus}, but the limits here are the true ones",
        "no",
        "Nothing needs doing: a view pins nothing.",
    ),
    "nothing-known": (
        "No limit could be found, not even the machine's number of CPUs",
        "under",
        "Set KUMO_AVAILABLE_PARALLELISM.",
    ),
}

MOUNT = "Mount {0} in the container or sandbox."  # what is missing
REPORT = "Report it with the output of `kumo snapshot`."
CORRECT = "Correct it, or unset it."


def note(code: str, errs: Errs | None = None, /, **detail: object) -> Note:
    """Return the note *code* with *detail* filled in; *errs* if it is not the usual direction.

    A note without a step is one sentence, which has the direction in it. Details may come from
    other people's files and variables: what is not printable is escaped here, for all of them.
    """
    finding, usual, step = NOTES[code]
    detail = {k: quoted(v, MAX_DETAIL) if isinstance(v, str) else v for k, v in detail.items()}
    errs = errs or usual
    parts = (finding, DIRECTION[errs], step) if step else (finding,)
    text = ". ".join(part.format(**detail) for part in parts)
    return Note(code, text if step else f"{text}.", errs)


def settled(notes: Iterable[Note], limits: Iterable[Limit], count: int) -> Iterator[Note]:
    """Yield *notes*; those on the mask say that *count* stays if another limit allows no more.

    Then there is no step: to do what it says would exceed that limit.
    """
    others = [limit for limit in limits if limit.source not in MASK]
    stays = any(limit.kind == "override" or limit.cpus < count + 1 for limit in others)
    for each in notes:
        if stays and each.code in ON_THE_MASK and each.errs == "under":
            finding = each.text.rpartition(DIRECTION["under"])[0]
            yield Note(each.code, f"{finding}{DIRECTION['no']}.", "no")
        else:
            yield each


def unreadable(where: str, error: OSError) -> Note:
    """Return the note that the place *where* could not be read."""
    from errno import EXDEV

    why = error_name(error)
    if error.errno == EXDEV:  # of kumo._system.open_as
        why = "what another process has put there is opened only on the kernel's own file systems"
    return note("unreadable", where=quoted(where), error=why)


def malformed(where: str, text: str, form: str) -> Note:
    """Return the note that the place *where* has *text* instead of *form*.

    A variable or an option was typed by somebody, so the note asks to correct it.
    """
    step = CORRECT if "$" in where or where.startswith("-") else REPORT
    shown = repr_short(text.strip())
    return note("malformed", where=quoted(where), text=shown, form=form, step=step)
