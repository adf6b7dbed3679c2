"""The texts of Slurm's variables: counts for each node, lists of nodes, cgroup paths."""

from __future__ import annotations

from itertools import product

from kumo._detectors._grants import not_confirmed, parse_count, read_membership, whose
from kumo._notes import malformed
from kumo._text import whole_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import TypeVar

    from kumo._records import Note
    from kumo._system.live import System

    Item = TypeVar("Item")

STEP_TASKS, TASKS = "SLURM_STEP_TASKS_PER_NODE", "SLURM_TASKS_PER_NODE"
NODEID = "SLURM_NODEID"
NODES = 2**17  # no cluster has more; a longer list is something else
MAX_NAME = 255  # characters of a node's name, HOST_NAME_MAX and some
COUNTS_FORM = "counts such as 24(x2),8"
NODELIST_FORM = "a list of nodes such as n[03-05,7]"


def parse_counts(text: str) -> list[int]:
    """Return the count of each node, in the order of the list of nodes. Raise `ValueError`.

    Format: ``72(x2),36`` for 72, 72 and 36. https://slurm.schedmd.com/sbatch.html, at
    SLURM_JOB_CPUS_PER_NODE.
    """
    counts: list[int] = []
    for item in text.strip().split(","):
        count, repeated, times = item.partition("(x")
        if repeated and not times.endswith(")"):
            raise ValueError(text)
        number = parse_count(times[:-1]) if repeated else 1
        if len(counts) + number > NODES:
            raise ValueError(text)
        counts += [parse_count(count)] * number
    return counts


def parse_nodelist(text: str) -> list[str]:
    """Return the names of the nodes. Raise `ValueError` for another text.

    Format: ``n1,n[03-05,7],a[1-2]b[3-4]``; leading zeros are kept, and of several brackets
    the last runs fastest. https://slurm.schedmd.com/scontrol.html, at hostnames.
    """
    names: list[str] = []
    for item in _items(text.strip()):
        parts: list[list[tuple[int, int, int]] | str] = []
        size, length = 1, 0
        for piece in item.split("["):
            inside, bracket, after = piece.partition("]")
            if bool(bracket) != bool(parts):
                raise ValueError(text)
            if bracket:
                ranges = _ranges(inside)
                size *= sum(last - first + 1 for first, last, _ in ranges)
                length += max(max(width, len(str(last))) for _, last, width in ranges)
                parts.append(ranges)
            parts.append(after if bracket else piece)
            length += len(after if bracket else piece)
            # Both are known before a name is made: a few brackets can mean billions of them.
            if len(names) + size > NODES or length > MAX_NAME:
                raise ValueError(text)
        if not item:
            raise ValueError(text)
        columns = [[part] if isinstance(part, str) else _numbers(part) for part in parts]
        names += ["".join(pieces) for pieces in product(*columns)]
    return names


def _items(text: str) -> Iterator[str]:
    """Split at the commas outside of brackets. Raise `ValueError` if one does not end."""
    start = at = 0
    while at < len(text):
        if text[at] == "[":
            at = text.index("]", at)
        elif text[at] == ",":
            yield text[start:at]
            start = at + 1
        at += 1
    yield text[start:]


def _ranges(text: str) -> list[tuple[int, int, int]]:
    """Return first, last and the width of the first, of each range of ``03-05,7``."""
    ranges = []
    for item in text.split(","):
        first, dash, last = item.partition("-")
        low, high = whole_number(first), whole_number(last if dash else first)
        if low is None or high is None or not 0 <= high - low < NODES:
            raise ValueError(text)
        ranges.append((low, high, len(first)))
    return ranges


def _numbers(ranges: list[tuple[int, int, int]]) -> list[str]:
    """Return the numbers of all ranges, each as wide as the first of its range is written."""
    return [f"{n:0{width}}" for first, last, width in ranges for n in range(first, last + 1)]


def job_of_cgroup(text: str) -> str | None:
    """Return the id of the job whose cgroup ``/proc/self/cgroup`` names, else `None`.

    Format: ``0::/system.slice/slurmstepd.scope/job_42/step_0/user/task_0``, on v1
    ``4:cpuset:/slurm/uid_1000/job_42/step_batch``. https://slurm.schedmd.com/cgroup_v2.html
    """
    for line in text.split("\n"):
        _, slurm, path = line.partition("/")[2].partition("slurm")
        for name in path.split("/") if slurm else ():
            if name.startswith("job_") and whole_number(name[4:]) is not None:
                return name[4:]
    return None


def is_step(text: str) -> bool:
    """Whether ``/proc/self/cgroup`` names a step of srun: ``step_0``, and not ``step_batch``."""
    names = [name for line in text.split("\n") if "slurm" in line for name in line.split("/")]
    return any(name[:5] == "step_" and whole_number(name[5:]) is not None for name in names)


def read_list(
    system: System, name: str, parse: Callable[[str], list[Item]], form: str, notes: list[Note]
) -> list[Item]:
    """Return the list in a variable; an empty one if it is unset or, with a note, not a list."""
    text = system.env(name)
    try:
        return [] if text is None else parse(text)
    except ValueError:
        notes.append(malformed(whose(name), text or "", form))
        return []


def local_tasks(system: System, notes: list[Note]) -> int:
    """Return the number of the step's tasks on this node; 0 if this is the batch script.

    SLURM_STEP_TASKS_PER_NODE at SLURM_NODEID, https://slurm.schedmd.com/srun.html. A batch
    script that a step has submitted inherits that step's variables: they differ from its own.
    """
    if system.env(STEP_TASKS) is None or system.env(STEP_TASKS) != system.env(TASKS):
        return 0
    counts = read_list(system, STEP_TASKS, parse_counts, COUNTS_FORM, notes)
    text = (system.env(NODEID) or "").strip()
    index = whole_number(text)
    if index is not None and index < len(counts):
        return counts[index]
    if counts:
        notes.append(malformed(whose(NODEID), text, f"a number below {len(counts)}"))
    return 1


def in_login(system: System) -> Iterator[Note]:
    """Yield the note that the process is in a login's cgroup, in which slurmd starts nothing.

    Format: ``0::/user.slice/user-1000.slice/session-3.scope``. slurmd starts processes
    in a job's cgroup or in its own.
    https://www.freedesktop.org/software/systemd/man/latest/pam_systemd.html
    """
    for line in read_membership(system).split("\n"):
        if line.startswith("0::/user.slice/"):
            doubt = f"the process is in {line[3:]}, a login's cgroup and no job's"
            yield not_confirmed(system, "SLURM_JOB_ID", doubt)
