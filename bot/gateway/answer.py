"""What the gateway's answer proves about an order, and what it says in words.

Decided by the HTTP status first, since no full list of error codes is published; ``code``,
``message`` and ``details`` are hints. Whatever is not a plain yes or no for this very order stays
unknown. Source: DVPay Payment Gateway, its pages on cancelling an order and on errors.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    Field,
    StrictInt,
    StrictStr,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic_core import from_json

from bot.domain.attempt import Answer, Outcome
from bot.gateway.refusal import Told, what_is_told

LONGEST_RETRY_AFTER = 15 * 60.0
"""Seconds; a gateway that asks for a longer pause is asked again after this one."""

_LONGEST_NAME = 100


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back over the wire.

    ``body`` is None where it could not be read, and ``problem`` then says why. ``broken_off`` tells
    that more was to come, so that asking again may bring the rest.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes | None = None
    problem: str = ""
    broken_off: bool = False


def _text_or_nothing(value: object, check: ValidatorFunctionWrapHandler) -> str:
    try:
        return str(check(value))
    except ValidationError:
        return ""


_Text = Annotated[str, Field(coerce_numbers_to_str=True), WrapValidator(_text_or_nothing)]


class _Confirmation(BaseModel):
    # Newer examples of the gateway's write order ids as whole numbers: 12 is our "12". Only the text is
    # compared, and only of whole numbers, so that 12.0, true and "012" are none of ours.
    order_id: StrictStr | StrictInt
    status: StrictStr
    cancelled_at: _Text = ""


class _Error(BaseModel):
    code: _Text = ""
    message: _Text = ""
    request_id: _Text = ""
    details: Any = None


def read_answer(reply: Reply, order_id: str, *, now: datetime, secret: str) -> Answer:
    """What this reply to a cancel of ``order_id`` proves; never raises, whatever the gateway sent.

    ``now`` is what a date in ``Retry-After`` counts from. Where the reply repeats ``secret``, it is blotted out.
    """
    status = reply.status
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return _read_success(reply, order_id, secret)
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        where = "a redirect, which is not followed; check DVPAY_BASE_URL"
        return Answer(Outcome.UNKNOWN, repeat=True, http_status=status, message=_answered(status, where))
    error = _error_in(reply.body)
    outcome, repeat = _proved(reply)
    told = Told.NOTHING
    if outcome is Outcome.REFUSED and status != HTTPStatus.NOT_FOUND:
        told = what_is_told(order_id, error.code, error.message, error.details)
    unexplained = _answered(status, reply.problem or "it gave no reason that can be read")
    return Answer(
        outcome,
        repeat=repeat,
        retry_after=_retry_after(reply, now),
        http_status=status,
        code=shown(error.code, secret, _LONGEST_NAME),
        message=shown(error.message, secret) or shown(unexplained, secret),
        request_id=shown(error.request_id, secret, _LONGEST_NAME),
        already_cancelled=told is Told.ALREADY_CANCELLED,
        use_refund=told is Told.REFUND_INSTEAD,
    )


def parse_date(text: str) -> datetime | None:
    """An HTTP date as an aware UTC datetime; None if it is not one."""
    try:
        at = parsedate_to_datetime(text)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ArithmeticError, LookupError, TypeError, ValueError):
        return None


def shown(text: str, secret: str, longest: int = 300) -> str:
    """The text as one line without control characters, the secret blotted out, cut to ``longest`` characters."""
    # Invisible characters go as well: some turn the direction in which people read the line, and one inside
    # the secret would hide it from the search.
    visible = (" " if c.isspace() else c for c in text if c.isspace() or unicodedata.category(c)[0] != "C")
    line = _blotted(" ".join(_blotted("".join(visible), secret).split()), secret)
    return line if len(line) <= longest else line[: longest - 1] + "…"


def _blotted(text: str, secret: str) -> str:
    return text.replace(secret, "***") if secret else text


def _read_success(reply: Reply, order_id: str, secret: str) -> Answer:
    """Only the very order, called cancelled, is a confirmation; the rest tells nothing of it."""
    confirmed_at = ""
    doubt = reply.problem
    if reply.body is not None:
        try:
            said = _Confirmation.model_validate_json(reply.body)
        except ValidationError:
            doubt = "but not with the documented confirmation"
        else:
            confirmed_at = said.cancelled_at
            if str(said.order_id) != order_id:
                doubt = "but not for this order"
            elif said.status != "cancelled":
                doubt = f"but with the status “{shown(said.status, secret, _LONGEST_NAME)}”, not “cancelled”"
    if doubt:
        return Answer(Outcome.UNKNOWN, repeat=True, http_status=reply.status, message=_answered(reply.status, doubt))
    return Answer(
        Outcome.CANCELLED,
        http_status=reply.status,
        cancelled_at=shown(confirmed_at, secret, _LONGEST_NAME),
    )


def _error_in(body: bytes | None) -> _Error:
    try:
        data = from_json(body or b"")
    except ValueError:
        return _Error()
    if not isinstance(data, dict):
        return _Error()
    error = data.get("error", data)
    return _Error.model_validate(error if isinstance(error, dict) else {"message": error})


def _proved(reply: Reply) -> tuple[Outcome, bool]:
    """What an error's status proves, and whether to repeat."""
    match reply.status:
        case 400 | 409 | 422 if reply.broken_off:
            # What is missing may say "already cancelled", which after a lost answer is a yes.
            return Outcome.UNKNOWN, True
        case 400 | 404 | 409 | 422:
            return Outcome.REFUSED, False
        case 429 | 503:
            return Outcome.NOT_SENT, True
        case 408:
            return Outcome.UNKNOWN, True
        case status if HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR:
            return Outcome.NOT_SENT, False
        case _:
            return Outcome.UNKNOWN, True


def _retry_after(reply: Reply, now: datetime) -> float | None:
    if reply.status not in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}:
        return None
    text = reply.headers.get("Retry-After", "").strip()
    if re.fullmatch("[0-9]+", text):
        seconds = float(text)
    elif at := parse_date(text):
        seconds = (at - now).total_seconds()
    else:
        return None
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER)


def _answered(status: int, what: str) -> str:
    try:
        return f"answered {status} {HTTPStatus(status).phrase}, {what}"
    except ValueError:
        return f"answered {status}, {what}"
