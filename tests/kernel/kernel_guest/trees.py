"""Random trees of groups, looked at from random places, and random changes to them."""

import errno
import random
import traceback
from collections.abc import Sequence
from typing import Any

from kernel_guest import views
from kernel_guest.child import Child, ChildError
from kernel_guest.groups import CONTROLLERS, Group
from kernel_guest.layouts import Layout
from kernel_guest.scenario import Facts, Run

CPUS = 8
NAMES = [
    "a",
    "b.slice",
    "c d",
    "e:f",
    "g\\h",
    "é",
    "\udcff",
    "t\tb",
    "0",
    "pod-1234",
    "\\040",
    "n (deleted)",
]
# A view and how often it is drawn.
WEIGHTS = {
    "standard": 30, "elsewhere": 10, "bind": 10, "stacked": 10, "namespace": 12, "remounted": 12,
    "remounted-elsewhere": 5, "remounted-beside": 5, "part": 6, "outside": 3, "unmounted": 3,
}  # fmt: skip


def _random_quota(draw: random.Random) -> tuple[int | None, int]:
    """Draw a quota and a period: none, tiny, whole, fractional, beyond the machine."""
    period = draw.choice([100_000, draw.randint(1_000, 1_000_000), int(10 ** draw.uniform(3, 6))])
    if draw.random() < 0.4:
        return None, period
    ratio = draw.choice(
        [draw.uniform(0.1, 1), draw.uniform(1, CPUS), draw.randint(1, CPUS), draw.uniform(CPUS, 40)]
    )
    return max(1_000, round(period * ratio)), period


def _set_random_quota(draw: random.Random, group: Group) -> str:
    """Set what the kernel accepts: cgroup v1 refuses what exceeds a parent or undercuts a child."""
    for _ in range(8):
        quota, period = _random_quota(draw)
        try:
            group.set_quota(quota, period)
        except OSError as error:
            if error.errno != errno.EINVAL or group.layout.version == 2:
                raise
            continue
        kept = group.quota()
        if kept != (None if quota is None else quota / period):
            raise RuntimeError(f"the kernel kept {kept} of {quota}/{period}")
        return f"{quota}/{period}"
    group.set_quota(None)
    return "refused"


def _set_random_cpus(draw: random.Random, group: Group) -> str:
    allowed = sorted(group.cpus())
    if draw.random() < 0.6 or not allowed:
        return "all"
    cpus = ",".join(map(str, sorted(draw.sample(allowed, draw.randint(1, len(allowed))))))
    group.set_cpus(cpus)
    return cpus


def _random_mask(draw: random.Random, child: Child, thread: str | None = None) -> str:
    """Set a mask; one without any CPU of the cpuset is refused."""
    cpus = sorted(draw.sample(range(CPUS), draw.randint(1, CPUS)))
    try:
        child.do("set_affinity", cpus, thread=thread)
    except ChildError as error:
        if error.errno != errno.EINVAL:
            raise
        return f"{cpus} refused"
    return f"{cpus}"


class _Tree:
    """One random tree with one process in its leaf."""

    def __init__(self, draw: random.Random, run: Run, story: list[str]) -> None:
        self.draw = draw
        self.run = run
        self.story = story
        self.chain = self._grow()
        self.other = run.group("-beside")
        self.other.set_quota(50_000)

    def tell(self, what: str) -> None:
        self.story.append(what)

    def _grow(self) -> list[Group]:
        """Make the levels; on cgroup v2 the cpu controller may end before the leaf does."""
        path = ""
        chain = [self.run.group(path)]
        depth = self.draw.randint(1, 6)
        with_cpu = depth if self.draw.random() < 0.8 else self.draw.randint(1, depth)
        self._furnish(chain[0], True)
        for level in range(1, depth):
            path += "/" + self.draw.choice(NAMES)
            has_cpu = self.run.layout.version == 1 or level < with_cpu
            chain.append(self.run.group(path, CONTROLLERS if has_cpu else ["cpuset"]))
            self._furnish(chain[-1], has_cpu)
        return chain

    def _furnish(self, group: Group, has_cpu: bool) -> None:
        quota = _set_random_quota(self.draw, group) if has_cpu else "no controller"
        self.tell(f"{group.path!r} {quota} cpus {_set_random_cpus(self.draw, group)}")

    def populate(self) -> tuple[Child, views.Seen]:
        child = self.run.child()
        kind = self.draw.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        at = self.draw.randrange(len(self.chain))
        seen = views.enter(child, kind, self.chain, at, self.other)
        self.tell(f"view {kind} at {at}")
        self.tell(f"mask {_random_mask(self.draw, child)}")
        if self.draw.random() < 0.25:
            child.start_thread("second")
            self.tell(f"second thread {_random_mask(self.draw, child, 'second')}")
        return child, seen

    def change(self, child: Child, seen: views.Seen) -> None:
        """Change one thing about the tree or the process."""
        whole = seen.situation["view"] == "standard"
        what = self.draw.choice(["quota", "quota", "mask"] + ["move"] * whole)
        if what == "mask":
            self.tell(f"then mask {_random_mask(self.draw, child)}")
        elif what == "move":
            self.other.join(child.pid)
            seen.levels = [self.other]
            self.tell(f"then move to {self.other.path!r}")
        else:
            group = self.draw.choice([group for group in self.chain if group.has_cpu])
            self.tell(f"then {group.path!r} {_set_random_quota(self.draw, group)}")

    def check(self, step: str, child: Child, seen: views.Seen, words: Sequence[str] | None) -> None:
        self.run.check(
            step, child, seen.levels,
            notes=seen.notes, absent=seen.absent, situation=seen.situation, words=words,
        )  # fmt: skip

    def check_from_outside(self, child: Child, seen: views.Seen) -> None:
        """Ask about the process from the root of everything, where all levels can be seen."""
        levels = self.chain if seen.levels != [self.other] else [self.other]
        self.run.check_by_pid("from outside", None, child, levels, absent=[views.HIDDEN])

    def rust_words(self, child: Child) -> Sequence[str]:
        """Let Rust ask from a pinned thread now and then."""
        masks = list(child.masks().values())
        if len(masks) > 1 or self.draw.random() > 0.1:
            return []
        return ["pin", str(self.draw.choice(sorted(masks[0])))]


def grow(layout: Layout, probe: str | None, seed: int, index: int) -> Facts:
    """Make the tree of this number and compare before and after a change."""
    draw = random.Random(f"{seed}:{layout.name}:{index}")
    record: Facts = {"kind": "tree", "name": f"tree-{index}", "error": None}
    checks: list[Facts] = []
    story: list[str] = []
    try:
        with Run(layout, probe, f"tree-{index}") as run:
            checks = run.checks
            tree = _Tree(draw, run, story)
            child, seen = tree.populate()
            tree.check("at first", child, seen, tree.rust_words(child))
            tree.change(child, seen)
            tree.check("after the change", child, seen, None)
            tree.check_from_outside(child, seen)
    except Exception:
        record["error"] = traceback.format_exc()
    extra: dict[str, Any] = {"checks": checks, "story": story}
    return record | extra
