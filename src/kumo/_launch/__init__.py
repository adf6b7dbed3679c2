"""Starting commands whose environment tells them the count: the knob table, `run` and `env`."""
