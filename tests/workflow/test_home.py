"""Home tabs: what each person sees, when theirs is published, and what follows from each try."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from bot.domain.delivery import DeliveryOutcome, Publish, Receipt
from bot.domain.events import Started
from bot.domain.policy import Act, Actor, Membership, People, Surface, Verdict
from bot.store import Store
from bot.workflow import Held, Rules, Wish, Workflow, decisions
from tests.clock import Clock
from tests.workflow.steps import CANCELLED, LOST, approve, approved, requested, sending
from tests.world import actor, typed

DONE = Receipt(DeliveryOutcome.DELIVERED)
MEMBER, OUTSIDER, UNCHECKED = Membership.MEMBER, Membership.OUTSIDER, Membership.UNCHECKED
APPROVER = Actor("UONE", "one", approver=MEMBER)
AUDITOR = Actor("UAUD", "aud", approver=OUTSIDER, auditor=MEMBER, escalation=OUTSIDER)
OLGA = Actor("UOLGA", "olga", approver=OUTSIDER, auditor=OUTSIDER, escalation=OUTSIDER)
ANN = replace(OLGA, id="UASKER", name="ann")


def flow(store: Store, rules: Rules, clock: Clock) -> Workflow:
    """Return the use cases with other rules."""
    return Workflow(store, rules, now=clock, wake=asyncio.Event(), jitter=lambda: 0.0)


async def claimed(workflow: Workflow, *, messages: int = 8, held: Held | None = None) -> list[Publish]:
    """Claim what is due; return the publishes."""
    return (await workflow.claim("w", calls=0, messages=messages, held=held or Held())).homes


async def published(workflow: Workflow, receipt: Receipt = DONE) -> list[str]:
    """Publish what is due; return whose tabs."""
    due = await claimed(workflow)
    for each in due:
        await workflow.record_publish(each, receipt)
    return [each.person for each in due]


async def seen(workflow: Workflow, who: Actor) -> tuple[list[str] | None, list[str], list[str]]:
    """Return the orders that wait for this person, their own, and the latest ones."""
    found = await workflow.home(who)
    waiting = None if found.waiting is None else [each.order_ids[0] for each in found.waiting]
    return waiting, [each.order_ids[0] for each in found.own], [each.order_ids[0] for each in found.lately]


async def test_a_tab_that_a_clock_behind_has_opened_stays_up_to_date(workflow: Workflow, clock: Clock) -> None:
    """Once the clock is set, the bot would take it for one that was left hours ago."""
    clock.advance(hours=-3)
    await workflow.start(Started("1"))
    await workflow.home_opened("UONE")
    assert await published(workflow) == ["UONE"]
    clock.advance(hours=3, minutes=1)
    await workflow.start(Started("1"))
    await workflow.freeze(APPROVER, "why", typed())
    assert await published(workflow) == ["UONE"]


async def test_everybody_sees_what_they_may_read(workflow: Workflow) -> None:
    """An approver sees all, and decides; an auditor sees all; others see their own, and nothing else."""
    await requested(workflow, "ord_1", form="V1")
    await unknown_of(workflow, "ord_2")
    await workflow.request(Wish("V3", ("ord_3",), "", "C1"), replace(actor("UDAN"), requester=MEMBER))
    rejected = await requested(workflow, "ord_4", form="V4")
    await workflow.act(decisions.reject, Act.REJECT, rejected.id, actor("UTWO"), reason="no")
    assert await seen(workflow, APPROVER) == (["ord_1", "ord_3"], [], ["ord_4", "ord_2"])
    assert await seen(workflow, AUDITOR) == (None, [], ["ord_4", "ord_2"])
    assert await seen(workflow, ANN) == (None, ["ord_1", "ord_2"], ["ord_4"])
    assert await seen(workflow, replace(OLGA, id="UDAN")) == (None, ["ord_3"], [])
    assert await seen(workflow, OLGA) == (None, [], [])
    assert await seen(workflow, replace(APPROVER, approver=UNCHECKED)) == (None, [], [])


async def unknown_of(workflow: Workflow, order: str) -> None:
    """Bring a request for this order to an end that nobody knows."""
    request = await approved(workflow, order, form=order)
    attempt = await sending(workflow)
    assert request.id == attempt.request_id
    await workflow.record_answer(attempt, replace(LOST, repeat=False))


async def test_what_waits_is_what_this_person_can_approve(store: Store, rules: Rules, clock: Clock) -> None:
    """Not their own request, nor what they have approved; with self-approval the own one as well."""
    workflow = flow(store, replace(rules, approvals_required=2), clock)
    mine = await workflow.request(Wish("V1", ("ord_1",), "", "C1"), actor("UONE"))
    other = await requested(workflow, "ord_2", form="V2")
    assert mine.verdict is Verdict.ALLOWED
    assert (await seen(workflow, APPROVER))[:2] == (["ord_2"], ["ord_1"])
    assert await approve(workflow, other, "UONE") is Verdict.ALLOWED
    assert (await seen(workflow, APPROVER))[0] == []
    assert (await seen(workflow, replace(APPROVER, id="UTWO")))[0] == ["ord_1", "ord_2"]
    alone = flow(store, replace(rules, approvals_required=2, allow_self_approval=True), clock)
    assert (await seen(alone, APPROVER))[0] == ["ord_1"]


async def test_the_first_to_expire_is_on_top(store: Store, rules: Rules, clock: Clock) -> None:
    """The setting may have become shorter since an older request was made."""
    await requested(flow(store, rules, clock), "ord_1", form="V1")
    clock.advance(60)
    workflow = flow(store, replace(rules, approval_ttl=timedelta(minutes=5)), clock)
    await requested(workflow, "ord_2", form="V2")
    assert (await seen(workflow, APPROVER))[0] == ["ord_2", "ord_1"]


async def test_after_an_escalation_others_decide_that_one(store: Store, rules: Rules, clock: Clock) -> None:
    """They see no request before it is escalated, and nothing else of it that they may not look up."""
    later = replace(rules, escalate_after=timedelta(minutes=10), escalate_to=People(frozenset({"UESC"})))
    workflow = flow(store, later, clock)
    await requested(workflow, "ord_1", form="V1")
    clock.advance(minutes=9)
    await requested(workflow, "ord_2", form="V2")
    asked_too = replace(OLGA, id="UESC", escalation=MEMBER)
    assert await seen(workflow, asked_too) == ([], [], [])
    clock.advance(minutes=1)
    await workflow.claim("w", calls=1, messages=0)  # it escalates the one that is due
    assert await seen(workflow, asked_too) == (["ord_1"], [], [])


async def test_lately_are_ten(workflow: Workflow) -> None:
    """A request that is listed as one's own is not there a second time, and takes no other one's place."""
    for number in range(11):
        request = await requested(workflow, f"ord_{number}", form=f"V{number}")
        await workflow.act(decisions.withdraw, Act.WITHDRAW, request.id, ANN)
    await approved(workflow, "ord_open", form="V_open")
    _, own, lately = await seen(workflow, ANN)
    assert own == ["ord_open"]
    assert lately == [f"ord_{number}" for number in range(10, 0, -1)]
    assert (await seen(workflow, AUDITOR))[2] == ["ord_open", *lately[:9]]


async def test_the_freeze_is_there(workflow: Workflow) -> None:
    """Everybody sees who stopped everything, and why."""
    await workflow.freeze(APPROVER, "wrong totals", typed())
    freeze = (await workflow.home(OLGA)).freeze
    assert freeze is not None
    assert (freeze.by, freeze.why) == ("UONE", "wrong totals")


async def test_a_tab_follows_a_request_to_its_end(workflow: Workflow, clock: Clock) -> None:
    """Each step owes it to everybody who has theirs open, and to nobody else."""
    for person in ("UONE", "UASKER"):
        await workflow.home_opened(person)
    both = ["UASKER", "UONE"]
    assert sorted(await published(workflow)) == both
    clock.advance(2)
    request = await requested(workflow)
    assert sorted(await published(workflow)) == both
    clock.advance(2)
    assert await approve(workflow, request) is Verdict.ALLOWED
    assert sorted(await published(workflow)) == both
    clock.advance(2)
    attempt = await sending(workflow)
    clock.advance(2)
    assert sorted(await published(workflow)) == both
    clock.advance(2)
    await workflow.record_answer(attempt, CANCELLED)
    assert sorted(await published(workflow)) == both
    clock.advance(2)
    assert await published(workflow) == []
    await workflow.freeze(APPROVER, "", typed())
    assert sorted(await published(workflow)) == both
    clock.advance(2)
    await workflow.unfreeze(APPROVER, typed())
    assert sorted(await published(workflow)) == both


async def test_a_step_of_the_clock_publishes_what_is_open(workflow: Workflow, store: Store, clock: Clock) -> None:
    """The tab says when something expires and whether Retry is too late, and no event tells of the step."""
    await workflow.home_opened("UTWO")
    assert await published(workflow) == ["UTWO"]
    step = timedelta(minutes=10)
    clock.advance(step.total_seconds())
    await store.transaction("follow", lambda tx: workflow.shift(tx, step))
    clock.advance(2)
    assert await published(workflow) == ["UTWO"]


async def test_a_start_publishes_what_is_open(workflow: Workflow, clock: Clock) -> None:
    """The settings may be others by now, and what the former process was publishing may not have arrived."""
    await workflow.home_opened("UONE")
    await workflow.home_opened("UTWO")
    assert len(await claimed(workflow)) == 2
    clock.advance(5)
    await workflow.start(Started("1"))
    assert sorted(await published(workflow)) == ["UONE", "UTWO"]
    clock.advance(hours=2)
    await workflow.start(Started("1"))
    assert sorted(await published(workflow)) == ["UONE", "UTWO"]  # once more, when nothing of theirs is under way
    assert await published(workflow) == []


@pytest.mark.parametrize("outcome", [DeliveryOutcome.LATER, DeliveryOutcome.BLOCKED, DeliveryOutcome.IN_DOUBT])
async def test_it_is_tried_until_slack_takes_it(workflow: Workflow, clock: Clock, outcome: DeliveryOutcome) -> None:
    """The pauses are those of all deliveries, half a minute at the most, and no time ends that."""
    await workflow.home_opened("UONE")
    tries = 0
    for _ in range(60):
        tries += len(await published(workflow, Receipt(outcome, problem="not_enabled")))
        clock.advance(10)
    assert 15 < tries < 30
    clock.advance(30)
    assert await published(workflow) == ["UONE"]


async def test_what_can_never_succeed_is_given_up_until_something_changes(workflow: Workflow, clock: Clock) -> None:
    """Slack refuses this view, and may take the next one. The operator reads of it."""
    await workflow.home_opened("UONE")
    with capture_logs() as logs:
        assert await published(workflow, Receipt(DeliveryOutcome.IMPOSSIBLE, problem="invalid_arguments")) == ["UONE"]
    assert [line["event"] for line in logs if line["log_level"] == "warning"] == ["home_not_published"]
    clock.advance(hours=1)
    assert await published(workflow) == []
    await workflow.home_opened("UONE")
    assert await published(workflow) == ["UONE"]


async def test_the_operator_reads_of_lasting_trouble_once(workflow: Workflow, clock: Clock) -> None:
    """After the third try, as with other deliveries."""
    await workflow.home_opened("UONE")
    with capture_logs() as logs:
        for _ in range(10):
            await published(workflow, Receipt(DeliveryOutcome.BLOCKED, problem="not_enabled"))
            clock.advance(60)
    (line,) = [line for line in logs if line["event"] == "home_not_published"]
    assert (line["problem"], line["given_up"]) == ("not_enabled", False)


async def test_a_rate_limit_is_kept_for_everybody(workflow: Workflow, clock: Clock) -> None:
    """Slack says how long to wait."""
    for person in ("UONE", "UTWO"):
        await workflow.home_opened(person)
    first, second = await claimed(workflow)
    limited = Receipt(DeliveryOutcome.LATER, problem="ratelimited", retry_after=30.0)
    await workflow.record_publish(first, limited)
    await workflow.record_publish(second, DONE)
    await workflow.home_opened(second.person)
    clock.advance(29)
    assert await published(workflow) == []
    clock.advance(1)
    assert sorted(await published(workflow)) == ["UONE", "UTWO"]


async def test_messages_come_first_and_keep_room(workflow: Workflow) -> None:
    """However many people have their tabs open, a card does not wait behind them."""
    for number in range(20):
        await workflow.home_opened(f"U{number}")
    await requested(workflow)
    both = await workflow.claim("w", calls=0, messages=8)
    assert (len(both.deliveries), len(both.homes)) == (1, 5)
    assert await claimed(workflow, messages=2) == []
    assert await claimed(workflow, messages=0) == []


async def test_what_is_in_hand_is_not_claimed_again(workflow: Workflow, clock: Clock) -> None:
    """The worker that holds it is the only one, however late it is with it."""
    await workflow.home_opened("UONE")
    (mine,) = await claimed(workflow)
    clock.advance(hours=1)
    assert await claimed(workflow, held=Held(homes=frozenset({mine.person}))) == []
    assert len(await claimed(workflow)) == 1


async def test_a_click_on_the_tab_proves_that_it_is_open(workflow: Workflow, clock: Clock) -> None:
    """Its person sees at once what is true, also after a refusal: a stale tab is the likely cause of one."""
    request = await requested(workflow)
    clicks = replace(actor("UONE"), surface=Surface.HOME)
    acted = await workflow.act(decisions.may_reject, Act.REJECT, request.id, clicks)
    assert acted.verdict is Verdict.ALLOWED
    assert await published(workflow) == ["UONE"]
    await workflow.act(decisions.withdraw, Act.WITHDRAW, request.id, replace(ANN, surface=Surface.HOME))
    clock.advance(2)
    assert sorted(await published(workflow)) == ["UASKER", "UONE"]
    clock.advance(2)
    acted = await workflow.act(decisions.may_reject, Act.REJECT, request.id, clicks)
    assert acted.verdict is Verdict.WRONG_STATE
    assert await published(workflow) == ["UONE"]
    clock.advance(2)
    assert (await workflow.act(decisions.may_reject, Act.REJECT, "none", clicks)).verdict is Verdict.NO_SUCH_REQUEST
    assert await published(workflow) == ["UONE"]


async def test_opening_a_tab_writes_no_event(workflow: Workflow, store: Store) -> None:
    """Looking at it is like looking at a card. One row is kept, however often it is opened."""
    for _ in range(3):
        await workflow.home_opened("UONE")
    assert await store.read(lambda tables: tables.record.last().seq) == 0
    rows = await store.read(lambda tables: tables.connection.execute("SELECT count(*) FROM homes"))
    assert rows == [(1,)]
