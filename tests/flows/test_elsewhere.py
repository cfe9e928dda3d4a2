"""People of other companies decide nothing; people of sister workspaces can finish what they can begin."""

import asyncio
from typing import Any

import pytest

from bot.domain.cancellation import State
from bot.domain.policy import Verdict
from bot.sandbox.faults import ApiError, Drop, Fault, Hang, broken
from bot.sandbox.person import Person
from bot.sandbox.stage import FRANK, SIRI
from bot.sandbox.workspace import Posted
from tests.flows.desk import BEN, LOBBY, PAYMENTS, Desk

EVERYBODY = f"{BEN},{FRANK},{SIRI}"
"""Approvers, of whom one is from outside: a mistake in the settings that must not cost anything."""
GRID = pytest.mark.parametrize("grid", [False, True], ids=["one workspace", "an organisation"])
MODES = pytest.mark.parametrize("mode", ["socket", "http"])


async def start(desk: Desk, *, grid: bool, mode: str = "socket", **changes: str) -> None:
    """Start a bot in a workspace whose payments channel is shared with another company."""
    if grid:
        desk.join_organisation()
    desk.share(PAYMENTS)
    await desk.start_bot(
        **(
            {"APPROVERS": EVERYBODY, "ALLOW_SHARED_CHANNELS": "true"}
            | (desk.by_http if mode == "http" else {})
            | changes
        )
    )


async def unknown(desk: Desk) -> Posted:
    """Return the card of a request whose outcome is not known."""
    desk.gateway.faults.always("ord_1", Drop(after_effect=True))
    card = await desk.ask("ord_1")
    await desk.ben.click(card, "approve")
    await desk.card_says(card, "[ Retry ]")
    desk.gateway.faults.clear()
    return card


def without(payload: dict[str, Any], how: str) -> dict[str, Any]:
    """Return a click as Slack may send it: with the person's workspace, without it, or with nulls."""
    match how:
        case "without the person's workspace":
            del payload["user"]["team_id"]
        case "null for the person's workspace":
            payload["user"]["team_id"] = None
        case "installed for the organisation":
            payload |= {"team": None, "is_enterprise_install": True}
            del payload["user"]["team_id"]
        case _:
            pass
    return payload


@GRID
@MODES
@pytest.mark.parametrize(
    "how",
    [
        "as it comes",
        "without the person's workspace",
        "null for the person's workspace",
        "installed for the organisation",
    ],
)
async def test_a_foreigners_click_decides_nothing(quiet_desk: Desk, grid: bool, mode: str, how: str) -> None:
    """Somebody of another company sees the card in the shared channel; their click is refused and recorded with it."""
    await start(quiet_desk, grid=grid, mode=mode)
    card = await quiet_desk.ask("ord_1")
    for number, action in enumerate(("approve", "reject", "withdraw"), 1):
        await quiet_desk.slack.deliver("interactive", without(quiet_desk.frank.click_payload(card, action), how))
        told = await quiet_desk.told(quiet_desk.frank, number)
        assert "Nothing has changed" in told
        assert await quiet_desk.refusal() == (FRANK, "ord_1", Verdict.NOT_OF_THIS_WORKSPACE)
    assert quiet_desk.frank.modal is None
    assert await quiet_desk.state() is State.PENDING
    assert not quiet_desk.gateway.calls
    await quiet_desk.ben.click(card, "approve")
    await quiet_desk.card_says(card, "✅ Cancelled")


async def looked_at(desk: Desk, person: str) -> None:
    """Wait until Slack has told the bot who this approver is."""
    directory = desk.running_bot._directory  # noqa: SLF001 -- nothing outside shows that it has read the answer
    async with asyncio.timeout(10):
        while person not in directory._deciders:  # noqa: ASYNC110, SLF001
            await asyncio.sleep(0.005)


@GRID
@MODES
async def test_a_foreigner_among_the_approvers_is_not_asked_to_decide(quiet_desk: Desk, grid: bool, mode: str) -> None:
    """The card names those who can, and a colleague of a sister workspace is one of them."""
    await start(quiet_desk, grid=grid, mode=mode, APPROVERS=EVERYBODY if grid else f"{BEN},{FRANK}")
    await looked_at(quiet_desk, SIRI if grid else FRANK)  # one after the other
    card = await quiet_desk.ask("ord_1")
    await quiet_desk.card_says(card, f"To decide: @ben{', @siri' if grid else ''}")
    assert "@frank" not in quiet_desk.ann.reads(card)


@GRID
@pytest.mark.parametrize("setting", ["APPROVERS", "ESCALATE_TO"])
async def test_a_foreigner_is_no_approver_whom_a_request_can_wait_for(
    quiet_desk: Desk, grid: bool, setting: str
) -> None:
    """Ben asks, and nobody else could ever approve: he reads that at once."""
    escalation = {"APPROVERS": BEN, "ESCALATE_TO": FRANK, "ESCALATE_AFTER": "1h"}
    await start(quiet_desk, grid=grid, **(escalation if setting == "ESCALATE_TO" else {"APPROVERS": f"{BEN},{FRANK}"}))
    await looked_at(quiet_desk, FRANK)
    await quiet_desk.ben.command("/cancel-order ord_1", LOBBY)
    assert (await quiet_desk.told(quiet_desk.ben)).startswith("Too few people could approve your request")
    assert quiet_desk.ben.modal is None


@GRID
@MODES
async def test_a_foreigner_settles_and_retries_nothing(quiet_desk: Desk, grid: bool, mode: str) -> None:
    """The buttons of an unknown outcome are as good as those of a pending request: for colleagues only."""
    await start(quiet_desk, grid=grid, mode=mode)
    card = await unknown(quiet_desk)
    for number, action in enumerate(("retry", "settle_cancelled", "settle_not_cancelled"), 1):
        await quiet_desk.frank.click(card, action)
        await quiet_desk.told(quiet_desk.frank, number)
        assert await quiet_desk.refusal() == (FRANK, "ord_1", Verdict.NOT_OF_THIS_WORKSPACE)
    assert quiet_desk.frank.modal is None
    assert await quiet_desk.state() is State.UNKNOWN


@GRID
@MODES
@pytest.mark.parametrize("changed", [{}, {"user": {"id": FRANK, "username": "frank"}}], ids=["whole", "as in the docs"])
async def test_a_form_that_a_foreigner_sends_for_a_colleague_changes_nothing(
    quiet_desk: Desk, grid: bool, mode: str, changed: dict[str, Any]
) -> None:
    """The app's own organisation, which a form names, does not make its person a colleague."""
    await start(quiet_desk, grid=grid, mode=mode)
    card = await quiet_desk.ask("ord_1")
    await quiet_desk.ben.click(card, "reject")
    opened = await quiet_desk.wait(lambda: quiet_desk.ben.modal)
    payload = quiet_desk.frank.submission_payload(opened, {"reason": "mine"}) | changed
    errors = quiet_desk.frank.answer_form(opened, await quiet_desk.slack.deliver("interactive", payload))
    assert errors is not None
    assert "Nothing has changed" in errors["reason"]
    assert await quiet_desk.refusal() == (FRANK, "ord_1", Verdict.NOT_OF_THIS_WORKSPACE)
    assert await quiet_desk.state() is State.PENDING
    assert await quiet_desk.ben.submit(reason="ours") is None
    assert "Rejected by @ben" in await quiet_desk.card_says(card, "Rejected")


@GRID
async def test_a_foreigner_asks_for_nothing_by_a_form(quiet_desk: Desk, grid: bool) -> None:
    """A form of the bot's that comes from another company keeps no request."""
    await start(quiet_desk, grid=grid)
    await quiet_desk.ann.command("/cancel-order ord_2", LOBBY)
    opened = await quiet_desk.wait(lambda: quiet_desk.ann.modal)
    payload = quiet_desk.frank.submission_payload(opened, {"order_id": "ord_2"})
    errors = quiet_desk.frank.answer_form(opened, await quiet_desk.slack.deliver("interactive", payload))
    assert errors is not None
    assert "Nothing has changed" in errors["order_id"]
    person, _, why = await quiet_desk.refusal()
    assert (person, why) == (FRANK, Verdict.NOT_OF_THIS_WORKSPACE)
    assert await quiet_desk.state("ord_2") is None


@GRID
async def test_a_foreigner_settles_nothing_by_a_form(quiet_desk: Desk, grid: bool) -> None:
    """The form behind "It is cancelled" takes no statement of another company."""
    await start(quiet_desk, grid=grid)
    card = await unknown(quiet_desk)
    await quiet_desk.ben.click(card, "settle_cancelled")
    opened = await quiet_desk.wait(lambda: quiet_desk.ben.modal)
    payload = quiet_desk.frank.submission_payload(opened, {"how": "I looked"})
    errors = quiet_desk.frank.answer_form(opened, await quiet_desk.slack.deliver("interactive", payload))
    assert errors is not None
    assert "Nothing has changed" in errors["how"]
    assert await quiet_desk.refusal() == (FRANK, "ord_1", Verdict.NOT_OF_THIS_WORKSPACE)
    assert await quiet_desk.state() is State.UNKNOWN


@pytest.mark.parametrize("organisation", [None, "E0OTHER"])
async def test_a_foreigner_with_an_organisation_of_their_own_is_a_foreigner(
    quiet_desk: Desk, organisation: str | None
) -> None:
    """Only the bot's own organisation counts."""
    quiet_desk.join_organisation()
    quiet_desk.share(PAYMENTS, enterprise_id=organisation)
    quiet_desk.slack.space.organisation_for_people = True
    await quiet_desk.start_bot(APPROVERS=EVERYBODY, ALLOW_SHARED_CHANNELS="true")
    card = await quiet_desk.ask("ord_1")
    await quiet_desk.frank.click(card, "approve")
    assert "Nothing has changed" in await quiet_desk.told(quiet_desk.frank)
    assert await quiet_desk.state() is State.PENDING


@pytest.fixture(params=["workspace", "organisation"])
async def grid(quiet_desk: Desk, request: pytest.FixtureRequest) -> Desk:
    """Return a desk in an organisation, where Siri of the sister workspace approves too.

    Slack names the workspace or the organisation as a person's own.
    """
    quiet_desk.join_organisation()
    quiet_desk.slack.space.organisation_for_people = request.param == "organisation"
    await quiet_desk.start_bot(APPROVERS=f"{BEN},{SIRI}")
    return quiet_desk


async def test_a_sister_approves(grid: Desk) -> None:
    """A colleague of a sister workspace decides like everybody else."""
    card = await grid.ask("ord_1")
    await grid.siri.click(card, "approve")
    assert "1 of 1 approval: @siri" in await grid.card_says(card, "✅ Cancelled")


async def test_a_sister_finishes_a_rejection(grid: Desk) -> None:
    """The form that follows a click is answered, also for a sister."""
    card = await grid.ask("ord_1")
    await grid.siri.click(card, "reject")
    await grid.wait(lambda: grid.siri.modal)
    assert await grid.siri.submit(reason="no fraud") is None
    assert "Rejected by @siri" in await grid.card_says(card, "Rejected")
    assert not grid.slack.unacknowledged


async def test_a_sister_retries_and_settles(grid: Desk) -> None:
    """All buttons of the card work for a sister."""
    card = await unknown(grid)
    grid.gateway.faults.always("ord_1", Drop(after_effect=True))
    edited = card.edited
    await grid.siri.click(card, "retry")
    await grid.wait(lambda: card.edited > edited and "[ Retry ]" in grid.ann.reads(card))
    await grid.siri.click(card, "settle_cancelled")
    await grid.wait(lambda: grid.siri.modal)
    assert await grid.siri.submit(how="the console says cancelled") is None
    await grid.card_says(card, "Settled by hand: cancelled")
    assert "@siri" in (await grid.replies(card, 3))[-1]


async def test_a_sister_asks_and_looks_up_where_she_has_the_commands(quiet_desk: Desk) -> None:
    """With an installation for the organisation she can use the commands, and finish what they begin."""
    quiet_desk.join_organisation()
    quiet_desk.slack.space.is_enterprise_install = True
    await quiet_desk.start_bot(REQUESTERS=SIRI)
    card = await quiet_desk.ask("ord_1", person=quiet_desk.siri)
    await quiet_desk.siri.command("/cancel-audit", LOBBY)
    assert "ord_1" in await quiet_desk.told(quiet_desk.siri)
    await quiet_desk.siri.click(card, "withdraw")
    await quiet_desk.card_says(card, "Withdrawn")


@pytest.mark.parametrize("fault", [ApiError("internal_error"), broken(503), Hang(asyncio.Event())])
async def test_a_sister_of_whom_slack_says_nothing_is_refused(quiet_desk: Desk, fault: Fault) -> None:
    """A failed look-up refuses and says to try again; the next one may go well."""
    quiet_desk.join_organisation()
    quiet_desk.slack.faults.always("users.info", fault)
    await quiet_desk.start_bot(APPROVERS=f"{BEN},{SIRI}")
    card = await quiet_desk.ask("ord_1")
    await quiet_desk.siri.click(card, "approve")
    assert "I couldn't check with Slack whether you belong" in await quiet_desk.told(quiet_desk.siri)
    assert await quiet_desk.refusal() == (SIRI, "ord_1", Verdict.UNCHECKED)
    assert await quiet_desk.state() is State.PENDING
    quiet_desk.slack.faults.clear()
    await quiet_desk.siri.click(card, "approve")
    await quiet_desk.card_says(card, "✅ Cancelled")


async def test_a_sisters_form_is_answered_where_slack_says_nothing(quiet_desk: Desk) -> None:
    """A form that does not name the organisation says that nothing has changed, and can be sent again."""
    quiet_desk.join_organisation()
    quiet_desk.slack.faults.always("users.info", broken(503))
    await quiet_desk.start_bot(APPROVERS=f"{BEN},{SIRI}")
    card = await quiet_desk.ask("ord_1")
    await quiet_desk.ben.click(card, "reject")
    opened = await quiet_desk.wait(lambda: quiet_desk.ben.modal)
    payload = quiet_desk.siri.submission_payload(opened, {"reason": "no"}) | {"team": None}
    errors = quiet_desk.siri.answer_form(opened, await quiet_desk.slack.deliver("interactive", payload))
    assert errors is not None
    assert "I couldn't check with Slack whether you belong" in errors["reason"]
    assert await quiet_desk.state() is State.PENDING
    quiet_desk.slack.faults.clear()
    again = quiet_desk.siri.submission_payload(opened, {"reason": "no"}) | {"team": None}
    assert quiet_desk.siri.answer_form(opened, await quiet_desk.slack.deliver("interactive", again)) is None
    assert "Rejected by @siri" in await quiet_desk.card_says(card, "Rejected")


@pytest.mark.parametrize("action", ["approve", "reject", "withdraw"])
async def test_an_outsiders_refused_click_is_recorded_with_its_order(desk: Desk, action: str) -> None:
    """The story of the order has every refused click."""
    card = await desk.ask("ord_1")
    await desk.olga.click(card, action)
    await desk.told(desk.olga)
    why = Verdict.NOT_THE_REQUESTER if action == "withdraw" else Verdict.NOT_AN_APPROVER
    assert await desk.refusal() == (desk.olga.id, "ord_1", why)


@pytest.mark.parametrize("person", [FRANK, SIRI])
async def test_people_who_may_not_approve_learn_nothing(quiet_desk: Desk, person: str) -> None:
    """Neither a foreigner nor a sister who is no approver can do anything, though they see the card."""
    quiet_desk.join_organisation()
    quiet_desk.share(PAYMENTS)
    await quiet_desk.start_bot(ALLOW_SHARED_CHANNELS="true")
    card = await quiet_desk.ask("ord_1")
    await Person(quiet_desk.slack, person).click(card, "approve")
    assert "Nothing has changed" in await quiet_desk.told(Person(quiet_desk.slack, person))
    assert await quiet_desk.state() is State.PENDING
