"""The card: the approval message, as it must look in each state."""

from collections.abc import Mapping, Sequence

from bot.domain.audit import BOT
from bot.domain.cancellation import State
from bot.domain.events import (
    Approved,
    Escalated,
    Hurried,
    Rejected,
    Requested,
    Retried,
    SettledCancelled,
    SettledNotCancelled,
    StoppedTrying,
    Voted,
    Withdrawn,
)
from bot.domain.request import Request, Step
from bot.slack.views import buttons, freezes, outcomes
from bot.slack.views.presentation import NO_SETTINGS, Presentation
from bot.slack.views.text import (
    Element,
    Message,
    bounded,
    cut,
    cut_to_weight,
    escape,
    lines,
    link,
    listed,
    mistakable,
    moment,
    mrkdwn,
    mrkdwn_moment,
    name_of,
    person,
    quote,
    quoted,
    sentence,
    weight,
    words,
)

_SHOWN_ORDER = 150
_REJECTION_WEIGHT = 1500
"""So much of a rejection's reason is on the card; the message in its thread has all of it."""
_FITTING_WEIGHT = 7000
"""So much of a message is for order id and reason: 3,000 letters each, and some line breaks and signs among them."""
_STATE_WEIGHT = 40
_SHOWN_WORDS = 300
_SHOWN_IN_TEXT = 200

_MOST_STEPS = 10
"""Rows of the history, for which the message has room beside everything else."""
_MAY_STOP_ONLY = "An approver or the requester can stop it in the menu (⋯)."
_MAY_STOP = f"An approver can press Try now. {_MAY_STOP_ONLY}"

_STEPS: Mapping[str, str] = {
    Requested.kind: "Requested by",
    Voted.kind: "Approved by",
    Approved.kind: "Approved by",
    Rejected.kind: "Rejected by",
    Withdrawn.kind: "Withdrawn by",
    Retried.kind: "Retried by",
    Hurried.kind: "Try now pressed by",
    StoppedTrying.kind: "Stopped by",
    SettledCancelled.kind: "Settled by hand as cancelled by",
    SettledNotCancelled.kind: "Settled by hand as not cancelled by",
}
_BY_THE_BOT: Mapping[str, str] = {
    Escalated.kind: "Escalated",
    Voted.kind: "Approvals counted again",
    Approved.kind: "Enough approvals by the settings of today",
}
_APPROVALS = {Voted.kind, Approved.kind}


def heading(request: Request) -> str:
    """Return the words for how the request stands, without their sign."""
    return outcomes.words_for(request).title


def card(request: Request, presentation: Presentation = NO_SETTINGS) -> Message:
    """Return the card for this state. Buttons that can do nothing are not there.

    It shows every character of the order id and of the reason: nobody approves text that they could not read. While it
    waits, it mentions those who can approve; Slack notifies them of a new card, and of no update.
    """
    found = outcomes.words_for(request)
    blocks = [lines(*_beginning(request, found, presentation))]
    if request.reason:
        blocks.append(quote(request.reason))
    rows = _how_it_stands(request, found, presentation) + _history(request)
    blocks += [lines(*rows)] if any(rows) else []
    if (rejection := request.rejection) is not None and rejection.reason:
        blocks += [
            lines([words("Why "), person(rejection.approver), words(" rejected it:")]),
            quote(cut_to_weight(rejection.reason, _REJECTION_WEIGHT)),
        ]
    if (settlement := request.cancellation.settlement) is not None:
        finding = cut_to_weight(settlement.reason, _REJECTION_WEIGHT)
        blocks += [lines([words("How "), person(settlement.approver), words(" knows:")]), quote(finding)]
    return Message(bounded(_text(request, presentation)), blocks + buttons.actions(request))


def fits(order_ids: Sequence[str], reason: str) -> bool:
    """Return True where a card can show all of this: nobody approves text that they could not read."""
    # Each order of several has a line with its state.
    states = _STATE_WEIGHT * len(order_ids) if len(order_ids) > 1 else 0
    return sum(map(weight, order_ids)) + states + weight(reason) <= _FITTING_WEIGHT


def copy(request: Request) -> Message:
    """Return the words for a second card of the same request, which has no buttons."""
    way = link(request.card_link, "Open the card")
    row = [
        words("This is a copy of the card for order "),
        words(request.cancellation.order_id, code=True),
        words(". "),
        *way,
    ]
    text = f"This is a copy of the card for order {escape(request.cancellation.order_id)}. {request.card_link}"
    return Message(text.strip(), [lines(row)])


def _beginning(request: Request, found: outcomes.Words, presentation: Presentation) -> list[list[Element]]:
    """Return who asks to cancel which order, and then how that stands."""
    order = words(request.cancellation.order_id, code=True)
    if address := presentation.page_of(request.cancellation.order_id):
        order = {"type": "link", "url": address, "text": order["text"], "style": order["style"]}
    pending = request.state is State.PENDING
    asks = " asks to cancel order " if pending else " asked to cancel order "
    sign = [words(f"{found.sign} ")] if pending else []
    first = [*sign, person(request.requester), words(asks, bold=True), order]
    return [first] if pending else [first, [words(found.heading, bold=True)]]


def _how_it_stands(request: Request, found: outcomes.Words, presentation: Presentation) -> list[list[Element]]:
    rows: list[list[Element]] = [[words(f"⚠️ {alike}")]] if (alike := _alike(request)) else []
    if request.cancellation.earlier is not None:
        how = f": {outcomes.how_it_ended(request.cancellation.earlier)}."
        rows.append([words(f"⚠️ {outcomes.EARLIER} "), moment(request.cancellation.earlier.at), words(how)])
    if (freeze := freezes.shown(request)) is not None:
        rows.append(freezes.banner(freeze))
    if request.state is State.PENDING:
        whom = presentation.still_needed(request)
        rows.append([words("To decide: "), *whom] if whom else [])
        rows.append([words(f"{_needed(request)}. Expires "), moment(request.expires_at)])
    elif explanation := _explanation(request, found):
        rows.append([words(explanation)])
    return [*rows, _approvals(request), _progress(request, found)]


def _explanation(request: Request, found: outcomes.Words) -> str:
    # Where Retry works only for a while, a row of its own says until when.
    return found.explanation if request.retry_until is None else found.meaning


def _history(request: Request) -> list[list[Element]]:
    """Return who did what, each with its time. Where it is long, the middle of it is left out."""
    steps = request.history
    left_out = len(steps) - _MOST_STEPS
    rows = [_step(request, step) for step in steps]
    if left_out > 0:
        middle = [words(f"… {left_out} more: see /cancel-audit {cut(request.cancellation.order_id, _SHOWN_ORDER)}")]
        rows = [rows[0], middle, *rows[left_out + 1 :]]
    return rows


def _step(request: Request, step: Step) -> list[Element]:
    if step.person == BOT:
        return [words(f"{_BY_THE_BOT[step.kind]}, "), moment(step.at)]
    row = [words(f"{_STEPS[step.kind]} "), person(step.person), words(", "), moment(step.at)]
    voided = step.kind in _APPROVALS and step.person not in request.approvers
    return [*row, words(" (no longer counts)")] if voided else row


def _text(request: Request, presentation: Presentation) -> str:
    """Return the card in a few sentences, because screen readers and notifications read only this."""
    order = escape(cut(request.cancellation.order_id, _SHOWN_ORDER))
    reason = escape(quoted(request.reason, _SHOWN_IN_TEXT))
    why = f": {reason}" if reason else ""
    if request.state is State.PENDING:
        needed = _needed(request)
        if whom := mrkdwn(presentation.still_needed(request)):
            needed += f" from {whom}"
        expires = mrkdwn_moment(request.expires_at)
        asks = f"<@{request.requester}> asks to cancel order {order}{why}. {needed}. Expires {expires}."
        if (earlier := request.cancellation.earlier) is not None:
            asks += f" {outcomes.EARLIER} {mrkdwn_moment(earlier.at)}: {outcomes.how_it_ended(earlier)}."
        return " ".join(filter(None, [asks, _frozen(request), escape(_alike(request))]))
    found, answer = outcomes.words_for(request), request.cancellation.last_answer
    said = [
        _frozen(request),
        f"{found.heading}.",
        f"<@{request.requester}> asked to cancel order {order}{why}.",
        found.explanation,
    ]
    if answer and request.state is not State.CANCELLED and (detail := outcomes.detail(answer, found)):
        said.append(f"Detail: {sentence(escape(cut(detail, _SHOWN_WORDS)))}")
    if buttons.between_attempts(request) and request.cancellation.attempts and request.cancellation.due_at:
        again = f"I ask again at {mrkdwn_moment(request.cancellation.due_at)}. {_MAY_STOP}"
        said.append(again if request.freeze is None else _MAY_STOP_ONLY)
    if request.cancellation.stopped_by:
        said.append(f"Stopped by <@{request.cancellation.stopped_by}>.")
    for decision, act in ((request.rejection, "Rejected"), (request.cancellation.settlement, "Settled")):
        if decision is not None:
            words_of_theirs = escape(quoted(decision.reason, _SHOWN_IN_TEXT))
            said.append(f"{act} by <@{decision.approver}>: {words_of_theirs}.")
    return " ".join(filter(None, said))


def _frozen(request: Request) -> str:
    """Return in mrkdwn that everything is frozen, where that concerns this request."""
    freeze = freezes.shown(request)
    return escape(freezes.in_force(freeze)) if freeze is not None else ""


def _alike(request: Request) -> str:
    """Return a warning where the order ID is not what it looks like, as long as somebody has to decide."""
    alike = mistakable(request.cancellation.order_id)
    if alike is None or request.state is not State.PENDING:
        return ""
    return f"The order ID contains “{alike}” ({name_of(alike)}), which is easily mistaken or overlooked."


def _approvals(request: Request) -> list[Element]:
    approvers, needed = request.approvers, request.approvals_required
    if not approvers and (request.state is not State.PENDING or needed == 1):
        return []
    count = words(f"{len(approvers)} of {needed} {'approval' if needed == 1 else 'approvals'}")
    return [count, words(": "), *listed([[person(each)] for each in approvers])] if approvers else [count]


def _needed(request: Request) -> str:
    # If all are there and it still waits, Slack has not said yet who of them may approve.
    missing = max(request.approvals_required - len(request.approvers), 1)
    more = " more" if request.approvers else ""
    return f"{missing}{more} {'approval is' if missing == 1 else 'approvals are'} needed"


def _progress(request: Request, found: outcomes.Words) -> list[Element]:
    answer = request.cancellation.last_answer
    said = cut(outcomes.detail(answer, found), _SHOWN_WORDS) if answer else ""
    match request.state:
        case State.APPROVED if request.cancellation.attempts and request.cancellation.due_at:
            not_yet = outcomes.not_confirmed_yet(request, said)
            may_stop = buttons.between_attempts(request)
            if request.freeze is not None:
                return [words(f"{not_yet} {_MAY_STOP_ONLY if may_stop else ''}".strip())]
            return [
                words(f"{not_yet} I ask again at "),
                moment(request.cancellation.due_at, "{time_secs}"),
                words(f". {_MAY_STOP}" if may_stop else "."),
            ]
        case State.SENDING if request.cancellation.attempts > 1:
            return [words(f"Attempt {request.cancellation.attempts} is under way.")]
        case State.PENDING | State.APPROVED | State.SENDING:
            return []
        case State.FAILED | State.UNKNOWN:
            at = moment(request.cancellation.changed_at)
            row = [words("Last attempt "), at, *([words(f": {said}")] if said else [])]
            if request.cancellation.stopped_by:
                row = [words("Ended "), at, *([words(f". Last attempt: {said}")] if said else [])]
            return row + _retry_until(request)
        case State.REFUSED:
            return [words("Ended "), moment(request.cancellation.changed_at), *([words(f": {said}")] if said else [])]
        case _:
            return [words("Ended "), moment(request.cancellation.changed_at)]


def _retry_until(request: Request) -> list[Element]:
    """Return until when Retry works, and what to do after that."""
    if request.retry_until is None:
        return []
    after = "settle it by hand" if request.state is State.UNKNOWN else "ask again with /cancel-order"
    return [
        words("\nAn approver who is not the requester can press Retry until "),
        moment(request.retry_until),
        words(f". After that, {after}."),
    ]
