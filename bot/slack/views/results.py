"""The messages in the card's thread and to the requester that say how a request ended, or why it waits."""

from bot.domain.audit import Event
from bot.domain.cancellation import Cancellation, State
from bot.domain.events import (
    Answered,
    Cancelled,
    CardBlocked,
    Content,
    DeliveryAbandoned,
    Rejected,
    SettledCancelled,
    SettledNotCancelled,
    StoppedTrying,
)
from bot.domain.projection import leads_to
from bot.slack.views import outcomes
from bot.slack.views.outcomes import Words
from bot.slack.views.text import (
    Element,
    Message,
    bounded,
    cut,
    escape,
    lines,
    link,
    listed,
    mrkdwn,
    person,
    quote,
    quoted,
    sentence,
    words,
)

_SHOWN_WORDS = 300
_SHOWN_IN_TEXT = 200


def reply(cancellation: Cancellation, event: Event) -> Message:
    """Return the message in the card's thread that reports one event, with the record's head as a witness."""
    return _report(cancellation, event, [])


def direct_message(cancellation: Cancellation, event: Event, bot_user_id: str) -> Message:
    """Return the message to the requester that reports one event, with a link to the card."""
    if isinstance(event.content, CardBlocked):
        return _blocked(cancellation, event.content, bot_user_id)
    return _report(cancellation, event, link(cancellation.card_link, "Open the card"))


def _report(cancellation: Cancellation, event: Event, way: list[Element]) -> Message:
    content = event.content
    found = _words(content, cancellation.state)
    rows: list[list[Element]] = [
        [words(found.heading, bold=True), words(" · order "), words(cancellation.order_id, code=True)],
        [words(found.explanation)] if found.explanation else [],
    ]
    said = ""
    if isinstance(content, Answered):
        said = cut(outcomes.said(content.answer), _SHOWN_WORDS)
        rows.append([words(f"Detail: {said}")] if said else [])
        rows.append([words(f"Gateway request {content.answer.request_id}")] if content.answer.request_id else [])
    blocks = [lines(*rows)]
    if isinstance(content, SettledCancelled | SettledNotCancelled):
        said = quoted(content.how, _SHOWN_IN_TEXT)
        blocks += [lines([words("Found by "), person(event.actor), words(":")]), quote(content.how)]
    if isinstance(content, Rejected):
        said = quoted(content.reason, _SHOWN_IN_TEXT)
        blocks.append(lines([words("Rejected by "), person(event.actor), words(":" if content.reason else ".")]))
        blocks += [quote(content.reason)] if content.reason else []
    if isinstance(content, StoppedTrying):
        blocks.append(lines([words("Stopped by "), person(event.actor), words(".")]))
    blocks.append(lines(listed([[words(f"Record {event.head}")], *([way] if way else [])], " · ")))
    return Message(bounded(_text(cancellation, event, found, said)), blocks)


def _text(cancellation: Cancellation, event: Event, found: Words, said: str) -> str:
    """Return the message in a few sentences, because screen readers and notifications read only this."""
    order = escape(cut(cancellation.order_id, _SHOWN_IN_TEXT))
    reason = escape(quoted(cancellation.reason, _SHOWN_IN_TEXT))
    sentences = [f"{found.heading} · order {order}.", found.explanation]
    match event.content:
        case Rejected():
            sentences.append(f"Rejected by <@{event.actor}>" + (f": {escape(said)}." if said else "."))
        case SettledCancelled() | SettledNotCancelled():
            sentences.append(f"Found by <@{event.actor}>: {escape(said)}.")
        case StoppedTrying():
            sentences.append(f"Stopped by <@{event.actor}>.")
        case _ if said:
            sentences.append(f"Detail: {sentence(escape(said))}")
    sentences.append(f"Requested by <@{cancellation.requester}>" + (f": {reason}." if reason else "."))
    return " ".join(filter(None, sentences))


def _blocked(cancellation: Cancellation, content: CardBlocked, bot_user_id: str) -> Message:
    """Return why the card is not in its channel, and what to do; the channel and the bot are links."""
    found = _words(content, cancellation.state)
    channel: Element = {"type": "channel", "channel_id": content.channel}
    rows: list[list[Element]] = [
        [words(found.heading, bold=True), words(" · order "), words(cancellation.order_id, code=True)],
        [words("I can't post the approval card in "), channel, words(". "), *_why_blocked(content, bot_user_id)],
        [words(found.explanation)],
    ]
    if content.in_doubt:
        tell = "I can't tell whether the approval card is in "
        rows[1] = [words(tell), channel, words(f": {outcomes.delivery_problem(content.problem)}. I go on trying.")]
        rows[2] = [words("If you don't see it there, nobody can approve yet.")]
    order = escape(cut(cancellation.order_id, _SHOWN_IN_TEXT))
    text = f"{found.heading} · order {order}. {mrkdwn(rows[1])} {mrkdwn(rows[2])}"
    return Message(text, [lines(*rows)])


def _words(content: Content, state: State) -> Words:
    match content:
        case Cancelled(confirmed_by_repeat=True):
            return outcomes.BY_REPEAT
        case Answered():
            return outcomes.words(leads_to(content), content.answer.reason, content.answer.trouble)
        case StoppedTrying():
            return outcomes.STOPPED
        case CardBlocked():
            return Words(
                "⚠️",
                "Your request waits",
                "The card will appear by itself once this is fixed. Until then nobody can approve.",
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
            return outcomes.words(leads_to(content))


def _why_blocked(content: CardBlocked, bot_user_id: str) -> list[Element]:
    match content.problem:
        case "channel_not_found":
            return [
                words("I can't see it: I am not a member, or it no longer exists. Type /invite "),
                person(bot_user_id),
                words(" there, or tell the bot's operator."),
            ]
        case "not_in_channel":
            return [words("I am not a member of it. Type /invite "), person(bot_user_id), words(" there.")]
        case "is_archived" | "is_inactive":
            return [words("It is archived. Ask somebody to unarchive it.")]
        case problem if problem.startswith(("restricted_action", "no_permission")):
            return [words("I may not post there. Ask the workspace's admins to let me.")]
        case problem:
            return [words(f"Slack refuses it ({problem}). Tell the bot's operator.")]
