"""The acts on a request: approve, reject, withdraw, retry, try now, stop, settle. Each runs inside one transaction.

Each function gets the request as it is in this transaction, changes it if the policy allows that, and returns
the policy's verdict. ``Workflow.act`` puts every refusal on record.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from bot.domain import policy
from bot.domain.audit import BOT
from bot.domain.cancellation import Choice, State
from bot.domain.events import (
    Approved,
    ClickRefused,
    Content,
    Hurried,
    QuorumChanged,
    Rejected,
    Retried,
    SettledCancelled,
    SettledNotCancelled,
    StoppedTrying,
    Voted,
    VotesVoided,
    Withdrawn,
)
from bot.domain.policy import Act, Actor, Members, Verdict, Votes
from bot.domain.request import Request
from bot.store import Tables
from bot.workflow.rules import Rules
from bot.workflow.transitions import end, owe_messages, show, show_others


def approve(
    tx: Tables,
    rules: Rules,
    request: Request,
    actor: Actor,
    at: datetime,
    *,
    approvers: Members,
    promised: int = 0,
) -> Verdict:
    """Count one approval; the one that reaches the quorum makes the cancel due at once.

    All earlier votes are counted again by today's rules: ``approvers`` is who may approve now. ``promised`` is how many
    approvals the person's card promised to wait for, as the quorum may have been lowered since.
    """
    verdict = policy.may_decide(request, actor, Choice.APPROVE, allow_self_approval=rules.allow_self_approval)
    votes = policy.count_votes(request, approvers, allow_self_approval=rules.allow_self_approval)
    if verdict is Verdict.ALREADY_COUNTED and votes.verdict(rules.approvals_required) is Verdict.ALLOWED:
        # The quorum was lowered since: nobody else has to come.
        verdict = Verdict.ALLOWED
    if verdict is Verdict.ALLOWED and tx.freeze() is not None:
        verdict = Verdict.FROZEN
    if verdict is not Verdict.ALLOWED:
        return verdict
    # The person was looked up for this click, the others a moment before or after it. For this vote the click counts.
    own = {actor.id}
    votes = replace(votes, valid=votes.valid | own, void=votes.void - own, unchecked=votes.unchecked - own)
    reached = votes.verdict(rules.approvals_required)
    if reached is Verdict.VOTES_UNCHECKED:
        return reached
    if reached is Verdict.ALLOWED and len(votes.valid) < promised:
        # No vote is counted, but the card must show today's quorum.
        settle_votes(tx, rules, request, Votes(), actor=None, at=at)
        return Verdict.CARD_OUT_OF_DATE
    if actor.id not in request.approvers:
        tx.requests.decide(request, actor.id, Choice.APPROVE, "", at)
    settle_votes(tx, rules, request, votes, actor=actor, at=at)
    return verdict


def settle_votes(
    tx: Tables, rules: Rules, request: Request, votes: Votes, *, actor: Actor | None, at: datetime
) -> None:
    """Bring a pending request in line with its votes and with today's quorum, and approve it if they reach it.

    ``actor`` is the person who has just voted, or None where the votes are only counted again.
    """
    quorum = rules.approvals_required
    happened: list[Content] = []
    ground, surface = (actor.ground, actor.surface) if actor is not None else (None, None)
    if votes.void:
        happened.append(VotesVoided(tuple(sorted(votes.void))))
        tx.requests.void_votes(request, votes.void)
    if quorum != request.approvals_required:
        happened.append(QuorumChanged(before=request.approvals_required, now=quorum))
        tx.requests.require(request, quorum)
    if votes.verdict(quorum) is Verdict.ALLOWED:
        happened.append(Approved(approvals=len(votes.valid), of=quorum, ground=ground, surface=surface))
    elif actor is not None:
        happened.append(Voted(len(votes.valid | votes.unchecked), quorum, ground=ground, surface=surface))
    for content in happened:
        by = actor.id if actor is not None and isinstance(content, Approved | Voted) else BOT
        if isinstance(content, Approved):
            # Right before its event, whose number the step takes.
            tx.requests.move(request, State.APPROVED, at=at, due_at=at)
        event = tx.record.append(content, by, at, request)
        show(tx, request, event, at)
        owe_messages(tx, request, event, content, at)


def recount(tx: Tables, rules: Rules, approvers: Members, at: datetime, *, latest: datetime) -> list[Request] | None:
    """Count the votes of every pending request by today's rules, after a start; return the requests that changed.

    Votes that cannot be checked now neither count nor go; the next vote or recount looks at them again. The same holds
    for requests that are overdue at ``latest``, the latest time that it may be. While everything is frozen no approval
    counts, so the votes stay as they are.
    """
    if tx.freeze() is not None:
        return None
    changed = []
    for request in tx.requests.pending():
        votes = policy.count_votes(request, approvers, allow_self_approval=rules.allow_self_approval)
        # Cards show the quorum, and a dialog says by it whether an approval is the last one.
        other_quorum = request.approvals_required != rules.approvals_required
        enough = votes.verdict(rules.approvals_required) is Verdict.ALLOWED
        if not request.overdue(latest) and (votes.void or other_quorum or enough):
            settle_votes(tx, rules, request, votes, actor=None, at=at)
            changed.append(request)
    return changed


def may_reject(tx: Tables, rules: Rules, request: Request, actor: Actor, at: datetime) -> Verdict:
    """Return ALLOWED where it is worth asking this person for a reason; change nothing."""
    return policy.may_decide(request, actor, Choice.REJECT, allow_self_approval=rules.allow_self_approval)


def reject(tx: Tables, rules: Rules, request: Request, actor: Actor, at: datetime, *, reason: str) -> Verdict:
    """End the request with an approver's no."""
    verdict = may_reject(tx, rules, request, actor, at)
    if verdict is Verdict.ALLOWED:
        tx.requests.decide(request, actor.id, Choice.REJECT, reason, at)
        end(tx, request, Rejected(reason, actor.ground, actor.surface), actor.id, at)
    return verdict


def withdraw(tx: Tables, rules: Rules, request: Request, actor: Actor, at: datetime) -> Verdict:
    """Take one's own request back."""
    verdict = policy.may_withdraw(request, actor)
    if verdict is Verdict.ALLOWED:
        end(tx, request, Withdrawn(actor.surface), actor.id, at)
    return verdict


def retry(
    tx: Tables,
    rules: Rules,
    request: Request,
    actor: Actor,
    at: datetime,
    *,
    approvers: Members,
    seen: int,
    named: int,
) -> Verdict:
    """Have the failed and unknown cancellations sent again, as they were approved, within the limits of the policy.

    ``seen`` is the version that the person saw. A click that arrives twice acts once, also where the first retry has
    led to the same state again by then. Each bit of ``named`` is an order that the person was asked about, by its place
    in the request: no other one is sent, as another request may have stood in its way when they were asked.
    """
    votes = policy.count_votes(request, approvers, allow_self_approval=rules.allow_self_approval)

    def may_retry(one: Request) -> Verdict:
        return policy.may_retry(one, actor, at, votes=votes.verdict(rules.approvals_required))

    retried, verdict = judged(request, may_retry)
    if verdict is not Verdict.ALLOWED:
        return verdict
    asked_about = {one.cancellation.number: may_retry(one) for one in request.at_places(named)}
    retried = [each for each in retried if each.cancellation.number in asked_about]
    if seen != request.version or not retried:
        return Verdict.WRONG_STATE
    if tx.freeze() is not None:
        return Verdict.FROZEN
    for each in retried:
        if tx.cancellations.move(each.cancellation, State.APPROVED, at=at, due_at=at, attempts=0):
            event = tx.record.append(Retried(actor.ground, actor.surface), actor.id, at, each)
            show(tx, each, event, at)
            show_others(tx, each, event, at)
        else:
            asked_about[each.cancellation.number] = Verdict.ANOTHER_IS_OPEN
    if Verdict.ALLOWED not in asked_about.values():
        return Verdict.ANOTHER_IS_OPEN
    for one in request.at_places(named):
        if (why := asked_about[one.cancellation.number]) is not Verdict.ALLOWED:
            tx.record.append(ClickRefused(Act.RETRY, why, one.state), actor.id, at, one)
    return Verdict.ALLOWED


def try_now(tx: Tables, rules: Rules, request: Request, actor: Actor, at: datetime, *, seen: int) -> Verdict:
    """Have the next attempts made at once. ``seen`` is the version that the person saw.

    A click acts once: it ends the pauses that the person saw, and none that an order began after that.
    """
    hurried, verdict = judged(request, lambda one: policy.may_try_now(one, actor, at))
    if verdict is Verdict.ALLOWED:
        hurried = [each for each in hurried if each.version <= seen <= request.version]
        if not hurried:
            return Verdict.WRONG_STATE
    waits = any(each.state is State.APPROVED for each in request.cancellations)
    if waits and verdict in {Verdict.ALLOWED, Verdict.CALL_UNDER_WAY} and tx.freeze() is not None:
        return Verdict.FROZEN
    for each in hurried:
        tx.cancellations.hurry(each.cancellation, at)
        event = tx.record.append(Hurried(actor.ground, actor.surface), actor.id, at, each)
        show(tx, each, event, at)
    return verdict


def stop(tx: Tables, rules: Rules, request: Request, actor: Actor, at: datetime, *, seen: int) -> Verdict:
    """End the approved cancellations of which certainly nothing was done, before another attempt is made.

    ``seen`` is the version that the person saw. It may be that of an earlier pause, as attempts follow each other
    within seconds. But a click that comes late or twice must not end the attempts of a later retry.
    """
    stopped, verdict = judged(request, lambda one: policy.may_stop(one, actor))
    if verdict is Verdict.ALLOWED and not _is_of_this_approval(tx, request, seen):
        return Verdict.WRONG_STATE
    if verdict is Verdict.ALLOWED:
        # The person saw the card some seconds ago, and asked for all of them.
        for one, why in policy.going_on(request, actor):
            tx.record.append(ClickRefused(Act.STOP, why, one.state), actor.id, at, one)
    for each in stopped:
        end(tx, each, StoppedTrying(actor.ground, actor.surface), actor.id, at)
    return verdict


def may_settle(tx: Tables, rules: Rules, request: Request, actor: Actor, at: datetime) -> Verdict:
    """Return ALLOWED where it is worth asking this person for their finding; change nothing."""
    return judged(request, lambda one: policy.may_settle(one, actor))[1]


def settle(
    tx: Tables,
    rules: Rules,
    request: Request,
    actor: Actor,
    at: datetime,
    *,
    order: int | None,
    cancelled: bool,
    how: str,
    seen: int,
) -> Verdict:
    """End an unknown outcome of one order with a person's statement, and free the order for another request.

    ``order`` is its place in the request, from 0 on. ``seen`` is the version that the person saw: after another attempt
    their finding may be out of date.
    """
    one = request.at_place(order)
    if one is None:
        return Verdict.WRONG_STATE
    verdict = policy.may_settle(one, actor)
    if verdict is Verdict.ALLOWED and seen < one.version:
        return Verdict.WRONG_STATE
    if verdict is Verdict.ALLOWED:
        tx.requests.decide(one, actor.id, Choice.SETTLE, how, at, order_id=one.cancellation.order_id)
        kind = SettledCancelled if cancelled else SettledNotCancelled
        end(tx, one, kind(how, actor.ground, actor.surface), actor.id, at)
    return verdict


def judged(request: Request, judge: Callable[[Request], Verdict]) -> tuple[list[Request], Verdict]:
    """Return the orders to which this person may do it, and ALLOWED if there are any, or why there is none."""
    verdicts = [(one, judge(one)) for one in request.each()]
    allowed = [one for one, verdict in verdicts if verdict is Verdict.ALLOWED]
    # What stands in the way of one order must not speak for another, which somebody else may go on with.
    return allowed, max((verdict for _, verdict in verdicts), key=_nearness)


def _nearness(verdict: Verdict) -> int:
    """Return how near to ALLOWED this is: what holds of one order only is farther away than what holds of them all."""
    if verdict in policy.OF_ONE_ORDER:
        return policy.OF_ONE_ORDER.index(verdict)
    return len(policy.OF_ONE_ORDER) + (verdict is Verdict.ALLOWED)


def _is_of_this_approval(tx: Tables, request: Request, seen: int) -> bool:
    return tx.record.last_of(request, Approved, Retried) <= seen <= request.version
