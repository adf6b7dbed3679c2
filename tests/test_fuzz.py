"""Whatever the machine's files and variables hold, there is an answer within the bounds."""

from __future__ import annotations

import contextlib
import json
import re

import pytest
from conftest import MACHINES
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

from kumo._explain import as_dict
from kumo._override import VARIABLE, OverrideError
from kumo._records import Estimate
from kumo._snapshot import snapshot
from kumo._survey import survey
from kumo._system.machine_file import Machine, MachineError, parse_sections
from kumo._text import quoted

TEXTS = [path.read_text("utf-8", "surrogateescape") for path in MACHINES]
BASES = [{k: v for k, v in parse_sections(t).items() if isinstance(v, str)} for t in TEXTS]
NAMES = sorted({name for base in BASES for name in base if name != "expect"})
ONLINE = "/sys/devices/system/cpu/online"
WELL_FORMED = {
    "cpu.max": r"(max|-?\d{1,18}) \d{1,18}",
    "cpu.cfs_quota_us": r"-?\d{1,18}",
    "online": r"\d{1,7}(-\d{1,7})?(,\d{1,7}(-\d{1,7})?)*",
}

numbers = st.integers(-(2**70), 2**70) | st.sampled_from([0, -1, 1, 999, 100000])
almost = st.lists(
    numbers.map(str)
    | st.sampled_from(["max", "0::/", "/..", " - ", "cgroup2", ":", "-", ",", "\\04"]),
    max_size=6,
).flatmap(lambda parts: st.sampled_from(["", " ", "\n", ","]).map(lambda glue: glue.join(parts)))
binary = st.binary(max_size=60).map(lambda data: data.decode("utf-8", "surrogateescape"))
huge = st.tuples(almost | binary, st.integers(100, 20000)).map(lambda pair: pair[0] * pair[1])
anything = st.text(max_size=60) | almost | binary


@st.composite
def broken(draw: st.DrawFn, text: str) -> str:
    """*text* cut, doubled, changed at one place, or replaced altogether."""
    how = draw(st.sampled_from(["cut", "splice", "twice", "replace", "huge"]))
    if how == "replace":
        return draw(anything)
    if how == "huge":
        return draw(huge)[:200_000]
    place = draw(st.integers(0, len(text)))
    rest = {"cut": "", "twice": text, "splice": draw(anything) + text[place:]}
    return text[:place] + rest[how]


@st.composite
def machines(draw: st.DrawFn) -> tuple[dict[str, str], dict[str, str]]:
    """A machine's sections, and those of them that were broken or added."""
    base = dict(draw(st.sampled_from(BASES)))
    candidates = [name for name in base if name != "expect"]
    changed = {}
    for _ in range(draw(st.integers(1, 3))):
        name = draw(st.sampled_from(candidates) | st.sampled_from([*NAMES, f"${VARIABLE}"]))
        changed[name] = draw(broken(base.get(name, "")))
    return base, changed


def to_text(sections: dict[str, str]) -> str:
    """A machine file; a line that would begin a section is what the form cannot hold."""
    parts = []
    for name, body in sections.items():
        lines = [
            line
            for line in body.removesuffix("\n").split("\n")
            if not re.fullmatch("-- .* --", line)
        ]
        parts.append(f"-- {name} --\n" + "".join(line + "\n" for line in lines if lines != [""]))
    return "".join(parts)


def answer(text: str) -> Estimate | None:
    """The estimate, or `None` where the override, and only it, may be refused."""
    machine = Machine(text)
    override = machine.env(VARIABLE) or ""
    if not override or re.fullmatch("0*[1-9][0-9]{0,18}", override):
        return survey(machine)
    with contextlib.suppress(OverrideError):
        return survey(machine)
    return None


def online_cpus(sections: dict[str, str]) -> int | None:
    text = sections.get(ONLINE, "").strip()
    if not re.fullmatch(WELL_FORMED["online"], text) or re.search(r"\d{5}", text):
        return None
    pairs = [tuple(map(int, item.split("-") * 2))[:2] for item in text.split(",")]
    if any(low > high for low, high in pairs):
        return None
    return len({cpu for low, high in pairs for cpu in range(low, high + 1)})


def check(base: dict[str, str], changed: dict[str, str]) -> None:
    sections = {**base, **changed}
    estimate = answer(to_text(sections))
    if estimate is None:
        return
    assert estimate.parallelism >= 1
    assert str(estimate).split()[0] == str(estimate.parallelism)
    json.dumps(as_dict(estimate), allow_nan=False)
    online = online_cpus(sections)
    shown = sections.get("$KUMO_VIEW_FILES")  # then `online` is the view's, and not the kernel's
    if online is not None and not shown and estimate.binding.kind != "override":
        assert estimate.parallelism <= online
    before = answer(to_text(base))
    if before is not None and before.parallelism != estimate.parallelism:
        assert_malformed_texts_are_noted(changed, estimate)
    assert survey(Machine(snapshot(Machine(to_text(sections))))) == estimate


def assert_malformed_texts_are_noted(changed: dict[str, str], estimate: Estimate) -> None:
    """Where one file was broken and the answer is another, a note says that it is malformed."""
    if len(changed) != 1:
        return
    ((name, text),) = changed.items()
    form = WELL_FORMED.get(name.rpartition("/")[2])
    if form is not None and not re.fullmatch(form, " ".join(text.split())):
        noted = [note.text for note in estimate.notes if note.code == "malformed"]
        assert any(quoted(name, 200) in said for said in noted), (name, text)


WHOLE = [text for text in TEXTS if not re.search(r"^-- .*\(E[A-Z]+\) --$", text, re.MULTILINE)]


@pytest.mark.parametrize("text", WHOLE)
def test_an_unbroken_machine_is_written_as_it_is(text: str) -> None:
    """Otherwise the fuzzing would be of something other than these machines."""
    sections = {k: v for k, v in parse_sections(text).items() if isinstance(v, str)}

    assert answer(to_text(sections)) == answer(text)


def test_any_texts_in_a_machine(request: pytest.FixtureRequest) -> None:
    examples = request.config.getoption("fuzz_examples")

    @seed(request.config.getoption("fuzz_seed"))
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(machines())
    def run(pair: tuple[dict[str, str], dict[str, str]]) -> None:
        check(*pair)

    run()


@settings(max_examples=500, deadline=None, database=None)
@given(st.sampled_from(TEXTS).flatmap(broken) | st.text())
def test_any_text_as_a_machine_file(text: str) -> None:
    try:
        estimate = answer(text)
    except MachineError:
        return
    assert estimate is None or estimate.parallelism >= 1
