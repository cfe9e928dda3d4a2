"""Votes and quorums after the settings changed: a restart counts every pending request again by the rules of today."""

import asyncio
from pathlib import Path

import pytest

from bot.domain.cancellation import State
from bot.domain.events import QuorumChanged, Started, VotesVoided
from bot.domain.policy import Verdict
from bot.sandbox.faults import ApiError, Canned, Drop, Fault, Hang
from bot.sandbox.gateway_answers import maintenance
from bot.sandbox.person import Person
from bot.sandbox.workspace import Posted
from bot.wording import another_gateway
from bot.workflow import AnotherGatewayError, Patience
from tests.clock import Clock
from tests.flows.desk import ANN, BEN, CLEO, LEADS, LOBBY, OLGA, VERA, Desk, quick_tuning

THREE = f"{BEN},{CLEO},{VERA}"
"""Three approvers, so that two others are left when one is out."""


async def asked_and_approved(desk: Desk, *people: Person, by: Person | None = None) -> Posted:
    """Return the card of a request that these people approved, as far as it shows their approvals."""
    card = await desk.ask("ord_1", person=by)
    for number, person in enumerate(people, 1):
        await person.click(card, "approve")
        await desk.card_says(card, f"{number} of ")
    # A message that a stop cuts off is tried again after a pause, for which a clock that stands still waits for ever.
    await desk.running_bot.worker.until_idle()
    return card


async def test_a_request_that_nobody_could_approve_is_refused_before_the_form(quiet_desk: Desk) -> None:
    """Ann is the only approver besides Ben, and two are needed: she is told at once, and fills in nothing in vain."""
    desk = quiet_desk
    await desk.start_bot(APPROVERS=f"{ANN},{BEN}", APPROVALS_REQUIRED="2")
    await desk.ann.command("/cancel-order ord_1 twice", LOBBY)
    assert (await desk.told(desk.ann)).startswith("Too few people could approve your request")
    assert desk.ann.modal is None
    assert await desk.refusal() == (ANN, "", Verdict.TOO_FEW_APPROVERS)


async def test_a_form_that_is_open_while_approvers_go_is_still_taken(quiet_desk: Desk) -> None:
    """An acknowledgement waits for no look-up of approvers: what was asked in an open form is kept, and may expire."""
    desk = quiet_desk
    await desk.start_bot(APPROVERS=f"{ANN},{BEN},{CLEO}", APPROVALS_REQUIRED="2")
    await desk.ann.command("/cancel-order ord_1 twice", LOBBY)
    await desk.wait(lambda: desk.ann.modal)
    await restart(desk, APPROVERS=f"{ANN},{BEN}", APPROVALS_REQUIRED="2")
    assert await desk.ann.submit() is None
    assert await desk.state() is State.PENDING


async def test_a_request_that_nobody_can_approve_any_more_says_so(quiet_desk: Desk) -> None:
    """Its requester is the only approver left. Neither they nor the channel wait for somebody who cannot come."""
    desk = quiet_desk
    await desk.start_bot(APPROVERS=f"{BEN},{CLEO}")
    card = await desk.ask("ord_1", person=desk.ben)
    receipt = await desk.receipt("Waiting for approval", person=desk.ben)
    assert "Too few people" not in desk.ann.reads(card) + desk.ann.reads(receipt)
    await restart(desk, APPROVERS=BEN)
    said = "⚠️ Too few people are left who could approve this. The bot's operator can add approvers"
    await desk.card_says(card, said)
    await desk.wait(lambda: said in desk.ann.reads(receipt))
    await restart(desk, APPROVERS=f"{BEN},{CLEO}")
    await desk.wait(lambda: "Too few people" not in desk.ann.reads(card) + desk.ann.reads(receipt))


async def restart(desk: Desk, **changes: str) -> None:
    """Stop the bot, and start it with other settings."""
    await desk.stop_bot()
    await desk.start_bot(**changes)


async def story(desk: Desk) -> str:
    """Return what an auditor reads of the order."""
    known = len(desk.vera.ephemerals)
    await desk.vera.command("/cancel-audit ord_1", LOBBY)
    return await desk.told(desk.vera, known + 1)


async def test_ones_own_vote_is_void_once_self_approval_is_off(quiet_desk: Desk) -> None:
    """Ben approved his own request while that was allowed: after the restart two others must approve it."""
    await quiet_desk.start_bot(APPROVERS=THREE, APPROVALS_REQUIRED="2", ALLOW_SELF_APPROVAL="true")
    card = await asked_and_approved(quiet_desk, quiet_desk.ben, by=quiet_desk.ben)
    await restart(quiet_desk, APPROVERS=THREE, APPROVALS_REQUIRED="2")
    assert "0 of 2 approvals" in await quiet_desk.card_says(card, "0 of 2")
    await quiet_desk.ben.click(card, "approve")
    assert "You can't approve your own request" in await quiet_desk.told(quiet_desk.ben)
    await quiet_desk.cleo.click(card, "approve")
    await quiet_desk.card_says(card, "1 of 2 approvals: @cleo")
    assert not quiet_desk.gateway.calls
    await quiet_desk.vera.click(card, "approve")
    assert "2 of 2 approvals: @cleo, @vera" in await quiet_desk.card_says(card, "✅ Cancelled")
    assert "approvals no longer count · the bot · @ben" in await story(quiet_desk)


async def test_the_vote_of_a_removed_approver_is_void(quiet_desk: Desk) -> None:
    """Ben approved and was taken out of APPROVERS: his vote counts no longer."""
    await quiet_desk.start_bot(APPROVERS=THREE, APPROVALS_REQUIRED="2")
    card = await asked_and_approved(quiet_desk, quiet_desk.ben)
    others = f"{CLEO},{VERA}"
    await restart(quiet_desk, APPROVERS=others, APPROVALS_REQUIRED="2")
    await quiet_desk.card_says(card, "0 of 2")
    await quiet_desk.cleo.click(card, "approve")
    await quiet_desk.card_says(card, "1 of 2 approvals: @cleo")
    assert not quiet_desk.gateway.calls
    assert VotesVoided((BEN,)) in [event.content for event in await quiet_desk.events()]
    await quiet_desk.ben.click(card, "approve")
    assert "Only approvers can do that" in await quiet_desk.told(quiet_desk.ben)


async def test_a_vote_is_checked_again_at_the_one_that_reaches_the_quorum(database: Path) -> None:
    """Cleo approved and left the group while the bot was running: Ben's vote is the first of two."""
    clock = Clock()
    async with Desk(database, now=clock) as desk:
        await desk.start_bot(quick_tuning(now=clock), APPROVALS_REQUIRED="2")
        card = await asked_and_approved(desk, desk.cleo)
        desk.slack.space.groups[LEADS] = [VERA]
        clock.advance(minutes=6)
        await desk.ben.click(card, "approve")
        await desk.card_says(card, "1 of 2 approvals: @ben")
        assert not desk.gateway.calls
        await desk.vera.click(card, "approve")
        assert "2 of 2 approvals: @ben, @vera" in await desk.card_says(card, "✅ Cancelled")


@pytest.mark.parametrize("fault", [ApiError("internal_error"), Hang(asyncio.Event())])
async def test_a_vote_that_cannot_be_checked_does_not_reach_the_quorum(quiet_desk: Desk, fault: Fault) -> None:
    """Slack does not say who is in the group any more: Ben reads that the earlier approval could not be checked.

    He himself is an approver by name, so he does not read that he is unknown.
    """
    await quiet_desk.start_bot(APPROVALS_REQUIRED="2")
    card = await asked_and_approved(quiet_desk, quiet_desk.cleo)
    await quiet_desk.stop_bot()
    quiet_desk.slack.faults.always("usergroups.users.list", fault)
    await quiet_desk.start_bot(APPROVALS_REQUIRED="2")
    await quiet_desk.ben.click(card, "approve")
    told = await quiet_desk.told(quiet_desk.ben)
    assert "whether everybody who approved this may still approve" in told
    assert not quiet_desk.gateway.calls
    assert await quiet_desk.state() is State.PENDING


async def test_a_lowered_quorum_is_reached_without_another_click(quiet_desk: Desk) -> None:
    """Nobody is left who could give the second of two approvals, but one is enough now."""
    await quiet_desk.start_bot(APPROVALS_REQUIRED="2")
    card = await asked_and_approved(quiet_desk, quiet_desk.ben)
    await restart(quiet_desk, APPROVALS_REQUIRED="1")
    assert "1 of 1 approval: @ben" in await quiet_desk.card_says(card, "✅ Cancelled")
    assert len(quiet_desk.gateway.calls) == 1
    read = await story(quiet_desk)
    assert "number of approvals changed · the bot · 1 needed, 2 before" in read
    assert "approved · the bot" not in read


async def test_a_card_that_promises_to_wait_for_others_cancels_nothing(quiet_desk: Desk) -> None:
    """The quorum was lowered while Ben read that this is approval 1 of 2; his click is told, and shows the new card."""
    await quiet_desk.start_bot(APPROVALS_REQUIRED="2")
    card = await quiet_desk.ask("ord_1")
    quiet_desk.slack.faults.always("chat.update", ApiError("internal_error"))
    await restart(quiet_desk, APPROVALS_REQUIRED="1")
    await quiet_desk.ben.click(card, "approve")
    assert (await quiet_desk.told(quiet_desk.ben)).startswith("Fewer approvals are needed now than the card showed you")
    assert await quiet_desk.state() is State.PENDING
    assert quiet_desk.gateway.effects == {}
    quiet_desk.slack.faults.clear()
    await quiet_desk.wait(lambda: "at the payment gateway now" in str(card.button("approve")))
    await quiet_desk.ben.click(card, "approve")
    await quiet_desk.card_says(card, "✅ Cancelled")


async def test_a_lowered_quorum_is_not_reached_by_a_vote_that_is_void(quiet_desk: Desk) -> None:
    """The only approval was the requester's own: it does not count, however low the quorum is."""
    await quiet_desk.start_bot(APPROVALS_REQUIRED="2", ALLOW_SELF_APPROVAL="true")
    card = await asked_and_approved(quiet_desk, quiet_desk.ben, by=quiet_desk.ben)
    await restart(quiet_desk, APPROVALS_REQUIRED="1")
    await quiet_desk.card_says(card, "1 approval is needed")
    assert not quiet_desk.gateway.calls
    await quiet_desk.cleo.click(card, "approve")
    assert "1 of 1 approval: @cleo" in await quiet_desk.card_says(card, "✅ Cancelled")


async def test_a_lowered_quorum_waits_until_the_votes_can_be_checked(database: Path) -> None:
    """At the restart Slack does not say who is in Cleo's group; her own second click finds the quorum reached."""
    clock = Clock()
    async with Desk(database, now=clock) as desk:
        await desk.start_bot(quick_tuning(now=clock), APPROVALS_REQUIRED="2")
        card = await asked_and_approved(desk, desk.cleo)
        await desk.stop_bot()
        desk.slack.faults.always("usergroups.users.list", ApiError("internal_error"))
        await desk.start_bot(quick_tuning(now=clock), APPROVALS_REQUIRED="1")
        await desk.cleo.click(card, "approve")
        assert "Try again in a minute" in await desk.told(desk.cleo)
        assert not desk.gateway.calls
        desk.slack.faults.clear()
        clock.advance(minutes=1)
        await desk.cleo.click(card, "approve")
        assert "1 of 1 approval: @cleo" in await desk.card_says(card, "✅ Cancelled")


async def test_a_raised_quorum_holds_for_requests_that_wait(quiet_desk: Desk) -> None:
    """A request that had one of two approvals has one of three."""
    await quiet_desk.start_bot(APPROVERS=THREE, APPROVALS_REQUIRED="2")
    card = await asked_and_approved(quiet_desk, quiet_desk.ben)
    await restart(quiet_desk, APPROVERS=THREE, APPROVALS_REQUIRED="3")
    await quiet_desk.card_says(card, "1 of 3 approvals: @ben")
    await quiet_desk.cleo.click(card, "approve")
    await quiet_desk.card_says(card, "2 of 3")
    assert not quiet_desk.gateway.calls
    assert QuorumChanged(2, 3) in [event.content for event in await quiet_desk.events()]


async def test_a_restart_with_the_same_settings_changes_nothing(quiet_desk: Desk) -> None:
    """Only the stop and the start are on record."""
    await quiet_desk.start_bot(APPROVALS_REQUIRED="2")
    card = await asked_and_approved(quiet_desk, quiet_desk.ben)
    await quiet_desk.running_bot.worker.until_idle()
    before, calls = await quiet_desk.events(), len(quiet_desk.slack.calls)
    await restart(quiet_desk, APPROVALS_REQUIRED="2")
    await quiet_desk.wait(lambda: "usergroups.users.list" in [call.method for call in quiet_desk.slack.calls[calls:]])
    await quiet_desk.olga.click(card, "approve")
    after = await quiet_desk.events()
    assert [event.kind for event in after[len(before) :]] == ["stopped", "started", "named", "click_refused"]


async def test_a_request_whose_time_is_over_is_not_approved_by_a_lowered_quorum(database: Path) -> None:
    """The bot was off until the request had expired."""
    clock = Clock()
    async with Desk(database, now=clock) as desk:
        await desk.start_bot(quick_tuning(now=clock), APPROVALS_REQUIRED="2", APPROVAL_TTL="2h")
        card = await asked_and_approved(desk, desk.ben)
        await desk.stop_bot()
        clock.advance(hours=2)
        await desk.start_bot(quick_tuning(now=clock), APPROVALS_REQUIRED="1", APPROVAL_TTL="2h")
        clock.advance(1)  # what was tried before the bot was connected is due again
        await desk.running_bot.worker.until_idle()
        await desk.card_says(card, "Expired")
        assert not desk.gateway.calls


async def test_a_new_approver_decides_on_older_requests(quiet_desk: Desk) -> None:
    """The rules of today hold for everybody: a person who is an approver now may decide."""
    await quiet_desk.start_bot()
    card = await quiet_desk.ask("ord_1")
    await restart(quiet_desk, APPROVERS=OLGA)
    await quiet_desk.ben.click(card, "approve")
    assert "Only approvers can do that" in await quiet_desk.told(quiet_desk.ben)
    await quiet_desk.olga.click(card, "approve")
    assert "1 of 1 approval: @olga" in await quiet_desk.card_says(card, "✅ Cancelled")


# --- another gateway ----------------------------------------------------------------------------

ELSEWHERE = "http://127.0.0.1:9"


@pytest.mark.parametrize("fault", [Drop(after_effect=True), maintenance(60)])
async def test_a_bot_does_not_ask_another_gateway_about_an_order_of_the_former_one(
    database: Path, fault: Drop | Canned
) -> None:
    """Its approval was for the former one, which alone knows what a lost call did. Both ways out are named."""
    clock = Clock()
    async with Desk(database, now=clock) as desk:
        desk.gateway.faults.always("ord_1", fault)
        patient = quick_tuning(now=clock, patience=Patience())
        await desk.start_bot(patient)
        card = await desk.ask("ord_1")
        await desk.ben.click(card, "approve")
        await desk.card_says(card, "Not confirmed yet")
        await desk.stop_bot()
        with pytest.raises(AnotherGatewayError) as refused:
            await desk.start_bot(patient, DVPAY_BASE_URL=ELSEWHERE)
        told = ". ".join(another_gateway(refused.value.former, refused.value.current, refused.value.orders))
        assert told.startswith(
            f"DVPAY_BASE_URL is {ELSEWHERE}, but the bot worked with {desk.gateway.base_url} before."
        )
        assert "ord_1" in told
        assert f"DVPAY_MOVED_FROM={desk.gateway.base_url}" in told
        # The first way out: the same gateway at a new address.
        await desk.start_bot(patient, DVPAY_BASE_URL=ELSEWHERE, DVPAY_MOVED_FROM=desk.gateway.base_url)
        starts = [event.content for event in await desk.events() if isinstance(event.content, Started)]
        assert [start.dvpay_base_url for start in starts] == [desk.gateway.base_url, ELSEWHERE]
        assert starts[-1].dvpay_moved_from == desk.gateway.base_url
        await desk.stop_bot()
        # The other one: the former address until all has ended.
        desk.gateway.faults.always("ord_1", None)
        await desk.start_bot(patient, DVPAY_MOVED_FROM=ELSEWHERE)
        clock.advance(minutes=10)
        await desk.card_says(card, "✅ Cancelled")
        await desk.stop_bot()
        await desk.start_bot(patient, DVPAY_BASE_URL=ELSEWHERE)


async def test_an_outcome_that_is_not_known_is_settled_before_the_gateway_changes(quiet_desk: Desk) -> None:
    """Retry would ask the other gateway, whose answer says nothing about what the former one did."""
    desk = quiet_desk
    desk.gateway.faults.always("ord_1", Drop(after_effect=True))
    await desk.start_bot()
    card = await desk.ask("ord_1")
    await desk.ben.click(card, "approve")
    await desk.card_says(card, "Not known whether the order is cancelled")
    await desk.stop_bot()
    with pytest.raises(AnotherGatewayError):
        await desk.start_bot(DVPAY_BASE_URL=ELSEWHERE)
