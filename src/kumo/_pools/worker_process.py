"""One process of a process pool: how it is started and spoken to, and what it does.

Each task is two messages, the number of threads that it may use and the pickled call; the answer
is one. The pipe, the process and the pickling are loky's.
"""

from __future__ import annotations

import io
import os
import pickle
import threading
from contextlib import suppress
from importlib import import_module

from kumo._runtimes.knobs import KNOBS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection
    from typing import Any

# By what libraries limit their threads when they load; the first are those that threadpoolctl
# can change later. numba takes another value for an error once it has begun.
VARIABLES = [knob.name for knob in KNOBS.values() if knob.use == "inner"]
_LATER = [name for name in VARIABLES if KNOBS[name].group in ("omp", "blas")]
# multiprocessing keeps its list of children without a lock. A fork waits for it, since what
# multiprocessing and loky lock while a process starts would stay locked in the child.
_starting = threading.RLock()


class Worker:
    """A process that runs calls one at a time, for one thread of its parent."""

    def __init__(self, name: str, threads: int) -> None:
        """Start the process, whose libraries are to use *threads* threads. Do not wait."""
        context = import_module("loky.backend").get_context("loky")
        self.pid = os.getpid()
        self.pipe, theirs = context.Pipe()
        with _starting, theirs:
            env = dict.fromkeys(VARIABLES, str(threads))
            self.process = context.Process(
                target=_serve, args=(theirs, threads), name=name, env=env
            )
            self.process.start()

    def is_alive(self) -> bool:
        """Whether the process has not ended."""
        alive: bool = self.process.is_alive()
        return alive

    def call(
        self, threads: int, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Return the result of a call in the process, or raise what it raises.

        Raise what pickling raises, `loky.BrokenProcessPool` where the process ends.
        """
        task = _pickled((fn, args, kwargs))
        try:
            self.pipe.send(threads)
            self.pipe.send_bytes(task)
            # A child that the task has forked may keep the pipe open beyond the process's end.
            while not self.pipe.poll(1.0):
                if not self.is_alive() and not self.pipe.poll():
                    raise EOFError
            answer = self.pipe.recv_bytes()
        except (EOFError, OSError) as error:
            self.process.join(10)
            text = f"{self.process.name} has ended with exit code {self.process.exitcode}"
            raise broken(f"process {text} before it had a result") from error
        has_failed, result = pickle.loads(answer)
        if has_failed:
            raise result
        return result

    def end(self) -> None:
        """Have the process end, and wait for that. In a forked child, do nothing."""
        if os.getpid() == self.pid:
            with suppress(OSError):  # it has ended already
                self.pipe.send(None)
            self.process.join()
            self.pipe.close()


def broken(text: str) -> RuntimeError:
    """Return the `loky.BrokenProcessPool` that says *text*."""
    error: RuntimeError = import_module("loky").BrokenProcessPool(text)
    return error


def _serve(pipe: Connection, threads: int) -> None:
    """In the process: run calls until there are no more, or the parent has gone."""
    while True:
        try:
            limit = pipe.recv()
            if limit is None:
                return
            if limit != threads:
                threads = limit
                _limit_threads(threads)
            pipe.send_bytes(_answer(pipe.recv_bytes()))
        except (EOFError, OSError, KeyboardInterrupt):
            return


def _limit_threads(threads: int) -> None:
    """Limit those libraries that are loaded, and those that will be."""
    os.environ.update(dict.fromkeys(_LATER, str(threads)))
    import_module("threadpoolctl").threadpool_limits(threads)


def _answer(task: bytes) -> bytes:
    """Return what is to be sent of a call: whether it has failed, and its result or exception."""
    try:
        fn, args, kwargs = pickle.loads(task)
        return _pickled((False, fn(*args, **kwargs)))
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is the future's
        try:
            return _pickled((True, _with_traceback(error)))
        except BaseException as unsendable:  # noqa: BLE001 - a result may raise it
            return _pickled((True, _with_traceback(unsendable)))


def _pickled(what: Any) -> bytes:
    # Not by loky's `dumps`: the buffer that it returns is in the way of the garbage collection.
    file = io.BytesIO()
    import_module("loky.backend.reduction").dump(what, file)
    return file.getvalue()


def _with_traceback(error: BaseException) -> Any:
    """What is unpickled as *error*, with the traceback's text as its cause."""
    with_traceback = import_module("multiprocessing.pool").ExceptionWithTraceback
    return with_traceback(error, error.__traceback__)


# They look the lock up when they run: a child replaces it, and forks in its turn.
def _before_fork() -> None:
    _starting.acquire()


def _after_fork_in_parent() -> None:
    _starting.release()


def _after_fork() -> None:
    global _starting
    _starting = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork
    )
