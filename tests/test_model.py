"""The use cases against a model: any acts in any order, with crashes between any two statements."""

import asyncio
import itertools
import re
import tempfile
from collections.abc import Coroutine
from datetime import timedelta
from pathlib import Path
from typing import Any

from hypothesis import settings, strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from bot.domain.attempt import Answer, Outcome
from bot.domain.audit import verify
from bot.domain.cancellation import NEXT, State
from bot.domain.delivery import DeliveryKind, Fate, Receipt
from bot.domain.policy import Standing, Verdict
from bot.store import Attempt, Store
from bot.workflow import Accepted, AlreadyOpen, Rules, Workflow
from tests.clock import Clock

ORDERS = ["ord_1", "ord_2"]
PEOPLE = ["UANN", "UBEN", "UCLEO"]
TABLES = ("people", "cancellations", "decisions", "attempts", "audit_events", "deliveries")
ANSWERS = [
    Answer(Outcome.CANCELLED, http_status=200),
    Answer(Outcome.REFUSED, http_status=422, use_refund=True),
    Answer(Outcome.REFUSED, http_status=409, already_cancelled=True),
    Answer(Outcome.NOT_SENT, repeat=True),
    Answer(Outcome.NOT_SENT, http_status=401),
    Answer(Outcome.UNKNOWN, repeat=True),
]


class Crash(Exception):
    """The process ends here."""


class Fragile:
    """A database that breaks at the n-th statement from now, if it is told to."""

    def __init__(self, db: Any) -> None:
        self._db = db
        self.left: int | None = None

    def execute(self, *arguments: Any) -> Any:
        """Run a statement, or break."""
        self._count()
        return self._db.execute(*arguments)

    def query(self, *arguments: Any) -> Any:
        """The same for a query."""
        self._count()
        return self._db.query(*arguments)

    def commit(self) -> None:
        """The same for the commit itself."""
        self._count()
        self._db.commit()

    def _count(self) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                self.left = None
                raise Crash

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)


class Desk(RuleBasedStateMachine):
    """Everything that people, the worker and the clock can do."""

    cancellations = Bundle("cancellations")
    attempts = Bundle("attempts")

    @initialize(quorum=st.integers(1, 2), self_approval=st.booleans())
    def open(self, quorum: int, self_approval: bool) -> None:
        """A fresh file."""
        self.folder = tempfile.TemporaryDirectory()
        self.runner = asyncio.Runner()
        self.clock = Clock()
        self.store = Store(Path(self.folder.name) / "bot.db")
        self.run(self.store.open())
        self.fragile = Fragile(self.store._db)
        self.store._db = self.fragile  # type: ignore[assignment]
        rules = Rules(quorum, self_approval, timedelta(hours=1), re.compile(r"\w+"), max_attempts=2)
        self.workflow = Workflow(self.store, rules, now=self.clock, jitter=lambda: 0.0)
        self.forms = itertools.count()
        self.states: dict[str, State] = {}
        self.voted: set[tuple[str, str]] = set()

    def teardown(self) -> None:
        """Close and delete it."""
        self.run(self.store.close())
        self.runner.close()
        self.folder.cleanup()

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """What it leads to."""
        return self.runner.run(work)

    def table(self, name: str) -> list[tuple[Any, ...]]:
        """All rows, as they are on the disk."""
        return self.run(self.store.read(lambda reader: reader._db.execute(f"SELECT * FROM {name}").fetchall()))  # type: ignore[no-any-return]

    # --- acts ---------------------------------------------------------------------------------

    @rule(target=cancellations, order=st.sampled_from(ORDERS), person=st.sampled_from(PEOPLE))
    def ask(self, order: str, person: str) -> str:
        """Somebody asks."""
        result = self.run(self.workflow.request(
            form_id=f"V{next(self.forms)}", order_id=order, reason="why", requester=person, name=person, channel="C1",
            standing=Standing.MEMBER,
        ))  # fmt: skip
        assert isinstance(result, Accepted | AlreadyOpen)
        return result.cancellation.id

    @rule(about=cancellations, person=st.sampled_from(PEOPLE), standing=st.sampled_from(Standing))
    def approve(self, about: str, person: str, standing: Standing) -> None:
        """Somebody approves; only a member's approval ever counts, and never the requester's unless allowed."""
        acted = self.run(self.workflow.approve(about, person, person, standing))
        if acted.verdict is Verdict.ALLOWED:
            assert standing is Standing.MEMBER
            assert person != acted.cancellation.requester or self.workflow.rules.allow_self_approval
            assert (about, person) not in self.voted
            self.voted.add((about, person))
            enough = len(acted.cancellation.approvers) >= acted.cancellation.approvals_required
            assert (acted.cancellation.state is State.APPROVED) is enough

    @rule(about=cancellations, person=st.sampled_from(PEOPLE))
    def reject(self, about: str, person: str) -> None:
        """Somebody rejects."""
        self.run(self.workflow.reject(about, person, person, Standing.MEMBER, "no"))

    @rule(about=cancellations, person=st.sampled_from(PEOPLE))
    def withdraw(self, about: str, person: str) -> None:
        """Somebody withdraws."""
        self.run(self.workflow.withdraw(about, person, person))

    @rule(about=cancellations)
    def retry(self, about: str) -> None:
        """An approver retries."""
        self.run(self.workflow.retry(about, "UBEN", "ben", Standing.MEMBER))

    @rule(target=attempts)
    def claim(self) -> Attempt | None:
        """The worker takes what is due: only what a quorum approved, and never two calls for one order."""
        attempt: Attempt | None = self.run(self.workflow.next_attempt("w"))
        if attempt is not None:
            found = self.run(self.store.read(lambda reader: reader.cancellation(attempt.cancellation_id)))
            assert found.state is State.SENDING
            assert len(found.approvers) >= found.approvals_required
            assert (attempt.order_id, attempt.reason) == (found.order_id, "why")
        return attempt

    @rule(attempt=consumes(attempts), answer=st.sampled_from(ANSWERS), again=st.booleans())
    def answer(self, attempt: Attempt | None, answer: Answer, again: bool) -> None:
        """The gateway answers, perhaps twice."""
        for _ in range(1 + again):
            if attempt is not None:
                self.run(self.workflow.record_answer(attempt, answer))

    @rule(fate=st.sampled_from(Fate))
    def deliver(self, fate: Fate) -> None:
        """A delivery goes out, or does not."""
        claimed = self.run(self.workflow.next_delivery("w"))
        if claimed is not None:
            receipt = Receipt(fate, "C1", "1.1", "", "problem", in_doubt=fate is Fate.IN_DOUBT)
            self.run(self.workflow.record_delivery(claimed[0], receipt))

    @rule(minutes=st.sampled_from([0.01, 1, 3, 61]))
    def pass_time(self, minutes: float) -> None:
        """Time passes."""
        self.clock.advance(minutes=minutes)

    @rule()
    def restart(self) -> None:
        """A new process takes over."""
        self.run(self.workflow.recover({}))

    @rule(
        about=cancellations, act=st.sampled_from(["ask", "approve", "reject", "withdraw", "retry", "claim", "deliver"]),
        statements=st.integers(0, 25),
    )  # fmt: skip
    def crash(self, about: str, act: str, statements: int) -> None:
        """The process dies between two statements: nothing of that act is ever seen."""
        before = [self.table(name) for name in TABLES]
        acts: dict[str, Any] = {
            "ask": lambda: self.ask("ord_1", "UANN"),
            "approve": lambda: self.approve(about, "UBEN", Standing.MEMBER),
            "reject": lambda: self.reject(about, "UBEN"),
            "withdraw": lambda: self.withdraw(about, "UANN"),
            "retry": lambda: self.retry(about),
            "claim": lambda: self.run(self.store.transaction("x", lambda tx: self.workflow._settle_one(tx, "w"))),
            "deliver": lambda: self.run(self.workflow.next_delivery("w")),
        }
        self.fragile.left = statements
        try:
            acts[act]()
        except Crash:
            assert [self.table(name) for name in TABLES] == before
        self.fragile.left = None

    # --- what always holds --------------------------------------------------------------------

    @invariant()
    def the_record_is_whole(self) -> None:
        """Every event follows from the one before."""
        if hasattr(self, "store"):
            assert self.run(self.store.read(lambda reader: verify(reader.events()))).damage is None

    @invariant()
    def states_only_follow_states(self) -> None:
        """No cancellation ever takes a way that the states do not have, and an order has one open one."""
        if not hasattr(self, "store"):
            return
        rows = self.run(self.store.read(
            lambda reader: reader._db.execute("SELECT id, order_id, state FROM cancellations").fetchall(),
        ))  # fmt: skip
        for cancellation, _, name in rows:
            state, former = State(name), self.states.get(cancellation, State.PENDING)
            assert state is former or state in _reachable(former)
            self.states[cancellation] = state
        opened = [order for _, order, name in rows if State(name).open]
        assert len(opened) == len(set(opened))

    @invariant()
    def what_ended_is_told(self) -> None:
        """For every ending there is an event, and news for the card and its thread were owed with it."""
        if not hasattr(self, "store"):
            return
        ends = [row[0] for row in self.table("audit_events") if row[2] in {"cancelled", "refused", "failed", "unknown"}]
        replies = [row for row in self.table("deliveries") if DeliveryKind.REPLY in row]
        assert set(ends) <= {value for row in replies for value in row if isinstance(value, int)}


def _reachable(state: State) -> set[State]:
    """Every state that may follow, at once or later."""
    found: set[State] = set()
    ahead = [state]
    while ahead:
        for following in NEXT[ahead.pop()] - found:
            found.add(following)
            ahead.append(following)
    return found


TestDesk = Desk.TestCase
TestDesk.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
