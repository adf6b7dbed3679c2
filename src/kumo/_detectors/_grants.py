"""The shared parts of batch schedulers' variables and files: counts and hosts."""

from __future__ import annotations

from errno import EFBIG, EINVAL

from kumo._cgroups.cpulist import parse_cpulist
from kumo._notes import malformed, note, unreadable
from kumo._text import quoted, whole_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kumo._records import Note
    from kumo._system.live import System

MAX_CPUS = 2**20  # no host has more CPUs; larger values are something else
COUNT_FORM = "a positive decimal integer"

# Whose a variable is, by how its name begins; the longer beginning comes first. These are
# the ``SCHEDULERS`` of each scheduler's module, written again here so that a note about one
# does not load the others; a test compares the two.
SCHEDULERS = {
    **{f"PBS_{name}": "TORQUE" for name in ("NP", "NUM_PPN", "VERSION")},
    **dict.fromkeys(("PBS", "NCPUS"), "PBS"),
    **dict.fromkeys(("NSLOTS", "NHOSTS", "PE_HOSTFILE"), "Grid Engine"),
    "SLURM": "Slurm",
    "LSB": "LSF",
    "_CONDOR": "HTCondor",
    "FLUX": "Flux",
    "OAR": "OAR",
    "PJM": "Fujitsu TCS",
    "COBALT": "Cobalt",
    "NOMAD": "Nomad",
}


def parse_count(text: str) -> int:
    """Return the positive number of CPUs in *text*. Raise `ValueError` for anything else.

    Format: ``8``, white space around it; no sign, no fraction, no other digits than ASCII's.
    """
    number = whole_number(text.strip())
    if number is None or not 0 < number <= MAX_CPUS:
        raise ValueError(text)
    return number


def same_host(one: str, other: str) -> bool:
    """Whether two names mean one host: equal, or equal up to the domain that one leaves out."""
    one, other = one.strip().rstrip(".").lower(), other.strip().rstrip(".").lower()
    short = one.partition(".")[0] == other.partition(".")[0]
    return bool(one) and (one == other or (short and ("." in one) != ("." in other)))


def whose(name: str) -> str:
    """Return the variable with its scheduler: ``Slurm's $SLURM_JOB_ID``; alone if none is known."""
    for start, scheduler in SCHEDULERS.items():
        if name.startswith(start):
            return f"{scheduler}'s ${name}"
    return f"${name}"


def file_of(system: System, name: str) -> str:
    """Return which file it is that a variable names, for the notes about it."""
    return f"The file that {whose(name)} names, {system.env(name)},"


def read_membership(system: System) -> str:
    """Return the lines of the process's cgroups.

    Without any if they cannot be read: the detector of quotas reports that.
    """
    try:
        return system.read(system.proc("cgroup")) or ""
    except OSError:
        return ""


def own_cpus(system: System) -> int:
    """Return the number of CPUs of the thread's mask; 0 if the system does not show it.

    The detector of the affinity reports the reason.
    """
    try:
        return parse_cpulist(system.fact("affinity") or "").bit_count()
    except (OSError, ValueError):
        return 0


def read_count(system: System, name: str, notes: list[Note]) -> int | None:
    """Return the count in a variable; `None` if it is unset or, with a note, not a count."""
    text = system.env(name)
    try:
        return None if text is None else parse_count(text)
    except ValueError:
        notes.append(malformed(whose(name), text or "", COUNT_FORM))
        return None


def read_named(system: System, name: str, notes: list[Note]) -> str | None:
    """Return the text of the file that a variable names; `None` if there is none to read.

    A path begins with ``/``, on Windows with ``C:\\`` or ``\\\\``.
    """
    path = system.env(name)
    if path is None:
        return None
    if not path.startswith(("/", "\\\\")) and path[1:3] not in (":\\", ":/"):
        notes.append(malformed(whose(name), path, "the absolute path of a file"))
        return None
    try:
        return system.read_named(path)
    except OSError as error:
        if error.errno in (EINVAL, EFBIG):
            form = "the path of a regular file of at most 16 MB"
            notes.append(malformed(whose(name), path, form))
        else:
            notes.append(unreadable(file_of(system, name), error))
        return None


def left_out(
    system: System,
    names: str | tuple[str, ...],
    reason: str,
    counts: str = "inside the job, on one of its hosts",
) -> Note:
    """Return the note that variables do not count, for *reason*; *counts* is the place that does.

    Each of the *names* is listed with its value.
    """
    listed = (names,) if isinstance(names, str) else names
    values = [f"${name}={quoted((system.env(name) or '').strip(), 60)}" for name in listed]
    owner = whose(listed[0]).removesuffix(f"${listed[0]}")
    many = len(values) > 1
    what = f"{owner}{' and '.join([', '.join(values[:-1]), values[-1]] if many else values)}"
    step = (
        f"{'They count' if many else 'It counts'} {counts}. Elsewhere unset "
        f"{'them' if many else 'it'}, or set KUMO_AVAILABLE_PARALLELISM."
    )
    does = f"{'do' if many else 'does'} not count"
    return note("grant-left-out", what=what, does=does, reason=quoted(reason), step=step)


def not_confirmed(system: System, name: str, doubt: str) -> Note:
    """Return the note that what a variable says counts, in spite of *doubt*."""
    text = quoted((system.env(name) or "").strip(), 60)
    return note("grant-not-confirmed", where=whose(name), text=text, doubt=quoted(doubt))
