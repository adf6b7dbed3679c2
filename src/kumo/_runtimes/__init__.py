"""What is known about other programs, as data."""
