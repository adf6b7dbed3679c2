"""The live view: readings, what is shown of them, and the screen."""
