"""Two people act on requests of several orders at the same moment: one of the acts counts."""

import asyncio

import pytest

from bot.domain.cancellation import State
from bot.domain.events import Approved, Requested, Retried, SettledNotCancelled, Withdrawn
from bot.sandbox.faults import Drop
from bot.sandbox.person import Person
from bot.sandbox.workspace import OpenView, Posted
from bot.store import open_reader, verify
from tests.flows.desk import LOBBY, Desk

TURNS = pytest.mark.parametrize("turned", [False, True])
"""Which of the two acts is sent first."""


async def form(person: Person, desk: Desk) -> OpenView:
    """Return the form that this person opens."""
    await person.command("/cancel-order", LOBBY)
    opened: OpenView = await desk.wait(lambda: person.modal)
    return opened


async def asked(desk: Desk, *orders: str) -> Posted:
    """Return the card of Ann's request for these orders."""
    assert await desk.fill_in("\n".join(orders)) is None
    return await desk.card(orders[0])


async def states(desk: Desk, *orders: str) -> list[State | None]:
    """Return how the newest request for each order stands."""
    return [await desk.state(order) for order in orders]


def verified(desk: Desk) -> bool:
    """Return True where the tables say what the record says."""
    with open_reader(desk.database) as tables:
        return verify(tables).damage is None


@TURNS
async def test_the_last_approval_and_the_withdrawal_of_a_batch(quiet_desk: Desk, *, turned: bool) -> None:
    """The batch is cancelled as a whole, or withdrawn as a whole; one of the two is on record."""
    desk = quiet_desk
    await desk.start_bot(APPROVALS_REQUIRED="2")
    orders = ["ord_1", "ord_2", "ord_3"]
    card = await asked(desk, *orders)
    await desk.ben.click(card, "approve")
    await desk.card_says(card, "1 of 2")
    acts = [desk.cleo.click(card, "approve"), desk.ann.choose(card, "more", "Withdraw")]
    await asyncio.gather(*(reversed(acts) if turned else acts))
    (ending,) = await desk.endings(card)
    decided = [event.content for event in await desk.events() if isinstance(event.content, Approved | Withdrawn)]
    assert len(decided) == 1
    if isinstance(decided[0], Approved):
        assert await states(desk, *orders) == [State.CANCELLED] * 3
        assert ending.startswith("✅ 3 orders: all cancelled")
    else:
        assert await states(desk, *orders) == [State.WITHDRAWN] * 3
        assert ending.startswith("↩️ Withdrawn · 3 orders")
        assert not desk.gateway.calls
    assert verified(desk)


@TURNS
async def test_two_batches_that_share_an_order(desk: Desk, *, turned: bool) -> None:
    """One of them is kept as a whole; the other is kept not at all, and its form names the shared order alone."""
    first, second = ["ord_1", "ord_2"], ["ord_3", "ord_2"]
    asking = []
    for person, orders in ((desk.ann, first), (desk.olga, second)):
        opened = await form(person, desk)
        asking.append(person.submission_payload(opened, {"order_id": "\n".join(orders), "reason": "twice"}))
    sending = [desk.slack.deliver("interactive", payload) for payload in asking]
    answers = await asyncio.gather(*(reversed(sending) if turned else sending))
    (refused,) = [answer for answer in answers if answer is not None]
    assert refused["errors"]["order_id"].count("\n") == 0
    assert "“ord_2”" in refused["errors"]["order_id"]
    (kept,) = [event.content for event in await desk.events() if isinstance(event.content, Requested)]
    assert list(kept.orders) in (first, second)
    other = next(order for order in ("ord_1", "ord_3") if order not in kept.orders)
    assert await desk.state(other) is None
    assert verified(desk)


@TURNS
async def test_retry_and_a_statement_by_hand_about_one_order_of_a_batch(desk: Desk, *, turned: bool) -> None:
    """Both orders are sent again, or one is settled; the act that comes second changes nothing."""
    for order in ("ord_1", "ord_2"):
        desk.gateway.faults.always(order, Drop())
    card = await asked(desk, "ord_1", "ord_2", "ord_3")
    await desk.ben.click(card, "approve")
    await desk.card_says(card, "2 not known, 1 cancelled")
    await desk.cleo.click(card, "settle_not_cancelled")
    opened: OpenView = await desk.wait(lambda: desk.cleo.modal)
    desk.gateway.faults.clear()
    payload = desk.cleo.submission_payload(opened, {"order": "ord_1", "how": "I looked"})
    acts = [desk.ben.click(card, "retry"), desk.slack.deliver("interactive", payload)]
    await asyncio.gather(*(reversed(acts) if turned else acts))
    await desk.wait(lambda: desk.gateway.effects["ord_2"] or "1 not known" in desk.ann.reads(card))
    events = await desk.events()
    retried = {event.order_id for event in events if isinstance(event.content, Retried)}
    settled = {event.order_id for event in events if isinstance(event.content, SettledNotCancelled)}
    assert (retried, settled) in [({"ord_1", "ord_2"}, set()), (set(), {"ord_1"})]
    assert desk.gateway.effects["ord_1"] == (not settled)
    assert verified(desk)
