"""The SQL forms of the stable ids of `collectors/ids.py`, and how two runs with the same id are told apart."""

from collectors.ids import IDS_PER_SECOND, TIME_ORIGIN_S

STABLE_ID_MACROS = f"""
CREATE OR REPLACE MACRO ops.stable_id(natural_key) AS
    ('0x' || left(sha256(natural_key), 13))::BIGINT;
CREATE OR REPLACE MACRO ops.time_ordered_id(key, seconds_utc) AS
    greatest(coalesce(seconds_utc, 0) - {TIME_ORIGIN_S}, 0) * {IDS_PER_SECOND} + key % {IDS_PER_SECOND};
"""
"""Used as `ops.stable_id(concat_ws(chr(31), …))`; concat_ws skips NULLs: nullable parts go in coalesce(…, '')."""


def spread_collisions_sql(source: str, base_id: str, natural_key: str, id_name: str) -> str:
    """SQL that numbers rows of `source` by `base_id`, where equal ids take the next free value in natural-key order.

    Walking the rows in order, id = max(base, previous id + 1); in closed form, with n the row's position,
    id = n + max over the rows so far of (base − n): one window, no loop.
    """
    return f"""
        SELECT * EXCLUDE (position), position + max({base_id} - position) OVER (ORDER BY position) AS {id_name}
        FROM (SELECT *, row_number() OVER (ORDER BY {base_id}, {natural_key}) AS position FROM {source})"""
