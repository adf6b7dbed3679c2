"""The sources of limits: one file a source, one function ``detect(system)`` a file."""
