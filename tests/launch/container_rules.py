"""Run a command with the capabilities and the seccomp rules that Docker gives a container.

    python container_rules.py PROFILE [CALL ...] -- COMMAND...

as root on Linux, with libseccomp and setpriv. PROFILE is a profile in Docker's form, such as
Podman's /usr/share/containers/seccomp.json, which is made from Docker's. Each CALL is one that it
allows and that is refused all the same.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import platform
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# Docker's capabilities of a container that is started without options.
CAPABILITIES = (
    *("chown", "dac_override", "fsetid", "fowner", "mknod", "net_raw", "setgid", "setuid"),
    *("setfcap", "setpcap", "net_bind_service", "sys_chroot", "kill", "audit_write"),
)
OPERATIONS = ("", "NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ")  # by libseccomp's numbers
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
ALLOW, ERRNO, NO_NEW_PRIVILEGES = 0x7FFF0000, 0x00050000, 3
UNKNOWN_CALL = -1


class Comparison(ctypes.Structure):
    """What is asked of one argument of a system call."""

    _fields_ = (
        ("argument", ctypes.c_uint),
        ("operation", ctypes.c_int),
        ("first", ctypes.c_uint64),
        ("second", ctypes.c_uint64),
    )


def action(rule: dict[str, Any], default: int = errno.EPERM) -> int:
    name = rule.get("action") or rule["defaultAction"]
    code = rule.get("errnoRet", rule.get("defaultErrnoRet"))
    return ALLOW if name == "SCMP_ACT_ALLOW" else ERRNO | (default if code is None else code)


def applies(rule: dict[str, Any]) -> bool:
    """Whether a rule is for this machine, and for a process with these capabilities."""
    machine = ARCHITECTURES.get(platform.machine())
    held = {f"CAP_{name.upper()}" for name in CAPABILITIES}
    with_, without = rule.get("includes") or {}, rule.get("excludes") or {}
    return (
        ("arches" not in with_ or machine in with_["arches"])
        and set(with_.get("caps") or ()) <= held
        and machine not in without.get("arches", ())
        and not held & set(without.get("caps") or ())
    )


def load(profile: dict[str, Any], refused: Sequence[str] = ()) -> None:
    """Give this process the rules of *profile* for good, without the calls that are *refused*."""
    library = ctypes.CDLL("libseccomp.so.2")
    library.seccomp_init.restype = ctypes.c_void_p
    usual = action(profile)
    context = ctypes.c_void_p(library.seccomp_init(ctypes.c_uint32(usual)))
    check(library.seccomp_attr_set(context, NO_NEW_PRIVILEGES, ctypes.c_uint32(0)))
    for rule in filter(applies, profile["syscalls"]):
        comparisons = [
            Comparison(
                one["index"],
                OPERATIONS.index(one["op"].removeprefix("SCMP_CMP_")),
                one["value"],
                one.get("valueTwo", 0),
            )
            for one in rule.get("args") or ()
        ]
        given = (Comparison * len(comparisons))(*comparisons)
        for name in rule["names"] if action(rule) != usual else ():
            call = library.seccomp_syscall_resolve_name(name.encode())
            if call != UNKNOWN_CALL and name not in refused:
                what = ctypes.c_uint32(action(rule))
                check(library.seccomp_rule_add_array(context, what, call, len(given), given))
    check(library.seccomp_load(context))


def check(result: int) -> None:
    if result < 0:
        raise OSError(-result, os.strerror(-result))


def main() -> None:
    split = sys.argv.index("--")
    profile, *refused = sys.argv[1:split]
    load(json.loads(Path(profile).read_text("utf-8")), refused)
    bounding = ",".join(["-all", *(f"+{name}" for name in CAPABILITIES)])
    line = ["setpriv", f"--bounding-set={bounding}", "--inh-caps=-all", *sys.argv[split + 1 :]]
    os.execvp(line[0], line)


if __name__ == "__main__":
    main()
