"""The card: the approval message, as it must look in each state."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from bot.domain import policy
from bot.domain.cancellation import Cancellation, State
from bot.domain.request import Request
from bot.slack.views import buttons, freezes, orders, outcomes
from bot.slack.views.history import history
from bot.slack.views.orders import Room
from bot.slack.views.presentation import NO_SETTINGS, Presentation
from bot.slack.views.text import (
    Block,
    Element,
    Message,
    addressed,
    bounded,
    cut,
    cut_to_weight,
    escape,
    lines,
    moment,
    mrkdwn,
    mrkdwn_moment,
    person,
    persons,
    quote,
    quoted,
    sentence,
    weight,
    words,
)

_SHOWN_ORDER = 150
_THEIR_WORDS_WEIGHT = {room: 1500 if room < Room.NONE else 300 for room in Room}
"""So much of a rejection's reason, or of the findings, is on the card; the messages in its thread have all of it."""
_FITTING_WEIGHT = 7000
"""So much of a message is for order ids and reason: 3,000 letters each, and some line breaks and signs among them."""
_MOST_FINDINGS = {room: 5 if room < Room.LEAST else 1 for room in Room}
_SHOWN_WORDS = 300
_SHOWN_IN_TEXT = 200


def heading(request: Request) -> str:
    """Return the words for how the request stands, without their sign."""
    return orders.words_for(request).title


def card(request: Request, presentation: Presentation = NO_SETTINGS) -> Message:
    """Return the card for this state. Buttons that can do nothing are not there.

    It shows every character of the order ids and of the reason: nobody approves text that they could not read. While it
    waits, it mentions those who can approve; Slack notifies them of a new card, and of no update.
    """
    blocks = orders.fitting(request, lambda room: _blocks(request, presentation, room))
    return Message(bounded(_text(request, presentation)), blocks)


def fits(order_ids: Sequence[str], reason: str) -> bool:
    """Return True where a card can show all of this: nobody approves text that they could not read."""
    return orders.weight_of(order_ids) + weight(reason) <= _FITTING_WEIGHT


def copy(request: Request) -> Message:
    """Return the words for a second card of the same request, which has no buttons."""
    way = orders.way_to_card(request)
    row = [words("This is a copy of the card for "), *orders.named(request), words(". "), *way]
    order = escape(orders.phrase(request, len(request.order_ids[0])))
    text = f"This is a copy of the card for {order}. {request.card_link}"
    return Message(text.strip(), [lines(row)])


def _blocks(request: Request, presentation: Presentation, room: Room) -> list[Block]:
    found = orders.words_for(request)
    blocks = [lines(*_beginning(request, found, presentation))]
    # Nobody approves words that they could not read; of one order, very many approvals must have room as well.
    waits = request.several and not orders.differ(request)
    blocks += orders.reason(request, Room.LEAST if waits else room)
    if request.several:
        blocks.append(orders.listing(request, room, presentation))
    rows = [orders.came_from(request), *_how_it_stands(request, found, presentation, room), *history(request, room)]
    blocks += [lines(*rows)] if any(rows) else []
    if (rejection := request.rejection) is not None and rejection.reason:
        blocks += [
            lines([words("Why "), person(rejection.approver), words(" rejected it:")]),
            quote(cut_to_weight(rejection.reason, _THEIR_WORDS_WEIGHT[room])),
        ]
    return blocks + _findings(request, room) + buttons.actions(request)


def _findings(request: Request, room: Room) -> list[Block]:
    """Return how people know what they stated about orders; of many, what was said last."""
    found = [(each, each.settlement) for each in request.cancellations if each.settlement is not None]
    found = sorted(found, key=lambda each: each[1].at)[-_MOST_FINDINGS[room] :]
    blocks: list[Block] = []
    for order, statement in found:
        order_id = words(cut(order.order_id, _SHOWN_ORDER), code=True)
        about = [words(" about "), order_id] if request.several else []
        by = person(statement.approver)
        knows = [words("How "), by, words(" knows"), *about, words(":")]
        if order.state is State.CANCELLED:
            # The gateway's late word may say the opposite.
            knows = [words("Before the gateway confirmed it, "), by, words(" stated"), *about, words(":")]
        finding = cut_to_weight(statement.reason, _THEIR_WORDS_WEIGHT[room] // len(found))
        blocks += [lines(knows), quote(finding)]
    return blocks


def _beginning(request: Request, found: outcomes.Words, presentation: Presentation) -> list[list[Element]]:
    """Return who asks to cancel which order, and then how that stands."""
    pending = request.state is State.PENDING
    asks = " asks to cancel " if pending else " asked to cancel "
    if request.several:
        order = orders.named(request)
    else:
        asks, order = f"{asks}order ", [orders.linked(request.cancellation.order_id, presentation)]
    sign = [words(f"{found.sign} ")] if pending else []
    first = [*sign, person(request.requester), words(asks, bold=True), *order]
    return [first] if pending else [first, [words(found.heading, bold=True)]]


def _how_it_stands(
    request: Request, found: outcomes.Words, presentation: Presentation, room: Room
) -> list[list[Element]]:
    rows = [orders.unknown_past(request), *_to_know(request)]
    if presentation.shows_freeze and (freeze := freezes.shown(request)) is not None:
        freeze = freeze if room < Room.LEAST else replace(freeze, why="")
        rows.append(freezes.banner(freeze, ended=freezes.has_ended(request)))
    if request.state is State.PENDING:
        whom = presentation.still_needed(request)
        rows.append([words("To decide: "), *whom] if whom else [])
        rows.append(orders.lacking(request, presentation))
        rows.append([words(f"{_needed(request)}. Expires "), moment(request.expires_at)])
        rows.append([words(outcomes.COUNTED_AGAIN)] if request.freeze is not None and request.approvers else [])
    elif explanation := _explanation(request, found):
        rows.append(addressed(explanation, presentation.contact))
    if room < Room.LEAST:
        rows += orders.causes(request, then=not _retry_until(request))
    progress = _progress_of_several(request) if request.several else _progress(request, found)
    return [*rows, _approvals(request), progress, [] if request.under_way else _retry_until(request)]


def _to_know(request: Request) -> list[list[Element]]:
    """Return what approvers must know of a single order; with several it is in their list."""
    if request.several:
        return []
    rows: list[list[Element]] = [[words(f"⚠️ {alike}")]] if (alike := _alike(request)) else []
    if (earlier := request.cancellation.earlier) is not None:
        how = f": {outcomes.how_it_ended(earlier)}."
        rows.append([words(f"⚠️ {outcomes.EARLIER} "), moment(earlier.at), words(how)])
    return rows


def _explanation(request: Request, found: outcomes.Words) -> str:
    # Where Retry works only for a while, a row of its own says until when.
    return found.finding if _retry_until(request) else found.explanation


def _text(request: Request, presentation: Presentation) -> str:
    """Return the card in a few sentences, because screen readers and notifications read only this."""
    order = escape(orders.phrase(request, _SHOWN_ORDER))
    reason = escape(quoted(request.reason, _SHOWN_IN_TEXT))
    why = f": {reason}" if reason else ""
    if request.state is State.PENDING:
        needed = _needed(request)
        if whom := mrkdwn(presentation.still_needed(request)):
            needed += f" from {whom}" if outcomes.approvals_missing(request) else f". To decide: {whom}"
        expires = mrkdwn_moment(request.expires_at)
        lacking = mrkdwn(orders.lacking(request, presentation))
        who = f"<@{request.requester}> asks to cancel {order}{why}. {needed}."
        asks = " ".join(filter(None, [who, outcomes.unknown_past(request), lacking, f"Expires {expires}."]))
        source = mrkdwn(orders.came_from(request))
        if request.several:
            return " ".join(filter(None, [asks, _frozen(request), source, orders.spoken(request)]))
        if (earlier := request.cancellation.earlier) is not None:
            asks += f" {outcomes.EARLIER} {mrkdwn_moment(earlier.at)}: {outcomes.how_it_ended(earlier)}."
        return " ".join(filter(None, [asks, _frozen(request), escape(_alike(request)), source]))
    found = orders.words_for(request)
    said = [
        _frozen(request),
        f"{found.heading}.",
        f"<@{request.requester}> asked to cancel {order}{why}.",
        mrkdwn(addressed(found.explanation, presentation.contact)),
        outcomes.unknown_past(request),
    ]
    if request.several:
        said += [mrkdwn(_progress_of_several(request)) if request.under_way else "", orders.spoken(request)]
        decisions = [(request.rejection, "Rejected")]
    else:
        said += _last_attempt(request, found)
        settled = "Stated before that" if request.state is State.CANCELLED else "Settled"
        decisions = [(request.rejection, "Rejected"), (request.cancellation.settlement, settled)]
    for decision, act in decisions:
        if decision is not None:
            words_of_theirs = escape(quoted(decision.reason, _SHOWN_IN_TEXT))
            said.append(f"{act} by <@{decision.approver}>: {words_of_theirs}.")
    said.append(mrkdwn(orders.came_from(request)))
    return " ".join(filter(None, said))


def _last_attempt(request: Request, found: outcomes.Words) -> list[str]:
    """Return in mrkdwn what the last attempt for the only order brought, and what is next."""
    answer, due_at, said = request.cancellation.last_answer, request.cancellation.due_at, []
    if answer and request.state is not State.CANCELLED and (detail := outcomes.detail(answer, found)):
        said.append(f"Detail: {sentence(escape(cut(detail, _SHOWN_WORDS)))}")
    if buttons.between_attempts(request) and request.cancellation.attempts and due_at:
        again = f"I ask again at {mrkdwn_moment(due_at)}. " if request.freeze is None else ""
        said.append(f"{again}{_meanwhile(request)}")
    if request.cancellation.stopped_by:
        said.append(f"Stopped by <@{request.cancellation.stopped_by}>.")
    return said


def _frozen(request: Request) -> str:
    """Return in mrkdwn that everything is frozen, where that concerns this request."""
    freeze = freezes.shown(request)
    return escape(freezes.in_force(freeze)) if freeze is not None else ""


def _alike(request: Request) -> str:
    """Return a warning where the order ID is not what it looks like, as long as somebody has to decide."""
    alike = orders.mistakable_id(request.cancellation.order_id) if request.state is State.PENDING else ""
    return f"The order ID contains {alike}" if alike else ""


def _approvals(request: Request) -> list[Element]:
    approvers, needed = request.approvers, request.approvals_required
    if not approvers and (request.state is not State.PENDING or needed == 1):
        return []
    count = words(f"{len(approvers)} of {needed} {'approval' if needed == 1 else 'approvals'}")
    return [count, words(": "), *persons(approvers)] if approvers else [count]


def _needed(request: Request) -> str:
    if not (missing := outcomes.approvals_missing(request)):
        return outcomes.UNCHECKED
    return f"{outcomes.approvals_needed(request)} {'is' if missing == 1 else 'are'} needed"


def _progress(request: Request, found: outcomes.Words) -> list[Element]:
    answer = request.cancellation.last_answer
    said = cut(outcomes.detail(answer, found), _SHOWN_WORDS) if answer else ""
    match request.state:
        case State.APPROVED if request.cancellation.attempts and request.cancellation.due_at:
            return _asks_again(request, outcomes.not_confirmed_yet(request, said), request.cancellation.due_at)
        case State.SENDING if request.cancellation.attempts > 1:
            in_doubt = f" {outcomes.IN_DOUBT}" if request.cancellation.unclear else ""
            return [words(f"Attempt {request.cancellation.attempts} is under way.{in_doubt}")]
        case State.APPROVED | State.SENDING if request.cancellation.unclear:  # after Retry
            return [words(outcomes.IN_DOUBT)]
        case State.PENDING | State.APPROVED | State.SENDING:
            return []
        case State.FAILED | State.UNKNOWN:
            at = moment(request.cancellation.changed_at)
            row = [words("Last attempt "), at, *([words(f": {said}")] if said else [])]
            if _became_unknown(request):
                row = [words(f"Last attempt on record: {said}")] if said else []
            if request.cancellation.stopped_by:
                row = [words("Ended "), at, *([words(f". Last attempt: {said}")] if said else [])]
            return row
        case State.REFUSED:
            return [words("Ended "), moment(request.cancellation.changed_at), *([words(f": {said}")] if said else [])]
        case _:
            return [words("Ended "), moment(request.cancellation.changed_at)]


def _became_unknown(request: Request) -> bool:
    """Return True where a restore may have made it unknown, so that no attempt ended at the time of the last change."""
    return request.set_back > 0 and request.state is State.UNKNOWN


def _progress_of_several(request: Request) -> list[Element]:
    """Return what comes next where each of several orders stands for itself, or when all had ended."""
    if not request.under_way:
        if request.state is State.PENDING:
            return []
        return [] if _became_unknown(request) else [words("Ended "), moment(request.changed_at)]
    due = [each.due_at for each in request.cancellations if _is_tried_again(each) and each.due_at]
    if not due:
        return []
    not_yet = f"Not confirmed yet: {len(due)} {'order' if len(due) == 1 else 'orders'}."
    return _asks_again(request, not_yet, min(due))


def _asks_again(request: Request, not_yet: str, due_at: datetime) -> list[Element]:
    """Return what is not confirmed yet, when the gateway is asked again unless that is frozen, and who can stop it."""
    meanwhile = _meanwhile(request)
    if request.freeze is not None:
        return [words(f"{not_yet} {meanwhile}".strip())]
    return [words(f"{not_yet} I ask again at "), moment(due_at, "{time_secs}"), words(f". {meanwhile}".rstrip())]


def _meanwhile(request: Request) -> str:
    """Return what people can do before the next attempt, and for which orders; nothing where they can do nothing."""
    stops, tries = buttons.which_wait(request), buttons.which_wait(request, tried=True)
    if not stops:
        return ""
    stop = f"An approver or the requester can stop {stops} in the menu (⋯)."
    if request.freeze is not None or not tries:
        return stop
    return f"An approver can press Try now{f' for {tries}' if request.several else ''}. {stop}"


def _is_tried_again(order: Cancellation) -> bool:
    return order.state is State.APPROVED and order.attempts > 0


def _retry_until(request: Request) -> list[Element]:
    """Return until when Retry works, and what to do after that."""
    states = {each.state for each in policy.retryable(request)}
    if request.retry_until is None or not states:
        return []
    unknown = sum(each.state is State.UNKNOWN for each in request.cancellations)
    it = "them" if unknown > 1 else "it"
    after = f"settle {it} by hand" if State.UNKNOWN in states else "ask again with /cancel-order"
    if {State.UNKNOWN, State.FAILED} <= states:
        after = "settle by hand what is not known, and ask again with /cancel-order for what has failed"
    when = "until " if request.freeze is None else "when the freeze is over, until "
    return [
        words(f"An approver who is not the requester can press Retry {when}"),
        moment(request.retry_until),
        words(f", if its approvals count. After that, {after}."),
    ]
