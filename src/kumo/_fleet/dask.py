"""Dask: a report from each worker of a scheduler, which carries the question.

*target* is the scheduler's address, such as ``tcp://host:8786``, or its scheduler file. Without
one, Dask's own configuration is used: ``DASK_SCHEDULER_ADDRESS``, and certificates for TLS.
Each worker is asked on its own, so that one that hangs does not take the answers of others along.
It runs the question in a thread beside its event loop and its tasks.
"""

from __future__ import annotations

import asyncio
import os
from functools import partial

from kumo._errors import InputError
from kumo._fleet.portable import node_program, portable
from kumo._fleet.reading import read_node, silent
from kumo._text import plural, repr_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from kumo._fleet.records import Node

SLOTS = "the threads of each worker, as its scheduler counts them"
FIX = "dask worker --preload kumo.dask"
ENGINE = "dask"
AT_A_TIME = 256  # workers; the scheduler keeps a connection for each
SHOW_EVERY = 100  # workers


def ask(
    target: str | None,
    *,
    pressure: float | None,
    timeout: float,
    progress: Callable[[str], None],
) -> Iterable[Node]:
    """Return a node for each worker. Raise `InputError` if there is no scheduler."""
    with _client(target, timeout) as client:
        nodes: list[Node] = client.sync(_ask_all, client, pressure, timeout, progress)
    return nodes


def _client(target: str | None, timeout: float) -> Any:
    try:
        import dask
        from distributed import Client
    except ImportError as error:
        raise InputError(
            f"dask: distributed cannot be imported here: {error}; "
            "run kumo with the Python that has it"
        ) from None
    where = target or dask.config.get("scheduler-address", None)
    if where is None:
        raise InputError("dask: give the scheduler's address, such as tcp://host:8786")
    place = {"scheduler_file": where} if os.path.isfile(where) else {"address": where}
    try:
        if "address" in place:
            _check_address(where)
        return Client(**place, timeout=timeout, set_as_default=False, name="kumo-fleet")
    except (OSError, ValueError, TypeError, ImportError) as error:
        text = " ".join(str(error).split())
        raise InputError(f"dask: no scheduler answers at {repr_path(where)}: {text}") from None


def _check_address(address: str) -> None:
    """Raise `ValueError` for what is not an address.

    A client that finds it out itself prints a traceback when it is collected.
    """
    from distributed.comm import get_address_host_port

    get_address_host_port(address)


async def _ask_all(
    client: Any, pressure: float | None, timeout: float, progress: Callable[[str], None]
) -> list[Node]:
    members = await asyncio.wait_for(_members(client), timeout)
    turn = asyncio.Semaphore(AT_A_TIME)
    program = node_program()
    nodes: list[Node] = []

    async def one(address: str, name: str, slots: int) -> None:
        async with turn:
            nodes.append(await _ask_one(client, address, name, slots, program, pressure, timeout))
        if len(nodes) % SHOW_EVERY == 0:
            progress(f"answered: {len(nodes)} of {plural(len(members), 'worker')}")

    progress(f"asking {plural(len(members), 'worker')}")
    await asyncio.gather(*(one(address, *member) for address, member in members.items()))
    return nodes


async def _members(client: Any) -> dict[str, tuple[str, int]]:
    """Return each worker's name and threads by its address, as the scheduler has them."""
    members = await client.run_on_scheduler(portable(_on_scheduler))
    return {address: (str(name), int(threads)) for address, (name, threads) in members.items()}


async def _ask_one(
    client: Any,
    address: str,
    name: str,
    slots: int,
    program: str,
    pressure: float | None,
    timeout: float,
) -> Node:
    host = address.rpartition("//")[2].rpartition(":")[0]
    workers = (address if name in ("", address) else name,)
    no_answer = partial(silent, host, engine=ENGINE, slots=slots, workers=workers)
    question = client.run(portable(_on_worker), program, pressure, workers=[address])
    try:
        answers = await asyncio.wait_for(question, timeout + (pressure or 0))
    except (asyncio.TimeoutError, TimeoutError):
        return no_answer(f"no answer in {plural(f'{timeout:g}', 'second')}")
    except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - of this worker alone
        return no_answer(f"{type(error).__name__}: {error}")
    answer = answers.get(address)
    if not isinstance(answer, str):
        return no_answer("it has gone" if answer is None else f"{type(answer).__name__}: {answer}")
    return read_node(answer, engine=ENGINE, slots=slots, host=host, workers=workers)


def _on_scheduler(dask_scheduler: Any = None) -> dict[str, tuple[str, int]]:
    workers = dask_scheduler.workers
    return {address: (str(state.name), state.nthreads) for address, state in workers.items()}


async def _on_worker(text: str, pressure: float | None) -> str:
    import asyncio

    namespace: dict[str, Any] = {"__name__": "kumo_node"}
    exec(compile(text, "<kumo>", "exec"), namespace)  # noqa: S102 - kumo's own text
    report: str = await asyncio.get_running_loop().run_in_executor(
        None, namespace["report_node"], pressure
    )
    return report
