"""A machine's cores as text that is read at a glance: a line for each place that contains some.

The places that divide a machine are headings, rows and gaps in the rows, from the widest to the
narrowest. A small machine shows the numbers of each core's CPUs, a large one a sign for each core.
A row that is too wide for the terminal goes on below itself, and short rows share a line if there
are many. Only lists and notes that have no place to break are wider than the terminal.
"""

from __future__ import annotations

from kumo._text import plural, quoted
from kumo._topology.split import PLACES, boundaries, slowness

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from kumo._topology.records import Core, Topology
    from kumo._topology.split import Place

    Names = tuple[str, ...]

NAMES = ("node", "package", "die", "cache")
MANY_ROWS = 24  # more than this are put together, if they are short
MANY_NUMBERS = 64  # more CPUs than this are shown as signs
PACKED_MARGIN = 32  # of a line, for the names and CPUs of the rows that share it
MAX_LINE = 10_000  # characters, of the widest terminal
LIST_WIDTH = 26  # of a list of CPUs, which is cut beyond
LEGEND = {"#": "your core", "+": "partly yours", "i": "yours and isolated", ".": "not yours"}


def picture(topology: Topology, cores: Sequence[Core], width: int) -> Iterator[str]:
    """Yield the lines that show *topology* among all *cores* of its machine."""
    cores = cores or topology.cores  # if the system does not say which CPUs are online
    yield from headline(topology, cores, width)
    yield ""
    # A Mac's names of kinds come from the system.
    yield from (quoted(line.rstrip(), MAX_LINE) for line in _drawn(topology, cores, width))
    if topology.accelerators:
        yield ""
    for device in topology.accelerators:
        near = "node unknown" if device.node is None else f"near node {device.node}"
        words = (device.address, f"{device.vendor}:{device.device}", near)
        yield "  ".join(quoted(word, 60) for word in words)
    for note in topology.notes:
        yield from ("", f"{note.code}: {note.text}")


def _drawn(topology: Topology, cores: Sequence[Core], width: int) -> Iterable[str]:
    if not cores:
        return ["The system does not say which CPUs it has."]
    plan, rows = _planned(cores)
    return _with_numbers(rows, frozenset(topology.cpus), width) or _with_signs(
        plan, rows, topology, width
    )


def short_list(cpus: Iterable[int]) -> str:
    """Return *cpus* as ranges; ``0-62:2`` is every second one, as lscpu writes it."""
    parts: list[str] = []
    numbers = sorted(cpus)
    first = 0
    while first < len(numbers):
        step = numbers[first + 1] - numbers[first] if first + 1 < len(numbers) else 1
        last = first
        while last + 1 < len(numbers) and numbers[last + 1] - numbers[last] == step:
            last += 1
        if last == first + 1 and step > 1:
            last = first  # two CPUs with a gap are two numbers
        part = str(numbers[first])
        if last > first:
            part += f"-{numbers[last]}" + (f":{step}" if step > 1 else "")
        parts.append(part)
        first = last + 1
    return ",".join(parts)


# --- the headline


def headline(topology: Topology, cores: Sequence[Core], width: int) -> Iterator[str]:
    """Yield the counts, then kinds, then isolated and offline CPUs, in lines of *width*."""
    is_uneven = topology.capacity != len(topology.cpus)
    worth = f", worth {topology.capacity:.2f} of the fastest" if is_uneven else ""
    yield (
        f"{len(topology.cpus)} of {plural(len(topology.online) or len(topology.cpus), 'CPU')} on "
        f"{plural(topology.physical_cores, 'core')}{worth}"
    )
    yield from _wrapped(
        [
            plural(number, name)
            for name, number in (
                ("package", len({core.package for core in cores})),
                ("NUMA node", len({core.node for core in cores})),
                ("die", _dies(cores)),
                ("last-level cache", len({core.cache for core in cores})),
            )
            if number > 1
        ]
        + list(_kinds(cores)),
        width,
    )
    for name, cpus in (("isolated", topology.isolated), ("offline", topology.offline)):
        if cpus:
            yield f"{name}: {short_list(cpus)}"


def _dies(cores: Sequence[Core]) -> int:
    """How many dies there are; 0 if each package is one."""
    dies = len({(core.package, core.die) for core in cores})
    return dies if dies > len({core.package for core in cores}) else 0


def _kinds(cores: Sequence[Core]) -> Iterator[str]:
    """The cores of each kind, with their threads, and their capacities if these differ."""
    uneven = len({core.capacity for core in cores}) > 1
    kinds: dict[str, list[Core]] = {}
    for core in sorted(cores, key=slowness(cores)):
        kinds.setdefault(core.kind or "", []).append(core)
    for kind, some in kinds.items():
        sizes = sorted({len(core.siblings) for core in some})
        threads = f" of {' or '.join(map(str, sizes))} threads" if sizes != [1] else ""
        capacities = [core.capacity for core in some]
        shown = f" (capacity {_span(min(capacities), max(capacities))})" if uneven else ""
        if kind or threads or shown:
            name = quoted(f"{kind} core".strip(), 60)
            yield f"{plural(len(some), name)}{threads}{shown}"


def _span(low: int, high: int) -> str:
    return str(low) if low == high else f"{low}-{high}"


def _wrapped(parts: Sequence[str], width: int) -> Iterator[str]:
    line = ""
    for number, part in enumerate(parts, 1):
        comma = number < len(parts)  # if the part ends its line
        if line and len(line) + 2 + len(part) + comma > width:
            yield f"{line},"
            line = part
        else:
            line = f"{line}, {part}" if line else part
    if line:
        yield line


# --- rows

Numbers = tuple[tuple[str, str], ...]  # of places, by name


class _Row:
    """The cores of one place, of one kind, in groups between which the picture has gaps."""

    def __init__(self, heading: Numbers, label: Numbers, kind: str) -> None:
        self.heading, self.label, self.kind = heading, label, kind
        self.groups: list[list[Core]] = []

    @property
    def cpus(self) -> tuple[int, ...]:
        return tuple(
            sorted(cpu for cores in self.groups for core in cores for cpu in core.siblings)
        )


class _Plan:
    """Which places are headings, rows and gaps; *is_packed* if short rows share a line."""

    def __init__(
        self, headings: Names = (), labels: Names = (), gaps: Names = (), is_packed: bool = False
    ) -> None:
        self.headings, self.labels, self.gaps, self.is_packed = headings, labels, gaps, is_packed

    def rows(self, cores: Sequence[Core]) -> list[_Row]:
        """The rows from the widest place on, the fastest kind of each first."""
        kind = slowness(cores)
        places = [PLACES[NAMES.index(name)] for name in (*self.headings, *self.labels)]
        gaps = [PLACES[NAMES.index(name)] for name in self.gaps]
        rows: dict[tuple[object, ...], _Row] = {}
        groups: dict[tuple[object, ...], list[Core]] = {}
        for core in sorted(
            cores,
            key=lambda core: (
                *(place(core) for place in places),
                kind(core),
                *(gap(core) for gap in gaps),
                core.siblings,
            ),
        ):
            key = (*(place(core) for place in places), core.kind)
            if key not in rows:
                heading, label = (_numbers(core, names) for names in (self.headings, self.labels))
                rows[key] = _Row(heading, label, core.kind or "")
            group = (key, *(gap(core) for gap in gaps))
            if group not in groups:
                groups[group] = []
                rows[key].groups.append(groups[group])
            groups[group].append(core)
        return list(rows.values())


def _numbers(core: Core, names: Names) -> Numbers:
    values = ((name, getattr(core, name)) for name in names)
    return tuple((name, "?" if number is None else str(number)) for name, number in values)


def _layers(cores: Sequence[Core]) -> list[Names]:
    """The names of the places that divide the machine; those that divide it alike together."""
    layers: list[Names] = []
    before = 1
    places: list[Place] = []
    for place in boundaries(cores):
        places.append(place)
        name = NAMES[PLACES.index(place)]
        cells = len({tuple([each(core) for each in places]) for core in cores})
        if cells == before:
            # A die that is a package, or a cache that is a node's, says nothing new.
            layers[-1] += (name,) if name in ("node", "package") else ()
        else:
            layers.append((name,))
        before = cells
    return layers


def _plans(cores: Sequence[Core]) -> Iterator[_Plan]:
    """The ways to draw the machine, from the most lines to the fewest."""
    layers = _layers(cores)
    narrow = layers[-1] if len(layers) > 1 else ()
    for gaps in (narrow if {*narrow} <= {"die", "cache"} else (), narrow):
        rest = layers[:-1] if gaps else layers
        headings = rest[0] if len(rest) > 1 else ()
        labels = tuple(name for layer in rest[len(headings) > 0 :] for name in layer)
        yield _Plan(headings, labels, gaps)
    yield _Plan((), tuple(name for layer in layers[:-1] or layers for name in layer), narrow, True)


def _planned(cores: Sequence[Core]) -> tuple[_Plan, list[_Row]]:
    """The first way that has few lines, else the last."""
    for plan in _plans(cores):
        rows = plan.rows(cores)
        if len(rows) + len({row.heading for row in rows if row.heading}) <= MANY_ROWS:
            break
    return plan, rows


# --- lines


def _name(numbers: Numbers) -> str:
    return ", ".join(f"{name} {number}" for name, number in numbers)


def _names(rows: Sequence[_Row]) -> str:
    """The name of several rows: ``nodes 0-7``."""
    if len(rows) == 1:
        return _name(rows[0].label)
    parts = []
    for place, (name, _) in enumerate(rows[0].label):
        numbers = dict.fromkeys(row.label[place][1] for row in rows)
        are_known = all(number.isdigit() for number in numbers)
        shown = short_list(map(int, numbers)) if are_known else "?"
        parts.append(f"{name}{'s' if len(numbers) > 1 else ''} {shown}")
    return ", ".join(parts)


Line = tuple[Numbers, tuple[str, ...], str]  # heading, cells to align, and what may be folded


def _with_numbers(rows: Sequence[_Row], own: frozenset[int], width: int) -> list[str]:
    """The lines of a small machine, each core as the numbers of its CPUs; none if too wide."""

    def cell(core: Core) -> str:
        numbers = (str(cpu) if cpu in own else f"({cpu})" for cpu in core.siblings)
        return f"[{' '.join(numbers)}]"

    if len(rows) > MANY_ROWS or sum(len(row.cpus) for row in rows) > MANY_NUMBERS:
        return []
    lines = [
        (
            row.heading,
            (_name(row.label), row.kind),
            "  ".join(" ".join(map(cell, cores)) for cores in row.groups),
        )
        for row in rows
    ]
    shown = list(_aligned(lines))
    if not own.issuperset(cpu for row in rows for cpu in row.cpus):
        shown += ["", "in parentheses: not yours"]
    return shown if max(map(len, shown)) <= width else []


def _with_signs(plan: _Plan, rows: Sequence[_Row], topology: Topology, width: int) -> Iterator[str]:
    """The lines of a large machine, each core as one character."""
    own, isolated = frozenset(topology.cpus), frozenset(topology.isolated)
    used: set[str] = set()

    def cell(core: Core) -> str:
        mine = own.intersection(core.siblings)
        sign = "#" if len(mine) == len(core.siblings) else "+" if mine else "."
        if mine and mine <= isolated:
            sign = "i"
        used.add(sign)
        return sign

    is_all = own.issuperset(cpu for row in rows for cpu in row.cpus)
    lines: list[Line] = [((), ("", "", "CPUs", "" if is_all else "yours"), "cores")]
    for some in _packed(rows, width) if plan.is_packed else [[row] for row in rows]:
        cpus = [cpu for row in some for cpu in row.cpus]
        yours = "" if is_all else _cut(own.intersection(cpus)) or "-"
        cells = (_names(some), some[0].kind, _cut(cpus), yours)
        drawn = [" ".join("".join(map(cell, cores)) for cores in row.groups) for row in some]
        lines.append((some[0].heading, cells, ("  " if plan.gaps else " ").join(drawn)))
    yield from _aligned(lines, width)
    yield ""
    yield "   ".join(f"{sign} {LEGEND[sign]}" for sign in LEGEND if sign in used)
    if plan.gaps:
        yield f"a gap is between two {_plural(plan.gaps[-1])}"


def _packed(rows: Sequence[_Row], width: int) -> Iterator[list[_Row]]:
    """Rows of one kind that share a line: as many as fit, and the same number on each if it can."""
    longest = max(sum(map(len, row.groups)) + len(row.groups) for row in rows) + 1
    most = max(1, (width - PACKED_MARGIN) // longest)
    size = next((n for n in range(most, most // 2, -1) if len(rows) % n == 0), most)
    some: list[_Row] = []
    for row in rows:
        if len(some) == size or (some and some[0].kind != row.kind):
            yield some
            some = []
        some.append(row)
    yield some


def _cut(cpus: Iterable[int]) -> str:
    text = short_list(cpus)
    if len(text) <= LIST_WIDTH:
        return text
    return text[: text.rindex(",", 0, LIST_WIDTH - 3) + 1] + "..." if "," in text else text


def _plural(name: str) -> str:
    return {"cache": "last-level caches"}.get(name, f"{name}s")


def _aligned(lines: Sequence[Line], width: int = 0) -> Iterator[str]:
    """Align the cells, below their headings; with *width* fold what comes last.

    Empty columns are left out, and a name is not repeated below itself.
    """
    columns = zip(*(cells for _, cells, _ in lines), strict=True)
    widths = [max(map(len, column)) for column in columns]
    indent = "  " if any(heading for heading, _, _ in lines) else ""
    room = width - len(indent) - sum(wide + 2 for wide in widths if wide)
    above: Numbers = ()
    name = ""
    for heading, cells, last in lines:
        if heading != above:
            yield _name(heading)
            above, name = heading, ""
        shown = ("" if cells[0] == name else cells[0], *cells[1:])
        name = cells[0]
        for part in _folded(last, room) if width else [last]:
            padded = [cell.ljust(wide) for cell, wide in zip(shown, widths, strict=True) if wide]
            yield indent + "  ".join([*padded, part])
            shown = ("",) * len(cells)


def _folded(text: str, room: int) -> Iterator[str]:
    """Break *text* at gaps, and a run that is longer than a line after a multiple of 8 cores."""
    room = max(room, 8)
    while len(text) > room:
        end = text.rfind(" ", 0, room + 1)
        if end <= 0:
            end = room // 8 * 8
        yield text[:end]
        text = text[end:].lstrip(" ")
    yield text
