"""The command that prints the figures of a period, also while the bot runs."""

import re
import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bot.cli.record import database_option

if TYPE_CHECKING:
    from bot.domain.report import Figures, Period, Report

_DAY = click.DateTime(["%Y-%m-%d"])
_NO_ORDER_ID = re.compile("(?!)")
_LABEL, _REASON, _COUNT = 60, 20, 9
"""The widths of the columns; those of each table fit into 80."""


@click.command()
@click.option("--from", "first", type=_DAY, metavar="DAY", help="The first day, as 2026-11-16, in UTC.")
@click.option("--to", "last", type=_DAY, metavar="DAY", help="The last day.  [default: until now]")
@click.option("--last", "ago", metavar="TIME", help="The last 12h, 7d or 4w in place of days.  [default: 7d]")
@click.option("--format", "form", type=click.Choice(["table", "json", "csv"]), default="table", show_default=True)
@database_option
def report(first: datetime | None, last: datetime | None, ago: str | None, form: str, database: Path | None) -> None:
    """Print how the requests of a period stand: how many, how they ended, how long it took, and by reason.

    These are the figures of the digest in Slack. They are about what was asked for in the period.
    """
    from bot.cli.problems import fail
    from bot.cli.record import is_the_bots_own, prove_that_it_can_be_put_on_record, put_on_record, settings_for
    from bot.cli.rows import Printer
    from bot.cli.terminal import say
    from bot.domain.events import Exported
    from bot.rows import report_fields, report_rows
    from bot.settings import WritingSettings
    from bot.store import StoreError, open_reader
    from bot.wording import store_error

    period = _period(first, last, ago)
    settings = settings_for(WritingSettings, database)
    printer, recorded = Printer(), is_the_bots_own(settings.database, database)
    if recorded:
        prove_that_it_can_be_put_on_record(settings)
    try:
        with open_reader(settings.database) as tables:
            tables.connection.begin_reading()
            found = tables.reports.of(period)
            set_back = tables.reports.set_back(period)
        rows = report_rows(found, period)
        if form == "table":
            printer.rows = len(rows)
            printer.write("".join(f"{line}\n" for line in _table(found, period)), flush=True)
        else:
            printer.print(iter(rows), report_fields(), form)
        if set_back:
            orders = "1 order" if set_back == 1 else f"{set_back} orders"
            counted = f"{orders} counted here as not cancelled may be cancelled"
            say(f"An older copy of the database may have taken over, so {counted}.", error=True)
    except StoreError as error:
        fail(store_error(error))
    finally:
        # Also where the reader went away in the middle: what was handed out is handed out.
        if printer.began and recorded:
            asked = f"{_written(period.since)}..{_written(period.until)}"
            exported = Exported("report", asked, printer.rows, printer.sha256)
            put_on_record(settings, exported, "Something was printed")


def _period(first: datetime | None, last: datetime | None, ago: str | None) -> "Period":
    """Return the time that the options name. Raises UsageError."""
    from bot.domain.lookup import Lookup, NotAFilter, parse
    from bot.domain.report import Period

    now = datetime.now(UTC)
    if first is not None and ago is None:
        until = now if last is None else last.replace(tzinfo=UTC) + timedelta(days=1)
        since = first.replace(tzinfo=UTC)
    elif first is None and last is None:
        try:
            found = parse(ago or "7d", order_id_pattern=_NO_ORDER_ID, now=now)
        except NotAFilter:
            found = Lookup()
        if found.since is None or found != Lookup(since=found.since):
            raise click.UsageError(f"'{ago}' is not a time such as 12h, 7d or 4w.")
        since, until = found.since, now
    else:
        raise click.UsageError("Give --from, alone or with --to, or give --last.")
    if since >= until:
        raise click.UsageError("The time range ends before it begins.")
    return Period(since, until)


def _table(found: "Report", period: "Period") -> Iterator[str]:
    """Yield the lines of the figures."""
    from bot.domain.cancellation import State
    from bot.domain.report import CAUSES
    from bot.slack.views.digest import ORDERS, REQUESTS, cause, length

    total = found.total
    yield f"Requests from {_written(period.since)} to {_written(period.until)} UTC"
    yield ""
    yield _line("requests", total.asked)
    for state, name in REQUESTS.items():
        yield _line(f"  {name}", total.requests.get(state, 0))
    yield _line("orders of approved requests", sum(total.orders.get(state, 0) for state in ORDERS))
    for state, name in ORDERS.items():
        yield _line(f"  {name}", total.orders.get(state, 0))
        for reason in CAUSES if state is State.REFUSED else ():
            if count := total.refused.get(reason):
                yield _line(f"    {cause(reason)}", count)
    yield _line("orders of earlier requests that are still unknown", found.unknown_before)
    for what, times in (("decision", total.decision), ("outcome", total.outcome)):
        for name, seconds in (("median", times.median), ("95th percentile", times.p95)):
            yield _line(f"time to the {what}, {name}", "-" if seconds is None else length(seconds))
    if found.by_category:
        yield ""
        yield _cells("reason", "asked", "approved", "cancelled", "refused", "failed", "unknown")
        yield from map(_of_category, found.by_category)


def _of_category(found: "Figures") -> str:
    from bot.domain.cancellation import State
    from bot.slack.views.digest import NO_CATEGORY

    ends = (State.CANCELLED, State.REFUSED, State.FAILED, State.UNKNOWN)
    counts = (found.asked, found.requests.get(State.APPROVED, 0), *(found.orders.get(end, 0) for end in ends))
    return _cells(found.category or NO_CATEGORY, *counts)


def _line(label: str, value: object) -> str:
    return f"{label:<{_LABEL}}{value:>{80 - _LABEL - 1}}"


def _cells(reason: str, *values: object) -> str:
    return _fitted(reason) + "".join(f"{value!s:>{_COUNT + 1}}" for value in values)


def _fitted(text: str) -> str:
    """Return the beginning of a text, as wide as the column; East Asian characters take two places of a terminal."""
    from bot.printable import printable

    shown, rest = "", printable(text)
    while rest and _width(shown + rest[0]) <= _REASON - (len(rest) > 1):
        shown, rest = shown + rest[0], rest[1:]
    shown += "…" if rest else ""
    return shown + " " * (_REASON - _width(shown))


def _width(text: str) -> int:
    return len(text) + sum(unicodedata.east_asian_width(character) in {"W", "F"} for character in text)


def _written(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M}"
