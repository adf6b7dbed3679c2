"""All scenarios, in one table."""

# Importing a module enters its scenarios.
from kernel_guest import cpusets, mounts, namespaces, quotas, threads, users
from kernel_guest.scenario import names

__all__ = ["cpusets", "mounts", "names", "namespaces", "quotas", "threads", "users"]
