"""A start with other people in APPROVERS or ESCALATE_TO: what waits says who may decide now, and they hear of it."""

from pathlib import Path

import pytest

from bot.domain.events import Reminded
from bot.store import verify
from tests.clock import Clock
from tests.flows.desk import ANN, BEN, CLEO, OLGA, Desk, quick_tuning


async def reminders(desk: Desk) -> list[int]:
    """Return the numbers of the reminders on record."""
    return [each.content.number for each in await desk.events() if isinstance(each.content, Reminded)]


@pytest.fixture(params=["socket", "http"])
def changes(quiet_desk: Desk, request: pytest.FixtureRequest) -> dict[str, str]:
    """Return the settings of each of the two modes."""
    return quiet_desk.by_http if request.param == "http" else {}


async def test_new_approvers_are_named_and_reminded(quiet_desk: Desk, changes: dict[str, str]) -> None:
    """The card mentions them, an update of it notifies nobody, and so the thread does; they can approve."""
    desk = quiet_desk
    await desk.start_bot(APPROVERS=BEN, **changes)
    card = await desk.ask("ord_1")
    await desk.card_says(card, "To decide: @ben")
    await desk.stop_bot()
    await desk.start_bot(APPROVERS=CLEO, **changes)
    text = await desk.card_says(card, "To decide: @cleo")
    assert "To decide: @ben" not in text
    (reminder,) = await desk.replies(card)
    assert reminder.startswith("⏰ 1 approval needed for order ord_1: @cleo.")
    assert len(await desk.notified(desk.cleo)) == 1
    await desk.cleo.click(card, "approve")
    await desk.card_says(card, "✅ Cancelled")


@pytest.mark.parametrize(
    "settings, reminded",
    [
        ({"APPROVERS": f"{BEN},{CLEO}"}, []),
        ({"APPROVERS": BEN}, []),
        ({"APPROVERS": f"{BEN},{CLEO}", "ESCALATE_TO": OLGA, "ESCALATE_AFTER": "1h"}, []),
        ({"APPROVERS": f"{BEN},{CLEO},{OLGA}"}, [0]),
        ({"APPROVERS": f"{BEN},{CLEO},{ANN}"}, []),
        ({"APPROVERS": f"{BEN},{CLEO},{OLGA}", "MENTION_APPROVERS": "false"}, []),
    ],
)
async def test_only_who_joins_is_a_reason_for_a_reminder(
    quiet_desk: Desk, changes: dict[str, str], settings: dict[str, str], reminded: list[int]
) -> None:
    """Nobody is disturbed by a start with the same people, or with fewer, or with others for a later escalation."""
    desk = quiet_desk
    await desk.start_bot(APPROVERS=f"{BEN},{CLEO}", **changes)
    card = await desk.ask("ord_1")
    await desk.stop_bot()
    await desk.start_bot(**settings, **changes)
    if settings.get("MENTION_APPROVERS") != "false":
        await desk.card_says(card, "To decide: @ben" if settings["APPROVERS"] == BEN else "To decide: @ben, @cleo")
    await desk.running_bot.worker.until_idle()
    assert await reminders(desk) == reminded


async def test_one_start_after_another_reminds_once(quiet_desk: Desk, changes: dict[str, str]) -> None:
    """The settings are compared with those of the start before, which may have been killed right after it."""
    desk = quiet_desk
    await desk.start_bot(APPROVERS=BEN, **changes)
    card = await desk.ask("ord_1")
    for _ in range(3):
        await desk.stop_bot()
        await desk.start_bot(APPROVERS=CLEO, **changes)
    await desk.replies(card)
    await desk.running_bot.worker.until_idle()
    assert await reminders(desk) == [0]


async def test_the_other_reminders_keep_their_times(database: Path) -> None:
    """Two more starts take none of the reminders from the people who wait."""
    clock = Clock()
    async with Desk(database, now=clock) as desk:
        await desk.start_bot(quick_tuning(now=clock), APPROVERS=BEN)
        await desk.ask("ord_1")
        for more in (f"{BEN},{CLEO}", f"{BEN},{CLEO},{OLGA}"):
            await desk.stop_bot()
            await desk.start_bot(quick_tuning(now=clock), APPROVERS=more)
        for minutes in (6, 10):
            clock.advance(minutes * 60)
            await desk.running_bot.worker.until_idle()
        assert await reminders(desk) == [0, 0, 1, 2]
        assert (await desk.running_bot.store.read(verify)).damage is None
