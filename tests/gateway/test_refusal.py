"""The reason for a refusal, from its details, its code and its words."""

import pytest
from hypothesis import given, strategies as st

from bot.domain.attempt import Reason
from bot.gateway.refusal import read_refusal, speaks_of_the_timestamp

ORDER = "ord_abc123xyz"
CANCELLED, COMPLETED = Reason.ALREADY_CANCELLED, Reason.COMPLETED
REFUNDED, OTHER = Reason.ALREADY_REFUNDED, Reason.OTHER


@pytest.mark.parametrize(
    "message, reason",
    [
        ("Order is already cancelled", CANCELLED),
        ("Order already canceled.", CANCELLED),
        ("Already cancelled", CANCELLED),
        ("This order has already been cancelled", CANCELLED),
        ("The order is cancelled.", CANCELLED),
        ("The order was cancelled on 2026-11-20.", CANCELLED),
        ("Order cancelled", CANCELLED),
        (f"Order {ORDER} is already in cancelled state", CANCELLED),
        (f"Order '{ORDER}' has been cancelled", CANCELLED),
        ("Cannot cancel an order that is already cancelled", CANCELLED),
        ("Cannot cancel a cancelled order", CANCELLED),
        ("Cannot cancel order with status: cancelled", CANCELLED),
        ("Order cannot be cancelled: current status is 'cancelled'", CANCELLED),
        ("Cannot cancel order in status “CANCELLED”", CANCELLED),
        ("The order can\u2019t be cancelled because it\u2019s already cancelled", CANCELLED),
        ("Invalid transition from cancelled to cancelled", CANCELLED),
        ("Order is already cancelled. Only pending or processing orders can be cancelled.", CANCELLED),
        ("Cancelled orders cannot be reinstated. This order is already cancelled.", CANCELLED),
        ("Order cannot be cancelled because completed", COMPLETED),
        ("Order cannot be cancelled because it is completed", COMPLETED),
        ("Order is completed, so it cannot be cancelled", COMPLETED),
        ("The order has already been paid and can no longer be cancelled", COMPLETED),
        ("Order is paid", COMPLETED),
        ("Cannot cancel a completed order", COMPLETED),
        ("Cannot transition order from 'paid' to 'cancelled'", COMPLETED),
        ("Completed orders cannot be cancelled", COMPLETED),
        ("Completed orders must use the refund endpoint instead", COMPLETED),
        ("Order status: partially_refunded", REFUNDED),
        ("The order was refunded.", REFUNDED),
        ("Order has already been refunded and cannot be cancelled", REFUNDED),
        ("Refunded orders cannot be cancelled", REFUNDED),
        ("The order is already paid or refunded", COMPLETED),
        ("Payment completed", COMPLETED),
        ("Order cannot be cancelled", OTHER),
        ("Order could not be cancelled", OTHER),
        ("Order is not cancelled", OTHER),
        ("The order hasn't been cancelled yet", OTHER),
        ("The order is being cancelled", OTHER),
        ("The order was not already cancelled", OTHER),
        ("Cancellation could not be completed", OTHER),
        ("The cancellation was completed with errors", OTHER),
        ("The request was cancelled", OTHER),
        ("Operation cancelled, please try again", OTHER),
        ("Invalid status: cancelled", OTHER),
        ("Only pending or processing orders can be cancelled", OTHER),
        ("Only pending or processing orders can be cancelled. Completed orders must use the refund endpoint.", OTHER),
        ("Orders that are already cancelled or completed cannot be cancelled", OTHER),
        ("Check whether the order is already cancelled", OTHER),
        ("Refunds are possible when the order is completed", OTHER),
        ("Orders can be cancelled before the order is completed", OTHER),
        ("Order is expired", OTHER),
        ("Order expired and was cancelled", OTHER),
        ("Order is completed. Order is cancelled.", OTHER),
        ("", OTHER),
        ("Insufficient permissions", OTHER),
    ],
)
def test_words_count_where_they_speak_plainly_of_this_order(message: str, reason: Reason) -> None:
    """Words that say that the order is in a state count; verbs, rules, conditions and contradictions do not."""
    assert read_refusal(ORDER, "", message, None) is reason


@pytest.mark.parametrize(
    "code, reason",
    [
        ("ORDER_ALREADY_CANCELLED", CANCELLED),
        ("ALREADY_CANCELED", CANCELLED),
        ("order.cancelled", CANCELLED),
        ("OrderAlreadyCancelled", CANCELLED),
        ("order_is_cancelled", CANCELLED),
        ("ORDER_COMPLETED", COMPLETED),
        ("ORDER_ALREADY_PAID", COMPLETED),
        ("PARTIALLY_REFUNDED", REFUNDED),
        ("ORDER_ALREADY_REFUNDED", REFUNDED),
        ("ORDER_CANNOT_BE_CANCELLED", OTHER),
        ("ORDER_NOT_CANCELLED", OTHER),
        ("NOT_CANCELLED", OTHER),
        ("ORDER_NOT_CANCELLABLE", OTHER),
        ("ORDER_PROCESSING", OTHER),
        ("CONFLICT", OTHER),
        ("", OTHER),
    ],
)
def test_codes_count_as_a_whole(code: str, reason: Reason) -> None:
    """A code counts if it says the state and nothing but the state, in whatever style it is written."""
    assert read_refusal(ORDER, code, "", None) is reason


@pytest.mark.parametrize(
    "details, reason",
    [
        ({"status": "cancelled"}, CANCELLED),
        ({"current_status": "CANCELED"}, CANCELLED),
        ({"order_status": "completed"}, COMPLETED),
        ({"state": "paid"}, COMPLETED),
        ({"current_state": "partially_refunded"}, REFUNDED),
        ({"current_status": "completed", "status": "cancelled"}, COMPLETED),
        ({"current_status": "pending", "status": "cancelled"}, OTHER),
        ({"requested_status": "cancelled"}, OTHER),
        ({"order_status": "REFUNDED"}, REFUNDED),
        ({"status": "failed"}, OTHER),
        ({"status": 409}, OTHER),
        ({"status": "cancelled", "state": "paid"}, OTHER),
        ({"order_id": ORDER, "status": "cancelled"}, CANCELLED),
        ({"order_id": "ord_other", "status": "cancelled"}, OTHER),
        (["cancelled"], OTHER),
        ("cancelled", OTHER),
        (None, OTHER),
    ],
)
def test_details_name_the_state(details: object, reason: Reason) -> None:
    """A field that is certainly the order's state decides; a mere "status" counts if nothing contradicts it."""
    assert read_refusal(ORDER, "", "", details) is reason


def test_certain_details_outweigh_words() -> None:
    """The state in a field of its own is believed before a sentence."""
    assert read_refusal(ORDER, "", "Order is already cancelled", {"current_status": "completed"}) is COMPLETED


def test_a_contradiction_gives_no_reason() -> None:
    """If code and words disagree, neither is believed."""
    assert read_refusal(ORDER, "ORDER_COMPLETED", "Order is already cancelled", None) is OTHER


@pytest.mark.parametrize("code, message", [("ORDER_REFUNDED", "Order is paid"), ("ORDER_PAID", "Order was refunded")])
def test_completed_outweighs_refunded(code: str, message: str) -> None:
    """Paid and refunded do not contradict each other, and the hint to refund does less harm than its lack."""
    assert read_refusal(ORDER, code, message, None) is COMPLETED


def test_the_calls_own_status_is_not_the_orders() -> None:
    """A failed status in details may be the call's, and does not outweigh the code."""
    assert read_refusal(ORDER, "ORDER_ALREADY_CANCELLED", "", {"status": "failed"}) is CANCELLED


@pytest.mark.parametrize("order_id", ["cancelled", "paid", "is-cancelled", "completed"])
def test_an_order_id_is_not_read_as_words(order_id: str) -> None:
    """An order ID may be any word; it says nothing about the order's state."""
    assert read_refusal(order_id, "", f"Order {order_id} is locked. It is {order_id}.", None) is OTHER


def test_only_the_beginning_of_a_long_message_is_read() -> None:
    """Reading takes no longer for a message that goes on and on."""
    assert read_refusal(ORDER, "", "x " * 600 + ". Order is already cancelled", None) is OTHER


@given(order_id=st.text(), code=st.text(), message=st.text() | st.from_regex("(already|cancelled|is|paid| |:)*"))
def test_any_text_can_be_read(order_id: str, code: str, message: str) -> None:
    """Reading ends and never raises, for any text of the gateway's."""
    assert read_refusal(order_id, code, message * 50, None) in Reason


@pytest.mark.parametrize(
    "code, message, speaks",
    [
        ("INVALID_TIMESTAMP", "", True),
        ("timestamp", "", True),
        ("", "X-Timestamp is more than 5 minutes off.", True),
        ("", "The timestamp has expired", True),
        ("", "Bad 'x_timestamp'", True),
        ("INVALID_API_KEY", "Unknown key.", False),
        ("INVALID_TIMESTAMPS", "", False),
        ("", "This service timestamped your call", False),
        ("", "The time stamp is wrong", False),
        ("", "", False),
    ],
)
def test_the_timestamp_is_a_whole_word(code: str, message: str, speaks: bool) -> None:
    """Any case counts, and an underscore parts words."""
    assert speaks_of_the_timestamp(code, message) is speaks
