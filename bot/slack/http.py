"""Slack's signed requests in HTTP mode: the signature is checked before anything in the body is looked at.

Source: https://docs.slack.dev/authentication/verifying-requests-from-slack
"""

import asyncio
import itertools
import json
from collections.abc import Callable
from datetime import datetime
from urllib.parse import parse_qsl

import structlog
from aiohttp import web
from pydantic import SecretStr
from slack_bolt.adapter.aiohttp import to_aiohttp_response
from slack_bolt.async_app import AsyncApp
from slack_sdk.signature import Clock, SignatureVerifier

from bot.in_flight import InFlight
from bot.slack.gate import acknowledgement, bolt_request

log = structlog.get_logger(__name__)

_SIGNATURE_LIFE = 5 * 60
_LONGEST_TIMESTAMP = 12
"""Digits; more are no Unix time."""


class SlackEndpoint:
    """The handler of ``/slack/events``. ``is_open`` says whether payloads are taken at the moment.

    ``body_within`` is how many seconds a body may take to arrive; Slack does not wait for longer.
    """

    def __init__(
        self,
        app: AsyncApp,
        signing_secret: SecretStr,
        now: Callable[[], datetime],
        in_flight: InFlight,
        *,
        is_open: Callable[[], bool],
        body_within: float = 3.0,
    ) -> None:
        self._app = app
        self._in_flight = in_flight
        self._now = now
        self._verifier = SignatureVerifier(signing_secret.get_secret_value(), _Clock(now))
        self._seen: dict[str, float] = {}
        self._is_open = is_open
        self._body_within = body_within

    async def handle(self, request: web.Request) -> web.Response:
        """Return the bot's answer, or 4xx (503 while starting or stopping) without a word about what was sent."""
        if not self._is_open():
            return web.Response(status=503)
        try:
            async with asyncio.timeout(self._body_within):
                body = await request.read()
        except TimeoutError:
            return web.Response(status=408)
        timestamp = request.headers.get("X-Slack-Request-Timestamp", "")
        signature = request.headers.get("X-Slack-Signature", "")
        why = self._refusal(body, timestamp, signature)
        if why is not None:
            log.warning("request_refused", why=why, remote=request.remote)
            return web.Response(status=401)
        with self._in_flight.answering():  # Slack's own requests only: nobody else may hold background work up
            payload = _parse(body)
            bolt = bolt_request(payload)
            if bolt is None:
                answer = acknowledgement(payload)
                return web.Response(status=400) if answer is None else web.json_response(answer)
            return await to_aiohttp_response(await self._app.async_dispatch(bolt))

    def _refusal(self, body: bytes, timestamp: str, signature: str) -> str | None:
        if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= _LONGEST_TIMESTAMP and signature):
            return "no_signature"
        try:
            valid = self._verifier.is_valid(body, timestamp, signature)
        except (TypeError, UnicodeError):
            valid = False
        if not valid:
            return "bad_signature"
        if signature in self._seen:
            return "replayed"
        moment = self._now().timestamp()
        self._seen[signature] = moment + 2 * _SIGNATURE_LIFE
        # The oldest come first, so this costs no more than the signatures that are too old by now.
        for known, _ in list(itertools.takewhile(lambda item: item[1] < moment, self._seen.items())):
            del self._seen[known]
        return None


def _parse(body: bytes) -> object:
    """Return a command's fields, or the JSON of an interaction (in a form) or of an event; None if it is neither."""
    try:
        if body.lstrip().startswith(b"{"):
            return json.loads(body)
        fields = dict(parse_qsl(body.decode("utf-8"), keep_blank_values=True))
        return json.loads(fields["payload"]) if "payload" in fields else fields
    except (ValueError, RecursionError):
        return None


class _Clock(Clock):
    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now

    def now(self) -> float:
        return self._now().timestamp()
