"""Cgroups that are always removed, and processes that are always ended."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from real.host import (
    RUN,
    TIMEOUT,
    Group,
    base,
    environment,
    in_groups,
    mount_again,
    needs,
    needs_root,
    top,
)

MakeGroup = Callable[..., Group]
HERE = Path(__file__).parent
_numbers = count(1)
# What an ordinary user may not do, of what an asker does.
FOR_ROOT = ("become", "run", "schedule")


@pytest.fixture
def make_group(request: pytest.FixtureRequest) -> Iterator[MakeGroup]:
    """Make a cgroup below *parent* or the top, and with *cpus* set its quota.

    Its name is sorted after those made before, and ends in *name*. The tests of this folder have it
    of v1 or v2, as the machine does; the others write the files of v1 by themselves.
    """
    made: list[Path] = []
    is_for_v1 = request.path.parent != HERE or request.node.get_closest_marker("v1") is not None

    def make(
        parent: Group | None = None,
        *,
        controller: str = "cpu",
        cpus: float | None = None,
        name: str = "",
    ) -> Group:
        if is_for_v1:
            needs(controller)
        above = parent or base(controller)
        above.give(controller)
        path = above.path / f"kumo-real-{RUN}-{next(_numbers):04}{name}"
        path.mkdir()
        made.append(path)
        group = Group(path, above)
        if cpus is not None:
            group.limit(cpus)
        return group

    yield make
    with contextlib.ExitStack() as stack:  # the later first, and each whatever becomes of another
        for path in made:
            stack.callback(_remove, path)


def _remove(path: Path) -> None:
    """Remove a group; what was killed in it may have to end first."""
    last = time.monotonic() + 60
    with contextlib.suppress(FileNotFoundError):  # a test may have done it
        while (path / "cgroup.procs").read_text() and time.monotonic() < last:
            time.sleep(0.01)
        path.rmdir()


class Asker:
    """A process that kumo is asked in. `asker` says what it can be told to do."""

    def __init__(self, groups: Sequence[Group], prefix: Sequence[str] = ()) -> None:
        script = Path(__file__).with_name("asker.py")
        self.process = subprocess.Popen(
            in_groups(groups, [*prefix, sys.executable, str(script)]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment(),
        )
        self.pid = self.process.pid

    def do(self, action: str, *words: Any, thread: str | None = None, **options: Any) -> Any:
        """Have *action* done, by *thread* if one is named, and return its value."""
        if action in FOR_ROOT:
            needs_root(f"to {action}")
        order = {"do": action, "words": words, "options": options, "thread": thread}
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(json.dumps(order), file=self.process.stdin, flush=True)
        answer = json.loads(self.process.stdout.readline() or '{"error": "it has ended"}')
        assert "error" not in answer, answer["error"]
        return answer["value"]

    def ask(self, scope: str = "process", thread: str | None = None) -> dict[str, Any]:
        """What ``kumo --json`` says, and further *independent* and *burst*."""
        answer: dict[str, Any] = self.do("ask", scope, thread=thread)
        return answer

    def remount(self) -> None:
        """Mount the hierarchy of quotas anew, so that it begins at the cgroup namespace's root."""
        self.do("run", "umount", "--lazy", top())
        self.do("run", "mount", *mount_again())

    def end(self) -> None:
        """End the process and wait for it; a second call does nothing."""
        try:
            self.process.communicate(timeout=TIMEOUT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()


@pytest.fixture
def start(make_group: MakeGroup) -> Iterator[Callable[..., Asker]]:
    """Start a process in *groups*; it ends before they are removed."""
    with contextlib.ExitStack() as stack:

        def begin(*groups: Group, prefix: Sequence[str] = ()) -> Asker:
            if "unshare" in prefix:
                needs_root("a namespace")
            asker = Asker(groups, prefix)
            stack.callback(asker.end)
            return asker

        yield begin
