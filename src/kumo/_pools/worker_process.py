"""One process of a process pool: how it is started, supplied and ended, and what it does.

Its guarantees, with what each rests on:

- A process has its next tasks before it has ended the present one. Each is a *message* in one pipe
  and a *token*, the message's number, in another. The process takes the token first and runs no
  message without one. A read of one byte is atomic and the program keeps a reading end, so exactly
  one side gets each token: the process, which runs the task, or the program, which has it back.
  So no task runs twice, and one that has not begun can be cancelled or run elsewhere.
- No task waits for a long one while another process could run it: if a task takes longer than
  `AHEAD_SECONDS`, those behind it are taken back for an idle one, and after `LATE_SECONDS`
  for all.
- A process that dies fails the one task whose token it has taken and not answered. Tokens that
  are still in the pipe are of tasks that had not begun. Only if it has never answered anything
  does the first of these fail, since a process that cannot even start would be started for ever.
- The program never waits for a busy process: what is sent ahead fits into the pipe, at half of
  its size, since each write may waste a part of a page. A larger message is for an idle process
  alone. Tokens cannot be taken back on Windows, so nothing is sent ahead there.
- An answer is written before the next token is taken. The program reads as many answers as have
  come, and all of their tasks have begun before a callback of one of them is called.
- Each message has the number of threads that its task may use, and libraries are limited before
  the task begins. Variables limit them from the start of the process.
- A process is started with the crew's lock free. Only `_starting` is locked: a fork waits
  for it, since what multiprocessing and loky lock meanwhile would stay locked in the child.
- In a forked child nothing is read, written or taken back: all of it is the parent's.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import deque
from contextlib import suppress
from importlib import import_module

from kumo._pools.messages import Inbox, Packer, unpack, write
from kumo._runtimes.knobs import KNOBS
from kumo._watch.locks import new_lock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection
    from typing import Any, TypeVar

    from kumo._pools.messages import Message, Parcel

    T = TypeVar("T")

# By what libraries limit their threads when they load; the first are those that threadpoolctl
# can change later. numba takes another value for an error once it has begun.
VARIABLES = [knob.name for knob in KNOBS.values() if knob.use == "inner"]
_LATER = [name for name in VARIABLES if KNOBS[name].group in ("omp", "blas")]
# multiprocessing keeps its list of children without a lock. A fork waits for it, since what
# multiprocessing and loky lock while a process starts would stay locked in the child.
_starting = new_lock(threading.RLock)

_NUMBERS = 250  # of messages; at most half of them are in use at a time
_END = b"\xff"  # the token after which there are no more
_PIPE_BYTES = 16 * 1024  # of a pipe whose size cannot be asked for: the smallest default
MAX_THREADS = 0xFFFF  # that a message can say
MAX_AHEAD = 120  # tasks that a process has at most, with that which runs
# A process has work for about this long. It is what a hand-over takes on a busy machine, and
# tasks of this length or more are not sent ahead at all: they begin in the order of their submits.
AHEAD_SECONDS = 0.005
LATE_SECONDS = 0.05
# Answers wait for others at most this long, if the process has at least so many tasks left.
GATHER_SECONDS = 0.0005
MIN_GATHERED = 8


class Worker:
    """A process that runs tasks one at a time, for one thread of its parent.

    That thread alone sends and receives. Any thread may take tasks back.
    """

    def __init__(self, name: str, threads: int) -> None:
        """Start the process, whose libraries are to use *threads* threads. Do not wait."""
        context = import_module("loky.backend").get_context("loky")
        self.pid = os.getpid()
        self.lock = new_lock(threading.Lock)  # for `flight`, the tokens and what follows from them
        self.flight: dict[int, Any] = {}  # what it was sent and has not answered, in order
        self.sent: deque[tuple[int, int]] = deque()  # messages that may be in the pipe, and sizes
        self.bytes = 0  # of these
        self.number = 0  # of the next message
        self.depth = 1  # how many tasks it may have
        self.answers = 0
        self.since = 0.0  # when it was given a task while idle, or answers were last waited for
        self.paced = 0  # the answers that there had been then
        self.seconds = 0.0  # that a task took lately
        self.held = False  # what was sent last can not be taken back
        self.packer = Packer()
        theirs, shared = self._make_pipes(context)
        try:
            with _starting:
                env = dict.fromkeys(VARIABLES, str(threads))
                arguments = (threads, *theirs, *shared)
                self.process = context.Process(target=_serve, args=arguments, name=name, env=env)
                self.process.start()
        except BaseException:  # whatever it is, the descriptors are not needed
            _close(self.ours)
            raise
        finally:
            _close(theirs)

    def is_alive(self) -> bool:
        """Whether the process has not ended."""
        alive: bool = self.process.is_alive()
        return alive

    def fits(self, count: int, size: int) -> bool:
        """Whether *count* messages of that *size* can be sent after those that may be there."""
        return self.bytes + size <= self.room and len(self.sent) + count <= _NUMBERS // 2

    def has(self, future: object) -> bool:
        """Whether the task of *future* is in flight."""
        with self.lock:
            return any(task[0] is future for task in self.flight.values())

    def send(self, tasks: list[tuple[Any, Parcel]], threads: int) -> None:
        """Send *tasks*, each with what it is for; if they do not fit, one to an idle process.

        That the process has ended is found when an answer is waited for.
        """
        parts: list[Any] = []
        tokens = bytearray()
        with self.lock, suppress(OSError):
            if not self.flight:
                self.since, self.paced = time.monotonic(), self.answers
            for task, parcel in tasks:
                number, self.number = self.number, (self.number + 1) % _NUMBERS
                tokens.append(number)
                parts += parcel.addressed(number, threads)
                self.flight[number] = task
                self.sent.append((number, parcel.size))
                self.bytes += parcel.size
            self.held = self.bytes > self.room or len(self.sent) > _NUMBERS // 2
            self._write_tokens(bytes(tokens))
            if not self.held:
                write(self.messages, parts)
                return
        # This takes until the process reads, which it does once it has the token. So nobody may
        # take that back, and the lock is free for those that try.
        with suppress(OSError):
            write(self.messages, parts)

    def receive(self) -> list[Message]:
        """Wait for answers. Raise `EOFError` or `OSError` if the process has ended.

        None are returned each time that it takes longer than a process has work for, while there
        are tasks behind that which runs.
        """
        if not self.inbox.has_more():
            if len(self.flight) >= MIN_GATHERED:
                # Each time that this thread is woken costs more than what it does with an answer.
                time.sleep(min(GATHER_SECONDS, self.seconds * len(self.flight) / 3))
            if len(self.flight) > 1 and not self._wait(AHEAD_SECONDS):
                return []
            # A child that a task has forked may keep the pipe open beyond the process's end.
            while not self._wait(1.0):
                if not self.is_alive() and not self._wait(0.0):
                    raise EOFError
        answers = [self.inbox.next()]
        while (answer := self.inbox.next_read()) is not None:
            answers.append(answer)
        return answers

    def is_late(self) -> bool:
        """Whether the present task takes so long that others go first even if none is idle."""
        return time.monotonic() > self.since + LATE_SECONDS

    def settle(self, answers: list[Message]) -> list[Any]:
        """Return what the tasks were for that *answers* are of."""
        with self.lock:
            tasks = [self.flight[answer.number] for answer in answers]
            # It has read all messages until the last one.
            number = -1
            while number != answers[-1].number:
                number, size = self.sent.popleft()
                self.bytes -= size
            for answer in answers:
                del self.flight[answer.number]
            self.answers += len(answers)
            self.held = False
        self._pace()
        return tasks

    def first(self) -> Any:
        """Return what the task is for that the process runs now or next; `None` if it has none."""
        with self.lock:
            return next(iter(self.flight.values()), None)

    def _pace(self) -> None:
        """See how long tasks take, by all answers that have been read."""
        now = time.monotonic()
        self.seconds = max((now - self.since) / (self.answers - self.paced), 1e-9)
        self.since, self.paced = now, self.answers
        self.depth = min(self.most, 1 + int(AHEAD_SECONDS / self.seconds), 4 * self.depth)

    def take_back(self, leave_one: bool = False) -> list[Any]:
        """Return what the tasks were for that have not begun, the first one first.

        With *leave_one* the process keeps at least one task, since its thread may be waiting for
        an answer. Only that thread may call this without.
        """
        if os.getpid() != self.pid:
            return []
        with self.lock:
            # If it has no task, there may be the token that ends the process.
            numbers = self._take_tokens() if self.flight and not self.held else []
            if leave_one and 0 < len(numbers) == len(self.flight):
                self._write_tokens(bytes(numbers[:1]))
                del numbers[0]
            return [self.flight.pop(number) for number in numbers]

    def bury(self) -> tuple[list[Any], list[Any]]:
        """After its end: return what the tasks were for that it had begun, and had not begun."""
        self.process.join(10)
        if self.is_alive():  # a task has closed what it did not open
            self.process.kill()
            self.process.join()
        self.held = False
        unbegun = self.take_back()
        with self.lock:
            begun = list(self.flight.values())
            self.flight.clear()
        if unbegun and not begun and not self.answers:
            begun.append(unbegun.pop(0))
        return begun, unbegun

    def call(self, threads: int, fn: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        """Return the result of a call in the idle process, or raise what it raises.

        Raise `loky.BrokenProcessPool` if the process ends.
        """
        self.send([(None, self.packer.pack((fn, args, {})))], threads)
        try:
            answers = self.receive()
        except (EOFError, OSError) as error:
            self.bury()
            raise self.broken() from error
        self.settle(answers)
        return result_of(answers[0])

    def broken(self) -> RuntimeError:
        """Return what a task fails with whose process has ended."""
        text = f"{self.process.name} has ended with exit code {self.process.exitcode}"
        return broken(f"process {text} before it had a result")

    def end(self) -> None:
        """Have the process end, and wait for that. In a forked child, do nothing."""
        if os.getpid() == self.pid:
            with suppress(OSError):  # it has ended already
                self._write_end()
            self.process.join()
            with self.lock:  # others may try to take something back
                _close(self.ours)

    if sys.platform == "win32":
        room = 0
        most = 1

        def _make_pipes(self, context: Any) -> tuple[list[Connection], list[Connection]]:
            self.messages, theirs = context.Pipe()
            self.ours = [self.messages]
            self.inbox = Inbox(self.messages)
            return [theirs], []

        def _wait(self, seconds: float) -> bool:
            return bool(self.messages.poll(seconds))

        def _write_tokens(self, tokens: bytes) -> None:
            pass

        def _write_end(self) -> None:
            self.messages.send_bytes(b"")

        def _take_tokens(self) -> list[int]:
            return []

    else:
        most = MAX_AHEAD

        def _make_pipes(self, context: Any) -> tuple[list[Connection], list[Connection]]:
            """Make the three pipes; return the process's ends, and that which both have."""
            messages, self.messages = context.Pipe(duplex=False)
            # It is one open file for both sides, so that the process does not wait in it either.
            self.tokens, self.token_writer = context.Pipe(duplex=False)
            os.set_blocking(self.tokens.fileno(), False)
            answers, theirs = context.Pipe(duplex=False)
            self.ours = [self.messages, self.token_writer, self.tokens, answers]
            self.inbox = Inbox(answers)
            self.poll = _poll_for(answers)
            self.room = _size_of(self.messages.fileno()) // 2
            return [messages, theirs], [self.tokens]

        def _wait(self, seconds: float) -> bool:
            return bool(self.poll.poll(1000 * seconds))

        def _write_tokens(self, tokens: bytes) -> None:
            os.write(self.token_writer.fileno(), tokens)

        def _write_end(self) -> None:
            os.write(self.token_writer.fileno(), _END)

        def _take_tokens(self) -> list[int]:
            try:
                return list(os.read(self.tokens.fileno(), _NUMBERS))
            except OSError:  # there is none, or the pipe has been closed
                return []


class _Select:
    """The wait of `_poll_for` if eventlet has taken `select.poll` away."""

    def __init__(self, pipe: Connection) -> None:
        self.pipe = pipe

    def poll(self, milliseconds: float | None = None) -> list[Any]:
        import select

        seconds = None if milliseconds is None else milliseconds / 1000
        return select.select([self.pipe], [], [], seconds)[0]


def _poll_for(pipe: Connection) -> Any:
    """Return what waits until there is something in *pipe*."""
    import select

    if not hasattr(select, "poll"):
        return _Select(pipe)
    poll = select.poll()  # type: ignore[attr-defined,unused-ignore]  # not on Windows
    poll.register(pipe, select.POLLIN)  # type: ignore[attr-defined,unused-ignore]  # the same
    return poll


def _close(ends: list[Connection]) -> None:
    for end in ends:
        end.close()


def _size_of(pipe: int) -> int:
    """Return how many bytes fit into *pipe*."""
    if sys.platform == "linux":
        import fcntl

        with suppress(OSError):
            return fcntl.fcntl(pipe, fcntl.F_GETPIPE_SZ)
    return _PIPE_BYTES


def broken(text: str) -> RuntimeError:
    """Return the `loky.BrokenProcessPool` that says *text*."""
    error: RuntimeError = import_module("loky").BrokenProcessPool(text)
    return error


def result_of(answer: Message) -> Any:
    """Return the result that *answer* brings, or raise what the call has raised."""
    result = unpack(answer)
    if answer.mark:
        raise result
    return result


def call_all(fn: Callable[..., T], calls: list[tuple[Any, ...]]) -> list[T]:
    """In the process: return the results of a chunk of calls.

    It is here since the process has imported this module, and needs no other for it.
    """
    return [fn(*args) for args in calls]


def _serve(threads: int, *pipes: Connection) -> None:
    """In the process: run tasks until there are no more, or the parent has gone."""
    pid = os.getpid()
    packer = Packer()
    inbox, answers = Inbox(pipes[0]), pipes[0]
    wait: Callable[[], int | None] = _no_token
    if len(pipes) > 1:
        answers, wait = pipes[1], _tokens_of(pipes[2])
    while True:
        try:
            token = wait()
            message = inbox.next()
            while token is not None and message.number != token:  # it was taken back
                message = inbox.next()
            if message.mark != threads:
                threads = message.mark
                _limit_threads(threads)
            number = message.number
            failed, parcel = _run(message, packer)
            del message
            if os.getpid() != pid:
                return  # a child that the task has forked, and that came back from it
            write(answers, parcel.addressed(number, failed))
            del parcel
        except (EOFError, OSError, KeyboardInterrupt):
            return


def _no_token() -> None:
    """Nothing is sent ahead, so each message is run."""


def _tokens_of(pipe: Connection) -> Callable[[], int]:
    """Return what waits for the next token. It raises `EOFError` if there are no more."""
    descriptor, poll = pipe.fileno(), _poll_for(pipe)

    def wait() -> int:
        while True:
            try:
                token = os.read(descriptor, 1)
            except BlockingIOError:
                poll.poll()
            else:
                if token in (b"", _END):
                    raise EOFError
                return token[0]

    return wait


def _limit_threads(threads: int) -> None:
    """Limit those libraries that are loaded, and those that will be."""
    os.environ.update(dict.fromkeys(_LATER, str(threads)))
    import_module("threadpoolctl").threadpool_limits(threads)


def _run(message: Message, packer: Packer) -> tuple[bool, Parcel]:
    """Run a task; return whether it has failed, and its result or exception as it is sent."""
    try:
        fn, args, kwargs = unpack(message)
        return False, packer.pack(fn(*args, **kwargs))
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is the future's
        try:
            return True, packer.pack(_with_traceback(error))
        except BaseException as unsendable:  # noqa: BLE001 - a result may raise it
            return True, packer.pack(_with_traceback(unsendable))


def _with_traceback(error: BaseException) -> Any:
    """An object that is unpickled as *error*, with the traceback's text as its cause."""
    with_traceback = import_module("multiprocessing.pool").ExceptionWithTraceback
    return with_traceback(error, error.__traceback__)


# They look the lock up when they run: a child replaces it, and forks in its turn.
def _before_fork() -> None:
    _starting.acquire()


def _after_fork_in_parent() -> None:
    _starting.release()


def _after_fork() -> None:
    global _starting
    _starting = new_lock(threading.RLock)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork
    )
