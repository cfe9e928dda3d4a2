"""Faults to order: what a local server does instead of, before or after its real work."""

import asyncio
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

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
    """A connection that stays open; the work is done once ``until`` is set."""

    until: asyncio.Event


@dataclass(frozen=True, slots=True)
class Twist:
    """A wrong answer after the work took effect."""

    answer: Canned


Fault = Canned | ApiError | Drop | Hang | Twist

_HTML = {"Content-Type": "text/html"}
_JSON = {"Content-Type": "application/json"}


def rate_limited(retry_after: int = 1) -> Canned:
    """Return Slack's 429 with ``Retry-After`` in seconds."""
    return Canned(429, b'{"ok":false,"error":"ratelimited"}', {"Retry-After": str(retry_after), **_JSON})


def broken(status: int = 500) -> Canned:
    """Return a server error with a page for people instead of JSON."""
    return Canned(status, b"<html><body>Something broke.</body></html>", _HTML)


Work = Callable[[], Awaitable[web.StreamResponse]]


class Faults:
    """The faults of the next calls. Keys are the server's: a Web API method, an order id, or ``*`` for any."""

    def __init__(self) -> None:
        self._once: defaultdict[str, deque[Fault]] = defaultdict(deque)
        self._always: dict[str, Fault] = {}
        self.choose: Callable[[str], Fault | None] = lambda _key: None
        """Called with the key of each call for which no other fault was ordered."""

    def add(self, key: str, *faults: Fault) -> None:
        """Let the next calls go wrong in this order, one fault a call."""
        self._once[key].extend(faults)

    def always(self, key: str, fault: Fault | None) -> None:
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

    def next(self, key: str) -> Fault | None:
        """Return the fault of this call, and use it up if it was ordered for one call."""
        for name in (key, "*"):
            if self._once[name]:
                return self._once[name].popleft()
        return self._always.get(key) or self._always.get("*") or self.choose(key)


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
        case Hang(until):
            await until.wait()
            return await work()
        case Twist(answer):
            await work()
            return web.Response(status=answer.status, body=answer.body, headers=answer.headers)


def _abort(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    # Nobody gets this response: the connection is gone.
    return web.Response()
