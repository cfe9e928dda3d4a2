"""Why something was refused, in one sentence to the person alone that says what to do next."""

from bot.domain.cancellation import Cancellation, State
from bot.domain.policy import Verdict


def command_refused(verdict: Verdict) -> str:
    """Why no form opens, or why a form is not taken."""
    match verdict:
        case Verdict.UNCHECKED:
            return (
                "Slack did not tell me who may ask for cancellations, so I can't take this now. Try again in a minute."
            )
        case _:
            return (
                "You are not among the people who may ask for cancellations here. Whoever runs the bot keeps that list."
            )


def click_refused(verdict: Verdict, cancellation: Cancellation | None) -> str:
    """Why a click changed nothing."""
    if cancellation is None:
        return "I have no record of this request, so this button can do nothing."
    match verdict:
        case Verdict.NOT_AN_APPROVER:
            return "You are not an approver, so your click changed nothing. Whoever runs the bot keeps that list."
        case Verdict.UNCHECKED:
            return "Slack did not tell me who the approvers are, so your click changed nothing. Try again in a minute."
        case Verdict.OWN_REQUEST:
            return "You asked for this yourself, so your approval does not count. Somebody else must approve it."
        case Verdict.ALREADY_COUNTED:
            return "Your approval is counted already. Others must approve as well."
        case Verdict.NOT_THE_REQUESTER:
            return "Only the person who asked can withdraw this request."
        case Verdict.ANOTHER_IS_OPEN:
            return "Another request for the same order is open; decide on that one."
        case _:
            return f"Your click changed nothing: this request is {describe(cancellation.state)}."


def describe(state: State) -> str:
    """A state as it stands in a sentence after "is"."""
    match state:
        case State.PENDING:
            return "waiting for approval"
        case State.APPROVED | State.SENDING:
            return "approved and on its way to the gateway"
        case State.REFUSED:
            return "over: the gateway refused to cancel the order"
        case State.FAILED:
            return "failed: the gateway could not be asked"
        case State.UNKNOWN:
            return "unsettled: nobody knows yet whether the order is cancelled, and its card has a Retry button"
        case _:
            return f"already {state}"


def already_open(cancellation: Cancellation, requester_name: str) -> str:
    """Why a form is refused while the order has an open cancellation. Plain text: it stands under a field."""
    asked = f"{cancellation.requested_at:%Y-%m-%d %H:%M} UTC"
    by = requester_name or cancellation.requester
    back = " If somebody deleted its card, it is posted again now." if cancellation.state.awaits_people else ""
    return f"{by} asked for this order's cancellation on {asked}; it is {describe(cancellation.state)}.{back}"


def bad_order_id(pattern: str, default_pattern: str) -> str:
    """What an order id looks like."""
    if pattern == default_pattern:
        return "An order id has 1 to 64 letters, digits, - and _, and nothing else: for example ord_abc123xyz."
    return f"An order id looks like this: {pattern}"
