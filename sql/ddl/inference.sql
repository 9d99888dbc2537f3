-- Schema of LLM serving benchmarks.
CREATE SCHEMA IF NOT EXISTS inference;
