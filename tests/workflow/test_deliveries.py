"""Messages to Slack: what is queued, in which order, and what follows from each try."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from bot.domain.cancellation import State
from bot.domain.delivery import (
    LONGEST_RETRY_AFTER,
    Delivery,
    DeliveryKind,
    DeliveryOutcome,
    MissingCard,
    Original,
    Receipt,
)
from bot.domain.events import CardBlocked, CardPosted, DeliveryAbandoned, Started, Withdrawn
from bot.domain.policy import NAMED, Act, Surface, Verdict
from bot.domain.request import Request
from bot.store import Store, Tables
from bot.workflow import ClaimedDelivery, Concluded, Held, Workflow, decisions
from tests.clock import Clock
from tests.workflow.steps import (
    ANN,
    AWAY,
    CANCELLED,
    DELIVERED,
    DENIED,
    GONE,
    LOST,
    approve,
    approved,
    ask,
    claimed,
    contents,
    deliver_all,
    failed,
    kinds,
    now,
    reject,
    requested,
    sending,
    settle,
    state_of,
    unknown,
)
from tests.world import TABLES, actor, next_attempt, next_delivery, typed


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
    request = await approved(workflow)
    card = await claimed(workflow)
    assert (card.event.kind, card.event.request) == ("requested", request.id)
    assert card.request is not None
    assert card.request.state is State.APPROVED


async def test_a_posted_card_is_on_record_with_its_place(workflow: Workflow, store: Store) -> None:
    """The record and the request both say where the card is in Slack."""
    request = await requested(workflow)
    await deliver_all(workflow)
    found = await now(store, request)
    assert (found.card_channel, found.card_ts, found.card_link) == ("C1", "1.1", "https://x/1")
    assert CardPosted("C1", "1.1", "https://x/1") in await contents(store)


async def test_a_card_that_was_overtaken_on_its_way_is_updated(workflow: Workflow) -> None:
    """A change while the card is being posted leads to an update of that card."""
    request = await requested(workflow)
    card = await claimed(workflow)
    await approve(workflow, request)
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


async def test_a_restart_does_not_shorten_the_pause_that_slack_asked_for(workflow: Workflow, clock: Clock) -> None:
    """After a restart the message comes when Slack wants it, and what a wrong clock put off comes at once."""
    await requested(workflow)
    card = await claimed(workflow)
    later = Receipt(DeliveryOutcome.LATER, problem="ratelimited", retry_after=LONGEST_RETRY_AFTER)
    await workflow.record_delivery(card.delivery, later)
    await workflow.start(Started("1"))
    clock.advance(LONGEST_RETRY_AFTER - 0.1)
    assert await deliver_all(workflow, receipts=True) == [DeliveryKind.RECEIPT]
    clock.advance(0.1)
    card = await claimed(workflow)
    await workflow.record_delivery(card.delivery, later)
    clock.advance(-3600)
    await workflow.start(Started("1"))
    assert (await claimed(workflow)).delivery.kind is DeliveryKind.CARD


async def test_copies_are_looked_for_a_minute_after_a_doubt(workflow: Workflow, store: Store, clock: Clock) -> None:
    """By then Slack shows whatever the tries without an answer posted; the message on file stays."""
    await requested(workflow)
    began = clock()
    for seconds in (3, 7):
        card = await claimed(workflow)
        await workflow.record_delivery(
            card.delivery, Receipt(DeliveryOutcome.IN_DOUBT, problem="http_500", in_doubt=True)
        )
        clock.advance(seconds)
    card = await claimed(workflow)
    assert (card.delivery.in_doubt_since, card.delivery.last_try_at) == (began, began + timedelta(seconds=3))
    await workflow.record_delivery(card.delivery, FIRST)
    await deliver_all(workflow, receipts=True)
    clock.advance(59.9)
    assert await next_delivery(workflow) is None
    clock.advance(0.1)
    look = (await claimed(workflow)).delivery
    assert (look.kind, look.id) == (DeliveryKind.COPIES, card.delivery.id)
    assert look.original == Original(DeliveryKind.CARD, "C1", "7.1")
    assert (look.in_doubt_since, look.last_try_at) == (began, began + timedelta(seconds=10))
    await workflow.record_delivery(look, FIRST)
    clock.advance(hours=1)
    assert await next_delivery(workflow) is None


@pytest.mark.parametrize("word", ["freeze", "approve"])
async def test_what_a_clock_that_was_ahead_by_minutes_has_put_off_is_due_at_the_start(
    workflow: Workflow, clock: Clock, word: str
) -> None:
    """What was never tried waits for nothing: the channel reads the freeze, and the order is sent."""
    request = await requested(workflow)
    await deliver_all(workflow)
    clock.advance(minutes=4)
    if word == "freeze":
        await workflow.freeze(replace(actor("UTWO"), ground=NAMED), "why", typed())
    else:
        await approve(workflow, request)
    clock.advance(minutes=-4)
    await workflow.start(Started("1"))
    if word == "freeze":
        assert {*await deliver_all(workflow)} == {DeliveryKind.ANNOUNCEMENT, DeliveryKind.CARD_UPDATE}
    else:
        assert await next_attempt(workflow) is not None


@pytest.mark.parametrize("wrong", [timedelta(minutes=3), timedelta(hours=-3)])
@pytest.mark.parametrize("kind", [DeliveryKind.CARD, DeliveryKind.CARD_UPDATE])
async def test_a_start_on_a_wrong_clock_does_not_end_the_minute_that_slack_may_take(
    workflow: Workflow, clock: Clock, kind: DeliveryKind, wrong: timedelta
) -> None:
    """A look before Slack shows the copies is in vain, and an update that Slack undoes, too. So each waits anew."""
    request = await requested(workflow)
    if kind is DeliveryKind.CARD_UPDATE:
        await deliver_all(workflow, receipts=True)
        await reject(workflow, request, "UTWO")
    lost = Receipt(DeliveryOutcome.IN_DOUBT, problem="http_500", in_doubt=True)
    await workflow.record_delivery((await first_of(workflow, kind)).delivery, lost)
    clock.advance(3)
    waits = DeliveryKind.COPIES if kind is DeliveryKind.CARD else kind
    await deliver_all(workflow, receipts=True)
    clock.advance(wrong.total_seconds())
    await workflow.start(Started("1"))
    assert waits not in await deliver_all(workflow, receipts=True)
    clock.advance(-wrong.total_seconds())
    await workflow.start(Started("1"))
    clock.advance(59.9)
    assert waits not in await deliver_all(workflow, receipts=True)
    clock.advance(0.1)
    assert await deliver_all(workflow, receipts=True) == [waits]
    clock.advance(hours=4)
    assert await deliver_all(workflow, receipts=True) == []


async def test_nobody_waits_for_a_look_for_copies(workflow: Workflow, clock: Clock) -> None:
    """Every message is in Slack. So /readyz and the log tell of no message that waits, however often Slack refuses."""
    await requested(workflow)
    lost = Receipt(DeliveryOutcome.IN_DOUBT, problem="http_500", in_doubt=True)
    await workflow.record_delivery((await claimed(workflow)).delivery, lost)
    clock.advance(3)
    await workflow.record_delivery((await claimed(workflow)).delivery, FIRST)
    await deliver_all(workflow, receipts=True)
    clock.advance(60)
    for _ in range(4):
        look = await claimed(workflow)
        assert look.delivery.kind is DeliveryKind.COPIES
        concluded = await workflow.record_delivery(
            look.delivery, Receipt(DeliveryOutcome.BLOCKED, problem="missing_scope", in_doubt=True)
        )
        assert not concluded.tell
        clock.advance(30)
    assert await workflow.stuck() == []


async def test_copies_of_a_receipt_are_looked_for_though_its_card_is_given_up(workflow: Workflow, clock: Clock) -> None:
    """A copy has buttons, and nobody takes them off but this look."""
    await requested(workflow)
    blocked = Receipt(DeliveryOutcome.BLOCKED, problem="restricted_action")
    while (receipt := await claimed(workflow)).delivery.kind is DeliveryKind.CARD:
        await workflow.record_delivery(receipt.delivery, blocked)
        clock.advance(seconds=30)
    lost = Receipt(DeliveryOutcome.IN_DOUBT, problem="http_500", in_doubt=True)
    await workflow.record_delivery(receipt.delivery, lost)
    clock.advance(seconds=3)
    receipt = await first_of(workflow, DeliveryKind.RECEIPT)
    await workflow.record_delivery(receipt.delivery, FIRST)
    clock.advance(seconds=30)
    card = await first_of(workflow, DeliveryKind.CARD)
    await workflow.record_delivery(card.delivery, Receipt(DeliveryOutcome.IMPOSSIBLE, problem="invalid_blocks"))
    clock.advance(seconds=30)
    look = await first_of(workflow, DeliveryKind.COPIES)
    assert look.delivery.id == receipt.delivery.id


async def test_without_a_doubt_no_copies_are_looked_for(workflow: Workflow, clock: Clock) -> None:
    """The search costs calls, and an answer that names the place leaves no doubt."""
    await requested(workflow)
    await deliver_all(workflow, receipts=True)
    clock.advance(hours=1)
    assert await next_delivery(workflow) is None


@pytest.mark.parametrize("searched", [True, False])
async def test_a_card_that_may_still_appear_is_not_given_up(
    workflow: Workflow, store: Store, clock: Clock, searched: bool
) -> None:
    """A search that found nothing proves nothing while Slack may show the card late: it would ask for ever."""
    request = await requested(workflow)
    lost = Receipt(DeliveryOutcome.IN_DOUBT, problem="http_500", in_doubt=True)
    await workflow.record_delivery((await claimed(workflow)).delivery, lost)
    await workflow.act(decisions.withdraw, Act.WITHDRAW, request.id, ANN)
    await deliver_all(workflow, receipts=True)
    too_late = Receipt(DeliveryOutcome.IMPOSSIBLE, problem="too_late_for_a_card", in_doubt=True)
    for _ in range(2):
        clock.advance(29)
        card = await claimed(workflow)
        assert card.delivery.kind is DeliveryKind.CARD
        await workflow.record_delivery(card.delivery, too_late)
        assert "delivery_abandoned" not in await kinds(store)
    clock.advance(29)
    card = await claimed(workflow)
    await workflow.record_delivery(card.delivery, FIRST if searched else too_late)
    if searched:
        # It is brought up to date, and its end is in the thread.
        assert await deliver_all(workflow) == [DeliveryKind.CARD_UPDATE, DeliveryKind.REPLY]
    else:
        assert "delivery_abandoned" in await kinds(store)


async def test_a_delivery_whose_lease_has_lapsed_comes_again_in_doubt(workflow: Workflow, clock: Clock) -> None:
    """A worker that never came back holds up its delivery for two minutes, not longer."""
    await requested(workflow)
    first = await claimed(workflow)
    began = clock()
    clock.advance(119.9)
    assert await deliver_all(workflow, receipts=True) == [DeliveryKind.RECEIPT]
    clock.advance(0.1)
    again = await claimed(workflow)
    assert (again.delivery.id, again.delivery.tries) == (first.delivery.id, 2)
    assert again.delivery.in_doubt_since == began


async def try_all(
    workflow: Workflow, clock: Clock, card: Receipt, *, rounds: int, every: float = 60
) -> list[DeliveryKind]:
    """Try what is due, ``every`` so many seconds, where Slack answers each try of the card with this.

    Return what was tried.
    """
    tried = []
    for _ in range(rounds):
        while (due := await next_delivery(workflow)) is not None:
            tried.append(due.delivery.kind)
            await workflow.record_delivery(due.delivery, card if due.delivery.kind is DeliveryKind.CARD else DELIVERED)
        clock.advance(every)
    return tried


LASTING = [
    "not_in_channel",
    "message_limit_exceeded",
    "team_access_not_granted",
    "missing_scope",
    "ekm_access_denied",
    "token_revoked",
]


@pytest.mark.parametrize("problem", LASTING)
@pytest.mark.parametrize("outcome", [DeliveryOutcome.BLOCKED, DeliveryOutcome.IN_DOUBT])
async def test_a_blocked_card_is_reported_once_after_three_tries_and_tried_until_it_can_be_posted(
    workflow: Workflow, store: Store, clock: Clock, outcome: DeliveryOutcome, problem: str
) -> None:
    """The receipt says it, and the log has one warning; the card goes out as soon as the channel takes it."""
    await requested(workflow)
    refused = Receipt(outcome, problem=problem, in_doubt=outcome is DeliveryOutcome.IN_DOUBT)
    with capture_logs() as logs:
        # The third try is over before the receipt waits no longer.
        assert await try_all(workflow, clock, refused, rounds=2, every=3) == [DeliveryKind.CARD] * 2
        assert not any(line["log_level"] == "warning" for line in logs)
        told = [DeliveryKind.CARD, DeliveryKind.RECEIPT, *[DeliveryKind.CARD] * 4]
        assert await try_all(workflow, clock, refused, rounds=5) == told
    (warning,) = [line for line in logs if line["log_level"] == "warning"]
    assert (warning["event"], warning["problem"], warning["target"]) == ("delivery_blocked", problem, "C1")
    assert [each.problem for each in await contents(store) if isinstance(each, CardBlocked)] == [problem]
    assert await workflow.stuck() == [(problem, 1)]
    assert await deliver_all(workflow) == [DeliveryKind.CARD]
    assert await workflow.stuck() == []


@pytest.mark.parametrize("passing", ["ratelimited", "not_connected_yet", "not_reachable"])
async def test_a_block_that_begins_after_other_trouble_is_reported_all_the_same(
    workflow: Workflow, store: Store, clock: Clock, passing: str
) -> None:
    """The bot was not connected at first; by the time it is, the number of tries is beyond three."""
    await requested(workflow)
    later = Receipt(DeliveryOutcome.LATER, problem=passing)
    with capture_logs() as logs:
        tried = await try_all(workflow, clock, later, rounds=9)
        assert tried.count(DeliveryKind.CARD) == 9
        # Whatever holds the card up, the receipt does not wait for it for long.
        assert DeliveryKind.RECEIPT in tried
        assert not any(line["log_level"] == "warning" for line in logs)
        blocked = Receipt(DeliveryOutcome.BLOCKED, problem="not_in_channel")
        tried += await try_all(workflow, clock, blocked, rounds=3)
        assert tried.count(DeliveryKind.RECEIPT) == 1
    assert [line["event"] for line in logs if line["log_level"] == "warning"] == ["delivery_blocked"]
    assert len([each for each in await contents(store) if isinstance(each, CardBlocked)]) == 1


async def test_a_result_that_slack_does_not_take_is_in_the_log_too(workflow: Workflow, clock: Clock) -> None:
    """Also what is no card is told to the operator after three tries, once for each message."""
    request = await requested(workflow)
    await deliver_all(workflow)
    await reject(workflow, request)
    while (due := await claimed(workflow)).delivery.kind is not DeliveryKind.REPLY:
        await workflow.record_delivery(due.delivery, DELIVERED)
    with capture_logs() as logs:
        for _ in range(6):
            await workflow.record_delivery(due.delivery, Receipt(DeliveryOutcome.BLOCKED, problem="restricted_action"))
            clock.advance(60)
            due = await first_of(workflow, DeliveryKind.REPLY)
    warnings = [(line["event"], line["kind"]) for line in logs if line["log_level"] == "warning"]
    assert warnings == [("delivery_blocked", "reply")]
    assert await workflow.stuck() == [("restricted_action", 1)]


async def first_of(workflow: Workflow, kind: DeliveryKind) -> ClaimedDelivery:
    """Deliver what is due until the first of this kind, and claim that."""
    while (due := await claimed(workflow)).delivery.kind is not kind:
        await workflow.record_delivery(due.delivery, DELIVERED)
    return due


async def test_what_is_stuck_is_counted_by_its_problem(workflow: Workflow, clock: Clock) -> None:
    """The most frequent one comes first; what was tried less than three times is passing trouble."""
    problems = ["missing_scope", "not_in_channel", "missing_scope"]
    for number in range(3):
        await requested(workflow, f"ord_{number}", form=f"V{number}")
    for tries in range(4):
        assert await workflow.stuck() == ([] if tries < 3 else [("missing_scope", 2), ("not_in_channel", 1)])
        for _ in problems:
            (due,) = (await workflow.claim("w", calls=0, messages=1, not_to=frozenset({ANN.id}))).deliveries
            assert due.request is not None
            problem = problems[int(due.request.cancellation.order_id[-1])]
            await workflow.record_delivery(due.delivery, Receipt(DeliveryOutcome.BLOCKED, problem=problem))
        clock.advance(60)
        if tries >= 2:
            await deliver_direct(workflow)


async def deliver_direct(workflow: Workflow) -> None:
    """Deliver the direct messages that are due, and nothing else."""
    while (due := (await workflow.claim("w", calls=0, messages=1, not_to=frozenset({"C1"}))).deliveries) != []:
        await workflow.record_delivery(due[0].delivery, DELIVERED)


async def test_a_deleted_card_is_posted_again_while_people_must_act(workflow: Workflow, store: Store) -> None:
    """If the card is gone when it must be changed and a decision is still needed, there will be a new one."""
    request = await approved(workflow)
    await deliver_all(workflow)
    await workflow.record_answer(await sending(workflow), DENIED)
    while (due := await claimed(workflow)).delivery.kind is not DeliveryKind.CARD_UPDATE:
        await workflow.record_delivery(due.delivery, Receipt(DeliveryOutcome.DELIVERED))
    await workflow.record_delivery(due.delivery, GONE)
    assert DeliveryKind.CARD in await deliver_all(workflow)
    assert await state_of(store, request) is State.FAILED


async def each_card_goes(workflow: Workflow) -> list[DeliveryKind]:
    """Deliver what is due where something deletes each card at once, and return what it was."""
    sent = []
    while (due := await next_delivery(workflow)) is not None:
        sent.append(due.delivery.kind)
        gone = due.delivery.kind is DeliveryKind.CARD_UPDATE
        await workflow.record_delivery(due.delivery, GONE if gone else DELIVERED)
    return sent


async def test_a_card_that_something_deletes_each_time_is_posted_twice_and_told_once(
    workflow: Workflow, clock: Clock
) -> None:
    """Twenty attempts must not be twenty cards that notify everybody. A person who acts gets a card all the same."""
    patience = replace(workflow.rules.patience, max_attempts=20, told_after=timedelta(days=1))
    workflow.rules = replace(workflow.rules, patience=patience)
    request = await approved(workflow)
    sent = await each_card_goes(workflow)
    for _ in range(8):
        await workflow.record_answer(await sending(workflow), AWAY)
        sent += await each_card_goes(workflow)
        clock.advance(61)
    assert (sent.count(DeliveryKind.CARD), sent.count(DeliveryKind.DIRECT_MESSAGE)) == (2, 1)
    assert (await ask(workflow, form="V2", by=actor("UTWO"))).in_the_way[0].id == request.id
    assert (await each_card_goes(workflow)).count(DeliveryKind.CARD) == 1
    clock.advance(hours=1)
    await workflow.record_answer(await sending(workflow), AWAY)
    assert (await each_card_goes(workflow)).count(DeliveryKind.CARD) == 2


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


@pytest.mark.parametrize(
    "receipt",
    [
        pytest.param(Receipt(DeliveryOutcome.LATER, problem="not_connected_yet"), id="not connected"),
        pytest.param(Receipt(DeliveryOutcome.LATER, problem="not_reachable"), id="not reachable"),
        pytest.param(Receipt(DeliveryOutcome.IN_DOUBT, problem="http_500", in_doubt=True), id="no clear answer"),
        pytest.param(Receipt(DeliveryOutcome.BLOCKED, problem="not_in_channel"), id="refused"),
    ],
)
async def test_nothing_is_given_up_for_time_alone(
    workflow: Workflow, store: Store, clock: Clock, receipt: Receipt
) -> None:
    """A weekend passes while cards, updates, results and messages are queued; afterwards all of them come."""
    workflow.rules = replace(workflow.rules, approval_ttl=timedelta(days=30))
    settled = await unknown(workflow)
    await deliver_all(workflow)
    assert await settle(workflow, settled) is Verdict.ALLOWED
    await requested(workflow, "ord_2", form="V2")
    for _ in range(3):
        while (due := await next_delivery(workflow)) is not None:
            await workflow.record_delivery(due.delivery, receipt)
        clock.advance(hours=60)
    assert "delivery_abandoned" not in await kinds(store)
    delivered = await deliver_all(workflow, receipts=True)
    clock.advance(minutes=2)
    delivered += await deliver_all(workflow, receipts=True)
    assert set(delivered) - {DeliveryKind.COPIES} == OF_REQUESTS
    # Where nobody knows whether the receipt is there, a message says too that the card may not be.
    assert [delivered.count(kind) for kind in NEW_MESSAGES] == [1, 1, 1 + receipt.in_doubt, 1]
    assert "delivery_abandoned" not in await kinds(store)
    statuses = await store.read(lambda tables: tables.connection.execute("SELECT DISTINCT status FROM deliveries"))
    assert statuses == [("delivered",)]


async def test_a_weekend_off_loses_nothing(workflow: Workflow, store: Store, clock: Clock) -> None:
    """Stopped on Friday with everything queued, the bot is not connected at once on Monday; then everything comes."""
    request = await approved(workflow)
    await workflow.record_answer(await sending(workflow), CANCELLED)
    await claimed(workflow)
    clock.advance(hours=60)
    await workflow.start(Started("1"))
    for _ in range(5):
        clock.advance(60)
        while (due := await next_delivery(workflow)) is not None:
            doubt = due.delivery.in_doubt_since is not None
            not_yet = Receipt(DeliveryOutcome.LATER, problem="not_connected_yet", in_doubt=doubt)
            await workflow.record_delivery(due.delivery, not_yet)
    assert await deliver_all(workflow) == []
    clock.advance(60)
    # The search may find the card of Friday; it is the same delivery all the same.
    assert await deliver_all(workflow) == [
        DeliveryKind.CARD,
        DeliveryKind.CARD_UPDATE,
        DeliveryKind.REPLY,
        DeliveryKind.DIRECT_MESSAGE,
    ]
    assert (await now(store, request)).card_ts == "1.1"
    assert "delivery_abandoned" not in await kinds(store)


@pytest.mark.parametrize(
    "problem", ["edit_window_closed", "cant_update_message", "invalid_blocks", "message_not_found"]
)
@pytest.mark.parametrize("ended", [unknown, failed])
async def test_a_card_that_slack_never_updates_is_not_posted_without_end(
    workflow: Workflow, clock: Clock, ended: Callable[[Workflow], Awaitable[Request]], problem: str
) -> None:
    """One new card with the truth is enough; the channel does not fill with copies that all have buttons."""
    await ended(workflow)
    cards = 0
    for _ in range(100):
        while (due := await next_delivery(workflow)) is not None:
            cards += due.delivery.kind is DeliveryKind.CARD
            posted = Receipt(DeliveryOutcome.DELIVERED, "C1", f"{cards}.1")
            refused = Receipt(DeliveryOutcome.IMPOSSIBLE, problem=problem)
            is_update = due.delivery.kind is DeliveryKind.CARD_UPDATE
            await workflow.record_delivery(due.delivery, refused if is_update else posted)
            if cards > 9:
                break
        clock.advance(60)
    assert cards in {1, 2}


@pytest.mark.parametrize("outcome", [DeliveryOutcome.BLOCKED, DeliveryOutcome.IN_DOUBT, DeliveryOutcome.LATER])
async def test_an_update_with_trouble_holds_back_no_result(
    workflow: Workflow, clock: Clock, outcome: DeliveryOutcome
) -> None:
    """The thread and the requester learn the result, although the card cannot be changed for now."""
    request = await requested(workflow)
    await deliver_all(workflow)
    await reject(workflow, request)
    told = []
    trouble = Receipt(outcome, problem="problem", in_doubt=outcome is DeliveryOutcome.IN_DOUBT)
    for _ in range(10):
        while (due := await next_delivery(workflow)) is not None:
            is_update = not due.delivery.kind.is_new_message
            await workflow.record_delivery(due.delivery, trouble if is_update else DELIVERED)
            told += [] if is_update else [due.delivery.kind]
        clock.advance(1)
    assert sorted(told) == [DeliveryKind.DIRECT_MESSAGE, DeliveryKind.REPLY]


async def test_an_update_that_was_in_doubt_is_sent_once_more_and_holds_back_nothing(
    workflow: Workflow, clock: Clock
) -> None:
    """Slack may carry an update out late, over a newer one; the news that comes meanwhile does not wait for that."""
    workflow.rules = replace(workflow.rules, approvals_required=2)
    request = await requested(workflow)
    await deliver_all(workflow)
    await approve(workflow, request)
    update = await first_of(workflow, DeliveryKind.CARD_UPDATE)
    await workflow.record_delivery(
        update.delivery, Receipt(DeliveryOutcome.IN_DOUBT, problem="http_500", in_doubt=True)
    )
    clock.advance(3)
    assert await deliver_all(workflow) == [DeliveryKind.CARD_UPDATE, DeliveryKind.REPLY]
    await reject(workflow, request, "UTWO")
    news = [DeliveryKind.CARD_UPDATE, DeliveryKind.DIRECT_MESSAGE, DeliveryKind.REPLY]
    assert sorted(await deliver_all(workflow)) == news
    clock.advance(minutes=2)
    assert await deliver_all(workflow) == [DeliveryKind.CARD_UPDATE]
    clock.advance(minutes=2)
    assert await deliver_all(workflow) == []


async def test_an_update_that_waits_already_is_none_after_the_doubt(workflow: Workflow, clock: Clock) -> None:
    """It comes before Slack may carry the earlier try out, so that one more has to come after that."""
    workflow.rules = replace(workflow.rules, approvals_required=2)
    request = await requested(workflow)
    await deliver_all(workflow)
    await approve(workflow, request)
    hangs = await first_of(workflow, DeliveryKind.CARD_UPDATE)
    await reject(workflow, request, "UTWO")  # while Slack has not answered yet
    await workflow.record_delivery(hangs.delivery, Receipt(DeliveryOutcome.IN_DOUBT, problem="timeout", in_doubt=True))
    clock.advance(3)
    assert (await deliver_all(workflow)).count(DeliveryKind.CARD_UPDATE) == 2
    clock.advance(minutes=2)
    assert await deliver_all(workflow) == [DeliveryKind.CARD_UPDATE]
    clock.advance(minutes=2)
    assert await deliver_all(workflow) == []


async def test_a_second_card_that_comes_too_late_takes_no_result_with_it(
    workflow: Workflow, store: Store, clock: Clock
) -> None:
    """The card was deleted and its successor needed no longer; the channel still learns how the request ended."""
    await requested(workflow)
    await deliver_all(workflow)
    assert (await ask(workflow, form="V2")).verdict is Verdict.ANOTHER_IS_OPEN
    await workflow.record_delivery((await first_of(workflow, DeliveryKind.CARD_UPDATE)).delivery, GONE)
    clock.advance(hours=24)
    assert await next_attempt(workflow) is None
    late = await first_of(workflow, DeliveryKind.CARD)
    assert late.request is not None
    assert late.request.state is State.EXPIRED
    await workflow.record_delivery(late.delivery, Receipt(DeliveryOutcome.IMPOSSIBLE, problem="too_late_for_a_card"))
    assert DeliveryKind.REPLY in await deliver_all(workflow)


async def test_a_card_that_slack_never_takes_is_reported_to_the_requester(workflow: Workflow, store: Store) -> None:
    """If Slack refuses the card itself for good, the requester learns that nobody can approve."""
    await requested(workflow)
    due = await claimed(workflow)
    await workflow.record_delivery(due.delivery, Receipt(DeliveryOutcome.IMPOSSIBLE, problem="invalid_blocks"))
    receipt = await claimed(workflow)
    assert (receipt.delivery.kind, receipt.delivery.missing_card) == (
        DeliveryKind.RECEIPT,
        MissingCard("invalid_blocks", given_up=True),
    )
    assert await deliver_all(workflow) == []
    assert await kinds(store) == ["requested", "delivery_abandoned"]


@pytest.mark.parametrize(
    "problem, outdated",
    [
        ("invalid_blocks", True),
        ("msg_too_long", True),
        ("cant_update_message", True),
        ("edit_window_closed", True),
        ("message_not_found", False),
    ],
)
@pytest.mark.parametrize("second", ["refused", "blocked"])
async def test_a_card_that_could_not_be_changed_is_not_called_missing(
    workflow: Workflow, clock: Clock, problem: str, outdated: bool, second: str
) -> None:
    """Only a deleted card takes its buttons along: the requester reads which of the two it is."""
    await requested(workflow)
    await deliver_all(workflow)
    await ask(workflow, form="V2")  # which looks whether the card is still there
    refused = Receipt(DeliveryOutcome.IMPOSSIBLE, problem=problem)
    await workflow.record_delivery((await first_of(workflow, DeliveryKind.CARD_UPDATE)).delivery, refused)
    outcome = DeliveryOutcome.IMPOSSIBLE if second == "refused" else DeliveryOutcome.BLOCKED
    missing = None
    for _ in range(4):
        while (due := await next_delivery(workflow)) is not None:
            of_card = due.delivery.kind is DeliveryKind.CARD
            missing = due.delivery.missing_card or missing
            tried = Receipt(outcome, problem="invalid_blocks") if of_card else DELIVERED
            await workflow.record_delivery(due.delivery, tried)
        clock.advance(60)
    assert missing is not None
    assert (missing.outdated, missing.given_up) == (outdated, second == "refused")


@pytest.mark.parametrize(
    "outcome, retry_after, channel_waits, own_pause",
    [
        (DeliveryOutcome.LATER, None, 0, 1),
        (DeliveryOutcome.LATER, 7.0, 7, 7),
        (DeliveryOutcome.IN_DOUBT, None, 0, 3),
        (DeliveryOutcome.IN_DOUBT, 7.0, 7, 7),
        (DeliveryOutcome.BLOCKED, None, 0, 1),
        (DeliveryOutcome.DELIVERED, None, 0, None),
        (DeliveryOutcome.IMPOSSIBLE, None, 0, None),
    ],
)
async def test_only_a_rate_limit_holds_up_the_whole_channel(
    workflow: Workflow,
    clock: Clock,
    outcome: DeliveryOutcome,
    retry_after: float | None,
    channel_waits: float,
    own_pause: float | None,
) -> None:
    """Other trouble holds up its own thread only, long enough for a message in doubt to become visible."""
    await requested(workflow)
    due = await claimed(workflow)
    receipt = Receipt(outcome, retry_after=retry_after, in_doubt=outcome is DeliveryOutcome.IN_DOUBT)
    concluded = await workflow.record_delivery(due.delivery, receipt)
    assert concluded.pause.total_seconds() == channel_waits
    if own_pause is not None:
        clock.advance(own_pause - 0.1)
        assert await next_delivery(workflow) is None
        clock.advance(0.1)
        assert (await claimed(workflow)).delivery.id == due.delivery.id


@pytest.mark.parametrize("outcome", [DeliveryOutcome.BLOCKED, DeliveryOutcome.LATER, DeliveryOutcome.IN_DOUBT])
async def test_a_message_that_slack_refuses_holds_up_its_own_thread_only(
    workflow: Workflow, clock: Clock, outcome: DeliveryOutcome
) -> None:
    """The next card of the same channel goes out at once, however often the first one fails."""
    await requested(workflow)
    for number in range(60):
        refused = Receipt(outcome, problem="an_unknown_error", in_doubt=outcome is DeliveryOutcome.IN_DOUBT)
        due = await claimed(workflow)
        assert due.request is not None
        assert due.request.cancellation.order_id == "ord_1"
        assert (await workflow.record_delivery(due.delivery, refused)).pause == timedelta(0)
        await requested(workflow, f"other_{number}", form=f"V1{number}")
        delivered = await deliver_all(workflow)
        assert delivered.count(DeliveryKind.CARD) == 1
        clock.advance(60)


async def test_a_rate_limited_message_is_due_when_slack_says_so(workflow: Workflow, clock: Clock) -> None:
    """However often it was limited before, it is not pushed back further than Slack asks."""
    await requested(workflow)
    for _ in range(20):
        while (due := await claimed(workflow)).delivery.kind is DeliveryKind.RECEIPT:
            await workflow.record_delivery(due.delivery, DELIVERED)
        limited = Receipt(DeliveryOutcome.LATER, problem="ratelimited", retry_after=2.0)
        await workflow.record_delivery(due.delivery, limited)
        clock.advance(1.9)
        assert DeliveryKind.CARD not in await deliver_all(workflow)
        clock.advance(0.1)
    assert DeliveryKind.CARD in await deliver_all(workflow)


# --- The requester's receipt ------------------------------------------------------------------


async def test_a_receipt_is_sent_once_with_the_way_to_the_card_and_kept_up_to_date(workflow: Workflow) -> None:
    """Every change of the request leads to one update; the end is told by a message of its own."""
    workflow.rules = replace(workflow.rules, approvals_required=2)
    request = await requested(workflow)
    assert await deliver_all(workflow, receipts=True) == [DeliveryKind.CARD, DeliveryKind.RECEIPT]
    both = [DeliveryKind.CARD_UPDATE, DeliveryKind.RECEIPT_UPDATE]
    # The first approval is told in the thread, to those who can give the second.
    for person, told in (("UONE", [DeliveryKind.REPLY]), ("UTWO", [])):
        await approve(workflow, request, person)
        assert await deliver_all(workflow, receipts=True) == both + told
    await workflow.record_answer(await sending(workflow), CANCELLED)
    end = [*both, DeliveryKind.REPLY, DeliveryKind.DIRECT_MESSAGE]
    assert await deliver_all(workflow, receipts=True) == end


async def test_a_receipt_that_was_overtaken_on_its_way_is_updated(workflow: Workflow) -> None:
    """A change while it is being posted leads to an update; a change before that does not."""
    workflow.rules = replace(workflow.rules, approvals_required=3)
    request = await requested(workflow)
    await approve(workflow, request)
    receipt = await first_of(workflow, DeliveryKind.RECEIPT)
    await approve(workflow, request, "UTWO")
    await workflow.record_delivery(receipt.delivery, DELIVERED)
    update = await first_of(workflow, DeliveryKind.RECEIPT_UPDATE)
    assert update.request is not None
    assert (update.delivery.receipt, update.request.approvers) == (("C1", "1.1"), ("UONE", "UTWO"))
    await workflow.record_delivery(update.delivery, DELIVERED)
    assert DeliveryKind.RECEIPT_UPDATE not in await deliver_all(workflow, receipts=True)


async def test_a_receipt_says_why_the_card_is_missing_until_it_is_there(workflow: Workflow, clock: Clock) -> None:
    """It is sent without the card, and updated when the card is posted at last; nobody gets a second message."""
    await requested(workflow)
    blocked = Receipt(DeliveryOutcome.BLOCKED, problem="not_in_channel")
    for _ in range(3):
        await workflow.record_delivery((await claimed(workflow)).delivery, blocked)
        clock.advance(60)
    while (due := await claimed(workflow)).delivery.kind is not DeliveryKind.RECEIPT:
        await workflow.record_delivery(due.delivery, blocked)
    assert due.delivery.missing_card == MissingCard("not_in_channel")
    await workflow.record_delivery(due.delivery, DELIVERED)
    clock.advance(60)
    assert (await first_of(workflow, DeliveryKind.RECEIPT_UPDATE)).delivery.missing_card is None


async def test_a_card_that_is_blocked_again_is_told_by_a_message(
    workflow: Workflow, store: Store, clock: Clock
) -> None:
    """The receipt is out, and an update of it notifies nobody; a message that came too late is not sent."""
    await requested(workflow)
    await deliver_all(workflow)
    await ask(workflow, form="V2")  # which looks whether the card is still there
    await workflow.record_delivery((await first_of(workflow, DeliveryKind.CARD_UPDATE)).delivery, GONE)
    blocked = Receipt(DeliveryOutcome.BLOCKED, problem="is_archived")
    told = await try_all(workflow, clock, blocked, rounds=3)
    assert told.count(DeliveryKind.DIRECT_MESSAGE) == 1
    assert told.count(DeliveryKind.RECEIPT_UPDATE) >= 1
    (found,) = [each for each in await contents(store) if isinstance(each, CardBlocked)]
    assert found == CardBlocked("C1", "is_archived", told_directly=True)


@pytest.mark.parametrize("problem", ["user_disabled", "messages_tab_disabled"])
async def test_a_receipt_that_slack_refuses_for_good_is_given_up_alone(
    workflow: Workflow, store: Store, problem: str
) -> None:
    """It is on record, it is not tried again, and card, thread and result go on."""
    request = await requested(workflow)
    receipt = await first_of(workflow, DeliveryKind.RECEIPT)
    await workflow.record_delivery(receipt.delivery, Receipt(DeliveryOutcome.IMPOSSIBLE, problem=problem))
    await reject(workflow, request)
    news = [DeliveryKind.CARD_UPDATE, DeliveryKind.REPLY, DeliveryKind.DIRECT_MESSAGE]
    assert await deliver_all(workflow, receipts=True) == news
    assert DeliveryAbandoned(DeliveryKind.RECEIPT, problem) in await contents(store)


async def test_a_deleted_receipt_is_not_posted_again(workflow: Workflow, store: Store) -> None:
    """The requester did not want it; the message about the end comes all the same."""
    workflow.rules = replace(workflow.rules, approvals_required=2)
    request = await requested(workflow)
    await deliver_all(workflow)
    await approve(workflow, request)
    await workflow.record_delivery((await first_of(workflow, DeliveryKind.RECEIPT_UPDATE)).delivery, GONE)
    await reject(workflow, request, "UTWO")
    news = [DeliveryKind.CARD_UPDATE, DeliveryKind.REPLY, DeliveryKind.DIRECT_MESSAGE]
    assert await deliver_all(workflow, receipts=True) == news
    assert await store.read(lambda tables: list(tables.projections.contradictions())) == []


async def test_a_refused_click_on_the_receipt_brings_the_receipt_up_to_date(workflow: Workflow) -> None:
    """The card is not touched: nobody clicked on it."""
    request = await requested(workflow)
    await reject(workflow, request)
    await deliver_all(workflow)
    clicks = replace(ANN, surface=Surface.RECEIPT)
    acted = await workflow.act(decisions.withdraw, Act.WITHDRAW, request.id, clicks)
    assert acted.verdict is Verdict.WRONG_STATE
    assert await deliver_all(workflow, receipts=True) == [DeliveryKind.RECEIPT_UPDATE]


async def test_a_withdrawal_says_where_it_was_done(workflow: Workflow, store: Store) -> None:
    """The record tells the receipt from the card, and the requester gets no message about what they did."""
    request = await requested(workflow)
    await deliver_all(workflow)
    await workflow.act(decisions.withdraw, Act.WITHDRAW, request.id, replace(ANN, surface=Surface.RECEIPT))
    assert (await contents(store))[-1] == Withdrawn(Surface.RECEIPT)
    news = [DeliveryKind.CARD_UPDATE, DeliveryKind.RECEIPT_UPDATE, DeliveryKind.REPLY]
    assert await deliver_all(workflow, receipts=True) == news


async def test_a_click_tells_where_a_receipt_in_doubt_is(workflow: Workflow, store: Store, clock: Clock) -> None:
    """The search is blind, but the requester sees it; a second one is told apart and is not kept up to date."""
    request = await requested(workflow)
    receipt = await first_of(workflow, DeliveryKind.RECEIPT)
    lost = Receipt(DeliveryOutcome.IN_DOUBT, problem="http_500", in_doubt=True)
    await workflow.record_delivery(receipt.delivery, lost)
    assert await workflow.receipt_clicked(request.id, FIRST)
    assert await place(store, receipt.delivery) == ("C1", "7.1")
    clock.advance(60)
    assert await deliver_all(workflow, receipts=True) == [DeliveryKind.COPIES]
    assert await workflow.receipt_clicked(request.id, FIRST)
    assert not await workflow.receipt_clicked(request.id, SECOND)
    assert not await workflow.receipt_clicked("nonsense", SECOND)


# --- Late receipts ----------------------------------------------------------------------------


async def two_tries(workflow: Workflow, clock: Clock, kind: DeliveryKind) -> tuple[Delivery, Delivery]:
    """Return two tries of one delivery of this kind: the first one's lease is over, but it is still under way."""
    request = await requested(workflow)
    if kind is DeliveryKind.RECEIPT:
        await workflow.record_delivery((await claimed(workflow)).delivery, DELIVERED)
    elif kind is not DeliveryKind.CARD:
        await deliver_all(workflow)
        await reject(workflow, request)
    first = await first_of(workflow, kind)
    clock.advance(minutes=3)
    second = await first_of(workflow, kind)
    assert (first.delivery.id, first.delivery.tries, second.delivery.tries) == (second.delivery.id, 1, 2)
    return first.delivery, second.delivery


FIRST = Receipt(DeliveryOutcome.DELIVERED, "C1", "7.1", "https://x/7")
SECOND = Receipt(DeliveryOutcome.DELIVERED, "C1", "8.1", "https://x/8")
APART = {DeliveryKind.DIGEST, DeliveryKind.ANNOUNCEMENT, DeliveryKind.EVIDENCE, DeliveryKind.COPIES}
OF_REQUESTS = set(DeliveryKind) - APART
NEW_MESSAGES = [kind for kind in DeliveryKind if kind in OF_REQUESTS and kind.is_new_message]
"""Those about a request."""


async def place(store: Store, delivery: Delivery) -> tuple[str, str]:
    """Return the place that is on file for this delivery."""
    return await store.read(lambda tables: tables.deliveries.place(delivery))


@pytest.mark.parametrize("kind", NEW_MESSAGES)
@pytest.mark.parametrize("late_first", [True, False])
async def test_the_receipt_of_a_second_message_does_not_replace_the_first(
    workflow: Workflow, store: Store, clock: Clock, kind: DeliveryKind, late_first: bool
) -> None:
    """The message that is on file first stays, whichever try it was; the other one is surplus and is removed."""
    tries = list(zip(await two_tries(workflow, clock, kind), (FIRST, SECOND), strict=True))
    known, late = tries if late_first else reversed(tries)
    assert await workflow.record_delivery(*known) == Concluded()
    before = await kinds(store)
    assert await workflow.record_delivery(*late) == Concluded(surplus=True)
    assert await place(store, known[0]) == ("C1", known[1].ts)
    assert await kinds(store) == before


async def test_a_card_stays_where_it_is_on_file(workflow: Workflow, store: Store, clock: Clock) -> None:
    """The buttons that people see and the updates belong to one card, not to a duplicate that is reported later."""
    first, second = await two_tries(workflow, clock, DeliveryKind.CARD)
    await workflow.record_delivery(second, SECOND)
    await workflow.record_delivery(first, FIRST)
    (posted,) = [each for each in await contents(store) if isinstance(each, CardPosted)]
    assert posted == CardPosted("C1", "8.1", "https://x/8")
    (request,) = await store.read(lambda tables: tables.requests.pending())
    assert (request.card_ts, request.card_link) == ("8.1", "https://x/8")


@pytest.mark.parametrize("kind", NEW_MESSAGES)
async def test_a_message_that_was_found_again_is_no_duplicate(
    workflow: Workflow, store: Store, clock: Clock, kind: DeliveryKind
) -> None:
    """Both tries name the same message, so it is not removed."""
    first, second = await two_tries(workflow, clock, kind)
    assert await workflow.record_delivery(second, FIRST) == Concluded()
    assert await workflow.record_delivery(first, FIRST) == Concluded()
    assert await place(store, first) == ("C1", "7.1")


@pytest.mark.parametrize("kind", sorted(OF_REQUESTS))
@pytest.mark.parametrize(
    "late",
    [
        Receipt(DeliveryOutcome.IMPOSSIBLE, problem="message_not_found"),
        Receipt(DeliveryOutcome.BLOCKED, problem="not_in_channel"),
        Receipt(DeliveryOutcome.LATER, problem="ratelimited", retry_after=9.0),
        Receipt(DeliveryOutcome.IN_DOUBT, problem="http_500", in_doubt=True),
    ],
    ids=["impossible", "blocked", "later", "in doubt"],
)
@pytest.mark.parametrize("delivered", [True, False])
async def test_the_late_trouble_of_an_older_try_changes_nothing(
    workflow: Workflow, store: Store, clock: Clock, kind: DeliveryKind, late: Receipt, delivered: bool
) -> None:
    """Neither while the newer try is under way nor after it: no thread is abandoned, and nobody is told anything."""
    first, second = await two_tries(workflow, clock, kind)
    if delivered:
        await workflow.record_delivery(second, SECOND)
    before = await everything(store)
    assert await workflow.record_delivery(first, late) == Concluded()
    assert await everything(store) == before
    if not delivered:
        await workflow.record_delivery(second, SECOND)
    if kind.is_new_message:
        assert await place(store, second) == ("C1", "8.1")
    await deliver_all(workflow)
    assert "delivery_abandoned" not in await kinds(store)


async def everything(store: Store) -> list[Any]:
    """Return all rows that a receipt may change."""

    def read(tables: Tables) -> list[Any]:
        return [tables.connection.execute(f"SELECT * FROM {table}") for table in TABLES]

    return await store.read(read)


@pytest.mark.parametrize("kind", [DeliveryKind.REPLY, DeliveryKind.DIRECT_MESSAGE])
async def test_a_result_that_did_arrive_is_not_removed_after_a_later_try_was_refused(
    workflow: Workflow, store: Store, clock: Clock, kind: DeliveryKind
) -> None:
    """It is the only copy; a card that came too late, however, has to go."""
    first, second = await two_tries(workflow, clock, kind)
    await workflow.record_delivery(second, Receipt(DeliveryOutcome.IMPOSSIBLE, problem="user_not_found"))
    assert not (await workflow.record_delivery(first, FIRST)).surplus


async def test_a_card_that_was_refused_for_good_is_removed_if_it_did_arrive(
    workflow: Workflow, store: Store, clock: Clock
) -> None:
    """Nobody would ever bring it up to date."""
    first, second = await two_tries(workflow, clock, DeliveryKind.CARD)
    await workflow.record_delivery(second, Receipt(DeliveryOutcome.IMPOSSIBLE, problem="too_late_for_a_card"))
    assert (await workflow.record_delivery(first, FIRST)).surplus


async def test_what_a_worker_holds_is_not_delivered_a_second_time_by_itself(workflow: Workflow, clock: Clock) -> None:
    """However long the card is in its hands; what else is due goes out meanwhile."""
    workflow.rules = replace(workflow.rules, approval_ttl=timedelta(days=30))
    await requested(workflow)
    mine = await claimed(workflow)
    clock.advance(hours=60)
    await requested(workflow, "ord_2", form="V2")
    held = Held(deliveries=frozenset({mine.delivery.position}))
    due = (await workflow.claim("w", calls=0, messages=5, held=held)).deliveries
    found = [(each.delivery.kind, each.request and each.request.order_ids) for each in due]
    assert found == [(DeliveryKind.RECEIPT, ("ord_1",)), (DeliveryKind.CARD, ("ord_2",))]
    assert (await claimed(workflow)).delivery.position == mine.delivery.position


# --- A click tells where the card is ----------------------------------------------------------


async def test_a_click_tells_where_a_card_in_doubt_is(workflow: Workflow, store: Store, clock: Clock) -> None:
    """The search is blind, but people see the card: from the first click on it is on file, and kept up to date."""
    request = await requested(workflow)
    due = await claimed(workflow)
    await workflow.record_delivery(due.delivery, Receipt(DeliveryOutcome.IN_DOUBT, problem="http_500", in_doubt=True))
    await approve(workflow, request)
    await workflow.record_answer(await sending(workflow), CANCELLED)
    assert await workflow.card_clicked(request.id, FIRST)
    found = await now(store, request)
    assert (found.card_channel, found.card_ts) == ("C1", "7.1")
    clock.advance(60)
    delivered = await deliver_all(workflow)
    assert sorted(delivered) == sorted(
        [DeliveryKind.CARD_UPDATE, DeliveryKind.REPLY, DeliveryKind.DIRECT_MESSAGE, DeliveryKind.COPIES]
    )
    assert "delivery_abandoned" not in await kinds(store)


async def test_a_click_during_the_search_is_told_from_a_second_card(
    workflow: Workflow, store: Store, clock: Clock
) -> None:
    """The try that is under way posts another one, which is removed; the clicked one stays."""
    first, second = await two_tries(workflow, clock, DeliveryKind.CARD)
    assert await workflow.card_clicked(first.request_id, FIRST)
    assert (await workflow.record_delivery(second, SECOND)).surplus
    assert not (await workflow.record_delivery(first, FIRST)).surplus
    assert await workflow.card_clicked(first.request_id, FIRST)
    assert not await workflow.card_clicked(first.request_id, SECOND)


async def test_a_click_on_a_known_card_changes_nothing(workflow: Workflow, store: Store) -> None:
    """Neither a copy nor the card itself moves the card, and an unknown request has none."""
    request = await requested(workflow)
    await deliver_all(workflow)
    before = await everything(store)
    assert await workflow.card_clicked(request.id, DELIVERED)
    assert not await workflow.card_clicked(request.id, SECOND)
    assert not await workflow.card_clicked("nonsense", SECOND)
    assert await everything(store) == before


async def test_a_click_in_a_channel_with_a_new_id_moves_the_card(workflow: Workflow, store: Store) -> None:
    """Slack gives a channel a new id when it is shared or moved; its messages keep their timestamps."""
    request = await requested(workflow)
    await deliver_all(workflow)
    moved = Receipt(DeliveryOutcome.DELIVERED, "C2", "1.1", "https://x/2")
    assert await workflow.card_clicked(request.id, moved)
    found = await now(store, request)
    assert (found.card_channel, found.card_ts, found.card_link) == ("C2", "1.1", "https://x/2")


async def test_at_most_one_new_message_for_each_channel_is_claimed(workflow: Workflow) -> None:
    """Two cards for one channel are claimed one after the other, so that they keep their order."""
    for number in range(2):
        await requested(workflow, f"ord_{number}", form=f"V{number}")
    both = await workflow.claim("w", calls=0, messages=5)
    assert [due.delivery.kind for due in both.deliveries] == [DeliveryKind.CARD]
    rest = await workflow.claim("w", calls=0, messages=5, not_to=frozenset({"C1"}))
    assert rest.deliveries == []
