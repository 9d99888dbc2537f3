"""Readers of what other systems have recorded: one module per source, each of which drops it into landing."""
