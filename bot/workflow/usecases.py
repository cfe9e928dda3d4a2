"""The use cases: each is one transaction that holds the state, its audit event and what it owes to Slack.

Every function may be called again with the same arguments and from any number of tasks at once; the
second call changes nothing and says what the first one led to.
"""

import hashlib
import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from bot.domain import policy
from bot.domain.attempt import Answer
from bot.domain.audit import BOT, Event, Kind
from bot.domain.cancellation import Cancellation, Choice, State
from bot.domain.delivery import Delivery, DeliveryKind, Receipt
from bot.domain.policy import Standing, Verdict
from bot.store import Attempt, Store, Transaction
from bot.workflow import attempts, deliveries
from bot.workflow.ending import end, expire, overdue
from bot.workflow.rules import Rules

log = structlog.get_logger(__name__)

_AT_A_TIME = 20
"""So much is claimed in one transaction at most, so that nobody waits long for it."""
_SETTLED = {State.PENDING: "expired", State.APPROVED: "sending", State.SENDING: "answer_lost"}
"""What the log says about something that was due in this state."""


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
    """What became of a click: the verdict, and the cancellation as it stood then (None: no such one)."""

    verdict: Verdict
    cancellation: Cancellation | None


@dataclass(frozen=True, slots=True)
class Owed:
    """Something to be brought to Slack: the cancellation as it stands, and the event that it reports."""

    delivery: Delivery
    cancellation: Cancellation
    event: Event


@dataclass(frozen=True, slots=True)
class Claimed:
    """What a worker is to do now.

    ``more`` tells that there may be more to claim at once; ``next_at`` is when something falls due next.
    """

    attempts: list[Attempt]
    owed: list[Owed]
    more: bool
    next_at: datetime | None


class Workflow:
    """The use cases over one store.

    ``changed`` is called after each commit that may have given the worker something to do, and ``afterwards`` with what
    can be done once the people who wait have been answered.
    """

    def __init__(
        self,
        store: Store,
        rules: Rules,
        *,
        now: Callable[[], datetime],
        changed: Callable[[], None] = lambda: None,
        afterwards: Callable[[Callable[[], None]], None] = lambda do: do(),
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._store = store
        self.rules = rules
        self._now = now
        self._changed = changed
        self._afterwards = afterwards
        self._jitter = jitter

    # --- people -------------------------------------------------------------------------------

    async def refuse_command(self, person: str, name: str, command: str, verdict: Verdict) -> None:
        """Put a refused command or look-up on record."""

        def use(tx: Transaction) -> None:
            tx.know(person, name)
            tx.record(Kind.REQUEST_REFUSED, person, self._now(), why=verdict, command=command)

        await self._store.transaction("refuse_command", use)
        self._log("command_refused", person=person, command=command, why=str(verdict))

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
            if in_the_way is not None and overdue(in_the_way, at):
                expire(tx, in_the_way, at)
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
                self._log("requested", cancellation=cancellation.id, order=order_id, by=requester)
            case _:
                self._log("request_refused", order=order_id, by=requester, why=type(result).__name__)
        self._afterwards(self._changed)
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
                end(tx, cancellation, State.REJECTED, person, at, reason=reason)
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
                end(tx, cancellation, State.WITHDRAWN, person, at)
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
            if overdue(cancellation, at):
                expire(tx, cancellation, at)
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
            return Acted(verdict, cancellation)

        acted = await self._store.transaction(name, run)
        self._log(name, cancellation=cancellation_id, by=person, verdict=str(acted.verdict))
        self._afterwards(self._changed)
        return acted

    def _log(self, event: str, **about: object) -> None:
        """Put off, as a line takes longer than an acknowledgement; all of them, so that they keep their order."""
        self._afterwards(lambda: log.info(event, **about))

    # --- the worker ---------------------------------------------------------------------------

    async def recover(self, started: Mapping[str, object]) -> None:
        """Put the start on record, and take back whatever a former process of this bot was working on."""

        def use(tx: Transaction) -> None:
            at = self._now()
            tx.release(at, at + self.rules.breath)
            tx.record(Kind.STARTED, BOT, at, None, **started)

        await self._store.transaction("recover", use)

    async def claim(
        self,
        worker: str,
        *,
        attempts: int,
        deliveries: int,
        not_to: frozenset[str] = frozenset(),
    ) -> Claimed:
        """Settle what is due, and claim up to so many calls and deliveries, written down as begun.

        Pending requests past their time expire. A call whose worker died counts as an answer lost. Nothing is
        claimed for the channels and people in ``not_to``, and not more than one new message for each of the others.
        """

        def use(tx: Transaction) -> tuple[list[Cancellation], Claimed]:
            at = self._now()
            settled, begun = self._begin(tx, worker, attempts, at)
            owed = self._take(tx, worker, deliveries, not_to, at)
            return settled, Claimed(begun, owed, len(settled) == _AT_A_TIME, tx.next_due(at))

        settled, claimed = await self._store.transaction("claim", use)
        for found in settled:
            self._log(_SETTLED[found.state], cancellation=found.id, order=found.order_id)
        return claimed

    def _begin(self, tx: Transaction, worker: str, room: int, at: datetime) -> tuple[list[Cancellation], list[Attempt]]:
        """What was due, as it stood, and the calls that are to be made for it."""
        settled: list[Cancellation] = []
        begun: list[Attempt] = []
        while len(begun) < room and len(settled) < _AT_A_TIME and (due := tx.due_cancellation(at)) is not None:
            attempt = attempts.settle(tx, self.rules, due, worker, at, spread=self._jitter() / 4)
            settled.append(due)
            if attempt is not None:
                begun.append(attempt)
        return settled, begun

    def _take(self, tx: Transaction, worker: str, room: int, not_to: frozenset[str], at: datetime) -> list[Owed]:
        taken: list[Owed] = []
        while len(taken) < room:
            delivery = tx.claim_delivery(worker, at, self.rules.delivery_lease, not_to=not_to)
            if delivery is None:
                break
            cancellation = tx.cancellation(delivery.cancellation_id)
            assert cancellation is not None
            taken.append(Owed(delivery, cancellation, tx.event(delivery.event_seq)))
            if delivery.kind.is_new_message:
                not_to |= {delivery.target}
        return taken

    async def record_answer(self, attempt: Attempt, answer: Answer) -> State | None:
        """Write down what an attempt proved, and the state that follows; None if it came too late to count."""

        def use(tx: Transaction) -> State | None:
            return attempts.conclude(tx, self.rules, attempt, answer, self._now(), spread=self._jitter() / 4)

        state = await self._store.transaction("record_answer", use)
        self._log(
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

    async def record_delivery(self, delivery: Delivery, receipt: Receipt) -> timedelta:
        """Write down what became of a delivery, and what follows from it.

        Gives the time for which its channel or person should be spared: where Slack did not take one
        message it will not take the next one either, and so they keep their order.
        """

        def use(tx: Transaction) -> timedelta:
            return deliveries.conclude(tx, self.rules, delivery, receipt, self._now())

        spare = await self._store.transaction("record_delivery", use)
        self._log(
            "delivery",
            cancellation=delivery.cancellation_id,
            kind=str(delivery.kind),
            fate=str(receipt.fate),
            problem=receipt.problem or None,
            tries=delivery.tries,
        )
        self._changed()
        return spare
