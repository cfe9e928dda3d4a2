"""The reason for a refusal: an allow-list of codes, of sentences about this order, and of fields with its state.

The gateway publishes no list of codes for the cancel call, and prose is no proof: "No order was cancelled" and "You
have already cancelled 10 orders today" have all the words of a yes. So a code or a message counts only as a whole, and
everything that is not on the list is ``Reason.OTHER``. All that say something must agree.
Source of the states: DVPay Payment Gateway, pages on the states of an order and release notes of version 1.4.0.
"""

import re
from collections.abc import Iterator
from http import HTTPStatus

from bot.domain.attempt import Reason
from bot.gateway.shapes import Said, is_whole, order_id_in, snake

_REASONS = {
    "canceled": Reason.ALREADY_CANCELLED,
    "completed": Reason.COMPLETED,
    "paid": Reason.COMPLETED,
    "refunded": Reason.ALREADY_REFUNDED,
    "partially_refunded": Reason.PARTLY_REFUNDED,
    # Version 1.4 names a paid order so. It is a state only in a field for states.
    "success": Reason.COMPLETED,
}
"""Any other state of the order contradicts these: as a reason it is OTHER."""

_STATE = "canceled|completed|paid|refunded|partially[ _]refunded|pending|processing|failed|expired"
_STATE_FIELDS = {"current_status", "current_state", "order_status", "order_state"}

_CODE = re.compile(
    rf"order_(?:(?:is|was|has_been)_)?(?P<no>not_)?(?:already_)?(?P<state>{_STATE})"
    r"|already_(?P<short>canceled|refunded|partially_refunded)"
)
_AUTHENTICATION = {
    "unauthorized", "unauthenticated", "authentication_failed", "authentication_required", "authentication_error",
    "invalid_authentication", "invalid_credentials", "invalid_api_key", "missing_api_key", "invalid_app_id",
    "missing_app_id", "invalid_timestamp", "missing_timestamp", "expired_timestamp", "timestamp_expired",
    "timestamp_out_of_range", "clock_skew", "request_time_too_skewed",
}  # fmt: skip
_ABSENT = {"order_not_found", "no_such_order", "unknown_order", "order_does_not_exist"}
_SOMETHING_ABSENT = {"not_found", "resource_not_found"}
"""Codes that may also be about the address of the call."""

_CLOCK = re.compile(r"\b(?:timestamp|clock|skew(?:ed)?|request time|request (?:has |is )?expired)\b", re.IGNORECASE)

_AN_ID = r"[\w-]*\d[\w-]*"
# "The order 30 minutes after it was made" names no order.
_AFTER_ORDER = re.compile(
    r"\borders?(?: (?:with )?(?:id|number|no\.?))?"
    rf"(?:(?:[ :=#'\"(,]|and |or )+{_AN_ID}(?![\w-]| (?:second|minute|hour|day)s?\b))+",
    re.IGNORECASE,
)
"""The word "order" with the ID behind it, or several."""

_ORDER = "(?:the |this |your )?order"
_CLAUSE = r"(?:,? (?:and|so)(?: it)? (?:cannot|can't|can not|can no longer) be canceled(?: again)?)?"
_REFUND = (
    r"(?P<refund>[.;,] (?:please )?use (?:a|the) refund(?: endpoint| call)?(?: instead)?"
    r"|[.;] completed orders must use the refund endpoint(?: instead)?)?"
)
_RULE = r"(?:[.;] only pending (?:or|and) processing orders can be canceled)?"
_SENTENCE = re.compile(
    rf"(?:{_ORDER} (?:cannot be canceled because (?:it|the order) )?"
    r"(?:(?:is|was|has been)(?P<no> not)?(?: already| currently)?|has already been|already)"
    rf"|{_ORDER}(?: current)? (?:status|state) is(?: already| currently)?) "
    rf"(?:in (?:the |a )?)?(?P<state>{_STATE})(?: state| status)?{_CLAUSE}{_REFUND}{_RULE}"
    # "Already completed" may be about the cancellation.
    r"|already (?P<short>canceled|refunded|partially refunded)"
)
_ABSENT_SENTENCE = re.compile(
    rf"{_ORDER} (?:(?:was |is |could |can )?not (?:be )?found|does not exist|doesn't exist)|no such order|unknown order"
)
_SOMETHING_ABSENT_SENTENCE = re.compile("(?:resource )?not found")
_LONGEST_READ = 300
"""Characters of a message; no sentence on the list is as long."""

# Typographic quotes, written as escapes because they are easily taken for others.
_QUOTES = re.compile("[\"`\u201c\u201d\u2018]|(?<!\\w)'|'(?!\\w)")
_TIME = re.compile(
    r" (?:on|at) \d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?: ?(?:Z|UTC|GMT|[+-]\d\d:?\d\d))?)?(?!\w)"
)


def read_refusal(said: Said, order_id: str, *, status: int) -> Reason:
    """Return the reason that this refusal with this HTTP status gives for this order; never raises."""
    message = _TIME.sub("", said.message)
    # IDs have many forms, so any word of the message with a digit in it may be one.
    if is_about_another_order(said, order_id) or re.search(r"\d", _without(order_id, message)):
        return Reason.OTHER
    sentence = in_plain_words(message, order_id)
    found = {_from_code(said, sentence, status), _from_sentence(sentence), *_from_states(said, order_id)} - {None}
    return (found.pop() if len(found) == 1 else None) or Reason.OTHER


def is_about_another_order(said: Said, order_id: str) -> bool:
    """Return True if any part of the answer has another order's ID, in a field for it or in a text."""
    return any(
        any(order_id_in({"order_id": found}) != order_id for found in _order_ids(name, value))
        or (isinstance(value, str) and names_another_order(value, order_id))
        for name, value in said.values()
    )


def _order_ids(name: str, value: object) -> Iterator[object]:
    """Yield what this field gives as the ID of an order, in whatever form; a blank one is none."""
    is_scalar = is_whole(value) or (isinstance(value, str) and re.fullmatch(_AN_ID, value) is not None)
    if name in {"order_id", "orderid"}:
        yield from () if value is None or value == "" else (value,)
    elif name in {"order", "orders", "order_ids"} and is_scalar:
        yield value
    elif isinstance(value, dict) and order_id_in(value) is None:
        found = next((inner for key, inner in value.items() if snake(key) == "id"), None)
        # Among details there may be the ID of something else, but hardly as a number.
        is_number = is_whole(found) or (isinstance(found, str) and found.isdecimal())
        if (name in {"order", "orders"} and found is not None) or (name in {"details", "data"} and is_number):
            yield found


def names_the_key(said: Said) -> bool:
    """Return True where the code is about the API key or the app id."""
    return snake(said.code).endswith(("api_key", "app_id"))


def names_another_order(text: str, order_id: str) -> bool:
    """Return True if the text has the ID of another order.

    It is known by a prefix like that of this order's ID, or by the word "order" before a word with a digit.
    """
    ours = re.match(r"[A-Za-z]+[_-]|[A-Za-z]{3,}(?=\d)", order_id)
    prefix = ours[0] if ours else "ord_"
    # "order_id" and "ordinary" are no order's IDs.
    is_plain = prefix[-1] in "_-" and not prefix.lower().startswith("order")
    rest = r"[\w-]+" if is_plain else r"[\w-]*\d[\w-]*"
    found = re.findall(rf"(?<![\w-])(?:ord_[\w-]+|{prefix}{rest})", text, re.IGNORECASE)
    for match in _AFTER_ORDER.finditer(text):
        found += re.findall(_AN_ID, match[0])
    return any(token != order_id for token in found)


def in_plain_words(message: str, order_id: str) -> str:
    """Return the message in lower case and one line, without quotes, this order's ID and the full stop."""
    if len(message) > _LONGEST_READ:
        return message
    text = _QUOTES.sub("", message.replace("\u2019", "'")).strip()
    text = _without(order_id, text).replace("_", " ")
    return " ".join(text.lower().replace("cancelled", "canceled").split()).rstrip(".!")


def is_about_authentication(said: Said) -> bool:
    """Return True for the codes of a call without accepted credentials."""
    return snake(said.code) in _AUTHENTICATION


def speaks_of_the_timestamp(said: Said) -> bool:
    """Return True where whole words for the time of the call are in the code or the message."""
    return _CLOCK.search(f"{snake(said.code)} {said.message}".replace("_", " ")) is not None


def _from_code(said: Said, sentence: str, status: int) -> Reason | None:
    code = snake(said.code).replace("cancelled", "canceled")
    if code in _ABSENT:
        return Reason.NO_SUCH_ORDER
    if code in _SOMETHING_ABSENT and status == HTTPStatus.NOT_FOUND and said.error:
        plain = not sentence or _SOMETHING_ABSENT_SENTENCE.fullmatch(sentence) or _ABSENT_SENTENCE.fullmatch(sentence)
        return Reason.NO_SUCH_ORDER if plain else None
    match = _CODE.fullmatch(code)
    return _reason(match["state"] or match["short"], denied=match["no"]) if match else None


def _from_sentence(sentence: str) -> Reason | None:
    if _ABSENT_SENTENCE.fullmatch(sentence):
        return Reason.NO_SUCH_ORDER
    match = _SENTENCE.fullmatch(sentence)
    if match is None:
        return None
    reason = _reason(match["state"] or match["short"], denied=match["no"])
    # Nobody is sent to the refund by a sentence that speaks of a cancelled or refunded order.
    return None if match["refund"] and reason is not Reason.COMPLETED else reason


def _from_states(said: Said, order_id: str) -> Iterator[Reason]:
    """Yield the reason in each field for the order's state, of the objects that hold this order's ID."""
    for part in (said.error.get("details"), said.body.get("details"), said.data):
        if isinstance(part, dict) and order_id_in(part) == order_id:
            for name, value in part.items():
                is_state = snake(name) in _STATE_FIELDS or (name == "status" and part is said.data)
                if is_state and isinstance(value, str):
                    yield _reason(snake(value).replace("cancelled", "canceled"))


def _reason(state: str, *, denied: str | None = None) -> Reason:
    return Reason.OTHER if denied else _REASONS.get(state.replace(" ", "_"), Reason.OTHER)


def _without(order_id: str, text: str) -> str:
    """Return the text with "order" in the place of this order and its ID."""
    if not re.search(r"[\d_]", order_id):
        # An ID may be any word, such as "never": without it the sentence would say something else.
        return text
    name = rf"(?i:\border )?(?i:with )?(?i:\bid ?)?[#:]? ?(?<![\w-]){re.escape(order_id)}(?![\w-]|\.\d)"
    return re.sub(name, " order", text)
