"""A person's Home tab: what they see there, and the steps after a try to publish it, each inside one transaction."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.domain import policy
from bot.domain.cancellation import Choice
from bot.domain.delivery import DeliveryOutcome, Publish, Receipt
from bot.domain.freeze import Freeze
from bot.domain.policy import Actor, Membership, Scope, Verdict
from bot.domain.request import Request
from bot.store import Tables
from bot.workflow.rules import Rules

LATEST = 10
"""The most requests that are listed under how they ended."""


@dataclass(frozen=True, slots=True)
class HomeTab:
    """All that a person's Home tab shows.

    ``waiting`` are the requests that wait for their decision, the first to expire first; None for people who decide
    nothing. ``unknown`` are those of which they may settle an order by hand, the oldest first: nobody may be able to
    read the card any more. ``own`` are their own that are still open, the oldest first, and ``lately`` the newest of
    the others that they may read.
    """

    actor: Actor
    at: datetime | None
    freeze: Freeze | None
    waiting: tuple[Request, ...] | None
    unknown: tuple[Request, ...]
    own: tuple[Request, ...]
    lately: tuple[Request, ...]

    @property
    def reads_all(self) -> bool:
        """Return True where this person may look everything up."""
        return policy.may_read(self.actor) is Scope.ALL


def read(tables: Tables, rules: Rules, actor: Actor, at: datetime | None) -> HomeTab:
    """Return what this person's Home tab shows now, by today's memberships; ``at`` is None while it is not sure."""
    own = tuple(tables.requests.open_by(actor.id))
    shown = {each.number for each in own}
    only_of = None if policy.may_read(actor) is Scope.ALL else actor.id
    # Those above are left out, and they may be the newest.
    latest = tables.requests.latest(LATEST + len(own), only_of=only_of)
    return HomeTab(
        actor,
        at,
        tables.freeze(),
        _waiting(tables, rules, actor),
        _unknown(tables, actor),
        own,
        tuple(each for each in latest if each.number not in shown)[:LATEST],
    )


def _waiting(tables: Tables, rules: Rules, actor: Actor) -> tuple[Request, ...] | None:
    if Membership.MEMBER not in {actor.approver, actor.escalation}:
        return None

    def waits(request: Request) -> bool:
        allowed = policy.may_decide(request, actor, Choice.APPROVE, allow_self_approval=rules.allow_self_approval)
        return allowed is Verdict.ALLOWED

    return tuple(sorted(filter(waits, tables.requests.pending()), key=lambda each: each.expires_at))


def _unknown(tables: Tables, actor: Actor) -> tuple[Request, ...]:
    if Membership.MEMBER not in {actor.approver, actor.escalation}:
        return ()

    def may_settle(request: Request) -> bool:
        # While other orders of it are under way, the card does not offer it either.
        settles = (policy.may_settle(one, actor) is Verdict.ALLOWED for one in request.each())
        return not request.under_way and any(settles)

    return tuple(filter(may_settle, tables.requests.unknown()))


def conclude(tx: Tables, rules: Rules, publish: Publish, receipt: Receipt, at: datetime) -> None:
    """Keep the result of a try to publish. It is tried again until Slack takes it, or never will."""
    if receipt.outcome in {DeliveryOutcome.DELIVERED, DeliveryOutcome.IMPOSSIBLE}:
        tx.homes.conclude(publish, at)
        return
    pause = rules.patience.before_next_try(publish.tries)
    if receipt.retry_after is not None:
        pause = max(timedelta(seconds=receipt.retry_after), rules.patience.first_pause)
    in_doubt = receipt.outcome is DeliveryOutcome.IN_DOUBT
    tx.homes.postpone(publish, at + pause, at + rules.patience.late_in_slack if in_doubt else None)
    if receipt.retry_after is not None:
        tx.homes.pause(at + pause)
