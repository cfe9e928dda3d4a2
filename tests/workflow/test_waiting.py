"""Reminders, the escalation, and the news of trouble: each comes once, and never after the decision."""

from dataclasses import replace
from datetime import timedelta

import pytest

from bot.domain.attempt import Answer, Attempt, Outcome
from bot.domain.cancellation import State
from bot.domain.delivery import DeliveryKind, DeliveryOutcome
from bot.domain.events import Approved, GatewayTrouble
from bot.domain.policy import Ground, Members, People, Verdict
from bot.workflow import ClaimedDelivery, Patience
from bot.workflow.deliveries import MOST_CALLED_OFF
from tests.world import ANN, BEN, CLEO, DORA, World

LOST = Answer(Outcome.UNKNOWN, repeat=True)
BUSY = Answer(Outcome.NOT_SENT, repeat=True)


def said(world: World) -> list[str]:
    """Return the kinds of all events that somebody hears of, in their order."""
    quiet = {"named", "started", "card_posted", "sending", "repeating"}
    return [event.kind for event in world.tables.record.all() if event.kind not in quiet]


def rows(world: World, *kinds: str) -> list[tuple[str, str]]:
    """Return what became of the new messages about these kinds of events: the kind and the status."""
    marks = ", ".join("?" * len(kinds))
    return world.rows(
        "SELECT e.kind, d.status FROM deliveries d JOIN audit_events e ON e.seq = d.event_seq"
        f" WHERE e.kind IN ({marks}) AND d.kind IN ('reply', 'direct_message') ORDER BY d.position",
        *kinds,
    )


def deliver_all(world: World) -> None:
    """Let Slack take everything that is due."""
    while world.deliver(DeliveryOutcome.DELIVERED):
        pass


def begin_reply(world: World) -> ClaimedDelivery:
    """Let Slack take the updates that come first, and begin the message in the thread that is due."""
    while (claimed := world.begin_delivery()) is not None and claimed.delivery.kind.is_update:
        world.receive(claimed, world.reach_slack(claimed))
    assert claimed is not None
    assert claimed.delivery.kind is DeliveryKind.REPLY
    return claimed


def call(world: World) -> Attempt:
    """Begin the call that is due."""
    attempt = world.work()
    assert attempt is not None
    return attempt


def test_reminders_and_the_escalation_come_at_their_time_and_once(world: World) -> None:
    """Nothing comes a moment before its time, and nothing twice, however often the worker looks."""
    world.asked()
    happened = []
    for minutes in (19.99, 0.02, 4.97, 0.02, 9.99, 0.02, 23):
        world.clock.advance(minutes=minutes)
        for _ in range(2):
            world.work()
        happened.append(said(world)[1:])
    assert happened == [
        [],
        ["reminded"],
        ["reminded"],
        ["reminded", "escalated"],
        ["reminded", "escalated"],
        ["reminded", "escalated", "reminded"],
        ["reminded", "escalated", "reminded"],
    ]
    world.drain()
    world.check()


def test_after_a_long_absence_one_reminder_comes_and_the_next_keeps_its_distance(world: World) -> None:
    """Two reminders in one moment help nobody."""
    about = world.asked()
    world.clock.advance(minutes=40)
    world.restart()
    world.work()
    assert said(world)[1:] == ["escalated", "reminded"]
    assert world.found(about).remind_at == world.clock() + timedelta(minutes=15)
    world.clock.advance(minutes=15)
    world.work()
    assert said(world)[1:] == ["escalated", "reminded", "reminded"]


def test_nothing_comes_for_a_request_past_its_time(world: World) -> None:
    """After a weekend it expires, and that is all."""
    world.asked()
    world.clock.advance(hours=60)
    world.work()
    assert said(world) == ["requested", "expired"]


def test_what_falls_due_while_everything_is_frozen_comes_after_that(world: World) -> None:
    """Nobody can approve before, and whoever could afterwards must hear of it."""
    about = world.asked()
    assert world.freeze() is Verdict.ALLOWED
    world.clock.advance(minutes=35)
    world.work()
    assert "reminded" not in said(world)
    assert "escalated" not in said(world)
    assert world.unfreeze() is Verdict.ALLOWED
    world.work()
    assert said(world)[-2:] == ["escalated", "reminded"]
    assert world.found(about).remind_at == world.clock() + timedelta(minutes=15)


def test_a_reminder_that_would_come_at_the_end_does_not_come(world: World) -> None:
    """The request expires in the same moment."""
    world.workflow.rules = replace(world.workflow.rules, remind_after=(timedelta(hours=1),))
    assert world.found(world.asked()).remind_at is None


def test_what_was_switched_off_since_does_not_come(world: World) -> None:
    """A request that waits follows settings without reminders or escalation, and expires in time."""
    about = world.asked()
    world.workflow.rules = replace(world.workflow.rules, remind_after=(), escalate_after=None, escalate_to=People())
    world.clock.advance(minutes=30)
    world.work()
    assert said(world) == ["requested"]
    assert world.found(about).due_at == world.found(about).expires_at
    world.check()


def test_a_decision_ends_all_timers(world: World) -> None:
    """A request that is approved and fails is not waited for, so nobody is reminded of it."""
    about = world.asked()
    world.approve(about)
    world.answer(call(world), Answer(Outcome.NOT_SENT))
    world.clock.advance(minutes=45)
    world.work()
    assert "reminded" not in said(world)
    assert "escalated" not in said(world)


# --- the right to decide --------------------------------------------------------------------------


def test_an_escalation_gives_the_right_to_decide_this_request(world: World) -> None:
    """Before it Dora is an outsider; after it her approval cancels, on a ground of its own."""
    about = world.asked()
    assert world.approve(about, DORA).verdict is Verdict.NOT_AN_APPROVER
    world.clock.advance(minutes=25)
    world.work()
    other = world.asked("ord_2")
    assert world.approve(other, DORA).verdict is Verdict.NOT_AN_APPROVER
    assert world.approve(about, DORA).verdict is Verdict.ALLOWED
    assert world.found(about).state is State.APPROVED
    assert world.work() is not None
    world.check()


def test_a_vote_by_escalation_counts_with_the_others_and_at_a_recount(world: World) -> None:
    """Two approvals are Ben's and Dora's, in whatever order, also where the votes are counted again between them."""
    world.restart(quorum=2)
    about = world.asked()
    world.clock.advance(minutes=25)
    world.work()
    world.approve(about, DORA)
    world.recount()
    assert world.found(about).approvers == (DORA,)
    world.approve(about, BEN)
    assert world.found(about).state is State.APPROVED


def test_a_retry_counts_the_vote_of_an_escalation(world: World) -> None:
    """The approval that the request has is as good as another."""
    about = world.asked()
    world.clock.advance(minutes=25)
    world.work()
    world.approve(about, DORA)
    world.answer(call(world), Answer(Outcome.NOT_SENT))
    assert world.retry(about, BEN).verdict is Verdict.ALLOWED


def test_a_requester_in_the_escalation_still_needs_a_second_person(world: World) -> None:
    """Nobody acts alone, whatever setting names them."""
    about = world.asked(person=DORA)
    world.clock.advance(minutes=25)
    world.work()
    assert world.approve(about, DORA).verdict is Verdict.OWN_REQUEST


def test_a_group_of_the_escalation_that_is_not_read_decides_nothing(world: World) -> None:
    """Slack's silence never means yes, and the vote that cannot be checked is kept for later."""
    world.restart(quorum=2)
    about = world.asked()
    world.clock.advance(minutes=25)
    world.work()
    world.approve(about, DORA)
    unread = Members(frozenset({ANN, BEN, CLEO}), escalation=Members(complete=False))
    found = world.found(about)
    assert unread.of(found).complete is False
    assert unread.of(replace(found, escalated_at=None)).complete is True


def test_a_ground_by_escalation_needs_an_escalation_on_record(world: World) -> None:
    """A record in which somebody decided by an escalation that never was contradicts itself."""
    about = world.asked()
    content = Approved(1, 1, Ground(escalated=True))

    def forge(tx: object) -> None:
        world.tables.requests.move(world.found(about), State.APPROVED, at=world.clock(), due_at=world.clock())
        world.tables.record.append(content, DORA, world.clock(), world.found(about))

    world.run(world.store.transaction("forge", forge))
    (found,) = world.tables.projections.contradictions()
    assert found.subject == "event"


# --- called off -----------------------------------------------------------------------------------


def test_what_nobody_posted_before_the_decision_is_called_off(world: World) -> None:
    """Neither a reminder nor a line about a missing approval is posted for a request that is decided."""
    world.restart(quorum=2)
    about = world.asked()
    deliver_all(world)
    world.approve(about)
    world.clock.advance(minutes=26)
    world.work()
    world.reject(about, CLEO)
    deliver_all(world)
    kinds = ("voted", "escalated", "reminded", "rejected")
    assert sorted(set(rows(world, *kinds))) == [
        ("escalated", "called_off"),
        ("rejected", "delivered"),
        ("reminded", "called_off"),
        ("voted", "called_off"),
    ]
    world.check()


def test_only_the_newest_of_a_kind_is_posted(world: World) -> None:
    """While Slack is away, reminders do not pile up."""
    world.asked()
    deliver_all(world)
    for minutes in (20, 15):
        world.clock.advance(minutes=minutes)
        world.work()
    deliver_all(world)
    assert rows(world, "reminded") == [("reminded", "called_off"), ("reminded", "delivered")]
    world.check()


def test_a_try_that_was_begun_before_the_decision_counts(world: World) -> None:
    """From its claim on, a reminder counts as posted; Slack has it, and the record shows that it came first."""
    about = world.asked()
    deliver_all(world)
    world.clock.advance(minutes=20)
    world.work()
    claimed = begin_reply(world)
    world.reject(about)
    world.receive(claimed, world.reach_slack(claimed))
    assert rows(world, "reminded") == [("reminded", "delivered")]
    world.check()


@pytest.mark.parametrize("outcome", [DeliveryOutcome.LATER, DeliveryOutcome.IN_DOUBT, DeliveryOutcome.BLOCKED])
def test_a_try_that_failed_is_not_repeated_after_the_decision(world: World, outcome: DeliveryOutcome) -> None:
    """The next turn calls it off, and the result of the request does not wait for it."""
    about = world.asked()
    deliver_all(world)
    world.clock.advance(minutes=20)
    world.work()
    claimed = begin_reply(world)
    world.receive(claimed, world.trouble(claimed, outcome))
    world.reject(about)
    world.clock.advance(minutes=1)
    posted = len(world.outside.messages)
    deliver_all(world)
    assert rows(world, "reminded", "rejected")[0] == ("reminded", "called_off")
    assert len(world.outside.messages) == posted + 2  # the result, in the thread and to the requester
    world.check()


def test_a_message_of_a_try_that_was_called_off_is_removed(world: World) -> None:
    """Its process had stood still for so long that another one took the request to its end."""
    about = world.asked()
    deliver_all(world)
    world.clock.advance(minutes=20)
    world.work()
    claimed = begin_reply(world)
    world.reject(about)
    world.clock.advance(minutes=3)
    deliver_all(world)
    assert rows(world, "reminded") == [("reminded", "called_off")]
    assert world.receive(claimed, world.reach_slack(claimed)).surplus
    world.check()


def test_many_that_are_called_off_hold_nobody_up(world: World) -> None:
    """One transaction calls off only so many, and the worker comes back for the rest at once."""
    abouts = [world.asked(f"ord_{number}") for number in range(MOST_CALLED_OFF + 5)]
    deliver_all(world)
    world.clock.advance(minutes=20)
    while world.run(world.workflow.claim("w", calls=1, messages=0)).more:
        pass
    for about in abouts:
        world.reject(about)
    first = world.run(world.workflow.claim("w", calls=0, messages=1000))
    assert {each.delivery.kind for each in first.deliveries} == {DeliveryKind.CARD_UPDATE}
    assert first.more
    assert rows(world, "reminded").count(("reminded", "called_off")) == MOST_CALLED_OFF
    deliver_all(world)
    assert set(rows(world, "reminded")) == {("reminded", "called_off")}


# --- the card is gone -----------------------------------------------------------------------------


@pytest.mark.parametrize("minutes", [20, 25])
def test_a_card_that_is_gone_comes_back_before_people_are_reminded_of_it(world: World, minutes: int) -> None:
    """Nobody is asked to decide where there are no buttons: the new card comes first, and the reminder is below it."""
    about = world.asked()
    deliver_all(world)
    old = world.found(about).card_ts
    world.clock.advance(minutes=minutes)
    while not rows(world, "reminded", "escalated"):
        world.work()
    kinds = []
    while (claimed := world.begin_delivery()) is not None:
        kinds.append(claimed.delivery.kind)
        request = claimed.request
        assert request is not None
        gone = claimed.delivery.kind is DeliveryKind.CARD_UPDATE and request.card_ts == old
        if claimed.delivery.kind is DeliveryKind.REPLY:
            assert request.card_ts != old
        receipt = world.trouble(claimed, DeliveryOutcome.IMPOSSIBLE) if gone else world.reach_slack(claimed)
        world.receive(claimed, receipt)
    news = [kind for kind in kinds if kind in {DeliveryKind.CARD, DeliveryKind.CARD_UPDATE, DeliveryKind.REPLY}]
    assert news[:3] == [DeliveryKind.CARD_UPDATE, DeliveryKind.CARD, DeliveryKind.REPLY]
    assert kinds.count(DeliveryKind.CARD) == 1
    world.check()


def test_a_reminder_does_not_wait_for_an_update_that_slack_does_not_take(world: World) -> None:
    """One try tells whether the card is there; after that people hear of it."""
    world.asked()
    deliver_all(world)
    world.clock.advance(minutes=20)
    world.work()
    claimed = world.begin_delivery()
    assert claimed is not None
    assert claimed.delivery.kind is DeliveryKind.CARD_UPDATE
    assert world.begin_delivery() is None
    world.receive(claimed, world.trouble(claimed, DeliveryOutcome.LATER))
    assert begin_reply(world).event.kind == "reminded"


# --- trouble with the gateway ---------------------------------------------------------------------


def trying(world: World) -> str:
    """Return an approved request in a world where the bot tries ten times."""
    patience = Patience(max_attempts=10)
    world.workflow.rules = replace(world.workflow.rules, patience=patience)
    about = world.asked()
    deliver_all(world)
    world.approve(about)
    return about


def try_once(world: World, about: str, answer: Answer) -> None:
    """Wait until the next call is due, and answer it at once."""
    due = world.found(about).cancellation.due_at
    assert due is not None
    world.clock.at = max(world.clock.at, due)
    world.answer(call(world), answer)


def test_trouble_that_lasts_a_minute_is_told_once(world: World) -> None:
    """It is told when the next call would begin a minute or more after the first, and not again before the end."""
    about = trying(world)
    told = []
    for _ in range(9):
        try_once(world, about, BUSY)
        told.append(said(world).count("gateway_trouble"))
    # The calls begin after 0, 1, 3, 7, 15, 31 and 63 seconds, and so on.
    assert told == [0, 0, 0, 0, 0, 1, 1, 1, 1]
    deliver_all(world)
    assert rows(world, "gateway_trouble") == [("gateway_trouble", "delivered")] * 2
    content = next(event.content for event in world.tables.record.all() if event.kind == "gateway_trouble")
    assert isinstance(content, GatewayTrouble)
    assert (content.attempts, content.unclear) == (6, False)
    try_once(world, about, BUSY)
    assert world.found(about).state is State.FAILED


def test_trouble_says_whether_the_order_may_be_cancelled(world: World) -> None:
    """One answer that was not clear makes everything after it unclear."""
    about = trying(world)
    try_once(world, about, LOST)
    for _ in range(5):
        try_once(world, about, BUSY)
    content = [event.content for event in world.tables.record.all()][-1]
    assert isinstance(content, GatewayTrouble)
    assert content.unclear


def test_trouble_is_told_again_after_a_retry(world: World) -> None:
    """A retry is a new beginning: people who pressed it hear of it again, once."""
    about = trying(world)
    for _ in range(10):
        try_once(world, about, BUSY)
    deliver_all(world)
    assert world.retry(about, CLEO).verdict is Verdict.ALLOWED
    for _ in range(7):
        try_once(world, about, BUSY)
    assert said(world).count("gateway_trouble") == 2
    world.check()


def test_trouble_that_is_over_before_anybody_heard_is_called_off(world: World) -> None:
    """The result says it all."""
    about = trying(world)
    for _ in range(6):
        try_once(world, about, BUSY)
    try_once(world, about, Answer(Outcome.CANCELLED, http_status=200))
    world.outside.cancelled["ord_1"] = about
    deliver_all(world)
    assert rows(world, "gateway_trouble") == [("gateway_trouble", "called_off")] * 2
    world.check()


@pytest.mark.parametrize("kind", [DeliveryKind.REPLY, DeliveryKind.DIRECT_MESSAGE])
def test_a_call_that_hangs_for_long_is_told_after_it(world: World, kind: DeliveryKind) -> None:
    """The first answer that comes after a minute is late enough."""
    about = trying(world)
    attempt = call(world)
    world.clock.advance(seconds=60)
    world.answer(attempt, LOST)
    assert world.found(about).state is State.APPROVED
    seq = world.tables.record.last().seq
    assert world.rows("SELECT kind FROM deliveries WHERE event_seq = ? AND kind = ?", seq, kind) == [(kind,)]
