"""The only door to the machine: the live system, a machine file, and what each platform answers."""
