"""The use cases over a real file, a clock that tests move, a modelled gateway, and everything that must always hold."""

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Coroutine
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from bot.domain.attempt import Answer, Attempt, Outcome, Reason
from bot.domain.audit import verify
from bot.domain.cancellation import NEXT, OPEN, State
from bot.domain.delivery import DeliveryKind, DeliveryOutcome, Receipt
from bot.domain.events import Requested, Started
from bot.domain.policy import Act, Actor, Membership
from bot.store import Store, Tables
from bot.workflow import Acted, ClaimedDelivery, Patience, Rules, Wish, Workflow, decisions
from bot.workflow.transitions import Ending
from tests.clock import Clock
from tests.writer import Writer

T = TypeVar("T")

ANN, BEN, CLEO = "UANN", "UBEN", "UCLEO"
TABLES = ("people", "cancellations", "decisions", "attempts", "audit_events", "deliveries")

_WATCH = """
    CREATE TEMP TABLE steps (was TEXT, becomes TEXT);
    CREATE TEMP TRIGGER born AFTER INSERT ON main.cancellations
        BEGIN INSERT INTO steps VALUES (NULL, NEW.state); END;
    CREATE TEMP TRIGGER moved AFTER UPDATE OF state ON main.cancellations WHEN OLD.state IS NOT NEW.state
        BEGIN INSERT INTO steps VALUES (OLD.state, NEW.state); END;
"""


def actor(person: str, membership: Membership = Membership.MEMBER) -> Actor:
    """Return this person with the same membership in every role."""
    return Actor(person, person.lower(), requester=membership, approver=membership, auditor=membership)


async def next_attempt(workflow: Workflow) -> Attempt | None:
    """Claim the call that is due, if one is."""
    claimed = await workflow.claim("w", calls=1, messages=0)
    return claimed.attempts[0] if claimed.attempts else None


async def next_delivery(workflow: Workflow) -> ClaimedDelivery | None:
    """Claim the delivery that is due next, if one is."""
    claimed = await workflow.claim("w", calls=0, messages=1)
    return claimed.deliveries[0] if claimed.deliveries else None


class World:
    """Two calls to the gateway at most for each approval; requests expire after an hour, leases after two minutes."""

    def __init__(self, folder: Path, *, quorum: int = 1, self_approval: bool = False) -> None:
        self.runner = asyncio.Runner()
        self.clock = Clock()
        self.writer = Writer()
        self.on_commit: Callable[[], object] = lambda: None
        """A function that is called right after each commit."""
        self.store = Store(folder / "bot.db", connect=self.writer.open, on_commit=self._committed)
        self.run(self.store.open())
        self.writer.sqlite.database.conn.executescript(_WATCH)
        rules = Rules(quorum, self_approval, timedelta(hours=1), re.compile(r"\w+"), Patience(max_attempts=2))
        self.workflow = Workflow(self.store, rules, now=self.clock, wake=asyncio.Event(), jitter=lambda: 0.0)
        self.cancelled_at_the_gateway: dict[str, str] = {}
        """The cancellation for which each order was cancelled."""
        self.under_way: list[Attempt] = []
        self.shown: dict[str, State] = {}
        """The state that the card of each cancellation shows."""
        self.forms = 0

    def _committed(self, _: str) -> None:
        self.on_commit()

    def close(self) -> None:
        """Close the file."""
        self.run(self.store.close())
        self.runner.close()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Return the result of this coroutine."""
        return self.runner.run(work)

    @property
    def tables(self) -> Tables:
        """Return the tables as the writer sees them."""
        return Tables(self.writer.sqlite)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query, as the writer sees them."""
        return self.writer.sqlite.execute(sql)

    # --- people -------------------------------------------------------------------------------

    def ask(self, order: str = "ord_1", person: str = ANN) -> Acted:
        """Ask with a new form."""
        self.forms += 1
        return self.run(self.workflow.request(Wish(f"V{self.forms}", order, "why", "C1"), actor(person)))

    def asked(self, order: str = "ord_1", person: str = ANN) -> str:
        """Ask, and return the id of the request."""
        cancellation = self.ask(order, person).cancellation
        assert cancellation is not None
        return cancellation.id

    def approve(self, about: str, person: str = BEN, membership: Membership = Membership.MEMBER) -> Acted:
        """Approve as this person."""
        return self.run(self.workflow.act(decisions.approve, Act.APPROVE, about, actor(person, membership)))

    def reject(self, about: str, person: str = BEN, membership: Membership = Membership.MEMBER) -> Acted:
        """Reject as this person."""
        return self.run(self.workflow.act(decisions.reject, Act.REJECT, about, actor(person, membership), reason="no"))

    def withdraw(self, about: str, person: str = ANN) -> Acted:
        """Withdraw as this person."""
        return self.run(self.workflow.act(decisions.withdraw, Act.WITHDRAW, about, actor(person)))

    def retry(self, about: str, membership: Membership = Membership.MEMBER) -> Acted:
        """Retry as Ben."""
        return self.run(self.workflow.act(decisions.retry, Act.RETRY, about, actor(BEN, membership)))

    # --- the worker ---------------------------------------------------------------------------

    def work(self) -> Attempt | None:
        """Settle what is due, and return the call that begins, if one does."""
        attempt = self.run(next_attempt(self.workflow))
        if attempt is not None:
            found = self.tables.cancellations.get(attempt.cancellation_id)
            assert found is not None
            assert found.state is State.SENDING
            assert len(found.approvers) >= found.approvals_required
            assert (attempt.order_id, attempt.reason) == (found.order_id, found.reason)
            self.under_way.append(attempt)
        return attempt

    def reach(self, attempt: Attempt) -> Answer:
        """Let a call reach the gateway, where the first one cancels the order; return the gateway's answer."""
        if attempt.order_id in self.cancelled_at_the_gateway:
            return Answer(Outcome.REFUSED, http_status=409, reason=Reason.ALREADY_CANCELLED)
        self.cancelled_at_the_gateway[attempt.order_id] = attempt.cancellation_id
        return Answer(Outcome.CANCELLED, http_status=200)

    def answer(self, attempt: Attempt, answer: Answer) -> State | None:
        """Keep what a call proved; return the state that it leads to, if it came in time to count."""
        return self.run(self.workflow.record_answer(attempt, answer))

    def deliver(self, outcome: DeliveryOutcome) -> bool:
        """Try the delivery that is due, with this outcome; return False if none is due."""
        claimed = self.run(next_delivery(self.workflow))
        if claimed is None:
            return False
        delivery, cancellation = claimed.delivery, claimed.cancellation
        delivered = outcome is DeliveryOutcome.DELIVERED
        if delivered and delivery.kind in {DeliveryKind.CARD, DeliveryKind.CARD_UPDATE}:
            self.shown[cancellation.id] = cancellation.state
        in_doubt = outcome is DeliveryOutcome.IN_DOUBT
        receipt = Receipt(outcome, "C1", "1.1", "", "problem", in_doubt=in_doubt)
        self.run(self.workflow.record_delivery(delivery, receipt))
        return True

    def restart(self) -> None:
        """Let a new process take over; calls of the old one may still reach the gateway."""
        self.run(self.workflow.start(Started("1")))

    # --- what always holds --------------------------------------------------------------------

    def check(self) -> None:
        """Raise AssertionError if something is not as it must be, no matter what was done before."""
        assert verify(self.tables.record.all()).damage is None
        for was, becomes in self.rows("SELECT was, becomes FROM steps"):
            assert (becomes == State.PENDING) if was is None else (State(becomes) in NEXT[State(was)])
        rows = self.rows("SELECT id, number, order_id, state, requester FROM cancellations")
        assert max(Counter(order for _, _, order, state, _ in rows if State(state) in OPEN).values(), default=0) <= 1
        under_way = Counter(number for (number,) in self.rows("SELECT number FROM attempts WHERE outcome IS NULL"))
        for cancellation, number, order, state, _ in rows:
            assert under_way[number] == (state == State.SENDING)
            ours = self.cancelled_at_the_gateway.get(order) == cancellation
            match State(state):
                case State.CANCELLED:
                    assert order in self.cancelled_at_the_gateway
                case State.APPROVED | State.SENDING | State.UNKNOWN:
                    pass
                case _:
                    assert not ours
        self._check_times()
        self._check_deliveries({cancellation: (number, requester) for cancellation, number, _, _, requester in rows})

    def _check_times(self) -> None:
        """Check that the worker comes back to everything that waits for it, and to nothing else."""
        for state, due_at, lease_until in self.rows("SELECT state, due_at, lease_until FROM cancellations"):
            assert (due_at is not None) == (state in {State.PENDING, State.APPROVED})
            assert (lease_until is not None) == (state == State.SENDING)
        held = "SELECT status, lease_until, claimed_by, in_doubt_since FROM deliveries WHERE claimed_by IS NOT NULL"
        for status, lease_until, _, in_doubt_since in self.rows(held):
            assert status == "queued"
            assert lease_until is not None
            assert in_doubt_since is not None

    def _check_deliveries(self, known: dict[str, tuple[int, str]]) -> None:
        """Check that every event of these cancellations that people must learn of has its messages."""
        owed: dict[tuple[int, int], list[str]] = {}
        for number, seq, kind in self.rows("SELECT number, event_seq, kind FROM deliveries"):
            owed.setdefault((number, seq), []).append(kind)
        for event in self.tables.record.all():
            if event.cancellation not in known:
                continue
            number, requester = known[event.cancellation]
            kinds = owed.get((number, event.seq), [])
            match event.content:
                case Requested():
                    assert kinds == ["card"]
                case content if isinstance(content, Ending):
                    assert kinds.count("reply") == 1
                    assert kinds.count("direct_message") == (event.actor != requester)

    def drain(self) -> None:
        """Let Slack take everything that is owed; then every card shows the state of its request."""
        self.clock.advance(minutes=3)
        while self.deliver(DeliveryOutcome.DELIVERED):
            pass
        assert self.rows("SELECT * FROM deliveries WHERE status = 'queued'") == []
        for cancellation, state in self.rows("SELECT id, state FROM cancellations WHERE card_ts IS NOT NULL"):
            # The begin of a call is no news for a card that shows the approval.
            begun = state == State.SENDING and self.shown[cancellation] is State.APPROVED
            assert begun or self.shown[cancellation] == state
