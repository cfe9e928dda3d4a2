"""Slack's signed requests in HTTP mode: the signature is checked before anything in the body is looked at.

Source: https://docs.slack.dev/authentication/verifying-requests-from-slack
"""

import asyncio
import hmac
import itertools
import json
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from datetime import datetime, timedelta
from urllib.parse import parse_qsl

import structlog
from aiohttp import web
from pydantic import SecretStr
from slack_bolt.adapter.aiohttp import to_aiohttp_response
from slack_bolt.async_app import AsyncApp
from slack_sdk.signature import SignatureVerifier

from bot.clock import Clock
from bot.in_flight import InFlight
from bot.log import log_failure
from bot.slack import command_text
from bot.slack.commands import CANCEL_ORDER
from bot.slack.gate import acknowledgement, bolt_request, kind_of
from bot.standstill import SLACK_WAITS, Standstill
from bot.store import StoreError

log = structlog.get_logger(__name__)

_SIGNATURE_LIFE = 5 * 60
_STILL_WAITED_FOR = SLACK_WAITS + 2
"""Seconds by every clock. Slack counts whole ones, and its time comes with a delay. Whoever did what is older has read
Slack's error, and may have done the same again or the opposite."""
_AHEAD = 2
"""Seconds. By a clock that is right, nothing from Slack is of a later time. Clocks that are set differ by less."""
_OLD = {"from_later", "sent_before", "too_late"}
"""The refusals of what Slack has signed, and what only its age speaks against."""
_REMEMBERED = timedelta(seconds=2 * _SIGNATURE_LIFE)
_LONGEST_TIMESTAMP = 12
"""Digits; more are no Unix time."""
_SMALL = 64 * 1024
"""Bytes. The library holds so much of a body by itself, before anybody reads it."""
_LARGE_AT_ONCE = 16
"""Anybody may begin a large body and never end it. Beyond these, large ones stay on the wire; small ones never wait."""
_MOST_SIGNATURES = 100_000
"""Far more than Slack sends in ten minutes, and nobody else can sign."""


class SlackEndpoint:
    """The handler of ``/slack/events``. ``is_open`` says whether payloads are taken at the moment.

    ``is_first`` says whether this signature is new to all bots behind the same address, where there are several.
    ``slack_now`` returns the time by Slack's own clock, as far as it is known, and ``ask_slack`` has Slack tell it
    again. ``body_within`` is how many seconds a body may take to arrive; Slack does not wait for longer.
    """

    def __init__(
        self,
        app: AsyncApp,
        signing_secret: SecretStr,
        clock: Clock,
        in_flight: InFlight,
        *,
        is_open: Callable[[], bool],
        is_first: Callable[[str, timedelta], Awaitable[bool]] | None = None,
        standstill: Standstill | None = None,
        slack_now: Callable[[], datetime | None] = lambda: None,
        ask_slack: Callable[[], None] = lambda: None,
        body_within: float = 3.0,
    ) -> None:
        self._app = app
        self._in_flight = in_flight
        self._clock = clock
        self._verifier = SignatureVerifier(signing_secret.get_secret_value())
        self._seen: dict[str, float] = {}
        self._began = clock.monotonic()
        self._is_open = is_open
        self._is_first = is_first
        self._standstill = standstill or Standstill()
        self._slack_now = slack_now
        self._ask_slack = ask_slack
        self._body_within = body_within
        self._large = asyncio.Semaphore(_LARGE_AT_ONCE)

    async def begin(self, _application: web.Application) -> None:
        """Take only what is signed from now on.

        The signatures that the process before this one has seen are not known any more. Slack repeats no click, command
        or form, and nobody waits for one that was sent before the start: they have read Slack's error by now.
        """
        self._began = self._clock.monotonic()

    async def handle(self, request: web.Request) -> web.Response:
        """Return the bot's answer, or 4xx (503 while starting or stopping) without a word about what was sent."""
        if not self._is_open():
            return web.Response(status=503)
        try:
            small = request.content_length is not None and request.content_length <= _SMALL
            async with asyncio.timeout(self._body_within), nullcontext() if small else self._large:
                body = await request.read()
        except TimeoutError:
            return web.Response(status=408)
        timestamp = request.headers.get("X-Slack-Request-Timestamp", "")
        signature = request.headers.get("X-Slack-Signature", "")
        why = self._refusal(body, timestamp, signature)
        payload = _parse(body) if why is None or why in _OLD else None
        # A person who stops everything is right at any age, and may have done it because of what came before.
        if why is not None and not _freezes(payload):
            log.warning("request_refused", why=why, remote=request.remote)
            return web.Response(status=401)
        bolt = bolt_request(payload)
        # People's own only: nobody else may hold background work up.
        with nullcontext() if bolt is None else self._in_flight.answering(kind_of(bolt)):
            if (status := await self._refused_by_others(signature, request.remote)) is not None:
                return web.Response(status=status)
            if bolt is None:
                answer = acknowledgement(payload)
                return web.Response(status=400) if answer is None else web.json_response(answer)
            return await to_aiohttp_response(await self._app.async_dispatch(bolt))

    async def _refused_by_others(self, signature: str, remote: str | None) -> int | None:
        """Return the status of a refusal where another bot has taken this request, or where nobody can say."""
        try:
            if self._is_first is None or await self._is_first(signature, _REMEMBERED):
                return None
        except StoreError as error:
            log_failure(log, "store_failed", error)
            return 503
        log.warning("request_refused", why="replayed", remote=remote)
        return 401

    def _refusal(self, body: bytes, timestamp: str, signature: str) -> str | None:
        if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= _LONGEST_TIMESTAMP and signature):
            return "no_signature"
        if not self._is_signed(body, timestamp, signature):
            return "bad_signature"
        # Slack's own words, but not of now: this machine's clock is wrong, or somebody sends an old request again.
        # While the machine's clock has jumped and the bot has not followed, nobody knows which of the two is right.
        times = (self._clock.wall(), self._clock.now())
        ages = [time.timestamp() - int(timestamp) for time in times]
        if min(map(abs, ages)) > _SIGNATURE_LIFE:
            return "clock"
        if (by_slack := self._slack_now()) is not None:
            # A clock by which it comes from the future is behind, and would make an old one young.
            ages = [age for age in (*ages, by_slack.timestamp() - int(timestamp)) if age >= -_AHEAD]
            if not ages:
                # So is Slack's own time, as it was carried on here: the host has paused this machine with its clocks.
                self._standstill.went_on()
                self._ask_slack()
                return "from_later"
            if min(ages) > _STILL_WAITED_FOR:
                return "too_late"
        moment = self._clock.monotonic()
        if signature in self._seen:
            return "replayed"
        # Nobody waits for what was sent before the start, or before the process went on after it had stood still: they
        # have read Slack's error by now. Ages and not times, as the clock may step. Slack counts whole seconds.
        if min(ages) > min(moment - self._began, self._standstill.look()) + 1:
            return "sent_before"
        self._seen[signature] = moment + _REMEMBERED.total_seconds()
        # The oldest come first, so this costs no more than the signatures that are too old by now.
        for known, _ in list(itertools.takewhile(lambda item: item[1] < moment, self._seen.items())):
            del self._seen[known]
        if len(self._seen) > _MOST_SIGNATURES:
            del self._seen[next(iter(self._seen))]
        return None

    def _is_signed(self, body: bytes, timestamp: str, signature: str) -> bool:
        try:
            expected = self._verifier.generate_signature(timestamp=timestamp, body=body)
            return expected is not None and hmac.compare_digest(expected, signature)
        except (TypeError, UnicodeError):
            return False


def _freezes(payload: object) -> bool:
    if not isinstance(payload, dict) or payload.get("command") != CANCEL_ORDER:
        return False
    return isinstance(command_text.read(str(payload.get("text", ""))), command_text.Freeze)


def _parse(body: bytes) -> object:
    """Return a command's fields, or the JSON of an interaction (in a form) or of an event; None if it is neither."""
    try:
        if body.lstrip().startswith(b"{"):
            return json.loads(body)
        fields = dict(parse_qsl(body.decode("utf-8"), keep_blank_values=True))
        return json.loads(fields["payload"]) if "payload" in fields else fields
    except (ValueError, RecursionError):
        return None
