"""Changes of the estimate as they happen, and what follows them."""
