"""``/cancel-audit``: filters, paging, and the people who may read."""

import pytest

from bot.sandbox.person import Person
from tests.flows.desk import LOBBY, Desk


async def look_up(desk: Desk, person: Person, line: str) -> str:
    """Type a command, and return the answer that this person reads."""
    known = len(person.ephemerals)
    await person.command(line, LOBBY)
    return await desk.told(person, known + 1)


@pytest.fixture
async def history(desk: Desk) -> Desk:
    """Return a desk with one order cancelled, one rejected, and one pending that the outsider asked for."""
    first = await desk.ask("ord_1", "typed twice")
    await desk.ben.click(first, "approve")
    await desk.card_says(first, "✅ Cancelled")
    second = await desk.ask("ord_2", "fraud?")
    await desk.cleo.click(second, "reject")
    await desk.wait(lambda: desk.cleo.modal)
    await desk.cleo.submit(reason="no fraud")
    await desk.card_says(second, "Rejected")
    await desk.ask("ord_3", "changed mind", person=desk.olga)
    return desk


async def test_filters_find_what_they_say(history: Desk) -> None:
    """No filter, person, state, time, order and combinations of them all find what they name."""
    lines = (await look_up(history, history.vera, "/cancel-audit")).splitlines()
    assert [line.split(" · ")[1] for line in lines[1:]] == ["ord_3", "ord_2", "ord_1"]
    assert "ord_1 · cancelled · requested by @ann · decided by @ben · “typed twice” · card" in lines[3]
    assert "ord_2" in await look_up(history, history.vera, "/cancel-audit @cleo")
    assert "ord_1" not in await look_up(history, history.vera, "/cancel-audit @cleo")
    both = await look_up(history, history.vera, "/cancel-audit @ann 7d state:cancelled")
    assert "ord_1" in both
    assert "ord_2" not in both
    assert "No cancellations match" in await look_up(history, history.vera, "/cancel-audit 2020-01-01..2020-12-31")
    story = await look_up(history, history.vera, "/cancel-audit ord_2")
    assert "rejected · @cleo · “no fraud”" in story
    assert "requested · @ann" in story


async def test_an_unknown_filter_is_answered_with_the_usage(history: Desk) -> None:
    """A person who mistypes reads what can be typed, with their own text shown as it is."""
    answer = await look_up(history, history.vera, "/cancel-audit state:<!here>")
    assert "'<!here>' is not a state" in answer
    assert "• a time: 30m" in answer


async def test_people_read_what_they_may(history: Desk) -> None:
    """Auditors and approvers read everything, anybody else only their own, and asking for more is on record."""
    assert "ord_1" in await look_up(history, history.ben, "/cancel-audit")
    own = await look_up(history, history.olga, "/cancel-audit")
    assert "You see only your own requests" in own
    assert "ord_3" in own
    assert "ord_1" not in own
    assert "Nothing on record for this order" in await look_up(history, history.olga, "/cancel-audit ord_1")
    assert "You can look up only your own requests" in await look_up(history, history.olga, "/cancel-audit @ann")
    last = await history.running_bot.store.read(lambda tables: tables.record.last())
    assert (last.kind, last.actor) == ("request_refused", history.olga.id)


async def test_paging_goes_through_everything_and_back(desk: Desk) -> None:
    """Eleven cancellations are two pages; the buttons replace the answer in place."""
    for number in range(11):
        await desk.fill_in(f"ord_p{number:02}")
    first = await look_up(desk, desk.vera, "/cancel-audit")
    assert "ord_p10" in first
    assert "ord_p00" not in first
    message = desk.vera.ephemerals[-1]
    await desk.vera.click(message, "audit_page:older")
    await desk.wait(lambda: "ord_p00" in desk.vera.reads(message))
    assert "[ Back to the newest ]" in desk.vera.reads(message)
    await desk.vera.click(message, "audit_page:newest")
    await desk.wait(lambda: "ord_p10" in desk.vera.reads(message))
    assert len(desk.vera.ephemerals) == 1


@pytest.mark.parametrize(
    "value", ["", "{}", '{"q":"","o":"x"}', '{"q":1,"o":null}', "[", '{"q":"","o":"9|99999999999999999999"}']
)
async def test_a_tampered_paging_button_is_refused(history: Desk, value: str) -> None:
    """A value that no button of ours has gets an answer, and nothing breaks."""
    await look_up(history, history.vera, "/cancel-audit")
    message = history.vera.ephemerals[-1]
    message.blocks.append(
        {
            "type": "actions",
            "elements": [
                {
                    "type": "button",
                    "action_id": "audit_page:older",
                    "text": {"type": "plain_text", "text": "Older"},
                    "value": value,
                }
            ],
        }
    )
    await history.vera.click(message, "audit_page:older")
    assert "no longer in use" in await history.told(history.vera, 2)
