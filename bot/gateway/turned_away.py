"""The answers with which the gateway turns a call away before it looks at the order: an allow-list, as for refusals.

Only these say that nothing happened. The code must be on a list, and the message must be made of words that cannot
say anything about an order or about an earlier call. "X-Timestamp was already used" is no such message: something on
the way may have sent the call twice. A cause is named only if the code and the message name this one and no other.
"""

import re

from bot.domain.attempt import Reason
from bot.gateway.shapes import LONGEST_READ, ORDER_ID, Said, snake

_KEY = {"invalid_api_key", "missing_api_key", "invalid_app_id", "missing_app_id", "invalid_credentials"}
_TIMESTAMP = {
    "invalid_timestamp", "expired_timestamp", "timestamp_expired", "timestamp_out_of_range", "clock_skew",
    "request_time_too_skewed",
}  # fmt: skip
_OPEN = {
    "unauthorized", "unauthenticated", "authentication_failed", "authentication_required", "authentication_error",
    "invalid_authentication", "forbidden", "access_denied",
}  # fmt: skip
"""Codes that leave the cause to the message."""
_ANOTHER_CAUSE = {
    "missing_timestamp", "permission_denied", "insufficient_permissions", "account_suspended", "account_disabled",
    "account_inactive", "ip_not_allowed",
}  # fmt: skip
_LATER = {
    "rate_limit_exceeded", "rate_limited", "too_many_requests", "service_unavailable", "maintenance",
    "under_maintenance", "overloaded",
}  # fmt: skip

# Words for this call and what to do, at a place where they cannot speak of another call, or of what the gateway does
# with it: "We retry your request" and "Your request reached the server" are left.
_AGAIN = (
    r"(?:(?<![^.,;:!] )|(?<=please ))\b(?:re)?try(?: again)?(?: (?:your|the|this) request)?(?: again)?(?: later)?\b"
    r"(?! (?:is|are|of|from)\b)"
)
_PLAIN_DENIAL = re.compile(
    rf"{_AGAIN}|\b(?:from|in|time of) (?:the|this|your) request\b|\b(?:app id|request time(?:stamp)?)\b|\bin the past\b"
    r"|\b(?:(?:the|this|your) )?request (?:is |was |has )?(?:not )?"
    r"(?:allowed|authenticated|authorized|denied|expired|forbidden|unauthenticated|unauthorized)\b"
)
_PLAIN_LATER = re.compile(
    rf"{_AGAIN}|\b(?:your )?(?:rate )?limit (?:is |was |has been )?reached\b(?= ?(?:$|[.,;:!]))"
    r"|\byour (?:rate )?limit\b|\b(?:too many|no more) requests?\b|\b\d{1,3} requests? per\b"
    r"|\brequests? (?:rate )?limit\b"
)
_WORDS = set(
    """
    a an and are at be five for from gateway in is later minute minutes more must no not of off on or please second
    seconds server service system than the to too
    """.split()  # noqa: SIM905 -- as text they fit on a few lines, which are easily read
)
"""A message in other words than these and one of the next lists may say how the order stands."""
_WORDS_OF_A_DENIAL = _WORDS | set(
    """
    access account address ahead allow allowed api app authenticate authenticated authentication authorization
    authorized bad behind check clock credentials denied disabled expired failed forbidden future has header inactive
    incorrect insufficient invalid ip key list merchant missing old out outside permission permissions provided range
    recognized required skew skewed suspended this time timestamp unauthenticated unauthorized unix unknown valid whole
    window within wrong x your
    """.split()  # noqa: SIM905 -- the same
)
_WORDS_OF_LATER = _WORDS | set(
    """
    busy currently down exceeded limit maintenance many only overloaded per rate slow temporarily unavailable under
    undergoing wait
    """.split()  # noqa: SIM905 -- the same
)

# A timestamp that never arrived, one that is fine, and "this or the timestamp" say nothing about a clock.
_TIME = re.compile(r"\b(?:timestamp|clock|skew(?:ed)?|request time|request (?:has |is )?expired)\b")
_NOT_THE_TIME = re.compile(r"\b(?:or|and|no|not|valid|missing|required)\b")
_CREDENTIALS = re.compile(r"\b(?:key|app id|credentials)\b")
_NOT_THE_CREDENTIALS = re.compile(r"\b(?:not|valid)\b")
_SOMETHING_ELSE = re.compile(r"\b(?:ip|address|account|merchant|permissions?|allow(?:ed)?|insufficient)\b")
# "Not valid" names its cause as plainly as "invalid".
_NEGATED = re.compile(r"\bnot (?:valid|recognized|authorized|within)\b")


def read_denial(said: Said) -> Reason | None:
    """Return why the gateway did not accept the call; None if it does not say so plainly."""
    code, words = snake(said.code), _plain_words(said, _WORDS_OF_A_DENIAL, _PLAIN_DENIAL)
    if words is None or code not in _KEY | _TIMESTAMP | _OPEN | _ANOTHER_CAUSE:
        return None
    words = _NEGATED.sub("invalid", words)
    named = {
        Reason.CLOCK: code in _TIMESTAMP or _TIME.search(words),
        Reason.CREDENTIALS: code in _KEY or _CREDENTIALS.search(words),
        Reason.TURNED_AWAY: code in _ANOTHER_CAUSE or _SOMETHING_ELSE.search(words),
    }
    causes = [cause for cause, is_named in named.items() if is_named]
    doubts = {Reason.CLOCK: _NOT_THE_TIME, Reason.CREDENTIALS: _NOT_THE_CREDENTIALS}
    if len(causes) != 1 or (causes[0] in doubts and doubts[causes[0]].search(words)):
        return Reason.TURNED_AWAY
    return causes[0]


def asks_for_later(said: Said) -> bool:
    """Return True where the gateway says that it takes no calls now."""
    return snake(said.code) in _LATER and _plain_words(said, _WORDS_OF_LATER, _PLAIN_LATER) is not None


def _plain_words(said: Said, known: set[str], phrases: re.Pattern[str]) -> str | None:
    """Return the message in lower case without signs; None if it, or a field beside it, may speak of the order."""
    if len(said.message) > LONGEST_READ or not said.message.isascii() or not said.has_only({*ORDER_ID, "retry_after"}):
        return None
    # The signs that end a clause stay for a moment: what comes after one of them is addressed to the caller.
    text = " ".join(re.sub(r"[^a-z0-9.,;:!]+|(?<=[.,;:!])", " ", said.message.lower()).split())
    left = re.findall("[a-z]+|[0-9]+", phrases.sub(" ", text))
    is_plain = all(word in known or re.fullmatch("[0-9]{1,3}", word) for word in left)
    return " ".join(re.findall("[a-z]+|[0-9]+", text)) if is_plain else None
