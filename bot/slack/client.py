"""The clients of Slack's Web API, of Socket Mode and of its answers' addresses, with the way that the settings name.

None of them follows a redirect: what is sent holds tokens and people's words, and is for the address alone that it was
meant for.
"""

import logging
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, NoReturn

import aiohttp
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.web.async_client import AsyncWebClient

from bot.network import Network


class Redirected(Exception):
    """The answer to a call was a redirect, which is not followed."""


class _WebClient(AsyncWebClient):
    """The SDK's client, without redirects; ``rate_limited`` is called for each answer that says "too many"."""

    rate_limited: Callable[[], None]

    async def _request(self, *, http_verb: str, api_url: str, req_args: dict[str, Any]) -> dict[str, Any]:
        req_args = req_args | {"allow_redirects": False}
        answer: dict[str, Any] = await super()._request(http_verb=http_verb, api_url=api_url, req_args=req_args)
        if answer.get("status_code") == HTTPStatus.TOO_MANY_REQUESTS:
            self.rate_limited()
        return answer


async def _refuse(*_: object) -> NoReturn:
    raise Redirected


def no_redirects() -> aiohttp.TraceConfig:
    """Return what makes a session of aiohttp raise Redirected, for callers that cannot ask for it at each call."""
    trace = aiohttp.TraceConfig()
    trace.on_request_redirect.append(_refuse)
    trace.freeze()
    return trace


def web_client(
    base_url: str,
    network: Network,
    token: str | None = None,
    *,
    rate_limited: Callable[[], None] = lambda: None,
) -> AsyncWebClient:
    """Return a client that makes each call once: the SDK's own repeats would post twice.

    ``rate_limited`` is called for each call that Slack did not take because there were too many.
    """
    client = _WebClient(token=token, base_url=base_url, timeout=10, ssl=network.tls, retry_handlers=[])
    client.rate_limited = rate_limited
    client.proxy = network.proxy_for(base_url)  # afterwards, because the SDK takes None for "read the environment"
    return client


class QuietSocketModeClient(SocketModeClient):
    """The SDK's client, which tells ``failed`` why a connection did not come about, in place of the log.

    It reports each failed try with a traceback, for as long as Slack is away.
    """

    def __init__(
        self,
        app_token: str,
        web_client: AsyncWebClient,
        *,
        network: Network,
        ping_interval: float,
        failed: Callable[[BaseException], None],
    ) -> None:
        # Not one of the process's loggers: it belongs to this client alone, and nothing else is set up for it.
        logger = logging.Logger("slack_sdk.socket_mode", logging.ERROR)  # noqa: LOG001
        logger.addHandler(_Failures(failed))
        super().__init__(app_token, logger, web_client, ping_interval=ping_interval)
        self.aiohttp_client_session.trace_configs.append(no_redirects())
        self._network, self._failed = network, failed

    async def issue_new_wss_url(self) -> str:
        """Return the address of the next connection; its host decides about the proxy, and Slack may change it."""
        try:
            url = await super().issue_new_wss_url()
        except Exception as error:
            self._failed(error)
            raise
        self.proxy = self._network.proxy_for(url)
        return url


class _Failures(logging.Handler):
    """Hands on the exceptions that are logged, and drops the words."""

    def __init__(self, failed: Callable[[BaseException], None]) -> None:
        super().__init__(logging.ERROR)
        self._failed = failed

    def emit(self, record: logging.LogRecord) -> None:
        """Hand on one exception."""
        if record.exc_info and record.exc_info[1] is not None:
            self._failed(record.exc_info[1])
