"""The use cases as the bot calls them: each is one transaction, then a line in the log, then a word to the worker.

Every method may be called again with the same arguments and from any number of tasks at once; the
second call changes nothing and returns what the first one led to. The file is long because every use case has its
method here; what happens inside each transaction is in the other modules.
"""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import IO, Concatenate, ParamSpec, TypeVar

import structlog

from bot import standstill, tracing
from bot.domain.attempt import AN_OPERATOR_ACTS, Answer, Attempt, Reason, Trouble
from bot.domain.audit import BOT, Event
from bot.domain.cancellation import State
from bot.domain.delivery import Delivery, DeliveryKind, DeliveryOutcome, Publish, Receipt
from bot.domain.events import ClickRefused, EvidenceAsked, Frozen, LookedUp, RequestRefused, Started, Stopped
from bot.domain.freeze import Freeze
from bot.domain.policy import Act, Actor, Members, Surface, Verdict, time_unchecked
from bot.domain.projection import Contradiction
from bot.domain.request import Request
from bot.log import log_soon
from bot.store import Store, StoreError, StoreProblem, Tables, Timeline
from bot.store.erasure import Erasure, erase
from bot.workflow import (
    attempts,
    decisions,
    deliveries,
    digests,
    freezing,
    home,
    lookups,
    rates,
    requests,
    timers,
    waiting,
)
from bot.workflow.deliveries import ClaimedDelivery, Concluded
from bot.workflow.digests import Due
from bot.workflow.freezing import Froze, Typed
from bot.workflow.home import HomeTab
from bot.workflow.lookups import Asked, Found
from bot.workflow.requests import Acted, Wish
from bot.workflow.rules import Rules
from bot.workflow.transitions import expire

log = structlog.get_logger(__name__)

P = ParamSpec("P")
T = TypeVar("T")
Decision = Callable[Concatenate[Tables, Rules, Request, Actor, datetime, P], Verdict]
"""A use case of ``bot.workflow.decisions``."""

_CLOCKS_MAY_DIFFER = timedelta(seconds=10)
"""A bot is not ready from half of this on, so two that are may differ by as much."""
_AT_A_TIME = 8
"""The most that is claimed in one transaction; a longer one would hold up the people's."""
_FOR_MESSAGES = 2
"""So many of the tries at once are kept for messages, however many people have their Home tabs open."""
_PART = 100
"""Rows that are read at once of an answer that may have any number of them."""
_STALE_CARD = {Verdict.WRONG_STATE, Verdict.ALREADY_COUNTED, Verdict.CARD_OUT_OF_DATE}
"""Refusals of a click that a card showing the truth might not have invited: the card is brought up to date."""
_NEEDS_A_PERSON = {State.UNKNOWN, State.FAILED}
"""The ends after which nothing happens until somebody acts."""
_ERASED_AT_ONCE = 100
"""Events whose words go in one transaction, which would hold up the people's if it were longer."""
_SETTLED = {State.PENDING: "waiting_told", State.APPROVED: "call_begun", State.SENDING: "answer_lost"}
"""The name in the log of what was due in each state; a request past its time has expired."""


class AnotherGatewayError(Exception):
    """The bot was started with another gateway than the one whose answer ``orders`` wait for.

    ``former`` and ``current`` are their addresses. Only the former one knows what its lost calls did.
    """

    def __init__(self, former: str, current: str, orders: Sequence[str]) -> None:
        super().__init__(former, current, orders)
        self.former, self.current, self.orders = former, current, orders


class _ClocksDifferError(Exception):
    """A person's transaction that is undone alone, while those that share its commit go on; the seconds."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """The work that a worker claimed.

    ``more`` is true where there may be more to claim at once; ``next_at`` is when something falls due next. ``digest``
    is the digest that is due, or None.
    """

    attempts: list[Attempt]
    deliveries: list[ClaimedDelivery]
    homes: list[Publish]
    more: bool
    next_at: datetime | None
    digest: Due | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """The work that a worker has in hand: numbers of cancellations being sent, positions of deliveries, and people.

    The people are those whose Home tabs it publishes.
    """

    cancellations: frozenset[int] = frozenset()
    deliveries: frozenset[int] = frozenset()
    homes: frozenset[str] = frozenset()


NOTHING_HELD = Held()


def _is_used(tx: Tables) -> bool:
    """Return True where somebody has asked for something in this record, or has frozen or unfrozen everything."""
    return bool(tx.requests.newest()) or tx.record.last_freeze() is not None


class Workflow:
    """The use cases over one store. ``wake`` is set after each commit that may have given the worker something to do.

    ``unconfirmed`` returns the latest time that it may be, and None once another clock has confirmed ``now``. Until
    then nothing expires, and no age decides. While ``clock_wrong`` is true, nobody can ask for a request. Where ``now``
    differs from a database server's time by more than it ``may_differ``, nobody acts, and if ``others_are_nearer_to``
    that time, all that is kept has it.
    ``answer_within`` is how many seconds a person's act may wait for the file; Slack shows an error after three.
    ``jitter`` returns a number from 0 to 1 that spreads repeated calls to the gateway.
    """

    def __init__(
        self,
        store: Store,
        rules: Rules,
        *,
        now: Callable[[], datetime],
        wake: asyncio.Event,
        unconfirmed: Callable[[], datetime | None] = lambda: None,
        clock_wrong: Callable[[], bool] = lambda: False,
        others_are_nearer_to: Callable[[datetime], bool] = lambda _: False,
        may_differ: timedelta = timedelta.max,
        answer_within: float = 2.5,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.rules = rules
        self._store = store
        self._now = now
        self._unconfirmed = unconfirmed
        self._clock_wrong = clock_wrong
        self._others_are_nearer_to = others_are_nearer_to
        self._may_differ = may_differ
        self._of_earlier_runs: int | None = None
        """The number of the newest request that was made before the start, until its time has been looked at."""
        self._steps: list[timedelta] = []
        """The steps that the clock has followed, until it is confirmed again. The writer's thread adds to them."""
        self._timeline: Timeline | None = None
        """The history of the server, as far as this bot has seen it."""
        self._sound_at: datetime | None = None
        """When the server was last looked at, and had that history."""
        self._wake = wake
        self._answer_within = answer_within
        self._jitter = jitter

    def _at(self, tx: Tables) -> datetime:
        """Return the time of a transaction: now, but never before the last event of another bot's clock."""
        at = self._servers_time(tx) or self._now()
        if not self._store.shared:
            return at
        with contextlib.suppress(ValueError):  # there is no event yet, or somebody edited it
            last = datetime.fromisoformat(tx.record.last().at)
            # A clock that is wrong by more is for people to set, and must not hold up the time of all others.
            if at < last <= at + _CLOCKS_MAY_DIFFER:
                return last
        return at

    def _servers_time(self, tx: Tables) -> datetime | None:
        """Return the server's time where it is this bot's clock that is wrong, as Slack's and the gateway's say.

        People freeze through this bot all the same. The others have to bring what it owes then, and find what it keeps.
        """
        theirs = tx.connection.begun_at()
        is_wrong = theirs is not None and self._apart(tx) > self._may_differ and self._others_are_nearer_to(theirs)
        return theirs if is_wrong else None

    def _apart(self, tx: Tables) -> timedelta:
        """Return how far this bot's clock is from the one that all bots share; nothing where there is none."""
        theirs = tx.connection.begun_at()
        return timedelta(0) if theirs is None else abs(self._now() - theirs)

    def _latest(self, tx: Tables, at: datetime) -> datetime | None:
        """Return the latest time that it may be; None once another clock has confirmed ``at``.

        Whoever comes first from then on, a person or the worker, finds the times of requests right that a wrong clock
        of an earlier run has set.
        """
        latest = self._unconfirmed()
        if latest is None and self._of_earlier_runs is not None:
            timers.mend_expiry(tx, at, made_before=self._of_earlier_runs)
        return latest

    # --- people -------------------------------------------------------------------------------

    async def request(self, wish: Wish, actor: Actor) -> Acted:
        """Ask for a request. The same form with the same words asks once."""

        def work(tx: Tables) -> Acted:
            at = self._at(tx)
            tx.people.remember(actor, at)
            latest, wrong = self._latest(tx, at), self._clock_wrong()
            return requests.request(tx, self.rules, wish, actor, at, expiring=latest is None, clock_wrong=wrong)

        acted = await self._in_time("request", work)
        if acted.verdict is Verdict.ALLOWED and acted.request is not None:
            tracing.acted_on(acted.request.id)
            log_soon(log, "requested", request=acted.request.id, orders=list(wish.order_ids), by=actor.id)
        else:
            log_soon(log, "form_refused", orders=list(wish.order_ids), by=actor.id, verdict=str(acted.verdict))
        self._wake.set()
        return acted

    async def act(
        self, decision: "Decision[P]", act: Act, request_id: str, actor: Actor, *args: P.args, **kwargs: P.kwargs
    ) -> Acted:
        """Run one use case of ``bot.workflow.decisions`` on a request, and put a refusal on record."""

        def work(tx: Tables) -> Acted:
            at = self._at(tx)
            tx.people.remember(actor, at)
            if actor.surface is Surface.HOME:
                tx.homes.opened(actor.id, at)
            latest = self._latest(tx, at)
            request = tx.requests.get(request_id)
            if request is not None and latest is None and request.overdue(at):
                # A click that comes before the worker expired the request is too late all the same.
                expire(tx, request, at)
                request = tx.requests.get(request_id)
            if request is None:
                tx.record.append(ClickRefused(act, Verdict.NO_SUCH_REQUEST), actor.id, at)
                return Acted(Verdict.NO_SUCH_REQUEST)
            refusal = latest and time_unchecked(request, actor, act, latest)
            person = actor.towards(request)
            verdict = refusal or decision(tx, self.rules, request, person, at, *args, **kwargs)
            if verdict is not Verdict.ALLOWED:
                # A finding is about one order, and its refusal says nothing of the others.
                place = kwargs.get("order")
                about = (request.at_place(place) if isinstance(place, int) else None) or request
                event = tx.record.append(ClickRefused(act, verdict, about.state), actor.id, at, about)
                if verdict in _STALE_CARD or request.state is not State.PENDING:
                    _refresh(tx, request, event, at, actor.surface)
            if verdict is not Verdict.ALLOWED or act is Act.STOP:
                # The person reads why, or which orders a stop left out, and where it is seen how they go on.
                return Acted(verdict, requests.as_read(tx, request, at if latest is None else None))
            # A person who retried several orders reads which of them are not sent. Nobody else needs a second read.
            return Acted(verdict, tx.requests.get(request_id) if act is Act.RETRY else request)

        acted = await self._in_time(act, work)
        if acted.verdict is Verdict.ALLOWED:
            tracing.acted_on(request_id)
        tracing.note(act=str(act), verdict=str(acted.verdict), person=actor.id)
        log_soon(log, "clicked", act=str(act), request=request_id, by=actor.id, verdict=str(acted.verdict))
        self._wake.set()
        return acted

    async def _in_time(self, name: str, work: Callable[[Tables], T]) -> T:
        """Run a person's transaction, but not after they have read Slack's error. Raises StoreError.

        A host may pause a machine together with all of its clocks. Then the server's alone shows that what Slack sent
        is old, and others may have acted through another bot since.
        """
        slow = StoreError(StoreProblem.TOO_SLOW, self._store.place, f"{self._answer_within:g}")
        if standstill.is_too_late():
            raise slow

        def while_clocks_agree(tx: Tables) -> T:
            apart = self._apart(tx)
            # A freeze is right at any age.
            if apart > self._may_differ and name != "frozen":
                raise _ClocksDifferError(f"{apart.total_seconds():.0f}")
            return work(tx)

        try:
            async with asyncio.timeout(self._answer_within):
                return await self._store.transaction(name, while_clocks_agree)
        except _ClocksDifferError as error:
            raise StoreError(StoreProblem.CLOCKS_DIFFER, self._store.place, str(error)) from None
        except TimeoutError:
            slow.unsure = True  # it may have been in the middle of its commit
            raise slow from None

    async def refuse(self, actor: Actor, command: str, why: Verdict, about: str = "") -> None:
        """Put a refused command, look-up or click on record.

        ``command`` is the slash command or the action id; ``about`` the id of the request, if there is one.
        """

        def work(tx: Tables) -> None:
            at = self._at(tx)
            tx.people.remember(actor, at)
            request = tx.requests.get(about) if about else None
            event = tx.record.append(RequestRefused(why, command=command), actor.id, at, request)
            if request is not None and request.state is not State.PENDING:
                _refresh(tx, request, event, at, actor.surface)

        await self._store.transaction("refuse", work)
        log.info("command_refused", by=actor.id, command=command, verdict=str(why))

    async def is_first(self, signature: str, life: timedelta) -> bool:
        """Return True for a signature that none of the bots has seen in so much time. Raises StoreError."""

        def work(tx: Tables) -> bool:
            # By the clock that all bots share: one whose own is ahead would forget what the others have seen.
            at = tx.connection.begun_at() or self._now()
            tx.signatures.forget(at)
            return tx.signatures.keep(signature, at + life)

        return await self._store.transaction("signature", work)

    async def freeze(self, actor: Actor, why: str, typed: Typed) -> Froze:
        """Stop everything that could cancel an order."""

        def step(tx: Tables, at: datetime) -> Froze:
            sure = self._latest(tx, at) is None
            return freezing.freeze(tx, self.rules, actor, at, why=why, typed=typed, sure=sure)

        return await self._freezing("frozen", actor, typed, step)

    async def unfreeze(self, actor: Actor, typed: Typed) -> Froze:
        """Let everything go on."""

        def step(tx: Tables, at: datetime) -> Froze:
            return freezing.unfreeze(tx, self.rules, actor, at, typed=typed)

        return await self._freezing("unfrozen", actor, typed, step)

    async def _freezing(
        self, name: str, actor: Actor, typed: Typed, step: Callable[[Tables, datetime], Froze]
    ) -> Froze:
        def work(tx: Tables) -> Froze:
            at = self._at(tx)
            tx.people.remember(actor, at)
            # It has no state that it was about: what comes a second time would end another freeze. It stays known for
            # ever, as a clock that is wrong for an hour would end any time. People freeze a few times a year.
            if typed.trigger_id and not tx.signatures.keep(typed.trigger_id):
                tx.record.append(RequestRefused(Verdict.REPEATED, typed.command), actor.id, at)
                return Froze(Verdict.REPEATED, tx.freeze())
            return step(tx, at)

        froze = await self._in_time(name, work)
        log.warning(
            name if froze.verdict is Verdict.ALLOWED else f"not_{name}", by=actor.id, verdict=str(froze.verdict)
        )
        self._wake.set()
        return froze

    async def look_at_server(self) -> None:
        """Stop everything where a standby has taken over that may have been behind. Raises StoreError.

        It may lack what another bot wrote last, which nobody here has seen. Nothing is lost where each commit waited
        for a standby, but only who has seen that a moment ago can say so: what the database says of it may be missing
        on the standby, too. Before this look nothing else begins on a server that took over.
        """
        found, at = await self._store.timeline(), self._now()
        if found is not None and found != self._timeline:
            replicated = self._timeline is not None and self._timeline.replicated

            def work(tx: Tables) -> bool:
                lacks = tx.took_over(at) and not replicated
                if lacks:
                    self._freeze_what_took_over(tx, freezing.TOOK_OVER)
                return lacks

            if await self._store.accept(found, work):
                log.error("another_server_took_over")
                self._wake.set()
            self._timeline = found
        self._sound_at = at

    def _freeze_what_took_over(self, tx: Tables, why: str) -> None:
        """Freeze an older copy that another bot may have used since this one has looked at its server."""
        at = self._at(tx)
        used_for = timedelta(0) if self._sound_at is None else self._now() - self._sound_at + _CLOCKS_MAY_DIFFER
        freezing.freeze_restored(tx, actor=BOT, at=at, what=why, used_for=used_for)

    async def is_beside_another(self, in_slack: Callable[[], Awaitable[list[str]]]) -> bool:
        """Return True if nobody has asked for anything in this record, and Slack has messages of another one.

        ``in_slack`` returns the ids of the deliveries that are there. Raises StoreError and what ``in_slack`` raises.
        """
        if await self._store.read(_is_used):
            return False
        found = await in_slack()
        return await self._store.read(lambda tx: not all(tx.deliveries.is_known(each) for each in found))

    async def stop_for_damage(self, event_number: int) -> None:
        """Stop everything that could cancel an order: the record is damaged at this event. Raises StoreError."""

        def work(tx: Tables) -> None:
            # Also over a freeze of somebody's, who would end it without a word of this.
            if (freeze := tx.freeze()) is None or freeze.by != BOT:
                why = f"The record is damaged, or the tables contradict it, at event {event_number}"
                freezing.put(tx, Frozen(why), BOT, self._at(tx), self.rules)

        def went_on_without_it(tx: Tables) -> None:
            freeze = tx.freeze()
            # Another bot may have done it.
            known = freeze is not None and freeze.by == BOT and freeze.why.startswith(freezing.OLDER_COPY)
            if tx.took_over(self._at(tx)) or not known:
                self._freeze_what_took_over(tx, freezing.STANDBY_WAS_BEHIND)

        try:
            await self._store.transaction("frozen", work)
        except StoreError as error:
            if error.problem is not StoreProblem.HISTORY_LOST:
                raise
            # This bot accepts nothing more, but those that start now know nothing of what the server has lost.
            await self._store.beside(went_on_without_it)
        log.error("frozen_for_damage", event_number=event_number)
        self._wake.set()

    async def erase_old(self, age: timedelta) -> int:
        """Erase some of the words that people typed longer ago than this; return how many texts are gone.

        None are while no other clock has confirmed the bot's: one that is ahead would erase what is young.
        """

        def work(tx: Tables) -> int:
            if self._unconfirmed() is not None:
                return 0
            at, why = self._at(tx), f"older than ERASE_TEXT_AFTER ({age.days}d)"
            return erase(tx, Erasure(before=at - age), why, BOT, at, at_most=_ERASED_AT_ONCE).texts

        gone = await self._store.transaction("erase", work)
        if gone:
            log.info("erased", count=gone)
            self._wake.set()
        return gone

    async def frozen(self) -> Freeze | None:
        """Return the freeze that is in force, or None."""
        return await self._store.read(lambda tables: tables.freeze())

    async def last_event(self) -> int:
        """Return the number of the last event on record, whoever wrote it; 0 before the first one.

        From then on a server that has lost it gets nothing more from this bot.
        """
        last = await self._store.read(lambda tables: tables.record.last())
        self._store.rely_on(last)
        return last.seq

    async def home_opened(self, person: str) -> None:
        """Owe this person their Home tab, now and at every change for as long as it counts as open."""
        await self._store.transaction("home_opened", lambda tx: tx.homes.opened(person, self._at(tx)))
        self._wake.set()

    async def home(self, actor: Actor) -> HomeTab:
        """Return what this person's Home tab shows now."""
        at = self._now() if self._unconfirmed() is None else None
        return await self._store.read(lambda tables: home.read(tables, self.rules, actor, at))

    async def look_up(self, actor: Actor, asked: Asked) -> Found:
        """Return a page of what this person may read. Raises NotAFilter or MayNotRead."""
        return await self._store.read(lambda tables: lookups.look_up(tables, self.rules, actor, asked, self._now()))

    async def look_up_all(self, actor: Actor, asked: Asked) -> AsyncIterator[Found]:
        """Yield all that this person may read, a part at a time, so that others read and write in between.

        Raises NotAFilter or MayNotRead.
        """
        older: str | None = ""
        while older is not None:
            part = replace(asked, older_than=older or None, limit=_PART, counted=False)
            found = await self.look_up(actor, part)
            yield found
            asked, older = replace(asked, at=found.at), found.page.older

    async def looked_up(self, actor: Actor, filters: str, rows: int, digest: str) -> None:
        """Put a look-up on record before its answer is handed out. Raises StoreError, and then nobody may read it.

        ``digest`` is the SHA-256 of the answer, as 64 hexadecimal digits.
        """

        def work(tx: Tables) -> None:
            at = self._at(tx)
            tx.people.remember(actor, at)
            tx.record.append(LookedUp(filters, rows, digest), actor.id, at)

        await self._store.transaction("looked_up", work)
        log.info("looked_up", by=actor.id, rows=rows)

    async def ask_for_evidence(self, actor: Actor, order_id: str) -> None:
        """Owe this person the evidence for an order. Raises StoreError, and then nothing is owed."""

        def work(tx: Tables) -> None:
            at = self._at(tx)
            tx.people.remember(actor, at)
            asked = tx.record.append(EvidenceAsked(order_id), actor.id, at)
            tx.deliveries.enqueue_apart(DeliveryKind.EVIDENCE, asked.seq, actor.id, at)

        await self._store.transaction("ask_for_evidence", work)
        log.info("evidence_asked", by=actor.id, order=order_id)
        self._wake.set()

    async def evidence(self, actor: Actor, order_id: str, into: IO[bytes]) -> int:
        """Write the evidence for an order that this person may read; return how many events it has.

        Raises NoEvidence or StoreError.
        """
        return await self._store.read(lambda tables: lookups.evidence(tables, actor, order_id, into))

    # --- the worker ---------------------------------------------------------------------------

    async def start(self, started: Started, *, alone: bool = True) -> None:
        """Put the start on record, and take back whatever a former process of this bot was working on.

        Deliveries become due after the settle delay, not now: a message that the killed process had just sent needs a
        moment to become visible in Slack. What waits for Slack to carry out what it once took waits from now on.
        Nothing waits for a time that only a wrong clock had set. Where this process is not ``alone``, others are at
        work: nothing is taken from them, and a dead one's leases end by themselves. Raises AnotherGatewayError, with
        nothing kept, where orders wait for the answer of another gateway than today's.
        """

        def work(tx: Tables) -> bool:
            at = self._at(tx)
            before = tx.record.last_start()
            if before and started.has_another_gateway(before) and (asked := tx.cancellations.asked()):
                # They were approved for that one, and only that one knows what a lost call did.
                raise AnotherGatewayError(before.dvpay_base_url, started.dvpay_base_url, asked)
            self._of_earlier_runs = tx.requests.newest()
            self._wait_anew(tx, at)
            if alone:
                tx.cancellations.end_leases(at)
                tx.deliveries.end_leases(at + self.rules.patience.settle_delay)
                tx.homes.end_leases(at, at + self.rules.patience.late_in_slack)
            # Among others, the last start on record may be that of a process that lives.
            unclean = alone and not tx.record.ended_cleanly()
            tx.record.append(replace(started, unclean=unclean), BOT, at)
            if before is not None:
                waiting.follow_deciders(tx, self.rules, before, started, at)
            digests.take_back(tx, self.rules, at, alone=alone)
            return unclean

        if await self._store.transaction("start", work):
            log.info("ended_uncleanly_before")

    def _wait_anew(self, tx: Tables, at: datetime) -> None:
        """Let nothing wait for too long or too short after a start, whatever a clock was wrong by.

        Nobody knows yet whether this bot's is right. What others wait for goes by the server's.
        """
        if self._apart(tx) > self._may_differ:
            at = tx.connection.begun_at() or at
        # The minute that Slack may take is the same by every clock. One that is wrong at this start, or was at the one
        # before, must not end it early: a look for copies would be over before they can be seen.
        tx.timers.wait_anew(at, self.rules.patience.late_in_slack)
        with contextlib.suppress(ValueError):  # there is no event yet, or somebody edited it
            tx.homes.stay_open(datetime.fromisoformat(tx.record.last().at), at)
        self._bring_forward(tx, at)

    async def stop(self, worker: str = "") -> None:
        """Put on record that the bot stops in order, and give back what its worker still holds."""

        def work(tx: Tables) -> None:
            at = self._at(tx)
            tx.cancellations.give_back(worker, at)
            tx.deliveries.give_back(worker, at + self.rules.patience.settle_delay)
            tx.record.append(Stopped(), BOT, at)

        await self._store.transaction("stop", work)

    def shift(self, tx: Tables, step: timedelta) -> None:
        """Follow a step of the clock, in the transaction in which ``now`` follows it.

        Until the clock is confirmed, it was the start's clock that was wrong: by it only requests of this run got their
        time. Among other bots, the times in the database are theirs, too, and stay: only nothing may wait for too long.
        """
        at = self._at(tx)
        self._steps.append(step)
        if self._store.shared:
            self._bring_forward(tx, at)
            tx.homes.changed(at)
        else:
            timers.shift(tx, step, at, made_after=self._of_earlier_runs or 0)

    def _bring_forward(self, tx: Tables, at: datetime) -> None:
        patience = self.rules.patience
        tx.timers.bring_forward(
            at,
            before_attempt=patience.longest_before_attempt,
            before_try=patience.longest_before_try,
            before_message=patience.receipt_waits,
            late=patience.late_in_slack,
        )

    async def claim(
        self,
        worker: str,
        *,
        calls: int,
        messages: int,
        not_to: frozenset[str] = frozenset(),
        held: Held = NOTHING_HELD,
    ) -> Claimed:
        """Settle what is due, and claim up to so many calls and messages, kept as begun.

        Pending requests past their time expire; people are reminded of others, or they are escalated. A call whose
        worker died counts as a lost answer. No new message is claimed for the channels and people in ``not_to``, and at
        most one for each of the others. Home tabs get what messages leave of their room.
        ``held`` is what this worker has in hand: it never settles that itself, though the lease be over.
        """

        def work(
            tx: Tables,
        ) -> tuple[bool, int, list[tuple[str, Request]], list[Request], list[Contradiction], Claimed]:
            # Both in here, as a transaction that waited for its turn may follow one in which the clock was doubted.
            at = self._at(tx)
            sure = self._latest(tx, at) is None
            steps = len(self._steps) if sure else 0
            if steps:
                timers.show_ages(tx, sum(self._steps[:steps], timedelta()), at)
            busy = rates.blocked(tx, self.rules.patience, at)
            settled, contradictions, begun = self._begin(tx, worker, calls, held.cancellations, at, expiring=sure)
            digest = digests.claim(tx, self.rules, at) if sure else None
            claimed, called_off = deliveries.claim(
                tx,
                self.rules,
                worker,
                at,
                room=messages,
                not_to=not_to | busy.keys(),
                held=held.deliveries,
                sure=sure,
                on_time=self._apart(tx) <= self._may_differ,
            )
            left = messages - len(claimed) - _FOR_MESSAGES
            patience = self.rules.patience
            homes = tx.homes.claim(at, patience.delivery_lease, room=left, held=held.homes, late=patience.late_in_slack)
            more = len(settled) == _AT_A_TIME or called_off == deliveries.MOST_CALLED_OFF
            named = [("expired" if each.overdue(at) else _SETTLED[each.state], each) for each in settled]
            lost = [
                tx.requests.of_cancellation(each.cancellation.number) for each in settled if each.state is State.SENDING
            ]
            ended = [each for each in lost if each is not None and each.state in _NEEDS_A_PERSON]
            next_at = min(filter(None, (tx.next_due(at), *busy.values())), default=None)
            if (theirs := self._servers_time(tx)) is not None:
                # The worker goes by the bot's own clock.
                ahead = self._now() - theirs
                next_at = next_at and next_at + ahead
                begun = [replace(each, lease_until=each.lease_until and each.lease_until + ahead) for each in begun]
            return sure, steps, named, ended, contradictions, Claimed(begun, claimed, homes, more, next_at, digest)

        sure, steps, settled, lost, contradictions, claimed = await self._store.transaction("claim", work)
        del self._steps[:steps]
        if sure:
            self._of_earlier_runs = None
        for name, found in settled:
            log.info(name, request=found.id, orders=list(found.order_ids))
        for ended in lost:
            _log_end(ended.state, ended.id, ended.cancellation.order_id, str(Trouble.STOPPED))
        for contradiction in contradictions:
            # Somebody has changed the file, so nothing was sent.
            log.error("record_contradicted", order=contradiction.order_id, subject=str(contradiction.subject))
        return claimed

    def _begin(
        self, tx: Tables, worker: str, room: int, held: frozenset[int], at: datetime, *, expiring: bool
    ) -> tuple[list[Request], list[Contradiction], list[Attempt]]:
        """Settle what is due; return it as it was, why some of it is not sent, and the attempts to make for it."""
        settled: list[Request] = []
        contradictions: list[Contradiction] = []
        begun: list[Attempt] = []
        sending = tx.freeze() is None
        while len(settled) < _AT_A_TIME:
            # What needs no call is not to wait behind the orders that do.
            due = tx.cancellations.due(at, held=held, expiring=expiring, sending=sending and len(begun) < room)
            if due is None:
                break
            attempt = attempts.settle(tx, self.rules, due, worker, at, spread=self._jitter() / 4)
            settled.append(due)
            if isinstance(attempt, Attempt):
                begun.append(attempt)
            elif attempt is not None:
                contradictions.append(attempt)
        return settled, contradictions, begun

    async def digest(self, due: Due) -> None:
        """Read the figures of a digest that is due, beside the writer, and owe it."""
        figures = await self._store.read(lambda tables: digests.figures(tables, due))
        owed = await self._store.transaction(
            "digest", lambda tx: digests.owe(tx, self.rules, due, figures, self._at(tx))
        )
        if owed:
            log.info("digest_owed", since=due.period.since.isoformat(), until=due.period.until.isoformat())
        self._wake.set()

    async def record_answer(self, attempt: Attempt, answer: Answer) -> State | None:
        """Keep what an attempt proved; return the state that follows, or None if it came too late to count."""

        def work(tx: Tables) -> State | None:
            return attempts.conclude(tx, self.rules, attempt, answer, self._at(tx), spread=self._jitter() / 4)

        state = await self._store.transaction("record_answer", work)
        log.info(
            "answered",
            request=attempt.request_id,
            order=attempt.order_id,
            outcome=str(answer.outcome),
            reason=answer.reason and str(answer.reason),
            trouble=answer.trouble and str(answer.trouble),
            http_status=answer.http_status,
            gateway_request=answer.request_id,
            gateway_message=answer.message,
            state=state and str(state),
        )
        if state in _NEEDS_A_PERSON:
            _log_end(state, attempt.request_id, attempt.order_id, str(answer.reason or answer.trouble or ""))
        if answer.reason in AN_OPERATOR_ACTS:
            # Nothing is cancelled until an operator acts. Newer gateways refuse calls that still send an app id.
            settings = [] if answer.reason is Reason.CLOCK else ["DVPAY_API_KEY", "DVPAY_APP_ID"]
            log.error("gateway_refused_the_bot", reason=str(answer.reason), settings=settings)
        self._wake.set()
        return state

    async def record_delivery(self, delivery: Delivery, receipt: Receipt) -> Concluded:
        """Keep the result of a try to deliver; return what follows from it."""

        def work(tx: Tables) -> Concluded:
            at = self._at(tx)
            concluded = deliveries.conclude(tx, self.rules, delivery, receipt, at)
            if concluded.pause:
                rates.pause(tx, self.rules.patience, delivery.target, at + concluded.pause)
            return concluded

        concluded = await self._store.transaction("record_delivery", work)
        bound_log = log.bind(
            request=delivery.request_id,
            kind=str(delivery.kind),
            target=delivery.target,
            outcome=str(receipt.outcome),
            problem=receipt.problem or None,
            tries=delivery.tries,
        )
        if concluded.given_up:
            bound_log.error("delivery_given_up")
        elif concluded.tell:
            bound_log.warning("delivery_blocked")
        else:
            bound_log.info("delivered" if receipt.outcome is DeliveryOutcome.DELIVERED else "not_delivered")
        self._wake.set()
        return concluded

    async def record_publish(self, publish: Publish, receipt: Receipt) -> None:
        """Keep the result of a try to publish a Home tab."""
        await self._store.transaction(
            "record_publish", lambda tx: home.conclude(tx, self.rules, publish, receipt, self._at(tx))
        )
        given_up = receipt.outcome is DeliveryOutcome.IMPOSSIBLE
        if given_up or publish.tries == deliveries.TRIES_BEFORE_TELLING:
            log.warning("home_not_published", person=publish.person, problem=receipt.problem, given_up=given_up)
        self._wake.set()

    async def card_clicked(self, request_id: str, receipt: Receipt) -> bool:
        """Return True where the clicked message is the card, and learn its place if that was not known."""

        def work(tx: Tables) -> bool:
            request = tx.requests.get(request_id)
            return request is not None and deliveries.adopt_card(tx, self.rules, request, receipt, self._at(tx))

        adopted = await self._store.transaction("card_clicked", work)
        self._wake.set()
        return adopted

    async def receipt_clicked(self, request_id: str, receipt: Receipt) -> bool:
        """Return True where the clicked message is the receipt, and learn its place if that was not known."""

        def work(tx: Tables) -> bool:
            request = tx.requests.get(request_id)
            return request is not None and deliveries.adopt_receipt(tx, self.rules, request, receipt, self._at(tx))

        adopted = await self._store.transaction("receipt_clicked", work)
        self._wake.set()
        return adopted

    async def recount(self, approvers: Members) -> bool:
        """Count the votes of every pending request by today's settings; return False where a freeze forbids that."""

        def work(tx: Tables) -> list[Request] | None:
            at = self._at(tx)
            return decisions.recount(tx, self.rules, approvers, at, latest=self._latest(tx, at) or at)

        changed = await self._store.transaction("recount", work)
        for request in changed or ():
            log.info("votes_recounted", request=request.id, orders=list(request.order_ids))
        self._wake.set()
        return changed is not None

    async def stuck(self) -> list[tuple[str, int]]:
        """Return what keeps messages from Slack for more than a moment, and how many: pairs, the most first."""
        return await self._store.read(lambda tables: tables.deliveries.stuck(deliveries.TRIES_BEFORE_TELLING))

    async def turned_away(self) -> tuple[Reason, datetime] | None:
        """Return why the gateway takes no call of the bot's and when it last said so; None once one got through."""
        return await self._store.read(lambda tables: tables.attempts.turned_away())


def _log_end(state: State, request: str, order: str, problem: str) -> None:
    """Tell the operator of an end after which the order waits for a person; people in Slack read it on the card."""
    bound_log = log.bind(request=request, order=order, problem=problem)
    if state is State.UNKNOWN:
        bound_log.error("ended_unknown")
    else:
        bound_log.error("ended_failed")


def _refresh(tx: Tables, request: Request, event: Event, at: datetime, surface: Surface | None) -> None:
    """Bring the message that was clicked up to date, also where Slack had said yes to the last update."""
    if surface is Surface.RECEIPT:
        tx.deliveries.enqueue(request, DeliveryKind.RECEIPT_UPDATE, event, at, seen=True)
    elif surface is not Surface.HOME and request.card_ts is not None:
        tx.deliveries.enqueue(request, DeliveryKind.CARD_UPDATE, event, at)
