"""Any acts in any order, by several people at once."""

import tempfile
from pathlib import Path

from hypothesis import settings, strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from bot.domain.attempt import Attempt
from bot.domain.cancellation import State
from bot.domain.delivery import DeliveryOutcome
from bot.domain.policy import Membership, Verdict
from tests.model.acts import ANSWERS, LOST
from tests.world import ANN, BEN, CLEO, World


class AnyOrder(RuleBasedStateMachine):
    """Several people, two orders, a gateway that keeps the truth, and a worker that may be late or die."""

    cancellations = Bundle("cancellations")
    calls = Bundle("calls")
    orders, people = st.sampled_from(["ord_1", "ord_2"]), st.sampled_from([ANN, BEN, CLEO])

    @initialize(quorum=st.integers(1, 2), self_approval=st.booleans())
    def open(self, quorum: int, self_approval: bool) -> None:
        """Begin with a new file."""
        self.folder = tempfile.TemporaryDirectory()
        self.world = World(Path(self.folder.name), quorum=quorum, self_approval=self_approval)
        self.voted: set[tuple[str, str]] = set()

    def teardown(self) -> None:
        """Let Slack take everything in the end; every card shows the state of its request."""
        self.world.drain()
        self.world.check()
        self.world.close()
        self.folder.cleanup()

    @rule(target=cancellations, order=orders, person=people)
    def ask(self, order: str, person: str) -> str:
        """Ask: the request is kept, or the answer names the one in the way."""
        acted = self.world.ask(order, person)
        assert acted.verdict in {Verdict.ALLOWED, Verdict.ANOTHER_IS_OPEN}
        assert acted.cancellation is not None
        assert acted.cancellation.state.open
        assert acted.cancellation.order_id == order
        return acted.cancellation.id

    @rule(about=cancellations, person=people, membership=st.sampled_from(Membership))
    def approve(self, about: str, person: str, membership: Membership) -> None:
        """Approve: only a member's approval counts, once, and the requester's own only where that is allowed."""
        acted = self.world.approve(about, person, membership)
        if acted.verdict is Verdict.ALLOWED:
            assert acted.cancellation is not None
            assert membership is Membership.MEMBER
            assert person != acted.cancellation.requester or self.world.workflow.rules.allow_self_approval
            assert (about, person) not in self.voted
            self.voted.add((about, person))
            found = self.world.tables.cancellations.get(about)
            assert found is not None
            assert (found.state is State.APPROVED) is (len(found.approvers) >= found.approvals_required)

    @rule(about=cancellations, person=people, membership=st.sampled_from(Membership))
    def reject(self, about: str, person: str, membership: Membership) -> None:
        """Reject: only a member's rejection counts."""
        if self.world.reject(about, person, membership).verdict is Verdict.ALLOWED:
            assert membership is Membership.MEMBER

    @rule(about=cancellations, person=people)
    def withdraw(self, about: str, person: str) -> None:
        """Withdraw: only the requester can."""
        acted = self.world.withdraw(about, person)
        if acted.verdict is Verdict.ALLOWED:
            assert acted.cancellation is not None
            assert acted.cancellation.requester == person

    @rule(about=cancellations)
    def retry(self, about: str) -> None:
        """Retry as an approver."""
        self.world.retry(about)

    @rule(target=calls)
    def work(self) -> Attempt | None:
        """Begin a call, if one is due."""
        return self.world.work()

    @rule(
        call=consumes(calls),
        said=st.sampled_from(["told", "lost after", "lost before", "busy", "denied"]),
        again=st.booleans(),
    )
    def answer(self, call: Attempt | None, said: str, again: bool) -> None:
        """Let a call reach the gateway or not, perhaps long after its lease; the answer comes, perhaps twice."""
        if call is None:
            return
        answer = self.world.reach(call) if said in {"told", "lost after"} else ANSWERS.get(said, LOST)
        for _ in range(1 + again):
            self.world.answer(call, LOST if said == "lost after" else answer)

    @rule(outcome=st.sampled_from(DeliveryOutcome))
    def deliver(self, outcome: DeliveryOutcome) -> None:
        """Try a delivery."""
        self.world.deliver(outcome)

    @rule(minutes=st.sampled_from([0.01, 1, 3, 61]))
    def pass_time(self, minutes: float) -> None:
        """Let time pass."""
        self.world.clock.advance(minutes=minutes)

    @rule()
    def restart(self) -> None:
        """Let a new process take over."""
        self.world.restart()

    @invariant()
    def everything_holds(self) -> None:
        """Check the world after every step."""
        if hasattr(self, "world"):
            self.world.check()


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
