"""Any acts in any order, by several people at once."""

import tempfile
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from bot.domain.attempt import Attempt
from bot.domain.cancellation import Cancellation, State
from bot.domain.delivery import DeliveryOutcome, Receipt
from bot.domain.policy import Act, Members, Surface, Verdict
from bot.domain.request import Request
from bot.workflow import Acted, ClaimedDelivery
from tests.model.acts import ANSWERS, LOST
from tests.world import ALL_THREE, ANN, BEN, CLEO, DORA, World

pytestmark = pytest.mark.usefixtures("unmeasured")

Try = tuple[ClaimedDelivery, Receipt, int]
"""A try to deliver something, its receipt, and the number of starts before it."""

ORDERS = ["ord_1", "ord_2", "ord_3", "ord_4"]
SAID = ["told", "lost after", "lost before", "busy", "denied", "no such order", "echo"]
THEN = ["wait", "stop", "retry", "settle as cancelled", "settle as not cancelled"]
_GROUPS = st.just(ALL_THREE) | st.builds(
    Members, st.frozensets(st.sampled_from([ANN, BEN, CLEO])), complete=st.booleans()
)
_SETTLED = {State.SETTLED_CANCELLED, State.SETTLED_NOT_CANCELLED}


class AnyOrder(RuleBasedStateMachine):
    """Several people, four orders of which up to three are asked for at once, and a worker that may be late or die.

    The gateway and Slack keep the truth. The settings and the group of approvers change as they like, and Slack does
    not always say who is in the group.
    """

    requests = Bundle("requests")
    calls = Bundle("calls")
    tries = Bundle("tries")
    people = st.sampled_from([ANN, BEN, CLEO, DORA])
    orders = st.sampled_from(ORDERS)
    wishes = st.lists(orders, min_size=1, max_size=3, unique=True)

    @initialize(target=requests, quorum=st.integers(1, 2), self_approval=st.booleans(), wish=wishes)
    def open(self, quorum: int, self_approval: bool, wish: list[str]) -> str:
        """Begin with a new file and one request."""
        self.folder = tempfile.TemporaryDirectory()
        self.world = World(Path(self.folder.name) / "bot.db", quorum=quorum, self_approval=self_approval)
        self.starts = 0
        self.answered: set[int] = set()
        return self.world.asked(wish[0], more=wish[1:])

    def teardown(self) -> None:
        """Let Slack take everything in the end; every card shows the truth of its request."""
        self.world.drain()
        self.world.check()
        self.world.close()
        self.folder.cleanup()

    # --- people -------------------------------------------------------------------------------

    @rule(target=requests, wish=wishes, person=people)
    def ask(self, wish: list[str], person: str) -> str:
        """Ask: the request is kept as a whole, or the answer names every one that is in the way."""
        ((before,),) = self.world.rows("SELECT count(*) FROM cancellations")
        acted = self.world.ask(wish[0], person, more=wish[1:])
        ((kept,),) = self.world.rows("SELECT count(*) FROM cancellations")
        if acted.verdict is Verdict.ALLOWED:
            assert acted.request is not None
            assert acted.request.order_ids == tuple(wish)
            assert kept == before + len(wish)
            return acted.request.id
        assert (acted.verdict, kept) == (Verdict.ANOTHER_IS_OPEN, before)
        assert acted.in_the_way
        for each in acted.in_the_way:
            assert each.state.open
            assert each.cancellation.order_id in wish
        return acted.in_the_way[0].id

    @rule(about=requests, person=people)
    def approve(self, about: str, person: str) -> None:
        """Approve: only a member's approval counts, once, and the requester's own only where that is allowed."""
        before = self.world.found(about)
        acted = self.world.approve(about, person)
        if acted.verdict is Verdict.ALLOWED:
            assert before.state is State.PENDING
            assert person in self._may_approve(before)
            now = self.world.found(about)
            assert now.approvals_required == self.world.workflow.rules.approvals_required
            # A vote that counts already may only be given again where it is enough by itself.
            assert person not in before.approvers or now.state is State.APPROVED
            self._approved_by_enough(now)
        self._on_record(acted, Act.APPROVE)

    @rule(about=requests, person=people)
    def reject(self, about: str, person: str) -> None:
        """Reject: only a member's rejection counts."""
        acted = self.world.reject(about, person)
        if acted.verdict is Verdict.ALLOWED:
            assert acted.request is not None
            assert person in self._approvers(acted.request)
        self._on_record(acted, Act.REJECT)

    @rule(about=requests, person=people, surface=st.sampled_from(Surface))
    def withdraw(self, about: str, person: str, surface: Surface) -> None:
        """Withdraw, on the card or on the receipt: only the requester can."""
        acted = self.world.withdraw(about, person, surface)
        if acted.verdict is Verdict.ALLOWED:
            assert acted.request is not None
            assert acted.request.requester == person
        self._on_record(acted, Act.WITHDRAW)

    @rule(about=requests, person=people)
    def retry(self, about: str, person: str) -> None:
        """Retry: a second person, with an approval that is young, still counts, and was not decided against."""
        before = self.world.found(about)
        acted = self.world.retry(about, person)
        retried = self._changed(before)
        if acted.verdict is Verdict.ALLOWED:
            assert retried
            assert person in self._approvers(before) - {before.requester}
            assert self.world.clock() - self._last_vote(before) <= timedelta(hours=1)
            self._approved_by_enough(before)
        for was, now in retried:
            assert was.state in {State.FAILED, State.UNKNOWN}
            assert now.state is State.APPROVED
            assert not self._decided_against(was)
        self._on_record(acted, Act.RETRY)

    @rule(about=requests, person=people)
    def try_now(self, about: str, person: str) -> None:
        """Try now: an approver, while certainly nothing was done; the next calls are due at once."""
        before = self.world.found(about)
        acted = self.world.try_now(about, person)
        hurried = self._changed(before)
        if acted.verdict is Verdict.ALLOWED:
            assert hurried
            assert person in self._approvers(before)
        for was, now in hurried:
            self._certainly_not_done(was)
            assert was.cancellation.due_at is not None
            assert was.cancellation.due_at > self.world.clock()
            assert now.cancellation.due_at == self.world.clock()
        self._on_record(acted, Act.TRY_NOW)

    @rule(about=requests, person=people)
    def stop(self, about: str, person: str) -> None:
        """Stop trying: an approver or the requester, while certainly nothing was done; no call follows."""
        before = self.world.found(about)
        acted = self.world.stop(about, person)
        stopped = self._changed(before)
        if acted.verdict is Verdict.ALLOWED:
            assert stopped
            assert person in self._approvers(before) | {before.requester}
        for was, now in stopped:
            self._certainly_not_done(was)
            assert (now.state, now.cancellation.stopped_by) == (State.FAILED, person)
        self._on_record(acted, Act.STOP)

    @rule(about=requests, order=st.sampled_from(["", *ORDERS]), person=people, cancelled=st.booleans())
    def settle(self, about: str, order: str, person: str, cancelled: bool) -> None:
        """Settle one order by hand: a second person, where its outcome is unknown."""
        before = self.world.found(about)
        acted = self.world.settle(about, person, order=order, cancelled=cancelled)
        settled = self._changed(before)
        assert len(settled) == (acted.verdict is Verdict.ALLOWED)
        for was, now in settled:
            assert was.state is State.UNKNOWN
            assert order in {"", was.cancellation.order_id}
            assert person in self._approvers(before) - {before.requester}
            assert now.state in _SETTLED
        self._on_record(acted, Act.SETTLE)

    @rule(about=requests, order=orders, person=people)
    def freeze(self, about: str, order: str, person: str) -> None:
        """Freeze everything for a while: nothing is asked for, approved, retried or sent; then it goes on."""
        assert self.world.freeze() is Verdict.ALLOWED
        calls = len(self.world.outside.under_way)
        assert self.world.ask(order, person).verdict is Verdict.FROZEN
        assert self.world.approve(about, person).verdict is not Verdict.ALLOWED
        assert self.world.retry(about, person).verdict is not Verdict.ALLOWED
        self.world.recount()
        assert self.world.work() is None
        assert len(self.world.outside.under_way) == calls
        self.world.check()
        assert self.world.unfreeze() is Verdict.ALLOWED

    @rule(approvers=_GROUPS)
    def change_approvers(self, approvers: Members) -> None:
        """Let somebody join or leave the group of approvers, or Slack not say who is in it."""
        self.world.outside.approvers = approvers

    @rule(about=requests, answers=st.lists(st.sampled_from(SAID), max_size=3), then=st.sampled_from(THEN))
    def go_on(self, about: str, answers: list[str], then: str) -> None:
        """Lead a request on, as most people and gateways would: chance alone hardly comes to an end."""
        for said in answers:
            found = self.world.found(about)
            if found.state is State.PENDING:
                for person in sorted({ANN, BEN, CLEO} - {found.requester}):
                    self.approve(about, person)
            if self.world.found(about).under_way:
                self.world.clock.advance(minutes=1)
                while self.world.work():
                    pass
            for each in self.world.found(about).each():
                if each.state is State.SENDING:
                    self._answer(self._last_call(each), said)
        found = self.world.found(about)
        if then == "stop":
            self.stop(about, found.requester)
            return
        for person in (
            sorted({ANN, BEN, CLEO} - {found.requester}) if found.state in {State.FAILED, State.UNKNOWN} else []
        ):
            if then == "retry":
                self.retry(about, person)
            elif then != "wait":
                self.settle(about, "", person, cancelled=then == "settle as cancelled")

    # --- the gateway --------------------------------------------------------------------------

    @rule(order=orders)
    def complete(self, order: str) -> None:
        """Let an order be completed, unless it is cancelled."""
        if order not in self.world.outside.cancelled:
            self.world.outside.completed.add(order)

    @rule(target=calls)
    def work(self) -> Attempt | None:
        """Begin a call, if one is due."""
        return self.world.work()

    @rule(call=consumes(calls), said=st.sampled_from(SAID), again=st.booleans())
    def answer(self, call: Attempt | None, said: str, again: bool) -> None:
        """Let a call reach the gateway or not, perhaps long after its lease; the answer comes, perhaps twice."""
        if call is not None and call.id not in self.answered:
            for _ in range(1 + again):
                self._answer(call, said)

    def _answer(self, call: Attempt, said: str) -> None:
        """Answer a call. The gateway may say "no such order" of an order that it has cancelled."""
        self.answered.add(call.id)  # no call reaches the gateway once it was said that it did not
        answer = ANSWERS.get(said, LOST)
        if said in {"told", "lost after"} or (said == "echo" and call.order_id not in self.world.outside.cancelled):
            answer = self.world.reach(call)
        elif said == "echo":
            answer = ANSWERS["no such order"]
        self.world.answer(call, LOST if said == "lost after" else answer)

    # --- Slack --------------------------------------------------------------------------------

    @rule(outcome=st.sampled_from(DeliveryOutcome))
    def deliver(self, outcome: DeliveryOutcome) -> None:
        """Try a delivery."""
        self.world.deliver(outcome)

    @rule()
    def deliver_everything(self) -> None:
        """Let Slack take everything that is due now."""
        while self.world.deliver(DeliveryOutcome.DELIVERED):
            pass

    @rule(target=tries, outcome=st.sampled_from(DeliveryOutcome), blind=st.booleans())
    def begin_delivery(self, outcome: DeliveryOutcome, blind: bool) -> Try | None:
        """Begin a try whose receipt comes later; where it is in doubt, Slack has it all the same."""
        claimed = self.world.begin_delivery()
        if claimed is None:
            return None
        receipt = self.world.trouble(claimed, outcome)
        if outcome in {DeliveryOutcome.DELIVERED, DeliveryOutcome.IN_DOUBT}:
            reached = self.world.reach_slack(claimed, blind=blind)
            receipt = reached if outcome is DeliveryOutcome.DELIVERED else receipt
        return claimed, receipt, self.starts

    @rule(begun=consumes(tries))
    def end_delivery(self, begun: Try | None) -> None:
        """Let the receipt of a try come, perhaps long after its lease; what a former process waited for is lost."""
        if begun is not None and begun[2] == self.starts:
            claimed, receipt, _ = begun
            self.world.receive(claimed, receipt)

    @rule(about=requests)
    def click_on_a_card(self, about: str) -> None:
        """Click on any card of a request that is in Slack; only a second one is called a copy."""
        cards = [ts for ts in self.world.outside.cards if self._posted_for(ts) == about]
        for ts in cards:
            known = self.world.found(about).card_ts
            is_the_card = self.world.click_on_card(about, ts)
            assert is_the_card == (known in {None, ts})

    @rule(about=requests)
    def click_on_a_receipt(self, about: str) -> None:
        """Click on any receipt of a request that is in Slack; only one that is not on file is called a copy."""
        for ts in [ts for ts in self.world.outside.own if self._posted_for(ts) == about]:
            sql = "SELECT d.status, d.ts FROM deliveries d JOIN requests c ON c.number = d.number WHERE c.id = ?"
            ((status, known),) = self.world.rows(f"{sql} AND d.kind = 'receipt'", about)
            assert self.world.click_on_receipt(about, ts) == (status == "queued" or known == ts)

    @rule(person=people)
    def open_home(self, person: str) -> None:
        """Open the Home tab."""
        self.world.open_home(person)

    @rule(outcome=st.sampled_from(DeliveryOutcome))
    def publish(self, outcome: DeliveryOutcome) -> None:
        """Try to publish the Home tabs that are due."""
        self.world.publish(outcome)

    # --- everything else ----------------------------------------------------------------------

    @rule(minutes=st.sampled_from([0.01, 1, 3, 22, 61, 4000]))
    def pass_time(self, minutes: float) -> None:
        """Let time pass, up to a weekend."""
        self.world.clock.advance(minutes=minutes)

    @rule(quorum=st.none() | st.integers(1, 3), self_approval=st.none() | st.booleans())
    def restart(self, quorum: int | None, self_approval: bool | None) -> None:
        """Let a new process take over, perhaps with other rules."""
        self.starts += 1
        self.world.restart(quorum=quorum, self_approval=self_approval)

    @rule()
    def recount(self) -> None:
        """Let the process count the votes again; what it approves is approved by enough."""
        pending = [about for (about,) in self.world.rows("SELECT id FROM requests WHERE due_at IS NOT NULL")]
        self.world.recount()
        for about in pending:
            self._approved_by_enough(self.world.found(about))

    @invariant()
    def everything_holds(self) -> None:
        """Check the world after every step."""
        if hasattr(self, "world"):
            self.world.check()

    # --- the rules, once more -----------------------------------------------------------------

    def _may_approve(self, request: Request) -> frozenset[str]:
        """Return the people whose approvals count today, as far as Slack tells."""
        nobody = frozenset() if self.world.workflow.rules.allow_self_approval else {request.requester}
        return self._approvers(request) - nobody

    def _approvers(self, request: Request) -> frozenset[str]:
        """Return the approvers of this request, as far as Slack tells; Dora is one after its escalation."""
        more = frozenset({DORA}) if request.escalated_at is not None else frozenset()
        return self.world.outside.approvers.ids | more

    def _approved_by_enough(self, request: Request) -> None:
        """Check that an approval is that of as many people as today's rules demand."""
        if request.state is not State.PENDING:
            enough = self.world.workflow.rules.approvals_required
            assert len(self._may_approve(request) & set(request.approvers)) >= enough

    def _certainly_not_done(self, request: Request) -> None:
        """Check that no call for this order is under way, and that every one certainly did nothing."""
        assert request.state is State.APPROVED
        sql = "SELECT outcome FROM attempts WHERE number = ?"
        assert {outcome for (outcome,) in self.world.rows(sql, request.cancellation.number)} <= {"not_sent"}

    def _changed(self, before: Request) -> list[tuple[Request, Request]]:
        """Return each decided order that somebody has just changed, as it was and as it is."""
        pairs = zip(before.each(), self.world.found(before.id).each(), strict=True)
        return [
            (was, now)
            for was, now in pairs
            # Whatever people do with a request whose time is over, it expires.
            if was.state is not State.PENDING
            and (was.state, was.cancellation.due_at) != (now.state, now.cancellation.due_at)
        ]

    def _last_call(self, one: Request) -> Attempt:
        calls = (call for call in self.world.outside.under_way if call.request_id == one.id)
        return [call for call in calls if call.order_id == one.cancellation.order_id][-1]

    def _last_vote(self, request: Request) -> datetime:
        return max(decision.at for decision in request.decisions if decision.choice == "approve")

    def _decided_against(self, request: Request) -> bool:
        sql = "SELECT state FROM cancellations WHERE order_id = ? AND number > ?"
        order = request.cancellation
        later = {state for (state,) in self.world.rows(sql, order.order_id, order.number)}
        return bool(later & {State.REJECTED, State.WITHDRAWN, State.CANCELLED, *_SETTLED}) or self._taken_back(order)

    def _taken_back(self, order: Cancellation) -> bool:
        """Return True where the requester of this one, or anybody in a later one for the order, has stopped it."""
        sql = (
            "SELECT 1 FROM audit_events e JOIN requests r ON r.id = e.request"
            " JOIN cancellations c ON c.request = r.number AND c.order_id = e.order_id"
            " WHERE e.kind = 'stopped_trying' AND e.order_id = ?"
            " AND (c.number > ? OR (c.number = ? AND e.actor = r.requester))"
        )
        return bool(self.world.rows(sql, order.order_id, order.number, order.number))

    def _posted_for(self, ts: str) -> str:
        sql = (
            "SELECT c.id FROM requests c JOIN deliveries d ON d.number = c.number WHERE d.id = ? AND d.kind <> 'copies'"
        )
        ((about,),) = self.world.rows(sql, self.world.outside.messages[ts])
        return str(about)

    def _on_record(self, acted: Acted, act: Act) -> None:
        """Check that a refusal is on record, with the request that it is about."""
        if acted.verdict is not Verdict.ALLOWED:
            last, request = self.world.tables.record.last(), acted.request
            assert request is not None
            assert (last.kind, last.request) == ("click_refused", request.id)
            assert (last.content.act, last.content.why) == (act, acted.verdict)  # type: ignore[attr-defined]


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=100, stateful_step_count=50, deadline=None)
