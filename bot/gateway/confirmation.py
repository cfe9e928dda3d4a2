"""The confirmation of a request: an allow-list of fields and their values, as ``refusal`` has one for reasons.

A field that nobody knows may deny what the status says, in words or under any name. To be strict costs little: the same
cancel is repeated, and "already cancelled" then confirms it.
Source of the fields: DVPay Payment Gateway, page on cancelling an order and release notes of version 1.4.0.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from bot.gateway.refusal import in_plain_words
from bot.gateway.shapes import (
    CANCELLED_AT,
    ORDER_ID,
    REQUEST_ID,
    Said,
    is_whole,
    order_id_in,
    parse_time,
    text_or_number,
)

_SENTENCE = re.compile(
    "(?:ok|success|successful"
    "|(?:(?:the|this|your) )?order(?: is| was| has been)?(?: successfully)? canceled(?: successfully)?)?"
)
"""In plain words."""

_HARMLESS = {
    **dict.fromkeys(REQUEST_ID, "[!-~]{1,100}"),
    "code": "0|20[01]|ok|success|order_cancell?ed",
    "amount": r"\d{1,15}(?:\.\d{1,4})?",
    "currency": "usd|khr",
    **dict.fromkeys(("transaction_id", "transactionId"), r"(?=\D*\d)[\w-]{1,100}"),
    "createTimeMilli": r"\d{13}",
}
"""Fields that come with an order and cannot deny anything, with patterns for their texts and numbers."""

_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|[+-]\d\d:?\d\d)?", re.ASCII)
_UNIX_TIME = re.compile(r"(\d{10})(?:\d{3})?(?:\.\d{1,9})?", re.ASCII)
"""In seconds or milliseconds."""
# Many programs write the year 1, 1970, 2000 or 2001 where they have no time. The vendor's pages begin in 2023.
_EARLIEST = datetime(2020, 1, 1, tzinfo=UTC)
_LATEST = timedelta(minutes=5)
"""From now: the gateway lets two clocks differ by so much."""


def is_cancelled(state: object) -> bool:
    """Return True for the state of a cancelled order, in any case and with one or two l."""
    return isinstance(state, str) and state.lower() in {"cancelled", "canceled"}


def is_plain(said: Said, order_id: str, now: datetime) -> bool:
    """Return True if the answer confirms at the time ``now`` that this order is cancelled, and says nothing else."""
    allowed: dict[str, Callable[[object], bool]] = {
        **{name: _like(pattern) for name, pattern in _HARMLESS.items()},
        **dict.fromkeys(ORDER_ID, lambda value: order_id_in({"order_id": value}) == order_id),
        "status": is_cancelled,
        **dict.fromkeys(CANCELLED_AT, lambda value: _is_time(value, now)),
        "statusCode": is_whole,
        "message": lambda value: value is None or _is_fine(value, order_id),
        "success": lambda value: value is True,
        "error": lambda value: value is None,
    }
    outside = ((name, value) for name, value in said.body.items() if name != "data" or value is not said.data)
    fields = [*outside, *said.data.items()]
    return said.cancelled_at != "" and all(name in allowed and allowed[name](value) for name, value in fields)


def _like(pattern: str) -> Callable[[object], bool]:
    # ASCII only, because a search that ignores case takes some letters for others.
    compiled = re.compile(pattern, re.ASCII | re.IGNORECASE)
    return lambda value: value is None or compiled.fullmatch(text_or_number(value)) is not None


def _is_fine(message: object, order_id: str) -> bool:
    # ASCII only, because the sign of the unit kelvin becomes a "k" in lower case.
    if not isinstance(message, str) or not message.isascii():
        return False
    return _SENTENCE.fullmatch(in_plain_words(message, order_id)) is not None


def _is_time(value: object, now: datetime) -> bool:
    """Return True for a time at which an order can have been cancelled: in ISO 8601 or Unix time, a number or text."""
    text = text_or_number(value)
    seconds = _UNIX_TIME.fullmatch(text)
    if not seconds and not _TIME.fullmatch(text):
        return False
    at = datetime.fromtimestamp(int(seconds[1]), UTC) if seconds else parse_time(text)
    return at is not None and _EARLIEST <= at <= now + _LATEST
