"""The messages that are of use only for a while: who is needed now, and what the gateway has not settled yet.

Each is written when it is posted, so that it says how the request stands then.
"""

from datetime import datetime, timedelta

from bot.domain.attempt import Outcome
from bot.domain.audit import Event
from bot.domain.cancellation import UNDER_WAY, Cancellation, State
from bot.domain.events import Escalated, GatewayTrouble, Reminded, Voted
from bot.domain.request import Request
from bot.slack.views import freezes, orders, outcomes
from bot.slack.views.presentation import Presentation
from bot.slack.views.text import (
    Element,
    Message,
    bounded,
    cut,
    lines,
    listed,
    moment,
    mrkdwn,
    sentence,
    words,
)

_SHOWN_WORDS = 300
_MOST_IDS = 10


def notice(request: Request, event: Event, presentation: Presentation, at: datetime) -> Message:
    """Return the message in the card's thread about an event of ``PASSING``, as it is posted at this time."""
    about, whom = orders.named(request), presentation.still_needed(request)
    match event.content:
        case Voted():
            rows = [[words(f"👀 {_needed(request)} for "), *about, *_colon(whom), words(".")]]
        case Reminded():
            asks = [words(f"⏰ {_needed(request)} for "), *about, *_colon(whom), words(". ")]
            rows = [asks + _time_left(request, at)]
        case Escalated():
            asks = [words(f"🔔 {_needed(request)} for "), *about, words(". ")]
            if asked := presentation.asked_as_well(request):
                may = "approve or reject" if request.freeze is None else "reject"
                asks += [*asked, words(f": you can {may} this request now. ")]
            rows = [asks + _time_left(request, at)]
        case GatewayTrouble() as trouble:
            return _message(request, _trouble(request, event.order_id, trouble, whom))
        case content:
            raise AssertionError(content)
    return _message(request, [*rows, *freezes.banners(request)])


def direct_notice(request: Request, event: Event) -> Message:
    """Return the message to the requester about an event of ``PASSING``."""
    assert isinstance(event.content, GatewayTrouble)
    said = _trouble(request, event.order_id, event.content, [])
    return _message(request, [*said, orders.way_to_card(request)])


def _trouble(request: Request, order_id: str, content: GatewayTrouble, whom: list[Element]) -> list[list[Element]]:
    """Return what is known of the order with which it took so long, and what comes next for all that are open."""
    one = request.about(order_id) or request.narrowed(request.cancellations[0])
    answer = one.cancellation.last_answer
    detail = cut(outcomes.said(answer), _SHOWN_WORDS) if answer else ""
    known = (
        "This request has not changed the order so far: no call was sent, or the gateway says that it did not take it."
    )
    if request.set_back:
        known = outcomes.SET_BACK
    last = "The last attempt"
    if one.state is State.SENDING:
        # The message may come late, and its own call may have cancelled the order by then.
        known = "A call for it is under way, so the order may be cancelled already."
        last = "The attempt before"
    if _may_be_cancelled(one.cancellation, order_id, content):
        known = "The gateway's answers don't say whether the order was cancelled."
    about = [words("order "), words(one.cancellation.order_id, code=True)]
    said = [words(f"{known} {sentence(f'{last}: {detail}')}" if detail else known)]
    in_doubt: list[Element] = []
    if request.several:
        # It may have ended since, while others have not.
        said = [words("Order "), *about[1:], words(": "), *said] if one.under_way else []
        left = sum(each.state in UNDER_WAY for each in request.cancellations)
        about = [words(f"{left} of {len(request.cancellations)} orders")]
        in_doubt = _others_in_doubt(request, order_id, content)
    return [
        [words("⏳ The gateway has not settled "), *about, words(" yet"), *_colon(whom), words(".")],
        in_doubt,
        _not_known(request),
        said,
        *freezes.banners(request),
        _next_attempts(request, order_id, content),
    ]


def _others_in_doubt(request: Request, order_id: str, content: GatewayTrouble) -> list[Element]:
    """Return which of the other orders may be cancelled already: the event may be about one that certainly is not."""
    found = [
        each
        for each in request.cancellations
        if each.state in UNDER_WAY and each.order_id != order_id and _may_be_cancelled(each, order_id, content)
    ]
    if not found:
        return []
    was = "this order was" if len(found) == 1 else "these orders were"
    return [words(f"⚠️ The gateway's answers don't say whether {was} cancelled: "), *_ids(found), words(".")]


def _ids(found: list[Cancellation]) -> list[Element]:
    more = [words(f" and {len(found) - _MOST_IDS} more")] if len(found) > _MOST_IDS else []
    return [*listed([[words(each.order_id, code=True)] for each in found[:_MOST_IDS]]), *more]


def _not_known(request: Request) -> list[Element]:
    """Return which orders nobody knows about any more, while others are under way: these need somebody later."""
    found = [each for each in request.cancellations if each.state is State.UNKNOWN]
    if not found:
        return []
    this, is_ = ("this order", "is") if len(found) == 1 else ("these orders", "are")
    return [
        words(f"⚠️ Nobody knows yet whether {this} {is_} cancelled: "),
        *_ids(found),
        words(". I tell you what can be done when no order is under way any more."),
    ]


def _next_attempts(request: Request, order_id: str, content: GatewayTrouble) -> list[Element]:
    """Return what comes next. The message stays as it is, so that it must hold however it goes on.

    Of several orders, it is true of each that is not settled. Nobody knows before how long the gateway takes and what
    pauses it asks for: so it names no time of the end.
    """
    waiting = [each for each in request.cancellations if each.state in UNDER_WAY]
    due = [each.due_at for each in waiting if each.state is State.APPROVED and each.attempts and each.due_at]
    ends = "I tell you how it ends."
    if request.freeze is not None:
        sending = any(each.state is State.SENDING for each in waiting)
        return [words(f"A call to the gateway is under way. {ends}" if sending else ends)]
    if not any(each.state is State.UNKNOWN for each in request.cancellations):
        ends = f"You don't have to do anything. {ends}"
    most = f"at most {content.most} attempts for each order"
    if not request.several:
        number = request.cancellation.attempts + (0 if request.state is State.SENDING else 1)
        most = f"attempt {number} of at most {content.most}"
    if all(each.state is State.SENDING and each.attempts > 1 for each in waiting):
        # Neither Stop trying nor a freeze ends a call that has left.
        return [words(f"I am asking again now ({most}). {ends}")]
    begins = [words("I ask again")]
    if due:
        begins = [words(f"I ask again{', next' if request.several else ''} at "), moment(min(due), "{time_secs}")]
    unless = "freezes everything"
    may_stop = [
        each for each in waiting if each.state is State.APPROVED and not _may_be_cancelled(each, order_id, content)
    ]
    if may_stop:
        all_of_them = "them" if len(waiting) > 1 else "it"
        which = all_of_them if len(may_stop) == len(waiting) else "those that can still be stopped"
        unless = f"stops {which} or {unless}"
    return [*begins, words(f" ({most}), unless somebody {unless}. {ends}")]


def _may_be_cancelled(order: Cancellation, order_id: str, content: GatewayTrouble) -> bool:
    """Return True where an attempt for this order may have taken effect, so that nobody can stop it.

    The event knows of all attempts before it, and the order may have had more since.
    """
    last = order.last_answer
    lost = order.unclear or (last is not None and last.outcome is Outcome.UNKNOWN)
    return lost or (content.unclear and order.order_id == order_id)


def _needed(request: Request) -> str:
    if not outcomes.approvals_missing(request):
        return f"{outcomes.UNCHECKED},"
    return f"{outcomes.approvals_needed(request)} needed"


def _time_left(request: Request, at: datetime) -> list[Element]:
    left = _length(request.expires_at - at)
    return [words(f"{left} left: the request expires "), moment(request.expires_at), words(".")]


def _length(time: timedelta) -> str:
    """Return a length of time in its two largest units."""
    minutes = round(time.total_seconds() / 60)
    if minutes < 1:
        return "Less than a minute"
    parts = [(minutes // 1440, "d"), (minutes // 60 % 24, "h"), (minutes % 60, "min")]
    return " ".join([f"{count} {unit}" for count, unit in parts if count][:2])


def _colon(whom: list[Element]) -> list[Element]:
    return [words(": "), *whom] if whom else []


def _message(request: Request, rows: list[list[Element]]) -> Message:
    said = [*map(mrkdwn, filter(None, rows)), orders.requested(request)]
    return Message(bounded(" ".join(said)), [lines(*rows)])
