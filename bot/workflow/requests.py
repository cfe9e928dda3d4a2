"""Asking for a cancellation, inside one transaction."""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime

from bot.domain import policy
from bot.domain.audit import timestamp
from bot.domain.cancellation import Cancellation
from bot.domain.delivery import DeliveryKind
from bot.domain.events import Requested, RequestRefused
from bot.domain.freeze import Freeze
from bot.domain.ids import is_order_id
from bot.domain.policy import Actor, Verdict
from bot.store import Tables
from bot.workflow.rules import Rules
from bot.workflow.transitions import expire, owe_messages
from bot.workflow.waiting import escalation, first_reminder


@dataclass(frozen=True, slots=True)
class Wish:
    """The form as somebody filled it in. ``form_id`` names the form; ``channel`` is where the card goes."""

    form_id: str
    order_id: str
    reason: str
    channel: str

    @property
    def sent_as(self) -> str:
        """The form with these words, so that the same form with the same words asks once.

        After an error a person may change the words and send the form again; that is another request.
        """
        words = json.dumps([self.order_id, self.reason])
        return f"{self.form_id}:{hashlib.sha256(words.encode()).hexdigest()[:16]}"


@dataclass(frozen=True, slots=True)
class Acted:
    """The answer to a person's act: the verdict, and the cancellation it is about as it was then.

    After ALLOWED that is the one kept or acted on, after ANOTHER_IS_OPEN the one in the way, with its requester's name
    as far as it is known; None where there is none. ``freeze`` is the one in force, if there is one.
    """

    verdict: Verdict
    cancellation: Cancellation | None = None
    requester_name: str = ""
    freeze: Freeze | None = None


def request(tx: Tables, rules: Rules, wish: Wish, actor: Actor, at: datetime, *, expiring: bool = True) -> Acted:
    """Keep a request and owe its card and receipt, or put on record why not.

    Where ``expiring`` is false, a pending request is in the way however old it is.
    """
    earlier = tx.cancellations.by_form(wish.sent_as)
    if earlier is not None:
        return Acted(Verdict.ALLOWED, earlier)
    verdict, freeze = policy.may_ask(actor), tx.freeze()
    if verdict is Verdict.ALLOWED and freeze is not None:
        verdict = Verdict.FROZEN
    if verdict is Verdict.ALLOWED and not is_order_id(rules.order_id_pattern, wish.order_id):
        verdict = Verdict.BAD_ORDER_ID
    if verdict is not Verdict.ALLOWED:
        tx.record.append(RequestRefused(verdict, asked_for=wish.order_id), actor.id, at)
        return Acted(verdict, freeze=freeze)
    cancellation = _add(tx, rules, wish, actor, at)
    if cancellation is None:
        in_the_way = tx.cancellations.open_of(wish.order_id)
        assert in_the_way is not None
        if not (expiring and in_the_way.overdue(at)):
            return _another_is_open(tx, wish, in_the_way, actor, at)
        expire(tx, in_the_way, at)
        cancellation = _add(tx, rules, wish, actor, at)
        assert cancellation is not None
    requested = Requested(
        reason=wish.reason,
        channel=wish.channel,
        quorum=cancellation.approvals_required,
        expires_at=timestamp(cancellation.expires_at),
    )
    event = tx.record.append(requested, actor.id, at, cancellation)
    owe_messages(tx, cancellation, event, requested, at)
    return Acted(Verdict.ALLOWED, cancellation)


def _add(tx: Tables, rules: Rules, wish: Wish, actor: Actor, at: datetime) -> Cancellation | None:
    return tx.cancellations.add(
        form_id=wish.sent_as,
        order_id=wish.order_id,
        reason=wish.reason,
        requester=actor.id,
        card_channel=wish.channel,
        approvals_required=rules.approvals_required,
        at=at,
        expires_at=at + rules.approval_ttl,
        remind_at=first_reminder(rules, at),
        escalate_at=escalation(rules, at),
    )


def _another_is_open(tx: Tables, wish: Wish, in_the_way: Cancellation, actor: Actor, at: datetime) -> Acted:
    refused = RequestRefused(Verdict.ANOTHER_IS_OPEN, reason=wish.reason)
    event = tx.record.append(refused, actor.id, at, in_the_way)
    if in_the_way.state.awaits_people and in_the_way.card_ts is not None:
        # Somebody may have deleted its card, and with it the only buttons; the update finds that out.
        tx.deliveries.enqueue(in_the_way, DeliveryKind.CARD_UPDATE, event, at)
    requester = in_the_way.requester
    return Acted(Verdict.ANOTHER_IS_OPEN, in_the_way, tx.people.names([requester]).get(requester, ""))
