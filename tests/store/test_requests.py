"""Requests: one open one for each order, steps that may follow, and what is due."""

from datetime import timedelta

import pytest

from bot.domain.attempt import Answer, Outcome, Reason, Trouble
from bot.domain.cancellation import Choice, Earlier, State
from bot.domain.delivery import DeliveryOutcome, Receipt
from bot.store import Store, Tables
from tests.clock import Clock
from tests.postgres import REFUSED
from tests.store.rows import add, again, brought


async def test_a_request_is_read_back_as_it_was_added(store: Store, clock: Clock) -> None:
    """A new one is pending, expires in time, and can be found by its id, its order and its form."""
    added = await store.transaction("add", lambda tx: add(tx, clock()))
    assert (added.number, added.state, added.requester, added.reason) == (1, State.PENDING, "U1", "why")
    assert (added.requested_at, added.due_at) == (clock(), clock() + timedelta(hours=1))
    assert (added.cancellation.lease_until, added.card_ts, added.decisions, added.cancellation.last_answer) == (
        None,
        None,
        (),
        None,
    )

    def find(tables: Tables) -> list[object]:
        requests = tables.requests
        return [requests.get(added.id), requests.open_of("ord_1"), requests.by_form("V1", ["ord_1"])]

    assert await store.read(find) == [added] * 3


@pytest.mark.parametrize(
    "ends, shown",
    [
        ([State.CANCELLED], (State.CANCELLED, 0)),
        ([State.SETTLED_CANCELLED], (State.SETTLED_CANCELLED, 0)),
        ([State.SETTLED_NOT_CANCELLED, State.SETTLED_CANCELLED], (State.SETTLED_CANCELLED, 1)),
        ([State.CANCELLED, State.SETTLED_NOT_CANCELLED, State.REJECTED], (State.CANCELLED, 0)),
        ([State.REJECTED, State.REFUSED, State.FAILED, State.EXPIRED], None),
        ([], None),
    ],
)
async def test_a_pending_one_knows_how_an_earlier_one_ended(
    store: Store, clock: Clock, ends: list[State], shown: tuple[State, int] | None
) -> None:
    """Only where the order may be cancelled by now: by the gateway's word, or else by the latest statement."""
    ways = {
        State.REJECTED: (),
        State.EXPIRED: (),
        State.SETTLED_CANCELLED: (State.APPROVED, State.SENDING, State.UNKNOWN),
        State.SETTLED_NOT_CANCELLED: (State.APPROVED, State.SENDING, State.UNKNOWN),
    }

    def work(tx: Tables) -> None:
        at = clock()
        brought(tx, add(tx, at, "ord_2", form="other"), State.APPROVED, State.SENDING, State.CANCELLED, at=at)
        for number, end in enumerate(ends):
            asked = add(tx, at, form=f"V{number}")
            way = ways.get(end, (State.APPROVED, State.SENDING))
            brought(tx, asked, *way, end, at=at + timedelta(seconds=number))
        last = tx.requests.get(add(tx, at, form="last").id)
        assert last is not None
        assert last.cancellation.earlier == (shown and Earlier(shown[0], at + timedelta(seconds=shown[1])))
        assert brought(tx, last, State.REJECTED, at=at).cancellation.earlier is None

    await store.transaction("earlier", work)


async def test_a_second_open_one_of_the_same_order_is_not_added(store: Store, clock: Clock) -> None:
    """The table itself keeps two people who ask in the same instant apart."""

    def work(tx: Tables) -> object:
        add(tx, clock())
        return tx.requests.add(
            form_id="V2",
            order_ids=["ord_1"],
            reason="",
            requester="U2",
            card_channel="C1",
            approvals_required=1,
            at=clock(),
            expires_at=clock(),
        )

    assert await store.transaction("add twice", work) == ["ord_1"]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE cancellations SET state = 'approved' WHERE number = 1",
        (
            "INSERT INTO cancellations (request, order_id, requester, requested_at, state, changed_at, changed_seq)"
            " SELECT 3, order_id || '', 'U9', requested_at, 'unknown', requested_at, 1 FROM cancellations"
            " WHERE number = 2"
        ),
    ],
)
async def test_the_unique_index_stops_a_second_open_one_of_any_statement(
    store: Store, clock: Clock, statement: str
) -> None:
    """A statement that does not look first is stopped by the index."""

    def work(tx: Tables) -> None:
        brought(tx, add(tx, clock()), State.APPROVED, State.SENDING, State.FAILED, at=clock())
        add(tx, clock(), form="V2")
        add(tx, clock(), "ord_3", form="V3")
        tx.connection.execute(statement)

    one = r"UNIQUE constraint failed: cancellations\.order_id|\"one_open_cancellation_per_order\""
    with pytest.raises(REFUSED, match=one):
        await store.transaction("two open ones", work)


async def test_a_step_that_may_not_follow_is_refused(store: Store, clock: Clock) -> None:
    """Compare-and-set steps only from the state that was read, and only where the states allow it."""

    def work(tx: Tables) -> list[bool]:
        asked = add(tx, clock())
        return [
            tx.requests.move(asked, State.CANCELLED, at=clock()),
            tx.requests.move(asked, State.REJECTED, at=clock()),
            tx.requests.move(asked, State.WITHDRAWN, at=clock()),
        ]

    assert await store.transaction("steps", work) == [False, True, False]


async def test_a_failed_one_is_not_opened_while_another_of_its_order_is_open(store: Store, clock: Clock) -> None:
    """The store itself refuses that step, and changes nothing; it succeeds once the other one is over."""

    def work(tx: Tables) -> None:
        failed = brought(tx, add(tx, clock()), State.APPROVED, State.SENDING, State.FAILED, at=clock())
        other = add(tx, clock(), form="V2")
        failed = again(tx, failed)
        assert not tx.cancellations.move(failed.cancellation, State.APPROVED, at=clock(), due_at=clock(), attempts=0)
        assert again(tx, failed) == failed
        assert again(tx, other) == other
        brought(tx, other, State.REJECTED, at=clock())
        assert tx.cancellations.move(failed.cancellation, State.APPROVED, at=clock(), due_at=clock(), attempts=0)

    await store.transaction("retry", work)


async def test_an_open_one_is_not_in_its_own_way(store: Store, clock: Clock) -> None:
    """The retry of an unknown request, which is open itself, goes on."""

    def work(tx: Tables) -> bool:
        unknown = brought(tx, add(tx, clock()), State.APPROVED, State.SENDING, State.UNKNOWN, at=clock())
        return tx.cancellations.move(unknown.cancellation, State.APPROVED, at=clock())

    assert await store.transaction("retry", work)


async def test_a_step_sets_both_times(store: Store, clock: Clock) -> None:
    """After a step only the times given with it hold; the count of attempts stays unless one is given."""

    def work(tx: Tables) -> None:
        asked = add(tx, clock())
        until = clock() + timedelta(minutes=2)
        tx.requests.move(asked, State.APPROVED, at=clock(), due_at=clock())
        approved = again(tx, asked)
        assert (approved.cancellation.due_at, approved.cancellation.lease_until, approved.cancellation.attempts) == (
            clock(),
            None,
            0,
        )
        tx.cancellations.move(
            approved.cancellation, State.SENDING, at=clock(), lease_until=until, claimed_by="w", attempts=1
        )
        sending = again(tx, asked)
        assert (sending.cancellation.due_at, sending.cancellation.lease_until, sending.cancellation.attempts) == (
            None,
            until,
            1,
        )
        tx.cancellations.move(sending.cancellation, State.UNKNOWN, at=clock())
        unknown = again(tx, asked)
        assert (unknown.cancellation.due_at, unknown.cancellation.lease_until, unknown.cancellation.attempts) == (
            None,
            None,
            1,
        )

    await store.transaction("steps", work)


async def test_the_same_choice_of_the_same_person_is_kept_once(store: Store, clock: Clock) -> None:
    """A person can approve and then reject, but not do either twice; decisions come in their order."""

    def work(tx: Tables) -> None:
        asked = add(tx, clock())
        for approver, choice, reason in (
            ("U3", Choice.APPROVE, ""),
            ("U2", Choice.APPROVE, ""),
            ("U3", Choice.APPROVE, ""),
            ("U3", Choice.REJECT, "no"),
            ("U3", Choice.REJECT, "no, again"),
        ):
            tx.requests.decide(asked, approver, choice, reason, clock())
        found = again(tx, asked)
        assert [(each.approver, each.choice, each.reason) for each in found.decisions] == [
            ("U3", "approve", ""),
            ("U2", "approve", ""),
            ("U3", "reject", "no"),
        ]

    await store.transaction("decide", work)


async def test_the_last_answer_is_that_of_the_latest_finished_attempt(store: Store, clock: Clock) -> None:
    """An attempt that is under way does not hide the answer before it."""
    first, second = Answer(Outcome.NOT_SENT), Answer(Outcome.UNKNOWN, trouble=Trouble.TOO_LONG, trouble_about="64")

    def work(tx: Tables) -> None:
        asked = add(tx, clock())
        assert asked.cancellation.last_answer is None
        for answer in (first, second):
            tx.attempts.end(tx.attempts.begin(asked, clock()), answer, clock())
            assert again(tx, asked).cancellation.last_answer == answer
        tx.attempts.begin(asked, clock())
        assert again(tx, asked).cancellation.last_answer == second

    await store.transaction("attempts", work)


async def test_an_answer_is_read_back_with_everything_that_people_may_see(store: Store, clock: Clock) -> None:
    """Only what says when to call again is not kept."""
    answer = Answer(
        Outcome.REFUSED,
        reason=Reason.COMPLETED,
        trouble=Trouble.NO_REASON,
        trouble_about="about",
        http_status=409,
        code="code",
        message="message",
        request_id="req_1",
        cancelled_at="2026-11-23",
    )

    def work(tx: Tables) -> object:
        asked = add(tx, clock())
        tx.attempts.end(tx.attempts.begin(asked, clock()), answer, clock())
        return again(tx, asked).cancellation.last_answer

    assert await store.transaction("attempt", work) == answer


async def test_what_is_due_is_found_at_its_time(store: Store, clock: Clock) -> None:
    """A pending request is due when it expires, an approved one at its time, a call when its lease has lapsed."""
    at = clock()

    def work(tx: Tables) -> None:
        pending = add(tx, at)
        approved = add(tx, at, "ord_2", form="V2")
        tx.cancellations.move(approved.cancellation, State.APPROVED, at=at, due_at=at + timedelta(minutes=1))
        sending = brought(tx, add(tx, at, "ord_3", form="V3"), State.APPROVED, at=at)
        tx.cancellations.move(
            sending.cancellation, State.SENDING, at=at, lease_until=at + timedelta(minutes=2), claimed_by="w"
        )
        found = []
        for minutes in (0, 1, 2, 60):
            due = tx.cancellations.due(at + timedelta(minutes=minutes))
            found.append(due and due.cancellation.order_id)
            if due is not None:
                brought(
                    tx,
                    due,
                    *{"ord_2": [State.SENDING], "ord_3": [State.UNKNOWN]}.get(due.cancellation.order_id, []),
                    at=at,
                )
        assert found == [None, "ord_2", "ord_3", pending.cancellation.order_id]

    await store.transaction("due", work)


@pytest.mark.parametrize("lapsed_first", [True, False])
async def test_the_one_that_has_waited_longest_is_due_first(store: Store, clock: Clock, lapsed_first: bool) -> None:
    """A call whose worker died is not kept waiting by requests that fell due after it, nor the other way round."""
    at = clock()

    def work(tx: Tables) -> None:
        lapses, falls_due = (at, at + timedelta(minutes=1)) if lapsed_first else (at + timedelta(minutes=1), at)
        sending = brought(tx, add(tx, at), State.APPROVED, at=at)
        tx.cancellations.move(sending.cancellation, State.SENDING, at=at, lease_until=lapses, claimed_by="w")
        tx.requests.move(add(tx, at, "ord_2", form="V2"), State.APPROVED, at=at, due_at=falls_due)
        due = tx.cancellations.due(at + timedelta(minutes=2))
        assert due is not None
        assert due.cancellation.order_id == ("ord_1" if lapsed_first else "ord_2")

    await store.transaction("due", work)


async def test_what_a_worker_holds_is_not_due_for_it(store: Store, clock: Clock) -> None:
    """Its call is past its lease, yet only what somebody else left behind, or what has to be sent, is found."""
    at = clock()

    def work(tx: Tables) -> None:
        numbers = range(3)
        calls = [
            brought(tx, add(tx, at, f"ord_{number}", form=f"V{number}"), State.APPROVED, at=at) for number in numbers
        ]
        for number, each in enumerate(calls):
            tx.cancellations.move(each.cancellation, State.SENDING, at=at, lease_until=at + timedelta(minutes=number))
        late = at + timedelta(minutes=5)
        for held, found in ((0, "ord_0"), (1, "ord_1"), (2, "ord_2"), (3, None)):
            due = tx.cancellations.due(late, held={each.cancellation.number for each in calls[:held]})
            assert (due and due.cancellation.order_id) == found
        # A worker that holds a request still sends it again, once it is approved again.
        brought(tx, again(tx, calls[0]), State.UNKNOWN, at=at)
        tx.cancellations.move(again(tx, calls[0]).cancellation, State.APPROVED, at=at, due_at=at)
        due = tx.cancellations.due(late, held={each.cancellation.number for each in calls})
        assert due is not None
        assert due.cancellation.order_id == "ord_0"

    await store.transaction("due", work)


async def test_void_votes_are_taken_out(store: Store, clock: Clock) -> None:
    """Of these people and this request alone; their rejections stay, and they may vote again."""

    def work(tx: Tables) -> None:
        asked, other = add(tx, clock()), add(tx, clock(), "ord_2", form="V2")
        for each in (asked, other):
            for approver in ("U1", "U2", "U3"):
                tx.requests.decide(each, approver, Choice.APPROVE, "", clock())
            tx.requests.decide(each, "U1", Choice.REJECT, "no", clock())
        tx.requests.void_votes(asked, {"U1", "U3", "U9"})
        assert again(tx, asked).approvers == ("U2",)
        assert again(tx, asked).rejection is not None
        assert again(tx, other).approvers == ("U1", "U2", "U3")
        tx.requests.decide(asked, "U1", Choice.APPROVE, "", clock())
        assert again(tx, asked).approvers == ("U2", "U1")
        tx.requests.void_votes(asked, [])
        assert again(tx, asked).approvers == ("U2", "U1")

    await store.transaction("void", work)


async def test_the_quorum_of_a_request_can_change(store: Store, clock: Clock) -> None:
    """Of that request alone; less than one approval is refused by the table."""

    def work(tx: Tables) -> None:
        asked, other = add(tx, clock()), add(tx, clock(), "ord_2", form="V2")
        tx.requests.require(asked, 3)
        assert [again(tx, each).approvals_required for each in (asked, other)] == [3, 1]
        tx.requests.require(asked, 0)

    with pytest.raises(REFUSED):
        await store.transaction("require", work)


async def test_every_request_that_waits_for_a_decision_is_found(store: Store, clock: Clock) -> None:
    """Each with its votes, in the order in which they were made."""

    def work(tx: Tables) -> None:
        assert tx.requests.pending() == []
        added = [add(tx, clock(), f"ord_{number}", form=f"V{number}") for number in range(4)]
        tx.requests.decide(added[2], "U2", Choice.APPROVE, "", clock())
        brought(tx, added[1], State.APPROVED, at=clock())
        brought(tx, added[3], State.WITHDRAWN, at=clock())
        assert tx.requests.pending() == [added[0], again(tx, added[2])]

    await store.transaction("pending", work)


_TO_UNKNOWN = [State.APPROVED, State.SENDING, State.UNKNOWN]


@pytest.mark.parametrize(
    "states, against",
    [
        pytest.param([State.REJECTED], True, id="rejected"),
        pytest.param([State.WITHDRAWN], True, id="withdrawn"),
        pytest.param([*_TO_UNKNOWN, State.SETTLED_CANCELLED], True, id="settled as cancelled"),
        pytest.param([*_TO_UNKNOWN, State.SETTLED_NOT_CANCELLED], True, id="settled as not cancelled"),
        pytest.param([State.APPROVED, State.SENDING, State.CANCELLED], True, id="cancelled"),
        pytest.param([], True, id="pending"),
        pytest.param([State.EXPIRED], False, id="expired"),
        pytest.param([State.APPROVED, State.SENDING, State.FAILED], False, id="failed"),
        pytest.param([State.APPROVED, State.SENDING, State.REFUSED], True, id="refused"),
    ],
)
async def test_a_later_decision_against_an_order_is_found(
    store: Store, clock: Clock, states: list[State], against: bool
) -> None:
    """Only of a later request for the very same order."""

    def work(tx: Tables) -> None:
        first = brought(tx, add(tx, clock()), State.APPROVED, State.SENDING, State.FAILED, at=clock())
        brought(tx, add(tx, clock(), "ORD_1", form="V0"), State.REJECTED, at=clock())
        later = brought(tx, add(tx, clock(), form="V2"), *states, at=clock())
        found = {each.id: each.cancellation.later for each in tx.requests.of_order("ord_1")}
        assert found[first.id] == (Earlier(later.state, clock()) if against else None)
        assert found[later.id] is None

    await store.transaction("against", work)


async def test_ended_leases_are_due_at_once(store: Store, clock: Clock) -> None:
    """After a restart everything that the dead worker held is due, and a request that nobody held is not."""
    at = clock()

    def work(tx: Tables) -> None:
        add(tx, at)
        sending = brought(tx, add(tx, at, "ord_2", form="V2"), State.APPROVED, at=at)
        tx.cancellations.move(
            sending.cancellation, State.SENDING, at=at, lease_until=at + timedelta(minutes=2), claimed_by="w"
        )
        assert tx.cancellations.due(at) is None
        tx.cancellations.end_leases(at)
        due = tx.cancellations.due(at)
        assert due is not None
        assert due.cancellation.order_id == "ord_2"
        brought(tx, due, State.UNKNOWN, at=at)
        assert tx.cancellations.due(at) is None

    await store.transaction("end leases", work)


async def test_the_place_of_the_card_is_kept(store: Store, clock: Clock) -> None:
    """The channel is the one in which Slack posted it."""

    def work(tx: Tables) -> tuple[str, str | None, str]:
        asked = add(tx, clock())
        tx.requests.place_card(asked, Receipt(DeliveryOutcome.DELIVERED, "C2", "1.1", "https://x/1"))
        found = again(tx, asked)
        return found.card_channel, found.card_ts, found.card_link

    assert await store.transaction("card", work) == ("C2", "1.1", "https://x/1")


async def test_many_come_in_the_order_that_was_asked_for(store: Store, clock: Clock) -> None:
    """Each is there once with all of its decisions; a number without a request is left out."""

    def work(tx: Tables) -> None:
        added = [add(tx, clock(), f"ord_{number}", form=f"V{number}") for number in range(3)]
        for approver in ("U1", "U2"):
            tx.requests.decide(added[1], approver, Choice.APPROVE, "", clock())
        found = tx.requests.many([3, 1, 2, 9])
        assert [(each.number, len(each.decisions)) for each in found] == [(3, 0), (1, 0), (2, 2)]
        assert tx.requests.many([]) == []

    await store.transaction("many", work)
