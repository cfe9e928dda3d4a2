"""Schedules: each time of the calendar comes once, also where the clocks are put forward or back."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, strategies as st

from bot.domain.schedule import WEEKDAYS, Schedule

ZONES = ("Asia/Phnom_Penh", "Europe/Berlin", "America/New_York", "UTC", "Pacific/Apia", "Australia/Lord_Howe")


def schedule(text: str) -> Schedule:
    """Return the schedule of this text."""
    day, at, zone = text.split()
    return Schedule(WEEKDAYS.index(day) if day in WEEKDAYS else None, time.fromisoformat(at), ZoneInfo(zone))


def utc(text: str) -> datetime:
    """Return this time."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "text, after, following",
    [
        ("mon 09:00 Asia/Phnom_Penh", "2026-11-22 12:00", ["2026-11-23 02:00", "2026-11-30 02:00"]),
        ("mon 09:00 Asia/Phnom_Penh", "2026-11-23 02:00", ["2026-11-30 02:00"]),
        ("sun 23:30 America/New_York", "2026-11-23 04:29", ["2026-11-23 04:30"]),
        ("daily 00:00 Asia/Phnom_Penh", "2026-12-31 16:59", ["2026-12-31 17:00", "2027-01-01 17:00"]),
        # The clocks are put forward on 29 March, and back on 25 October.
        ("sun 09:00 Europe/Berlin", "2026-03-22 00:00", ["2026-03-22 08:00", "2026-03-29 07:00"]),
        ("sun 09:00 Europe/Berlin", "2026-10-18 00:00", ["2026-10-18 07:00", "2026-10-25 08:00"]),
        # 02:30 is skipped, and comes at 03:30.
        ("sun 02:30 Europe/Berlin", "2026-03-28 12:00", ["2026-03-29 01:30", "2026-04-05 00:30"]),
        # 02:30 is shown twice, and counts the first time.
        ("daily 02:30 Europe/Berlin", "2026-10-24 12:00", ["2026-10-25 00:30", "2026-10-26 01:30"]),
        ("daily 02:30 America/New_York", "2026-03-07 12:00", ["2026-03-08 07:30", "2026-03-09 06:30"]),
        ("daily 01:30 America/New_York", "2026-10-31 12:00", ["2026-11-01 05:30", "2026-11-02 06:30"]),
        ("mon 09:00 America/New_York", "2026-03-02 15:00", ["2026-03-09 13:00"]),
        ("mon 09:00 America/New_York", "2026-10-26 14:00", ["2026-11-02 14:00"]),
        # There was no 30 December 2011.
        ("daily 09:00 Pacific/Apia", "2011-12-29 18:00", ["2011-12-29 19:00", "2011-12-30 19:00", "2011-12-31 19:00"]),
    ],
)
def test_the_next_times(text: str, after: str, following: list[str]) -> None:
    """They are those of the local calendar."""
    at = utc(after)
    for each in following:
        at = schedule(text).next(at)
        assert at == utc(each)


@given(
    weekday=st.none() | st.integers(0, 6),
    at=st.times().map(lambda at: at.replace(second=0, microsecond=0)),
    zone=st.sampled_from(ZONES),
    now=st.datetimes(datetime(2000, 1, 2), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
)
def test_each_time_follows_the_one_before(weekday: int | None, at: time, zone: str, now: datetime) -> None:
    """Nothing is between the last time and the next, and the pause is a week or a day, but for the clocks."""
    found = Schedule(weekday, at, ZoneInfo(zone))
    last, following = found.last(now), found.next(now)
    assert last <= now < following
    assert found.next(last) == following
    assert found.last(following) == following
    length = timedelta(days=1 if weekday is None else 7)
    assert timedelta(0) < following - last <= length + timedelta(days=1)


def test_a_schedule_is_written_as_in_the_setting() -> None:
    """The database keeps it as text, to notice a changed setting."""
    for text in ("mon 09:00 Asia/Phnom_Penh", "daily 18:30 Europe/Berlin"):
        assert str(schedule(text)) == text
