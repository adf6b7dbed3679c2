"""The hosts of an MPI launcher: mpirun starts its ranks, and the first of each host answers.

*target* is a string of mpirun's options. No MPI library is needed. Slots are the ranks that mpirun
starts on a host if nothing limits them. If mpirun fails, as it does for all hosts if one cannot be
reached, each host that the options name is asked alone.
"""

from __future__ import annotations

from kumo._errors import InputError
from kumo._fleet.commands import Answer, node_program, options_of, output_of, reports_in, run_all
from kumo._fleet.reading import ReportError, node_of, silent
from kumo._text import plural, repr_path, whole_number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

    from kumo._fleet.records import Node

ENGINE = "mpi"
SLOTS = "the ranks that mpirun starts on the host"
FIX = "hostfile: {host} slots={count}"
MAX_HOSTS = 100_000
UNKNOWN = "?"  # the host of a report that cannot be read
# The ranks of a host by their numbers there: Open MPI, MPICH and Intel MPI.
FIRST_OF_HOST = """\
[ "${OMPI_COMM_WORLD_LOCAL_RANK:-${MPI_LOCALRANKID:-0}}" = 0 ] || exit 0
"""
LOCAL_SIZES = ("OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS")
HOSTS = ("--host", "-host", "-H", "-hosts")
HOSTFILES = ("--hostfile", "-hostfile", "--machinefile", "-machinefile", "-f")


def ask(
    target: str | None,
    *,
    pressure: float | None,
    timeout: float,
    progress: Callable[[str], None],
) -> Iterator[Node]:
    """Yield each host. Raise `InputError` if mpirun is not there or answers nothing."""
    options = options_of("mpirun", target)
    seconds = timeout + (pressure or 0.0)
    version = output_of(["mpirun", "--version"], seconds)
    # One rank answers for all of its host, so it must not be bound to a core.
    bind = ["--bind-to", "none"] if "Open MPI" in version or "PRTE" in version else []
    end = [*bind, *node_program(pressure, FIRST_OF_HOST)]
    hosts = named_hosts(options)
    progress("the hosts are asked")
    (answer,) = run_all({"mpirun": ["mpirun", *options, *end]}, seconds, len(hosts) or 1000)
    reports = list(_nodes(answer))
    nodes = [node for node in reports if node.host != UNKNOWN]
    missing = {host: place for host, place in hosts.items() if host not in _names(nodes)}
    if missing and (answer.code != 0 or len(nodes) < len(reports)):
        each = f"asking {plural(len(missing), 'host')} one by one"
        progress(f"{answer.why or 'no answer'}; {each}")
        known = {(node.machine, node.host) for node in nodes}
        alone = _each_alone(missing, options, end, seconds)
        nodes += [node for node in alone if (node.machine, node.host) not in known]
    if not nodes:
        late = f"no answer within {seconds:g} s"
        raise InputError(f"mpirun: {late if answer.code is None else answer.why or 'no answer'}")
    yield from nodes


def _names(nodes: Sequence[Node]) -> set[str]:
    return {name for node in nodes for name in (node.host, *node.workers)}


def _each_alone(
    hosts: dict[str, str], options: Sequence[str], end: Sequence[str], seconds: float
) -> Iterator[Node]:
    """Ask each host with an mpirun that has it alone."""
    others = _without_hosts(options)
    commands = {host: ["mpirun", *others, "--host", place, *end] for host, place in hosts.items()}
    for answer in run_all(commands, seconds):
        nodes = list(_nodes(answer, answer.key))
        late = f"no answer within {seconds:g} s"
        why = late if answer.code is None else answer.why or "no answer"
        yield from nodes or [silent(answer.key, why, engine=ENGINE)]


def _nodes(answer: Answer, name: str = "") -> Iterator[Node]:
    for report in reports_in(answer.stdout):
        workers = (name,) if name else ()
        slots = _slots(report)
        try:
            yield node_of(report, engine=ENGINE, slots=slots, host=name, workers=workers)
        except ReportError as error:
            yield silent(
                name or str(report.get("host") or UNKNOWN), str(error), engine=ENGINE, slots=slots
            )


def _slots(report: dict[str, Any]) -> int | None:
    environment = report.get("environment")
    sizes = [environment.get(key) for key in LOCAL_SIZES] if isinstance(environment, dict) else []
    return next((whole_number(size, 7) for size in sizes if isinstance(size, str)), None)


def named_hosts(options: Sequence[str]) -> dict[str, str]:
    """Return the hosts that the options name, each as ``--host`` takes it, with its slots.

    Format: ``--host a:2,b`` and hostfiles with lines such as ``a slots=2``; ``#`` begins a comment.
    https://docs.open-mpi.org/en/main/launching-apps/scheduling.html
    """
    hosts: dict[str, str] = {}
    for option, value in _host_options(options):
        if option in HOSTS:
            for item in value.split(","):
                hosts.setdefault(item.partition(":")[0], item)
        else:
            hosts.update(_hosts_of_file(value))
    if len(hosts) > MAX_HOSTS:
        raise InputError(f"mpi: more than {MAX_HOSTS} hosts")
    return {host: place for host, place in hosts.items() if host}


def _hosts_of_file(path: str) -> dict[str, str]:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            lines = file.read(2**24).splitlines()
    except OSError as error:
        raise InputError(
            f"mpi: the hostfile {repr_path(path)}: {error.strerror or error}"
        ) from None
    hosts = {}
    for line in lines:
        words = line.partition("#")[0].split()
        if words:
            host = words[0].partition(":")[0]
            slots = [word.partition("=")[2] for word in words[1:] if word.startswith("slots=")]
            hosts[host] = f"{words[0]}:{slots[0]}" if slots else words[0]
    return hosts


def _host_options(options: Sequence[str]) -> Iterator[tuple[str, str]]:
    for at, word in enumerate(options):
        if word in (*HOSTS, *HOSTFILES) and at + 1 < len(options):
            yield word, options[at + 1]


def _without_hosts(options: Sequence[str]) -> list[str]:
    kept, skip = [], False
    for word in options:
        if skip or word in (*HOSTS, *HOSTFILES):
            skip = not skip
        else:
            kept.append(word)
    return kept
