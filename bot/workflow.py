"""The use cases: each is one transaction that holds the state, its audit event and what it owes to Slack.

Every function may be called again with the same arguments and from any number of tasks at once; the
second call changes nothing and says what the first one led to.
"""

import hashlib
import json
import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus

import structlog

from bot.domain import policy
from bot.domain.attempt import Answer, Outcome
from bot.domain.audit import BOT, Event, Kind
from bot.domain.cancellation import Cancellation, Choice, State
from bot.domain.delivery import Delivery, DeliveryKind, Fate, Receipt
from bot.domain.policy import Standing, Verdict
from bot.store import Attempt, Store, Transaction

log = structlog.get_logger(__name__)

_NOT_ITS_FAULT = 50
"""After so many tries a delivery no longer holds up those behind it: then it may be the message itself."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What the settings say about approving, and how patiently the bot repeats.

    An attempt that did not settle the matter is repeated after ``first_pause``, then twice as long
    each time up to ``longest_pause``, with up to a quarter more at random. With these defaults
    twenty attempts span about a quarter of an hour. A delivery that Slack did not take is repeated in
    the same way up to ``longest_delivery_pause``, until ``delivery_patience`` ends. ``breath`` is how long
    a message that may have been sent, by this process or the one before, is given to arrive before it is looked for.
    """

    approvals_required: int
    allow_self_approval: bool
    approval_ttl: timedelta
    order_id_pattern: re.Pattern[str]
    max_attempts: int = 20
    first_pause: timedelta = timedelta(seconds=1)
    longest_pause: timedelta = timedelta(minutes=1)
    longest_delivery_pause: timedelta = timedelta(seconds=30)
    attempt_lease: timedelta = timedelta(minutes=2)
    delivery_lease: timedelta = timedelta(minutes=2)
    delivery_patience: timedelta = timedelta(days=1)
    breath: timedelta = timedelta(seconds=3)


@dataclass(frozen=True, slots=True)
class Accepted:
    """The request is kept (now, or by an earlier delivery of the same form)."""

    cancellation: Cancellation


@dataclass(frozen=True, slots=True)
class AlreadyOpen:
    """The order has an open cancellation: this one. ``requester_name`` is empty if it is not known."""

    cancellation: Cancellation
    requester_name: str


@dataclass(frozen=True, slots=True)
class BadOrderId:
    """What was typed is not an order id."""


@dataclass(frozen=True, slots=True)
class MayNotAsk:
    """The person may not ask, for this reason."""

    verdict: Verdict


AskResult = Accepted | AlreadyOpen | BadOrderId | MayNotAsk


@dataclass(frozen=True, slots=True)
class Acted:
    """What became of a click: the verdict, and the cancellation as it stands after it (None: no such one)."""

    verdict: Verdict
    cancellation: Cancellation | None


class Workflow:
    """The use cases over one store. ``changed`` is called after each commit that gave the worker something to do."""

    def __init__(
        self,
        store: Store,
        rules: Rules,
        *,
        now: Callable[[], datetime],
        changed: Callable[[], None] = lambda: None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._store = store
        self.rules = rules
        self._now = now
        self._changed = changed
        self._jitter = jitter

    # --- people -------------------------------------------------------------------------------

    async def refuse_command(self, person: str, name: str, command: str, verdict: Verdict) -> None:
        """Put a refused command or look-up on record."""

        def use(tx: Transaction) -> None:
            tx.know(person, name)
            tx.record(Kind.REQUEST_REFUSED, person, self._now(), why=verdict, command=command)

        await self._store.transaction("refuse_command", use)
        log.info("command_refused", person=person, command=command, why=str(verdict))

    async def request(
        self,
        *,
        form_id: str,
        order_id: str,
        reason: str,
        requester: str,
        name: str,
        channel: str,
        standing: Standing,
    ) -> AskResult:
        """Ask for a cancellation. ``form_id`` names the form: the same form with the same words asks once.

        After an error a person may change the words and send the form again; that is another request.
        """
        sent = f"{form_id}:{hashlib.sha256(json.dumps([order_id, reason]).encode()).hexdigest()[:16]}"

        def use(tx: Transaction) -> AskResult:
            tx.know(requester, name)
            earlier = tx.by_form(sent)
            if earlier is not None:
                return Accepted(earlier)
            at = self._now()
            verdict = policy.may_ask(standing)
            if verdict is not Verdict.ALLOWED:
                tx.record(Kind.REQUEST_REFUSED, requester, at, why=verdict, asked_for=order_id)
                return MayNotAsk(verdict)
            if not self.rules.order_id_pattern.fullmatch(order_id):
                tx.record(Kind.REQUEST_REFUSED, requester, at, why="bad_order_id", asked_for=order_id)
                return BadOrderId()
            in_the_way = tx.open_cancellation(order_id)
            if in_the_way is not None and _overdue(in_the_way, at):
                self._end(tx, in_the_way, State.EXPIRED, BOT, at)
            cancellation = tx.ask(
                form_id=sent,
                order_id=order_id,
                reason=reason,
                requester=requester,
                card_channel=channel,
                approvals_required=self.rules.approvals_required,
                at=at,
                expires_at=at + self.rules.approval_ttl,
            )
            if cancellation is None:
                assert in_the_way is not None
                event = tx.record(Kind.REQUEST_REFUSED, requester, at, in_the_way, why="already_open", reason=reason)
                if in_the_way.state.awaits_people and in_the_way.card_ts is not None:
                    # Somebody may have deleted its card, and with it the only buttons; the update finds that out.
                    tx.owe(in_the_way, DeliveryKind.CARD_UPDATE, event, at)
                asker = in_the_way.requester
                return AlreadyOpen(in_the_way, tx.names([asker]).get(asker, ""))
            event = tx.record(
                Kind.REQUESTED,
                requester,
                at,
                cancellation,
                reason=reason,
                channel=channel,
                quorum=cancellation.approvals_required,
            )
            tx.owe(cancellation, DeliveryKind.CARD, event, at)
            return Accepted(cancellation)

        result = await self._store.transaction("request", use)
        match result:
            case Accepted(cancellation):
                log.info("requested", cancellation=cancellation.id, order=order_id, by=requester)
            case _:
                log.info("request_refused", order=order_id, by=requester, why=type(result).__name__)
        if isinstance(result, Accepted | AlreadyOpen):
            self._changed()
        return result

    async def approve(self, cancellation_id: str, person: str, name: str, standing: Standing) -> Acted:
        """Count one approval; with the quorum reached the cancel becomes due at once."""

        def use(tx: Transaction, cancellation: Cancellation, at: datetime) -> Verdict:
            verdict = policy.may_decide(
                cancellation,
                person,
                Choice.APPROVE,
                standing,
                allow_self_approval=self.rules.allow_self_approval,
            )
            if verdict is not Verdict.ALLOWED:
                return verdict
            tx.decide(cancellation, person, Choice.APPROVE, "", at)
            count = len(cancellation.approvers) + 1
            of = cancellation.approvals_required
            if count < of:
                event = tx.record(Kind.VOTE, person, at, cancellation, approvals=count, of=of)
            else:
                tx.move(cancellation, State.APPROVED, at=at, next_at=at, attempts=0)
                event = tx.record(Kind.APPROVED, person, at, cancellation, approvals=count, of=of)
            tx.owe(cancellation, DeliveryKind.CARD_UPDATE, event, at)
            return verdict

        return await self._act("approve", cancellation_id, person, name, use)

    async def reject(self, cancellation_id: str, person: str, name: str, standing: Standing, reason: str) -> Acted:
        """End the request with an approver's no."""

        def use(tx: Transaction, cancellation: Cancellation, at: datetime) -> Verdict:
            verdict = policy.may_decide(
                cancellation,
                person,
                Choice.REJECT,
                standing,
                allow_self_approval=self.rules.allow_self_approval,
            )
            if verdict is Verdict.ALLOWED:
                tx.decide(cancellation, person, Choice.REJECT, reason, at)
                self._end(tx, cancellation, State.REJECTED, person, at, reason=reason)
            return verdict

        return await self._act("reject", cancellation_id, person, name, use)

    async def may_reject(self, cancellation_id: str, person: str, name: str, standing: Standing) -> Acted:
        """Whether it is worth asking this person for a reason; a no is put on record."""

        def use(_: Transaction, cancellation: Cancellation, __: datetime) -> Verdict:
            return policy.may_decide(
                cancellation,
                person,
                Choice.REJECT,
                standing,
                allow_self_approval=self.rules.allow_self_approval,
            )

        return await self._act("may_reject", cancellation_id, person, name, use)

    async def withdraw(self, cancellation_id: str, person: str, name: str) -> Acted:
        """Take one's own request back."""

        def use(tx: Transaction, cancellation: Cancellation, at: datetime) -> Verdict:
            verdict = policy.may_withdraw(cancellation, person)
            if verdict is Verdict.ALLOWED:
                self._end(tx, cancellation, State.WITHDRAWN, person, at)
            return verdict

        return await self._act("withdraw", cancellation_id, person, name, use)

    async def retry(self, cancellation_id: str, person: str, name: str, standing: Standing) -> Acted:
        """Have a failed or unknown cancellation sent again, as it was approved."""

        def use(tx: Transaction, cancellation: Cancellation, at: datetime) -> Verdict:
            verdict = policy.may_retry(cancellation, standing)
            if verdict is not Verdict.ALLOWED:
                return verdict
            if not tx.move(cancellation, State.APPROVED, at=at, next_at=at, attempts=0):
                return Verdict.ANOTHER_IS_OPEN
            event = tx.record(Kind.RETRIED, person, at, cancellation)
            tx.owe(cancellation, DeliveryKind.CARD_UPDATE, event, at)
            return verdict

        return await self._act("retry", cancellation_id, person, name, use)

    async def _act(
        self,
        name: str,
        cancellation_id: str,
        person: str,
        person_name: str,
        use: Callable[[Transaction, Cancellation, datetime], Verdict],
    ) -> Acted:
        """Run one person's act on one cancellation, and put it on record if it is refused."""

        def run(tx: Transaction) -> Acted:
            tx.know(person, person_name)
            at = self._now()
            cancellation = tx.cancellation(cancellation_id)
            if cancellation is None:
                tx.record(Kind.CLICK_REFUSED, person, at, act=name, why="no_such_cancellation")
                return Acted(Verdict.WRONG_STATE, None)
            if _overdue(cancellation, at):
                self._end(tx, cancellation, State.EXPIRED, BOT, at)
                cancellation = tx.cancellation(cancellation_id)
                assert cancellation is not None
            verdict = use(tx, cancellation, at)
            if verdict is not Verdict.ALLOWED:
                tx.record(
                    Kind.CLICK_REFUSED,
                    person,
                    at,
                    cancellation,
                    act=name,
                    why=verdict,
                    state=cancellation.state,
                )
            return Acted(verdict, tx.cancellation(cancellation_id))

        acted = await self._store.transaction(name, run)
        log.info(
            name,
            cancellation=cancellation_id,
            by=person,
            verdict=str(acted.verdict),
            state=acted.cancellation and str(acted.cancellation.state),
        )
        self._changed()
        return acted

    # --- the worker ---------------------------------------------------------------------------

    async def recover(self, started: Mapping[str, object]) -> None:
        """Put the start on record, and take back whatever a former process of this bot was working on."""

        def use(tx: Transaction) -> None:
            at = self._now()
            tx.release(at, at + self.rules.breath)
            tx.record(Kind.STARTED, BOT, at, None, **started)

        await self._store.transaction("recover", use)

    async def next_attempt(self, worker: str) -> Attempt | None:
        """Settle what is due until something is to be sent; that is claimed, written down and returned.

        Pending requests past their time expire. A call whose worker died counts as an answer lost.
        """
        while True:
            done, attempt = await self._store.transaction("claim", lambda tx: self._settle_one(tx, worker))
            if done or attempt is not None:
                return attempt

    def _settle_one(self, tx: Transaction, worker: str) -> tuple[bool, Attempt | None]:
        at = self._now()
        due = tx.due_cancellation(at)
        if due is None:
            return True, None
        if due.state is State.PENDING:
            self._end(tx, due, State.EXPIRED, BOT, at)
            log.info("expired", cancellation=due.id, order=due.order_id)
        elif due.state is State.SENDING:
            lost = tx.attempt_under_way(due)
            assert lost is not None
            answer = Answer(Outcome.UNKNOWN, repeat=True, message="the bot was stopped before the answer came")
            self._conclude(tx, due, lost, answer, at)
        else:
            until = at + self.rules.attempt_lease
            tx.move(
                due,
                State.SENDING,
                at=at,
                next_at=until,
                attempts=due.attempts + 1,
                claimed_by=worker,
            )
            tx.record(Kind.SENDING, BOT, at, due, attempt=due.attempts + 1)
            attempt = tx.begin_attempt(due, at)
            log.info("sending", cancellation=due.id, order=due.order_id, attempt=due.attempts + 1)
            return False, attempt
        return False, None

    async def record_answer(self, attempt: Attempt, answer: Answer) -> State | None:
        """Write down what an attempt proved, and the state that follows; None if it came too late to count."""

        def use(tx: Transaction) -> State | None:
            cancellation = tx.cancellation(attempt.cancellation_id)
            assert cancellation is not None
            if cancellation.state is not State.SENDING:
                return None
            return self._conclude(tx, cancellation, attempt, answer, self._now())

        state = await self._store.transaction("record_answer", use)
        log.info(
            "answered",
            cancellation=attempt.cancellation_id,
            order=attempt.order_id,
            outcome=str(answer.outcome),
            http_status=answer.http_status,
            gateway_request=answer.request_id,
            message=answer.message,
            state=state and str(state),
        )
        self._changed()
        return state

    def _conclude(
        self,
        tx: Transaction,
        cancellation: Cancellation,
        attempt: Attempt,
        answer: Answer,
        at: datetime,
    ) -> State | None:
        lost = tx.answer_was_lost(cancellation)
        if not tx.end_attempt(attempt.id, answer, at):
            return None
        said = {
            "attempt": cancellation.attempts,
            "outcome": answer.outcome,
            "http_status": answer.http_status,
            "code": answer.code,
            "message": answer.message,
            "request_id": answer.request_id,
            "cancelled_at": answer.cancelled_at,
        }
        state = _state_after(answer, lost=lost, attempts_left=self.rules.max_attempts - cancellation.attempts)
        if state is State.APPROVED:
            next_at = at + self._pause(
                cancellation.attempts,
                answer.retry_after,
                self.rules.longest_pause,
                self._jitter() / 4,
            )
            tx.move(cancellation, state, at=at, next_at=next_at, detail=answer.message)
            event = tx.record(Kind.REPEATING, BOT, at, cancellation, **said)
            tx.owe(cancellation, DeliveryKind.CARD_UPDATE, event, at)
            return state
        confirmed = state is State.CANCELLED and answer.outcome is Outcome.REFUSED
        self._end(
            tx,
            cancellation,
            state,
            BOT,
            at,
            detail=answer.message,
            **said,
            confirmed_by_repeat=confirmed or None,
            use_refund=answer.use_refund or None,
            already_cancelled=(answer.already_cancelled and not confirmed) or None,
        )
        return state

    def _pause(self, tries: int, retry_after: float | None, longest: timedelta, spread: float = 0) -> timedelta:
        doubled: timedelta = self.rules.first_pause * int(2 ** min(max(tries - 1, 0), 20))
        pause = min(doubled, longest) * (1 + spread)
        return max(pause, timedelta(seconds=retry_after or 0))

    def _end(
        self,
        tx: Transaction,
        cancellation: Cancellation,
        state: State,
        actor: str,
        at: datetime,
        *,
        detail: str | None = None,
        **data: object,
    ) -> None:
        """Step to a state that people are told of: on the card, in its thread, and to the requester."""
        if not tx.move(cancellation, state, at=at, detail=detail):
            msg = f"{cancellation.id}: no step from {cancellation.state} to {state}"
            raise AssertionError(msg)
        event = tx.record(Kind(state), actor, at, cancellation, **data)
        tx.owe(cancellation, DeliveryKind.CARD_UPDATE, event, at)
        tx.owe(cancellation, DeliveryKind.REPLY, event, at)
        if actor != cancellation.requester:
            tx.owe(cancellation, DeliveryKind.DIRECT_MESSAGE, event, at)

    # --- deliveries ---------------------------------------------------------------------------

    async def next_delivery(
        self,
        worker: str,
        *,
        not_to: frozenset[str] = frozenset(),
    ) -> tuple[Delivery, Cancellation, Event] | None:
        """Claim what is owed to Slack next, with the cancellation as it stands and the event it reports."""

        def use(tx: Transaction) -> tuple[Delivery, Cancellation, Event] | None:
            delivery = tx.claim_delivery(worker, self._now(), self.rules.delivery_lease, not_to=not_to)
            if delivery is None:
                return None
            cancellation = tx.cancellation(delivery.cancellation_id)
            assert cancellation is not None
            return delivery, cancellation, tx.event(delivery.event_seq)

        return await self._store.transaction("claim_delivery", use)

    async def record_delivery(self, delivery: Delivery, receipt: Receipt) -> timedelta:
        """Write down what became of a delivery, and what follows from it.

        Gives the time for which its channel or person should be spared: where Slack did not take one
        message it will not take the next one either, and so they keep their order.
        """

        def use(tx: Transaction) -> timedelta:
            at = self._now()
            cancellation = tx.cancellation(delivery.cancellation_id)
            assert cancellation is not None
            pause = self._pause(delivery.tries, receipt.retry_after, self.rules.longest_delivery_pause)
            match receipt.fate:
                case Fate.DELIVERED:
                    tx.settle_delivery(delivery, receipt, at)
                    if delivery.kind is DeliveryKind.CARD:
                        self._card_posted(tx, cancellation, receipt, at)
                case Fate.IMPOSSIBLE:
                    self._abandon(tx, cancellation, delivery, receipt, at)
                case Fate.BLOCKED if delivery.kind is DeliveryKind.CARD and cancellation.state is State.PENDING:
                    self._tell_blocked(tx, cancellation, receipt, at)
                    tx.postpone_delivery(delivery, receipt, at + pause)
                case _ if at - delivery.owed_at > self.rules.delivery_patience:
                    self._abandon(tx, cancellation, delivery, receipt, at)
                case Fate.IN_DOUBT if delivery.tries <= _NOT_ITS_FAULT:
                    tx.postpone_delivery(delivery, receipt, at)
                    return max(pause, self.rules.breath)
                case Fate.LATER if delivery.tries <= _NOT_ITS_FAULT:
                    tx.postpone_delivery(delivery, receipt, at)
                    return pause
                case _:
                    tx.postpone_delivery(delivery, receipt, at + pause)
            return timedelta(0)

        spare = await self._store.transaction("record_delivery", use)
        log.info(
            "delivery",
            cancellation=delivery.cancellation_id,
            kind=str(delivery.kind),
            fate=str(receipt.fate),
            problem=receipt.problem or None,
            tries=delivery.tries,
        )
        self._changed()
        return spare

    def _card_posted(self, tx: Transaction, cancellation: Cancellation, receipt: Receipt, at: datetime) -> None:
        tx.place_card(cancellation, receipt)
        event = tx.record(Kind.CARD_POSTED, BOT, at, cancellation, channel=receipt.channel, ts=receipt.ts)
        if cancellation.state is not State.PENDING:
            # It changed while the card was on its way; what it shows may be older than that.
            tx.owe(cancellation, DeliveryKind.CARD_UPDATE, event, at)

    def _tell_blocked(self, tx: Transaction, cancellation: Cancellation, receipt: Receipt, at: datetime) -> None:
        """Tell the requester once that the card cannot be posted, and what to do."""
        if not tx.happened(cancellation, Kind.CARD_BLOCKED):
            event = tx.record(
                Kind.CARD_BLOCKED,
                BOT,
                at,
                cancellation,
                channel=cancellation.card_channel,
                problem=receipt.problem,
            )
            tx.owe(cancellation, DeliveryKind.DIRECT_MESSAGE, event, at)

    def _abandon(
        self,
        tx: Transaction,
        cancellation: Cancellation,
        delivery: Delivery,
        receipt: Receipt,
        at: datetime,
    ) -> None:
        tx.settle_delivery(delivery, receipt, at)
        if delivery.kind is DeliveryKind.CARD:
            tx.abandon_thread(cancellation, at)
        event = tx.record(
            Kind.DELIVERY_ABANDONED,
            BOT,
            at,
            cancellation,
            delivery=delivery.kind,
            problem=receipt.problem,
        )
        if delivery.kind is DeliveryKind.CARD_UPDATE and cancellation.state.awaits_people:
            # Somebody deleted the card, and with it the only buttons that lead further.
            tx.owe(cancellation, DeliveryKind.CARD, event, at)
        if delivery.kind is DeliveryKind.CARD and cancellation.state.awaits_people:
            tx.owe(cancellation, DeliveryKind.DIRECT_MESSAGE, event, at)


def _overdue(cancellation: Cancellation, at: datetime) -> bool:
    """Whether a pending request is past its time, also if the worker has not come to it yet."""
    return cancellation.state is State.PENDING and cancellation.expires_at <= at


def _state_after(answer: Answer, *, lost: bool, attempts_left: int) -> State:
    """The state that an answer leads to; ``lost`` tells that an earlier attempt may have taken effect."""
    match answer.outcome:
        case Outcome.CANCELLED:
            return State.CANCELLED
        case Outcome.REFUSED if lost and answer.already_cancelled:
            # Ours was lost and now it is cancelled already: that was us, or it is what we wanted anyway.
            return State.CANCELLED
        case Outcome.REFUSED if lost and not answer.use_refund and answer.http_status != HTTPStatus.NOT_FOUND:
            # A no that does not say how the order stands may be the echo of our own lost success.
            return State.UNKNOWN
        case Outcome.REFUSED:
            return State.REFUSED
        case Outcome.NOT_SENT | Outcome.UNKNOWN:
            if answer.repeat and attempts_left > 0:
                return State.APPROVED
            return State.UNKNOWN if lost or answer.outcome is Outcome.UNKNOWN else State.FAILED
