"""``kumo doctor``: what each runtime here believes, or how one process fares, against the count.

`beliefs` says how each runtime is asked, `asking` does it, `verdict` judges the answers.
`checkup` looks at one process, `process` reads what it sees. `report` shows both.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import contextmanager
from itertools import count

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from kumo._command.doctor_report import Report
    from kumo._doctor.ask import Question

AT_ONCE = 8  # programs that are asked at a time, at most

EPILOG = """\
exit codes:
  0  nothing is oversubscribed
  1  a runtime believes in more than the count, or the process is oversubscribed
  2  a wrong option
  3  a process, override or output that cannot be used
"""


def main(arguments: Sequence[str]) -> int:
    """Print the report. Return 1 where something is oversubscribed, else 0."""
    from kumo._command.options import process_id, verb_parser
    from kumo._command.output import write

    parser = verb_parser(
        "doctor",
        "[--pid N] [--json]",
        "Tell what the runtimes on this machine believe, or how process N fares.",
        EPILOG,
    )
    parser.add_argument("--pid", type=process_id, metavar="N", help="watch process N for a second")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead")
    options = parser.parse_args(arguments)
    report = _runtimes() if options.pid is None else _process(options.pid)
    if options.json:
        import json

        write(json.dumps(report.data()) + "\n")
    else:
        write(report.text() + "\n")
    return 1 if report.oversubscribed else 0


def _process(pid: int) -> Report:
    from kumo._command.doctor_report import ProcessReport
    from kumo._doctor.checkup import check

    return ProcessReport(check(pid))


def _runtimes() -> Report:
    from kumo._command.doctor_report import RuntimesReport
    from kumo._doctor.ask import ask, find
    from kumo._runtimes.runtimes import RUNTIMES
    from kumo._survey import estimate

    own = estimate()
    questions = list(find(os.environ.get("PATH", os.defpath), sys.executable or ""))
    told, done = _progress(len(questions))
    with _cleared_away():
        try:
            answers = ask(questions, os.environ, at_once=min(own.parallelism, AT_ONCE), told=told)
        finally:
            done()
    found = {question.runtime.name for question in questions}
    missing = [runtime.name for runtime in RUNTIMES if runtime.name not in found]
    return RuntimesReport(own, answers, missing, os.environ)


class _Ended(BaseException):
    """A signal has come that ends this process."""


@contextmanager
def _cleared_away() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end what is asked within, and its directories, before this process.

    Who ignores one of them goes on doing so.
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


def _progress(total: int) -> tuple[Callable[[Question], None], Callable[[], None]]:
    """Return what shows that a question is begun, and what ends it: on a terminal alone."""
    numbers = count(1)

    def told(question: Question) -> None:
        if terminal:
            line = f"\r\x1b[Kasking {question.runtime.name} ({next(numbers)} of {total})"
            sys.stderr.write(line)
            sys.stderr.flush()

    def done() -> None:
        if terminal:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()

    terminal = sys.stderr is not None and sys.stderr.isatty()
    return told, done
