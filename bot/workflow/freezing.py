"""Stopping everything that could cancel an order, and letting it go on, each inside one transaction.

While there is a freeze, no request is taken, no approval counts and no call to the gateway begins. A call that is under
way ends as always. People can still reject, withdraw and settle, and requests expire.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from bot.domain import policy
from bot.domain.cancellation import State
from bot.domain.delivery import DeliveryKind
from bot.domain.events import Frozen, RequestRefused, Unfrozen
from bot.domain.freeze import Freeze
from bot.domain.policy import Actor, Verdict
from bot.domain.request import Request
from bot.store import Tables

MOST_FAILED = 1000
"""So many failed orders are looked through for those that could be retried. Their time is over within a day or so."""


@dataclass(frozen=True, slots=True)
class Froze:
    """The answer to somebody who freezes or unfreezes.

    ``freeze`` is the one in force now, ``due`` how many approved requests have a call to the gateway due by now, and
    ``later`` how many others wait for the time of their next call.
    """

    verdict: Verdict
    freeze: Freeze | None
    due: int
    later: int


def freeze(tx: Tables, actor: Actor, why: str, command: str, at: datetime) -> Froze:
    """Stop everything, or put on record why not. FROZEN means that it is stopped already, and for this reason."""
    verdict = policy.may_freeze(actor)
    if verdict is Verdict.ALLOWED and not is_news(tx.freeze(), why):
        verdict = Verdict.FROZEN
    refusal = RequestRefused(verdict, command, reason=why)
    return _carry_out(tx, Frozen(why, actor.ground) if verdict is Verdict.ALLOWED else refusal, actor, at)


def is_news(in_force: Freeze | None, why: str) -> bool:
    """Return True where a freeze for this reason is to be kept, be there one already, with another reason.

    People read the newest one, and who ends it ends them all.
    """
    return in_force is None or why not in {"", in_force.why}


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
    due, later = approved(tx.requests.waiting(), at)
    return Froze(verdict, tx.freeze(), due, later)


def approved(waiting: Iterable[Request], at: datetime) -> tuple[int, int]:
    """Return how many requests have a call to the gateway due by now, and how many others only later."""
    due_at = [
        min(order.due_at for order in each.cancellations if order.due_at is not None)
        for each in waiting
        if any(order.state is State.APPROVED for order in each.cancellations)
    ]
    due = sum(each <= at for each in due_at)
    return due, len(due_at) - due


def freeze_restored(tx: Tables, actor: str, at: datetime) -> None:
    """Stop everything in a copy that is restored, also where it was frozen: nobody knows what was decided since then.

    A request that people stopped since is approved in it again, and a freeze of since is not in it.
    """
    before = " It was frozen before, too." if tx.freeze() is not None else ""
    why = f"An older copy of the record was restored. Look first what people decided since.{before}"
    put(tx, Frozen(why), actor, at)


def put(tx: Tables, content: Frozen | Unfrozen, actor: str, at: datetime) -> None:
    """Begin or end a freeze, and show it to all that wait for people or for the gateway."""
    # Its end is shown wherever it was shown itself.
    before = tx.freeze()
    began = before.at if before is not None else at
    event = tx.record.append(content, actor, at)
    waiting = {request.number: request for request in tx.requests.waiting()}
    # While everything is frozen, nobody can press Retry.
    failed = (request for request in tx.requests.failed(MOST_FAILED) if request.could_be_retried(began))
    waiting |= {request.number: request for request in failed if request.number not in waiting}
    # Slack takes about fifty updates a minute, and the cards are what people act on.
    for kind in (DeliveryKind.CARD_UPDATE, DeliveryKind.RECEIPT_UPDATE):
        for request in waiting.values():
            tx.deliveries.enqueue(request, kind, event, at)
