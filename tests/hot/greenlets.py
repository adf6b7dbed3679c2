"""Run in a process of its own: ``gevent|eventlet before|after``, patched then.

*before* and *after* are for the import of kumo. At each step the count is a survey's, and no call
has switched greenlets.
"""

from __future__ import annotations

import sys

WHICH, WHEN = sys.argv[1:]


def patch() -> None:
    if WHICH == "gevent":
        from gevent import monkey

        monkey.patch_all()
    else:
        import eventlet

        eventlet.monkey_patch()


if WHEN == "before":
    patch()

import kumo

if WHEN == "after":
    kumo.available_parallelism()
    patch()

import greenlet
from events import CPUS, call, libc, mount, private_mounts, tree
from v1 import mount_point

from kumo._hot import count as _hot_count

switches: list[object] = []


def asked() -> tuple[int, int]:
    greenlet.settrace(lambda event, _: switches.append(event))
    counts = kumo.available_parallelism(), kumo.available_parallelism()
    assert counts[0] == kumo.available_cpus()
    surveyed = kumo.estimate().parallelism
    greenlet.settrace(None)
    return max(counts), surveyed


def main() -> None:
    private_mounts()
    with tree() as groups:
        groups[2].join()
        assert asked() == (len(CPUS), len(CPUS))
        assert _hot_count._kept is not None
        groups[2].set(100_000)
        assert asked() == (1, 1)
        mount("none", str(mount_point("cpu")), "tmpfs")
        assert asked() == (len(CPUS), len(CPUS))
        call(libc.umount2, str(mount_point("cpu")).encode(), 2)
        assert asked() == (1, 1)
    assert not switches, switches


main()
print("right")
