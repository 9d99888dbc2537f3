-- Schema of what is counted once per day and then only summed up: the energy counters at the edges of runs and events.
CREATE SCHEMA IF NOT EXISTS daily;
