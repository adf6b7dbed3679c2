"""Limits that change while a program runs: what watches them, and pools that follow."""
