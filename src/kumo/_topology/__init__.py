"""The places of the CPUs that a process may use: read, as records, and divided among workers."""
