"""/cancel-audit: filters, paging, and who may read what."""

import pytest

from tests.flows.desk import LOBBY, Desk


async def asked(desk: Desk, person: str, line: str) -> str:
    """What somebody reads who looks something up."""
    who = getattr(desk, person)
    known = len(who.ephemerals)
    await who.command(line, LOBBY)
    return await desk.told(who, known + 1)


@pytest.fixture
async def history(desk: Desk) -> Desk:
    """One order cancelled, one rejected, one pending; the last asked for by the outsider."""
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
    """Nothing, person, state, time, order and their combinations."""
    lines = (await asked(history, "vera", "/cancel-audit")).splitlines()
    assert [line.split(" · ")[1] for line in lines[1:]] == ["ord_3", "ord_2", "ord_1"]
    assert "ord_1 · cancelled · asked by @ann · decided by @ben · “typed twice” · card" in lines[3]
    assert "ord_2" in await asked(history, "vera", "/cancel-audit @cleo")
    assert "ord_1" not in await asked(history, "vera", "/cancel-audit @cleo")
    both = await asked(history, "vera", "/cancel-audit @ann 7d state:cancelled")
    assert "ord_1" in both
    assert "ord_2" not in both
    assert "No cancellations match" in await asked(history, "vera", "/cancel-audit 2020-01-01..2020-12-31")
    story = await asked(history, "vera", "/cancel-audit ord_2")
    assert "rejected · @cleo · “no fraud”" in story
    assert "requested · @ann" in story


async def test_an_unknown_filter_is_answered_with_the_usage(history: Desk) -> None:
    """Whoever mistypes reads what can be typed, with their own text shown as it is."""
    answer = await asked(history, "vera", "/cancel-audit state:<!here>")
    assert "'<!here>' is not a state" in answer
    assert "• a time: 30m" in answer


async def test_who_may_read_what(history: Desk) -> None:
    """Auditors and approvers read everything, anybody else only their own, and asking for more is on record."""
    assert "ord_1" in await asked(history, "ben", "/cancel-audit")
    own = await asked(history, "olga", "/cancel-audit")
    assert "You see your own requests only" in own
    assert "ord_3" in own
    assert "ord_1" not in own
    assert "Nothing is on record for this order" in await asked(history, "olga", "/cancel-audit ord_1")
    assert "your own requests only" in await asked(history, "olga", "/cancel-audit @ann")
    assert history.bot is not None
    last = (await history.bot.store.read(lambda reader: list(reader.events())))[-1]
    assert (last.kind, last.actor) == ("request_refused", history.olga.id)


async def test_paging_goes_through_everything_and_back(desk: Desk) -> None:
    """Eleven cancellations are two pages; the buttons replace the answer in place."""
    for number in range(11):
        await desk.fill_in(f"ord_p{number:02}")
    first = await asked(desk, "vera", "/cancel-audit")
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
    """A value that no button of ours has is answered, and nothing breaks."""
    await asked(history, "vera", "/cancel-audit")
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
