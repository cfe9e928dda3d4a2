"""The shapes of the gateway's answers. A JSON object in another shape is not the gateway's, and proves nothing.

1. The confirmation: an order ID and a text ``status``.
2. The ``error`` object: a ``code`` that is text, with a ``message`` or a request ID, and with a ``request_id``, a whole
   number as ``timestamp`` or an object ``details`` that is not empty. Without one of these three it may be Azure's or
   FastAPI's.
3. The envelope of version 1.4: a ``statusCode`` beside ``traceId`` or ``data``.

Proxies and API managers between the bot and the gateway send JSON of their own, often after the gateway did the work.
``docs/gateway.md`` lists products whose JSON has none of these shapes.
Source: DVPay Payment Gateway, pages on errors and release notes of version 1.4.0.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

ORDER_ID = ("order_id", "orderId")
REQUEST_ID = ("request_id", "requestId", "traceId", "trace_id")
CANCELLED_AT = ("cancelled_at", "cancelledAt", "canceled_at", "canceledAt")
_CODE = ("code", "errorCode", "error_code")
_WORD_ENDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[\W_]+")

_AROUND_ERROR = {"error", *REQUEST_ID}
_IN_ERROR = {"code", "message", "details", "timestamp", *REQUEST_ID}
_IN_ENVELOPE = {"statusCode", "message", "data", *REQUEST_ID}
_NESTED = {"error", "details", "data", "message"}
_ONE_WORD = re.compile("[!-~]{1,100}")
_NUMBER_OR_TIME = re.compile(
    r"\d[\dT:. +-]{0,40}Z?|[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT", re.ASCII
)
LONGEST_READ = 300
"""Characters of a text; no sentence on a list is as long, and a hostile one must not take long to look through."""
_LATEST_ZONE = timezone(timedelta(hours=-12))

Fields = Mapping[str, Any]


def snake(name: str) -> str:
    """Return a field's name or a code in snake case, so that ``OrderPaid`` and ``ORDER-PAID`` are alike."""
    return _WORD_ENDS.sub("_", name).strip("_").lower()


@dataclass(frozen=True, slots=True)
class Said:
    """An answer that is the gateway's. All texts are as they came; each is empty where the answer has none."""

    body: Fields
    error: Fields
    """The ``error`` object."""
    data: Fields
    """The content of the envelope."""
    is_error: bool
    """False for a confirmation and nothing else."""
    code: str
    message: str
    request_id: str

    @property
    def confirmation(self) -> Fields:
        """The part that has both an order ID and a status; empty if there is none."""
        return next((part for part in (self.data, self.body) if _is_confirmation(part)), {})

    @property
    def cancelled_at(self) -> str:
        """The time of the request as the gateway wrote it."""
        return _first(self.confirmation, CANCELLED_AT, text_or_number)

    @property
    def details(self) -> Fields:
        """The ``details`` of the ``error`` object."""
        return _object(self.error, "details")

    def has_only(self, in_details: AbstractSet[str], in_data: AbstractSet[str] = frozenset()) -> bool:
        """Return True for one documented error without other fields: any other may deny what these say.

        ``details`` and ``data`` may have the fields named here. An envelope counts only where ``in_data`` names some.
        """
        if self.error:
            parts = [(self.body, _AROUND_ERROR), (self.error, _IN_ERROR), (self.details, in_details)]
            nested, texts = self.error.get("details"), self.error.get("message")
        else:
            parts = [(self.body, _IN_ENVELOPE), (self.data, in_data)]
            nested, texts = self.body.get("data") if in_data else "", self.body.get("message")
        fields = [(name in names, name, value) for part, names in parts for name, value in part.items()]
        is_flat = all(name in _NESTED or not isinstance(value, dict | list) for _, name, value in fields)
        # A message in another form than text, such as one for each language, is not read, so it may say anything.
        is_read = not texts or self.message != ""
        is_silent = all(_says_nothing(name, value) for _, name, value in fields)
        return (
            is_read and is_flat and is_silent and isinstance(nested, dict | None) and all(known for known, *_ in fields)
        )

    def values(self) -> Iterator[tuple[str, Any]]:
        """Yield every value at any depth with the name of its field, which is in snake case."""
        # A loop, because the parser allows more levels than a recursion would have left.
        left: list[tuple[str, Any]] = [("", self.body)]
        while left:
            name, value = left.pop()
            yield name, value
            if isinstance(value, dict):
                left += [(snake(key), inner) for key, inner in value.items()]
            elif isinstance(value, list):
                left += [(name, inner) for inner in value]


def recognise(body: Fields) -> Said | None:
    """Return this object as an answer of the gateway's; None if it has none of the gateway's shapes."""
    error, data = _object(body, "error"), _object(body, "data")
    is_envelope = is_whole(body.get("statusCode")) and ("data" in body or bool(_text(body.get("traceId"))))
    is_error = is_envelope or _is_documented(error)
    if not is_error and not _is_confirmation(body):
        return None
    data = data if is_envelope else {}
    parts = (error, body, data)
    codes = (_first(part, _CODE) for part in parts)
    return Said(
        body=body,
        error=error,
        data=data,
        is_error=is_error,
        code=next(filter(None, codes), ""),
        message=next(filter(None, map(_message, parts)), ""),
        request_id=next((found for part in parts if (found := _first(part, REQUEST_ID, text_or_number))), ""),
    )


def order_id_in(part: Fields) -> str | None:
    """Return the one order ID of this object as text; None if there is none, or two that differ."""
    # Newer examples of the gateway's write order IDs as whole numbers. Only those are compared as text, so that
    # 12.0 and true are no order's ID.
    found = {str(part[name]) for name in ORDER_ID if isinstance(part.get(name), str) or is_whole(part.get(name))}
    return found.pop() if len(found) == 1 else None


def is_whole(value: object) -> bool:
    """Return True for a whole number, which true and false are not."""
    return isinstance(value, int) and not isinstance(value, bool)


def parse_time(text: str) -> datetime | None:
    """Return an ISO 8601 time; None if it is none.

    A day counts from its beginning. Without a zone it is as late as in the last place where the clock shows it.
    """
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        # There is no 30th of February.
        return None
    return at.replace(tzinfo=_LATEST_ZONE) if at.tzinfo is None else at


def _says_nothing(name: str, value: object) -> bool:
    """Return False for a field beside the message that should be an ID or a time, and may hold words instead."""
    if name in REQUEST_ID:
        pattern = _ONE_WORD
    elif name in {"timestamp", "retry_after"}:
        pattern = _NUMBER_OR_TIME
    else:
        return True
    return value is None or value == "" or pattern.fullmatch(text_or_number(value)) is not None


def _object(part: Fields, name: str) -> Fields:
    value = part.get(name)
    return value if isinstance(value, dict) else {}


def _is_confirmation(part: Fields) -> bool:
    return order_id_in(part) is not None and isinstance(part.get("status"), str)


def _is_documented(error: Fields) -> bool:
    # "404" as the code is a status in quotes, as Vercel writes it.
    has_code = any(letter.isalpha() for letter in _text(error.get("code")))
    details, request_id = _object(error, "details"), _text(error.get("request_id"))
    has_companion = bool(details) or is_whole(error.get("timestamp")) or bool(request_id)
    return has_code and has_companion and bool(_message(error) or request_id)


def _text(value: object) -> str:
    return value if isinstance(value, str) and value.strip() else ""


def text_or_number(value: object) -> str:
    """Return a text or a number as text; empty for anything else and for spaces alone."""
    return str(value) if isinstance(value, float) or is_whole(value) else _text(value)


def _first(part: Fields, names: tuple[str, ...], read: Callable[[object], str] = _text) -> str:
    return next((found for name in names if (found := read(part.get(name)))), "")


def _message(part: Fields) -> str:
    """Return the message; a list of messages, as validators write it, becomes one text."""
    message = part.get("message")
    if isinstance(message, list) and all(isinstance(line, str) for line in message):
        return "; ".join(line for line in message if line.strip())
    return _text(message)
