"""Every status with every kind of body: the outcome, the repeat and the reason of each.

The table is written down here once more, so that it does not follow the code.
"""

import json
from collections.abc import Callable

import pytest

from bot.domain.attempt import Outcome, Reason
from bot.gateway.answer import Reply, read_answer
from bot.sandbox.middle_box_pages import PAGES
from tests.gateway.replies import CAMEL, CONFIRMED, KEY, NOW, ORDER, envelope, error, flat

STATUSES = [
    200, 201, 202, 203, 204, 206, 207, 301, 302, 304, 400, 401, 402, 403, 404, 405, 408, 409, 410, 413, 415, 418, 422,
    423, 425, 429, 451, 499, 500, 501, 502, 503, 504, 520, 522, 599,
]  # fmt: skip

Cell = tuple[Outcome, bool, Reason | None]

UNKNOWN: Cell = (Outcome.UNKNOWN, True, None)
UNCLEAR: Cell = (Outcome.UNKNOWN, False, None)
"""Not repeated: the same no would come again."""
CANCELLED: Cell = (Outcome.CANCELLED, False, None)
LATER: Cell = (Outcome.NOT_SENT, True, None)
CREDENTIALS: Cell = (Outcome.NOT_SENT, False, Reason.CREDENTIALS)
CLOCK: Cell = (Outcome.NOT_SENT, False, Reason.CLOCK)
ALREADY_CANCELLED: Cell = (Outcome.REFUSED, False, Reason.ALREADY_CANCELLED)
COMPLETED: Cell = (Outcome.REFUSED, False, Reason.COMPLETED)
ALREADY_REFUNDED: Cell = (Outcome.REFUSED, False, Reason.ALREADY_REFUNDED)
PARTLY_REFUNDED: Cell = (Outcome.REFUSED, False, Reason.PARTLY_REFUNDED)
EXPIRED: Cell = (Outcome.REFUSED, False, Reason.EXPIRED)
NO_SUCH_ORDER: Cell = (Outcome.REFUSED, False, Reason.NO_SUCH_ORDER)
TURNED_AWAY: Cell = (Outcome.NOT_SENT, False, Reason.TURNED_AWAY)

NEVER: dict[int, Cell] = {}
"""An answer that proves nothing under any status."""
YES: dict[int, Cell] = {200: CANCELLED, 201: CANCELLED}
"""A confirmation, which no other status can carry; 202 is a promise."""
VAGUE: dict[int, Cell] = {
    400: UNCLEAR, 401: UNCLEAR, 402: UNCLEAR, 403: UNCLEAR, 404: UNCLEAR, 405: UNCLEAR, 409: UNCLEAR, 410: UNCLEAR,
    413: UNCLEAR, 415: UNCLEAR, 418: UNCLEAR, 422: UNCLEAR, 423: UNCLEAR, 451: UNCLEAR, 499: UNCLEAR,
}  # fmt: skip
"""A no of the gateway's that is on no list, or under a status that does not fit it."""


def no(reason: Cell) -> dict[int, Cell]:
    """Return the outcomes of a no about the order with this reason."""
    return VAGUE | dict.fromkeys((400, 404, 409, 422), reason)


def away(cause: Cell) -> dict[int, Cell]:
    """Return the outcomes of a no to the call itself with this cause."""
    return VAGUE | dict.fromkeys((400, 401, 403), cause)


ALREADY = no(ALREADY_CANCELLED)
NOT_NOW = VAGUE | {429: LATER, 503: LATER}
AFTER_THE_EFFECT = "The order was cancelled, but this answer came too late."

Body = Callable[[int], object]


def page_of(name: str) -> Body:
    """Return the maker of this product's page."""
    return lambda status: PAGES[name](status).body


# Each body is made for its status, because an envelope repeats it.
BODIES: dict[str, tuple[Body, dict[int, Cell]]] = {
    "confirmation": (lambda _: CONFIRMED, YES),
    "confirmation, camel case and capitals": (lambda _: CAMEL | {"status": "CANCELED"}, YES),
    "confirmation with a success message": (
        lambda _: CONFIRMED | {"message": "Order cancelled successfully", "success": True}, YES,
    ),
    "confirmation without a time": (lambda _: {"order_id": ORDER, "status": "cancelled"}, NEVER),
    "confirmation with an unknown field": (lambda _: CONFIRMED | {"note": "fine"}, NEVER),
    "confirmation with a denial": (lambda _: CONFIRMED | {"message": "No order was cancelled."}, NEVER),
    "confirmation of another order": (lambda _: CONFIRMED | {"order_id": "ord_other"}, NEVER),
    "confirmation of another status": (lambda _: CONFIRMED | {"status": "processing"}, NEVER),
    "confirmation with an error": (lambda _: CONFIRMED | {"error": {"code": "E1"}}, NEVER),
    "confirmation without success": (lambda _: CONFIRMED | {"success": False}, NEVER),
    "error: already cancelled, by code": (lambda _: error("ORDER_ALREADY_CANCELLED"), ALREADY),
    "error: already cancelled, by words": (lambda _: error(message="Order is already cancelled."), ALREADY),
    "error: already cancelled, by details": (
        lambda _: error(details={"order_id": ORDER, "current_status": "cancelled"}), ALREADY,
    ),
    "error: already cancelled, and denied in words": (
        lambda _: error("ORDER_CANCELLED", "No order was cancelled"), VAGUE,
    ),
    "error: already cancelled, and another state in words": (
        lambda _: error("ALREADY_CANCELLED", "The order's status is pending"), VAGUE,
    ),
    "error: already cancelled, and denied in details": (
        lambda _: error("ALREADY_CANCELLED", details={"cancelled": False}), VAGUE,
    ),
    "error: already cancelled, and denied beside it": (
        lambda _: error("ALREADY_CANCELLED") | {"data": {"order_id": ORDER, "status": "pending"}}, VAGUE,
    ),
    "error: already cancelled, and success": (lambda _: error("ALREADY_CANCELLED") | {"success": True}, VAGUE),
    "error: already cancelled, the request": (
        lambda _: error("already_cancelled", "The request was cancelled by the client"), VAGUE,
    ),
    "error: already cancelled, with a confirmation": (lambda _: error("ALREADY_CANCELLED") | CONFIRMED, VAGUE),
    "error: cancelled and refunded": (
        lambda _: error("CONFLICT", "Order was cancelled and refunded", details={
            "order_id": ORDER, "current_status": "refunded",
        }), VAGUE,
    ),
    "error: completed": (lambda _: error("ORDER_ALREADY_COMPLETED"), no(COMPLETED)),
    "error: completed, with an unknown code": (lambda _: error("HELD", "Order is completed"), VAGUE),
    "error: paid": (lambda _: error(details={"orderId": ORDER, "orderStatus": "PAID"}), no(COMPLETED)),
    "error: success": (lambda _: error(details={"orderId": ORDER, "orderStatus": "SUCCESS"}), VAGUE),
    "error: refunded": (lambda _: error("ORDER_REFUNDED"), no(ALREADY_REFUNDED)),
    "error: partially refunded": (lambda _: error(message="Order is partially refunded"), no(PARTLY_REFUNDED)),
    "error: expired": (lambda _: error("ORDER_EXPIRED", "The order has expired."), no(EXPIRED)),
    "error: no such order": (lambda _: error("ORDER_NOT_FOUND", "Order not found."), no(NO_SUCH_ORDER)),
    "error: not found": (lambda _: error("NOT_FOUND", "Not found."), VAGUE),
    "error: no such endpoint": (lambda _: error("NOT_FOUND", "There is no such endpoint."), VAGUE),
    "error: another reason": (lambda _: error("ORDER_LOCKED", "The order is locked."), VAGUE),
    "error: a conflict": (lambda _: error("CONFLICT", "Conflicting operation."), VAGUE),
    "error: without a message": (lambda _: error("CONFLICT"), VAGUE),
    "error: a list of messages": (lambda _: error("INVALID", ["order_id must be text", "and not empty"]), VAGUE),
    "error: credentials": (lambda _: error("INVALID_API_KEY", "Unknown key."), away(CREDENTIALS)),
    "error: timestamp": (lambda _: error("InvalidTimestamp", "Too old."), away(CLOCK)),
    "error: timestamp, used before": (
        lambda _: error("INVALID_TIMESTAMP", "X-Timestamp was already used"), VAGUE,
    ),
    "error: account": (lambda _: error("ACCOUNT_SUSPENDED", "Account suspended"), away(TURNED_AWAY)),
    "error: address": (lambda _: error("IP_NOT_ALLOWED", "Your IP is not on the allow list"), away(TURNED_AWAY)),
    "error: another merchant's": (lambda _: error("FORBIDDEN", "This order belongs to another merchant"), VAGUE),
    "error: under review": (lambda _: error("RISK_REVIEW", "This order is under risk review"), VAGUE),
    "error: credentials, after the effect": (lambda _: error("UNAUTHORIZED", AFTER_THE_EFFECT), VAGUE),
    "error: too many": (lambda _: error("RATE_LIMIT_EXCEEDED", "Too many requests."), NOT_NOW),
    "error: maintenance": (lambda _: error("MAINTENANCE", "The gateway is under maintenance."), NOT_NOW),
    "error: too many, after the effect": (lambda _: error("RATE_LIMIT_EXCEEDED", AFTER_THE_EFFECT), VAGUE),
    "error: maintenance, with a state": (
        lambda _: error("MAINTENANCE", details={"order_id": ORDER, "current_status": "cancelled"}), VAGUE,
    ),
    "error: maintenance, and it goes on": (
        lambda _: error("SERVICE_UNAVAILABLE", "The cancellation continues in the background."), VAGUE,
    ),
    "error: a timeout": (
        lambda _: {"error": {"code": "UPSTREAM_TIMEOUT", "message": "upstream timed out", "details": {"hop": 1}}},
        VAGUE,
    ),
    "error: only empty details": (
        lambda _: {"error": {"code": "SERVICE_UNAVAILABLE", "message": "Service unavailable", "details": {}}}, NEVER,
    ),
    "flat: already cancelled": (lambda _: flat("already canceled", "timeout"), NEVER),
    "flat: already cancelled, by the error": (lambda _: flat("No.", "ORDER_ALREADY_CANCELLED"), NEVER),
    "flat: completed": (lambda status: flat("Order is completed", statusCode=status), NEVER),
    "flat: no such order": (lambda _: flat("Order not found", "No order"), NEVER),
    "flat: credentials": (lambda _: flat("Invalid API key", "INVALID_API_KEY"), NEVER),
    "flat: a timeout": (lambda _: flat("The upstream server did not answer in time", "upstream_timeout"), NEVER),
    "framework: no such address": (lambda status: flat("Cannot POST /x", "Not Found", statusCode=status), NEVER),
    "framework: no such order": (lambda _: flat("Order not found", "Not Found"), NEVER),
    "framework: unauthorized": (lambda _: flat("Who are you?", "Unauthorized"), NEVER),
    "framework: already cancelled": (
        lambda status: flat("Order is already cancelled", "Conflict", statusCode=status), NEVER,
    ),
    "framework: error object": (
        lambda _: {"error": {"code": "ORDER_ALREADY_CANCELLED", "message": "Order is already cancelled"}}, NEVER,
    ),
    "1.4: cancelled": (
        lambda status: envelope(status, "Success", CAMEL), YES | VAGUE,
    ),
    "1.4: another order": (
        lambda status: envelope(status, "Success", CAMEL | {"orderId": "ord_other"}), NEVER,
    ),
    "error: another order, a number": (lambda _: error("ORDER_COMPLETED", details={"order_id": 1042}), NEVER),
    "error: another order, inside": (lambda _: error("ORDER_NOT_FOUND", details={"order": {"id": "A-7"}}), NEVER),
    "error: another order, in words": (lambda _: error("ORDER_PAID", "Order #1042 is already paid"), NEVER),
    "error: two orders": (lambda _: error("ORDER_PAID", f"Orders {ORDER} and 1042 are paid"), NEVER),
    "error: a cancel is under way": (lambda _: error("CANCELLATION_IN_PROGRESS"), NEVER),
    "error: a cancel is planned": (lambda _: error("CONFLICT", "Order will be cancelled shortly"), NEVER),
    "error: a cancel is pending": (lambda _: error("ORDER_CANCELLATION_PENDING"), NEVER),
    "1.4: already cancelled": (
        lambda status: envelope(status, "Order is already cancelled", {"orderId": ORDER, "status": "CANCELLED"}),
        ALREADY,
    ),
    "1.4: already cancelled, by words": (lambda status: envelope(status, "Order has already been canceled"), VAGUE),
    "1.4: already cancelled, and another code": (
        lambda status: envelope(status, "Order is already cancelled", {"orderId": ORDER}, code="E17"), VAGUE,
    ),
    "1.4: completed": (
        lambda status: envelope(status, "Order is completed", {"orderId": ORDER, "status": "COMPLETED"}), no(COMPLETED),
    ),
    "1.4: success": (lambda status: envelope(status, "Handled.", {"orderId": ORDER, "status": "SUCCESS"}), VAGUE),
    "1.4: success and nothing else": (
        lambda status: envelope(status, None, {"orderId": ORDER, "status": "SUCCESS"}), VAGUE,
    ),
    "1.4: refunded": (
        lambda status: envelope(status, None, {"orderId": ORDER, "currentStatus": "REFUNDED"}), no(ALREADY_REFUNDED),
    ),
    "1.4: a bare status": (lambda status: envelope(status, None, {"orderId": ORDER, "status": "REFUNDED"}), VAGUE),
    "1.4: a bare status, cancelled": (
        lambda status: envelope(status, "", {"orderId": ORDER, "status": "CANCELLED"}), VAGUE,
    ),
    "error: a state that may be the one asked for": (
        lambda _: error("INVALID_ORDER_STATUS", "", details={"order_id": ORDER, "order_status": "cancelled"}), VAGUE,
    ),
    "error: cancelled on a day to come": (lambda _: error(message="Order is cancelled on 2027-01-01"), VAGUE),
    "error: key or timestamp": (
        lambda _: error("UNAUTHORIZED", "Invalid API key or timestamp"), away(TURNED_AWAY),
    ),
    "error: no timestamp": (lambda _: error("UNAUTHORIZED", "Missing X-Timestamp header"), away(TURNED_AWAY)),
    "error: maintenance, and it tries again itself": (
        lambda _: error("MAINTENANCE", "We retry your request in 5 minutes"), VAGUE,
    ),
    "1.4: without data": (lambda status: {"statusCode": status, "message": "No.", "traceId": "t"}, VAGUE),
    "1.4: a timeout": (
        lambda status: {"statusCode": status, "message": "Upstream timed out", "traceId": "t"}, VAGUE,
    ),
    "1.4: too many": (lambda status: envelope(status, "Too many requests."), VAGUE),
    "1.4: another status inside": (
        lambda _: envelope(299, "Order is already cancelled", CAMEL), NEVER,
    ),
    **{f"page: {name}": (page_of(name), NEVER) for name in PAGES},
}  # fmt: skip


def reply(status: int, kind: str, *, broken_off: bool = False) -> Reply:
    """Return the answer of this kind under this status."""
    body = BODIES[kind][0](status)
    return Reply(status, {}, body if isinstance(body, bytes) else json.dumps(body).encode(), broken_off)


@pytest.mark.parametrize("kind", BODIES)
def test_every_status_with_every_body(kind: str) -> None:
    """The gateway's own words decide under the statuses that fit them; everything else leaves it unknown."""
    answers = {status: read_answer(reply(status, kind), ORDER, now=NOW, secrets=[KEY]) for status in STATUSES}

    found = {status: (answer.outcome, answer.repeat, answer.reason) for status, answer in answers.items()}
    assert found == {status: BODIES[kind][1].get(status, UNKNOWN) for status in STATUSES}
    assert {status: answer.http_status for status, answer in answers.items()} == {status: status for status in STATUSES}
    unclear = [answer for answer in answers.values() if answer.outcome is Outcome.UNKNOWN]
    assert [answer for answer in unclear if not (answer.message or answer.trouble)] == []


@pytest.mark.parametrize("kind", BODIES)
def test_an_answer_that_broke_off_proves_nothing(kind: str) -> None:
    """The missing part may say the opposite, so what came of the same bodies counts for nothing."""
    for status in STATUSES:
        answer = read_answer(reply(status, kind, broken_off=True), ORDER, now=NOW, secrets=[KEY])
        assert (answer.outcome, answer.repeat, answer.reason) == UNKNOWN
        assert (answer.code, answer.message, answer.request_id) == ("", "", "")
