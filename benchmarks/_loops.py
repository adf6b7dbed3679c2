"""The programs that `calls.py` times: each calls one function in batches, and prints their times.

A line is the nanoseconds per call of one batch, as in `_clock.py`.
"""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import _clock
import _peers
from _peers import Peer

HERE = Path(__file__).resolve().parent
_CONSTANTS = {"BATCHES": str(_clock.BATCHES), "BATCH_NS": str(_clock.BATCH)}

_PYTHON = """\
{setup}
import sys
sys.path.append({here!r})
import _clock
def loop(times):
    for _ in range(times):
        {call}
for time in _clock.batches(loop):
    print(f"{{time:.1f}}")
"""

# Else the loop would have timed a survey at each call.
_KUMO_KEPT = """\
import kumo._hot.count
assert kumo._hot.count._kept is not None, "kumo kept no descriptors here"
"""

_RUST = """\
use std::{hint::black_box, thread::available_parallelism, time::Instant};

fn batch(times: u64) -> f64 {
    let start = Instant::now();
    for _ in 0..times {
        black_box(available_parallelism().unwrap());
    }
    start.elapsed().as_nanos() as f64
}

fn main() {
    let mut times = 1;
    while batch(times).min(batch(times)).min(batch(times)) < BATCH_NS as f64 {
        times *= 2;
    }
    for _ in 0..BATCHES {
        println!("{:.1}", batch(times) / times as f64);
    }
}
"""

_GO = """\
package main

import (
	"fmt"
	"runtime"
	"time"
)

func batch(times int) float64 {
	start := time.Now()
	for i := 0; i < times; i++ {
		runtime.SetDefaultGOMAXPROCS()
	}
	return float64(time.Since(start).Nanoseconds())
}

func main() {
	times := 1
	for min(batch(times), batch(times), batch(times)) < BATCH_NS {
		times *= 2
	}
	for i := 0; i < BATCHES; i++ {
		fmt.Printf("%.1f\\n", batch(times)/float64(times))
	}
}
"""

_NODE = """\
const os = require("os");
function batch(times) {
  const start = process.hrtime.bigint();
  for (let i = 0; i < times; i++) os.availableParallelism();
  return Number(process.hrtime.bigint() - start);
}
let times = 1;
while (Math.min(batch(times), batch(times), batch(times)) < BATCH_NS) times *= 2;
for (let i = 0; i < BATCHES; i++) console.log((batch(times) / times).toFixed(1));
"""


@dataclass(frozen=True)
class Loop:
    name: str
    calls: str
    reads: str
    version: str = ""
    command: tuple[str, ...] = ()
    missing: str | None = None


def loops(peers_dir: Path, workdir: Path) -> list[Loop]:
    """Each program that is timed beside the floor, compiled into *workdir* where it must be."""
    made = {peer.name: peer for peer in _peers.peers(peers_dir)}
    python = [
        _python(made["kumo"], peers_dir, after=_KUMO_KEPT),
        _python(made["loky"], peers_dir),
        _python(made["joblib"], peers_dir),
        _python(made["dask"], peers_dir),
        _python(made["proclimits"], peers_dir, call="proclimits.get_cpu_limit()"),
        _python(made["os.process_cpu_count"], peers_dir),
    ]
    return [
        python[0],
        _rust(made["Rust std"], peers_dir, workdir),
        _go(made["Go"], peers_dir, workdir),
        _node(made["libuv (Node)"], peers_dir, workdir),
        *python[1:],
    ]


def floor(workdir: Path) -> Loop:
    """kumo's system calls in C. Its arguments are the cgroup directories."""
    program = workdir / "floor"
    failure = _ran(["gcc", "-O2", "-Wall", "-o", str(program), str(HERE / "floor.c")])
    reads = "as kumo"
    return Loop("floor", "kumo's system calls, in C", reads, "", (str(program),), failure)


def _python(peer: Peer, peers_dir: Path, call: str = "", after: str = "") -> Loop:
    call = call or peer.call
    if peer.missing:
        return Loop(peer.name, call, peer.reads, missing=peer.missing)
    code = _PYTHON.format(setup=peer.setup, here=str(HERE), call=call) + after
    command = (peer.command[0], "-B", "-c", code)
    return Loop(peer.name, call, peer.reads, _peers.version(peer, peers_dir), command)


def _rust(peer: Peer, peers_dir: Path, workdir: Path) -> Loop:
    source = _written(workdir / "calls.rs", _RUST)
    failure = _ran(["rustc", "-O", "-o", str(workdir / "rust"), str(source)])
    command = (str(workdir / "rust"),)
    return _compiled(peer, peers_dir, "thread::available_parallelism()", command, failure)


def _go(peer: Peer, peers_dir: Path, workdir: Path) -> Loop:
    source = _written(workdir / "calls.go", _GO)
    tool = peers_dir / "venv" / "bin" / "go"
    failure = _ran([str(tool), "build", "-o", str(workdir / "go"), str(source)], peers_dir)
    if failure and "SetDefaultGOMAXPROCS" in failure:
        failure = "this Go is older than 1.25 and has no runtime.SetDefaultGOMAXPROCS"
    command = (str(workdir / "go"),)
    return _compiled(peer, peers_dir, "runtime.SetDefaultGOMAXPROCS()", command, failure)


def _node(peer: Peer, peers_dir: Path, workdir: Path) -> Loop:
    source = _written(workdir / "calls.js", _NODE)
    command = (*peer.command[:1], str(source))
    return _compiled(peer, peers_dir, "os.availableParallelism()", command, peer.missing)


def _compiled(
    peer: Peer, peers_dir: Path, calls: str, command: tuple[str, ...], failure: str | None
) -> Loop:
    if failure:
        return Loop(peer.name, calls, peer.reads, missing=failure)
    known = peer if peer.command else replace(peer, command=command)
    return Loop(peer.name, calls, peer.reads, _peers.version(known, peers_dir), command)


def _written(path: Path, text: str) -> Path:
    for name, value in sorted(_CONSTANTS.items(), reverse=True):
        text = text.replace(name, value)
    path.write_text(text)
    return path


def _ran(command: list[str], peers_dir: Path | None = None) -> str | None:
    """Run a compiler; return why it failed, `None` where it did not."""
    env = dict(os.environ, GOTOOLCHAIN="local")
    if peers_dir:
        env["GOCACHE"] = str(peers_dir / "gocache")
    try:
        ran = subprocess.run(command, capture_output=True, text=True, check=False, env=env)
    except OSError as error:
        return f"{Path(command[0]).name}: {error.strerror}"
    if ran.returncode == 0:
        return None
    print(ran.stderr, file=sys.stderr)
    return (ran.stderr.strip().splitlines() or [f"exit status {ran.returncode}"])[-1]
