"""Limits, counters, pools and notes as metrics: one table, from which each exporter is made."""
