"""A child process that does what the parent says, one line of JSON at a time."""

import contextlib
import json
import os
import select
import traceback
from typing import IO, Any

from kernel_guest.actions import perform
from kernel_guest.layouts import read

SECONDS_TO_ANSWER = 120
# Told, and not only by the end of the pipe: a later child holds a copy of the pipe's end.
LEAVE = "leave"


class ChildError(Exception):
    """An action failed in the child; the text is its traceback."""

    def __init__(self, text: str, errno: int | None = None) -> None:
        super().__init__(text)
        self.errno = errno


def _serve(orders: IO[str], answers: IO[str]) -> None:
    for line in orders:
        order = json.loads(line)
        if order["action"] == LEAVE:
            return
        try:
            answer = {"value": perform(order["action"], order["words"], order["thread"])}
        except Exception as error:
            code = error.errno if isinstance(error, OSError) else None
            answer = {"error": traceback.format_exc(), "errno": code}
        print(json.dumps(answer), file=answers, flush=True)


class Child:
    """A forked process; it ends when the parent closes it."""

    def __init__(self) -> None:
        orders_out, orders_in = os.pipe()
        answers_out, answers_in = os.pipe()
        self.tids: dict[str, int] = {}
        self.pid = self._process = os.fork()
        if self._process == 0:
            os.close(orders_in)
            os.close(answers_out)
            try:
                _serve(os.fdopen(orders_out), os.fdopen(answers_in, "w"))
            finally:
                os._exit(0)
        os.close(orders_out)
        os.close(answers_in)
        self._orders = os.fdopen(orders_in, "w")
        self._answers = os.fdopen(answers_out)

    def do(self, action: str, *words: Any, thread: str | None = None) -> Any:
        """Have one action done and give what it returns."""
        order = {"action": action, "words": words, "thread": thread}
        print(json.dumps(order), file=self._orders, flush=True)
        ready, _, _ = select.select([self._answers], [], [], SECONDS_TO_ANSWER)
        line = self._answers.readline() if ready else ""
        if not line:
            raise ChildError(f"no answer to {order}")
        answer = json.loads(line)
        if "error" in answer:
            raise ChildError(answer["error"], answer["errno"])
        return answer["value"]

    def start_thread(self, name: str) -> int:
        """Start a thread that can be told things by its name; give its id."""
        tid: int = self.do("start_thread", name)
        self.tids[name] = tid
        return tid

    def enter_pid_namespace(self) -> None:
        """Let a grandchild, the first process of a new PID namespace, take over."""
        self.do("enter_pid_namespace")
        self.pid = int(read(f"/proc/{self._process}/task/{self._process}/children"))

    def masks(self) -> dict[int, set[int]]:
        """Give each thread's affinity mask, as the kernel tells this process."""
        tids = [int(name) for name in os.listdir(f"/proc/{self.pid}/task")]
        return {tid: os.sched_getaffinity(tid) for tid in tids}

    def close(self) -> None:
        """End the child and wait for it; a second call does nothing."""
        if self._orders.closed:
            return
        with contextlib.suppress(BrokenPipeError):
            print(json.dumps({"action": LEAVE}), file=self._orders, flush=True)
        with contextlib.suppress(BrokenPipeError):
            self._orders.close()
        self._answers.close()
        os.waitpid(self._process, 0)
