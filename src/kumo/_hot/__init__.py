"""`available_parallelism()` on kept descriptors."""
