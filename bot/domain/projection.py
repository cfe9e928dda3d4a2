"""The tables as the record says that they must be: a pure fold over the events of one cancellation.

The events are the truth. The tables of cancellations, decisions, attempts and deliveries repeat them, so that they can
be searched. ``compare`` finds the first thing in which the tables contradict the events. The file is long because
it has one step for each kind of event, and one comparison for each table.
"""

import math
from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from functools import cache
from operator import attrgetter
from typing import Any, NamedTuple, TypeAlias, get_args

from pydantic import ValidationError

from bot.domain import events
from bot.domain.attempt import Answer, Outcome
from bot.domain.audit import BOT, Event
from bot.domain.cancellation import NEXT, Cancellation, Choice, Decision, State
from bot.domain.delivery import DeliveryKind
from bot.domain.events import Content, from_json
from bot.domain.words import ERASED, Word


class Subject(StrEnum):
    """The things in which the tables can contradict the events, or the events themselves."""

    ORDER_ID = "order_id"
    REASON = "reason"
    REQUESTER = "requester"
    STATE = "state"
    QUORUM = "quorum"
    REQUESTED_AT = "requested_at"
    EXPIRES_AT = "expires_at"
    CHANGED_AT = "changed_at"
    CARD = "card"
    ATTEMPT_COUNT = "attempt_count"
    REMINDED = "reminded"
    ESCALATED_AT = "escalated_at"
    DUE_AT = "due_at"
    """A pending request that the worker would not look at before it expires."""
    DECISIONS = "decisions"
    ATTEMPTS = "attempts"
    DELIVERIES = "deliveries"
    WORDS = "words"
    """The words beside an event are missing without an erasure, or are not those that it was written with."""
    EVENT = "event"
    """An event that cannot be read, or that cannot follow those before it."""
    REQUEST = "request"
    """A cancellation without events, or events without their cancellation."""
    NAME = "name"


@dataclass(frozen=True, slots=True)
class Contradiction:
    """The first thing that does not fit: what the events say, and what is kept in the tables.

    ``seq`` is the event that says so, or 0.
    """

    subject: Subject
    order_id: str
    seq: int = 0
    said: str = ""
    kept: str = ""


Row: TypeAlias = tuple[Any, ...]


class Kept(NamedTuple):
    """Everything that the tables hold about one cancellation, as plain rows: a verification reads very many.

    The columns of the cancellation are those of ``_SUBJECTS`` and then ``due_at``, of a decision those of
    ``_Decision``, and of an attempt those of ``_Attempt``. Those of a delivery are its kind, event, target, status, ts,
    and the last event drawn.
    """

    cancellation: Row
    decisions: Sequence[Row]
    attempts: Sequence[Row]
    deliveries: Sequence[Row]


class _Decision(NamedTuple):
    """A row of ``decisions`` as the events say it."""

    choice: str
    approver: str
    reason: str
    at: str
    requested_at: str


class _Attempt(NamedTuple):
    """A row of ``attempts`` as the events say it."""

    started_at: str
    finished_at: str | None
    outcome: str | None
    reason: str | None
    trouble: str | None
    trouble_about: str
    http_status: int | None
    code: str
    message: str
    request_id: str
    cancelled_at: str


@dataclass(slots=True)
class Said:
    """A decision or an attempt as its events say, with the number of the event that holds its words."""

    at: str
    seq: int
    text: str = ""
    """The commitment to a decision's reason, or empty."""
    answer: Answer | None = None
    answered_at: str = ""


@dataclass(slots=True)
class Projection:
    """One cancellation as its events say. Texts are commitments."""

    seq: int = 0
    """The request's own event; 0 until there is one."""
    order_id: str = ""
    reason: str = ""
    requester: str = ""
    state: State | None = None
    quorum: int = 0
    requested_at: str = ""
    expires_at: str = ""
    changed_at: str = ""
    channels: list[str] = field(default_factory=list)
    card_ts: str | None = None
    card_link: str = ""
    attempt_count: int = 0
    reminded: int = 0
    escalated_at: str | None = None
    stopped_by: str = ""
    decisions: dict[tuple[Choice, str], Said] = field(default_factory=dict)
    attempts: list[Said] = field(default_factory=list)
    owed: dict[tuple[int, DeliveryKind], str] = field(default_factory=dict)
    """New messages that must be in the outbox, with the person or an empty text for the card's channel."""
    may_be_owed: set[int] = field(default_factory=set)
    """The events that may owe another card or a direct message."""
    changed_seq: int = 0
    """The last event after which the card and the receipt must show something else."""
    card_seq: int = 0
    """The last event after which the receipt must say something else about the card."""
    passing: dict[type[Content], int] = field(default_factory=dict)
    """The newest event of each kind in ``PASSING`` whose messages are still of use."""
    outdated: dict[int, int] = field(default_factory=dict)
    """The events whose messages are of no use any more, with the event that made them so."""
    abandoned: set[DeliveryKind] = field(default_factory=set)
    commitments: dict[tuple[int, str], str] = field(default_factory=dict)
    erased: set[int] = field(default_factory=set)
    broken: int = 0
    """The first event that cannot be read or cannot follow, or 0."""

    @property
    def approvers(self) -> list[str]:
        """The people whose approval counts, in the order in which they approved."""
        return [person for choice, person in self.decisions if choice is Choice.APPROVE]

    def step(self, event: Event, to: State) -> bool:
        """Enter a state, if it may follow; return False if not."""
        if self.state is None or to not in NEXT[self.state]:
            return False
        self.state, self.changed_at, self.changed_seq = to, event.at, event.seq
        for kind in [kind for kind in self.passing if to not in PASSING[kind]]:
            self.outdated[self.passing.pop(kind)] = event.seq
        return True

    def stand(self, event: Event, kind: type[Content]) -> None:
        """Let this event's messages take the place of those of the same kind before it."""
        if (before := self.passing.get(kind)) is not None:
            self.outdated[before] = event.seq
        self.passing[kind] = event.seq

    def decide(self, event: Event, choice: Choice, text: str = "") -> None:
        """Count a decision; the same choice of the same person counts once, and a recount by the bot is nobody's."""
        if event.actor != BOT:
            self.decisions.setdefault((choice, event.actor), Said(event.at, event.seq, text))


Ending: TypeAlias = (
    events.Cancelled
    | events.Refused
    | events.Failed
    | events.StoppedTrying
    | events.Unknown
    | events.Rejected
    | events.Withdrawn
    | events.Expired
    | events.SettledCancelled
    | events.SettledNotCancelled
)
"""The events that end a cancellation."""


def leads_to(ending: Content) -> State:
    """Return the state to which an ending leads: the one that it is named for, but a stop leads to a failure."""
    return State.FAILED if isinstance(ending, events.StoppedTrying) else State(ending.kind)


_ENDINGS = frozenset(get_args(Ending))
PASSING: Mapping[type[Content], frozenset[State]] = {
    events.Voted: frozenset({State.PENDING}),
    events.Reminded: frozenset({State.PENDING}),
    events.Escalated: frozenset({State.PENDING}),
    events.GatewayTrouble: frozenset({State.APPROVED, State.SENDING}),
}
"""The events whose messages are of use only for a while: in these states, and until the next event of the same kind.

After that they are called off. The messages of all other events are brought to Slack however late it is.
"""


def messages_owed(content: Content, actor: str, requester: str) -> tuple[DeliveryKind, ...]:
    """Return the new messages that people must get about an event."""
    kind = type(content)
    if kind in _ENDINGS:
        # Nobody has to be told what they have just done.
        return (DeliveryKind.REPLY, *([DeliveryKind.DIRECT_MESSAGE] if actor != requester else []))
    if kind is events.Requested:
        return (DeliveryKind.CARD, DeliveryKind.RECEIPT)
    if isinstance(content, events.CardBlocked) and content.receipt_is_out:
        return (DeliveryKind.DIRECT_MESSAGE,)
    if kind is events.GatewayTrouble:
        return (DeliveryKind.REPLY, DeliveryKind.DIRECT_MESSAGE)
    if kind in PASSING:
        return (DeliveryKind.REPLY,)
    return ()


def fold(about: Iterable[Event]) -> Projection:
    """Return what the tables must say, from all events about one cancellation in their order."""
    found = Projection()
    for event in about:
        try:
            content = from_json(event.kind, event.data)
        except (KeyError, ValidationError):
            found.broken = found.broken or event.seq
            continue
        known = found.seq != 0
        if not known or event.order_id != found.order_id:
            # Everything begins with the request, and stays about its order.
            found.broken = found.broken or (0 if not known and event.kind == events.Requested.kind else event.seq)
        follow = _STEPS.get(type(content))
        if follow is not None and not follow(found, event, content):
            found.broken = found.broken or event.seq
        if found.escalated_at is None and _by_escalation(content):
            found.broken = found.broken or event.seq
        if type(content) in PASSING:
            found.stand(event, type(content))
        for path in content.words:
            if text := _getter(path)(content):
                found.commitments[event.seq, path] = text
        for kind in messages_owed(content, event.actor, found.requester):
            found.owed[event.seq, kind] = found.requester if kind.to_requester else ""
    return found


def _by_escalation(content: Content) -> bool:
    """Return True for a decision that only an escalation gave its person the right to."""
    ground = getattr(content, "ground", None)
    return ground is not None and ground.escalated


def _commitments(seq: int, content: Content) -> dict[tuple[int, str], str]:
    return {(seq, path): text for path in content.words if (text := _getter(path)(content))}


_getter = cache(attrgetter)


def _requested(found: Projection, event: Event, content: events.Requested) -> bool:
    if found.seq:
        return False
    found.seq, found.order_id, found.requester, found.reason = event.seq, event.order_id, event.actor, content.reason
    found.state, found.quorum = State.PENDING, content.quorum
    found.requested_at = found.changed_at = event.at
    found.expires_at = content.expires_at
    found.channels.append(content.channel)
    return True


def _voted(found: Projection, event: Event, _: events.Voted) -> bool:
    found.decide(event, Choice.APPROVE)
    found.changed_seq = event.seq
    return found.state is State.PENDING


def _approved(found: Projection, event: Event, content: events.Approved) -> bool:
    found.decide(event, Choice.APPROVE)
    found.attempt_count = 0
    return found.step(event, State.APPROVED) and len(found.approvers) >= content.of == found.quorum


def _votes_voided(found: Projection, event: Event, content: events.VotesVoided) -> bool:
    for approver in content.approvers:
        found.decisions.pop((Choice.APPROVE, approver), None)
    found.changed_seq = event.seq
    return found.state is State.PENDING


def _quorum_changed(found: Projection, event: Event, content: events.QuorumChanged) -> bool:
    found.quorum, found.changed_seq = content.now, event.seq
    return found.state is State.PENDING


def _expiry_moved(found: Projection, event: Event, content: events.ExpiryMoved) -> bool:
    found.expires_at, found.changed_seq = content.expires_at, event.seq
    return found.state is State.PENDING


def _reminded(found: Projection, _: Event, content: events.Reminded) -> bool:
    found.reminded += 1
    return found.state is State.PENDING and content.number == found.reminded


def _escalated(found: Projection, event: Event, _: events.Escalated) -> bool:
    first, found.escalated_at, found.changed_seq = found.escalated_at is None, event.at, event.seq
    return first and found.state is State.PENDING


def _rejected(found: Projection, event: Event, content: events.Rejected) -> bool:
    found.decide(event, Choice.REJECT, content.reason)
    return found.step(event, State.REJECTED)


def _settled(found: Projection, event: Event, content: events.SettledCancelled | events.SettledNotCancelled) -> bool:
    found.decide(event, Choice.SETTLE, content.how)
    return found.step(event, leads_to(content))


def _ended(found: Projection, event: Event, content: Content) -> bool:
    return found.step(event, leads_to(content))


def _hurried(found: Projection, event: Event, _: events.Hurried) -> bool:
    found.changed_seq = event.seq
    return found.state is State.APPROVED


def _stopped_trying(found: Projection, event: Event, content: events.StoppedTrying) -> bool:
    found.stopped_by = event.actor
    nothing_done = all(each.answer and each.answer.outcome is Outcome.NOT_SENT for each in found.attempts)
    return found.state is State.APPROVED and nothing_done and _ended(found, event, content)


def _sending(found: Projection, event: Event, content: events.Sending) -> bool:
    found.attempt_count = content.attempt
    found.attempts.append(Said(event.at, event.seq))
    changed, follows = found.changed_seq, found.step(event, State.SENDING)
    found.changed_seq = changed  # the card shows no difference
    return follows


def _answered(found: Projection, event: Event, content: events.Answered) -> bool:
    if not 1 <= content.call <= len(found.attempts):
        return False
    attempt = found.attempts[content.call - 1]
    attempt.seq, attempt.answer, attempt.answered_at = event.seq, content.answer, event.at
    match content:
        case events.AnsweredLate():
            return True
        case events.Repeating():
            return found.step(event, State.APPROVED)
    return found.step(event, leads_to(content))


def _gateway_trouble(found: Projection, _: Event, content: events.GatewayTrouble) -> bool:
    return found.state is State.APPROVED and content.attempts == found.attempt_count


def _retried(found: Projection, event: Event, _: events.Retried) -> bool:
    found.attempt_count, found.stopped_by = 0, ""
    return found.step(event, State.APPROVED)


def _card_posted(found: Projection, event: Event, content: events.CardPosted) -> bool:
    found.channels.append(content.channel)
    found.card_ts, found.card_link, found.card_seq = content.ts, content.link, event.seq
    return True


def _card_blocked(found: Projection, event: Event, _: events.CardBlocked) -> bool:
    found.card_seq = event.seq
    return True


def _abandoned(found: Projection, event: Event, content: events.DeliveryAbandoned) -> bool:
    found.abandoned.add(content.delivery)
    found.may_be_owed.add(event.seq)
    about_card = content.delivery in {DeliveryKind.CARD, DeliveryKind.CARD_UPDATE}
    if about_card and found.state is not None and found.state.awaits_people:
        found.card_seq = event.seq
    return True


def _erased(found: Projection, _: Event, content: events.Erased) -> bool:
    found.erased.update(content.events)
    return True


_Step: TypeAlias = Callable[[Projection, Event, Any], bool]
_STEPS: dict[type[Content], _Step] = {
    events.Requested: _requested,
    events.Voted: _voted,
    events.Approved: _approved,
    events.VotesVoided: _votes_voided,
    events.QuorumChanged: _quorum_changed,
    events.ExpiryMoved: _expiry_moved,
    events.Reminded: _reminded,
    events.Escalated: _escalated,
    events.Rejected: _rejected,
    events.Withdrawn: _ended,
    events.Expired: _ended,
    events.Sending: _sending,
    events.Repeating: _answered,
    events.Cancelled: _answered,
    events.Refused: _answered,
    events.Failed: _answered,
    events.Unknown: _answered,
    events.AnsweredLate: _answered,
    events.GatewayTrouble: _gateway_trouble,
    events.Retried: _retried,
    events.Hurried: _hurried,
    events.StoppedTrying: _stopped_trying,
    events.SettledCancelled: _settled,
    events.SettledNotCancelled: _settled,
    events.CardPosted: _card_posted,
    events.CardBlocked: _card_blocked,
    events.DeliveryAbandoned: _abandoned,
    events.Erased: _erased,
}
"""How each event changes the projection; False where it cannot follow those before it. Other events change nothing."""

_Text: TypeAlias = Callable[[int, str, str], str]
"""The text of a commitment: by the number of its event, the path of its field, and the commitment."""
Words: TypeAlias = Mapping[tuple[int, str], Word]
"""The texts beside the events, by the number of the event and the path of the field."""


def compare(said: Projection, kept: Kept | None, words: Words) -> Contradiction | None:
    """Return the first thing in which the tables contradict the events of one cancellation, or None."""
    if said.broken:
        return Contradiction(Subject.EVENT, said.order_id, said.broken)
    if kept is None or not said.seq:
        return Contradiction(Subject.REQUEST, kept.cancellation[0] if kept else said.order_id, said.seq)

    def differs(subject: Subject, says: object, has: object, seq: int = 0) -> Contradiction:
        says, has = ("" if each is None else str(each) for each in (says, has))
        return Contradiction(subject, said.order_id, seq, says, has)

    if (misfit := _misfit(said.commitments, words, said.erased)) is not None:
        return differs(Subject.WORDS, misfit[1], "", misfit[0])

    def text(seq: int, path: str, commitment: str) -> str:
        if not commitment:
            return ""
        word = words.get((seq, path))
        return ERASED if word is None else word.text

    says = (
        said.order_id,
        text(said.seq, "reason", said.reason),
        said.requester,
        said.state,
        said.quorum,
        said.requested_at,
        said.expires_at,
        said.changed_at,
        said.channels[-1],
        said.card_ts,
        said.card_link,
        said.attempt_count,
        said.reminded,
        said.escalated_at,
    )
    *has, due_at = kept.cancellation
    if says != tuple(has):
        rows = zip(_SUBJECTS, says, has, strict=True)
        return next(differs(subject, right, has, said.seq) for subject, right, has in rows if right != has)
    if said.state is State.PENDING and not (due_at and due_at <= said.expires_at):
        return differs(Subject.DUE_AT, said.expires_at, due_at, said.seq)
    return _decisions(said, kept, text) or _attempts(said, kept, text) or _outbox(said, kept)


_SUBJECTS = (
    Subject.ORDER_ID,
    Subject.REASON,
    Subject.REQUESTER,
    Subject.STATE,
    Subject.QUORUM,
    Subject.REQUESTED_AT,
    Subject.EXPIRES_AT,
    Subject.CHANGED_AT,
    Subject.CARD,
    Subject.CARD,
    Subject.CARD,
    Subject.ATTEMPT_COUNT,
    Subject.REMINDED,
    Subject.ESCALATED_AT,
)


def _decisions(said: Projection, kept: Kept, text: "_Text") -> Contradiction | None:
    decisions = [
        (
            choice,
            approver,
            text(each.seq, "how" if choice is Choice.SETTLE else "reason", each.text),
            each.at,
            said.requested_at,
        )
        for (choice, approver), each in said.decisions.items()
    ]
    # As lists first: to hash them took nearly half the time of a comparison.
    if decisions == kept.decisions or Counter(decisions) == Counter(kept.decisions):
        return None
    return Contradiction(Subject.DECISIONS, said.order_id, 0, _people(decisions), _people(kept.decisions))


def _attempts(said: Projection, kept: Kept, text: "_Text") -> Contradiction | None:
    for each, has in zip(said.attempts, kept.attempts, strict=False):
        says = _attempt(each, text)
        if says != has:
            return Contradiction(Subject.ATTEMPTS, said.order_id, each.seq, *_difference(says, has))
    if len(said.attempts) != len(kept.attempts):
        counts = (str(len(said.attempts)), str(len(kept.attempts)))
        return Contradiction(Subject.ATTEMPTS, said.order_id, 0, *counts)
    return None


def corrected(found: Cancellation, said: Projection, words: Words) -> Cancellation:
    """Return a cancellation that contradicts its events, with everything that people read as the events say it."""

    def text(seq: int, path: str, commitment: str) -> str:
        word = words.get((seq, path))
        return word.text if commitment and word is not None and _fits(word, commitment, erased=False) else ""

    def decision(choice: Choice, approver: str, each: Said) -> Decision:
        path = "how" if choice is Choice.SETTLE else "reason"
        return Decision(approver, choice, text(each.seq, path, each.text), datetime.fromisoformat(each.at))

    if said.broken or not said.seq or said.state is None:
        return found
    return replace(
        found,
        order_id=said.order_id,
        reason=text(said.seq, "reason", said.reason),
        requester=said.requester,
        state=said.state,
        approvals_required=said.quorum,
        requested_at=datetime.fromisoformat(said.requested_at),
        changed_at=datetime.fromisoformat(said.changed_at),
        card_channel=said.channels[-1],
        card_ts=said.card_ts,
        card_link=said.card_link,
        escalated_at=datetime.fromisoformat(said.escalated_at) if said.escalated_at else None,
        decisions=tuple(decision(*who, each) for who, each in said.decisions.items()),
        last_answer=next((each.answer for each in reversed(said.attempts) if each.answer is not None), None),
        stopped_by=said.stopped_by,
    )


def compare_apart(event: Event, words: Words, erased: Container[int]) -> Contradiction | None:
    """Return the first thing in which an event that is about no cancellation contradicts the words beside it."""
    try:
        content = from_json(event.kind, event.data)
    except (KeyError, ValidationError):
        return Contradiction(Subject.EVENT, "", event.seq)
    misfit = _misfit(_commitments(event.seq, content), words, erased)
    return Contradiction(Subject.WORDS, "", event.seq, misfit[1]) if misfit is not None else None


def _misfit(commitments: Mapping[tuple[int, str], str], words: Words, erased: Container[int]) -> tuple[int, str] | None:
    """Return the place of the first words that are missing, are others, or have no commitment."""
    for place, commitment in commitments.items():
        if not _fits(words.get(place), commitment, erased=place[0] in erased):
            return place
    # Asked first, as it is true of nearly all and makes no set.
    return None if words.keys() <= commitments.keys() else min(words.keys() - commitments.keys())


def _fits(word: Word | None, commitment: str, *, erased: bool) -> bool:
    if word is None or erased:
        return word is None and erased  # an erasure that left its words is false
    try:
        return word.commitment == commitment
    except ValueError:
        return False  # the salt is no hexadecimal number


def _attempt(said: Said, text: "_Text") -> Row:
    """Return a row of ``attempts``, with the columns of ``_Attempt``."""
    answer = said.answer
    if answer is None:
        return (said.at, None, None, None, None, "", None, "", "", "", "")
    return (
        said.at,
        said.answered_at,
        answer.outcome,
        answer.reason,
        answer.trouble,
        answer.trouble_about,
        answer.http_status,
        text(said.seq, "answer.code", answer.code),
        text(said.seq, "answer.message", answer.message),
        answer.request_id,
        answer.cancelled_at,
    )


def _outbox(said: Projection, kept: Kept) -> Contradiction | None:
    """Compare the outbox: everything owed must be there once, nothing else, and nothing dropped without an event."""
    missing = dict(said.owed)
    # What must be shown, and where; Slack has a receipt no longer that could not be posted or updated once.
    unshown = {DeliveryKind.CARD_UPDATE: said.changed_seq}
    if not said.abandoned & _RECEIPTS:
        unshown[DeliveryKind.RECEIPT_UPDATE] = max(said.changed_seq, said.card_seq)
    for kind, event_seq, target, status, ts, drawn_seq in kept.deliveries:
        update, to_requester = kind in _UPDATES, kind in _TO_REQUESTER
        if not update and missing.pop((event_seq, kind), None) is None and event_seq not in said.may_be_owed:
            return Contradiction(Subject.DELIVERIES, said.order_id, event_seq, "", kind)
        if target != said.requester if to_requester else target not in said.channels:
            return Contradiction(Subject.DELIVERIES, said.order_id, event_seq, said.channels[-1], target)
        # What would be below a card that is not there goes with it.
        dropped = status == "abandoned" and not said.abandoned & ({kind} if to_requester else {kind, DeliveryKind.CARD})
        unplaced = status == "delivered" and not update and not ts
        # A message that is of no use any more is called off, and no other is. Nobody began to post it after that.
        outdated_by = said.outdated.get(event_seq)
        dropped = dropped or (status == "called_off" and (update or outdated_by is None))
        too_late = status == "delivered" and not update and outdated_by is not None and drawn_seq >= outdated_by
        if dropped or unplaced or too_late:
            return Contradiction(Subject.DELIVERIES, said.order_id, event_seq, kind, status)
        # A receipt that is posted late shows everything until then, as an update would.
        shows = DeliveryKind.RECEIPT_UPDATE if kind in _RECEIPTS else kind
        if status == "queued" or drawn_seq >= unshown.get(shows, math.inf):
            unshown.pop(shows, None)
    if missing or any(unshown.values()):
        unseen = next(((seq, kind) for kind, seq in unshown.items() if seq), (0, DeliveryKind.CARD_UPDATE))
        seq, kind = next(iter(missing), unseen)
        return Contradiction(Subject.DELIVERIES, said.order_id, seq, kind)
    return None


_UPDATES = {kind for kind in DeliveryKind if not kind.is_new_message}
_TO_REQUESTER = {kind for kind in DeliveryKind if kind.to_requester}
_RECEIPTS = {DeliveryKind.RECEIPT, DeliveryKind.RECEIPT_UPDATE}


def _people(decisions: Iterable[Row]) -> str:
    return ", ".join(sorted(_person(_Decision._make(each)) for each in decisions))


def _person(decision: _Decision) -> str:
    shown = f"{decision.choice} by {decision.approver} at {decision.at}"
    return f"{shown}: {decision.reason}" if decision.reason else shown


def _difference(said: Row, kept: Row) -> tuple[str, str]:
    """Return the first field in which two attempts differ, with both values."""
    rows = zip(_Attempt._fields, said, kept, strict=True)
    return next((f"{name} {a}", f"{name} {b}") for name, a, b in rows if a != b)
