"""The meaning of an answer beyond its status and shape: doubts, words, the clock and the pause."""

import gzip
import json
import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from datetime import UTC, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, strategies as st

from bot.domain.attempt import LONGEST_RETRY_AFTER, Answer, Outcome, Reason, Trouble
from bot.gateway.answer import Reply, parse_date, read_answer, shown
from tests.gateway.replies import CAMEL, CONFIRMED, KEY, NOW, ORDER, envelope, error, read

NOT_SENT, REFUSED, UNKNOWN = Outcome.NOT_SENT, Outcome.REFUSED, Outcome.UNKNOWN


@pytest.mark.parametrize("status", [200, 201])
def test_a_confirmation_of_this_order_is_cancelled(status: int) -> None:
    """A success with the documented confirmation of the same order is the one proof that counts."""
    assert read(status, CONFIRMED) == Answer(
        Outcome.CANCELLED,
        http_status=status,
        cancelled_at="2025-10-04T11:15:00Z",
    )


@pytest.mark.parametrize("status", [202, 203, 204, 205, 206, 207, 208, 226, 299])
@pytest.mark.parametrize("body", [CONFIRMED, CONFIRMED | {"message": "Cancellation request accepted for processing"}])
def test_no_other_success_can_confirm(status: int, body: object) -> None:
    """202 means that it is not done yet, and the others are changed on the way or parts of something."""
    answer = read(status, body)
    assert (answer.outcome, answer.repeat, answer.trouble) == (UNKNOWN, True, Trouble.NO_CONFIRMATION)


ANOTHER, STATUS = Trouble.ANOTHER_ORDER, Trouble.ANOTHER_STATUS
CONTRADICTORY, NO_CONFIRMATION = Trouble.CONTRADICTORY, Trouble.NO_CONFIRMATION


@pytest.mark.parametrize(
    "body, trouble, about",
    [
        pytest.param(CONFIRMED | {"order_id": "ord_other"}, ANOTHER, "", id="another order"),
        pytest.param(CONFIRMED | {"order_id": ORDER.upper()}, ANOTHER, "", id="order in capitals"),
        pytest.param(CONFIRMED | {"order_id": f" {ORDER}"}, ANOTHER, "", id="order with a space"),
        pytest.param(CONFIRMED | {"orderID": "ord_other"}, ANOTHER, "", id="two orders"),
        pytest.param(CONFIRMED | {"details": {"order_id": "1042"}}, ANOTHER, "", id="another order inside"),
        pytest.param(CONFIRMED | {"lines": [{"orderId": [ORDER]}]}, ANOTHER, "", id="an order in a list inside"),
        pytest.param(CONFIRMED | {"message": "ord_other is cancelled"}, ANOTHER, "", id="another order in words"),
        pytest.param(
            envelope(200, "", CAMEL, orderId="ord_other"), ANOTHER, "",
            id="another order beside the data",
        ),
        pytest.param(CONFIRMED | {"status": "processing"}, STATUS, "processing", id="another status"),
        pytest.param(CONFIRMED | {"status": " cancelled"}, STATUS, "cancelled", id="status with a space"),
        pytest.param(CONFIRMED | {"status": "not cancelled"}, STATUS, "not cancelled", id="not cancelled"),
        pytest.param(CONFIRMED | {"status": "cancelling"}, STATUS, "cancelling", id="cancelling"),
        pytest.param(CONFIRMED | {"status": ""}, STATUS, "", id="empty status"),
        pytest.param(envelope(200, "", CAMEL | {"status": "SUCCESS"}), STATUS, "SUCCESS", id="1.4 success"),
        pytest.param(CONFIRMED | {"error": {"code": "E1"}}, NO_CONFIRMATION, "", id="an error"),
        pytest.param(CONFIRMED | {"error": "no"}, NO_CONFIRMATION, "", id="an error in words"),
        pytest.param(CONFIRMED | {"error": True}, NO_CONFIRMATION, "", id="a true error"),
        pytest.param(CONFIRMED | {"errors": ["no"]}, NO_CONFIRMATION, "", id="errors"),
        pytest.param(CONFIRMED | {"fault": {"a": 1}}, NO_CONFIRMATION, "", id="a fault"),
        pytest.param(CONFIRMED | {"failed": True}, NO_CONFIRMATION, "", id="failed"),
        pytest.param(CONFIRMED | {"failed": [ORDER]}, NO_CONFIRMATION, "", id="a list of failed orders"),
        pytest.param(CONFIRMED | {"success": False}, NO_CONFIRMATION, "", id="no success"),
        pytest.param(CONFIRMED | {"success": "false"}, NO_CONFIRMATION, "", id="no success in words"),
        pytest.param(CONFIRMED | {"Success": 0}, NO_CONFIRMATION, "", id="no success as a number"),
        pytest.param(CONFIRMED | {"ok": False}, NO_CONFIRMATION, "", id="not ok"),
        pytest.param(CONFIRMED | {"cancelled": False}, NO_CONFIRMATION, "", id="not cancelled after all"),
        pytest.param(CONFIRMED | {"isCanceled": "no"}, NO_CONFIRMATION, "", id="not cancelled in camel case"),
        pytest.param(CONFIRMED | {"error_code": "E1"}, NO_CONFIRMATION, "", id="an error code"),
        pytest.param(CONFIRMED | {"errorCode": 17}, NO_CONFIRMATION, "", id="an error code in camel case"),
        pytest.param(CONFIRMED | {"code": "ORDER_LOCKED"}, NO_CONFIRMATION, "", id="a code"),
        pytest.param(CONFIRMED | {"code": 500}, NO_CONFIRMATION, "", id="a numeric code"),
        pytest.param(CONFIRMED | {"statusCode": 409}, CONTRADICTORY, "", id="another HTTP status"),
        pytest.param(CONFIRMED | {"statusCode": "409"}, NO_CONFIRMATION, "", id="another HTTP status in words"),
        pytest.param(CONFIRMED | {"httpStatus": 500}, NO_CONFIRMATION, "", id="another HTTP status by another name"),
        pytest.param(CONFIRMED | {"statusCode": 201}, CONTRADICTORY, "", id="another success"),
        pytest.param(CONFIRMED | {"order_status": "processing"}, NO_CONFIRMATION, "", id="another order status"),
        pytest.param(CONFIRMED | {"current_state": "paid"}, NO_CONFIRMATION, "", id="another current state"),
        pytest.param(CONFIRMED | {"order": {"status": "paid"}}, NO_CONFIRMATION, "", id="another status inside"),
        pytest.param(CONFIRMED | {"order": {"status": 500}}, NO_CONFIRMATION, "", id="a numeric status inside"),
        pytest.param(CONFIRMED | {"message": "Cancellation failed"}, NO_CONFIRMATION, "", id="a failure in words"),
        pytest.param(CONFIRMED | {"message": "It was not cancelled"}, NO_CONFIRMATION, "", id="a denial"),
        pytest.param(CONFIRMED | {"message": "We couldn\u2019t."}, NO_CONFIRMATION, "", id="a short denial"),
        pytest.param(
            envelope(200, "", CAMEL, status="SUCCESS"), NO_CONFIRMATION, "",
            id="another status beside the data",
        ),
        pytest.param(
            envelope(409, "", CAMEL), CONTRADICTORY, "", id="an envelope of a 409",
        ),
        pytest.param(envelope(404, "Order not found"), CONTRADICTORY, "", id="an error in the envelope of a 404"),
        pytest.param(
            envelope(200, "", CAMEL | {"success": False}), NO_CONFIRMATION, "",
            id="no success inside",
        ),
    ],
)  # fmt: skip
def test_any_other_success_proves_nothing(body: object, trouble: Trouble, about: str) -> None:
    """A 200 that is not plainly the confirmation of this order leaves it unknown, to be asked again."""
    answer = read(200, body)
    assert (answer.outcome, answer.repeat, answer.reason) == (UNKNOWN, True, None)
    assert (answer.trouble, answer.trouble_about) == (trouble, about)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(CONFIRMED | {"order_id": True}, id="order is a boolean"),
        pytest.param(CONFIRMED | {"order_id": None}, id="order is null"),
        pytest.param(CONFIRMED | {"order_id": [ORDER]}, id="order in a list"),
        pytest.param({"status": "cancelled"}, id="no order"),
        pytest.param({"order_id": ORDER}, id="no status"),
        pytest.param(CONFIRMED | {"status": True}, id="status is a boolean"),
        pytest.param([CONFIRMED], id="a list"),
        pytest.param("cancelled", id="a string"),
        pytest.param({"data": CONFIRMED}, id="confirmation inside something else"),
        pytest.param(b"", id="empty"),
        pytest.param(b"<html>cancelled</html>", id="HTML"),
        pytest.param(b'{"order_id": "\xff", "status": "cancelled"}', id="not UTF-8"),
        pytest.param(json.dumps(CONFIRMED).encode() + b"{}", id="two documents"),
        pytest.param(b'{"order_id": "ord_abc123xyz", "status": "cancelled", "status": "paid"}', id="two statuses"),
        pytest.param(b'{"order_id": "ord_abc123xyz", "status": "cancelled", "amount": NaN}', id="NaN"),
    ],
)
def test_a_success_in_another_form_is_somebodys(body: object) -> None:
    """Anything on the way may have sent a body that is not in the gateway's form."""
    assert read(200, body) == Answer(UNKNOWN, repeat=True, trouble=Trouble.SOMEBODY_ELSE, http_status=200)


@pytest.mark.parametrize("number", [12.0, "012", 120])
def test_a_number_that_is_only_similar_is_another_order(number: object) -> None:
    """12.0, 012 and 120 are not the order 12."""
    assert read(200, CONFIRMED | {"order_id": number}, order_id="12").outcome is UNKNOWN


@pytest.mark.parametrize(
    "body, code, message, request_id",
    [
        (error("ORDER_LOCKED", "Try again."), "ORDER_LOCKED", "Try again.", "req_1"),
        (envelope(200, "Success", CAMEL | {"orderId": "ord_other"}), "", "Success", "trace-1"),
        (envelope(200, ["a", "b"], None, code="X"), "X", "a; b", "trace-1"),
        (CONFIRMED | {"error": {"code": "X", "message": "No."}}, "X", "No.", ""),
        (CONFIRMED | error("X", "No."), "X", "No.", "req_1"),
        (CONFIRMED | {"status": "paid", "message": "Paid.", "requestId": "r"}, "", "Paid.", "r"),
    ],
)
def test_a_success_without_proof_keeps_its_words(body: object, code: str, message: str, request_id: str) -> None:
    """People and the vendor's support need the code, the message and the ID also where a 200 proves nothing."""
    answer = read(200, body)
    assert (answer.outcome, answer.code, answer.message, answer.request_id) == (UNKNOWN, code, message, request_id)
    # The message of a success does not say what is wrong with it.
    assert answer.trouble is not None


def test_a_confirmation_keeps_its_trace_id() -> None:
    """Of the words only the ID and the time are worth keeping once the order is cancelled."""
    body = envelope(200, "Success", CAMEL | {"cancelledAt": 1764158400})
    answer = Answer(Outcome.CANCELLED, http_status=200, request_id="trace-1", cancelled_at="1764158400")
    assert read(200, body) == answer


@pytest.mark.parametrize("body", [b"", error("Moved.")])
def test_a_redirect_has_a_code_of_its_own(body: object) -> None:
    """A redirect is not followed, and nothing that comes with it is read."""
    assert read(301, body) == Answer(UNKNOWN, repeat=True, trouble=Trouble.REDIRECT, http_status=301)


def test_a_documented_error_is_passed_on() -> None:
    """Code, message and request id come through, for the people and for the vendor's support."""
    assert read(404, error("ORDER_NOT_FOUND", "Order not found.")) == Answer(
        REFUSED,
        reason=Reason.NO_SUCH_ORDER,
        http_status=404,
        code="ORDER_NOT_FOUND",
        message="Order not found.",
        request_id="req_1",
    )


@pytest.mark.parametrize(
    "status, body, trouble",
    [
        (500, error("INTERNAL", None), Trouble.NO_REASON),
        (500, error("INTERNAL", " \n\t\u200b "), Trouble.NO_REASON),
        (500, error("INTERNAL", "\u200b"), Trouble.NO_REASON),
        (500, error("INTERNAL", "No."), None),
        (422, error("RULE_7", None), Trouble.UNCLEAR_REFUSAL),
        (409, error("RULE_7", "No."), Trouble.UNCLEAR_REFUSAL),
        (413, error("TOO_LARGE", "Too large."), Trouble.UNCLEAR_REFUSAL),
        (409, error("ORDER_ALREADY_CANCELLED", None), None),
        (401, error("INVALID_API_KEY", None), None),
        (503, error("MAINTENANCE", None), Trouble.NO_REASON),
    ],
)
def test_a_trouble_stands_in_for_words(status: int, body: object, trouble: Trouble | None) -> None:
    """A code says so if the gateway gave no message, or a no that is on no list."""
    assert read(status, body).trouble is trouble


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 429, 500, 503])
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(CONFIRMED, id="a confirmation"),
        pytest.param({"order_id": ORDER, "status": "processing"}, id="a confirmation of another status"),
        pytest.param(error("ORDER_ALREADY_CANCELLED") | {"statusCode": 200}, id="already cancelled with a 200 inside"),
        pytest.param(envelope(200, "No."), id="an envelope of a 200"),
    ],
)
def test_a_no_that_is_a_yes_proves_nothing(status: int, body: object) -> None:
    """An error status with the content of a success is neither."""
    answer = read(status, body)
    assert (answer.outcome, answer.repeat, answer.reason) == (UNKNOWN, True, None)
    assert answer.trouble is Trouble.CONTRADICTORY


BESIDE: list[dict[str, object]] = [
    {"success": True}, {"success": False}, {"ok": "true"}, {"cancelled": True}, {"cancelled": False}, {**CONFIRMED},
    {"data": {"order_id": ORDER, "status": "pending"}}, {"pending": True}, {"note": "fine"}, {"status": "processing"},
    {"message": "Nothing was cancelled"}, {"request_id": {"cancelled": False}}, {"details": {"cancelled": False}},
]  # fmt: skip
INSIDE: list[object] = [
    {"cancelled": False}, {"pending": True}, {"status": "pending"}, {"effective_at": "2099-01-01T00:00:00Z"},
    {"order_id": ORDER, "current_status": "pending"}, {"order_id": ORDER, "current_status": False},
    {"order_id": ORDER, "current_status": ["pending"]}, {"current_status": "pending"},
    {"reason": "no order was cancelled"}, ["cancelled: false"], "not cancelled", False,
]  # fmt: skip


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 429, 503])
@pytest.mark.parametrize(
    "body",
    [
        *(error("ORDER_ALREADY_CANCELLED") | more for more in BESIDE),
        *(error("ORDER_ALREADY_CANCELLED", details=details) for details in INSIDE),
        *(
            error("ORDER_ALREADY_CANCELLED", message)
            for message in (["Order is not cancelled"], {"en": "No"}, [1], 0.5)
        ),
        error("ORDER_ALREADY_CANCELLED", "Order is already cancelled.", success=False),
    ],
    ids=str,
)
def test_no_field_beside_a_reason_may_deny_it(status: int, body: object) -> None:
    """A field that is not documented may say the opposite, whatever its name is, and so may a text on no list."""
    answer = read(status, body)
    assert (answer.outcome, answer.reason) == (UNKNOWN, None)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 429, 500, 503])
@pytest.mark.parametrize(
    "details",
    [
        {"order_id": 999},
        {"orderId": "999"},
        {"orderID": "B-1"},
        {"order_ids": [12345, 999]},
        {"order": 999},
        {"order": "B-1"},
        {"order": {"id": 999}},
        {"order": {"Id": "B-1"}},
        {"orders": [{"id": 12345}, {"id": 999}]},
        {"id": 999},
        {"id": "999"},
        [{"orderId": [999]}],
        {"hint": "See order 999."},
        {"hint": "order id: 999"},
        {"hint": "Order no. B-1 was paid"},
        {"hint": "orders 12345, 999"},
        {"hint": "order (999)"},
        {"hint": "order 012345"},
        {"hint": "order 12345-2"},
    ],
    ids=str,
)
def test_a_no_about_another_order_proves_nothing(status: int, details: object) -> None:
    """Whatever the form of the ID and wherever it is, somebody may have mixed two answers up."""
    answer = read(status, error("ORDER_COMPLETED", "Order is completed", details=details), order_id="12345")
    assert (answer.outcome, answer.repeat, answer.reason) == (UNKNOWN, True, None)
    assert answer.trouble is Trouble.ANOTHER_ORDER


@pytest.mark.parametrize(
    "details",
    [
        {"order_id": "12345", "id": 77},
        {"order_id": 12345},
        {"order_id": None},
        {"order_id": ""},
        {"order": {"id": "12345"}},
        {"order": "The order is completed"},
        {"orders": [{"id": 12345}]},
        {"id": "rule-7"},
        {"code": "ORDER_4001"},
        {"hint": "The order was paid 30 minutes ago."},
        {"hint": "Order 30 minutes old"},
        {"hint": "Order #12345."},
        {"hint": "order_id 12345"},
        {"path": "/order/cancel?v=2"},
    ],
    ids=str,
)
def test_a_no_with_other_numbers_may_still_be_about_this_order(details: object) -> None:
    """A number that is no order's ID, and this order's ID in any form, name no other order."""
    answer = read(409, error("ORDER_COMPLETED", "Order is completed", details=details), order_id="12345")
    assert answer.trouble is not Trouble.ANOTHER_ORDER


@pytest.mark.parametrize("status", [400, 404, 409, 422, 429, 503])
@pytest.mark.parametrize(
    "body",
    [
        error("CANCELLATION_IN_PROGRESS", "Try later."),
        error(message="A cancellation of this order is already pending; you cannot cancel it again."),
        error(message="Order is being cancelled."),
        error(message="Order will be cancelled shortly"),
        error("CANCELLATION_SCHEDULED", "Cancellation has been scheduled"),
        error("ORDER_CANCELLATION_PENDING"),
        error("DUPLICATE_REQUEST", "No."),
        error("IDEMPOTENCY_CONFLICT", "This was already submitted."),
        envelope(409, "Cancellation requested"),
    ],
)
def test_a_no_because_a_cancel_is_under_way_proves_nothing(status: int, body: dict[str, object]) -> None:
    """Something on the way may have sent our call twice, so the cancel that is under way may be ours."""
    answer = read(status, body | ({"statusCode": status} if "statusCode" in body else {}))
    assert (answer.outcome, answer.repeat) == (UNKNOWN, True)


@pytest.mark.parametrize(
    "body",
    [
        error("CONFLICT", "Conflicting operation."),
        error("VERSION_CONFLICT", "The order was changed by another request. Reload it."),
        error("INVALID_REQUEST", "order_id must be text"),
        error("ORDER_NOT_CANCELLABLE", "Order is being processed and cannot be cancelled"),
        error("ORDER_NOT_CANCELLABLE", "Order is processing"),
        error("ORDER_LOCKED"),
        envelope(409, "Response schema mismatch"),
    ],
)
def test_a_no_on_no_list_is_not_final_and_is_not_repeated(body: object) -> None:
    """Nobody knows what it means for the order, and the same no would come again: people decide what to do."""
    answer = read(409, body)
    assert (answer.outcome, answer.repeat, answer.trouble) == (UNKNOWN, False, Trouble.UNCLEAR_REFUSAL)


def test_a_503_cannot_know_that_the_order_is_cancelled() -> None:
    """A gateway that says "not now" and "already cancelled" at once has perhaps done the work."""
    answer = read(503, error("ORDER_ALREADY_CANCELLED"), {"Retry-After": "7"})
    assert (answer.outcome, answer.repeat, answer.retry_after) == (UNKNOWN, True, 7.0)


@pytest.mark.parametrize("status", [400, 401, 403])
@pytest.mark.parametrize(
    "body, reason",
    [
        (error("UNAUTHORIZED", "X-Timestamp is more than five minutes off."), Reason.CLOCK),
        (error("INVALID_TIMESTAMP", "Unauthorized"), Reason.CLOCK),
        (error("InvalidTimestamp"), Reason.CLOCK),
        (error("INVALID_TIMESTAMP", "Bad 'x_timestamp'"), Reason.CLOCK),
        (error("UNAUTHORIZED", "The timestamp has expired"), Reason.CLOCK),
        (error("RequestTimeTooSkewed", "Request denied."), Reason.CLOCK),
        (error("FORBIDDEN", "Request has expired"), Reason.CLOCK),
        (error("INVALID_API_KEY", "Unknown key"), Reason.CREDENTIALS),
        (error("UNAUTHORIZED", "Invalid API key"), Reason.CREDENTIALS),
        (error("MissingApiKey", "No key."), Reason.CREDENTIALS),
        (error("invalid_credentials"), Reason.CREDENTIALS),
        (error("ACCOUNT_SUSPENDED", "Account suspended"), Reason.TURNED_AWAY),
        (error("IP_NOT_ALLOWED", "Your IP is not on the allow list"), Reason.TURNED_AWAY),
        (error("UNAUTHORIZED", "Unauthorized"), Reason.TURNED_AWAY),
        (error("FORBIDDEN", details={"order_id": ORDER}), Reason.TURNED_AWAY),
        (error("UNAUTHORIZED", "API key is not valid"), Reason.CREDENTIALS),
        (error("UNAUTHORIZED", "API key is missing from the request"), Reason.CREDENTIALS),
        (error("UNAUTHORIZED", "The timestamp is not within 5 minutes"), Reason.CLOCK),
        (error("CLOCK_SKEW", "Server clock is behind"), Reason.CLOCK),
        # Two causes, or another one than the code says.
        (error("UNAUTHORIZED", "Invalid API key or timestamp"), Reason.TURNED_AWAY),
        (error("UNAUTHORIZED", "Key or clock wrong"), Reason.TURNED_AWAY),
        (error("UNAUTHORIZED", "Timestamp valid; API key invalid."), Reason.TURNED_AWAY),
        (error("INVALID_CREDENTIALS", "Invalid credentials or timestamp"), Reason.TURNED_AWAY),
        (error("INVALID_API_KEY", "The timestamp is too old"), Reason.TURNED_AWAY),
        (error("INVALID_TIMESTAMP", "Missing API key"), Reason.TURNED_AWAY),
        (error("AUTHENTICATION_REQUIRED", "X-App-Id, X-Api-Key and X-Timestamp header required"), Reason.TURNED_AWAY),
        # A timestamp that did not arrive says nothing about a clock, nor does one that is fine.
        (error("MISSING_TIMESTAMP"), Reason.TURNED_AWAY),
        (error("UNAUTHORIZED", "Missing X-Timestamp header"), Reason.TURNED_AWAY),
        (error("INVALID_TIMESTAMP", "X-Timestamp header is missing"), Reason.TURNED_AWAY),
        (error("UNAUTHORIZED", "No timestamp"), Reason.TURNED_AWAY),
        (error("UNAUTHORIZED", "Timestamp is valid"), Reason.TURNED_AWAY),
        (error("UNAUTHORIZED", "Authentication or timestamp failed"), Reason.TURNED_AWAY),
        (error("UNAUTHORIZED", "The clock is not wrong"), Reason.TURNED_AWAY),
        (error("FORBIDDEN", "API key valid"), Reason.TURNED_AWAY),
        # The key is named, but what is wrong is the address, the account or the permission.
        (error("IP_NOT_ALLOWED", "This API key is not allowed from your IP address"), Reason.TURNED_AWAY),
        (error("FORBIDDEN", "This API key is not allowed from your IP address"), Reason.TURNED_AWAY),
        (error("ACCOUNT_SUSPENDED", "The account of this API key is suspended"), Reason.TURNED_AWAY),
        (error("FORBIDDEN", "API key has insufficient permissions"), Reason.TURNED_AWAY),
    ],
)
def test_a_call_that_was_turned_away(status: int, body: object, reason: Reason) -> None:
    """The credentials and the clock are blamed only where a listed code or sentence does so."""
    answer = read(status, body, {"Date": "Mon, 23 Nov 2026 12:15:00 GMT"})
    assert (answer.outcome, answer.repeat, answer.reason) == (NOT_SENT, False, reason)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409])
@pytest.mark.parametrize(
    "body",
    [
        error("FORBIDDEN", "Order timestamp is outside of the cancellation window"),
        error("REPLAY_DETECTED", "X-Timestamp was already used"),
        error("INVALID_TIMESTAMP", "This timestamp was already used"),
        error("UNAUTHORIZED", "Token expired during processing; the order has been cancelled."),
        error("INVALID_API_KEY", "Order has been changed"),
        error("INVALID_API_KEY", details={"order_id": ORDER, "current_status": "cancelled"}),
        error("INVALID_API_KEY") | {"data": {"status": "cancelled"}},
        error("ORDER_FORBIDDEN", "This order belongs to another merchant"),
        error("RISK_REVIEW", "This order is under risk review and cannot be changed"),
        error("ORDER_LOCKED", "Invalid API key"),
        envelope(401, "Invalid API key"),
    ],
)
def test_only_listed_words_prove_that_a_call_was_turned_away(status: int, body: dict[str, object]) -> None:
    """Anything else may speak of the order, or of a first copy of the call that took effect."""
    answer = read(status, body | ({"statusCode": status} if "statusCode" in body else {}))
    assert (answer.outcome, answer.repeat, answer.reason) == (UNKNOWN, False, None)
    assert answer.trouble is Trouble.UNCLEAR_REFUSAL


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    "body, outcome",
    [
        (error("RATE_LIMIT_EXCEEDED", "Too many requests."), NOT_SENT),
        (error("TooManyRequests", "Slow down, please: only 100 requests per minute."), NOT_SENT),
        (error("RATE_LIMITED", "Rate limit exceeded. Try again in 30 seconds.", details={"retry_after": 30}), NOT_SENT),
        (error("SERVICE_UNAVAILABLE", "The service is temporarily unavailable. Please try again later."), NOT_SENT),
        (error("MAINTENANCE"), NOT_SENT),
        (error("SERVICE_UNAVAILABLE", "Upstream timed out"), UNKNOWN),
        (error("SERVICE_UNAVAILABLE", "The cancellation continues in the background."), UNKNOWN),
        (error("SERVICE_UNAVAILABLE", "Your request is being processed"), UNKNOWN),
        (error("PROCESSING_TIMEOUT", "Try again later."), UNKNOWN),
        (error("UPSTREAM_TIMEOUT", "Try again later."), UNKNOWN),
        (error("MAINTENANCE", details={"order_id": ORDER, "current_status": "cancelled"}), UNKNOWN),
        (error("MAINTENANCE") | {"queued": True}, UNKNOWN),
        (envelope(503, "Too many requests."), UNKNOWN),
    ],
)
def test_only_listed_words_prove_that_nothing_was_done(status: int, body: dict[str, object], outcome: Outcome) -> None:
    """A proxy's timeout comes after the effect, and a gateway may go on with the work after it answered."""
    answer = read(status, body | ({"statusCode": status} if "statusCode" in body else {}))
    assert (answer.outcome, answer.repeat, answer.reason) == (outcome, True, None)


@pytest.mark.parametrize(
    "message",
    [
        "We retry your request in 5 minutes",
        "System busy. We retry your request in 5 minutes.",
        "The server must retry your request",
        "The system is to try it again later",
        "Retry of your request is on",
        "Your request reached the server",
        "Your request reached the server. Please wait.",
        "Rate limit reached the server",
        "Your request is in the system",
        "Your requests are in the system",
        "1 request is at the server. Please wait.",
        "Only 1 request per ID is allowed",
        "Slow down, we are on it.",
        "Too many requests. " * 30,
    ],
)
def test_a_word_about_an_earlier_call_is_no_later(message: str) -> None:
    """The gateway may have the call, or go on with it, so it does not say that it took none."""
    for status, code in ((429, "RATE_LIMIT_EXCEEDED"), (503, "SERVICE_UNAVAILABLE"), (503, "MAINTENANCE")):
        answer = read(status, error(code, message))
        assert (answer.outcome, answer.repeat, answer.reason) == (UNKNOWN, True, None)


@pytest.mark.parametrize(
    "message",
    [
        "Please retry later",
        "Please retry your request in 5 minutes",
        "Service unavailable, please try again in 5 minutes.",
        "Try again later",
        "Rate limit reached",
        "Your rate limit is exceeded.",
        "Rate limit of 10 requests per minute exceeded",
        "Server is overloaded. Retry in 10 seconds.",
    ],
)
def test_a_plain_later_has_many_words(message: str) -> None:
    """A sentence about what the caller should do says nothing about an earlier call."""
    assert read(429, error("RATE_LIMITED", message)).outcome is NOT_SENT


@pytest.mark.parametrize(
    "message",
    [
        "Only 1 request per ID is allowed.",
        "Timestamp must be ahead of the past request.",
        "Timestamp must be later than that of your request",
        "Request id is not allowed again.",
        "No more requests allowed for this order",
        "Access denied. We retry your request.",
    ],
)
def test_a_word_about_an_earlier_call_is_no_denial(message: str) -> None:
    """Something on the way may have sent the call twice, and the first copy may have cancelled the order."""
    for code in ("FORBIDDEN", "UNAUTHORIZED", "INVALID_TIMESTAMP"):
        answer = read(403, error(code, message))
        assert (answer.outcome, answer.reason) == (UNKNOWN, None)


@pytest.mark.parametrize(
    "value, outcome",
    [
        (30, NOT_SENT),
        ("30", NOT_SENT),
        ("2026-11-23T12:00:30Z", NOT_SENT),
        ("Mon, 23 Nov 2026 12:00:30 GMT", NOT_SENT),
        (None, NOT_SENT),
        ("never: the order is being cancelled", UNKNOWN),
        ("30 seconds, the order is being cancelled", UNKNOWN),
        (False, UNKNOWN),
    ],
)
def test_a_pause_is_a_number_or_a_time(value: object, outcome: Outcome) -> None:
    """Any other text in its field may speak of the order."""
    assert read(503, error("SERVICE_UNAVAILABLE", "", details={"retry_after": value})).outcome is outcome


PUMPS = [
    "1", "a", "a1", "-", " ", "\t", "order ", "order 1", "order,", "ord_", "cancellation ", " on 2026-11-26", "_", "'",
    "aA", "and ", "no. ", "%25", "\\", "&#", "1 minutes ",
]  # fmt: skip


@pytest.mark.parametrize("pump", PUMPS)
def test_a_hostile_text_is_soon_read(pump: str) -> None:
    """No pattern looks at the same sign again and again: with one that does, this takes longer than a test may."""
    text = (pump * 60_000)[: 60_000 // (pump.count("\\") + 1)]
    for around in (f"order {text} minutes", f"{text}!", f"order{text}x"):
        for body in (error("X", around), error("X", "No.", details={"order": around}), error(around[:30_000])):
            for status in (200, 401, 409, 503):
                assert read(status, body).outcome is UNKNOWN
        assert read(200, CONFIRMED | {"cancelled_at": around, "message": around}).outcome is UNKNOWN


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    "text, seconds",
    [
        ("0", 0.0),
        ("7", 7.0),
        (" 7 ", 7.0),
        ("900", 900.0),
        ("901", LONGEST_RETRY_AFTER),
        ("9" * 5000, LONGEST_RETRY_AFTER),
        ("Mon, 23 Nov 2026 12:00:30 GMT", 30.0),
        ("Mon, 23 Nov 2026 12:00:30 -0000", 30.0),
        ("Mon, 23 Nov 2026 13:00:30 +0100", 30.0),
        ("Mon, 23 Nov 2026 11:59:00 GMT", 0.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", LONGEST_RETRY_AFTER),
        ("Fri, 31 Dec 9999 23:59:59 -2300", None),
        ("-5", None),
        ("1.5", None),
        ("٣", None),
        ("soon", None),
        ("", None),
        ("5, 7", None),
        ("Mon, 99 Nov 2026 12:00:30 GMT", None),
    ],
)
def test_retry_after(status: int, text: str, seconds: float | None) -> None:
    """Seconds or an HTTP date count up to the cap, from the gateway and from a page; anything else does not."""
    for body in (error("LATER", "Later."), b"<html>Later.</html>"):
        assert read(status, body, {"Retry-After": text}).retry_after == seconds


@pytest.mark.parametrize("status", [200, 302, 401, 409, 500])
def test_retry_after_counts_only_for_not_now(status: int) -> None:
    """Other answers have a pause of the worker's own."""
    assert read(status, error(), {"Retry-After": "7"}).retry_after is None


def test_dates_are_aware() -> None:
    """The gateway's clock is compared with ours, so it must be in UTC."""
    at = parse_date("Mon, 23 Nov 2026 13:00:30 +0100")
    assert at == NOW + timedelta(seconds=30)
    assert at is not None
    assert at.tzinfo is UTC


@pytest.mark.parametrize(
    "text, line",
    [
        ("  two\r\nlines\tand\u2028more ", "two lines and more"),
        ("\x1b[31mred\x00\x07", "[31mred"),
        ("abc\u202edef\u200b", "abcdef"),
        ("a\ud800b", "ab"),
        ("é ☃ 取消", "é ☃ 取消"),
        (f"bad key {KEY}!", "bad key ***!"),
        ("bad key dvpay-\u200bkey-5f1c", "bad key ***"),
        ("x" * 300, "x" * 300),
        ("x" * 301, "x" * 299 + "…"),
        ("x" * 290 + KEY, "x" * 290 + "***"),
    ],
)
def test_text_of_the_gateway_is_made_fit_to_show(text: str, line: str) -> None:
    """One line, nothing invisible, not the key, and not too long."""
    assert shown(text, [KEY]) == line


def test_a_key_with_inner_spaces_is_replaced() -> None:
    """The key is found before spaces are squeezed and after."""
    assert shown("no: a  b", ["a  b"]) == "no: ***"
    assert shown("no: a\nb", ["a b"]) == "no: ***"


ENCODINGS: dict[str, Callable[[str], str]] = {
    "percent": lambda key: quote(key, safe=""),
    "percent, twice": lambda key: quote(quote(key, safe=""), safe=""),
    "JSON": lambda key: json.dumps(key).replace("/", "\\/"),
    "JSON, with numbers": lambda key: key.replace("/", "\\u002f").replace("+", "\\u002B"),
    "HTML": lambda key: key.replace("/", "&#x2F;").replace("+", "&plus;"),
    "Base64": lambda key: b64encode(key.encode()).decode(),
    "Base64, after a name": lambda key: b64encode(f"bot:{key}".encode()).decode(),
    "Base64, after a letter": lambda key: b64encode(f"a{key}b".encode()).decode(),
    "Base64, for addresses": lambda key: urlsafe_b64encode(key.encode()).decode(),
    "hexadecimal": lambda key: key.encode().hex(),
    "lower case": str.lower,
    "upper case": str.upper,
    "without its end": lambda key: key[:-3],
    "without its beginning": lambda key: key[3:],
    "on two lines": lambda key: f"{key[:10]}\n{key[10:]}",
    "with a space": lambda key: f"{key[:6]} {key[6:]}",
    "in quotes": lambda key: f'{{"X-Api-Key":"{key[:-1]}"}}',
}


@pytest.mark.parametrize("name", ENCODINGS)
@pytest.mark.parametrize("key", ["dv_live/9aF+x/2Q==", "sk_live_0123456789abcdefABCDEF", "7f3c1b0e-5a44-4d1e-9c55-0d"])
def test_a_key_is_replaced_in_every_form(name: str, key: str) -> None:
    """Neither an encoding, nor another case, nor a part that is missing lets a key be read."""
    echo = ENCODINGS[name](key)
    line = shown(f"The key {echo} is wrong", [key])
    assert re.fullmatch(r"The key (\*\*\* ?|\W)+ is wrong", line), line
    answer = read(409, error("X", f"Bad {echo}", request_id=echo), secrets=(key,))
    assert "***" in answer.message
    assert "***" in answer.request_id


def test_a_word_that_has_little_of_a_key_stays() -> None:
    """Order IDs, times and words of the gateway can be read."""
    text = "Order ord_live_77 was paid 2026-11-23T12:00:00Z, request req_0123456"
    assert shown(text, ["dv_live/9aF+x/2Q==", "app-1", "sk_live_0x12y34z567"]) == text


def test_every_secret_is_replaced() -> None:
    """No part of the longer one is left over, and an empty one does not sprinkle stars over the text."""
    assert shown("app-1 and app-1-key", ["", "app-1", "app-1-key"]) == "*** and ***"
    assert shown("abc", [""]) == "abc"


def test_the_secrets_are_replaced_in_every_field() -> None:
    """A key or an app ID that the gateway echoes reaches no field of an answer."""
    app = "app-77c0"
    for secret in (KEY, app):
        answers = [
            read(401, error(f"X{secret}", secret, request_id=secret), secrets=(KEY, app)),
            read(200, CONFIRMED | {"request_id": secret}, secrets=(KEY, app)),
            read(200, CONFIRMED | {"status": secret}, secrets=(KEY, app)),
            read(200, envelope(200, [secret, secret], traceId=secret), secrets=(KEY, app)),
            read(400, error(f"X{secret}", secret), secrets=(KEY, app)),
        ]
        assert [answer for answer in answers if secret in repr(answer)] == []
        assert all("***" in repr(answer) for answer in answers)


def test_long_names_are_cut() -> None:
    """Code, request ID, status and time are bounded, as they go into messages and the record."""
    answer = read(409, error("c" * 9000, "m" * 9000, request_id="r" * 9000))
    assert [len(text) for text in (answer.message, answer.code, answer.request_id)] == [300, 100, 100]
    assert len(read(200, CONFIRMED | {"cancelled_at": "t" * 9000}).cancelled_at) == 0
    assert len(read(200, CONFIRMED | {"status": "s" * 9000}).trouble_about) == 100


names = st.text(max_size=5) | st.sampled_from(
    ["order_id", "orderId", "status", "error", "code", "message", "data", "details", "statusCode", "traceId", "success",
     "current_status", "request_id", "errors"],
)  # fmt: skip
scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(
    [ORDER, "ord_other", "cancelled", "CANCELED", "paid", "Order is already cancelled", "ORDER_ALREADY_CANCELLED", 200,
     1696435200],
)  # fmt: skip
json_values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
    max_leaves=12,
)
likely = st.fixed_dictionaries(
    {},
    optional={
        "error": st.fixed_dictionaries(
            {}, optional=dict.fromkeys(("code", "message", "details", "request_id"), json_values),
        ) | json_values,
        "data": st.fixed_dictionaries(
            {}, optional={"orderId": scalars, "status": scalars, "cancelledAt": scalars},
        ) | json_values,
        "statusCode": st.sampled_from([200, 201, 409]) | json_values,
        "order_id": json_values | st.just(ORDER),
        "status": json_values | st.just("cancelled"),
        "cancelled_at": json_values | st.just("2025-10-04T11:15:00Z"),
        "message": json_values,
    },
)  # fmt: skip
bodies = (
    st.binary() | st.binary().map(gzip.compress) | (likely | json_values).map(lambda body: json.dumps(body).encode())
)


def _values(body: Any) -> list[Any]:
    """Return everything inside this JSON, and itself."""
    inner = list(body.values()) if isinstance(body, dict) else body if isinstance(body, list) else []
    return [body, *(value for part in inner for value in _values(part))]


@given(
    status=st.integers(100, 999) | st.sampled_from([200, 201, 202, 400, 401, 404, 409, 429, 503]),
    headers=st.dictionaries(
        st.sampled_from(["Retry-After", "Date", "Content-Encoding"]),
        st.text() | st.integers().map(str) | st.datetimes().map(lambda at: f"{at:%a, %d %b %Y %H:%M:%S} GMT"),
    ),
    body=bodies,
    broken_off=st.booleans(),
    order_id=st.text(min_size=1) | st.just(ORDER),
)
def test_nothing_raises_and_nothing_else_confirms(
    status: int, headers: dict[str, str], body: bytes, broken_off: bool, order_id: str,
) -> None:  # fmt: skip
    """Every reply gives an answer in bounds, and "cancelled" only for the exact order with a cancelled status."""
    answer = read_answer(Reply(status, headers, body, broken_off), order_id, now=NOW, secrets=[KEY])
    if answer.outcome is Outcome.CANCELLED:
        assert status in {200, 201}
        assert not broken_off
        inside = _values(json.loads(body))
        texts = [str(value) for value in inside if type(value) in {str, int}]
        assert order_id in texts
        assert any(text.lower() in {"cancelled", "canceled"} for text in texts)
    else:
        assert answer.message or answer.trouble or answer.reason
    assert len(answer.message) <= 300
    assert answer.message.isprintable()
    assert answer.retry_after is None or 0 <= answer.retry_after <= LONGEST_RETRY_AFTER
    match answer.outcome:
        case Outcome.REFUSED:
            assert answer.reason not in {None, Reason.CREDENTIALS, Reason.CLOCK, Reason.TURNED_AWAY}
            assert status in {400, 404, 409, 422}
            assert not answer.repeat
        case Outcome.NOT_SENT:
            assert answer.reason in {None, Reason.CREDENTIALS, Reason.CLOCK, Reason.TURNED_AWAY}
            assert answer.repeat is (answer.reason is None)
            assert status in {400, 401, 403, 429, 503}
        case _:
            assert answer.reason is None
            assert answer.repeat or answer.outcome is Outcome.CANCELLED or 400 <= status < 500


@given(body=likely, status=st.sampled_from([200, 201, 202]), order_id=st.just(ORDER))
def test_a_likely_success_confirms_only_this_order(body: dict[str, Any], status: int, order_id: str) -> None:
    """Among answers that are nearly right, only an object with both the order and the status confirms."""
    answer = read(status, body, order_id=order_id)
    data = body.get("data")
    parts = [part for part in (body, data) if isinstance(part, dict)]
    plain = [
        part for part in parts
        if ORDER in (part.get("order_id"), part.get("orderId"))
        and str(part.get("status")).lower() in {"cancelled", "canceled"}
    ]  # fmt: skip
    assert answer.outcome is not Outcome.CANCELLED or (plain and status != 202)
