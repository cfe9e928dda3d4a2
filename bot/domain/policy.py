"""The rules of who may ask, decide, retry and read. Pure: each rule answers with a verdict, never with a boolean.

The file is long because it is all of the rules, with a word for each refusal.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from bot.domain.cancellation import Cancellation, Choice, State
from bot.domain.request import Request
from bot.domain.words import ERASED


@dataclass(frozen=True, slots=True)
class People:
    """Slack user ids and user-group ids, as a setting names them."""

    users: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()


class Role(StrEnum):
    """A setting that names people."""

    REQUESTER = "requester"
    APPROVER = "approver"
    AUDITOR = "auditor"
    ESCALATION = "escalation"
    """The people who decide like approvers once a request is escalated."""


class Membership(StrEnum):
    """A person's place among the people that a setting names, as far as it could be found out."""

    MEMBER = "member"
    OUTSIDER = "outsider"
    UNCHECKED = "unchecked"
    """Nobody asked, or Slack did not say who is in a user group. It never means yes."""


@dataclass(frozen=True, slots=True)
class Ground:
    """The ground on which somebody may decide: the user group that they are in, and when Slack last said so.

    Both are empty where the setting names the person. ``escalated`` is true where that is ESCALATE_TO, and false where
    it is APPROVERS.
    """

    group: str = ""
    read_at: str = ""
    escalated: bool = False


NAMED = Ground()


class Surface(StrEnum):
    """The places where a decision is made."""

    CARD = "card"
    RECEIPT = "receipt"
    """The requester's own message about the request."""
    HOME = "home"
    """The person's own Home tab."""


@dataclass(frozen=True, slots=True)
class Members:
    """The people that a setting names, with everybody in its user groups, as of now.

    ``everyone`` is true where the setting names nobody in particular. ``complete`` is false where Slack did not say who
    is in one of the groups. ``escalation`` are the people who join the approvers of a request once it is escalated.
    """

    ids: frozenset[str] = frozenset()
    everyone: bool = False
    complete: bool = True
    escalation: "Members | None" = None

    def of(self, request: Request) -> "Members":
        """Return the approvers of this request."""
        more = self.escalation
        if more is None or request.escalated_at is None:
            return self
        return Members(self.ids | more.ids, self.everyone, self.complete and more.complete)

    def membership(self, user_id: str) -> Membership:
        """Return this person's place among them."""
        if self.everyone or user_id in self.ids:
            return Membership.MEMBER
        return Membership.OUTSIDER if self.complete else Membership.UNCHECKED


@dataclass(frozen=True, slots=True)
class Actor:
    """A person who does something: Slack's id, the name they go by, and their memberships as of now.

    A role that was not looked up stays UNCHECKED, which is refused wherever it matters.
    """

    id: str
    name: str = ""
    requester: Membership = Membership.UNCHECKED
    approver: Membership = Membership.UNCHECKED
    auditor: Membership = Membership.UNCHECKED
    escalation: Membership = Membership.UNCHECKED
    """It matters for a request that is escalated, and only where this person is not an approver anyway."""
    ground: Ground | None = None
    """The ground of the approver's role, or of the escalation."""
    surface: Surface | None = None

    def towards(self, request: Request) -> "Actor":
        """Return this person as they stand to this request: before its escalation, that is no ground for anything."""
        too_early = self.ground is not None and self.ground.escalated and request.escalated_at is None
        return replace(self, ground=None) if too_early else self


class Act(StrEnum):
    """The acts that a person can do to a request."""

    APPROVE = "approve"
    REJECT = "reject"
    WITHDRAW = "withdraw"
    RETRY = "retry"
    TRY_NOW = "try_now"
    STOP = "stop"
    SETTLE = "settle"


class Verdict(StrEnum):
    """The answer to an act. Everything but ALLOWED is a refusal with its cause."""

    ALLOWED = "allowed"
    NOT_A_REQUESTER = "not_a_requester"
    NOT_AN_APPROVER = "not_an_approver"
    NOT_THE_REQUESTER = "not_the_requester"
    NOT_INVOLVED = "not_involved"
    """Neither the requester nor an approver."""
    NOT_AN_AUDITOR = "not_an_auditor"
    OWN_REQUEST = "own_request"
    ALREADY_COUNTED = "already_counted"
    ANOTHER_IS_OPEN = "another_is_open"
    WRONG_STATE = "wrong_state"
    CALL_UNDER_WAY = "call_under_way"
    """The gateway is being called in this moment, or will be as soon as the bot gets to it."""
    MAY_HAVE_BEEN_SENT = "may_have_been_sent"
    """An attempt may have taken effect, so only the gateway's answer can end the request."""
    UNCHECKED = "unchecked"
    NOT_OF_THIS_WORKSPACE = "not_of_this_workspace"
    FROZEN = "frozen"
    """Everything that could cancel an order is stopped."""
    NOT_FROZEN = "not_frozen"
    REPEATED = "repeated"
    """Slack has brought this command before, and it was answered then."""
    BAD_ORDER_ID = "bad_order_id"
    NO_SUCH_REQUEST = "no_such_request"
    APPROVAL_TOO_OLD = "approval_too_old"
    """The approval is older than the settings allow for a retry."""
    DECIDED_AGAINST = "decided_against"
    """A later request for the same order was refused, rejected, withdrawn, stopped or settled by hand."""
    STOPPED_BY_REQUESTER = "stopped_by_requester"
    """The requester stopped it, so nobody asks for it any more."""
    CANCELLED_SINCE = "cancelled_since"
    """The gateway confirmed a later request for the same order."""
    REASON_ERASED = "reason_erased"
    """The reason that was approved is not there any more, and the gateway gets no other one."""
    DIRECT_MESSAGE = "direct_message"
    """A place where no card can be posted: a direct message between people, or with the bot."""
    SHARED_CHANNEL = "shared_channel"
    """A channel that is shared with another company."""
    ARCHIVED_CHANNEL = "archived_channel"
    """A channel in which nothing can be posted any more."""
    NOT_INVITED = "not_invited"
    """A private channel that the bot is not in."""
    TOO_LONG = "too_long"
    """The text does not fit on the card, where approvers must read all of it."""
    REASON_MISSING = "reason_missing"
    """The settings ask for a reason, and none was given."""
    NO_SUCH_REASON = "no_such_reason"
    """The reason chosen is none of those that the settings offer."""
    TOO_FEW_APPROVERS = "too_few_approvers"
    """By the settings, fewer people may approve the request than have to."""
    VOTES_MISSING = "votes_missing"
    """Too few of the people who approved may still approve today."""
    VOTES_UNCHECKED = "votes_unchecked"
    """Slack did not say whether the people who approved earlier may still approve."""
    CARD_OUT_OF_DATE = "card_out_of_date"
    """The card promised to wait for more approvals than are needed now."""
    TIME_UNCHECKED = "time_unchecked"
    """No other clock has confirmed the bot's since its start, so nobody knows whether the time for the act is over."""
    CLOCK_WRONG = "clock_wrong"
    """The bot's clock is far from all others: the request would get wrong times, and the gateway takes no such call."""


class Scope(StrEnum):
    """The requests that a person may read."""

    ALL = "all"
    OWN = "own"


def may_ask(actor: Actor) -> Verdict:
    """Return ALLOWED where this person may ask for a request."""
    match actor.requester:
        case Membership.MEMBER:
            return Verdict.ALLOWED
        case Membership.OUTSIDER:
            return Verdict.NOT_A_REQUESTER
        case Membership.UNCHECKED:
            return Verdict.UNCHECKED


def may_give_reason(reason: str, category: str, *, offered: tuple[str, ...], required: bool) -> Verdict:
    """Return ALLOWED where a request may have this reason, which begins with ``category`` if one was chosen.

    Where reasons are offered, the required one is one of these.
    """
    if category and (category not in offered or not reason.startswith(category)):
        return Verdict.NO_SUCH_REASON
    missing = not category if offered else not reason
    return Verdict.REASON_MISSING if required and missing else Verdict.ALLOWED


def could_be_approved(requester: Actor, approvers: Members, quorum: int, *, allow_self_approval: bool) -> bool:
    """Return False where it is certain that too few people could ever approve a request of this person's."""
    groups = [each for each in (approvers, approvers.escalation) if each is not None]
    if any(each.everyone or not each.complete for each in groups):
        return True
    people = frozenset[str]().union(*(each.ids for each in groups))
    return len(people if allow_self_approval else people - {requester.id}) >= quorum


@dataclass(frozen=True, slots=True)
class Votes:
    """The approvals of a request, by today's rules: which count, which no longer do, and which cannot be checked."""

    valid: frozenset[str] = frozenset()
    void: frozenset[str] = frozenset()
    unchecked: frozenset[str] = frozenset()

    def verdict(self, quorum: int) -> Verdict:
        """Return ALLOWED where the valid votes reach the quorum, VOTES_UNCHECKED if they might, or VOTES_MISSING."""
        if len(self.valid) >= quorum:
            return Verdict.ALLOWED
        return Verdict.VOTES_UNCHECKED if len(self.valid | self.unchecked) >= quorum else Verdict.VOTES_MISSING


def count_votes(request: Request, approvers: Members, *, allow_self_approval: bool) -> Votes:
    """Sort the approvals of a request by what they are worth today.

    A vote is void if its approver was removed since, or is the requester and self-approval is off by now.
    """
    approvers = approvers.of(request)
    memberships = {
        each: Membership.OUTSIDER
        if each == request.requester and not allow_self_approval
        else approvers.membership(each)
        for each in request.approvers
    }
    return Votes(
        valid=frozenset(each for each, place in memberships.items() if place is Membership.MEMBER),
        void=frozenset(each for each, place in memberships.items() if place is Membership.OUTSIDER),
        unchecked=frozenset(each for each, place in memberships.items() if place is Membership.UNCHECKED),
    )


def may_decide(request: Request, actor: Actor, choice: Choice, *, allow_self_approval: bool) -> Verdict:
    """Return ALLOWED where this person's approval or rejection counts now.

    Membership comes before the state, so that an outsider learns nothing from a click. An approver
    who has approved may still reject while others are awaited; a second approval counts for nothing.
    """
    refusal = _not_an_approver(request, actor)
    if refusal is not None:
        return refusal
    if request.state is not State.PENDING:
        return Verdict.WRONG_STATE
    if choice is Choice.APPROVE:
        if actor.id == request.requester and not allow_self_approval:
            return Verdict.OWN_REQUEST
        if actor.id in request.approvers:
            return Verdict.ALREADY_COUNTED
    return Verdict.ALLOWED


def may_freeze(actor: Actor) -> Verdict:
    """Return ALLOWED where this person may stop everything, or let it go on: every approver may."""
    return _not_among(actor.approver) or Verdict.ALLOWED


def may_withdraw(request: Request, actor: Actor) -> Verdict:
    """Return ALLOWED where this person may take the request back: only its requester, only while it is pending."""
    if request.state is not State.PENDING:
        return Verdict.WRONG_STATE
    return Verdict.ALLOWED if actor.id == request.requester else Verdict.NOT_THE_REQUESTER


OF_ONE_ORDER = (
    Verdict.WRONG_STATE,
    Verdict.STOPPED_BY_REQUESTER,
    Verdict.CANCELLED_SINCE,
    Verdict.DECIDED_AGAINST,
    Verdict.ANOTHER_IS_OPEN,
    Verdict.CALL_UNDER_WAY,
    Verdict.MAY_HAVE_BEEN_SENT,
)
"""The verdicts on one order that say nothing about the others of its request, the farthest from ALLOWED first."""


def may_retry(request: Request, actor: Actor, at: datetime, *, votes: Verdict) -> Verdict:
    """Return ALLOWED where this person may have the approved cancel of this request's only order sent again.

    Retry is no way round the second person: never by the requester, even one who is an approver, and not by votes that
    count no longer (``votes``, by ``Votes.verdict``). What stands in everybody's way comes first, so that nobody is
    sent for another approver who could not do it either.
    """
    refusal = _not_an_approver(request, actor) or against_retry(request, at)
    if refusal is not None:
        return refusal
    if votes is Verdict.VOTES_MISSING:
        return votes
    return Verdict.OWN_REQUEST if actor.id == request.requester else votes


def against_retry(request: Request, at: datetime | None) -> Verdict | None:
    """Return why nobody can have this request's only order sent again, or None where an approver may.

    This is the one answer to that: clicks are judged by it, and cards, receipts, news, questions and refusals offer
    Retry by it. Nobody can once a later request for the same order was confirmed, or goes on, or people decided against
    it; not once its own requester has stopped it, as then nobody asks for it any more; not once the approval is older
    than the request could have waited for it, if there is a time ``at`` to tell that by; and not without the reason
    that was approved, once it is erased. A freeze is not looked at, as it passes, and neither are the votes, which only
    Slack can tell.
    """
    if not request.state.may_retry:
        return Verdict.WRONG_STATE
    if (later := request.cancellation.later) is not None:
        if later.state.open:
            return Verdict.ANOTHER_IS_OPEN
        return Verdict.CANCELLED_SINCE if later.state is State.CANCELLED else Verdict.DECIDED_AGAINST
    if request.cancellation.stopped_by == request.requester:
        return Verdict.STOPPED_BY_REQUESTER
    if request.reason == ERASED:
        return Verdict.REASON_ERASED
    until = request.retry_until
    return Verdict.APPROVAL_TOO_OLD if at is not None and (until is None or until < at) else None


def retryable(request: Request) -> list[Cancellation]:
    """Return the orders of a request that an approver may have sent again, as far as people can read of it."""
    # Looked at first, as it is asked several times for each card, and most have nothing to retry.
    ended = (request.narrowed(each) for each in request.cancellations if each.state.may_retry)
    return [each.cancellation for each in ended if against_retry(each, request.read_at) is None]


def needs_card(request: Request) -> bool:
    """Return True where people could go on with the card of this request, as far as people can read of it."""
    return any(each.state.open for each in request.cancellations) or bool(retryable(request))


def time_unchecked(request: Request, actor: Actor, act: Act, latest: datetime) -> Verdict | None:
    """Return the refusal of an act whose time may be over: ``latest`` is the latest time that it may be by now.

    An approval and a retry lead to a call to the gateway; the other acts do no harm after their time.
    """
    match act:
        case Act.APPROVE:
            over = request.overdue(latest)
        case Act.RETRY:
            until = request.retry_until
            over = request.state.may_retry and until is not None and until < latest
        case _:
            over = False
    return (_not_an_approver(request, actor) or Verdict.TIME_UNCHECKED) if over else None


def may_try_now(request: Request, actor: Actor, at: datetime) -> Verdict:
    """Return ALLOWED where this person may have the next attempt made at once, and that changes something."""
    refusal = _not_an_approver(request, actor)
    if refusal is not None:
        return refusal
    due_at = request.cancellation.due_at
    if request.state is State.APPROVED and (due_at is None or due_at <= at):
        return Verdict.CALL_UNDER_WAY
    return _not_between_attempts(request) or Verdict.ALLOWED


def may_stop(request: Request, actor: Actor) -> Verdict:
    """Return ALLOWED where this person may end an approved request.

    Certainly nothing was done yet, or nobody can know after a restore. Stopping takes no second person: approvers may,
    and the requester.
    """
    refusal = _not_an_approver(request, actor)
    if refusal is not None and actor.id != request.requester:
        return Verdict.NOT_INVOLVED if refusal is Verdict.NOT_AN_APPROVER else refusal
    return _not_between_attempts(request) or Verdict.ALLOWED


def going_on(request: Request, actor: Actor) -> list[tuple[Request, Verdict]]:
    """Return the orders of a request that go on though this person stops those that can be stopped, each with why."""
    judged = ((one, may_stop(one, actor)) for one in request.each())
    return [(one, why) for one, why in judged if why in {Verdict.CALL_UNDER_WAY, Verdict.MAY_HAVE_BEEN_SENT}]


def may_settle(request: Request, actor: Actor) -> Verdict:
    """Return ALLOWED where this person may state how an order stands whose outcome the gateway left unknown."""
    refusal = _not_an_approver(request, actor)
    if refusal is not None:
        return refusal
    if request.state is not State.UNKNOWN:
        return Verdict.WRONG_STATE
    return Verdict.OWN_REQUEST if actor.id == request.requester else Verdict.ALLOWED


def may_read(actor: Actor) -> Scope:
    """Return ALL for auditors and approvers; anyone else, and anyone unchecked, reads only their own requests."""
    return Scope.ALL if Membership.MEMBER in {actor.approver, actor.auditor} else Scope.OWN


def reading_unchecked(actor: Actor) -> bool:
    """Return True for somebody who reads only their own requests as long as Slack does not say who is in a group."""
    return may_read(actor) is Scope.OWN and Membership.UNCHECKED in {actor.approver, actor.auditor}


def _not_between_attempts(request: Request) -> Verdict | None:
    """Return why an approved request cannot be touched now, or None while people may act on it."""
    match request.state:
        case State.APPROVED:
            return None if request.waits_for_people_too(request.cancellation) else Verdict.MAY_HAVE_BEEN_SENT
        case State.SENDING:
            return Verdict.CALL_UNDER_WAY
        case _:
            return Verdict.WRONG_STATE


def _not_an_approver(request: Request, actor: Actor) -> Verdict | None:
    """Return None for an approver of this request: one of APPROVERS, and after an escalation one of ESCALATE_TO."""
    return _not_among(actor.approver, *([actor.escalation] if request.escalated_at is not None else []))


def _not_among(*places: Membership) -> Verdict | None:
    if Membership.MEMBER in places:
        return None
    return Verdict.UNCHECKED if Membership.UNCHECKED in places else Verdict.NOT_AN_APPROVER
