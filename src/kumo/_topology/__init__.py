"""Where the CPUs lie that a process may use: read, as records, and divided among workers."""
