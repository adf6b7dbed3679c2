"""Quotas at one level and at several, and quotas that change."""

from kernel_guest.child import Child
from kernel_guest.groups import Group
from kernel_guest.scenario import NotHereError, Run, scenario

# name: (quota, period) in microseconds of each level, the outermost first
LEVELS: dict[str, list[tuple[int | None, int]]] = {
    "quota-none": [(None, 100_000), (None, 100_000)],
    "quota-leaf": [(None, 100_000), (300_000, 100_000)],
    "quota-parent": [(300_000, 100_000), (None, 100_000)],
    "quota-both": [(500_000, 100_000), (500_000, 100_000)],
    "quota-tighter-inner": [(600_000, 100_000), (400_000, 100_000), (200_000, 100_000)],
    "quota-middle": [(None, 100_000), (250_000, 100_000), (None, 100_000)],
    "quota-periods": [(50_000, 10_000), (1_000_000, 400_000), (None, 250_000)],
    "quota-below-one": [(None, 100_000), (20_000, 100_000)],
    "quota-fractional": [(None, 100_000), (399_000, 100_000)],
    "quota-one-and-a-bit": [(103_000, 100_000)],
    "quota-beyond-machine": [(1_600_000, 100_000), (1_200_000, 100_000)],
    "quota-smallest": [(1_000, 20_000)],
    "quota-shortest-period": [(3_500, 1_000)],
    "quota-thirds": [(100_000, 30_000), (None, 100_000)],
}
# Cgroup v1 refuses a child that is looser than its parent.
V2_LEVELS: dict[str, list[tuple[int | None, int]]] = {
    "quota-tighter-outer": [(200_000, 100_000), (600_000, 100_000)],
    "quota-tighter-outer-periods": [(150_000, 100_000), (20_000, 10_000), (1_000_000, 250_000)],
}
HIGH_NOTES = [
    "ancestors-hidden",
    "path-outside-mounts",
    "cgroup-not-mounted",
    "unreadable",
    "malformed",
]


def limited(run: Run, levels: list[tuple[int | None, int]]) -> tuple[list[Group], Child]:
    """Make nested groups with these quotas and a child in the innermost."""
    chain = run.chain(*"abcdef"[: len(levels) - 1])
    for group, (quota, period) in zip(chain, levels, strict=True):
        group.set_quota(quota, period)
        if group.quota() != (None if quota is None else quota / period):
            raise RuntimeError(f"the kernel kept {group.quota()} of {quota}/{period}")
    child = run.child()
    chain[-1].join(child.pid)
    return chain, child


def _enter_levels(name: str, levels: list[tuple[int | None, int]], *layouts: str) -> None:
    notes = ["quota-below-one"] if any(quota and quota < period for quota, period in levels) else []

    @scenario(name, *layouts)
    def nested(run: Run) -> None:
        chain, child = limited(run, levels)
        run.check("in the leaf", child, chain, notes=notes, absent=HIGH_NOTES)


for _name, _levels in LEVELS.items():
    _enter_levels(_name, _levels)
for _name, _levels in V2_LEVELS.items():
    _enter_levels(_name, _levels, "v2")


@scenario("quota-looser-child-refused", "hybrid", "v1")
def refused(run: Run) -> None:
    """A child looser than its parent: cgroup v1 refuses it, so the answer stays the parent's."""
    chain, child = limited(run, [(200_000, 100_000), (None, 100_000)])
    try:
        chain[1].set_quota(600_000)
    except OSError as error:
        run.remarks.append(str(error))
    else:
        raise NotHereError("this kernel accepts a child looser than its parent")
    run.check("after the refusal", child, chain)


@scenario("root-group")
def root_group(run: Run) -> None:
    """A process in no group but the root of every hierarchy."""
    run.check("in the root", run.child(), [], absent=HIGH_NOTES)


@scenario("leaf-without-cpu-controller", "v2")
def leaf_without_controller(run: Run) -> None:
    """Groups without cpu.max, below a limited one."""
    outer = run.group("")
    middle = run.group("/a", ["cpuset"])
    leaf = run.group("/a/b", [])
    outer.set_quota(250_000)
    child = run.child()
    leaf.join(child.pid)
    run.check("two levels below", child, [outer, middle, leaf], absent=HIGH_NOTES)
    middle.join(child.pid)
    run.check("one level below", child, [outer, middle], absent=HIGH_NOTES)


@scenario("burst")
def burst(run: Run) -> None:
    """A burst is reported and never added."""
    chain, child = limited(run, [(600_000, 100_000), (200_000, 100_000)])
    chain[1].set_burst(150_000)
    run.check("with a burst", child, chain, notes=["burst-allowed"])
    chain[1].set_burst(0)
    run.check("without", child, chain, absent=["burst-allowed"])


@scenario("quota-changes")
def changes(run: Run) -> None:
    """The quota changes under a running process, at its own level and above."""
    chain, child = limited(run, [(None, 100_000), (None, 100_000)])
    run.check("no quota", child, chain)
    for step, (level, quota) in enumerate(
        [(1, 300_000), (0, 500_000), (1, None), (0, 150_000), (0, None)]
    ):
        chain[level].set_quota(quota)
        run.check(f"change {step}: level {level} has {quota}", child, chain)


@scenario("migration")
def migration(run: Run) -> None:
    """A running process moves from group to group, to the root and back."""
    top = run.group("")
    groups = [run.group(f"/{name}") for name in ("three", "five", "free", "two")]
    inner = run.group("/two/inner")
    for group, quota in zip(
        [*groups, inner], [300_000, 500_000, None, 200_000, 120_000], strict=True
    ):
        group.set_quota(quota)
    child = run.child()
    for group in (*groups[:3], inner, groups[0]):
        group.join(child.pid)
        levels = [top, groups[3], inner] if group is inner else [top, group]
        run.check(f"in {group.path}", child, levels, absent=HIGH_NOTES)
    Group(run.layout, "").join(child.pid)
    run.check("in the root", child, [], absent=HIGH_NOTES)
    groups[1].join(child.pid)
    run.check("back", child, [top, groups[1]])


@scenario("replaced-group")
def replaced(run: Run) -> None:
    """A group is removed and made again under its old name, with another quota."""
    top = run.group("")
    first = run.group("/again")
    first.set_quota(200_000)
    child = run.child()
    first.join(child.pid)
    run.check("the first", child, [top, first])
    Group(run.layout, "").join(child.pid)
    first.remove()
    first.make().set_quota(500_000)
    first.join(child.pid)
    run.check("the second", child, [top, first])


@scenario("strange-names")
def strange_names(run: Run) -> None:
    """Names that one file escapes and another does not, or that look like something else."""
    names = [
        "a b",
        "c:d",
        "back\\slash",
        "tab\tname",
        "\\040",
        "x (deleted)",
        "é",
        "...",
        "-",
        "\udcff",
    ]
    chain = run.chain(*names)
    chain[1].set_quota(500_000)
    chain[6].set_quota(350_000)
    child = run.child()
    chain[-1].join(child.pid)
    run.check("in the innermost", child, chain, absent=HIGH_NOTES)
