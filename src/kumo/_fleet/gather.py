"""The question, asked of one engine or several."""

from __future__ import annotations

from math import isfinite

from kumo._errors import InputError
from kumo._fleet.adapters import load
from kumo._fleet.records import Fleet
from kumo._text import plural

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kumo._fleet.records import Node

LONGEST = 86_400  # seconds


def gather(
    engine: str | Sequence[str],
    target: str | Sequence[str | None] | None = None,
    *,
    pressure: float | None = None,
    timeout: float = 30.0,
) -> Fleet:
    """Ask every node of *engine* once, and return what it believes and what kumo finds there.

    *target* is the address, folder or options that the engine needs; `kumo fleet ENGINE --help`
    and the guide have them. For several engines, separated by commas or in a sequence, *target*
    is a sequence too, with one for each. With *pressure*, each node watches for so many seconds
    how much its cgroups are throttled. *timeout* bounds how long an engine is asked, in
    seconds, beyond *pressure*. A node that gives no answer by then is silent, with the reason;
    the answers of the others count.

    Raise `ValueError` for an engine that there is not, a number of targets that differs from
    that of the engines, or seconds that are not above 0. `RuntimeError` says that an engine
    itself cannot be asked: it is not installed or not running. If another engine can, the one
    that cannot is a silent node instead.
    """
    try:
        pairs = paired(engine, target)
    except InputError as error:
        raise ValueError(str(error)) from None
    for name, seconds in (("pressure", pressure), ("timeout", timeout)):
        if seconds is not None and not (isfinite(seconds) and 0 < seconds <= LONGEST):
            raise ValueError(f"{name} must be above 0 and at most {LONGEST}, not {seconds!r}")
    try:
        return ask_all(pairs, pressure=pressure, timeout=timeout)
    except InputError as error:
        raise RuntimeError(str(error)) from None


def paired(
    engine: str | Sequence[str], target: str | Sequence[str | None] | None
) -> list[tuple[str, str | None]]:
    """Return each engine with its target. Raise `InputError`."""
    engines = engine.split(",") if isinstance(engine, str) else list(engine)
    targets = [target] if isinstance(target, str) or target is None else list(target)
    if len(targets) > len(engines):
        given = plural(len(targets), "target")
        raise InputError(
            f"{given} for {plural(len(engines), 'engine')}: give one for each, "
            "in quotes if it has spaces"
        )
    for name in engines:
        load(name)
    targets += [None] * (len(engines) - len(targets))
    return [(name, where or None) for name, where in zip(engines, targets, strict=True)]


def ask_all(
    pairs: Sequence[tuple[str, str | None]],
    *,
    pressure: float | None,
    timeout: float,
    progress: Callable[[str], None] = lambda text: None,
) -> Fleet:
    """Ask each engine in turn, and return all nodes. Raise `InputError` if none can be asked.

    An engine that cannot be asked is a silent node if another one can: the answers of the others
    count.
    """
    from kumo._fleet.reading import silent

    nodes: list[Node] = []
    failures: list[tuple[str, InputError]] = []
    for engine, target in pairs:

        def report(text: str, engine: str = engine) -> None:
            progress(f"{engine}: {text}")

        ask = load(engine).ask
        try:
            nodes.extend(ask(target, pressure=pressure, timeout=timeout, progress=report))
        except InputError as error:
            if len(pairs) == 1:
                raise
            failures.append((engine, error))
    if len(failures) == len(pairs):
        raise failures[0][1]
    for engine, why in failures:
        nodes.append(silent(engine, str(why).removeprefix(f"{engine}: "), engine=engine))
    return Fleet(tuple(engine for engine, _ in pairs), tuple(nodes))
