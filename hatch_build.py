"""Compiles the library of `kumo run --view` into the wheel, if that can be done here.

With the library the wheel is one for this architecture, for any Python 3 and for glibc and musl
alike: the file needs nothing but the kernel. Without it the wheel is pure, everything but `--view`
works, and `--view` says so.

KUMO_BUILD_VIEW=0 asks for the pure wheel. KUMO_BUILD_VIEW=1 fails if the library cannot be made.
"""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SOURCE = "src/kumo/_launch/view.c"
LIBRARY = "kumo/_launch/libkumo_view.so"
ARCHITECTURES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64"}
# The file uses no symbol of a version and needs no other library, so that it fits all of these.
# https://packaging.python.org/en/latest/specifications/platform-compatibility-tags/
TAG = "py3-none-manylinux_2_17_{0}.manylinux2014_{0}.musllinux_1_1_{0}"
FLAGS = (
    "-std=gnu11 -O2 -fPIC -shared -nostdlib -fvisibility=hidden -fno-stack-protector -fno-builtin "
    # Else loops become calls of memset and memcpy, which no library is named for.
    "-fno-tree-loop-distribute-patterns "
    "-Wl,--hash-style=both,--build-id=none,-z,now,-z,relro,-z,noexecstack -s"
)


class CustomBuildHook(BuildHookInterface):  # type: ignore[misc]
    """Adds the library to a wheel, and to the source tree of an editable install."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        wish = os.environ.get("KUMO_BUILD_VIEW", "")
        if self.target_name != "wheel" or wish == "0":
            return
        self.workspace = tempfile.mkdtemp(prefix="kumo-build-")
        made = Path(self.workspace) / "libkumo_view.so"
        failure = compile_library(Path(self.root) / SOURCE, made)
        if failure and wish == "1":
            raise RuntimeError(f"the library of kumo run --view: {failure}")
        if failure:
            self.app.display_warning(f"a wheel without the library of kumo run --view: {failure}")
        elif version == "editable":
            library = Path(self.root) / "src" / LIBRARY
            whole = shutil.copyfile(made, library.with_suffix(f".{os.getpid()}"))
            os.replace(whole, library)  # programs that run with the old one keep it
        else:
            build_data["force_include"][str(made)] = LIBRARY
            build_data["pure_python"] = False
            build_data["tag"] = TAG.format(ARCHITECTURES[platform.machine().lower()])

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        shutil.rmtree(getattr(self, "workspace", ""), ignore_errors=True)


def compile_library(source: Path, made: Path) -> str | None:
    """Compile the library, and return why that is impossible here, `None` if it is done."""
    if sys.platform != "linux" or platform.machine().lower() not in ARCHITECTURES:
        return f"it is for Linux on x86-64 and aarch64, not {sys.platform} on {platform.machine()}"
    words = (
        shlex.split(os.environ.get("CC", ""))
        or [path for name in ("cc", "gcc", "clang") if (path := shutil.which(name))][:1]
    )
    if not words:
        return "no C compiler was found (cc, gcc, clang, or $CC)"
    command = [*words, *FLAGS.split(), "-o", str(made), str(source)]
    try:
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        return f"{words[0]}: {error.strerror}"
    return None if ran.returncode == 0 else f"{shlex.join(command)}\n{ran.stderr.strip()}"
