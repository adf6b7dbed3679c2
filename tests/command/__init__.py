"""The installed command: what it prints, where, and with which exit code."""
