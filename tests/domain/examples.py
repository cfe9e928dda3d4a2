"""A request for the tests of pure rules."""

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.domain.cancellation import Cancellation, Choice, State
from bot.domain.request import Request

AT = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
_OF_ORDER = {each.name for each in fields(Cancellation)} - {"number", "due_at"}


def a_request(**given: Any) -> Request:
    """Return a request of one order with these fields, each its own or its order's; ``due_at`` is of both."""
    of_order = {name: given.pop(name) for name in _OF_ORDER & given.keys()}
    of_order["due_at"] = given.get("due_at")
    of_order.setdefault("changed_seq", 1)
    given.setdefault("approval_ttl", given["expires_at"] - given["requested_at"])
    return Request(**given, cancellations=(Cancellation(1, **of_order),))


def changed(request: Request, **given: Any) -> Request:
    """Return a request with other values of these fields, its own or those of each of its orders."""
    of_order = {name: given.pop(name) for name in _OF_ORDER & given.keys()}
    if "decisions" in given:
        settlements = [each for each in given["decisions"] if each.choice is Choice.SETTLE]
        given["decisions"] = tuple(each for each in given["decisions"] if each not in settlements)
        of_order["settlement"] = settlements[0] if settlements else None
    if "due_at" in given:
        of_order["due_at"] = given["due_at"]
    orders = tuple(replace(each, **of_order) for each in request.cancellations)
    return replace(request, **given, cancellations=orders)


PENDING = a_request(
    number=1,
    id="c1",
    order_id="ord_1",
    reason="",
    requester="UASKER",
    state=State.PENDING,
    approvals_required=2,
    requested_at=AT,
    expires_at=AT + timedelta(days=1),
    card_channel="C1",
    card_ts="1.1",
    card_link="",
    attempts=0,
    due_at=AT + timedelta(days=1),
    lease_until=None,
    changed_at=AT,
)
