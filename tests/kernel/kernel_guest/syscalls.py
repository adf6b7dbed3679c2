"""The system calls that the os module of every supported Python lacks."""

import ctypes
import os

_libc = ctypes.CDLL(None, use_errno=True)

NEW_NAMESPACE = {"mount": 0x00020000, "cgroup": 0x02000000, "pid": 0x20000000}
MS_BIND = 1 << 12
MS_MOVE = 1 << 13
MS_REC = 1 << 14
MS_PRIVATE = 1 << 18
MNT_DETACH = 2
PR_SET_DUMPABLE = 4


def _checked(result: int, what: str) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")


def unshare(*names: str) -> None:
    """Enter new namespaces of these kinds."""
    flags = 0
    for name in names:
        flags |= NEW_NAMESPACE[name]
    _checked(_libc.unshare(flags), f"unshare {names}")


def enter_cgroup_namespace(descriptor: int) -> None:
    """Enter the cgroup namespace that an open descriptor stands for."""
    _checked(_libc.setns(descriptor, NEW_NAMESPACE["cgroup"]), "setns")


def mount(source: str, target: str, kind: str = "", flags: int = 0, options: str = "") -> None:
    """Mount a file system."""
    texts = (os.fsencode(text) for text in (source, target, kind))
    result = _libc.mount(*texts, ctypes.c_ulong(flags), os.fsencode(options))
    _checked(result, f"mount {source!r} {target!r} {kind} {options}")


def bind(source: str, target: str, recursive: bool = False) -> None:
    """Show a directory at a second place."""
    mount(source, target, flags=MS_BIND | (MS_REC if recursive else 0))


def keep_mounts_private() -> None:
    """Keep what happens to the mounts of this namespace from reaching any other."""
    mount("none", "/", flags=MS_REC | MS_PRIVATE)


def move_mount(source: str, target: str) -> None:
    """Take a mount from one place to another."""
    mount(source, target, flags=MS_MOVE)


def unmount(target: str) -> None:
    """Take a mount away, even if it is in use."""
    _checked(_libc.umount2(os.fsencode(target), MNT_DETACH), f"umount {target!r}")


def set_dumpable() -> None:
    """Give the process back its own /proc files after a change of user, as exec would."""
    _checked(_libc.prctl(PR_SET_DUMPABLE, 1, 0, 0, 0), "prctl PR_SET_DUMPABLE")
