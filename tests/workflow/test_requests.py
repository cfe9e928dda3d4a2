"""Asking: one open request for each order, and one request for each form."""

import asyncio
from dataclasses import replace

import pytest

from bot.domain.cancellation import State
from bot.domain.delivery import DeliveryKind
from bot.domain.events import Requested, RequestRefused
from bot.domain.policy import Actor, Membership, Verdict
from bot.store import Store
from bot.workflow import Acted, Wish, Workflow
from tests.clock import Clock
from tests.workflow.steps import (
    ANN,
    GONE,
    LOST,
    approved,
    ask,
    claimed,
    contents,
    deliver_all,
    kinds,
    reject,
    requested,
    sending,
    withdraw,
)
from tests.world import actor

SOURCE = "https://x.slack.com/archives/C1/p1516229207000133"


async def test_a_request_owes_a_card_and_nothing_else(workflow: Workflow, store: Store) -> None:
    """Asking leaves one pending request, one event and one queued card."""
    request = await requested(workflow)
    assert (request.state, request.cancellation.order_id, request.reason) == (State.PENDING, "ord_1", "typed twice")
    assert await contents(store) == [Requested(("ord_1",), "typed twice", "C1", 1, "2026-11-24T09:00:00.000Z")]
    assert await deliver_all(workflow) == [DeliveryKind.CARD]


async def test_the_same_form_twice_asks_once(workflow: Workflow, store: Store) -> None:
    """A second copy of the same form changes nothing and gets the answer of the first."""
    first, second = await ask(workflow), await ask(workflow)
    assert first.request is not None
    assert second.request is not None
    assert (
        (first.verdict, first.request.id) == (second.verdict, second.request.id) == (Verdict.ALLOWED, first.request.id)
    )
    assert await kinds(store) == ["requested"]


async def test_a_form_that_is_sent_again_leads_to_its_request_however_it_stands(
    workflow: Workflow, clock: Clock
) -> None:
    """Nobody reads that the approvers are asked where the request has ended, also where its time is over just now."""
    request = await requested(workflow)
    await withdraw(workflow, request)
    again = await ask(workflow)
    assert again.request is not None
    assert (again.verdict, again.request.id, again.request.state) == (Verdict.ALLOWED, request.id, State.WITHDRAWN)
    late = await requested(workflow, "ord_2", form="V2")
    clock.advance(days=2)
    again = await ask(workflow, "ord_2", form="V2")
    assert again.request is not None
    assert (again.request.id, again.request.state) == (late.id, State.EXPIRED)


async def test_an_order_has_one_open_request(workflow: Workflow, store: Store) -> None:
    """A second person who asks for the same order learns the first requester, and that is on record."""
    request = await requested(workflow)
    acted = await ask(workflow, form="V2", by=actor("UTWO"), reason="fraud")
    assert (acted.verdict, acted.names) == (Verdict.ANOTHER_IS_OPEN, {"UASKER": "ann"})
    assert [each.id for each in acted.in_the_way] == [request.id]
    assert (await contents(store))[1:] == [RequestRefused(Verdict.ANOTHER_IS_OPEN, reason="fraud")]


async def test_a_form_sent_again_with_another_order_is_another_request(workflow: Workflow) -> None:
    """After a lost acknowledgement, changed words are never taken for those that are kept."""
    first = await requested(workflow)
    again = await requested(workflow, "ord_2")
    assert (again.cancellation.order_id, again.id != first.id) == ("ord_2", True)


async def test_a_form_sent_again_with_another_reason_names_the_request_that_is_kept(workflow: Workflow) -> None:
    """The person learns that the first words count, instead of reading an acknowledgement for the second."""
    first = await requested(workflow)
    again = await ask(workflow, reason="fraud")
    assert again.verdict is Verdict.ANOTHER_IS_OPEN
    assert [(each.id, each.reason) for each in again.in_the_way] == [(first.id, first.reason)]


async def test_a_form_sent_again_for_another_channel_names_the_request_that_is_kept(workflow: Workflow) -> None:
    """The card is in the first channel, and stays there: the form must not close as if it went to the second."""
    first = await requested(workflow)
    again = await workflow.request(Wish("V1", first.order_ids, first.reason, "C2", asked_in="C2"), ANN)
    assert again.verdict is Verdict.ANOTHER_IS_OPEN
    assert [(each.id, each.card_channel) for each in again.in_the_way] == [(first.id, "C1")]


async def test_a_form_sent_again_leads_to_its_request_after_a_change_of_the_settings(workflow: Workflow) -> None:
    """The channel of the settings is not in the form: nothing is asked twice, also after a rejection."""
    first = await requested(workflow)
    assert await reject(workflow, first) is Verdict.ALLOWED
    again = await workflow.request(Wish("V1", first.order_ids, first.reason, "C2"), ANN)
    assert again.request is not None
    assert (again.verdict, again.request.id, again.request.state) == (Verdict.ALLOWED, first.id, State.REJECTED)


async def test_a_form_sent_again_leads_to_its_request_however_its_text_is_read_by_then(workflow: Workflow) -> None:
    """Another pattern may find other order ids in the same text, and they were not asked for a second time."""
    wish = Wish("V1", ("ord_1", "ord_2"), "why", "C1", typed="ord_1 ord_2")
    first = await workflow.request(wish, ANN)
    again = await workflow.request(replace(wish, order_ids=("ord_1 ord_2",)), ANN)
    assert first.request is not None
    assert again.request is not None
    assert again.request.id == first.request.id
    other = await workflow.request(replace(wish, order_ids=("ord_3",), typed="ord_3"), ANN)
    assert other.request is not None
    assert other.request.id != first.request.id


@pytest.mark.parametrize(
    "reason, category, verdict",
    [("", "", Verdict.REASON_MISSING), ("why", "", Verdict.REASON_MISSING), ("gift", "gift", Verdict.NO_SUCH_REASON)],
)
async def test_a_request_without_a_reason_of_the_list_is_not_kept(
    workflow: Workflow, store: Store, reason: str, category: str, verdict: Verdict
) -> None:
    """Where the list is required nothing else will do, and what was refused is on record."""
    workflow.rules = replace(workflow.rules, reasons=("fraud", "refund"), reason_required=True)
    refused = await workflow.request(Wish("V1", ("ord_1",), reason, "C1", category), actor("UASKER"))
    assert refused == Acted(verdict)
    assert (await contents(store))[-1] == RequestRefused(verdict, asked_for="ord_1")
    kept = await workflow.request(Wish("V1", ("ord_1",), "fraud: why", "C1", "fraud", SOURCE), actor("UASKER"))
    assert kept.request is not None
    assert (kept.request.reason, kept.request.category, kept.request.source) == ("fraud: why", "fraud", SOURCE)


async def test_fifty_forms_at_once_for_one_order_make_one_request(workflow: Workflow, store: Store) -> None:
    """Of fifty simultaneous forms for one order exactly one is accepted."""
    results = await asyncio.gather(*(ask(workflow, form=f"V{number}") for number in range(50)))
    assert [acted.verdict for acted in results].count(Verdict.ALLOWED) == 1
    assert (await kinds(store)).count("requested") == 1


@pytest.mark.parametrize("order", ["", "ord 1", "ord_1\n", "x" * 65, "<@U1>", "ord_é"])
async def test_a_bad_order_id_is_refused_and_recorded(workflow: Workflow, store: Store, order: str) -> None:
    """The whole order ID must match the pattern."""
    assert await ask(workflow, order) == Acted(Verdict.BAD_ORDER_ID)
    assert await contents(store) == [RequestRefused(Verdict.BAD_ORDER_ID, asked_for=order)]


@pytest.mark.parametrize(
    "membership, verdict",
    [(Membership.OUTSIDER, Verdict.NOT_A_REQUESTER), (Membership.UNCHECKED, Verdict.UNCHECKED)],
)
async def test_a_person_who_may_not_ask_is_refused_and_recorded(
    workflow: Workflow, store: Store, membership: Membership, verdict: Verdict
) -> None:
    """A person who is no requester, or could not be checked, gets no request."""
    stranger = Actor("U9", requester=membership, approver=Membership.MEMBER, auditor=Membership.MEMBER)
    assert await ask(workflow, by=stranger) == Acted(verdict)
    assert await contents(store) == [RequestRefused(verdict, asked_for="ord_1")]


async def test_a_person_who_may_not_ask_learns_nothing_about_the_order_id(workflow: Workflow) -> None:
    """Membership is checked before the words."""
    assert await ask(workflow, "no order", by=Actor("U9", requester=Membership.OUTSIDER)) == Acted(
        Verdict.NOT_A_REQUESTER
    )


async def test_an_expired_request_does_not_block_a_new_one(workflow: Workflow, store: Store, clock: Clock) -> None:
    """Asking again after the time is over works at once, also before the worker has expired the first request."""
    await requested(workflow)
    clock.advance(hours=24)
    await requested(workflow, form="V2")
    assert await kinds(store) == ["requested", "expired", "requested"]


async def test_an_unknown_outcome_blocks_a_second_request(workflow: Workflow, clock: Clock) -> None:
    """While nobody knows whether an order is cancelled, nobody can ask for it again."""
    await approved(workflow)
    for _ in range(3):
        await workflow.record_answer(await sending(workflow), LOST)
        clock.advance(60)
    assert (await ask(workflow, form="V2")).verdict is Verdict.ANOTHER_IS_OPEN


async def test_asking_again_finds_out_whether_the_card_is_still_there(workflow: Workflow) -> None:
    """A deleted card took the only buttons with it, and the order stays blocked; asking again brings them back."""
    await requested(workflow)
    await deliver_all(workflow)
    assert (await ask(workflow, form="V2")).verdict is Verdict.ANOTHER_IS_OPEN
    update = (await claimed(workflow)).delivery
    assert update.kind is DeliveryKind.CARD_UPDATE
    await workflow.record_delivery(update, GONE)
    assert await deliver_all(workflow) == [DeliveryKind.CARD]


async def test_asking_again_before_the_card_is_posted_queues_no_second_one(workflow: Workflow) -> None:
    """The card that is queued already is enough."""
    await requested(workflow)
    assert (await ask(workflow, form="V2")).verdict is Verdict.ANOTHER_IS_OPEN
    assert await deliver_all(workflow) == [DeliveryKind.CARD]
