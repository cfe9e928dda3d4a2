"""The filters of ``/cancel-audit`` and ``audit find``: from what people type to what is asked for."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.domain.cancellation import State

USAGE = (
    "Type any of these, in any order, each once:\n"
    "• an order id: that order's whole story\n"
    "• @person: what this person asked for or decided\n"
    "• state:cancelled, or another state: " + ", ".join(State) + "\n"
    "• a time: 30m, 12h, 7d, 4w (the last so long), 2026-11-23 (a day), 2026-11-01..2026-11-23 (days in UTC)\n"
    "Nothing at all shows the latest."
)
"""What an unknown filter is answered with."""

_LONGEST = 500
"""More than all filters together need, and well within what a paging button can remember."""
_DAY = r"\d{4}-\d\d-\d\d"
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


@dataclass(frozen=True, slots=True)
class Lookup:
    """What is asked for; None means any. ``since`` is included, ``until`` is not."""

    order_id: str | None = None
    person: str | None = None
    state: State | None = None
    since: datetime | None = None
    until: datetime | None = None


class NotAFilter(ValueError):
    """A word that is no filter; the message is a sentence for the person who typed it."""


def parse(text: str, *, order_id_pattern: re.Pattern[str], now: datetime) -> Lookup:
    """What the words ask for.

    A person is Slack's ``<@U…>`` or ``<@U…|name>``, or a bare user id behind ``@``. A word that is
    both a time and an order id is a time; ``order:7d`` means the order. Raises NotAFilter.
    """
    if len(text) > _LONGEST:
        msg = "That is too long to look up."
        raise NotAFilter(msg)
    lookup = Lookup()
    for word in text.split():
        found = _read(word, order_id_pattern=order_id_pattern, now=now)
        for name in found:
            if getattr(lookup, name) is not None:
                msg = f"'{word}' is one filter too many: each kind can be given once."
                raise NotAFilter(msg)
        lookup = replace(lookup, **found)
    if lookup.since is not None and lookup.until is not None and lookup.since >= lookup.until:
        msg = "The time ends before it begins."
        raise NotAFilter(msg)
    return lookup


def _read(word: str, *, order_id_pattern: re.Pattern[str], now: datetime) -> dict[str, Any]:
    """The fields of Lookup that one word sets."""
    if match := re.fullmatch(r"<@([UW][A-Z0-9]+)(?:\|[^>]*)?>|@([UW][A-Z0-9]{5,})", word):
        return {"person": match[1] or match[2]}
    if word.startswith("@"):
        msg = f"'{word}' is nobody I know: pick the person from the list that Slack shows after @."
        raise NotAFilter(msg)
    prefix, colon, rest = word.partition(":")
    if colon and prefix == "state":
        try:
            return {"state": State(rest.lower())}
        except ValueError:
            msg = f"'{rest}' is not a state."
            raise NotAFilter(msg) from None
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
    msg = f"'{word}' is not a filter."
    raise NotAFilter(msg)


def _day(word: str, text: str, *, after: int = 0) -> datetime:
    return _calendar(word, lambda: datetime.fromisoformat(text).replace(tzinfo=UTC) + timedelta(days=after))


def _calendar(word: str, compute: Callable[[], datetime]) -> datetime:
    """A time that the calendar may not have (``2026-02-31``, 99999 weeks ago)."""
    try:
        return compute()
    except (ValueError, OverflowError):
        msg = f"'{word}' is not a time that the calendar knows."
        raise NotAFilter(msg) from None
