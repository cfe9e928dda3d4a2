"""The use cases as the bot calls them: each is one transaction, then a line in the log, then a word to the worker.

Every method may be called again with the same arguments and from any number of tasks at once; the
second call changes nothing and returns what the first one led to.
"""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Concatenate, ParamSpec

import structlog

from bot.domain.attempt import Answer, Attempt
from bot.domain.audit import BOT
from bot.domain.cancellation import Cancellation, State
from bot.domain.delivery import Delivery, Receipt
from bot.domain.events import ClickRefused, RequestRefused, Started
from bot.domain.policy import Act, Actor, Verdict
from bot.store import Store, Tables
from bot.workflow import attempts, deliveries, lookups, requests
from bot.workflow.deliveries import ClaimedDelivery
from bot.workflow.lookups import Found
from bot.workflow.requests import Acted, Wish
from bot.workflow.rules import Rules
from bot.workflow.transitions import expire

log = structlog.get_logger(__name__)

P = ParamSpec("P")
Decision = Callable[Concatenate[Tables, Rules, Cancellation, Actor, datetime, P], Verdict]
"""A use case of ``bot.workflow.decisions``."""

_AT_A_TIME = 20
"""The most that is claimed in one transaction; a longer one would hold up the people's."""
_SETTLED = {State.PENDING: "expired", State.APPROVED: "sending", State.SENDING: "answer_lost"}
"""The name in the log of what was due in each state."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """The work that a worker claimed.

    ``more`` is true where there may be more to claim at once; ``next_at`` is when something falls due next.
    """

    attempts: list[Attempt]
    deliveries: list[ClaimedDelivery]
    more: bool
    next_at: datetime | None


class Workflow:
    """The use cases over one store. ``wake`` is set after each commit that may have given the worker something to do.

    ``jitter`` returns a number from 0 to 1 that spreads repeated calls to the gateway.
    """

    def __init__(
        self,
        store: Store,
        rules: Rules,
        *,
        now: Callable[[], datetime],
        wake: asyncio.Event,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.rules = rules
        self._store = store
        self._now = now
        self._wake = wake
        self._jitter = jitter

    # --- people -------------------------------------------------------------------------------

    async def request(self, wish: Wish, actor: Actor) -> Acted:
        """Ask for a cancellation. The same form with the same words asks once."""

        def work(tx: Tables) -> Acted:
            tx.people.remember(actor)
            return requests.request(tx, self.rules, wish, actor, self._now())

        acted = await self._store.transaction("request", work)
        if acted.verdict is Verdict.ALLOWED and acted.cancellation is not None:
            log.info("requested", cancellation=acted.cancellation.id, order=wish.order_id, by=actor.id)
        else:
            log.info("request_refused", order=wish.order_id, by=actor.id, why=str(acted.verdict))
        self._wake.set()
        return acted

    async def act(
        self, decision: "Decision[P]", act: Act, cancellation_id: str, actor: Actor, *args: P.args, **kwargs: P.kwargs
    ) -> Acted:
        """Run one use case of ``bot.workflow.decisions`` on a cancellation, and put a refusal on record."""

        def work(tx: Tables) -> Acted:
            tx.people.remember(actor)
            at = self._now()
            cancellation = tx.cancellations.get(cancellation_id)
            if cancellation is not None and cancellation.overdue(at):
                # A click that comes before the worker expired the request is too late all the same.
                expire(tx, cancellation, at)
                cancellation = tx.cancellations.get(cancellation_id)
            if cancellation is None:
                tx.record.append(ClickRefused(act, Verdict.NO_SUCH_REQUEST), actor.id, at)
                return Acted(Verdict.NO_SUCH_REQUEST)
            verdict = decision(tx, self.rules, cancellation, actor, at, *args, **kwargs)
            if verdict is not Verdict.ALLOWED:
                tx.record.append(ClickRefused(act, verdict, cancellation.state), actor.id, at, cancellation)
            return Acted(verdict, cancellation)

        acted = await self._store.transaction(act, work)
        log.info(act, cancellation=cancellation_id, by=actor.id, verdict=str(acted.verdict))
        self._wake.set()
        return acted

    async def refuse(self, actor: Actor, command: str, why: Verdict) -> None:
        """Put a refused command, look-up or click on record. ``command`` is the slash command or the action id."""

        def work(tx: Tables) -> None:
            tx.people.remember(actor)
            tx.record.append(RequestRefused(why, command=command), actor.id, self._now())

        await self._store.transaction("refuse", work)
        log.info("command_refused", by=actor.id, command=command, why=str(why))

    async def look_up(self, actor: Actor, text: str, *, older_than: str | None = None, limit: int = 10) -> Found:
        """Return a page of what this person may read. Raises NotAFilter or MayNotRead."""
        question = lookups.ask(self.rules, actor, text, self._now())
        return await self._store.read(lambda tables: lookups.answer(tables, question, older_than, limit))

    # --- the worker ---------------------------------------------------------------------------

    async def start(self, started: Started) -> None:
        """Put the start on record, and take back whatever a former process of this bot was working on.

        Deliveries become due after the settle delay, not now: a message that the killed process had just sent needs a
        moment to become visible in Slack.
        """

        def work(tx: Tables) -> None:
            at = self._now()
            tx.cancellations.end_leases(at)
            tx.deliveries.end_leases(at + self.rules.patience.settle_delay)
            tx.record.append(started, BOT, at)

        await self._store.transaction("start", work)

    async def claim(self, worker: str, *, calls: int, messages: int, not_to: frozenset[str] = frozenset()) -> Claimed:
        """Settle what is due, and claim up to so many calls and messages, kept as begun.

        Pending requests past their time expire. A call whose worker died counts as a lost answer. Nothing is
        claimed for the channels and people in ``not_to``, and at most one new message for each of the others.
        """

        def work(tx: Tables) -> tuple[list[Cancellation], Claimed]:
            at = self._now()
            settled, begun = self._begin(tx, worker, calls, at)
            claimed = deliveries.claim(tx, self.rules, worker, at, room=messages, not_to=not_to)
            return settled, Claimed(begun, claimed, len(settled) == _AT_A_TIME, tx.next_due(at))

        settled, claimed = await self._store.transaction("claim", work)
        for found in settled:
            log.info(_SETTLED[found.state], cancellation=found.id, order=found.order_id)
        return claimed

    def _begin(self, tx: Tables, worker: str, room: int, at: datetime) -> tuple[list[Cancellation], list[Attempt]]:
        """Settle what is due; return it as it was, and the attempts to make for it."""
        settled: list[Cancellation] = []
        begun: list[Attempt] = []
        while len(begun) < room and len(settled) < _AT_A_TIME and (due := tx.cancellations.due(at)) is not None:
            attempt = attempts.settle(tx, self.rules, due, worker, at, spread=self._jitter() / 4)
            settled.append(due)
            if attempt is not None:
                begun.append(attempt)
        return settled, begun

    async def record_answer(self, attempt: Attempt, answer: Answer) -> State | None:
        """Keep what an attempt proved; return the state that follows, or None if it came too late to count."""

        def work(tx: Tables) -> State | None:
            return attempts.conclude(tx, self.rules, attempt, answer, self._now(), spread=self._jitter() / 4)

        state = await self._store.transaction("record_answer", work)
        log.info(
            "answered",
            cancellation=attempt.cancellation_id,
            order=attempt.order_id,
            outcome=str(answer.outcome),
            reason=answer.reason and str(answer.reason),
            trouble=answer.trouble and str(answer.trouble),
            http_status=answer.http_status,
            gateway_request=answer.request_id,
            message=answer.message,
            state=state and str(state),
        )
        self._wake.set()
        return state

    async def record_delivery(self, delivery: Delivery, receipt: Receipt) -> timedelta:
        """Keep the result of a try to deliver; return the time for which its target must not get anything.

        Where Slack did not take one message it will not take the next one either, and so they keep their order.
        """

        def work(tx: Tables) -> timedelta:
            return deliveries.conclude(tx, self.rules, delivery, receipt, self._now())

        pause = await self._store.transaction("record_delivery", work)
        log.info(
            "delivery",
            cancellation=delivery.cancellation_id,
            kind=str(delivery.kind),
            outcome=str(receipt.outcome),
            problem=receipt.problem or None,
            tries=delivery.tries,
        )
        self._wake.set()
        return pause
