"""The reminders and the escalation of a request that waits for a decision, each inside one transaction."""

from datetime import datetime

from bot.domain.audit import BOT
from bot.domain.delivery import DeliveryKind
from bot.domain.events import Content, Escalated, Reminded, Started
from bot.domain.request import Request
from bot.store import Tables
from bot.workflow.rules import Rules
from bot.workflow.transitions import owe_messages, show


def first_reminder(rules: Rules, at: datetime) -> datetime | None:
    """Return when to remind the approvers of a request made now, or None."""
    return _next_reminder(rules, 1, at, at + rules.approval_ttl)


def escalation(rules: Rules, at: datetime) -> datetime | None:
    """Return when to escalate a request made now, or None."""
    return at + rules.escalate_after if rules.escalate_after is not None else None


def fall_due(tx: Tables, rules: Rules, waiting: Request, at: datetime) -> None:
    """Remind and escalate, if it is time for that, and put the next down.

    However late it is, there is one reminder, and the next keeps its distance. What the settings switched off since
    does not come any more. While everything is frozen, nobody can approve, so all of it comes after that.
    """
    if tx.freeze() is not None:
        tx.timers.hold(waiting)
        return
    remind_at, escalate_at = waiting.remind_at, waiting.escalate_at
    reminded, escalated_at = waiting.reminded, waiting.escalated_at
    happened: list[Content] = []
    if escalate_at is not None and escalate_at <= at:
        escalate_at = None
        if to := rules.escalate_to.users | rules.escalate_to.groups:
            escalated_at = at
            happened.append(Escalated(tuple(sorted(to))))
    if remind_at is not None and remind_at <= at:
        if reminded < len(rules.remind_after):
            reminded += 1
            happened.append(Reminded(reminded))
        remind_at = _next_reminder(rules, reminded + 1, at, waiting.expires_at)
    tx.timers.put_off(
        waiting, remind_at=remind_at, escalate_at=escalate_at, reminded=reminded, escalated_at=escalated_at
    )
    for content in happened:
        event = tx.record.append(content, BOT, at, waiting)
        if isinstance(content, Escalated):
            show(tx, waiting, event, at)
        else:
            # Somebody may have deleted the card, and with it the only buttons; the update finds that out.
            tx.deliveries.enqueue(waiting, DeliveryKind.CARD_UPDATE, event, at)
        owe_messages(tx, waiting, event, content, at)


def go_on(tx: Tables) -> None:
    """Let what fell due during a freeze come now."""
    for request in tx.requests.pending():
        tx.timers.put_off(
            request,
            remind_at=request.remind_at,
            escalate_at=request.escalate_at,
            reminded=request.reminded,
            escalated_at=request.escalated_at,
        )


def follow_deciders(tx: Tables, rules: Rules, before: Started, now: Started, at: datetime) -> None:
    """Show on the cards that wait who may decide now, and remind those who have joined: an update notifies nobody.

    ``before`` and ``now`` are the settings of the start before and of this one. The other reminders keep their times.
    """
    if _deciders(before) == _deciders(now):
        return
    for request in tx.requests.pending():
        joined = set(now.approvers) - set(before.approvers)
        if request.escalated_at is not None:
            joined = {*now.approvers, *now.escalate_to} - {*before.approvers, *before.escalate_to}
        if not rules.allow_self_approval:
            joined -= {request.requester}
        if not joined or not rules.mention_approvers:
            show(tx, request, tx.record.last(), at)
            continue
        event = tx.record.append(Reminded(0, joined=True), BOT, at, request)
        show(tx, request, event, at)
        owe_messages(tx, request, event, event.content, at)


def _deciders(started: Started) -> tuple[object, ...]:
    return started.approvers, started.escalate_to, started.allow_self_approval


def _next_reminder(rules: Rules, number: int, at: datetime, expires_at: datetime) -> datetime | None:
    pause = rules.before_reminder(number)
    return at + pause if pause is not None and at + pause < expires_at else None
