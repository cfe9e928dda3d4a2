"""The steps before and after a try to bring something to Slack, each inside one transaction."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bot.domain import policy
from bot.domain.audit import BOT, Event
from bot.domain.cancellation import State
from bot.domain.delivery import (
    NOBODY_LACKS,
    Delivery,
    DeliveryKind,
    DeliveryOutcome,
    MissingCard,
    Receipt,
)
from bot.domain.events import CardBlocked, CardPosted, DeliveryAbandoned
from bot.domain.projection import MAY_BE_OUTDATED
from bot.domain.request import Request
from bot.store import Tables
from bot.workflow import digests, rates
from bot.workflow.freezing import is_over
from bot.workflow.rules import Rules
from bot.workflow.transitions import owe_messages

MOST_CALLED_OFF = 20
"""The most that is called off in one transaction; a longer one would hold up the people's."""
TRIES_BEFORE_TELLING = 3
"""After so many tries people hear that Slack does not take something; by then it is no passing trouble."""


SECOND_CARD_LASTS = timedelta(hours=1)
"""Where the second card of a request is gone within this time, something takes away each of them."""


@dataclass(frozen=True, slots=True)
class ClaimedDelivery:
    """A delivery that a worker claimed, with the request as it is now and the event that it reports.

    ``request`` is None for what is about no request.
    """

    delivery: Delivery
    request: Request | None
    event: Event


def claim(
    tx: Tables,
    rules: Rules,
    worker: str,
    at: datetime,
    *,
    room: int,
    not_to: frozenset[str],
    held: frozenset[int],
    sure: bool = True,
    on_time: bool = True,
) -> tuple[list[ClaimedDelivery], int]:
    """Claim up to ``room`` deliveries that are due; return them, and how many were called off on the way.

    No new message is claimed for the channels and people in ``not_to``, and at most one for each of the others.
    From its claim on a message counts as posted: only what was outdated before that is called off. Where ``at`` is not
    ``sure``, no message says that an approval is too old for a retry. Where it is not ``on_time`` by the clock that all
    bots share, what waits until Slack is ready is left to the others.
    """
    claimed: list[ClaimedDelivery] = []
    freeze = tx.freeze()
    called_off = 0
    while len(claimed) < room and called_off < MOST_CALLED_OFF:
        lease = rules.patience.delivery_lease
        delivery = tx.deliveries.claim(worker, at, lease, not_to=not_to, held=held, on_time=on_time)
        if delivery is None:
            break
        event = tx.record.event(delivery.event_seq)
        request = tx.requests.get(delivery.request_id)
        if _is_outdated(tx, delivery, request, event):
            _call_off(tx, rules, delivery, at)
            called_off += 1
            continue
        if delivery.kind is DeliveryKind.COPIES:
            delivery = replace(delivery, original=tx.deliveries.original(delivery))
        if request is not None:
            request = request.as_of(at if sure else None, freeze)
            if delivery.kind.to_requester:
                receipt, missing = tx.deliveries.receipt_place(request), missing_card(tx, request)
                delivery = replace(delivery, receipt=receipt, missing_card=missing)
            if delivery.kind is DeliveryKind.CARD:
                # Where it goes becomes an event, and a place that somebody wrote into the file must not.
                delivery = replace(delivery, contradicted=tx.projections.contradiction(request) is not None)
            if delivery.kind in {DeliveryKind.CARD, DeliveryKind.CARD_UPDATE}:  # no other message lists it
                (request,) = tx.record.with_history([request])
        claimed.append(ClaimedDelivery(delivery, request, event))
        if delivery.kind.is_new_message:
            rates.record(tx, rules.patience, delivery.target, at)
            not_to |= {delivery.target}
    return claimed, called_off


def _is_outdated(tx: Tables, delivery: Delivery, request: Request | None, event: Event) -> bool:
    """Return True for a new message that would say what is no longer so."""
    if request is None:
        # The newer one goes to this channel as well.
        return delivery.kind is DeliveryKind.ANNOUNCEMENT and is_over(tx, event)
    may_be = delivery.kind.is_new_message and type(event.content) in MAY_BE_OUTDATED
    return may_be and event.seq in tx.projections.said(request).outdated


def _call_off(tx: Tables, rules: Rules, delivery: Delivery, at: datetime) -> None:
    """Drop a message, and owe a look for it where Slack may show an earlier try late: it would be the last word."""
    tx.deliveries.call_off(delivery.position, at)
    if delivery.in_doubt_since is not None:
        _look_for_copies(tx, rules, delivery.position, delivery.in_doubt_since, at)


def _look_for_copies(tx: Tables, rules: Rules, position: int, since: datetime, at: datetime) -> None:
    """Owe a look for what the tries from ``since`` to now may have brought to Slack, once all of it is visible."""
    tx.deliveries.enqueue_copies(position, since, at, rules.patience.late_in_slack)


def missing_card(tx: Tables, request: Request) -> MissingCard | None:
    """Return why the card is not there with which people could go on, or None if it is, or if nobody needs it.

    A card that is there but out of date counts as well: it may lack the buttons of today, or still ask after the end.
    """
    refused = tx.deliveries.refused(request, DeliveryKind.CARD_UPDATE)
    owed, missing, gone = tx.deliveries.owes(request, DeliveryKind.CARD), None, False
    for event in tx.record.newest(request, CardPosted, CardBlocked, DeliveryAbandoned):
        match event.content:
            case CardPosted():
                # The buttons of a card that only could not be changed are still there.
                missing = missing and replace(missing, outdated=not gone)
                break
            case CardBlocked(outdated=True) if not refused:
                pass  # Slack has taken an update since
            case CardBlocked(problem=problem, in_doubt=in_doubt):
                missing = missing or MissingCard(problem, in_doubt)
            case DeliveryAbandoned(delivery=DeliveryKind.CARD | DeliveryKind.CARD_UPDATE, problem=problem) as content:
                gone = gone or content.card_is_gone
                if not owed:
                    missing = missing or MissingCard(problem, given_up=True)
    return missing if missing is not None and (missing.outdated or policy.needs_card(request)) else None


@dataclass(frozen=True, slots=True)
class Concluded:
    """The consequences of one try.

    ``pause`` is how long the target must not get anything. ``surplus`` is true where the message is a duplicate of one
    that is known already, so that it must go. ``tell`` is true the first time that people have to hear of its trouble.
    """

    pause: timedelta = timedelta(0)
    surplus: bool = False
    tell: bool = False
    given_up: bool = False


def conclude(tx: Tables, rules: Rules, delivery: Delivery, receipt: Receipt, at: datetime) -> Concluded:
    """Keep the result of a try. The receipt of an older try changes nothing, unless it is the first to have posted."""
    request = tx.requests.get(delivery.request_id)
    if receipt.outcome is DeliveryOutcome.DELIVERED:
        return _delivered(tx, rules, request, delivery, receipt, at=at)
    if receipt.outcome is DeliveryOutcome.IMPOSSIBLE and _may_appear(rules, delivery, at):
        # What Slack shows late is there all the same: a card that asks must not stay without its end.
        receipt = Receipt(DeliveryOutcome.LATER, problem=receipt.problem, in_doubt=True, posted_nothing=True)
    if receipt.outcome is DeliveryOutcome.IMPOSSIBLE:
        settled = tx.deliveries.settle(delivery, receipt, at)
        if settled:
            _abandon(tx, request, delivery, receipt, at)
        return Concluded(given_up=settled and receipt.problem not in NOBODY_LACKS)
    # Nothing owed is dropped for time alone, and what is refused holds up its own thread only: the deliveries of a
    # thread keep their order. Only a rate limit is the whole channel's.
    pause = rules.patience.before_next_try(delivery.tries)
    if receipt.retry_after is not None:
        pause = max(timedelta(seconds=receipt.retry_after), rules.patience.first_pause)
    elif receipt.outcome is DeliveryOutcome.IN_DOUBT:
        pause = max(pause, rules.patience.settle_delay)
    if not tx.deliveries.postpone(delivery, receipt, at + pause):
        return Concluded()
    # A Slack that is away or asks for a pause takes everything by itself later, and nobody lacks a look for copies.
    passing = receipt.outcome is DeliveryOutcome.LATER or delivery.kind is DeliveryKind.COPIES
    lasting = not passing and delivery.tries >= TRIES_BEFORE_TELLING
    # Asked before it is told itself.
    is_news = lasting and request is not None and _is_news(tx, request, delivery)
    tell = lasting and tx.deliveries.tell(delivery, at)
    if request is not None and (is_news if tell else lasting and _has_another_reason(tx, request, delivery, receipt)):
        _report_blocked(tx, request, delivery, receipt, at, first=tell)
    refused = receipt.outcome is DeliveryOutcome.BLOCKED and delivery.tries >= TRIES_BEFORE_TELLING
    if delivery.kind is DeliveryKind.DIGEST and refused and not _may_appear(rules, delivery, at):
        digests.follow_refusal(tx, rules, delivery, at)
    # Slack's limits are for each method: a refused update says nothing about new messages.
    limited = receipt.retry_after is not None and delivery.kind.is_new_message
    return Concluded(pause if limited else timedelta(0), tell=tell)


def _delivered(
    tx: Tables, rules: Rules, request: Request | None, delivery: Delivery, receipt: Receipt, *, at: datetime
) -> Concluded:
    """Keep where a message is, and what is still to be done about an earlier try that may have had an effect too."""
    if not tx.deliveries.settle(delivery, receipt, at):
        if delivery.kind.is_update and request is not None:
            # It came after the try that counts, so Slack shows what was true before that one.
            tx.deliveries.enqueue(request, delivery.kind, tx.record.event(delivery.event_seq), at)
        surplus = _is_surplus(tx, delivery, receipt)
        if surplus and delivery.in_doubt_since is not None and tx.deliveries.place(delivery) != ("", ""):
            # This bot may die before it has deleted its message, and the try that counts was in no doubt.
            _look_for_copies(tx, rules, delivery.position, delivery.in_doubt_since, at)
        return Concluded(surplus=surplus)
    if delivery.kind.is_new_message and (since := delivery.in_doubt_since) is not None:
        # Slack may show late what an earlier try posted, so that it was posted again.
        _look_for_copies(tx, rules, delivery.position, since, at)
    if request is None:
        # Of two bots one may post that a freeze has begun after the other one has posted that it is over.
        overtaken = delivery.kind is DeliveryKind.ANNOUNCEMENT and tx.deliveries.is_overtaken(delivery)
        return Concluded(surplus=overtaken)
    if delivery.kind is DeliveryKind.CARD:
        _card_posted(tx, request, receipt, at)
    if delivery.kind is DeliveryKind.CARD_UPDATE and tx.deliveries.told(delivery):
        # The receipt says that the card is out of date.
        tx.deliveries.enqueue(request, DeliveryKind.RECEIPT_UPDATE, tx.record.event(delivery.event_seq), at)
    if delivery.kind.is_update and delivery.in_doubt_since is not None:
        # Slack may carry an earlier try out after this one, and it showed what was true before.
        event = tx.record.event(delivery.event_seq)
        tx.deliveries.enqueue(request, delivery.kind, event, at, late=rules.patience.late_in_slack)
    return Concluded()


def _may_appear(rules: Rules, delivery: Delivery, at: datetime) -> bool:
    """Return True for a new message that an earlier try posted so shortly ago that nobody may see it yet.

    A file asks nothing of anybody, so whoever may not have it any more reads that at once.
    """
    first = delivery.in_doubt_since
    if first is None or not delivery.kind.is_new_message or delivery.kind is DeliveryKind.EVIDENCE:
        return False
    since = at - (delivery.last_try_at or first)
    return timedelta(0) <= since < rules.patience.late_in_slack  # less than nothing is a clock that was set back


def adopt_card(tx: Tables, rules: Rules, request: Request, receipt: Receipt, at: datetime) -> bool:
    """Learn from a click where the card is: after a posting in doubt, or in a channel that got a new id.

    Return True where the clicked message is the card, False where it is a second one.
    """
    if request.card_ts != receipt.ts:
        # The known card may be gone, and this one posted in its place.
        owed = _settle_seen(tx, rules, request, receipt, at, kind=DeliveryKind.CARD)
        if request.card_ts is not None and not owed:
            return False
    if (request.card_channel, request.card_ts) != (receipt.channel, receipt.ts):
        _card_posted(tx, request, receipt, at)
    return True


def adopt_receipt(tx: Tables, rules: Rules, request: Request, receipt: Receipt, at: datetime) -> bool:
    """Learn from a click where the receipt is, after a posting in doubt.

    Return True where the clicked message is the receipt, False where it is another one.
    """
    _settle_seen(tx, rules, request, receipt, at, kind=DeliveryKind.RECEIPT)
    return tx.deliveries.receipt_place(request) == (receipt.channel, receipt.ts)


def _settle_seen(
    tx: Tables, rules: Rules, request: Request, receipt: Receipt, at: datetime, *, kind: DeliveryKind
) -> bool:
    """Keep where a message is that was in doubt; return False if none is owed. There may be more than the one seen."""
    owed = tx.deliveries.settle_seen(request, kind, receipt, at)
    for position, since in owed:
        _look_for_copies(tx, rules, position, since, at)
    return bool(owed)


def _is_surplus(tx: Tables, delivery: Delivery, receipt: Receipt) -> bool:
    """Return True for a second message of a delivery, or for one that was given up or called off meanwhile."""
    known = tx.deliveries.place(delivery)
    if not delivery.kind.is_new_message or known == (receipt.channel, receipt.ts):
        return False
    is_kept_up = delivery.kind in {DeliveryKind.CARD, DeliveryKind.RECEIPT}
    return known != ("", "") or is_kept_up or tx.deliveries.called_off(delivery)


def _card_posted(tx: Tables, request: Request, receipt: Receipt, at: datetime) -> None:
    tx.requests.place_card(request, receipt)
    event = tx.record.append(CardPosted(channel=receipt.channel, ts=receipt.ts, link=receipt.link), BOT, at, request)
    tx.deliveries.enqueue(request, DeliveryKind.RECEIPT_UPDATE, event, at)
    if request.state is State.PENDING and not request.decisions:
        return
    # What it shows may be older than what happened while it was on its way.
    tx.deliveries.enqueue(request, DeliveryKind.CARD_UPDATE, event, at)


def _is_news(tx: Tables, request: Request, delivery: Delivery) -> bool:
    """Return True where the requester has to read that Slack refuses this: a card, or the first update of one.

    Each change owes an update, and all of them meet the same refusal.
    """
    if delivery.kind is DeliveryKind.CARD_UPDATE:
        return not tx.deliveries.refused(request, delivery.kind)
    return delivery.kind is DeliveryKind.CARD


def _has_another_reason(tx: Tables, request: Request, delivery: Delivery, receipt: Receipt) -> bool:
    """Return True where a card is refused for another reason than the one that the requester reads.

    What helped against that one may be no use now. An answer that says nothing is none.
    """
    if delivery.kind is not DeliveryKind.CARD or receipt.outcome is not DeliveryOutcome.BLOCKED:
        return False
    known = missing_card(tx, request)
    return known is not None and receipt.problem not in {known.problem, "channel_not_checked"}


def _report_blocked(
    tx: Tables, request: Request, delivery: Delivery, receipt: Receipt, at: datetime, *, first: bool
) -> None:
    """Tell the requester that the card cannot be posted, or not be brought up to date, and what to do.

    The ``first`` time they get a message. Another reason later comes on the receipt, without a sound.
    """
    outdated = delivery.kind is DeliveryKind.CARD_UPDATE
    # After the end nothing is to be done with a card that still asks, and the receipt tells of it without a sound.
    of_use = policy.needs_card(request) or not outdated
    content = CardBlocked(
        channel=request.card_channel,
        problem=receipt.problem,
        in_doubt=receipt.in_doubt,
        outdated=outdated,
        told_directly=first and of_use and not tx.deliveries.receipt_waits(request),
    )
    event = tx.record.append(content, BOT, at, request)
    owe_messages(tx, request, event, content, at)
    tx.deliveries.enqueue(request, DeliveryKind.RECEIPT_UPDATE, event, at)


def _abandon(tx: Tables, request: Request | None, delivery: Delivery, receipt: Receipt, at: datetime) -> None:
    if request is not None and delivery.kind is DeliveryKind.CARD and request.card_ts is None:
        # Without any card there is no thread. A second card that comes too late ends nothing else.
        tx.deliveries.abandon_thread(request, at)
    content = DeliveryAbandoned(delivery=delivery.kind, problem=receipt.problem)
    event = tx.record.append(content, BOT, at, request)
    if request is None:
        return
    about_card = delivery.kind in {DeliveryKind.CARD, DeliveryKind.CARD_UPDATE}
    if content.card_is_gone:
        tx.requests.lose_card_link(request)
    elif not about_card or request.over:
        return
    tx.deliveries.enqueue(request, DeliveryKind.RECEIPT_UPDATE, event, at)
    if request.over:
        return
    # Somebody deleted the card, or Slack never updates it, and with it go the buttons that lead further: it is posted
    # again, unless something takes away each of them.
    gone = delivery.kind is DeliveryKind.CARD_UPDATE
    if gone and (request.card_ts is None or tx.deliveries.owes(request, DeliveryKind.CARD)):
        return  # it was given up, and people have heard of that, or another one is on its way
    if gone and not _is_gone_again(tx, request, tx.record.event(delivery.event_seq), at):
        tx.deliveries.enqueue(request, DeliveryKind.CARD, event, at)
    elif not tx.deliveries.receipt_waits(request) and not (gone and _is_told(tx, request, event)):
        # The receipt is out, and an update of it notifies nobody.
        tx.deliveries.enqueue(request, DeliveryKind.DIRECT_MESSAGE, event, at)


def _is_gone_again(tx: Tables, request: Request, shown: Event, at: datetime) -> bool:
    """Return True where a second card went within a short time, as another one would.

    A person who acts gets another card all the same. ``shown`` is the event that the card could not show.
    """
    posted = tx.record.newest(request, CardPosted)
    lately = [each for each in posted if at - datetime.fromisoformat(each.at) < SECOND_CARD_LASTS]
    return shown.actor == BOT and len(lately) > 1


def _is_told(tx: Tables, request: Request, abandoned: Event) -> bool:
    """Return True where people have heard before this event that the present card is gone."""
    for each in tx.record.newest(request, CardPosted, DeliveryAbandoned):
        match each.content:
            case CardPosted():
                return False
            case DeliveryAbandoned(delivery=DeliveryKind.CARD_UPDATE) if each.seq < abandoned.seq:
                return True
    return False
