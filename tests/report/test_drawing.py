"""Pictures: what they show, that they fit, and that no name gets out of its place."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

import kumo
from kumo._pressure.records import Level
from kumo._records import Estimate, Limit
from kumo._report import drawing
from kumo._survey import open_system
from kumo._topology.read import read_cores, read_topology
from kumo._topology.records import Core, Topology

MACHINES = sorted((Path(__file__).parents[1] / "topology" / "machines").glob("*.txt"))
SVG = "{http://www.w3.org/2000/svg}"
INF = float("inf")
HOSTILE = "</text><script>alert(1)</script>&\x1b[31m\x00\u202e\udcff\u4e91" * 20


def texts(svg: str) -> list[str]:
    return [text.text or "" for text in ET.fromstring(svg).iter(f"{SVG}text")]


def quota(cpus: float, where: str) -> Limit:
    return Limit("quota", "rate", cpus, f"{where}/cpu.max", "x")


def online(cpus: int) -> Limit:
    return Limit("online", "set", cpus, "/sys/devices/system/cpu/online", f"0-{cpus - 1}")


def test_limits_run_from_the_widest_and_one_binds() -> None:
    estimate = Estimate([quota(INF, "/cg/pod/app"), quota(2.5, "/cg/pod"), online(16)], ())

    shown = texts(drawing.limits(estimate, alone=True))

    assert shown == [
        *("machine", "16 CPUs", "cgroup app", "no quota"),
        *("cgroup /cg/pod", "2.50 CPUs, binds"),
    ]


def test_levels_without_a_quota_share_a_row() -> None:
    limits = [quota(INF, f"/cg/{at}") for at in range(3000)]
    rows = drawing.limit_rows(Estimate([*limits, quota(1, "/cg"), online(1)], ()))

    assert [row.label for row in rows] == ["machine", "cgroup /cg", "3000 levels"]
    assert [row.binds for row in rows] == [True, False, False]  # at a tie, the widest


@pytest.mark.parametrize("number", [13, 2000])
def test_many_limits_are_few_rows_and_the_one_that_binds_is_among_them(number: int) -> None:
    limits = [quota(2 + (at * 7 % number) / 8, f"/cg/{at}") for at in range(number)]
    rows = drawing.limit_rows(Estimate([*limits, online(64)], ()))

    assert len(rows) == drawing.MAX_LIMITS
    assert [row.cpus for row in rows if row.binds] == [2]
    assert any(re.fullmatch(r"\d+ other limits", row.label) for row in rows)


@pytest.mark.parametrize("path", MACHINES, ids=lambda path: path.stem)
@pytest.mark.parametrize("width", [drawing.WIDE, drawing.NARROW])
def test_every_cpu_is_there_and_within_the_picture(path: Path, width: int) -> None:
    system = open_system("process", None, path)
    topology, cores = read_topology(system), read_cores(system)

    tree = ET.fromstring(drawing.topology(topology, cores, width, alone=True))

    numbers = [
        (int(text.text or ""), group.get("class"), float(text.get("x", "")))
        for group in tree.iter(f"{SVG}g")
        for text in group.iter(f"{SVG}text")
        if (text.text or "").isdigit()
    ]
    shown = cores or topology.cores
    assert sorted(cpu for cpu, _, _ in numbers) == sorted(c for x in shown for c in x.siblings)
    filled = {cpu for cpu, kind, _ in numbers if kind == "k-on-own"}
    assert filled == {*topology.cpus} - {*topology.isolated}
    assert all(0 < x < width for _, _, x in numbers)


def test_without_the_machine_s_cores_its_other_cpus_are_shown() -> None:
    topology = Topology([Core((0,), (0, 4))], online=(0, 1, 4))

    shown = texts(drawing.topology(topology, alone=True))

    assert sorted(text for text in shown if text.isdigit()) == ["0", "1", "4"]
    assert "may not be used" in shown


@pytest.mark.parametrize(("cpus", "nodes"), [(1024, 8), (8192, 64), (2**16, 2**12), (512, 512)])
def test_a_large_machine_is_a_small_picture(cpus: int, nodes: int) -> None:
    cores = [Core((cpu,), (cpu,), node=cpu % nodes) for cpu in range(cpus)]

    picture = drawing.topology(Topology(cores[::2], range(cpus)), cores, alone=True)

    assert len(picture) < 40_000
    ET.fromstring(picture)


def test_names_are_cut_and_escaped() -> None:
    estimate = Estimate([quota(1.5, f"/{HOSTILE}"), online(2)], ())
    level = Level(f"/{HOSTILE}", 1.5, 0.1, used=1.0)
    core = Core((0,), (0,), kind=HOSTILE), Core((1,), (1,), kind="x")
    for picture in (
        drawing.limits(estimate),
        drawing.levels([level] * 1000),
        drawing.workers(HOSTILE, 1, 1, 1),
        drawing.topology(Topology(core, (0, 1))),
        drawing.timeline([1.0], [0], HOSTILE[:30].replace("\x1b", "").replace("\x00", "")),
    ):
        ET.fromstring(picture)  # well-formed
        assert "<script" not in picture
        assert {"\x1b", "\x00", "\u202e"}.isdisjoint(picture)
        assert len(picture) < 30_000


def test_a_cut_name_keeps_both_ends_and_has_the_room() -> None:
    assert drawing.cut("kubepods-burstable-pod1.slice", 100) == "kubepo….slice"
    assert drawing.cut("short", 100) == "short"
    assert drawing.cut("\u4e91" * 30, 100) == "\u4e91\u4e91\u4e91\u4e91…\u4e91\u4e91\u4e91"


def test_a_bar_for_each_window_that_was_throttled() -> None:
    picture = drawing.timeline([None, 0.0, 0.5, 1.0, 0.001], [2], "words")

    assert picture.count("z") == 3
    assert "M2 40v-20h.9V40zM3 40v-40h.9V40zM4 40v-1h.9V40z" in picture
    assert 'd="M2 0V40"' in picture
    assert "<title>words</title>" in picture


# --- notebooks


def test_records_show_themselves_in_a_notebook() -> None:
    machine = Path(__file__).parents[1] / "machines" / "ecs-66-task-level-v1.txt"
    estimate = kumo.estimate(machine=machine)
    with kumo.ThreadPool("<b>", threads=3) as pool:
        shown = [
            estimate._repr_html_(),
            kumo.topology(machine=machine)._repr_html_(),
            kumo.Pressure(estimate, 1.0, (Level("/cg", 1.5, 0.1, used=0.9),))._repr_html_(),
            pool._repr_html_(),
        ]

    for text in shown:
        root = ET.fromstring(text)  # one element, well-formed
        assert root.tag == "div"
        assert len(list(root.iter("svg"))) == 1
        assert "style" not in text  # which a notebook that is not trusted drops
        assert 'fill="currentColor"' in text
    assert str(estimate.parallelism) in shown[0]
    assert "0 of 3 busy, 0 queued" in shown[3]


# --- the command


@pytest.mark.parametrize("verb", ["explain", "topology"])
def test_a_verb_prints_a_picture(verb: str, capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    from kumo._command.main import main

    path = str(MACHINES[0])
    assert main([verb, "--svg", "--machine", path]) == 0
    picture = capsysbinary.readouterr().out.decode()

    tree = ET.fromstring(picture)
    assert tree.tag == f"{SVG}svg"
    assert "@media screen and (prefers-color-scheme:dark)" in picture
    assert picture.endswith("</svg>\n")
    assert main([verb, "--svg", "--json"]) == 2
