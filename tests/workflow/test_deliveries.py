"""Messages to Slack: what is queued, in which order, and what follows from each try."""

import pytest

from bot.domain.cancellation import State
from bot.domain.delivery import DeliveryKind, DeliveryOutcome, Receipt
from bot.domain.events import CardBlocked, CardPosted, DeliveryAbandoned, Started
from bot.store import Store
from bot.workflow import Workflow
from tests.clock import Clock
from tests.workflow.steps import (
    CANCELLED,
    DELIVERED,
    DENIED,
    GONE,
    LOST,
    approve,
    approved,
    claimed,
    contents,
    deliver_all,
    kinds,
    now,
    requested,
    sending,
    state_of,
)
from tests.world import next_delivery


async def test_a_result_is_told_once_in_the_order_in_which_things_happened(workflow: Workflow) -> None:
    """One update serves all changes that nobody has shown yet; thread replies keep their order."""
    await approved(workflow)
    await workflow.record_answer(await sending(workflow), CANCELLED)
    assert await deliver_all(workflow) == [
        DeliveryKind.CARD,
        DeliveryKind.CARD_UPDATE,
        DeliveryKind.REPLY,
        DeliveryKind.DIRECT_MESSAGE,
    ]


async def test_a_delivery_comes_with_its_event_and_the_state_as_it_is_now(workflow: Workflow) -> None:
    """A card that is posted late shows today's state, and names the event that it was queued for."""
    cancellation = await approved(workflow)
    card = await claimed(workflow)
    assert (card.event.kind, card.event.cancellation) == ("requested", cancellation.id)
    assert card.cancellation.state is State.APPROVED


async def test_a_posted_card_is_on_record_with_its_place(workflow: Workflow, store: Store) -> None:
    """The record and the cancellation both say where the card is in Slack."""
    cancellation = await requested(workflow)
    await deliver_all(workflow)
    found = await now(store, cancellation)
    assert (found.card_channel, found.card_ts, found.card_link) == ("C1", "1.1", "https://x/1")
    assert CardPosted("C1", "1.1") in await contents(store)


async def test_a_card_that_was_overtaken_on_its_way_is_updated(workflow: Workflow) -> None:
    """A change while the card is being posted leads to an update of that card."""
    cancellation = await requested(workflow)
    card = await claimed(workflow)
    await approve(workflow, cancellation)
    await workflow.record_delivery(card.delivery, DELIVERED)
    assert await deliver_all(workflow) == [DeliveryKind.CARD_UPDATE]


async def test_an_unfinished_delivery_comes_again_in_doubt(workflow: Workflow, clock: Clock) -> None:
    """After a restart the killed worker's delivery is due a little later, and may be in Slack already."""
    await requested(workflow)
    first = await claimed(workflow)
    assert first.delivery.in_doubt_since is None
    await workflow.start(Started("1"))
    assert await next_delivery(workflow) is None
    clock.advance(3)
    again = await claimed(workflow)
    assert (again.delivery.id, again.delivery.tries) == (first.delivery.id, 2)
    assert again.delivery.in_doubt_since is not None


async def test_a_delivery_whose_lease_has_lapsed_comes_again_in_doubt(workflow: Workflow, clock: Clock) -> None:
    """A worker that never came back holds up its delivery for two minutes, not longer."""
    await requested(workflow)
    first = await claimed(workflow)
    began = clock()
    clock.advance(119.9)
    assert await next_delivery(workflow) is None
    clock.advance(0.1)
    again = await claimed(workflow)
    assert (again.delivery.id, again.delivery.tries) == (first.delivery.id, 2)
    assert again.delivery.in_doubt_since == began


async def test_a_blocked_card_is_reported_once_and_tried_until_it_can_be_posted(
    workflow: Workflow, store: Store, clock: Clock
) -> None:
    """The requester gets one message; the card goes out as soon as the channel takes it."""
    await requested(workflow)
    tried = []
    for _ in range(3):
        while (due := await next_delivery(workflow)) is not None:
            tried.append(due.delivery.kind)
            blocked = due.delivery.kind is DeliveryKind.CARD
            problem = Receipt(DeliveryOutcome.BLOCKED, problem="not_in_channel")
            await workflow.record_delivery(due.delivery, problem if blocked else Receipt(DeliveryOutcome.DELIVERED))
        clock.advance(60)
    assert tried == [DeliveryKind.CARD, DeliveryKind.DIRECT_MESSAGE, DeliveryKind.CARD, DeliveryKind.CARD]
    assert await deliver_all(workflow) == [DeliveryKind.CARD]
    assert (await contents(store)).count(CardBlocked("C1", "not_in_channel")) == 1


async def test_a_deleted_card_is_posted_again_while_people_must_act(workflow: Workflow, store: Store) -> None:
    """If the card is gone when it must be changed and a decision is still needed, there will be a new one."""
    cancellation = await approved(workflow)
    await deliver_all(workflow)
    await workflow.record_answer(await sending(workflow), DENIED)
    while (due := await claimed(workflow)).delivery.kind is not DeliveryKind.CARD_UPDATE:
        await workflow.record_delivery(due.delivery, Receipt(DeliveryOutcome.DELIVERED))
    await workflow.record_delivery(due.delivery, GONE)
    assert DeliveryKind.CARD in await deliver_all(workflow)
    assert await state_of(store, cancellation) is State.FAILED


async def test_a_deleted_card_with_two_updates_queued_is_posted_again_once(workflow: Workflow, clock: Clock) -> None:
    """However many updates find the card gone, there will be one new card."""
    await approved(workflow)
    await deliver_all(workflow)
    await workflow.record_answer(await sending(workflow), LOST)
    first = await claimed(workflow)
    for _ in range(2):
        clock.advance(60)
        await workflow.record_answer(await sending(workflow), LOST)
    await workflow.record_delivery(first.delivery, GONE)
    cards = 0
    while (due := await next_delivery(workflow)) is not None:
        cards += due.delivery.kind is DeliveryKind.CARD
        update = due.delivery.kind is DeliveryKind.CARD_UPDATE and not cards
        posted = Receipt(DeliveryOutcome.DELIVERED, "C1", "2.2")
        await workflow.record_delivery(due.delivery, GONE if update else posted)
    assert cards == 1


async def test_a_delivery_is_abandoned_after_a_day_and_that_is_on_record(
    workflow: Workflow, store: Store, clock: Clock
) -> None:
    """A card that Slack does not take for a day is abandoned, with everything that would be below it."""
    await approved(workflow)
    for _ in range(2):
        due = await claimed(workflow)
        later = Receipt(DeliveryOutcome.LATER, problem="http_500", in_doubt=True)
        await workflow.record_delivery(due.delivery, later)
        clock.advance(hours=25)
    assert DeliveryAbandoned(DeliveryKind.CARD, "http_500") in await contents(store)
    assert await deliver_all(workflow) == []


async def test_a_card_that_slack_never_takes_is_reported_to_the_requester(workflow: Workflow, store: Store) -> None:
    """If Slack refuses the card itself for good, the requester learns that nobody can approve."""
    await requested(workflow)
    due = await claimed(workflow)
    await workflow.record_delivery(due.delivery, Receipt(DeliveryOutcome.IMPOSSIBLE, problem="invalid_blocks"))
    assert await deliver_all(workflow) == [DeliveryKind.DIRECT_MESSAGE]
    assert await kinds(store) == ["requested", "delivery_abandoned"]


async def test_a_message_that_fails_fifty_times_no_longer_holds_up_the_others(workflow: Workflow, clock: Clock) -> None:
    """Up to then the whole channel is paused; after that only this message waits."""
    await requested(workflow)
    paused = []
    for _ in range(52):
        due = await claimed(workflow)
        pause = await workflow.record_delivery(due.delivery, Receipt(DeliveryOutcome.LATER, problem="http_500"))
        paused.append(bool(pause))
        clock.advance(60)
    assert paused == [True] * 50 + [False] * 2


@pytest.mark.parametrize(
    "outcome, retry_after, seconds",
    [
        (DeliveryOutcome.LATER, None, 1),
        (DeliveryOutcome.LATER, 7.0, 7),
        (DeliveryOutcome.IN_DOUBT, None, 3),
        (DeliveryOutcome.IN_DOUBT, 7.0, 7),
        (DeliveryOutcome.DELIVERED, None, 0),
        (DeliveryOutcome.IMPOSSIBLE, None, 0),
    ],
)
async def test_the_pause_of_a_channel(
    workflow: Workflow, outcome: DeliveryOutcome, retry_after: float | None, seconds: float
) -> None:
    """A channel waits for as long as Slack asks, and long enough for a message in doubt to become visible."""
    await requested(workflow)
    due = await claimed(workflow)
    pause = await workflow.record_delivery(due.delivery, Receipt(outcome, retry_after=retry_after))
    assert pause.total_seconds() == seconds


async def test_at_most_one_new_message_for_each_channel_is_claimed(workflow: Workflow) -> None:
    """Two cards for one channel are claimed one after the other, so that they keep their order."""
    for number in range(2):
        await requested(workflow, f"ord_{number}", form=f"V{number}")
    both = await workflow.claim("w", calls=0, messages=5)
    assert [due.delivery.kind for due in both.deliveries] == [DeliveryKind.CARD]
    rest = await workflow.claim("w", calls=0, messages=5, not_to=frozenset({"C1"}))
    assert rest.deliveries == []
