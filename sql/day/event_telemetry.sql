-- What the CPU and interrupt samples within an event say of it.
-- depends: event_energy
-- unique: event_id
CREATE TABLE IF NOT EXISTS main.event_telemetry (
    event_id BIGINT NOT NULL, -- event
    run_date DATE NOT NULL, -- landing date of its run
    cpu_util_percent DOUBLE, -- mean utilisation of all CPUs; NULL where the event is shorter than the sampling interval
    interrupt_rate DOUBLE -- mean interrupts per second of the host
);

DELETE FROM main.event_telemetry
WHERE run_date = getvariable('day');

INSERT INTO main.event_telemetry BY NAME
WITH day_events AS (
    SELECT event_id, run_id, start_time_ns, end_time_ns
    FROM main.event_energy
    WHERE run_date = getvariable('day')
),
cpu AS (
    SELECT day_events.event_id, avg(cpu_util_percent ORDER BY timestamp_ns) AS cpu_util_percent
    FROM day_cpu_samples AS samples
    JOIN day_events
        ON day_events.run_id = samples.run_id
        AND samples.timestamp_ns BETWEEN day_events.start_time_ns AND day_events.end_time_ns
    GROUP BY day_events.event_id
),
interrupts AS (
    SELECT day_events.event_id, avg(interrupts_per_sec ORDER BY timestamp_ns) AS interrupt_rate
    FROM day_interrupt_samples AS samples
    JOIN day_events
        ON day_events.run_id = samples.run_id
        AND samples.timestamp_ns BETWEEN day_events.start_time_ns AND day_events.end_time_ns
    GROUP BY day_events.event_id
)
SELECT day_events.event_id, getvariable('day') AS run_date, cpu.cpu_util_percent, interrupts.interrupt_rate
FROM day_events
LEFT JOIN cpu ON cpu.event_id = day_events.event_id
LEFT JOIN interrupts ON interrupts.event_id = day_events.event_id;
