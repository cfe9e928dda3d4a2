"""Misbehaviour to order: what a server does instead of, before or after its real work."""

import asyncio
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from aiohttp import web


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer this, and do nothing."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ApiError:
    """Answer with Slack's error of this name, and do nothing."""

    name: str


@dataclass(frozen=True, slots=True)
class Drop:
    """Close the connection without an answer, before or after the work took effect."""

    after_effect: bool = False


@dataclass(frozen=True, slots=True)
class Hang:
    """Do the work only once ``until`` is set; the connection stays open in the meantime."""

    until: asyncio.Event


@dataclass(frozen=True, slots=True)
class Twist:
    """Do the work, and answer something else."""

    answer: Answer


Fault = Answer | ApiError | Drop | Hang | Twist

_HTML = {"Content-Type": "text/html"}


def rate_limited(retry_after: int = 1) -> Answer:
    """429 with ``Retry-After`` in seconds."""
    return Answer(429, b'{"ok":false,"error":"ratelimited"}', {"Retry-After": str(retry_after), **_JSON})


def broken(status: int = 500) -> Answer:
    """A server error with a page for people instead of JSON."""
    return Answer(status, b"<html><body>Something broke.</body></html>", _HTML)


_JSON = {"Content-Type": "application/json"}

Work = Callable[[], Awaitable[web.StreamResponse]]


class Faults:
    """Which call goes wrong next. Keys are the server's: a Web API method, an order id, or ``*`` for any."""

    def __init__(self) -> None:
        self._once: defaultdict[str, deque[Fault]] = defaultdict(deque)
        self._always: dict[str, Fault] = {}
        self.choose: Callable[[str], Fault | None] = lambda _key: None

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
        """Behave."""
        self._once.clear()
        self._always.clear()
        self.choose = lambda _key: None

    def next(self, key: str) -> Fault | None:
        """What goes wrong with this call, if anything."""
        for name in (key, "*"):
            if self._once[name]:
                return self._once[name].popleft()
        return self._always.get(key) or self._always.get("*") or self.choose(key)


async def serve(fault: Fault | None, request: web.Request, work: Work) -> web.StreamResponse:
    """Answer a request with this fault in the way; ``work`` is what a sound server would do."""
    match fault:
        case None:
            return await work()
        case Answer(status, body, headers):
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
    return web.Response()
