"""The verb ``kumo metrics``: limits and counters in Prometheus' text format."""

from __future__ import annotations

import os
import time

from kumo._command.options import add_pid, positive
from kumo._command.output import Progress, say, write
from kumo._errors import InputError, UsageError
from kumo._text import plural, repr_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

    from prometheus_client import CollectorRegistry

    from kumo._command.options import Parser

MAX_PORT = 65535
LOCALHOST = "127.0.0.1"
LATEST = 1.0  # seconds until a signal is seen that came just before a sleep, which it does not end
DESCRIPTION = "Print limits and cgroup counters in the text format of Prometheus."
DETAILS = """\
It needs prometheus-client, which the extra "prometheus" brings.
--textfile is for node_exporter's textfile collector: the file is replaced as a
whole. --port serves the metrics until it is interrupted, on this host alone
unless --address names another address.
"""


def add_arguments(parser: Parser) -> None:
    """Add the options."""
    subject = parser.add_mutually_exclusive_group()
    add_pid(subject, "export process N")
    subject.add_argument("--all", action="store_true", help="every cgroup here that has a quota")
    output = parser.add_mutually_exclusive_group()
    output.add_argument("--textfile", metavar="FILE", help="write to FILE instead of printing")
    output.add_argument("--port", type=_port, metavar="N", help="serve the metrics on port N")
    parser.add_argument("--address", metavar="ADDRESS", help="with --port: the address to serve on")
    parser.add_argument(
        "--paths", action="store_true", help="label levels and limits by their path, too"
    )


def _port(text: str) -> int:
    return positive(text, MAX_PORT, "a port, such as 9100", least=0)


def run(options: argparse.Namespace) -> int:
    """Print, write or serve the metrics; return the exit code. Raise `InputError`."""
    if options.address is not None and options.port is None:
        raise UsageError("--address goes with --port alone")
    if options.all and options.paths:
        raise UsageError("--paths does not go with --all, which labels cgroups by their path")
    if options.port is not None:
        _serve(_registry(options), options.address or LOCALHOST, options.port)
        return 0
    with Progress() as progress:
        registry = _registry(
            options, lambda number: progress.show(f"reading: {plural(number, 'cgroup')}")
        )
        if options.textfile is not None:
            _write_file(registry, options.textfile)
            return 0
        from prometheus_client import generate_latest

        text = generate_latest(registry).decode()
    write(text)
    return 0


def _registry(
    options: argparse.Namespace, progress: Callable[[int], None] | None = None
) -> CollectorRegistry:
    try:
        from prometheus_client import CollectorRegistry
    except ImportError:
        raise InputError(
            "kumo metrics needs prometheus-client: pip install prometheus-client"
        ) from None
    from kumo._survey import estimate
    from kumo.prometheus import HostCollector, KumoCollector

    registry = CollectorRegistry()
    if options.all:
        registry.register(HostCollector(progress))
        return registry
    try:
        estimate(pid=options.pid)  # so that an error shows now and not at a scrape
    except ProcessLookupError:
        raise InputError(f"--pid {options.pid}: no such process") from None
    # The pools of this command are nobody's: it asks for itself as for another process.
    registry.register(KumoCollector(options.pid or os.getpid(), paths=options.paths))
    return registry


def _url(address: str, port: int) -> str:
    host = f"[{address}]" if ":" in address else address  # RFC 3986 wants IPv6 in brackets
    return f"http://{host}:{port}/metrics"


def _write_file(registry: CollectorRegistry, path: str) -> None:
    from prometheus_client import write_to_textfile

    if os.path.exists(path) and not os.path.isfile(path):  # a rename would replace a device
        what = "a directory" if os.path.isdir(path) else "not a regular file"
        raise InputError(f"--textfile {repr_path(path)}: it is {what}")
    try:
        # It is written beside FILE, then renamed. A link stays, and its file is replaced.
        write_to_textfile(os.path.realpath(path) if path else path, registry)
    except OSError as error:
        raise InputError(f"--textfile {repr_path(path)}: {error.strerror}") from None


def _serve(registry: CollectorRegistry, address: str, port: int) -> None:
    from prometheus_client import start_http_server

    try:
        server, _ = start_http_server(port, address, registry)
    except OSError as error:
        raise InputError(
            f"--port {port} at {repr_path(address)}: {error.strerror or error}"
        ) from None
    except UnicodeError:  # from the codec of host names, before anybody is asked
        form = "neither a host name nor an address, such as 0.0.0.0"
        raise InputError(f"--address {repr_path(address)}: it is {form}") from None
    say(f"serving {_url(address, server.server_port)}")
    while True:
        time.sleep(LATEST)
