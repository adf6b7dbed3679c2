"""kumo against the answers of real kernels, in a virtual machine for each cgroup layout.

One boot a layout does everything; each test looks at its part of what that boot recorded.
KUMO_KERNEL_SEED and KUMO_KERNEL_TREES choose other and more random trees, KUMO_KERNEL_CACHE says
where install.sh put the kernel, KUMO_KERNEL_TIMEOUT how many seconds a boot may take,
KUMO_KERNEL_SOURCE which folder's kumo is tested.
"""

import sys
from typing import Any

import pytest

if sys.platform != "linux":
    pytest.skip(
        "the kernels are Linux kernels, run over the host's own programs", allow_module_level=True
    )

import kernel_boot
import kernel_rust
import kernel_verdict
from conftest import skip_real
from kernel_boot import MACHINE, MIN_TREES, SEED, TREES, Boot
from kernel_guest import tables

pytestmark = pytest.mark.kernel

Record = dict[str, Any]
SCENARIOS = [(layout, name) for layout in MACHINE for name in tables.names(layout)]
_boots: dict[str, Boot] = {}


def _boot(layout: str) -> Boot:
    """Boot the layout once, however it ends."""
    if reason := kernel_boot.missing():
        skip_real(reason)
    if layout not in _boots:
        print(f"KUMO_KERNEL_SEED={SEED} KUMO_KERNEL_TREES={TREES}")
        _boots[layout] = kernel_boot.boot(layout)
    return _boots[layout]


def _differences(record: Record) -> list[str]:
    lines = [record["error"]] if record["error"] else []
    for check in record["checks"]:
        lines += kernel_verdict.differences(check)
    return [f"{record['name']}:", *record.get("story", []), *lines] if lines else []


def _rust_errors(layout: str) -> set[str]:
    """Collect the known errors that Rust makes in a layout; any other one fails the test."""
    boot = _boot(layout)
    if boot.rust:
        skip_real(f"Rust cannot be asked: {boot.rust}")
    checks = [
        check
        for kind in ("scenario", "tree")
        for record in boot.of_kind(kind)
        for check in record["checks"]
    ]
    asked = [check for check in checks if "rust" in check]
    assert len(asked) >= MIN_TREES, "Rust was hardly asked"
    return {error for check in asked if (error := kernel_verdict.rust_error(check))}


@pytest.mark.parametrize("layout", MACHINE)
def test_boot_ran_to_its_end(layout: str) -> None:
    boot = _boot(layout)
    assert boot.failure is None, boot.failure


@pytest.mark.parametrize(("layout", "name"), SCENARIOS)
def test_scenario(layout: str, name: str) -> None:
    same = [record for record in _boot(layout).of_kind("scenario") if record["name"] == name]
    assert len(same) == 1, f"no record of it: see test_boot_ran_to_its_end[{layout}]"
    differences = _differences(same[0])
    assert not differences, "\n".join(differences)
    if reason := same[0]["not_here"]:
        skip_real(reason)
    assert same[0]["checks"], "nothing was compared"


@pytest.mark.parametrize("layout", MACHINE)
def test_random_trees(layout: str) -> None:
    trees = _boot(layout).of_kind("tree")
    assert len(trees) == TREES >= MIN_TREES
    wrong = [differences for tree in trees if (differences := _differences(tree))]
    text = "\n\n".join("\n".join(differences) for differences in wrong[:5])
    assert not wrong, f"{len(wrong)} of {len(trees)} trees, KUMO_KERNEL_SEED={SEED}\n{text}"


@pytest.mark.parametrize("layout", MACHINE)
def test_rust_differs_only_where_it_is_known_to(layout: str) -> None:
    assert _rust_errors(layout), "not one known error: was Rust asked at all?"


def test_rust_errs_only_as_is_known() -> None:
    met = set().union(*map(_rust_errors, MACHINE))
    assert met <= set(kernel_rust.ERRORS)
