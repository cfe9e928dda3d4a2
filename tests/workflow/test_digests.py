"""The digest: planned before it is due, owed once for each period, and proved by its event."""

import asyncio
import itertools
import random
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from bot.domain.audit import timestamp
from bot.domain.cancellation import State
from bot.domain.delivery import DeliveryKind, DeliveryOutcome, Receipt
from bot.domain.events import DeliveryAbandoned, Digest, DigestCalledOff, DigestMoved, Started
from bot.domain.projection import Subject
from bot.domain.report import Period, Row
from bot.domain.schedule import Schedule
from bot.store import Store, open_beside, verify_all
from bot.store.reports import Reports
from bot.workflow import Rules, Workflow
from tests.clock import Clock
from tests.workflow.steps import (
    CANCELLED,
    DELIVERED,
    LOST,
    approve,
    approved,
    contents,
    deliver_all,
    requested,
    sending,
)
from tests.world import actor, typed

PHNOM_PENH = ZoneInfo("Asia/Phnom_Penh")
MONDAYS = Schedule(0, time(9, 0), PHNOM_PENH)
NOON = Schedule(None, time(12, 0), ZoneInfo("UTC"))
# The clock of the tests begins on Monday, 23 November 2026, at 16:00 in Phnom Penh.
BEFORE, LAST, NEXT = (datetime(2026, 11, day, 2, 0, tzinfo=UTC) for day in (16, 23, 30))
WEEK = timedelta(weeks=1)


@pytest.fixture
def rules(rules: Rules) -> Rules:
    """Return rules with a digest each Monday."""
    return replace(rules, digest=MONDAYS, approval_channel="C0PAY")


class Week:
    """The use cases with a clock, and a worker that reads the figures as soon as they are due."""

    def __init__(self, workflow: Workflow, store: Store, clock: Clock) -> None:
        self.workflow, self.store, self.clock = workflow, store, clock

    async def work(self) -> Period | None:
        """Do what is due; return the period of the digest that was."""
        claimed = await self.workflow.claim("w", calls=0, messages=0)
        if claimed.digest is not None:
            await self.workflow.digest(claimed.digest)
        return claimed.digest.period if claimed.digest is not None else None

    async def restart(self, **changes: Any) -> None:
        """Let a new process take over, perhaps with other rules."""
        rules = replace(self.workflow.rules, **changes)
        self.workflow = Workflow(self.store, rules, now=self.clock, wake=asyncio.Event())
        await self.workflow.start(Started("1"))
        await self.work()

    async def planned(self) -> tuple[datetime, datetime] | None:
        """Return where the next digest's period begins, and when it is due."""
        found = await self.store.read(lambda tables: tables.digests.planned())
        return (found.since, found.due_at) if found and found.schedule else None

    async def digests(self) -> list[Digest]:
        """Return all digests on record."""
        return [each for each in await contents(self.store) if isinstance(each, Digest)]

    async def periods(self) -> list[tuple[str, str]]:
        """Return the periods of all digests on record."""
        return [(each.since, each.until) for each in await self.digests()]


@pytest.fixture
def week(workflow: Workflow, store: Store, clock: Clock) -> Week:
    """Return the use cases."""
    return Week(workflow, store, clock)


async def test_the_first_digest_is_planned_with_its_whole_period(week: Week) -> None:
    """Its time is in the database before it is due, and the worker knows when to look."""
    assert await week.work() is None
    assert await week.planned() == (LAST, NEXT)
    assert (await week.workflow.claim("w", calls=0, messages=0)).next_at == NEXT
    assert await week.periods() == []


async def test_a_digest_is_owed_when_it_is_due_and_not_before(week: Week) -> None:
    """The event has the figures, the message is in the outbox, and the next digest is planned."""
    await week.work()
    await approved(week.workflow)
    await week.workflow.record_answer(await sending(week.workflow), CANCELLED)
    await deliver_all(week.workflow)
    week.clock.at = NEXT - timedelta(milliseconds=1)
    assert await week.work() is None
    week.clock.at = NEXT
    assert await week.work() == Period(LAST, NEXT)
    assert await week.planned() == (NEXT, NEXT + WEEK)
    (content,) = [each for each in await contents(week.store) if isinstance(each, Digest)]
    assert (content.channel, content.zone) == ("C0PAY", "Asia/Phnom_Penh")
    assert (content.since, content.until) == (timestamp(LAST), timestamp(NEXT))
    assert content.report.total.requests == {State.APPROVED: 1}
    assert content.report.total.orders == {State.CANCELLED: 1}
    assert await deliver_all(week.workflow) == [DeliveryKind.DIGEST]
    assert await week.work() is None
    assert verify_all(week.store.place).damage is None


async def test_a_message_of_a_digest_is_about_no_request(week: Week) -> None:
    """The worker gets the channel and the event, and no request; a refused rate holds up the channel."""
    await week.work()
    week.clock.at = NEXT
    await week.work()
    (claimed,) = (await week.workflow.claim("w", calls=0, messages=1)).deliveries
    assert (claimed.request, claimed.delivery.request_id, claimed.delivery.target) == (None, "", "C0PAY")
    assert isinstance(claimed.event.content, Digest)
    limited = Receipt(DeliveryOutcome.LATER, problem="ratelimited", retry_after=7.0)
    assert (await week.workflow.record_delivery(claimed.delivery, limited)).pause == timedelta(seconds=7)
    week.clock.advance(seconds=8)
    (again,) = (await week.workflow.claim("w", calls=0, messages=1)).deliveries
    await week.workflow.record_delivery(again.delivery, DELIVERED)
    late = replace(DELIVERED, ts="9.9")
    assert (await week.workflow.record_delivery(again.delivery, late)).surplus


@pytest.mark.parametrize("weeks", [1, 2, 5])
async def test_a_long_absence_brings_one_digest_that_says_its_period(week: Week, weeks: int) -> None:
    """It is from the last digest to the last time at which one should have come; the next is as usual."""
    await week.work()
    week.clock.at = NEXT + weeks * WEEK + timedelta(days=2)
    await week.restart()
    assert await week.work() is None
    assert await week.periods() == [(timestamp(LAST), timestamp(NEXT + weeks * WEEK))]
    assert await week.planned() == (NEXT + weeks * WEEK, NEXT + (weeks + 1) * WEEK)


async def test_a_changed_setting_plans_anew_and_leaves_no_gap(week: Week) -> None:
    """The next digest comes by the new setting, and begins where the last one ended."""
    await week.work()
    await week.restart(digest=NOON)
    noon = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
    assert await week.planned() == (LAST, noon)
    week.clock.at = noon
    await week.work()
    assert await week.periods() == [(timestamp(LAST), timestamp(noon))]
    await week.restart(digest=MONDAYS)
    assert await week.planned() == (noon, NEXT)


async def test_a_removed_setting_drops_what_was_planned(week: Week) -> None:
    """No digest comes, and when the setting comes back it begins with one whole period."""
    await week.work()
    await week.restart(digest=None)
    assert await week.planned() is None
    week.clock.at = NEXT + 8 * WEEK + timedelta(days=1)
    assert await week.work() is None
    await week.restart(digest=MONDAYS)
    assert await week.planned() == (NEXT + 8 * WEEK, NEXT + 9 * WEEK)
    assert await week.periods() == []


async def test_nothing_is_planned_or_due_before_the_clock_is_confirmed(
    store: Store, rules: Rules, clock: Clock
) -> None:
    """A start on a clock that may be wrong decides nothing."""
    unsure: datetime | None = clock()
    workflow = Workflow(store, rules, now=clock, wake=asyncio.Event(), unconfirmed=lambda: unsure)
    week = Week(workflow, store, clock)
    assert await week.work() is None
    assert await week.planned() is None
    unsure = None
    await week.work()
    unsure = clock.at = NEXT
    assert await week.work() is None
    unsure = None
    assert await week.work() == Period(LAST, NEXT)


async def test_a_digest_stays_at_its_time_when_the_clock_steps(week: Week) -> None:
    """It is a time of the calendar, and no time that somebody has to wait."""
    await week.work()
    week.clock.advance(hours=5)
    await week.store.transaction("follow", lambda tx: week.workflow.shift(tx, timedelta(hours=5)))
    assert await week.planned() == (LAST, NEXT)


async def test_what_a_clock_in_the_future_planned_is_planned_anew(week: Week) -> None:
    """The clock was a century ahead, and confirmed; a digest comes next Monday all the same."""
    now = week.clock()
    week.clock.advance(days=36500)
    await week.work()
    week.clock.at = now
    await week.work()
    assert await week.planned() == (LAST, NEXT)


async def test_a_clock_that_is_set_back_a_little_repeats_no_digest(week: Week) -> None:
    """The digest of this Monday is posted already."""
    await week.work()
    week.clock.at = NEXT + timedelta(seconds=30)
    await week.work()
    week.clock.at = NEXT - timedelta(seconds=30)
    await week.work()
    week.clock.at = NEXT
    assert await week.work() is None
    assert await week.periods() == [(timestamp(LAST), timestamp(NEXT))]
    week.clock.at = NEXT + WEEK
    assert await week.work() == Period(NEXT, NEXT + WEEK)


async def test_what_is_asked_for_while_the_clock_shows_a_time_again_is_in_the_next_digest(week: Week) -> None:
    """A request is in one digest and in no other, and not among those that are left from before."""
    await week.work()
    week.clock.at = NEXT - timedelta(minutes=5)
    await requested(week.workflow)
    week.clock.at = NEXT + timedelta(minutes=1)
    await week.work()
    week.clock.at = NEXT - timedelta(minutes=59)
    await approved(week.workflow, "ord_2", form="V2")
    await week.workflow.record_answer(await sending(week.workflow), replace(LOST, repeat=False))
    week.clock.at = NEXT + timedelta(days=1)
    await requested(week.workflow, "ord_3", form="V3")
    for weeks in (1, 2):
        week.clock.at = NEXT + weeks * WEEK
        await week.work()
    digests = await week.digests()
    assert [each.report.total.asked for each in digests] == [1, 2, 0]
    assert [each.report.unknown_before for each in digests] == [0, 0, 1]
    assert not any(each.again for each in digests)


async def test_after_a_clock_that_was_ahead_each_request_is_in_one_digest(week: Week) -> None:
    """A digest for a time that an earlier one was about says so, and does not count again what that one counted."""
    daily = replace(NOON, at=time(9, 30))
    at = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
    await week.restart(digest=daily)
    week.clock.at = at + timedelta(days=2) - timedelta(minutes=5)
    await week.work()
    await requested(week.workflow)
    week.clock.at = at + timedelta(days=2)
    await week.work()
    await requested(week.workflow, "ord_2", form="V2")
    week.clock.at = at + timedelta(minutes=1)
    await week.work()
    await requested(week.workflow, "ord_3", form="V3")
    for days in (1, 2, 3):
        week.clock.at = at + timedelta(days=days)
        await week.work()
    found = [(each.until[8:10], each.again, each.report.total.asked) for each in await week.digests()]
    assert found == [("24", False, 0), ("25", False, 1), ("24", True, 2), ("25", True, 0), ("26", False, 0)]


async def test_a_digest_comes_at_its_time_though_one_came_while_the_clock_was_ahead(week: Week) -> None:
    """A clock that was a day ahead on Sunday does not put off the digest of Monday for a week."""
    await week.work()
    week.clock.at = NEXT
    await week.work()
    week.clock.at = NEXT - timedelta(days=1)
    await week.work()
    await requested(week.workflow)
    week.clock.at = NEXT
    assert await week.work() == Period(LAST, NEXT)
    assert [(each.again, each.report.total.asked) for each in await week.digests()] == [(False, 0), (True, 1)]
    assert await week.planned() == (NEXT, NEXT + WEEK)


@pytest.mark.parametrize("seed", range(12))
async def test_whatever_the_clock_and_the_settings_do_no_request_is_in_two_digests(week: Week, seed: int) -> None:
    """While there is a setting none is in no digest either, and no two digests name the same time as their own."""
    chance = random.Random(seed)
    schedules = [NOON, MONDAYS, replace(NOON, at=time(18, 0))]
    off = seed % 3 == 0
    await week.restart(digest=NOON)
    asked = 0
    for _ in range(60):
        match chance.randrange(6):
            case 0:
                await requested(week.workflow, f"ord_{asked}", form=f"V{asked}")
                asked += 1
            case 1:
                week.clock.advance(hours=chance.choice([-200, -30, -1, 30, 200]))
            case 2:
                await week.restart(digest=chance.choice([*schedules, None] if off else schedules))
            case _:
                week.clock.advance(hours=chance.randrange(1, 30))
        await week.work()
    await week.restart(digest=NOON)
    latest = max([week.clock(), *(datetime.fromisoformat(each.until) for each in await week.digests())])
    for days in (2, 4):
        week.clock.at = latest + timedelta(days=days)
        await week.work()
    found = await week.digests()
    counted = sum(each.report.total.asked for each in found)
    assert counted <= asked if off else counted == asked
    named = sorted((each.since, each.until) for each in found if not each.again)
    assert all(until <= since for (_, until), (since, _) in itertools.pairwise(named))
    assert all(each.since < each.until for each in found)


async def test_a_setting_that_comes_back_counts_nothing_again(week: Week) -> None:
    """The digest after it goes on where the last one ended, or is about one whole period if that is longer ago."""
    await week.work()
    await requested(week.workflow)
    week.clock.at = NEXT
    await week.work()
    await requested(week.workflow, "ord_2", form="V2")
    week.clock.advance(hours=1)
    await week.restart(digest=None)
    await week.restart(digest=replace(NOON, at=time(1, 0)))
    assert await week.planned() == (NEXT, NEXT + timedelta(hours=23))
    week.clock.at = NEXT + timedelta(days=1)
    await week.work()
    await requested(week.workflow, "ord_3", form="V3")
    await week.restart(digest=None)
    week.clock.at = NEXT + timedelta(days=30)
    await requested(week.workflow, "ord_4", form="V4")
    await week.restart(digest=NOON)
    week.clock.advance(days=1)
    await week.work()
    assert [each.report.total.asked for each in await week.digests()] == [1, 1, 1]
    assert verify_all(week.store.place).damage is None


async def test_a_freeze_makes_no_difference(week: Week) -> None:
    """The digest is no step towards the gateway."""
    await week.work()
    await week.workflow.freeze(actor("UONE"), "why", typed())
    week.clock.at = NEXT
    assert await week.work() == Period(LAST, NEXT)
    assert DeliveryKind.DIGEST in await deliver_all(week.workflow)


async def test_two_workers_owe_one_digest(week: Week) -> None:
    """While one reads, nobody else begins; a worker that counted as dead finds it done."""
    await week.work()
    week.clock.at = NEXT
    first = await week.workflow.claim("w", calls=0, messages=0)
    assert first.digest is not None
    assert (await week.workflow.claim("v", calls=0, messages=0)).digest is None
    assert first.next_at == NEXT + week.workflow.rules.patience.attempt_lease
    week.clock.at = first.next_at
    assert await week.work() == first.digest.period
    await week.workflow.digest(first.digest)
    assert len(await week.periods()) == 1


async def test_a_start_takes_a_digest_from_a_dead_process(week: Week) -> None:
    """It comes at once, and not after the lease."""
    await week.work()
    week.clock.at = NEXT
    await week.workflow.claim("w", calls=0, messages=0)
    await week.restart()
    assert len(await week.periods()) == 1


async def test_the_figures_are_of_the_period_and_name_what_is_left_from_before(week: Week) -> None:
    """What was asked for at the end of the period belongs to the next one."""
    await week.work()
    week.clock.at = NEXT - timedelta(milliseconds=1)
    await requested(week.workflow)
    week.clock.at = NEXT
    await requested(week.workflow, "ord_2", form="V2")
    await week.work()
    week.clock.at = NEXT + WEEK
    await week.work()
    digests = [each for each in await contents(week.store) if isinstance(each, Digest)]
    assert [each.report.total.asked for each in digests] == [1, 1]


async def test_a_digest_that_slack_never_takes_is_given_up_on_record(week: Week) -> None:
    """The event says it, and the record proves the outbox."""
    await week.work()
    week.clock.at = NEXT
    await week.work()
    (claimed,) = (await week.workflow.claim("w", calls=0, messages=1)).deliveries
    never = Receipt(DeliveryOutcome.IMPOSSIBLE, problem="msg_too_long")
    await week.workflow.record_delivery(claimed.delivery, never)
    assert (await contents(week.store))[-1] == DeliveryAbandoned(DeliveryKind.DIGEST, "msg_too_long")
    assert verify_all(week.store.place).damage is None


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM deliveries WHERE kind = 'digest'",
        "UPDATE deliveries SET target = 'C0EVIL' WHERE kind = 'digest'",
        "UPDATE deliveries SET event_seq = (SELECT max(seq) FROM audit_events) WHERE kind = 'digest'",
        "UPDATE deliveries SET ts = '' WHERE kind = 'digest'",
        "UPDATE deliveries SET status = 'abandoned' WHERE kind = 'digest'",
        "UPDATE deliveries SET status = 'called_off' WHERE kind = 'digest'",
        "UPDATE deliveries SET kind = 'reply' WHERE kind = 'digest'",
        (
            "INSERT INTO deliveries (id, kind, event_seq, target, enqueued_at, due_at)"
            " SELECT 'x', kind, event_seq, target, enqueued_at, due_at FROM deliveries WHERE kind = 'digest'"
        ),
    ],
)
async def test_a_verification_finds_a_forged_message(week: Week, statement: str) -> None:
    """Each digest on record has its one message, in its channel."""
    await week.work()
    week.clock.at = NEXT
    await week.work()
    await deliver_all(week.workflow)
    await requested(week.workflow)
    with open_beside(week.store.place) as tx:
        tx.connection.execute(statement)
    found = verify_all(week.store.place)
    assert found.contradiction is not None
    assert found.contradiction.subject is Subject.DELIVERIES


REFUSED = Receipt(DeliveryOutcome.BLOCKED, problem="channel_not_found", posted_nothing=True)
AWAY = Receipt(DeliveryOutcome.LATER, problem="not_reachable", posted_nothing=True)
UNCLEAR = Receipt(DeliveryOutcome.IN_DOUBT, problem="TimeoutError", in_doubt=True)
DOUBTFUL = replace(REFUSED, in_doubt=True)


async def owed(week: Week) -> None:
    """Let a digest be owed to C0PAY."""
    await week.work()
    week.clock.at = NEXT
    await week.work()


async def tried(workflow: Workflow, clock: Clock, *receipts: Receipt) -> list[str]:
    """Try to deliver with these results, a minute after each other; return where each went."""
    targets = []
    for receipt in receipts:
        (claimed,) = (await workflow.claim("w", calls=0, messages=1)).deliveries
        await workflow.record_delivery(claimed.delivery, receipt)
        targets.append(claimed.delivery.target)
        clock.advance(61)
    return targets


async def moves(week: Week) -> list[Any]:
    """Return what the record says of digests that went elsewhere, and verify it."""
    assert verify_all(week.store.place).damage is None
    return [each for each in await contents(week.store) if isinstance(each, DigestMoved | DigestCalledOff)]


@pytest.mark.parametrize("receipts", [(), (AWAY,), (REFUSED,), (REFUSED,) * 5])
async def test_a_digest_that_nobody_has_seen_goes_to_the_channel_of_todays_settings(
    week: Week, receipts: tuple[Receipt, ...]
) -> None:
    """A start with another channel moves it on record, and nothing waits for the old one any more."""
    await owed(week)
    assert await tried(week.workflow, week.clock, *receipts) == ["C0PAY"] * len(receipts)
    seq = (await week.store.read(lambda tables: tables.record.last())).seq
    await week.restart(approval_channel="C0NEW")
    assert await moves(week) == [DigestMoved(seq, "C0NEW")]
    assert await week.workflow.stuck() == []
    assert await tried(week.workflow, week.clock, DELIVERED) == ["C0NEW"]
    assert await deliver_all(week.workflow) == []
    await week.restart(approval_channel="C0PAY")
    assert len(await moves(week)) == 1


async def test_a_digest_that_may_be_in_the_old_channel_is_looked_for_there(week: Week) -> None:
    """What Slack finds there stays; where it is not, and Slack refuses it, it goes to the channel of the settings."""
    await owed(week)
    await tried(week.workflow, week.clock, UNCLEAR)
    await week.restart(approval_channel="C0NEW")
    assert await moves(week) == []
    targets = await tried(week.workflow, week.clock, DOUBTFUL, DOUBTFUL, DELIVERED)
    assert (targets, len(await moves(week))) == (["C0PAY", "C0PAY", "C0NEW"], 1)
    week.clock.at = NEXT + WEEK
    await week.work()
    assert await tried(week.workflow, week.clock, UNCLEAR) == ["C0NEW"]
    await week.restart(approval_channel="C0PAY")
    assert await tried(week.workflow, week.clock, DELIVERED) == ["C0NEW"]
    assert len(await moves(week)) == 1


async def test_a_digest_that_slack_may_show_in_a_moment_is_not_moved(week: Week) -> None:
    """A refusal within a minute after a lost answer does not say that it is not there."""
    await owed(week)
    await tried(week.workflow, week.clock, REFUSED, REFUSED, UNCLEAR)
    week.clock.advance(-55)
    await week.restart(approval_channel="C0NEW")
    assert await tried(week.workflow, week.clock, DOUBTFUL) == ["C0PAY"]
    assert await moves(week) == []
    assert await tried(week.workflow, week.clock, DOUBTFUL, DELIVERED) == ["C0PAY", "C0NEW"]


async def test_a_late_message_of_a_digest_that_went_elsewhere_is_removed(week: Week) -> None:
    """It is in the channel of the settings, once."""
    await owed(week)
    (old,) = (await week.workflow.claim("w", calls=0, messages=1)).deliveries
    await week.workflow.record_delivery(old.delivery, REFUSED)
    await week.restart(approval_channel="C0NEW")
    assert (await week.workflow.record_delivery(old.delivery, DELIVERED)).surplus
    assert await tried(week.workflow, week.clock, DELIVERED) == ["C0NEW"]


@pytest.mark.parametrize("receipts", [(), (REFUSED,) * 5, (UNCLEAR,)])
async def test_a_setting_without_a_digest_calls_off_what_is_owed(week: Week, receipts: tuple[Receipt, ...]) -> None:
    """Nobody wants it any more, and the record says so."""
    await owed(week)
    await tried(week.workflow, week.clock, *receipts)
    seq = (await week.store.read(lambda tables: tables.record.last())).seq
    await week.restart(digest=None)
    assert await moves(week) == [DigestCalledOff(seq)]
    assert await deliver_all(week.workflow) == []
    assert await week.workflow.stuck() == []


async def test_bots_with_different_settings_do_not_move_a_digest_back_and_forth(week: Week) -> None:
    """Among others a start moves only what Slack refuses, and a refusal brings it to no channel a second time."""
    await owed(week)
    other = Workflow(
        week.store, replace(week.workflow.rules, approval_channel="C0NEW"), now=week.clock, wake=asyncio.Event()
    )
    await tried(week.workflow, week.clock, REFUSED)
    await other.start(Started("2"), alone=False)
    assert await moves(week) == []
    targets = []
    for _ in range(4):
        for workflow in (week.workflow, other):
            targets += await tried(workflow, week.clock, REFUSED)
    assert targets == ["C0PAY"] * 2 + ["C0NEW"] * 6
    assert [each.channel for each in await moves(week)] == ["C0NEW"]
    await week.workflow.start(Started("3"), alone=False)
    assert [each.channel for each in await moves(week)] == ["C0NEW", "C0PAY"]
    await other.start(Started("4"), alone=False)
    assert len(await moves(week)) == 2
    await other.start(Started("5"), alone=True)
    await week.work()
    assert [each.channel for each in await moves(week)] == ["C0NEW", "C0PAY", "C0NEW"]


async def test_a_start_among_others_leaves_a_digest_in_their_hands(week: Week) -> None:
    """Another bot may be posting it in this moment, and a digest that nobody refuses is called off by nobody else."""
    await owed(week)
    await tried(week.workflow, week.clock, *(REFUSED,) * 4)
    (held,) = (await week.workflow.claim("w", calls=0, messages=1)).deliveries
    for rules in (replace(week.workflow.rules, approval_channel="C0NEW"), replace(week.workflow.rules, digest=None)):
        other = Workflow(week.store, rules, now=week.clock, wake=asyncio.Event())
        await other.start(Started("2"), alone=False)
    assert await moves(week) == []
    await week.workflow.record_delivery(held.delivery, DELIVERED)
    await other.start(Started("3"), alone=False)
    assert await moves(week) == []


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM deliveries WHERE kind = 'digest' AND status = 'called_off'",
        "DELETE FROM deliveries WHERE kind = 'digest' AND status = 'delivered'",
        "UPDATE deliveries SET status = 'delivered', ts = '9.9' WHERE kind = 'digest'",
        "UPDATE deliveries SET status = 'called_off' WHERE kind = 'digest'",
        "UPDATE deliveries SET target = 'C0PAY' WHERE kind = 'digest'",
    ],
)
async def test_a_verification_finds_a_forged_way_of_a_digest(week: Week, statement: str) -> None:
    """A digest has one message in each channel for which it was, and only the last may be in Slack."""
    await owed(week)
    await week.restart(approval_channel="C0NEW")
    await deliver_all(week.workflow)
    assert verify_all(week.store.place).damage is None
    with open_beside(week.store.place) as tx:
        tx.connection.execute(statement)
    found = verify_all(week.store.place)
    assert found.contradiction is not None
    assert found.contradiction.subject is Subject.DELIVERIES


async def test_a_request_of_a_clock_that_was_ahead_is_in_the_next_digest(week: Week) -> None:
    """It is counted when the bot's clock is right again, and does not wait for the time that it has on record."""
    await week.work()
    week.clock.advance(days=36500)
    await requested(week.workflow)
    week.clock.at = NEXT
    await week.work()
    assert [each.report.total.asked for each in await week.digests()] == [1]


async def test_people_do_not_wait_while_the_figures_are_read(week: Week, monkeypatch: pytest.MonkeyPatch) -> None:
    """A year's orders take a while; requests are taken meanwhile, and do not change the figures."""
    await week.work()
    week.clock.at = NEXT - timedelta(seconds=1)
    await requested(week.workflow)
    week.clock.at = NEXT
    reading, read, rows = threading.Event(), threading.Event(), Reports._rows  # noqa: SLF001 -- the slow part

    def slow(self: Reports, sql: str, *values: object) -> Iterator[Row]:
        for row in rows(self, sql, *values):
            reading.set()
            assert read.wait(60)
            yield row

    monkeypatch.setattr(Reports, "_rows", slow)
    working = asyncio.create_task(week.work())
    await asyncio.to_thread(reading.wait, 60)
    await approve(week.workflow, await requested(week.workflow, "ord_2", form="V2"))
    read.set()
    assert await working == Period(LAST, NEXT)
    (content,) = [each for each in await contents(week.store) if isinstance(each, Digest)]
    assert content.report.total.requests == {State.PENDING: 1}
