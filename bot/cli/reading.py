"""The commands that print the record: for people, for spreadsheets, and for programs that watch it."""

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bot.cli.record import (
    a_head,
    database_option,
    is_the_bots_own,
    prove_that_it_can_be_put_on_record,
    put_on_record,
    settings_for,
    the_order,
)

if TYPE_CHECKING:
    from bot.domain.audit import Event, Head
    from bot.domain.lookup import Lookup
    from bot.rows import Row
    from bot.store import Place, Tables

_BETWEEN_LOOKS = 2.0
"""Seconds in which ``follow`` waits for new events."""
_AT_ONCE = 500
_TOLD_EVERY = 1000
_ANOTHER_RECORD = (
    "If an older copy was restored, it has events that you have not seen: begin again without --after. Else run"
    " `audit verify`."
)


@click.command()
@click.argument("filters", nargs=-1)
@database_option
@click.option("--json", "form", flag_value="json", help="Print one JSON array.")
@click.option("--csv", "form", flag_value="csv", help="Print comma-separated values with a header line.")
@click.option("--limit", type=click.IntRange(1), help="Print at most this many rows; without it all.")
def find(filters: tuple[str, ...], database: Path | None, form: str | None, limit: int | None) -> None:
    """Print requests, newest first, or all events of one order.

    FILTERS are those of /cancel-audit: an order ID (its events), @U012AB3CD (a requester or approver),
    state:cancelled, fraud (one of REASONS), 7d, 2026-11-01..2026-11-23.
    """
    from bot.cli.rows import read_rows
    from bot.rows import fields

    def rows(tables: "Tables", lookup: "Lookup") -> "tuple[Iterator[Row], list[str]]":
        return read_rows(tables, lookup, limit), fields(of_events=lookup.order_id is not None)

    _print("audit find", filters, database, form, rows)


@click.command()
@click.argument("filters", nargs=-1)
@database_option
@click.option("--jsonl", "form", flag_value="jsonl", help="Print one JSON object a line.  [default: CSV]")
def export(filters: tuple[str, ...], database: Path | None, form: str | None) -> None:
    """Print every request that matches for other programs, newest first, with names, decision times and reasons.

    FILTERS are those of `audit find`; an order ID gives its requests. Rows come as they are read, in constant memory.
    """
    from bot.cli.rows import read_requests
    from bot.rows import export_fields

    def rows(tables: "Tables", lookup: "Lookup") -> "tuple[Iterator[Row], list[str]]":
        return _told(read_requests(tables, lookup)), export_fields()

    _print("audit export", filters, database, form or "csv", rows)


@click.command()
@click.option(
    "--after",
    metavar="HEAD",
    callback=a_head,
    help='Begin behind the event of this line, by its "head".  [default: the beginning]',
)
@database_option
def follow(after: "Head | None", database: Path | None) -> None:
    """Print events as JSON lines, in their order, and new ones as they come, until Ctrl-C or SIGTERM ends it.

    A reader keeps the head of the last one, and begins behind it the next time: each event comes at least once. It
    ends with exit code 1 where an event does not follow from the one before it, as after a restore.
    """
    import json

    from bot.cli.problems import fail
    from bot.cli.rows import json_line
    from bot.cli.terminal import write
    from bot.domain.audit import FIRST
    from bot.domain.events import Exported
    from bot.rows import event_row
    from bot.settings import RecordSettings
    from bot.store import StoreError
    from bot.wording import store_error

    settings = settings_for(RecordSettings, database)
    if is_the_bots_own(settings.database, database):
        prove_that_it_can_be_put_on_record(settings)
        behind = f"after {after.seq if after else 0}"
        put_on_record(settings, Exported("audit follow", behind), "Nothing is printed yet")
    try:
        last = _event(settings.database, after) if after else FIRST
        while True:
            found = _next(settings.database, last)
            for event in found:
                if not event.follows(last):
                    fail(f"Event {event.seq} does not follow from event {last.seq}. Run `audit verify`.")
                row = event_row(event)
                # For programs, the content is no text in a text.
                write(json_line(row | {"data": json.loads(row["data"]), "head": event.head}))
                last = event
            if found:
                write("", flush=True)
            else:
                time.sleep(_BETWEEN_LOOKS)
    except StoreError as error:
        fail(store_error(error))
    except KeyboardInterrupt:
        sys.exit(0)


def _next(place: "Place", last: "Event") -> "list[Event]":
    """Return the next events with their words, or end the command where the last one is gone. Raises StoreError.

    It opens the database again each time: a file that was put in its place is told by an event that does not follow.
    """
    from bot.cli.problems import fail
    from bot.store import open_reader

    with open_reader(place) as tables:
        tables.connection.begin_reading()
        found = tables.record.behind(last, _AT_ONCE)
        if found is None:
            fail(f"The record no longer has event {last.seq}, which was printed: {_ANOTHER_RECORD}")
        return tables.record.with_words(found)


def _event(place: "Place", head: "Head") -> "Event":
    """Return the event of this head, or end the command if the record does not have it. Raises StoreError."""
    from bot.cli.problems import fail
    from bot.store import open_reader

    with open_reader(place) as tables:
        last = tables.record.last().seq
        event = tables.record.event(head.seq) if 0 < head.seq <= last else None
    if event is None or not head.fits(event.hash):
        what = f"Event {head.seq} is another one" if event else f"There is no event {head.seq}, and the last is {last}"
        fail(f"{what}: this is not the record that you followed. {_ANOTHER_RECORD}")
    return event


def _print(
    command: str,
    filters: tuple[str, ...],
    database: Path | None,
    form: str | None,
    rows: "Callable[[Tables, Lookup], tuple[Iterator[Row], list[str]]]",
) -> None:
    """Print what matches, and put on record that somebody read it."""
    from bot.cli.problems import fail
    from bot.cli.rows import Printer
    from bot.domain.events import Exported
    from bot.domain.lookup import NotAFilter, parse
    from bot.settings import RecordSettings
    from bot.store import StoreError, open_reader
    from bot.wording import FILTERS, look_up_mistake, store_error

    settings = settings_for(RecordSettings, database)
    try:
        lookup = parse(
            " ".join(filters),
            order_id_pattern=settings.order_id_pattern,
            now=datetime.now(UTC),
            reasons=settings.reasons or (),
        )
    except NotAFilter as error:
        raise click.UsageError(f"{look_up_mistake(error)}\n{FILTERS}") from None
    printer, recorded = Printer(), is_the_bots_own(settings.database, database)
    if recorded:
        prove_that_it_can_be_put_on_record(settings)
    try:
        with open_reader(settings.database) as tables:
            if lookup.order_id is not None:
                lookup = replace(lookup, order_id=the_order(tables, lookup.order_id))
            found, names = rows(tables, lookup)
            printer.print(found, names, form)
    except StoreError as error:
        fail(store_error(error))
    finally:
        # Also where the reader went away in the middle: what was handed out is handed out.
        if printer.began and recorded:
            exported = Exported(command, " ".join(filters), printer.rows, printer.sha256)
            put_on_record(settings, exported, "Something was printed")


def _told(rows: "Iterator[Row]") -> "Iterator[Row]":
    """Yield the rows, and tell on a terminal how many they are so far; the rows themselves go to stdout."""
    from bot.cli.terminal import write

    told = sys.stderr is not None and sys.stderr.isatty() and sys.stdout is not None and not sys.stdout.isatty()
    count = 0
    for count, row in enumerate(rows, 1):
        yield row
        if told and count % _TOLD_EVERY == 0:
            write(f"\r{count:,} rows", error=True, flush=True)
    if told:
        write(f"\r{count:,} rows\n", error=True, flush=True)
