"""Write docs/reference/knobs.md from the knob table in src/kumo/_runtimes/knobs.py.

With ``--check`` write nothing, and exit 1 if the page differs from what would be written.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import _page

HERE = Path(__file__).resolve().parent
PAGE = HERE / "reference" / "knobs.md"
sys.path.insert(0, str(HERE.parent / "src"))  # this checkout's table, whatever is installed

from kumo._runtimes.knobs import KNOBS, Knob  # noqa: E402

HEAD = """\
<!-- Written by docs/generate_knobs.py from src/kumo/_runtimes/knobs.py. Change those. -->

# Knobs

A *knob* is a variable that sets how many CPUs, threads or workers a program uses.
This page lists the knobs that kumo knows, and what [`kumo run`](run.md) does with each.
Below each table, the list has the reason and the source of each row.

| column | content |
| --- | --- |
| read by | the program, and the first version known to read it |
| effect | `cap`: it can only lower the program's number; `set`: it replaces it |
| sees | the limits that the program respects without the variable |
| without it | `wrong`: the program counts too many; `redundant`: it respects all limits |
| known from | `run`, `source`, `document`, or `unverified`: from memory |

`wrong` means under a limit that the program does not see.
A `redundant` program may still round in another way.
"""
SECTIONS = {
    "default": """
## Set by default

Each is set to the count.
It changes no output and prints nothing.
It raises no program above what it would do on a machine of that many CPUs, with one exception.
If psutil is installed, `pytest -n auto` counts physical cores, and under `kumo run` the CPUs.
""",
    "inner": """
## Set for workers

With `--workers W` each is set to the share of one worker, with `--with` to the count.
By default they are not set.
joblib, Dask, Ray, torchrun and Spark divide the count among their workers, but not if one of these variables is set.
`OMP_NUM_THREADS`, `OPENBLAS_NUM_THREADS` and `MKL_NUM_THREADS` are an exception: they are set by default if the count is 1, because then there is nothing to divide.
""",  # noqa: E501
    "workers": """
## Set with `--workers auto`

Each starts as many workers as the count, with one thread in each.
""",
    "opt-in": """
## Set when asked for

With `--with GROUP`, or `--with` and the variable's name.
""",
    "never": """
## Never set

`kumo run` never sets these.
""",
}
UNLESS = """
## Not set beside another

If you have set the first variable, `kumo run` does not set the second, which would override it:

| set by you | not set |
| --- | --- |
"""

SEARCHED = """
## Fifty more programs

Six of them were run on 2026-11-27, on a machine that shows 64 CPUs.
Four of the six have a variable that works there. They are in the first table.
The other 44 were searched and not run: their Python code for variables such as `*THREAD*` or
`*WORKER*`, compiled libraries for such strings.
A variable from the search may do nothing, and a program may read one that was not found.

- `os.cpu_count`: no variable was found. `PYTHON_CPU_COUNT` reaches it from Python 3.13 on.
  A [view](run.md#a-view) reaches it on every Python.
- `none found`: neither a variable nor a count of CPUs was found in its Python code.

| program | version | known from | outcome |
| --- | --- | --- | --- |
| OpenMM | 8.6.1 | run | `OPENMM_CPU_THREADS`: 64 to 4 |
| Halide | 21.0.0 | run | `HL_NUM_THREADS`: 64 to 4 |
| OpenUSD | 26.11 | run | `PXR_WORK_THREAD_LIMIT`: 64 to 4 |
| OpenImageIO | 3.2.2 | run | `OPENIMAGEIO_THREADS`: 64 to 4 |
| VTK | 9.7.2 | run | serial by default: 1 thread bare |
| Lance | 14.0.2 | run | `LANCE_CPU_THREADS`: no effect seen |
| TVM | 0.27.0 | searched | `TVM_NUM_THREADS` |
| Open3D | 0.20.0 | searched | OpenMP's variables |
| CTranslate2 | 4.8.5 | searched | OpenMP's variables |
| BentoML | 1.4.40 | searched | `BENTOML_NUM_THREAD`, `OMP_NUM_THREADS` |
| PySCF | 2.14.0 | searched | OpenMP's and BLAS' variables |
| MLflow | 3.17.2 | searched | `MLFLOW_MODELS_WORKERS`: starts servers |
| Prefect | 3.9.1 | searched | `PREFECT_TASKS_RUNNER_THREAD_POOL_MAX_WORKERS`: threads that wait |
| Taichi | 1.7.4 | searched | counts by `os.cpu_count` |
| Dramatiq | 2.2.1 | searched | counts by `os.cpu_count` |
| Snakemake | 9.27.1 | searched | counts by `os.cpu_count` |
| Robyn | 0.88.0 | searched | counts by `os.cpu_count` |
| nox | 2026.10.20 | searched | counts by `os.cpu_count` |
| stestr | 4.2.1 | searched | counts by `os.cpu_count` |
| unittest-parallel | 1.8.6 | searched | counts by `os.cpu_count` |
| mutmut | 3.8.1 | searched | counts by `os.cpu_count` |
| isort | 9.0.2 | searched | counts by `os.cpu_count` |
| YAPF | 0.43.0 | searched | counts by `os.cpu_count` |
| SQLFluff | 4.5.0 | searched | counts by `os.cpu_count` |
| Conan | 2.34.0 | searched | counts by `os.cpu_count` |
| pyFFTW | 0.15.1 | searched | counts by `os.cpu_count` |
| PyMuPDF | 2.0 | searched | counts by `os.cpu_count` |
| ipyparallel | 9.2.0 | searched | counts by `os.cpu_count` |
| MPIRE | 2.10.2 | searched | counts by `os.cpu_count` |
| Gensim | 4.4.0 | searched | counts by `os.cpu_count` |
| spaCy | 3.8.18 | searched | counts by `os.cpu_count` |
| Swifter | 1.0.9 | searched | counts by `os.cpu_count` |
| parallel-pandas | 0.8 | searched | counts by `os.cpu_count` |
| Dagster | 1.13.29 | searched | counts by `os.cpu_count` |
| mapply | 0.2.0 | searched | counts by `psutil.cpu_count` |
| ansible-core | 2.21.5 | searched | `sched_getaffinity` for facts; forks are fixed |
| Huey | 3.5.4 | searched | none found |
| RQ | 3.0.0 | searched | none found |
| Luigi | 3.8.1 | searched | none found |
| Hypercorn | 0.18.0 | searched | none found |
| Litestar | 2.25.0 | searched | none found |
| Bandit | 1.9.4 | searched | none found |
| doit | 0.37.0 | searched | none found |
| SCons | 4.11.1 | searched | none found |
| H2O | 3.46.0 | searched | none found |
| scikit-build-core | 1.1.2 | searched | none found |
| MDTraj | 1.11.2 | searched | none found |
| SentencePiece | 0.2.3 | searched | none found |
| Airflow | 3.3.2 | searched | none found |
| PSI/J | 0.9.11 | searched | none found |
"""


def page() -> str:
    """Return the whole page."""
    parts = [HEAD]
    for use, text in SECTIONS.items():
        knobs = [knob for knob in KNOBS.values() if knob.use == use]
        rows = [_cells(knob) for knob in knobs]
        header = list(rows[0])
        parts += [text, "\n", _line(header), _line(["---"] * len(header))]
        parts += [_line(list(row.values())) for row in rows]
        parts += ["\n", *map(_reason, knobs)]
    pairs: dict[str, list[str]] = {}
    for knob in KNOBS.values():
        for other in knob.unless:
            pairs.setdefault(other, []).append(f"`{knob.name}`")
    parts += [UNLESS, *(_line([f"`{o}`", ", ".join(names)]) for o, names in sorted(pairs.items()))]
    return "".join([*parts, SEARCHED])


def _cells(knob: Knob) -> dict[str, str]:
    """Return what the row's section shows of it, by the column's title."""
    cells = {"variable": f'<a id="{knob.name}"></a>`{knob.name}`'}
    if knob.use in ("inner", "opt-in"):
        cells["group"] = f"`{knob.group}`"
    if knob.use != "never":
        cells |= {
            "read by": knob.reader,
            "value": f"`{knob.form.replace('{}', 'N')}`{_most(knob)}",
            "effect": knob.effect,
        }
    if knob.use in ("default", "inner"):
        cells["sees"] = knob.sees
    if knob.use == "default":
        cells["without it"] = "redundant" if knob.redundant else "wrong"
    return {**cells, "known from": knob.known}


def _reason(knob: Knob) -> str:
    """Return the reason and the source of a row, as an item of a list."""
    return f"- `{knob.name}`: {knob.why} ({_link(knob.source)})\n"


def _most(knob: Knob) -> str:
    """Return what is said of a value that has a bound."""
    if knob.use == "default" and knob.at_one:
        return ", if that is 1"
    if knob.least > 1:
        return f", from {knob.least} on"
    if knob.most is None:
        return ""
    return f", if below {knob.most}" if knob.use == "default" else f", at most {knob.most}"


def _link(source: str) -> str:
    """Return an address as a link that shows its host."""
    address = re.fullmatch(r"https://([^/]+)/\S*", source)
    return f"[{address[1]}]({source})" if address else source


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |\n"


if __name__ == "__main__":
    sys.exit(_page.main(__file__, __doc__, PAGE, page))
