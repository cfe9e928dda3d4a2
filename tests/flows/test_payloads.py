"""Everything that Slack really sends is acknowledged, in Socket Mode and over HTTP, and means what it should."""

from typing import Any

import pytest
import structlog

from bot.domain.cancellation import State
from bot.domain.policy import Verdict
from bot.sandbox.oddities import oddities
from bot.sandbox.workspace import OpenView
from bot.slack.views.modals import form_not_read
from tests.flows.desk import LOBBY, Desk

FOR_THIS_APP = ("a click ", "a form ")
"""The beginnings of the names of oddities that mean what a plain click or form means."""


async def form_of(desk: Desk, line: str = "/cancel-order ord_1 typed twice") -> OpenView:
    """Open Ann's form by a command."""
    await desk.ann.command(line, LOBBY)
    opened: OpenView = await desk.wait(lambda: desk.ann.modal)
    return opened


async def test_whatever_slack_sends_is_acknowledged(desk: Desk) -> None:
    """Other types, other elements, events and things of the future: each is acknowledged, and none decides anything."""
    card = await desk.ask("ord_1")
    await desk.running_bot.worker.until_idle()
    before = await desk.events()
    with structlog.testing.capture_logs() as logs:
        for odd in oddities(desk.ben, card, "approve"):
            if not odd.name.startswith(FOR_THIS_APP) or odd.name == "a form was closed":
                await desk.slack.deliver(odd.kind, odd.payload)
    assert not desk.slack.unacknowledged
    assert await desk.events() == before
    assert await desk.state() is State.PENDING
    assert "unexpected_error" not in {line["event"] for line in logs}


async def test_every_click_that_slack_can_send_counts(desk: Desk) -> None:
    """Nulls, missing fields and fields of the future do not matter: the approval counts each time."""
    card = await desk.ask("ord_0")
    names = [odd.name for odd in oddities(desk.ben, card, "approve") if odd.name.startswith("a click ")]
    assert len(names) >= 8
    for number, name in enumerate(names):
        desk.gateway.add_order(f"ord_odd{number}", "pending")
        card = await desk.ask(f"ord_odd{number}")
        (odd,) = [each for each in oddities(desk.ben, card, "approve") if each.name == name]
        await desk.slack.deliver(odd.kind, odd.payload)
        assert "1 of 1 approval: @ben" in await desk.card_says(card, "✅ Cancelled"), name


async def test_every_refused_click_that_slack_can_send_is_refused(desk: Desk) -> None:
    """An outsider's click changes nothing, however it comes: a missing field is never taken for a right."""
    card = await desk.ask("ord_1")
    for odd in oddities(desk.olga, card, "approve"):
        if odd.name.startswith("a click "):
            await desk.slack.deliver(odd.kind, odd.payload)
            assert await desk.refusal() == (desk.olga.id, "ord_1", Verdict.NOT_AN_APPROVER), odd.name
    assert await desk.state() is State.PENDING


async def test_every_form_that_slack_can_send_is_taken(desk: Desk) -> None:
    """Nulls, missing fields and fields of the future do not matter: the request is kept each time."""
    card = await desk.ask("ord_0")
    opened = await form_of(desk, "/cancel-order ord_odd typed twice")
    names = [odd.name for odd in oddities(desk.ann, card, "approve", opened) if odd.name.startswith("a form ")]
    names.remove("a form was closed")
    assert len(names) >= 5
    desk.ann.close()
    for number, name in enumerate(names):
        opened = await form_of(desk, f"/cancel-order ord_odd{number} typed twice")
        (odd,) = [each for each in oddities(desk.ann, card, "approve", opened) if each.name == name]
        assert not await desk.slack.deliver(odd.kind, odd.payload), name
        desk.ann.close()
        assert await desk.state(f"ord_odd{number}") is State.PENDING, name


def in_view(**changes: Any) -> dict[str, Any]:
    """Return a change of the view of a form."""
    return {"view": changes}


MALFORMED = [
    pytest.param({"user": None}, id="no person"),
    pytest.param({"user": {"id": "nobody"}}, id="no member id"),
    pytest.param({"view": None}, id="no view"),
    pytest.param(in_view(id=7), id="a number for the view's id"),
    pytest.param(in_view(state=None), id="no state"),
    pytest.param(in_view(state={"values": []}), id="a list of values"),
    pytest.param(in_view(type="home"), id="another type of view"),
    pytest.param(in_view(private_metadata="x" * 3001), id="metadata that are too long"),
]


@pytest.mark.parametrize("change", MALFORMED)
async def test_a_malformed_form_is_answered_in_the_form(desk: Desk, change: dict[str, Any]) -> None:
    """A form without an acknowledgement shows a red error of Slack's; this one says that nothing has changed."""
    opened = await form_of(desk)
    payload = desk.ann.submission_payload(opened, {})
    for name, value in change.items():
        payload[name] = payload[name] | value if isinstance(value, dict) and name == "view" else value
    answer = await desk.slack.deliver("interactive", payload)
    assert answer == {"response_action": "update", "view": form_not_read()}
    desk.ann.answer_form(opened, answer)
    assert desk.ann.modal is not None
    assert "nothing has changed" in str(desk.ann.modal.view)
    assert await desk.state() is None


@pytest.mark.parametrize("channel", ["", "nowhere", "<!here>", "C0 PAY"])
async def test_a_form_with_a_place_that_is_none_is_answered_on_its_field(quiet_desk: Desk, channel: str) -> None:
    """A form that was tampered with asks for nothing."""
    await quiet_desk.start_bot(APPROVAL_CHANNEL="")
    opened = await form_of(quiet_desk)
    payload = quiet_desk.ann.submission_payload(opened, {})
    payload["view"]["private_metadata"] = channel
    errors = quiet_desk.ann.answer_form(opened, await quiet_desk.slack.deliver("interactive", payload))
    assert errors is not None
    assert "nothing has changed" in errors["order_id"]
    assert await quiet_desk.state() is None


@pytest.mark.parametrize("value", ["", "c0ffee", "x" * 2000, "'; DROP TABLE requests; --"])
@pytest.mark.parametrize("action", ["approve", "reject", "withdraw", "retry", "settle_cancelled"])
async def test_a_button_without_its_request_says_so(desk: Desk, action: str, value: str) -> None:
    """A click for a request that is not on record is acknowledged, answered and recorded."""
    card = await desk.ask("ord_1")
    payload = desk.ben.click_payload(card, "approve")
    payload["actions"][0] |= {"action_id": action, "value": value}
    await desk.slack.deliver("interactive", payload)
    assert await desk.told(desk.ben) == "I have no record of this request, so this button does nothing."
    assert (await desk.refusal())[2] is Verdict.NO_SUCH_REQUEST


async def test_a_command_without_optional_fields_opens_the_form(desk: Desk) -> None:
    """Nulls and fields that are missing do not matter."""
    for change in ({"user_name": None}, {"channel_name": None}, {"enterprise_id": None}, {"is_new": "true"}):
        payload = desk.ann.command_payload("/cancel-order ord_1", LOBBY) | change
        if desk.slack.events_url:  # a form has no null
            payload = {name: value for name, value in payload.items() if value is not None}
        assert not await desk.slack.deliver("slash_commands", payload)
        await desk.wait(lambda: desk.ann.modal)
        desk.ann.close()


async def test_a_command_that_cannot_be_read_is_answered(desk: Desk) -> None:
    """The person reads that nothing has changed, and no form opens."""
    payload = desk.ann.command_payload("/cancel-order ord_1", LOBBY) | {"channel_id": "nowhere"}
    answer = await desk.slack.deliver("slash_commands", payload)
    assert answer is not None
    assert "nothing has changed" in answer["text"]
    assert answer["response_type"] == "ephemeral"


async def test_events_over_http_are_json(quiet_desk: Desk) -> None:
    """An app whose events are turned on by mistake acknowledges each, so that Slack does not send it three times."""
    await quiet_desk.start_bot(**quiet_desk.by_http)
    card = await quiet_desk.ask("ord_1")
    events = [odd for odd in oddities(quiet_desk.ann, card, "approve") if odd.kind == "events_api"]
    assert len(events) >= 5
    for odd in events:
        await quiet_desk.slack.deliver(odd.kind, odd.payload)
    assert not quiet_desk.slack.unacknowledged
