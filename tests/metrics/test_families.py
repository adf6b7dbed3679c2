"""The table of metrics: what each sample says, and what has no sample."""

from __future__ import annotations

import re

import pytest

from kumo._metrics.families import FORMS, OF_LEVELS, OF_POOLS, of_estimate, of_levels, of_pools
from kumo._pressure.counters import Counters
from kumo._records import Estimate, Limit, Note

INF = float("inf")
ESTIMATE = Estimate(
    [
        Limit("Slurm", "allocation", 4, "$SLURM_CPUS_ON_NODE", "4"),
        Limit("Slurm", "allocation", 3, "$SLURM_CPUS_PER_TASK", "3"),
        Limit("quota", "rate", INF, "/cg/a/b/cpu.max", "max 100000"),
        Limit("quota", "rate", INF, "/cg/a/cpu.max", "(covered)"),
        Limit("quota", "rate", 1.5, "/cg/cpu.max", "150000 100000", period=0.1),
        Limit("online", "set", 8, "/sys/devices/system/cpu/online", "0-7"),
    ],
    [Note("x", "", "no"), Note("x", "again", "no"), Note("a", "", "over")],
)


def samples(name: str, **options: bool) -> list[tuple[dict[str, str], float]]:
    families = of_estimate(ESTIMATE, paths=options.get("paths", False))
    (family,) = [family for family in families if family.name == name]
    assert all(set(labels) == set(family.labels) for labels, _ in family.samples)
    return list(family.samples)


def test_the_count_and_the_unrounded_limit() -> None:
    assert samples("kumo_available_parallelism") == [({}, 1)]
    assert samples("kumo_cpus") == [({}, 1.5)]


def test_a_limit_that_is_not_set_has_no_sample_and_equal_labels_are_one() -> None:
    assert samples("kumo_limit_cpus") == [
        ({"source": "Slurm", "level": "", "binds": "false"}, 3),
        ({"source": "quota", "level": "1", "binds": "true"}, 1.5),
        ({"source": "online", "level": "", "binds": "false"}, 8),
    ]


def test_paths_are_a_label_by_option() -> None:
    limits = samples("kumo_limit_cpus", paths=True)

    assert [labels["where"] for labels, _ in limits] == [
        "$SLURM_CPUS_ON_NODE",
        "$SLURM_CPUS_PER_TASK",
        "/cg/cpu.max",
        "/sys/devices/system/cpu/online",
    ]


def test_notes_are_named_once() -> None:
    assert samples("kumo_notes") == [({"code": "a"}, 1), ({"code": "x"}, 1)]


def test_what_a_level_does_not_tell_has_no_sample() -> None:
    levels = [Counters("/cg/a", throttled_periods=0), Counters("/cg", 1.5, 0.1, 10, 3, 0.25)]
    families = {family.name: family.samples for family in of_levels(levels, paths=False)}

    assert families["kumo_cgroup_throttled_periods"] == (
        ({"level": "0"}, 0.0),
        ({"level": "1"}, 3.0),
    )
    assert families["kumo_cgroup_quota_cpus"] == (({"level": "1"}, 1.5),)
    assert families["kumo_cgroup_usage_seconds"] == ()


class FakePool:
    size, busy, parked, queued = 4, 2, 1, 7


def test_pools_and_the_names_of_kumomta() -> None:
    families = {
        family.name: family.samples for family in of_pools({"web": FakePool()}, kumomta=True)
    }

    assert families["kumo_pool_queued"] == (({"pool": "web"}, 7.0),)
    assert families["thread_pool_size"] == (({"pool": "web"}, 4.0),)
    assert families["thread_pool_parked"] == (({"pool": "web"}, 1.0),)
    assert "thread_pool_size" not in {f.name for f in of_pools({}, kumomta=False)}


@pytest.mark.parametrize("name", FORMS)
def test_each_form_is_complete(name: str) -> None:
    semantic, kind, unit, text = FORMS[name]

    assert re.fullmatch("kumo_[a-z_]+", name)
    assert re.fullmatch(r"(kumo|process)\.[a-z.]+", semantic.replace("available_parallelism", ""))
    assert kind in ("gauge", "counter")
    assert re.fullmatch(r"s|\{[a-z]+\}", unit)
    assert text.endswith(".")


def test_every_form_is_exported() -> None:
    exported = {family.name for family in of_estimate(ESTIMATE, paths=False)}

    assert exported | {*OF_LEVELS} | {f"kumo_pool_{what}" for what in OF_POOLS} == {*FORMS}
