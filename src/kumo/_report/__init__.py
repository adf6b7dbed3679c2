"""The report of one process as a page, and the pictures that other outputs show as well."""
