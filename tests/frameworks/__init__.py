"""kumo within the programs that replace the standard library or fork under it, run for real."""
