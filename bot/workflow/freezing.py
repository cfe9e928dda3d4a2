"""Stopping everything that could cancel an order, and letting it go on, each inside one transaction.

While there is a freeze, no request is taken, no approval counts and no call to the gateway begins. A call that is under
way ends as always. People can still reject, withdraw and settle, and requests expire.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from pydantic import ValidationError

from bot.domain import policy
from bot.domain.audit import BOT, Event
from bot.domain.cancellation import State
from bot.domain.delivery import DeliveryKind
from bot.domain.events import Frozen, RequestRefused, SetBack, Started, Unfrozen
from bot.domain.freeze import Freeze
from bot.domain.policy import Actor, Verdict
from bot.domain.request import Request
from bot.store import Tables
from bot.workflow.rules import Rules
from bot.workflow.transitions import show
from bot.workflow.waiting import go_on


@dataclass(frozen=True, slots=True)
class Froze:
    """The answer to somebody who freezes or unfreezes.

    ``freeze`` is the one in force now, and ``event`` the one that they brought about, or None.
    """

    verdict: Verdict
    freeze: Freeze | None
    event: Event | None = None


@dataclass(frozen=True, slots=True)
class Typed:
    """The command with which somebody freezes or unfreezes: where they typed it, and Slack's id of its one delivery."""

    command: str
    channel: str
    trigger_id: str


def freeze(tx: Tables, rules: Rules, actor: Actor, at: datetime, *, why: str, typed: Typed, sure: bool = True) -> Froze:
    """Stop everything, or put on record why not. FROZEN means that it is stopped already, and for this reason.

    Where ``at`` is not ``sure``, a clock that is ahead may have made it.
    """
    verdict = policy.may_freeze(actor)
    if verdict is Verdict.ALLOWED and not is_news(tx.freeze(), why):
        verdict = Verdict.FROZEN
    refusal = RequestRefused(verdict, typed.command, reason=why)
    content = Frozen(why, actor.ground) if verdict is Verdict.ALLOWED else refusal
    return _carry_out(tx, rules, content, actor, at, typed=typed, sure=sure)


def is_news(in_force: Freeze | None, why: str) -> bool:
    """Return True where a freeze for this reason is to be kept, be there one already, with another reason.

    People read the newest one, and who ends it ends them all.
    """
    return in_force is None or why not in {"", in_force.why}


def unfreeze(tx: Tables, rules: Rules, actor: Actor, at: datetime, *, typed: Typed) -> Froze:
    """Let everything go on, or put on record why not. NOT_FROZEN means that nothing is stopped."""
    verdict = policy.may_freeze(actor)
    if verdict is Verdict.ALLOWED and tx.freeze() is None:
        verdict = Verdict.NOT_FROZEN
    refusal = RequestRefused(verdict, typed.command)
    content = Unfrozen(actor.ground) if verdict is Verdict.ALLOWED else refusal
    return _carry_out(tx, rules, content, actor, at, typed=typed)


def _carry_out(
    tx: Tables,
    rules: Rules,
    content: Frozen | Unfrozen | RequestRefused,
    actor: Actor,
    at: datetime,
    *,
    typed: Typed,
    sure: bool = True,
) -> Froze:
    if isinstance(content, RequestRefused):
        tx.record.append(content, actor.id, at)
        return Froze(content.why, tx.freeze())
    event = put(tx, content, actor.id, at, rules, typed_in=typed.channel, sure=sure)
    return Froze(Verdict.ALLOWED, tx.freeze(), event)


def approved(waiting: Iterable[Request], at: datetime) -> tuple[int, int]:
    """Return how many requests have a call to the gateway due by now, and how many others only later."""
    waits = [each for each in waiting if any(order.state is State.APPROVED for order in each.cancellations)]
    # Somebody may have changed the tables, and then there is no time, and no call.
    times = [[order.due_at for order in each.cancellations if order.due_at is not None] for each in waits]
    due_at = [min(each) for each in times if each]
    due = sum(each <= at for each in due_at)
    return due, len(due_at) - due


_GOES_ON_WITHIN = timedelta(days=1)
"""In this time after a copy was put in place, it is said of it that it is one."""
_MAY_BE_AHEAD = timedelta(days=7)
"""A clock may have been wrong by as much: nothing counts as too old for a copy, or for a Retry, before that."""
RESTORED = "An older copy of the record was restored."
TOOK_OVER = "Another database server has taken over, and may lack what was kept last."
STANDBY_WAS_BEHIND = "The database server has lost what it had kept, as when a standby takes over that was behind."
OLDER_COPY = (TOOK_OVER, STANDBY_WAS_BEHIND)
"""What the bot itself gives as the reason where a copy that may lack something has taken over."""


def freeze_restored(
    tx: Tables,
    another_way: frozenset[tuple[int, str]] = frozenset(),
    *,
    actor: str,
    at: datetime,
    what: str = RESTORED,
    used_for: timedelta = _GOES_ON_WITHIN,
) -> None:
    """Stop everything in a copy that is restored, also where it was frozen: nobody knows what was decided since then.

    A request that people stopped since is approved in it again, and a freeze of since is not in it. Of each request
    that was not over, it goes on record that this is not known: the bot must not say that it knows. After two restores
    an order that has ended in the copy may have gone ``another_way`` in another database: each by the number of its
    request and its id. Bots may have used the copy already, for as long as ``used_for`` at most. So that may be so of
    what has ended since, too.
    """
    # Now somebody has noticed that another server has taken over, if one has.
    tx.took_over(at)
    # The bot has gone on with what the copy owes, too.
    tx.deliveries.doubt_all(at)
    # What is younger may have been written since: somebody has looked at the copy, or another bot has started on it.
    # So may what has a time in the future: the clock was ahead when the copy was made, and is right by now.
    since = at - _GOES_ON_WITHIN
    made = (tx.record.last_before(since) or since) - _MAY_BE_AHEAD
    if used_for:
        another_way |= tx.requests.ended_without_effect(at - used_for)
    open_in_it = (each.number for each in (*tx.requests.waiting(), *_retryable(tx, made)))
    for number in dict.fromkeys((*open_in_it, *sorted(number for number, _ in another_way))):
        request = tx.requests.of_number(number)
        assert request is not None
        failed = [each for each in policy.retryable(request.as_of(made, None)) if each.state is State.FAILED]
        # Of two that failed for one order, only one can be open.
        unknown = [each.order_id for each in failed if tx.cancellations.move(each, State.UNKNOWN, at=at)]
        show(tx, request, tx.record.append(SetBack(tuple(unknown)), BOT, at, request), at)
    tx.digests.went_on_with_older_copy()
    before = " It was frozen before, too." if tx.freeze() is not None else ""
    why = f"{what} Look first what people decided since.{before}"
    put(tx, Frozen(why), actor, at)


def put(
    tx: Tables,
    content: Frozen | Unfrozen,
    actor: str,
    at: datetime,
    rules: Rules | None = None,
    *,
    typed_in: str = "",
    sure: bool = True,
) -> Event:
    """Begin or end a freeze, and owe it to all that wait for people or for the gateway; return its event.

    ``typed_in`` is the channel of the command, if there is one. Who knows no ``rules`` goes by the last start.
    """
    settings = rules or tx.record.last_start() or Started("")
    # Its end is shown wherever it was shown itself.
    shown = _shown_frozen(tx)
    waiting = {request.number: request for request in tx.requests.waiting()}
    if isinstance(content, Unfrozen):
        due, later = approved(waiting.values(), at)
        quorum = settings.approvals_required
        pending = [each for each in waiting.values() if each.state is State.PENDING]
        content = replace(content, due=due, later=later, enough=sum(len(each.approvers) >= quorum for each in pending))
        go_on(tx)
    where = {settings.approval_channel, typed_in, *(each.card_channel for each in waiting.values())}
    content = replace(content, channels=_audience(tx, where))
    event = tx.record.append(content, actor, at)
    for channel in content.channels:
        tx.deliveries.enqueue_apart(DeliveryKind.ANNOUNCEMENT, event.seq, channel, at)
    # While everything is frozen, nobody can press Retry. By a clock that is ahead, the time for one is over that a card
    # still offers.
    offered = _retryable(tx, at if sure else at - _MAY_BE_AHEAD)
    waiting |= {request.number: request for request in (*shown, *offered) if request.number not in waiting}
    # Slack takes about fifty updates a minute, and the cards are what people act on.
    for kind in (DeliveryKind.CARD_UPDATE, DeliveryKind.RECEIPT_UPDATE):
        for request in waiting.values():
            tx.deliveries.enqueue(request, kind, event, at)
    return event


def _retryable(tx: Tables, at: datetime) -> Iterator[Request]:
    """Yield each request with an order that failed and could be retried at this time, as far as it is about that order.

    All of them, however many: of each a card would offer what nobody can press, or the copy say what it does not know.
    """
    return (request for request in tx.requests.failed_and_young(at) if request.could_be_retried(at))


def _shown_frozen(tx: Tables) -> list[Request]:
    """Return the requests with an order that failed whose card or receipt may say that everything is frozen."""
    first = tx.record.freeze_began()
    if first is None:
        return []
    try:
        began = datetime.fromisoformat(first.at)
    except ValueError:  # somebody edited it
        return []
    failed = tx.requests.failed_and_young(began - _MAY_BE_AHEAD)
    return [each for each in failed if tx.deliveries.drawn_since(each, first.seq)]


def _audience(tx: Tables, where: set[str]) -> tuple[str, ...]:
    """Return these channels, and those in which people read the last one, or will.

    Who read that everything is frozen must read the end of it, wherever somebody ends it.
    """
    channels = where | tx.deliveries.announced_to()
    # Whoever damages the event of a freeze must not keep the bot from stopping everything for that.
    with suppress(KeyError, ValidationError):
        before = tx.record.last_freeze()
        if before is not None and isinstance(content := before.content, Frozen):
            channels |= {*content.channels}
    # A direct message has one reader, who has read the answer.
    return tuple(sorted(each for each in channels if each and not each.startswith("D")))


def is_over(tx: Tables, event: Event) -> bool:
    """Return True for the event of a freeze, or of its end, after which there was another."""
    last = tx.record.last_freeze()
    return last is not None and event.seq < last.seq
