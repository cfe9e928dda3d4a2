"""The judge of a chaos run finds what is wrong with requests of several orders: each kind of it, made by hand."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from bot.domain.attempt import Answer, Outcome
from bot.domain.audit import Event
from bot.domain.cancellation import Cancellation, Choice, Decision, State
from bot.domain.events import (
    Approved,
    Cancelled,
    Content,
    Failed,
    GatewayTrouble,
    Rejected,
    Requested,
    Retried,
    Sending,
    SettledCancelled,
    StoppedTrying,
    Unknown,
)
from bot.domain.policy import Act
from bot.sandbox.gateway import LocalGateway, Order, OrderStatus
from tests.chaos.clock import Clock
from tests.chaos.four_eyes import FourEyes
from tests.chaos.homes import Homes
from tests.chaos.judge import BUTTONS, right_buttons, taken_over
from tests.chaos.outcomes import Outcomes
from tests.chaos.people import Crowd
from tests.chaos.sequence import Sequence
from tests.chaos.test_judge import ASKER, ONE, START, record, request
from tests.chaos.truth import Truth
from tests.flows.desk import BEN, CLEO, Desk
from tests.under_way import UnderWay

ORDERS = ("ord_1", "ord_2")
DONE = Cancelled(1, Answer(Outcome.CANCELLED))
DENIED = Failed(1, Answer(Outcome.NOT_SENT))
LOST = Unknown(1, Answer(Outcome.UNKNOWN))
SENDING, TROUBLE = Sending(1), GatewayTrouble(1, unclear=False, most=20)
Line = tuple[str, Content, str]
"""A person, what they did, and the order; an empty text stands for all orders."""


def batch(*lines: Line) -> list[Event]:
    """Return the events about an approved request of two orders."""
    first: list[Line] = [("bot", ONE, ""), (ASKER, Requested(ORDERS), ""), (BEN, Approved(1, 1), "")]
    found = record(*((actor, content) for actor, content, _ in [*first, *lines]))
    orders = [order for _, _, order in [*first, *lines]]
    return [event._replace(order_id=order) for event, order in zip(found, orders, strict=True)]


@pytest.mark.parametrize(
    "lines, over",
    [
        ([("bot", DONE, "ord_1")], []),
        ([("bot", DONE, "ord_1"), ("bot", LOST, "ord_2")], [5]),
        ([("bot", DONE, "ord_1"), ("bot", LOST, "ord_2"), (CLEO, Retried(), "ord_2"), ("bot", DONE, "ord_2")], [5, 7]),
        ([("bot", LOST, "ord_1"), ("bot", DONE, "ord_2"), (CLEO, SettledCancelled("seen"), "ord_1")], [5, 6]),
    ],
)
def test_when_people_are_told(lines: list[Line], over: list[int]) -> None:
    """The ending after which nothing is under way is the one to tell of."""
    under_way = UnderWay()
    assert [event.seq for event in batch(*lines) if under_way.follow(event)] == over


@pytest.mark.parametrize(
    "lines, words",
    [
        ([("bot", LOST, "ord_1"), (CLEO, SettledCancelled("seen"), "ord_1")], ""),
        ([("bot", LOST, "ord_1"), (CLEO, SettledCancelled("seen"), "ord_2")], "nothing was unknown"),
        ([("bot", SENDING, "ord_1"), (CLEO, StoppedTrying(), "ord_2")], ""),
        ([("bot", SENDING, "ord_1"), (CLEO, StoppedTrying(), "ord_1")], "may have been cancelled"),
    ],
)
def test_an_act_is_about_one_order(database: Path, lines: list[Line], words: str) -> None:
    """What is known of one order excuses nothing about another."""
    found: list[str] = []
    FourEyes(Crowd(Desk(database), Clock(), seed=1, quorum=1), {}, found.append).judge(batch(*lines))
    assert bool(found) is bool(words)
    assert all(words in wrong for wrong in found)


def test_a_retry_of_one_order_after_somebody_decided_against_several(database: Path) -> None:
    """A later request with the same order among others was rejected."""
    mine = batch(("bot", DENIED, "ord_1"), ("bot", DENIED, "ord_2"))
    later: list[Line] = [(ASKER, Requested(("ord_3", "ord_1")), ""), (BEN, Rejected("no"), "")]
    for actor, content, _ in later:
        (event,) = record((actor, content))
        mine.append(event._replace(request="c2", order_id=""))
    for order, fits in (("ord_2", True), ("ord_1", False)):
        (event,) = record((CLEO, Retried()))
        found: list[str] = []
        judge = FourEyes(Crowd(Desk(database), Clock(), seed=1, quorum=1), {}, found.append)
        judge.judge([*mine, event._replace(order_id=order)])
        assert (found == []) is fits


@pytest.mark.parametrize(
    "lines, fits",
    [
        ([("bot", LOST, "ord_1"), ("bot", DENIED, "ord_2")], True),
        ([("bot", LOST, "ord_1"), (CLEO, Retried(), "ord_1"), ("bot", DENIED, "ord_1")], False),
    ],
)
def test_what_one_order_s_answers_allow(lines: list[Line], fits: bool) -> None:
    """An unclear answer about one order says nothing about another."""
    found: list[str] = []
    Outcomes(found.append).judge(batch(*lines))
    assert (found == []) is fits


@pytest.mark.parametrize(
    "lines, fits",
    [
        ([("bot", TROUBLE, "ord_1"), ("bot", DONE, "ord_1"), ("bot", TROUBLE, "ord_2")], False),
        ([("bot", DONE, "ord_1"), ("bot", TROUBLE, "ord_2")], True),
        (
            [
                *[("bot", TROUBLE, "ord_1"), ("bot", LOST, "ord_1"), ("bot", LOST, "ord_2")],
                *[(CLEO, Retried(), "ord_1"), ("bot", TROUBLE, "ord_1")],
            ],
            True,
        ),
    ],
)
def test_trouble_is_news_once_for_all_orders(lines: list[Line], fits: bool) -> None:
    """It is news again only after all of them had ended."""
    found: list[str] = []
    Sequence(batch(*lines), found.append, reminders=0).judge_notices()
    assert (found == []) is fits


@pytest.mark.parametrize(
    "title, text, wrong",
    [
        ("⛔ 2 orders: 1 cancelled, 1 completed: refund", "ord_1 ✅ cancelled\nord_2 ⛔ completed: refund", 0),
        ("✅ 2 orders: all cancelled", "ord_1 ✅ cancelled\nord_2 ✅ cancelled", 1),
        ("✅ 2 orders: all cancelled", "", 1),
        ("⛔ 2 orders: 1 cancelled, 1 completed: refund", "ord_2 ⛔ completed: refund", 0),
        ("⛔ 2 orders: all completed: refund", "ord_1 ⛔ completed: refund\nord_2 ⛔ completed: refund", 1),
        ("⚠️ 2 orders: all stopped", "ord_1 ✋ stopped\nord_2 ✋ stopped", 1),
        ("⏳ 2 orders: all under way", "ord_1 ⏳ under way\nord_2 ⏳ under way", 0),
        ("⛔ Rejected", "ord_1\nord_2", 0),
    ],
)
def test_a_line_for_each_order(title: str, text: str, wrong: int) -> None:
    """The request cancelled ord_1, and ord_2 is paid; every line is held against the gateway."""
    gateway = LocalGateway()
    gateway.orders["ord_1"] = Order("ord_1", OrderStatus("cancelled"), "twice", START)
    gateway.orders["ord_2"] = Order("ord_2", OrderStatus("paid"))
    orders = tuple(Cancellation(number, order, State.SENDING, START, 1) for number, order in enumerate(ORDERS, 1))
    about = replace(request(State.SENDING), cancellations=orders)
    assert len(list(Truth(gateway).contradictions(title, text, about, START))) == wrong


@pytest.mark.parametrize("later, offered", [(State.CANCELLED, False), (State.WITHDRAWN, False), (State.EXPIRED, True)])
def test_no_retry_for_an_order_that_a_later_request_took_over(later: State, offered: bool) -> None:
    """A card has no Retry for it, unless the later request came to nothing."""
    first, second = request(State.FAILED), request(later)
    second = replace(second, cancellations=(replace(second.cancellation, number=2),))
    assert (Act.RETRY in right_buttons(first, BUTTONS, taken_over([second, first]), START)[0]) == offered


def test_a_card_of_an_old_approval_may_be_drawn_before_or_after_its_time_for_retry() -> None:
    """Nobody draws it anew when that time is over; until then Retry must be there."""
    approved = (Decision("UB", Choice.APPROVE, "", START),)
    ended = replace(request(State.UNKNOWN), decisions=approved, approval_ttl=timedelta(hours=2))
    (in_time,) = right_buttons(ended, BUTTONS, set(), START + timedelta(hours=1))
    assert right_buttons(ended, BUTTONS, set(), START + timedelta(hours=3)) == [in_time, in_time - {Act.RETRY}]


async def test_a_home_tab_that_is_out_of_date(quiet_desk: Desk) -> None:
    """Whoever sees what was true a while ago is named; nothing is wrong with what is true."""
    desk = quiet_desk
    crowd = Crowd(desk, Clock(), seed=1, quorum=1)
    await desk.start_bot(**{**crowd.settings, "APPROVAL_CHANNEL": "", "DIGEST": "", "ESCALATE_AFTER": "1h"})
    homes = Homes(desk, crowd)
    await homes.open()
    await desk.wait(lambda: all(desk.person(user).home is not None for user in crowd.with_home), within=60)
    homes.judge()
    assert homes.wrongs == []
    assert homes.judged > 0
    before = desk.person(BEN).home
    assert before is not None
    before = replace(before)
    dora = desk.person(crowd.approvers[2])
    await dora.command("/cancel-order", "C0DESK0")
    await desk.wait(lambda: dora.modal)
    assert await dora.submit(order_id="ord_1\nord_2", category="fraud", reason="twice") is None
    await desk.wait(lambda: "2 orders" in desk.person(BEN).reads_home() and "2 orders" in dora.reads_home())
    desk.slack.space.homes[BEN] = before
    homes.judge()
    assert any(wrong.startswith("the Home tab of ben: approve") for wrong in homes.wrongs)
