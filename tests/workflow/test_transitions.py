"""The steps that end a request."""

import pytest

from bot.domain.audit import BOT
from bot.domain.cancellation import State
from bot.domain.delivery import DeliveryKind
from bot.domain.events import Cancelled, Expired, Withdrawn
from bot.store import Store
from bot.workflow import Workflow
from bot.workflow.transitions import end
from tests.clock import Clock
from tests.workflow.steps import CANCELLED, contents, deliver_all, kinds, requested, state_of
from tests.world import next_attempt


async def test_pending_requests_expire(workflow: Workflow, store: Store, clock: Clock) -> None:
    """After its time the request expires, on record, and the card, the thread and the requester get the news."""
    request = await requested(workflow)
    await deliver_all(workflow)
    clock.advance(hours=24)
    assert await next_attempt(workflow) is None
    assert await state_of(store, request) is State.EXPIRED
    assert (await contents(store))[-1] == Expired()
    news = {DeliveryKind.CARD_UPDATE, DeliveryKind.REPLY, DeliveryKind.DIRECT_MESSAGE}
    assert set(await deliver_all(workflow)) == news


async def test_a_requester_gets_no_message_about_what_they_did(workflow: Workflow, store: Store, clock: Clock) -> None:
    """The news goes to the card and its thread alone."""
    request = await requested(workflow)
    await deliver_all(workflow)
    await store.transaction("end", lambda tx: end(tx, request, Withdrawn(), request.requester, clock()))
    assert await deliver_all(workflow) == [DeliveryKind.CARD_UPDATE, DeliveryKind.REPLY]


async def test_an_end_that_may_not_follow_leaves_nothing(workflow: Workflow, store: Store, clock: Clock) -> None:
    """A caller's mistake raises, and neither the record nor the outbox gets anything."""
    request = await requested(workflow)
    await deliver_all(workflow)
    before = await kinds(store)
    cancelled = Cancelled(1, CANCELLED)
    with pytest.raises(AssertionError, match="no step from pending to cancelled"):
        await store.transaction("end", lambda tx: end(tx, request, cancelled, BOT, clock()))
    assert await state_of(store, request) is State.PENDING
    assert await kinds(store) == before
    assert await deliver_all(workflow) == []
