"""The use cases over a real file, a clock that tests move, a modelled gateway, and everything that must always hold."""

import asyncio
import itertools
import re
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple, TypeVar

from bot.domain import policy
from bot.domain.attempt import Answer, Attempt, Outcome, Reason
from bot.domain.audit import Event
from bot.domain.cancellation import NEXT, OPEN, Cancellation, State
from bot.domain.delivery import Delivery, DeliveryKind, DeliveryOutcome, MissingCard, Receipt
from bot.domain.events import (
    Approved,
    Escalated,
    Expired,
    GatewayTrouble,
    Rejected,
    Reminded,
    Requested,
    Sending,
    Started,
    StoppedTrying,
    Voted,
    Withdrawn,
)
from bot.domain.policy import Act, Actor, Members, Membership, People, Surface, Verdict
from bot.domain.projection import Ending, leads_to
from bot.domain.request import Request
from bot.domain.verification import walk
from bot.slack.views import buttons
from bot.store import Place, Store, Tables
from bot.store.connection import Connection
from bot.store.postgres import Postgres
from bot.store.sqlite import SQLite
from bot.workflow import Acted, ClaimedDelivery, Concluded, HomeTab, Patience, Rules, Wish, Workflow, decisions
from bot.workflow.freezing import Typed
from tests.clock import Clock
from tests.under_way import UnderWay, is_about_one
from tests.writer import Writer

T = TypeVar("T")

ANN, BEN, CLEO, DORA = "UANN", "UBEN", "UCLEO", "UDORA"
ALL_THREE = Members(frozenset({ANN, BEN, CLEO}))
ESCALATION = Members(frozenset({DORA}))
EVERY_ORDER = -1
"""The promise of a Retry whose question named all orders."""
_OF_USE_IN = {
    "voted": {State.PENDING},
    "reminded": {State.PENDING},
    "escalated": {State.PENDING},
    "gateway_trouble": {State.APPROVED, State.SENDING},
}
"""The states in which a message about these events may be posted."""
_DECIDED_ALIKE = {State.PENDING, State.REJECTED, State.WITHDRAWN, State.EXPIRED}
"""The states that all orders of a request share."""
_PLACES = frozenset({"C1", ANN, BEN, CLEO, DORA})
"""The channels and people that get messages."""
TABLES = ("people", "requests", "cancellations", "decisions", "attempts", "audit_events", "deliveries", "homes")

_ORDERS = (
    "SELECT r.id, r.number, c.number, c.order_id, c.state, r.requester"
    " FROM cancellations c JOIN requests r ON r.number = c.request"
)
_WATCH_FILE = """
    CREATE TEMP TABLE steps (was TEXT, becomes TEXT);
    CREATE TEMP TRIGGER born AFTER INSERT ON main.cancellations
        BEGIN INSERT INTO steps VALUES (NULL, NEW.state); END;
    CREATE TEMP TRIGGER moved AFTER UPDATE OF state ON main.cancellations WHEN OLD.state IS NOT NEW.state
        BEGIN INSERT INTO steps VALUES (OLD.state, NEW.state); END;
"""
_WATCH_SERVER = """
    CREATE TABLE steps (was TEXT, becomes TEXT);
    CREATE FUNCTION step() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            INSERT INTO steps VALUES (CASE WHEN TG_OP = 'UPDATE' THEN OLD.state END, NEW.state);
            RETURN NULL;
        END
    $$;
    CREATE TRIGGER born AFTER INSERT ON cancellations FOR EACH ROW EXECUTE FUNCTION step();
    CREATE TRIGGER moved AFTER UPDATE OF state ON cancellations
        FOR EACH ROW WHEN (OLD.state <> NEW.state) EXECUTE FUNCTION step();
"""


def actor(person: str, membership: Membership = Membership.MEMBER) -> Actor:
    """Return this person with the same membership in every role."""
    return Actor(person, person.lower(), requester=membership, approver=membership, auditor=membership)


_COMMANDS = itertools.count(1)


def typed(channel: str = "C1") -> Typed:
    """Return a command that somebody types now in this channel."""
    return Typed("/cancel-order", channel, f"T{next(_COMMANDS)}")


async def next_attempt(workflow: Workflow) -> Attempt | None:
    """Claim the call that is due, if one is."""
    claimed = await workflow.claim("w", calls=1, messages=0)
    return claimed.attempts[0] if claimed.attempts else None


async def next_delivery(workflow: Workflow) -> ClaimedDelivery | None:
    """Claim the delivery that is due next, if one is."""
    claimed = await workflow.claim("w", calls=0, messages=1)
    return claimed.deliveries[0] if claimed.deliveries else None


def _watch(connection: Connection) -> None:
    """Have every step of a cancellation kept beside the tables."""
    if isinstance(connection, SQLite):
        connection.database.conn.executescript(_WATCH_FILE)
        return
    assert isinstance(connection, Postgres)
    connection.begin()
    connection.script(_WATCH_SERVER)
    connection.commit()


class Look(NamedTuple):
    """The part of a card or receipt that people rely on; a receipt leads to a card, or says that it is missing."""

    orders: tuple[Cancellation, ...]
    """How each order stands, and what people must know of it."""
    approvers: tuple[str, ...]
    quorum: int
    card: str | None = None
    missing: MissingCard | None = None


class Tab(NamedTuple):
    """The Home tab of a person: when they opened it last, and what was published for them as whom."""

    opened_at: datetime
    actor: Actor | None = None
    shows: HomeTab | None = None


@dataclass
class Outside:
    """Everything that is not in the bot's file: the gateway's orders, Slack's messages, and the group of approvers."""

    approvers: Members = ALL_THREE
    cancelled: dict[str, str] = field(default_factory=dict)
    """The request for which each order was cancelled at the gateway."""
    completed: set[str] = field(default_factory=set)
    """The orders that can no longer be cancelled."""
    under_way: list[Attempt] = field(default_factory=list)
    """Every call that was begun, in its order."""
    messages: dict[str, str] = field(default_factory=dict)
    """The id of the delivery that posted each message, by the message's timestamp."""
    cards: dict[str, Look] = field(default_factory=dict)
    """The look of each card in Slack, by its timestamp."""
    own: dict[str, Look] = field(default_factory=dict)
    """The look of each requester's receipt in Slack, by its timestamp."""
    receipts: set[str] = field(default_factory=set)
    """The timestamps of messages whose receipt came."""
    refused: set[tuple[str, DeliveryKind]] = field(default_factory=set)
    """The kinds of things that Slack refused for good, with the request."""
    homes: dict[str, Tab] = field(default_factory=dict)
    posted: int = 0

    def copy(self) -> "Outside":
        """Return a copy of its own: what the collections hold never changes."""
        return replace(self, **{name: copy(value) for name, value in vars(self).items()})


class World:
    """Two calls to the gateway at most for each approval; requests expire after an hour, leases after two minutes.

    Approvers are reminded of a request after 20 and after 35 minutes, and Dora is asked as well after 25.
    """

    def __init__(self, place: Place, *, quorum: int = 1, self_approval: bool = False) -> None:
        self.runner = asyncio.Runner()
        self.clock = Clock()
        self.writer = Writer()
        self.on_commit: Callable[[], object] = lambda: None
        """A function that is called right after each commit."""
        # Not tidied up after a while of real time, which a busy machine takes between two acts.
        self.store = Store(place, connect=self.writer.open, on_commit=self._committed, idle_after=3600.0)
        self.run(self.store.open())
        _watch(self.writer.connection)
        rules = Rules(
            quorum,
            self_approval,
            timedelta(hours=1),
            re.compile(r"\w+"),
            Patience(max_attempts=2, message_every=timedelta(0)),
            remind_after=(timedelta(minutes=20), timedelta(minutes=35)),
            escalate_after=timedelta(minutes=25),
            escalate_to=People(users=ESCALATION.ids),
        )
        self.workflow = self._process(rules)
        self.outside = Outside()
        self.forms = 0

    def _process(self, rules: Rules) -> Workflow:
        return Workflow(self.store, rules, now=self.clock, wake=asyncio.Event(), jitter=lambda: 0.0)

    def _committed(self, _: str) -> None:
        self.on_commit()

    def close(self) -> None:
        """Close the file."""
        self.run(self.store.close())
        self.runner.close()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Return the result of this coroutine."""
        # Not run(), which handles Ctrl-C for each of a million short coroutines.
        return self.runner.get_loop().run_until_complete(work)

    @property
    def tables(self) -> Tables:
        """Return the tables as the writer sees them."""
        return Tables(self.writer.connection)

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Return the rows of a query, as the writer sees them."""
        return self.writer.connection.execute(sql, values)

    def found(self, about: str) -> Request:
        """Return this request as it is now."""
        request = self.tables.requests.get(about)
        assert request is not None
        return request

    # --- people -------------------------------------------------------------------------------

    def ask(self, order: str = "ord_1", person: str = ANN, *, more: Iterable[str] = ()) -> Acted:
        """Ask with a new form, for ``more`` orders as well."""
        self.forms += 1
        return self.run(self.workflow.request(Wish(f"V{self.forms}", (order, *more), "why", "C1"), actor(person)))

    def asked(self, order: str = "ord_1", person: str = ANN, *, more: Iterable[str] = ()) -> str:
        """Ask, and return the id of the request."""
        request = self.ask(order, person, more=more).request
        assert request is not None
        return request.id

    def _click(self, person: str, membership: Membership | None) -> Actor:
        """Return this person as the bot sees them now, unless a membership is given."""
        found = actor(person, membership or self.outside.approvers.membership(person))
        return replace(found, escalation=ESCALATION.membership(person))

    def _everybody(self, approvers: Members | None) -> Members:
        return replace(approvers or self.outside.approvers, escalation=ESCALATION)

    def approve(
        self,
        about: str,
        person: str = BEN,
        membership: Membership | None = None,
        approvers: Members | None = None,
        seen: Request | None = None,
    ) -> Acted:
        """Approve as this person; ``approvers`` is what Slack says of all of them, if it is not what is so.

        ``seen`` is the request as it was when the person looked at the card, if it is not as now.
        """
        clicks, everybody = self._click(person, membership), self._everybody(approvers)
        promised = buttons.approvals_promised(seen or self.found(about))
        work = self.workflow.act(decisions.approve, Act.APPROVE, about, clicks, approvers=everybody, promised=promised)
        return self.run(work)

    def reject(self, about: str, person: str = BEN, membership: Membership | None = None) -> Acted:
        """Reject as this person."""
        clicks = self._click(person, membership)
        return self.run(self.workflow.act(decisions.reject, Act.REJECT, about, clicks, reason="no"))

    def withdraw(self, about: str, person: str = ANN, surface: Surface = Surface.CARD) -> Acted:
        """Withdraw as this person, on the card or on the receipt."""
        clicks = replace(actor(person), surface=surface)
        return self.run(self.workflow.act(decisions.withdraw, Act.WITHDRAW, about, clicks))

    def retry(
        self, about: str, person: str = BEN, membership: Membership | None = None, approvers: Members | None = None
    ) -> Acted:
        """Retry as this person; ``approvers`` is what Slack says of all of them, if it is not what is so."""
        clicks, everybody = self._click(person, membership), self._everybody(approvers)
        seen = self.found(about).version
        work = self.workflow.act(
            decisions.retry, Act.RETRY, about, clicks, approvers=everybody, seen=seen, named=EVERY_ORDER
        )
        return self.run(work)

    def try_now(self, about: str, person: str = BEN, membership: Membership | None = None) -> Acted:
        """Press Try now as this person."""
        clicks, seen = self._click(person, membership), self.found(about).version
        return self.run(self.workflow.act(decisions.try_now, Act.TRY_NOW, about, clicks, seen=seen))

    def stop(self, about: str, person: str = BEN, membership: Membership | None = None) -> Acted:
        """Choose Stop trying as this person."""
        clicks, seen = self._click(person, membership), self.found(about).version
        return self.run(self.workflow.act(decisions.stop, Act.STOP, about, clicks, seen=seen))

    def settle(
        self,
        about: str,
        person: str = BEN,
        membership: Membership | None = None,
        *,
        order: str = "",
        cancelled: bool = True,
    ) -> Acted:
        """State as this person how this order stands, or else the first one that is unknown."""
        clicks = self._click(person, membership)
        found, how = self.found(about), "I looked"
        unknown = [each.order_id for each in found.cancellations if each.state is State.UNKNOWN]
        stated = order or [*unknown, *found.order_ids][0]
        finding = self.workflow.act(
            decisions.settle,
            Act.SETTLE,
            about,
            clicks,
            order=found.order_ids.index(stated) if stated in found.order_ids else None,
            cancelled=cancelled,
            how=how,
            seen=found.version,
        )
        return self.run(finding)

    def freeze(self) -> Verdict:
        """Stop everything as Ben."""
        return self.run(self.workflow.freeze(self._click(BEN, Membership.MEMBER), "why", typed())).verdict

    def unfreeze(self) -> Verdict:
        """Let everything go on as Ben."""
        return self.run(self.workflow.unfreeze(self._click(BEN, Membership.MEMBER), typed())).verdict

    # --- the worker ---------------------------------------------------------------------------

    def work(self) -> Attempt | None:
        """Settle what is due, and return the call that begins, if one does."""
        attempt = self.run(next_attempt(self.workflow))
        if attempt is not None:
            found = self.found(attempt.request_id).about(attempt.order_id)
            assert found is not None
            assert found.state is State.SENDING
            assert len(found.approvers) >= found.approvals_required
            assert attempt.reason == found.reason
            self.outside.under_way.append(attempt)
        return attempt

    def reach(self, attempt: Attempt) -> Answer:
        """Let a call reach the gateway, where the first one cancels the order; return the gateway's answer."""
        if attempt.order_id in self.outside.completed:
            return Answer(Outcome.REFUSED, http_status=422, reason=Reason.COMPLETED)
        if attempt.order_id in self.outside.cancelled:
            return Answer(Outcome.REFUSED, http_status=409, reason=Reason.ALREADY_CANCELLED)
        self.outside.cancelled[attempt.order_id] = attempt.request_id
        return Answer(Outcome.CANCELLED, http_status=200)

    def answer(self, attempt: Attempt, answer: Answer) -> State | None:
        """Keep what a call proved; return the state that it leads to, if it came in time to count."""
        return self.run(self.workflow.record_answer(attempt, answer))

    def begin_delivery(self) -> ClaimedDelivery | None:
        """Begin the delivery that is due, if one is. What is announced of a freeze reaches Slack at once on the way."""
        while (claimed := self.run(next_delivery(self.workflow))) is not None and claimed.request is None:
            last = self.tables.record.last_freeze()
            assert last is not None
            assert claimed.event.seq == last.seq  # nobody reads of a freeze, or of its end, that is over
            self.outside.posted += 1
            place = claimed.delivery.target, f"{self.outside.posted}.1"
            self.run(self.workflow.record_delivery(claimed.delivery, Receipt(DeliveryOutcome.DELIVERED, *place)))
        if claimed is not None and claimed.delivery.kind.is_new_message:
            assert claimed.request is not None
            # Nobody is asked for what is decided, and nobody hears of trouble or an ending that is over.
            assert claimed.request.state in _OF_USE_IN.get(claimed.event.kind, {claimed.request.state})
            ending = claimed.event.content
            if isinstance(ending, Ending) and not claimed.request.several:
                assert claimed.request.state is leads_to(ending)
        return claimed

    def reach_slack(self, claimed: ClaimedDelivery, *, blind: bool = False) -> Receipt:
        """Let a try reach Slack, as the courier makes it; return its receipt. A blind search finds nothing."""
        delivery, request = claimed.delivery, claimed.request
        assert request is not None
        look = Look(request.cancellations, request.approvers, request.approvals_required)
        if delivery.kind is DeliveryKind.CARD_UPDATE and request.card_ts is not None:
            self.outside.cards[request.card_ts] = look
            return Receipt(DeliveryOutcome.DELIVERED, request.card_channel, request.card_ts)
        if delivery.kind is DeliveryKind.COPIES:
            return self._remove_copies(delivery)
        own = look._replace(card=request.card_ts, missing=delivery.missing_card)
        if delivery.kind is DeliveryKind.RECEIPT_UPDATE:
            if delivery.receipt is None:
                return Receipt(DeliveryOutcome.IMPOSSIBLE, problem="no_receipt")
            self.outside.own[delivery.receipt[1]] = own
            return Receipt(DeliveryOutcome.DELIVERED, *delivery.receipt)
        if delivery.in_doubt_since is not None and not blind and (earlier := self._posted_by(delivery)):
            return Receipt(DeliveryOutcome.DELIVERED, "C1", earlier)
        if delivery.kind in {DeliveryKind.CARD_UPDATE, DeliveryKind.REPLY} and request.card_ts is None:
            return Receipt(DeliveryOutcome.IMPOSSIBLE, problem="no_card")
        if delivery.kind is DeliveryKind.CARD and request.too_late_for_a_card:
            return Receipt(DeliveryOutcome.IMPOSSIBLE, problem="too_late_for_a_card")
        self.outside.posted += 1
        ts = f"{self.outside.posted}.1"
        self.outside.messages[ts] = delivery.id
        if delivery.kind is DeliveryKind.CARD:
            self.outside.cards[ts] = look
        if delivery.kind is DeliveryKind.RECEIPT:
            self.outside.own[ts] = own
        return Receipt(DeliveryOutcome.DELIVERED, "C1", ts)

    def _remove_copies(self, delivery: Delivery) -> Receipt:
        assert delivery.original is not None
        for ts in [ts for ts, posted_by in self.outside.messages.items() if posted_by == delivery.id]:
            if ts != delivery.original.ts:
                for there in (self.outside.messages, self.outside.cards, self.outside.own):
                    there.pop(ts, None)
        return Receipt(DeliveryOutcome.DELIVERED, delivery.original.channel, delivery.original.ts)

    def _posted_by(self, delivery: Delivery) -> str | None:
        return next((ts for ts, posted_by in self.outside.messages.items() if posted_by == delivery.id), None)

    def receive(self, claimed: ClaimedDelivery, receipt: Receipt) -> Concluded:
        """Keep the receipt of a try, and remove its message if it is a duplicate, as the worker does."""
        request, kind = claimed.request, claimed.delivery.kind
        assert request is not None
        if receipt.outcome is DeliveryOutcome.IMPOSSIBLE:
            self.outside.refused.add((request.id, kind))
            if kind is DeliveryKind.CARD_UPDATE and request.card_ts is not None:
                # Somebody has deleted the card.
                self.outside.cards.pop(request.card_ts, None)
            if kind is DeliveryKind.RECEIPT_UPDATE and claimed.delivery.receipt is not None:
                self.outside.own.pop(claimed.delivery.receipt[1], None)
        concluded = self.run(self.workflow.record_delivery(claimed.delivery, receipt))
        self.outside.receipts.add(receipt.ts)
        if concluded.surplus:
            for there in (self.outside.messages, self.outside.cards, self.outside.own):
                there.pop(receipt.ts, None)
        return concluded

    def click_on_card(self, about: str, ts: str) -> bool:
        """Let somebody click on this message; return True where it is the card of this request."""
        return self.run(self.workflow.card_clicked(about, Receipt(DeliveryOutcome.DELIVERED, "C1", ts)))

    def click_on_receipt(self, about: str, ts: str) -> bool:
        """Let the requester click on this message; return True where it is the receipt of this request."""
        return self.run(self.workflow.receipt_clicked(about, Receipt(DeliveryOutcome.DELIVERED, "C1", ts)))

    def deliver(self, outcome: DeliveryOutcome) -> bool:
        """Try the delivery that is due, with this outcome; return False if none is due."""
        claimed = self.begin_delivery()
        if claimed is None:
            return False
        delivered = outcome is DeliveryOutcome.DELIVERED
        self.receive(claimed, self.reach_slack(claimed) if delivered else self.trouble(claimed, outcome))
        return True

    def trouble(self, claimed: ClaimedDelivery, outcome: DeliveryOutcome) -> Receipt:
        """Return the receipt of a try that did not succeed; an update is impossible of what somebody deleted."""
        problem = "problem" if claimed.delivery.kind.is_new_message else "message_not_found"
        return Receipt(outcome, problem=problem, in_doubt=outcome is DeliveryOutcome.IN_DOUBT)

    def open_home(self, person: str) -> None:
        """Let somebody open their Home tab."""
        self.outside.homes[person] = self.outside.homes.get(person, Tab(self.clock()))._replace(opened_at=self.clock())
        self.run(self.workflow.home_opened(person))

    def publish(self, outcome: DeliveryOutcome = DeliveryOutcome.DELIVERED) -> bool:
        """Try to publish the Home tabs that are due, with this outcome; return False if none is due."""
        claimed = self.run(self.workflow.claim("w", calls=0, messages=9, not_to=_PLACES))
        for update in claimed.deliveries:
            self.receive(update, self.reach_slack(update))
        for publish in claimed.homes:
            if outcome in {DeliveryOutcome.DELIVERED, DeliveryOutcome.IN_DOUBT}:
                who = self._click(publish.person, None)
                shows = self.run(self.workflow.home(who))
                # A click on the tab shows that it is open, too.
                tab = self.outside.homes.get(publish.person, Tab(self.clock()))
                self.outside.homes[publish.person] = tab._replace(actor=who, shows=shows)
            if outcome is DeliveryOutcome.IMPOSSIBLE:
                # It shows what it showed before, until something changes.
                self.outside.homes.pop(publish.person, None)
            self.run(self.workflow.record_publish(publish, Receipt(outcome, problem="problem")))
        return bool(claimed.homes)

    def restart(self, *, quorum: int | None = None, self_approval: bool | None = None) -> None:
        """Let a new process take over, perhaps with other rules; calls of the old one may still reach the gateway."""
        rules = self.workflow.rules
        rules = replace(
            rules,
            approvals_required=rules.approvals_required if quorum is None else quorum,
            allow_self_approval=rules.allow_self_approval if self_approval is None else self_approval,
        )
        self.workflow = self._process(rules)
        self.run(self.workflow.start(Started("1")))

    def recount(self, approvers: Members | None = None) -> None:
        """Let the process count the votes again; ``approvers`` is what Slack says of them, if it is not what is so."""
        self.run(self.workflow.recount(self._everybody(approvers)))

    # --- what always holds --------------------------------------------------------------------

    def check(self) -> None:
        """Raise AssertionError if something is not as it must be, no matter what was done before."""
        assert walk(self.tables.record.chain()).damage is None
        assert list(self.tables.projections.contradictions()) == []
        for was, becomes in self.rows("SELECT was, becomes FROM steps"):
            assert (becomes == State.PENDING) if was is None else (State(becomes) in NEXT[State(was)])
        rows = self.rows(_ORDERS)
        assert max(Counter(order for _, _, _, order, state, _ in rows if State(state) in OPEN).values(), default=0) <= 1
        under_way = Counter(number for (number,) in self.rows("SELECT number FROM attempts WHERE outcome IS NULL"))
        for request, _, number, order, state, _ in rows:
            # A confirmation that came late leaves the call after it without an answer that anybody waits for.
            possible = {State.SENDING: {1}, State.CANCELLED: {0, 1}}
            assert under_way[number] in possible.get(State(state), {0})
            ours = self.outside.cancelled.get(order) == request
            match State(state):
                case State.CANCELLED:
                    assert order in self.outside.cancelled
                case State.APPROVED | State.SENDING | State.UNKNOWN:
                    pass
                case State.SETTLED_CANCELLED | State.SETTLED_NOT_CANCELLED:
                    pass  # a person's word, which may be wrong
                case _:
                    assert not ours
        self._check_times()
        events = list(self.tables.record.all())
        self._check_decisions(events)
        self._check_deliveries(events, {request: (number, requester) for request, number, *_, requester in rows})
        self._check_slack()

    def _check_times(self) -> None:
        """Check that the worker comes back to everything that waits for it, and to nothing else."""
        times = "c.state, c.due_at, c.lease_until, r.due_at, r.expires_at, r.remind_at, r.escalate_at"
        orders = "cancellations c JOIN requests r ON r.number = c.request"
        for state, sent_at, lease_until, due_at, *of_a_decision in self.rows(f"SELECT {times} FROM {orders}"):
            assert (sent_at is not None) == (state == State.APPROVED)
            assert (due_at is not None) == (state == State.PENDING)
            if due_at is not None:
                # Reminders and the escalation wait for the end of a freeze.
                held = self.tables.freeze() is not None and due_at == of_a_decision[0]
                assert held or due_at == min(filter(None, of_a_decision))
            else:
                assert of_a_decision[1:] == [None, None]
            assert (lease_until is not None) == (state == State.SENDING)
        held = "SELECT status, lease_until, claimed_by, in_doubt_since FROM deliveries WHERE claimed_by IS NOT NULL"
        for status, lease_until, _, in_doubt_since in self.rows(held):
            assert status == "queued"
            assert lease_until is not None
            assert in_doubt_since is not None

    def _check_decisions(self, events: Sequence[Event]) -> None:
        """Check that each request was decided once, as a whole, and that no order of it was sent before that."""
        decided: set[str] = set()
        for event in events:
            match event.content:
                case Approved() | Rejected() | Withdrawn() | Expired():
                    assert event.request not in decided
                    decided.add(event.request)
                case Sending():
                    assert event.request in decided
        together: dict[str, set[bool]] = {}
        for about, _, _, _, state, _ in self.rows(_ORDERS):
            together.setdefault(about, set()).add(state in _DECIDED_ALIKE)
        assert all(len(each) == 1 for each in together.values())

    def _check_deliveries(self, events: Sequence[Event], known: dict[str, tuple[int, str]]) -> None:
        """Check that every event of these requests that people must learn of has its messages."""
        owed: dict[tuple[int, int], list[str]] = {}
        sql = "SELECT number, event_seq, kind FROM deliveries WHERE kind <> 'copies' ORDER BY position"
        for number, seq, kind in self.rows(sql):
            owed.setdefault((number, seq), []).append(kind)
        under_way = UnderWay()
        for event in events:
            if event.request not in known:
                continue
            over = under_way.follow(event)
            number, requester = known[event.request]
            kinds, several = owed.get((number, event.seq), []), len(under_way.orders[event.request]) > 1
            match event.content:
                case Requested():
                    assert kinds == ["card", "receipt"]
                case Voted() | Reminded() | Escalated():
                    assert kinds.count("reply") == 1
                case GatewayTrouble():
                    assert sorted(kinds) == ["direct_message", "reply"]
                case content if isinstance(content, Ending):
                    # People are told once how all orders ended, and of what somebody found or was confirmed late.
                    told = over or is_about_one(content)
                    own = event.actor == requester and not (isinstance(content, StoppedTrying) and several)
                    assert kinds.count("reply") == told
                    assert kinds.count("direct_message") == (told and not own)

    def _check_slack(self) -> None:
        """Check that what is on file is in Slack, that duplicates are not, and that nothing was dropped by itself."""
        rows = self.rows(
            "SELECT d.id, d.kind, d.status, d.ts, c.id, c.card_ts FROM deliveries d"
            " JOIN requests c ON c.number = d.number"
        )
        for delivery, kind, status, ts, request, card in rows:
            if status == "abandoned" and (request, kind) not in self.outside.refused:
                # Without a card there is no thread for its results.
                assert (request, DeliveryKind.CARD) in self.outside.refused
                assert not DeliveryKind(kind).to_requester
                assert kind != DeliveryKind.REPLY or card is None
            if DeliveryKind(kind).is_new_message and status == "delivered":
                assert self.outside.messages[ts] == delivery
        on_file = {ts for _, _, status, ts, *_ in rows if status == "delivered"}
        abandoned = {delivery for delivery, _, status, *_ in rows if status == "abandoned"}
        for ts, delivery in self.outside.messages.items():
            # Nobody knows of a message whose receipt never came.
            assert ts in on_file or ts not in self.outside.receipts or delivery in abandoned

    def drain(self) -> None:
        """Let Slack take everything that is owed; then every card and receipt shows the truth.

        A card is there if people must act, or the requester reads that it is not.
        """
        recently = self.clock() - timedelta(minutes=50)
        # Twice, as an update that was in doubt is sent once more after a while.
        for _ in range(2):
            self.clock.advance(minutes=3)
            while self.deliver(DeliveryOutcome.DELIVERED) or self.publish():
                pass
        assert self.rows("SELECT * FROM deliveries WHERE status = 'queued'") == []
        for about, card in self.rows("SELECT id, card_ts FROM requests WHERE card_ts IS NOT NULL"):
            found, shown = self.found(about), self.outside.cards.get(card)
            if shown is None:
                refused = (about, DeliveryKind.CARD) in self.outside.refused
                assert found.over or refused or self._knows_of_no_card(found)
                continue
            assert _shows(shown, found)
        receipts = "SELECT c.id, d.ts FROM deliveries d JOIN requests c ON c.number = d.number"
        for about, ts in self.rows(f"{receipts} WHERE d.kind = 'receipt' AND d.status = 'delivered'"):
            found, own = self.found(about), self.outside.own.get(ts)
            if own is None:
                assert (about, DeliveryKind.RECEIPT_UPDATE) in self.outside.refused
                continue
            assert _shows(own, found)
            assert own.card == found.card_ts
            # When it is too late for Retry, the receipt may have been drawn before or after that.
            is_open = any(each.state.open for each in found.cancellations)
            if is_open or policy.retryable(found.as_of(self.clock(), None)):
                assert (own.missing is None) == (found.card_ts in self.outside.cards)
        for tab in self.outside.homes.values():
            if tab.opened_at > recently:
                assert tab.actor is not None
                assert tab.shows is not None
                assert tab.shows == replace(self.run(self.workflow.home(tab.actor)), at=tab.shows.at)

    def _knows_of_no_card(self, found: Request) -> bool:
        """Return True where the requester has a message that their request has no card, unless Slack refused that."""
        if (found.id, DeliveryKind.RECEIPT) in self.outside.refused:
            return True
        sql = (
            "SELECT 1 FROM deliveries d JOIN audit_events e ON e.seq = d.event_seq"
            " WHERE d.number = ? AND d.kind = 'direct_message' AND e.kind = 'delivery_abandoned'"
        )
        return bool(self.rows(sql, found.number))


def _shows(look: Look, found: Request) -> bool:
    """Return True where this is the truth; the begin of a call is no news where the approval is shown."""
    same = (look.approvers, look.quorum) == (found.approvers, found.approvals_required)
    return same and all(
        _to_know(shown) == _to_know(now) or (shown.state, now.state) == (State.APPROVED, State.SENDING)
        for shown, now in zip(look.orders, found.cancellations, strict=True)
    )


def _to_know(order: Cancellation) -> tuple[object, ...]:
    """Return what people read about an order: what an earlier request did matters as long as somebody has to decide."""
    earlier = order.earlier if order.state is State.PENDING else None
    again = order.due_at if order.attempts else None
    return order.state, earlier, again, order.last_answer, order.stopped_by, order.settlement
