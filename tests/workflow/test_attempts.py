"""Calls to the gateway: what their answers prove, and when the next one follows."""

from dataclasses import replace

import pytest

from bot.domain.attempt import Answer
from bot.domain.audit import verify
from bot.domain.cancellation import State
from bot.domain.events import Answered, Cancelled, Repeating, Started
from bot.store import Store
from bot.workflow import Workflow
from tests.clock import Clock
from tests.workflow.steps import (
    ALREADY,
    AWAY,
    CANCELLED,
    COMPLETED,
    DENIED,
    LOST,
    MISSING,
    REFUNDED,
    VAGUE,
    approved,
    contents,
    now,
    sending,
    state_of,
)
from tests.world import next_attempt


@pytest.mark.parametrize(
    "answers, state",
    [
        pytest.param([CANCELLED], State.CANCELLED, id="confirmed"),
        pytest.param([COMPLETED], State.REFUSED, id="completed"),
        pytest.param([REFUNDED], State.REFUSED, id="refunded"),
        pytest.param([ALREADY], State.REFUSED, id="cancelled before this request"),
        pytest.param([LOST, ALREADY], State.CANCELLED, id="lost, then cancelled already"),
        pytest.param([AWAY, ALREADY], State.REFUSED, id="never sent, then cancelled already"),
        pytest.param([LOST, COMPLETED], State.REFUSED, id="lost, then completed"),
        pytest.param([LOST, REFUNDED], State.REFUSED, id="lost, then refunded"),
        pytest.param([LOST, VAGUE], State.UNKNOWN, id="lost, then a no that tells nothing"),
        pytest.param([VAGUE], State.REFUSED, id="a no that tells nothing"),
        pytest.param([LOST, MISSING], State.REFUSED, id="lost, then no such order"),
        pytest.param([AWAY, CANCELLED], State.CANCELLED, id="away, then confirmed"),
        pytest.param([DENIED], State.FAILED, id="credentials"),
        pytest.param([LOST, DENIED], State.UNKNOWN, id="lost, then credentials"),
        pytest.param([AWAY, AWAY, AWAY], State.FAILED, id="attempts ran out, nothing sent"),
        pytest.param([LOST, AWAY, AWAY], State.UNKNOWN, id="attempts ran out, one lost"),
        pytest.param([LOST, LOST, LOST], State.UNKNOWN, id="attempts ran out, all lost"),
    ],
)
async def test_answers_lead_to_states(
    workflow: Workflow, store: Store, clock: Clock, answers: list[Answer], state: State
) -> None:
    """The state never says more than the attempts proved."""
    cancellation = await approved(workflow)
    for answer in answers:
        await workflow.record_answer(await sending(workflow), answer)
        clock.advance(60)
    found = await now(store, cancellation)
    assert found.state is state
    assert found.last_answer == replace(answers[-1], repeat=False)
    assert await next_attempt(workflow) is None
    assert (await store.read(lambda tables: verify(tables.record.all()))).damage is None


async def test_every_answer_is_on_record_with_its_number(workflow: Workflow, store: Store, clock: Clock) -> None:
    """The record has each answer whole, and says that a repeat confirmed the cancellation."""
    await approved(workflow)
    for answer in (LOST, AWAY, ALREADY):
        await workflow.record_answer(await sending(workflow), answer)
        clock.advance(60)
    answered = [content for content in await contents(store) if isinstance(content, Answered)]
    assert answered == [Repeating(1, LOST), Repeating(2, AWAY), Cancelled(3, ALREADY, confirmed_by_repeat=True)]


async def test_repeats_wait_longer_each_time_and_as_long_as_asked(workflow: Workflow, clock: Clock) -> None:
    """The pause doubles, and a Retry-After that is longer wins."""
    await approved(workflow)
    await workflow.record_answer(await sending(workflow), AWAY)
    clock.advance(0.9)
    assert await next_attempt(workflow) is None
    clock.advance(0.1)
    await workflow.record_answer(await sending(workflow), replace(AWAY, retry_after=7.0))
    clock.advance(6.9)
    assert await next_attempt(workflow) is None
    clock.advance(0.1)
    assert await next_attempt(workflow) is not None


async def test_a_call_whose_worker_died_is_repeated(workflow: Workflow, store: Store, clock: Clock) -> None:
    """After a restart the unfinished attempt counts as lost, and the cancel is sent again."""
    cancellation = await approved(workflow)
    await sending(workflow)
    await workflow.start(Started("1"))
    assert await next_attempt(workflow) is None
    assert await state_of(store, cancellation) is State.APPROVED
    clock.advance(2)
    await workflow.record_answer(await sending(workflow), ALREADY)
    assert await state_of(store, cancellation) is State.CANCELLED


async def test_an_answer_that_comes_after_its_lease_does_not_count(
    workflow: Workflow, store: Store, clock: Clock
) -> None:
    """Only one result of an attempt is ever kept."""
    cancellation = await approved(workflow)
    late = await sending(workflow)
    clock.advance(minutes=3)
    assert await next_attempt(workflow) is None
    assert await workflow.record_answer(late, CANCELLED) is None
    assert await state_of(store, cancellation) is State.APPROVED


async def test_a_late_answer_does_not_count_for_the_next_attempt(
    workflow: Workflow, store: Store, clock: Clock
) -> None:
    """While the next call is under way, the answer to the one before it changes nothing."""
    cancellation = await approved(workflow)
    late = await sending(workflow)
    clock.advance(minutes=3)
    assert await next_attempt(workflow) is None
    clock.advance(1)
    await sending(workflow)
    assert await workflow.record_answer(late, CANCELLED) is None
    assert await state_of(store, cancellation) is State.SENDING
