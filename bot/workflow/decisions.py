"""The acts on a request: approve, reject, withdraw, retry. Each runs inside one transaction.

Each function gets the cancellation as it is in this transaction, changes it if the policy allows that, and returns
the policy's verdict. ``Workflow.act`` puts every refusal on record.
"""

from datetime import datetime

from bot.domain import policy
from bot.domain.cancellation import Cancellation, Choice, State
from bot.domain.delivery import DeliveryKind
from bot.domain.events import Approved, Rejected, Retried, Voted, Withdrawn
from bot.domain.policy import Actor, Verdict
from bot.store import Tables
from bot.workflow.rules import Rules
from bot.workflow.transitions import end


def approve(tx: Tables, rules: Rules, cancellation: Cancellation, actor: Actor, at: datetime) -> Verdict:
    """Count one approval; the one that reaches the quorum makes the cancel due at once."""
    verdict = policy.may_decide(cancellation, actor, Choice.APPROVE, allow_self_approval=rules.allow_self_approval)
    if verdict is not Verdict.ALLOWED:
        return verdict
    tx.cancellations.decide(cancellation, actor.id, Choice.APPROVE, "", at)
    count, of = len(cancellation.approvers) + 1, cancellation.approvals_required
    if count < of:
        event = tx.record.append(Voted(approvals=count, of=of), actor.id, at, cancellation)
    else:
        tx.cancellations.move(cancellation, State.APPROVED, at=at, due_at=at, attempts=0)
        event = tx.record.append(Approved(approvals=count, of=of), actor.id, at, cancellation)
    tx.deliveries.enqueue(cancellation, DeliveryKind.CARD_UPDATE, event, at)
    return verdict


def may_reject(tx: Tables, rules: Rules, cancellation: Cancellation, actor: Actor, at: datetime) -> Verdict:  # noqa: ARG001 -- a use case like the others
    """Return ALLOWED where it is worth asking this person for a reason; change nothing."""
    return policy.may_decide(cancellation, actor, Choice.REJECT, allow_self_approval=rules.allow_self_approval)


def reject(tx: Tables, rules: Rules, cancellation: Cancellation, actor: Actor, at: datetime, *, reason: str) -> Verdict:
    """End the request with an approver's no."""
    verdict = may_reject(tx, rules, cancellation, actor, at)
    if verdict is Verdict.ALLOWED:
        tx.cancellations.decide(cancellation, actor.id, Choice.REJECT, reason, at)
        end(tx, cancellation, Rejected(reason), actor.id, at)
    return verdict


def withdraw(tx: Tables, rules: Rules, cancellation: Cancellation, actor: Actor, at: datetime) -> Verdict:  # noqa: ARG001 -- a use case like the others
    """Take one's own request back."""
    verdict = policy.may_withdraw(cancellation, actor)
    if verdict is Verdict.ALLOWED:
        end(tx, cancellation, Withdrawn(), actor.id, at)
    return verdict


def retry(tx: Tables, rules: Rules, cancellation: Cancellation, actor: Actor, at: datetime) -> Verdict:  # noqa: ARG001 -- a use case like the others
    """Have a failed or unknown cancellation sent again, as it was approved."""
    verdict = policy.may_retry(cancellation, actor)
    if verdict is not Verdict.ALLOWED:
        return verdict
    if not tx.cancellations.move(cancellation, State.APPROVED, at=at, due_at=at, attempts=0):
        return Verdict.ANOTHER_IS_OPEN
    event = tx.record.append(Retried(), actor.id, at, cancellation)
    tx.deliveries.enqueue(cancellation, DeliveryKind.CARD_UPDATE, event, at)
    return verdict
