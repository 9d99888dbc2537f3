"""LLM serving benchmarks: artifact rows to configs and metrics, and curves over them. Pure functions."""
