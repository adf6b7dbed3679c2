"""Does a call cost more when threads call at once? Calls a second with 1 to 32 threads.

    python benchmarks/threads.py PYTHON...

on Linux. Each PYTHON has kumo on its path; without one, the interpreter that runs this is taken.
rustc adds Rust's own function, by which the interpreters are compared in the same run.

Caveats first:

- A program that does nothing but count is not what anybody runs: this is the worst case.
- With a global lock, threads can at best make as many calls together as one makes. Without one,
  the number of CPUs is the bound, and other programs that are busy take their part of it.
- Each figure is the ratio to one thread's calls just before, in the same process; the median of
  the rounds is given. Threads call for 0.15 s, so that starting 32 of them shows.
- os.process_cpu_count (os.sched_getaffinity before Python 3.13) makes one system call, and never
  releases the lock.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import _report

THREADS = (1, 2, 4, 8, 32)
SECONDS = 0.15

PROGRAM = """
import json, os, sys, threading, time
which, seconds, threads = sys.argv[1], float(sys.argv[2]), json.loads(sys.argv[3])
if which == "kumo":
    from kumo import available_parallelism as call
elif hasattr(os, "process_cpu_count"):
    call = os.process_cpu_count
else:
    call = lambda: len(os.sched_getaffinity(0))
def together(number):
    calls, go, ends = [0] * number, threading.Event(), [0.0]
    def work(place):
        go.wait()
        made, end, now = 0, ends[0], time.perf_counter
        while now() < end:
            call(); call(); call(); call()
            made += 4
        calls[place] = made
    workers = [threading.Thread(target=work, args=(place,)) for place in range(number)]
    for worker in workers:
        worker.start()
    began = time.perf_counter()
    ends[0] = began + seconds
    go.set()
    for worker in workers:
        worker.join()
    return sum(calls) / (time.perf_counter() - began)
call()
together(2)
made = {}
for number in threads:
    one = together(1)
    made[number] = [one, together(number)]
lock = getattr(sys, "_is_gil_enabled", lambda: True)()
print(json.dumps({"python": sys.version.split()[0] + ("" if lock else "t"), "made": made}))
"""

RUST = """
use std::{hint::black_box, thread, time::{Duration, Instant}};
fn together(number: u64, seconds: f64) -> f64 {
    let began = Instant::now();
    let end = began + Duration::from_secs_f64(seconds);
    let workers: Vec<_> = (0..number).map(|_| thread::spawn(move || {
        let mut made = 0u64;
        while Instant::now() < end {
            for _ in 0..4 { black_box(thread::available_parallelism().unwrap()); }
            made += 4;
        }
        made
    })).collect();
    let made: u64 = workers.into_iter().map(|worker| worker.join().unwrap()).sum();
    made as f64 / began.elapsed().as_secs_f64()
}
fn main() {
    let seconds: f64 = std::env::args().nth(1).unwrap().parse().unwrap();
    for number in [NUMBERS] {
        println!("{} {} {}", number, together(1, seconds), together(number, seconds));
    }
}
"""


def main() -> int:
    options = _options()
    _report.end_cleanly()
    _report.go_first()
    started = time.monotonic()
    about = _report.host()
    with tempfile.TemporaryDirectory(prefix="kumo-threads-") as folder:
        rust = _compiled(Path(folder))
        rounds: dict[str, list[dict[str, list[float]]]] = {}
        for number in range(options.rounds):
            for python in options.pythons:
                for which in ("kumo", "os.process_cpu_count"):
                    name, made = _python(python, which)
                    rounds.setdefault(f"{which}, Python {name}", []).append(made)
            if rust:
                rounds.setdefault("Rust std", []).append(_rust(rust))
            _report.progress(f"[{number + 1}/{options.rounds}]")
    results = {
        "question": "Does a call cost more when threads call at once?",
        "host": about,
        "rounds": options.rounds,
        "unit": "calls a second: by threads, [one thread, all together]",
        "made": rounds,
    }
    _report.finish(results, started)
    _report.write(options.results, "threads", results, _as_markdown(results))
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Count calls a second of threads together.")
    parser.add_argument("pythons", nargs="*", default=[sys.executable], metavar="PYTHON")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--results", type=Path, default=_report.RESULTS)
    return parser.parse_args()


def _python(python: str, which: str) -> tuple[str, dict[str, list[float]]]:
    command = [python, "-c", PROGRAM, which, str(SECONDS), json.dumps(THREADS)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    answer = json.loads(ran.stdout)
    return answer["python"], answer["made"]


def _compiled(folder: Path) -> Path | None:
    source, program = folder / "threads.rs", folder / "threads"
    source.write_text(RUST.replace("NUMBERS", ", ".join(map(str, THREADS))))
    try:
        subprocess.run(["rustc", "-O", "-o", str(program), str(source)], check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return program


def _rust(program: Path) -> dict[str, list[float]]:
    command = [str(program), str(SECONDS)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    lines = [line.split() for line in ran.stdout.splitlines()]
    return {number: [float(one), float(together)] for number, one, together in lines}


def _as_markdown(results: dict[str, Any]) -> str:
    header = ("program", "µs per call, alone", *(f"{n} threads" for n in THREADS if n > 1))
    rows = []
    for name, rounds in results["made"].items():
        alone = statistics.median(1e6 / pair[0] for made in rounds for pair in made.values())
        ratios = [
            statistics.median(made[str(n)][1] / made[str(n)][0] for made in rounds)
            for n in THREADS
            if n > 1
        ]
        rows.append([name, _report.number(alone), *(f"{ratio:.2f}" for ratio in ratios)])
    return "\n\n".join(
        [
            "Calls of all threads together, as a multiple of one thread's:",
            _report.table(header, rows, 1),
            _report.signature(results),
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
