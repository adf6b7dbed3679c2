"""What runtimes and a running process believe, and the verdict on it."""
