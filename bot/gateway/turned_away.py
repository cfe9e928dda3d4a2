"""The answers with which the gateway turns a call away before it looks at the order: an allow-list, as for refusals.

Only these prove that nothing happened. The code must be on a list, and the message must be made of words that cannot
say anything about an order or about an earlier call. "X-Timestamp was already used" is no such message: something on
the way may have sent the call twice.
"""

import re

from bot.domain.attempt import Reason
from bot.gateway.shapes import ORDER_ID, Said, snake

_KEY = {"invalid_api_key", "missing_api_key", "invalid_app_id", "missing_app_id", "invalid_credentials"}
_TIMESTAMP = {
    "invalid_timestamp", "expired_timestamp", "timestamp_expired", "timestamp_out_of_range", "clock_skew",
    "request_time_too_skewed",
}  # fmt: skip
_ACCESS = {
    "unauthorized", "unauthenticated", "authentication_failed", "authentication_required", "authentication_error",
    "invalid_authentication", "missing_timestamp", "forbidden", "access_denied", "permission_denied",
    "insufficient_permissions", "account_suspended", "account_disabled", "account_inactive", "ip_not_allowed",
}  # fmt: skip
_LATER = {
    "rate_limit_exceeded", "rate_limited", "too_many_requests", "service_unavailable", "maintenance",
    "under_maintenance", "overloaded",
}  # fmt: skip

_WORDS = set(
    """
    a again an and are at be five for from gateway in is it later minute minutes more must no not of off on only or per
    please request requests second seconds server service system than that the this to too try we whole your
    """.split()  # noqa: SIM905 -- as text they fit on a few lines, which are easily read
)
"""A message in other words than these and one of the next lists may say what became of the order."""
_WORDS_OF_A_DENIAL = _WORDS | set(
    """
    access account address ahead allow allowed api app authenticate authenticated authentication authorization
    authorized bad behind check clock credentials denied disabled expired failed forbidden future has header id inactive
    incorrect insufficient invalid ip key list merchant missing old out outside past permission permissions provided
    range recognized required skew skewed suspended time timestamp unauthenticated unauthorized unix unknown valid
    window within wrong x
    """.split()  # noqa: SIM905 -- the same
)
_WORDS_OF_LATER = _WORDS | set(
    """
    busy currently down exceeded limit maintenance many overloaded rate reached retry slow temporarily unavailable under
    undergoing wait
    """.split()  # noqa: SIM905 -- the same
)
_ABOUT_THE_TIME = re.compile(r"\b(?:timestamp|clock|skew(?:ed)?|request time|request (?:has |is )?expired)\b")
_ABOUT_THE_KEY = re.compile(r"\b(?:api key|app id|credentials)\b")


def read_denial(said: Said) -> Reason | None:
    """Return why the gateway did not accept the call; None if it does not say so plainly."""
    code, words = snake(said.code), _plain_words(said, _WORDS_OF_A_DENIAL)
    if words is None or code not in _KEY | _TIMESTAMP | _ACCESS:
        return None
    if code in _TIMESTAMP or (code in _ACCESS and _ABOUT_THE_TIME.search(words)):
        return Reason.CLOCK
    return Reason.CREDENTIALS if code in _KEY or _ABOUT_THE_KEY.search(words) else Reason.TURNED_AWAY


def asks_for_later(said: Said) -> bool:
    """Return True where the gateway says that it takes no calls now."""
    return snake(said.code) in _LATER and _plain_words(said, _WORDS_OF_LATER) is not None


def _plain_words(said: Said, known: set[str]) -> str | None:
    """Return the message in lower case without signs; None if it, or a field beside it, may speak of the order."""
    words = re.findall("[a-z]+|[0-9]+", said.message.lower())
    is_plain = said.message.isascii() and all(word in known or re.fullmatch("[0-9]{1,3}", word) for word in words)
    return " ".join(words) if is_plain and said.has_only({*ORDER_ID, "retry_after"}) else None
