"""Failed calls to Slack, read from the many forms in which an error can come."""

import ssl
from dataclasses import dataclass

import aiohttp
from slack_sdk.errors import SlackApiError

_UNCLEAR = {"internal_error", "fatal_error", "request_timeout", "service_unavailable", "team_added_to_org"}
"""Errors after which, as Slack says, part of the work may have been done."""


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
        case TimeoutError():
            return Problem("no_answer_in_time", unclear=True)
        case _:
            return Problem(type(error).__name__, unclear=True)


def _from_answer(error: SlackApiError) -> Problem:
    status = getattr(error.response, "status_code", None)
    headers = getattr(error.response, "headers", None) or {}
    data = getattr(error.response, "data", None)
    name = data.get("error") if isinstance(data, dict) else None
    if status == 429:  # noqa: PLR2004
        return Problem("ratelimited", unclear=False, retry_after=_seconds(headers.get("Retry-After")))
    if not isinstance(name, str):
        return Problem(f"http_{status}" if status else "unreadable_answer", unclear=True)
    return Problem(name, unclear=name in _UNCLEAR, refusal=name not in _UNCLEAR)


def _seconds(text: str | None) -> float:
    return min(float(text), 3600.0) if text and text.isascii() and text.isdigit() else 1.0
