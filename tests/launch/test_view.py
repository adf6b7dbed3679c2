"""`kumo run --view`: what a command gets, sees and is told, and kumo inside a view."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from errno import EAGAIN
from pathlib import Path

import pytest
from command.conftest import Kumo, Ran, environment, run
from conftest import skip_real

from kumo._launch.files import cover, cut_cpuinfo, file_texts
from kumo._launch.view import binding, first, lowered, unreached, view_variables

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the view is Linux's")

Compiled = Callable[..., str]
Needs = Callable[[str], str]

OURS = "/opt/kumo/libkumo_view.so"
NPROC = ["--", "nproc"]


@pytest.fixture
def view(kumo: Kumo, library: str) -> Kumo:
    """The installed command where a view can be had."""
    return kumo


# --- the variables


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("", OURS),
        ("/lib/a.so", f"{OURS}:/lib/a.so"),
        ("/lib/a.so /lib/b.so", f"{OURS}:/lib/a.so /lib/b.so"),
        (f"/lib/a.so:{OURS}", f"/lib/a.so:{OURS}"),
        ("/elsewhere/libkumo_view.so", "/elsewhere/libkumo_view.so"),
    ],
)
def test_what_is_preloaded_already_stays_and_ours_is_once(given: str, expected: str) -> None:
    assert view_variables(4, {"LD_PRELOAD": given}, OURS)["LD_PRELOAD"] == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("", "verify_asan_link_order=0"),
        ("detect_leaks=0", "detect_leaks=0:verify_asan_link_order=0"),
        ("verify_asan_link_order=1", "verify_asan_link_order=1"),
    ],
)
def test_the_order_of_address_sanitizer(given: str, expected: str) -> None:
    assert view_variables(4, {"ASAN_OPTIONS": given}, OURS)["ASAN_OPTIONS"] == expected


def test_the_count_and_the_isolated_cpus() -> None:
    assert view_variables(4, {}, OURS)["KUMO_VIEW_CPUS"] == "4"
    assert "KUMO_VIEW_ISOLATED" not in view_variables(4, {}, OURS)
    assert view_variables(4, {}, OURS, "2-3")["KUMO_VIEW_ISOLATED"] == "2-3"


@pytest.mark.parametrize(
    ("shown", "expected"),
    [("8", {"KUMO_VIEW_CPUS": "4"}), ("4", {}), ("2", {}), ("", {}), ("x", {})],
)
def test_an_inner_run_without_a_view_of_its_own_lowers_the_outer_one(
    shown: str, expected: dict[str, str]
) -> None:
    assert lowered(4, {"KUMO_VIEW_CPUS": shown}) == expected


@pytest.mark.parametrize(
    ("mask", "isolated", "expected"),
    [
        (0xFF, 0, 0x0F),
        (0xF0, 0, 0xF0),
        (0xFF00, 0, 0x0F00),
        (0xFF, 0x03, 0x3C),
        (0xFF, 0xFE, 0x01),
        (0xFF, 0xFF, 0x0F),
        (0x05, 0x01, 0x05),
    ],
)
def test_which_cpus_are_shown(mask: int, isolated: int, expected: int) -> None:
    assert first(4, mask, isolated) == expected


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, None),
        ({"OMP_PROC_BIND": "true"}, "OMP_PROC_BIND"),
        ({"OMP_PROC_BIND": "FALSE", "GOMP_CPU_AFFINITY": "0-3"}, "GOMP_CPU_AFFINITY"),
        ({"KMP_AFFINITY": "disabled"}, None),
        ({"OMP_PLACES": ""}, None),
    ],
)
def test_who_binds_threads(variables: dict[str, str], expected: str | None) -> None:
    assert binding(variables) == expected


# --- what the library does not reach


def test_a_program_is_known_by_its_header(compiled: Compiled, needs: Needs, tmp_path: Path) -> None:
    script = tmp_path / "script"
    script.write_text(f"#!{needs('busybox')} sh\n")
    dynamic = compiled("word.c")

    assert unreached(dynamic) is None
    assert unreached(compiled("word.c", compiler="musl-gcc")) is None
    assert unreached(compiled("word.c", "-static")) == "is statically linked"
    assert unreached(compiled("word.c", "-static-pie")) == "is statically linked"
    assert unreached(str(script)) == "is statically linked"
    assert unreached(compiled("word.c", "-m32")) == "is a 32-bit program"
    assert unreached("/lib64/ld-linux-x86-64.so.2") is None


@pytest.mark.parametrize(
    "content",
    [b"", b"#!", b"#!\n", b"#!/nonexistent\n", b"\x7fELF", b"\x7fELF" + b"\xff" * 60, b"text"],
    ids=repr,
)
def test_what_is_no_program_is_left_to_exec(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "odd"
    path.write_bytes(content)

    assert unreached(str(path)) in (None, f"is not a program for {os.uname().machine}")


def test_a_setuid_program(compiled: Compiled, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        skip_real("only root can give a program to another user")
    program = tmp_path / "setuid"
    shutil.copyfile(compiled("word.c"), program)
    os.chown(program, 65534, -1)
    program.chmod(0o4755)

    assert unreached(str(program)) == "is setuid or has capabilities"


@pytest.mark.parametrize(
    ("flags", "options", "why"),
    [(["-static"], [], "is statically linked"), (["-m32"], [], "is a 32-bit program")],
    ids=["static", "32 bits"],
)
def test_it_is_said_before_the_command_starts(
    view: Kumo, compiled: Compiled, flags: list[str], options: list[str], why: str
) -> None:
    program = compiled("word.c", *flags)

    ran = view("run", "--max", "1", "--view", "--", program)
    quiet = view("run", "--max", "1", "--view", "--quiet", "--", program)

    assert (ran.code, ran.stdout) == (0, "ran\n")
    assert ran.stderr.splitlines()[0] == f"kumo: {program} {why}; --view does not reach it"
    assert "kumo:" not in quiet.stderr


def test_threads_that_are_bound_are_pointed_to_pin(view: Kumo) -> None:
    ran = view("run", "--max", "1", "--view", *NPROC, OMP_PROC_BIND="close")

    assert (ran.code, ran.stdout) == (0, "1\n")
    assert ran.stderr.startswith("kumo: OMP_PROC_BIND is set")
    assert "--pin" in ran.stderr


# --- the command


def test_the_command_sees_so_many_cpus(view: Kumo) -> None:
    assert view("run", "--max", "1", "--view", *NPROC) == (0, "1\n", "")
    assert view("run", "--max", "1", "--view", "nproc") == (0, "1\n", "")


def test_nothing_is_pinned(view: Kumo) -> None:
    true = ["grep", "Cpus_allowed_list", "/proc/self/status"]

    assert view("run", "--max", "1", "--view", "--", *true) == run(true)


@pytest.mark.parametrize("command", ["exit 3", "echo out; echo err >&2", "kill -TERM $$", "cat x"])
def test_output_and_exit_code_are_as_they_were(view: Kumo, command: str) -> None:
    shell = ["sh", "-c", command]

    assert view("run", "--max", "1", "--view", "--", *shell) == run(shell)


def test_a_terminal_is_told(view: Kumo, terminal: Callable[[list[str]], object]) -> None:
    one = terminal([view.script, "run", "--max", "1", "--view", "--", "nproc"])
    every = os.sysconf("SC_NPROCESSORS_ONLN")

    status, shown = one.end()  # type: ignore[attr-defined]  # a Terminal

    said, *_, count = shown.splitlines()
    assert said == f"kumo: showing 1 of {every} CPUs to this command (nothing is pinned)"
    assert (status, count) == (0, "1")


def test_print_and_env(view: Kumo) -> None:
    printed = view("run", "--max", "1", "--view", "--print")
    env = json.loads(view("env", "--max", "1", "--view", "--json").stdout)["environment"]
    shell = view("env", "--max", "1", "--view").stdout

    assert "\nview: KUMO_VIEW_CPUS=1\n" in printed.stdout
    assert (env["KUMO_VIEW_CPUS"], env["ASAN_OPTIONS"]) == ("1", "verify_asan_link_order=0")
    assert Path(env["LD_PRELOAD"]).name == "libkumo_view.so"
    assert run(["sh", "-c", f"{shell}\nnproc"]).stdout == "1\n"


def test_the_users_own_preload_comes_along(view: Kumo, library: str) -> None:
    ran = view(
        "run", "--max", "1", "--view", "--", "sh", "-c", "echo $LD_PRELOAD; nproc",
        LD_PRELOAD="/lib/x86_64-linux-gnu/libpthread.so.0",
    )  # fmt: skip

    preload, count = ran.stdout.split()
    assert preload.endswith("/libkumo_view.so:/lib/x86_64-linux-gnu/libpthread.so.0")
    assert count == "1"


def test_views_within_views(view: Kumo) -> None:
    """An inner one shows no more than the outer, and the library comes once."""
    inner = [view.script, "run", "--view", "--max", "9", "--", "sh", "-c"]
    lower = [view.script, "run", "--max", "1", "--", "nproc"]

    ran = view("run", "--max", "1", "--view", "--", *inner, "nproc; echo $LD_PRELOAD")
    lowered = view("run", "--max", "2", "--view", "--", *lower)

    assert (ran.stdout.split()[0], ran.stdout.count("libkumo_view")) == ("1", 1)
    assert lowered.stdout == "1\n"


def test_with_a_pin(view: Kumo) -> None:
    script = "nproc; grep Cpus_allowed_list /proc/self/status | cut -f 2 | grep -c -e - -e ,; true"

    ran = view("run", "--max", "1", "--view", "--pin", "--", "sh", "-c", script)

    assert ran == (0, "1\n0\n", "")


def test_one_child_without(view: Kumo) -> None:
    script = "env -u KUMO_VIEW_CPUS nproc"
    without = view("run", "--max", "1", "--without", "omp", "--view", "--", "sh", "-c", script)

    assert without.stdout == run(["nproc"]).stdout


# --- where it cannot be had


@pytest.fixture
def copy(wheel: Path, tmp_path: Path, library: str) -> Callable[[Path], Callable[..., Ran]]:
    """Unpack the wheel into a directory, and return kumo as it runs from there."""

    def unpack(directory: Path) -> Callable[..., Ran]:
        shutil.unpack_archive(wheel, directory, "zip")
        return lambda *words: run([sys.executable, "-m", "kumo", *words], PYTHONPATH=str(directory))

    return unpack


def test_a_pure_wheel_says_so(copy: Callable[[Path], Callable[..., Ran]], tmp_path: Path) -> None:
    pure = copy(tmp_path)
    (tmp_path / "kumo/_launch/libkumo_view.so").unlink()

    ran = pure("run", "--view", *NPROC)

    assert (ran.code, ran.stdout) == (3, "")
    assert ran.stderr.startswith("kumo: --view: this installation of kumo comes without its lib")
    assert pure("run", *NPROC).code == 0


def test_a_path_that_ld_preload_cannot_hold(
    copy: Callable[[Path], Callable[..., Ran]], tmp_path: Path
) -> None:
    ran = copy(tmp_path / "a b")("run", "--view", *NPROC)

    assert (ran.code, ran.stdout) == (3, "")
    assert "has a space or a colon in it" in ran.stderr


@pytest.mark.parametrize(
    ("options", "code"), [("noexec", 3), ("ro", 0)], ids=["noexec", "read-only"]
)
def test_mounts(
    copy: Callable[[Path], Callable[..., Ran]], tmp_path: Path, options: str, code: int
) -> None:
    if os.geteuid() != 0:
        skip_real("only root can mount")
    copy(tmp_path)
    bind = f"mount --bind {tmp_path} {tmp_path}"
    script = f'{bind} && mount -o remount,bind,{options} {tmp_path} && exec "$0" "$@"'
    kumo = [sys.executable, "-B", "-m", "kumo", "run", "--max", "1", "--view", *NPROC]

    ran = run(["unshare", "-m", "sh", "-c", script, *kumo], PYTHONPATH=str(tmp_path))

    assert ran.code == code
    assert ran.stdout == ("1\n" if code == 0 else "")
    assert ("mounted noexec" in ran.stderr) == (options == "noexec")


def test_root_is_told_if_other_users_cannot_load_it(
    copy: Callable[[Path], Callable[..., Ran]],
    tmp_path: Path,
    terminal: Callable[[list[str]], object],
) -> None:
    if os.geteuid() != 0:
        skip_real("only root becomes other users")
    copy(tmp_path)
    library = tmp_path / "kumo/_launch/libkumo_view.so"
    library.chmod(0o700)
    command = [sys.executable, "-m", "kumo", "run", "--max", "1", "--view", *NPROC]

    status, shown = terminal(["/usr/bin/env", f"PYTHONPATH={tmp_path}", *command]).end()  # type: ignore[attr-defined]  # a Terminal

    assert status == 0
    assert f"kumo: other users cannot read {library}; --view does not" in shown


# --- kumo inside a view

ASK = """\
import json, os, kumo
first, second = kumo.available_parallelism(), kumo.available_parallelism()
print(json.dumps([first, second, kumo.estimate().parallelism, kumo.estimate("thread").parallelism]))
from kumo._hot import count
kept = count._kept
os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
print("kept" if kept else "surveyed", "still" if count._kept is kept else "no more")
print(json.dumps([kumo.available_parallelism(), kumo.estimate().parallelism]))
"""
FREE = ["--without", "KUMO_AVAILABLE_PARALLELISM", "--without", "PYTHON_CPU_COUNT"]


def test_kumo_answers_as_outside(view: Kumo) -> None:
    """Whatever reads the limits sees the true ones, and a pin that the program sets itself."""
    outside = run([view.python, "-c", ASK])

    inside = view("run", "--max", "1", "--view", *FREE, "--", view.python, "-c", ASK)

    assert outside.stdout.endswith("[1, 1]\n")
    assert inside == outside


def test_explain_and_json_say_that_there_is_a_view(view: Kumo) -> None:
    outside = json.loads(view("explain", "--json").stdout)
    command = ["--", view.script, "explain", "--json"]

    inside = json.loads(view("run", "--max", "1", "--view", *FREE, *command).stdout)

    assert [note["code"] for note in inside.pop("notes")] == ["view"]
    assert outside.pop("notes") == []
    assert inside == outside


def test_a_process_in_a_view_is_seen_from_outside(view: Kumo) -> None:
    child = subprocess.Popen(
        [view.script, "run", "--max", "1", "--view", *FREE, "--", "sleep", "60"],
        env=environment(),
    )
    try:
        while Path(f"/proc/{child.pid}/comm").read_text() != "sleep\n":
            pass
        explained = json.loads(view("explain", "--json", "--pid", str(child.pid)).stdout)
    finally:
        child.kill()
        child.wait()

    assert explained["parallelism"] == json.loads(view("explain", "--json").stdout)["parallelism"]
    assert [note["code"] for note in explained["notes"]] == ["view"]


WATCH = """\
import kumo, os, time
with kumo.watch() as watch:
    first = watch.estimate.parallelism
    os.sched_setaffinity(0, {0})
    while watch.estimate.parallelism == first: time.sleep(0.02)
    print(first, watch.estimate.parallelism)
"""


def test_a_watch_follows_inside_a_view(view: Kumo) -> None:
    every = view().stdout.strip()

    ran = view("run", "--max", "1", "--view", *FREE, "--", view.python, "-c", WATCH)

    assert ran == (0, f"{every} 1\n", "")


# --- files

CPUINFO = """\
processor\t: 0
siblings\t: 4
core id\t\t: 0
physical id\t: 0
cpu cores\t: 2

processor\t: 1
siblings\t: 4
core id\t\t: 1
physical id\t: 0
cpu cores\t: 2

processor\t: 2
siblings\t: 4
core id\t\t: 0
physical id\t: 0
cpu cores\t: 2

"""


def test_cpuinfo_of_fewer_cpus() -> None:
    text = cut_cpuinfo(CPUINFO, 0b101)

    assert [line for line in text.splitlines() if line.startswith("processor")] == [
        "processor\t: 0",
        "processor\t: 2",
    ]
    assert "siblings\t: 2\n" in text
    assert "cpu cores\t: 1\n" in text
    assert text.endswith("\n\n")
    assert cut_cpuinfo("Hardware : x\n", 1) == "Hardware : x\n\n"


def test_the_files_of_a_view() -> None:
    there = {
        "/sys/devices/system/cpu/online": "0-63\n",
        "/sys/devices/system/node/node0/cpulist": "0-31\n",
        "/sys/devices/system/node/node0/cpumap": "00000000,ffffffff\n",
        "/sys/devices/system/node/node1/cpulist": "32-63\n",
        "/sys/devices/system/node/node1/cpumap": "ffffffff,00000000\n",
    }

    assert file_texts(0xF0, there.get, ["node0", "node1", "node2"]) == {
        "/sys/devices/system/cpu/online": "4-7\n",
        "/sys/devices/system/node/node0/cpulist": "4-7\n",
        "/sys/devices/system/node/node0/cpumap": "00000000,000000f0\n",
        "/sys/devices/system/node/node1/cpulist": "\n",
        "/sys/devices/system/node/node1/cpumap": "00000000,00000000\n",
    }


LOOK = (
    "nproc; grep -c ^processor /proc/cpuinfo; lscpu --parse=cpu | grep -vc '#'; "
    "getconf _NPROCESSORS_CONF"
)


def left() -> list[str]:
    lines = Path("/proc/self/mounts").read_text().splitlines()
    return [line for line in lines if "kumo-view" in line]


def can_mount() -> None:
    if os.geteuid() != 0 and subprocess.run(["unshare", "-Urm", "true"], check=False).returncode:
        skip_real("neither root nor user namespaces")


def test_files_are_replaced_for_the_command_alone(view: Kumo) -> None:
    can_mount()

    ran = view("run", "--max", "1", "--view=files", "--", "sh", "-c", LOOK)

    assert ran == (0, f"1\n1\n1\n{os.sysconf('SC_NPROCESSORS_CONF')}\n", "")
    assert left() == []
    assert not list(Path(os.environ.get("TMPDIR", "/tmp")).glob("kumo-view-??????*/0"))


def test_files_for_an_ordinary_user(wheel: Path, shared: Path, library: str) -> None:
    if os.geteuid() != 0:
        skip_real("only root can become an ordinary user; the test above is one's own")
    system = "/usr/bin/python3"
    if run([system, "-c", "import sys; sys.exit(sys.version_info < (3, 10))"]).code:
        skip_real("there is no Python that another user may run")
    shutil.unpack_archive(wheel, shared / "unpacked", "zip")
    user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    kumo = [system, "-B", "-m", "kumo", "run", "--max", "1", "--view=files", "--", "sh", "-c", LOOK]

    ran = run([*user, *kumo], PYTHONPATH=str(shared / "unpacked"))

    assert ran == (0, f"1\n1\n1\n{os.sysconf('SC_NPROCESSORS_CONF')}\n", "")


def test_without_another_process_the_library_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit on processes is reached: files are tried in a child first."""

    def refused() -> int:
        raise BlockingIOError(EAGAIN, os.strerror(EAGAIN))

    before = len(os.listdir("/dev/fd"))
    monkeypatch.setattr(os, "fork", refused)

    assert cover({}) == f"fork: {os.strerror(EAGAIN)}"
    assert len(os.listdir("/dev/fd")) == before


def test_a_nested_view_of_files(view: Kumo) -> None:
    can_mount()
    inner = [view.script, "run", "--max", "1", "--view=files", "--", "sh", "-c", LOOK]

    ran = view("run", "--max", "2", "--view=files", "--", *inner)

    assert ran == (0, f"1\n1\n1\n{os.sysconf('SC_NPROCESSORS_CONF')}\n", "")


def test_where_files_are_refused_the_library_is_left(view: Kumo, compiled: Compiled) -> None:
    forbidding = compiled("no_unshare.c")

    ran = view("run", "--max", "1", "--view=files", "--", "nproc", prefix=[forbidding])

    assert (ran.code, ran.stdout) == (0, "1\n")
    assert ran.stderr == (
        "kumo: cannot replace the CPU files here (unshare: Operation not permitted); "
        "only library calls are covered\n"
    )


# Podman's profile, which is made from Docker's. It allows unshare and mount to a process with the
# right to them, as of a user namespace; Docker's refuses them without CAP_SYS_ADMIN.
PODMAN = "/usr/share/containers/seccomp.json"
RULES = {"Podman": (), "Docker": ("unshare", "mount", "umount2", "setns")}


@pytest.fixture
def container(needs: Needs, rules: str) -> list[str]:
    """What to put before a command that is to have a container's capabilities and rules."""
    if os.geteuid() != 0:
        skip_real("only root can load rules and give up capabilities")
    if not Path(PODMAN).exists():
        skip_real(f"{PODMAN} is not there: tests/launch/install.sh")
    needs("setpriv")
    script = Path(__file__).with_name("container_rules.py")
    return [sys.executable, str(script), PODMAN, *RULES[rules], "--"]


@pytest.mark.parametrize("rules", RULES)
@pytest.mark.parametrize("build", [{}, {"compiler": "musl-gcc"}], ids=["glibc", "musl"])
def test_the_rules_of_a_container(
    view: Kumo, compiled: Compiled, container: list[str], rules: str, build: dict[str, str]
) -> None:
    program = compiled("seen.c", **build)
    user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    plain = ["run", "--max", "1", "--view", "--"]
    look = ["sh", "-c", f"{program} && grep -c ^processor /proc/cpuinfo"]

    as_root = view(*plain, program, prefix=container)
    as_user = view(*plain, *user, program, prefix=container)
    files = view("run", "--max", "1", "--view=files", "--", *look, prefix=container)

    assert (as_root.code, as_root.stdout[:12], as_root.stderr) == (0, "1 1 1 1 1 1 ", "")
    assert as_user == as_root
    refused = files.stderr.startswith("kumo: cannot replace the CPU files here (unshare: ")
    assert (files.code, refused) == (0, rules == "Docker")
    cpus = os.cpu_count() if refused else 1
    assert files.stdout == f"{as_root.stdout}{cpus}\n"


@pytest.mark.parametrize("rules", RULES)
def test_an_ordinary_user_in_a_hardened_container(
    wheel: Path, shared: Path, library: str, container: list[str], rules: str
) -> None:
    """Rules, no right to mount, a package that is read-only, and a noexec directory for files."""
    can_mount()
    system = "/usr/bin/python3"
    if run([system, "-c", "import sys; sys.exit(sys.version_info < (3, 10))"]).code:
        skip_real("there is no Python that another user may run")
    package, files = shared / "package", shared / "files"
    shutil.unpack_archive(wheel, package, "zip")
    files.mkdir(exist_ok=True)
    mounts = (
        'mount --bind "$0" "$0" && mount -o remount,bind,ro,nosuid "$0" && '
        'mount -t tmpfs -o noexec,nosuid,nodev,mode=1777 none "$1" && shift && exec "$@"'
    )
    before = ["unshare", "--mount", "sh", "-c", mounts, str(package), str(files), *container]
    user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    kumo = [system, "-B", "-m", "kumo", "run", "--max", "1", "--view=files", "--", "sh", "-c", LOOK]

    ran = run([*before, *user, *kumo], PYTHONPATH=str(package), TMPDIR=str(files))

    conf = os.sysconf("SC_NPROCESSORS_CONF")
    refused = ran.stderr.startswith("kumo: cannot replace the CPU files here (unshare: ")
    cpus = os.cpu_count() if refused else 1
    assert (ran.code, ran.stdout, refused) == (0, f"1\n{cpus}\n{cpus}\n{conf}\n", rules == "Docker")
    assert ran.stderr.count("\n") == refused


def test_a_static_command_keeps_the_true_files(view: Kumo, needs: Needs) -> None:
    """MKL aborts if the files and the mask disagree, so that one without the other is not given."""
    count = [needs("busybox"), "grep", "-c", "^processor", "/proc/cpuinfo"]

    ran = view("run", "--max", "1", "--view=files", "--", *count)

    assert ran.stdout == run(count).stdout
    assert ran.stderr == (
        f"kumo: {count[0]} is statically linked; --view does not reach it; "
        "its files stay as they are\n"
    )


def test_kumo_sees_the_true_machine_behind_the_files(view: Kumo) -> None:
    can_mount()
    command = ["--", view.script, "explain", "--json"]

    ran = view("run", "--max", "1", "--view=files", *FREE, *command)

    assert json.loads(ran.stdout)["parallelism"] == int(view().stdout)
