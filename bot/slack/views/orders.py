"""The orders of a request as people read them: one by its id, several by their number, each with how it stands.

A message about several orders has to fit into Slack's limits, so what it shows of each order depends on the room that
there is: see ``Room`` and ``fitting``.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from enum import IntEnum

from bot.domain.cancellation import MAY_BE_CANCELLED, Cancellation, State
from bot.domain.request import Request
from bot.slack.views import outcomes
from bot.slack.views.outcomes import Words
from bot.slack.views.presentation import NO_SETTINGS, Presentation
from bot.slack.views.text import (
    Block,
    Element,
    addressed,
    cut,
    cut_to_weight,
    escape,
    lines,
    link,
    listed,
    mistakable,
    moment,
    mrkdwn,
    name_of,
    person,
    quote,
    quoted,
    size,
    weight,
    words,
)

_MOST = 12_700
"""The size of a message's blocks that Slack takes; see ``text.weight``."""
_SHOWN_NAME = 40
_SHOWN_REASON = 200
_WARNINGS_IN_TEXT = 3
_SIGNS = ("⏳", "⚠️", "⛔", "✋", "📝", "☑️", "✅")
"""The signs of orders that are decided; what people must look at comes first."""
_WHOLE = {
    State.PENDING: Words("❓", "Cancel these orders?"),
    State.REJECTED: Words("⛔", "Rejected", did=outcomes.NOT_ASKED_FOR_SEVERAL),
    State.WITHDRAWN: Words("↩️", "Withdrawn", did=outcomes.NOT_ASKED_FOR_SEVERAL),
    State.EXPIRED: Words(
        "⌛",
        "Expired: not enough approvals in time",
        "Ask again if they are still needed.",
        did=outcomes.NOT_ASKED_FOR_SEVERAL,
    ),
}
"""The words for several orders in the states that all orders of a request share."""
_EARLIER = {state: f"⚠️{number}" for number, state in enumerate(sorted((*MAY_BE_CANCELLED, State.UNKNOWN)), 1)}
"""The marks of orders of which an earlier request ended like this; below the list is what they mean."""


class Room(IntEnum):
    """The room that a message has for each order."""

    FULL = 0
    """Each id is an element of its own, perhaps a link, and all about its order is in its line."""
    AMPLE = 1
    """The same, with the beginning of what the gateway said."""
    TEXT = 2
    """The ids are one text, each with the same words behind it; what they mean is below."""
    SCARCE = 3
    """The ids are one text, with a word or two behind each; what these mean is below."""
    LEAST = 4
    """The same, and nothing else that people find elsewhere."""
    NONE = 5
    """The same, and not even all of a long reason: very many approvals, or how fifty orders ended, take its place."""


_SHOWN_ORDER = 150
_LEAST_REASON_WEIGHT, _LEAST_REASON_WEIGHT_OF_SEVERAL = 4000, 1000
"""So much of a long reason is shown where there is no room for more, of one order and of several that are decided."""
_SHOWN_WORDS = {Room.FULL: 400, Room.AMPLE: 100, Room.TEXT: 100}
"""Characters of what the gateway said about one order."""


def named(request: Request) -> list[Element]:
    """Return the words for what a request is about: ``order ord_1001`` or ``12 orders``."""
    if request.several:
        return [words(f"{len(request.cancellations)} orders")]
    return [words("order "), words(request.cancellation.order_id, code=True)]


def came_from(request: Request) -> list[Element]:
    """Return the way to the message from which somebody asked; nothing where they asked by the command."""
    return [words("Asked from a message: "), *link(request.source, "Open the message")] if request.source else []


def way_to_card(request: Request) -> list[Element]:
    """Return the link to the card; nothing where there is none yet, or none any more."""
    return link(request.card_link, "Open the card")


def requested(request: Request) -> str:
    """Return in mrkdwn who asked, and the beginning of the reason."""
    reason = escape(quoted(request.reason, _SHOWN_REASON))
    return f"Requested by <@{request.requester}>" + (f": {reason}." if reason else ".")


def inline(request: Request, limit: int) -> str:
    """Return the order id, cut to this many characters, or how many orders there are: for plain text."""
    return f"{len(request.cancellations)} orders" if request.several else cut(request.cancellation.order_id, limit)


def phrase(request: Request, limit: int) -> str:
    """Return the same with the word ``order`` before an id."""
    return inline(request, limit) if request.several else f"order {inline(request, limit)}"


def some(request: Request, found: Collection[Cancellation], limit: int) -> str:
    """Return some of a request's orders as plain text: one by its id, more by how many of how many they are."""
    if len(found) == 1:
        return "".join(f"order {cut(each.order_id, limit)}" for each in found)
    of_all = f" of {len(request.cancellations)}" if len(found) < len(request.cancellations) else ""
    return f"{len(found)}{of_all} orders"


def lacking(request: Request, presentation: Presentation) -> list[Element]:
    """Return a warning where nobody is left who could bring a waiting request to its end."""
    if not presentation.lacks_approvers(request, outcomes.approvals_missing(request)):
        return []
    return addressed(f"⚠️ {outcomes.LACKS_APPROVERS}", presentation.contact)


def unknown_past(request: Request) -> list[Element]:
    """Return what people must know of a request that goes on after a restore; nothing of any other one."""
    return [words(past)] if (past := outcomes.unknown_past(request)) else []


def words_for(request: Request) -> Words:
    """Return the words for how a request stands: of several orders that are decided, how many stand how."""
    if not request.several:
        return outcomes.words_for(request)
    if (whole := _WHOLE.get(request.state)) is not None:
        unchecked = request.state is State.EXPIRED and not outcomes.approvals_missing(request)
        title = outcomes.EXPIRED_UNCHECKED.title if unchecked else whole.title
        return outcomes.as_far_as_known(request, replace(whole, title=title))
    found = [outcomes.words_for(each) for each in request.each()]
    return Words(min((each.sign for each in found), key=_SIGNS.index), f"{len(found)} orders: {_tally(found)}")


def differ(request: Request) -> bool:
    """Return True for several orders of which each stands for itself, so that ``words_for`` counts them."""
    return request.several and request.state not in _WHOLE


def headed(heading: str, request: Request) -> list[Element]:
    """Return the first line of a message: the heading, and what the request is about unless the heading says it."""
    bold = words(heading, bold=True)
    return [bold] if differ(request) else [bold, words(" · "), *named(request)]


def headed_text(heading: str, request: Request, limit: int) -> str:
    """Return the same as a sentence in mrkdwn."""
    return f"{heading}." if differ(request) else f"{heading} · {escape(phrase(request, limit))}."


def reason(request: Request, room: Room) -> list[Block]:
    """Return the reason, or where there is no room its beginning and the way to the rest."""
    least = _LEAST_REASON_WEIGHT_OF_SEVERAL if request.several else _LEAST_REASON_WEIGHT
    if room is not Room.NONE or weight(request.reason) <= least:
        return [quote(request.reason)] if request.reason else []
    whole = f"All of the reason comes as a file with /cancel-audit order:{cut(request.order_ids[0], _SHOWN_ORDER)} csv"
    return [quote(cut_to_weight(request.reason, least)), lines([words(whole)])]


def fitting(request: Request, build: Callable[[Room], list[Block]]) -> list[Block]:
    """Return the blocks that show as much of each order as Slack takes."""
    blocks: list[Block] = []
    # Where no order stands for itself, there are no words of the gateway to be left out.
    for room in Room if differ(request) else (Room.FULL, Room.SCARCE, Room.LEAST, Room.NONE):
        blocks = build(room)
        if size(blocks) <= _MOST:
            break
    return blocks


def listing(request: Request, room: Room, presentation: Presentation = NO_SETTINGS) -> Block:
    """Return the list of several orders, each with how it stands, or with what approvers must know of it."""
    if room <= Room.AMPLE:
        rows = [[linked(each.cancellation.order_id, presentation), *_at_length(each, room)] for each in request.each()]
        return _block(_section(rows))
    text = "\n".join(
        each.cancellation.order_id + _in_short(each) + (_said(each, room) if room is Room.TEXT else "")
        for each in request.each()
    )
    ids: Element = {"type": "rich_text_preformatted", "elements": [words(text)]}
    meanings = _of_earlier_ones(request)
    return _block(ids, *([_section(meanings)] if meanings else []))


def linked(order_id: str, presentation: Presentation) -> Element:
    """Return an order id in the style of code, as a link to the order's page if it has one."""
    shown = words(order_id, code=True)
    address = presentation.page_of(order_id)
    return {"type": "link", "url": address, "text": shown["text"], "style": shown["style"]} if address else shown


def causes(request: Request, *, then: bool = True) -> list[list[Element]]:
    """Return what it means how the orders ended, once for each cause; ``then`` adds how it can go on.

    As long as some are under way there is nothing to be done yet.
    """
    return [
        [words(f"{found.sign} {_counted(found, ids)}. ", bold=True), words(meaning)]
        for found, ids in _by_cause(request)
        if (meaning := _meaning(found, ids, then=then)) and not request.under_way
    ]


def spoken(request: Request) -> str:
    """Return in mrkdwn which orders they are, and how each stands: screen readers and notifications read only this.

    What people must know or do comes first, as a long text is cut at its end.
    """
    if differ(request):
        said = []
        for found, ids in _by_cause(request):
            said.append(f"{_counted(found, ids)}: {', '.join(ids)}.")
            said.append("" if request.under_way else _meaning(found, ids, then=True))
        return escape(" ".join(filter(None, said)))
    warnings = [mrkdwn(row) for row in _of_earlier_ones(request, named=True)]
    alike = [each for each in map(_alike, request.cancellations) if each]
    more = [f"{len(alike) - _WARNINGS_IN_TEXT} more have such characters."] if len(alike) > _WARNINGS_IN_TEXT else []
    alike = [f"⚠️ {each}" for each in alike[:_WARNINGS_IN_TEXT]] + more
    return " ".join([*warnings, *map(escape, alike), escape(f"The orders: {', '.join(request.order_ids)}.")])


def weight_of(order_ids: Collection[str]) -> int:
    """Return how much of a message's size these order ids take at least, each with what approvers must know of it."""
    if len(order_ids) > 1:
        return weight("".join(f"{each}{_in_doubt(each)}\n" for each in order_ids))
    return weight("".join(order_ids))


def mistakable_id(order_id: str) -> str:
    """Return the words for a character of an order id that is not what it looks like; empty if there is none."""
    if (character := mistakable(order_id)) is None:
        return ""
    return f"“{character}” ({name_of(character)}), which is easily mistaken or overlooked."


def _at_length(one: Request, room: Room) -> list[Element]:
    """Return all that there is to know about one order of several, to be shown behind its id."""
    order = one.cancellation
    if one.state is State.PENDING:
        said = [words(f" ⚠️ It contains {alike}")] if (alike := mistakable_id(order.order_id)) else []
        if order.earlier is not None:
            how = words(f": {outcomes.how_it_ended(order.earlier)}.")
            said += [words(f" ⚠️ {outcomes.EARLIER} "), moment(order.earlier.at), how]
        return said
    if one.state in _WHOLE:
        return []
    said = [words(_in_short(one))]
    if order.stopped_by:
        return [*said, words(", by "), person(order.stopped_by)]
    if order.settlement is not None and one.state is not State.CANCELLED:
        return [*said, words(", by "), person(order.settlement.approver)]
    return [words(_in_short(one) + _said(one, room))]


def _said(one: Request, room: Room) -> str:
    """Return what the gateway said about one order of several that was not cancelled, to be shown behind its id."""
    answer = one.cancellation.last_answer
    if answer is None or one.under_way or one.state is State.CANCELLED:
        return ""
    detail = cut(outcomes.detail(answer, outcomes.words_for(one)), _SHOWN_WORDS[room])
    # It may not have left the bot at last, while an earlier attempt may have cancelled the order.
    last = "last attempt: " if one.state is State.UNKNOWN and one.cancellation.attempts > 1 else ""
    return f" ({last}{detail})" if detail else ""


def _in_short(one: Request) -> str:
    """Return in a word or two how one order of several stands, to be shown behind its id."""
    if one.state is State.PENDING:
        earlier = one.cancellation.earlier
        return _in_doubt(one.cancellation.order_id) + (f" {_EARLIER[earlier.state]}" if earlier else "")
    found = outcomes.words_for(one)
    return "" if one.state in _WHOLE else f" {found.sign} {found.short}"


def _in_doubt(order_id: str) -> str:
    character = mistakable(order_id)
    return f" ⚠️ “{character}” ({cut(name_of(character), _SHOWN_NAME)})" if character else ""


def _alike(order: Cancellation) -> str:
    alike = mistakable_id(order.order_id) if order.state is State.PENDING else ""
    return f"The order ID {cut(order.order_id, _SHOWN_NAME)} contains {alike}" if alike else ""


def _of_earlier_ones(request: Request, *, named: bool = False) -> list[list[Element]]:
    """Return how earlier requests for the same orders ended, each way once, with the time of the last one.

    The rows have the marks of the list, or else they name the orders.
    """
    rows = []
    for state, mark in _EARLIER.items():
        found = [(each.order_id, each.earlier) for each in request.cancellations if each.earlier is not None]
        found = [each for each in found if each[1].state is state]
        if not found:
            continue
        last = max((earlier for _, earlier in found), key=lambda each: each.at)
        which = ", ".join(order_id for order_id, _ in found) if named else f"{len(found)} of these orders"
        sign, last_one = "⚠️" if named else mark, ", the last one" if len(found) > 1 else ""
        requests = "Earlier requests" if len(found) > 1 else "An earlier request"
        begins = f"{sign} {requests} for {which} ended{last_one} "
        rows.append([words(begins), moment(last.at), words(f": {outcomes.how_it_ended(last)}.")])
    return rows


def _by_cause(request: Request) -> list[tuple[Words, list[str]]]:
    """Return each way in which several decided orders stand, with their ids; what people must look at comes first."""
    found: dict[Words, list[str]] = {}
    for each in request.each() if differ(request) else ():
        found.setdefault(outcomes.words_for(each), []).append(each.cancellation.order_id)
    return sorted(found.items(), key=lambda each: _SIGNS.index(each[0].sign))


def _meaning(found: Words, ids: list[str], *, then: bool) -> str:
    meaning = found.explanation if then else found.finding
    return f"For each order: {meaning}" if meaning and len(ids) > 1 else meaning


def _counted(found: Words, ids: list[str]) -> str:
    return f"{len(ids)} {found.short}"


def _tally(found: Iterable[Words]) -> str:
    counts = Counter(each.short for each in found)
    if len(counts) == 1:
        return f"all {next(iter(counts))}"
    return ", ".join(f"{count} {short}" for short, count in counts.most_common())


def _section(rows: list[list[Element]]) -> Element:
    return {"type": "rich_text_section", "elements": listed(rows, "\n")}


def _block(*elements: Element) -> Block:
    return {"type": "rich_text", "elements": list(elements)}
