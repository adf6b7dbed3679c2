"""The docstrings of what is public: each has an example, and every example is tried.

Signatures show the allowed values and public names, so that ``help()`` needs no source.
"""

from __future__ import annotations

import doctest
import inspect
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import kumo

MACHINE = Path(__file__).parents[1] / "machines" / "podman-14146-container-subgroup.txt"
METHODS = {
    "Budget": ["part"],
    "Estimate": ["workers"],
    "Follow": ["close", "update"],
    "ProcessPool": ["map", "submit"],
    "ThreadPool": ["waiting"],
    "Topology": ["split"],
    "Watch": ["close"],
}
# Objects that a function makes, and never a user.
MADE = {"Follow", "Watch", "Counters", "Measurement", "Pressure", "Topology"}
# What annotations consist of, beside public names.
PLAIN = {
    *("str", "int", "float", "bool", "bytes", "dict", "list", "tuple", "object", "None"),
    *("Any", "Callable", "Iterable", "Iterator", "Mapping", "Future", "Literal", "P", "T"),
    *("os", "PathLike", "args", "kwargs"),
}


def documented() -> Iterator[Any]:
    for name in kumo.__all__:
        value = getattr(kumo, name)
        yield pytest.param(name, value, id=name)
        for method in METHODS.get(name, ()):
            whole = f"{name}.{method}"
            yield pytest.param(whole, getattr(value, method), id=whole)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with the machine files of the examples."""
    text = MACHINE.read_text("utf-8")
    (tmp_path / "machine.txt").write_text(text, "utf-8")
    (tmp_path / "smaller.txt").write_text(text.replace("250000 100000", "50000 100000"), "utf-8")
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(("name", "value"), list(documented()))
def test_an_example(name: str, value: Any) -> None:
    if name.startswith("ProcessPool"):
        pytest.importorskip("loky")
    if "follow" in name.lower():
        pytest.importorskip("threadpoolctl")
    text = inspect.getdoc(value) or ""
    test = doctest.DocTestParser().get_doctest(text, {"kumo": kumo, "os": os}, name, name, 0)
    report: list[str] = []

    failed, tried = doctest.DocTestRunner().run(test, out=report.append)

    assert (failed, "".join(report)) == (0, "")
    assert tried > 0
    assert "+SKIP" not in text


@pytest.mark.parametrize(("name", "value"), list(documented()))
def test_a_signature_shows_values_and_public_names(name: str, value: Any) -> None:
    if name in MADE or (isinstance(value, type) and issubclass(value, Exception)):
        return
    annotations = [
        str(annotation)
        for parameter in inspect.signature(value).parameters.values()
        if (annotation := parameter.annotation) is not parameter.empty
    ] + [str(inspect.signature(value).return_annotation)]
    words = {
        word
        for annotation in annotations
        for word in re.findall(r"\w+", re.sub(r"""Literal\[[^]]*\]|<class .*>|'""", "", annotation))
    }

    assert words - PLAIN - set(kumo.__all__) == set()


def test_a_function_with_few_values_names_them() -> None:
    scope = inspect.signature(kumo.available_parallelism).parameters["scope"]

    assert scope.annotation == "Literal['process', 'thread']"
