"""The receipt: the requester's own message about a request, as it must look in each state."""

from bot.domain import policy
from bot.domain.cancellation import Decision, State
from bot.domain.delivery import MissingCard
from bot.domain.request import Request
from bot.slack.views import buttons, freezes, missing_card, orders, outcomes
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
    person,
    persons,
    quote,
    quoted,
    sentence,
    words,
)

_SHOWN_ORDER = 150
"""Characters in a dialog, where Slack has room for 300 in all; the receipt itself shows the whole id."""
_SHOWN_WORDS = 300
_SHOWN_IN_TEXT = 200
_THEIR_WORDS_WEIGHT = 1500
"""So much of a rejection's reason or of a finding is on the receipt; the message about the end has all of it."""


def receipt(
    request: Request, missing: MissingCard | None, bot_user_id: str, presentation: Presentation = NO_SETTINGS
) -> Message:
    """Return the receipt for this state; ``missing`` says why people cannot go on with the card.

    Everything that its blocks say is in its text too, because screen readers and notifications read only that.
    """
    request = missing_card.as_read(request, missing)
    heading, rows = _rows(request, missing, bot_user_id, presentation)
    rows.append(orders.came_from(request))
    if (theirs := _theirs(request)) is not None:
        # The gateway's late word may say the opposite of a statement.
        stated = "Found by " if request.state is not State.CANCELLED else "Stated before the gateway confirmed it, by "
        act = "Rejected by " if request.rejection else stated
        ends = words(":" if theirs.reason else ".")
        rows.append([words(act), person(theirs.approver), words(", "), moment(theirs.at), ends])
    way = orders.way_to_card(request)
    blocks = orders.fitting(request, lambda room: _blocks(request, heading, rows, way, room))
    return Message(bounded(_text(request, heading, rows, way)), blocks)


def _blocks(request: Request, heading: str, rows: list[list[Element]], way: list[Element], room: Room) -> list[Block]:
    blocks = [lines(orders.headed(heading, request))]
    blocks += orders.reason(request, room)
    if request.several:
        blocks.append(orders.listing(request, room))
    if room < Room.LEAST:
        rows = [*orders.causes(request), *rows]
    theirs = _theirs(request)
    # A quotation has a block of its own, so the way to the card comes last.
    below = [*rows, [] if theirs and theirs.reason else way]
    blocks += [lines(*below)] if any(below) else []
    if theirs is not None and theirs.reason:
        blocks += [quote(cut_to_weight(theirs.reason, _THEIR_WORDS_WEIGHT)), *([lines(way)] if way else [])]
    if pressed := buttons.of_requester(request):
        block_id = f"{buttons.ON_RECEIPT}{request.version}"
        blocks.append({"type": "actions", "block_id": block_id, "elements": pressed})
    return blocks


def is_receipt(block_id: str) -> bool:
    """Return True where the clicked button is on a receipt."""
    return block_id.startswith(buttons.ON_RECEIPT)


def copy(request: Request) -> Message:
    """Return the words for a message that is not the request's receipt: posted twice, or dropped meanwhile."""
    row = [
        words("I no longer keep this message about "),
        *orders.named(request),
        words(" up to date. "),
        *orders.way_to_card(request),
    ]
    return Message(bounded(mrkdwn(row)), [lines(row)])


def asked(request: Request) -> Message:
    """Return the words for the place where somebody asked, if the card goes to another channel."""
    row = [
        words("The approval card for "),
        *orders.named(request),
        words(" goes to "),
        _channel(request),
        words(". My direct message to you shows how your request stands, also if I can't post the card there."),
    ]
    return Message(bounded(mrkdwn(row)), [lines(row)])


def _theirs(request: Request) -> Decision | None:
    """Return the decision with the words of an approver that the receipt shows; of several orders, the list says it."""
    return request.rejection or (None if request.several else request.cancellation.settlement)


def _rows(
    request: Request, missing: MissingCard | None, bot_user_id: str, presentation: Presentation
) -> tuple[str, list[list[Element]]]:
    """Return the heading with its sign, and what follows it line by line."""
    found, said, by = orders.words_for(request), "", ""
    if not request.several:
        answer, by = request.cancellation.last_answer, request.cancellation.stopped_by
        said = cut(outcomes.detail(answer, found), _SHOWN_WORDS) if answer else ""
    told = missing_card.rows(request, missing, bot_user_id, presentation) if missing is not None else []
    match request.state:
        case State.PENDING:
            rows = [
                *told,
                orders.unknown_past(request),
                *_earlier(request),
                *freezes.banners(request),
                _needed(request),
                [words(outcomes.COUNTED_AGAIN)] if request.freeze is not None and request.approvers else [],
                orders.lacking(request, presentation),
                [
                    words("Expires "),
                    moment(request.expires_at),
                    words(". You can withdraw it as long as it waits for approval."),
                ],
            ]
            return (missing_card.heading(missing) if missing else "⏳ Waiting for approval"), rows
        case State.APPROVED | State.SENDING:
            under_way = [
                orders.unknown_past(request),
                *freezes.banners(request),
                _approved_by(request),
                _progress(request, said),
            ]
            return found.heading, [*told, *under_way]
        case State.CANCELLED | State.REJECTED | State.WITHDRAWN | State.EXPIRED:
            said = ""
    rows = [addressed(found.explanation, presentation.contact)]
    if by:
        rows.append([words("Stopped by "), person(by), words(".")])
    rows.append([words(f"{'Last attempt' if by else 'Detail'}: {sentence(said)}")] if said else [])
    if request.has_card and policy.retryable(request) and request.retry_until is not None:
        rows.append([words("Retry works until "), moment(request.retry_until), words(", if its approvals count.")])
    return found.heading, [*rows, *freezes.banners(request), *told]


def _earlier(request: Request) -> list[list[Element]]:
    if request.several or (earlier := request.cancellation.earlier) is None:
        return []
    how = words(f": {outcomes.how_it_ended(earlier)}.")
    return [[words(f"⚠️ {outcomes.EARLIER} "), moment(earlier.at), how]]


def _needed(request: Request) -> list[Element]:
    """Return how many approvals are there, and how many are missing where."""
    given, needed = request.approvers, request.approvals_required
    so_far = [words(f"{len(given)} of {needed} approved: "), *persons(given), words(". ")]
    if not outcomes.approvals_missing(request):
        return [*so_far, words(f"{outcomes.UNCHECKED}.")]
    needs = words(f"Needs {outcomes.approvals_needed(request)} in ")
    return [*(so_far if given else []), needs, _channel(request), words(".")]


def _approved_by(request: Request) -> list[Element]:
    return [words("Approved by "), *persons(request.approvers), words(".")] if request.approvers else []


def _progress(request: Request, said: str) -> list[Element]:
    stops = buttons.which_wait(request)
    may_stop = f" To stop {stops}, press Stop trying here." if stops else ""
    if request.several:
        return [words(f"You get another message when all of them have ended.{may_stop}")]
    if request.state is not State.APPROVED or not request.cancellation.attempts or request.cancellation.due_at is None:
        in_doubt = f"{outcomes.IN_DOUBT} " if request.cancellation.unclear else ""
        return [words(f"{in_doubt}You get another message when it has ended.{may_stop}")]
    not_yet = outcomes.not_confirmed_yet(request, said)
    if request.freeze is not None:
        return [words(f"{not_yet}{may_stop}")]
    return [
        words(f"{not_yet} I ask again at "),
        moment(request.cancellation.due_at, "{time_secs}"),
        words(f".{may_stop}"),
    ]


def _text(request: Request, heading: str, rows: list[list[Element]], way: list[Element]) -> str:
    theirs = _theirs(request)
    their_words = f"{escape(quoted(theirs.reason, _SHOWN_IN_TEXT))}." if theirs and theirs.reason.strip() else ""
    begins = [orders.headed_text(heading, request, _SHOWN_ORDER), orders.requested(request)]
    said = [*begins, *map(mrkdwn, rows), their_words, mrkdwn(way)]
    return " ".join(filter(None, [*said, orders.spoken(request) if request.several else ""]))


def _channel(request: Request) -> Element:
    return {"type": "channel", "channel_id": request.card_channel}
