"""black on two files, and how many workers it starts them in: in a thread where it is one."""

import concurrent.futures
import contextlib
import io

import black
import black.concurrency

asked = [1]


class Recorded(concurrent.futures.ProcessPoolExecutor):
    def __init__(self, max_workers: int) -> None:
        asked.append(max_workers)
        super().__init__(max_workers)


black.concurrency.ProcessPoolExecutor = Recorded
with contextlib.redirect_stderr(io.StringIO()):
    black.main(["--check", "--no-cache", "a.py", "b.py"], standalone_mode=False)
print(asked[-1])
