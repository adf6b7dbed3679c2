"""HTCondor: the CPUs of the slot that the job runs in.

https://htcondor.readthedocs.io/en/latest/users-manual/env-of-job.html
The slot's ad lies in the job's scratch directory, which is on the execution point and is
deleted with the job: if it cannot be found, the variable is another host's or job's.
"""

from __future__ import annotations

from kumo._detectors._grants import file_of, left_out, parse_count, read_named
from kumo._notes import malformed
from kumo._records import Limit

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from kumo._records import Note
    from kumo._system.live import System

SOURCE = "HTCondor"
ANNOUNCED = ("_CONDOR_MACHINE_AD",)
SCHEDULERS = {"_CONDOR": SOURCE}
VARIABLE = "_CONDOR_MACHINE_AD"


def parse_ad(text: str) -> dict[str, str]:
    """Return a ClassAd's values by their names in lower case: names have no case.

    Format: ``Cpus = 4`` and ``TotalCpus = 64.0``, one a line.
    https://htcondor.readthedocs.io/en/latest/classads/classad-mechanism.html
    """
    pairs = (line.partition("=") for line in text.split("\n"))
    return {name.strip().lower(): value.strip() for name, equals, value in pairs if equals}


def detect(system: System) -> Iterator[Limit | Note]:
    notes: list[Note] = []
    text, path = read_named(system, VARIABLE, notes), system.env(VARIABLE) or ""
    if text is None:
        yield from notes or [left_out(system, VARIABLE, "that file does not exist here")]
        return
    ad = parse_ad(text)
    value = ad.get("cpus", "")
    try:
        cpus = parse_count(value)
    except ValueError:
        held, form = f"Cpus = {value}" if value else "no Cpus", "a line such as Cpus = 4"
        yield malformed(file_of(system, VARIABLE), held, form)
        return
    slot = system.env("_CONDOR_SLOT") or "the slot"
    yield Limit("condor", "allocation", cpus, path, f"{cpus} (HTCondor: Cpus of {slot})")
