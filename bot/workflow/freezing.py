"""Stopping everything that could cancel an order, and letting it go on, each inside one transaction.

While there is a freeze, no request is taken, no approval counts and no call to the gateway begins. A call that is under
way ends as always. People can still reject, withdraw and settle, and requests expire.
"""

from dataclasses import dataclass
from datetime import datetime

from bot.domain import policy
from bot.domain.cancellation import State
from bot.domain.events import Frozen, RequestRefused, Unfrozen
from bot.domain.freeze import Freeze
from bot.domain.policy import Actor, Verdict
from bot.store import Tables
from bot.workflow.transitions import show


@dataclass(frozen=True, slots=True)
class Froze:
    """The answer to somebody who freezes or unfreezes.

    ``freeze`` is the one in force now, ``approved`` how many approved requests wait for a call to the gateway.
    """

    verdict: Verdict
    freeze: Freeze | None
    approved: int


def freeze(tx: Tables, actor: Actor, why: str, command: str, at: datetime) -> Froze:
    """Stop everything, or put on record why not. FROZEN means that it is stopped already."""
    verdict = policy.may_freeze(actor)
    if verdict is Verdict.ALLOWED and tx.freeze() is not None:
        verdict = Verdict.FROZEN
    refusal = RequestRefused(verdict, command, reason=why)
    return _carry_out(tx, Frozen(why, actor.ground) if verdict is Verdict.ALLOWED else refusal, actor, at)


def unfreeze(tx: Tables, actor: Actor, command: str, at: datetime) -> Froze:
    """Let everything go on, or put on record why not. NOT_FROZEN means that nothing is stopped."""
    verdict = policy.may_freeze(actor)
    if verdict is Verdict.ALLOWED and tx.freeze() is None:
        verdict = Verdict.NOT_FROZEN
    refusal = RequestRefused(verdict, command)
    return _carry_out(tx, Unfrozen(actor.ground) if verdict is Verdict.ALLOWED else refusal, actor, at)


def _carry_out(tx: Tables, content: Frozen | Unfrozen | RequestRefused, actor: Actor, at: datetime) -> Froze:
    if isinstance(content, RequestRefused):
        tx.record.append(content, actor.id, at)
    else:
        put(tx, content, actor.id, at)
    verdict = content.why if isinstance(content, RequestRefused) else Verdict.ALLOWED
    waiting = tx.requests.waiting()
    approved = sum(any(order.state is State.APPROVED for order in each.cancellations) for each in waiting)
    return Froze(verdict, tx.freeze(), approved)


def put(tx: Tables, content: Frozen | Unfrozen, actor: str, at: datetime) -> None:
    """Begin or end a freeze, and show it to all that wait for people or for the gateway."""
    event = tx.record.append(content, actor, at)
    for request in tx.requests.waiting():
        show(tx, request, event, at)
