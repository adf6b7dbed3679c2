"""Real limits, set on this machine through cgroup v1, against what kumo says under them."""
