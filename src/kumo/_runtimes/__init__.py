"""Knowledge about other programs, as data."""
