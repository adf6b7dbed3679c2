"""A process without privileges, and files that it may not read."""

import os

from kernel_guest.quotas import HIGH_NOTES, limited
from kernel_guest.scenario import Run, scenario

NOBODY = 65534
NESTED: list[tuple[int | None, int]] = [(450_000, 100_000), (None, 100_000), (250_000, 100_000)]


@scenario("nobody")
def nobody(run: Run) -> None:
    """A user without privileges gets the same answer, even without its own /proc files."""
    chain, child = limited(run, NESTED)
    # A change of user without exec leaves a process that may not read its own /proc/self/ns.
    child.do("set_user", NOBODY)
    run.check("after setuid alone", child, chain, absent=HIGH_NOTES)
    child.do("set_dumpable")
    run.check("as after exec", child, chain, absent=HIGH_NOTES)


@scenario("unreadable-file")
def unreadable_file(run: Run) -> None:
    """The own quota may not be read: a note says so, and the levels above still count."""
    chain, child = limited(run, NESTED)
    name = "cpu.max" if run.layout.version == 2 else "cpu.cfs_quota_us"
    os.chmod(f"{chain[-1].cpu}/{name}", 0)
    child.do("set_user", NOBODY)
    child.do("set_dumpable")
    run.check("own level", child, chain[:-1], notes=["unreadable"])


@scenario("unreadable-directory")
def unreadable_directory(run: Run) -> None:
    """A directory on the way may not be entered: what lies above it still counts."""
    chain, child = limited(run, NESTED)
    os.chmod(chain[1].cpu, 0)
    child.do("set_user", NOBODY)
    child.do("set_dumpable")
    situation = {"unreadable": True}
    run.check("from the middle down", child, chain[:1], notes=["unreadable"], situation=situation)


@scenario("unreadable-after-asking")
def unreadable_after_asking(run: Run) -> None:
    """A process that has asked gives up the right to read: the count and the estimate stay one."""
    chain, child = limited(run, NESTED)
    run.check("with every right", child, chain)
    name = "cpu.max" if run.layout.version == 2 else "cpu.cfs_quota_us"
    os.chmod(f"{chain[-1].cpu}/{name}", 0)
    child.do("set_user", NOBODY)
    child.do("set_dumpable")
    run.check("without", child, chain[:-1], notes=["unreadable"])
