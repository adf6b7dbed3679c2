"""What the wheel holds, and that it is what the other tests run."""

from __future__ import annotations

import zipfile
from email import message_from_bytes
from pathlib import Path

from command.conftest import CHECKOUT, Kumo, run


def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_every_module_and_nothing_else(wheel: Path) -> None:
    sources = [path for path in (CHECKOUT / "src").rglob("*") if path.suffix in (".py", ".typed")]
    modules = {path.relative_to(CHECKOUT / "src").as_posix() for path in sources}
    (info,) = {name.partition("/")[0] for name in names(wheel) if ".dist-info/" in name}
    about = ("METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE")

    assert names(wheel) == modules | {f"{info}/{name}" for name in about}
    assert "kumo/py.typed" in modules


def test_metadata(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        (path,) = [name for name in archive.namelist() if name.endswith("/METADATA")]
        metadata = message_from_bytes(archive.read(path))

    requirements = metadata.get_all("Requires-Dist") or []
    assert [name for name in requirements if "extra ==" not in name] == []
    assert (metadata["Name"], metadata["License-Expression"]) == ("kumo-parallelism", "Apache-2.0")
    assert (metadata["License-File"], metadata["Requires-Python"]) == ("LICENSE", ">=3.10")


def test_the_installed_package_is_the_one_that_runs(kumo: Kumo) -> None:
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
