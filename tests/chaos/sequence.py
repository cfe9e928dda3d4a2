"""The judgement on what came before what: the record's order, and how much was on record when each call arrived.

No clock matters here, so it holds where all of them are wrong.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence as Many
from dataclasses import dataclass, field

from bot.domain.attempt import Trouble
from bot.domain.audit import Event
from bot.domain.events import (
    Answered,
    AnsweredLate,
    Approved,
    Cancelled,
    Content,
    Escalated,
    Expired,
    Failed,
    Frozen,
    GatewayTrouble,
    Hurried,
    QuorumChanged,
    Refused,
    Rejected,
    Reminded,
    Requested,
    Retried,
    Sending,
    Started,
    StoppedTrying,
    Unfrozen,
    Unknown,
    Voted,
    VotesVoided,
    Withdrawn,
)
from tests.chaos.copies import Calls
from tests.chaos.surroundings import PATTERN_OF_A_SECOND
from tests.under_way import UnderWay

_ON_ITS_WAY = 10
"""Events that may be on record before this process reads what a killed bot has sent, on a machine with much to do."""
_NOT_WHILE_FROZEN = (Requested, Voted, VotesVoided, QuorumChanged, Approved, Retried, Hurried, Sending)
_DECIDED = (Approved, Rejected, Withdrawn, Expired)
_ENDED = (Cancelled, Refused, Failed, Unknown, StoppedTrying)
_NOTICES: dict[type[Content], tuple[type[Content], ...]] = {
    Voted: (Voted, *_DECIDED),
    Reminded: (Reminded, *_DECIDED),
    Escalated: _DECIDED,
    GatewayTrouble: _ENDED,
}
"""The messages that are of use only for a while, and what makes each of them useless."""


@dataclass(slots=True)
class Arrival:
    """A call to the gateway, and how many events were on record when it arrived, in front of all that could delay it.

    Where nobody could read that, it was ``known`` before and ``latest`` afterwards. ``stopped`` is the same for the
    moments in which those bots stopped that stood still until lately: such a bot goes on with what it had begun.
    """

    order: str
    known: int
    stopped: tuple[int, ...] = ()
    latest: int | None = None


@dataclass(slots=True)
class Arrivals:
    """The number of events on record when each call arrived."""

    at_the_gateway: list[Arrival] = field(default_factory=list)
    at_slack: dict[int, int] = field(default_factory=dict)
    """The posts, by their number among all calls to Slack."""
    _last: int = 0
    _unsure: list[Arrival] = field(default_factory=list)

    def come_to_the_gateway(self, order: str, known: int | None, stopped: tuple[int, ...]) -> None:
        """Keep a call. ``known`` is None where nobody could read it."""
        arrival = Arrival(order, self._least(known), stopped)
        self.at_the_gateway.append(arrival)
        self._unsure.append(arrival)
        self._least(known)

    def come_to_slack(self, index: int, known: int | None) -> None:
        """Keep a post, by its number among all calls to Slack."""
        self.at_slack[index] = self._least(known)

    def _least(self, known: int | None) -> int:
        if known is not None:
            self._last = known
            for arrival in self._unsure:
                arrival.latest = known
            self._unsure.clear()
        return self._last


@dataclass(slots=True)
class _Request:
    reminded: int = 0
    escalated: bool = False
    waits: bool = True
    """Nobody has decided it."""
    troubled: bool = False
    """People were told of trouble, and the gateway is still to be called for one of the orders."""


class Sequence:
    """The record from its first event to its last one. ``wrong`` is called with everything that came at a wrong time.

    ``reminders`` is how many there are at most for each request.
    """

    def __init__(self, events: list[Event], wrong: Callable[[str], None], *, reminders: int) -> None:
        self._events, self._wrong, self._reminders = events, wrong, reminders
        self.while_frozen: Counter[str] = Counter()
        """The kinds of the events while everything was frozen."""

    def judge_starts(self, started: int, called_back: int) -> int:
        """Check that each process put one start on record at most; return how many are those of second bots.

        A second bot waits a moment for the file. So it takes the place of a first one that dies meanwhile, as it
        should, and may have begun when it is called back.
        """
        starts = [event.content for event in self._events if isinstance(event.content, Started)]
        of_second = sum(start.order_id_pattern == PATTERN_OF_A_SECOND for start in starts)
        if (of_first := len(starts) - of_second) > started:
            self._wrong(f"{of_first} starts are on record, and the bot was started {started} times")
        if of_second > called_back:
            self._wrong(f"{of_second} starts of second bots are on record, and {called_back} were called back")
        return of_second

    def judge_freezes(self, approvers: Many[str]) -> None:
        """Check who froze and unfroze, that nothing happened in between that leads to a call, and that it ended."""
        frozen, why = False, ""
        for event in self._events:
            match event.content:
                case Frozen() | Unfrozen():
                    begins = isinstance(event.content, Frozen)
                    # Another reason is news.
                    known, why = why, event.content.why if isinstance(event.content, Frozen) else ""
                    if begins == frozen and why in {"", known}:
                        self._wrong(f"#{event.seq}: {event.kind}, and it was so already")
                    if event.actor not in approvers and not event.actor.startswith("terminal:"):
                        self._wrong(f"#{event.seq}: {event.kind} by {event.actor}, who may not")
                    frozen = begins
                case content if frozen:
                    self.while_frozen[event.kind] += 1
                    asks = isinstance(content, Escalated) or (isinstance(content, Reminded) and not content.joined)
                    if asks or isinstance(content, _NOT_WHILE_FROZEN):
                        self._wrong(f"{event.order_id}: {event.kind} while everything was frozen")
        if frozen:
            self._wrong("everything is still frozen")

    def judge_notices(self) -> None:
        """Check that each reminder, escalation and news of trouble came once, and in its time."""
        requests: defaultdict[str, _Request] = defaultdict(_Request)
        under_way = UnderWay()
        for event in self._events:
            under_way.follow(event)
            going_on = bool(under_way.now[event.request])
            for wrong in self._follow(requests[event.request], event.content, under_way=going_on):
                self._wrong(f"{event.order_id}: {event.kind} {wrong}")

    def _follow(self, request: _Request, content: Content, *, under_way: bool) -> Iterator[str]:
        match content:
            case Reminded(number=number):
                request.reminded += 1
                if number != request.reminded or number > self._reminders:
                    yield f"number {number} after {request.reminded - 1}"
                if not request.waits:
                    yield "after the decision"
            case Escalated():
                if request.escalated:
                    yield "twice"
                if not request.waits:
                    yield "after the decision"
                request.escalated = True
            case GatewayTrouble():
                if request.troubled:
                    yield "twice"
                if not under_way:
                    yield "while nothing was under way"
                request.troubled = True
            case _ if isinstance(content, _DECIDED):
                request.waits = False
        request.troubled &= under_way

    def judge_arrivals(self, arrivals: Arrivals) -> None:
        """Check that each call to the gateway came while an attempt for this order was under way on record.

        With what is true of the record, nothing was sent while frozen, unless its attempt had begun before.
        """
        attempts = self._attempts()
        for call in arrivals.at_the_gateway:
            moments = (call.known, *call.stopped)
            latest = call.known if call.latest is None else call.latest
            if not any(
                call.known < begin <= latest or any(begin <= known < end for known in moments)
                for begin, end in attempts[call.order]
            ):
                self._wrong(f"{call.order}: called at #{call.known}, when no attempt was under way")

    def _attempts(self) -> dict[str, list[tuple[int, int]]]:
        """Return for each order the attempts: the number of the event with which each begins, and with which it ends.

        One that never ends has the number after the last.
        """
        attempts, begun = defaultdict[str, list[tuple[int, int]]](list), dict[tuple[str, str], int]()
        for event in self._events:
            about = event.order_id, event.request
            if isinstance(event.content, Sending):
                begun[about] = event.seq
            elif about in begun and isinstance(event.content, Answered) and not isinstance(event.content, AnsweredLate):
                # What a bot sent that was killed may still be in the system, on its way to the gateway.
                late = _ON_ITS_WAY if event.content.answer.trouble is Trouble.STOPPED else 0
                attempts[event.order_id].append((begun.pop(about), event.seq + late))
        for (order, _), seq in begun.items():
            attempts[order].append((seq, len(self._events) + 1))
        return attempts

    def judge_posts(self, arrivals: Arrivals, calls: Calls, about: dict[str, int]) -> None:
        """Check that no bot that started after a decision posted a notice that the decision made useless.

        ``about`` is the number of the event that each delivery reports. A message that was on its way may still come.
        """
        starts = [event.seq for event in self._events if isinstance(event.content, Started)]
        under_way = UnderWay()
        over = {event.seq for event in self._events if under_way.follow(event)}
        for index, known in arrivals.at_slack.items():
            event = self._events[about.get(calls.delivery(index), 1) - 1]
            useless = _NOTICES.get(type(event.content))
            if useless is None:
                continue
            after = (later for later in self._events[event.seq : known] if later.request == event.request)
            ends = (later for later in after if isinstance(later.content, useless))
            if useless is _ENDED:
                # Trouble is news until the last order of its request has ended.
                ends = (later for later in ends if later.seq in over)
            decided = next(ends, None)
            if decided is not None and any(decided.seq < start <= known for start in starts):
                self._wrong(f"{event.order_id}: {event.kind} posted at #{known}, after {decided.kind} #{decided.seq}")
