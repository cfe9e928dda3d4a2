"""The reason for a refusal: an allow-list of codes, of sentences about this order, and of fields with its state.

The gateway publishes no list of codes for the cancel call, and prose is no proof: "No order was cancelled" and "You
have already cancelled 10 orders today" have all the words of a yes. So a code or a message counts only as a whole,
every field must be a documented one, and whatever is not on the list makes the answer one without a reason. All that
say something must agree.
Source of the states: DVPay Payment Gateway, page on the states of an order.
"""

import re
from collections.abc import Iterator
from datetime import datetime

from bot.domain.attempt import Reason
from bot.gateway.shapes import LONGEST_READ, ORDER_ID, Said, is_whole, order_id_in, parse_time, snake

_REASONS = {
    "canceled": Reason.ALREADY_CANCELLED,
    "completed": Reason.COMPLETED,
    "paid": Reason.COMPLETED,
    "refunded": Reason.ALREADY_REFUNDED,
    "partially_refunded": Reason.PARTLY_REFUNDED,
    "expired": Reason.EXPIRED,
}
"""Any other state of the order contradicts these. ``SUCCESS`` of version 1.4 may be the state of the request."""

_STATE = "canceled|completed|paid|refunded|partially[ _]refunded|pending|processing|failed|expired"
_NOW = {"current_status", "current_state", "currentStatus", "currentState"}
_OF_THE_ORDER = {"order_status", "order_state", "orderStatus", "orderState"}
"""Beside these, "cancelled" may be the state that was asked for. The bare ``status`` of the envelope's data may even be
that of the call, so it says nothing by itself."""
_IN_DETAILS = {*ORDER_ID, *_NOW, *_OF_THE_ORDER}
_IN_DATA = {*_IN_DETAILS, "status"}

_CODE = re.compile(
    rf"order_(?:(?:is|was|has_been)_)?(?P<no>not_)?(?:already_)?(?P<state>{_STATE})"
    r"|already_(?P<short>canceled|refunded|partially_refunded)"
)
_ABSENT = {"order_not_found", "no_such_order", "unknown_order", "order_does_not_exist"}
_WITHOUT_A_REASON = {
    "bad_request", "business_rule", "business_rule_violation", "conflict", "invalid_order_state",
    "invalid_order_status", "not_found", "order_cannot_be_canceled", "order_not_cancelable", "order_not_cancellable",
    "resource_not_found", "unprocessable_entity",
}  # fmt: skip
"""Codes that leave it to the message and the details why the order cannot be cancelled."""

# Each sign is looked at once: nothing before the first digit is one.
_AN_ID = r"(?:[^\W\d]|-)*+\d[\w-]*+"
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
    rf"|{_ORDER} has(?: already)? (?P<gone>expired){_CLAUSE}"
    # "Already completed" may be about the request.
    r"|already (?P<short>canceled|refunded|partially refunded)"
)
_ABSENT_SENTENCE = re.compile(
    rf"{_ORDER} (?:(?:was |is |could |can )?not (?:be )?found|does not exist|doesn't exist)|no such order|unknown order"
)
# Typographic quotes, written as escapes because they are easily taken for others.
_QUOTES = re.compile("[\"`\u201c\u201d\u2018]|(?<!\\w)'|'(?!\\w)")
_TIME = re.compile(
    r" (?:on|at) (?P<at>\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?: ?(?P<zone>Z|UTC|GMT|[+-]\d\d:?\d\d))?)?)"
    r"(?!\w)"
)


# Something on the way may send a call twice: then the first one works on it, and the second one is turned away.
_UNDER_WAY = re.compile(
    r"\bcancell?ation\b.{0,40}\b(?:in progress|under ?way|processing|pending|requested|submitted|accepted|queued"
    r"|scheduled|running)\b|\b(?:being|will be) cancell?ed\b|\bduplicate\b"
    r"|\balready (?:requested|submitted|received|accepted|in progress|processed|handled)\b",
    re.IGNORECASE,
)
"""Words for a cancel that somebody already works on."""


def read_refusal(said: Said, order_id: str, now: datetime) -> Reason | None:
    """Return the reason that this refusal gives plainly for this order; None if it gives none. Never raises.

    A date in the message counts only if it is over at the time ``now``.
    """
    in_envelope = not said.error
    if not said.has_only(_IN_DETAILS, _IN_DATA) or (in_envelope and order_id_in(said.data) != order_id):
        return None
    if len(said.message) > LONGEST_READ:
        return None
    message = _TIME.sub(lambda date: "" if _is_over(date, now) else date[0], said.message)
    # IDs have many forms, so any word of the message with a digit in it may be one.
    if re.search(r"\d", _without(order_id, message)):
        return None
    told = {*_from_code(said), *_from_sentence(in_plain_words(message, order_id))}
    states = list(_from_states(said, order_id))
    found = {*told, *(reason for _, reason in states)}
    if len(found) != 1:
        return None
    reason = found.pop()
    plain = _NOW if reason is Reason.ALREADY_CANCELLED else _NOW | _OF_THE_ORDER
    return reason if told or any(name in plain for name, _ in states) else None


def is_under_way(said: Said) -> bool:
    """Return True for a refusal because of another cancel of the order: asked again, the gateway may know more."""
    code, message = snake(said.code[:LONGEST_READ]), said.message[:LONGEST_READ]
    return _UNDER_WAY.search(f"{code} {message}".replace("_", " ")) is not None


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


def names_another_order(text: str, order_id: str) -> bool:
    """Return True if the text has the ID of another order.

    It is known by a prefix like that of this order's ID, or by the word "order" before a word with a digit.
    """
    ours = re.match(r"[A-Za-z]+[_-]|[A-Za-z]{3,}(?=\d)", order_id)
    prefix = ours[0] if ours else "ord_"
    # "order_id" and "ordinary" are no order's IDs.
    is_plain = prefix[-1] in "_-" and not prefix.lower().startswith("order")
    rest = r"[\w-]+" if is_plain else _AN_ID
    found = re.findall(rf"(?<![\w-])(?:ord_[\w-]+|{prefix}{rest})", text, re.IGNORECASE)
    for match in _AFTER_ORDER.finditer(text):
        found += re.findall(_AN_ID, match[0])
    return any(token != order_id for token in found)


def in_plain_words(message: str, order_id: str) -> str:
    """Return the message in lower case and one line, without quotes, this order's ID and the full stop."""
    if len(message) > LONGEST_READ:
        return message
    text = _QUOTES.sub("", message.replace("\u2019", "'")).strip()
    text = _without(order_id, text).replace("_", " ")
    return " ".join(text.lower().replace("cancelled", "canceled").split()).rstrip(".!")


def _from_code(said: Said) -> Iterator[Reason | None]:
    """Yield the reason in the code, or None where it is on no list; nothing where it leaves the reason open."""
    code = snake(said.code).replace("cancelled", "canceled")
    if code in _ABSENT:
        yield Reason.NO_SUCH_ORDER
    elif code and code not in _WITHOUT_A_REASON:
        match = _CODE.fullmatch(code)
        yield _reason(match["state"] or match["short"], denied=match["no"]) if match else None


def _from_sentence(sentence: str) -> Iterator[Reason | None]:
    """Yield the reason in the message, or None where it is on no list; nothing where there is no message."""
    match = _SENTENCE.fullmatch(sentence)
    if _ABSENT_SENTENCE.fullmatch(sentence):
        yield Reason.NO_SUCH_ORDER
    elif match:
        reason = _reason(match["state"] or match["short"] or match["gone"], denied=match["no"])
        # Nobody is sent to the refund by a sentence that speaks of a cancelled or refunded order.
        yield None if match["refund"] and reason not in {Reason.COMPLETED, Reason.PARTLY_REFUNDED} else reason
    elif sentence:
        yield None


def _from_states(said: Said, order_id: str) -> Iterator[tuple[str, Reason | None]]:
    """Yield each field for the order's state with its reason, or None where it is on no list, or not this order's."""
    for part in (said.details, said.data):
        for name, value in part.items():
            if name not in ORDER_ID:
                is_ours = order_id_in(part) == order_id and isinstance(value, str)
                yield name, _reason(snake(value).replace("cancelled", "canceled")) if is_ours else None


def _reason(state: str, *, denied: str | None = None) -> Reason | None:
    return None if denied else _REASONS.get(state.replace(" ", "_"))


def _is_over(date: re.Match[str], now: datetime) -> bool:
    zone = date["zone"] or ""
    at = parse_time(date["at"].removesuffix(zone).rstrip() + ("+00:00" if zone.isalpha() else zone))
    return at is not None and at <= now


def _without(order_id: str, text: str) -> str:
    """Return the text with "order" in the place of this order and its ID."""
    if not re.search(r"[\d_]", order_id):
        # An ID may be any word, such as "never": without it the sentence would say something else.
        return text
    # "404 Not Found" is a status, also where an order is called 404.
    order = r"(?i:\border )?" if re.search("[A-Za-z]", order_id) else r"(?i:\border )"
    name = rf"{order}(?i:with )?(?i:\bid ?)?[#:]? ?(?<![\w-]){re.escape(order_id)}(?![\w-]|\.\d)"
    return re.sub(name, " order", text)
