"""Makes kumo.pyz: the command in one file, for any Python 3.10 or later, with nothing to install.

    python make_pyz.py [FILE]

The file is the same each time it is made from the same sources. The library of `kumo run --view`
is not in it, since a library cannot be loaded out of an archive: `--view` says that it is missing.
"""

from __future__ import annotations

import stat
import sys
import zipfile
from pathlib import Path

SOURCE = Path(__file__).resolve().parent / "src"
START = b"#!/usr/bin/env python3\n"
MAIN = """\
import sys
if sys.version_info < (3, 10):
    sys.exit("kumo: this needs Python 3.10 or later, not %d.%d" % sys.version_info[:2])
from kumo._command.main import main
sys.exit(main())
"""
LONG_AGO = (1980, 1, 1, 0, 0, 0)  # the least time that an archive can hold


def main(target: str = "kumo.pyz") -> None:
    """Write the file, and print its name."""
    path = Path(target)
    with path.open("wb") as file:
        file.write(START)
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            _add(archive, "__main__.py", MAIN.encode())
            files = [*SOURCE.rglob("*.py"), *SOURCE.rglob("*.html"), *SOURCE.rglob("*.sh")]
            for source in sorted(files):
                _add(archive, source.relative_to(SOURCE).as_posix(), source.read_bytes())
    path.chmod(path.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    print(path)


def _add(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    archive.writestr(zipfile.ZipInfo(name, LONG_AGO), content, zipfile.ZIP_DEFLATED)


if __name__ == "__main__":
    main(*sys.argv[1:2])
