"""The reason for a refusal: plain words count, and nothing else does."""

import re

import pytest
from hypothesis import given, strategies as st

from bot.domain.attempt import Outcome, Reason
from bot.gateway.refusal import names_another_order, read_refusal
from bot.gateway.shapes import recognise
from tests.gateway.replies import NOW, ORDER, envelope, error, read as read_answer

CANCELLED, COMPLETED = Reason.ALREADY_CANCELLED, Reason.COMPLETED
REFUNDED, ABSENT, EXPIRED = Reason.ALREADY_REFUNDED, Reason.NO_SUCH_ORDER, Reason.EXPIRED
PARTLY = Reason.PARTLY_REFUNDED


def read(body: dict[str, object], *, order_id: str = ORDER) -> Reason | None:
    """Return the reason in this body."""
    said = recognise(body)
    assert said is not None
    return read_refusal(said, order_id, NOW)


def in_every_shape(message: str) -> list[dict[str, object]]:
    """Return bodies with this message and nothing else that says anything."""
    return [error(message=message), error(message=[message]), envelope(409, message, {"orderId": ORDER})]


PLAIN = [
    ("Order is already cancelled", CANCELLED),
    ("Order already canceled.", CANCELLED),
    ("Already cancelled", CANCELLED),
    ("This order has already been cancelled", CANCELLED),
    ("The order is cancelled.", CANCELLED),
    ("The order was canceled!", CANCELLED),
    ("Your order has been cancelled", CANCELLED),
    ("ORDER IS ALREADY CANCELLED", CANCELLED),
    ("Order is currently cancelled", CANCELLED),
    ("Order is already in cancelled state", CANCELLED),
    ("Order is in the 'cancelled' status", CANCELLED),
    ("Order status is cancelled", CANCELLED),
    (f"Order {ORDER} is already cancelled", CANCELLED),
    (f"Order '{ORDER}' has been cancelled", CANCELLED),
    (f"Order ID {ORDER} is already cancelled", CANCELLED),
    (f"Order with ID: {ORDER} was cancelled", CANCELLED),
    (f"Order #{ORDER} is cancelled", CANCELLED),
    (f"{ORDER} is already cancelled", CANCELLED),
    ("Order was already cancelled on 2026-11-20", CANCELLED),
    ("Order was cancelled at 2025-10-04T11:15:00Z.", CANCELLED),
    ("Order was cancelled at 2025-10-04 11:15:00.123 UTC", CANCELLED),
    ("Order is already cancelled and cannot be cancelled", CANCELLED),
    ("Order is already cancelled and cannot be cancelled again.", CANCELLED),
    ("Order cannot be cancelled because it is already cancelled", CANCELLED),
    ("The order can\u2019t be cancelled because it\u2019s already cancelled", None),
    ("Order is already cancelled. Only pending or processing orders can be cancelled.", CANCELLED),
    ("Order is completed", COMPLETED),
    ("Order is already completed.", COMPLETED),
    ("The order has been completed", COMPLETED),
    ("Order is paid", COMPLETED),
    ("The order has already been paid and can no longer be cancelled", COMPLETED),
    ("Order is completed, so it cannot be cancelled", COMPLETED),
    ("Order is completed. Use a refund instead.", COMPLETED),
    ("Order is completed, use a refund instead", COMPLETED),
    ("Order is completed and cannot be cancelled. Use the refund endpoint instead.", COMPLETED),
    ("Order is completed. Completed orders must use the refund endpoint instead.", COMPLETED),
    (f"Order {ORDER} has already been completed", COMPLETED),
    ("Order was refunded", REFUNDED),
    ("Already refunded", REFUNDED),
    ("Order has already been refunded and cannot be cancelled", REFUNDED),
    ("Order status is partially_refunded", PARTLY),
    ("Order is already partially refunded", PARTLY),
    ("Order not found", ABSENT),
    ("Order not found.", ABSENT),
    (f"Order {ORDER} not found", ABSENT),
    (f"Order with id '{ORDER}' was not found", ABSENT),
    ("The order could not be found", ABSENT),
    ("Order does not exist", ABSENT),
    ("This order doesn\u2019t exist.", ABSENT),
    ("No such order", ABSENT),
    ("Unknown order", ABSENT),
    ("Order has expired", EXPIRED),
    ("The order has already expired and cannot be cancelled.", EXPIRED),
    ("Order is expired and cannot be cancelled.", EXPIRED),
]


@pytest.mark.parametrize("message, reason", PLAIN)
def test_a_plain_sentence_about_this_order_is_a_reason(message: str, reason: Reason | None) -> None:
    """A sentence on the list counts, in every shape of an error, with this order's ID or without."""
    assert {read(body) for body in in_every_shape(message)} == {reason}


MISLEADING = [
    # Somebody's context, request or connection, and not the order.
    "context canceled",
    "Canceled",
    "cancelled",
    "The request was cancelled",
    "Request cancelled by client",
    "Operation cancelled, please try again",
    "Operation was canceled.",
    "The operation has been cancelled",
    "Task was cancelled",
    "Query cancelled on user's request",
    "The transaction was cancelled",
    "Transaction already cancelled",
    "Payment cancelled by the bank",
    "Subscription is already cancelled",
    "Your session was cancelled",
    "The refund is already cancelled",
    "The previous request is already completed",
    "Request already completed",
    "Operation completed",
    "Completed",
    "Already completed",
    "Already paid",
    # The cancellation, and not the order.
    "Cancellation already completed",
    "The cancel of this order was completed",
    "The cancellation of this order is completed",
    "Cancellation completed",
    "The cancellation was completed with errors",
    "Cancellation could not be completed",
    "Cancel request has already been completed",
    "Order cancellation is already completed",
    "Order cancel was completed",
    "Cancellation is already paid",
    "A cancellation is already in progress",
    "The order is being cancelled",
    "The order is already being cancelled",
    "Order will be cancelled",
    "Order can be cancelled",
    "Order should be cancelled",
    "The order is about to be cancelled",
    # A denial.
    "No order was cancelled",
    "No orders were cancelled",
    "Nothing was cancelled",
    "None of your orders is cancelled",
    "Order is not cancelled",
    "Order was not cancelled",
    "Order has not been cancelled",
    "Order isn't cancelled",
    "The order hasn't been cancelled yet",
    "Order is not yet cancelled",
    "Order is no longer cancelled",
    "Order is not already cancelled",
    "Order cannot be cancelled",
    "Order could not be cancelled",
    "Order is not completed",
    "Order has never been cancelled",
    "Order is not paid",
    "Order is uncancelled",
    "Order is uncompleted",
    "Order was almost completed",
    # A rule or a condition.
    "Only pending or processing orders can be cancelled",
    "Only pending or processing orders can be cancelled. Completed orders must use the refund endpoint.",
    "Completed orders cannot be cancelled",
    "Cancelled orders cannot be reinstated",
    "Orders that are already cancelled or completed cannot be cancelled",
    "Check whether the order is already cancelled",
    "Is the order already cancelled?",
    "Order is already cancelled?",
    "If the order is completed, use a refund",
    "Order is cancelled if payment fails",
    "Order is cancelled after 30 minutes",
    "Order is completed when the payment arrives",
    "Orders can be cancelled before the order is completed",
    "An order is completed once it is paid",
    "Cannot cancel a completed order",
    "Cannot cancel an order that is already cancelled",
    # The state that was asked for, or a past one.
    "Target status is cancelled",
    "Requested status is cancelled",
    "Invalid status: cancelled",
    "New order status is cancelled",
    "Order status cancelled is not allowed",
    "Cannot transition from processing to cancelled",
    "Cannot transition order from 'paid' to 'cancelled'",
    "Order state cannot change to completed",
    "Order was cancelled and reinstated",
    "Order was completed but reopened",
    # Somebody else's order, or many.
    "Order ord_other is already cancelled",
    "Order ord_abc123xyz9 is already cancelled",
    "Order ord_abc123xy is already cancelled",
    "Order ORD_ABC123XYZ is already cancelled",
    "Order 1042 is already cancelled",
    "The other order is already cancelled",
    "Another order is already completed",
    "Parent order is cancelled",
    "The parent order is completed",
    "Order line is already cancelled",
    "Order item was cancelled",
    f"Order ord_other is already cancelled, not {ORDER}",
    f"Order {ORDER} duplicates ord_other, which is already cancelled",
    f"The invoice of order {ORDER} is already cancelled",
    "You have already cancelled 10 orders today",
    "You have already cancelled this many orders",
    "All orders are already cancelled",
    "Some orders are completed",
    "The merchant's last order was completed",
    # Two things at once.
    "Order is completed. Order is cancelled.",
    "Order is already cancelled or completed",
    "Order is already cancelled. Use a refund instead.",
    "Order is paid or refunded",
    "Order expired and was cancelled",
    "Order is pending and was cancelled",
    "The order is cancelled in the cache only",
    "Order is already cancelled for reporting purposes",
    "Order is completed: false",
    "order.cancelled = false",
    "Order is cancelled = false",
    # Other languages' word order, noise, and the same letters elsewhere.
    "already order cancelled is",
    "cancelled already is order the",
    "Order is already can celled",
    "Order is already cancelle\u0501",
    "Order is already cancelled\u202e",
    "Order is already cancelled " * 20,
]


@pytest.mark.parametrize("message", MISLEADING)
def test_a_misleading_text_is_no_reason(message: str) -> None:
    """A text that has the words but does not say plainly how this order stands gives none, in every shape."""
    assert {read(body) for body in in_every_shape(message)} == {None}


def test_the_corpus_is_large() -> None:
    """There are enough misleading texts, each of them once."""
    assert len(set(MISLEADING)) == len(MISLEADING) >= 80


@pytest.mark.parametrize(
    "code, reason",
    [
        ("ORDER_ALREADY_CANCELLED", CANCELLED),
        ("ORDER_ALREADY_CANCELED", CANCELLED),
        ("ALREADY_CANCELLED", CANCELLED),
        ("alreadyCanceled", CANCELLED),
        ("OrderAlreadyCancelled", CANCELLED),
        ("order-already-cancelled", CANCELLED),
        ("order.cancelled", CANCELLED),
        ("order_is_cancelled", CANCELLED),
        ("ORDER_HAS_BEEN_CANCELLED", CANCELLED),
        ("ORDER_COMPLETED", COMPLETED),
        ("ORDER_ALREADY_COMPLETED", COMPLETED),
        ("OrderAlreadyPaid", COMPLETED),
        ("ORDER_REFUNDED", REFUNDED),
        ("ORDER_PARTIALLY_REFUNDED", PARTLY),
        ("ALREADY_REFUNDED", REFUNDED),
        ("ORDER_NOT_FOUND", ABSENT),
        ("OrderNotFound", ABSENT),
        ("NO_SUCH_ORDER", ABSENT),
        ("UNKNOWN_ORDER", ABSENT),
        ("ORDER_DOES_NOT_EXIST", ABSENT),
        ("CANCELLED", None),
        ("canceled", None),
        ("COMPLETED", None),
        ("ALREADY_COMPLETED", None),
        ("ALREADY_PAID", None),
        ("ALREADY_PROCESSED", None),
        ("REQUEST_CANCELLED", None),
        ("CONTEXT_CANCELED", None),
        ("REQUEST_ALREADY_COMPLETED", None),
        ("CANCELLATION_COMPLETED", None),
        ("ORDER_CANCELLATION_COMPLETED", None),
        ("ORDER_CANCELLATION_ALREADY_COMPLETED", None),
        ("ORDER_CANCELLED_FAILED", None),
        ("ORDER_NOT_CANCELLED", None),
        ("ORDER_IS_NOT_CANCELLED", None),
        ("ORDER_CANNOT_BE_CANCELLED", None),
        ("ORDER_NOT_CANCELLABLE", None),
        ("ORDER_NOT_COMPLETED", None),
        ("PARENT_ORDER_CANCELLED", None),
        ("ORDERS_ALREADY_CANCELLED", None),
        ("ORDER_ITEM_CANCELLED", None),
        ("ORDER_PROCESSING", None),
        ("MERCHANT_NOT_FOUND", None),
        ("ROUTE_NOT_FOUND", None),
        ("ORDER_ALREADY_CANCELLED " * 30, None),
    ],
)
def test_codes_count_as_a_whole(code: str, reason: Reason | None) -> None:
    """A code counts if it says how the order stands and nothing else, in whatever style it is written."""
    assert read(error(code)) is reason


@pytest.mark.parametrize("code", ["CONFLICT", "NOT_FOUND", "Gone", "UNPROCESSABLE_ENTITY"])
def test_the_name_of_a_status_is_no_reason(code: str) -> None:
    """A code that only names the HTTP status says nothing about the order."""
    assert read(error(code)) is None


@pytest.mark.parametrize(
    "body, reason",
    [
        (error("NOT_FOUND", "Order not found"), ABSENT),
        (error("NOT_FOUND", "Not found"), None),
        (error("RESOURCE_NOT_FOUND", "Resource not found."), None),
        (error("NOT_FOUND", "There is no such endpoint."), None),
        (error("NOT_FOUND", "Merchant not found"), None),
        (error("ResourceNotFound", "The resource '/order/cancel' was not found."), None),
        (envelope(404, "Not Found", {"orderId": ORDER}), None),
    ],
)
def test_something_that_is_not_found_need_not_be_the_order(body: dict[str, object], reason: Reason | None) -> None:
    """A wrong address is answered in the same way, so the order must be named."""
    assert read(body) is reason


@pytest.mark.parametrize("code", ["DUPLICATE_REQUEST", "REQUEST_COMPLETED", "ORDER_LOCKED", "X"])
def test_a_code_on_no_list_makes_the_rest_unclear(code: str) -> None:
    """Beside such a code a state may be that of the request, or of a moment before."""
    assert read(error(code, "Order is completed")) is None
    assert read(error(code, details={"order_id": ORDER, "current_status": "completed"})) is None


@pytest.mark.parametrize(
    "details, reason",
    [
        ({"order_id": ORDER, "current_status": "cancelled"}, CANCELLED),
        ({"order_id": ORDER, "current_status": "CANCELED"}, CANCELLED),
        ({"orderId": ORDER, "currentStatus": "CANCELLED"}, CANCELLED),
        ({"orderId": ORDER, "orderState": "cancelled"}, None),
        ({"order_id": ORDER, "order_status": "canceled"}, None),
        ({"order_id": ORDER, "order_status": "cancelled", "current_status": "cancelled"}, CANCELLED),
        ({"order_id": ORDER, "order_status": "completed"}, COMPLETED),
        ({"order_id": ORDER, "current_state": "paid"}, COMPLETED),
        ({"order_id": ORDER, "current_status": "SUCCESS"}, None),
        ({"order_id": ORDER, "current_status": "expired"}, EXPIRED),
        ({"order_id": ORDER, "order_state": "partially_refunded"}, PARTLY),
        ({"order_id": ORDER, "order_status": "REFUNDED"}, REFUNDED),
        ({"order_id": ORDER, "current_status": "pending"}, None),
        ({"order_id": ORDER, "current_status": "not cancelled"}, None),
        ({"order_id": ORDER, "current_status": 5}, None),
        ({"order_id": ORDER, "current_status": "cancelled", "order_status": "completed"}, None),
        ({"order_id": ORDER, "status": "cancelled"}, None),
        ({"order_id": ORDER, "state": "cancelled"}, None),
        ({"order_id": ORDER, "requested_status": "cancelled"}, None),
        ({"order_id": ORDER, "previous_status": "completed"}, None),
        ({"current_status": "cancelled"}, None),
        ({"order_id": "ord_other", "current_status": "cancelled"}, None),
        ({"order_id": ORDER, "orderId": "ord_other", "current_status": "cancelled"}, None),
        ({"order_id": [ORDER], "current_status": "cancelled"}, None),
        ({"order_id": ORDER, "current_status": "cancelled", "conflicts_with": "ord_other"}, None),
        ({"order_id": ORDER, "current_status": "cancelled", "inner": {"order_id": "1042"}}, None),
        (["cancelled"], None),
        ("cancelled", None),
        (None, None),
    ],
)
def test_details_count_for_their_own_order(details: object, reason: Reason | None) -> None:
    """A field that is certainly the order's state counts beside this order's ID, and beside no other."""
    assert read(error(details=details)) is reason


@pytest.mark.parametrize(
    "data, reason",
    [
        *(
            ({"orderId": ORDER, "status": state}, None)
            for state in ("CANCELLED", "COMPLETED", "PAID", "REFUNDED", "EXPIRED", "SUCCESS", "FAILED")
        ),
        ({"orderId": ORDER, "orderStatus": "CANCELLED"}, None),
        ({"orderId": ORDER, "orderStatus": "COMPLETED"}, COMPLETED),
        ({"orderId": ORDER, "currentStatus": "CANCELLED"}, CANCELLED),
        ({"orderId": ORDER, "status": "REFUNDED", "currentStatus": "REFUNDED"}, REFUNDED),
        ({"orderId": ORDER, "status": "CANCELLED", "currentStatus": "PAID"}, None),
        ({"status": "CANCELLED"}, None),
        ({"orderId": "ord_other", "status": "CANCELLED"}, None),
        (["CANCELLED"], None),
    ],
)
def test_the_data_of_the_envelope_is_the_order(data: object, reason: Reason | None) -> None:
    """A bare status there may be that of the call, so a field must say that it is the order's."""
    for message in (None, ""):
        assert read(envelope(409, message, data)) is reason
    assert read(envelope(409, "Cancel request already handled", data)) is None


def test_a_bare_status_may_agree_with_the_message_and_contradict_it() -> None:
    """Beside a sentence it says nothing more, but another state makes the sentence unclear."""
    assert read(envelope(409, "Order is completed", {"orderId": ORDER, "status": "COMPLETED"})) is COMPLETED
    assert read(envelope(409, "Order is completed", {"orderId": ORDER, "status": "CANCELLED"})) is None
    assert read(envelope(409, "Order is already cancelled", {"orderId": ORDER, "status": "SUCCESS"})) is None


def test_a_listed_code_in_the_answer_to_our_call_is_about_our_order() -> None:
    """It needs no ID beside it, but another order's ID makes it one about that order."""
    assert read(error("ORDER_ALREADY_CANCELLED", "")) is CANCELLED
    assert read_answer(409, error("ORDER_ALREADY_CANCELLED", details={"order_id": "ord_2"})).reason is None


@pytest.mark.parametrize(
    "date, is_over",
    [
        ("2026-11-20", True),
        ("2026-11-23", True),
        ("2026-11-23T12:00:00Z", True),
        ("2026-11-23T19:00:00+07:00", True),
        ("2026-11-23 12:00 GMT", True),
        ("2026-11-23 00:00:00", True),
        ("2026-11-23T12:00:01Z", False),
        ("2026-11-23T11:00:00-0700", False),
        ("2026-11-23 00:00:01", False),
        ("2026-11-24", False),
        ("2026-12-31T23:59:59Z", False),
        ("2027-01-01", False),
        ("9999-12-31", False),
        ("2026-02-30", False),
        ("2026-13-01T25:00:00Z", False),
    ],
)
@pytest.mark.parametrize(
    "sentence, reason",
    [
        ("Order is cancelled on {}", CANCELLED),
        ("Order was already cancelled at {}.", CANCELLED),
        ("Order is expired at {}", EXPIRED),
        ("Order is completed on {}. Use a refund instead.", COMPLETED),
    ],
)
def test_a_date_counts_only_if_it_is_over_everywhere(date: str, is_over: bool, sentence: str, reason: Reason) -> None:
    """A date to come makes a plan of the sentence, and a time without its zone may be anywhere."""
    assert {read(body) for body in in_every_shape(sentence.format(date))} == {reason if is_over else None}
    assert read(error("ORDER_EXPIRED", f"Order is expired at {date}")) is (EXPIRED if is_over else None)


@pytest.mark.parametrize("order_id", ["404", "30", "4-04"])
def test_a_number_at_the_beginning_is_no_order(order_id: str) -> None:
    """A status and its text are no sentence about an order with this number."""
    for message in (
        f"{order_id} Not Found",
        f"{order_id}: not found",
        f"{order_id} is expired",
        f"#{order_id} is paid",
    ):
        assert read(error("NOT_FOUND", message), order_id=order_id) is None
    assert read(error("NOT_FOUND", f"Order {order_id} not found"), order_id=order_id) is ABSENT
    assert read(error("NOT_FOUND", f"Order with ID {order_id} not found"), order_id=order_id) is ABSENT


@pytest.mark.parametrize(
    "field, value",
    [
        ("timestamp", "order not cancelled; answer late"),
        ("timestamp", "2026-11-23 it was not cancelled"),
        ("timestamp", True),
        ("request_id", "not cancelled, do not ask again"),
        ("request_id", "x" * 101),
        ("traceId", "no effect"),
    ],
)
def test_no_field_beside_a_code_may_hold_prose(field: str, value: object) -> None:
    """An ID is one word and a time is a number or a date: anything else may deny the code."""
    body = error("ORDER_ALREADY_CANCELLED", **{field: value})
    assert read(body) is None
    for status, code in ((401, "UNAUTHORIZED"), (503, "SERVICE_UNAVAILABLE")):
        answer = read_answer(status, error(code, "", **{field: value}))
        assert (answer.outcome, answer.reason) == (Outcome.UNKNOWN, None)


@pytest.mark.parametrize("value", [1696435200, "1696435200", "2023-10-04T16:00:00.5Z", None, ""])
def test_a_time_beside_a_code_has_many_forms(value: object) -> None:
    """Whatever is plainly a time says nothing about the order."""
    assert read(error("ORDER_ALREADY_CANCELLED", timestamp=value)) is CANCELLED


@pytest.mark.parametrize("order_id, number", [("1042", 1042), ("1042", "1042")])
def test_a_whole_number_is_the_same_order(order_id: str, number: object) -> None:
    """Newer examples of the gateway write order IDs as whole numbers."""
    details = {"order_id": number, "current_status": "cancelled"}
    assert read(error(message=f"Order {number} is already cancelled.", details=details), order_id=order_id) is CANCELLED
    assert read(error(message="Order 1043 is already cancelled.", details=details), order_id=order_id) is None


@pytest.mark.parametrize(
    "body",
    [
        error("ORDER_ALREADY_CANCELLED", "Order is completed"),
        error("ORDER_COMPLETED", "Order is already cancelled"),
        error("ORDER_ALREADY_CANCELLED", "Order is pending"),
        error("ORDER_ALREADY_CANCELLED", "Order is not cancelled"),
        error("ORDER_NOT_CANCELLED", "Order is already cancelled"),
        error("ORDER_PENDING", "Order is already cancelled"),
        error("ORDER_NOT_FOUND", "Order is already cancelled"),
        error("ORDER_ALREADY_CANCELLED", details={"order_id": ORDER, "current_status": "processing"}),
        error("ORDER_ALREADY_CANCELLED", details={"order_id": ORDER, "current_status": "completed"}),
        error("ORDER_COMPLETED", "Order was refunded"),
        error("ORDER_ALREADY_CANCELLED", "Order ord_other is already cancelled"),
        error("ORDER_ALREADY_CANCELLED", "Order 1042 is already cancelled"),
        error("ORDER_COMPLETED", "The order ord_other is completed"),
        envelope(409, "Order is completed", {"orderId": ORDER, "status": "CANCELLED"}),
        envelope(409, "Order is already cancelled", {"orderId": "1042"}),
    ],
)
def test_all_that_say_something_must_agree(body: dict[str, object]) -> None:
    """Two states, or a word about another order, make none of them plain."""
    assert read(body) is None


def test_a_code_leaves_the_reason_to_the_message_and_the_details() -> None:
    """Some codes say only that the order cannot be cancelled; a message on no list makes a plain code unclear."""
    assert read(error("ORDER_NOT_CANCELLABLE", "Order is completed and cannot be cancelled.")) is COMPLETED
    assert read(error("ORDER_ALREADY_CANCELLED", "Nothing to do here.")) is None
    refunded = {"order_id": ORDER, "current_status": "partially_refunded"}
    message = "Order is partially refunded and cannot be cancelled. Use the refund endpoint instead."
    assert read(error("ORDER_NOT_CANCELLABLE", message, details=refunded)) is PARTLY


@pytest.mark.parametrize("order_id", ["cancelled", "is", "never", "not", "No", "Nothing", "already", "None"])
def test_an_order_id_is_not_read_as_words(order_id: str) -> None:
    """An order ID may be any word; a sentence does not become plain because that word is taken out of it."""
    for message in (f"{order_id} order was cancelled", f"Order {order_id} is locked", f"{order_id} was cancelled"):
        assert read(error(message=message), order_id=order_id) is None


@pytest.mark.parametrize(
    "text, order_id, names",
    [
        (f"Order {ORDER}.", ORDER, False),
        ("Order ord_other.", ORDER, True),
        (f"Order {ORDER}-2", ORDER, True),
        ("Order PAY-18", "PAY-17", True),
        ("Order PAY-17", "PAY-17", False),
        ("Order PAY18", "PAY17", True),
        ("Paying order PAY17", "PAY17", False),
        ("order_id is wrong", "order_17", False),
        ("order_18 is wrong", "order_17", True),
        ("ORDER_ALREADY_CANCELLED", "order_17", False),
        ("Order ord_7 is wrong", "1042", True),
        ("No order at all", "1042", False),
        ("a words_with_ord_in_it", ORDER, False),
    ],
)
def test_other_orders_are_known_by_their_prefix(text: str, order_id: str, names: bool) -> None:
    """A word that begins like this order's ID is another order's ID."""
    assert names_another_order(text, order_id) is names


words = st.sampled_from(
    ["order", "the", "this", "is", "was", "has", "been", "already", "cancelled", "canceled", "completed", "paid", "not",
     "no", ORDER, "ord_other", "1042", "and", "cannot", "be", "because", "it", ".", ",", "state", "in", "cancellation"],
)  # fmt: skip
PLAINLY = re.compile(
    r"(the |this |your )?(order |order ord_abc123xyz |ord_abc123xyz |)(cannot be cancell?ed because (it |the order ))?"
    r"(is |was |has been |has |is in |status is |state is )?(already |currently )*(been )?(in )?(the |a )?"
    r"(cancell?ed|completed|paid)( state| status)?.*"
)


@given(parts=st.lists(words, min_size=1, max_size=9))
def test_only_whole_sentences_count(parts: list[str]) -> None:
    """Whatever the words are, a reason needs a sentence that begins with the order and goes straight to its state."""
    message = " ".join(parts)
    if read(error(message=message)) in {CANCELLED, COMPLETED}:
        assert PLAINLY.fullmatch(message)
        assert "ord_other" not in parts
        assert "1042" not in parts
        assert "not" not in parts
        assert "cancellation" not in parts


@given(order_id=st.text(min_size=1), code=st.text(min_size=1), message=st.text(min_size=1), details=st.text())
def test_any_text_can_be_read(order_id: str, code: str, message: str, details: str) -> None:
    """Reading ends and never raises, for any text of the gateway's and any order ID."""
    said = recognise(error(f"x{code}", f"x{message}" * 50, details={"order_id": order_id, "current_status": details}))
    assert said is not None
    assert read_refusal(said, order_id, NOW) in {None, *Reason}
