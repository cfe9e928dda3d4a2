"""The words for a cancellation's state and for the gateway's answers, shared by card, results and look-ups.

One text serves one cause. People who read these are no programmers, so there is no HTTP here; ``audit find`` on the
command line shows every detail.
"""

from dataclasses import dataclass

from bot.domain.attempt import Answer, Reason, Trouble
from bot.domain.cancellation import State


@dataclass(frozen=True, slots=True)
class Words:
    """A sign and a title, and a sentence that says what it means and what to do next (or nothing)."""

    sign: str
    title: str
    explanation: str = ""

    @property
    def heading(self) -> str:
        """The sign and the title in one line."""
        return f"{self.sign} {self.title}"


_RETRY = "Then an approver can press Retry on the card."
# Nobody asked the gateway, so nobody knows the order's state.
_NOT_ASKED = "The gateway was not asked to cancel the order."
_UNKNOWN = "Not known whether the order is cancelled"

_BY_STATE = {
    State.PENDING: Words("❓", "Cancel this order?"),
    State.APPROVED: Words("⏳", "Approved: the gateway is being asked to cancel the order"),
    State.SENDING: Words("⏳", "Approved: the gateway is being asked to cancel the order"),
    State.CANCELLED: Words("✅", "Cancelled", "The gateway confirmed it."),
    # A refusal for a reason that cannot be read may also mean that somebody else had cancelled the order.
    State.REFUSED: Words("⛔", "Not cancelled by this request: the gateway refused", "The gateway's answer is final."),
    State.FAILED: Words(
        "⚠️",
        "Not cancelled: the gateway did not take the request",
        "Nothing has happened to the order. An approver can press Retry on the card.",
    ),
    State.UNKNOWN: Words(
        "⚠️",
        _UNKNOWN,
        "The gateway's answers don't say whether the order was cancelled. Look the order up at the gateway, or let an "
        "approver press Retry on the card. Asking again is safe.",
    ),
    State.REJECTED: Words("⛔", "Rejected", _NOT_ASKED),
    State.WITHDRAWN: Words("↩️", "Withdrawn", _NOT_ASKED),
    State.EXPIRED: Words("⌛", "Expired: nobody decided in time", f"{_NOT_ASKED} Ask again if it is still needed."),
}

_BY_CAUSE = {
    (State.REFUSED, Reason.COMPLETED): Words(
        "⛔", "Not cancelled: the order is completed", "A completed order can't be cancelled. Use a refund instead."
    ),
    (State.REFUSED, Reason.ALREADY_CANCELLED): Words("☑️", "Already cancelled before this request", "Nothing to do."),
    (State.REFUSED, Reason.ALREADY_REFUNDED): Words("☑️", "Not cancelled: already refunded", "Nothing to do."),
    (State.REFUSED, Reason.NO_SUCH_ORDER): Words(
        "⛔",
        "Not cancelled: no such order",
        "The gateway doesn't know this order. Check the order ID. If it is right, ask the bot's operator.",
    ),
    (State.FAILED, Reason.CREDENTIALS): Words(
        "⚠️",
        "Not cancelled: the gateway rejected the bot's credentials",
        f"The bot's operator must fix this. {_RETRY}",
    ),
    (State.FAILED, Reason.CLOCK): Words(
        "⚠️",
        "Not cancelled: the bot's clock is wrong",
        f"The gateway did not accept the time of the request. The bot's operator must set the clock. {_RETRY}",
    ),
    (State.UNKNOWN, Reason.CREDENTIALS): Words(
        "⚠️",
        _UNKNOWN,
        "An answer of the gateway was lost, and now it rejects the bot's credentials. Look the order up at the "
        f"gateway. The bot's operator must fix the credentials. {_RETRY}",
    ),
    (State.UNKNOWN, Reason.CLOCK): Words(
        "⚠️",
        _UNKNOWN,
        "An answer of the gateway was lost, and now it does not accept the time of the request. Look the order up "
        f"at the gateway. The bot's operator must set the clock. {_RETRY}",
    ),
}

CONFIRMED_BY_REPEAT = "The first answer was lost. Asked again, the gateway says that the order is cancelled."

_NOT_REACHED = "the gateway could not be reached"
_NOT_SECURE = "there is no secure connection to the gateway; the bot's operator must look at this"
_NOT_READ = "the answer could not be read"
_TROUBLES = {
    Trouble.UNFIT_CREDENTIAL: "the bot's credentials can't be sent; the bot's operator must fix them",
    Trouble.BAD_ADDRESS: "the bot has a wrong address for the gateway; the bot's operator must fix it",
    Trouble.NAME_NOT_FOUND: _NOT_REACHED,
    Trouble.NOT_CONNECTED: _NOT_REACHED,
    Trouble.NO_CONNECTION_IN_TIME: _NOT_REACHED,
    Trouble.NO_FREE_CONNECTION: "too many calls to the gateway were under way",
    Trouble.PROXY: "the proxy made no connection to the gateway",
    Trouble.CERTIFICATE: _NOT_SECURE,
    Trouble.TLS: _NOT_SECURE,
    Trouble.NOT_WRITTEN_IN_TIME: "the request could not be sent in time",
    Trouble.NO_ANSWER_IN_TIME: "the gateway did not answer in time",
    Trouble.CONNECTION_LOST: "the connection was lost before the answer came",
    Trouble.STOPPED: "the bot was stopped before the answer came",
    Trouble.UNEXPECTED: "the call ended unexpectedly",
    Trouble.REDIRECT: "the answer only names another address",
    Trouble.NO_REASON: "the gateway gave no reason",
    Trouble.COMPRESSED: _NOT_READ,
    Trouble.TOO_LONG: _NOT_READ,
    Trouble.BROKEN_OFF: "the answer broke off",
    Trouble.NO_CONFIRMATION: "the answer does not confirm anything",
    Trouble.ANOTHER_ORDER: "the answer was about another order",
    Trouble.ANOTHER_STATUS: "the gateway answered with another status",
}


def words(state: State, reason: Reason | None = None) -> Words:
    """Return the words for a state, and for the gateway's reason where it has one of its own."""
    if reason is None:
        return _BY_STATE[state]
    return _BY_CAUSE.get((state, reason), _BY_STATE[state])


def said(answer: Answer) -> str:
    """Return what the gateway said, in its own words, or else what stood in the way; nothing after a plain answer."""
    if answer.message:
        return answer.message
    if answer.trouble is None:
        return ""
    status = f" “{answer.trouble_about}”" if answer.trouble is Trouble.ANOTHER_STATUS and answer.trouble_about else ""
    return _TROUBLES[answer.trouble] + status


_OWN_PROBLEMS = {
    "too_late_for_a_card": "the request no longer needed a card",
    "no_card": "there was no card",
    "not_connected_yet": "the bot was not connected to Slack",
    "not_reachable": "Slack could not be reached",
    "no_answer_in_time": "Slack did not answer in time",
    "unreadable_answer": "Slack gave no clear answer",
}


def delivery_problem(problem: str) -> str:
    """Return why a message was not delivered; ``problem`` is Slack's name for the error, or the bot's own."""
    if problem.startswith("http_") or not problem.islower():
        # The bot's own names, for answers that hold no error of Slack's; an exception's name has capitals.
        return f"Slack gave no clear answer ({problem})"
    return _OWN_PROBLEMS.get(problem, f"Slack says {problem}")
