"""Several bots on one database: no start takes what another one holds, and no late result hides a newer one."""

import asyncio
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from bot.clock import utc_now
from bot.domain.audit import timestamp
from bot.domain.cancellation import State
from bot.domain.delivery import DeliveryKind, DeliveryOutcome, Publish, Receipt
from bot.domain.events import Started
from bot.domain.policy import NAMED, Verdict
from bot.store import Store
from bot.store.postgres import Postgres
from bot.workflow import Rules, Workflow
from tests.clock import Clock
from tests.workflow.steps import (
    DELIVERED,
    approve,
    approved,
    claimed,
    contents,
    deliver_all,
    events,
    kinds,
    now,
    requested,
    sending,
    state_of,
)
from tests.world import actor, next_attempt, next_delivery, typed


async def test_a_start_among_others_takes_nothing_from_them(workflow: Workflow, store: Store, clock: Clock) -> None:
    """The bot that holds a call or a message may be alive, so only the end of its lease says that it is not."""
    request = await approved(workflow)
    await sending(workflow)
    card = await claimed(workflow)
    assert card.delivery.kind is DeliveryKind.CARD
    clock.advance(60)
    await workflow.start(Started("2"), alone=False)
    assert await next_attempt(workflow) is None
    assert await state_of(store, request) is State.SENDING
    due = await next_delivery(workflow)
    assert due is None or due.delivery.position != card.delivery.position
    clock.advance(61)
    assert await next_attempt(workflow) is None
    assert await state_of(store, request) is State.APPROVED


async def test_a_start_among_others_does_not_call_an_end_unclean(workflow: Workflow, store: Store) -> None:
    """The last start on record may be that of a bot that lives."""
    await workflow.start(Started("1"), alone=False)
    await workflow.start(Started("2"), alone=False)
    assert [content.unclean for content in await contents(store)] == [False, False]


async def test_a_stop_in_order_gives_back_what_is_left(workflow: Workflow, store: Store, clock: Clock) -> None:
    """Another bot goes on at once with what this one could not finish, and with nothing of a third one's."""
    request = await approved(workflow)
    await sending(workflow)
    await claimed(workflow)
    await workflow.stop("somebody else")
    assert await next_attempt(workflow) is None
    assert await state_of(store, request) is State.SENDING
    await workflow.stop("w")
    assert await next_attempt(workflow) is None
    assert await state_of(store, request) is State.APPROVED
    clock.advance(5)
    due = await claimed(workflow)
    assert due.delivery.kind is DeliveryKind.CARD
    assert due.delivery.in_doubt_since is not None


async def test_an_update_that_comes_after_the_one_that_counts_is_followed_by_another(
    workflow: Workflow, clock: Clock
) -> None:
    """Slack shows what was true before, so the truth goes there once more."""
    request = await requested(workflow)
    await deliver_all(workflow)
    await approve(workflow, request)
    late = await claimed(workflow)
    assert late.delivery.kind is DeliveryKind.CARD_UPDATE
    clock.advance(minutes=3)
    again = await claimed(workflow)
    assert again.delivery.position == late.delivery.position
    await workflow.record_delivery(again.delivery, DELIVERED)
    clock.advance(minutes=3)
    await deliver_all(workflow)
    assert await next_delivery(workflow) is None
    await workflow.record_delivery(late.delivery, DELIVERED)
    assert await deliver_all(workflow) == [DeliveryKind.CARD_UPDATE]


async def test_a_second_message_is_looked_for_again_where_its_bot_may_die_before_it_deletes_it(
    workflow: Workflow, clock: Clock
) -> None:
    """The bot that stood still was the first to post, and the one that posted second must take its message back."""
    await requested(workflow)
    late = await claimed(workflow)
    assert late.delivery.kind is DeliveryKind.CARD
    clock.advance(minutes=3)
    again = await claimed(workflow)
    assert again.delivery.position == late.delivery.position
    await workflow.record_delivery(late.delivery, DELIVERED)
    assert (await workflow.record_delivery(again.delivery, replace(DELIVERED, ts="2.2"))).surplus
    await deliver_all(workflow)
    clock.advance(minutes=3)
    assert DeliveryKind.COPIES in await deliver_all(workflow)


@pytest.mark.parametrize("engine", ["postgres"], indirect=True)
async def test_a_bot_whose_clock_is_ahead_leaves_the_look_for_copies_to_others(
    store: Store, rules: Rules, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would look before Slack shows them; every other message goes out through it as well."""
    apart = [0.0]
    clock = Clock()
    monkeypatch.setattr(Postgres, "begun_at", lambda _: clock() - timedelta(seconds=apart[0]))
    workflow = Workflow(store, rules, now=clock, wake=asyncio.Event(), may_differ=timedelta(seconds=5))
    await requested(workflow)
    lost = Receipt(DeliveryOutcome.IN_DOUBT, problem="http_500", in_doubt=True)
    await workflow.record_delivery((await claimed(workflow)).delivery, lost)
    clock.advance(3)
    apart[0] = 180
    clock.advance(apart[0])
    assert await deliver_all(workflow, receipts=True) == [DeliveryKind.CARD, DeliveryKind.RECEIPT]
    clock.advance(60)
    assert await deliver_all(workflow, receipts=True) == []
    apart[0] = 0
    assert await deliver_all(workflow, receipts=True) == [DeliveryKind.COPIES]


@pytest.mark.parametrize("engine", ["postgres"], indirect=True)
@pytest.mark.parametrize("behind, goes_on", [(4.0, True), (60.0, False)])
async def test_time_on_record_does_not_go_back_between_bots(
    workflow: Workflow, store: Store, clock: Clock, behind: float, goes_on: bool
) -> None:
    """A bot whose clock is a little behind writes the time of the last event; one that is far behind is not ready."""
    await requested(workflow)
    before = clock.at
    clock.at -= timedelta(seconds=behind)
    request = await requested(workflow, "ord_2", form="V2")
    times = [event.at for event in await events(store)]
    assert times == ([timestamp(before)] * 2 if goes_on else [timestamp(before), timestamp(clock())])
    assert (await now(store, request)).requested_at == datetime.fromisoformat(times[-1])
    assert await kinds(store) == ["requested"] * 2


@pytest.mark.parametrize("newer_first", [False, True])
async def test_no_bot_leaves_an_older_word_about_a_freeze_below_a_newer_one(
    workflow: Workflow, newer_first: bool
) -> None:
    """Slack was slow with the announcement of one bot, and meanwhile another one has announced the opposite."""
    person = actor("UONE")
    await workflow.freeze(person, "wrong prices", typed())
    began = await claimed(workflow)
    await workflow.unfreeze(person, typed())
    over = await claimed(workflow)
    assert [each.delivery.kind for each in (began, over)] == [DeliveryKind.ANNOUNCEMENT] * 2
    posted = [over, began] if newer_first else [began]
    surplus = [(await workflow.record_delivery(each.delivery, DELIVERED)).surplus for each in posted]
    # Where nobody knows which of the two is the last word, it is the newer one that stays.
    assert surplus == ([False, True] if newer_first else [True])


async def test_an_announcement_stays_where_the_next_one_was_not_begun(workflow: Workflow) -> None:
    """People read both, in their order."""
    person = actor("UONE")
    await workflow.freeze(person, "wrong prices", typed())
    began = await claimed(workflow)
    await workflow.unfreeze(person, typed())
    assert not (await workflow.record_delivery(began.delivery, DELIVERED)).surplus


@pytest.mark.parametrize("first, then", [(-3, 0), (0, 3)])
async def test_a_wrong_clock_forgets_no_command(workflow: Workflow, clock: Clock, first: int, then: int) -> None:
    """What Slack brings again would end a freeze that began after it, also once the clock is right again."""
    ben, cleo, again = actor("UBEN"), actor("UCLEO"), typed()
    clock.advance(days=first)
    await workflow.freeze(ben, "one", typed())
    await workflow.unfreeze(cleo, again)
    clock.advance(days=then - first)
    await workflow.freeze(ben, "two", typed())
    clock.advance(days=-then)
    assert (await workflow.unfreeze(cleo, again)).verdict is Verdict.REPEATED


@pytest.mark.parametrize("engine", ["postgres"], indirect=True)
@pytest.mark.parametrize("apart", [timedelta(hours=3), timedelta(hours=-3)])
async def test_a_start_on_a_wrong_clock_brings_nothing_forward_that_others_wait_for(
    workflow: Workflow, store: Store, rules: Rules, clock: Clock, monkeypatch: pytest.MonkeyPatch, apart: timedelta
) -> None:
    """It has not heard Slack yet, and goes by the server: a look for copies that comes too early is in vain."""
    monkeypatch.setattr(Postgres, "begun_at", lambda _: clock())
    await requested(workflow)
    lost = Receipt(DeliveryOutcome.IN_DOUBT, problem="http_500", in_doubt=True)
    await workflow.record_delivery((await claimed(workflow)).delivery, lost)
    clock.advance(3)
    await deliver_all(workflow)
    limit = timedelta(seconds=5)
    wrong = Workflow(store, rules, now=lambda: clock() + apart, wake=asyncio.Event(), may_differ=limit)
    await wrong.start(Started("2"), alone=False)
    clock.advance(59.9)
    assert await deliver_all(workflow) == []
    clock.advance(0.1)
    assert await deliver_all(workflow) == [DeliveryKind.COPIES]


@pytest.mark.parametrize("engine", ["postgres"], indirect=True)
@pytest.mark.parametrize("apart", [timedelta(hours=3), timedelta(hours=-3)])
async def test_what_somebody_freezes_through_a_bot_with_a_wrong_clock_is_brought_by_the_others(
    workflow: Workflow, store: Store, rules: Rules, clock: Clock, monkeypatch: pytest.MonkeyPatch, apart: timedelta
) -> None:
    """It has the server's time. Its messages are due, an open Home tab shows it, and the worker waits as it must."""
    monkeypatch.setattr(Postgres, "begun_at", lambda _: clock())
    wrong = Workflow(
        store,
        rules,
        now=lambda: clock() + apart,
        wake=asyncio.Event(),
        may_differ=timedelta(seconds=5),
        others_are_nearer_to=lambda _: True,
    )
    request = await requested(workflow)
    await deliver_all(workflow)
    await workflow.home_opened("UTWO")
    assert len((await workflow.claim("w", calls=1, messages=9)).homes) == 1
    await store.transaction("published", lambda tx: tx.homes.conclude(Publish("UTWO", 1), clock()))
    clock.advance(1)
    await wrong.freeze(replace(actor("UTWO"), ground=NAMED), "why", typed())
    due = await workflow.claim("w", calls=1, messages=9)
    assert {each.delivery.kind for each in due.deliveries} >= {DeliveryKind.ANNOUNCEMENT, DeliveryKind.CARD_UPDATE}
    assert [each.person for each in due.homes] == ["UTWO"]
    assert (await events(store))[-1].at == timestamp(clock())
    for each in due.deliveries:
        await workflow.record_delivery(each.delivery, Receipt(DeliveryOutcome.LATER, problem="ratelimited"))
    for publish in due.homes:
        await wrong.record_publish(publish, Receipt(DeliveryOutcome.LATER, problem="ratelimited", retry_after=1))
    clock.advance(5)
    assert len((await workflow.claim("w", calls=1, messages=9)).homes) == 1
    await workflow.unfreeze(replace(actor("UTWO"), ground=NAMED), typed())
    assert await approve(workflow, request) is Verdict.ALLOWED
    claimed = await wrong.claim("v", calls=1, messages=0)
    for at in (claimed.next_at, claimed.attempts[0].lease_until):
        assert at is not None
        assert timedelta(0) < at - (clock() + apart) <= timedelta(minutes=2)


@pytest.mark.parametrize("engine", ["postgres"], indirect=True)
async def test_a_bot_whose_clock_is_ahead_forgets_nothing_that_others_have_seen(
    workflow: Workflow, store: Store, rules: Rules
) -> None:
    """A signed request that is sent again to another bot is refused; the time is the server's."""
    life = timedelta(minutes=10)
    ahead = Workflow(store, rules, now=lambda: utc_now() + timedelta(days=1), wake=asyncio.Event())
    assert await workflow.is_first("a", life)
    assert await ahead.is_first("b", life)
    assert not await workflow.is_first("a", life)
