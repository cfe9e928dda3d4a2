"""The outcome that an answer to a cancel call proves.

A status alone proves nothing, because proxies answer too, also after the gateway did the work. ``shapes`` tells
whose answer it is:

=============================  =========  ===================================================================
answer                         outcome    and then
=============================  =========  ===================================================================
200, 201, the gateway's        cancelled  if ``confirmation`` finds that it says so and nothing else
400, 404, 409, 422, likewise   refused    if ``refusal`` finds a reason on its list
400, 401, 403, likewise        not sent   if ``turned_away`` finds a cause on its list; an operator must act
429, 503, likewise             not sent   if ``turned_away`` finds that it says "later"; repeat
any other 4xx, likewise        unknown    repeat only if a cancel is under way: the same no would come again
everything else                unknown    repeat
=============================  =========  ===================================================================

An answer that names another order proves nothing about ours, under any status.
Source: DVPay Payment Gateway, pages on cancelling an order and on errors, release notes of version 1.4.0.
"""

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from bot.domain.attempt import LONGEST_RETRY_AFTER, Answer, Outcome, Trouble
from bot.gateway.body import Unread, read_object
from bot.gateway.confirmation import is_cancelled, is_plain
from bot.gateway.echo import without_secrets
from bot.gateway.refusal import is_about_another_order, is_under_way, read_refusal
from bot.gateway.shapes import Said, is_whole, recognise
from bot.gateway.turned_away import asks_for_later, read_denial

_LONGEST_NAME = 100
"""Characters of a code, a request ID, a time or a status; they go into messages and the record."""

_LONGEST_SHOWN = 4000
"""Characters that are looked at; what comes after them would be cut anyway."""

_UNKNOWN = Answer(Outcome.UNKNOWN, repeat=True)
_LATER = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}
_ONLY_NOW = {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS}
"""The client errors that are no word about the request itself."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An HTTP response with its body as it is on the wire; ``broken_off`` if the body did not come to its end."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""
    broken_off: bool = False


def read_answer(reply: Reply, order_id: str, *, now: datetime, secrets: Iterable[str] = ()) -> Answer:
    """Return what this reply to a cancel of ``order_id`` proves; never raises, whatever came.

    A date in ``Retry-After`` counts from ``now``. Where the reply repeats one of the ``secrets``, stars replace it.
    """
    secrets = tuple(secrets)
    try:
        said = _said(reply)
    except Unread as unread:
        answer = replace(_UNKNOWN, trouble=unread.trouble, trouble_about=unread.about)
    else:
        answer = _in_words(_proved(reply, said, order_id, now), said, secrets)
    return replace(answer, http_status=reply.status, retry_after=_retry_after(reply, now))


def parse_date(text: str) -> datetime | None:
    """Return an HTTP date as an aware UTC datetime; None if it is not one."""
    try:
        at = parsedate_to_datetime(text)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ArithmeticError, LookupError, TypeError, ValueError):
        return None


def shown(text: str, secrets: Collection[str], longest: int = 300) -> str:
    """Return the text as one line, without control characters and the secrets, cut to ``longest`` characters."""
    # Invisible characters go as well: some turn the direction in which people read the line, and one inside
    # a secret would hide it from the search.
    text = text[:_LONGEST_SHOWN]
    visible = (" " if c.isspace() else c for c in text if c.isspace() or unicodedata.category(c)[0] != "C")
    # A secret may hold spaces itself, so it is looked for before they are squeezed and after.
    line = without_secrets(" ".join(without_secrets("".join(visible), secrets).split()), secrets)
    return line if len(line) <= longest else line[: longest - 1] + "…"


def _said(reply: Reply) -> Said:
    """Return the gateway's answer. Raises Unread if there is none."""
    if HTTPStatus.MULTIPLE_CHOICES <= reply.status < HTTPStatus.BAD_REQUEST:
        raise Unread(Trouble.REDIRECT)
    if reply.broken_off:
        raise Unread(Trouble.BROKEN_OFF)
    said = recognise(read_object(reply.body, reply.headers.get("Content-Encoding", "")))
    if said is None:
        raise Unread(Trouble.SOMEBODY_ELSE)
    return said


def _proved(reply: Reply, said: Said, order_id: str, now: datetime) -> Answer:  # noqa: PLR0911 -- the table above
    """Return the outcome, the reason and the trouble of an answer of the gateway's."""
    status, named = reply.status, said.body.get("statusCode")
    if is_whole(named) and named != status:
        return replace(_UNKNOWN, trouble=Trouble.CONTRADICTORY)
    if is_about_another_order(said, order_id):
        # Whatever it says, it is no word about ours: somebody may have mixed two answers up.
        return replace(_UNKNOWN, trouble=Trouble.ANOTHER_ORDER)
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return _success(status, said, order_id, now)
    if not said.is_error:
        return replace(_UNKNOWN, trouble=Trouble.CONTRADICTORY)
    match status:
        case 400 | 404 | 409 | 422 if reason := read_refusal(said, order_id, now):
            return Answer(Outcome.REFUSED, reason=reason)
        case 400 | 401 | 403 if cause := read_denial(said):
            return Answer(Outcome.NOT_SENT, reason=cause)
        case 429 | 503 if asks_for_later(said):
            return Answer(Outcome.NOT_SENT, repeat=True)
        case _ if HTTPStatus.BAD_REQUEST <= status < HTTPStatus.INTERNAL_SERVER_ERROR:
            repeat = status in _ONLY_NOW or is_under_way(said)
            return Answer(Outcome.UNKNOWN, repeat=repeat, trouble=Trouble.UNCLEAR_REFUSAL)
        case _:
            return _UNKNOWN


def _success(status: int, said: Said, order_id: str, now: datetime) -> Answer:
    """Return "cancelled" for a plain confirmation of exactly this order; any other success proves nothing."""
    state = said.confirmation.get("status")
    if not isinstance(state, str):
        return replace(_UNKNOWN, trouble=Trouble.NO_CONFIRMATION)
    if not is_cancelled(state):
        return replace(_UNKNOWN, trouble=Trouble.ANOTHER_STATUS, trouble_about=state)
    # 202 promises it for later. 203 was changed on the way, and 206 and 207 are parts of something.
    if status not in {HTTPStatus.OK, HTTPStatus.CREATED} or not is_plain(said, order_id, now):
        return replace(_UNKNOWN, trouble=Trouble.NO_CONFIRMATION)
    return Answer(Outcome.CANCELLED)


def _in_words(answer: Answer, said: Said, secrets: tuple[str, ...]) -> Answer:
    """Return the answer with the gateway's words, fit to show."""
    request_id = shown(said.request_id, secrets, _LONGEST_NAME)
    if answer.outcome is Outcome.CANCELLED:
        cancelled_at = shown(said.cancelled_at, secrets, _LONGEST_NAME)
        return replace(answer, request_id=request_id, cancelled_at=cancelled_at)
    message = shown(said.message, secrets)
    trouble = answer.trouble
    if trouble is None and not message and answer.reason is None:
        trouble = Trouble.NO_REASON
    return replace(
        answer,
        trouble=trouble,
        trouble_about=shown(answer.trouble_about, secrets, _LONGEST_NAME),
        code=shown(said.code, secrets, _LONGEST_NAME),
        message=message,
        request_id=request_id,
    )


def _retry_after(reply: Reply, now: datetime) -> float | None:
    if reply.status not in _LATER:
        return None
    text = reply.headers.get("Retry-After", "").strip()
    if re.fullmatch("[0-9]+", text):
        seconds = float(text)
    elif at := parse_date(text):
        seconds = (at - now).total_seconds()
    else:
        return None
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER)
