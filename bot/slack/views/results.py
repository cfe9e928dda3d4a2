"""The messages in the card's thread and to the requester that say how a request ended."""

from bot.domain.audit import Event
from bot.domain.events import (
    Answered,
    Cancelled,
    Content,
    Rejected,
    SettledCancelled,
    SettledNotCancelled,
    StoppedTrying,
)
from bot.domain.projection import leads_to
from bot.domain.request import Request
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
    person,
    quote,
    quoted,
    sentence,
    words,
)

_SHOWN_WORDS = 300
_SHOWN_IN_TEXT = 200


def reply(request: Request, event: Event) -> Message:
    """Return the message in the card's thread that reports one event, with the record's head as a witness."""
    return _report(request, event, [])


def direct_message(request: Request, event: Event) -> Message:
    """Return the message to the requester that reports one event, with a link to the card."""
    return _report(request, event, link(request.card_link, "Open the card"))


def _report(request: Request, event: Event, way: list[Element]) -> Message:
    content = event.content
    found = _words(content)
    rows: list[list[Element]] = [
        [words(found.heading, bold=True), words(" · order "), words(request.cancellation.order_id, code=True)],
        [words(found.explanation)] if found.explanation else [],
    ]
    said = ""
    if isinstance(content, Answered):
        said = cut(outcomes.detail(content.answer, found), _SHOWN_WORDS)
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
    blocks.append(lines([words(f"Record {event.head}")], way))
    return Message(bounded(_text(request, event, found, said)), blocks)


def _text(request: Request, event: Event, found: Words, said: str) -> str:
    """Return the message in a few sentences, because screen readers and notifications read only this."""
    order = escape(cut(request.cancellation.order_id, _SHOWN_IN_TEXT))
    reason = escape(quoted(request.reason, _SHOWN_IN_TEXT))
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
    sentences.append(f"Requested by <@{request.requester}>" + (f": {reason}." if reason else "."))
    return " ".join(filter(None, sentences))


def _words(content: Content) -> Words:
    match content:
        case Cancelled(confirmed_by_repeat=True):
            return outcomes.BY_REPEAT
        case Answered():
            return outcomes.words(leads_to(content), content.answer.reason, content.answer.trouble)
        case StoppedTrying():
            return outcomes.STOPPED
        case _:
            return outcomes.words(leads_to(content))
