"""Why a process waits: throttling, neighbours, steal, the global lock."""
