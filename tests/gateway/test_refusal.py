"""What a refusal tells of the order, from its details, its code and its words."""

import pytest
from hypothesis import given, strategies as st

from bot.gateway.refusal import Told, what_is_told

ORDER = "ord_abc123xyz"
ALREADY, REFUND, NOTHING = Told.ALREADY_CANCELLED, Told.REFUND_INSTEAD, Told.NOTHING


@pytest.mark.parametrize(
    "message, told",
    [
        ("Order is already cancelled", ALREADY),
        ("Order already canceled.", ALREADY),
        ("Already cancelled", ALREADY),
        ("This order has already been cancelled", ALREADY),
        ("The order is cancelled.", ALREADY),
        ("The order was cancelled on 2026-11-20.", ALREADY),
        ("Order cancelled", ALREADY),
        (f"Order {ORDER} is already in cancelled state", ALREADY),
        (f"Order '{ORDER}' has been cancelled", ALREADY),
        ("Cannot cancel an order that is already cancelled", ALREADY),
        ("Cannot cancel a cancelled order", ALREADY),
        ("Cannot cancel order with status: cancelled", ALREADY),
        ("Order cannot be cancelled: current status is 'cancelled'", ALREADY),
        ("Cannot cancel order in status “CANCELLED”", ALREADY),
        ("The order can\u2019t be cancelled because it\u2019s already cancelled", ALREADY),
        ("Invalid transition from cancelled to cancelled", ALREADY),
        ("Order is already cancelled. Only pending or processing orders can be cancelled.", ALREADY),
        ("Cancelled orders cannot be reinstated. This order is already cancelled.", ALREADY),
        ("Order cannot be cancelled because completed", REFUND),
        ("Order cannot be cancelled because it is completed", REFUND),
        ("Order is completed, so it cannot be cancelled", REFUND),
        ("The order has already been paid and can no longer be cancelled", REFUND),
        ("Order is paid", REFUND),
        ("Cannot cancel a completed order", REFUND),
        ("Cannot transition order from 'paid' to 'cancelled'", REFUND),
        ("Completed orders cannot be cancelled", REFUND),
        ("Completed orders must use the refund endpoint instead", REFUND),
        ("Order status: partially_refunded", REFUND),
        ("The order was refunded.", REFUND),
        ("Payment completed", REFUND),
        ("Order cannot be cancelled", NOTHING),
        ("Order could not be cancelled", NOTHING),
        ("Order is not cancelled", NOTHING),
        ("The order hasn't been cancelled yet", NOTHING),
        ("The order is being cancelled", NOTHING),
        ("The order was not already cancelled", NOTHING),
        ("Cancellation could not be completed", NOTHING),
        ("The cancellation was completed with errors", NOTHING),
        ("The request was cancelled", NOTHING),
        ("Operation cancelled, please try again", NOTHING),
        ("Invalid status: cancelled", NOTHING),
        ("Only pending or processing orders can be cancelled", NOTHING),
        ("Only pending or processing orders can be cancelled. Completed orders must use the refund endpoint.", NOTHING),
        ("Orders that are already cancelled or completed cannot be cancelled", NOTHING),
        ("Check whether the order is already cancelled", NOTHING),
        ("Refunds are possible when the order is completed", NOTHING),
        ("Orders can be cancelled before the order is completed", NOTHING),
        ("Order is expired", NOTHING),
        ("Order expired and was cancelled", NOTHING),
        ("Order is completed. Order is cancelled.", NOTHING),
        ("", NOTHING),
        ("Insufficient permissions", NOTHING),
    ],
)
def test_words_count_where_they_speak_plainly_of_this_order(message: str, told: Told) -> None:
    """Saying that the order is in a state counts; verbs, rules, conditions and contradictions do not."""
    assert what_is_told(ORDER, "", message, None) is told


@pytest.mark.parametrize(
    "code, told",
    [
        ("ORDER_ALREADY_CANCELLED", ALREADY),
        ("ALREADY_CANCELED", ALREADY),
        ("order.cancelled", ALREADY),
        ("OrderAlreadyCancelled", ALREADY),
        ("order_is_cancelled", ALREADY),
        ("ORDER_COMPLETED", REFUND),
        ("ORDER_ALREADY_PAID", REFUND),
        ("PARTIALLY_REFUNDED", REFUND),
        ("ORDER_CANNOT_BE_CANCELLED", NOTHING),
        ("ORDER_NOT_CANCELLED", NOTHING),
        ("NOT_CANCELLED", NOTHING),
        ("ORDER_NOT_CANCELLABLE", NOTHING),
        ("ORDER_PROCESSING", NOTHING),
        ("CONFLICT", NOTHING),
        ("", NOTHING),
    ],
)
def test_codes_count_as_a_whole(code: str, told: Told) -> None:
    """A code counts if it says the state and nothing but the state, in whatever style it is written."""
    assert what_is_told(ORDER, code, "", None) is told


@pytest.mark.parametrize(
    "details, told",
    [
        ({"status": "cancelled"}, ALREADY),
        ({"current_status": "CANCELED"}, ALREADY),
        ({"order_status": "completed"}, REFUND),
        ({"state": "paid"}, REFUND),
        ({"current_state": "partially_refunded"}, REFUND),
        ({"current_status": "completed", "status": "cancelled"}, REFUND),
        ({"current_status": "pending", "status": "cancelled"}, NOTHING),
        ({"requested_status": "cancelled"}, NOTHING),
        ({"status": "failed"}, NOTHING),
        ({"status": 409}, NOTHING),
        ({"status": "cancelled", "state": "paid"}, NOTHING),
        ({"order_id": ORDER, "status": "cancelled"}, ALREADY),
        ({"order_id": "ord_other", "status": "cancelled"}, NOTHING),
        (["cancelled"], NOTHING),
        ("cancelled", NOTHING),
        (None, NOTHING),
    ],
)
def test_details_name_the_state(details: object, told: Told) -> None:
    """A field that is certainly the order's state decides; a mere "status" counts if nothing contradicts it."""
    assert what_is_told(ORDER, "", "", details) is told


def test_certain_details_outweigh_words() -> None:
    """The state in a field of its own is believed before a sentence."""
    assert what_is_told(ORDER, "", "Order is already cancelled", {"current_status": "completed"}) is REFUND


def test_a_contradiction_tells_nothing() -> None:
    """If code and words disagree, neither is believed."""
    assert what_is_told(ORDER, "ORDER_COMPLETED", "Order is already cancelled", None) is NOTHING


def test_the_calls_own_status_is_not_the_orders() -> None:
    """A failed status in details may be the call's, and does not outweigh the code."""
    assert what_is_told(ORDER, "ORDER_ALREADY_CANCELLED", "", {"status": "failed"}) is ALREADY


@pytest.mark.parametrize("order_id", ["cancelled", "paid", "is-cancelled", "completed"])
def test_an_order_id_is_not_read_as_words(order_id: str) -> None:
    """An order id may be any word; it says nothing of the order's state."""
    assert what_is_told(order_id, "", f"Order {order_id} is locked. It is {order_id}.", None) is NOTHING


def test_only_the_beginning_of_a_long_message_is_read() -> None:
    """Reading takes no longer for a message that goes on and on."""
    assert what_is_told(ORDER, "", "x " * 600 + ". Order is already cancelled", None) is NOTHING


@given(order_id=st.text(), code=st.text(), message=st.text() | st.from_regex("(already|cancelled|is|paid| |:)*"))
def test_any_text_can_be_read(order_id: str, code: str, message: str) -> None:
    """Whatever the gateway writes, reading it ends and never raises."""
    assert what_is_told(order_id, code, message * 50, None) in Told
