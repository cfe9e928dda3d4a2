"""Asking for a request, inside one transaction."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from bot.domain import policy
from bot.domain.audit import timestamp
from bot.domain.delivery import DeliveryKind
from bot.domain.events import Requested, RequestRefused
from bot.domain.freeze import Freeze
from bot.domain.ids import is_order_id
from bot.domain.policy import Actor, Verdict
from bot.domain.request import Request
from bot.store import Tables
from bot.workflow.deliveries import missing_card
from bot.workflow.rules import Rules
from bot.workflow.transitions import expire, owe_messages, show_others
from bot.workflow.waiting import escalation, first_reminder

MOST_ORDERS = 50
"""The most orders of one request: so many can be read on one card."""


@dataclass(frozen=True, slots=True)
class Wish:
    """The form as somebody filled it in. ``form_id`` names the form; ``channel`` is where the card goes.

    ``reason`` is what approvers see and the gateway gets; it begins with ``category``, if one was chosen. ``source`` is
    the permalink of the message from which somebody asked. ``asked_in`` is the channel in the form, in whose place the
    settings may put another one, and ``typed`` the text in which they found ``order_ids``.
    """

    form_id: str
    order_ids: tuple[str, ...]
    reason: str
    channel: str
    category: str = ""
    source: str = ""
    asked_in: str = ""
    typed: str = ""

    @property
    def sent_as(self) -> str:
        """The form with its content, so that the same form with the same content asks once, whatever the settings are.

        After an error a person may change the words or the channel and send the form again; that is another request.
        """
        words = json.dumps([self.typed.split() or self.order_ids, self.reason, self.asked_in])
        return f"{self.form_id}:{hashlib.sha256(words.encode()).hexdigest()[:16]}"


@dataclass(frozen=True, slots=True)
class Acted:
    """The answer to a person's act: the verdict, and the request it is about as it was then.

    After ALLOWED that is the one kept or acted on; None where there is none. ``freeze`` is the one in force, if there
    is one. ``in_the_way`` are the open requests of the orders of a new one, as far as they are about these, and
    ``names`` those of their requesters, as far as they are known.
    """

    verdict: Verdict
    request: Request | None = None
    freeze: Freeze | None = None
    in_the_way: tuple[Request, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict)


def request(
    tx: Tables,
    rules: Rules,
    wish: Wish,
    actor: Actor,
    at: datetime,
    *,
    expiring: bool = True,
    clock_wrong: bool = False,
) -> Acted:
    """Keep a request and owe its card and receipt, or put on record why not.

    A form that was sent before leads to the request that it made, also where that has ended by now.
    Where ``expiring`` is false, a pending request is in the way however old it is. While the bot's ``clock_wrong`` is
    known, nothing is kept: all of its times would be wrong, and the gateway takes no call with a wrong time.
    """
    earlier = tx.requests.by_form(wish.sent_as, wish.order_ids)
    if earlier is not None:
        if expiring and earlier.overdue(at):
            expire(tx, earlier, at)
            earlier = tx.requests.by_form(wish.sent_as, wish.order_ids)
        return Acted(Verdict.ALLOWED, earlier and as_read(tx, earlier, at if expiring else None))
    verdict, freeze = policy.may_ask(actor), tx.freeze()
    if verdict is Verdict.ALLOWED and freeze is not None:
        verdict = Verdict.FROZEN
    if verdict is Verdict.ALLOWED and clock_wrong:
        verdict = Verdict.CLOCK_WRONG
    if verdict is Verdict.ALLOWED and not _can_be_asked(rules, wish):
        verdict = Verdict.BAD_ORDER_ID
    if verdict is Verdict.ALLOWED:
        verdict = policy.may_give_reason(
            wish.reason, wish.category, offered=rules.reasons, required=rules.reason_required
        )
    if verdict is not Verdict.ALLOWED:
        tx.record.append(RequestRefused(verdict, asked_for=" ".join(wish.order_ids)), actor.id, at)
        return Acted(verdict, freeze=freeze)
    added = _add(tx, rules, wish, actor, at)
    if not isinstance(added, Request):
        in_the_way = [found for each in added if (found := tx.requests.open_of(each)) is not None]
        overdue = {each.number for each in in_the_way if expiring and each.overdue(at)}
        if any(each.number not in overdue for each in in_the_way):
            return _another_is_open(tx, wish, in_the_way, actor, at, read_at=at if expiring else None)
        for number in sorted(overdue):
            old = tx.requests.of_number(number)
            assert old is not None
            expire(tx, old, at)
        added = _add(tx, rules, wish, actor, at)
        assert isinstance(added, Request)
    requested = Requested(
        orders=wish.order_ids,
        reason=wish.reason,
        category=wish.category,
        source=wish.source,
        channel=wish.channel,
        quorum=added.approvals_required,
        expires_at=timestamp(added.expires_at),
    )
    event = tx.record.append(requested, actor.id, at, added)
    show_others(tx, added, event, at)
    # A receipt that comes after the card has the link to it.
    owe_messages(tx, added, event, requested, at, receipt_at=at + rules.patience.receipt_waits)
    return Acted(Verdict.ALLOWED, added)


def _can_be_asked(rules: Rules, wish: Wish) -> bool:
    each_once = len(set(wish.order_ids)) == len(wish.order_ids)
    return (
        0 < len(wish.order_ids) <= MOST_ORDERS
        and each_once
        and all(is_order_id(rules.order_id_pattern, each) for each in wish.order_ids)
    )


def _add(tx: Tables, rules: Rules, wish: Wish, actor: Actor, at: datetime) -> Request | list[str]:
    return tx.requests.add(
        form_id=wish.sent_as,
        order_ids=wish.order_ids,
        reason=wish.reason,
        category=wish.category,
        source=wish.source,
        requester=actor.id,
        card_channel=wish.channel,
        approvals_required=rules.approvals_required,
        at=at,
        expires_at=at + rules.approval_ttl,
        remind_at=first_reminder(rules, at),
        escalate_at=escalation(rules, at),
    )


def _another_is_open(
    tx: Tables, wish: Wish, in_the_way: list[Request], actor: Actor, at: datetime, *, read_at: datetime | None
) -> Acted:
    for each in in_the_way:
        refused = RequestRefused(Verdict.ANOTHER_IS_OPEN, reason=wish.reason)
        event = tx.record.append(refused, actor.id, at, each)
        if each.card_ts is not None:
            # Somebody may have deleted its card, and with it the only buttons; the update finds that out.
            tx.deliveries.enqueue(each, DeliveryKind.CARD_UPDATE, event, at)
    names = tx.people.names({each.requester for each in in_the_way})
    read = tuple(as_read(tx, each, read_at) for each in in_the_way)
    return Acted(Verdict.ANOTHER_IS_OPEN, in_the_way=read, names=names)


def as_read(tx: Tables, request: Request, at: datetime | None) -> Request:
    """Return a request as people read of it in an answer to what they did, who are told to go on with the card.

    ``at`` is None as long as the time is not sure.
    """
    request = request.as_of(at, tx.freeze())
    missing = missing_card(tx, request)
    return replace(request, has_card=request.card_ts is not None and missing is None)
