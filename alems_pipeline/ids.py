"""The SQL forms of the stable ids of `collectors/ids.py`."""

from collectors.ids import IDS_PER_SECOND, TIME_ORIGIN_S

STABLE_ID_MACROS = f"""
CREATE OR REPLACE MACRO ops.stable_id(natural_key) AS
    ('0x' || left(sha256(natural_key), 13))::BIGINT;
CREATE OR REPLACE MACRO ops.time_ordered_id(key, seconds_utc) AS
    greatest(coalesce(seconds_utc, 0) - {TIME_ORIGIN_S}, 0) * {IDS_PER_SECOND} + key % {IDS_PER_SECOND};
"""
"""Used as `ops.stable_id(concat_ws(chr(31), …))`; concat_ws skips NULLs: nullable parts go in coalesce(…, '')."""
