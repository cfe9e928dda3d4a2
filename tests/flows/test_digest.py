"""The digest comes to the channel of the cards once for each period, with the look-up of the same days."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.sandbox.faults import ApiError, Drop, broken
from bot.sandbox.workspace import Posted
from bot.store import verify_all
from bot.tuning import Tuning
from bot.workflow import Patience
from tests.clock import Clock
from tests.flows.desk import LOBBY, PAYMENTS, Desk, quick_tuning
from tests.flows.test_clock_at_start import Machine

MONDAYS = "mon 09:00 Asia/Phnom_Penh"
NEXT = datetime(2026, 11, 30, 2, 0, tzinfo=UTC)
"""The clock of the tests begins on a Monday, seven hours after this time of the day."""


class Week:
    """A desk on a clock that the test moves, with a bot in one of the two modes."""

    def __init__(self, desk: Desk, clock: Clock, mode: str) -> None:
        self.desk, self.clock, self.mode = desk, clock, mode

    async def start(self, **changes: str) -> None:
        """Start a bot with these changes of its settings, and let it do what is due."""
        settings = (self.desk.by_http if self.mode == "http" else {}) | {"DIGEST": MONDAYS} | changes
        await self.desk.start_bot(self._tuning(), **settings)
        await self.desk.running_bot.worker.until_idle()

    def _tuning(self) -> Tuning:
        return quick_tuning(now=self.clock, patience=Patience())

    async def at(self, moment: datetime) -> None:
        """Let it be this time, and let the bot do what is due then."""
        self.clock.at = moment
        await self.desk.running_bot.worker.until_idle()

    def digests(self) -> list[Posted]:
        """Return the digests in the channel of the cards, the oldest first."""
        return [each for each in self.desk.slack.space.messages(PAYMENTS) if each.text.startswith("📊")]

    async def kinds(self) -> list[str]:
        """Return the kinds of all events."""
        return [event.kind for event in await self.desk.events()]


@pytest.fixture(params=["socket", "http"])
async def week(database: Path, clock: Clock, request: pytest.FixtureRequest) -> AsyncIterator[Week]:
    """Yield a desk on a clock that the test moves; at the end the record proves every table."""
    async with Desk(database, now=clock) as desk:
        yield Week(desk, clock, request.param)
        await desk.stop_bot()
        assert verify_all(database).damage is None


async def test_the_digest_comes_at_its_time_and_its_look_up_works(week: Week) -> None:
    """Nothing comes before, and the command in it lists the requests that it counts."""
    await week.start()
    desk = week.desk
    card = await desk.ask("ord_1")
    await desk.ben.click(card, "approve")
    await desk.card_says(card, "✅ Cancelled")
    card = await desk.ask("ord_done")
    await desk.ben.click(card, "approve")
    await desk.card_says(card, "refund")
    await desk.running_bot.worker.until_idle()
    await week.at(NEXT - timedelta(seconds=1))
    assert week.digests() == []
    await week.at(NEXT)
    (digest,) = week.digests()
    said = desk.ann.reads(digest)
    for words in (
        "2 requests: 2 approved",
        "2 orders approved: 1 cancelled, 1 refused",
        "• Not cancelled: the order is completed or paid: 1",
    ):
        assert words in said
    (command,) = re.findall(r"/cancel-audit [\d.-]+", digest.text)
    assert command == "/cancel-audit 2026-11-23..2026-11-30"
    await desk.vera.command(command, LOBBY)
    assert "2 orders" in await desk.told(desk.vera)
    await week.at(NEXT + timedelta(days=6))
    assert len(week.digests()) == 1


async def test_two_weeks_without_the_bot_bring_one_digest(week: Week) -> None:
    """It says from when until when, and the next one comes a week later."""
    await week.start()
    await week.desk.stop_bot()
    week.clock.at = NEXT + timedelta(days=9)
    await week.start()
    (digest,) = week.digests()
    assert "/cancel-audit 2026-11-23..2026-12-07" in digest.text
    await week.at(NEXT + timedelta(days=14))
    assert len(week.digests()) == 2
    assert (await week.kinds()).count("digest") == 2


async def test_another_setting_moves_the_digest_and_none_ends_it(week: Week) -> None:
    """A start follows today's setting."""
    await week.start()
    await week.desk.stop_bot()
    await week.start(DIGEST="daily 18:00 UTC")
    await week.at(week.clock() + timedelta(hours=9))
    assert len(week.digests()) == 1
    await week.desk.stop_bot()
    await week.start(DIGEST="")
    await week.at(NEXT + timedelta(days=1))
    assert len(week.digests()) == 1


async def test_a_freeze_holds_up_no_digest(week: Week) -> None:
    """People want to know how things stand all the more."""
    await week.start()
    await week.desk.ben.command("/cancel-order freeze wrong prices", LOBBY)
    # Its announcement is on its way, and a worker in the middle of that would take the old time for the new one.
    await week.desk.running_bot.worker.until_idle()
    await week.at(NEXT)
    assert len(week.digests()) == 1


async def test_people_of_another_company_read_no_digest(week: Week) -> None:
    """It has figures and reasons. It comes when the channel belongs to one company again."""
    await week.start()
    week.desk.share(PAYMENTS)
    await week.at(NEXT + timedelta(minutes=2))  # the bot looks once a minute who reads a channel
    assert week.digests() == []
    week.desk.slack.space.channels[PAYMENTS].shared = False
    await week.at(NEXT + timedelta(minutes=30))
    assert len(week.digests()) == 1


@pytest.mark.parametrize("fault", [Drop(after_effect=True), Drop(), broken(500), ApiError("not_in_channel")])
async def test_a_digest_is_posted_once_whatever_slack_answers(week: Week, fault: Drop | ApiError) -> None:
    """After a lost answer the bot searches for it, and after a refusal it tries again."""
    await week.start()
    week.desk.slack.faults.add("chat.postMessage", fault)
    await week.at(NEXT)
    for _ in range(3):
        await week.at(week.clock() + timedelta(minutes=1))
    assert len(week.digests()) == 1
    assert (await week.kinds()).count("digest") == 1


async def test_a_digest_that_slack_shows_late_is_there_once(week: Week) -> None:
    """The search after a lost answer missed it, so it was posted again; a minute later the bot looks once more."""
    await week.start()
    week.desk.slack.faults.add("chat.postMessage", Drop(after_effect=True))
    week.desk.slack.history.lag = timedelta(days=1)
    await week.at(NEXT)
    await week.at(NEXT + timedelta(seconds=5))
    assert len(week.digests()) == 2
    week.desk.slack.history.lag = timedelta(0)
    await week.at(NEXT + timedelta(seconds=66))
    assert len(week.digests()) == 1


async def refused_in(week: Week, channel: str, problem: str = "channel_not_found") -> None:
    """Let Slack refuse this channel until the bot counts its messages as stuck."""
    week.desk.slack.refusals.start(problem, channel=channel)
    for _ in range(4):
        await week.at(week.clock() + timedelta(minutes=1))


async def test_a_digest_for_a_wrong_channel_comes_to_the_right_one(week: Week) -> None:
    """The operator mends the setting; the digest of that period comes, and nothing waits for the wrong channel."""
    await week.start(APPROVAL_CHANNEL="C0WRONG")
    week.clock.at = NEXT
    await refused_in(week, "C0WRONG")
    assert await week.desk.running_bot.workflow.stuck() == [("channel_not_found", 1)]
    await week.desk.stop_bot()
    await week.start()
    assert len(week.digests()) == 1
    assert await week.desk.running_bot.workflow.stuck() == []
    assert (await week.kinds()).count("digest_moved") == 1
    await week.at(NEXT + timedelta(days=7))
    assert len(week.digests()) == 2


@pytest.mark.parametrize("posted", [True, False])
async def test_a_digest_that_may_be_in_the_old_channel_is_posted_once(week: Week, posted: bool) -> None:
    """What the lost try posted there is found; else the digest comes to the new channel once the old one refuses it."""
    await week.start(APPROVAL_CHANNEL=LOBBY)
    week.desk.slack.faults.add("chat.postMessage", Drop(after_effect=posted))
    await week.at(NEXT)
    await week.desk.stop_bot()
    await week.start()
    if not posted:
        await refused_in(week, LOBBY, "is_archived")
    await week.at(week.clock() + timedelta(minutes=1))
    in_lobby = [each for each in week.desk.slack.space.messages(LOBBY) if each.text.startswith("📊")]
    assert (len(in_lobby), len(week.digests())) == ((1, 0) if posted else (0, 1))
    assert await week.desk.running_bot.workflow.stuck() == []


async def test_a_digest_is_called_off_with_its_setting(week: Week) -> None:
    """Nothing waits for Slack, and nothing comes when the channel takes messages again."""
    await week.start()
    week.clock.at = NEXT
    await refused_in(week, PAYMENTS, "not_in_channel")
    await week.desk.stop_bot()
    await week.start(DIGEST="")
    week.desk.slack.refusals.end(channel=PAYMENTS)
    await week.at(week.clock() + timedelta(minutes=1))
    assert week.digests() == []
    assert await week.desk.running_bot.workflow.stuck() == []
    assert (await week.kinds()).count("digest_called_off") == 1


@pytest.mark.parametrize("wrong", [timedelta(days=8), timedelta(days=36500), -timedelta(days=8)])
async def test_a_start_on_a_wrong_clock_posts_and_plans_nothing(database: Path, wrong: timedelta) -> None:
    """When the clock is set, the digest is planned by the right time, and comes then."""
    machine = Machine()
    async with Desk(database, now=machine.right) as desk:
        machine.wrong = wrong
        bot = await desk.start_bot(machine.tuning(), DIGEST=MONDAYS)
        await bot.worker.until_idle()
        assert await bot.store.read(lambda tables: tables.digests.planned()) is None
        await machine.set_right()
        await bot.worker.until_idle()
        planned = await bot.store.read(lambda tables: tables.digests.planned())
        assert planned is not None
        assert planned.due_at == NEXT
        assert desk.slack.space.messages(PAYMENTS) == []
        machine.passed += (NEXT - machine.right()).total_seconds()
        await bot.worker.until_idle()
        assert [each.text[0] for each in desk.slack.space.messages(PAYMENTS)] == ["📊"]


async def test_a_digest_is_no_message_of_another_record(week: Week) -> None:
    """Nobody has asked for anything yet, and the bot starts again: the only message in the channel is its own."""
    await week.start()
    await week.at(NEXT + timedelta(days=7))
    assert len(week.digests()) == 1
    await week.desk.stop_bot()
    await week.start()
    assert week.desk.running_bot.connection.ready.is_set()
