"""Sizes that follow the parallelism: a share of it, or a part of a budget."""

from __future__ import annotations

import logging
import re
import sys
from fractions import Fraction
from math import inf

from kumo._hot.count import available_parallelism
from kumo._records import round_cpus
from kumo._watch.say import say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any

    from kumo._watch.watch import Watch

_LOGGER = logging.getLogger("kumo")


def divide(count: int, weights: Mapping[str, float]) -> dict[str, int]:
    """Divide *count* CPUs by *weights*: whole parts, each at least 1, that together are *count*.

    By largest remainder: a part that would get less than 1 gets 1 first. At a tie the heavier
    comes first, then the earlier. If the names are more than the CPUs, each part is 1.
    """
    if count <= len(weights):
        return dict.fromkeys(weights, 1)
    rest = {name: Fraction(weight) for name, weight in weights.items()}
    total = sum(rest.values())
    while small := [name for name, weight in rest.items() if weight * count < total]:
        for name in small:
            total -= rest.pop(name)
        count -= len(small)
    exact = {name: weight * count / total for name, weight in rest.items()}
    parts = {name: int(part) for name, part in exact.items()}
    first = sorted(parts, key=lambda name: (parts[name] - exact[name], -rest[name]))
    for name in first[: count - sum(parts.values())]:
        parts[name] += 1
    return {name: parts.get(name, 1) for name in weights}


class Share:
    """A fraction of the parallelism."""

    def __init__(self, fraction: float) -> None:
        """Raise `ValueError` if *fraction* is not a positive number."""
        if not _is_positive(fraction):
            raise ValueError(
                "share must be a positive number, such as 0.5, or a part of a budget, "
                f"not {fraction!r}"
            )
        self.fraction = fraction

    def of(self, parallelism: int) -> int:
        """Return the share of *parallelism* CPUs, rounded down, at least 1."""
        # 0.29 of 100 is 28.999999999999996.
        return round_cpus(min(round(self.fraction * parallelism, 9), sys.maxsize))

    @property
    def size(self) -> int:
        """The present size, in CPUs. Raise `OverrideError` as `kumo.available_parallelism`."""
        return self.of(available_parallelism())

    def follow(self, callback: Callable[[str], object]) -> Watch:
        """Have *callback* called with what has changed, in the thread that watches.

        The new size is that `of` the estimate of the watch that is returned.
        """
        from kumo._watch.watch import watch

        return watch(lambda change: callback(change.what))

    def __str__(self) -> str:
        return f"share {self.fraction:g}"

    def __repr__(self) -> str:
        return f"Share({self.fraction!r})"


class Part(Share):
    """One part of a `Budget`: its *name*, and its *size* at each moment. Made by `Budget.part`.

    >>> part = kumo.Budget(web=2, batch=1).part("web")
    >>> part.name, part.size >= 1
    ('web', True)
    """

    def __init__(self, name: str, budget: Budget) -> None:
        self.name = name
        self.budget = budget

    def of(self, parallelism: int) -> int:
        """Return this part of *parallelism* CPUs."""
        return divide(parallelism, self.budget.weights)[self.name]

    def __str__(self) -> str:
        return f"part {self.name}"

    def __repr__(self) -> str:
        return f"{self.budget!r}.part({self.name!r})"


def as_share(share: float | str | Share) -> Share:
    """Return the share that *share* is or is the fraction of. Raise `ValueError` as `Share`."""
    if isinstance(share, str):
        return Share(_fraction(share))
    return share if isinstance(share, Share) else Share(share)


def _fraction(text: str) -> Any:
    """Return the number that is written as ``0.5`` or ``1/2``, with few digits; else *text*."""
    form = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(?:/([0-9]{1,9}))?", text)
    if form is None or ("." in form[1] and form[2]) or (form[2] and not int(form[2])):
        return text
    return float(form[1]) / int(form[2] or 1)


def _is_positive(number: object) -> bool:
    try:
        # A value that cannot be compared is not a number, which the type checker does not know.
        return bool(0 < number < inf)  # type: ignore[operator]
    except TypeError:
        return False


class Budget:
    """The parallelism divided by weights: whole parts, each at least 1, that together are it.

    ``Budget(web=2, batch=1)``, or a mapping of names to weights. Parts are recomputed when they
    are asked for, by largest remainder. If there are more parts than CPUs, each is 1, and together
    they exceed the parallelism, which is logged as a warning.

    Raise `ValueError` if there is no part or a weight is not a positive number.

    >>> budget = kumo.Budget(web=2, batch=1)
    >>> sorted(budget.parts)
    ['batch', 'web']
    """

    def __init__(self, weights: Mapping[str, float] | None = None, /, **more: float) -> None:
        self.weights: dict[str, float] = {**(weights or {}), **more}
        if not self.weights:
            raise ValueError("a budget needs a part at least, as in Budget(web=2, batch=1)")
        for name, weight in self.weights.items():
            if not _is_positive(weight):
                raise ValueError(f"{name} must have a positive weight, such as 1, not {weight!r}")
        if len(self.weights) > (count := available_parallelism()):
            text = "budget: %s parts of 1 CPU each exceed the parallelism, which is %s"
            say(_LOGGER.warning, text, len(self.weights), count)

    @property
    def parts(self) -> dict[str, int]:
        """The size of each part, in CPUs. Raise `OverrideError` as `available_parallelism`."""
        return divide(available_parallelism(), self.weights)

    def part(self, name: str) -> Part:
        """Return a part that follows, such as ``ThreadPool(…, share=budget.part("web"))``.

        Raise `KeyError` for another name.

        >>> budget = kumo.Budget(web=2, batch=1)
        >>> with kumo.ThreadPool("web", share=budget.part("web")) as pool:
        ...     pool.size == budget.parts["web"]
        True
        """
        if name not in self.weights:
            raise KeyError(name)
        return Part(name, self)

    def __getitem__(self, name: str) -> int:
        return self.parts[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.weights)

    def __len__(self) -> int:
        return len(self.weights)

    def __repr__(self) -> str:
        return f"Budget({self.weights})"
