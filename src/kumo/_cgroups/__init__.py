"""Control groups as text: membership and mounts, quotas, cpusets, counters, CPU lists."""
