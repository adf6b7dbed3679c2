"""The nodes of a Slurm cluster, or of the allocation that kumo runs in: one task a node by srun.

*target* is a string of srun's options. Inside an allocation, one srun asks all of its nodes beside
the steps that run (``--overlap``). Outside, sinfo names the nodes, and each gets a job of one task:
a node without a free CPU stays silent, and nothing waits for it.

Slots are the CPUs that Slurm places by: those of the allocation on each node, or the node's in
``slurm.conf``. ``slurmd -C`` prints a line for that file, and counts the hardware.
"""

from __future__ import annotations

import os
import uuid

from kumo._errors import InputError
from kumo._fleet.commands import node_program, options_of, output_of, reports_in, run_all
from kumo._fleet.reading import ReportError, node_of, silent
from kumo._text import plural, whole_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any

    from kumo._fleet.records import Node

ENGINE = "slurm"
SLOTS = "the CPUs of the allocation on the node, else those of the node in slurm.conf"
FIX = "slurm.conf: CPUs={count}; mpirun: kumo fleet slurm --hostfile"
EACH_NODE = ("--ntasks-per-node=1", "--overcommit", "--kill-on-bad-exit=0", "--no-kill", "--quiet")
# States in which Slurm starts nothing, with or without a sign behind: man sinfo.
DOWN = ("down", "drain", "drng", "fail", "maint", "unk", "err", "inval", "boot", "pow")
FOR_SINFO = {"-p": "-p", "--partition": "-p", "-w": "-n", "--nodelist": "-n", "-M": "-M"}


def ask(
    target: str | None,
    *,
    pressure: float | None,
    timeout: float,
    progress: Callable[[str], None],
) -> Iterator[Node]:
    """Yield each node. Raise `InputError` if there is no Slurm."""
    options = options_of("srun", target)
    seconds = timeout + (pressure or 0.0)
    program = node_program(pressure)
    if "SLURM_JOB_ID" in os.environ:
        yield from _ask_allocation(options, program, seconds, progress)
    else:
        yield from _ask_cluster(options, program, seconds, progress)


def _ask_allocation(
    options: Sequence[str], program: Sequence[str], seconds: float, progress: Callable[[str], None]
) -> Iterator[Node]:
    slots = allocation(os.environ, output_of(["scontrol", "show", "hostnames"], seconds))
    progress(f"asking {plural(len(slots), 'node')} of the allocation")
    command = [
        "srun", "--overlap", f"--nodes={len(slots)}", *EACH_NODE, *options, *program,
    ]  # fmt: skip
    (answer,) = run_all({"srun": command}, seconds, len(slots))
    left = dict(slots)
    for report in reports_in(answer.stdout):
        name = _name(report)
        if name in left:
            yield _node(report, name, left.pop(name))
    why = f"no answer within {seconds:g} s" if answer.code is None else answer.why or "no answer"
    for name, count in left.items():
        yield silent(name, why, engine=ENGINE, slots=count, workers=(name,))


def _ask_cluster(
    options: Sequence[str], program: Sequence[str], seconds: float, progress: Callable[[str], None]
) -> Iterator[Node]:
    words = ["sinfo", "-h", "-N", "-o", "%N %c %T", *_for_sinfo(options)]
    nodes = parse_sinfo(output_of(words, seconds))
    job = f"kumo-{uuid.uuid4().hex[:12]}"
    commands = {}
    for name, (count, state) in nodes.items():
        if state.startswith(DOWN) or state.endswith("*"):
            reason = f"Slurm has it as {state}"
            yield silent(name, reason, engine=ENGINE, slots=count, workers=(name,))
        else:
            commands[name] = [
                "srun", f"--job-name={job}", "--nodes=1", *EACH_NODE, *options,
                f"--nodelist={name}", *program,
            ]  # fmt: skip
    late = False
    try:
        for number, answer in enumerate(run_all(commands, seconds), 1):
            progress(f"ended: {number} of {plural(len(commands), 'node')}")
            count = nodes[answer.key][0]
            late = late or answer.code is None
            yield _answered(answer, count, seconds)
    except GeneratorExit:
        late = True
        raise
    finally:
        if late:  # a job that still waits for its node
            _cancel(job)


def _answered(answer: Any, count: int | None, seconds: float) -> Node:
    name = answer.key
    for report in reports_in(answer.stdout):
        return _node(report, name, count)
    why = answer.why or "srun printed no report"
    if answer.code is None:
        why = f"no answer within {seconds:g} s" + (f": {answer.why}" if answer.why else "")
    return silent(name, why, engine=ENGINE, slots=count, workers=(name,))


def _node(report: dict[str, Any], name: str, count: int | None) -> Node:
    try:
        return node_of(report, engine=ENGINE, slots=count, host=name, workers=(name,))
    except ReportError as error:
        return silent(name, str(error), engine=ENGINE, slots=count, workers=(name,))


def _name(report: dict[str, Any]) -> str:
    environment = report.get("environment")
    return str(environment.get("SLURMD_NODENAME", "")) if isinstance(environment, dict) else ""


def _cancel(job: str) -> None:
    import contextlib

    with contextlib.suppress(InputError):
        output_of(["scancel", "--quiet", f"--name={job}"], 10.0)


def parse_sinfo(text: str) -> dict[str, tuple[int | None, str]]:
    """Return each node's CPUs and state, the first line of each node.

    Format: ``%N %c %T`` of ``sinfo -h -N``, as in ``node1 64 mixed``: man sinfo.
    """
    nodes: dict[str, tuple[int | None, str]] = {}
    for line in text.splitlines():
        name, count, state = [*line.split(), "", "", ""][:3]
        if state:
            nodes.setdefault(name, (whole_number(count.rstrip("+")), state))
    return nodes


def allocation(environment: Mapping[str, str], hostnames: str) -> dict[str, int | None]:
    """Return the CPUs of the allocation by node.

    Format: ``SLURM_JOB_CPUS_PER_NODE=64(x3),32`` in the order of the nodes; man sbatch.
    """
    names = hostnames.split()
    counts: list[int | None] = []
    for item in environment.get("SLURM_JOB_CPUS_PER_NODE", "").split(","):
        number, _, times = item.partition("(x")
        repeated = whole_number(times.rstrip(")"), 7) or 1
        counts += [whole_number(number)] * min(repeated, len(names))
    counts += [None] * len(names)
    return dict(zip(names, counts, strict=False))


def _for_sinfo(options: Sequence[str]) -> Iterator[str]:
    """Yield the options of srun that choose nodes, as sinfo has them."""
    for at, word in enumerate(options):
        name, equals, value = word.partition("=")
        short = word[:2]
        if name in FOR_SINFO and (equals or at + 1 < len(options)):
            yield from (FOR_SINFO[name], value if equals else options[at + 1])
        elif short in FOR_SINFO and len(word) > 2 and word[1] != "-":
            yield from (FOR_SINFO[short], word[2:])
