"""The cgroups of the tests of real limits, and hosts in network namespaces."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pytest
from real.conftest import make_group

__all__ = ["hosts", "make_group"]


@pytest.fixture
def hosts() -> Iterator[list[tuple[str, str]]]:
    """Two network namespaces on a bridge: the name and the address of each."""
    bridge = f"kb{os.getpid() % 100_000}"
    subnet = f"10.{200 + os.getpid() % 50}.77"
    made = []
    with ExitStack() as stack:

        def ip(*words: str) -> None:
            subprocess.run(["ip", *words], check=True)

        def undo(*words: str) -> None:
            with suppress(subprocess.CalledProcessError):
                ip(*words)

        ip("link", "add", bridge, "type", "bridge")
        stack.callback(undo, "link", "del", bridge)
        ip("address", "add", f"{subnet}.1/24", "dev", bridge)
        ip("link", "set", bridge, "up")
        for number in (2, 3):
            name, outer, inner = f"{bridge}n{number}", f"{bridge}o{number}", f"{bridge}i{number}"
            ip("netns", "add", name)
            stack.callback(undo, "netns", "del", name)
            ip("link", "add", outer, "type", "veth", "peer", "name", inner, "netns", name)
            ip("link", "set", outer, "master", bridge, "up")
            ip("-n", name, "address", "add", f"{subnet}.{number}/24", "dev", inner)
            ip("-n", name, "link", "set", inner, "up")
            ip("-n", name, "link", "set", "lo", "up")
            # By the route to anywhere a program finds its own address, as Ray does.
            ip("-n", name, "route", "add", "default", "via", f"{subnet}.1")
            made.append((name, f"{subnet}.{number}"))
        yield made
