"""Fetches and compiles the programs that kumo is measured against.

    python benchmarks/get_peers.py DIR

makes a virtual environment in DIR/venv with the packages of the two requirements files, compiles
the small programs of the table in `_peers.py` into DIR, and says which peers are there. A peer that
is missing leaves out its own row and no other.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

from _peers import PEERS, VENV_PYTHON, filled, peers, version

_REQUIREMENTS = Path(__file__).resolve().parent / "requirements.txt"
_ALONE = _REQUIREMENTS.with_name("requirements-alone.txt")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").partition("\n")[0],
        epilog="It takes some minutes, most of them to download. It needs a network, CPython 3.13 "
        "or newer for os.process_cpu_count, and rustc and javac on the PATH for their peers.",
    )
    parser.add_argument("directory", type=Path, metavar="DIR", help="what is filled")
    directory = parser.parse_args().directory.resolve()
    install(directory)
    for row in peers(directory):
        print(f"{row.name:22} {row.missing or version(row, directory)}")
    return 0


def install(workdir: Path) -> None:
    venv.create(workdir / "venv", with_pip=True, symlinks=True)
    python = str(workdir / VENV_PYTHON)
    pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "-r", str(_REQUIREMENTS)], check=True)
    subprocess.run([*pip, "--no-deps", "-r", str(_ALONE)], check=True)
    env = os.environ | {"GOCACHE": str(workdir / "gocache"), "GOTOOLCHAIN": "local"}
    for peer in PEERS:
        command = filled(peer.build, workdir)
        if command and shutil.which(command[0]):
            (workdir / peer.source[0]).write_text(peer.source[1])
            subprocess.run(command, check=True, env=env)


if __name__ == "__main__":
    sys.exit(main())
