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
CANCELLED: Cell = (Outcome.CANCELLED, False, None)
LATER: Cell = (Outcome.NOT_SENT, True, None)
CREDENTIALS: Cell = (Outcome.NOT_SENT, False, Reason.CREDENTIALS)
CLOCK: Cell = (Outcome.NOT_SENT, False, Reason.CLOCK)
ALREADY_CANCELLED: Cell = (Outcome.REFUSED, False, Reason.ALREADY_CANCELLED)
COMPLETED: Cell = (Outcome.REFUSED, False, Reason.COMPLETED)
ALREADY_REFUNDED: Cell = (Outcome.REFUSED, False, Reason.ALREADY_REFUNDED)
PARTLY_REFUNDED: Cell = (Outcome.REFUSED, False, Reason.PARTLY_REFUNDED)
NO_SUCH_ORDER: Cell = (Outcome.REFUSED, False, Reason.NO_SUCH_ORDER)
OTHER: Cell = (Outcome.REFUSED, False, Reason.OTHER)

NEVER: dict[int, Cell] = {}
"""An answer that proves nothing under any status."""
YES: dict[int, Cell] = {200: CANCELLED, 201: CANCELLED}
"""A confirmation, which no other status can carry; 202 is a promise."""
ALREADY: dict[int, Cell] = {
    400: ALREADY_CANCELLED, 401: ALREADY_CANCELLED, 402: ALREADY_CANCELLED, 403: ALREADY_CANCELLED,
    404: ALREADY_CANCELLED, 405: ALREADY_CANCELLED, 408: ALREADY_CANCELLED, 409: ALREADY_CANCELLED,
    410: ALREADY_CANCELLED, 413: ALREADY_CANCELLED, 415: ALREADY_CANCELLED, 418: ALREADY_CANCELLED,
    422: ALREADY_CANCELLED, 423: ALREADY_CANCELLED, 425: ALREADY_CANCELLED, 429: ALREADY_CANCELLED,
    451: ALREADY_CANCELLED, 499: ALREADY_CANCELLED,
}  # fmt: skip
"""The one reason that counts under every 4xx, and under nothing else: not even a 503 is a plain "not now" then."""


def no(reason: Cell) -> dict[int, Cell]:
    """Return the outcomes of a no with this reason."""
    return {
        400: reason, 401: CREDENTIALS, 403: CREDENTIALS, 404: reason, 409: reason, 422: reason, 429: LATER, 503: LATER,
    }  # fmt: skip


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
    "error: completed": (lambda _: error("ORDER_ALREADY_COMPLETED"), no(COMPLETED)),
    "error: paid": (lambda _: error(details={"orderId": ORDER, "orderStatus": "PAID"}), no(COMPLETED)),
    "error: refunded": (lambda _: error("ORDER_REFUNDED"), no(ALREADY_REFUNDED)),
    "error: partially refunded": (lambda _: error(message="Order is partially refunded"), no(PARTLY_REFUNDED)),
    "error: no such order": (lambda _: error("ORDER_NOT_FOUND", "Order not found."), no(NO_SUCH_ORDER)),
    "error: not found": (lambda _: error("NOT_FOUND", "Not found."), no(OTHER) | {404: NO_SUCH_ORDER}),
    "error: no such endpoint": (lambda _: error("NOT_FOUND", "There is no such endpoint."), no(OTHER)),
    "error: another reason": (lambda _: error("ORDER_EXPIRED", "The order has expired."), no(OTHER)),
    "error: without a message": (lambda _: error("CONFLICT", None), no(OTHER)),
    "error: credentials": (lambda _: error("INVALID_API_KEY", "Unknown key."), no(OTHER) | {400: CREDENTIALS}),
    "error: timestamp": (
        lambda _: error("InvalidTimestamp", "Too old."), no(OTHER) | {400: CLOCK, 401: CLOCK, 403: CLOCK},
    ),
    "flat: already cancelled": (lambda _: flat("Order is already cancelled"), ALREADY),
    "flat: completed": (lambda status: flat("Order is completed", statusCode=status), no(COMPLETED)),
    "flat: no such order": (lambda _: flat("Order not found", "No order"), no(NO_SUCH_ORDER)),
    "flat: no such address": (lambda status: flat("Cannot POST /x", "No route", statusCode=status), no(OTHER)),
    "flat: a list of messages": (lambda _: flat(["order_id must be text", "and not empty"]), no(OTHER)),
    "flat: credentials": (lambda _: flat("Who are you?", "INVALID_CREDENTIALS"), no(OTHER) | {400: CREDENTIALS}),
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
        lambda status: envelope(status, "Success", CAMEL), YES | ALREADY,
    ),
    "1.4: another order": (
        lambda status: envelope(status, "Success", CAMEL | {"orderId": "ord_other"}), NEVER,
    ),
    "error: another order, a number": (lambda _: error("ORDER_COMPLETED", details={"order_id": 1042}), NEVER),
    "error: another order, inside": (lambda _: error("ORDER_NOT_FOUND", details={"order": {"id": "A-7"}}), NEVER),
    "error: another order, in words": (lambda _: error("ORDER_PAID", "Order #1042 is already paid"), NEVER),
    "error: two orders": (lambda _: error("ORDER_PAID", f"Orders {ORDER} and 1042 are paid"), NEVER),
    "error: a cancel is under way": (
        lambda _: error("CANCELLATION_IN_PROGRESS"), {401: CREDENTIALS, 403: CREDENTIALS},
    ),
    "1.4: already cancelled, by words": (lambda status: envelope(status, "Order has already been canceled"), ALREADY),
    "1.4: completed": (
        lambda status: envelope(status, "Order is completed", {"orderId": ORDER, "status": "COMPLETED"}), no(COMPLETED),
    ),
    "1.4: paid": (lambda status: envelope(status, "No.", {"orderId": ORDER, "status": "SUCCESS"}), no(COMPLETED)),
    "1.4: refunded": (
        lambda status: envelope(status, "No.", {"orderId": ORDER, "status": "REFUNDED"}), no(ALREADY_REFUNDED),
    ),
    "1.4: without data": (lambda status: {"statusCode": status, "message": "No.", "traceId": "t"}, no(OTHER)),
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
