"""Starting commands whose environment states the count: the knob table, `run` and `env`."""
