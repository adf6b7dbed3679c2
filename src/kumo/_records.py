"""The results of a survey: limits, notes, and the estimate that follows from them.

The classes are written out rather than generated: ``dataclasses`` alone would
cost more start-up time than the whole of kumo.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, Literal, NoReturn

    from kumo._system.live import System

    Errs = Literal["over", "under", "either", "no"]
    Purpose = Literal["lockstep", "independent", "physical", "pinned"]
    Rounding = Literal["floor", "ceil"]

# Not from `math`, a library that takes as long to load as two modules of kumo.
inf = float("inf")
ROUNDING: dict[Purpose, Rounding] = {
    "lockstep": "floor",
    "independent": "ceil",
    "physical": "floor",
    "pinned": "floor",
}
BALANCE = "isolated"  # the source of the limit that only unpinned workers have
UNEQUAL = "performance-levels"  # the note that the CPUs are of different speed


def round_cpus(cpus: float, rounding: Literal["floor", "ceil"] = "floor") -> int:
    """Return a whole number of CPUs, at least 1, from *cpus*.

    This is the only place where kumo rounds.
    Raise `ValueError` for a *rounding* other than ``"floor"`` and ``"ceil"``.

    >>> kumo.round_cpus(3.99), kumo.round_cpus(3.01, "ceil"), kumo.round_cpus(0.25)
    (3, 4, 1)
    """
    if rounding not in ("floor", "ceil"):
        raise ValueError(f"rounding must be 'floor' or 'ceil', not {rounding!r}")
    whole = int(+cpus)
    if whole < cpus and rounding == "ceil":
        whole += 1
    return max(1, whole)


_store = object.__setattr__


class _Form(type):
    """Makes a record's slots, defaults and signature from the annotations in its class body.

    Those that begin with an underscore are slots, and no fields.
    """

    __match_args__: tuple[str, ...]
    _defaults: dict[str, object]

    def __new__(cls, name: str, bases: tuple[type, ...], body: dict[str, Any]) -> _Form:
        slots = tuple(body.get("__annotations__", ()))
        fields = tuple(name for name in slots if name[0] != "_")
        body["_defaults"] = {field: body.pop(field) for field in fields if field in body}
        body["__slots__"], body["__match_args__"] = slots, fields
        return super().__new__(cls, name, bases, body)

    if not TYPE_CHECKING:

        @property
        def __signature__(cls) -> Any:
            from inspect import Parameter, Signature

            return Signature(
                [
                    Parameter(
                        field,
                        Parameter.POSITIONAL_OR_KEYWORD,
                        default=cls._defaults.get(field, Parameter.empty),
                        annotation=cls.__annotations__[field],
                    )
                    for field in cls.__match_args__
                ]
            )


if TYPE_CHECKING:
    from typing_extensions import dataclass_transform

    @dataclass_transform(frozen_default=True)
    class _Base(metaclass=_Form): ...
else:
    _Base = _Form("_Base", (), {})


class Record(_Base):
    """A read-only value with named fields, which compares, hashes and pickles by them.

    A subclass states each field once, as an annotation, with its default if it has one.
    """

    if not TYPE_CHECKING:

        def __init__(self, *values: object, **named: object) -> None:
            cls = type(self)
            names = cls.__match_args__
            if named or len(values) != len(names):
                given = list(values)
                for name in names[len(values) :]:
                    if name in named:
                        given.append(named.pop(name))
                    elif name in cls._defaults:
                        given.append(cls._defaults[name])
                if named or len(given) != len(names):
                    raise TypeError(f"{cls.__name__} takes {', '.join(names)}, each once")
                values = given
            for name, value in zip(names, values):  # noqa: B905 - of one length
                _store(self, name, value)

    def _set(self, **fields: object) -> None:
        for name, value in fields.items():
            _store(self, name, value)

    def _fields(self) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in type(self).__match_args__)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{type(self).__name__}.{name} is read-only")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{type(self).__name__}.{name} is read-only")

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._fields() == other._fields()

    def __hash__(self) -> int:
        return hash(self._fields())

    def __repr__(self) -> str:
        pairs = zip(type(self).__match_args__, self._fields(), strict=True)
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in pairs)})"

    def __reduce__(self) -> tuple[type[Record], tuple[Any, ...]]:
        return type(self), self._fields()


def fields_of(record: Record) -> dict[str, Any]:
    """Return the record's fields by their names, in order."""
    return {name: getattr(record, name) for name in type(record).__match_args__}


class Limit(Record):
    """One fact that bounds the process, with its evidence.

    *source* is the detector's word for it (``"quota"``, ``"affinity"``, …), *kind*
    is ``"set"``, ``"rate"``, ``"allocation"``, ``"override"`` or, if asked for, ``"memory"``.
    *cpus* is the bound in CPUs, unrounded, `math.inf` if the place sets none.
    *where* is the file, call or ``$NAME`` asked; *text* what it answered:
    ``"(absent)"`` or ``"(EACCES)"`` if there was no text.
    *burst* is the CPUs' worth that may be used beyond a quota for a moment, *period* the seconds
    over which a quota is dealt out; `None` if there is no period.

    >>> limit = kumo.estimate(machine="machine.txt").binding
    >>> limit.source, limit.cpus, limit.text
    ('quota', 2.5, '250000 100000')
    """

    source: str
    kind: Literal["override", "allocation", "rate", "set", "memory"]
    cpus: float
    where: str
    text: str
    burst: float = 0.0
    period: float | None = None


class Note(Record):
    """A fact that the estimate cannot know, or that a reader should.

    *code* is stable; *text* is for people and says what was found, in which
    direction the count may err, and what to do about it.
    *errs* is that direction: ``"over"`` (the true count may be lower), ``"under"``,
    ``"either"`` or ``"no"``.

    >>> [note.code for note in kumo.estimate(machine="machine.txt").notes]
    []
    """

    code: str
    text: str
    errs: Literal["over", "under", "either", "no"]


class Estimate(Record):
    """All limits and notes of one survey, and the count that follows from them.

    *limits* runs from the narrowest scope (an override, the process's own cgroup)
    to the widest (the machine).
    ``str(estimate)`` is the explanation that ``kumo explain`` prints.

    >>> estimate = kumo.estimate(machine="machine.txt")
    >>> estimate.parallelism, estimate.quota, len(estimate.limits)
    (2, 2.5, 6)
    """

    limits: tuple[Limit, ...]
    notes: tuple[Note, ...]
    _system: System  # that it is about

    def __init__(self, limits: Iterable[Limit], notes: Iterable[Note]) -> None:
        self._set(limits=tuple(limits), notes=tuple(notes))

    @property
    def binding(self) -> Limit:
        """The override if there is one, else the tightest limit; at a tie, the widest in scope."""
        for limit in self.limits:
            if limit.kind == "override":
                return limit
        return min(reversed(self.limits), key=lambda limit: limit.cpus)

    @property
    def cpus(self) -> float:
        """The binding limit in CPUs, unrounded."""
        return float(self.binding.cpus)

    @property
    def parallelism(self) -> int:
        """The count: the binding limit, rounded down, at least 1."""
        return round_cpus(self.binding.cpus)

    @property
    def quota(self) -> float | None:
        """The tightest visible CPU quota in CPUs, whether it binds or not; `None` without one."""
        quota = self._tightest_quota()
        return None if quota is None else quota.cpus

    @property
    def burst(self) -> float:
        """The CPUs' worth that the tightest quota lets accumulate for a moment beyond it."""
        quota = self._tightest_quota()
        return 0.0 if quota is None else quota.burst

    def _tightest_quota(self) -> Limit | None:
        quotas = [limit for limit in self.limits if limit.kind == "rate" and limit.cpus < inf]
        return min(quotas, key=lambda limit: limit.cpus, default=None)

    def workers(
        self,
        purpose: Literal["lockstep", "independent", "physical", "pinned"] | None = None,
        *,
        memory: str | int | None = None,
    ) -> int:
        """Return how many workers to start for *purpose*; the count itself without one.

        ``"lockstep"``: threads that wait for each other, such as BLAS and OpenMP.
        One too many makes all of them wait, so the limit is rounded down. If the CPUs are of
        different speed and their capacities are known, it is the n for which n times the
        capacity of the slowest of the n fastest CPUs is greatest.
        ``"independent"``: CPU-bound work that shares nothing. The limit is rounded up, so
        that a part of a CPU is used too.
        ``"physical"``: at most one worker a core.
        ``"pinned"``: each worker is pinned to its own CPU, so that isolated CPUs count too.
        *memory* is what each worker needs, as in ``"2G"`` or in bytes: there are no more
        workers than fit into the memory of the cgroup and of the machine, but at least 1.
        The override is the answer, whatever the purpose and the memory are.

        Raise `ValueError` for another purpose or size, and if cores or memory are asked of
        an estimate that did not come from a survey in this process.

        >>> estimate = kumo.estimate(machine="machine.txt")
        >>> estimate.workers("lockstep"), estimate.workers("independent")
        (2, 3)
        """
        if purpose is not None and purpose not in ROUNDING:
            names = ", ".join(map(repr, ROUNDING))
            raise ValueError(f"purpose must be one of {names}, not {purpose!r}")
        limit = self.binding
        if purpose == "pinned" and limit.source == BALANCE:
            others = [other for other in self.limits if other.source != BALANCE]
            limit = Estimate(others, ()).binding
        count = round_cpus(limit.cpus, ROUNDING[purpose] if purpose else "floor")
        if memory is None and purpose not in ("lockstep", "physical"):
            return count
        return self._fewer(count, purpose, memory)

    def _fewer(self, count: int, purpose: Purpose | None, memory: str | int | None) -> int:
        """Return *count* or fewer, as far as cores, capacities and memory allow."""
        from kumo import _sizes

        each = _sizes.parse_size(str(memory)) if memory is not None else 0
        if self.binding.kind == "override":
            return count
        system = getattr(self, "_system", None)
        if system is None:
            unequal = purpose == "lockstep" and any(note.code == UNEQUAL for note in self.notes)
            if each or unequal or purpose == "physical":
                raise ValueError("this estimate does not know its machine: take a new one there")
            return count
        if purpose == "lockstep":
            count = _sizes.lockstep(system, count)
        if purpose == "physical":
            count = min(count, _sizes.physical(system))
        if each:
            fits = min(limit.cpus for limit in _sizes.memory_limits(system, each))
            count = min(count, round_cpus(fits)) if fits < inf else count
        return count

    def __str__(self) -> str:
        from kumo._explain import explain

        return explain(self)

    def _repr_html_(self) -> str:
        """The limits as a picture, for Jupyter."""
        from kumo._report.notebook import of_estimate

        return of_estimate(self)


def of_system(estimate: Estimate, system: System) -> Estimate:
    """Return *estimate*, which from now on knows the system that it is about."""
    _store(estimate, "_system", system)
    return estimate
