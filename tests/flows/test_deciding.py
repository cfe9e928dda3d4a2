"""Deciding: the people who may, the approvals that count, and clicks on stale cards."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest

from bot.domain.policy import Verdict
from bot.sandbox.faults import ApiError
from bot.sandbox.person import Person, as_seen
from tests.clock import Clock
from tests.flows.desk import BEN, CLEO, OLGA, Desk, quick_tuning


async def test_the_confirm_dialog_names_the_order(desk: Desk) -> None:
    """Approve asks once more, and says which order is at stake."""
    card = await desk.ask("ord_1")
    button = card.button("approve")
    assert button is not None
    assert "ord_1" in button["confirm"]["text"]["text"]
    assert set(button) >= {"value", "confirm"}
    reject = card.button("reject")
    assert reject is not None
    assert reject["value"] == button["value"]


async def test_quorum_is_shown_with_names(quiet_desk: Desk) -> None:
    """The card shows how many of how many approved, with their names; the last approval sends."""
    await quiet_desk.start_bot(APPROVALS_REQUIRED="2")
    card = await quiet_desk.ask("ord_1")
    await quiet_desk.ben.click(card, "approve")
    assert "1 of 2 approvals: @ben" in await quiet_desk.card_says(card, "1 of 2")
    assert not quiet_desk.gateway.calls
    await quiet_desk.ben.click(card, "approve")
    assert "You have already approved this. 1 more approval is needed." in await quiet_desk.told(quiet_desk.ben)
    await quiet_desk.cleo.click(card, "approve")
    assert "2 of 2 approvals: @ben, @cleo" in await quiet_desk.card_says(card, "✅ Cancelled")
    assert len(quiet_desk.gateway.calls) == 1


async def test_a_member_of_an_approver_group_approves(desk: Desk) -> None:
    """Approvers may be named by user group."""
    card = await desk.ask("ord_1")
    await desk.cleo.click(card, "approve")
    assert "1 of 1 approval: @cleo" in await desk.card_says(card, "✅ Cancelled")


async def test_an_outsiders_click_is_refused_privately_and_recorded(desk: Desk) -> None:
    """Only the person who clicked reads why; the card does not change; the record has it."""
    card = await desk.ask("ord_1")
    before = desk.ann.reads(card)
    await desk.olga.click(card, "approve")
    assert "Only approvers can do that" in await desk.told(desk.olga)
    assert desk.ann.reads(card) == before
    assert not desk.ben.ephemerals
    assert await desk.refusal() == (OLGA, "ord_1", Verdict.NOT_AN_APPROVER)


async def test_own_approval_is_refused_unless_the_settings_allow_it(quiet_desk: Desk) -> None:
    """Nobody acts alone, unless ALLOW_SELF_APPROVAL says so."""
    await quiet_desk.start_bot()
    card = await quiet_desk.ask("ord_1", person=quiet_desk.ben)
    await quiet_desk.ben.click(card, "approve")
    assert "You can't approve your own request" in await quiet_desk.told(quiet_desk.ben)
    await quiet_desk.stop_bot()
    await quiet_desk.start_bot(ALLOW_SELF_APPROVAL="true")
    await quiet_desk.ben.click(card, "approve")
    await quiet_desk.card_says(card, "✅ Cancelled")


async def test_a_group_that_cannot_be_read_refuses_its_members(quiet_desk: Desk) -> None:
    """A failed look-up refuses; an approver named by id decides all the same."""
    quiet_desk.slack.faults.always("usergroups.users.list", ApiError("internal_error"))
    await quiet_desk.start_bot()
    card = await quiet_desk.ask("ord_1")
    await quiet_desk.cleo.click(card, "approve")
    assert "I couldn't check with Slack whether you are an approver" in await quiet_desk.told(quiet_desk.cleo)
    await quiet_desk.ben.click(card, "approve")
    await quiet_desk.card_says(card, "✅ Cancelled")


async def test_reject_asks_for_the_reason_and_shows_it(desk: Desk) -> None:
    """The reason for a rejection is on the card, in the thread and in the requester's message."""
    card = await desk.ask("ord_1")
    await desk.ben.click(card, "reject")
    await desk.wait(lambda: desk.ben.modal)
    assert await desk.ben.submit(reason="wrong *customer*") is None
    assert "> wrong *customer*" in await desk.card_says(card, "Rejected")
    assert "> wrong *customer*" in (await desk.replies(card))[0]
    assert "> wrong *customer*" in await desk.direct(desk.ann)
    assert not desk.gateway.calls


async def test_a_rejection_that_comes_too_late_is_refused_on_its_field(desk: Desk) -> None:
    """If somebody approves while the form is open, the form says how the request stands."""
    card = await desk.ask("ord_1")
    await desk.cleo.click(card, "reject")
    await desk.wait(lambda: desk.cleo.modal)
    await desk.ben.click(card, "approve")
    errors = await desk.cleo.submit(reason="no")
    assert errors is not None
    assert errors["reason"].startswith("Nothing has changed: ")


async def test_an_outsider_gets_no_reject_form(desk: Desk) -> None:
    """A person who may not reject reads so at the click."""
    card = await desk.ask("ord_1")
    await desk.olga.click(card, "reject")
    assert "Only approvers can do that" in await desk.told(desk.olga)
    assert desk.olga.modal is None


async def test_the_requester_withdraws(desk: Desk) -> None:
    """The requester can take the request back on the card; nobody else can."""
    card = await desk.ask("ord_1")
    await desk.ben.click(card, "withdraw")
    assert "Only the requester can withdraw this request" in await desk.told(desk.ben)
    await desk.ann.click(card, "withdraw")
    await desk.card_says(card, "Withdrawn")
    assert "Withdrawn" in (await desk.replies(card))[0]


async def test_a_click_on_a_stale_card_tells_the_state_and_does_nothing(desk: Desk) -> None:
    """A person who still sees old buttons reads how the request stands."""
    card = await desk.ask("ord_1")
    old = as_seen(card)
    await desk.ben.click(card, "approve")
    await desk.card_says(card, "✅ Cancelled")
    await desk.cleo.click_as_seen(old, "approve")
    assert "Nothing has changed: the order is already cancelled." in await desk.told(desk.cleo)
    assert len(desk.gateway.calls) == 1


async def test_one_click_delivered_twice_counts_once(desk: Desk) -> None:
    """A second delivery of the same click leads to no second call."""
    card = await desk.ask("ord_1")
    payload = desk.ben.click_payload(card, "approve")
    await asyncio.gather(desk.deliver_again(payload), desk.deliver_again(payload))
    await desk.card_says(card, "✅ Cancelled")
    await desk.replies(card)
    assert len(desk.gateway.calls) == 1


async def test_fifty_clicks_at_once_send_once(desk: Desk) -> None:
    """Fifty simultaneous clicks of two approvers lead to one call, one effect and one result."""
    card = await desk.ask("ord_1")
    old = as_seen(card)
    people = [desk.ben, desk.cleo]
    await asyncio.gather(*(people[number % 2].click_as_seen(old, "approve") for number in range(50)))
    await desk.card_says(card, "✅ Cancelled")
    assert len(await desk.replies(card)) == 1
    assert (len(desk.gateway.calls), desk.gateway.effects["ord_1"]) == (1, 1)


@pytest.mark.parametrize("person", [BEN, CLEO])
async def test_people_of_another_workspace_decide_nothing(desk: Desk, person: str) -> None:
    """In a shared channel somebody of another workspace may see the card; their click is refused."""
    card = await desk.ask("ord_1")
    desk.slack.space.users[person].team_id = "T0OTHER"
    await Person(desk.slack, person).click(card, "approve")
    assert "own workspace" in await desk.told(Person(desk.slack, person))
    assert not desk.gateway.calls


async def test_an_unknown_button_says_so(desk: Desk) -> None:
    """A button that an older version posted answers that it is no longer in use."""
    card = await desk.ask("ord_1")
    payload = desk.ben.click_payload(card, "approve")
    payload["actions"][0]["action_id"] = "approve_v0"
    await desk.slack.deliver("interactive", payload)
    assert await desk.told(desk.ben) == "This button is no longer in use."


async def test_requests_expire_on_the_card_and_in_the_record(database: Path, clock: Clock) -> None:
    """After APPROVAL_TTL the card says that it expired, and so does the record."""
    async with Desk(database, now=clock) as desk:
        bot = await desk.start_bot(quick_tuning(now=clock), APPROVAL_TTL="2h")
        card = await desk.ask("ord_1")
        clock.advance(hours=2)
        await bot.worker.until_idle()
        assert "[" not in await desk.card_says(card, "Expired")
        assert "Ask again if it is still needed" in await desk.direct(desk.ann)
        events = await bot.store.read(lambda tables: list(tables.record.all()))
        assert "expired" in {event.kind for event in events}
        assert timedelta(hours=2) == bot.workflow.rules.approval_ttl


async def test_an_unknown_form_says_so(desk: Desk) -> None:
    """A form that an older version opened answers that it is no longer in use."""
    card = await desk.ask("ord_1")
    await desk.ben.click(card, "reject")
    opened = await desk.wait(lambda: desk.ben.modal)
    payload = desk.ben.submission_payload(opened, {"reason": "no"})
    payload["view"]["callback_id"] = "reject_v0"
    answer = await desk.slack.deliver("interactive", payload)
    assert answer is not None
    assert answer["response_action"] == "update"
    assert desk.ben.answer_form(opened, answer) is None
    assert desk.ben.modal is not None
    assert "no longer in use" in str(desk.ben.modal.view)


async def test_a_rejection_needs_a_reason(desk: Desk) -> None:
    """Blanks are no reason."""
    card = await desk.ask("ord_1")
    await desk.ben.click(card, "reject")
    await desk.wait(lambda: desk.ben.modal)
    assert await desk.ben.submit(reason="   ") == {"reason": "Say why: the requester and the record need it."}
