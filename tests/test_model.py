"""The use cases against a model: every pair of acts from every state, and any acts in any order."""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from bot.domain.attempt import Answer, Outcome
from bot.domain.cancellation import State
from bot.domain.delivery import Fate
from bot.domain.policy import Standing, Verdict
from bot.store import Attempt
from bot.store.transaction import Memory
from bot.workflow import Accepted, AlreadyOpen
from tests.world import ANN, BEN, CLEO, World

LOST = Answer(Outcome.UNKNOWN, repeat=True)
ANSWERS = {
    "confirmed": Answer(Outcome.CANCELLED, http_status=200),
    "completed": Answer(Outcome.REFUSED, http_status=422, use_refund=True),
    "cancelled before": Answer(Outcome.REFUSED, http_status=409, already_cancelled=True),
    "busy": Answer(Outcome.NOT_SENT, http_status=503, repeat=True),
    "denied": Answer(Outcome.NOT_SENT, http_status=401),
    "lost": LOST,
}


@dataclass
class Expected:
    """What must become of one request, told without any of the bot's own code."""

    state: str = "pending"
    attempts: int = 0
    lost: bool = False
    calling: bool = False
    overdue: bool = False
    due: bool = False
    another: str = ""
    """A second request for the same order: open, or open and overdue."""

    def act(self, act: str) -> None:
        """One act of ``ACTS``."""
        if self.state == "pending" and self.overdue and act in _EXPIRING:
            self.state = "expired"
        match act:
            case "time":
                self.overdue = self.due = True
                self.another = self.another and "overdue"
            case "ask again" if self.state not in {"pending", "approved", "sending", "unknown"}:
                self.another = "open"
            case "restart" if self.state == "sending":
                self.due = True
            case "approve" | "reject" | "withdraw" if self.state == "pending":
                self._decided(act)
            case "retry" if self.state == "unknown" or (self.state == "failed" and not self.another):
                self._decided("approve")
            case "work":
                self._worked()
            case _ if act in ANSWERS and self.calling and self.state == "sending":
                self._answered(act)

    def _decided(self, act: str) -> None:
        self.state = {"approve": "approved", "reject": "rejected", "withdraw": "withdrawn"}[act]
        self.attempts, self.due = 0, act == "approve"

    def _worked(self) -> None:
        if self.another == "overdue":
            self.another = ""
        elif self.due and self.state == "approved":
            self.state, self.calling, self.due = "sending", True, False
            self.attempts += 1
        elif self.due and self.state == "sending":
            self._answered("lost")

    def _answered(self, answer: str) -> None:
        self.calling, before = False, self.lost
        self.lost |= answer == "lost"
        match answer:
            case "confirmed":
                self.state = "cancelled"
            case "cancelled before":
                self.state = "cancelled" if before else "refused"
            case "completed":
                self.state = "refused"
            case "busy" | "lost" if self.attempts < 2:
                self.state, self.due = "approved", False
            case _:
                self.state = "unknown" if self.lost else "failed"


def _answer_last(world: World, _: str, *, answer: Answer) -> None:
    """What the last call proved, told again and again if it is asked for."""
    if world.under_way:
        attempt = world.under_way[-1]
        if world.answer(attempt, answer) is State.CANCELLED:
            world.cancelled_at_the_gateway.setdefault(attempt.order_id, attempt.cancellation_id)


ACTS: dict[str, Callable[[World, str], object]] = {
    "approve": lambda world, about: world.approve(about),
    "approve one's own": lambda world, about: world.approve(about, ANN),
    "approve as outsider": lambda world, about: world.approve(about, CLEO, Standing.OUTSIDER),
    "approve unchecked": lambda world, about: world.approve(about, CLEO, Standing.UNCHECKED),
    "reject": lambda world, about: world.reject(about),
    "reject as outsider": lambda world, about: world.reject(about, CLEO, Standing.OUTSIDER),
    "withdraw": lambda world, about: world.withdraw(about),
    "withdraw another's": lambda world, about: world.withdraw(about, BEN),
    "retry": lambda world, about: world.retry(about),
    "retry as outsider": lambda world, about: world.retry(about, Standing.OUTSIDER),
    "time": lambda world, _: world.clock.advance(minutes=61),
    "work": lambda world, _: world.work(),
    "restart": lambda world, _: world.restart(),
    "ask again": lambda world, _: world.ask(person=CLEO),
    **{name: partial(_answer_last, answer=answer) for name, answer in ANSWERS.items()},
}
_EXPIRING = {act for act in ACTS if act.split()[0] in {"approve", "reject", "withdraw", "retry", "ask", "work"}}
WAYS = {
    State.PENDING: [],
    State.APPROVED: ["approve"],
    State.SENDING: ["approve", "work"],
    State.CANCELLED: ["approve", "work", "confirmed"],
    State.REFUSED: ["approve", "work", "completed"],
    State.FAILED: ["approve", "work", "denied"],
    State.UNKNOWN: ["approve", "work", "lost", "time", "work", "lost"],
    State.REJECTED: ["reject"],
    State.WITHDRAWN: ["withdraw"],
    State.EXPIRED: ["time", "work"],
}


class Undone:
    """The writer's connection, where each commit is only a step in one transaction that is undone at the end."""

    def __init__(self, db: Any) -> None:
        self._db = db

    def execute(self, sql: str, *parameters: Any) -> Any:
        """Run a statement; a transaction begins inside the one that is open."""
        return self._db.execute("SAVEPOINT act" if sql == "BEGIN IMMEDIATE" else sql, *parameters)

    def commit(self) -> None:
        """Keep this step, for now."""
        self._db.execute("RELEASE act")

    def rollback(self) -> None:
        """Undo this step."""
        self._db.execute("ROLLBACK TO act")
        self._db.execute("RELEASE act")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)


@contextmanager
def undone(world: World) -> Iterator[None]:
    """All that is done to the world in the meantime never happened."""
    kept, at, under_way = world.store._db, world.clock.at, list(world.under_way)
    cancelled = dict(world.cancelled_at_the_gateway)
    kept.execute("SAVEPOINT undone")
    world.store._db = Undone(kept)  # type: ignore[assignment]
    try:
        yield
    finally:
        world.store._db, world.clock.at, world.under_way = kept, at, under_way
        world.cancelled_at_the_gateway = cancelled
        world.store._memory = Memory()
        kept.execute("ROLLBACK TO undone")
        kept.execute("RELEASE undone")


@pytest.mark.parametrize("state", State)
def test_every_pair_of_acts_leads_from_every_state_where_it_must(world: World, state: State) -> None:
    """Whatever two things happen one after the other, the request stands where the model says, and all else holds."""
    about, expected = world.asked(), Expected()
    for act in WAYS[state]:
        ACTS[act](world, about)
        expected.act(act)
    assert expected.state == state

    def happens(act: str, now: Expected) -> Expected:
        ACTS[act](world, about)
        now.act(act)
        found = world.reader.cancellation(about)
        assert found is not None
        assert found.state == now.state, act
        world.check()
        return now

    for first in ACTS:
        with undone(world):
            after_first = happens(first, replace(expected))
            for second in ACTS:
                with undone(world):
                    happens(second, replace(after_first))


class AnyOrder(RuleBasedStateMachine):
    """Several people, two orders, a gateway that keeps the truth, and a worker that may be late or die."""

    cancellations = Bundle("cancellations")
    calls = Bundle("calls")
    orders, people = st.sampled_from(["ord_1", "ord_2"]), st.sampled_from([ANN, BEN, CLEO])

    @initialize(quorum=st.integers(1, 2), self_approval=st.booleans())
    def open(self, quorum: int, self_approval: bool) -> None:
        """A fresh file."""
        self.folder = tempfile.TemporaryDirectory()
        self.world = World(Path(self.folder.name), quorum=quorum, self_approval=self_approval)
        self.voted: set[tuple[str, str]] = set()

    def teardown(self) -> None:
        """In the end Slack takes everything, and every card shows how its request stands."""
        self.world.drain()
        self.world.check()
        self.world.close()
        self.folder.cleanup()

    @rule(target=cancellations, order=orders, person=people)
    def ask(self, order: str, person: str) -> str:
        """Somebody asks: that is kept, or the one in the way is named."""
        result = self.world.ask(order, person)
        assert isinstance(result, Accepted | AlreadyOpen)
        assert result.cancellation.state.open
        assert result.cancellation.order_id == order
        return result.cancellation.id

    @rule(about=cancellations, person=people, standing=st.sampled_from(Standing))
    def approve(self, about: str, person: str, standing: Standing) -> None:
        """Only a member's approval counts, once, and the requester's own only where that is allowed."""
        acted = self.world.approve(about, person, standing)
        if acted.verdict is Verdict.ALLOWED:
            assert acted.cancellation is not None
            assert standing is Standing.MEMBER
            assert person != acted.cancellation.requester or self.world.workflow.rules.allow_self_approval
            assert (about, person) not in self.voted
            self.voted.add((about, person))
            found = self.world.reader.cancellation(about)
            assert found is not None
            assert (found.state is State.APPROVED) is (len(found.approvers) >= found.approvals_required)

    @rule(about=cancellations, person=people, standing=st.sampled_from(Standing))
    def reject(self, about: str, person: str, standing: Standing) -> None:
        """Only a member's rejection counts."""
        if self.world.reject(about, person, standing).verdict is Verdict.ALLOWED:
            assert standing is Standing.MEMBER

    @rule(about=cancellations, person=people)
    def withdraw(self, about: str, person: str) -> None:
        """Only who asked can withdraw."""
        acted = self.world.withdraw(about, person)
        if acted.verdict is Verdict.ALLOWED:
            assert acted.cancellation is not None
            assert acted.cancellation.requester == person

    @rule(about=cancellations)
    def retry(self, about: str) -> None:
        """An approver retries."""
        self.world.retry(about)

    @rule(target=calls)
    def work(self) -> Attempt | None:
        """The worker begins a call, if one is due."""
        return self.world.work()

    @rule(
        call=consumes(calls),
        said=st.sampled_from(["told", "lost after", "lost before", "busy", "denied"]),
        again=st.booleans(),
    )
    def answer(self, call: Attempt | None, said: str, again: bool) -> None:
        """A call reaches the gateway or does not, perhaps long after its lease; the answer comes, perhaps twice."""
        if call is None:
            return
        answer = self.world.reach(call) if said in {"told", "lost after"} else ANSWERS.get(said, LOST)
        for _ in range(1 + again):
            self.world.answer(call, LOST if said == "lost after" else answer)

    @rule(fate=st.sampled_from(Fate))
    def deliver(self, fate: Fate) -> None:
        """A delivery goes out, or does not."""
        self.world.deliver(fate)

    @rule(minutes=st.sampled_from([0.01, 1, 3, 61]))
    def pass_time(self, minutes: float) -> None:
        """Time passes."""
        self.world.clock.advance(minutes=minutes)

    @rule()
    def restart(self) -> None:
        """A new process takes over."""
        self.world.restart()

    @invariant()
    def everything_holds(self) -> None:
        """After every step."""
        if hasattr(self, "world"):
            self.world.check()


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
