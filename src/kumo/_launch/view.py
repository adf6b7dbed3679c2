"""A view: a command is shown N CPUs without being pinned, by a preloaded library.

The library is `view.c`. It reaches every dynamically linked program below the command. `files.py`
is for programs that read `/proc/cpuinfo` and `/sys` instead of asking the C library. Files come on
top of the library and never alone, since MKL aborts if the files and the mask disagree.
"""

from __future__ import annotations

import os
import sys
from stat import S_ISGID, S_ISUID

from kumo._errors import InputError
from kumo._system.calls import VIEW
from kumo._system.view import shown_cpus

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import BinaryIO

ISOLATED, PRELOAD, ASAN = "KUMO_VIEW_ISOLATED", "LD_PRELOAD", "ASAN_OPTIONS"
LIBRARY = "libkumo_view.so"
# By these a user asks OpenMP to bind its threads, which then are bound to the CPUs that are shown.
BINDING = ("OMP_PROC_BIND", "OMP_PLACES", "GOMP_CPU_AFFINITY", "KMP_AFFINITY")
UNBOUND = ("", "false", "none", "disabled")
MACHINES = {"x86_64": 62, "aarch64": 183}  # EM_X86_64, EM_AARCH64
PT_INTERP = 3
HEADER = 56  # bytes
MAX_HEADERS = 100  # a program has about a dozen


def library() -> str:
    """Return the path of the library. Raise `InputError` if it cannot be loaded into programs."""
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), LIBRARY)
    if sys.platform != "linux" or not os.path.exists(path):
        raise InputError(
            "--view: this installation of kumo comes without its library, "
            "which needs Linux on x86-64 or aarch64, and a wheel for that or a C compiler"
        )
    if any(character in path for character in " :\t\n"):
        raise InputError(
            f"--view: {path!a} has a space or a colon in it, which LD_PRELOAD does not allow"
        )
    if os.statvfs(path).f_flag & os.ST_NOEXEC:
        raise InputError(f"--view: {path} is on a file system that is mounted noexec")
    return path


def readable_by_others(path: str) -> bool:
    """Whether another user that the command becomes may load the library."""
    while True:
        mode = os.stat(path).st_mode
        if mode & (0o001 if os.path.isdir(path) else 0o004) == 0:
            return False
        if path == "/":
            return True
        path = os.path.dirname(path)


def view_variables(
    count: int, environ: Mapping[str, str], path: str, isolated: str = ""
) -> dict[str, str]:
    """Return the variables of a view of *count* CPUs, which come beside those of the user.

    *path* is the library's, *isolated* the list of CPUs that are not shown if others suffice.
    """
    given = environ.get(PRELOAD, "")
    preloaded = given.replace(" ", ":").split(":")
    if any(os.path.basename(one) == LIBRARY for one in preloaded):
        preload = given  # the outer view's; two of them would be one too many
    else:
        preload = f"{path}:{given}" if given else path
    options = environ.get(ASAN, "")
    if "verify_asan_link_order" not in options:
        # AddressSanitizer wants to be the first library, and refuses to start.
        options = f"{options}:verify_asan_link_order=0".lstrip(":")
    made = {VIEW: str(count), PRELOAD: preload, ASAN: options}
    return {**made, ISOLATED: isolated} if isolated else made


def lowered(count: int, environ: Mapping[str, str]) -> dict[str, str]:
    """Return what becomes of the view that this process is in, for a command of *count* CPUs."""
    shown = shown_cpus(environ)
    return {VIEW: str(count)} if shown is not None and count < shown else {}


def first(count: int, mask: int, isolated: int = 0) -> int:
    """Return the CPUs of *mask* that a view of *count* shows: the rule of `view.c`."""
    if mask.bit_count() <= count:
        return mask
    left = mask & ~isolated or mask
    shown = 0
    while left and shown.bit_count() < count:
        shown |= left & -left
        left &= left - 1
    return shown


def binding(environ: Mapping[str, str]) -> str | None:
    """Return the variable by which the user has OpenMP bind its threads, `None` without one."""
    for name in BINDING:
        if environ.get(name, "").lower() not in UNBOUND:
            return name
    return None


def unreached(program: str, deep: bool = True) -> str | None:
    """Return why the library does not reach the program at this path, `None` if it does.

    Programs of another kind than ELF are looked at as far as their first line goes.
    Formats: https://man7.org/linux/man-pages/man5/elf.5.html and execve(2).
    """
    try:
        with open(program, "rb") as file:
            start = file.read(64)
            if start[:2] == b"#!" and deep:
                words = (start + file.readline(256)).split(b"\n")[0][2:].split()
                return unreached(os.fsdecode(words[0]), deep=False) if words else None
            if start[:4] != b"\x7fELF" or len(start) < 64:
                return None
            return _privileged(file.fileno()) or _unlinked(file, start, program)
    except OSError:
        return None  # whether it can be run is for exec to say


def _privileged(descriptor: int) -> str | None:
    """Whether the loader ignores LD_PRELOAD, since the program gains rights: ld.so(8)."""
    if sys.platform != "linux":
        return None
    status = os.fstat(descriptor)
    gains = (status.st_mode & S_ISUID and status.st_uid != os.geteuid()) or (
        status.st_mode & S_ISGID and status.st_gid != os.getegid()
    )
    if not gains:
        try:
            gains = os.geteuid() != 0 and bool(os.getxattr(descriptor, "security.capability"))
        except OSError:
            gains = False  # it has none
    return "is setuid or has capabilities" if gains else None


def _unlinked(file: BinaryIO, start: bytes, program: str) -> str | None:
    from struct import iter_unpack, unpack_from

    order = "<" if start[5] == 1 else ">"
    if start[4] == 1:
        return "is a 32-bit program"
    if sys.platform == "win32":
        return None
    machine = os.uname().machine
    if machine in MACHINES and unpack_from(f"{order}H", start, 18)[0] != MACHINES[machine]:
        return f"is not a program for {machine}"
    (offset,), (size, count) = (
        unpack_from(f"{order}Q", start, 32),
        unpack_from(f"{order}HH", start, 54),
    )
    if size != HEADER or count > MAX_HEADERS:
        return None
    file.seek(offset)
    headers = file.read(count * HEADER)
    headers = headers[: len(headers) // HEADER * HEADER]
    kinds = [kind for (kind,) in iter_unpack(f"{order}I52x", headers)]
    if PT_INTERP in kinds or os.path.basename(program).startswith("ld"):
        return None  # the loader itself, run by hand, loads the library too
    return "is statically linked"
