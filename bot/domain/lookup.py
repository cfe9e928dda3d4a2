"""The filters of ``/cancel-audit`` and ``audit find``, read from the words that people type."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from enum import StrEnum
from typing import Any

from bot.domain.cancellation import State
from bot.domain.ids import USER_ID, is_order_id

_LONGEST = 500
"""More than all filters together need, and well within what a paging button can remember."""
_DAY = r"\d{4}-\d\d-\d\d"
_DASH = "-\u2010-\u2015\u2212\ufe58\ufe63\uff0d"
_RANGE = re.compile(rf"(?<!\S)({_DAY})\s*(?:\.{{2,}}|…|[{_DASH}]{{1,2}})\s*({_DAY})(?!\S)")
"""Two days with any dash between them."""
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
    category: str | None = None


class Mistake(StrEnum):
    """The mistakes that make a text no look-up. The views and the command line hold the sentences."""

    TOO_LONG = "too_long"
    TWICE = "twice"
    """This word is a second filter of the same kind."""
    ENDS_BEFORE_IT_BEGINS = "ends_before_it_begins"
    NOBODY = "nobody"
    """This word should name a member, and does not."""
    NO_STATE = "no_state"
    NO_SUCH_TIME = "no_such_time"
    NO_FILTER = "no_filter"
    FILE_NOT_LAST = "file_not_last"
    """The word that asks for a file stands before another word, or a second time."""
    EVIDENCE_OF_AN_ORDER = "evidence_of_an_order"
    """Evidence is asked for, but not of one order and nothing else."""


class NotAFilter(ValueError):
    """The text is no look-up. ``word`` is the word that is wrong, as it was typed, or empty."""

    def __init__(self, mistake: Mistake, word: str = "") -> None:
        super().__init__(mistake, word)
        self.mistake, self.word = mistake, word


class File(StrEnum):
    """The files that the last word of a look-up asks for."""

    CSV = "csv"
    EVIDENCE = "evidence"


def wants_file(text: str) -> tuple[str, File | None]:
    """Return the filters without the word at their end that asks for a file, and the file. Raises NotAFilter.

    ``order:csv`` means an order of this name.
    """
    words = text.split()
    asked = [word for word in words if word.lower() in set(File)]
    if not asked:
        return text, None
    if asked != words[-1:]:
        raise NotAFilter(Mistake.FILE_NOT_LAST, asked[0])
    return " ".join(words[:-1]), File(asked[0].lower())


def parse(
    text: str,
    *,
    order_id_pattern: re.Pattern[str],
    now: datetime,
    me: str | None = None,
    zone: tzinfo = UTC,
    reasons: Sequence[str] = (),
) -> Lookup:
    """Return the look-up that these words ask for.

    A person is Slack's ``<@U…>`` or ``<@U…|name>``, a user id behind ``@``, or ``me``. A state, ``today``,
    ``yesterday`` and one of the ``reasons`` are understood in any case. Days are those of ``zone``, the reader's own. A
    word that is both a time, or a reason, and an order id is not the order; ``order:7d`` means that. Where the pattern
    allows spaces in an id, they may all be one, behind ``order:`` always. Raises NotAFilter.
    """
    if len(text) > _LONGEST:
        raise NotAFilter(Mistake.TOO_LONG)
    text = text.strip()
    prefix, _, rest = text.partition(":")
    if prefix.lower() == "order" and is_order_id(order_id_pattern, rest):
        return Lookup(order_id=rest)
    try:
        return _of_words(text, order_id_pattern, now.astimezone(zone), me, reasons)
    except NotAFilter:
        if len(text.split()) > 1 and is_order_id(order_id_pattern, text):
            return Lookup(order_id=text)
        raise


def _of_words(
    text: str, order_id_pattern: re.Pattern[str], now: datetime, me: str | None, reasons: Sequence[str]
) -> Lookup:
    lookup = Lookup()
    words = _RANGE.sub(r"\1..\2", text).split()
    while words:
        category, length = _reason_at_start(words, reasons)
        word, words = " ".join(words[:length]), words[length:]
        found: dict[str, Any] = {"category": category}
        if category is None:
            found = _read(word, order_id_pattern=order_id_pattern, now=now, me=me)
        if any(getattr(lookup, name) is not None for name in found):
            raise NotAFilter(Mistake.TWICE, word)
        lookup = replace(lookup, **found)
    if lookup.since is not None and lookup.until is not None and lookup.since >= lookup.until:
        raise NotAFilter(Mistake.ENDS_BEFORE_IT_BEGINS)
    return lookup


def means_something_else(reason: str) -> bool:
    """Return True for a reason that nobody could look up, because its words ask for something else already."""
    words = reason.lower().split()
    if words == ["help"] or not set(File).isdisjoint(words) or words[0].startswith("order:"):
        return True
    try:
        return parse(reason, order_id_pattern=re.compile("(?!)"), now=datetime.now(UTC), me="U") != Lookup()
    except NotAFilter as error:
        return error.mistake is not Mistake.NO_FILTER


def _reason_at_start(words: list[str], reasons: Sequence[str]) -> tuple[str | None, int]:
    """Return the longest of the reasons with which these words begin, if there is one, and how many words it has."""
    for reason in sorted(reasons, key=lambda each: -len(each.split())):
        wanted = reason.casefold().split()
        if [word.casefold() for word in words[: len(wanted)]] == wanted:
            return reason, len(wanted)
    return None, 1


_ANY_ORDER_ID = re.compile(r"\S+")


def _read(word: str, *, order_id_pattern: re.Pattern[str], now: datetime, me: str | None) -> dict[str, Any]:
    """Return the fields of Lookup that one word sets; ``now`` is in the reader's time zone."""
    if match := re.fullmatch(rf"{MENTION}|@({USER_ID})", word):
        return {"person": match[1] or match[2]}
    if word.startswith("@"):
        raise NotAFilter(Mistake.NOBODY, word)
    prefix, colon, rest = word.partition(":")
    if colon and prefix.lower() == "state":
        try:
            return {"state": State(rest.lower())}
        except ValueError:
            raise NotAFilter(Mistake.NO_STATE, rest) from None
    if colon and prefix.lower() == "order" and is_order_id(_ANY_ORDER_ID, rest):
        # Orders of a time with another setting stay in the record.
        return {"order_id": rest}
    if word.lower() in set(State):
        return {"state": State(word.lower())}
    if word.lower() == "me":
        if me is None:
            raise NotAFilter(Mistake.NOBODY, word)
        return {"person": me}
    if (times := _read_time(word, now)) is not None:
        return times
    if is_order_id(order_id_pattern, word):
        return {"order_id": word}
    raise NotAFilter(Mistake.NO_FILTER, word)


def _read_time(word: str, now: datetime) -> dict[str, Any] | None:
    """Return the times that a word names, or None if it names none."""
    if word.lower() in {"today", "yesterday"}:
        word = str(now.date() - timedelta(days=word.lower() == "yesterday"))
    if ago := re.fullmatch(r"(\d{1,5})([mhdw])", word.lower()):
        count, unit = int(ago[1]), _UNITS[ago[2]]
        return {"since": _calendar(word, lambda: now.astimezone(UTC) - count * unit), "until": None}
    if days := re.fullmatch(rf"({_DAY})?(\.\.)?({_DAY})?", word):
        first, dots, last = days.groups()
        if first or last:
            end = last if dots else first
            since = first and _calendar(word, lambda: _midnight(first, now))
            return {"since": since, "until": end and _calendar(word, lambda: _midnight(end, now, after=1))}
    return None


def _midnight(day: str, now: datetime, *, after: int = 0) -> datetime:
    # Counted in days first: a day of the reader's may have 23 or 25 hours.
    return datetime.combine(date.fromisoformat(day) + timedelta(days=after), time(), now.tzinfo).astimezone(UTC)


def _calendar(word: str, compute: Callable[[], datetime]) -> datetime:
    """Compute a time that may not exist in the calendar (``2026-02-31``, or the end of 9999-12-31)."""
    try:
        return compute().astimezone(UTC)
    except (ValueError, OverflowError):
        raise NotAFilter(Mistake.NO_SUCH_TIME, word) from None
