"""What a refused click says is true of the orders of its request: every two of them, every act, and every reader."""

import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from bot.domain import policy
from bot.domain.cancellation import Cancellation, Choice, Earlier, State
from bot.domain.freeze import Freeze
from bot.domain.policy import Actor, Membership, Verdict
from bot.domain.request import Request
from bot.slack.views import buttons, refusals
from bot.workflow.decisions import judged
from tests.slack.views.batches import (
    CANCELLED,
    COMPLETED,
    DUE,
    FAILED,
    SENDING,
    SETTLED,
    STOPPED,
    UNCLEAR,
    UNKNOWN,
    WAITING,
    batch,
)
from tests.slack.views.samples import APPROVAL, AT, CANCELLATION

REQUESTER = CANCELLATION.requester
ORDERS = (
    replace(DUE, due_at=AT),
    WAITING,
    UNCLEAR,
    SENDING,
    CANCELLED,
    COMPLETED,
    FAILED,
    STOPPED,
    replace(STOPPED, stopped_by=REQUESTER),
    UNKNOWN,
    SETTLED,
    replace(SETTLED, state=State.SETTLED_CANCELLED),
    *(replace(FAILED, later=Earlier(later, AT)) for later in (State.PENDING, State.CANCELLED, State.REJECTED)),
)
PEOPLE = (
    Actor("U0BEN", "ben", approver=Membership.MEMBER),
    Actor(REQUESTER, "ann", approver=Membership.MEMBER),
    Actor(REQUESTER, "ann", approver=Membership.OUTSIDER),
)


def judges(actor: Actor, at: datetime) -> Iterator[Callable[[Request], Verdict]]:
    """Yield what decides about each act of this person on one order at this time, whatever the votes are worth."""
    for votes in (Verdict.ALLOWED, Verdict.VOTES_MISSING, Verdict.VOTES_UNCHECKED):
        yield lambda one, votes=votes: policy.may_retry(one, actor, at, votes=votes)  # type: ignore[misc]
    yield lambda one: policy.may_try_now(one, actor, at)
    yield lambda one: policy.may_stop(one, actor)
    yield lambda one: policy.may_settle(one, actor)
    yield lambda one: policy.may_decide(one, actor, Choice.APPROVE, allow_self_approval=False)


def retried(request: Request, why: Verdict | None) -> bool:
    """Return True where this stands in the way of a retry of at least one order; None is nothing."""
    return why in {policy.against_retry(one, request.read_at) for one in request.each()}


def some(test: Callable[[Cancellation], object]) -> Callable[[Request], bool]:
    """Return a test of a request: this holds of at least one of its orders."""
    return lambda request: any(test(each) for each in request.cancellations)


def every(test: Callable[[Cancellation], object]) -> Callable[[Request], bool]:
    """Return a test of a request: this holds of all its orders."""
    return lambda request: all(test(each) for each in request.cancellations)


CLAIMS: dict[str, Callable[[Request], bool]] = {
    "is being asked at this moment": some(lambda each: each.state is State.SENDING),
    "It is due now": some(lambda each: each.state is State.APPROVED),
    "lost or not clear": some(lambda each: each.unclear),
    "I ask again": some(lambda each: each.state is State.APPROVED),
    "has ended": lambda request: not request.under_way,
    "is approved": lambda request: request.under_way,
    "under way|waiting": lambda request: request.under_way,
    r"may be cancelled\)": some(lambda each: each.unclear),
    "has buttons": lambda request: bool(request.has_card and buttons.actions(request)),
    "Nothing is left to retry": lambda request: not retried(request, None),
    "the requester stopped at": lambda request: retried(request, Verdict.STOPPED_BY_REQUESTER),
    "confirmed another request": lambda request: retried(request, Verdict.CANCELLED_SINCE),
    "another request for at least one of these orders was": lambda request: retried(request, Verdict.DECIDED_AGAINST),
    "There is another open request": lambda request: retried(request, Verdict.ANOTHER_IS_OPEN),
    "too old for a retry": lambda request: retried(request, Verdict.APPROVAL_TOO_OLD),
    "Too few approvals|couldn't check": some(lambda each: each.state.may_retry),
    "settle those by hand": some(lambda each: each.state is State.UNKNOWN),
    "need a new request": lambda request: not request.under_way,
    "Another approver has to": some(lambda each: each.state.may_retry),
    "If the gateway's answer does not settle": lambda request: request.under_way,
    # What describes a single order.
    "this order|the order ": lambda request: not request.several,
    "requester stopped this": every(lambda each: each.stopped_by == REQUESTER),
    "did not cancel": every(lambda each: each.state is State.FAILED),
    "nobody knows yet": every(lambda each: each.state is State.UNKNOWN),
    "stopped by a person": every(lambda each: each.stopped_by),
    "settled by hand$": every(lambda each: each.settlement),
}
"""What a text may say, and what must hold of the request then."""


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("has_card", [False, True])
@pytest.mark.parametrize("later", [timedelta(minutes=5), timedelta(days=90)])
def test_what_a_refused_click_on_two_orders_says_is_true(frozen: bool, has_card: bool, later: timedelta) -> None:
    """A cause that holds of one order only speaks for no other one."""
    freeze, met = Freeze("U0BEN", AT, "why", "ben") if frozen else None, set()
    for pair in itertools.combinations_with_replacement(ORDERS, 2):
        request = batch(*pair, decisions=(APPROVAL,), read_at=AT + later, has_card=has_card, freeze=freeze)
        for actor in PEOPLE:
            for judge in judges(actor, AT + later):
                _, verdict = judged(request, judge)
                if verdict is Verdict.ALLOWED:
                    continue
                text = refusals.click_refused(verdict, request)
                for words, holds in CLAIMS.items():
                    if re.search(words, text):
                        met.add(words)
                        assert holds(request), (words, text, [each.state for each in pair])
    assert len(met) > 10
