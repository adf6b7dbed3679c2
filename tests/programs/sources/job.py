"""A job that takes a while, and prints when it began and ended."""

import time

begin = time.time_ns()
time.sleep(0.4)
print("span", begin // 1_000_000, time.time_ns() // 1_000_000, flush=True)
