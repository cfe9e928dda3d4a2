"""The Home tabs that people opened: whose is owed, and when."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from bot.domain.audit import BOT
from bot.domain.cancellation import State
from bot.domain.delivery import Publish
from bot.domain.events import (
    BackedUp,
    CardPosted,
    ClickRefused,
    Content,
    Erased,
    Frozen,
    LookedUp,
    Named,
    Reminded,
    Requested,
    RequestRefused,
    Restored,
    Sending,
    Started,
    Stopped,
    Unfrozen,
    Voted,
)
from bot.domain.policy import Act, Verdict
from bot.store import Store, Tables
from tests.clock import Clock
from tests.postgres import ON_SQLITE
from tests.store.rows import add, brought
from tests.writer import Writer

LEASE = timedelta(minutes=2)
SECOND = timedelta(seconds=1)


def claim(tx: Tables, at: datetime) -> list[str]:
    """Claim all that is due; return whose tabs."""
    return [each.person for each in tx.homes.claim(at, LEASE, room=100)]


def publish(tx: Tables, at: datetime) -> list[str]:
    """Publish all that is due; return whose tabs."""
    claimed = tx.homes.claim(at, LEASE, room=100)
    for each in claimed:
        tx.homes.conclude(each, at)
    return [each.person for each in claimed]


async def do(store: Store, work: Callable[[Tables], object]) -> object:
    """Run one transaction."""
    return await store.transaction("test", work)


async def test_an_opened_tab_is_published_once(store: Store, clock: Clock) -> None:
    """Nobody else's is, and after that nothing is owed."""

    def work(tx: Tables) -> None:
        tx.homes.opened("U1", clock())
        assert publish(tx, clock()) == ["U1"]
        assert publish(tx, clock() + timedelta(hours=1)) == []
        assert tx.next_due(clock() - SECOND) is None

    await do(store, work)


async def test_many_changes_within_a_second_lead_to_one_more_publish(store: Store, clock: Clock) -> None:
    """However often something changes or the tab is opened, one person's tab is published once a second."""

    def work(tx: Tables) -> None:
        at = clock()
        tx.homes.opened("U1", at)
        assert publish(tx, at) == ["U1"]
        for _ in range(5):
            tx.homes.changed(at + SECOND / 4)
            tx.homes.opened("U1", at + SECOND / 3)
        assert tx.next_due(at) == at + SECOND
        assert publish(tx, at + SECOND / 2) == []
        assert publish(tx, at + SECOND) == ["U1"]
        assert publish(tx, at + 9 * SECOND) == []
        tx.homes.changed(at + 9 * SECOND)
        assert publish(tx, at + 9 * SECOND) == ["U1"]

    await do(store, work)


@pytest.mark.parametrize("by", ["a change", "an opening"])
async def test_what_changes_during_a_publish_goes_into_the_next_one(store: Store, clock: Clock, by: str) -> None:
    """A worker that has it in hand read it before, so the tab is owed again; nobody else takes it meanwhile."""

    def work(tx: Tables) -> None:
        at = clock()
        tx.homes.opened("U1", at)
        (mine,) = tx.homes.claim(at, LEASE, room=1)
        if by == "a change":
            tx.homes.changed(at)
        else:
            tx.homes.opened("U1", at)
        assert claim(tx, at + SECOND) == []
        tx.homes.conclude(mine, at + SECOND)
        assert publish(tx, at + SECOND) == ["U1"]
        assert publish(tx, at + 5 * SECOND) == []

    await do(store, work)


async def test_a_tab_counts_as_open_for_an_hour(store: Store, clock: Clock) -> None:
    """After that, a change is no reason to publish it, and opening it is."""

    def work(tx: Tables) -> None:
        at = clock()
        for person, minutes in (("U1", 0), ("U2", 30)):
            tx.homes.opened(person, at + timedelta(minutes=minutes))
        publish(tx, at + timedelta(minutes=30))
        tx.homes.changed(at + timedelta(minutes=59))
        assert publish(tx, at + timedelta(minutes=59)) == ["U1", "U2"]
        tx.homes.changed(at + timedelta(minutes=60))
        assert publish(tx, at + timedelta(minutes=60)) == ["U2"]
        tx.homes.opened("U1", at + timedelta(minutes=70))
        assert publish(tx, at + timedelta(minutes=70)) == ["U1"]

    await do(store, work)


async def test_after_a_failure_the_pause_stays(store: Store, clock: Clock) -> None:
    """Neither a change nor an opening makes the bot ask a Slack that refuses more often."""

    def work(tx: Tables) -> None:
        at = clock()
        tx.homes.opened("U1", at)
        (mine,) = tx.homes.claim(at, LEASE, room=1)
        tx.homes.postpone(mine, at + 20 * SECOND, None)
        tx.homes.changed(at + 5 * SECOND)
        tx.homes.opened("U1", at + 5 * SECOND)
        assert tx.next_due(at) == at + 20 * SECOND
        assert claim(tx, at + 19 * SECOND) == []
        assert tx.homes.claim(at + 20 * SECOND, LEASE, room=1) == [Publish("U1", 2)]

    await do(store, work)


async def test_a_rate_limit_holds_for_everybody(store: Store, clock: Clock) -> None:
    """Slack counts the method, not the people: all tabs wait, also those that become owed meanwhile."""

    def work(tx: Tables) -> None:
        at = clock()
        for person in ("U1", "U2", "U3"):
            tx.homes.opened(person, at)
        mine, other = tx.homes.claim(at, LEASE, room=2)
        tx.homes.conclude(other, at)
        tx.homes.postpone(mine, at + 30 * SECOND, None)
        tx.homes.pause(at + 30 * SECOND)
        tx.homes.changed(at + 2 * SECOND)
        assert claim(tx, at + 29 * SECOND) == []
        assert publish(tx, at + 30 * SECOND) == ["U1", "U2", "U3"]

    await do(store, work)


async def test_a_pause_from_a_wrong_clock_is_none(store: Store, clock: Clock) -> None:
    """A clock that was a day ahead keeps nobody's tab back."""

    def work(tx: Tables) -> None:
        at = clock()
        tx.homes.opened("U1", at + timedelta(days=1))
        assert publish(tx, at + timedelta(days=1)) == ["U1"]
        tx.homes.opened("U1", at)
        assert publish(tx, at) == ["U1"]

    await do(store, work)


async def test_a_try_in_doubt_is_followed_by_one_more_publish(store: Store, clock: Clock) -> None:
    """Slack may carry an earlier try out after a later one, so the last publish comes when that is over."""

    def work(tx: Tables) -> None:
        at = clock()
        tx.homes.opened("U1", at)
        (lost,) = tx.homes.claim(at, LEASE, room=1)
        tx.homes.postpone(lost, at + SECOND, at + 60 * SECOND)
        assert publish(tx, at + SECOND) == ["U1"]
        tx.homes.changed(at + 10 * SECOND)
        assert publish(tx, at + 10 * SECOND) == ["U1"]  # a change does not wait for that
        assert publish(tx, at + 59 * SECOND) == []
        assert publish(tx, at + 60 * SECOND) == ["U1"]
        assert publish(tx, at + 600 * SECOND) == []

    await do(store, work)


@pytest.mark.parametrize("wrong", [180 * SECOND, -10_000 * SECOND])
async def test_a_start_on_a_wrong_clock_ends_no_doubt(store: Store, clock: Clock, wrong: timedelta) -> None:
    """Whatever is published meanwhile, the last publish comes a minute after the start on the right clock."""

    def work(tx: Tables) -> None:
        at = clock()
        tx.homes.opened("U1", at)
        (lost,) = tx.homes.claim(at, LEASE, room=1)
        tx.homes.postpone(lost, at + SECOND, at + 60 * SECOND)
        assert publish(tx, at + SECOND) == ["U1"]
        for start in (at + 2 * SECOND + wrong, at + 4 * SECOND):
            tx.timers.wait_anew(start, 60 * SECOND)
            publish(tx, start + SECOND)
        assert publish(tx, at + 64 * SECOND) == ["U1"]
        assert publish(tx, at + 600 * SECOND) == []

    await do(store, work)


async def test_a_tab_that_was_open_at_the_last_event_is_open_after_a_start(store: Store, clock: Clock) -> None:
    """It was opened by a clock that was hours behind, perhaps; people look at it all the same."""

    def work(tx: Tables) -> None:
        at = clock()
        tx.homes.opened("UOPEN", at - timedelta(hours=3))
        tx.homes.opened("ULEFT", at - timedelta(hours=5))
        assert sorted(publish(tx, at)) == ["ULEFT", "UOPEN"]
        tx.homes.stay_open(at - timedelta(hours=2.5), at)
        tx.homes.changed(at + SECOND)
        assert publish(tx, at + SECOND) == ["UOPEN"]

    await do(store, work)


async def test_what_a_dead_worker_held_is_due_and_in_doubt(store: Store, clock: Clock) -> None:
    """The next process publishes at once, and once more when Slack has carried out the last breath of the former."""

    def work(tx: Tables) -> None:
        at = clock()
        for person in ("U1", "U2"):
            tx.homes.opened(person, at)
        assert len(tx.homes.claim(at, LEASE, room=1)) == 1
        tx.homes.end_leases(at + 5 * SECOND, at + 65 * SECOND)
        assert sorted(publish(tx, at + 5 * SECOND)) == ["U1", "U2"]
        assert publish(tx, at + 65 * SECOND) == ["U1"]
        assert publish(tx, at + 600 * SECOND) == []

    await do(store, work)


async def test_a_lease_ends_and_the_result_of_the_older_try_changes_nothing(store: Store, clock: Clock) -> None:
    """A worker takes up what another one held too long, but not what it holds itself."""

    def work(tx: Tables) -> None:
        at = clock()
        tx.homes.opened("U1", at)
        (older,) = tx.homes.claim(at, LEASE, room=1)
        assert tx.next_due(at) == at + LEASE
        assert tx.homes.claim(at + LEASE, LEASE, room=1, held={"U1"}) == []
        (newer,) = tx.homes.claim(at + LEASE, LEASE, room=1)
        tx.homes.conclude(older, at + LEASE)
        tx.homes.postpone(older, at + LEASE, None)
        assert claim(tx, at + LEASE + SECOND) == []
        tx.homes.conclude(newer, at + LEASE + SECOND)
        # What the older one sent may be carried out late.
        assert publish(tx, at + 2 * LEASE) == ["U1"]
        assert claim(tx, at + 3 * LEASE) == []

    await do(store, work)


@pytest.mark.parametrize("room", [-2, 0, 1, 2])
async def test_no_more_are_claimed_than_there_is_room_for(store: Store, clock: Clock, room: int) -> None:
    """Those that have waited longest come first."""

    def work(tx: Tables) -> list[str]:
        for number in (3, 2, 1):
            tx.homes.opened(f"U{number}", clock() - number * SECOND)
        return [each.person for each in tx.homes.claim(clock(), LEASE, room=room)]

    assert await store.transaction("test", work) == ["U3", "U2"][: max(room, 0)]


async def test_a_step_of_the_clock_moves_what_is_owed_and_what_is_open(store: Store, clock: Clock) -> None:
    """Nobody's tab counts as left because the machine's clock was set, and a pause stays as long as it was."""
    step = timedelta(hours=3)

    def work(tx: Tables) -> None:
        at = clock()
        tx.homes.opened("U1", at)
        (mine,) = tx.homes.claim(at, LEASE, room=1)
        tx.homes.postpone(mine, at + 20 * SECOND, None)
        tx.timers.shift(step, made_after=0)
        assert tx.next_due(at) == at + step + 20 * SECOND
        assert publish(tx, at + step + 20 * SECOND) == ["U1"]
        tx.homes.changed(at + step + 30 * SECOND)
        assert publish(tx, at + step + 30 * SECOND) == ["U1"]

    await do(store, work)


@pytest.mark.parametrize("way", ["step", "start"])
async def test_a_clock_that_went_back_by_minutes_holds_no_tab_up(store: Store, clock: Clock, way: str) -> None:
    """The second that Slack wants between two publishes is over by every clock; a freeze shows on the tab at once."""
    step, longest = timedelta(minutes=-4), timedelta(minutes=5)

    def work(tx: Tables) -> None:
        at = clock()
        tx.homes.opened("U1", at)
        assert publish(tx, at) == ["U1"]
        at += step + 2 * SECOND
        if way == "step":
            tx.timers.shift(step, made_after=0)
        else:
            tx.timers.bring_forward(
                at, before_attempt=longest, before_try=longest, before_message=10 * SECOND, late=60 * SECOND
            )
        tx.homes.changed(at)
        assert publish(tx, at) == ["U1"]

    await do(store, work)


async def test_a_start_brings_forward_what_only_a_wrong_clock_put_off(store: Store, clock: Clock) -> None:
    """The longest pause that the bot makes is the longest that a tab waits."""

    def work(tx: Tables) -> None:
        tx.homes.opened("U1", clock() + timedelta(days=30))
        longest = timedelta(seconds=75)
        tx.timers.bring_forward(
            clock(), before_attempt=longest, before_try=longest, before_message=10 * SECOND, late=60 * SECOND
        )
        assert publish(tx, clock()) == ["U1"]

    await do(store, work)


ABOUT_IT: list[Content] = [
    Requested(("ord_1",)),
    Voted(1, 2),
    Reminded(1),
    Sending(1),
    CardPosted("C1", "1.1", "https://x"),
]
APART: list[Content] = [Frozen("why"), Unfrozen(), Started("1"), Erased((1,))]
NOTHING: list[Content] = [
    Stopped(),
    Named("ann"),
    LookedUp(),
    BackedUp(1, ""),
    Restored(1, ""),
    RequestRefused(Verdict.FROZEN),
]


@pytest.mark.parametrize("content", ABOUT_IT + APART, ids=lambda each: each.kind)
async def test_an_event_that_changes_what_people_see_owes_them_their_tabs(
    store: Store, clock: Clock, content: Content
) -> None:
    """The record is the one place that all changes pass, so no use case has to think of it."""

    def work(tx: Tables) -> None:
        request = add(tx, clock())
        tx.homes.opened("U1", clock())
        publish(tx, clock())
        tx.record.append(content, BOT, clock() + 2 * SECOND, request if content in ABOUT_IT else None)
        assert publish(tx, clock() + 2 * SECOND) == ["U1"]

    await do(store, work)


async def test_other_events_owe_nobody_anything(store: Store, clock: Clock) -> None:
    """A look-up, a name, a copy or a refusal changes nothing that a Home tab shows."""

    def work(tx: Tables) -> None:
        request = add(tx, clock())
        tx.homes.opened("U1", clock())
        publish(tx, clock())
        for content in NOTHING:
            tx.record.append(content, "U2", clock() + 2 * SECOND)
        refused = ClickRefused(Act.APPROVE, Verdict.NOT_AN_APPROVER, State.PENDING)
        tx.record.append(refused, "U2", clock() + 2 * SECOND, request)
        tx.record.append(RequestRefused(Verdict.ANOTHER_IS_OPEN), "U2", clock() + 2 * SECOND, request)
        assert publish(tx, clock() + 9 * SECOND) == []

    await do(store, work)


@ON_SQLITE
async def test_a_change_costs_one_statement_without_a_walk_where_nobody_looks(
    store: Store, writer: Writer, clock: Clock
) -> None:
    """However many people opened their tabs some day, the index leads past all of them."""

    def work(tx: Tables) -> list[str]:
        for number in range(300):
            tx.homes.opened(f"U{number}", clock())
        publish(tx, clock())
        statements: list[str] = []
        connection = writer.sqlite.database.conn
        connection.set_trace_callback(statements.append)
        tx.homes.changed(clock() + timedelta(hours=2))
        connection.set_trace_callback(None)
        (statement,) = statements
        return [str(row[3]) for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}")]

    (plan,) = await store.transaction("test", work)
    assert "homes_by_opening" in plan


async def test_the_open_requests_of_a_person_and_the_latest_of_all(store: Store, clock: Clock) -> None:
    """Open ones come with the oldest first; the decided ones, of one person or of all, with the newest first."""

    def work(tx: Tables) -> None:
        at, found = clock(), {}
        for number in range(1, 7):
            requester = "U1" if number % 2 else "U2"
            found[number] = add(tx, at, f"ord_{number}", form=f"V{number}", requester=requester)
        brought(tx, found[1], State.APPROVED, at=at)
        brought(tx, found[2], State.REJECTED, at=at)
        brought(tx, found[3], State.WITHDRAWN, at=at)
        brought(tx, found[5], State.APPROVED, State.SENDING, State.UNKNOWN, at=at)
        assert [each.order_ids for each in tx.requests.open_by("U1")] == [("ord_1",), ("ord_5",)]
        assert [each.order_ids for each in tx.requests.open_by("U2")] == [("ord_4",), ("ord_6",)]
        assert tx.requests.open_by("U3") == []
        assert [each.order_ids[0] for each in tx.requests.latest(3)] == ["ord_5", "ord_3", "ord_2"]
        assert [each.order_ids[0] for each in tx.requests.latest(9, only_of="U2")] == ["ord_2"]
        assert tx.requests.latest(9, only_of="U3") == []

    await do(store, work)


async def test_a_request_with_several_orders_comes_once(store: Store, clock: Clock) -> None:
    """It is open while one of its orders is, and has all of them."""

    def work(tx: Tables) -> None:
        added = tx.requests.add(
            form_id="V1",
            order_ids=["ord_1", "ord_2", "ord_3"],
            reason="",
            requester="U1",
            card_channel="C1",
            approvals_required=1,
            at=clock(),
            expires_at=clock() + timedelta(hours=1),
        )
        assert not isinstance(added, list)
        tx.requests.move(added, State.APPROVED, at=clock(), due_at=clock())
        one = tx.requests.of_cancellation(added.cancellations[1].number)
        assert one is not None
        tx.cancellations.move(one.cancellation, State.CANCELLED, at=clock())
        (is_open,) = tx.requests.open_by("U1")
        (latest,) = tx.requests.latest(5)
        assert is_open == latest
        assert [each.state for each in latest.cancellations] == [State.APPROVED, State.CANCELLED, State.APPROVED]

    await do(store, work)


async def test_a_tab_whose_worker_may_stand_still_is_published_once_more(store: Store, clock: Clock) -> None:
    """That worker may go on, and then Slack shows what it had read before the one that took its place."""

    def work(tx: Tables) -> None:
        tx.homes.opened("U1", clock())
        assert claim(tx, clock()) == ["U1"]
        later = clock() + LEASE + SECOND
        assert publish(tx, later) == ["U1"]
        assert publish(tx, later + timedelta(seconds=59)) == []
        assert publish(tx, later + timedelta(seconds=61)) == ["U1"]
        assert publish(tx, later + timedelta(hours=1)) == []

    await do(store, work)
