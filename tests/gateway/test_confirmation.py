"""The confirmation of a cancellation: plain ones count, and whatever else may be in a success leaves it unknown."""

import copy
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given, strategies as st

from bot.domain.attempt import Outcome, Trouble
from bot.gateway.confirmation import is_cancelled, is_plain
from bot.gateway.shapes import recognise
from tests.gateway.replies import CAMEL, CONFIRMED, NOW, ORDER, envelope, error, read

CONFIRMATION_NAMES = {
    "order_id", "orderId", "status", "cancelled_at", "cancelledAt", "canceled_at", "canceledAt", "request_id",
    "requestId", "traceId", "trace_id", "statusCode", "message", "data", "success", "code", "error", "amount",
    "currency", "transaction_id", "transactionId", "createTimeMilli",
}  # fmt: skip
"""Every field that may be there, written down once more so that it does not follow the code."""


def confirms(body: object, *, order_id: str = ORDER) -> bool:
    """Return True if a 200 with this body confirms; anything else must be unknown and repeated."""
    answer = read(200, body, order_id=order_id)
    assert answer.outcome is Outcome.CANCELLED or (answer.outcome is Outcome.UNKNOWN and answer.repeat)
    return answer.outcome is Outcome.CANCELLED


def without(body: dict[str, Any], name: str) -> dict[str, Any]:
    """Return the object without this field."""
    return {other: value for other, value in body.items() if other != name}


PLAIN: list[dict[str, Any]] = [
    CONFIRMED,
    CAMEL,
    CONFIRMED | {"status": "Cancelled"},
    CONFIRMED | {"status": "CANCELED"},
    CONFIRMED | {"orderId": ORDER},
    CONFIRMED | {"cancelledAt": 1696435200},
    {"order_id": ORDER, "status": "canceled", "canceled_at": "2025-10-04T11:15:00Z"},
    {"orderId": ORDER, "status": "CANCELED", "canceledAt": "2025-10-04T11:15:00Z"},
    CONFIRMED | {"request_id": "req_1", "requestId": "1f-1", "traceId": "84c1fd40", "trace_id": 7},
    CONFIRMED | {"request_id": None, "message": None, "error": None, "code": None},
    CONFIRMED | {"statusCode": 200, "code": 0, "success": True},
    CONFIRMED | {"code": "SUCCESS", "message": "Order cancelled."},
    CONFIRMED | {"code": "ORDER_CANCELLED"},
    CONFIRMED | {"amount": 12.5, "currency": "USD", "transaction_id": "tx-17", "createTimeMilli": 1696435200000},
    CONFIRMED | {"amount": "12.50", "currency": "khr", "transactionId": 17},
    CONFIRMED | {"amount": None, "currency": None, "transactionId": None, "createTimeMilli": None},
    envelope(200, "Success", CAMEL),
    envelope(200, "", CONFIRMED),
    envelope(200, None, CONFIRMED),
    envelope(200, "OK", CAMEL | {"amount": 5, "currency": "USD", "transactionId": "T1"}),
    envelope(200, "Success", CAMEL, order_id=ORDER, status="CANCELLED"),
    envelope(200, "Success", CAMEL | {"message": "Order cancelled", "success": True, "code": "200"}),
    envelope(200, f"Order {ORDER} cancelled", CONFIRMED, code="200", error=None),
    {"statusCode": 200, "data": CONFIRMED},
    {"statusCode": 200, "traceId": "t", **CONFIRMED},
]


@pytest.mark.parametrize("body", PLAIN)
def test_a_plain_confirmation_has_many_forms(body: dict[str, Any]) -> None:
    """The documented fields count under the names of either version, flat or in the envelope."""
    assert confirms(body)
    assert confirms(json.dumps(body).encode("utf-8-sig") + b"\r\n")


@pytest.mark.parametrize("body", PLAIN)
def test_each_confirmation_is_about_one_order(body: dict[str, Any]) -> None:
    """The same body confirms no other order."""
    for order_id in ("ord_other", ORDER.upper(), f"{ORDER}9", ORDER[:-1], "200", "17"):
        assert not confirms(body, order_id=order_id)


@pytest.mark.parametrize("body", PLAIN)
def test_each_confirmation_needs_its_order_its_status_and_its_time(body: dict[str, Any]) -> None:
    """Without one of the documented fields there is no confirmation."""
    for names in (("order_id", "orderId"), ("status",), ("cancelled_at", "cancelledAt", "canceled_at", "canceledAt")):
        less = copy.deepcopy(body)
        for part in (less, less.get("data")):
            for name in names:
                if isinstance(part, dict):
                    part.pop(name, None)
        assert not confirms(less)


def test_a_whole_number_as_order_id_is_the_same_order() -> None:
    """Newer examples of the gateway write order IDs as whole numbers, which we hold as text."""
    for number in (1042, "1042"):
        assert confirms(CONFIRMED | {"order_id": number}, order_id="1042")
        assert confirms(envelope(200, "", CAMEL | {"orderId": number}), order_id="1042")


@pytest.mark.parametrize(
    "number, order_id",
    [
        (12.0, "12"),
        ("012", "12"),
        ("12 ", "12"),
        ("\uff11\uff12", "12"),
        (True, "1"),
        (True, "True"),
        (10.0, "10"),
        (None, "None"),
    ],
)
def test_a_number_that_is_only_similar_is_another_order(number: object, order_id: str) -> None:
    """No other way to write a number makes it the same order."""
    assert not confirms(CONFIRMED | {"order_id": number}, order_id=order_id)


FINE = [
    "", "OK", "ok", "Ok.", "Success", "SUCCESS", "Success!", "Successful", "Order cancelled", "Order canceled.",
    "Order cancelled successfully", "Order successfully cancelled", "ORDER CANCELLED", "Order is cancelled",
    "Order was cancelled", "Order has been cancelled", "The order has been cancelled",
    "The order has been cancelled successfully.", "The order was successfully cancelled", "This order is cancelled",
    "Your order has been canceled", f"Order {ORDER} cancelled", f"Order {ORDER} has been cancelled.",
    f"The order '{ORDER}' was cancelled successfully", f"{ORDER} cancelled", f"Order with ID {ORDER} is cancelled",
    "order_cancelled", " Order  cancelled ",
]  # fmt: skip


@pytest.mark.parametrize("message", FINE)
def test_a_message_that_is_a_plain_yes_may_be_there(message: str) -> None:
    """A few whole sentences say the same as the status, with this order's ID or without."""
    assert confirms(CONFIRMED | {"message": message})
    assert confirms(envelope(200, message, CAMEL))
    assert confirms(envelope(200, "Success", CAMEL | {"message": message}))


DENIALS = [
    # A no without the word "not".
    "No order was cancelled.",
    "No order was cancelled",
    "Nothing was cancelled",
    "None of the orders was cancelled",
    "The order can no longer be cancelled",
    "The order was never cancelled",
    "The order is hardly cancelled",
    "Cancellation refused",
    "Cancellation rejected",
    "Cancellation is impossible",
    "Cancellation failed",
    "Cancellation denied by the bank",
    "Cancellation reverted",
    "Cancellation skipped",
    "Cancellation ignored",
    "Invalid state transition",
    "Illegal state",
    "Closed without cancelling",
    "Session expired",
    "Order locked",
    "Order completed",
    "Order is paid",
    "Order uncancelled",
    "Refund it instead",
    "Too late",
    "Timeout",
    "Unauthorized",
    "Service Unavailable",
    "Insufficient permissions",
    "Dry run",
    "Simulated: order cancelled",
    "Test mode: order cancelled",
    # A no with it.
    "Order not cancelled",
    "Order was not cancelled",
    "It was not cancelled",
    "The order could not be cancelled",
    "Order cannot be cancelled",
    "Order can't be cancelled",
    "Order can\u2019t be cancelled",
    "Unable to cancel",
    "Not OK",
    "No success",
    "Unsuccessful",
    "Success: false",
    "Order cancelled = false",
    # Not yet, or only perhaps.
    "Cancellation is pending",
    "Cancellation requested",
    "Cancellation queued for review",
    "Cancellation request accepted for processing",
    "The order is scheduled to be cancelled",
    "Order will be cancelled when the batch runs",
    "Order is being cancelled",
    "Order can be cancelled",
    "Order should be cancelled",
    "Order may be cancelled",
    "Order cancelled?",
    "Is the order cancelled?",
    "Order cancelled on 2099-01-01",
    "Order cancelled at 2026-12-31T00:00:00Z",
    "Order cancelled if nobody objects",
    "Order cancelled, then reinstated",
    "Order cancelled. Or not.",
    "Order is almost cancelled",
    "Order partially cancelled",
    "Processing",
    "Accepted",
    "Received",
    # Something else was cancelled.
    "Cancelled",
    "context canceled",
    "Request cancelled",
    "Order line cancelled",
    "Orders cancelled",
    "The other order has been cancelled",
    "An order has been cancelled",
    "Order ord_other cancelled",
    "Order 1042 cancelled",
    f"Order {ORDER}9 cancelled",
    f"Order {ORDER} and ord_other cancelled",
    # Letters that look like others, and letters that nobody sees.
    "Order no\u200bt cancelled",
    "Order n\u2010ot cancelled",
    "Order cancelle\u0501",
    "\u041erder cancelled",
    "Order cancelled\u200b",
    "Order\u00a0cancelled",
    "Order cancelled\u202e",
    "O\u212a",
    "Succe\u017f\u017f",
    "\uff2f\uff2b",
    "\u179a\u1794\u179f\u17cb",
    "OK\x00",
    # Noise.
    "OK OK",
    "Success, order cancelled",
    "cancelled order",
    "Order cancelled " * 30,
    "?",
]


@pytest.mark.parametrize("message", DENIALS)
def test_any_other_message_is_no_confirmation(message: str) -> None:
    """Prose can deny in more ways than a list of words can have, so only the short list of sentences counts."""
    assert not confirms(CONFIRMED | {"message": message})
    assert not confirms(envelope(200, message, CAMEL))
    assert not confirms(envelope(200, "Success", CAMEL | {"message": message}))


@pytest.mark.parametrize("message", [["Order cancelled"], [], {"en": "Order cancelled"}, True, 0, 200, 1.5])
def test_a_message_is_text(message: object) -> None:
    """A list, an object or a number is no sentence."""
    assert not confirms(CONFIRMED | {"message": message})


DOUBTS: list[tuple[str, object]] = [
    # A no under another name.
    ("isSuccess", False), ("is_success", False), ("isSuccess", True), ("Success", True), ("SUCCESS", "N"),
    ("success", False), ("success", "true"), ("success", 1), ("success", None), ("ok", True), ("ok", False),
    ("isError", True), ("is_error", True), ("hasError", True), ("has_errors", True), ("err", "boom"), ("Err", 1),
    ("errmsg", "invalid credential"), ("errcode", 40001), ("errorMsg", "cannot"), ("error_msg", "cannot"),
    ("error_description", "could not cancel"), ("errorCode", 17), ("error_code", "E1"), ("error", "no"),
    ("error", True), ("error", False), ("error", ""), ("error", {}), ("error", []), ("error", {"code": "E1"}),
    ("errors", ["no"]), ("errors", []), ("Error", None), ("fault", {"a": 1}), ("failed", True), ("failed", 0),
    ("failure", "yes"), ("exception", "java.lang.Error"), ("resultCode", "E1001"), ("result_code", "FAIL"),
    ("responseCode", "05"), ("returnCode", 1), ("result", "rejected"), ("result", None), ("outcome", "FAILURE"),
    ("accepted", False), ("applied", False), ("committed", False), ("completed", False), ("effective", False),
    ("cancelled", False), ("cancelled", True), ("isCanceled", "no"), ("failure_reason", "locked"),
    ("failureReason", "locked"), ("reject_reason", "locked"), ("rejected_at", "2026-11-23"), ("failed_at", "2026"),
    ("reason", "Order could not be cancelled"), ("reason", "typed twice"), ("reason", None),
    ("detail", "Order could not be cancelled"), ("details", "no"), ("details", {}), ("msg", "No order was cancelled"),
    ("warning", "nothing was cancelled"), ("warnings", ["order was not cancelled"]), ("note", "not cancelled"),
    ("info", "fine"), ("description", "not cancelled"), ("text", "no"), ("comment", "not yet"),
    ("Message", "not cancelled"), ("MESSAGE", "not cancelled"), ("messages", ["no"]), ("title", "Conflict"),
    # Another state.
    ("payment_status", "completed"), ("paymentStatus", "PAID"), ("cancellation_status", "pending"),
    ("cancel_status", "failed"), ("refund_status", "failed"), ("new_status", "processing"),
    ("previous_status", "pending"), ("order_status", "processing"), ("order_status", "cancelled"),
    ("current_state", "paid"), ("state", "cancelled"), ("Status", "processing"), ("STATUS", "cancelled"),
    ("statuses", ["cancelled"]), ("from", "pending"), ("to", "cancelled"), ("requested_status", "cancelled"),
    ("httpStatus", 200), ("http_status", 500), ("status_code", 200), ("statusCode", "200"), ("statusCode", "409"),
    ("statusCode", True), ("statusCode", None), ("statusText", "OK"), ("code", "ORDER_LOCKED"), ("code", 500),
    ("code", 1001), ("code", 422), ("code", "00"), ("code", True), ("code", False), ("code", "CANCELLED"),
    ("code", "REQUEST_CANCELLED"), ("code", "O\u212a"), ("code", ""), ("code", []), ("code", 200.5), ("code", 204),
    # Only a rehearsal.
    ("dry_run", True), ("dryRun", True), ("simulated", True), ("sandbox", True), ("test", True), ("mock", True),
    ("livemode", False), ("mode", "test"), ("preview", True), ("cached", True), ("stale", True), ("retry", True),
    ("pending", True), ("queued", True), ("queue_position", 3), ("scheduled_at", "2026-12-01T00:00:00Z"),
    ("expires_at", "2026-12-01T00:00:00Z"), ("effective_at", "2026-12-01T00:00:00Z"),
    # Another order.
    ("id", "ord_2"), ("id", ORDER), ("order_ids", ["ord_2"]), ("order", {"id": "ord_2", "status": "cancelled"}),
    ("orders", [CONFIRMED]), ("orderID", "ord_2"), ("OrderId", "ord_2"), ("OrderId", ORDER), ("ORDER_ID", "ord_2"),
    ("orderid", "ord_2"), ("order_number", "ord_2"), ("merchant_order_id", "ord_2"), ("orderId", "ord_2"),
    ("orderId", True), ("orderId", None), ("orderId", [ORDER]), ("orderId", ""), ("orderId", f"{ORDER}\u200b"),
    ("orderId", ORDER.replace("o", "\u043e")), ("original_order_id", ORDER), ("parent", "ord_2"),
    ("transaction_id", "ord_2"), ("request_id", "ord_2"),
    # Another time, or none.
    ("cancelledAt", None), ("cancelled_at", None), ("cancelled_at", ""), ("cancelled_at", "now"),
    ("cancelled_at", False), ("canceled_at", "2099-01-01T00:00:00Z"), ("canceledAt", "never"), ("cancel_at", "soon"),
    # Something inside, or around.
    ("data", None), ("data", {}), ("data", {"cancelled": False}), ("data", [CONFIRMED]),
    ("result", CONFIRMED), ("response", {"status": "cancelled"}), ("json", CONFIRMED), ("body", "{}"),
    ("headers", {"Host": "x"}), ("url", "https://x"), ("args", {}), ("meta", {}), ("_links", {}), ("links", []),
    # Known fields with other values.
    ("amount", -1), ("amount", "FAILED"), ("amount", True), ("amount", {}), ("amount", "12.50 not cancelled"),
    ("amount", "\u0661"), ("amount", [5]), ("currency", "NOT"), ("currency", "not cancelled"), ("currency", ["USD"]),
    ("currency", "U\u017fD"), ("transaction_id", "FAILED"), ("transaction_id", "not cancelled 1"),
    ("transactionId", {}), ("transactionId", True), ("createTimeMilli", "soon"), ("createTimeMilli", 5),
    ("request_id", "not cancelled"), ("request_id", ""), ("request_id", {}), ("traceId", ["t"]), ("traceId", True),
    ("traceId", "t\u200b"), ("trace_id", "x" * 101),
    # Names that are nearly known.
    ("status ", "cancelled"), ("\u0455tatus", "paid"), ("status\u200b", "paid"), ("order_id\u0000", "ord_2"),
    ("", "not cancelled"), ("anything", None), ("amount_refunded", 5), ("Amount", 5), ("fee", 1),
]  # fmt: skip


@pytest.mark.parametrize("name, value", DOUBTS)
def test_any_other_field_is_no_confirmation(name: str, value: object) -> None:
    """A field that is not on the list may deny the status, so with it there is no confirmation."""
    assert not confirms(CONFIRMED | {name: value})
    assert not confirms(CAMEL | {name: value})


@pytest.mark.parametrize("name, value", DOUBTS)
def test_any_other_field_counts_in_the_envelope_too(name: str, value: object) -> None:
    """It is the same beside the envelope's data and inside."""
    assert not confirms(envelope(200, "Success", CAMEL) | {name: value})
    assert not confirms(envelope(200, "Success", CAMEL | {name: value}))


def test_the_corpora_are_large() -> None:
    """There are enough texts and fields, each of them once."""
    assert len(set(DENIALS)) == len(DENIALS) >= 90
    assert len({(name, repr(value)) for name, value in DOUBTS}) == len(DOUBTS) >= 200


@pytest.mark.parametrize(
    "body, trouble",
    [
        (CONFIRMED | {"note": "fine"}, Trouble.NO_CONFIRMATION),
        (CONFIRMED | {"message": "No order was cancelled."}, Trouble.NO_CONFIRMATION),
        (without(CONFIRMED, "cancelled_at"), Trouble.NO_CONFIRMATION),
        ({"order_id": ORDER, "reason": "typed twice", "status": "cancelled"}, Trouble.NO_CONFIRMATION),
        (CONFIRMED | error("E1", "No."), Trouble.NO_CONFIRMATION),
        (CONFIRMED | {"statusCode": 409}, Trouble.CONTRADICTORY),
        (CONFIRMED | {"orderId": "ord_2"}, Trouble.SOMEBODY_ELSE),
        (CONFIRMED | {"orderID": "ord_2"}, Trouble.ANOTHER_ORDER),
        (CONFIRMED | {"status": "cancelled\u200b"}, Trouble.ANOTHER_STATUS),
        (CONFIRMED | {"status": "\uff43\uff41\uff4e\uff43\uff45\uff4c\uff4c\uff45\uff44"}, Trouble.ANOTHER_STATUS),
        (CONFIRMED | {"data": CONFIRMED}, Trouble.NO_CONFIRMATION),
        (envelope(200, "Success", [CAMEL]), Trouble.NO_CONFIRMATION),
        (envelope(200, "Success", envelope(200, "Success", CAMEL)), Trouble.NO_CONFIRMATION),
        (b'{"order_id":"ord_abc123xyz","status":"cancelled","order_id":"ord_abc123xyz"}', Trouble.SOMEBODY_ELSE),
        (b'{"order_id":"ord_abc123xyz","status":"cancelled","st\\u0061tus":"paid"}', Trouble.SOMEBODY_ELSE),
        (b")]}',\n" + json.dumps(CONFIRMED).encode(), Trouble.SOMEBODY_ELSE),
        (json.dumps(CONFIRMED).encode() + b"\n" + json.dumps(CONFIRMED).encode(), Trouble.SOMEBODY_ELSE),
    ],
)
def test_the_trouble_of_each(body: object, trouble: Trouble) -> None:
    """People read why a success was not believed."""
    answer = read(200, body)
    assert (answer.outcome, answer.repeat, answer.trouble) == (Outcome.UNKNOWN, True, trouble)


@pytest.mark.parametrize(
    "time",
    [
        "2025-10-04T11:15:00Z",
        "2025-10-04 11:15:00",
        "2026-11-23 00:05:00",
        "2025-10-04T11:15Z",
        "2025-10-04T11:15:00.5Z",
        "2025-10-04T11:15:00.123456789+07:00",
        "2025-10-04T18:15:00+0700",
        "2026-11-23T12:05:00Z",
        "2026-11-24T02:05:00+14:00",
        "2020-01-01T00:00:00Z",
        1696435200,
        1696435200.25,
        1696435200123,
        "1696435200",
        "1696435200123",
        NOW.timestamp(),
    ],
)
def test_a_time_can_be_written_in_many_ways(time: object) -> None:
    """ISO 8601 and Unix time in seconds or milliseconds, until five minutes from now."""
    assert confirms(CONFIRMED | {"cancelled_at": time})
    assert confirms(envelope(200, "Success", CAMEL | {"cancelledAt": time}))


@pytest.mark.parametrize(
    "time",
    [
        None, "", " ", "now", "soon", "never", "null", "pending", "2025", "2025-10-04", "11:15:00", "20251004T111500Z",
        "2025-10-04T11", "2025-13-04T11:15:00Z", "2025-02-30T11:15:00Z", "2025-10-04T25:15:00Z", "2025-10-04x11:15:00Z",
        "2025-10-04T11:15:00Z ", "2025-10-04T11:15:00Z\n", "2025-10-04T11:15:00 UTC", "2025-10-04T11:15:00Z (planned)",
        "2025-10-04T11:15:00+99:00",
        "\u0662\u0660\u0662\u0665-10-04T11:15:00Z", "04/10/2025", "Sat, 04 Oct 2025 11:15:00 GMT",
        "2025-W40-6T11:15:00Z", "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "0000-00-00T00:00:00Z",
        "1970-01-01T00:00:00Z", "2000-01-01T00:00:00Z", "2001-01-01T00:00:00Z", "2019-12-31T23:59:59Z", "1000000000",
        "9999-12-31T23:59:59Z", "9999-12-31T23:59:59-14:00",
        "2026-11-23T12:05:01Z", "2026-11-24T08:00:00Z", "2026-11-23 00:05:01",
        "2026-11-23 12:00:00", "2026-11-24 02:05:00",
        "2099-01-01T00:00:00Z", 0, -1, 1, True, False, 1.5, 99999999, 1e300, -1696435200,
        4070908800, 4070908800000, 16964352001, 1696435200123456, "0", "-1696435200", "1696435200s", [1696435200],
        ["2025-10-04T11:15:00Z"], {"$date": "2025-10-04T11:15:00Z"}, {},
    ],
)  # fmt: skip
def test_anything_else_is_no_time(time: object) -> None:
    """A date without a time, no time, a year that stands for none, a plan, or a text that only looks like a time."""
    assert not confirms(CONFIRMED | {"cancelled_at": time})
    assert not confirms(CONFIRMED | {"cancelledAt": time})
    assert not confirms(envelope(200, "Success", CAMEL | {"cancelledAt": time}))


@given(ahead=st.timedeltas(timedelta(days=-2000), timedelta(days=3000)))
@example(ahead=timedelta(hours=20))
def test_a_cancellation_is_not_in_the_future(ahead: timedelta) -> None:
    """Five minutes are allowed for two clocks; a time without its zone must be over in every zone."""
    at = (NOW + ahead).replace(microsecond=0)
    for time in (f"{at:%Y-%m-%dT%H:%M:%SZ}", int(at.timestamp()), int(at.timestamp()) * 1000):
        assert confirms(CONFIRMED | {"cancelled_at": time}) is (at <= NOW + timedelta(minutes=5))
    without_a_zone = f"{at:%Y-%m-%d %H:%M:%S}"
    assert confirms(CONFIRMED | {"cancelled_at": without_a_zone}) is (
        at <= NOW - timedelta(hours=12) + timedelta(minutes=5)
    )


@given(at=st.datetimes(timezones=st.timezones()))
def test_every_time_can_be_read(at: datetime) -> None:
    """No time of any zone raises."""
    assert confirms(CONFIRMED | {"cancelled_at": at.isoformat()}) in {True, False}


@pytest.mark.parametrize(
    "state", [None, True, 1, [], {}, ["cancelled"], "", "cancel", "cancelled ", "Cancellled", "not"]
)
def test_other_states_are_not_cancelled(state: object) -> None:
    """Only the one word counts."""
    assert not is_cancelled(state)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.sampled_from(
        [ORDER, "cancelled", "2025-10-04T11:15:00Z", "Success", 200, "USD"],
    ),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=4), inner, max_size=2),
    max_leaves=4,
)  # fmt: skip
harmless = st.fixed_dictionaries(
    {},
    optional={
        "request_id": st.none() | st.uuids().map(str),
        "traceId": st.none() | st.integers(0),
        "success": st.just(True),
        "code": st.sampled_from([None, 0, 200, "OK", "success", "ORDER_CANCELLED"]),
        "message": st.sampled_from([None, *FINE]),
        "error": st.none(),
        "amount": st.none() | st.integers(0, 10**9) | st.decimals(0, 10**6, places=2).map(str),
        "currency": st.sampled_from([None, "USD", "KHR", "usd"]),
        "transactionId": st.none() | st.integers(0),
    },
)
core = st.fixed_dictionaries(
    {
        "order_id": st.just(ORDER),
        "status": st.sampled_from(["cancelled", "CANCELED", "Cancelled"]),
        "cancelled_at": st.datetimes(datetime(2020, 1, 1), NOW.replace(tzinfo=None), timezones=st.just(UTC)).map(  # noqa: DTZ001
            datetime.isoformat,
        ),
    },
)  # fmt: skip
flat_ones = st.builds(lambda one, more: one | more, core, harmless)
enveloped = st.builds(lambda data, more: {"statusCode": 200, "data": data, **more}, flat_ones, harmless)


@given(body=flat_ones | enveloped)
def test_whatever_is_built_from_the_list_confirms(body: dict[str, Any]) -> None:
    """Every mixture of allowed fields with allowed values is a confirmation."""
    assert confirms(body)


@given(body=flat_ones | enveloped, name=st.text() | st.sampled_from(DOUBTS).map(lambda doubt: doubt[0]), value=values)
def test_one_unknown_field_ends_it(body: dict[str, Any], name: str, value: object) -> None:
    """Whatever a field is called that is not on the list, and whatever it says, nothing is confirmed with it."""
    if name not in CONFIRMATION_NAMES:
        assert not confirms(body | {name: value})
        if "data" in body:
            assert not confirms(body | {"data": body["data"] | {name: value}})


@given(body=flat_ones | enveloped, name=st.sampled_from(sorted(CONFIRMATION_NAMES)), value=values)
def test_a_list_or_an_object_in_a_field_ends_it(body: dict[str, Any], name: str, value: object) -> None:
    """No field but the envelope's data may hold more than one plain value."""
    changed = body | {name: value}
    if confirms(changed):
        assert not isinstance(value, list)
        assert not isinstance(value, dict)


@given(body=st.dictionaries(st.sampled_from(sorted(CONFIRMATION_NAMES)) | st.text(max_size=5), values, max_size=8))
def test_arbitrary_json_does_not_confirm(body: dict[str, Any]) -> None:
    """Only an object of nothing but known fields does, with this order, the status and a time."""
    said = recognise(body)
    if said is not None and is_plain(said, ORDER, NOW):
        assert set(body) | set(said.data) <= CONFIRMATION_NAMES
        assert ORDER in {said.confirmation.get("order_id"), said.confirmation.get("orderId")}
        assert is_cancelled(said.confirmation["status"])
        assert said.cancelled_at
