"""Many orders at once: the gateway gets no more calls at the same time than the settings allow, and all of them."""

import asyncio
from functools import partial

import pytest

from bot.domain.policy import Act, Members
from bot.domain.request import Request
from bot.sandbox.faults import Hang
from bot.workflow import Wish, decisions
from tests.flows.desk import ANN, BEN, PAYMENTS, Desk
from tests.world import actor

ORDERS = tuple(f"ord_b{number}" for number in range(50))


@pytest.mark.parametrize("setting, most", [("", 10), ("3", 3), ("100", 50)])
async def test_fifty_orders_approved_at_once(quiet_desk: Desk, setting: str, most: int) -> None:
    """So many calls are under way as soon as they can be, and another one begins as soon as one of them has ended."""
    gateway, hangs, at_once = quiet_desk.gateway, dict[str, asyncio.Event](), list[int]()

    def hang(order_id: str) -> Hang:
        hangs[order_id] = asyncio.Event()
        at_once.append(sum(not each.is_set() for each in hangs.values()))
        return Hang(hangs[order_id])

    def reached(count: int) -> bool:
        return len(hangs) >= count

    gateway.faults.choose = hang
    for order in ORDERS:
        gateway.add_order(order)
    bot = await quiet_desk.start_bot(GATEWAY_CONCURRENCY=setting)
    asked = (await bot.workflow.request(Wish("V1", ORDERS, "", PAYMENTS), actor(ANN))).request
    assert asked is not None
    await bot.workflow.act(decisions.approve, Act.APPROVE, asked.id, actor(BEN), approvers=Members(frozenset({BEN})))
    for answered in range(len(ORDERS)):
        await gateway.wait_for(partial(reached, min(answered + most, len(ORDERS))), 30)
        next(each for each in hangs.values() if not each.is_set()).set()
    await gateway.wait_for(lambda: sum(gateway.effects.values()) == len(ORDERS), 30)
    assert max(at_once) == most
    assert gateway.effects == dict.fromkeys(ORDERS, 1)

    async def states() -> set[str]:
        found: Request | None = await bot.store.read(lambda tables: tables.requests.get(asked.id))
        assert found is not None
        return {str(each.state) for each in found.cancellations}

    async with asyncio.timeout(30):
        while await states() != {"cancelled"}:  # noqa: ASYNC110 -- the worker sets no event for it
            await asyncio.sleep(0)
