"""The texts of refusals: one sentence or two for the person alone, with the cause and the next step.

The file is long because it is a table with a text for every cause.
"""

from collections.abc import Sequence

from bot.domain.cancellation import Cancellation, State
from bot.domain.ids import ORDER_ID
from bot.domain.policy import Verdict
from bot.domain.request import Request
from bot.slack.commands import CANCEL_ORDER
from bot.slack.views import buttons, freezes, orders, outcomes
from bot.slack.views.text import OPERATOR, invisible, mistakable, name_of, sentence
from bot.store import StoreProblem

NOT_OF_THIS_WORKSPACE = "Only people of the bot's own workspace can do that. Nothing has changed."
OWN_REQUESTS_ONLY = "You can look up only your own requests. Approvers and auditors can look up everything."
READER_NOT_CHECKED = (
    "I couldn't check with Slack whether you may look up other people's requests. Try again in a minute."
)
NO_LONGER_IN_USE = "This button is no longer in use."
SHORTCUT_NO_LONGER_IN_USE = "This shortcut is no longer in use. Type /cancel-order in a channel."
NOT_READ = "I couldn't read that, so nothing has changed. Please try again."
HOME_NOT_CHECKED = (
    "I couldn't check with Slack whether you belong to the bot's organisation. Nothing has changed. "
    "Try again in a minute."
)
REASON_TOO_LONG = "This reason is too long for a message in Slack. Shorten it."
REASON_MISSING = "Say why: the requester and the record need it."
TOO_LONG_TOGETHER = (
    "This does not fit on the approval card, where approvers must be able to read all of it. "
    "Shorten the reason, or ask for fewer orders at once."
)
NOT_ITS_ORDER = (
    "That is none of the orders about which this form asks. Nothing has changed. Close the form, and open it again."
)
FINDING_MISSING = "Say how you know: where you looked, and what you saw there."


_OTHERS = "an approver who is not the requester"
"""The people who may retry and settle. The reader may be an approver and the requester, or no approver at all."""
_CHANGED_OUTSIDE = "my database was moved, replaced or damaged"
_WHOLE_ID = 255
_RECORD_CHANGED = "somebody else has changed my record"
_WITHOUT_ROOM = "the disk with my database is full"
_NOT_WRITABLE = "I may not write to my database"
_SILENT = "my database does not answer"
_DATABASE_TROUBLES = {
    StoreProblem.DISK_FULL: _WITHOUT_ROOM,
    StoreProblem.NEARLY_FULL: _WITHOUT_ROOM,
    StoreProblem.DISK_FAILING: "the disk with my database is full or failing",
    StoreProblem.READ_ONLY: _NOT_WRITABLE,
    StoreProblem.FOLDER_READ_ONLY: _NOT_WRITABLE,
    StoreProblem.LOCKED: "another program keeps my database locked",
    StoreProblem.CLOSED: "I am being stopped",
    StoreProblem.GONE: _CHANGED_OUTSIDE,
    StoreProblem.REPLACED: _CHANGED_OUTSIDE,
    StoreProblem.CUT: _CHANGED_OUTSIDE,
    StoreProblem.LOG_GONE: _CHANGED_OUTSIDE,
    StoreProblem.DAMAGED: _CHANGED_OUTSIDE,
    StoreProblem.SEAL_BROKEN: _RECORD_CHANGED,
    StoreProblem.NOT_SEALED: _RECORD_CHANGED,
    StoreProblem.SERVER_AWAY: _SILENT,
    StoreProblem.STANDBY: "my database takes no writes at the moment",
    StoreProblem.SERVER_FULL: _WITHOUT_ROOM,
    StoreProblem.CLOCKS_DIFFER: "my clock differs from my database's",
    StoreProblem.TOO_SLOW: "it took me too long",
    StoreProblem.UNDONE: _SILENT,
    StoreProblem.UNCERTAIN: _SILENT,
    StoreProblem.NOT_REPLICATED: "the second copy of my database is missing",
    StoreProblem.TAKEN_OVER: "another server has just taken over my database",
    StoreProblem.HISTORY_LOST: "my database has lost something that it had kept",
}
"""What people in Slack read; the operator reads more in the log and at ``/readyz``."""


def _because(problem: StoreProblem) -> str:
    return f"because {_DATABASE_TROUBLES.get(problem, 'my database cannot be used')}"


def apology(reference: str, problem: StoreProblem | None = None) -> str:
    """Return the words after trouble with the database, or an error of our own; the log has the same reference."""
    if problem is None:
        said = "Sorry, something went wrong on my side. Please try again."
    else:
        said = f"Sorry, I can't do that at the moment, {_because(problem)}. Please try again in a few minutes."
    return f"{said} If it happens again, give {OPERATOR} this reference: {reference}"


def not_sure(reference: str, problem: StoreProblem | None = None) -> str:
    """Return the words where an act took too long to keep or its commit failed: nobody knows yet whether it counted."""
    return (
        f"I don't know yet whether this counted{f', {_because(problem)}' if problem else ''}. Before you try again, "
        "look at the card or at the Home tab, which also shows a freeze, or look the order up with /cancel-audit. "
        f"The reference for {OPERATOR} is {reference}"
    )


def usage(example: str | None, mistyped: str = "", *, of_freezes: bool = False) -> str:
    """Return how the command works, with an order ID as an example.

    ``mistyped`` is a word that was not taken for an order ID. ``of_freezes`` is true for an answer to a text that
    looked like a wish to begin or to end a freeze: a person in a hurry must read that it did neither.
    """
    not_done = ""
    if of_freezes:
        not_done = "*This changed nothing:* it began no freeze and ended none.\n"
    elif mistyped:
        not_done = (
            f"I don't take “{mistyped}” for an order ID, and I have not kept anything. If it is one, type "
            "/cancel-order alone, and enter it in the form.\n"
        )
    shown = f", for example “/cancel-order {example} The customer ordered twice”" if example else ""
    return (
        f"{not_done}To ask for a cancellation, type /cancel-order with the order ID and the "
        f"reason{shown}. A form opens. After you send it, an approver decides, and I tell you the result.\n"
        "An approver can stop everything with “/cancel-order freeze” and a reason, and end that with "
        "“/cancel-order unfreeze”.\n"
        "To look something up, type /cancel-audit. “/cancel-audit help” shows how."
    )


def evidence_not_sent(order: str, why: str) -> str:
    """Return the words while the evidence for an order that somebody asked for is not sent, or after it was not."""
    return f"You asked for the evidence for order {order}. {why}"


def evidence_waits(order: str, groups: Sequence[str]) -> str:
    """Return the words while Slack does not say what the reader may look up; these groups it refuses for good."""
    waits = "I can't check with Slack whether you may look it up, so the file waits. It comes as soon as I can."
    return evidence_not_sent(order, f"{waits} {_not_readable(groups)}" if groups else waits)


def evidence_not_yours(order: str, *, unclear: bool) -> str:
    """Return the words for somebody who may no longer read what they asked for, and perhaps has it already."""
    if unclear:
        return (
            f"You can no longer look up order {order}, so I don't send you its evidence again. Slack did not say "
            "whether it took the file before."
        )
    return f"You can no longer look up order {order}, so I have not sent you its evidence."


_NO_DIRECT_MESSAGES = {
    "cannot_dm_bot",
    "channel_not_found",
    "messages_tab_disabled",
    "not_in_channel",
    "posting_to_channel_denied",
    "user_disabled",
    "user_not_found",
    "user_not_visible",
}
"""Slack's names for the causes why a person gets no direct message from the bot."""
_NOT_NOW = {"not_reachable", "no_answer_in_time", "proxy_not_reachable", "ratelimited", "service_unavailable"}


def file_not_sent(problem: str, *, unclear: bool) -> str:
    """Return the words after a file was not sent, or perhaps not; ``problem`` is Slack's name for the error or ours."""
    if unclear:
        return (
            f"Slack did not say whether it took the file ({problem}). Look at my direct messages before you ask for it "
            "again."
        )
    if problem == "missing_scope":
        return (
            "I may not send files here: the app in Slack lacks the permission files:write. Nothing was sent. "
            f"Ask {OPERATOR} to update the app."
        )
    if problem in _NO_DIRECT_MESSAGES:
        return f"I can't put it into a direct message to you ({problem}), so you have not got the file. Ask {OPERATOR}."
    if problem in _NOT_NOW:
        return f"Slack does not take files at the moment ({problem}). Nothing was sent. Try again in a minute."
    return f"Slack did not take the file ({problem}). Nothing was sent. If it happens again, ask {OPERATOR}."


def form_not_opened(problem: str, again: str, *, unclear: bool) -> str:
    """Return the words after Slack did not open a form, or perhaps did; ``problem`` is Slack's name for it or ours."""
    if unclear:
        return f"Slack did not say whether it opened the form ({problem}). If you see no form: {again}"
    if problem == "expired_trigger_id":
        return f"The form didn't open in time. {again}"
    if problem == "exchanged_trigger_id":  # Slack brought this act before
        return f"The form opened a moment ago. If you see no form: {again}"
    return f"Slack didn't open the form ({problem}). {again}"


def command_refused(verdict: Verdict) -> str:  # noqa: PLR0911 -- a table of texts
    """Return why no form opens, or why a form is not taken."""
    match verdict:
        case Verdict.UNCHECKED:
            return "I couldn't check with Slack whether you may ask for cancellations here. Try again in a minute."
        case Verdict.DIRECT_MESSAGE:
            return (
                "I can't post an approval card in a direct message, so I have not kept anything. "
                "Type /cancel-order in a channel where the approvers are."
            )
        case Verdict.SHARED_CHANNEL:
            return (
                "This channel is shared with another company, or about to be, and its people would see the request. "
                "I have not kept anything. Type /cancel-order in a channel of your own company."
            )
        case Verdict.ARCHIVED_CHANNEL:
            return (
                "This channel is archived, so I can't post an approval card here. I have not kept anything. "
                "Type /cancel-order in another channel."
            )
        case Verdict.NOT_INVITED:
            return (
                "I am not a member of this private channel, so I can't post an approval card here. I have not kept "
                "anything. Type /invite and my name, then try again."
            )
        case Verdict.TOO_FEW_APPROVERS:
            return (
                "Too few people could approve your request: it needs more approvals than there are approvers who may "
                f"give one. I have not kept anything. Ask {OPERATOR} to add approvers."
            )
        case Verdict.CLOCK_WRONG:
            return (
                "My machine's clock is wrong, and the gateway takes no call with a wrong time. So I have not kept "
                f"anything. Tell {OPERATOR} to set the clock, and try again after that."
            )
        case Verdict.TOO_LONG:
            return (
                "This does not fit on the approval card, where approvers must be able to read all of it. "
                "Shorten the reason."
            )
        case Verdict.REASON_MISSING:
            return "Your team asks for a reason with every request. Give one."
        case Verdict.NO_SUCH_REASON:
            return "This reason is no longer in the list. Close the form, and open it again to see the list of today."
        case _:
            return f"You may not ask for cancellations here. Ask {OPERATOR} to add you."


REASONS_NOT_OFFERED = (
    "Your team now asks for a reason from a list, and this form does not have it. Close the form, and open it again."
)


def channel_refused(verdict: Verdict) -> str:
    """Return why no card can be posted in the channel that was chosen in the form; plain text, for under its field."""
    match verdict:
        case Verdict.DIRECT_MESSAGE:
            return "I can't post an approval card in a direct message. Choose a channel where the approvers are."
        case Verdict.SHARED_CHANNEL:
            return (
                "This channel is shared with another company, or about to be, and its people would see the request. "
                "Choose a channel of your own company."
            )
        case Verdict.ARCHIVED_CHANNEL:
            return "This channel is archived. Choose another channel."
        case Verdict.NOT_INVITED:
            return (
                "I am not a member of this private channel. Type /invite and my name in it, or choose another channel."
            )
        case _:
            return "I couldn't check with Slack whether I can post there. Try again in a minute."


_NAMES_A_STEP = {
    Verdict.OWN_REQUEST,
    Verdict.ALREADY_COUNTED,
    Verdict.DECIDED_AGAINST,
    Verdict.STOPPED_BY_REQUESTER,
    Verdict.APPROVAL_TOO_OLD,
    Verdict.VOTES_MISSING,
    Verdict.MAY_HAVE_BEEN_SENT,
    Verdict.REASON_ERASED,
}
"""Refusals whose texts say what people or the bot do next, which a freeze forbids."""
_GOES_ON = {State.APPROVED, State.FAILED, State.UNKNOWN, State.EXPIRED, State.SETTLED_NOT_CANCELLED}
"""States that are told with what may come next."""


def click_refused(verdict: Verdict, request: Request | None) -> str:
    """Return why a click changed nothing; of several orders, what is true of all."""
    if request is None:
        return "I have no record of this request, so this button does nothing."
    text, freeze = _refused(verdict, request), request.freeze
    if freeze is None:
        return text
    if verdict is Verdict.FROZEN:
        return freezes.refused(freeze)
    goes_on = verdict in _NAMES_A_STEP or (verdict is Verdict.WRONG_STATE and request.state in _GOES_ON)
    return f"{text} {freezes.in_force(freeze)}" if goes_on else text


def _refused(verdict: Verdict, request: Request) -> str:  # noqa: C901, PLR0911, PLR0912 -- a table
    match verdict:
        case Verdict.NOT_AN_APPROVER:
            return "Only approvers can do that. Nothing has changed."
        case Verdict.UNCHECKED:
            return (
                "I couldn't check with Slack whether you are an approver. Nothing has changed. Try again in a minute."
            )
        case Verdict.OWN_REQUEST if request.state is State.PENDING:
            other = f"Another approver has to. If there is none, ask {OPERATOR} to add one."
            return f"You can't approve your own request. {other}"
        case Verdict.OWN_REQUEST:
            return (
                "You can't do that with your own request. Another approver has to. "
                f"If there is none, ask {OPERATOR} to add one."
            )
        case Verdict.ALREADY_COUNTED:
            if request.freeze is not None:
                # A start may have brought another quorum, by which nothing is counted until then.
                return f"You have already approved this. {outcomes.COUNTED_AGAIN}"
            if not (missing := outcomes.approvals_missing(request)):
                return f"You have already approved this. {outcomes.UNCHECKED}."
            needed = "1 more approval is" if missing == 1 else f"{missing} more approvals are"
            return f"You have already approved this. {needed} needed."
        case Verdict.NOT_THE_REQUESTER:
            return "Only the requester can withdraw this request."
        case Verdict.NOT_INVOLVED:
            return "Only approvers and the requester can do that. Nothing has changed."
        case Verdict.CALL_UNDER_WAY:
            now = "The gateway is being asked at this moment" if request.state is State.SENDING else "It is due now"
            return (
                f"{now}, so nothing has changed. "
                f"If the gateway's answer does not settle the request, {_what_can_be_done(request)} then."
            )
        case Verdict.MAY_HAVE_BEEN_SENT:
            if request.several:
                lost = "For at least one of these orders an answer of the gateway was lost or not clear, so it"
            else:
                lost = "An answer of the gateway was lost or not clear, so the order"
            return f"{lost} may be cancelled already. Nothing has changed: {_goes_on(request)}"
        case Verdict.DECIDED_AGAINST:
            how = "refused, rejected, withdrawn, stopped or settled"
            if request.several:
                known = f"Nothing is left to retry: another request for at least one of these orders was {how}."
            else:
                known = f"Another request for this order was {how}."
            return f"{known} {_instead_of_retry(request)}"
        case Verdict.STOPPED_BY_REQUESTER:
            if request.several:
                known = "Nothing is left to retry: the requester stopped at least one of these orders."
            else:
                known = "The requester stopped this, so nobody can retry it."
            return f"{known} {_instead_of_retry(request)}"
        case Verdict.CANCELLED_SINCE:
            if request.several:
                return (
                    "Nothing is left to retry: the gateway confirmed another request for at least one of these orders "
                    "as cancelled."
                )
            return "The gateway confirmed another request for this order as cancelled, so there is nothing to retry."
        case Verdict.REASON_ERASED:
            return (
                "The reason of this request was erased, and the gateway gets only the reason that was approved. "
                f"{_instead_of_retry(request)}"
            )
        case Verdict.APPROVAL_TOO_OLD:
            return f"The approval of this request is too old for a retry. {_instead_of_retry(request)}"
        case Verdict.VOTES_MISSING:
            return f"Too few approvals of this count by the settings of today. {_instead_of_retry(request)}"
        case Verdict.VOTES_UNCHECKED:
            return (
                "I couldn't check with Slack whether everybody who approved this may still approve. "
                "Nothing has changed. Try again in a minute."
            )
        case Verdict.CARD_OUT_OF_DATE:
            return (
                "Fewer approvals are needed now than the card showed you, and this one would have cancelled the "
                f"{'orders' if request.several else 'order'} at once. Nothing has changed. Look at the card again, or "
                "at your Home tab if the card stays as it is."
            )
        case Verdict.TIME_UNCHECKED:
            return (
                "I can't tell whether the time for this is over: since my start my clock has not been checked, or it "
                "is wrong. Nothing has changed. Try again in a minute. If it happens again, tell the bot's operator."
            )
        case Verdict.ANOTHER_IS_OPEN:
            if request.several:
                return "There is another open request for at least one of these orders. Look at that one first."
            return "There is another open request for this order. Look at that one first."
        case _:
            return f"Nothing has changed: {_how_it_stands(request)}."


ASKED_SINCE = (
    "Nothing has changed: the gateway was asked again after you had opened this form. Look at the card or at your Home "
    "tab first. If it is still not known whether the order is cancelled, settle it there."
)
"""Why a finding is not taken that may be older than another attempt."""


def order_refused(verdict: Verdict, one: Request) -> str:
    """Return why nothing was done about one of a request's several orders, while the others may be undone."""
    text = click_refused(verdict, one)
    if verdict is not Verdict.WRONG_STATE or one.state is State.FAILED:
        return text
    return text.replace("this request", f"order {one.cancellation.order_id}")


def not_retried(request: Request, left: Sequence[Cancellation]) -> str:
    """Return which orders are not sent again after somebody retried the others of a request, and why."""
    which = "this order" if len(left) == 1 else "these orders"
    return (
        f"Not sent again: {orders.some(request, left, _WHOLE_ID)}. Since you were asked, another request for {which}"
        " has come between. Look at that first. All others that you were asked about are sent again."
    )


def not_stopped(request: Request, going_on: Sequence[Cancellation]) -> str:
    """Return which orders go on after somebody stopped the others of a request, and why.

    Some may have ended between the message that the person read and the click: of these it must not say "stopped".
    """
    they, end = ("they", "end") if len(going_on) > 1 else ("it", "ends")
    shown = "card" if request.has_card else "requester's receipt"
    return (
        f"Not stopped: {orders.some(request, going_on, _WHOLE_ID)}. The gateway is being asked, or an answer of it was "
        f"lost or not clear, so {they} may be cancelled. The {shown} shows how {they} {end}. Every other order that "
        "still waited for another attempt is stopped. What had ended before that stays as it is."
    )


def _goes_on(request: Request) -> str:
    """Return what comes next where an attempt may have taken effect, and another one is due."""
    if request.freeze is not None:
        return "I ask again when the freeze is over."
    return f"I ask again. If the attempts run out and I still don't know, {_what_can_be_done(request)}."


def _what_can_be_done(request: Request) -> str:
    """Return as a clause where people see that, for those who find the card and for those who do not."""
    return "the card shows what can be done" if request.has_card else "approvers can go on with it on their Home tabs"


_STOPPED = "this request was stopped by a person"


def _how_it_stands(request: Request) -> str:
    """Return that as a clause of its own, without a full stop."""
    described = _described(request, _what_can_be_done(request))
    if outcomes.unknown_past(request):
        return described
    if orders.differ(request):
        with_orders = f"with {orders.words_for(request).title}"
        if request.under_way:
            return f"this request is approved, {with_orders}"
        steps = request.has_card and buttons.actions(request)
        card = ", and its card has buttons for what can still be done" if steps else ""
        return f"this request has ended, {with_orders}{card}"
    stopped = request.state is State.FAILED and request.cancellation.stopped_by
    if request.state is State.APPROVED and request.freeze is not None:
        return "this request is approved, and it waits until the freeze is over"
    if request.may_have_had_effect:
        return (
            "I may have gone on with an older copy of my database, so I don't know whether this request cancelled "
            f"{'the orders' if request.several else 'the order'}"
        )
    if request.state is State.FAILED:
        on_card = request.has_card and buttons.offered_for_retry(request)
        retry = f", and {_OTHERS} can press Retry on its card" if on_card else ""
        return f"{_STOPPED if stopped else describe(request.state)}{retry}"
    return described


def _described(request: Request, then: str) -> str:
    """Return its state, and a clause about what can be done, or seen, where it is not known."""
    if outcomes.unknown_past(request):
        stood = "waits for approval" if request.state is State.PENDING else "is approved"
        return (
            f"this request {stood} in a copy of my database that may be an older one, so I don't know what became of "
            "it after that copy was made"
        )
    return f"{describe(request.state)}, and {then}" if request.state is State.UNKNOWN else describe(request.state)


def _instead_of_retry(request: Request) -> str:
    if request.several and request.under_way:
        return sentence(f"T{_how_it_stands(request)[1:]}")
    if request.several and request.state is State.UNKNOWN:
        return (
            f"Look the orders up at the gateway. Then {_OTHERS} can settle those by hand that are not known, in the "
            "menu (⋯) of the card or on the Home tab. If others must still be cancelled, they need a new request with "
            "/cancel-order."
        )
    if request.state is State.UNKNOWN:
        return (
            f"Look the order up at the gateway. Then {_OTHERS} can settle the request by hand, in the menu (⋯) of its "
            "card or on the Home tab."
        )
    # True for every reader: an approver may not be one of those who may ask.
    if request.several:
        return "If some of the orders must still be cancelled, they need a new request with /cancel-order."
    return "If the order must still be cancelled, it needs a new request with /cancel-order."


def describe(state: State) -> str:  # noqa: PLR0911 -- a table of texts
    """Return a state as a clause of its own, without a full stop."""
    match state:
        case State.PENDING:
            return "this request is waiting for approval"
        case State.APPROVED | State.SENDING:
            return "this request is approved, and the gateway has not confirmed it yet"
        case State.CANCELLED:
            return "the order is already cancelled"
        case State.REFUSED:
            return "the gateway has already answered this request with a no"
        case State.FAILED:
            return "this request did not cancel the order"
        case State.UNKNOWN:
            return "nobody knows yet whether the order is cancelled"
        case State.EXPIRED:
            return "this request has already expired"
        case State.SETTLED_CANCELLED | State.SETTLED_NOT_CANCELLED:
            return "this request was already settled by hand"
        case _:
            return f"this request was already {state}"


def group_gone(groups: Sequence[str]) -> str:
    """Return why nobody can be found in these user groups, which Slack refuses for good."""
    return _not_readable(groups, "Nothing has changed. ")


def _not_readable(groups: Sequence[str], then: str = "") -> str:
    named = f"the user group {groups[0]}" if len(groups) == 1 else f"the user groups {', '.join(groups)}"
    return f"Slack does not let me read {named} any more. {then}Tell {OPERATOR}."


def form_of_ended(request: Request) -> str:
    """Return why a form is refused that was sent before, while its request has ended. Plain text, for under a field."""
    how = _how_it_stands(request).replace("this request", "that request")
    return f"You have sent this form before, and {how}. For a new request, type {CANCEL_ORDER} again."


def already_open(request: Request, requester_name: str) -> str:
    """Return why a form is refused while the order has an open request. Plain text, for under a field."""
    by = requester_name or request.requester
    at = f"{request.requested_at:%Y-%m-%d %H:%M} UTC"
    # Only then the use case has the card looked for.
    looked_for = request.card_ts is not None and not request.over
    again = " If its card was deleted, I post it again now." if looked_for else ""
    # Nothing can be done as long as another order of that request is under way.
    seen = "approvers see on their Home tabs what they can do"
    if request.has_card:
        seen = "the card shows what can be done, or how it goes on"
    how = _described(request, seen).replace("this request", "that request")
    return f"{by} asked to cancel this order on {at}: {how}.{again}"


_NAMES = {"\t": "a tab", "\n": "a line break", "\r": "a line break", "\u00a0": "a no-break space"}


def bad_order_id(pattern: str, order_id: str, example: str | None = None) -> str:
    """Return what an order ID looks like, for text that does not match this pattern; ``example`` is one that does."""
    hidden = next((each for each in order_id if invisible(each) or (each.isspace() and each != " ")), None)
    if hidden is not None:
        name = _NAMES.get(hidden) or name_of(hidden)
        return f"The order ID contains an invisible character ({name}). Type the ID by hand."
    alike = mistakable(order_id)
    if alike is not None:
        return (
            f"The order ID contains “{alike}” ({name_of(alike)}), which is easily mistaken or overlooked. "
            "Type the ID by hand."
        )
    if pattern == ORDER_ID:
        shown = f" For example: {example}" if example else ""
        # Words without a digit may be a sentence, so they are not taken for several IDs.
        several = " For several orders, put each ID on a line of its own." if len(order_id.split()) > 1 else ""
        return f"An order ID has 1 to 64 letters, digits, - and _, and nothing else.{several}{shown}"
    # A regular expression would tell these readers nothing.
    shown = f", for example {example}" if example else ""
    return f"This is not an order ID. Copy the order ID from the console{shown}."
