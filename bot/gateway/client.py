"""One asynchronous client for the payment gateway's cancel call.

A call ends with an ``Answer`` whatever happens. It is sent once; the worker repeats it where that may help.
Source: DVPay Payment Gateway, page on cancelling an order.
"""

import asyncio
import json
import os
import re
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpx
import structlog
from pydantic import SecretStr

from bot import tracing
from bot.domain.attempt import Answer, Outcome, Trouble
from bot.gateway.answer import Reply, parse_date, read_answer, shown
from bot.gateway.body import LARGEST_BODY
from bot.gateway.key import BALANCE_PATH, KeyTrial, read_trial
from bot.network import Network

log = structlog.get_logger(__name__)

CANCEL_PATH = "/api/v1/payment-gateway/order/cancel"

# Seconds for each step. Longer ones would only hold up the next try: an order lives for about half an hour.
# Reading has no limit of its own, because httpx would count the time in which this process stood still.
_TIMEOUTS = httpx.Timeout(connect=5, write=10, read=None, pool=5)
_TOTAL = 30.0
_STEPS = 30
"""Parts of the limit. A process that stood still has lost one of them at most, and then reads what came meanwhile."""
_FIT_FOR_A_HEADER = re.compile("[!-~]([ -~]*[!-~])?")
# Each of these ends a call before the first byte of the request is written. Whatever else fails may have come after
# it, so it proves nothing about the order.
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError, httpx.UnsupportedProtocol)


class GatewayUnreachable(Exception):
    """No answer at all from the gateway; ``trouble`` and ``about`` say why, as in ``Answer``. Holds no secrets."""

    def __init__(self, trouble: Trouble, about: str = "") -> None:
        super().__init__(f"{trouble} ({about})" if about else str(trouble))
        self.trouble, self.about = trouble, about


class GatewayClient:
    """The client of the gateway at ``base_url``; made once for the process, ended by ``aclose``.

    ``timeouts`` are for each step of a call. ``total`` is the limit in seconds for all of it, so that an answer that
    trickles in ends too. ``app_id`` is sent only if there is one. Without a ``network`` the way is direct.
    """

    def __init__(
        self,
        *,
        base_url: str,
        api_key: SecretStr,
        app_id: str | None,
        now: Callable[[], datetime],
        network: Network | None = None,
        timeouts: httpx.Timeout = _TIMEOUTS,
        total: float = _TOTAL,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._api_key = api_key
        self._app_id = app_id
        self._now = now
        self._timeouts = timeouts
        self._total = total
        network = network or Network()
        self._of_the_proxy = tuple(network.secrets())
        proxy = network.proxy_for(base_url)
        self._http = httpx.AsyncClient(
            base_url=base_url,
            # A body that nobody compressed needs no limit for inflating; some servers compress all the same.
            headers={"Accept-Encoding": "identity"},
            # A cookie from one order's answer must not go out with another order's call.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            timeout=timeouts,
            # The credentials are for this address alone, and one attempt must be one call.
            follow_redirects=False,
            # The gateway may close a kept connection just while a call is written to it, which turns a certain
            # "not sent" into "unknown". The worker decides how many calls run at once, so there is no limit here.
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
            transport=transport,
            verify=network.tls,
            proxy=httpx.Proxy(proxy, ssl_context=_tls_of(proxy, network)) if proxy else None,
            # httpx would read its own meaning of the proxies and certificates, and passwords out of ~/.netrc.
            trust_env=False,
        )

    async def cancel(self, order_id: str, reason: str) -> Answer:
        """Ask the gateway once to cancel this order, and return what that proved.

        Never raises, whatever the network or the gateway does; only a cancelled task ends it early.
        """
        if unfit := self._unfit_credential():
            return Answer(Outcome.NOT_SENT, trouble=Trouble.UNFIT_CREDENTIAL, trouble_about=unfit)
        body = {"order_id": order_id, "reason": reason} if reason else {"order_id": order_id}
        reply: Reply | None = None
        try:
            async with (
                _running_for(self._total),
                # ASCII with escapes, because a reason may hold a broken surrogate, which UTF-8 cannot encode.
                self._http.stream(
                    "POST", CANCEL_PATH, content=json.dumps(body), headers=self._headers() | tracing.headers()
                ) as response,
            ):
                reply = Reply(response.status_code, response.headers)
                reply = await _with_body(reply, response)
            return read_answer(reply, order_id, now=self._now(), secrets=self._secrets())
        except (httpx.HTTPError, TimeoutError) as error:
            if reply is None:
                return self._unanswered(error)
            reply = replace(reply, broken_off=True)
            return read_answer(reply, order_id, now=self._now(), secrets=self._secrets())
        except Exception as error:
            # A fault of our own must end as an answer too: the call may have reached the gateway.
            log.exception("gateway_call_broke", order=order_id, exc_info=error)
            return replace(self._unanswered(error), http_status=reply.status if reply else None)

    @property
    def encrypted(self) -> bool:
        """Whether the way to the gateway is encrypted; only an address of this machine may be without that."""
        return self._http.base_url.scheme == "https"

    async def reach(self) -> datetime | None:
        """Return the gateway's clock, or None where its answer has no date; sends no credentials.

        Any answer proves that the gateway can be reached. Raises ``GatewayUnreachable`` if there is none.
        """
        try:
            async with asyncio.timeout(self._total), self._http.stream("HEAD", "/") as response:
                return parse_date(response.headers.get("Date", ""))
        except Exception as error:
            raise GatewayUnreachable(*self._trouble(error)) from error

    async def try_key(self) -> KeyTrial:
        """Ask the gateway for the balance, which needs the key and touches no order, and return what that shows.

        Raises ``GatewayUnreachable`` if there is no answer.
        """
        try:
            async with (
                asyncio.timeout(self._total),
                self._http.stream(
                    "POST", BALANCE_PATH, headers={"X-Api-Key": self._api_key.get_secret_value()}
                ) as response,
            ):
                reply = await _with_body(Reply(response.status_code, response.headers), response)
        except Exception as error:
            raise GatewayUnreachable(*self._trouble(error)) from error
        return read_trial(reply.status, reply.body, reply.headers.get("Content-Encoding", ""))

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

    def _secrets(self) -> tuple[str, ...]:
        return self._api_key.get_secret_value(), self._app_id or "", *self._of_the_proxy

    def _unfit_credential(self) -> str:
        """Return the name of the setting that cannot go into a header; empty if both can."""
        # Checked here because the libraries below quote the value in their errors.
        if not _FIT_FOR_A_HEADER.fullmatch(self._api_key.get_secret_value()):
            return "DVPAY_API_KEY"
        if self._app_id and not _FIT_FOR_A_HEADER.fullmatch(self._app_id):
            return "DVPAY_APP_ID"
        return ""

    def _unanswered(self, error: Exception) -> Answer:
        trouble, about = self._trouble(error)
        if isinstance(error, _NEVER_SENT):
            # No repeat makes a usable address of one that is none.
            outcome, repeat = Outcome.NOT_SENT, trouble is not Trouble.BAD_ADDRESS
        else:
            outcome, repeat = Outcome.UNKNOWN, True
        return Answer(outcome, repeat=repeat, trouble=trouble, trouble_about=about)

    def _trouble(self, error: Exception) -> tuple[Trouble, str]:
        """Return the code for what failed, with its parameter, fit to show."""
        about = ""
        match error:
            case TimeoutError() | httpx.ReadTimeout():
                trouble, about = Trouble.NO_ANSWER_IN_TIME, _seconds(self._total)
            case httpx.ConnectTimeout():
                trouble, about = Trouble.NO_CONNECTION_IN_TIME, _seconds(self._timeouts.connect)
            case httpx.PoolTimeout():
                trouble, about = Trouble.NO_FREE_CONNECTION, _seconds(self._timeouts.pool)
            case httpx.WriteTimeout():
                trouble, about = Trouble.NOT_WRITTEN_IN_TIME, _seconds(self._timeouts.write)
            case httpx.ProxyError():
                trouble, about = Trouble.PROXY, str(error)
            case httpx.UnsupportedProtocol():
                trouble = Trouble.BAD_ADDRESS
            case httpx.ConnectError():
                trouble, about = _why_not_connected(error)
            case httpx.HTTPError():
                trouble = Trouble.CONNECTION_LOST
            case _:
                trouble, about = Trouble.UNEXPECTED, type(error).__name__
        return trouble, shown(about, self._secrets())


def _tls_of(proxy: str, network: Network) -> ssl.SSLContext | None:
    # httpx takes the certificates to trust only for a proxy that speaks TLS itself.
    return network.tls if proxy.startswith("https:") else None


@asynccontextmanager
async def _running_for(seconds: float) -> AsyncIterator[None]:
    """Raise TimeoutError after so many seconds in which this process ran.

    While it stood still, as in a suspended machine, the answer may have come, and it waits to be read.
    """
    loop = asyncio.get_running_loop()
    next_step: asyncio.Handle
    async with asyncio.timeout(None) as limit:

        def step(left: int) -> None:
            nonlocal next_step
            if left:
                next_step = loop.call_later(seconds / _STEPS, step, left - 1)
            else:
                limit.reschedule(loop.time())

        next_step = loop.call_soon(step, _STEPS)
        try:
            yield
        finally:
            next_step.cancel()


async def _with_body(reply: Reply, response: httpx.Response) -> Reply:
    """Return the reply with its body as it is on the wire, up to the first piece beyond the limit."""
    body = bytearray()
    # Never inflated here: httpx has no limit for what comes out.
    async for piece in response.aiter_raw():
        body += piece
        if len(body) > LARGEST_BODY:
            break
    return replace(reply, body=bytes(body))


def _seconds(limit: float | None) -> str:
    return "" if limit is None else f"{limit:g}"


def _why_not_connected(error: BaseException) -> tuple[Trouble, str]:
    for cause in _causes(error):
        match cause:
            case ssl.SSLCertVerificationError():
                return Trouble.CERTIFICATE, cause.verify_message
            case ssl.SSLError():
                # None where OpenSSL reports nothing but the connection's end.
                return Trouble.TLS, cause.reason or ""
            case socket.gaierror():
                return Trouble.NAME_NOT_FOUND, ""
            case OSError(errno=int(number)):
                # asyncio's own text is "Connect call failed", whatever the reason.
                return Trouble.NOT_CONNECTED, os.strerror(number)
    return Trouble.NOT_CONNECTED, ""


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield the chain below an error; of several failures at once, the first stands for all."""
    while error is not None:
        yield error
        first = error.exceptions[0] if isinstance(error, BaseExceptionGroup) else None
        error = first or error.__cause__ or error.__context__
