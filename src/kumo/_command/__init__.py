"""The command `kumo`: one module a verb."""
