"""The judge of a chaos run finds what it looks for: each kind of wrong, made by hand."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.domain.attempt import Answer, Outcome, Reason
from bot.domain.audit import FIRST as BEFORE_ALL, Event, follow, timestamp
from bot.domain.cancellation import State
from bot.domain.events import (
    Approved,
    Cancelled,
    Content,
    Escalated,
    Failed,
    Hurried,
    Refused,
    Rejected,
    Repeating,
    Requested,
    RequestRefused,
    Retried,
    Sending,
    SettledCancelled,
    SettledNotCancelled,
    Started,
    StoppedTrying,
    Unknown,
    Voted,
    VotesVoided,
    Withdrawn,
)
from bot.domain.policy import Verdict
from bot.domain.request import Request
from bot.sandbox.gateway import LocalGateway, Order, OrderStatus
from bot.sandbox.slack import Call, LocalSlack
from bot.sandbox.stage import FRANK
from bot.sandbox.workspace import Posted
from tests.chaos.clock import Clock
from tests.chaos.copies import Calls, Deleted
from tests.chaos.four_eyes import FourEyes
from tests.chaos.outcomes import Outcomes
from tests.chaos.people import ASKERS, DORA, REMOVED as ALL_REMOVED, Crowd
from tests.chaos.troubles import UPDATE_LOST
from tests.chaos.truth import Truth
from tests.domain.examples import a_request
from tests.flows.desk import BEN, CLEO, OLGA, VERA, Desk

START = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
ASKER = ASKERS[0]
REMOVED = ALL_REMOVED[0]
UNKNOWN = Unknown(1, Answer(Outcome.UNKNOWN))
TURNED_AWAY = Repeating(1, Answer(Outcome.NOT_SENT, repeat=True))
Line = tuple[str, Content] | tuple[str, Content, float]

ONE = Started("1", approvals_required=1, approval_ttl_seconds=60)
TWO = Started("1", approvals_required=2, approval_ttl_seconds=60)
SELF = Started("1", approvals_required=1, allow_self_approval=True, approval_ttl_seconds=60)
ASKED = (ASKER, Requested(("ord_1",)))
RETRIED_BY_VERA = (VERA, Retried())
ESCALATED = ("bot", Escalated(("S0DUTY",)))
APPROVED = (BEN, Approved(1, 1))


def record(*lines: Line, other: int | None = None) -> list[Event]:
    """Return events a second apart, or so many seconds; those behind number ``other`` are about a second request."""
    events, at = [], START
    for seq, (actor, content, *after) in enumerate(lines, 1):
        at += timedelta(seconds=after[0] if after else 1)
        about = "" if isinstance(content, Started) else "c2" if other is not None and seq > other else "c1"
        last = BEFORE_ALL._replace(seq=seq - 1)
        event, _ = follow(last, content, actor, timestamp(at), request=about, order_id="ord_1")
        events.append(event)
    return events


def wrongs(database: Path, events: list[Event], removed_at: int | None = None) -> list[str]:
    """Return what the judge finds."""
    found: list[str] = []
    removed = {} if removed_at is None else {REMOVED: removed_at}
    FourEyes(Crowd(Desk(database), Clock(), seed=1, quorum=1), removed, found.append).judge(events)
    return found


@pytest.mark.parametrize(
    "lines",
    [
        [("bot", ONE), ASKED, APPROVED, ("bot", UNKNOWN), (CLEO, Retried()), ("bot", UNKNOWN)],
        [("bot", TWO), ASKED, (BEN, Voted(1, 2)), (CLEO, Approved(2, 2))],
        [("bot", TWO), ASKED, (BEN, Voted(1, 2)), ("bot", ONE), ("bot", Approved(1, 1))],
        [("bot", SELF), (DORA, Requested(("ord_1",))), (DORA, Approved(1, 1))],
        [("bot", ONE), ASKED, APPROVED, ("bot", UNKNOWN), (BEN, SettledCancelled("seen"))],
        [("bot", ONE), ASKED, (ASKER, Withdrawn()), (FRANK, RequestRefused(Verdict.NOT_OF_THIS_WORKSPACE))],
        [("bot", ONE), ASKED, (REMOVED, Rejected("no"))],
        [
            ("bot", ONE),
            ASKED,
            APPROVED,
            ("bot", Sending(1)),
            ("bot", TURNED_AWAY),
            (BEN, Hurried()),
            (CLEO, StoppedTrying()),
        ],
        [("bot", ONE), ASKED, APPROVED, (ASKER, StoppedTrying())],
        [
            ("bot", TWO),
            ASKED,
            ESCALATED,
            (VERA, Voted(1, 2)),
            (BEN, Approved(2, 2)),
            ("bot", UNKNOWN),
            (VERA, Retried()),
        ],
    ],
)
def test_what_people_may_do(database: Path, lines: list[Line]) -> None:
    """Nothing is wrong with the acts of people who may act."""
    assert wrongs(database, record(*lines)) == []


@pytest.mark.parametrize(
    "lines, words",
    [
        ([("bot", ONE), (OLGA, Requested(("ord_1",)))], "not a requester"),
        ([("bot", ONE), ASKED, (OLGA, Approved(1, 1))], "not an approver"),
        ([("bot", ONE), ASKED, (FRANK, Approved(1, 1))], "another company"),
        ([("bot", ONE), ASKED, (VERA, Approved(1, 1)), ESCALATED], "not an approver"),
        ([("bot", ONE), ASKED, ESCALATED, (ASKER, Approved(1, 1))], "requester's own vote"),
        ([("bot", ONE), ASKED, ESCALATED, (OLGA, Rejected("no"))], "not an approver"),
        ([("bot", ONE), (DORA, Requested(("ord_1",))), (DORA, Approved(1, 1))], "requester's own vote"),
        ([("bot", TWO), ASKED, (BEN, Approved(1, 2))], "only 1 count"),
        ([("bot", TWO), ASKED, (BEN, Voted(1, 2)), (BEN, Approved(2, 2))], "only 1 count"),
        ([("bot", TWO), ASKED, (BEN, Approved(1, 1))], "2 are required"),
        (
            [("bot", SELF), (DORA, Requested(("ord_1",))), (DORA, Voted(1, 1)), ("bot", ONE), ("bot", Approved(1, 1))],
            "0 count",
        ),
        (
            [("bot", TWO), ASKED, (BEN, Voted(1, 2)), ("bot", VotesVoided((BEN,))), (CLEO, Approved(2, 2))],
            "only 1 count",
        ),
        ([("bot", ONE), ASKED, (BEN, Withdrawn())], "not the requester"),
        ([("bot", ONE), ASKED, (OLGA, Rejected("no"))], "not an approver"),
        ([("bot", ONE), (DORA, Requested(("ord_1",))), APPROVED, ("bot", UNKNOWN), (DORA, Retried())], "own retry"),
        ([("bot", ONE), ASKED, APPROVED, ("bot", UNKNOWN), (CLEO, Retried(), 90)], "too old"),
        ([("bot", ONE), ASKED, APPROVED, ("bot", TWO), ("bot", UNKNOWN), (CLEO, Retried())], "too few"),
        (
            [("bot", ONE), (DORA, Requested(("ord_1",))), APPROVED, ("bot", UNKNOWN), (DORA, SettledCancelled("seen"))],
            "own statement",
        ),
        ([("bot", ONE), ASKED, APPROVED, (CLEO, SettledCancelled("seen"))], "nothing was unknown"),
        ([("bot", ONE), ASKED, APPROVED, (OLGA, Hurried())], "not an approver"),
        ([("bot", ONE), ASKED, APPROVED, (ASKER, Hurried())], "not an approver"),
        ([("bot", ONE), ASKED, APPROVED, (OLGA, StoppedTrying())], "not an approver"),
        ([("bot", ONE), ASKED, APPROVED, ("bot", Sending(1)), (BEN, StoppedTrying())], "may have been cancelled"),
        (
            [("bot", ONE), ASKED, APPROVED, ("bot", Repeating(1, Answer(Outcome.UNKNOWN))), (BEN, StoppedTrying())],
            "may have",
        ),
    ],
)
def test_what_people_may_not_do(database: Path, lines: list[Line], words: str) -> None:
    """The judge names each act of somebody who may not."""
    assert any(words in wrong for wrong in wrongs(database, record(*lines)))


def test_a_removed_approver(database: Path) -> None:
    """A removed approver may act until the next start of the bot, and not after it."""
    before = [("bot", ONE), ASKED, (REMOVED, Rejected("no"))]
    after = [("bot", ONE), ASKED, ("bot", ONE), (REMOVED, Rejected("no"))]
    removed_at = 2
    assert wrongs(database, record(*before), removed_at) == []
    assert wrongs(database, record(*after), removed_at) == [f"ord_1: rejected by {REMOVED}: not an approver"]
    voted = [("bot", TWO), ASKED, (REMOVED, Voted(1, 2)), ("bot", TWO), (BEN, Approved(2, 2))]
    assert wrongs(database, record(*voted), removed_at=4) == []
    assert "only 1 count" in wrongs(database, record(*voted), removed_at=3)[0]


def test_a_retry_after_a_later_no(database: Path) -> None:
    """A retry is wrong once a later request for the same order was rejected."""
    lines = [("bot", ONE), ASKED, APPROVED, (ASKER, Requested(("ord_1",))), (BEN, Rejected("no")), (CLEO, Retried())]
    events = record(*lines, other=3)
    retry = events[-1]._replace(request="c1")
    found = wrongs(database, [*events[:-1], retry])
    assert any("decided against a later request" in wrong for wrong in found)


@pytest.mark.parametrize(
    "title, status, ours, untrue",
    [
        ("✅ Cancelled", "cancelled", True, False),
        ("✅ Cancelled", "pending", False, True),
        ("☑️ Already cancelled", "cancelled", False, False),
        ("☑️ Already cancelled", "cancelled", True, False),
        ("⛔ Not cancelled: the order is completed or paid", "completed", False, False),
        ("⛔ Not cancelled: the order is completed or paid", "cancelled", True, True),
        ("⛔ Not cancelled: the order is completed or paid", "refunded", False, True),
        ("☑️ Already refunded", "partially_refunded", False, True),
        ("⛔ Not cancelled by this request: no such order", None, False, False),
        ("⛔ Not cancelled by this request: no such order", "pending", False, True),
        ("⛔ Not cancelled by this request: the order has expired", "expired", False, False),
        ("⛔ Not cancelled by this request: the order has expired", "cancelled", True, True),
        ("⚠️ Not cancelled by this request: the gateway says that it did not take it", "cancelled", True, True),
        ("⚠️ Not known whether the order is cancelled", "cancelled", True, False),
        ("✅ Done", "cancelled", True, True),
    ],
)
def test_what_is_told(title: str, status: str | None, ours: bool, untrue: bool) -> None:
    """A title is untrue where the order's state at the gateway, or whose request it was, says otherwise."""
    gateway, about = LocalGateway(), request(State.CANCELLED)
    if status is not None:
        gateway.orders["ord_1"] = Order("ord_1", OrderStatus(status))
        if status == "cancelled":
            gateway.orders["ord_1"] = Order("ord_1", OrderStatus(status), "twice" if ours else "before", START)
    assert bool(Truth(gateway).contradiction(title, about, START)) is untrue
    if ours:
        assert Truth(gateway).wrong_state(request(State.REFUSED), START, by_repeat=False)


def request(state: State) -> Request:
    """Return a request in this state."""
    return a_request(
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


def test_the_call_of_a_later_request_with_the_same_words() -> None:
    """Somebody asked again in the same words, as the first request had expired unseen: it was not sent."""
    gateway = LocalGateway()
    gateway.orders["ord_1"] = Order("ord_1", OrderStatus("cancelled"), "twice", START)
    first, second = request(State.EXPIRED), request(State.CANCELLED)
    second = second.narrowed(replace(second.cancellation, number=2, attempts=1))
    for requests, wrong in (([first, second], False), ([first], True)):
        truth = Truth(gateway, requests)
        assert bool(truth.wrong_state(first, START, by_repeat=False)) is wrong
        assert not truth.wrong_state(second, START, by_repeat=False)


POSTED = {"ok": True, "channel": "C1"}
FIRST = Posted("C1", "1.0", "card", [], "U0BOT")


def page(*seen: str, more: bool = False) -> dict[str, Any]:
    """Return a page of history with these messages."""
    return {"ok": True, "messages": [{"ts": ts} for ts in seen], "has_more": more}


def calls(*lines: tuple[Any, ...], deleted: int | None = None) -> Calls:
    """Return calls: each with its kind, the answer and what was hidden, or for a post its delivery.

    ``deleted`` is the number of calls before somebody deleted the first message.
    """
    slack = LocalSlack()
    for line, answer, *more in lines:
        kind, _, bounds = line.partition(" around ")
        arguments: dict[str, Any] = {"channel": "C1", "oldest": "0.5"}
        if kind == "newest":
            del arguments["oldest"]
        if bounds:
            arguments["oldest"], arguments["latest"] = bounds.split()
        if kind == "post":
            metadata = {"event_payload": {"delivery_id": more[0] if more else "d1"}}
            slack.calls.append(Call("chat.postMessage", arguments | {"metadata": metadata}, START, answer))
        else:
            arguments |= {"cursor": "next"} if kind == "history, next" else {}
            method = "conversations.replies" if kind == "replies" else "conversations.history"
            slack.calls.append(Call(method, arguments, START, answer, frozenset(more)))
    return Calls(slack, [] if deleted is None else [Deleted(FIRST, deleted)])


def post(ts: str, *delivery: str) -> tuple[Any, ...]:
    """Return a post that Slack took."""
    return "post", {**POSTED, "ts": ts}, *delivery


BLIND, SEEING = ("history", page(), "1.0"), ("history", page("1.0"))
NO_THREAD = {"ok": False, "error": "thread_not_found"}


@pytest.mark.parametrize(
    "lines, reason",
    [
        ([BLIND], "hidden by Slack"),
        ([SEEING], ""),
        ([], ""),
        ([("history", page())], ""),
        # Only the last search counts.
        ([SEEING, BLIND], "hidden by Slack"),
        ([BLIND, SEEING], ""),
        ([BLIND, ("post", NO_THREAD), SEEING], ""),
        # Another message went out in between, so the search was not for this one.
        ([BLIND, post("1.5", "d2")], ""),
        # The next pages of a search belong to it, and the fault of a slow call says nothing.
        ([BLIND, ("history, next", page()), ("history", "Hang")], "hidden by Slack"),
        ([("history", page(more=True)), ("history, next", page("1.0"))], ""),
        ([("history", page(more=True))] + [("history, next", page(more=True))] * 24, "beyond 25 pages"),
        ([("history", page(more=True))] + [("history, next", page(more=True))] * 23, ""),
        ([("history", page(more=True))] + [("history, next", page())] * 24, ""),
        # A search that found its message, of another delivery, came before it.
        (
            [("history around 0.123000 9.123000", page("1.0")), ("history around 0.456000 9.456000", page(), "1.0")],
            "hidden by Slack",
        ),
        (
            [("history around 0.123000 9.123000", page("1.0")), ("history around 0.123000 9.123000", page(more=True))],
            "",
        ),
        # The bot's clock was wrong by more than it looks around.
        ([("history around 2.123000 9.123000", page())], "clocks more than a day apart"),
        ([("history around 0.123000 9.123000", page())], ""),
        # At last it looks at one page of the newest messages.
        ([("history around 2.123000 9.123000", page()), ("newest", page("8.0"))], "clocks more than a day apart"),
        ([("history around 2.123000 9.123000", page()), ("newest", page("0.5"))], ""),
        ([("history around 0.123000 9.123000", page()), ("newest", page("8.0"))], ""),
        # A reply is looked for in its thread, then in the channel.
        ([("replies", NO_THREAD, "1.0"), ("history", page())], "hidden by Slack"),
        ([("replies", page("1.0")), ("history", page())], ""),
    ],
)
def test_second_copies(lines: list[tuple[Any, ...]], reason: str) -> None:
    """A second copy is excused only where the search right before it could not see the first one."""
    found = calls(post("1.0"), *lines, post("2.0"))
    assert list(found.excuses()) == [("d1", reason)]
    assert found.copied == {("C1", "1.0"), ("C1", "2.0")}


def test_a_message_that_a_search_could_not_see() -> None:
    """A message counts as hidden only where Slack hid this one."""
    found = calls(post("1.0"), BLIND)
    assert found.was_hidden(("C1", "1.0"))
    assert not found.was_hidden(("C1", "2.0"))
    assert not found.was_hidden(("C2", "1.0"))


def test_a_third_copy() -> None:
    """A copy is excused only where the search could see none of the earlier ones."""
    blind_to_both = ("history", page(), "1.0", "2.0")
    assert (
        list(calls(post("1.0"), BLIND, post("2.0"), blind_to_both, post("3.0")).excuses())
        == [("d1", "hidden by Slack")] * 2
    )
    half_blind = ("history", page("1.0"), "2.0")
    assert list(calls(post("1.0"), BLIND, post("2.0"), half_blind, post("3.0")).excuses())[-1] == ("d1", "")


def test_the_story_of_a_copy() -> None:
    """A copy that should not be there is told with the calls that led to it."""
    (first, look, second) = calls(post("1.0"), SEEING, post("2.0")).between_posts("d1")
    assert "chat.postMessage" in first
    assert "conversations.history" in look
    assert "'1.0'" in look
    assert "2.0" in second


@pytest.mark.parametrize("deleted, reason", [(1, "deleted"), (2, "")])
def test_a_copy_of_a_deleted_message(deleted: int, reason: str) -> None:
    """A message that was deleted before the search can't be found, and one that was deleted after it could."""
    lines = [post("1.0"), ("history", page()), post("2.0")]
    assert list(calls(*lines, deleted=deleted).excuses()) == [("d1", reason)]


def test_the_last_update_of_a_card() -> None:
    """Only the last update counts, and only one that Slack said yes to and did not make is lost."""
    slack = LocalSlack()
    for ts, answer in (
        ("1.0", repr(UPDATE_LOST)), ("1.0", {"ok": True}), ("2.0", {"ok": True}), ("2.0", repr(UPDATE_LOST)),
        ("3.0", {"ok": True}), ("3.0", "Drop"),
    ):  # fmt: skip
        slack.calls.append(Call("chat.update", {"channel": "C1", "ts": ts}, START, answer))
    found = Calls(slack, [])
    assert [found.last_lost(("C1", ts)) for ts in ("1.0", "2.0", "3.0")] == [None, slack.calls[3], None]
    assert found.last_lost(("C1", "1.0"), before=1) is slack.calls[0]
    assert [found.last_made(("C1", ts)) for ts in ("1.0", "2.0", "3.0")] == [slack.calls[n] for n in (1, 2, 4)]


@pytest.mark.parametrize("several, reason", [(True, "taken back"), (False, "")])
def test_a_copy_of_a_bot_that_stood_still(several: bool, reason: str) -> None:
    """Where several bots post, two messages may be there for a moment, until one of them is taken back."""
    slack = LocalSlack()
    for ts in ("1.0", "2.0"):
        metadata = {"event_payload": {"delivery_id": "d1"}}
        slack.calls.append(
            Call("chat.postMessage", {"channel": "C1", "metadata": metadata}, START, {**POSTED, "ts": ts})
        )
    assert [each for _, each in Calls(slack, [], several=several).excuses()] == [""]
    slack.calls.append(Call("chat.delete", {"channel": "C1", "ts": "2.0"}, START, {"ok": True}))
    assert [each for _, each in Calls(slack, [], several=several).excuses()] == [reason]


YES, LOST, BUSY = Answer(Outcome.CANCELLED), Answer(Outcome.UNKNOWN), Answer(Outcome.NOT_SENT)
ALREADY = Answer(Outcome.REFUSED, reason=Reason.ALREADY_CANCELLED)
COMPLETED = Answer(Outcome.REFUSED, reason=Reason.COMPLETED)
NO_ORDER = Answer(Outcome.REFUSED, reason=Reason.NO_SUCH_ORDER)
BY_REPEAT = Cancelled(2, ALREADY, confirmed_by_repeat=True)
BY_HAND = SettledNotCancelled("seen")


@pytest.mark.parametrize(
    "earlier, contents, fits",
    [
        ([], [Repeating(1, LOST), BY_REPEAT], True),
        ([], [Repeating(1, BUSY), BY_REPEAT], False),
        ([], [BY_REPEAT], False),
        ([], [Unknown(1, LOST), Retried(), Cancelled(1, ALREADY, confirmed_by_repeat=True)], True),
        # An unclear attempt of another request counts only once a person has settled that one.
        ([Unknown(1, LOST), BY_HAND], [BY_REPEAT], True),
        ([Repeating(1, LOST)], [BY_REPEAT], False),
        ([Unknown(1, LOST)], [BY_REPEAT], False),
        ([BY_HAND], [BY_REPEAT], False),
        ([Unknown(1, LOST), BY_HAND, Cancelled(1, YES)], [BY_REPEAT], False),
        ([Unknown(1, LOST), BY_HAND], [Refused(1, ALREADY)], False),
        ([Repeating(1, LOST)], [Refused(1, ALREADY)], True),
        ([], [Cancelled(1, YES)], True),
        ([], [Cancelled(1, LOST)], False),
        ([], [Refused(1, ALREADY)], True),
        ([], [Repeating(1, LOST), Refused(2, ALREADY)], False),
        ([], [Repeating(1, LOST), Refused(2, NO_ORDER)], False),
        ([], [Repeating(1, LOST), Unknown(2, NO_ORDER)], True),
        ([], [Repeating(1, BUSY), Unknown(2, NO_ORDER)], False),
        ([], [Repeating(1, LOST), Refused(2, COMPLETED)], True),
        ([], [Repeating(1, LOST), Unknown(2, COMPLETED)], False),
        ([], [Refused(1, LOST)], False),
        ([], [Failed(1, BUSY)], True),
        ([], [Repeating(1, LOST), Failed(2, BUSY)], False),
        ([], [Repeating(1, LOST), Unknown(2, BUSY)], True),
        ([], [Repeating(1, BUSY), Unknown(2, BUSY)], False),
        ([], [Failed(1, LOST)], False),
        ([], [Repeating(1, COMPLETED)], False),
        ([], [Repeating(1, LOST), Unknown(2, ALREADY)], False),
    ],
)
def test_what_answers_allow(earlier: list[Content], contents: list[Content], fits: bool) -> None:
    """Each step follows from the answer, and from the unclear attempts before it of this request or of a settled one.

    ``earlier`` is about another request for the same order.
    """
    lines: list[Line] = [("bot", content) for content in (*earlier, *contents)]
    events = [event._replace(request="c2" if event.seq > len(earlier) else "c1") for event in record(*lines)]
    found: list[str] = []
    outcomes = Outcomes(found.append)
    outcomes.judge(events)
    assert (found == []) is fits
    repeated = any(isinstance(content, Cancelled) and content.confirmed_by_repeat for content in contents)
    assert outcomes.by_repeat == ({("c2", "ord_1")} if repeated else set())


@pytest.mark.parametrize("by_repeat, fits", [(True, True), (False, False)])
def test_an_order_that_somebody_else_cancelled(by_repeat: bool, fits: bool) -> None:
    """A request that did not cancel its order is called cancelled only where a repeat found it so."""
    gateway = LocalGateway()
    gateway.orders["ord_1"] = Order("ord_1", OrderStatus.CANCELLED, "before", START)
    wrong = Truth(gateway).wrong_state(request(State.CANCELLED), START, by_repeat=by_repeat)
    assert (wrong == "") is fits
