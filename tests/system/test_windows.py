"""Windows: the layouts against a compiler's headers, and kumo in a real Python, under Wine."""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from shutil import which

import pytest
from conftest import skip_real

import kumo
from kumo._system import windows as win32

pytestmark = pytest.mark.programs

HERE = Path(__file__).parent
WINE = Path("/usr/lib/wine/wine64")
CACHE = Path(os.environ.get("KUMO_WINDOWS_CACHE") or Path.home() / ".cache" / "kumo-windows")
PYTHON = CACHE / "cp311" / "python.exe"
COMPILER = "x86_64-w64-mingw32-gcc"
Run = Callable[..., str]

LAYOUTS = {
    "sizeof GROUP_AFFINITY": ctypes.sizeof(win32.GroupAffinity),
    "GROUP_AFFINITY.Mask": win32.GroupAffinity.Mask.offset,
    "GROUP_AFFINITY.Group": win32.GroupAffinity.Group.offset,
    "GROUP_AFFINITY.Reserved": win32.GroupAffinity.Reserved.offset,
    "sizeof JOBOBJECT_CPU_RATE_CONTROL_INFORMATION": ctypes.sizeof(win32.CpuRateControl),
    "JOBOBJECT_CPU_RATE_CONTROL_INFORMATION.ControlFlags": win32.CpuRateControl.ControlFlags.offset,
    "JOBOBJECT_CPU_RATE_CONTROL_INFORMATION.CpuRate": win32.CpuRateControl.CpuRate.offset,
    "JOBOBJECT_CPU_RATE_CONTROL_INFORMATION.Weight": win32.CpuRateControl.Weight.offset,
    "JobObjectCpuRateControlInformation": win32.JOB_OBJECT_CPU_RATE_CONTROL,
    "ComputerNamePhysicalDnsHostname": win32.COMPUTER_NAME_PHYSICAL_DNS_HOSTNAME,
    "JOB_OBJECT_CPU_RATE_CONTROL_ENABLE": win32.ENABLE,
    "JOB_OBJECT_CPU_RATE_CONTROL_WEIGHT_BASED": win32.WEIGHT_BASED,
    "JOB_OBJECT_CPU_RATE_CONTROL_HARD_CAP": win32.HARD_CAP,
    "ALL_PROCESSOR_GROUPS": win32.ALL_PROCESSOR_GROUPS,
    "MAXIMUM_PROC_PER_GROUP": win32.GROUP,
    "sizeof MEMORYSTATUSEX": ctypes.sizeof(win32.MemoryStatus),
    "MEMORYSTATUSEX.ullTotalPhys": win32.MemoryStatus.TotalPhys.offset,
    "sizeof HANDLE": ctypes.sizeof(ctypes.c_void_p),
    "sizeof USHORT": ctypes.sizeof(ctypes.c_uint16),
    "sizeof BOOL": ctypes.sizeof(ctypes.c_int),
    "sizeof DWORD": ctypes.sizeof(ctypes.c_uint32),
    "sizeof DWORD_PTR": ctypes.sizeof(ctypes.c_size_t),
}


@pytest.fixture(scope="module")
def wine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Run a program for Windows, from drive C, and give what it prints."""
    if not WINE.exists():
        skip_real("no Wine; tests/system/install.sh brings it")
    prefix = tmp_path_factory.mktemp("wine")
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "KUMO"))
    } | {
        "WINEPREFIX": str(prefix),
        "WINEDEBUG": "-all",
        "WINEDLLOVERRIDES": "mscoree,mshtml,winemenubuilder.exe=",
        "DISPLAY": "",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": "Z:" + str(Path(kumo.__file__).parent.parent),
    }

    def run(program: Path, *arguments: str) -> str:
        start = prefix / "drive_c"
        done = subprocess.run(
            [WINE, program, *arguments],
            input="",  # a Python under Wine starts with pipes, and not with /dev/null
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            env=environment,
            cwd=start if start.exists() else prefix,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    subprocess.run(
        [WINE, "wineboot", "--init"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
        timeout=120,
        env=environment,
    )
    yield run
    server = WINE.with_name("wineserver64")
    subprocess.run([server, "-k"], env=environment, check=False, timeout=60)


@pytest.fixture(scope="module")
def python(wine: Run) -> Run:
    """Run a program in a Python for Windows, with kumo on its path."""
    if not PYTHON.exists():
        skip_real(f"no {PYTHON}; tests/system/install.sh brings it")
    return lambda *arguments: wine(PYTHON, *arguments)


def test_layouts_and_constants_are_the_headers(wine: Run, tmp_path: Path) -> None:
    compiler = which(COMPILER)
    if compiler is None:
        skip_real(f"no {COMPILER}; tests/system/install.sh brings it")
    program = tmp_path / "layouts.exe"
    subprocess.run(
        [compiler, "-D_WIN32_WINNT=0x0A00", HERE / "layouts.c", "-o", program], check=True
    )

    lines = wine(program).splitlines()

    assert {name: int(value) for name, _, value in (line.rpartition(" ") for line in lines)} == (
        LAYOUTS
    )


CPUS = f"""
import ctypes, kumo
kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
kernel32.GetCurrentProcess.restype = ctypes.c_void_p
process = ctypes.c_void_p(kernel32.GetCurrentProcess())
every = kernel32.GetActiveProcessorCount({win32.ALL_PROCESSOR_GROUPS})
def shown(scope="process"):
    estimate = kumo.estimate(scope)
    limits = [(limit.source, limit.cpus, limit.where) for limit in estimate.limits]
    print(estimate.parallelism, limits, [note.code for note in estimate.notes], sep="|")
"""


def test_a_process_without_limits(python: Run) -> None:
    """The CPUs on line are asked of ``/sys`` too, which Wine shows to programs for Windows."""
    shown, every = python("-c", CPUS + "shown()\nprint(every)").splitlines()

    assert every == str(os.cpu_count())
    assert shown.startswith(
        f"{every}|[('affinity', {every}, 'GetProcessAffinityMask'), ('online', {every}, "
    )
    assert shown.endswith("|[]")


def test_a_process_that_is_bound_to_one_cpu(python: Run) -> None:
    bound = "assert kernel32.SetProcessAffinityMask(process, ctypes.c_size_t(1))\nshown()"

    assert python("-c", CPUS + bound).startswith("1|[('affinity', 1, 'GetProcessAffinityMask'), ")


def test_the_machines_memory(python: Run) -> None:
    total = python("-c", "from kumo._system.calls import FACTS; print(FACTS['memory'](None))")

    assert int(total) >= 2**26


def test_a_thread_that_has_pinned_itself(python: Run) -> None:
    if (os.cpu_count() or 1) < 2:
        skip_real("one CPU: a thread that is pinned is as wide as the process")
    pinned = (
        "kernel32.GetCurrentThread.restype = ctypes.c_void_p\n"
        "thread = ctypes.c_void_p(kernel32.GetCurrentThread())\n"
        "assert kernel32.SetThreadAffinityMask(thread, ctypes.c_size_t(2))\n"
        "shown()\nshown('thread')"
    )

    process, thread = python("-c", CPUS + pinned).splitlines()

    assert process.partition("|")[0] == str(os.cpu_count())
    assert thread.partition("|")[0] == "1"


def test_a_job(python: Run) -> None:
    """Wine has jobs and no control of their rate: what it refuses is a note, as on a machine."""
    job = (
        "kernel32.CreateJobObjectW.restype = ctypes.c_void_p\n"
        "job = ctypes.c_void_p(kernel32.CreateJobObjectW(None, None))\n"
        "assert kernel32.AssignProcessToJobObject(job, process)\n"
        "from kumo._system.windows import CpuRateControl\n"
        "cap = CpuRateControl(ControlFlags=5)\n"
        "cap.CpuRate = 2500\n"
        "print(kernel32.SetInformationJobObject(job, 15, ctypes.byref(cap), 8))\n"
        "shown()"
    )

    refused, shown = python("-c", CPUS + job).splitlines()

    _, limits, notes = shown.split("|")
    if refused == "0":
        assert notes == "['unreadable']"
    else:
        assert "'job-object', " in limits
        assert notes == "['job-parents-hidden']"


def test_a_job_of_htcondor_and_one_of_lsf(python: Run) -> None:
    """The host's name and paths as Windows has them."""
    program = (
        "import os, socket, kumo\n"
        "ad = os.path.abspath('.machine.ad')\n"
        "open(ad, 'w').write('Cpus = 1\\n')\n"
        "os.environ.update(LSB_JOBID='7', LSB_HOSTS=socket.gethostname(), _CONDOR_MACHINE_AD=ad)\n"
        "estimate = kumo.estimate()\n"
        "print(ad)\n"
        "print(*[(x.cpus, x.where) for x in estimate.limits if x.kind == 'allocation'], sep='|')\n"
        "print(estimate.notes)"
    )

    path, limits, notes = python("-c", program).splitlines()

    assert path.endswith(":\\.machine.ad")
    assert limits == f"(1, '$LSB_HOSTS')|(1, {path!r})"
    assert notes == "()"


def test_the_command(python: Run) -> None:
    assert python("-m", "kumo").split() == [str(os.cpu_count())]
    assert "GetProcessAffinityMask" in python("-m", "kumo", "explain")
    assert "-- !platform --\nwin32\n" in python("-m", "kumo", "snapshot")
