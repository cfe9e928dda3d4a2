"""One asynchronous client for the payment gateway's cancel call.

A call ends with an ``Answer`` whatever happens. It is sent once; repeating it is the worker's
business. Source: DVPay Payment Gateway, its page on cancelling an order.
"""

import asyncio
import json
import os
import re
import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx
import structlog
from pydantic import SecretStr

from bot.domain.attempt import Answer, Outcome
from bot.gateway.answer import Reply, parse_date, read_answer, shown

log = structlog.get_logger(__name__)

CANCEL_PATH = "/api/v1/payment-gateway/order/cancel"
LARGEST_BODY = 64 * 1024
"""Bytes as they come over the wire; a longer body is not read to its end."""

_TIMEOUTS = httpx.Timeout(connect=5, write=10, read=30, pool=5)
_TOTAL = 30.0
_FIT_FOR_A_HEADER = re.compile("[!-~]([ -~]*[!-~])?")
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError, httpx.UnsupportedProtocol)


class GatewayUnreachable(Exception):
    """The gateway gave no answer at all; the text tells an operator why, and holds no secrets."""


class GatewayClient:
    """Calls the gateway at ``base_url``; made once for the process, ended by ``aclose``.

    ``timeouts`` are for each step of a call, ``total`` is the limit in seconds for all of it, so that
    an answer that trickles in ends too. ``app_id`` goes out only if there is one.
    """

    def __init__(
        self,
        *,
        base_url: str,
        api_key: SecretStr,
        app_id: str | None,
        now: Callable[[], datetime],
        timeouts: httpx.Timeout = _TIMEOUTS,
        total: float = _TOTAL,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._api_key = api_key
        self._app_id = app_id
        self._now = now
        self._timeouts = timeouts
        self._total = total
        self._http = httpx.AsyncClient(
            base_url=base_url,
            headers={"Accept-Encoding": "identity"},
            # Nothing that one answer sets may ride on another order's call.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            timeout=timeouts,
            follow_redirects=False,
            # A kept connection may be closed by the gateway just while a call is written to it, which
            # makes an "unknown" of a certain "not sent". How many calls run at once is the worker's to say.
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
            transport=transport,
        )

    async def cancel(self, order_id: str, reason: str) -> Answer:
        """Ask the gateway once to cancel this order; says what that proved.

        Never raises for what the network or the gateway does; only a cancelled task ends it early.
        """
        if unfit := self._unfit_credential():
            return Answer(
                Outcome.NOT_SENT,
                message=f"nothing was sent: {unfit} is empty or holds what cannot be in an HTTP header",
            )
        body = {"order_id": order_id, "reason": reason} if reason else {"order_id": order_id}
        reply: Reply | None = None
        try:
            async with (
                asyncio.timeout(self._total),
                # As ASCII with escapes, so that no text at all can fail to be encoded.
                self._http.stream("POST", CANCEL_PATH, content=json.dumps(body), headers=self._headers()) as response,
            ):
                reply = Reply(response.status_code, response.headers)
                reply = await _with_body(reply, response)
        except Exception as error:  # noqa: BLE001
            if reply is None:
                return self._unanswered(error, order_id)
            reply = replace(reply, problem=f"its body broke off: {self._words(error)}", broken_off=True)
        return read_answer(reply, order_id, now=self._now(), secret=self._api_key.get_secret_value())

    async def reach(self) -> datetime | None:
        """Prove that the gateway can be reached, without credentials; gives its clock, if it tells that.

        Any answer will do. Raises ``GatewayUnreachable`` if there is none.
        """
        try:
            async with asyncio.timeout(self._total), self._http.stream("HEAD", "/") as response:
                return parse_date(response.headers.get("Date", ""))
        except Exception as error:
            raise GatewayUnreachable(self._words(error)) from error

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    def _headers(self) -> dict[str, str]:
        headers = {
            "Content-Type": "application/json",
            "X-Api-Key": self._api_key.get_secret_value(),
            "X-Timestamp": str(int(self._now().timestamp())),
        }
        return headers | {"X-App-Id": self._app_id} if self._app_id else headers

    def _unfit_credential(self) -> str:
        """The setting that cannot go into a header; checked here as libraries quote it in their errors."""
        if not _FIT_FOR_A_HEADER.fullmatch(self._api_key.get_secret_value()):
            return "DVPAY_API_KEY"
        if self._app_id and not _FIT_FOR_A_HEADER.fullmatch(self._app_id):
            return "DVPAY_APP_ID"
        return ""

    def _unanswered(self, error: Exception, order_id: str) -> Answer:
        if not isinstance(error, httpx.HTTPError | TimeoutError):
            log.error("gateway_call_broke", order=order_id, exc_info=error)
        if isinstance(error, _NEVER_SENT):
            outcome, repeat = Outcome.NOT_SENT, not isinstance(error, httpx.UnsupportedProtocol)
        else:
            outcome, repeat = Outcome.UNKNOWN, True
        return Answer(outcome, repeat=repeat, message=shown(self._words(error), self._api_key.get_secret_value()))

    def _words(self, error: Exception) -> str:
        """What failed, for people."""
        match error:
            case TimeoutError():
                words = f"no answer {_within(self._total)}"
            case httpx.ConnectTimeout():
                words = f"no connection {_within(self._timeouts.connect)}"
            case httpx.PoolTimeout():
                words = f"no free connection {_within(self._timeouts.pool)}"
            case httpx.ReadTimeout():
                words = f"no answer {_within(self._timeouts.read)}"
            case httpx.WriteTimeout():
                words = f"the request could not be written {_within(self._timeouts.write)}"
            case httpx.ProxyError():
                words = f"the proxy made no connection: {error}"
            case httpx.UnsupportedProtocol():
                words = "DVPAY_BASE_URL is no http or https address"
            case httpx.ConnectError():
                words = f"no connection: {_why_not_connected(error)}"
            case httpx.HTTPError():
                words = "the connection was lost after sending"
            case _:
                words = f"the call ended unexpectedly ({type(error).__name__})"
        return words


async def _with_body(reply: Reply, response: httpx.Response) -> Reply:
    """The reply with its body, read as it comes over the wire and never inflated."""
    if response.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        return replace(reply, problem="its body is compressed, which was not asked for")
    body = bytearray()
    async for piece in response.aiter_raw():
        body += piece
        if len(body) > LARGEST_BODY:
            return replace(reply, problem=f"its body is longer than {LARGEST_BODY // 1024} KiB")
    return replace(reply, body=bytes(body))


def _within(seconds: float | None) -> str:
    return "in time" if seconds is None else f"within {seconds:g} s"


def _why_not_connected(error: BaseException) -> str:
    for cause in _causes(error):
        match cause:
            case ssl.SSLCertVerificationError():
                return f"its TLS certificate is not trusted ({cause.verify_message})"
            case ssl.SSLError():
                return f"no TLS handshake ({cause.reason})"
            case socket.gaierror():
                return "its host name could not be found (DNS)"
            case OSError(errno=int(number)):
                # asyncio's own text is "Connect call failed", whatever the reason.
                return os.strerror(number)
    return "it could not be made"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The chain below an error; of several failures at once, the first stands for all."""
    while error is not None:
        yield error
        first = error.exceptions[0] if isinstance(error, BaseExceptionGroup) else None
        error = first or error.__cause__ or error.__context__
