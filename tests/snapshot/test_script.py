"""The shell script of ``kumo snapshot --sh`` writes a machine file that gives the same answer."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import MACHINES

import kumo
from kumo._records import Estimate
from kumo._snapshot import script
from kumo._survey import survey
from kumo._system.machine_file import Machine

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the script is for Linux")
SHELLS = {"dash": ["dash"], "bash": ["bash", "--posix"], "busybox": ["busybox", "sh"]}
# Facts that files of Linux tell, or that nothing of the count depends on.
STAGED = {"!platform", "!affinity", "!hostname", "!pid", "!cgroup_namespace", "!gil", "!tid"}
MAX_STAGED = 2000  # files


def can_be_staged(path: Path) -> bool:
    text = path.read_text("utf-8", "surrogateescape")
    machine = Machine(text)
    sections = machine.sections
    facts = {name for name in sections if name[0] == "!"}
    if sections.get("!policy", "").strip() == "SCHED_OTHER":  # type: ignore[union-attr]  # this section is no error
        facts.discard("!policy")
    paths = [name for name in sections if name[0] == "/"]
    return (
        machine.fact("platform") == "linux"
        and facts <= STAGED
        and not machine.errors
        and (machine.fact("affinity") or "").strip() != ""
        and "/proc/self/cgroup" in sections
        and not any(name.startswith(("/proc/self/task", "/dev/")) for name in paths)
        and not any(f"{name}/" in other for name in paths for other in paths[:50])
        and len(paths) <= MAX_STAGED
        and all(len(os.fsencode(part)) < 256 for name in paths for part in name.split("/"))
    )


STAGEABLE = [path for path in MACHINES if can_be_staged(path)]


def stage(machine: Machine, root: Path) -> dict[str, str]:
    """Write the machine's files below *root*, and return its environment."""
    variables = {}
    for name, body in machine.sections.items():
        assert isinstance(body, str)
        if name[0] == "$":
            variables[name[1:]] = body.removesuffix("\n")
        elif name[0] == "/":
            write(root, name, body)
    if not (root / "proc/self/status").exists():
        affinity = (machine.fact("affinity") or "").strip()
        pid = (machine.fact("pid") or "7").strip()
        status = f"Name:\tsh\nPid:\t{pid}\nCpus_allowed_list:\t{affinity}\n"
        write(root, "/proc/self/status", status)
    if "!hostname" in machine.sections:
        write(root, "/proc/sys/kernel/hostname", machine.fact("hostname") or "")
    return variables


def write(root: Path, name: str, text: str) -> None:
    path = Path(f"{root}{name}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode("utf-8", "surrogateescape"))


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A PATH that has cat and nothing else."""
    directory = tmp_path_factory.mktemp("bin")
    cat = shutil.which("cat")
    assert cat is not None
    (directory / "cat").symlink_to(cat)
    return str(directory)


def written(shell: str, path: Path | None, root: Path, tools: str) -> str:
    """The machine file that the script writes of a staged machine, or of this one."""
    program = shutil.which(SHELLS[shell][0])
    if program is None:
        pytest.skip(f"there is no {shell}")
    text, variables = script(), {}
    if path is not None:
        machine = Machine(path.read_text("utf-8", "surrogateescape"))
        variables = stage(machine, root)
        text = text.replace("\nroot=\n", f"\nroot={root}\n")
    ran = subprocess.run(
        [program, *SHELLS[shell][1:], "-s"],
        input=text.encode(), capture_output=True, check=True, timeout=60,
        env={name.encode(): value.encode("utf-8", "surrogateescape")
             for name, value in {**variables, "PATH": tools}.items()},
    )  # fmt: skip
    assert ran.stderr == b""
    return ran.stdout.decode("utf-8", "surrogateescape")


def answer(estimate: Estimate) -> tuple[object, ...]:
    return estimate.parallelism, estimate.cpus, estimate.quota, estimate.binding.source


def check(shell: str, path: Path, root: Path, tools: str) -> None:
    expected = survey(Machine(path.read_text("utf-8", "surrogateescape")))

    assert answer(survey(Machine(written(shell, path, root, tools)))) == answer(expected), path.name


def test_most_machines_of_linux_can_be_staged() -> None:
    assert len(STAGEABLE) > 250


@pytest.mark.parametrize("path", STAGEABLE[::9], ids=lambda path: path.stem)
def test_some_machines_in_each_shell_in_turn(path: Path, tmp_path: Path, tools: str) -> None:
    check([*SHELLS][STAGEABLE.index(path) // 9 % 3], path, tmp_path, tools)


@pytest.mark.programs
@pytest.mark.parametrize("shell", SHELLS)
def test_every_machine(shell: str, tmp_path: Path, tools: str) -> None:
    wrong = []
    for path in STAGEABLE:
        try:
            check(shell, path, tmp_path / path.stem, tools)
        except AssertionError as error:
            wrong.append(str(error)[:200])

    assert wrong == []


@pytest.mark.parametrize("shell", SHELLS)
def test_this_machine(shell: str, tmp_path: Path, tools: str) -> None:
    snapshot = answer(survey(Machine(written(shell, None, tmp_path, tools))))
    estimate = answer(kumo.estimate())

    # Without /sys the C library knows how many CPUs are online, and a script does not.
    compared = 4 if os.path.exists("/sys/devices/system/cpu/online") else 3
    assert snapshot[:compared] == estimate[:compared]


def test_it_holds_nothing_of_others(tmp_path: Path, tools: str) -> None:
    """Other mounts, controllers, processes, and variables that no source announces."""
    machine = tmp_path / "machine.txt"
    machine.write_text("""\
-- !platform --
linux
-- !affinity --
0-3
-- $HOSTNAME --
secret-host
-- $SECRET --
secret-variable
-- $DEB_BUILD_OPTIONS --
secret-option
-- /proc/self/status --
Name:\tsecret-name
Uid:\t1000
Pid:\t7
Cpus_allowed_list:\t0-3
-- /proc/self/cgroup --
12:devices:/secret-devices
0::/app
-- /proc/self/mountinfo --
20 1 8:1 / / rw - zfs secret/root rw
21 20 8:1 / /home/secret rw - ext4 /dev/secret rw
22 20 0:5 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory,name=secret
29 24 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup rw
-- /sys/fs/cgroup/cgroup.procs --
1
4242
-- /sys/fs/cgroup/app/cpu.max --
150000 100000
-- /sys/fs/cgroup/app/cgroup.procs --
4243
-- /sys/devices/system/cpu/online --
0-3
-- /proc/sys/kernel/hostname --
secret-host
""")

    text = written("dash", machine, tmp_path / "root", tools)

    assert survey(Machine(text)).cpus == 1.5
    assert "secret" not in text
    assert "424" not in text


def test_it_prints_every_variable_that_an_estimate_of_a_machine_reads() -> None:
    """All that surveys of the machines of the tests found set."""
    named = set(re.findall(r"[A-Z_][A-Z0-9_]{2,}", script()))
    for path in MACHINES:
        machine = Machine(path.read_text("utf-8", "surrogateescape"))
        survey(machine)
        if machine.fact("platform") == "linux":
            asked = {name[1:] for name, value in machine.asked.items() if name[0] == "$" and value}
            assert asked <= named, path.name


def test_the_command_prints_it(capsys: pytest.CaptureFixture[str]) -> None:
    from kumo._command.main import main

    assert main(["snapshot", "--sh"]) == 0
    assert capsys.readouterr().out == script()
    assert main(["snapshot", "--sh", "--pid", "1"]) == 2
