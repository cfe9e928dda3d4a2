"""Faults to order: what a local server does instead of, before or after its real work."""

import asyncio
import json
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Generic, TypeVar

from aiohttp import web


@dataclass(frozen=True, slots=True)
class Canned:
    """A fixed answer, without doing anything."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ApiError:
    """Slack's error of this name, without doing anything."""

    name: str


@dataclass(frozen=True, slots=True)
class Drop:
    """A connection that is closed without an answer, before or after the work took effect."""

    after_effect: bool = False


@dataclass(frozen=True, slots=True)
class Hang:
    """A connection that stays open; the work is done once ``until`` is set, or before that ``after_effect``."""

    until: asyncio.Event
    after_effect: bool = False


@dataclass(frozen=True, slots=True)
class Twist:
    """A wrong answer after the work took effect."""

    answer: Canned


@dataclass(frozen=True, slots=True)
class Without:
    """The right answer after the work took effect, but without these fields of its JSON."""

    fields: tuple[str, ...]


Fault = Canned | ApiError | Drop | Hang | Twist | Without

_HTML = {"Content-Type": "text/html"}
_JSON = {"Content-Type": "application/json"}


def rate_limited(retry_after: int = 1) -> Canned:
    """Return Slack's 429 with ``Retry-After`` in seconds."""
    return Canned(429, b'{"ok":false,"error":"ratelimited"}', {"Retry-After": str(retry_after), **_JSON})


def broken(status: int = 500) -> Canned:
    """Return a server error with a page for people instead of JSON."""
    return Canned(status, b"<html><body>Something broke.</body></html>", _HTML)


T = TypeVar("T")
Work = Callable[[], Awaitable[web.StreamResponse]]


class Faults(Generic[T]):
    """The faults of the next calls. Keys are the server's: a Web API method, an order id, or ``*`` for any."""

    def __init__(self) -> None:
        self._once: defaultdict[str, deque[T]] = defaultdict(deque)
        self._always: dict[str, T] = {}
        self.choose: Callable[[str], T | None] = lambda _key: None
        """Called with the key of each call for which no other fault was ordered."""

    def add(self, key: str, *faults: T) -> None:
        """Let the next calls go wrong in this order, one fault a call."""
        self._once[key].extend(faults)

    def always(self, key: str, fault: T | None) -> None:
        """Let every call go wrong until this is called with None."""
        if fault is None:
            self._always.pop(key, None)
        else:
            self._always[key] = fault

    def clear(self) -> None:
        """Let every call go well from now on."""
        self._once.clear()
        self._always.clear()
        self.choose = lambda _key: None

    def next(self, key: str) -> T | None:
        """Return the fault of this call, and use it up if it was ordered for one call."""
        for name in (key, "*"):
            if self._once[name]:
                return self._once[name].popleft()
        return self._always.get(key) or self._always.get("*") or self.choose(key)


_OF_THE_TOKEN = {
    "access_denied",
    "accesslimited",
    "account_inactive",
    "invalid_auth",
    "org_login_required",
    "team_access_not_granted",
    "token_expired",
    "token_revoked",
    "two_factor_setup_required",
}
"""Errors that, as the pages of all methods say, concern the token: no method works with it."""
_OF_A_THREAD = {"restricted_action_non_threadable_channel", "restricted_action_thread_locked"}
"""Errors that only a new message in a thread meets."""
_POSTING = {"chat.postEphemeral", "chat.postMessage", "chat.update", "files.completeUploadExternal"}


class Refusals:
    """Slack's lasting refusals, in one channel or everywhere, until somebody lifts them.

    An error that concerns the token refuses every method. Every other one refuses posting and updating, such as
    ``message_limit_exceeded``, ``missing_scope``, ``ekm_access_denied`` and names that nobody has heard of; but where
    threads are locked or not allowed, it refuses new messages in them, and nothing else.
    Source: the errors on https://docs.slack.dev/reference/methods/chat.postMessage
    """

    def __init__(self) -> None:
        self._errors: dict[str | None, str] = {}

    def start(self, error: str, *, channel: str | None = None) -> None:
        """Refuse from now on, in this channel or everywhere, in place of the refusal before."""
        self._errors[channel] = error

    def end(self, *, channel: str | None = None) -> None:
        """Lift the refusal in this channel, or the one for everywhere."""
        self._errors.pop(channel, None)

    def clear(self) -> None:
        """Lift every refusal."""
        self._errors.clear()

    def of(self, method: str, channel: str | None, *, in_thread: bool = False) -> str | None:
        """Return the error with which a call is refused, or None."""
        posting = method in _POSTING
        for where in dict.fromkeys((channel, None)):
            error = self._errors.get(where)
            meets = method == "chat.postMessage" and in_thread if error in _OF_A_THREAD else posting
            if error is not None and (error in _OF_THE_TOKEN or meets):
                return error
        return None


@dataclass(slots=True)
class History:
    """Trouble with ``conversations.history`` and ``conversations.replies``."""

    lag: timedelta = timedelta(0)
    """How long a new message is missing there."""
    most: int | None = None
    """The most messages on a page: Slack may return fewer than were asked for."""
    no_cursor: bool = False
    """``has_more`` without a cursor."""
    same_cursor: bool = False
    """The first page again and again, each time with the same cursor and ``has_more``."""

    def clear(self) -> None:
        """Let everything be found again."""
        self.lag, self.most, self.no_cursor, self.same_cursor = timedelta(0), None, False, False


async def serve(fault: Fault | None, request: web.Request, work: Work) -> web.StreamResponse:
    """Answer a request with this fault in the way; ``work`` does what a sound server would do."""
    match fault:
        case None:
            return await work()
        case Canned(status, body, headers):
            return web.Response(status=status, body=body, headers=headers)
        case ApiError(name):
            return web.json_response({"ok": False, "error": name})
        case Drop(after_effect):
            if after_effect:
                await work()
            return _abort(request)
        case Hang(until, after_effect=False):
            await until.wait()
            return await work()
        case Hang(until):
            response = await work()
            await until.wait()
            return response
        case Twist(answer):
            await work()
            return web.Response(status=answer.status, body=answer.body, headers=answer.headers)
        case Without(fields):
            return _without(await work(), fields)


def _without(response: web.StreamResponse, fields: tuple[str, ...]) -> web.Response:
    assert isinstance(response, web.Response)
    answer = json.loads(response.text or "{}")
    return web.json_response({name: value for name, value in answer.items() if name not in fields})


def _abort(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    # Nobody gets this response: the connection is gone.
    return web.Response()
