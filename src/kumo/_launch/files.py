"""The CPU files of a view: `kumo run --view=files`, on top of the library and never alone.

A mount namespace of the command's own, in which files of the CPUs that are shown lie over
`/sys/devices/system/cpu/online`, `/proc/cpuinfo` and the CPU lists of the NUMA nodes. The files
are on a file system in memory that has no name any more when the command begins. It goes with the
last process of the command, however that ends.

Three files stay true: `possible` and `present`, which size arrays that `sched_getcpu()` indexes,
and `/proc/stat`, whose copy would not change.

Without the right to mount, a user namespace is made. In it sudo, ping and the like lose their
rights, and files of other users show as owned by nobody.
"""

from __future__ import annotations

import os
import re
import sys
from errno import EPERM

from kumo._cgroups.cpulist import ONLINE, format_cpulist, parse_cpulist
from kumo._system.native import call

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

CPUINFO = "/proc/cpuinfo"
NODES = "/sys/devices/system/node"
# include/uapi/linux/sched.h, include/uapi/linux/mount.h
CLONE_NEWNS, CLONE_NEWUSER = 0x20000, 0x10000000
MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_BIND, MS_REC, MS_SLAVE, MNT_DETACH = (
    2, 4, 8, 0x1000, 0x4000, 0x80000, 2,
)  # fmt: skip
MAX_BYTES = 8 << 20


class StepError(Exception):
    """The message names the step of entering the namespace that failed, and why."""


def file_texts(shown: int, read: Callable[[str], str | None], nodes: list[str]) -> dict[str, str]:
    """Return the new text of each file that exists, for the CPUs in the mask *shown*."""
    texts = {}
    if read(ONLINE) is not None:
        texts[ONLINE] = f"{format_cpulist(shown)}\n"
    cpuinfo = read(CPUINFO)
    if cpuinfo is not None:
        texts[CPUINFO] = cut_cpuinfo(cpuinfo, shown)
    for node in nodes:
        cpus, mask = f"{NODES}/{node}/cpulist", f"{NODES}/{node}/cpumap"
        text, like = read(cpus), read(mask)
        if text is not None:
            left = (parse_cpulist(text) if text.strip() else 0) & shown
            texts[cpus] = f"{format_cpulist(left)}\n"
            if like is not None:
                texts[mask] = _as_mask(left, len(like.strip().split(",")))
    return texts


def cut_cpuinfo(text: str, shown: int) -> str:
    """Return the text of ``/proc/cpuinfo`` with the CPUs in *shown* alone.

    Format: a block a CPU, then an empty line, which begins with ``processor\t: 0``. Some systems
    have a last block about the machine. https://man7.org/linux/man-pages/man5/proc_cpuinfo.5.html
    """
    kept = []
    for block in text.rstrip("\n").split("\n\n"):
        number = re.search(r"(?m)^processor\s*:\s*(\d{1,6})$", block)
        if number is None or shown >> int(number[1]) & 1:
            kept.append(block)
    cores = len({_core(block) for block in kept})
    threads = sum("processor" in block for block in kept)
    kept = [
        re.sub(r"(?m)^(cpu cores\s*:) .*", rf"\1 {cores}",
               re.sub(r"(?m)^(siblings\s*:) .*", rf"\1 {threads}", block))
        for block in kept
    ]  # fmt: skip
    return "\n\n".join(kept) + "\n\n"


def _core(block: str) -> tuple[str, ...]:
    names = ("physical id", "core id")
    lines = [re.search(rf"(?m)^{name}\s*: (.*)$", block) for name in names]
    return tuple(match[1] for match in lines if match) or (block,)


def _as_mask(cpus: int, words: int) -> str:
    """Format: ``00000000,0000000f``."""
    parts = [f"{cpus >> 32 * word & 0xFFFFFFFF:08x}" for word in reversed(range(words))]
    return ",".join(parts) + "\n"


def cover(texts: Mapping[str, str]) -> str | None:
    """Show this process, and what it becomes, the texts in place of the files.

    Return why that cannot be done here, with nothing changed. It is tried in a child first, since
    it cannot be undone half-way.
    """
    if sys.platform != "linux":
        return "mount namespaces are Linux's"
    reader, writer = os.pipe()
    try:
        child = os.fork()
    except OSError as error:  # a limit on processes, or a sandbox
        os.close(reader)
        os.close(writer)
        return f"fork: {error.strerror}"
    if child == 0:
        try:
            os.close(reader)
            try:
                _enter(texts)
            except StepError as error:
                os.write(writer, str(error).encode("utf-8", "replace")[:4000])
        except BaseException as error:  # noqa: BLE001 - it must not go on as a second kumo
            os.write(writer, repr(error).encode("utf-8", "replace")[:4000])
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as answer:
        failure = answer.read().decode("utf-8", "replace")
    os.waitpid(child, 0)
    if not failure:
        _enter(texts)
    return failure or None


def _enter(texts: Mapping[str, str]) -> None:
    """Do all steps. Raise `StepError`."""
    if sys.platform != "linux":
        raise StepError("mount namespaces are Linux's")
    uid, gid = os.geteuid(), os.getegid()
    try:
        call("unshare", CLONE_NEWNS)
    except OSError as error:
        if error.errno != EPERM:
            raise StepError(f"unshare: {error.strerror}") from None
        _step("unshare", call, "unshare", CLONE_NEWUSER | CLONE_NEWNS)
        _step("writing setgroups", _write, "/proc/self/setgroups", "deny")
        _step("writing uid_map", _write, "/proc/self/uid_map", f"{uid} {uid} 1")
        _step("writing gid_map", _write, "/proc/self/gid_map", f"{gid} {gid} 1")
    _step("mount", _mount, b"none", "/", None, MS_SLAVE | MS_REC)
    _step("mount", _lay_over, texts)


def _lay_over(texts: Mapping[str, str]) -> None:
    import tempfile

    place = tempfile.mkdtemp(prefix="kumo-view-")
    try:
        flags = MS_NOSUID | MS_NODEV | MS_NOEXEC
        _mount(b"kumo-view", place, b"tmpfs", flags, f"size={MAX_BYTES},mode=755".encode())
        try:
            for number, (path, text) in enumerate(texts.items()):
                _write(f"{place}/{number}", text)
                os.chmod(f"{place}/{number}", 0o444)
                _mount(os.fsencode(f"{place}/{number}"), path, None, MS_BIND)
        finally:
            call("umount2", os.fsencode(place), MNT_DETACH)  # what is bound keeps it alive
    finally:
        os.rmdir(place)


def _step(name: str, do: Callable[..., object], *arguments: object) -> None:
    try:
        do(*arguments)
    except OSError as error:
        raise StepError(f"{name}: {error.strerror}") from None


def _write(path: str, text: str) -> None:
    with open(path, "w", encoding="ascii", errors="replace") as file:
        file.write(text)


def _mount(
    source: bytes, target: str, kind: bytes | None, flags: int, data: bytes | None = None
) -> None:
    from ctypes import c_ulong

    call("mount", source, os.fsencode(target), kind, c_ulong(flags), data)
