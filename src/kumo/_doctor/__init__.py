"""The beliefs of runtimes and of running processes, and the verdict on them."""
