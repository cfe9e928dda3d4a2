"""The receipt: the requester's own message about a request, as it must look in each state."""

from bot.domain.cancellation import Cancellation, State
from bot.domain.delivery import MissingCard
from bot.domain.policy import Act
from bot.slack.views import buttons, freezes, missing_card, outcomes
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
    moment,
    mrkdwn,
    person,
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
_TAKE_BACK = "receipt "


def receipt(cancellation: Cancellation, missing: MissingCard | None, bot_user_id: str) -> Message:
    """Return the receipt for this state; ``missing`` says why people cannot go on with the card.

    Everything that its blocks say is in its text too, because screen readers and notifications read only that.
    """
    heading, rows = _rows(cancellation, missing, bot_user_id)
    about = [words(heading, bold=True), words(" · order "), words(cancellation.order_id, code=True)]
    way = link(cancellation.card_link, "Open the card") if missing is None else []
    blocks = [lines(about)]
    if cancellation.reason:
        blocks.append(quote(cancellation.reason))
    theirs = cancellation.rejection or cancellation.settlement
    if theirs is not None:
        act = "Rejected by " if cancellation.rejection else "Found by "
        ends = words(":" if theirs.reason else ".")
        rows.append([words(act), person(theirs.approver), words(", "), moment(theirs.at), ends])
    # A quotation has a block of its own, so the way to the card comes last.
    blocks.append(lines(*rows, [] if theirs and theirs.reason else way))
    if theirs is not None and theirs.reason:
        blocks += [quote(cut_to_weight(theirs.reason, _THEIR_WORDS_WEIGHT)), *([lines(way)] if way else [])]
    if cancellation.state is State.PENDING:
        blocks.append(
            {
                "type": "actions",
                "block_id": f"{_TAKE_BACK}{cancellation.version}",
                "elements": [_withdraw(cancellation)],
            }
        )
    return Message(bounded(_text(cancellation, heading, rows, way)), blocks)


def is_receipt(block_id: str) -> bool:
    """Return True where the clicked button is on a receipt."""
    return block_id.startswith(_TAKE_BACK)


def copy(cancellation: Cancellation) -> Message:
    """Return the words for a message that is not the request's receipt: posted twice, or dropped meanwhile."""
    row = [
        words("I no longer keep this message about order "),
        words(cancellation.order_id, code=True),
        words(" up to date. "),
        *link(cancellation.card_link, "Open the card"),
    ]
    return Message(bounded(mrkdwn(row)), [lines(row)])


def asked(cancellation: Cancellation) -> Message:
    """Return the words for the place where somebody asked, if the card goes to another channel."""
    row = [
        words("I'm asking the approvers in "),
        _channel(cancellation),
        words(" about order "),
        words(cancellation.order_id, code=True),
        words(". My direct message to you shows how your request stands."),
    ]
    return Message(bounded(mrkdwn(row)), [lines(row)])


def _rows(cancellation: Cancellation, missing: MissingCard | None, bot_user_id: str) -> tuple[str, list[list[Element]]]:
    """Return the heading with its sign, and what follows it line by line."""
    answer = cancellation.last_answer
    found = outcomes.words_for(cancellation)
    said = cut(outcomes.detail(answer, found), _SHOWN_WORDS) if answer else ""
    told = missing_card.rows(cancellation, missing, bot_user_id) if missing is not None else []
    match cancellation.state:
        case State.PENDING:
            rows = [
                *told,
                *_earlier(cancellation),
                *_frozen(cancellation),
                _needed(cancellation),
                [
                    words("Expires "),
                    moment(cancellation.expires_at),
                    words(". You can withdraw it until then."),
                ],
            ]
            return (missing_card.heading(missing) if missing else "⏳ Waiting for approval"), rows
        case State.APPROVED | State.SENDING:
            return found.heading, [*_frozen(cancellation), _approved_by(cancellation), _progress(cancellation, said)]
        case State.CANCELLED | State.REJECTED | State.WITHDRAWN | State.EXPIRED:
            said = ""
    rows = [[words(found.explanation)] if found.explanation else []]
    if by := cancellation.stopped_by:
        rows.append([words("Stopped by "), person(by), words(".")])
    rows.append([words(f"{'Last attempt' if by else 'Detail'}: {sentence(said)}")] if said else [])
    if cancellation.state.may_retry and cancellation.retry_until is not None:
        rows.append([words("Retry works until "), moment(cancellation.retry_until), words(".")])
    return found.heading, [*rows, *told]


def _earlier(cancellation: Cancellation) -> list[list[Element]]:
    if (earlier := cancellation.earlier) is None:
        return []
    how = words(f": {outcomes.how_it_ended(earlier)}.")
    return [[words(f"⚠️ {outcomes.EARLIER} "), moment(earlier.at), how]]


def _frozen(cancellation: Cancellation) -> list[list[Element]]:
    freeze = freezes.shown(cancellation)
    return [freezes.banner(freeze)] if freeze is not None else []


def _needed(cancellation: Cancellation) -> list[Element]:
    """Return how many approvals are there, and how many are missing where."""
    given, needed = cancellation.approvers, cancellation.approvals_required
    # If all are there and it still waits, Slack has not said yet who of them may approve.
    missing = max(needed - len(given), 1)
    approvals = f"{missing}{' more' if given else ''} {'approval' if missing == 1 else 'approvals'}"
    so_far = [words(f"{len(given)} of {needed} approved: "), *listed([[person(each)] for each in given]), words(". ")]
    return [*(so_far if given else []), words(f"Needs {approvals} in "), _channel(cancellation), words(".")]


def _approved_by(cancellation: Cancellation) -> list[Element]:
    approvers = listed([[person(each)] for each in cancellation.approvers])
    return [words("Approved by "), *approvers, words(".")] if approvers else []


def _progress(cancellation: Cancellation, said: str) -> list[Element]:
    if cancellation.state is not State.APPROVED or not cancellation.attempts or cancellation.due_at is None:
        return [words("You get another message with the gateway's answer.")]
    may_stop = " You can stop it in the menu (⋯) of the card." if buttons.between_attempts(cancellation) else ""
    not_yet = outcomes.not_confirmed_yet(cancellation, said)
    if cancellation.freeze is not None:
        return [words(f"{not_yet}{may_stop}")]
    return [words(f"{not_yet} I ask again at "), moment(cancellation.due_at, "{time_secs}"), words(f".{may_stop}")]


def _text(cancellation: Cancellation, heading: str, rows: list[list[Element]], way: list[Element]) -> str:
    order = escape(cut(cancellation.order_id, _SHOWN_ORDER))
    reason = escape(quoted(cancellation.reason, _SHOWN_IN_TEXT))
    asked_by = f"Requested by <@{cancellation.requester}>" + (f": {reason}." if reason else ".")
    theirs = cancellation.rejection or cancellation.settlement
    their_words = f"{escape(quoted(theirs.reason, _SHOWN_IN_TEXT))}." if theirs and theirs.reason.strip() else ""
    said = [f"{heading} · order {order}.", asked_by, *map(mrkdwn, rows), their_words, mrkdwn(way)]
    return " ".join(filter(None, said))


def _channel(cancellation: Cancellation) -> Element:
    return {"type": "channel", "channel_id": cancellation.card_channel}


def _withdraw(cancellation: Cancellation) -> Element:
    order = cut(cancellation.order_id, _SHOWN_ORDER)
    confirm = buttons.dialog(
        "Withdraw this request?", f"The request ends, and it does not cancel order {order}.", "Withdraw"
    )
    return buttons.button(cancellation, Act.WITHDRAW, "Withdraw", None, confirm)
