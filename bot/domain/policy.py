"""Who may ask, decide and read. Pure: each function answers with a verdict, never with a boolean."""

from dataclasses import dataclass
from enum import StrEnum

from bot.domain.cancellation import Cancellation, Choice, State


@dataclass(frozen=True, slots=True)
class People:
    """Slack user ids and user-group ids, as a setting names them."""

    users: frozenset[str]
    groups: frozenset[str]


class Standing(StrEnum):
    """Whether a person belongs to the people that a setting names, as far as could be found out."""

    MEMBER = "member"
    OUTSIDER = "outsider"
    UNCHECKED = "unchecked"
    """Slack did not answer who is in a user group. It never means yes."""


class Verdict(StrEnum):
    """What policy says of an act. Everything but ALLOWED is a refusal with its reason."""

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


class Scope(StrEnum):
    """Whose cancellations a person may read."""

    ALL = "all"
    OWN = "own"


def may_ask(standing: Standing) -> Verdict:
    """Whether a person of this standing among REQUESTERS may ask for a cancellation."""
    match standing:
        case Standing.MEMBER:
            return Verdict.ALLOWED
        case Standing.OUTSIDER:
            return Verdict.NOT_A_REQUESTER
        case Standing.UNCHECKED:
            return Verdict.UNCHECKED


def may_decide(
    cancellation: Cancellation,
    person: str,
    choice: Choice,
    standing: Standing,
    *,
    allow_self_approval: bool,
) -> Verdict:
    """Whether this person's approval or rejection counts now.

    Standing is told before the state, so that an outsider learns nothing from a click. An approver
    who has approved may still reject while others are awaited; a second approval counts for nothing.
    """
    refusal = _not_an_approver(standing)
    if refusal is not None:
        return refusal
    if cancellation.state is not State.PENDING:
        return Verdict.WRONG_STATE
    if choice is Choice.APPROVE:
        if person == cancellation.requester and not allow_self_approval:
            return Verdict.OWN_REQUEST
        if person in cancellation.approvers:
            return Verdict.ALREADY_COUNTED
    return Verdict.ALLOWED


def may_withdraw(cancellation: Cancellation, person: str) -> Verdict:
    """Whether this person may take the request back: only who asked, and only while it is pending."""
    if person != cancellation.requester:
        return Verdict.NOT_THE_REQUESTER
    return Verdict.ALLOWED if cancellation.state is State.PENDING else Verdict.WRONG_STATE


def may_retry(cancellation: Cancellation, standing: Standing) -> Verdict:
    """Whether a person of this standing among APPROVERS may have the approved cancel sent again."""
    refusal = _not_an_approver(standing)
    if refusal is not None:
        return refusal
    return Verdict.ALLOWED if cancellation.state.may_retry else Verdict.WRONG_STATE


def may_read(approver: Standing, auditor: Standing) -> Scope:
    """Auditors and approvers read everything; anyone else, and anyone unchecked, only their own."""
    return Scope.ALL if Standing.MEMBER in {approver, auditor} else Scope.OWN


def _not_an_approver(standing: Standing) -> Verdict | None:
    match standing:
        case Standing.MEMBER:
            return None
        case Standing.OUTSIDER:
            return Verdict.NOT_AN_APPROVER
        case Standing.UNCHECKED:
            return Verdict.UNCHECKED
