"""An outcome that the gateway leaves open: Retry within its limits, a person's statement, and cards that are stale."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.domain.cancellation import State
from bot.domain.events import SettledCancelled, SettledNotCancelled
from bot.domain.policy import Surface, Verdict
from bot.sandbox import gateway_answers as answers
from bot.sandbox.faults import Canned, Drop
from bot.sandbox.person import Person, as_seen
from bot.sandbox.workspace import Posted
from tests.clock import Clock
from tests.flows.desk import ANN, BEN, CLEO, LOBBY, OLGA, Desk, quick_tuning

DECIDED_AGAINST = "Another request for this order was refused, rejected, withdrawn, stopped or settled."
ASK_AGAIN = "If the order must still be cancelled, it needs a new request with /cancel-order."

FINDINGS = pytest.mark.parametrize(
    "action, state, heading",
    [
        ("settle_cancelled", State.SETTLED_CANCELLED, "📝 Settled by hand: cancelled"),
        ("settle_not_cancelled", State.SETTLED_NOT_CANCELLED, "📝 Settled by hand: not cancelled"),
    ],
)
OK_WITHOUT_EFFECT = Canned(
    200, b'{"ok": true, "channel": "C0PAYMENTS", "ts": "1.1"}', {"Content-Type": "application/json"}
)
"""Slack's yes to an update that people do not get to see."""
OWN = "You can't do that with your own request. Another approver has to."


async def unknown(desk: Desk, *, person: Person | None = None, approver: Person | None = None) -> Posted:
    """Return the card of a request whose outcome is not known; the gateway is well again."""
    desk.gateway.faults.always("ord_1", Drop(after_effect=True))
    card = await desk.ask("ord_1", person=person)
    await (approver or desk.ben).click(card, "approve")
    await desk.card_says(card, "[ … Settle by hand: it is cancelled | Settle by hand: it is not cancelled ]")
    desk.gateway.faults.clear()
    return card


async def failed(desk: Desk, *, person: Person | None = None, approver: Person | None = None) -> Posted:
    """Return the card of a request that certainly came to nothing; the gateway is well again."""
    desk.gateway.faults.always("ord_1", Drop())
    await desk.gateway.stop()
    card = await desk.ask("ord_1", person=person)
    await (approver or desk.ben).click(card, "approve")
    await desk.card_says(card, "[ Retry ]")
    desk.gateway.faults.clear()
    await desk.gateway.start()
    return card


async def settle(desk: Desk, person: Person, card: Posted, action: str, how: str) -> dict[str, str] | None:
    """Press a button of the card, fill in its form, and return the form's errors."""
    await person.click(card, action)
    await desk.wait(lambda: person.modal)
    return await person.submit(how=how)


@FINDINGS
async def test_an_approver_settles_an_unknown_outcome(desk: Desk, action: str, state: State, heading: str) -> None:
    """It is shown as that person's statement, in the card, the thread and the direct message, and frees the order."""
    card = await unknown(desk)
    calls = len(desk.gateway.calls)
    assert await settle(desk, desk.cleo, card, action, "console, 10:05 <b>") is None
    text = await desk.card_says(card, heading)
    assert "[" not in text
    assert "@cleo" in text
    reply = (await desk.replies(card, 2))[-1]
    for told in (reply, await desk.direct(desk.ann, 2)):
        assert told.startswith(heading)
        assert "This is an approver's statement. The gateway has not confirmed it." in told
        assert "Found by @cleo" in told
        assert "> console, 10:05 <b>" in told
    finding = SettledCancelled if state is State.SETTLED_CANCELLED else SettledNotCancelled
    (last,) = [event for event in await desk.events() if isinstance(event.content, finding)]
    assert isinstance(last.content, SettledCancelled | SettledNotCancelled)
    assert (last.actor, last.content.how, last.content.surface) == (CLEO, "console, 10:05 <b>", Surface.CARD)
    # Cleo is an approver as a member of a group, which the record names with the time at which it was read.
    assert last.content.ground is not None
    assert last.content.ground.group
    assert last.content.ground.read_at
    assert await desk.state() is state
    assert len(desk.gateway.calls) == calls
    assert await desk.fill_in("ord_1") is None


async def test_the_approver_who_approved_may_settle(desk: Desk) -> None:
    """Only the requester may not."""
    card = await unknown(desk)
    assert await settle(desk, desk.ben, card, "settle_cancelled", "I looked") is None
    await desk.card_says(card, "Settled by hand: cancelled")


async def test_a_second_request_is_told_that_the_bot_has_cancelled_the_order(desk: Desk) -> None:
    """The gateway decides, since the record may be wrong, but approvers know of the earlier request."""
    first = await desk.ask("ord_1")
    await desk.ben.click(first, "approve")
    await desk.card_says(first, "✅ Cancelled")
    assert await desk.fill_in("ord_1", "once more") is None
    second = await desk.card("once more")
    assert "⚠️ An earlier request for this order ended" in await desk.card_says(second, "the order is cancelled.")
    await desk.ben.click(second, "approve")
    assert "An earlier request" not in await desk.card_says(second, "☑️ Already cancelled")


@FINDINGS
async def test_the_requester_does_not_settle(desk: Desk, action: str, state: State, heading: str) -> None:
    """The requester leaves it to another approver, and no form opens."""
    card = await unknown(desk, person=desk.ben, approver=desk.cleo)
    await desk.ben.click(card, action)
    assert (await desk.told(desk.ben)).startswith(OWN)
    assert desk.ben.modal is None
    assert await desk.refusal() == (BEN, "ord_1", Verdict.OWN_REQUEST)
    assert await desk.state() is State.UNKNOWN


@pytest.mark.parametrize("action", ["settle_cancelled", "settle_not_cancelled", "retry"])
async def test_an_outsider_does_not_settle(desk: Desk, action: str) -> None:
    """A person who is no approver, the requester for one, reads so."""
    card = await unknown(desk)
    for person in (desk.olga, desk.ann):
        await person.click(card, action)
        assert await desk.told(person) == "Only approvers can do that. Nothing has changed."
        assert person.modal is None
    assert await desk.refusal() == (ANN, "ord_1", Verdict.NOT_AN_APPROVER)
    assert await desk.state() is State.UNKNOWN


@pytest.mark.parametrize("how", [" ", "\n\t", "\u200b", "\u00a0"])
async def test_nobody_settles_without_words(desk: Desk, how: str) -> None:
    """The record needs to know how the person knows."""
    card = await unknown(desk)
    errors = await settle(desk, desk.cleo, card, "settle_cancelled", how)
    assert errors == {"how": "Say how you know: where you looked, and what you saw there."}
    assert await desk.state() is State.UNKNOWN
    assert await desk.cleo.submit(how="I looked") is None


async def test_a_finding_that_no_message_can_show_is_refused_on_its_field(desk: Desk) -> None:
    """Everybody must be able to read the whole statement."""
    card = await unknown(desk)
    errors = await settle(desk, desk.cleo, card, "settle_cancelled", "&" * 3000)
    assert errors == {"how": "This reason is too long for a message in Slack. Shorten it."}
    assert await desk.cleo.submit(how="a" * 3000) is None
    assert f"> {'a' * 3000}" in (await desk.replies(card, 2))[-1].splitlines()


async def test_a_finding_that_comes_too_late_is_refused_on_its_field(desk: Desk) -> None:
    """If the outcome becomes known while the form is open, the form says it."""
    card = await unknown(desk)
    await desk.cleo.click(card, "settle_not_cancelled")
    await desk.wait(lambda: desk.cleo.modal)
    await desk.ben.click(card, "retry")
    await desk.card_says(card, "✅ Cancelled")
    errors = await desk.cleo.submit(how="I looked")
    assert errors == {"how": "Nothing has changed: the order is already cancelled."}
    assert await desk.state() is State.CANCELLED


async def test_a_finding_from_before_another_attempt_says_that_the_gateway_was_asked_again(desk: Desk) -> None:
    """What somebody saw at the gateway may be out of date, and that the order is not known is no answer to it."""
    card = await unknown(desk)
    await desk.cleo.click(card, "settle_not_cancelled")
    await desk.wait(lambda: desk.cleo.modal)
    desk.gateway.faults.always("ord_1", Drop())
    calls = len(desk.gateway.calls)
    await desk.ben.click(card, "retry")
    await desk.gateway.wait_for(lambda: len(desk.gateway.calls) > calls)
    await desk.card_says(card, "[ Retry ]")
    await desk.running_bot.worker.until_idle()
    errors = await desk.cleo.submit(how="I looked")
    assert errors is not None
    assert errors["how"].startswith("Nothing has changed: the gateway was asked again after you had opened this form.")
    assert await desk.state() is State.UNKNOWN


@pytest.mark.parametrize("metadata", ["", "cancelled", "perhaps c0ffee", "not_cancelled "])
async def test_a_finding_about_nothing_is_answered_on_its_field(desk: Desk, metadata: str) -> None:
    """A form of another version settles nothing."""
    card = await unknown(desk)
    await desk.cleo.click(card, "settle_cancelled")
    opened = await desk.wait(lambda: desk.cleo.modal)
    payload = desk.cleo.submission_payload(opened, {"how": "I looked"})
    payload["view"]["private_metadata"] = metadata
    errors = desk.cleo.answer_form(opened, await desk.slack.deliver("interactive", payload))
    assert errors is not None
    assert set(errors) == {"how"}
    assert await desk.state() is State.UNKNOWN


async def test_a_finding_that_is_neither_yes_nor_no_settles_nothing(desk: Desk) -> None:
    """A form must say plainly what it was opened for: a mistake there is never taken for "not cancelled"."""
    card = await unknown(desk)
    await desk.cleo.click(card, "settle_cancelled")
    opened = await desk.wait(lambda: desk.cleo.modal)
    payload = desk.cleo.submission_payload(opened, {"how": "I looked"})
    payload["view"]["private_metadata"] = payload["view"]["private_metadata"].replace("cancelled", "canceled")
    errors = desk.cleo.answer_form(opened, await desk.slack.deliver("interactive", payload))
    assert errors is not None
    assert await desk.state() is State.UNKNOWN


async def test_a_failed_request_is_not_settled_by_hand(desk: Desk) -> None:
    """It is certain that nothing was cancelled, so there is nothing to state."""
    card = await failed(desk)
    assert card.button("settle_cancelled") is None
    payload = desk.cleo.click_payload(card, "retry")
    payload["actions"][0]["action_id"] = "settle_cancelled"
    await desk.slack.deliver("interactive", payload)
    assert (await desk.told(desk.cleo)).startswith("Nothing has changed: this request did not cancel the order")
    assert desk.cleo.modal is None


# --- Retry ------------------------------------------------------------------------------------


async def test_retry_is_no_way_round_the_second_person(desk: Desk) -> None:
    """The requester does not retry, even as an approver."""
    card = await failed(desk, person=desk.ben, approver=desk.cleo)
    await desk.ben.click(card, "retry")
    assert (await desk.told(desk.ben)).startswith(OWN)
    assert await desk.refusal() == (BEN, "ord_1", Verdict.OWN_REQUEST)
    assert not desk.gateway.calls
    await desk.cleo.click(card, "retry")
    await desk.card_says(card, "✅ Cancelled")


async def test_a_retry_click_that_slack_delivers_twice_acts_once(desk: Desk) -> None:
    """The second delivery does nothing, although the first retry has left the outcome unknown again by then."""
    card = await unknown(desk)
    desk.gateway.faults.always("ord_1", Drop(after_effect=True))
    payload = desk.cleo.click_payload(card, "retry")
    await desk.slack.deliver("interactive", payload)
    seen = payload["actions"][0]["block_id"]
    await desk.wait(lambda: (card.button("retry") or {"block_id": seen})["block_id"] != seen)
    desk.gateway.faults.clear()
    calls = len(desk.gateway.calls)
    # The very same bytes would be refused over HTTP as a replay.
    await desk.slack.deliver("interactive", payload | {"is_enterprise_install": None})
    assert (await desk.told(desk.cleo)).startswith("Nothing has changed: nobody knows yet")
    assert await desk.state() is State.UNKNOWN
    assert len(desk.gateway.calls) == calls
    await desk.cleo.click(card, "retry")
    await desk.card_says(card, "✅ Cancelled")


@pytest.mark.parametrize("end", ["rejected", "withdrawn"])
async def test_retry_is_over_once_people_decided_against_the_order(desk: Desk, end: str) -> None:
    """A later request for the same order was rejected or withdrawn: the older card says so, and offers no Retry."""
    card = await failed(desk)
    before = as_seen(card)
    await desk.fill_in("ord_1", "once more")
    later = await desk.card("once more")
    if end == "rejected":
        await desk.cleo.click(later, "reject")
        await desk.wait(lambda: desk.cleo.modal)
        await desk.cleo.submit(reason="no")
    else:
        await desk.ann.click(later, "withdraw")
    await desk.card_says(later, end.capitalize())
    assert "[ Retry ]" not in await desk.card_says(card, f"Another request for this order was {end}, so Retry is over.")
    await desk.ben.click_as_seen(before, "retry")
    told = await desk.told(desk.ben)
    assert told == f"{DECIDED_AGAINST} {ASK_AGAIN}"
    assert not desk.gateway.calls


async def test_retry_is_over_once_somebody_settled_the_order(desk: Desk) -> None:
    """A later request ended in a person's statement: the older approval counts no longer."""
    card = await failed(desk)
    before = as_seen(card)
    desk.gateway.faults.always("ord_1", Drop())
    await desk.fill_in("ord_1", "once more")
    later = await desk.card("once more")
    await desk.ben.click(later, "approve")
    await desk.card_says(later, "Settle by hand: it is not cancelled ]")
    assert await settle(desk, desk.cleo, later, "settle_not_cancelled", "keep it") is None
    await desk.card_says(later, "Settled by hand: not cancelled")
    calls = len(desk.gateway.calls)
    assert "[ Retry ]" not in await desk.card_says(card, "Another request for this order was settled by hand")
    await desk.ben.click_as_seen(before, "retry")
    assert DECIDED_AGAINST in await desk.told(desk.ben)
    assert len(desk.gateway.calls) == calls


async def test_retry_is_over_once_a_later_request_was_confirmed(desk: Desk) -> None:
    """The older card and receipt say so, a click from before is refused, and the gateway is not called again."""
    card = await failed(desk)
    before = as_seen(card)
    await desk.fill_in("ord_1", "once more")
    later = await desk.card("once more")
    await desk.ben.click(later, "approve")
    await desk.card_says(later, "✅ Cancelled")
    shown = await desk.card_says(card, "The gateway confirmed another request for this order")
    assert "[ Retry ]" not in shown
    assert "Retry until" not in shown
    calls = len(desk.gateway.calls)
    await desk.cleo.click_as_seen(before, "retry")
    assert "so there is nothing to retry" in await desk.told(desk.cleo)
    assert len(desk.gateway.calls) == calls


async def test_who_retried_is_found_by_their_name(desk: Desk) -> None:
    """Cleo decided nothing, but it was her click that had the order cancelled."""
    card = await failed(desk)
    await desk.cleo.click(card, "retry")
    await desk.card_says(card, "✅ Cancelled")
    await desk.cleo.command("/cancel-audit me", LOBBY)
    told = await desk.told(desk.cleo)
    assert "retried by @cleo" in told
    assert "1 of 1 order" in told


async def test_retry_waits_for_a_request_that_is_open(desk: Desk) -> None:
    """Two cancels of one order are never under way at once."""
    card = await failed(desk)
    early = as_seen(card)
    await desk.fill_in("ord_1", "once more")
    await desk.card_says(card, "There is another open request for this order")
    assert card.button("retry") is None
    await desk.ben.click_as_seen(early, "retry")
    assert "There is another open request for this order" in await desk.told(desk.ben)
    assert not desk.gateway.calls


@pytest.fixture(params=["socket", "http"])
async def slow_desk(database: Path, clock: Clock, request: pytest.FixtureRequest) -> AsyncIterator[Desk]:
    """Yield a desk on a clock that the test moves, where requests expire after two hours, in each of the two modes."""
    async with Desk(database, now=clock) as desk:
        changes = desk.by_http if request.param == "http" else {}
        await desk.start_bot(quick_tuning(now=clock), APPROVAL_TTL="2h", **changes)
        yield desk


@pytest.mark.parametrize("minutes, allowed", [(119, True), (121, False)])
async def test_retry_is_over_when_the_approval_is_too_old(
    slow_desk: Desk, clock: Clock, minutes: int, allowed: bool
) -> None:
    """An approval is good for as long as a request may wait for one; after that somebody must ask again."""
    slow_desk.gateway.faults.always("ord_1", answers.error(401, "INVALID_API_KEY", "bad key"))
    card = await slow_desk.ask("ord_1")
    await slow_desk.ben.click(card, "approve")
    text = await slow_desk.card_says(card, "[ Retry ]")
    assert (
        "can press Retry until 2026-11-23 11:00, if its approvals count. After that, ask again with /cancel-order."
        in text
    )
    slow_desk.gateway.faults.clear()
    clock.advance(minutes=minutes)
    await slow_desk.cleo.click(card, "retry")
    if allowed:
        await slow_desk.card_says(card, "✅ Cancelled")
    else:
        told = await slow_desk.told(slow_desk.cleo)
        assert told == f"The approval of this request is too old for a retry. {ASK_AGAIN}"
        assert slow_desk.gateway.effects["ord_1"] == 0
        assert await slow_desk.fill_in("ord_1") is None


async def test_retry_does_not_count_a_vote_of_somebody_who_may_not_approve_any_more(quiet_desk: Desk) -> None:
    """Ben approved and was removed since: Cleo's Retry is refused with its cause."""
    await quiet_desk.start_bot()
    card = await failed(quiet_desk)
    await quiet_desk.stop_bot()
    await quiet_desk.start_bot(APPROVERS=CLEO)
    await quiet_desk.cleo.click(card, "retry")
    told = await quiet_desk.told(quiet_desk.cleo)
    assert told == f"Too few approvals of this count by the settings of today. {ASK_AGAIN}"
    assert not quiet_desk.gateway.calls


async def test_retry_does_not_count_ones_own_vote_once_that_is_forbidden(quiet_desk: Desk) -> None:
    """Ben asked and approved while ALLOW_SELF_APPROVAL was on; with it off, Cleo's Retry is refused."""
    await quiet_desk.start_bot(ALLOW_SELF_APPROVAL="true")
    card = await failed(quiet_desk, person=quiet_desk.ben)
    await quiet_desk.stop_bot()
    await quiet_desk.start_bot()
    await quiet_desk.cleo.click(card, "retry")
    assert "Too few approvals of this count by the settings of today" in await quiet_desk.told(quiet_desk.cleo)
    assert not quiet_desk.gateway.calls


async def test_a_requester_is_not_sent_to_settle_their_own_request(quiet_desk: Desk) -> None:
    """Ben is an approver, too, and would be refused: he reads who can do it."""
    await quiet_desk.start_bot()
    card = await unknown(quiet_desk, person=quiet_desk.ben, approver=quiet_desk.cleo)
    await quiet_desk.stop_bot()
    await quiet_desk.start_bot(APPROVALS_REQUIRED="2", APPROVERS=f"{BEN},{CLEO},{OLGA}")
    await quiet_desk.ben.click(card, "retry")
    assert await quiet_desk.told(quiet_desk.ben) == (
        "Too few approvals of this count by the settings of today. Look the order up at the gateway. Then an approver "
        "who is not the requester can settle the request by hand, in the menu (⋯) of its card or on the Home tab."
    )
    assert await settle(quiet_desk, quiet_desk.olga, card, "settle_cancelled", "I looked") is None
    await quiet_desk.card_says(card, "Settled by hand: cancelled")


# --- stale cards ------------------------------------------------------------------------------


async def stale(desk: Desk, end: str) -> Posted:
    """Return a card that still shows its first state, though Slack said yes to every update."""
    card = await desk.ask("ord_1")
    desk.slack.faults.always("chat.update", OK_WITHOUT_EFFECT)
    match end:
        case "cancelled":
            await desk.ben.click(card, "approve")
        case "rejected":
            await desk.ben.click(card, "reject")
            await desk.wait(lambda: desk.ben.modal)
            await desk.ben.submit(reason="no")
        case _:
            await desk.ann.click(card, "withdraw")
    await desk.replies(card)
    await desk.running_bot.worker.until_idle()
    desk.slack.faults.clear()
    assert card.button("approve") is not None
    return card


@pytest.mark.parametrize(
    "end, shows, says",
    [
        ("cancelled", "✅ Cancelled", "the order is already cancelled"),
        ("rejected", "⛔ Rejected", "this request was already rejected"),
        ("withdrawn", "Withdrawn", "this request was already withdrawn"),
    ],
)
@pytest.mark.parametrize("action", ["approve", "reject", "withdraw"])
async def test_a_click_brings_a_stale_card_up_to_date(desk: Desk, end: str, shows: str, says: str, action: str) -> None:
    """The person reads the state, and the card shows it, also where Slack had said yes to the update before."""
    card = await stale(desk, end)
    person = desk.ann if action == "withdraw" else desk.cleo
    await person.click(card, action)
    assert await desk.told(person) == f"Nothing has changed: {says}."
    assert "[" not in await desk.card_says(card, shows)


async def test_an_outsiders_click_brings_a_stale_card_up_to_date(desk: Desk) -> None:
    """The person learns no more than that they may not decide, but live buttons of a decided request go."""
    card = await stale(desk, "rejected")
    await desk.olga.click(card, "approve")
    assert await desk.told(desk.olga) == "Only approvers can do that. Nothing has changed."
    assert "[" not in await desk.card_says(card, "⛔ Rejected")


async def test_a_second_approval_brings_a_stale_count_up_to_date(quiet_desk: Desk) -> None:
    """Ben presses again, because the card does not show his approval; he reads that it counts, and then it shows it."""
    await quiet_desk.start_bot(APPROVALS_REQUIRED="2")
    card = await quiet_desk.ask("ord_1")
    quiet_desk.slack.faults.add("chat.update", OK_WITHOUT_EFFECT)
    await quiet_desk.ben.click(card, "approve")
    await quiet_desk.running_bot.worker.until_idle()
    assert "0 of 2 approvals" in quiet_desk.ann.reads(card)
    await quiet_desk.ben.click(card, "approve")
    assert "You have already approved this. 1 more approval is needed." in await quiet_desk.told(quiet_desk.ben)
    await quiet_desk.card_says(card, "1 of 2 approvals: @ben")


async def test_a_click_on_an_expired_card_brings_it_up_to_date(slow_desk: Desk, clock: Clock) -> None:
    """A click after the time is over finds the request expired, whether the worker has seen to it or not."""
    card = await slow_desk.ask("ord_1")
    old = as_seen(card)
    clock.advance(hours=2)
    await slow_desk.ben.click_as_seen(old, "approve")
    assert await slow_desk.told(slow_desk.ben) == "Nothing has changed: this request has already expired."
    assert "[" not in await slow_desk.card_says(card, "Expired")
    assert not slow_desk.gateway.calls


async def test_the_look_up_shows_a_finding_as_a_statement(desk: Desk) -> None:
    """An auditor reads who settled it, and how they know."""
    card = await unknown(desk)
    await settle(desk, desk.cleo, card, "settle_cancelled", "console, 10:05")
    await desk.card_says(card, "Settled by hand: cancelled")
    await desk.vera.command("/cancel-audit ord_1", LOBBY)
    assert "settled by hand: cancelled · @cleo · “console, 10:05”" in await desk.told(desk.vera)
