"""The output of ``audit find``: what matches as flat rows, and the three forms in which they are printed."""

import csv
import json
import sys
from collections.abc import Iterator
from typing import Any

import click

from bot.domain.audit import Event
from bot.domain.cancellation import Cancellation
from bot.domain.lookup import Lookup
from bot.store import Tables
from bot.wording import answer

Row = dict[str, Any]

_STEP = 500
"""Rows a query: enough to be quick, and few enough to let the bot write in between."""
_WIDEST = 60
"""Characters of a cell; several of them fit side by side on a terminal."""


def read_rows(tables: Tables, lookup: Lookup, limit: int | None) -> Iterator[Row]:
    """Yield what matches, newest first: the events of the order if one is named, else cancellations."""
    older: str | None = None
    left = limit if limit is not None else sys.maxsize
    while left > 0:
        step = min(left, _STEP)
        if lookup.order_id is not None:
            events = tables.lookups.story(lookup, older_than=older, limit=step)
            older = events.older
            yield from map(_event, events.items)
        else:
            cancellations = tables.lookups.find(lookup, older_than=older, limit=step)
            older = cancellations.older
            yield from map(_cancellation, cancellations.items)
        left -= step
        if older is None:
            return


def print_rows(rows: list[Row], form: str | None) -> None:
    """Print the rows as ``json``, as ``csv``, or as a table for people."""
    if form == "json":
        click.echo(json.dumps(rows, ensure_ascii=False, indent=2))
    elif form == "csv":
        writer = csv.DictWriter(sys.stdout, rows[0] if rows else [], lineterminator="\n")
        writer.writeheader()
        writer.writerows({key: _harmless(value) for key, value in row.items()} for row in rows)
    elif rows:
        from tabulate import tabulate

        # The ids of cancellations are for machines, and would only make the table wider.
        shown = [{key: _one_line(value) for key, value in row.items() if key != "cancellation"} for row in rows]
        click.echo(tabulate(shown, headers="keys", disable_numparse=True))
    else:
        click.echo("Nothing matches.")


def _event(event: Event) -> Row:
    return {
        "seq": event.seq,
        "at": event.at,
        "kind": event.kind,
        "order": event.order_id,
        "actor": event.actor,
        "data": event.data,
        "cancellation": event.cancellation,
    }


def _cancellation(found: Cancellation) -> Row:
    return {
        "requested_at": found.requested_at.isoformat(timespec="seconds"),
        "order": found.order_id,
        "state": str(found.state),
        "requester": found.requester,
        "decided_by": " ".join(f"{decision.choice}:{decision.approver}" for decision in found.decisions),
        "reason": found.reason,
        "result": answer(found.last_answer) if found.last_answer else "",
        "card": found.card_link,
        "cancellation": found.id,
    }


def _one_line(value: object) -> str:
    # A reason may have line breaks, and characters that a terminal would obey.
    text = "".join(character if character.isprintable() else " " for character in str(value))
    return text if len(text) <= _WIDEST else text[: _WIDEST - 1] + "…"


def _harmless(value: object) -> object:
    """Return a value that a spreadsheet takes for text: one that begins like a formula gets a quote in front."""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value
