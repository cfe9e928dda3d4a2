"""The card: the approval message, as it must look in each state."""

from bot.domain.cancellation import Cancellation, State
from bot.slack.text import Element, Message, cut, escape, lines, listed, moment, person, plain, quote, words

_SHOWN_REASON = 1500
_SHOWN_ORDER = 150

APPROVE, REJECT, WITHDRAW, RETRY = "approve", "reject", "withdraw", "retry"

_HEADINGS = {
    State.PENDING: "Cancel this order?",
    State.APPROVED: "Approved, on its way to the gateway",
    State.SENDING: "Approved, on its way to the gateway",
    State.CANCELLED: "Cancelled",
    State.REFUSED: "Not cancelled by this request: the gateway refused",
    State.FAILED: "Not cancelled: the gateway could not be asked",
    State.UNKNOWN: "Not known whether it is cancelled",
    State.REJECTED: "Rejected",
    State.WITHDRAWN: "Withdrawn",
    State.EXPIRED: "Expired without a decision",
}
_SIGNS = {
    State.PENDING: "❓",
    State.APPROVED: "⏳",
    State.SENDING: "⏳",
    State.CANCELLED: "✅",
    State.REFUSED: "⛔",
    State.FAILED: "⚠️",
    State.UNKNOWN: "⚠️",
    State.REJECTED: "⛔",
    State.WITHDRAWN: "↩️",
    State.EXPIRED: "⌛",
}


def heading(state: State) -> str:
    """A state in people's words."""
    return _HEADINGS[state]


def card(cancellation: Cancellation) -> Message:
    """The card as it must look in this state. Buttons that can do nothing are not there."""
    order = cut(cancellation.order_id, _SHOWN_ORDER)
    state = cancellation.state
    approvers = cancellation.approvers
    count = f"{len(approvers)} of {cancellation.approvals_required}"
    rows: list[list[Element]] = [
        [words(f"{_SIGNS[state]} {_HEADINGS[state]}", bold=True)],
        [words("Order "), words(order, code=True)],
        [words("Asked by "), person(cancellation.requester), words(", "), moment(cancellation.requested_at)],
    ]
    if state is State.PENDING:
        rows.append([words(f"Approvals: {count}"), *_by(approvers)])
        rows.append([words("Expires "), moment(cancellation.expires_at)])
    elif approvers:
        rows.append([words(f"Approved ({count})"), *_by(approvers)])
    if rejection := cancellation.rejection:
        rows.append([words("Rejected by "), person(rejection.approver), words(", "), moment(rejection.at)])
    rows.append(_progress(cancellation))
    blocks = [lines(*rows)]
    if cancellation.reason:
        blocks.append(quote(cut(cancellation.reason, _SHOWN_REASON)))
    if rejection and rejection.reason:
        blocks += [lines([words("Why it was rejected:")]), quote(cut(rejection.reason, _SHOWN_REASON))]
    if buttons := _buttons(cancellation):
        blocks.append({"type": "actions", "block_id": "decide", "elements": buttons})
    return Message(f"{_HEADINGS[state]}: order {escape(order)}", blocks)


def _by(approvers: tuple[str, ...]) -> list[Element]:
    return [words(" by "), *listed([[person(approver)] for approver in approvers])] if approvers else []


def _progress(cancellation: Cancellation) -> list[Element]:
    match cancellation.state:
        case State.APPROVED if cancellation.attempts and cancellation.next_at:
            said = cut(cancellation.detail, 300) or "no clear answer"
            return [
                words(f"Not confirmed yet after {_times(cancellation.attempts)}: {said}. Asking again at "),
                moment(cancellation.next_at, "{time_secs}"),
                words("."),
            ]
        case State.SENDING if cancellation.attempts > 1:
            return [words(f"Asking the gateway, attempt {cancellation.attempts}.")]
        case State.REFUSED | State.FAILED | State.UNKNOWN:
            row = [words("Ended "), moment(cancellation.changed_at)]
            return row + ([words(f": {cut(cancellation.detail, 300)}")] if cancellation.detail else [])
        case State.PENDING | State.APPROVED | State.SENDING:
            return []
        case _:
            return [words("Ended "), moment(cancellation.changed_at)]


def _times(count: int) -> str:
    return "one attempt" if count == 1 else f"{count} attempts"


def _buttons(cancellation: Cancellation) -> list[Element]:
    order = cut(cancellation.order_id, _SHOWN_ORDER)
    if cancellation.state is State.PENDING:
        return [
            _button(
                cancellation,
                APPROVE,
                "Approve",
                "primary",
                _confirm(
                    "Cancel this order?",
                    f"Order {order} will be cancelled at the payment gateway. A cancelled order cannot be reinstated.",
                    "Approve",
                ),
            ),
            _button(cancellation, REJECT, "Reject", "danger"),
            _button(
                cancellation,
                WITHDRAW,
                "Withdraw",
                None,
                _confirm(
                    "Withdraw this request?",
                    f"Order {order} will not be cancelled. Only who asked can withdraw.",
                    "Withdraw",
                ),
            ),
        ]
    if cancellation.state.may_retry:
        return [
            _button(
                cancellation,
                RETRY,
                "Retry",
                "primary",
                _confirm(
                    "Ask the gateway again?",
                    f"The same cancellation of order {order} is sent once more. That is safe: an order that is "
                    "cancelled already stays cancelled.",
                    "Retry",
                ),
            ),
        ]
    return []


def _button(
    cancellation: Cancellation,
    action: str,
    label: str,
    style: str | None,
    confirm: Element | None = None,
) -> Element:
    button: Element = {"type": "button", "action_id": action, "text": plain(label), "value": cancellation.id}
    if style:
        button["style"] = style
    if confirm:
        button["confirm"] = confirm
    return button


def _confirm(title: str, text: str, yes: str) -> Element:
    return {"title": plain(title), "text": plain(cut(text, 300)), "confirm": plain(yes), "deny": plain("Go back")}
