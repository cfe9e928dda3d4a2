"""The messages in the card's thread and to the requester that say how a request ended."""

from dataclasses import replace

from bot.domain.audit import Event
from bot.domain.cancellation import State
from bot.domain.delivery import MissingCard
from bot.domain.events import (
    Answered,
    Cancelled,
    Content,
    Expired,
    Rejected,
    SettledCancelled,
    SettledNotCancelled,
    StoppedTrying,
)
from bot.domain.projection import is_about_one, leads_to
from bot.domain.request import Request
from bot.slack.views import freezes, missing_card, orders, outcomes
from bot.slack.views.orders import Room
from bot.slack.views.outcomes import Words
from bot.slack.views.presentation import NO_SETTINGS, Presentation
from bot.slack.views.text import (
    Block,
    Element,
    Message,
    addressed,
    bounded,
    cut,
    escape,
    lines,
    mrkdwn,
    person,
    quote,
    quoted,
    sentence,
    words,
)

_SHOWN_WORDS = 300
_SHOWN_IN_TEXT = 200


def reply(request: Request, event: Event, presentation: Presentation = NO_SETTINGS) -> Message:
    """Return the message in the card's thread that reports one event, with the record's head as a witness.

    For several orders it is one summary of how all of them ended, or a statement about the one that came later.
    """
    return _report(request, event, presentation, [])


def direct_message(
    request: Request,
    event: Event,
    presentation: Presentation = NO_SETTINGS,
    missing: MissingCard | None = None,
) -> Message:
    """Return the message to the requester that reports one event, where the card may be ``missing``."""
    way = orders.way_to_card(request)
    return _report(missing_card.as_read(request, missing), event, presentation, way)


def _report(request: Request, event: Event, presentation: Presentation, way: list[Element]) -> Message:
    end = lines(_frozen(request), [words(f"Record {event.head}")], way)
    if request.several and not is_about_one(event.content):
        found = orders.words_for(request)
        explained = addressed(found.explanation, presentation.contact)
        first = lines(orders.headed(found.heading, request), explained)
        blocks = orders.fitting(request, lambda room: [first, *_summary(request, event, room), end])
        return Message(bounded(_text_of_summary(request, event, found, explained)), blocks)
    one = (request.about(event.order_id) or request) if request.several else request
    found = _words(one, event.content)
    explained = addressed(found.explanation, presentation.contact)
    blocks = [*_statement(one, event, found, explained), *_theirs(event)]
    if request.several:
        blocks.append(lines([words(f"The whole request: {orders.words_for(request).title}.")]))
    return Message(bounded(_text(one, event, found, explained)), [*blocks, end])


def _frozen(request: Request) -> list[Element]:
    """Return that a freeze forbids what the message says about how it can go on, where one does."""
    freeze = freezes.shown_after(request)
    return freezes.banner(freeze, ended=True) if freeze is not None else []


def _statement(request: Request, event: Event, found: Words, explained: list[Element]) -> list[Block]:
    """Return how the only order ended, by its event."""
    rows = [orders.headed(found.heading, request), explained]
    if isinstance(event.content, Answered):
        said = _detail(event.content, found)
        rows.append([words(f"Detail: {said}")] if said else [])
        about = event.content.answer.request_id
        rows.append([words(f"Gateway request {about}")] if about else [])
    return [lines(*rows)]


def _summary(request: Request, event: Event, room: Room) -> list[Block]:
    """Return how several orders ended: how many how, and all that were not cancelled with the reason."""
    blocks: list[Block] = []
    if rest := [each for each in request.cancellations if each.state is not State.CANCELLED]:
        blocks.append(orders.listing(replace(request, cancellations=tuple(rest)), room))
    rows = orders.causes(request) if room < Room.LEAST else []
    return [*blocks, *([lines(*rows)] if rows else []), *_theirs(event)]


def _theirs(event: Event) -> list[Block]:
    """Return the person whose act it was, with their words, where it was a person's."""
    match event.content:
        case SettledCancelled(how=how) | SettledNotCancelled(how=how):
            return [lines([words("Found by "), person(event.actor), words(":")]), quote(how)]
        case Rejected(reason=reason):
            by = lines([words("Rejected by "), person(event.actor), words(":" if reason else ".")])
            return [by, *([quote(reason)] if reason else [])]
        case StoppedTrying():
            return [lines([words("Stopped by "), person(event.actor), words(".")])]
        case _:
            return []


def _text(request: Request, event: Event, found: Words, explained: list[Element]) -> str:
    """Return the message in a few sentences, because screen readers and notifications read only this."""
    heading = orders.headed_text(found.heading, request, _SHOWN_IN_TEXT)
    sentences = [heading, mrkdwn(explained), _their_words(event)]
    if isinstance(event.content, Answered) and (said := _detail(event.content, found)):
        sentences.append(f"Detail: {sentence(escape(said))}")
    return " ".join(filter(None, [*sentences, mrkdwn(_frozen(request)), orders.requested(request)]))


def _text_of_summary(request: Request, event: Event, found: Words, explained: list[Element]) -> str:
    heading = orders.headed_text(found.heading, request, _SHOWN_IN_TEXT)
    sentences = [heading, mrkdwn(explained), _their_words(event), mrkdwn(_frozen(request)), orders.requested(request)]
    return " ".join(filter(None, [*sentences, orders.spoken(request)]))


def _their_words(event: Event) -> str:
    match event.content:
        case Rejected(reason=reason):
            said = quoted(reason, _SHOWN_IN_TEXT)
            return f"Rejected by <@{event.actor}>" + (f": {escape(said)}." if said else ".")
        case SettledCancelled(how=how) | SettledNotCancelled(how=how):
            return f"Found by <@{event.actor}>: {escape(quoted(how, _SHOWN_IN_TEXT))}."
        case StoppedTrying():
            return f"Stopped by <@{event.actor}>."
        case _:
            return ""


def _detail(content: Answered, found: Words) -> str:
    return cut(outcomes.detail(content.answer, found), _SHOWN_WORDS)


def _words(one: Request, content: Content) -> Words:
    match content:
        case Expired() if not outcomes.approvals_missing(one):
            return outcomes.as_far_as_known(one, outcomes.EXPIRED_UNCHECKED)
        case Cancelled(confirmed_by_repeat=True):
            return outcomes.by_repeat(one)
        case Answered():
            found = outcomes.words(leads_to(content), content.answer.reason, content.answer.trouble)
            return outcomes.with_what_is_left(one, found)
        case StoppedTrying():
            return outcomes.with_what_is_left(one, outcomes.STOPPED)
        case _:
            return outcomes.as_far_as_known(one, outcomes.words(leads_to(content)))
