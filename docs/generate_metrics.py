"""Write docs/reference/metrics.md from the table of metrics in src/kumo/_metrics/families.py.

With ``--check`` write nothing, and exit 1 if the page differs from what would be written.
"""

from __future__ import annotations

import sys
from pathlib import Path

import _page

HERE = Path(__file__).resolve().parent
PAGE = HERE / "reference" / "metrics.md"
sys.path.insert(0, str(HERE.parent / "src"))  # this checkout's table, whatever is installed

from kumo._metrics.families import FORMS  # noqa: E402

HEAD = """\
<!-- Written by docs/generate_metrics.py from src/kumo/_metrics/families.py. Change those. -->

# Metrics

kumo exports limits, throttling, pools and notes to Prometheus and to OpenTelemetry.
Everything is read at the moment of the scrape or export, so nothing runs in between.

## Prometheus

Install the extra `prometheus` ([how to install an extra](../index.md#extras)) and register the collector once:

```python
import kumo.prometheus

kumo.prometheus.register()
```

`register(registry, paths=False, kumomta=False)` takes another registry than the default one.
With `paths=True` the file or directory of each limit and level is a label, too.
Use it on one machine: in a cluster every pod has new paths, which makes too many series.
With `kumomta=True` the pools are also exported as `thread_pool_size` and `thread_pool_parked`, which are KumoMTA's names.
`kumo.prometheus.KumoCollector(pid)` exports another process, without its pools.

### Several worker processes

A server such as gunicorn starts several workers, and a scrape reaches one of them.
The limits and the counters of the cgroups are the same in every worker, so any of them gives the right answer.
Pools belong to one worker, so `kumo_pool_busy` is the number of that worker alone.
prometheus-client's multi-process mode (`PROMETHEUS_MULTIPROC_DIR`) adds up values in files, and calls no collectors of others.
If you use it, register kumo's collector in the registry that answers the scrape, beside `MultiProcessCollector`:

```python
from prometheus_client import CollectorRegistry, multiprocess

import kumo.prometheus

registry = CollectorRegistry()
multiprocess.MultiProcessCollector(registry)
kumo.prometheus.register(registry)
```

## Without Python code

The verb [`kumo metrics`](command.md#kumo-metrics) exports any process, or with `--all` every cgroup of this host that has a quota:

```sh
kumo metrics --pid 4242
kumo metrics --all --textfile /var/lib/node_exporter/kumo.prom
kumo metrics --pid 4242 --port 9464
```

The first prints the metrics once.
The second writes the file for node_exporter's textfile collector, and replaces it as a whole. If FILE is a link, its target is replaced.
The third serves them on this host until it is interrupted; `--address` names another address to serve on.

One scrape of 200 cgroups with a quota took 28 ms of CPU time, and of 2,000 cgroups 200 ms, with cgroup v1.
To read the same files and do nothing else took 7 ms and 69 ms: [counters](../../benchmarks/results/counters.md).

## OpenTelemetry

Install the extra `opentelemetry`, which brings the API alone, and create the instruments once:

```python
import kumo.opentelemetry

kumo.opentelemetry.instrument()
```

Without an SDK the instruments do nothing.
`instrument(meter_provider, paths=False)` takes another provider than the global one.
The labels are called `kumo.source`, `kumo.level` and so on.

## Every metric

A value that the kernel does not report has no sample: it is absent, not 0.
A quota that is not set has no sample, either.
`level` is the distance from the process's own cgroup, which is level 0.
A counter's name ends in `_total` in Prometheus.

| Prometheus | OpenTelemetry | kind | unit | what it is |
| --- | --- | --- | --- | --- |
"""  # noqa: E501
TAIL = """
Stall times exist on cgroup v2 alone.
On cgroup v1, `kumo_cgroup_usage_seconds_total` needs the `cpuacct` controller in the same mount as `cpu`.

## Dashboard and alerts

- [grafana.json](../examples/grafana.json): a dashboard with the limits, the throttling of every level, the pools and the notes.
- [alerts.yaml](../examples/alerts.yaml): three alert rules, for a throttled process, an oversubscribed one, and a count that changed.
"""  # noqa: E501


def page() -> str:
    """Return the whole page."""
    rows = [
        f"| `{name}{'_total' if kind == 'counter' else ''}` | `{semantic}` "
        f"| {kind} | `{unit}` | {text} |\n"
        for name, (semantic, kind, unit, text) in FORMS.items()
    ]
    return "".join([HEAD, *rows, TAIL])


if __name__ == "__main__":
    sys.exit(_page.main(__file__, __doc__, PAGE, page))
