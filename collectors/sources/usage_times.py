"""Times as the sources of usage write them, and the day under which a record of theirs lands."""

from datetime import UTC, date, datetime

from collectors.contract import FIRST_DAY


class NoTime(ValueError):
    """Not a time that can be placed: unreadable, or without a zone. `rule` says so without naming the value."""

    def __init__(self, value: object, rule: str) -> None:
        super().__init__(f"{value!r} {rule}")
        self.rule = rule


def utc_time(text: object) -> datetime:
    """A time in UTC from ISO 8601 with `Z` or an offset, to the minute or finer. Raises NoTime.

    A time without a zone is refused: taken for UTC it would be hours off half of the time, and nobody would see it.
    """
    try:
        time = datetime.fromisoformat(text if isinstance(text, str) else "")
    except ValueError:
        raise NoTime(text, "is no ISO 8601 time; write it as 2018-01-20T12:00Z") from None
    if time.tzinfo is None:
        raise NoTime(text, "has no zone; add Z or an offset such as +01:00")
    return time.astimezone(UTC)


def landing_day(time: datetime, now: datetime) -> date:
    """The UTC day of a time; today for what lies ahead (forecasts), since no later day can be built yet."""
    return max(min(time.astimezone(UTC).date(), now.date()), FIRST_DAY)
