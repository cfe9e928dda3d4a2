"""The acts on a request: approve, reject, withdraw, retry, try now, stop, settle. Each runs inside one transaction.

Each function gets the cancellation as it is in this transaction, changes it if the policy allows that, and returns
the policy's verdict. ``Workflow.act`` puts every refusal on record.
"""

from dataclasses import replace
from datetime import datetime

from bot.domain import policy
from bot.domain.audit import BOT
from bot.domain.cancellation import Cancellation, Choice, State
from bot.domain.events import (
    Approved,
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
from bot.domain.policy import Actor, Members, Verdict, Votes
from bot.store import Tables
from bot.workflow.rules import Rules
from bot.workflow.transitions import end, owe_messages, show


def approve(
    tx: Tables,
    rules: Rules,
    cancellation: Cancellation,
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
    verdict = policy.may_decide(cancellation, actor, Choice.APPROVE, allow_self_approval=rules.allow_self_approval)
    votes = policy.count_votes(cancellation, approvers, allow_self_approval=rules.allow_self_approval)
    if verdict is Verdict.ALREADY_COUNTED and votes.verdict(rules.approvals_required) is Verdict.ALLOWED:
        # The quorum was lowered since: nobody else has to come.
        verdict = Verdict.ALLOWED
    if verdict is Verdict.ALLOWED and tx.freeze() is not None:
        verdict = Verdict.FROZEN
    if verdict is not Verdict.ALLOWED:
        return verdict
    votes = replace(votes, valid=votes.valid | {actor.id})
    reached = votes.verdict(rules.approvals_required)
    if reached is Verdict.VOTES_UNCHECKED:
        return reached
    if reached is Verdict.ALLOWED and len(votes.valid) < promised:
        # No vote is counted, but the card must show today's quorum.
        settle_votes(tx, rules, cancellation, Votes(), actor=None, at=at)
        return Verdict.CARD_OUT_OF_DATE
    if actor.id not in cancellation.approvers:
        tx.cancellations.decide(cancellation, actor.id, Choice.APPROVE, "", at)
    settle_votes(tx, rules, cancellation, votes, actor=actor, at=at)
    return verdict


def settle_votes(
    tx: Tables, rules: Rules, cancellation: Cancellation, votes: Votes, *, actor: Actor | None, at: datetime
) -> None:
    """Bring a pending request in line with its votes and with today's quorum, and approve it if they reach it.

    ``actor`` is the person who has just voted, or None where the votes are only counted again.
    """
    quorum = rules.approvals_required
    happened: list[Content] = []
    ground, surface = (actor.ground, actor.surface) if actor is not None else (None, None)
    if votes.void:
        happened.append(VotesVoided(tuple(sorted(votes.void))))
        tx.cancellations.void_votes(cancellation, votes.void)
    if quorum != cancellation.approvals_required:
        happened.append(QuorumChanged(before=cancellation.approvals_required, now=quorum))
        tx.cancellations.require(cancellation, quorum)
    if votes.verdict(quorum) is Verdict.ALLOWED:
        tx.cancellations.move(cancellation, State.APPROVED, at=at, due_at=at, attempts=0)
        happened.append(Approved(approvals=len(votes.valid), of=quorum, ground=ground, surface=surface))
    elif actor is not None:
        happened.append(Voted(len(votes.valid | votes.unchecked), quorum, ground=ground, surface=surface))
    for content in happened:
        by = actor.id if actor is not None and isinstance(content, Approved | Voted) else BOT
        event = tx.record.append(content, by, at, cancellation)
        show(tx, cancellation, event, at)
        owe_messages(tx, cancellation, event, content, at)


def recount(
    tx: Tables, rules: Rules, approvers: Members, at: datetime, *, latest: datetime
) -> list[Cancellation] | None:
    """Count the votes of every pending request by today's rules, after a start; return the requests that changed.

    Votes that cannot be checked now neither count nor go; the next vote or recount looks at them again. The same holds
    for requests that are overdue at ``latest``, the latest time that it may be. While everything is frozen no approval
    counts, so the votes stay as they are.
    """
    if tx.freeze() is not None:
        return None
    changed = []
    for cancellation in tx.cancellations.pending():
        votes = policy.count_votes(cancellation, approvers, allow_self_approval=rules.allow_self_approval)
        # Cards show the quorum, and a dialog says by it whether an approval is the last one.
        other_quorum = cancellation.approvals_required != rules.approvals_required
        enough = votes.verdict(rules.approvals_required) is Verdict.ALLOWED
        if not cancellation.overdue(latest) and (votes.void or other_quorum or enough):
            settle_votes(tx, rules, cancellation, votes, actor=None, at=at)
            changed.append(cancellation)
    return changed


def may_reject(tx: Tables, rules: Rules, cancellation: Cancellation, actor: Actor, at: datetime) -> Verdict:
    """Return ALLOWED where it is worth asking this person for a reason; change nothing."""
    return policy.may_decide(cancellation, actor, Choice.REJECT, allow_self_approval=rules.allow_self_approval)


def reject(tx: Tables, rules: Rules, cancellation: Cancellation, actor: Actor, at: datetime, *, reason: str) -> Verdict:
    """End the request with an approver's no."""
    verdict = may_reject(tx, rules, cancellation, actor, at)
    if verdict is Verdict.ALLOWED:
        tx.cancellations.decide(cancellation, actor.id, Choice.REJECT, reason, at)
        end(tx, cancellation, Rejected(reason, actor.ground, actor.surface), actor.id, at)
    return verdict


def withdraw(tx: Tables, rules: Rules, cancellation: Cancellation, actor: Actor, at: datetime) -> Verdict:
    """Take one's own request back."""
    verdict = policy.may_withdraw(cancellation, actor)
    if verdict is Verdict.ALLOWED:
        end(tx, cancellation, Withdrawn(actor.surface), actor.id, at)
    return verdict


def retry(
    tx: Tables, rules: Rules, cancellation: Cancellation, actor: Actor, at: datetime, *, approvers: Members, seen: str
) -> Verdict:
    """Have a failed or unknown cancellation sent again, as it was approved, within the limits of the policy.

    ``seen`` is the version that the person saw. A click that arrives twice acts once, also where the first retry has
    led to the same state again by then.
    """
    votes = policy.count_votes(cancellation, approvers, allow_self_approval=rules.allow_self_approval)
    verdict = policy.may_retry(
        cancellation,
        actor,
        at,
        votes=votes.verdict(rules.approvals_required),
        decided_against=tx.cancellations.decided_against(cancellation),
    )
    if verdict is not Verdict.ALLOWED:
        return verdict
    if seen != cancellation.version:
        return Verdict.WRONG_STATE
    if tx.freeze() is not None:
        return Verdict.FROZEN
    if not tx.cancellations.move(cancellation, State.APPROVED, at=at, due_at=at, attempts=0):
        return Verdict.ANOTHER_IS_OPEN
    event = tx.record.append(Retried(actor.ground, actor.surface), actor.id, at, cancellation)
    show(tx, cancellation, event, at)
    return verdict


def try_now(tx: Tables, rules: Rules, cancellation: Cancellation, actor: Actor, at: datetime, *, seen: str) -> Verdict:
    """Have the next attempt made at once. ``seen`` is the version that the person saw: a click acts once."""
    verdict = policy.may_try_now(cancellation, actor, at)
    if verdict is Verdict.ALLOWED and seen != cancellation.version:
        return Verdict.WRONG_STATE
    waits = cancellation.state is State.APPROVED and verdict in {Verdict.ALLOWED, Verdict.CALL_UNDER_WAY}
    if waits and tx.freeze() is not None:
        return Verdict.FROZEN
    if verdict is Verdict.ALLOWED:
        tx.cancellations.hurry(cancellation, at)
        event = tx.record.append(Hurried(actor.ground, actor.surface), actor.id, at, cancellation)
        show(tx, cancellation, event, at)
    return verdict


def stop(tx: Tables, rules: Rules, cancellation: Cancellation, actor: Actor, at: datetime, *, seen: str) -> Verdict:
    """End an approved request of which certainly nothing was done, before another attempt is made.

    ``seen`` is the version that the person saw. It may be that of an earlier pause, as attempts follow each other
    within seconds. But a click that comes late or twice must not end the attempts of a later retry.
    """
    verdict = policy.may_stop(cancellation, actor)
    began = tx.record.last_at(cancellation, Approved, Retried).isoformat(timespec="milliseconds")
    if verdict is Verdict.ALLOWED and not began <= seen <= cancellation.version:
        return Verdict.WRONG_STATE
    if verdict is Verdict.ALLOWED:
        end(tx, cancellation, StoppedTrying(actor.ground, actor.surface), actor.id, at)
    return verdict


def may_settle(tx: Tables, rules: Rules, cancellation: Cancellation, actor: Actor, at: datetime) -> Verdict:
    """Return ALLOWED where it is worth asking this person for their finding; change nothing."""
    return policy.may_settle(cancellation, actor)


def settle(
    tx: Tables,
    rules: Rules,
    cancellation: Cancellation,
    actor: Actor,
    at: datetime,
    *,
    cancelled: bool,
    how: str,
    seen: str,
) -> Verdict:
    """End an unknown outcome with a person's statement, and free the order for another request.

    ``seen`` is the version that the person saw: after another attempt their finding may be out of date.
    """
    verdict = policy.may_settle(cancellation, actor)
    if verdict is Verdict.ALLOWED and seen != cancellation.version:
        return Verdict.WRONG_STATE
    if verdict is Verdict.ALLOWED:
        tx.cancellations.decide(cancellation, actor.id, Choice.SETTLE, how, at)
        kind = SettledCancelled if cancelled else SettledNotCancelled
        end(tx, cancellation, kind(how, actor.ground, actor.surface), actor.id, at)
    return verdict
