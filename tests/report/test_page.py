"""The page: what it says, its bounds, what it never has, and the machine file inside."""

from __future__ import annotations

import re
import zlib
from base64 import encodebytes
from html.parser import HTMLParser
from pathlib import Path

import pytest

import kumo
from kumo._pressure.records import Pressure
from kumo._report.page import MAX_BYTES, page
from kumo._report.view import BOUNDS, timelines, view
from kumo._system.machine_file import (
    COMPRESSED,
    INSIDE,
    MAX_EXPANDED,
    Machine,
    MachineError,
    of_report,
    read_machine,
)
from report.made import facts, machine_with

MACHINES = Path(__file__).parents[1] / "machines"
TOPOLOGIES = Path(__file__).parents[1] / "topology" / "machines"
MARKUP = '<script>alert("1")</script><img src=x onerror=alert(1)>&amp;'
THROTTLED = machine_with("/pod/app", 4, {"/pod": "150000 100000"})


class Tags(HTMLParser):
    """Collects the tags with their attributes, and the text outside of the machine file."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def assert_harmless(text: str) -> None:
    """Nothing runs, and nothing is asked for."""
    assert len(text.encode("utf-8", "surrogateescape")) < MAX_BYTES
    tags = Tags(text).tags
    assert {tag for tag, _ in tags}.isdisjoint({"script", "img", "iframe", "object", "a", "form"})
    for tag, attributes in tags:
        assert not any(name.startswith("on") or name == "src" for name in attributes), tag
        assert attributes.get("href") in (None, "data:,")
    assert "url(" not in text
    assert "@import" not in text


def given_back(text: str, tmp_path: Path) -> Machine:
    """The machine that the page holds, read from a file as ``--machine`` does."""
    file = tmp_path / "report.html"
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    return read_machine(file)


def test_the_answer_is_one_sentence() -> None:
    text = page(facts(THROTTLED))

    assert (
        "Process 4242 (web) can use 1 CPU: the quota in /sys/fs/cgroup/pod/cpu.max is 1.50, "
        "rounded down, and it throttled the process in 50% of the periods."
    ) in text
    assert_harmless(text)


@pytest.mark.parametrize(
    ("text", "shares", "sentence"),
    [
        (
            machine_with("/a", 1),
            (),
            "can use 1 CPU: all that are online, as no other limit is lower.",
        ),
        (
            machine_with("/a/b", 4, {"/a": "100000 100000"}),
            (0, 0),
            "can use 1 CPU: the quota in /sys/fs/cgroup/a/cpu.max is 1.00, "
            "and no quota throttled it.",
        ),
        (
            machine_with("/a", 2) + "-- $KUMO_AVAILABLE_PARALLELISM --\n3\n",
            (),
            "can use 3 CPUs: $KUMO_AVAILABLE_PARALLELISM is 3, which overrides every limit.",
        ),
        (
            machine_with("/a", 2, {"/a": "350000 100000"}),
            (1, 1),
            "no other limit is lower, and the quota of /sys/fs/cgroup/a throttled it in 100%",
        ),
    ],
)
def test_sentences(text: str, shares: tuple[float, ...], sentence: str) -> None:
    assert sentence in view(facts(text, shares), BOUNDS[0])["answer"]


def test_a_change_of_the_quota_is_marked_and_a_new_counter_is_not_negative() -> None:
    made = facts(THROTTLED, (1.0, 0.5, 0.0))
    second = made.samples[2].levels[0]
    changed = {
        **dict(zip(type(second).__match_args__, second._fields(), strict=True)),
        "quota_cpus": 2.5,
    }
    fewer = {**changed, "periods": 1, "throttled_periods": 1}
    samples = [
        *made.samples[:2],
        made.samples[2]._replace(levels=(type(second)(**changed),)),
        made.samples[3]._replace(levels=(type(second)(**fewer),)),
    ]

    (line,) = timelines(samples, 5)

    assert line.shares == [1.0, 0.5, None]
    assert line.changes == [(1, "1.50 to 2.50")]


def test_what_doctor_says_is_there() -> None:
    text = page(facts(THROTTLED, threads=["omp"], variables={"OMP_NUM_THREADS": "16"}))

    assert "kumo doctor: oversubscribed" in text
    assert "<td>omp</td>" in text
    assert "over by 15" in text
    assert "OMP_NUM_THREADS=1" in text


@pytest.mark.parametrize(
    "name",
    ["clause-override", "ecs-66-task-level-v1", "clause-path-not-utf8", "clause-octal-escapes"],
)
def test_the_page_is_a_machine_file(name: str, tmp_path: Path) -> None:
    path = MACHINES / f"{name}.txt"
    made = facts(path.read_text("utf-8", "surrogateescape"))
    text = page(made)

    machine = given_back(text, tmp_path)

    assert machine.sections == Machine(made.machine).sections
    answer = kumo.estimate(machine=tmp_path / "report.html")
    assert str(answer) == str(kumo.estimate(machine=path))
    assert_harmless(text)


@pytest.mark.parametrize("name", ["epyc-7763-job", "power9", "intel-12900k"])
def test_a_machine_of_many_cpus_keeps_its_topology(name: str, tmp_path: Path) -> None:
    path = TOPOLOGIES / f"{name}.txt"
    text = page(facts(path.read_text("utf-8")))

    machine = given_back(text, tmp_path)

    assert_harmless(text)
    own = kumo.topology(machine=path)
    assert machine.expect()
    assert kumo.topology(machine=tmp_path / "report.html") == own


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace("kumo-machine-file", "another"), "not one of kumo report"),
        (lambda text: text[: text.index("</pre>") - 1], "not one of kumo report"),
        (lambda text: re.sub(r"base64\">\n.{9}", 'base64">\n!', text), "is damaged"),
        (lambda text: re.sub(r"(base64\">\n.{76}\n).*?</pre>", r"\1</pre>", text, flags=re.S),
         "is cut or too long"),
    ],
)  # fmt: skip
def test_a_page_that_is_damaged(change: object, message: str) -> None:
    text = page(facts(EXTREMES["many levels"]))
    # The command has a box of its own, which is not the machine file.
    start = text.index('<pre id="kumo-machine-file"')
    assert callable(change)

    with pytest.raises(MachineError, match=message):
        of_report("<!doctype html>" + change(text[start:]))


def test_a_page_that_would_expand_to_more_than_a_megabyte() -> None:
    packed = encodebytes(zlib.compress(b"x" * (MAX_EXPANDED + 1))).decode()

    with pytest.raises(MachineError, match="is cut or too long"):
        of_report(f"<!doctype html>{INSIDE}{COMPRESSED}>{packed}</pre>")

    text = page(facts(THROTTLED)._replace(machine="x" * (MAX_EXPANDED + 1)))
    assert of_report(text) == facts(THROTTLED).small


def test_a_page_that_a_mail_program_or_a_browser_has_written_anew() -> None:
    made = facts(THROTTLED)
    text = page(made)

    assert of_report(text.replace("\n", "\r\n")) == made.machine
    saved = text.replace("<!doctype html>", "<!DOCTYPE html><!-- saved -->")
    assert of_report(saved.replace('"0">\nWritten', '"0">Written')) == made.machine


# --- bounds


LONG = "/" + "/".join(["x" * 7] * 480)
EXTREMES = {
    "many levels": machine_with("/" + "/".join(f"{at:x}" for at in range(700))),
    "many quotas": machine_with(
        LONG, 4096, {LONG[: 8 * at]: f"{100000 + at} 100000" for at in range(1, 481)}
    ),
    "markup": machine_with(
        f"/{MARKUP.replace('/', '_') * 40}", 2, {f"/{MARKUP.replace('/', '_') * 40}": "5000 100000"}
    ),
    "quotes": machine_with("/" + "/".join(['"' * 200] * 19)),
}


@pytest.mark.parametrize("name", EXTREMES)
def test_whatever_the_machine_is_like_the_page_has_a_bound(name: str, tmp_path: Path) -> None:
    made = facts(
        EXTREMES[name],
        [0.5] * 60,
        threads=[MARKUP + str(at) for at in range(40)],
        variables={"OMP_NUM_THREADS": "16", "MAKEFLAGS": "-j9" * 10_000},
    )
    text = page(made)

    assert_harmless(text)
    assert made.estimate.parallelism == kumo.estimate(machine=_file(text, tmp_path)).parallelism


def _file(text: str, tmp_path: Path) -> Path:
    given_back(text, tmp_path)
    return tmp_path / "report.html"


def test_a_machine_file_that_cannot_be_made_short_is_left_out() -> None:
    from random import Random

    noise = "".join(Random(1).choices("abcdefghijklmnopqrstuvwxyz0123456789", k=400_000))
    text = page(facts(THROTTLED)._replace(machine=noise, small=noise))

    assert "kumo snapshot prints it" in text
    assert_harmless(text)


# --- what nobody else is to see


def test_nothing_but_what_an_estimate_uses_is_in_the_page() -> None:
    """Each place of a machine file that holds more than an estimate uses holds a secret."""
    text = (
        machine_with("/app", 2, {"/app": "50000 100000"})
        .replace("0::/app\n", "12:memory:/secret\n0::/app\n")
        .replace("26 24 0:26", "31 24 0:31 / /secret rw - nfs secret:/secret rw\n26 24 0:26")
        + "-- $SECRET --\nsecret\n-- /proc/self/environ --\nsecret\n"
        + "-- /sys/fs/cgroup/app/cgroup.procs --\n1\n4242\n"
        + "-- /sys/fs/cgroup/secret/cpu.max --\n1 100000\n"
        + "-- /proc/self/status --\nName:\tsecret\nCpus_allowed_list:\t0-1\n"
        + "-- !hostname --\nsecret\n"
    )
    variables = {
        "MAKEFLAGS": "-j8 TOKEN=secret",
        "JAVA_TOOL_OPTIONS": "-Dpassword=secret -XX:ActiveProcessorCount=9",
        "OMP_NUM_THREADS": "secret",
        "MKL_NUM_THREADS": "4,secret",
    }
    words = page(facts(text, variables=variables))

    assert "secret" not in words
    assert "sets 8" in words
    assert "sets 9" in words
    assert words.count("(not shown)") == 2


def test_names_are_escaped_wherever_they_stand() -> None:
    name = MARKUP.replace("/", "_")
    made = facts(
        machine_with(f"/{name}", 2, {f"/{name}": "50000 100000"}),
        threads=[MARKUP],
        variables={"OMP_NUM_THREADS": MARKUP},
    )
    assert made.checkup is not None
    text = page(made._replace(checkup=made.checkup._replace(name=MARKUP), remarks=[MARKUP]))

    assert_harmless(text)
    assert 'alert("1")' in "".join(Tags(text).words)


def test_another_process_is_not_named_in_what_could_not_be_read() -> None:
    made = facts(THROTTLED)
    assert made.seen is not None
    fields = dict(zip(type(made.seen).__match_args__, made.seen._fields(), strict=True))
    seen = type(made.seen)(**{**fields, "missing": ("/proc/777/task/778/schedstat: EACCES",) * 2})

    text = page(made._replace(seen=seen))

    assert "777" not in text
    assert "/proc/N/schedstat: EACCES" in text


def test_without_a_process_it_is_about_this_cgroup() -> None:
    made = facts(THROTTLED)
    idle = Pressure(made.estimate, 1.0, used=0.0, waiting=0.0)
    text = page(made._replace(pid=None, checkup=None, seen=idle))

    assert "A program started here can use 1 CPU: " in text
    assert "kumo doctor:" not in text
    assert "Name the process that you ask about" in text
