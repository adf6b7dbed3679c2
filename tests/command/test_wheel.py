"""What the wheel holds, and that it is what the other tests run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest
from conftest import skip_real

from command.conftest import CHECKOUT, Kumo, run

VIEW = "kumo/_launch/libkumo_view.so"


def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_every_module_and_nothing_else(wheel: Path) -> None:
    sources = [
        path
        for path in (CHECKOUT / "src").rglob("*")
        if path.suffix in (".html", ".py", ".sh", ".typed")
    ]
    modules = {path.relative_to(CHECKOUT / "src").as_posix() for path in sources}
    (info,) = {name.partition("/")[0] for name in names(wheel) if ".dist-info/" in name}
    about = ("METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE")
    library = set() if wheel.name.endswith("-py3-none-any.whl") else {VIEW}

    shared = [path for path in (CHECKOUT / "share").rglob("*") if path.is_file()]
    data = info.replace(".dist-info", ".data/data")
    for_shells = {f"{data}/{path.relative_to(CHECKOUT).as_posix()}" for path in shared}

    assert names(wheel) == modules | library | for_shells | {f"{info}/{name}" for name in about}
    assert len(for_shells) == 4  # the man page and the completions of three shells
    assert "kumo/py.typed" in modules


@pytest.mark.programs
@pytest.mark.skipif(sys.platform != "linux", reason="the view is Linux's")
def test_the_library_of_the_view_comes_with_a_compiler_and_not_without(tmp_path: Path) -> None:
    """The wheel with it is for one architecture, and for glibc and musl; the other one is pure."""
    if not any(map(shutil.which, ("cc", "gcc", "clang"))):
        skip_real("no C compiler is installed")
    built = {}
    for name, variables in {
        "made": {"KUMO_BUILD_VIEW": "1"},
        "declined": {"KUMO_BUILD_VIEW": "0"},
        "no compiler": {"CC": "/nonexistent"},
        "a compiler that fails": {"CC": "false"},
    }.items():
        directory = tmp_path / name
        command = [
            sys.executable,
            "-m",
            "pip",
            "wheel",
            "-q",
            "--no-deps",
            "--no-build-isolation",
            "-w",
            str(directory),
        ]
        ran = subprocess.run(
            [*command, str(CHECKOUT)], env={**os.environ, **variables}, capture_output=True,
            text=True, check=False,
        )  # fmt: skip
        if ran.returncode != 0:
            skip_real(f"pip wheel failed, which needs pip and hatchling: {ran.stderr}")
        (built[name],) = directory.glob("*.whl")

    tags = built["made"].stem.partition("-py3-none-")[2].split(".")
    assert [tag.partition("_")[0] for tag in tags] == ["manylinux", "manylinux2014", "musllinux"]
    assert VIEW in names(built["made"])
    for name in ("declined", "no compiler", "a compiler that fails"):
        assert built[name].name.endswith("-py3-none-any.whl")
        assert VIEW not in names(built[name])


def test_metadata(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (path,) = [name for name in archive.namelist() if name.endswith("/METADATA")]
        metadata = message_from_bytes(archive.read(path))

    requirements = metadata.get_all("Requires-Dist") or []
    assert [name for name in requirements if "extra ==" not in name] == []
    assert (metadata["Name"], metadata["License-Expression"]) == ("kumo-parallelism", "Apache-2.0")
    assert (metadata["License-File"], metadata["Requires-Python"]) == ("LICENSE", ">=3.10")


@pytest.mark.programs
def test_the_installed_package_is_the_one_that_runs(
    kumo: Kumo, pytestconfig: pytest.Config
) -> None:
    if not pytestconfig.getoption("--installed"):
        pytest.skip("--installed builds and installs it")
    ran = run([kumo.python, "-c", "import kumo; print(kumo.__file__)"])

    assert (ran.code, ran.stderr) == (0, "")
    assert Path(ran.stdout.strip()).is_relative_to(kumo.directory)


def test_every_public_name_can_be_imported_without_a_warning(kumo: Kumo) -> None:
    script = "import kumo; from kumo import *; print({*kumo.__all__} - {*dir()})"

    ran = run([kumo.python, "-W", "error", "-X", "dev", "-c", script])

    assert ran == (0, "set()\n", "")


def test_import_reads_nothing(kumo: Kumo) -> None:
    script = (
        "import sys; opened = []\n"
        "sys.addaudithook(lambda e, a: opened.append(a[0]) if e == 'open' else None)\n"
        "import kumo; print([p for p in opened if str(p).startswith(('/proc', '/sys'))])"
    )

    assert run([kumo.python, "-c", script]) == (0, "[]\n", "")
