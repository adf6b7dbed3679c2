"""``kumo run [options] -- CMD…``: become a command whose environment tells it the count."""

from __future__ import annotations

import os
import signal
import sys
from errno import EACCES, EBADF, ENOENT, ENOTDIR

from kumo._detectors.override import VARIABLE
from kumo._launch.options import run_options
from kumo._launch.plan import as_text, bounded, plan, read_outer, variables
from kumo._options import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Mapping, Sequence

    from kumo._launch.plan import Decision, Outer
    from kumo._records import Estimate

# Exit codes, as shells have them:
# https://pubs.opengroup.org/onlinepubs/9799919799/utilities/V3_chap02.html#tag_19_08_02
CANNOT_RUN = 126
NOT_FOUND = 127
# To which Python sets LC_CTYPE in the locale C: https://peps.python.org/pep-0538/
COERCED = ("C.UTF-8", "C.utf8", "UTF-8")


def main(arguments: Sequence[str]) -> int:
    """Become the command. Return only where it cannot be run, and for ``--print``."""
    options = run_options(arguments)
    how, count, decisions = decide(options, os.environ)
    cpus = _cpus_to_pin(count) if options.pin else None
    if options.print:
        pinned = "" if cpus is None else f"\npinned to {_shown(cpus)}"
        return write(f"{how}{pinned}\n\n{as_text(decisions)}\n")
    if sys.platform == "win32":
        raise InputError("run takes the command's place, which Windows cannot do: use kumo env")
    if cpus is not None:
        _pin(cpus)
    environment = {**_as_started(os.environ), **variables(count, decisions)}
    return _become(options.command, environment)


def decide(options: Namespace, environ: Mapping[str, str]) -> tuple[str, int, list[Decision]]:
    """Return how the count came about, the count, and what becomes of each variable.

    Raise `InputError` for a malformed marker, `OverrideError` for a malformed override.
    """
    outer = read_outer(environ)
    estimate = _survey(outer)
    count = bounded(estimate.binding.cpus, outer, options.share, options.max, options.round)
    decisions = plan(
        count,
        environ,
        outer,
        workers=options.workers,
        chosen=options.chosen,
        left_out=options.left_out,
    )
    return _headline(options, estimate, outer, count), count, decisions


def _survey(outer: Outer | None) -> Estimate:
    """Return the estimate; an override that the outer kumo run set is not the user's word."""
    from kumo._survey import open_system, survey

    system = open_system("process", None, None)
    if outer is not None and VARIABLE in outer.given:
        system.asked[f"${VARIABLE}"] = None
    return survey(system)


def _headline(options: Namespace, estimate: Estimate, outer: Outer | None, count: int) -> str:
    from kumo._explain import show_cpus

    steps = [f"{estimate.binding.source} {show_cpus(estimate.binding)}"]
    if outer is not None:
        steps.append(f"the outer kumo run gave {outer.count}")
    if options.share is not None:
        steps.append(f"--share {options.share[0]}/{options.share[1]}")
    if options.max is not None:
        steps.append(f"--max {options.max}")
    return f"{count}  ({', '.join([*steps, f'--round {options.round}'])})"


def _cpus_to_pin(count: int) -> tuple[int, ...]:
    if sys.platform != "linux":
        raise InputError("--pin needs Linux, which alone lets a process choose its CPUs")
    from kumo._topology.read import topology
    from kumo._topology.split import choose

    return choose(topology().cores, count)


def _shown(cpus: tuple[int, ...]) -> str:
    from kumo._cpulist import format_cpulist

    return f"CPUs {format_cpulist(sum(1 << cpu for cpu in cpus))}"


def _pin(cpus: tuple[int, ...]) -> None:
    if sys.platform == "linux":
        try:
            os.sched_setaffinity(0, cpus)
        except OSError as error:
            raise InputError(f"--pin: the affinity cannot be set: {error.strerror}") from None


def _as_started(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without what Python itself has changed in it since the start."""
    environment = dict(environ)
    if environment.get("LC_CTYPE") not in COERCED:
        return environment
    from kumo._system import read_file

    try:
        block = read_file("/proc/self/environ")
    except OSError:
        return environment
    if block is not None:
        started = dict(pair.partition("=")[::2] for pair in block.split("\0"))
        del environment["LC_CTYPE"]
        environment.update({"LC_CTYPE": started["LC_CTYPE"]} if "LC_CTYPE" in started else {})
    return environment


def _become(command: list[str], environment: Mapping[str, str]) -> int:
    """Replace this process by the command. Return the exit code where that cannot be done."""
    # Python ignores these from its start on, and what is ignored stays so in the command.
    python_ignores = [signal.Signals[name] for name in ("SIGPIPE", "SIGXFSZ")]
    for number in python_ignores:
        signal.signal(number, signal.SIG_DFL)
    try:
        if command[0]:  # else exec raises ValueError
            os.execvpe(command[0], command, environment)
        error = OSError(ENOENT, "")
    except OSError as raised:
        error = raised
    for number in python_ignores:
        signal.signal(number, signal.SIG_IGN)
    code, why = _failure(command[0], error, environment.get("PATH"))
    if sys.stderr is not None:
        from kumo._notes import quoted

        shown = quoted(command[0], 200) or "''"
        print(f"kumo: {shown}: {why}", file=sys.stderr)
    return code


def _failure(program: str, error: OSError, path: str | None) -> tuple[int, str]:
    """Return the exit code and what is said of a program that was not run."""
    from shutil import which

    # A directory of PATH that may not be searched, and what is no file in one, are passed over.
    passed_over = () if "/" in program else (EACCES,)
    if error.errno in (ENOENT, ENOTDIR, *passed_over):
        if which(program, os.F_OK, path) is None:
            return NOT_FOUND, "command not found"
        if error.errno != EACCES:
            return CANNOT_RUN, "the interpreter that its first line names was not found"
    return CANNOT_RUN, error.strerror or str(error)


def write(text: str) -> int:
    """Print the text, and return the exit code. Raise `OSError` where there is no stdout."""
    if sys.stdout is None:
        raise OSError(EBADF, "stdout is closed")
    reconfigure = getattr(sys.stdout, "reconfigure", None)  # a replaced stdout may have none
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")  # the user's values may not be printable here
    sys.stdout.write(text)
    return 0
