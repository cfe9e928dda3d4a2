"""The digest: planned before it is due, and owed once for each period, each step inside one transaction.

It comes at times of the calendar. So it does not move with a step of the clock, and while no other clock has confirmed
the bot's, nothing is planned and nothing is due.
"""

from datetime import datetime

from bot.domain.audit import BOT, timestamp
from bot.domain.events import Digest
from bot.domain.report import Period, Report
from bot.store import Tables
from bot.workflow.rules import Rules


def take_back(tx: Tables, rules: Rules, *, alone: bool) -> None:
    """Take the digest from a worker that is gone, or drop it where the settings name none any more.

    Where this process is not ``alone``, the worker that reads its figures may live.
    """
    if rules.digest is None:
        tx.digests.drop()
    elif alone:
        tx.digests.end_lease()


def claim(tx: Tables, rules: Rules, at: datetime) -> Period | None:
    """Plan the next digest where none is planned, or where it was planned by another setting or by a wrong clock.

    Return the period whose figures somebody must read now, or None. However late it is, that is one period, from the
    time of the last digest to the last time at which one should have come.
    """
    if (schedule := rules.digest) is None:
        return None
    planned, last_at = tx.digests.planned(), schedule.last(at)
    # The next one but one is no error: the clock may have been set back to just before the digest that is posted.
    latest = schedule.next(schedule.next(at))
    if planned is None or planned.schedule != str(schedule) or planned.due_at > latest:
        since = planned.since if planned is not None and planned.since <= at else last_at
        newest = planned.newest if planned is not None else tx.requests.newest()
        tx.digests.plan(str(schedule), since=since, newest=newest, due_at=schedule.next(at))
        return None
    if max(planned.due_at, planned.lease_until or planned.due_at) > at:
        return None
    # Reading takes a while, and must hold up no other transaction.
    tx.digests.lease(at + rules.patience.attempt_lease)
    return Period(planned.since, last_at)


def figures(tables: Tables, period: Period) -> Report:
    """Return the figures of this period, with what people asked for since the last digest while the clock was set back.

    A period is one of times, and a clock may show the same time twice. So that no request is in no digest, those that
    are newer than the last digest count whatever their time is.
    """
    planned = tables.digests.planned()
    return tables.reports.of(period, newest_before=planned.newest if planned is not None else None)


def owe(tx: Tables, rules: Rules, period: Period, report: Report, at: datetime) -> bool:
    """Owe the digest of this period, and plan the next; return False where another worker did so before."""
    planned = tx.digests.planned()
    if rules.digest is None or planned is None or planned.since != period.since or planned.due_at > period.until:
        return False
    content = Digest(
        channel=rules.digest_to,
        since=timestamp(period.since),
        until=timestamp(period.until),
        zone=rules.digest.zone.key,
        report=report,
    )
    tx.deliveries.enqueue_digest(tx.record.append(content, BOT, at), rules.digest_to, at)
    due_at = rules.digest.next(period.until)
    tx.digests.plan(str(rules.digest), since=period.until, newest=tx.requests.newest(), due_at=due_at)
    return True
