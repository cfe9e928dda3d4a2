"""The faults of the local Slack, of the middle box and of the gateway, each drawn from a source of random numbers."""

import asyncio
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from bot.sandbox import gateway_answers as answers
from bot.sandbox.faults import ApiError, Canned, Drop, Fault, Hang, Twist, Without, broken, rate_limited
from bot.sandbox.middle_box import (
    Altered,
    Before,
    Cut,
    Late,
    Meddling,
    compressed,
    deflated,
    mislabelled,
    recoded,
    shortened,
)
from bot.sandbox.middle_box_pages import PAGES

T = TypeVar("T")

UPDATE_LOST = Canned(200, b'{"ok": true}', {"Content-Type": "application/json"})
"""Slack's yes to an update that it did not make."""

_GATEWAY_FAILS, _BOX_MEDDLES, _MISLEADING, _LOST_WHILE_SEARCHING = 0.25, 0.4, 0.25, 0.25
"""Probabilities for one call."""
_EASILY_MISREAD, _DROPPED_AFTER = "easily misread", "dropped after"
_LONGEST = 64 * 1024
_STATUSES = (200, 204, 302, 400, 401, 403, 404, 409, 413, 422, 429, 499, 500, 502, 503, 504)
_PROSE = (
    (409, "canceled", "context canceled"),
    (409, "CONFLICT", "You have already cancelled 10 orders today"),
    (400, "BAD_REQUEST", "Target status is cancelled"),
    (409, "CONFLICT", "Order ord_other is already cancelled"),
    (422, "UNPROCESSABLE", "No order was cancelled"),
    (409, "CONFLICT", "Request already completed"),
    (409, "CONFLICT", "The cancel of this order was completed"),
    (422, "LIMIT_REACHED", "Completed orders and refunded orders are counted towards your limit"),
)
"""Refusals that are easily mistaken for news of the order; the gateway gives none of them after it did the work."""


@dataclass(frozen=True, slots=True)
class Draw:
    """The means of one drawing: random numbers, the order it is about, and an event that is never set."""

    random: random.Random
    order: str
    never: asyncio.Event

    def soon(self, longest: float) -> asyncio.Event:
        """Return an event that is set within so many seconds."""
        until = asyncio.Event()
        asyncio.get_running_loop().call_later(self.random.uniform(0.05, longest), until.set)
        return until

    def page(self) -> Canned:
        """Return the page of any product with any status."""
        return PAGES[self.random.choice(list(PAGES))](self.random.choice(_STATUSES))


@dataclass(frozen=True, slots=True)
class _Kind(Generic[T]):
    """A kind of fault: its weight among the others, and the methods that it happens to (none: to all)."""

    weight: float
    make: Callable[[Draw], T]
    methods: tuple[str, ...] = ()


_SLACK: dict[str, _Kind[Fault]] = {
    "429": _Kind(0.005, lambda _: rate_limited(1)),
    "500": _Kind(0.02, lambda _: broken(500)),
    "internal_error": _Kind(0.01, lambda _: ApiError("internal_error")),
    "dropped before": _Kind(0.02, lambda _: Drop()),
    _DROPPED_AFTER: _Kind(0.03, lambda _: Drop(after_effect=True)),
    "answered 500 after": _Kind(0.01, lambda _: Twist(broken(500))),
    "slow": _Kind(0.03, lambda draw: Hang(draw.soon(0.15))),
    "answered late": _Kind(0.03, lambda draw: Hang(draw.soon(1.0), after_effect=True), ("chat.postMessage",)),
    "ok without a place": _Kind(
        0.03, lambda draw: Without(draw.random.choice([("ts",), ("channel", "ts")])), ("chat.postMessage",)
    ),
    "update lost": _Kind(0.02, lambda _: UPDATE_LOST, ("chat.update",)),
    "duplicate not deleted": _Kind(0.3, lambda _: ApiError("cant_delete_message"), ("chat.delete",)),
}
"""The weights are probabilities. What people do to channels and messages happens for real, see ``havoc``."""

_GATEWAY: dict[str, _Kind[Fault]] = {
    "500": _Kind(2, lambda _: answers.internal_error()),
    "502 HTML": _Kind(1, lambda _: broken(502)),
    "429": _Kind(2, lambda _: answers.too_many(0)),
    "503": _Kind(2, lambda _: answers.maintenance(0)),
    "wrong time": _Kind(2, lambda _: answers.error(401, "INVALID_TIMESTAMP", "X-Timestamp is too old.")),
    "wrong key": _Kind(2, lambda _: answers.error(401, "INVALID_API_KEY", "X-Api-Key is wrong.")),
    _EASILY_MISREAD: _Kind(4, lambda draw: answers.error(*draw.random.choice(_PROSE))),
    "dropped before": _Kind(1, lambda _: Drop()),
    "dropped after": _Kind(3, lambda _: Drop(after_effect=True)),
    "hanging": _Kind(1, lambda draw: Hang(draw.never)),
    "slow": _Kind(1, lambda draw: Hang(draw.soon(0.3))),
    "wrong order": _Kind(1, lambda _: answers.wrong_order()),
    "wrong status": _Kind(1, lambda draw: answers.wrong_status(draw.order)),
    "empty": _Kind(1, lambda _: answers.empty()),
    "oversized": _Kind(1, lambda draw: answers.oversized(draw.order)),
    "wrong order after": _Kind(2, lambda _: Twist(answers.wrong_order())),
    "500 after": _Kind(2, lambda _: Twist(answers.internal_error())),
    "empty after": _Kind(1, lambda _: Twist(answers.empty())),
    # Always the same bomb: packing one takes a while, and all servers run in this process.
    "gzip bomb after": _Kind(1, lambda _: Twist(answers.gzip_bomb("ord_c0000"))),
}

_MIDDLE_BOX: dict[str, _Kind[Meddling]] = {
    "page instead": _Kind(4, lambda draw: draw.page()),
    "page before": _Kind(4, lambda draw: Before(draw.page())),
    "page after": _Kind(6, lambda draw: Twist(draw.page())),
    "dropped before": _Kind(1, lambda _: Drop()),
    "dropped after": _Kind(3, lambda _: Drop(after_effect=True)),
    "cut": _Kind(2, lambda draw: Cut(draw.random.randrange(80))),
    "shortened": _Kind(2, lambda draw: shortened(draw.random.randrange(80))),
    "compressed": _Kind(2, lambda draw: compressed(draw.random.choice([None, "gzip", "br", "UTF-8"]))),
    "deflated": _Kind(2, lambda draw: deflated(bare=draw.random.random() < 0.5)),
    "mislabelled": _Kind(2, lambda draw: mislabelled(draw.random.choice(["", "UTF-8", "gzip", "br"]))),
    "recoded": _Kind(2, lambda draw: recoded(draw.random.choice(["utf-8-sig", "utf-16"]))),
    "in the envelope": _Kind(3, lambda _: Altered(_in_the_envelope)),
    "contradictory": _Kind(3, lambda draw: Altered(_with_more(draw.random.choice(_CONTRADICTIONS)))),
    "delayed before": _Kind(2, lambda draw: Hang(draw.soon(0.5))),
    "delayed after": _Kind(2, lambda draw: Late(draw.soon(0.5))),
    "kept for ever": _Kind(1, lambda draw: Late(draw.never)),
}
_CONTRADICTIONS: list[dict[str, Any]] = [
    {"success": False},
    {"error": {"code": "CONFLICT", "message": "The order was not cancelled."}},
    {"errors": ["not cancelled"]},
    {"cancelled": True, "current_status": "pending"},
]


def slack_fault(draw: Draw, method: str, *, searching: bool) -> tuple[str, Fault] | None:
    """Return the name of a fault and the fault, or None for a call that goes well.

    ``searching`` means that a search is difficult now, so that a lost answer to a post is the most dangerous.
    """
    if searching and method == "chat.postMessage" and draw.random.random() < _LOST_WHILE_SEARCHING:
        return _DROPPED_AFTER, _SLACK[_DROPPED_AFTER].make(draw)
    # A bot that can't even connect proves little.
    left = draw.random.random() * (4 if method in {"auth.test", "apps.connections.open"} else 1)
    for name, kind in _SLACK.items():
        if not kind.methods or method in kind.methods:
            left -= kind.weight
            if left < 0:
                return name, kind.make(draw)
    return None


def gateway_fault(draw: Draw, *, cancelled: bool) -> tuple[str, Fault] | None:
    """Return the name of a fault of the gateway's and the fault, or None for a call that goes well.

    ``cancelled`` means that an earlier call cancelled the order, so that the answer to this one is the most dangerous.
    """
    if cancelled and draw.random.random() < _MISLEADING:
        return _EASILY_MISREAD, _GATEWAY[_EASILY_MISREAD].make(draw)
    return _any_of(_GATEWAY, draw) if draw.random.random() < _GATEWAY_FAILS else None


def meddling(draw: Draw) -> tuple[str, Meddling] | None:
    """Return the name of something that a box in between does and what that is, or None where it lets a call pass."""
    return _any_of(_MIDDLE_BOX, draw) if draw.random.random() < _BOX_MEDDLES else None


def _any_of(kinds_of_one: dict[str, _Kind[T]], draw: Draw) -> tuple[str, T]:
    (name,) = draw.random.choices(list(kinds_of_one), [kind.weight for kind in kinds_of_one.values()])
    return name, kinds_of_one[name].make(draw)


def _in_the_envelope(body: bytes) -> bytes:
    """Return a confirmation as version 1.4 writes it, and any other body as it is."""
    found = _object(body)
    if found is None or not isinstance(found.get("order_id"), str):
        return body
    data = {
        "orderId": found["order_id"],
        "status": str(found.get("status")).upper(),
        "cancelledAt": found.get("cancelled_at"),
    }
    return json.dumps({"statusCode": 200, "message": "Success", "data": data, "traceId": "trace-1"}).encode()


def _with_more(more: dict[str, Any]) -> Callable[[bytes], bytes]:
    """Return a change that adds these fields to a JSON object."""

    def change(body: bytes) -> bytes:
        found = _object(body)
        return body if found is None else json.dumps({**more, **found}).encode()

    return change


def _object(body: bytes) -> dict[str, Any] | None:
    """Return the JSON object that a body is, or None; a body that is too long for a client must stay too long."""
    if len(body) > _LONGEST:
        return None
    try:
        found = json.loads(body)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
