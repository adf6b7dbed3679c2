"""``kumo doctor``: what each runtime here believes, or how processes fare, against the count.

`_runtimes.runtimes` says how each runtime is asked, `_doctor.ask` does it and `_doctor.judge`
judges the answers. `_doctor.checkup` looks at one process, `_doctor.host` at all of them.
`doctor_report` and `doctor_host_report` show what was found.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import contextmanager
from itertools import count

from kumo._command.options import add_json, add_pid
from kumo._command.output import Progress, write, write_json
from kumo._errors import InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator

    from kumo._command.doctor_report import Report
    from kumo._command.options import Parser
    from kumo._doctor.ask import Answer, Question

AT_ONCE = 8  # programs that are asked at a time, at most

DESCRIPTION = "Check what each runtime on this machine believes, or how processes run."
EXITS = {
    0: "nothing is oversubscribed",
    1: "something would use, or uses, more CPUs than the count",
}


def add_arguments(parser: Parser) -> None:
    """Add the options."""
    add_json(parser)
    subjects = parser.add_mutually_exclusive_group()
    add_pid(subjects, "watch process N for a second")
    subjects.add_argument(
        "--all", action="store_true", help="watch all processes for a second, the worst first"
    )


def run(options: Namespace) -> int:
    """Print the report. Return 1 if something is oversubscribed, else 0."""
    if not options.all and options.pid is None:
        return _runtimes(as_json=options.json)
    report = _host() if options.all else _process(options.pid)
    if options.json:
        write_json(report.data())
    else:
        write(report.text() + "\n")
    return 1 if report.oversubscribed else 0


def _process(pid: int) -> Report:
    from kumo._command.doctor_report import ProcessReport
    from kumo._doctor.checkup import check

    return ProcessReport(check(pid))


def _host() -> Report:
    from kumo._command.doctor_host_report import HostReport
    from kumo._doctor.host import check_host

    if sys.platform != "linux":
        raise InputError("--all needs Linux, whose /proc shows all processes")
    with Progress() as progress:
        return HostReport(
            check_host(progress=lambda look: progress.show(f"watching all processes: look {look}"))
        )


def _runtimes(*, as_json: bool) -> int:
    """Ask the runtimes, and print each row as soon as it and those before it are known."""
    from kumo._command.doctor_report import RuntimesReport, head, lines_of
    from kumo._doctor.ask import ask, find
    from kumo._runtimes.runtimes import RUNTIMES
    from kumo._survey import estimate

    own = estimate()
    questions = list(find(os.environ.get("PATH", os.defpath), sys.executable or ""))
    with _cleared_away(), Progress() as progress:
        numbers = count(1)

        def begun(question: Question) -> None:
            name = question.runtime.name
            progress.show(f"asking {name} ({next(numbers)} of {len(questions)})")

        def answered(answer: Answer) -> None:
            if not as_json and (lines := lines_of(answer, own, os.environ)):
                progress.show("")
                write("\n".join([*lines, ""]))

        if not as_json:
            write(head(own) + "\n")
        at_once = min(own.parallelism, AT_ONCE)
        answers = ask(questions, os.environ, at_once=at_once, begun=begun, answered=answered)
    asked = {question.runtime.name for question in questions}
    missing = [runtime.name for runtime in RUNTIMES if runtime.name not in asked]
    report = RuntimesReport(own, answers, missing, os.environ)
    if as_json:
        write_json(report.data())
    else:
        write(report.rest() + "\n")
    return 1 if report.oversubscribed else 0


class _Ended(BaseException):
    """A signal has come that ends this process."""


@contextmanager
def _cleared_away() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end what is asked within, and its directories, before this process.

    A program that ignores one of them goes on doing so.
    """
    names = ("SIGTERM", "SIGHUP")  # Windows has no SIGHUP
    numbers = [signal.Signals[name] for name in names if name in signal.Signals.__members__]
    heeded = [number for number in numbers if signal.getsignal(number) is signal.SIG_DFL]

    def end(number: int, _: object) -> None:
        for each in heeded:
            signal.signal(each, signal.SIG_IGN)  # once is enough
        raise _Ended(number)

    for number in heeded:
        signal.signal(number, end)
    try:
        yield
    except _Ended as ended:
        (number,) = ended.args
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    finally:
        for number in heeded:
            signal.signal(number, signal.SIG_DFL)
