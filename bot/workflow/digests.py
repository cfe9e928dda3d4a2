"""The digest: planned before it is due, and owed once for each period, each step inside one transaction.

It comes at times of the calendar. So it does not move with a step of the clock, and while no other clock has confirmed
the bot's, nothing is planned and nothing is due.

A period is one of times, and a clock that was wrong may show the same time twice. So the times are for people, and what
a digest counts are the numbers of requests: each is in exactly one digest.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.domain.audit import BOT, timestamp
from bot.domain.delivery import Delivery, DeliveryKind
from bot.domain.events import Digest, DigestCalledOff, DigestMoved
from bot.domain.report import Period, Report
from bot.domain.schedule import Schedule
from bot.store import Tables
from bot.workflow.rules import Rules

_A_LITTLE = timedelta(hours=1)
"""A clock that is set back by no more, to before the digest that is posted, brings no second one for the same time."""


@dataclass(frozen=True, slots=True)
class Due:
    """A digest whose figures somebody must read now: of the requests with numbers above ``after``, up to ``upto``."""

    period: Period
    after: int
    upto: int


def take_back(tx: Tables, rules: Rules, at: datetime, *, alone: bool) -> None:
    """Take the digest from a worker that is gone, or plan none any more where the settings name none.

    What is owed to another channel than that of the settings goes there, or is called off without any; but where an
    earlier try may have posted it, the bot first looks for it. Where this process is not ``alone``, the worker that
    reads the figures may live, and others may have other settings: then only what Slack refuses is moved.
    """
    if rules.digest is None:
        tx.digests.drop()
    elif alone:
        tx.digests.end_lease()
    channel = rules.approval_channel if rules.digest is not None else ""
    for position, seq in tx.deliveries.digests_for_others(channel, refused=not alone, in_doubt=not channel):
        _move(tx, position, seq, channel, at)


def follow_refusal(tx: Tables, rules: Rules, delivery: Delivery, at: datetime) -> None:
    """Bring a digest that its channel refuses to that of the settings, if it never was for that one.

    So bots with different settings do not move it back and forth.
    """
    if rules.digest is not None and not tx.deliveries.digest_was_for(delivery.event_seq, rules.approval_channel):
        _move(tx, delivery.position, delivery.event_seq, rules.approval_channel, at)


def _move(tx: Tables, position: int, seq: int, channel: str, at: datetime) -> None:
    tx.deliveries.call_off(position, at)
    tx.record.append(DigestMoved(seq, channel) if channel else DigestCalledOff(seq), BOT, at)
    if channel:
        tx.deliveries.enqueue_apart(DeliveryKind.DIGEST, seq, channel, at)


def claim(tx: Tables, rules: Rules, at: datetime) -> Due | None:
    """Plan the next digest where none is planned, or where it was planned by another setting or by a wrong clock.

    Return the one that is due, or None. However late it is, that is one digest, for the period from the last one to the
    last time at which one should have come.
    """
    if (schedule := rules.digest) is None:
        return None
    planned = tx.digests.planned()
    # The next one but one is no error: the clock may have been set back to just before the digest that is posted.
    latest = schedule.next(schedule.next(at))
    ahead = planned is not None and (planned.since > at + _A_LITTLE or planned.due_at > latest)
    if planned is None or planned.schedule != str(schedule) or ahead:
        _plan(tx, schedule, at)
        return None
    if max(planned.due_at, planned.lease_until or planned.due_at) > at:
        return None
    # Reading takes a while, and must hold up no other transaction.
    tx.digests.lease(at + rules.patience.attempt_lease)
    until = schedule.last(at)
    # What people asked for since then belongs to the next one. A time to come is one of a clock that was ahead.
    upto = tx.requests.newest_outside(until, at)
    return Due(Period(planned.since, until), planned.newest, max(planned.newest, upto))


def _plan(tx: Tables, schedule: Schedule, at: datetime) -> None:
    """Plan the next digest: it goes on where the last one ended, and else is about a whole period."""
    planned = tx.digests.planned()
    ended = planned.ended if planned is not None else None
    if planned is not None and planned.schedule and planned.since <= at:
        since, newest = planned.since, planned.newest
    else:
        since = schedule.last(at) if ended is None or ended > at else max(schedule.last(at), ended)
        newest = planned.newest if planned is not None and ended is not None else 0
        if ended is None or ended < since:
            newest = max(newest, tx.requests.newest_before(since))
    older_copy = planned is not None and planned.older_copy
    due_at = schedule.next(at)
    tx.digests.plan(str(schedule), since=since, newest=newest, ended=ended, due_at=due_at, older_copy=older_copy)


def figures(tables: Tables, due: Due) -> Report:
    """Return the figures of the requests that this digest counts."""
    return tables.reports.of_numbers(due.after, due.upto)


def owe(tx: Tables, rules: Rules, due: Due, report: Report, at: datetime) -> bool:
    """Owe the digest that was due, and plan the next; return False where another worker did so before."""
    planned, period = tx.digests.planned(), due.period
    if rules.digest is None or planned is None or planned.due_at > period.until:
        return False
    if (planned.since, planned.newest) != (period.since, due.after):
        return False
    content = Digest(
        channel=rules.approval_channel,
        since=timestamp(period.since),
        until=timestamp(period.until),
        zone=rules.digest.zone.key,
        report=report,
        again=planned.ended is not None and period.since < planned.ended,
        older_copy=planned.older_copy,
    )
    owed_by = tx.record.append(content, BOT, at)
    tx.deliveries.enqueue_apart(DeliveryKind.DIGEST, owed_by.seq, rules.approval_channel, at)
    due_at = rules.digest.next(period.until)
    ended = max(period.until, planned.ended or period.until)
    tx.digests.plan(str(rules.digest), since=period.until, newest=due.upto, ended=ended, due_at=due_at)
    return True
