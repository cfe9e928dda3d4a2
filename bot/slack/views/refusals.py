"""The texts of refusals: one sentence or two for the person alone, with the cause and the next step."""

from bot.domain.cancellation import Cancellation, State
from bot.domain.ids import ORDER_ID
from bot.domain.policy import Verdict

NOT_OF_THIS_WORKSPACE = "Only people of the bot's own workspace can do that. Nothing has changed."
OWN_REQUESTS_ONLY = "You can look up only your own requests. Approvers and auditors can look up everything."
NO_LONGER_IN_USE = "This button is no longer in use."
REASON_MISSING = "Say why: the requester and the record need it."


def apology(reference: str) -> str:
    """Return the words after an error of our own; the log has the same reference."""
    return (
        "Sorry, something went wrong on my side. Please try again. "
        f"If it happens again, give the bot's operator this reference: {reference}"
    )


def form_not_opened(problem: str, again: str) -> str:
    """Return the words after Slack did not open a form; ``problem`` is Slack's name for the error."""
    if problem == "expired_trigger_id":
        return f"The form didn't open in time. {again}"
    return f"Slack didn't open the form ({problem}). {again}"


def command_refused(verdict: Verdict) -> str:
    """Return why no form opens, or why a form is not taken."""
    if verdict is Verdict.UNCHECKED:
        return "I couldn't check with Slack whether you may ask for cancellations. Try again in a minute."
    return "You may not ask for cancellations here. The bot's operator can add you."


def click_refused(verdict: Verdict, cancellation: Cancellation | None) -> str:
    """Return why a click changed nothing."""
    if cancellation is None:
        return "I have no record of this request, so this button does nothing."
    match verdict:
        case Verdict.NOT_AN_APPROVER:
            return "Only approvers can do that. Nothing has changed."
        case Verdict.UNCHECKED:
            return (
                "I couldn't check with Slack whether you are an approver. Nothing has changed. Try again in a minute."
            )
        case Verdict.OWN_REQUEST:
            return "You can't approve your own request. Another approver has to."
        case Verdict.ALREADY_COUNTED:
            missing = cancellation.approvals_required - len(cancellation.approvers)
            needed = "1 more approval is" if missing == 1 else f"{missing} more approvals are"
            return f"You have already approved this. {needed} needed."
        case Verdict.NOT_THE_REQUESTER:
            return "Only the requester can withdraw this request."
        case Verdict.ANOTHER_IS_OPEN:
            return "There is another open request for this order. Decide on that one."
        case _:
            return f"Nothing has changed: {describe(cancellation.state)}."


def describe(state: State) -> str:
    """Return a state as a clause of its own, without a full stop."""
    match state:
        case State.PENDING:
            return "this request is waiting for approval"
        case State.APPROVED | State.SENDING:
            return "this request is approved, and the gateway is being asked"
        case State.CANCELLED:
            return "the order is already cancelled"
        case State.REFUSED:
            return "the gateway has already refused to cancel the order"
        case State.FAILED:
            return "the gateway did not take this request, and its card has a Retry button"
        case State.UNKNOWN:
            return "nobody knows yet whether the order is cancelled, and the card has a Retry button"
        case State.EXPIRED:
            return "this request has already expired"
        case _:
            return f"this request was already {state}"


def already_open(cancellation: Cancellation, requester_name: str) -> str:
    """Return why a form is refused while the order has an open request. Plain text, for under a field."""
    by = requester_name or cancellation.requester
    at = f"{cancellation.requested_at:%Y-%m-%d %H:%M} UTC"
    # Only then the use case has the card looked for.
    looked_for = cancellation.state.awaits_people and cancellation.card_ts is not None
    again = " If its card was deleted, I post it again now." if looked_for else ""
    how = describe(cancellation.state).replace("this request", "that request")
    return f"{by} asked to cancel this order on {at}: {how}.{again}"


def bad_order_id(pattern: str) -> str:
    """Return what an order ID looks like, for text that does not match this pattern."""
    if pattern == ORDER_ID:
        return "An order ID has 1 to 64 letters, digits, - and _, and nothing else. For example: ord_1001"
    # A regular expression would tell these readers nothing.
    return "This is not an order ID. Copy the order ID from the console."
