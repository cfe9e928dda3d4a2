"""The filters of ``/cancel-audit`` and ``audit find``, read from the words that people type."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from bot.domain.cancellation import State
from bot.domain.ids import USER_ID

_LONGEST = 500
"""More than all filters together need, and well within what a paging button can remember."""
_DAY = r"\d{4}-\d\d-\d\d"
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
MENTION = rf"<@({USER_ID})(?:\|[^>]*)?>"
"""A person as Slack sends them in a command's text; group 1 is the user id."""


@dataclass(frozen=True, slots=True)
class Lookup:
    """The filters of one look-up; None means any. ``since`` is included, ``until`` is not."""

    order_id: str | None = None
    person: str | None = None
    state: State | None = None
    since: datetime | None = None
    until: datetime | None = None


class Mistake(StrEnum):
    """The mistakes that make a text no look-up. The views and the command line hold the sentences."""

    TOO_LONG = "too_long"
    TWICE = "twice"
    """This word is a second filter of the same kind."""
    ENDS_BEFORE_IT_BEGINS = "ends_before_it_begins"
    NOBODY = "nobody"
    """This word begins with @ but names no member."""
    NO_STATE = "no_state"
    NO_SUCH_TIME = "no_such_time"
    NO_FILTER = "no_filter"


class NotAFilter(ValueError):
    """The text is no look-up. ``word`` is the word that is wrong, as it was typed, or empty."""

    def __init__(self, mistake: Mistake, word: str = "") -> None:
        super().__init__(mistake, word)
        self.mistake, self.word = mistake, word


def parse(text: str, *, order_id_pattern: re.Pattern[str], now: datetime) -> Lookup:
    """Return the look-up that these words ask for.

    A person is Slack's ``<@U…>`` or ``<@U…|name>``, or a user id behind ``@``. A word that is
    both a time and an order id is a time; ``order:7d`` means the order. Raises NotAFilter.
    """
    if len(text) > _LONGEST:
        raise NotAFilter(Mistake.TOO_LONG)
    lookup = Lookup()
    for word in text.split():
        found = _read(word, order_id_pattern=order_id_pattern, now=now)
        if any(getattr(lookup, name) is not None for name in found):
            raise NotAFilter(Mistake.TWICE, word)
        lookup = replace(lookup, **found)
    if lookup.since is not None and lookup.until is not None and lookup.since >= lookup.until:
        raise NotAFilter(Mistake.ENDS_BEFORE_IT_BEGINS)
    return lookup


def _read(word: str, *, order_id_pattern: re.Pattern[str], now: datetime) -> dict[str, Any]:
    """Return the fields of Lookup that one word sets."""
    if match := re.fullmatch(rf"{MENTION}|@({USER_ID})", word):
        return {"person": match[1] or match[2]}
    if word.startswith("@"):
        raise NotAFilter(Mistake.NOBODY, word)
    prefix, colon, rest = word.partition(":")
    if colon and prefix == "state":
        try:
            return {"state": State(rest.lower())}
        except ValueError:
            raise NotAFilter(Mistake.NO_STATE, rest) from None
    if colon and prefix == "order" and order_id_pattern.fullmatch(rest):
        return {"order_id": rest}
    if ago := re.fullmatch(r"(\d{1,5})([mhdw])", word):
        count, unit = int(ago[1]), _UNITS[ago[2]]
        return {"since": _calendar(word, lambda: now - count * unit), "until": None}
    if days := re.fullmatch(rf"({_DAY})?(\.\.)?({_DAY})?", word):
        first, dots, last = days.groups()
        if first or last:
            end = last if dots else first
            return {"since": first and _day(word, first), "until": end and _day(word, end, after=1)}
    if order_id_pattern.fullmatch(word):
        return {"order_id": word}
    raise NotAFilter(Mistake.NO_FILTER, word)


def _day(word: str, text: str, *, after: int = 0) -> datetime:
    return _calendar(word, lambda: datetime.fromisoformat(text).replace(tzinfo=UTC) + timedelta(days=after))


def _calendar(word: str, compute: Callable[[], datetime]) -> datetime:
    """Compute a time that may not exist in the calendar (``2026-02-31``, or the end of 9999-12-31)."""
    try:
        return compute()
    except (ValueError, OverflowError):
        raise NotAFilter(Mistake.NO_SUCH_TIME, word) from None
