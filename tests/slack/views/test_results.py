"""The results: what the thread and the requester read when a request ended, or why it waits."""

from dataclasses import replace
from typing import get_args

import pytest
from syrupy.assertion import SnapshotAssertion

from bot.domain.attempt import Answer, Outcome, Reason, Trouble
from bot.domain.cancellation import State
from bot.domain.delivery import DeliveryKind
from bot.domain.events import (
    Cancelled,
    CardBlocked,
    Content,
    DeliveryAbandoned,
    Expired,
    Failed,
    Refused,
    Rejected,
    Unknown,
    Withdrawn,
)
from bot.slack.views import results
from bot.workflow.transitions import Ending
from tests.slack.views.samples import CANCELLATION, event_of, shown


def refused(reason: Reason, message: str = "", request_id: str = "") -> Refused:
    """Return the event of a final no after one attempt."""
    return Refused(1, Answer(Outcome.REFUSED, reason=reason, message=message, request_id=request_id))


RESULTS = [
    pytest.param(Cancelled(1, Answer(Outcome.CANCELLED, http_status=200)), id="cancelled"),
    pytest.param(
        Cancelled(2, Answer(Outcome.REFUSED, reason=Reason.ALREADY_CANCELLED), confirmed_by_repeat=True),
        id="confirmed by a repeat",
    ),
    pytest.param(refused(Reason.COMPLETED, "completed", "req_1"), id="refund"),
    pytest.param(refused(Reason.ALREADY_CANCELLED), id="already cancelled"),
    pytest.param(refused(Reason.ALREADY_REFUNDED), id="already refunded"),
    pytest.param(refused(Reason.NO_SUCH_ORDER), id="no such order"),
    pytest.param(refused(Reason.OTHER), id="refused"),
    pytest.param(Failed(1, Answer(Outcome.NOT_SENT, reason=Reason.CREDENTIALS)), id="credentials"),
    pytest.param(Failed(1, Answer(Outcome.NOT_SENT, reason=Reason.CLOCK)), id="clock"),
    pytest.param(Failed(4, Answer(Outcome.NOT_SENT, trouble=Trouble.NOT_CONNECTED)), id="failed"),
    pytest.param(Unknown(4, Answer(Outcome.UNKNOWN, trouble=Trouble.CONNECTION_LOST)), id="unknown"),
    pytest.param(Rejected("no"), id="rejected"),
    pytest.param(Rejected(), id="rejected without a reason"),
    pytest.param(Withdrawn(), id="withdrawn"),
    pytest.param(Expired(), id="expired"),
    pytest.param(CardBlocked("C1", "not_in_channel"), id="not invited"),
    pytest.param(CardBlocked("C1", "is_archived"), id="archived"),
    pytest.param(CardBlocked("C1", "restricted_action"), id="restricted"),
    pytest.param(DeliveryAbandoned(DeliveryKind.CARD, "msg_too_long"), id="no card"),
]


@pytest.mark.parametrize("content", RESULTS)
def test_each_result_says_what_it_means_and_what_to_do(content: Content, snapshot: SnapshotAssertion) -> None:
    """The thread and the requester read the same, with the record's head as a witness."""
    event = event_of(content)
    reply = shown(results.reply(CANCELLATION, event))
    assert reply == snapshot
    assert shown(results.direct_message(CANCELLATION, event)) == f"{reply} · Open the card"
    assert "#7·0a1b2c3d · Open the card" in shown(results.direct_message(CANCELLATION, event))


def test_every_ending_is_reported() -> None:
    """There is a text for each event that ends a request."""
    assert {type(result.values[0]) for result in RESULTS} >= set(get_args(Ending))


@pytest.mark.parametrize("state", [State.FAILED, State.UNKNOWN])
def test_a_card_that_is_missing_for_retry_does_not_expire(state: State) -> None:
    """People read which button is missing, and of an expiry only where there is one."""
    event = event_of(DeliveryAbandoned(DeliveryKind.CARD, "msg_too_long"))
    pending = shown(results.direct_message(CANCELLATION, event))
    assert "nobody can approve" in pending
    assert "expires" in pending
    later = shown(results.direct_message(replace(CANCELLATION, state=state), event))
    assert "nobody can press Retry" in later
    assert "expires" not in later


def test_a_notification_names_the_result_and_the_order() -> None:
    """The text for notifications says what the first line says."""
    assert results.reply(CANCELLATION, event_of(Expired())).text == "⌛ Expired: nobody decided in time · order ord_1"
