"""The tables as the record says that they must be: a pure fold over the events of one request.

The events are the truth. The tables of requests, cancellations, decisions, attempts and deliveries repeat them, so that
they can be searched. ``compare`` finds the first thing in which the tables contradict the events. The file is long
because it has one step for each kind of event, and one comparison for each table.
"""

from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from functools import cache
from itertools import groupby
from operator import attrgetter, itemgetter
from typing import Any, NamedTuple, TypeAlias, get_args

from pydantic import ValidationError

from bot.domain import events
from bot.domain.attempt import Answer, Outcome
from bot.domain.audit import BOT, Event
from bot.domain.cancellation import NEXT, UNDER_WAY, Cancellation, Choice, Decision, State
from bot.domain.delivery import DeliveryKind
from bot.domain.events import KINDS, Content, reader
from bot.domain.request import Request
from bot.domain.words import ERASED, Word


class Subject(StrEnum):
    """The things in which the tables can contradict the events, or the events themselves."""

    ORDER_ID = "order_id"
    REASON = "reason"
    CATEGORY = "category"
    SOURCE = "source"
    REQUESTER = "requester"
    STATE = "state"
    QUORUM = "quorum"
    REQUESTED_AT = "requested_at"
    EXPIRES_AT = "expires_at"
    APPROVAL_TTL = "approval_ttl"
    CHANGED_AT = "changed_at"
    CHANGED_SEQ = "changed_seq"
    CARD = "card"
    ATTEMPT_COUNT = "attempt_count"
    REMINDED = "reminded"
    ESCALATED_AT = "escalated_at"
    DUE_AT = "due_at"
    """A pending request that the worker would look at too late, an approved order that it would never look at, or
    anything else that it would look at."""
    DECISIONS = "decisions"
    ATTEMPTS = "attempts"
    DELIVERIES = "deliveries"
    WORDS = "words"
    """The words beside an event are missing without an erasure, or are not those that it was written with."""
    EVENT = "event"
    """An event that cannot be read, or that cannot follow those before it."""
    REQUEST = "request"
    """A request without events, or events without their request."""
    NAME = "name"


@dataclass(frozen=True, slots=True)
class Contradiction:
    """The first thing that does not fit: what the events say, and what is kept in the tables.

    ``order_id`` is the order that it is about, or the first one of the request. ``seq`` is the event that says so,
    or 0.
    """

    subject: Subject
    order_id: str
    seq: int = 0
    said: str = ""
    kept: str = ""


Row: TypeAlias = tuple[Any, ...]


class Kept(NamedTuple):
    """Everything that the tables hold about one request, as plain rows: a verification reads very many.

    Each row begins with the number of the request. The request goes on with its ID, the columns of ``_SUBJECTS`` and
    then ``due_at``; a cancellation with its number and ``due_at``, and then the columns of ``_OF_ORDER``; an attempt
    with the number of its cancellation, and then the columns of ``_Attempt``; a decision with those of ``_Decision``;
    a delivery with its kind, event, target, status, ts, and the last event drawn. Cancellations are in the order of
    their numbers, and the attempts of each stand together, as they were made.
    """

    request: Row
    cancellations: Sequence[Row]
    decisions: Sequence[Row]
    attempts: Sequence[Row]
    deliveries: Sequence[Row]

    @property
    def first_order(self) -> str:
        """The id of the first order, or an empty text where there is none."""
        return self.cancellations[0][3] if self.cancellations else ""


class _Decision(NamedTuple):
    """A row of ``decisions`` as the events say it."""

    choice: str
    approver: str
    order_id: str
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
class OrderSaid:
    """One order of a request as the events say."""

    changed_at: str
    changed_seq: int
    state: State = State.PENDING
    attempt_count: int = 0
    stopped_by: str = ""
    attempts: list[Said] = field(default_factory=list)


@dataclass(slots=True)
class Projection:
    """One request as its events say. Texts are commitments."""

    seq: int = 0
    """The request's own event; 0 until there is one."""
    only: str | None = None
    """The only order, which all events name; None where there are several, or none yet."""
    orders: dict[str, OrderSaid] = field(default_factory=dict)
    reason: str = ""
    category: str = ""
    source: str = ""
    requester: str = ""
    quorum: int = 0
    requested_at: str = ""
    expires_at: str = ""
    approval_ttl: int = 0
    channels: list[str] = field(default_factory=list)
    card_ts: str | None = None
    card_link: str = ""
    reminded: int = 0
    escalated_at: str | None = None
    decisions: dict[tuple[Choice, str, str], Said] = field(default_factory=dict)
    """The decisions by their kind, their person and, of a statement by hand, the order."""
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
    told: dict[str, int] = field(default_factory=dict)
    """The newest event by which people hear how each order ended; under an empty text that for all of several."""
    outdated: dict[int, int] = field(default_factory=dict)
    """The events whose messages are of no use any more, with the event that made them so."""
    abandoned: set[DeliveryKind] = field(default_factory=set)
    set_back: bool = False
    """True once an older copy took over: what it did since is on no record."""
    commitments: dict[tuple[int, str], str] = field(default_factory=dict)
    erased: set[int] = field(default_factory=set)
    broken: int = 0
    """The first event that cannot be read or cannot follow, or 0."""

    @property
    def order_id(self) -> str:
        """The first order, or an empty text before there is one."""
        return next(iter(self.orders), "")

    @property
    def approvers(self) -> list[str]:
        """The people whose approval counts, in the order in which they approved."""
        return [person for choice, person, _ in self.decisions if choice is Choice.APPROVE]

    @property
    def pending(self) -> bool:
        """Return True while the request waits for a decision."""
        return any(each.state is State.PENDING for each in self.orders.values())

    @property
    def under_way(self) -> bool:
        """Return True while the gateway is still to be called for one of the orders."""
        return any(each.state in UNDER_WAY for each in self.orders.values())

    def step(self, event: Event, to: State) -> bool:
        """Enter a state with the event's order, or with every order, if it may follow; return False if not."""
        stepping = [self.orders[event.order_id]] if event.order_id else self.orders.values()
        for each in stepping:
            if to not in NEXT[each.state]:
                return False
        for each in stepping:
            each.state, each.changed_at, each.changed_seq = to, event.at, event.seq
        self.changed_seq = event.seq
        if self.told:
            self._tell_anew(event, to)
        if self.passing:
            for kind in [kind for kind in self.passing if not self._is_of_use(kind)]:
                self.outdated[self.passing.pop(kind)] = event.seq
        return True

    def _tell_anew(self, event: Event, to: State) -> None:
        """Call off what people have yet to read about how an order ended, if it says how it was before this step.

        The summary of several orders shows how they stand when it is posted. So it is true until they are sent again.
        """
        outdated = [event.order_id]
        if to is State.APPROVED and len(self.orders) > 1:
            outdated.append("")
        for about in outdated:
            if (before := self.told.pop(about, None)) is not None:
                self.outdated[before] = event.seq

    def _is_of_use(self, kind: type[Content]) -> bool:
        return any(each.state in PASSING[kind] for each in self.orders.values())

    def stand(self, event: Event, kind: type[Content]) -> None:
        """Let this event's messages take the place of those of the same kind before it."""
        if (before := self.passing.get(kind)) is not None:
            self.outdated[before] = event.seq
        self.passing[kind] = event.seq

    def decide(self, event: Event, choice: Choice, text: str = "", order_id: str = "") -> None:
        """Count a decision; the same choice of the same person counts once, and a recount by the bot is nobody's."""
        if event.actor != BOT:
            self.decisions.setdefault((choice, event.actor, order_id), Said(event.at, event.seq, text))


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
"""The events that end a cancellation, or with several orders all of a request."""


def leads_to(ending: Content) -> State:
    """Return the state to which an ending leads: the one that it is named for, but a stop leads to a failure."""
    return _LEADS_TO[type(ending)]


_ENDINGS = frozenset(get_args(Ending))
_LEADS_TO = {kind: State.FAILED if kind is events.StoppedTrying else State(kind.kind) for kind in _ENDINGS}
PASSING: Mapping[type[Content], frozenset[State]] = {
    events.Voted: frozenset({State.PENDING}),
    events.Reminded: frozenset({State.PENDING}),
    events.Escalated: frozenset({State.PENDING}),
    events.GatewayTrouble: frozenset({State.APPROVED, State.SENDING}),
}
"""The events whose messages are of use only for a while: until the next event of the same kind, and as long as one of
the orders is in these states.

After that they are called off. So is the news of an ending after which the order was sent again, settled or confirmed:
it would say what is no longer so. The messages of all other events are brought to Slack however late it is.
"""
MAY_BE_OUTDATED = _ENDINGS | PASSING.keys()
"""The events whose messages may be called off."""


def is_about_one(ending: Content) -> bool:
    """Return True for an ending that is told of one order, also where it is one of several: whatever the others do."""
    settled = isinstance(ending, events.SettledCancelled | events.SettledNotCancelled)
    return settled or (isinstance(ending, events.Cancelled) and ending.late)


def messages_owed(
    content: Content, actor: str, requester: str, *, under_way: bool, several: bool
) -> tuple[DeliveryKind, ...]:
    """Return the new messages that people must get about an event.

    ``under_way`` is true where after it the gateway is still to be called for an order of the request: people are told
    once how all of them ended, and before that only what somebody found or what was confirmed late, for the summary has
    none of their words. ``several`` is true for a request of more than one order.
    """
    if isinstance(content, events.CardBlocked) and not content.told_directly:
        return ()
    kind = type(content)
    if kind in _ENDINGS:
        if under_way and not is_about_one(content):
            return ()
        # Nobody has to be told what they have just done; but who stops some orders hears how the others ended.
        if actor == requester and not (several and kind is events.StoppedTrying):
            return (DeliveryKind.REPLY,)
    return _OWED.get(kind, ())


_OWED: Mapping[type[Content], tuple[DeliveryKind, ...]] = {
    **dict.fromkeys(PASSING, (DeliveryKind.REPLY,)),
    **dict.fromkeys((*_ENDINGS, events.GatewayTrouble), (DeliveryKind.REPLY, DeliveryKind.DIRECT_MESSAGE)),
    events.Requested: (DeliveryKind.CARD, DeliveryKind.RECEIPT),
    events.CardBlocked: (DeliveryKind.DIRECT_MESSAGE,),
}


def fold(about: Iterable[Event]) -> Projection:
    """Return what the tables must say, from all events about one request in their order."""
    found = Projection()
    for event in about:
        try:
            read, follow, has_ground, passing, words, owes, ends, _ = _rule(event.kind)
            content = read(event.data)
        except (KeyError, ValidationError):
            found.broken = found.broken or event.seq
            continue
        # Asked first, as it is true of nearly all: with one order every event names it.
        named = event.order_id == found.only or _may_name(found, event.order_id, type(content))
        if not named or (follow is not None and not follow(found, event, content)):
            found.broken = found.broken or event.seq
        if has_ground and found.escalated_at is None and _by_escalation(content):
            found.broken = found.broken or event.seq
        if passing:
            found.stand(event, type(content))
        for path, text_of in words:
            if text := text_of(content):
                found.commitments[event.seq, path] = text
        if owes:
            under_way, several = ends and found.under_way, len(found.orders) > 1
            for kind in messages_owed(content, event.actor, found.requester, under_way=under_way, several=several):
                found.owed[event.seq, kind] = found.requester if kind.to_requester else ""
                if ends:
                    found.told["" if several and not is_about_one(content) else event.order_id] = event.seq
    return found


def _may_name(found: Projection, order_id: str, kind: type[Content]) -> bool:
    """Return True for the order, or none, that an event of this kind names where it need not be the only one."""
    if kind is events.Requested:
        return True  # it says itself what it may name
    if kind in _ABOUT_ONE_ORDER:
        return order_id in found.orders
    # What changes nothing may be about one order as well.
    return len(found.orders) > 1 and (not order_id or (kind not in _STEPS and order_id in found.orders))


class _Rule(NamedTuple):
    """Everything that a fold has to know of a kind of event, so that it asks once and not for each event."""

    read: Callable[[str], Content]
    follow: "_Step | None"
    has_ground: bool
    passing: bool
    words: tuple[tuple[str, Callable[[Content], str]], ...]
    owes: bool
    ends: bool
    apart: bool
    """True for a kind that may be about no request."""


@cache
def _rule(kind: str) -> _Rule:
    """Return the rule of a kind. Raises KeyError for one that this version does not know."""
    content = KINDS[kind]
    return _Rule(
        reader(kind),
        _STEPS.get(content, None if content in _CHANGE_NOTHING else _misplaced),
        hasattr(content, "ground"),
        content in PASSING,
        tuple((path, attrgetter(path)) for path in content.words),
        content in _OWED,
        content in _ENDINGS,
        content not in _STEPS or content in _ABOUT_ANYTHING,
    )


def _misplaced(_: Projection, __: Event, ___: Content) -> bool:
    """Return False for an event that is never about a request."""
    return False


def _by_escalation(content: Any) -> bool:
    """Return True for a decision that only an escalation gave its person the right to."""
    return content.ground is not None and content.ground.escalated


def _requested(found: Projection, event: Event, content: events.Requested) -> bool:
    if found.seq:
        return False
    found.seq, found.requester, found.reason, found.quorum = event.seq, event.actor, content.reason, content.quorum
    found.only = content.orders[0] if len(content.orders) == 1 else None
    found.orders = {order_id: OrderSaid(event.at, event.seq) for order_id in content.orders}
    found.category, found.source = content.category, content.source
    found.requested_at, found.expires_at = event.at, content.expires_at
    waits = datetime.fromisoformat(content.expires_at) - datetime.fromisoformat(event.at)
    found.approval_ttl = round(waits.total_seconds())
    found.channels.append(content.channel)
    return 0 < len(content.orders) == len(found.orders) and event.order_id == (found.only or "")


def _voted(found: Projection, event: Event, _: events.Voted) -> bool:
    found.decide(event, Choice.APPROVE)
    found.changed_seq = event.seq
    return found.pending


def _approved(found: Projection, event: Event, content: events.Approved) -> bool:
    found.decide(event, Choice.APPROVE)
    return found.step(event, State.APPROVED) and len(found.approvers) >= content.of == found.quorum


def _votes_voided(found: Projection, event: Event, content: events.VotesVoided) -> bool:
    # Everything that it takes out of the count must have been counted: it was read from a table.
    counted = [found.decisions.pop((Choice.APPROVE, approver, ""), None) for approver in content.approvers]
    found.changed_seq = event.seq
    return found.pending and None not in counted


def _quorum_changed(found: Projection, event: Event, content: events.QuorumChanged) -> bool:
    follows = found.quorum == content.before
    found.quorum, found.changed_seq = content.now, event.seq
    return found.pending and follows


def _expiry_moved(found: Projection, event: Event, content: events.ExpiryMoved) -> bool:
    found.expires_at, found.changed_seq = content.expires_at, event.seq
    return found.pending


def _reminded(found: Projection, _: Event, content: events.Reminded) -> bool:
    found.reminded += not content.joined
    return found.pending and content.number == (0 if content.joined else found.reminded)


def _escalated(found: Projection, event: Event, _: events.Escalated) -> bool:
    first, found.escalated_at, found.changed_seq = found.escalated_at is None, event.at, event.seq
    return first and found.pending


def _rejected(found: Projection, event: Event, content: events.Rejected) -> bool:
    found.decide(event, Choice.REJECT, content.reason)
    return found.step(event, State.REJECTED)


def _settled(found: Projection, event: Event, content: events.SettledCancelled | events.SettledNotCancelled) -> bool:
    found.decide(event, Choice.SETTLE, content.how, event.order_id)
    return found.step(event, leads_to(content))


def _ended(found: Projection, event: Event, content: Content) -> bool:
    return found.step(event, leads_to(content))


def _hurried(found: Projection, event: Event, _: events.Hurried) -> bool:
    found.changed_seq = event.seq
    return found.orders[event.order_id].state is State.APPROVED


def _stopped_trying(found: Projection, event: Event, content: events.StoppedTrying) -> bool:
    order = found.orders[event.order_id]
    order.stopped_by = event.actor
    nothing_done = all(each.answer and each.answer.outcome is Outcome.NOT_SENT for each in order.attempts)
    return order.state is State.APPROVED and (nothing_done or found.set_back) and _ended(found, event, content)


def _sending(found: Projection, event: Event, content: events.Sending) -> bool:
    order = found.orders[event.order_id]
    order.attempt_count = content.attempt
    order.attempts.append(Said(event.at, event.seq))
    changed, follows = found.changed_seq, found.step(event, State.SENDING)
    found.changed_seq = changed  # the card shows no difference
    return follows


def _answered(found: Projection, event: Event, content: events.Answered) -> bool:
    attempts = found.orders[event.order_id].attempts
    if not 1 <= content.call <= len(attempts):
        return False
    attempt = attempts[content.call - 1]
    attempt.seq, attempt.answer, attempt.answered_at = event.seq, content.answer, event.at
    return True


def _concluded(found: Projection, event: Event, content: events.Answered) -> bool:
    return _answered(found, event, content) and found.step(event, leads_to(content))


def _repeating(found: Projection, event: Event, content: events.Repeating) -> bool:
    return _answered(found, event, content) and found.step(event, State.APPROVED)


def _gateway_trouble(found: Projection, event: Event, content: events.GatewayTrouble) -> bool:
    order = found.orders[event.order_id]
    return order.state is State.APPROVED and content.attempts == order.attempt_count


def _retried(found: Projection, event: Event, _: events.Retried) -> bool:
    order = found.orders[event.order_id]
    order.attempt_count, order.stopped_by = 0, ""
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
    if content.card_is_gone:
        found.card_link = ""
    if content.card_is_gone or (about_card and not all(each.state.over for each in found.orders.values())):
        found.card_seq = event.seq
    return True


def _set_back(found: Projection, event: Event, content: events.SetBack) -> bool:
    found.set_back = True
    failed = {order_id for order_id, order in found.orders.items() if order.state is State.FAILED}
    return failed.issuperset(content.unknown) and all(
        found.step(event._replace(order_id=each), State.UNKNOWN) for each in content.unknown
    )


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
    events.SetBack: _set_back,
    events.Reminded: _reminded,
    events.Escalated: _escalated,
    events.Rejected: _rejected,
    events.Withdrawn: _ended,
    events.Expired: _ended,
    events.Sending: _sending,
    events.Repeating: _repeating,
    events.Cancelled: _concluded,
    events.Refused: _concluded,
    events.Failed: _concluded,
    events.Unknown: _concluded,
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
"""How each event changes the projection; False where it cannot follow those before it."""
_CHANGE_NOTHING = {events.RequestRefused, events.ClickRefused}
"""The other events that may be about a request."""
_ABOUT_ANYTHING = {events.Erased, events.DeliveryAbandoned}
"""Those of the steps that may also be about no request, as what changes nothing may."""
_ABOUT_ONE_ORDER = {
    events.Sending,
    events.Repeating,
    events.Cancelled,
    events.Refused,
    events.Failed,
    events.Unknown,
    events.AnsweredLate,
    events.GatewayTrouble,
    events.Retried,
    events.Hurried,
    events.StoppedTrying,
    events.SettledCancelled,
    events.SettledNotCancelled,
}

_Text: TypeAlias = Callable[[int, str, str], str]
"""The text of a commitment: by the number of its event, the path of its field, and the commitment."""
Words: TypeAlias = Mapping[tuple[int, str], Word]
"""The texts beside the events, by the number of the event and the path of the field."""


def compare(said: Projection, kept: Kept | None, words: Words) -> Contradiction | None:
    """Return the first thing in which the tables contradict the events of one request, or None."""
    if said.broken:
        return Contradiction(Subject.EVENT, said.order_id, said.broken)
    if kept is None or not said.seq:
        return Contradiction(Subject.REQUEST, said.order_id or (kept.first_order if kept else ""), said.seq)

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
        text(said.seq, "reason", said.reason),
        said.category,
        said.source,
        said.requester,
        said.quorum,
        said.requested_at,
        said.expires_at,
        said.approval_ttl,
        said.channels[-1],
        said.card_ts,
        said.card_link,
        said.reminded,
        said.escalated_at,
    )
    has, due_at = kept.request[2:-1], kept.request[-1]
    if says != has:
        rows = zip(_SUBJECTS, says, has, strict=True)
        return next(differs(subject, right, has, said.seq) for subject, right, has in rows if right != has)
    if (found := _orders(said, kept, text)) is not None:
        return found
    # It is pending as long as it has a time; while it is, the time must not be after its end.
    if said.pending != (due_at is not None) or (due_at is not None and due_at > said.expires_at):
        return differs(Subject.DUE_AT, said.expires_at, due_at, said.seq)
    return _decisions(said, kept, text) or _outbox(said, kept)


_SUBJECTS = (
    Subject.REASON,
    Subject.CATEGORY,
    Subject.SOURCE,
    Subject.REQUESTER,
    Subject.QUORUM,
    Subject.REQUESTED_AT,
    Subject.EXPIRES_AT,
    Subject.APPROVAL_TTL,
    Subject.CARD,
    Subject.CARD,
    Subject.CARD,
    Subject.REMINDED,
    Subject.ESCALATED_AT,
)
_OF_ORDER = (
    Subject.ORDER_ID,
    Subject.REQUESTER,
    Subject.REQUESTED_AT,
    Subject.STATE,
    Subject.CHANGED_AT,
    Subject.CHANGED_SEQ,
    Subject.ATTEMPT_COUNT,
)


def _decisions(said: Projection, kept: Kept, text: "_Text") -> Contradiction | None:
    request = kept.request[0]
    decisions = [
        (
            request,
            choice,
            approver,
            order_id,
            text(each.seq, "how" if choice is Choice.SETTLE else "reason", each.text),
            each.at,
            said.requested_at,
        )
        for (choice, approver, order_id), each in said.decisions.items()
    ]
    # As lists first: to hash them took nearly half the time of a comparison.
    if decisions == kept.decisions or Counter(decisions) == Counter(kept.decisions):
        return None
    return Contradiction(Subject.DECISIONS, said.order_id, 0, _people(decisions), _people(kept.decisions))


def _orders(said: Projection, kept: Kept, text: "_Text") -> Contradiction | None:
    if len(said.orders) != len(kept.cancellations):
        counts = (str(len(said.orders)), str(len(kept.cancellations)))
        return Contradiction(Subject.ORDER_ID, said.order_id, said.seq, *counts)
    request = kept.request[0]
    made = {number: list(rows) for number, rows in groupby(kept.attempts, itemgetter(1))}
    for (order_id, order), row in zip(said.orders.items(), kept.cancellations, strict=True):
        number, due_at, has = row[1], row[2], row[3:]
        since = order.changed_at, order.changed_seq
        says = (order_id, said.requester, said.requested_at, order.state, *since, order.attempt_count)
        if says != has:
            differing = zip(_OF_ORDER, says, has, strict=True)
            subject, right, wrong = next(each for each in differing if each[1] != each[2])
            return Contradiction(subject, order_id, said.seq, str(right), str(wrong))
        if (order.state is State.APPROVED) != (due_at is not None):
            return Contradiction(Subject.DUE_AT, order_id, said.seq, "", due_at or "")
        attempts = made.get(number, [])
        for each, attempt in zip(order.attempts, attempts, strict=False):
            if (right := (request, number, *_attempt(each, text))) != attempt:
                return Contradiction(Subject.ATTEMPTS, order_id, each.seq, *_difference(right[2:], attempt[2:]))
        if len(order.attempts) != len(attempts):
            return Contradiction(Subject.ATTEMPTS, order_id, 0, str(len(order.attempts)), str(len(attempts)))
    return None


def corrected(found: Request, said: Projection, kept: Kept, words: Words) -> Request:
    """Return a request that contradicts its events, with everything that people read as the events say it."""

    def text(seq: int, path: str, commitment: str) -> str:
        word = words.get((seq, path))
        return word.text if commitment and word is not None and _fits(word, commitment, erased=False) else ""

    def decision(choice: Choice, approver: str, each: Said) -> Decision:
        path = "how" if choice is Choice.SETTLE else "reason"
        return Decision(approver, choice, text(each.seq, path, each.text), datetime.fromisoformat(each.at))

    def order(cancellation: Cancellation) -> Cancellation:
        at = numbers.index(cancellation.number)
        order_id, of_order = orders[at]
        statements = (
            decision(choice, person, each)
            for (choice, person, about), each in said.decisions.items()
            if choice is Choice.SETTLE and about == order_id
        )
        return replace(
            cancellation,
            order_id=order_id,
            state=of_order.state,
            changed_at=datetime.fromisoformat(of_order.changed_at),
            changed_seq=of_order.changed_seq,
            # ``max`` returns the first of those that are alike, which is the latest.
            last_answer=max(
                (each.answer for each in reversed(of_order.attempts) if each.answer is not None),
                key=lambda answer: answer.outcome is Outcome.CANCELLED,
                default=None,
            ),
            stopped_by=of_order.stopped_by,
            settlement=next(statements, None),
        )

    numbers, orders = [row[1] for row in kept.cancellations], list(said.orders.items())
    if said.broken or not said.seq or len(numbers) != len(orders):
        return found
    return replace(
        found,
        cancellations=tuple(map(order, found.cancellations)),
        reason=text(said.seq, "reason", said.reason),
        category=said.category,
        source=said.source,
        requester=said.requester,
        approvals_required=said.quorum,
        requested_at=datetime.fromisoformat(said.requested_at),
        card_channel=said.channels[-1],
        card_ts=said.card_ts,
        card_link=said.card_link,
        escalated_at=datetime.fromisoformat(said.escalated_at) if said.escalated_at else None,
        decisions=tuple(
            decision(choice, person, each)
            for (choice, person, order_id), each in said.decisions.items()
            if not order_id
        ),
    )


def compare_apart(apart: Iterable[Event], words: Words, erased: Container[int]) -> Contradiction | None:
    """Return the first thing in which events that are about no request contradict the words beside them."""
    commitments: dict[tuple[int, str], str] = {}
    for event in apart:
        try:
            rule = _rule(event.kind)
            content = rule.read(event.data)
        except (KeyError, ValidationError):
            return Contradiction(Subject.EVENT, "", event.seq)
        if event.order_id or not rule.apart:
            return Contradiction(Subject.EVENT, event.order_id, event.seq)
        commitments |= {(event.seq, path): text for path, text_of in rule.words if (text := text_of(content))}
    misfit = _misfit(commitments, words, erased)
    return Contradiction(Subject.WORDS, "", *misfit) if misfit is not None else None


OWED_APART = (
    events.Digest,
    events.DigestMoved,
    events.DigestCalledOff,
    events.EvidenceAsked,
    events.Frozen,
    events.Unfrozen,
    events.DeliveryAbandoned,
)
"""The events about no request that say what is owed about none, and what has become of it."""


def compare_owed_apart(said: Iterable[Event], kept: Iterable[Row]) -> Contradiction | None:
    """Return the first digest, announcement or evidence that is not in the outbox once for each target, or None.

    ``said`` are the events of ``OWED_APART`` about no request that can be read, and ``kept`` the rows of the outbox
    about no request: kind, event, target, status and ts. A look for copies is owed to nobody.
    """
    kinds: dict[int, DeliveryKind] = {}
    channels: dict[int, list[str]] = {}
    called_off: set[int] = set()
    last_freeze = 0
    dropped: Counter[str] = Counter()
    for event in said:
        match events.from_json(event.kind, event.data):
            case events.Digest(channel=channel):
                kinds[event.seq], channels[event.seq] = DeliveryKind.DIGEST, [channel]
            case events.EvidenceAsked():
                kinds[event.seq], channels[event.seq] = DeliveryKind.EVIDENCE, [event.actor]
            case events.Frozen(channels=announced) | events.Unfrozen(channels=announced):
                kinds[event.seq], channels[event.seq] = DeliveryKind.ANNOUNCEMENT, list(announced)
                last_freeze = event.seq
            case events.DigestMoved(digest=digest, channel=channel):
                channels.setdefault(digest, []).append(channel)
            case events.DigestCalledOff(digest=digest):
                called_off.add(digest)
            case events.DeliveryAbandoned(delivery=kind):
                dropped[kind] += 1
    for kind, event_seq, target, status, ts in kept:
        dropped[kind] -= status == "abandoned"
        left = channels.get(event_seq, [])
        is_owed = kind == kinds.get(event_seq) and left and left.pop(0) == target
        # It is called off in a channel which it left for another one, and with the last where none is its own any more.
        is_over = bool(left) or event_seq in called_off
        if kind == DeliveryKind.ANNOUNCEMENT:
            # What people read before the next one was on its way stays; the rest is called off.
            is_over = status == "called_off" and event_seq < last_freeze
        # Slack does not say under which timestamp a file is shown.
        unplaced = status == "delivered" and not ts and kind != DeliveryKind.EVIDENCE
        if not is_owed or (status == "called_off") is not is_over or unplaced or dropped[kind] < 0:
            return Contradiction(Subject.DELIVERIES, "", event_seq, kind, status)
    missing = min((seq for seq, left in channels.items() if left), default=0)
    if missing or any(dropped.values()) or not called_off <= channels.keys():
        return Contradiction(Subject.DELIVERIES, "", missing, kinds.get(missing, DeliveryKind.DIGEST))
    return None


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
    outdated, channels = said.outdated, said.channels
    for _, kind, event_seq, target, status, ts, drawn_seq in kept.deliveries:
        if kind == DeliveryKind.COPIES:
            continue  # it shows nothing, and deletes what is there twice
        update, to_requester = kind in _UPDATES, kind in _TO_REQUESTER
        if not update and missing.pop((event_seq, kind), None) is None and event_seq not in said.may_be_owed:
            return Contradiction(Subject.DELIVERIES, said.order_id, event_seq, "", kind)
        if target != said.requester if to_requester else target not in channels:
            return Contradiction(Subject.DELIVERIES, said.order_id, event_seq, channels[-1], target)
        outdated_by = outdated.get(event_seq)
        if status == "delivered":
            # Nobody begins to post a message that is of no use any more.
            wrong = not update and (not ts or (outdated_by is not None and drawn_seq >= outdated_by))
        elif status == "abandoned":
            # What would be below a card that is not there goes with it.
            wrong = not said.abandoned & ({kind} if to_requester else {kind, DeliveryKind.CARD})
        else:
            # A message that is of no use any more is called off, and no other is.
            wrong = status == "called_off" and (update or outdated_by is None)
        if wrong:
            return Contradiction(Subject.DELIVERIES, said.order_id, event_seq, kind, status)
        # A receipt that is posted late shows everything until then, as an update would.
        shows = DeliveryKind.RECEIPT_UPDATE if kind in _RECEIPTS else kind
        if shows in unshown and (status == "queued" or drawn_seq >= unshown[shows]):
            del unshown[shows]
    if missing or any(unshown.values()):
        unseen = next(((seq, kind) for kind, seq in unshown.items() if seq), (0, DeliveryKind.CARD_UPDATE))
        seq, kind = next(iter(missing), unseen)
        return Contradiction(Subject.DELIVERIES, said.order_id, seq, kind)
    return None


_UPDATES = {kind for kind in DeliveryKind if kind.is_update}
_TO_REQUESTER = {kind for kind in DeliveryKind if kind.to_requester}
_RECEIPTS = {DeliveryKind.RECEIPT, DeliveryKind.RECEIPT_UPDATE}


def _people(decisions: Iterable[Row]) -> str:
    return ", ".join(sorted(_person(_Decision._make(each)) for _, *each in decisions))


def _person(decision: _Decision) -> str:
    shown = f"{decision.choice} by {decision.approver} at {decision.at}"
    return f"{shown}: {decision.reason}" if decision.reason else shown


def _difference(said: Row, kept: Row) -> tuple[str, str]:
    """Return the first field in which two attempts differ, with both values."""
    rows = zip(_Attempt._fields, said, kept, strict=True)
    return next((f"{name} {a}", f"{name} {b}") for name, a, b in rows if a != b)
