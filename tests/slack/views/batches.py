"""Requests of several orders, for the tests of what people read about them."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from bot.domain.attempt import Answer, Outcome, Reason, Trouble
from bot.domain.cancellation import Cancellation, Choice, Decision, State
from bot.domain.request import Request, Step
from tests.slack.views.samples import APPROVAL, AT, CANCELLATION

ONE = CANCELLATION.cancellation
STATEMENT = Decision("U0DORA", Choice.SETTLE, "I saw it in the console", AT)

PENDING = replace(ONE, state=State.PENDING)
SENDING = replace(ONE, state=State.SENDING, attempts=1)
NEXT_AT = AT + timedelta(minutes=6)
WAITING = replace(
    ONE,
    state=State.APPROVED,
    attempts=1,
    due_at=NEXT_AT,
    last_answer=Answer(Outcome.NOT_SENT, trouble=Trouble.NOT_CONNECTED),
)
UNCLEAR = replace(WAITING, unclear=True, last_answer=Answer(Outcome.UNKNOWN, trouble=Trouble.CONNECTION_LOST))
DUE = replace(WAITING, attempts=0, last_answer=None)
CANCELLED = replace(ONE, state=State.CANCELLED, attempts=1, last_answer=Answer(Outcome.CANCELLED))
COMPLETED = replace(
    ONE,
    state=State.REFUSED,
    attempts=1,
    last_answer=Answer(Outcome.REFUSED, reason=Reason.COMPLETED, message="Order is paid."),
)
FAILED = replace(WAITING, state=State.FAILED, due_at=None)
STOPPED = replace(FAILED, stopped_by="U0CLEO")
UNKNOWN = replace(
    ONE, state=State.UNKNOWN, attempts=2, last_answer=Answer(Outcome.UNKNOWN, trouble=Trouble.NO_ANSWER_IN_TIME)
)
SETTLED = replace(UNKNOWN, state=State.SETTLED_NOT_CANCELLED, settlement=STATEMENT)


def batch(*orders: Cancellation, **of_request: Any) -> Request:
    """Return a request of these orders, which get the ids ord_1, ord_2 and so on, with these fields of its own."""
    numbered = (replace(each, number=number, order_id=f"ord_{number}") for number, each in enumerate(orders, 1))
    return replace(CANCELLATION, cancellations=tuple(numbered), **of_request)


def of_ids(order_ids: Sequence[str], order: Cancellation, **of_request: Any) -> Request:
    """Return a request of orders with these ids, which all stand alike."""
    orders = (replace(order, number=number, order_id=each) for number, each in enumerate(order_ids, 1))
    return replace(CANCELLATION, cancellations=tuple(orders), **of_request)


ASKED, APPROVED = Step("requested", "U0ANN", AT), Step("voted", "U0BEN", AT)
UNDER_WAY = batch(*[CANCELLED] * 9, *[COMPLETED] * 2, SENDING, history=(ASKED, APPROVED))
ENDED = batch(
    *[CANCELLED] * 3, COMPLETED, COMPLETED, FAILED, STOPPED, UNKNOWN, SETTLED,
    decisions=(APPROVAL,),
    history=(
        ASKED,
        APPROVED,
        *(Step("retried", "U0BEN", AT + timedelta(minutes=1), f"ord_{number}") for number in (6, 7, 8)),
        Step("stopped_trying", "U0CLEO", AT + timedelta(minutes=2), "ord_7"),
        Step("settled_not_cancelled", "U0DORA", AT + timedelta(minutes=3), "ord_9"),
    ),
)  # fmt: skip
"""One order of each of the typical ends."""
