"""The messages in the card's thread and to the requester that say how a request ended, or why it waits."""

from bot.domain.audit import Event
from bot.domain.cancellation import Cancellation, State
from bot.domain.events import Answered, Cancelled, CardBlocked, Content, DeliveryAbandoned, Rejected
from bot.slack.views import outcomes
from bot.slack.views.outcomes import Words
from bot.slack.views.text import Element, Message, cut, escape, lines, link, listed, person, quote, words

_SHOWN_REASON = 1500
_SHOWN_ORDER = 150
_SHOWN_WORDS = 300


def reply(cancellation: Cancellation, event: Event) -> Message:
    """Return the message in the card's thread that reports one event, with the record's head as a witness."""
    return _report(cancellation, event, [])


def direct_message(cancellation: Cancellation, event: Event) -> Message:
    """Return the message to the requester that reports one event, with a link to the card."""
    return _report(cancellation, event, link(cancellation.card_link, "Open the card"))


def _report(cancellation: Cancellation, event: Event, way: list[Element]) -> Message:
    content = event.content
    order = cut(cancellation.order_id, _SHOWN_ORDER)
    found = _words(content, cancellation.state)
    rows: list[list[Element]] = [
        [words(found.heading, bold=True), words(" · order "), words(order, code=True)],
        [words(found.explanation)] if found.explanation else [],
    ]
    if isinstance(content, Answered):
        said = cut(outcomes.said(content.answer), _SHOWN_WORDS)
        rows.append([words(f"Detail: {said}")] if said else [])
        rows.append([words(f"Gateway request {content.answer.request_id}")] if content.answer.request_id else [])
    blocks = [lines(*rows)]
    if isinstance(content, Rejected):
        blocks.append(lines([words("Rejected by "), person(event.actor), words(":" if content.reason else ".")]))
        blocks += [quote(cut(content.reason, _SHOWN_REASON))] if content.reason else []
    blocks.append(lines(listed([[words(f"Record {event.head}")], *([way] if way else [])], " · ")))
    return Message(f"{found.heading} · order {escape(order)}", blocks)


def _words(content: Content, state: State) -> Words:
    match content:
        case Cancelled(confirmed_by_repeat=True):
            cancelled = outcomes.words(State.CANCELLED)
            return Words(cancelled.sign, cancelled.title, outcomes.CONFIRMED_BY_REPEAT)
        case Answered():
            return outcomes.words(State(content.kind), content.answer.reason)
        case CardBlocked():
            return Words(
                "⚠️",
                "Your request waits",
                f"I can't post the approval card. {_why_blocked(content.problem)} The card will appear by itself once "
                "this is fixed. Until then nobody can approve.",
            )
        case DeliveryAbandoned():
            missing = ", so nobody can approve" if state is State.PENDING else ""
            missing = ", so nobody can press Retry" if state.may_retry else missing
            expires = " The request expires by itself." if state is State.PENDING else ""
            return Words(
                "⚠️",
                "Your request has no card",
                f"The approval card can't be posted ({outcomes.delivery_problem(content.problem)}){missing}. "
                f"Tell the bot's operator.{expires}",
            )
        case _:
            return outcomes.words(State(content.kind))


def _why_blocked(problem: str) -> str:
    match problem:
        case "not_in_channel" | "channel_not_found":
            return "I am not a member of the channel. Type /invite and my name in it."
        case "is_archived":
            return "The channel is archived. Ask somebody to unarchive it."
        case _:
            return f"Slack says {problem}. Ask the bot's operator or the workspace's admins."
