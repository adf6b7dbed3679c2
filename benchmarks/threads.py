"""Does a call cost more when threads call at once? Calls a second with 1 to 32 threads.

    python benchmarks/threads.py PYTHON...

Each PYTHON has kumo on its path; without one, the interpreter that runs this is taken.
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

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import harness

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
print(json.dumps(made))
"""
NAME = """
import sys
lock = getattr(sys, "_is_gil_enabled", lambda: True)()
print(sys.version.split()[0] + ("" if lock else "t"))
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


Made = dict[str, list[float]]


def main() -> int:
    parser = harness.parser(
        __doc__,
        takes="1 minute with one PYTHON, 3 with four",
        needs="Linux; rustc for Rust's row",
        rounds=9,
    )
    parser.add_argument("pythons", nargs="*", default=[sys.executable], metavar="PYTHON")
    options = parser.parse_args()
    unit = "calls a second: by threads, [one thread, all together]"
    run = harness.begin("threads", options, unit=unit)
    with tempfile.TemporaryDirectory(prefix="kumo-threads-") as folder:
        arms = _arms(options.pythons, Path(folder))
        made = harness.take_turns(arms, options.rounds)
    return run.end(_as_markdown, made=made)


def _arms(pythons: list[str], folder: Path) -> dict[str, Callable[[], Made]]:
    arms: dict[str, Callable[[], Made]] = {}
    for python in pythons:
        name = harness.output([python, "-c", NAME]).strip()
        for which in ("kumo", "os.process_cpu_count"):
            arms[f"{which}, Python {name}"] = partial(_in_python, python, which)
    if rust := _compiled(folder):
        arms["Rust std"] = partial(_in_rust, rust)
    return arms


def _in_python(python: str, which: str) -> Made:
    command = [python, "-c", PROGRAM, which, str(SECONDS), json.dumps(THREADS)]
    made: Made = json.loads(harness.output(command))
    return made


def _in_rust(program: Path) -> Made:
    lines = map(str.split, harness.output([str(program), str(SECONDS)]).splitlines())
    return {number: [float(one), float(together)] for number, one, together in lines}


def _compiled(folder: Path) -> Path | None:
    source, program = folder / "threads.rs", folder / "threads"
    source.write_text(RUST.replace("NUMBERS", ", ".join(map(str, THREADS))))
    try:
        subprocess.run(["rustc", "-O", "-o", str(program), str(source)], check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return program


def _as_markdown(results: dict[str, Any]) -> str:
    more = [str(number) for number in THREADS if number > 1]
    rows = []
    for name, rounds in results["made"].items():
        alone = [1e6 / pair[0] for made in rounds for pair in made.values()]
        ratios = [[made[number][1] / made[number][0] for made in rounds] for number in more]
        shown = [f"{statistics.median(values):.2f}" for values in ratios]
        cells = [name, harness.number(statistics.median(alone)), *shown]
        rows.append(harness.marked(cells, alone, *ratios))
    header = ("program", "µs per call, alone", *(f"{number} threads" for number in more))
    title = "Calls of all threads together, as a multiple of one thread's:"
    return "\n\n".join([title, harness.table(header, rows), harness.signature(results)])


if __name__ == "__main__":
    sys.exit(main())
