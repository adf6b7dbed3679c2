"""What the examples start: it prints the CPUs that Python counts."""

import os

print(os.cpu_count(), flush=True)
