"""Grid Engine in all its editions: the job's slots on this host.

http://gridscheduler.sourceforge.net/htmlman/htmlman5/sge_pe.html, and ``exec_job.c`` of
https://github.com/daimh/sge: NSLOTS counts the slots of all hosts; the file that PE_HOSTFILE
names is the master task's alone, and goes with the job.
"""

from __future__ import annotations

from kumo._detectors._grants import (
    file_of,
    left_out,
    parse_count,
    read_count,
    read_named,
    same_host,
)
from kumo._notes import malformed
from kumo._records import Limit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from kumo._records import Note
    from kumo._system.live import System

SOURCE = "Grid Engine"
ANNOUNCED = ("NSLOTS",)
SCHEDULERS = {"NSLOTS": SOURCE, "NHOSTS": SOURCE, "PE_HOSTFILE": SOURCE}
NSLOTS, NHOSTS, HOSTFILE = "NSLOTS", "NHOSTS", "PE_HOSTFILE"
LINE_FORM = "a host, its slots, a queue and processors"


def parse_hostfile(text: str, host: str) -> int:
    """Return the slots of *host*. Raise `ValueError` with the first line that is not in the form.

    Format: ``opt88 3 short.q@opt88 UNDEFINED``, one line for each queue of each host; sge_pe(5).
    """
    slots = 0
    for line in filter(str.strip, text.split("\n")):
        name, count, *_ = [*line.split(), "", ""]
        try:
            number = parse_count(count)
        except ValueError:
            raise ValueError(line) from None
        slots += number if same_host(name, host) else 0
    return slots


def detect(system: System) -> Iterator[Limit | Note]:
    host = system.fact("hostname") or "(unknown)"
    notes: list[Note] = []
    if system.env("JOB_ID") is None:
        yield left_out(system, NSLOTS, "JOB_ID, which every job has, is not set")
        return
    job = f"job {system.env('JOB_ID')}"
    text, path = read_named(system, HOSTFILE, notes), system.env(HOSTFILE)
    if text is not None and path is not None:
        try:
            slots = parse_hostfile(text, host)
        except ValueError as error:
            yield malformed(file_of(system, HOSTFILE), str(error), LINE_FORM)
        else:
            if slots:
                granted = f"{slots} (Grid Engine: slots of {job} on this host)"
                yield Limit("grid-engine", "allocation", slots, path, granted)
            else:
                yield left_out(system, NSLOTS, f"{path} does not list this host, {host}")
    else:
        yield from _one_host(system, job, host, notes)
    yield from notes


def _one_host(system: System, job: str, host: str, notes: list[Note]) -> Iterator[Limit | Note]:
    """NSLOTS, if it is the grant on one host, and nothing says that this is another."""
    slots, hosts = read_count(system, NSLOTS, notes), read_count(system, NHOSTS, notes)
    path, at = system.env(HOSTFILE), system.env("HOSTNAME")  # set by the execution daemon
    if path is not None and not notes:
        reason = f"{path} does not exist here: the job has ended or is another host's"
        yield left_out(system, NSLOTS, reason)
    elif slots is not None and hosts != 1:
        counted = f"it counts {hosts} hosts" if hosts else f"{NHOSTS} is not known"
        yield left_out(system, NSLOTS, f"{counted}, and this host's part is not known")
    elif at and not same_host(at, host):
        yield left_out(system, NSLOTS, f"the job is {at}'s, and this host is {host}")
    elif slots is not None:
        granted = f"{slots} (Grid Engine: slots of {job})"
        yield Limit("grid-engine", "allocation", slots, f"${NSLOTS}", granted)
