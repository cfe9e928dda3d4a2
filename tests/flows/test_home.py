"""The Home tab: it shows each person what they may read, stays up to date, and its buttons count like the card's."""

import asyncio
import contextlib
import json
import sqlite3
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
import structlog

from bot.domain.cancellation import State
from bot.domain.events import Approved, Rejected, Withdrawn
from bot.domain.policy import Surface, Verdict
from bot.domain.verification import Damage
from bot.sandbox.faults import ApiError, Drop, Fault, rate_limited
from bot.sandbox.oddities import oddities
from bot.sandbox.person import Person
from bot.sandbox.stage import FRANK, OLGA
from bot.sandbox.views import elements_of
from bot.store import open_reader, verify
from tests.flows.desk import BEN, LOBBY, PAYMENTS, Desk


async def home(desk: Desk, person: Person, says: str = "Lately", but: str = "nothing like this") -> str:
    """Return what this person's Home tab says, as soon as these words are in it, and no others."""
    await desk.wait(lambda: says in person.reads_home() and but not in person.reads_home())
    return person.reads_home()


async def opened(desk: Desk, person: Person, says: str = "Lately") -> str:
    """Open the Home tab; return what it says as soon as these words are in it."""
    await person.open_home()
    return await home(desk, person, says)


def element(person: Person, action_id: str) -> dict[str, Any]:
    """Return a button of the Home tab as it looks now, to be pressed when the tab looks different."""
    assert person.home is not None
    return next(
        {**each, "block_id": block["block_id"]}
        for block in person.home.view["blocks"]
        for each in elements_of(block)
        if each["action_id"] == action_id
    )


async def press(desk: Desk, person: Person, button: dict[str, Any]) -> None:
    """Press a button of a Home tab that may have changed since."""
    await desk.slack.deliver("interactive", person.home_action_payload(button))


async def notice(desk: Desk, person: Person) -> str:
    """Return the words of the modal that answers a click, and close it."""
    view = (await desk.wait(lambda: person.modal)).view
    assert "submit" not in view
    person.close()
    return "".join(each["text"] for each in view["blocks"][0]["elements"][0]["elements"] if "text" in each)


def publishes(desk: Desk, user_id: str) -> list[str]:
    """Return the views that were published for this person, as JSON."""
    return [
        json.dumps(call.arguments["view"])
        for call in desk.slack.calls
        if call.method == "views.publish" and call.arguments["user_id"] == user_id
    ]


# --- opening and following -------------------------------------------------------------------------------------------


async def test_a_request_is_approved_on_the_home_tab(desk: Desk) -> None:
    """The approver reads everything there, approves, and both tabs show how it ended; the record says where."""
    assert "You have no open request." in await opened(desk, desk.ann)
    card = await desk.ask("ord_1")
    said = await opened(desk, desk.ben, "[ Open ]")
    for part in ("Waiting for you", "@ann asks to cancel order ord_1", "> typed twice", "[ Approve ] [ Reject ]"):
        assert part in said
    assert "[ Withdraw ] [ Open ]" in await home(desk, desk.ann, "[ Open ]")
    await desk.ben.click_home("approve")
    assert "Nothing waits for your decision." in await home(desk, desk.ben, "✅ Cancelled")
    assert "✅ Cancelled · order ord_1: “typed twice” · asked by @ann" in await home(desk, desk.ann, "✅ Cancelled")
    await desk.card_says(card, "✅ Cancelled")
    (approved,) = [each.content for each in await desk.events() if isinstance(each.content, Approved)]
    assert approved.surface is Surface.HOME


async def test_a_request_that_was_approved_before_its_card_is_posted_still_gets_its_card(desk: Desk) -> None:
    """The Home tab may be quicker than the card. The channel reads all the same who asked, and how it ended."""
    desk.slack.faults.always("chat.postMessage", rate_limited(1))
    assert await desk.fill_in("ord_1") is None
    await opened(desk, desk.ben, "[ Approve ]")
    await desk.ben.click_home("approve")
    await home(desk, desk.ben, "✅ Cancelled")
    assert desk.slack.space.messages(PAYMENTS) == []
    desk.slack.faults.clear()
    card = await desk.card("ord_1")
    assert "@ann asked to cancel order ord_1\n✅ Cancelled" in await desk.card_says(card, "✅ Cancelled")
    assert (await desk.endings(card))[0].startswith("✅ Cancelled · order ord_1")


async def test_a_place_for_the_card_that_somebody_wrote_into_the_file_gets_no_card(desk: Desk) -> None:
    """The card is posted where the record says, or not at all; and a verification goes on finding what was changed."""
    desk.slack.faults.always("chat.postMessage", rate_limited(1))
    assert await desk.fill_in("ord_1") is None
    await opened(desk, desk.ben, "[ Approve ]")
    async with asyncio.timeout(10):
        # The first try had the true place, and may come later than the Home tab.
        while not any(call.method == "chat.postMessage" for call in desk.slack.calls):  # noqa: ASYNC110 -- a list
            await asyncio.sleep(0.01)
    changed = (
        "UPDATE deliveries SET target = 'C0GENERAL' WHERE kind = 'card'",
        "UPDATE requests SET card_channel = 'C0GENERAL'",
    )
    with contextlib.closing(sqlite3.connect(desk.database, isolation_level=None)) as file:
        for statement in changed:
            file.execute(statement)
    desk.slack.faults.clear()
    await desk.receipt("the bot's database contradicts its record")
    assert not any(message.button("approve") for message in desk.slack.space.posted)
    with open_reader(desk.database) as tables:
        assert verify(tables).damage is Damage.CONTRADICTION


async def test_a_request_is_rejected_on_the_home_tab(desk: Desk) -> None:
    """The same form asks why, and the record says where the button was."""
    await desk.ask("ord_1")
    await opened(desk, desk.ben, "[ Reject ]")
    await desk.ben.click_home("reject")
    await desk.wait(lambda: desk.ben.modal)
    assert await desk.ben.submit(reason="wrong order") is None
    assert "⛔ Rejected" in await home(desk, desk.ben, "Nothing waits for your decision.")
    (rejected,) = [each.content for each in await desk.events() if isinstance(each.content, Rejected)]
    assert (rejected.surface, rejected.reason) == (Surface.HOME, "wrong order")


async def test_a_request_is_withdrawn_on_the_home_tab(desk: Desk) -> None:
    """Only the requester has the button; the approver's tab follows."""
    await desk.ask("ord_1")
    await opened(desk, desk.ben, "[ Approve ]")
    await opened(desk, desk.ann, "[ Withdraw ]")
    await desk.ann.click_home("withdraw")
    assert "↩️ Withdrawn" in await home(desk, desk.ann, "You have no open request.")
    assert "↩️ Withdrawn" in await home(desk, desk.ben, "Nothing waits for your decision.")
    (withdrawn,) = [each.content for each in await desk.events() if isinstance(each.content, Withdrawn)]
    assert withdrawn.surface is Surface.HOME


async def test_people_see_only_what_they_may_read(desk: Desk) -> None:
    """An outsider sees nothing of the requests of others, and an auditor sees how they ended, without buttons."""
    card = await desk.ask("ord_1")
    assert "ord_1" not in await opened(desk, desk.olga)
    await opened(desk, desk.vera)
    await desk.ben.click(card, "approve")
    said = await home(desk, desk.vera, "✅ Cancelled")
    assert "[ Approve ]" not in said
    await desk.running_bot.worker.until_idle()
    assert "ord_1" not in "".join(publishes(desk, OLGA))


async def test_of_two_approvals_each_approver_sees_what_is_left(quiet_desk: Desk) -> None:
    """Nobody is asked again after they approved; the other approver reads who it was."""
    desk = quiet_desk
    await desk.start_bot(APPROVALS_REQUIRED="2")
    await desk.ask("ord_1")
    await opened(desk, desk.ben, "[ Approve ]")
    await opened(desk, desk.cleo, "[ Approve ]")
    await desk.ben.click_home("approve")
    await home(desk, desk.ben, "Nothing waits for your decision.")
    await home(desk, desk.cleo, "1 of 2 approvals: @ben")
    await desk.cleo.click_home("approve")
    await home(desk, desk.cleo, "✅ Cancelled")
    assert desk.gateway.effects["ord_1"] == 1


async def test_several_orders_are_approved_on_the_home_tab(quiet_desk: Desk) -> None:
    """The approver reads every id, decides once, and both tabs say how the orders ended."""
    desk = quiet_desk
    await desk.start_bot()
    await opened(desk, desk.ann)
    await desk.ann.click_home("new_request")
    await desk.wait(lambda: desk.ann.modal)
    assert await desk.ann.submit(order_id="ord_1\nord_2\nord_done", reason="wrong price") is None
    said = await opened(desk, desk.ben, "[ Open ]")
    assert all(each in said for each in ("ord_1", "ord_2", "ord_done", "> wrong price"))
    assert "3 orders" in await home(desk, desk.ann, "[ Withdraw ]")
    await desk.ben.click_home("approve")
    await home(desk, desk.ben, "2 cancelled")
    await home(desk, desk.ann, "2 cancelled")
    assert "You have no open request." in desk.ann.reads_home()


async def test_the_tab_shows_a_freeze_and_its_end(desk: Desk) -> None:
    """The banner says who it was and why; while it is there, an approval is refused in a modal."""
    await desk.ask("ord_1")
    await opened(desk, desk.cleo, "[ Approve ]")
    await desk.ben.command("/cancel-order freeze wrong totals", LOBBY)
    await home(desk, desk.cleo, "🧊 Everything is frozen by @ben")
    await desk.cleo.click_home("approve")
    assert "Everything is frozen by ben" in await notice(desk, desk.cleo)
    await desk.cleo.click_home("new_request")
    assert "Everything is frozen by ben" in await notice(desk, desk.cleo)
    await desk.ben.command("/cancel-order unfreeze", LOBBY)
    await home(desk, desk.cleo, but="🧊")
    assert await desk.state() is State.PENDING


async def test_the_messages_tab_is_none_of_it(desk: Desk) -> None:
    """The event is acknowledged, and nothing is published."""
    await desk.ann.open_home("messages")
    await opened(desk, desk.ben)
    assert desk.ann.home is None
    assert not desk.slack.unacknowledged


async def test_an_event_that_comes_again_changes_nothing(desk: Desk) -> None:
    """It is acknowledged each time, and one row is kept."""
    event = await desk.ann.open_home()
    assert event is not None
    for retry in (1, 2):
        desk.slack.space.ahead = timedelta(seconds=retry)  # Slack signs each repetition with its own time
        await desk.slack.deliver("events_api", event, retry=retry)
    await home(desk, desk.ann)
    assert not desk.slack.unacknowledged


@pytest.mark.parametrize(
    "change", [{"user": None}, {"user": "nobody"}, {"user": 7}, {"type": "app_home_closed"}, {"type": ["a"]}]
)
async def test_an_event_that_says_nothing_is_acknowledged(desk: Desk, change: dict[str, Any]) -> None:
    """The bot does not stumble over it, and publishes nothing."""
    event = desk.ann.home_opened_payload()
    event["event"] |= change
    with structlog.testing.capture_logs() as logs:
        await desk.slack.deliver("events_api", event)
    assert "payload_refused" in {line["event"] for line in logs}
    await opened(desk, desk.ben)
    assert desk.ann.home is None


async def test_an_event_that_was_not_kept_is_not_acknowledged(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Slack sends it again, and then the tab is published."""
    event = desk.ann.home_opened_payload()
    with monkeypatch.context() as patch:

        async def broken(_: str) -> None:
            raise RuntimeError

        patch.setattr(desk.running_bot.workflow, "home_opened", broken)
        with desk.unacknowledged():
            await desk.slack.deliver("events_api", event)
    desk.slack.space.ahead = timedelta(seconds=1)  # over HTTP, the same signature would be a replay
    await desk.slack.deliver("events_api", event, retry=1)
    await home(desk, desk.ann)


async def test_the_tab_comes_through_whatever_slack_does(quiet_desk: Desk) -> None:
    """A rate limit, a lost answer and an error that passes: it is tried until Slack takes it."""
    desk = quiet_desk
    await desk.start_bot()
    trouble: list[Fault] = [
        rate_limited(1),
        Drop(after_effect=True),
        Drop(after_effect=False),
        ApiError("internal_error"),
    ]
    desk.slack.faults.add("views.publish", *trouble)
    await desk.ann.open_home()
    await desk.wait(lambda: len([call for call in desk.slack.calls if call.method == "views.publish"]) > len(trouble))
    await home(desk, desk.ann)


async def test_nothing_is_published_before_slack_says_who_somebody_is(quiet_desk: Desk) -> None:
    """No answer is never taken for a yes; once Slack answers, the tab is there."""
    desk = quiet_desk
    await desk.start_bot()
    desk.slack.faults.always("users.info", ApiError("internal_error"))
    await desk.ann.open_home()
    await desk.wait(lambda: len([call for call in desk.slack.calls if call.method == "users.info"]) > 2)
    assert desk.ann.home is None
    desk.slack.faults.clear()
    await home(desk, desk.ann)


async def test_a_restart_with_other_approvers_takes_their_buttons_away(quiet_desk: Desk) -> None:
    """The next bot publishes what is open; a click on the old tab is refused in a modal, and is on record."""
    desk = quiet_desk
    await desk.start_bot()
    await desk.ask("ord_1")
    await opened(desk, desk.cleo, "[ Approve ]")
    old = element(desk.cleo, "approve")
    await desk.running_bot.worker.until_idle()
    await desk.stop_bot()
    await desk.start_bot(APPROVERS=BEN)
    assert "ord_1" not in await home(desk, desk.cleo, but="Waiting for you")
    await press(desk, desk.cleo, old)
    assert "Only approvers can do that" in await notice(desk, desk.cleo)
    assert await desk.refusal() == (desk.cleo.id, "ord_1", Verdict.NOT_AN_APPROVER)
    assert await desk.state() is State.PENDING


async def test_people_of_other_companies_get_nothing(desk: Desk) -> None:
    """Whatever Slack lets them do, no word of a request is in what the bot publishes for them."""
    card = await desk.ask("ord_1")
    desk.share()
    await desk.slack.deliver("events_api", desk.frank.home_opened_payload())
    await desk.wait(lambda: publishes(desk, FRANK))
    (view,) = publishes(desk, FRANK)
    assert "nothing here for you" in view
    assert card.channel
    await opened(desk, desk.ben, "[ Approve ]")
    payload = desk.ben.home_action_payload(element(desk.ben, "approve"))
    payload["user"] = desk.frank.envelope("block_actions", desk.frank.own_team)["user"]
    payload["trigger_id"] = desk.slack.api.new_trigger(FRANK)
    await desk.slack.deliver("interactive", payload)
    assert "Only people of the bot's own workspace" in await notice(desk, desk.frank)
    assert await desk.refusal() == (FRANK, "ord_1", Verdict.NOT_OF_THIS_WORKSPACE)
    assert await desk.state() is State.PENDING


async def test_colleagues_of_another_workspace_have_theirs(quiet_desk: Desk) -> None:
    """In an organisation they are people of the bot's own, though the event does not say so."""
    quiet_desk.join_organisation()
    await quiet_desk.start_bot()
    assert "New request" in await opened(quiet_desk, quiet_desk.siri)


# --- clicks that come too late or from elsewhere ---------------------------------------------------------------------


@pytest.mark.parametrize("act", ["approve", "reject"])
async def test_a_click_on_a_request_that_is_over_tells_so(desk: Desk, act: str) -> None:
    """Nothing happens, the person reads why, and their tab shows the truth."""
    card = await desk.ask("ord_1")
    await opened(desk, desk.cleo, "[ Approve ]")
    old = element(desk.cleo, act)
    await desk.ben.click(card, "approve")
    await home(desk, desk.cleo, "✅ Cancelled")
    published = len(publishes(desk, desk.cleo.id))
    await press(desk, desk.cleo, old)
    assert await notice(desk, desk.cleo) == "Nothing has changed: the order is already cancelled."
    await desk.wait(lambda: len(publishes(desk, desk.cleo.id)) > published)
    assert desk.gateway.effects["ord_1"] == 1


async def test_a_withdrawal_of_a_request_that_is_over_tells_so(desk: Desk) -> None:
    """The requester's own old button does nothing either."""
    card = await desk.ask("ord_1")
    await opened(desk, desk.ann, "[ Withdraw ]")
    old = element(desk.ann, "withdraw")
    await desk.ben.click(card, "approve")
    await home(desk, desk.ann, "✅ Cancelled")
    await press(desk, desk.ann, old)
    assert await notice(desk, desk.ann) == "Nothing has changed: the order is already cancelled."


async def test_a_tab_that_promised_to_wait_for_a_second_approval_keeps_that(quiet_desk: Desk) -> None:
    """The quorum was lowered since: the click is refused, as on a card, and the tab says what is needed now."""
    desk = quiet_desk
    await desk.start_bot(APPROVALS_REQUIRED="2")
    await desk.ask("ord_1")
    await opened(desk, desk.ben, "[ Approve ]")
    old = element(desk.ben, "approve")
    await desk.running_bot.worker.until_idle()
    await desk.stop_bot()
    await desk.start_bot(APPROVALS_REQUIRED="1")
    await home(desk, desk.ben, "1 approval is needed.")
    await press(desk, desk.ben, old)
    assert "Fewer approvals are needed now" in await notice(desk, desk.ben)
    assert await desk.state() is State.PENDING
    await desk.ben.click_home("approve")
    await home(desk, desk.ben, "✅ Cancelled")


async def test_an_answer_comes_by_direct_message_where_no_modal_opens(desk: Desk) -> None:
    """The trigger may be too old: the person is told all the same."""
    card = await desk.ask("ord_1")
    await opened(desk, desk.cleo, "[ Approve ]")
    old = element(desk.cleo, "approve")
    await desk.ben.click(card, "approve")
    await home(desk, desk.cleo, "✅ Cancelled")
    desk.slack.faults.add("views.open", ApiError("expired_trigger_id"))
    await press(desk, desk.cleo, old)
    await desk.wait(lambda: desk.cleo.direct_messages)
    assert desk.cleo.reads(desk.cleo.direct_messages[-1]) == "Nothing has changed: the order is already cancelled."


async def test_a_button_of_an_older_version_says_so_and_the_tab_is_renewed(desk: Desk) -> None:
    """A button that this version does not know does nothing."""
    await opened(desk, desk.ann)
    published = len(publishes(desk, desk.ann.id))
    await press(desk, desk.ann, element(desk.ann, "new_request") | {"action_id": "of_an_older_version"})
    assert await notice(desk, desk.ann) == "This button is no longer in use."
    await desk.wait(lambda: len(publishes(desk, desk.ann.id)) > published)


async def test_an_error_of_our_own_is_told_in_a_modal(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Slack shows its warning, as nothing is acknowledged, and the person reads a reference to the log."""
    await desk.ask("ord_1")
    await opened(desk, desk.ben, "[ Approve ]")

    async def broken(*_: object, **__: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(desk.running_bot.workflow, "act", broken)
    with desk.unacknowledged():
        await desk.ben.click_home("approve")
    assert "something went wrong on my side" in await notice(desk, desk.ben)


async def test_the_link_to_the_card_is_acknowledged(desk: Desk) -> None:
    """Slack tells of that click as well, and it needs no answer."""
    card = await desk.ask("ord_1")
    await opened(desk, desk.ben, "[ Open ]")
    assert element(desk.ben, "open_card")["url"].endswith(f"{card.channel}/p{card.ts.replace('.', '')}")
    await desk.ben.click_home("open_card")
    await desk.running_bot.worker.until_idle()
    assert desk.ben.modal is None


@pytest.mark.parametrize("name", ["a button of the Home tab", "the Home tab was opened"])
async def test_what_the_sandbox_knows_as_odd_is_acknowledged(desk: Desk, name: str) -> None:
    """Payloads as Slack publishes them, for this tab."""
    card = await desk.ask("ord_1")
    (odd,) = [each for each in oddities(desk.ben, card, "approve") if each.name == name]
    await desk.slack.deliver(odd.kind, odd.payload)
    assert not desk.slack.unacknowledged


# --- asking ----------------------------------------------------------------------------------------------------------


async def test_a_request_is_made_on_the_home_tab(desk: Desk) -> None:
    """The button opens the form of the command, and the card goes where all cards go."""
    await opened(desk, desk.ann)
    await desk.ann.click_home("new_request")
    await desk.wait(lambda: desk.ann.modal)
    assert await desk.ann.submit(order_id="ord_1", reason="paid twice") is None
    await desk.card("ord_1")
    assert "⏳ Waiting for approval · order ord_1: “paid twice”" in await home(desk, desk.ann, "[ Open ]")


async def test_people_who_may_not_ask_have_no_such_button(quiet_desk: Desk) -> None:
    """On a tab from before, the click is refused in a modal."""
    desk = quiet_desk
    await desk.start_bot()
    await opened(desk, desk.olga, "[ New request ]")
    old = element(desk.olga, "new_request")
    await desk.running_bot.worker.until_idle()
    await desk.stop_bot()
    await desk.start_bot(REQUESTERS=desk.ann.id)
    await home(desk, desk.olga, but="New request")
    await press(desk, desk.olga, old)
    assert "You may not ask for" in await notice(desk, desk.olga)
    assert await desk.refusal() == (OLGA, "", Verdict.NOT_A_REQUESTER)


async def test_without_a_channel_for_cards_the_form_asks_for_it(quiet_desk: Desk) -> None:
    """The form behind New request has a menu of channels, and the card goes to the chosen one."""
    desk = quiet_desk
    await desk.start_bot(APPROVAL_CHANNEL="")
    await opened(desk, desk.ann, "[ New request ]")
    await desk.ann.click_home("new_request")
    await desk.wait(lambda: desk.ann.modal)
    assert await desk.ann.submit(order_id="ord_1", reason="typed twice", channel=LOBBY) is None
    await desk.card("ord_1", LOBBY)


# --- the address for events ------------------------------------------------------------------------------------------


async def test_slack_gets_its_challenge_back(quiet_desk: Desk) -> None:
    """Without that, Slack takes no request URL for events; without a signature nobody gets anything."""
    desk = quiet_desk
    await desk.start_bot(**desk.by_http)
    body = json.dumps({"type": "url_verification", "token": "legacy", "challenge": "3eZbrw1a"}).encode()
    json_type = {"Content-Type": "application/json"}
    async with aiohttp.ClientSession() as session:
        url = str(desk.slack.events_url)
        async with session.post(url, data=body, headers=desk.slack.signed(body) | json_type) as answer:
            assert (answer.status, await answer.json()) == (200, {"challenge": "3eZbrw1a"})
        async with session.post(url, data=body, headers=json_type) as answer:
            assert answer.status == 401


async def test_many_changes_at_once_are_few_publishes(quiet_desk: Desk) -> None:
    """All changes within a second go into one publish, so a busy desk does not meet Slack's limit."""
    desk = quiet_desk
    await desk.start_bot()
    await opened(desk, desk.ben)
    await asyncio.gather(*(desk.fill_in(f"ord_{number}", person=desk.person(each)) for number, each in _PEOPLE))
    said = await home(desk, desk.ben, "ord_3")
    assert all(f"order ord_{number}" in said for number, _ in _PEOPLE)
    # Each request changes the tab several times: asked, card posted, receipt sent.
    assert len(publishes(desk, BEN)) <= 6


_PEOPLE = ((1, "U0ANN"), (2, "U0CLEO"), (3, "U0VERA"))
