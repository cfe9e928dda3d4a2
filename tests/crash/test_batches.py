"""kill -9 on the way of a request of several orders: each order is cancelled once, and people are told once."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import Sequence

import pytest

from bot.domain.events import Sending
from bot.sandbox.faults import Drop, Hang
from bot.sandbox.slack import NotAcknowledged
from bot.sandbox.workspace import Posted
from bot.store import open_reader, verify
from tests.crash.processes import bot_process
from tests.flows.desk import PAYMENTS, Desk

FIVE = ["ord_1", "ord_2", "ord_done", "ord_3", "ord_4"]
FIFTY = [f"ord_{number}" for number in range(1000, 1050)]
TWO_AT_ONCE = {"GATEWAY_CONCURRENCY": "2"}
POINTS = [
    "request,request,1",
    "request,claim,1",
    *(f"request,record_delivery,{number}" for number in (1, 2)),
    "approve,approve,1",
    *(f"approve,claim,{number}" for number in (1, 2, 3)),
    *(f"record_answer,record_answer,{number}" for number in (1, 2, 3, 4, 5)),
    *(f"record_answer,record_delivery,{number}" for number in (1, 2, 3, 4)),
]
"""The commit from which counting begins, the commit of the crash, and its number since then."""


async def ask_and_approve(desk: Desk, orders: Sequence[str]) -> Posted:
    """Ask and approve, again if Slack showed an error before; return the card."""
    if not desk.slack.space.messages(PAYMENTS):
        with contextlib.suppress(NotAcknowledged):
            if desk.ann.modal is None:
                await desk.ann.command("/cancel-order", PAYMENTS)
                await desk.wait(lambda: desk.ann.modal)
            await desk.ann.submit(order_id="\n".join(orders), reason="twice")
    card = await desk.card(orders[0])
    with contextlib.suppress(NotAcknowledged, LookupError):
        await desk.ben.click(card, "approve")
    return card


async def finished(desk: Desk, card: Posted, says: str, orders: Sequence[str]) -> None:
    """Wait for the end; fail unless each of these orders is cancelled once, and each thing is told once."""
    await desk.card_says(card, says)
    (summary,) = await desk.endings(card)
    assert summary.startswith(says)
    assert says in await desk.direct(desk.ann)
    await desk.receipt(says)
    assert (len(desk.results(desk.ann)), len(desk.receipts(desk.ann))) == (1, 1)
    assert len(desk.slack.space.messages(PAYMENTS)) == 1
    assert desk.gateway.effects == Counter(orders)
    with open_reader(desk.database) as tables:
        events = list(tables.record.all())
        assert verify(tables).damage is None
    assert Counter(event.order_id for event in events if event.kind == "cancelled") == Counter(orders)
    assert [event.kind for event in events].count("approved") == 1


@pytest.mark.parametrize("when", ["KILL_BEFORE", "KILL_AFTER"])
@pytest.mark.parametrize("point", POINTS)
async def test_a_crash_at_any_commit_of_a_batch_leads_to_the_same_end(quiet_desk: Desk, point: str, when: str) -> None:
    """The card, the receipt and one summary say how each order ended, and the record is intact."""
    quiet_desk.gateway.add_order("ord_4", "pending")
    async with bot_process(quiet_desk, **TWO_AT_ONCE, **{when: point}) as process:
        acting = asyncio.create_task(ask_and_approve(quiet_desk, FIVE))
        async with asyncio.timeout(60):
            await process.wait()
        acting.cancel()
        await asyncio.gather(acting, return_exceptions=True)
    assert process.returncode == -9
    async with bot_process(quiet_desk, **TWO_AT_ONCE):
        card = await ask_and_approve(quiet_desk, FIVE)
        await finished(
            quiet_desk, card, "⛔ 5 orders: 4 cancelled, 1 completed", [each for each in FIVE if each != "ord_done"]
        )


@pytest.mark.parametrize("number", [1, 25, 50])
async def test_a_crash_in_the_middle_of_fifty_orders_loses_and_doubles_none(quiet_desk: Desk, number: int) -> None:
    """Those that were answered are not sent again, and the others are sent by the next process."""
    for order in FIFTY:
        quiet_desk.gateway.add_order(order, "pending")
    async with bot_process(quiet_desk, KILL_AFTER=f"record_answer,record_answer,{number}") as process:
        acting = asyncio.create_task(ask_and_approve(quiet_desk, FIFTY))
        async with asyncio.timeout(60):
            await process.wait()
        await asyncio.gather(acting, return_exceptions=True)
    assert process.returncode == -9
    async with bot_process(quiet_desk):
        await finished(quiet_desk, await quiet_desk.card(FIFTY[0]), "✅ 50 orders: all cancelled", FIFTY)


async def test_killed_between_the_answers_for_two_orders(quiet_desk: Desk) -> None:
    """The order whose answer is kept is asked for once; the other one is asked for again."""
    orders = ["ord_1", "ord_2"]
    async with bot_process(quiet_desk) as process:
        quiet_desk.gateway.faults.add("ord_2", Drop(after_effect=True))
        quiet_desk.gateway.faults.always("ord_2", Hang(asyncio.Event()))
        card = await ask_and_approve(quiet_desk, orders)
        await quiet_desk.card_says(card, "1 cancelled, 1 under way")
        await quiet_desk.gateway.wait_for(lambda: quiet_desk.gateway.effects["ord_2"])
        process.kill()
    quiet_desk.gateway.faults.clear()
    async with bot_process(quiet_desk):
        await finished(quiet_desk, card, "✅ 2 orders: all cancelled", orders)
    with open_reader(quiet_desk.database) as tables:
        sent = Counter(event.order_id for event in tables.record.all() if isinstance(event.content, Sending))
    assert sent["ord_1"] == 1
    assert sent["ord_2"] > 1
