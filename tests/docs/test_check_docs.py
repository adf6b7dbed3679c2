"""docs/check_docs.py finds wrong examples, links and options, and writes outputs anew."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "docs" / "check_docs.py"
RIGHT = """# A page

```console
$ kumo --machine tests/machines/coreutils-108-399pct.txt
3
$ KUMO_AVAILABLE_PARALLELISM=auto kumo; echo $?
kumo: KUMO_AVAILABLE_PARALLELISM='auto' is not a positive decimal integer, such as 4
3
```

```pycon
>>> 1 + 1
2

```

[A heading](#a-page)
"""


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_page_that_is_right(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(RIGHT, "utf-8")
    ran = run(str(page))
    assert (ran.returncode, ran.stderr) == (0, "")


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        (
            "\n3\n$",
            "\n4\n$",
            "coreutils-108-399pct.txt\nprints\n3",
        ),
        (">>> 1 + 1\n2", ">>> 1 + 1\n3", "Expected:\n    3"),
        ("(#a-page)", "(#another)", "#another leads to no heading"),
        ("(#a-page)", "(page2.md)", "page2.md leads to no file"),
        ("$ kumo --machine tests/machines/coreutils-108-399pct.txt\n3", "$ kumo\n2", "elsewhere"),
        ("# A page", "```sh\nif\n```", "line 2: bash:"),
        ("# A page", "```python\nif:\n```", "line 2: invalid syntax"),
        ("# A page", "```sh\nmake -j$(kumo explain --jsn)\n```", "kumo explain has no --jsn"),
    ],
)
def test_a_page_that_is_wrong(tmp_path: Path, right: str, wrong: str, message: str) -> None:
    assert right in RIGHT
    page = tmp_path / "page.md"
    page.write_text(RIGHT.replace(right, wrong), "utf-8")
    ran = run(str(page))
    assert ran.returncode == 1
    assert message in ran.stderr


def test_outputs_are_written_anew(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(RIGHT.replace("\n3\n$", "\n4\n5\n6\n$").replace("such as 4\n3", "x"), "utf-8")
    ran = run("--update", str(page))
    assert (ran.returncode, ran.stderr) == (0, "")
    assert page.read_text("utf-8") == RIGHT
