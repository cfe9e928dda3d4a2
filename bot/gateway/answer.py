"""The meaning of each HTTP status of the gateway's, and of the words that come with it.

The status decides first, because the gateway publishes no full list of error codes:

===================  =========  ========================================================================
status               outcome    and then
===================  =========  ========================================================================
2xx                  cancelled  only if the body confirms exactly this order; else unknown, repeat
3xx                  unknown    repeat; redirects are not followed
400, 409, 422        refused    final; ``refusal`` reads the reason (broken off: unknown, repeat)
404                  refused    final; no such order
401, 403             not sent   no repeat, an operator must act: credentials, or on a 401 the clock
429, 503             not sent   repeat, not before ``Retry-After``
408                  unknown    repeat
any other 4xx        not sent   no repeat
1xx, 5xx and others  unknown    repeat
===================  =========  ========================================================================

Source: DVPay Payment Gateway, pages on cancelling an order and on errors.
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

from bot.domain.attempt import Answer, Outcome, Reason, Trouble
from bot.gateway.refusal import read_refusal, speaks_of_the_timestamp

LONGEST_RETRY_AFTER = 15 * 60.0
"""Seconds; a gateway that asks for a longer pause is asked again after this one."""

_LONGEST_NAME = 100
"""Characters of a code, a request id, a time or a status; they go into messages and the record."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP response as it came over the wire.

    ``body`` is empty where it could not be read to its end. ``trouble`` then says why: COMPRESSED, TOO_LONG (with the
    limit in KiB as ``trouble_about``) or BROKEN_OFF.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = b""
    trouble: Trouble | None = None
    trouble_about: str = ""


def _text_or_nothing(value: object, check: ValidatorFunctionWrapHandler) -> str:
    try:
        return str(check(value))
    except ValidationError:
        return ""


# A field of the wrong type must not hide the others, so it reads as empty.
_Text = Annotated[str, Field(coerce_numbers_to_str=True), WrapValidator(_text_or_nothing)]


class _Confirmation(BaseModel):
    # Newer examples of the gateway's write order IDs as whole numbers: 12 is our "12". Only the text is
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
    """Return what this reply to a cancel of ``order_id`` proves; never raises, whatever the gateway sent.

    A date in ``Retry-After`` counts from ``now``. Where the reply repeats ``secret``, stars replace it.
    """
    status = reply.status
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return _read_success(reply, order_id, secret)
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return Answer(Outcome.UNKNOWN, repeat=True, trouble=Trouble.REDIRECT, http_status=status)
    return _read_error(reply, order_id, now, secret)


def parse_date(text: str) -> datetime | None:
    """Return an HTTP date as an aware UTC datetime; None if it is not one."""
    try:
        at = parsedate_to_datetime(text)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ArithmeticError, LookupError, TypeError, ValueError):
        return None


def shown(text: str, secret: str, longest: int = 300) -> str:
    """Return the text as one line, without control characters and the secret, cut to ``longest`` characters."""
    # Invisible characters go as well: some turn the direction in which people read the line, and one inside
    # the secret would hide it from the search.
    visible = (" " if c.isspace() else c for c in text if c.isspace() or unicodedata.category(c)[0] != "C")
    # The secret may hold spaces itself, so it is looked for before they are squeezed and after.
    line = _without(secret, " ".join(_without(secret, "".join(visible)).split()))
    return line if len(line) <= longest else line[: longest - 1] + "…"


def _without(secret: str, text: str) -> str:
    return text.replace(secret, "***") if secret else text


def _read_success(reply: Reply, order_id: str, secret: str) -> Answer:
    """Return "cancelled" for a confirmation of exactly this order; any other success proves nothing about it."""
    said = _confirmation_in(reply.body)
    trouble, about = reply.trouble, reply.trouble_about
    if said is None:
        trouble = trouble or Trouble.NO_CONFIRMATION
    elif str(said.order_id) != order_id:
        trouble, about = Trouble.ANOTHER_ORDER, ""
    elif said.status != "cancelled":
        trouble, about = Trouble.ANOTHER_STATUS, shown(said.status, secret, _LONGEST_NAME)
    if said is None or trouble is not None:
        return Answer(
            Outcome.UNKNOWN, repeat=True, trouble=trouble, trouble_about=about, http_status=reply.status,
        )  # fmt: skip
    cancelled_at = shown(said.cancelled_at, secret, _LONGEST_NAME)
    return Answer(Outcome.CANCELLED, http_status=reply.status, cancelled_at=cancelled_at)


def _confirmation_in(body: bytes) -> _Confirmation | None:
    try:
        return _Confirmation.model_validate_json(body)
    except ValidationError:
        return None


def _read_error(reply: Reply, order_id: str, now: datetime, secret: str) -> Answer:
    error = _error_in(reply.body)
    outcome, repeat = _proved(reply)
    message = shown(error.message, secret)
    # Where the gateway gave its own words, people read those.
    trouble = None if message else reply.trouble or Trouble.NO_REASON
    return Answer(
        outcome,
        repeat=repeat,
        retry_after=_retry_after(reply, now),
        reason=_reason(reply.status, outcome, error, order_id),
        trouble=trouble,
        trouble_about=reply.trouble_about if trouble else "",
        http_status=reply.status,
        code=shown(error.code, secret, _LONGEST_NAME),
        message=message,
        request_id=shown(error.request_id, secret, _LONGEST_NAME),
    )


def _error_in(body: bytes) -> _Error:
    """Return the error in one of the shapes ``{"error": {…}}``, ``{"error": "text"}`` and ``{"message": …}``."""
    try:
        data = from_json(body)
    except ValueError:
        return _Error()
    if not isinstance(data, dict):
        return _Error()
    error = data.get("error", data)
    return _Error.model_validate(error if isinstance(error, dict) else {"message": error})


def _proved(reply: Reply) -> tuple[Outcome, bool]:
    """Return what the status of an error proves, and whether to repeat the call."""
    match reply.status:
        case 400 | 409 | 422 if reply.trouble is Trouble.BROKEN_OFF:
            # The missing part may say "already cancelled", which after a lost answer is a yes.
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


def _reason(status: int, outcome: Outcome, error: _Error, order_id: str) -> Reason | None:
    match status:
        case 401 if speaks_of_the_timestamp(error.code, error.message):
            # The gateway answers 401 to a timestamp more than five minutes off; other keys would not help.
            return Reason.CLOCK
        case 401 | 403:
            return Reason.CREDENTIALS
        case 404:
            return Reason.NO_SUCH_ORDER
        case _ if outcome is Outcome.REFUSED:
            return read_refusal(order_id, error.code, error.message, error.details)
        case _:
            return None


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
