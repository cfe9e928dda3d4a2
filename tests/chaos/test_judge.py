"""The judge of a chaos run finds what it looks for: each kind of wrong, made by hand."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.domain.attempt import Answer, Outcome
from bot.domain.audit import FIRST, Event, follow, timestamp
from bot.domain.cancellation import Cancellation, State
from bot.domain.events import (
    Approved,
    Content,
    Rejected,
    Requested,
    RequestRefused,
    Retried,
    SettledCancelled,
    Started,
    Unknown,
    Voted,
    VotesVoided,
    Withdrawn,
)
from bot.domain.policy import Verdict
from bot.sandbox.gateway import LocalGateway, Order, OrderStatus
from bot.sandbox.slack import Call, LocalSlack
from bot.sandbox.stage import FRANK
from tests.chaos.copies import Calls
from tests.chaos.four_eyes import FourEyes
from tests.chaos.people import ASKERS, DORA, REMOVED, Crowd
from tests.chaos.truth import Truth
from tests.flows.desk import BEN, CLEO, OLGA, Desk

START = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
ASKER = ASKERS[0]
UNKNOWN = Unknown(1, Answer(Outcome.UNKNOWN))
Line = tuple[str, Content] | tuple[str, Content, float]

ONE = Started("1", approvals_required=1, approval_ttl_seconds=60)
TWO = Started("1", approvals_required=2, approval_ttl_seconds=60)
SELF = Started("1", approvals_required=1, allow_self_approval=True, approval_ttl_seconds=60)
ASKED = (ASKER, Requested())
APPROVED = (BEN, Approved(1, 1))


def record(*lines: Line, other: int | None = None) -> list[Event]:
    """Return events a second apart, or so many seconds; those behind number ``other`` are about a second request."""
    events, at = [], START
    for seq, (actor, content, *after) in enumerate(lines, 1):
        at += timedelta(seconds=after[0] if after else 1)
        about = "" if isinstance(content, Started) else "c2" if other is not None and seq > other else "c1"
        last = FIRST._replace(seq=seq - 1)
        event, _ = follow(last, content, actor, timestamp(at), cancellation=about, order_id="ord_1")
        events.append(event)
    return events


def wrongs(database: Path, events: list[Event], removed_at: datetime | None = None) -> list[str]:
    """Return what the judge finds."""
    found: list[str] = []
    FourEyes(Crowd(Desk(database), seed=1, quorum=1), removed_at, found.append).judge(events)
    return found


@pytest.mark.parametrize(
    "lines",
    [
        [("bot", ONE), ASKED, APPROVED, ("bot", UNKNOWN), (CLEO, Retried()), ("bot", UNKNOWN)],
        [("bot", TWO), ASKED, (BEN, Voted(1, 2)), (CLEO, Approved(2, 2))],
        [("bot", TWO), ASKED, (BEN, Voted(1, 2)), ("bot", ONE), ("bot", Approved(1, 1))],
        [("bot", SELF), (DORA, Requested()), (DORA, Approved(1, 1))],
        [("bot", ONE), ASKED, APPROVED, ("bot", UNKNOWN), (BEN, SettledCancelled("seen"))],
        [("bot", ONE), ASKED, (ASKER, Withdrawn()), (FRANK, RequestRefused(Verdict.NOT_OF_THIS_WORKSPACE))],
        [("bot", ONE), ASKED, (REMOVED, Rejected("no"))],
    ],
)
def test_what_people_may_do(database: Path, lines: list[Line]) -> None:
    """Nothing is wrong with the acts of people who may act."""
    assert wrongs(database, record(*lines)) == []


@pytest.mark.parametrize(
    "lines, words",
    [
        ([("bot", ONE), (OLGA, Requested())], "not a requester"),
        ([("bot", ONE), ASKED, (OLGA, Approved(1, 1))], "not an approver"),
        ([("bot", ONE), ASKED, (FRANK, Approved(1, 1))], "another company"),
        ([("bot", ONE), (DORA, Requested()), (DORA, Approved(1, 1))], "requester's own vote"),
        ([("bot", TWO), ASKED, (BEN, Approved(1, 2))], "only 1 count"),
        ([("bot", TWO), ASKED, (BEN, Voted(1, 2)), (BEN, Approved(2, 2))], "only 1 count"),
        ([("bot", TWO), ASKED, (BEN, Approved(1, 1))], "2 are required"),
        ([("bot", SELF), (DORA, Requested()), (DORA, Voted(1, 1)), ("bot", ONE), ("bot", Approved(1, 1))], "0 count"),
        (
            [("bot", TWO), ASKED, (BEN, Voted(1, 2)), ("bot", VotesVoided((BEN,))), (CLEO, Approved(2, 2))],
            "only 1 count",
        ),
        ([("bot", ONE), ASKED, (BEN, Withdrawn())], "not the requester"),
        ([("bot", ONE), ASKED, (OLGA, Rejected("no"))], "not an approver"),
        ([("bot", ONE), (DORA, Requested()), APPROVED, ("bot", UNKNOWN), (DORA, Retried())], "own retry"),
        ([("bot", ONE), ASKED, APPROVED, ("bot", UNKNOWN), (CLEO, Retried(), 90)], "too old"),
        ([("bot", ONE), ASKED, APPROVED, ("bot", TWO), ("bot", UNKNOWN), (CLEO, Retried())], "too few"),
        (
            [("bot", ONE), (DORA, Requested()), APPROVED, ("bot", UNKNOWN), (DORA, SettledCancelled("seen"))],
            "own statement",
        ),
        ([("bot", ONE), ASKED, APPROVED, (CLEO, SettledCancelled("seen"))], "nothing was unknown"),
    ],
)
def test_what_people_may_not_do(database: Path, lines: list[Line], words: str) -> None:
    """The judge names each act of somebody who may not."""
    assert any(words in wrong for wrong in wrongs(database, record(*lines)))


def test_a_removed_approver(database: Path) -> None:
    """A removed approver may act until the next start of the bot, and not after it."""
    before = [("bot", ONE), ASKED, (REMOVED, Rejected("no"))]
    after = [("bot", ONE), ASKED, ("bot", ONE), (REMOVED, Rejected("no"))]
    removed_at = START + timedelta(seconds=2)
    assert wrongs(database, record(*before), removed_at) == []
    assert wrongs(database, record(*after), removed_at) == [f"ord_1: rejected by {REMOVED}: not an approver"]


def test_a_retry_after_a_later_no(database: Path) -> None:
    """A retry is wrong once a later request for the same order was rejected."""
    lines = [("bot", ONE), ASKED, APPROVED, (ASKER, Requested()), (BEN, Rejected("no")), (CLEO, Retried())]
    events = record(*lines, other=3)
    retry = events[-1]._replace(cancellation="c1")
    found = wrongs(database, [*events[:-1], retry])
    assert any("decided against a later request" in wrong for wrong in found)


@pytest.mark.parametrize(
    "title, status, ours, untrue",
    [
        ("✅ Cancelled", "cancelled", True, False),
        ("✅ Cancelled", "pending", False, True),
        ("☑️ Already cancelled", "cancelled", False, False),
        ("☑️ Already cancelled", "cancelled", True, True),
        ("⛔ Not cancelled: the order is completed or paid", "completed", False, False),
        ("⛔ Not cancelled: the order is completed or paid", "cancelled", True, True),
        ("⛔ Not cancelled: the order is completed or paid", "refunded", False, True),
        ("☑️ Not cancelled: already refunded", "partially_refunded", False, True),
        ("⛔ Not cancelled by this request: no such order", None, False, False),
        ("⛔ Not cancelled by this request: no such order", "pending", False, True),
        ("⛔ Not cancelled by this request: the gateway refused", "expired", False, False),
        ("⛔ Not cancelled by this request: the gateway refused", "cancelled", True, True),
        ("⚠️ Not cancelled by this request: the gateway did not take it", "cancelled", True, True),
        ("⚠️ Not known whether the order is cancelled", "cancelled", True, False),
        ("✅ Done", "cancelled", True, True),
    ],
)
def test_what_is_told(title: str, status: str | None, ours: bool, untrue: bool) -> None:
    """A title is untrue where the order's state at the gateway, or whose cancellation it was, says otherwise."""
    gateway, about = LocalGateway(), cancellation(State.CANCELLED)
    if status is not None:
        gateway.orders["ord_1"] = Order("ord_1", OrderStatus(status))
        if status == "cancelled":
            gateway.orders["ord_1"] = Order("ord_1", OrderStatus(status), "twice" if ours else "before", START)
    assert bool(Truth(gateway).contradiction(title, about, START)) is untrue
    if ours:
        assert Truth(gateway).wrong_state(cancellation(State.REFUSED), START, unclear=False)


def cancellation(state: State) -> Cancellation:
    """Return a cancellation in this state."""
    return Cancellation(
        number=1,
        id="c1",
        order_id="ord_1",
        reason="twice",
        requester=ASKER,
        state=state,
        approvals_required=1,
        requested_at=START,
        expires_at=START,
        card_channel="C0DESK0",
        card_ts=None,
        card_link="",
        attempts=0,
        due_at=None,
        lease_until=None,
        changed_at=START,
    )


@pytest.mark.parametrize(
    "blind, found, excused",
    [([(0, 9)], False, True), ([], False, False), ([(0, 9)], True, False)],
)
def test_second_copies(blind: list[tuple[int, int]], found: bool, excused: bool) -> None:
    """A second copy is excused only where a search in between could not see the first one."""
    slack = LocalSlack()
    seen = [{"ts": "1.0"}] if found else []
    for method, answer in (
        ("chat.postMessage", {"ok": True, "channel": "C1", "ts": "1.0"}),
        ("conversations.history", {"ok": True, "messages": seen}),
        ("chat.postMessage", {"ok": True, "channel": "C1", "ts": "2.0"}),
    ):
        slack.calls.append(Call(method, {"channel": "C1"}, START, answer))
    assert Calls(slack, blind).excuses(("C1", "1.0"), ("C1", "2.0")) is excused
