"""The card: the approval message, as it must look in each state."""

from bot.domain.cancellation import Cancellation, State
from bot.domain.policy import Act
from bot.slack.views import outcomes
from bot.slack.views.text import (
    Element,
    Message,
    cut,
    escape,
    lines,
    listed,
    moment,
    person,
    plain,
    quote,
    quoted,
    words,
)

_SHOWN_REASON = 1500
_SHOWN_ORDER = 150
_SHOWN_WORDS = 300
_SHOWN_IN_TEXT = 200


def heading(cancellation: Cancellation) -> str:
    """Return the card's first line, without its sign."""
    return _words(cancellation).title


def card(cancellation: Cancellation) -> Message:
    """Return the card for this state. Buttons that can do nothing are not there."""
    order = cut(cancellation.order_id, _SHOWN_ORDER)
    rejection = cancellation.rejection
    rows: list[list[Element]] = [
        [words(_words(cancellation).heading, bold=True)],
        [words("Order "), words(order, code=True)],
        [words("Requested by "), person(cancellation.requester), words(", "), moment(cancellation.requested_at)],
        _approvals(cancellation),
    ]
    if cancellation.state is State.PENDING:
        rows.append([words("Expires "), moment(cancellation.expires_at)])
    if rejection is not None:
        rows.append([words("Rejected by "), person(rejection.approver), words(", "), moment(rejection.at)])
    rows.append(_progress(cancellation))
    blocks = [lines(*rows)]
    if cancellation.reason:
        blocks.append(quote(cut(cancellation.reason, _SHOWN_REASON)))
    if rejection is not None and rejection.reason:
        blocks += [lines([words("Reason for the rejection:")]), quote(cut(rejection.reason, _SHOWN_REASON))]
    if buttons := _buttons(cancellation):
        blocks.append({"type": "actions", "block_id": "decide", "elements": buttons})
    return Message(_text(cancellation, escape(order)), blocks)


def _words(cancellation: Cancellation) -> outcomes.Words:
    answer = cancellation.last_answer
    return outcomes.words(cancellation.state, answer.reason if answer else None)


def _text(cancellation: Cancellation, order: str) -> str:
    if cancellation.state is not State.PENDING:
        return f"{_words(cancellation).heading} · order {order}"
    reason = escape(quoted(cancellation.reason, _SHOWN_IN_TEXT))
    return f"<@{cancellation.requester}> asks to cancel order {order}" + (f": {reason}" if reason else "")


def _approvals(cancellation: Cancellation) -> list[Element]:
    approvers, needed = cancellation.approvers, cancellation.approvals_required
    if not approvers and cancellation.state is not State.PENDING:
        return []
    count = words(f"{len(approvers)} of {needed} {'approval' if needed == 1 else 'approvals'}")
    return [count, words(": "), *listed([[person(each)] for each in approvers])] if approvers else [count]


def _progress(cancellation: Cancellation) -> list[Element]:
    answer = cancellation.last_answer
    said = cut(outcomes.said(answer), _SHOWN_WORDS) if answer else ""
    match cancellation.state:
        case State.APPROVED if cancellation.attempts and cancellation.due_at:
            why = f": {said}" if said else ""
            return [
                words(f"Not confirmed yet after {_attempts(cancellation.attempts)}{why}. I ask again at "),
                moment(cancellation.due_at, "{time_secs}"),
                words("."),
            ]
        case State.SENDING if cancellation.attempts > 1:
            return [words(f"Attempt {cancellation.attempts} is under way.")]
        case State.PENDING | State.APPROVED | State.SENDING:
            return []
        case State.FAILED | State.UNKNOWN:
            return [words("Last attempt "), moment(cancellation.changed_at), *([words(f": {said}")] if said else [])]
        case State.REFUSED:
            return [words("Ended "), moment(cancellation.changed_at), *([words(f": {said}")] if said else [])]
        case _:
            return [words("Ended "), moment(cancellation.changed_at)]


def _attempts(count: int) -> str:
    return "one attempt" if count == 1 else f"{count} attempts"


def _buttons(cancellation: Cancellation) -> list[Element]:
    order = cut(cancellation.order_id, _SHOWN_ORDER)
    if cancellation.state is State.PENDING:
        approve = _confirm(
            "Cancel this order?",
            f"Order {order} will be cancelled at the payment gateway. A cancelled order can't be restored.",
            "Approve",
        )
        withdraw = _confirm(
            "Withdraw this request?",
            f"Order {order} will not be cancelled. Only the requester can withdraw it.",
            "Withdraw",
        )
        return [
            _button(cancellation, Act.APPROVE, "Approve", "primary", approve),
            _button(cancellation, Act.REJECT, "Reject", "danger"),
            _button(cancellation, Act.WITHDRAW, "Withdraw", None, withdraw),
        ]
    if cancellation.state.may_retry:
        retry = _confirm(
            "Ask the gateway again?",
            f"The same cancellation of order {order} is sent once more. This is safe: an order that is already "
            "cancelled stays cancelled.",
            "Retry",
        )
        return [_button(cancellation, Act.RETRY, "Retry", "primary", retry)]
    return []


def _button(
    cancellation: Cancellation, act: Act, label: str, style: str | None, confirm: Element | None = None
) -> Element:
    # The value is the id only: what was approved is what the database holds.
    button: Element = {"type": "button", "action_id": str(act), "text": plain(label), "value": cancellation.id}
    if style:
        button["style"] = style
    if confirm:
        button["confirm"] = confirm
    return button


def _confirm(title: str, text: str, yes: str) -> Element:
    return {"title": plain(title), "text": plain(cut(text, 300)), "confirm": plain(yes), "deny": plain("Go back")}
