"""The words for a request's state and for the gateway's answers, shared by card, results and look-ups.

One text serves one cause. People who read these are no programmers, so there is no HTTP here; ``audit find`` on the
command line shows every detail. The file is long because it is a table with words for every cause.
"""

from dataclasses import dataclass, replace

from bot.domain import policy
from bot.domain.attempt import DESPITE_WORDS, Answer, Outcome, Reason, Trouble
from bot.domain.cancellation import Earlier, State
from bot.domain.policy import Verdict
from bot.domain.request import Request
from bot.slack.views.text import quoted, sentence


@dataclass(frozen=True, slots=True)
class Words:
    """A sign and a title, what that means, and how it can go on from the card (each of the four may be empty).

    ``did`` is what this request did or did not do, as far as the record says. ``meaning`` is what else that means,
    ``by_hand`` how people settle it without the gateway, and ``then`` what else they can do. ``short`` is the title
    where many orders are listed; empty for what is never told of one order of several.
    """

    sign: str
    title: str
    meaning: str = ""
    by_hand: str = ""
    then: str = ""
    short: str = ""
    did: str = ""

    @property
    def heading(self) -> str:
        """The sign and the title in one line."""
        return f"{self.sign} {self.title}"

    @property
    def explanation(self) -> str:
        """The meaning and how it can go on, in one line."""
        return " ".join(filter(None, [self.finding, self.then]))

    @property
    def finding(self) -> str:
        """The same without what is said elsewhere where Retry works only for a while."""
        return " ".join(filter(None, [self.did, self.meaning, self.by_hand]))


_OR_THEN_RETRY = "Or an approver presses Retry when the cause is gone: asking again is safe."
_THEN_RETRY_OR_ASK = "Then an approver can press Retry on the card, or you ask again."
_RETRY = "An approver can press Retry on the card, or you ask again."
_BY_HAND = "Then an approver settles this by hand, in the menu (⋯) of the card or on the Home tab."
_ASK_AGAIN = "If the order must be cancelled, ask again."
# Whether the gateway took a call is the gateway's own word.
_NOT_TAKEN = "The gateway says that it did not take the request, so this request has not changed the order."
# Earlier calls of the same request may have been answered.
_UNCHANGED = (
    "This request has not changed the order: no call was sent, or the gateway says that it did not take the call."
)
# Nobody asked the gateway, so nobody knows the order's state.
_NOT_ASKED = "This request did not ask the gateway to cancel the order."
NOT_ASKED_FOR_SEVERAL = "This request did not ask the gateway to cancel the orders."
SET_BACK = (
    "I may have gone on with an older copy of my database, so I don't know what this request did after that copy was "
    "made."
)
# It may have been a call of an earlier request, which a person settled: their word is not the gateway's.
_AN_ANSWER_WAS_LOST = "An answer of the gateway, to this request or an earlier one, was lost or not clear"
_LOOK_UP = "Look the order up at the gateway."
_UNKNOWN = "Not known whether the order is cancelled"

_BY_STATE = {
    State.PENDING: Words("❓", "Cancel this order?"),
    # No card is updated when a call begins, so these two have the same words.
    State.APPROVED: Words("⏳", "Approved: the gateway has not confirmed it yet", short="under way"),
    State.SENDING: Words("⏳", "Approved: the gateway has not confirmed it yet", short="under way"),
    State.CANCELLED: Words("✅", "Cancelled", "The gateway confirmed it.", short="cancelled"),
    # Each reason has words of its own below.
    State.REFUSED: Words("⛔", "The gateway refused", short="refused"),
    State.FAILED: Words(
        "⚠️",
        "Not cancelled by this request: the gateway says that it did not take it",
        did=_NOT_TAKEN,
        then=_RETRY,
        short="failed: not taken by the gateway",
    ),
    State.UNKNOWN: Words(
        "⚠️",
        _UNKNOWN,
        _LOOK_UP,
        _BY_HAND,
        "Or an approver presses Retry: asking again is safe.",
        did="The gateway's answers don't say whether the order was cancelled.",
        short="not known",
    ),
    State.REJECTED: Words("⛔", "Rejected", did=_NOT_ASKED),
    State.WITHDRAWN: Words("↩️", "Withdrawn", did=_NOT_ASKED),
    State.SETTLED_CANCELLED: Words(
        "📝",
        "Settled by hand: cancelled",
        "This is an approver's statement. The gateway has not confirmed it.",
        short="settled by hand: cancelled",
    ),
    State.SETTLED_NOT_CANCELLED: Words(
        "📝",
        "Settled by hand: not cancelled",
        "This is an approver's statement. The gateway has not confirmed it. Ask again if the order must be cancelled.",
        short="settled by hand: not cancelled",
    ),
    State.EXPIRED: Words(
        "⌛", "Expired: not enough approvals in time", "Ask again if it is still needed.", did=_NOT_ASKED
    ),
}

_BY_CAUSE = {
    (State.REFUSED, Reason.COMPLETED): Words(
        "⛔",
        "Not cancelled: the order is completed or paid",
        "It can't be cancelled any more. Use a refund instead.",
        short="completed: refund",
    ),
    (State.REFUSED, Reason.ALREADY_CANCELLED): Words(
        "☑️",
        "Already cancelled",
        "The gateway says that the order is cancelled already. It does not say by whom, or whether this request's call "
        "did it. Nothing to do.",
        short="already cancelled",
    ),
    # A lost call of this request may have cancelled the order before that.
    (State.REFUSED, Reason.ALREADY_REFUNDED): Words(
        "☑️",
        "Already refunded",
        "The gateway says that the order is refunded. Nothing to do.",
        short="already refunded",
    ),
    (State.REFUSED, Reason.PARTLY_REFUNDED): Words(
        "⛔",
        "Partly refunded",
        "The gateway says that the order is partly refunded. Check there whether the rest needs a refund.",
        short="partly refunded",
    ),
    (State.REFUSED, Reason.EXPIRED): Words(
        "⛔",
        "Not cancelled by this request: the order has expired",
        "The gateway says that the order has expired. Nothing to do.",
        short="expired at the gateway",
    ),
    (State.REFUSED, Reason.NO_SUCH_ORDER): Words(
        "⛔",
        "Not cancelled by this request: no such order",
        "The gateway doesn't know this order. Check the order ID. If it is right, ask the bot's operator.",
        short="no such order",
    ),
    (State.FAILED, Reason.CREDENTIALS): Words(
        "⚠️",
        "Not cancelled by this request: the gateway rejected the bot's credentials",
        "The bot's operator must fix this.",
        did=_NOT_TAKEN,
        then=_THEN_RETRY_OR_ASK,
        short="failed: credentials rejected",
    ),
    # The gateway does not say whose clock is wrong.
    (State.FAILED, Reason.CLOCK): Words(
        "⚠️",
        "Not cancelled by this request: the gateway did not accept the time of the request",
        "The bot's operator must check the clock.",
        did=_NOT_TAKEN,
        then=_THEN_RETRY_OR_ASK,
        short="failed: time not accepted",
    ),
    (State.FAILED, Reason.TURNED_AWAY): Words(
        "⚠️",
        "Not cancelled by this request: the gateway turned the bot away",
        "The bot's operator must look at this.",
        did=_NOT_TAKEN,
        then=_THEN_RETRY_OR_ASK,
        short="failed: bot turned away",
    ),
    (State.UNKNOWN, Reason.CREDENTIALS): Words(
        "⚠️",
        _UNKNOWN,
        f"The bot's operator must fix the credentials. {_LOOK_UP}",
        _BY_HAND,
        _OR_THEN_RETRY,
        did=f"{_AN_ANSWER_WAS_LOST}, and now it rejects the bot's credentials.",
        short="not known: credentials rejected",
    ),
    (State.UNKNOWN, Reason.CLOCK): Words(
        "⚠️",
        _UNKNOWN,
        f"The bot's operator must check the clock. {_LOOK_UP}",
        _BY_HAND,
        _OR_THEN_RETRY,
        did=f"{_AN_ANSWER_WAS_LOST}, and now it does not accept the time of the request.",
        short="not known: time not accepted",
    ),
    (State.UNKNOWN, Reason.TURNED_AWAY): Words(
        "⚠️",
        _UNKNOWN,
        f"The bot's operator must look at this. {_LOOK_UP}",
        _BY_HAND,
        _OR_THEN_RETRY,
        did=f"{_AN_ANSWER_WAS_LOST}, and now it turns the bot away.",
        short="not known: bot turned away",
    ),
}

STOPPED = Words(
    "✋",
    "Stopped by a person: not cancelled by this request",
    "I make no further attempt.",
    did=_UNCHANGED,
    then="If the order must be cancelled after all, an approver can press Retry on the card, or you ask again.",
    short="stopped",
)
"""The words for a failure that a person brought about."""

_NOT_REACHED_AT_ALL = Words(
    "⚠️",
    "Not cancelled by this request: the gateway could not be reached",
    "If this lasts, tell the bot's operator.",
    did=_UNCHANGED,
    then=_RETRY,
    short="failed: gateway not reached",
)
_NO_SECURE_CONNECTION = Words(
    "⚠️",
    "Not cancelled by this request: no secure connection to the gateway",
    "The bot's operator must look at this.",
    did=_UNCHANGED,
    then=_THEN_RETRY_OR_ASK,
    short="failed: no secure connection",
)
_WRONG_SETTINGS = Words(
    "⚠️",
    "Not cancelled by this request: the bot's settings for the gateway are wrong",
    "The bot's operator must fix this.",
    did=_UNCHANGED,
    then=_THEN_RETRY_OR_ASK,
    short="failed: wrong settings",
)
_FAILED_BY_TROUBLE = {
    Trouble.NAME_NOT_FOUND: _NOT_REACHED_AT_ALL,
    Trouble.NOT_CONNECTED: _NOT_REACHED_AT_ALL,
    Trouble.NO_CONNECTION_IN_TIME: _NOT_REACHED_AT_ALL,
    Trouble.PROXY: _NOT_REACHED_AT_ALL,
    Trouble.CERTIFICATE: _NO_SECURE_CONNECTION,
    Trouble.TLS: _NO_SECURE_CONNECTION,
    Trouble.UNFIT_CREDENTIAL: _WRONG_SETTINGS,
    Trouble.BAD_ADDRESS: _WRONG_SETTINGS,
    Trouble.NO_FREE_CONNECTION: Words(
        "⚠️",
        "Not cancelled by this request: too many calls to the gateway at once",
        did=_UNCHANGED,
        then=_RETRY,
        short="failed: too many calls",
    ),
    Trouble.RECORD_CONTRADICTS: Words(
        "⚠️",
        "Not cancelled by this request: the bot's database was changed",
        "It contradicts the bot's record, so I send nothing. The bot's operator must look at this first.",
        short="failed: database was changed",
    ),
}
"""The words for a failure whose last attempt did not get as far as the gateway."""

EXPIRED_UNCHECKED = Words(
    "⌛",
    "Expired: I could not count the approvals in time",
    "Slack did not say whether everybody who approved still may, or everything was frozen. "
    "Ask again if it is still needed.",
    did=_NOT_ASKED,
)
"""The words for a request with enough approvals, of people who could not be checked before a freeze or the end."""

FROZEN = Words("⏳", "Approved: it waits, because everything is frozen", short="waiting: frozen")
"""The words for an approved request whose next call a freeze holds back. A call that is under way ends as always."""

BY_REPEAT = Words(
    "✅",
    "Cancelled",
    "An earlier answer of the gateway was lost or not clear. Asked again, it says that the order is cancelled.",
    short="cancelled",
)
"""The words for a request that a repeat found done."""


def by_repeat(request: Request) -> Words:
    """Return the words for a request that the gateway, asked again, says is done: after a restore nobody knows more."""
    if not request.set_back:
        return BY_REPEAT
    # Before the restore or after it: the gateway has said so.
    copy = "I may have gone on with an older copy of my database, so I don't know all that this request did."
    return replace(BY_REPEAT, meaning=f"The gateway said that the order is cancelled. {copy}")


_SHOWN = 300
_SHOWN_WORDS = 400
_NOT_REACHED = "the gateway could not be reached"
_NOT_SECURE = "there is no secure connection to the gateway; the bot's operator must look at this"
_NOT_READ = "the answer could not be read"
_TROUBLES = {
    Trouble.UNFIT_CREDENTIAL: "the bot's credentials can't be sent; the bot's operator must fix them",
    Trouble.BAD_ADDRESS: "the bot has a wrong address for the gateway; the bot's operator must fix it",
    Trouble.RECORD_CONTRADICTS: "the bot's database contradicts its record; the bot's operator must look first",
    Trouble.NAME_NOT_FOUND: _NOT_REACHED,
    Trouble.NOT_CONNECTED: _NOT_REACHED,
    Trouble.NO_CONNECTION_IN_TIME: _NOT_REACHED,
    Trouble.NO_FREE_CONNECTION: "too many calls to the gateway were under way",
    Trouble.PROXY: "the proxy made no connection to the gateway",
    Trouble.CERTIFICATE: _NOT_SECURE,
    Trouble.TLS: _NOT_SECURE,
    Trouble.NOT_WRITTEN_IN_TIME: "the request could not be sent in time",
    Trouble.NO_ANSWER_IN_TIME: "the gateway did not answer in time",
    Trouble.CONNECTION_LOST: "the connection ended without an answer that could be read",
    Trouble.STOPPED: "the bot kept no answer; it may have been stopped",
    Trouble.UNEXPECTED: "the call ended unexpectedly",
    Trouble.REDIRECT: "the answer only names another address",
    Trouble.NO_REASON: "the gateway gave no message",
    Trouble.COMPRESSED: _NOT_READ,
    Trouble.TOO_LONG: _NOT_READ,
    Trouble.BROKEN_OFF: "the answer broke off",
    Trouble.SOMEBODY_ELSE: "the answer did not look like the gateway's; something on the way may have sent it",
    Trouble.CONTRADICTORY: "the gateway's answer contradicts itself",
    Trouble.UNCLEAR_REFUSAL: "the gateway said no, but not for certain how the order stands",
    Trouble.NO_CONFIRMATION: "the answer is not a plain confirmation",
    Trouble.ANOTHER_ORDER: "the answer was about another order",
    Trouble.ANOTHER_STATUS: "the gateway answered with another status",
}


def words(
    state: State, reason: Reason | None = None, trouble: Trouble | None = None, *, stopped: bool = False
) -> Words:
    """Return the words for a state and its cause: the gateway's reason, what stood in the way, or a person's stop."""
    if state is State.FAILED and stopped:
        return STOPPED
    if state is State.FAILED and reason is None and trouble in _FAILED_BY_TROUBLE:
        return _FAILED_BY_TROUBLE[trouble]
    return _BY_CAUSE.get((state, reason), _BY_STATE[state]) if reason is not None else _BY_STATE[state]


def words_for(request: Request) -> Words:
    """Return the words for how a request stands."""
    if request.under_way:
        waits = request.state is State.APPROVED and request.freeze is not None
        found = FROZEN if waits else _BY_STATE[request.state]
        # In a list of several orders nothing else says it.
        in_doubt = request.cancellation.unclear or request.set_back
        return replace(found, short=f"{found.short} (may be cancelled)") if in_doubt else found
    if request.state is State.EXPIRED and not approvals_missing(request):
        return as_far_as_known(request, EXPIRED_UNCHECKED)
    answer = request.cancellation.last_answer or Answer(Outcome.UNKNOWN)
    if request.state is State.CANCELLED and answer.reason is Reason.ALREADY_CANCELLED:
        return by_repeat(request)
    found = words(request.state, answer.reason, answer.trouble, stopped=bool(request.cancellation.stopped_by))
    return with_what_is_left(request, found)


_WITHOUT_RETRY = {
    Verdict.ANOTHER_IS_OPEN: "There is another open request for this order, so nobody can retry this one now.",
    Verdict.CANCELLED_SINCE: "The gateway confirmed another request for this order, so there is nothing to retry.",
    Verdict.STOPPED_BY_REQUESTER: "The requester stopped it, so nobody can retry this one.",
    Verdict.REASON_ERASED: "The reason was erased, so nobody can retry this one.",
    Verdict.APPROVAL_TOO_OLD: "The approval is too old for Retry.",
}
"""Why nobody can press Retry; if people decided against it, that depends on how."""
_NOTHING_TO_ASK = {Verdict.ANOTHER_IS_OPEN, Verdict.CANCELLED_SINCE}
_IN_A_LIST = {
    Verdict.ANOTHER_IS_OPEN: "another request is open",
    Verdict.CANCELLED_SINCE: "confirmed since",
    Verdict.DECIDED_AGAINST: "decided since",
}
"""The same where many orders are listed, for what may be true of some of them only."""


IN_OLDER_COPY = "may be cancelled: I may have gone on with an older copy of my database"
"""What a list says of an end without effect that a restore has set back."""


def as_far_as_known(request: Request, found: Words) -> Words:
    """Return the words without what the bot does not know of a request that a restore has set back."""
    if not request.set_back:
        return found
    if request.state is State.UNKNOWN:
        return replace(found, did=SET_BACK)
    known = f"{SET_BACK} {_LOOK_UP}"
    settled = request.state in {State.SETTLED_CANCELLED, State.SETTLED_NOT_CANCELLED}
    if settled and request.stood_before(request.cancellation):
        return replace(found, did=known)
    if request.state is State.REFUSED and request.stood_before(request.cancellation):
        # That it is cancelled, or refunded, is the gateway's word, and stays true.
        no = found.sign == _BY_STATE[State.REFUSED].sign
        may_be = replace(found, title=_UNKNOWN, meaning="", short=f"{found.short} (may be cancelled)")
        return replace(may_be, did=known) if no else replace(found, did=SET_BACK)
    if request.state is not State.FAILED:
        return replace(found, did=known if found.did else "")
    # Another request for the order stood in the way of one that is unknown.
    title = f"Stopped by a person: {_UNKNOWN[0].lower()}{_UNKNOWN[1:]}" if found.sign == STOPPED.sign else _UNKNOWN
    return replace(found, title=title, did=known, short=f"{found.short} (may be cancelled)")


def with_what_is_left(request: Request, found: Words) -> Words:
    """Return the words of the only order with the steps that are left to people, for how it can go on.

    Without the card nobody can press Retry or settle anything by hand.
    """
    found = as_far_as_known(request, found)
    if not request.state.may_retry:
        return found
    against = policy.against_retry(request, request.read_at)
    if not request.has_card:
        found = replace(found, by_hand="", then="You can ask again." if request.state is State.FAILED else "")
    if against is None:
        return found
    if against is Verdict.ANOTHER_IS_OPEN and request.read_at and not request.could_be_retried(request.read_at):
        # Nobody draws this anew when that request ends. So it says what stays true, and sends nobody to ask meanwhile.
        return replace(found, then=_WITHOUT_RETRY[Verdict.APPROVAL_TOO_OLD])
    why = _WITHOUT_RETRY.get(against) or _decided_against(request)
    short = f"{found.short} ({_IN_A_LIST[against]})" if against in _IN_A_LIST else found.short
    if request.state is State.UNKNOWN:
        by_hand = _BY_HAND if request.has_card else ""
        return replace(found, by_hand=by_hand, then=why, short=short)
    then = "" if against in _NOTHING_TO_ASK else _ASK_AGAIN
    meaning = " ".join(filter(None, [found.meaning, why]))
    return replace(found, meaning=meaning, then=then, short=short)


def approvals_missing(request: Request) -> int:
    """Return how many approvals are missing; 0 where all are there, and Slack has not said whether they count."""
    return max(request.approvals_required - len(request.approvers), 0)


def approvals_needed(request: Request) -> str:
    """Return the words for the approvals that are missing: ``2 approvals``, or ``1 more approval`` after the first."""
    missing = approvals_missing(request)
    return f"{missing}{' more' if request.approvers else ''} {'approval' if missing == 1 else 'approvals'}"


UNCHECKED = "Slack has not said yet whether everybody who approved still may"
"""A clause about a request with enough approvals that waits all the same."""


COUNTED_AGAIN = "When the freeze is over, I count the approvals by the settings of then."
"""What people must know of a request with approvals while everything is frozen.

A start may have brought a lower quorum, and then nobody has to come any more.
"""


def unknown_past(request: Request) -> str:
    """Return what people must know of a request that goes on after a restore; nothing of any other one.

    The words for how it ended say it themselves.
    """
    if not request.set_back or not (request.state is State.PENDING or request.under_way):
        return ""
    return (
        "⚠️ I may have gone on with an older copy of my database, so I don't know what people decided about this "
        "request, or what it did, after that copy was made."
    )


LACKS_APPROVERS = (
    "Too few people are left who could approve this. The bot's operator can add approvers, or the requester can "
    "withdraw it."
)
"""What people must know of a request that nobody can bring to its end by the settings of today."""


EARLIER = "An earlier request for this order ended"


def _decided_against(request: Request) -> str:
    later = request.cancellation.later
    if later is not None and later.state is State.FAILED:
        return "Another request for this order was stopped: whether it is sent again is decided there."
    how = _DECIDED.get(later.state, "settled by hand") if later else ""
    return f"Another request for this order was {how}, so Retry is over."


_DECIDED = {
    State.REJECTED: "rejected",
    State.WITHDRAWN: "withdrawn",
    State.REFUSED: "refused by the gateway",
}
"""What became of a later request; otherwise people settled it."""


def how_it_ended(earlier: Earlier) -> str:
    """Return as a clause how an earlier request for this order ended."""
    match earlier.state:
        case State.SETTLED_CANCELLED:
            return "an approver stated that the order is cancelled, and the gateway has not confirmed it"
        case State.UNKNOWN:
            older = "as I may have gone on with an older copy of my database since"
            return f"I don't know whether it cancelled the order, {older}"
        case State.SETTLED_NOT_CANCELLED:
            return "an approver stated that the order is not cancelled, and the gateway has not confirmed it"
        case _:
            return "the gateway confirmed that the order is cancelled"


def said(answer: Answer) -> str:
    """Return what the gateway said, as its words, or else what stood in the way; nothing after a plain answer.

    Its words may read like an outcome that they do not prove.
    """
    code = f"the code is {quoted(answer.code, _SHOWN)}" if answer.code else ""
    if answer.trouble is None or (answer.message and answer.trouble not in DESPITE_WORDS):
        return f"the gateway says {quoted(answer.message, _SHOWN_WORDS)}" if answer.message else code
    named = answer.trouble is Trouble.ANOTHER_STATUS and answer.trouble_about
    status = f" {quoted(answer.trouble_about, _SHOWN)}" if named else ""
    own = f"it says {quoted(answer.message, _SHOWN)}" if answer.message else code
    return "; ".join(filter(None, [_TROUBLES[answer.trouble] + status, own]))


def not_confirmed_yet(request: Request, said: str) -> str:
    """Return a sentence about the attempts so far of an approved request; ``said`` is what the last one brought."""
    # Those before a Retry are not counted, so this does not say that these were all.
    attempts = "attempt" if request.cancellation.attempts == 1 else f"{request.cancellation.attempts} attempts"
    # The last answer may say that this attempt did nothing, and one before it may have cancelled the order.
    last = sentence(f"Not confirmed yet after the last {attempts}{f': {said}' if said else ''}")
    return f"{last} {IN_DOUBT}" if request.cancellation.unclear else last


IN_DOUBT = "An answer was lost or not clear, so the order may be cancelled already."
"""What people must know of an order under way, whatever the last attempt brought."""


def detail(answer: Answer, found: Words) -> str:
    """Return the same, or nothing where the title says it already."""
    return "" if (words := said(answer)) in found.title else words


_OWN_PROBLEMS = {
    "too_late_for_a_card": "the request no longer needed a card",
    "no_card": "there was no card",
    "no_receipt": "there was no receipt",
    "card_is_there": "the card had been posted by then",
    str(Trouble.RECORD_CONTRADICTS): "the bot's database contradicts its record",
    "shared_channel": "the channel is shared with another company",
    "direct_message": "it would be in a direct message",
    "channel_not_checked": "the bot could not check with Slack whether the channel is shared",
    "not_connected_yet": "the bot was not connected to Slack",
    "not_reachable": "Slack could not be reached",
    "no_answer_in_time": "Slack did not answer in time",
    "certificate_not_trusted": "the bot did not trust Slack's certificate",
    "tls_failed": "there was no secure connection to Slack",
    "proxy_not_reachable": "the proxy on the way to Slack could not be reached",
    "proxy_refused": "the proxy on the way to Slack made no connection",
    "search_goes_on": "the bot was still looking whether it is there already",
    "person_not_checked": "the bot could not check with Slack who the person is",
    "may_not_read": "the person may not read it",
    "not_recorded": "the bot could not put it on record",
    "address_not_secure": "the address for the file is not secure",
    "no_place_in_answer": "Slack did not say where the message is",
    "another_place_in_answer": "Slack's answer was about another message",
    "unreadable_answer": "Slack gave no clear answer",
}


def delivery_problem(problem: str) -> str:
    """Return why a message was not delivered; ``problem`` is Slack's name for the error, or the bot's own."""
    if problem.startswith("http_") or not problem.islower():
        # The bot's own names, for answers that hold no error of Slack's; an exception's name has capitals.
        return f"Slack gave no clear answer ({problem})"
    return _OWN_PROBLEMS.get(problem, f"Slack says {problem}")
