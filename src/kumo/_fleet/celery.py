"""Celery: a control message to all workers; those with `kumo.celery` answer it.

*target* is what ``celery -A`` takes: the module of the app, which has the broker's address.
Celery has no list of its workers. So kumo first asks for a few seconds which there are, and then
waits for those alone.
"""

from __future__ import annotations

import os
import sys
import time
import uuid
from contextlib import suppress
from functools import partial

from kumo._errors import InputError
from kumo._fleet.reading import read_node, silent
from kumo._text import plural, repr_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    from kumo._fleet.records import Node

SLOTS = "the concurrency of each worker"
FIX = "kumo.celery.setup(app), or celery worker -c $(kumo)"
ENGINE = "celery"
COMMAND = "kumo_node"
WHO_IS_THERE = 3.0  # seconds, or a third of the timeout if that is less


def ask(
    target: str | None,
    *,
    pressure: float | None,
    timeout: float,
    progress: Callable[[str], None],
) -> Iterator[Node]:
    """Yield a node for each worker. Raise `InputError` if there is no app, or no broker."""
    app = _app(target)
    until = time.monotonic() + timeout
    progress("asking which workers there are")
    slots = {name: _slots(stats) for name, stats in _broadcast(
        app, "stats", min(WHO_IS_THERE, timeout / 3)
    )}  # fmt: skip
    progress(f"asking {plural(len(slots), 'worker')}")
    answers = _answers(app, sorted(slots), pressure, until)
    for name in sorted(slots):
        yield _node(name, slots[name], answers.get(name), timeout)


def _app(target: str | None) -> Any:
    try:
        from celery.app.utils import find_app
    except ImportError as error:
        raise InputError(
            f"celery: it cannot be imported here: {error}; run kumo with the Python that has it"
        ) from None
    target = target or os.environ.get("CELERY_APP")
    if not target:
        raise InputError("celery: give the module of the app, as for celery -A")
    directory = os.getcwd()
    sys.path.insert(0, directory)  # as celery does
    try:
        return find_app(target)
    except Exception as error:  # noqa: BLE001 - the user's module runs
        text = f"{type(error).__name__}: {error}"
        raise InputError(f"celery: there is no app {repr_path(target)}: {text}") from None
    finally:
        with suppress(ValueError):  # the user's module may have changed the path
            sys.path.remove(directory)


def _broadcast(
    app: Any,
    command: str,
    timeout: float,
    names: Iterable[str] | None = None,
    **arguments: Any,
) -> list[tuple[str, Any]]:
    """Return each worker's name and its answer. Raise `InputError` if the broker is not there."""
    wanted = None if names is None else list(names)
    if wanted is not None and not wanted:
        return []
    try:
        replies = app.control.broadcast(
            command, arguments=arguments, destination=wanted, reply=True, timeout=timeout,
            limit=None if wanted is None else len(wanted),
        )  # fmt: skip
    except Exception as error:  # noqa: BLE001 - brokers have errors of their own
        text = " ".join(f"{type(error).__name__}: {error}".split())
        raise InputError(f"celery: the broker does not answer: {text}") from None
    return [pair for reply in replies or () for pair in reply.items()]


def _answers(app: Any, names: list[str], pressure: float | None, until: float) -> dict[str, Any]:
    """Return the answers by the worker's name; with *pressure* they are fetched afterwards."""
    left = max(0.1, until - time.monotonic())
    given = {"pressure": pressure, "ticket": uuid.uuid4().hex} if pressure is not None else {}
    answers = dict(_broadcast(app, COMMAND, left, names, **given))
    if pressure is None:
        return answers
    watching = [name for name, answer in answers.items() if _is_watching(answer)]
    time.sleep(pressure if watching else 0)
    until += pressure
    while watching and time.monotonic() < until:
        time.sleep(0.2)
        left = max(0.1, until - time.monotonic())
        answers.update(_broadcast(app, COMMAND, left, watching, **given))
        watching = [name for name in watching if _is_watching(answers[name])]
    return answers


def _is_watching(answer: Any) -> bool:
    return isinstance(answer, dict) and "report" in answer and answer["report"] is None


def _slots(stats: Any) -> int | None:
    """Return the concurrency in what a worker answers to Celery's own ``stats``."""
    pool = stats.get("pool") if isinstance(stats, dict) else None
    number = pool.get("max-concurrency") if isinstance(pool, dict) else None
    return number if isinstance(number, int) else None


def _node(name: str, slots: float | None, answer: Any, timeout: float) -> Node:
    host = name.partition("@")[2] or name
    no_answer = partial(silent, host, engine=ENGINE, slots=slots, workers=(name,))
    if answer is None:
        return no_answer(f"no answer in {plural(f'{timeout:g}', 'second')}")
    error = answer.get("error") if isinstance(answer, dict) else None
    if error is not None and COMMAND in str(error):
        return no_answer("its app does not call kumo.celery.setup(app)")
    if not isinstance(answer, dict) or not isinstance(answer.get("report"), str):
        return no_answer(str(error or "its answer has no report"))
    answered = answer.get("slots")
    slots = answered if isinstance(answered, int) and not isinstance(answered, bool) else slots
    return read_node(answer["report"], engine=ENGINE, slots=slots, host=host, workers=(name,))
