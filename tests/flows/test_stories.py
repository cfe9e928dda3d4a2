"""The whole story of an order, as the auditor reads it in Slack with ``/cancel-audit ORDER``."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.sandbox.faults import Drop
from bot.sandbox.workspace import Posted
from tests.clock import Clock
from tests.flows.desk import LOBBY, Desk, quick_tuning

TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"


async def story(desk: Desk, order: str) -> list[str]:
    """Look an order up as the auditor, on all pages; return every line, oldest first, without its time and number."""
    known = len(desk.vera.ephemerals)
    await desk.vera.command(f"/cancel-audit {order}", LOBBY)
    await desk.told(desk.vera, known + 1)
    answer = desk.vera.ephemerals[-1]
    lines = events_in(desk, answer, order)
    while answer.button("audit_page:older") is not None:
        edited = answer.edited
        await desk.vera.click(answer, "audit_page:older")
        await desk.wait(lambda edited=edited: answer.edited > edited)
        lines += events_in(desk, answer, order)
    numbers = [int(line.rpartition("#")[2]) for line in lines]
    assert numbers == sorted(set(numbers), reverse=True)
    return [re.sub(rf"^{TIME} · | · #\d+$", "", line) for line in reversed(lines)]


def events_in(desk: Desk, answer: Posted, order: str) -> list[str]:
    """Return the lines of one page that are events; fail if there are other lines than the heading and the buttons."""
    heading, *lines = desk.vera.reads(answer).splitlines()
    assert re.fullmatch(rf"Cancellations on record for {order} · \d+(–\d+)? of \d+ events?", heading)
    events = [line for line in lines if re.match(rf"{TIME} · ", line)]
    assert set(lines) - set(events) <= {"[ Older ]", "[ Newer ]", "[ Newer ] [ Older ]"}
    return events


async def asked(desk: Desk, order: str, reason: str = "typed twice") -> Posted:
    """Ask for a request, and return the card once its posting is on record."""
    card = await desk.ask(order, reason)
    await desk.running_bot.worker.until_idle()
    return card


async def reject(desk: Desk, card: Posted, reason: str) -> None:
    """Reject as Ben, with this reason."""
    await desk.ben.click(card, "reject")
    await desk.wait(lambda: desk.ben.modal)
    assert await desk.ben.submit(reason=reason) is None


@pytest.fixture(params=["socket", "http"])
async def slow_desk(database: Path, clock: Clock, request: pytest.FixtureRequest) -> AsyncIterator[Desk]:
    """Yield a desk on a clock that the test moves, where requests expire after two hours, in each of the two modes."""
    async with Desk(database, now=clock) as desk:
        changes = desk.by_http if request.param == "http" else {}
        await desk.start_bot(quick_tuning(now=clock), APPROVAL_TTL="2h", **changes)
        yield desk


async def test_the_story_of_a_cancelled_order(desk: Desk) -> None:
    """The record names the requester with the reason, the approver, and the gateway's confirmation."""
    card = await asked(desk, "ord_1")
    await desk.ben.click(card, "approve")
    await desk.card_says(card, "✅ Cancelled")
    assert await story(desk, "ord_1") == [
        "requested · @ann · “typed twice”",
        "card posted · the bot",
        "approved · @ben · 1 of 1 approval",
        "asking the gateway · the bot · attempt 1",
        "cancelled · the bot",
    ]


async def test_the_story_of_a_rejected_order(desk: Desk) -> None:
    """The record names the approver with the reason for the rejection, and no call to the gateway."""
    card = await asked(desk, "ord_1", "fraud?")
    await reject(desk, card, "no fraud")
    await desk.card_says(card, "Rejected")
    assert await story(desk, "ord_1") == [
        "requested · @ann · “fraud?”",
        "card posted · the bot",
        "rejected · @ben · “no fraud”",
    ]


async def test_the_story_of_a_refused_order(desk: Desk) -> None:
    """The record has the gateway's own words for its refusal."""
    card = await asked(desk, "ord_done")
    await desk.ben.click(card, "approve")
    await desk.card_says(card, "Not cancelled")
    said = "the gateway says “Order is completed and cannot be cancelled. Use the refund endpoint instead.”"
    assert await story(desk, "ord_done") == [
        "requested · @ann · “typed twice”",
        "card posted · the bot",
        "approved · @ben · 1 of 1 approval",
        "asking the gateway · the bot · attempt 1",
        f"refused · the bot · {said} · gateway request req_local000001",
    ]


async def test_the_story_of_an_order_with_an_unknown_result(desk: Desk) -> None:
    """The record has every attempt with what stood in the way, then the retry, and the way the matter was settled."""
    desk.gateway.faults.always("ord_1", Drop(after_effect=True))
    card = await asked(desk, "ord_1")
    await desk.ben.click(card, "approve")
    await desk.card_says(card, "[ Retry ]")
    lost = "the connection ended without an answer that could be read"
    unknown = [
        "requested · @ann · “typed twice”",
        "card posted · the bot",
        "approved · @ben · 1 of 1 approval",
        "asking the gateway · the bot · attempt 1",
        f"not confirmed yet · the bot · {lost}",
        "asking the gateway · the bot · attempt 2",
        f"not confirmed yet · the bot · {lost}",
        "asking the gateway · the bot · attempt 3",
        f"not confirmed yet · the bot · {lost}",
        "asking the gateway · the bot · attempt 4",
        f"unknown · the bot · {lost}",
    ]
    assert await story(desk, "ord_1") == unknown
    desk.gateway.faults.clear()
    await desk.cleo.click(card, "retry")
    await desk.card_says(card, "✅ Cancelled")
    assert await story(desk, "ord_1") == [
        *unknown,
        "retried · @cleo",
        "asking the gateway · the bot · attempt 1",
        "cancelled · the bot · the gateway says “Order is already cancelled.” · gateway request req_local000005",
    ]


async def test_the_story_of_an_expired_order(slow_desk: Desk, clock: Clock) -> None:
    """The record says that the time was over, that a click came too late, and that somebody asked again."""
    card = await asked(slow_desk, "ord_1")
    clock.advance(hours=2)
    await slow_desk.ben.click(card, "approve")
    await slow_desk.card_says(card, "Expired")
    assert await story(slow_desk, "ord_1") == [
        "requested · @ann · “typed twice”",
        "card posted · the bot",
        "expired · the bot",
        "click refused · @ben · wanted to approve: it had expired",
    ]


async def test_the_story_of_an_order_that_people_disagree_about(desk: Desk) -> None:
    """The record has every refused click and request, with its cause."""
    card = await asked(desk, "ord_1")
    await desk.olga.click(card, "approve")
    await desk.told(desk.olga)
    await desk.ben.click(card, "withdraw")
    await desk.told(desk.ben)
    assert await desk.fill_in("ord_1", "me too", person=desk.olga) is not None
    await desk.ann.click(card, "withdraw")
    await desk.card_says(card, "Withdrawn")
    assert await story(desk, "ord_1") == [
        "requested · @ann · “typed twice”",
        "card posted · the bot",
        "click refused · @olga · wanted to approve: not an approver",
        "click refused · @ben · wanted to withdraw: not the requester",
        "request refused · @olga · another request for this order is open; “me too”",
        "withdrawn · @ann",
    ]


@pytest.mark.parametrize("mode", ["socket", "http"])
async def test_the_story_of_an_order_that_needs_two_approvals(quiet_desk: Desk, mode: str) -> None:
    """The record counts the approvals, and the refused ones do not count."""
    approvers = ",".join(person.id for person in (quiet_desk.ben, quiet_desk.cleo, quiet_desk.olga))
    mode_of = quiet_desk.by_http if mode == "http" else {}
    await quiet_desk.start_bot(APPROVALS_REQUIRED="2", APPROVERS=approvers, **mode_of)
    card = await quiet_desk.ask("ord_1", person=quiet_desk.ben)
    await quiet_desk.running_bot.worker.until_idle()
    await quiet_desk.ben.click(card, "approve")
    await quiet_desk.cleo.click(card, "approve")
    await quiet_desk.cleo.click(card, "approve")
    await quiet_desk.cleo.click(card, "reject")
    await quiet_desk.wait(lambda: quiet_desk.cleo.modal)
    await quiet_desk.cleo.submit(reason="second thoughts")
    await quiet_desk.card_says(card, "Rejected")
    assert await story(quiet_desk, "ord_1") == [
        "requested · @ben · “typed twice”",
        "card posted · the bot",
        "click refused · @ben · wanted to approve: their own request",
        "approved · @cleo · 1 of 2 approvals",
        "click refused · @cleo · wanted to approve: had already approved",
        "rejected · @cleo · “second thoughts”",
    ]
