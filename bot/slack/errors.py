"""Failed calls to Slack, read from the many forms in which an error can come.

Something on the way may answer in Slack's place, also after Slack did the work, and also in JSON. Only an answer in
Slack's own form is Slack's word; any other proves nothing.
Sources: https://docs.slack.dev/apis/web-api/#responses and https://docs.slack.dev/apis/web-api/rate-limits
"""

import re
import ssl
from dataclasses import dataclass
from http import HTTPStatus

import aiohttp
from slack_sdk.errors import SlackApiError

from bot.domain.delivery import LONGEST_RETRY_AFTER
from bot.slack.answers import UnreadableAnswerError

_UNCLEAR = {"internal_error", "fatal_error", "request_timeout", "service_unavailable", "team_added_to_org"}
"""Errors after which, as Slack says, part of the work may have been done."""
_RATE_LIMITED = {"ratelimited", "rate_limited"}
_NAME = re.compile("[a-z0-9_]{1,80}")
"""The form of Slack's names for errors."""


@dataclass(frozen=True, slots=True)
class Problem:
    """The cause of a failed call: Slack's name for it or ours. ``unclear`` means that it may have taken effect.

    ``about`` is the parameter of some of our names, such as OpenSSL's reason; it holds nothing that was sent.
    """

    name: str
    unclear: bool
    retry_after: float | None = None
    about: str = ""
    refusal: bool = False
    """True where Slack itself gave a clear no, and not only for now."""


def problem_of(error: BaseException) -> Problem:
    """Return why a call to Slack failed, without secrets and without anything that was sent."""
    if isinstance(error, SlackApiError):
        return _from_answer(error)
    match error:
        case aiohttp.ClientConnectorCertificateError(certificate_error=ssl.SSLCertVerificationError() as cause):
            return Problem("certificate_not_trusted", unclear=False, about=cause.verify_message)
        case aiohttp.ClientSSLError():
            return Problem("tls_failed", unclear=False, about=getattr(error.os_error, "reason", None) or "")
        case aiohttp.ClientProxyConnectionError():
            return Problem("proxy_not_reachable", unclear=False)
        case aiohttp.ClientHttpProxyError(status=status):
            # The proxy answered in place of a connection, so nothing was sent through it.
            return Problem("proxy_refused", unclear=False, about=f"HTTP {status}")
        case aiohttp.ClientConnectorError():
            return Problem("not_reachable", unclear=False)
        case TimeoutError() | UnreadableAnswerError():
            name = "no_answer_in_time" if isinstance(error, TimeoutError) else "unreadable_answer"
            return Problem(name, unclear=True)
        case _:
            return Problem(type(error).__name__, unclear=True)


def _from_answer(error: SlackApiError) -> Problem:
    # The SDK hands on its own response, and where the body is not JSON that of the library below.
    status = getattr(error.response, "status_code", None) or getattr(error.response, "status", None)
    data = getattr(error.response, "data", None)
    name = data.get("error") if isinstance(data, dict) and data.get("ok") is False else None
    if isinstance(name, str) and _NAME.fullmatch(name):
        if status == HTTPStatus.OK:
            return Problem(name, unclear=name in _UNCLEAR, refusal=name not in _UNCLEAR | _RATE_LIMITED)
        seconds = str(error.response.headers.get("Retry-After", ""))
        if status == HTTPStatus.TOO_MANY_REQUESTS and name in _RATE_LIMITED and re.fullmatch("[0-9]+", seconds):
            return Problem("ratelimited", unclear=False, retry_after=min(float(seconds), LONGEST_RETRY_AFTER))
    known = status is not None and status != HTTPStatus.OK
    return Problem(f"http_{status}" if known else "unreadable_answer", unclear=True)
