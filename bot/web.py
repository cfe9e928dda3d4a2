"""The HTTP side: liveness and readiness in both modes, and Slack's requests in HTTP mode."""

import asyncio
import itertools
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import parse_qsl

import structlog
from aiohttp import web
from pydantic import SecretStr
from slack_bolt.adapter.aiohttp import to_aiohttp_response
from slack_bolt.async_app import AsyncApp
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_sdk.signature import Clock, SignatureVerifier

from bot.precedence import Precedence
from bot.slack.payloads import understood

log = structlog.get_logger(__name__)

MAX_BODY = 1024 * 1024
"""Bytes; Slack's largest payloads are far smaller."""
_BODY_WITHIN = 3.0
"""Seconds; Slack has given up by then."""
_SIGNATURE_LIFE = 5 * 60


@dataclass(frozen=True, slots=True)
class Readiness:
    """What is missing before the bot can do its work (nothing: it is ready), and what else is worth knowing."""

    missing: list[str]
    notes: list[str]


def build(
    readiness: Callable[[], Awaitable[Readiness]],
    slack: "SlackEndpoint | None",
) -> web.Application:
    """The application for HOST:PORT; ``slack`` is None in Socket Mode."""

    async def healthz(_: web.Request) -> web.Response:
        return web.json_response({"status": "alive"})

    async def readyz(_: web.Request) -> web.Response:
        found = await readiness()
        return web.json_response(
            {"ready": not found.missing, "missing": found.missing, "notes": found.notes},
            status=503 if found.missing else 200,
        )

    application = web.Application(client_max_size=MAX_BODY)
    application.router.add_get("/healthz", healthz)
    application.router.add_get("/readyz", readyz)
    if slack is not None:
        application.router.add_post("/slack/events", slack.handle)
    return application


class SlackEndpoint:
    """Slack's signed requests: the signature is checked before anything in the body is looked at.

    Source: https://docs.slack.dev/authentication/verifying-requests-from-slack
    """

    def __init__(
        self,
        app: AsyncApp,
        signing_secret: SecretStr,
        now: Callable[[], datetime],
        precedence: Precedence,
        *,
        is_open: Callable[[], bool],
    ) -> None:
        self._app = app
        self._precedence = precedence
        self._now = now
        self._verifier = SignatureVerifier(signing_secret.get_secret_value(), _Clock(now))
        self._seen: dict[str, float] = {}
        self._is_open = is_open

    async def handle(self, request: web.Request) -> web.Response:
        """The bot's answer, or 4xx (503 while starting or stopping) without a word about what was sent."""
        if not self._is_open():
            return web.Response(status=503)
        try:
            async with asyncio.timeout(_BODY_WITHIN):
                body = await request.read()
        except TimeoutError:
            return web.Response(status=408)
        timestamp = request.headers.get("X-Slack-Request-Timestamp", "")
        signature = request.headers.get("X-Slack-Signature", "")
        why = self._refusal(body, timestamp, signature)
        if why is not None:
            log.warning("request_refused", why=why, remote=request.remote)
            return web.Response(status=401)
        with self._precedence.answering():  # Slack's own requests: others must not hold anything up
            return await self._answer(body)

    async def _answer(self, body: bytes) -> web.Response:
        payload = understood(_parse(body))
        if payload is None:
            return web.Response(status=400)
        # As a dict it is what Bolt takes in Socket Mode: verified and parsed already.
        bolt_request = AsyncBoltRequest(body=payload, mode="socket_mode")
        return await to_aiohttp_response(await self._app.async_dispatch(bolt_request))

    def _refusal(self, body: bytes, timestamp: str, signature: str) -> str | None:
        if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12 and signature):  # noqa: PLR2004
            return "no signature"
        try:
            valid = self._verifier.is_valid(body, timestamp, signature)
        except (TypeError, UnicodeError):
            valid = False
        if not valid:
            return "bad signature"
        if signature in self._seen:
            return "replayed"
        moment = self._now().timestamp()
        self._seen[signature] = moment + 2 * _SIGNATURE_LIFE
        # The oldest come first, so this costs no more than what has run out.
        for known, _ in list(itertools.takewhile(lambda item: item[1] < moment, self._seen.items())):
            del self._seen[known]
        return None


def _parse(body: bytes) -> object:
    """The payload in a form's body: a command's fields, or the JSON of an interaction; None if it is neither."""
    try:
        fields = dict(parse_qsl(body.decode("utf-8"), keep_blank_values=True))
        return json.loads(fields["payload"]) if "payload" in fields else fields
    except (ValueError, RecursionError):
        return None


class _Clock(Clock):
    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now

    def now(self) -> float:
        return self._now().timestamp()
