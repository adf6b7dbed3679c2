"""Where limits come from: one file a source, one function ``detect(system)`` a file."""
