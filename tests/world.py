"""The use cases over a real file, a clock that is moved, a gateway that is modelled, and all that must always hold."""

import asyncio
import re
from collections import Counter
from collections.abc import Coroutine
from datetime import timedelta
from pathlib import Path
from typing import Any

from bot.domain.attempt import Answer, Outcome
from bot.domain.audit import verify
from bot.domain.cancellation import NEXT, OPEN, State
from bot.domain.delivery import DeliveryKind, Fate, Receipt
from bot.domain.policy import Standing
from bot.store import Attempt, Store
from bot.store.reading import Reader
from bot.workflow import Accepted, Acted, AskResult, Owed, Rules, Workflow
from tests.clock import Clock

ANN, BEN, CLEO = "UANN", "UBEN", "UCLEO"
TABLES = ("people", "cancellations", "decisions", "attempts", "audit_events", "deliveries")
ENDINGS = {"cancelled", "refused", "failed", "unknown", "rejected", "withdrawn", "expired"}

_WATCH = """
    CREATE TEMP TABLE steps (was TEXT, becomes TEXT);
    CREATE TEMP TRIGGER born AFTER INSERT ON main.cancellations
        BEGIN INSERT INTO steps VALUES (NULL, NEW.state); END;
    CREATE TEMP TRIGGER moved AFTER UPDATE OF state ON main.cancellations WHEN OLD.state IS NOT NEW.state
        BEGIN INSERT INTO steps VALUES (OLD.state, NEW.state); END;
"""


async def next_attempt(workflow: Workflow) -> Attempt | None:
    """The call that is due, claimed."""
    claimed = await workflow.claim("w", attempts=1, deliveries=0)
    return claimed.attempts[0] if claimed.attempts else None


async def next_owed(workflow: Workflow) -> Owed | None:
    """What is owed to Slack next, claimed."""
    claimed = await workflow.claim("w", attempts=0, deliveries=1)
    return claimed.owed[0] if claimed.owed else None


class World:
    """Two calls to the gateway at most for each approval; requests expire after an hour, leases after two minutes."""

    def __init__(self, folder: Path, *, quorum: int = 1, self_approval: bool = False) -> None:
        self.runner = asyncio.Runner()
        self.clock = Clock()
        self.store = Store(folder / "bot.db")
        self.run(self.store.open())
        self.store._db.executescript(_WATCH)
        rules = Rules(quorum, self_approval, timedelta(hours=1), re.compile(r"\w+"), max_attempts=2)
        self.workflow = Workflow(self.store, rules, now=self.clock, jitter=lambda: 0.0)
        self.cancelled_at_the_gateway: dict[str, str] = {}
        """Which cancellation an order was cancelled for."""
        self.under_way: list[Attempt] = []
        self.shown: dict[str, State] = {}
        """What the card of each cancellation shows."""
        self.forms = 0

    def close(self) -> None:
        """Let go of the file."""
        self.run(self.store.close())
        self.runner.close()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """What it leads to."""
        return self.runner.run(work)

    @property
    def reader(self) -> Reader:
        """Reads what the writer sees."""
        return Reader(self.store._db)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        return list(self.store._db.execute(sql).fetchall())

    # --- people -------------------------------------------------------------------------------

    def ask(self, order: str = "ord_1", person: str = ANN) -> AskResult:
        """Somebody asks, with a form of its own."""
        self.forms += 1
        return self.run(self.workflow.request(  # type: ignore[no-any-return]
            form_id=f"V{self.forms}", order_id=order, reason="why", requester=person, name=person.lower(), channel="C1",
            standing=Standing.MEMBER,
        ))  # fmt: skip

    def asked(self, order: str = "ord_1", person: str = ANN) -> str:
        """The id of what was asked for."""
        result = self.ask(order, person)
        assert isinstance(result, Accepted)
        return result.cancellation.id

    def approve(self, about: str, person: str = BEN, standing: Standing = Standing.MEMBER) -> Acted:
        """Somebody approves."""
        return self.run(self.workflow.approve(about, person, person.lower(), standing))  # type: ignore[no-any-return]

    def reject(self, about: str, person: str = BEN, standing: Standing = Standing.MEMBER) -> Acted:
        """Somebody rejects."""
        return self.run(self.workflow.reject(about, person, person.lower(), standing, "no"))  # type: ignore[no-any-return]

    def withdraw(self, about: str, person: str = ANN) -> Acted:
        """Somebody withdraws."""
        return self.run(self.workflow.withdraw(about, person, person.lower()))  # type: ignore[no-any-return]

    def retry(self, about: str, standing: Standing = Standing.MEMBER) -> Acted:
        """Somebody retries."""
        return self.run(self.workflow.retry(about, BEN, "ben", standing))  # type: ignore[no-any-return]

    # --- the worker ---------------------------------------------------------------------------

    def work(self) -> Attempt | None:
        """The worker settles what is due, and perhaps begins a call."""
        attempt: Attempt | None = self.run(next_attempt(self.workflow))
        if attempt is not None:
            found = self.reader.cancellation(attempt.cancellation_id)
            assert found is not None
            assert found.state is State.SENDING
            assert len(found.approvers) >= found.approvals_required
            assert (attempt.order_id, attempt.reason) == (found.order_id, found.reason)
            self.under_way.append(attempt)
        return attempt

    def reach(self, attempt: Attempt) -> Answer:
        """A call reaches the gateway: the order is cancelled by the first one; what the gateway answers."""
        if attempt.order_id in self.cancelled_at_the_gateway:
            return Answer(Outcome.REFUSED, http_status=409, already_cancelled=True)
        self.cancelled_at_the_gateway[attempt.order_id] = attempt.cancellation_id
        return Answer(Outcome.CANCELLED, http_status=200)

    def answer(self, attempt: Attempt, answer: Answer) -> State | None:
        """What a call proved is written down; the state that it leads to, if it came in time to count."""
        return self.run(self.workflow.record_answer(attempt, answer))  # type: ignore[no-any-return]

    def deliver(self, fate: Fate) -> bool:
        """Something owed to Slack is tried; False if nothing is due."""
        owed: Owed | None = self.run(next_owed(self.workflow))
        if owed is None:
            return False
        delivery, cancellation = owed.delivery, owed.cancellation
        if fate is Fate.DELIVERED and delivery.kind in {DeliveryKind.CARD, DeliveryKind.CARD_UPDATE}:
            self.shown[cancellation.id] = cancellation.state
        receipt = Receipt(fate, "C1", "1.1", "", "problem", in_doubt=fate is Fate.IN_DOUBT)
        self.run(self.workflow.record_delivery(delivery, receipt))
        return True

    def restart(self) -> None:
        """A new process takes over; calls of the old one may still reach the gateway."""
        self.run(self.workflow.recover({}))

    # --- what always holds --------------------------------------------------------------------

    def check(self) -> None:
        """Raises if something is not as it must be, whatever was done before."""
        assert verify(self.reader.events()).damage is None
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
        self._check_owed({cancellation: (number, requester) for cancellation, number, _, _, requester in rows})

    def _check_owed(self, known: dict[str, tuple[int, str]]) -> None:
        owed: dict[tuple[int, int], list[str]] = {}
        for number, seq, kind in self.rows("SELECT number, event_seq, kind FROM deliveries"):
            owed.setdefault((number, seq), []).append(kind)
        for event in self.reader.events():
            if event.cancellation not in known:
                continue
            number, requester = known[event.cancellation]
            kinds = owed.get((number, event.seq), [])
            if event.kind == "requested":
                assert kinds == ["card"]
            if event.kind in ENDINGS:
                assert kinds.count("reply") == 1
                assert kinds.count("direct_message") == (event.actor != requester)

    def drain(self) -> None:
        """Slack takes everything that is owed: then every card shows how its request stands."""
        self.clock.advance(minutes=3)
        while self.deliver(Fate.DELIVERED):
            pass
        assert self.rows("SELECT * FROM deliveries WHERE status = 'owed'") == []
        for cancellation, state in self.rows("SELECT id, state FROM cancellations WHERE card_ts IS NOT NULL"):
            assert self.shown[cancellation] == state
