"""The rules of who may ask, decide, retry and read. Pure: each rule answers with a verdict, never with a boolean."""

from dataclasses import dataclass
from enum import StrEnum

from bot.domain.cancellation import Cancellation, Choice, State


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


class Membership(StrEnum):
    """A person's place among the people that a setting names, as far as it could be found out."""

    MEMBER = "member"
    OUTSIDER = "outsider"
    UNCHECKED = "unchecked"
    """Nobody asked, or Slack did not say who is in a user group. It never means yes."""


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


class Act(StrEnum):
    """The acts that a person can do to a request."""

    APPROVE = "approve"
    REJECT = "reject"
    WITHDRAW = "withdraw"
    RETRY = "retry"


class Verdict(StrEnum):
    """The answer to an act. Everything but ALLOWED is a refusal with its cause."""

    ALLOWED = "allowed"
    NOT_A_REQUESTER = "not_a_requester"
    NOT_AN_APPROVER = "not_an_approver"
    NOT_THE_REQUESTER = "not_the_requester"
    NOT_AN_AUDITOR = "not_an_auditor"
    OWN_REQUEST = "own_request"
    ALREADY_COUNTED = "already_counted"
    ANOTHER_IS_OPEN = "another_is_open"
    WRONG_STATE = "wrong_state"
    UNCHECKED = "unchecked"
    NOT_OF_THIS_WORKSPACE = "not_of_this_workspace"
    BAD_ORDER_ID = "bad_order_id"
    NO_SUCH_REQUEST = "no_such_request"


class Scope(StrEnum):
    """The cancellations that a person may read."""

    ALL = "all"
    OWN = "own"


def may_ask(actor: Actor) -> Verdict:
    """Return ALLOWED where this person may ask for a cancellation."""
    match actor.requester:
        case Membership.MEMBER:
            return Verdict.ALLOWED
        case Membership.OUTSIDER:
            return Verdict.NOT_A_REQUESTER
        case Membership.UNCHECKED:
            return Verdict.UNCHECKED


def may_decide(cancellation: Cancellation, actor: Actor, choice: Choice, *, allow_self_approval: bool) -> Verdict:
    """Return ALLOWED where this person's approval or rejection counts now.

    Membership comes before the state, so that an outsider learns nothing from a click. An approver
    who has approved may still reject while others are awaited; a second approval counts for nothing.
    """
    refusal = _not_an_approver(actor)
    if refusal is not None:
        return refusal
    if cancellation.state is not State.PENDING:
        return Verdict.WRONG_STATE
    if choice is Choice.APPROVE:
        if actor.id == cancellation.requester and not allow_self_approval:
            return Verdict.OWN_REQUEST
        if actor.id in cancellation.approvers:
            return Verdict.ALREADY_COUNTED
    return Verdict.ALLOWED


def may_withdraw(cancellation: Cancellation, actor: Actor) -> Verdict:
    """Return ALLOWED where this person may take the request back: only its requester, only while it is pending."""
    if actor.id != cancellation.requester:
        return Verdict.NOT_THE_REQUESTER
    return Verdict.ALLOWED if cancellation.state is State.PENDING else Verdict.WRONG_STATE


def may_retry(cancellation: Cancellation, actor: Actor) -> Verdict:
    """Return ALLOWED where this person may have the approved cancel sent again."""
    refusal = _not_an_approver(actor)
    if refusal is not None:
        return refusal
    return Verdict.ALLOWED if cancellation.state.may_retry else Verdict.WRONG_STATE


def may_read(actor: Actor) -> Scope:
    """Return ALL for auditors and approvers; anyone else, and anyone unchecked, reads only their own requests."""
    return Scope.ALL if Membership.MEMBER in {actor.approver, actor.auditor} else Scope.OWN


def _not_an_approver(actor: Actor) -> Verdict | None:
    match actor.approver:
        case Membership.MEMBER:
            return None
        case Membership.OUTSIDER:
            return Verdict.NOT_AN_APPROVER
        case Membership.UNCHECKED:
            return Verdict.UNCHECKED
