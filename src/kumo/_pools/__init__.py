"""Pools that follow the parallelism, and budgets that divide it among them."""
