"""The judgement on who did what: the record, played again without any of the bot's own rules."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from bot.domain.attempt import Outcome
from bot.domain.audit import BOT, Event
from bot.domain.events import (
    Answered,
    Approved,
    ClickRefused,
    Escalated,
    Hurried,
    Named,
    Rejected,
    Requested,
    RequestRefused,
    Retried,
    Sending,
    SettledCancelled,
    SettledNotCancelled,
    Started,
    StoppedTrying,
    Unknown,
    Voted,
    VotesVoided,
    Withdrawn,
)
from bot.sandbox.stage import FRANK
from tests.chaos.people import ASKERS, DORA, Crowd

_MAY_ASK = {*ASKERS, DORA}
_HARMLESS = (RequestRefused, ClickRefused, Named)


@dataclass
class _Order:
    """One order of a request, as far as the record has told by now."""

    unknown: bool = False
    unclear: bool = False
    """A call had no clear answer."""
    under_way: bool = False
    taken_back: bool = False
    """Its own requester stopped it."""


@dataclass
class _Request:
    """One request, as far as the record has told by now."""

    orders: dict[str, _Order]
    requester: str
    lives: timedelta
    votes: dict[str, datetime] = field(default_factory=dict)
    escalated: bool = False
    """The people of ESCALATE_TO decide it like approvers."""


class FourEyes:
    """The powers of people at each event of the record. ``wrong`` is called with each act of somebody without them.

    ``removed_at`` is the last event before each removal. Where the clock was wrong, no approval is called too old.
    """

    def __init__(
        self, crowd: Crowd, removed_at: Mapping[str, int], wrong: Callable[[str], None], *, clock_is_right: bool = True
    ) -> None:
        self._crowd = crowd
        self._removed_at = removed_at
        self._wrong = wrong
        self._clock_is_right = clock_is_right
        self._started = Started("")
        self._removed: set[str] = set()
        self._requests: dict[str, _Request] = {}
        self._against: dict[str, list[str]] = {}
        """For each order, the ids of the requests that people decided against."""
        self._order: list[str] = []
        """The ids of all requests in the order of asking."""

    def judge(self, events: list[Event]) -> None:
        """Follow the record from its first event to its last one."""
        for event in events:
            at = datetime.fromisoformat(event.at)
            if isinstance(event.content, Started):
                self._started = event.content
                # A bot reads its user groups only after its start is on record.
                self._removed = {approver for approver, seq in self._removed_at.items() if event.seq > seq}
            elif event.actor == FRANK and not isinstance(event.content, _HARMLESS):
                self._wrong(f"{event.order_id}: {event.kind} by somebody of another company")
            else:
                for wrong in self._follow(event, at):
                    self._wrong(f"{event.order_id}: {event.kind} by {event.actor}: {wrong}")

    def _follow(self, event: Event, at: datetime) -> Iterator[str]:
        """Follow one event about a request; yield what is wrong with it."""
        if isinstance(event.content, Requested):
            lives = timedelta(seconds=self._started.approval_ttl_seconds)
            orders = {order: _Order() for order in event.content.orders}
            self._requests[event.request] = _Request(orders, event.actor, lives)
            self._order.append(event.request)
            if event.actor not in _MAY_ASK:
                yield "not a requester"
            return
        request = self._requests.get(event.request)
        if request is None:
            return
        match event.content:
            case Voted() | Approved():
                yield from self._vote(request, event, at)
            case VotesVoided(approvers=approvers):
                request.votes = {voter: when for voter, when in request.votes.items() if voter not in approvers}
            case Unknown():
                order = request.orders[event.order_id]
                order.unknown = order.unclear = True
                order.under_way = False
            case Escalated():
                request.escalated = True
            case Sending():
                request.orders[event.order_id].under_way = True
            case Answered(answer=answer):
                order = request.orders[event.order_id]
                order.under_way = False
                order.unclear |= answer.outcome is Outcome.UNKNOWN
            case _:
                yield from self._decision(request, event, at)

    def _decision(self, request: _Request, event: Event, at: datetime) -> Iterator[str]:
        match event.content:
            case Rejected():
                yield from self._approver(request, event.actor)
                self._decided_against(event, *request.orders)
            case Withdrawn():
                if event.actor != request.requester:
                    yield "not the requester"
                self._decided_against(event, *request.orders)
            case Retried():
                yield from self._approver(request, event.actor)
                yield from self._retry(event, request, at)
                request.orders[event.order_id].unknown = False
            case Hurried():
                yield from self._approver(request, event.actor)
            case StoppedTrying():
                order = request.orders[event.order_id]
                order.taken_back = event.actor == request.requester
                if not order.taken_back:
                    yield from self._approver(request, event.actor)
                self._decided_against(event, event.order_id)
                if order.unclear or order.under_way:
                    yield "the order may have been cancelled"
            case SettledCancelled() | SettledNotCancelled():
                yield from self._approver(request, event.actor)
                if event.actor == request.requester:
                    yield "the requester's own statement"
                if not request.orders[event.order_id].unknown:
                    yield "nothing was unknown"
                self._decided_against(event, event.order_id)

    def _vote(self, request: _Request, event: Event, at: datetime) -> Iterator[str]:
        if event.actor != BOT:  # else the votes are only counted again
            yield from self._approver(request, event.actor)
            if event.actor == request.requester and not self._started.allow_self_approval:
                yield "the requester's own vote"
            # A second approval of the same person can only find that the quorum was lowered.
            request.votes.setdefault(event.actor, at)
        if isinstance(event.content, Approved):
            yield from self._quorum(request, event.content)

    def _quorum(self, request: _Request, approved: Approved) -> Iterator[str]:
        counted = self._counted(request)
        if approved.of != self._started.approvals_required:
            yield f"of {approved.of} approvals, but {self._started.approvals_required} are required"
        if counted < approved.of or counted < approved.approvals:
            yield f"{approved.approvals} of {approved.of} approvals, but only {counted} count"

    def _retry(self, event: Event, request: _Request, at: datetime) -> Iterator[str]:
        if event.actor == request.requester:
            yield "the requester's own retry"
        if request.orders[event.order_id].taken_back:
            yield "the requester had stopped it"
        if (
            self._clock_is_right
            and at > max(request.votes.values(), default=datetime.min.replace(tzinfo=UTC)) + request.lives
        ):
            yield "the approval is too old"
        if self._counted(request) < self._started.approvals_required:
            yield "too few approvals count"
        later = self._order[self._order.index(event.request) + 1 :]
        if any(other in later for other in self._against.get(event.order_id, [])):
            yield "somebody decided against a later request"

    def _decided_against(self, event: Event, *orders: str) -> None:
        for order in orders:
            self._against.setdefault(order, []).append(event.request)

    def _counted(self, request: _Request) -> int:
        """Return how many of the votes count by the rules of this moment."""
        own = set() if self._started.allow_self_approval else {request.requester}
        return len({voter for voter in request.votes if self._is_approver(request, voter)} - own)

    def _approver(self, request: _Request, actor: str) -> Iterator[str]:
        if not self._is_approver(request, actor):
            yield "not an approver"

    def _is_approver(self, request: _Request, actor: str) -> bool:
        if request.escalated and actor in self._crowd.escalation:
            return True
        return actor in self._crowd.approvers and actor not in self._removed
