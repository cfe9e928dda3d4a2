"""Slack's rate for new messages holds for all bots together, and across a restart."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from bot.domain.delivery import DeliveryKind, DeliveryOutcome, Receipt
from bot.domain.events import Started
from bot.store import Store
from bot.workflow import Rules, Wish, Workflow
from tests.clock import Clock
from tests.postgres import ON_SQLITE
from tests.workflow.steps import ANN, DELIVERED

LIMITED = Receipt(DeliveryOutcome.LATER, problem="ratelimited", retry_after=30.0)


@pytest.fixture
def limited(rules: Rules) -> Rules:
    """Return rules with the limit of real life: one message a second, and four at once."""
    return replace(rules, patience=replace(rules.patience, message_every=timedelta(seconds=1)))


@pytest.fixture
def bots(store: Store, limited: Rules, clock: Clock) -> list[Workflow]:
    """Return two bots on one database."""
    return [Workflow(store, limited, now=clock, wake=asyncio.Event(), jitter=lambda: 0.0) for _ in range(2)]


async def ask(bot: Workflow, count: int, channel: str = "C1") -> None:
    """Ask for so many requests with their cards in this channel."""
    for number in range(count):
        await bot.request(Wish(f"{channel}{number}", (f"ord_{channel}_{number}",), "why", channel), ANN)


async def cards(*bots: Workflow, receipt: Receipt = DELIVERED) -> list[str]:
    """Let the bots deliver in turn all cards that may go out now; return their channels."""
    done: list[str] = []
    claimed = True
    while claimed:
        claimed = False
        for bot in bots:
            for each in (await bot.claim("w", calls=0, messages=8)).deliveries:
                claimed = True
                is_card = each.delivery.kind is DeliveryKind.CARD
                done += [each.delivery.target] * is_card
                await bot.record_delivery(each.delivery, receipt if is_card else DELIVERED)
    return done


async def test_a_few_go_at_once_and_then_one_a_second(bots: list[Workflow], clock: Clock) -> None:
    """Whichever bot posts them; another channel does not wait."""
    await ask(bots[0], 7)
    assert await cards(*bots) == ["C1"] * 4
    clock.advance(0.9)
    assert await cards(*bots) == []
    clock.advance(0.1)
    assert await cards(*bots) == ["C1"]
    await ask(bots[1], 2, "C2")
    assert await cards(*bots) == ["C2", "C2"]
    clock.advance(1)
    assert await cards(*bots) == ["C1"]


async def test_a_bot_knows_when_a_channel_is_free_again(bots: list[Workflow], clock: Clock) -> None:
    """It looks then, and not a moment before."""
    await ask(bots[0], 5)
    await cards(*bots)
    assert (await bots[1].claim("w", calls=0, messages=8)).next_at == clock() + timedelta(seconds=1)


async def test_a_pause_that_slack_asked_for_holds_for_every_bot(bots: list[Workflow], clock: Clock) -> None:
    """Nothing new goes to that channel before it is over, and then one after the other."""
    await ask(bots[0], 2)
    assert await cards(bots[0], receipt=LIMITED) == ["C1"]
    clock.advance(29.9)
    assert await cards(*bots) == []
    for wait in (0.1, 1):
        clock.advance(wait)
        assert await cards(*bots) == ["C1"]


async def test_a_restart_forgets_no_message(bots: list[Workflow], clock: Clock) -> None:
    """A bot that comes back at once would be refused by Slack otherwise."""
    await ask(bots[0], 5)
    assert len(await cards(bots[0])) == 4
    await bots[1].start(Started("1"))
    assert await cards(bots[1]) == []
    clock.advance(1)
    assert len(await cards(bots[1])) == 1


async def test_a_time_of_a_wrong_clock_holds_nobody_up(bots: list[Workflow], clock: Clock) -> None:
    """After the clock was set back by a day, messages go out."""
    await ask(bots[0], 5)
    await cards(*bots)
    clock.advance(days=-1)
    await bots[0].start(Started("1"))
    assert len(await cards(*bots)) == 1


@ON_SQLITE
async def test_a_step_of_the_clock_moves_what_counts(bots: list[Workflow], store: Store, clock: Clock) -> None:
    """A second is a second, whatever the clock shows."""
    await ask(bots[0], 6)
    assert len(await cards(*bots)) == 4
    step = timedelta(hours=1)
    clock.advance(hours=1)
    await store.transaction("follow", lambda tx: bots[0].shift(tx, step))
    assert await cards(*bots) == []
    clock.advance(1)
    assert len(await cards(*bots)) == 1
