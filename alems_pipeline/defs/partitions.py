"""Partitions: days, in UTC, for samples and usage only."""

import dagster as dg

from collectors.contract import FIRST_DAY

days = dg.DailyPartitionsDefinition(start_date=FIRST_DAY.isoformat(), end_offset=1, timezone="UTC")
"""Today is a partition too (end_offset), since runs land while the day goes on."""
