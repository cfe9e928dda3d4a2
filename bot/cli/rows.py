"""The output of ``audit find``: what matches as flat rows, and the three forms in which they are printed."""

import csv
import json
import re
import sys
import textwrap
from collections.abc import Callable, Iterator
from hashlib import sha256
from typing import Any

from bot.cli.terminal import write
from bot.domain.audit import Event
from bot.domain.cancellation import Cancellation
from bot.domain.events import with_words
from bot.domain.lookup import Lookup
from bot.printable import printable
from bot.store import Tables
from bot.wording import answer, subject

Row = dict[str, Any]

_STEP = 500
"""Rows a query: enough to be quick, and few enough to let the bot write in between."""
_CONTRADICTS = "contradicts_the_record_in"
"""The column that is empty as long as the tables say what the events say."""
_WIDEST = 60
"""Characters of a cell; several of them fit side by side on a terminal."""
_FORMULA = re.compile(r"""(^|[\n;])(?=[ "']*[=+@＝＋－＠﹦﹢﹣﹫⁼⁺⁻₌₊₋−-])""")  # noqa: RUF001
"""The place before a formula: where a cell begins, or a line in it, or after the separator of some countries.

Spreadsheets know the wide and small forms of the signs too, and some skip blanks and quotes before them.
"""


def read_rows(tables: Tables, lookup: Lookup, limit: int | None) -> Iterator[Row]:
    """Yield what matches, newest first: the events of the order if one is named, else cancellations."""
    older: str | None = None
    left = limit if limit is not None else sys.maxsize
    while left > 0:
        step = min(left, _STEP)
        if lookup.order_id is not None:
            events = tables.lookups.story(lookup, older_than=older, limit=step)
            older = events.older
            yield from ({name: shown(event) for name, shown in _EVENT.items()} for event in events.items)
        else:
            cancellations = tables.lookups.find(lookup, older_than=older, limit=step)
            older = cancellations.older
            for one, contradiction in tables.projections.checked(cancellations.items):
                row = {name: shown(one) for name, shown in _CANCELLATION.items()}
                yield row | {_CONTRADICTS: subject(contradiction.subject, contradiction.seq) if contradiction else ""}
        left -= step
        if older is None:
            return


def fields(lookup: Lookup) -> list[str]:
    """Return the names of the columns: those of events if the look-up names an order, else those of cancellations."""
    return list(_EVENT) if lookup.order_id is not None else [*_CANCELLATION, _CONTRADICTS]


class Printer:
    """Prints rows, and keeps for the record how many they were and the SHA-256 of the output.

    ``began`` is true once something was handed out, be it that nothing matches.
    """

    def __init__(self) -> None:
        self.rows = 0
        self.began = False
        self._digest = sha256()

    @property
    def sha256(self) -> str:
        """The SHA-256 of everything printed so far, as 64 hexadecimal digits."""
        return self._digest.hexdigest()

    def print(self, rows: Iterator[Row], names: list[str], form: str | None) -> None:
        """Print the rows as ``json`` or ``csv``, each as soon as it is read, or all of them as a table for people."""
        counted = self._counted(rows)
        if form == "json":
            self._print_json(counted)
        elif form == "csv":
            self._print_csv(counted, names)
        else:
            self._print_table(counted)

    def write(self, text: str, *, flush: bool = False) -> None:
        """Write a text to stdout; the csv module calls this as well."""
        self.began = True
        write(text, flush=flush)
        self._digest.update(text.encode("utf-8", "surrogatepass"))

    def _counted(self, rows: Iterator[Row]) -> Iterator[Row]:
        for row in rows:
            self.rows += 1
            yield row

    def _print_table(self, rows: Iterator[Row]) -> None:
        # A table's columns are as wide as its widest cell, so it has to wait for the last row.
        # The ids of cancellations are for machines, and would only make it wider.
        shown = [{key: _one_line(value) for key, value in row.items() if key != "cancellation"} for row in rows]
        if not any(row.get(_CONTRADICTS) for row in shown):
            shown = [{key: value for key, value in row.items() if key != _CONTRADICTS} for row in shown]
        if not shown:
            self.write("Nothing matches.\n", flush=True)
            return
        from tabulate import tabulate

        self.write(f"{printable(tabulate(shown, headers='keys', disable_numparse=True))}\n", flush=True)

    def _print_json(self, rows: Iterator[Row]) -> None:
        is_utf8 = "utf" in str(getattr(sys.stdout, "encoding", "utf-8")).lower()
        before = "["
        for row in rows:
            text = textwrap.indent(json.dumps(row, ensure_ascii=not is_utf8, indent=2), "  ")
            self.write(f"{before}\n{_escaped_in_json(text)}", flush=before == "[")
            before = ","
        self.write("[]\n" if before == "[" else "\n]\n")

    def _print_csv(self, rows: Iterator[Row], names: list[str]) -> None:
        writer = csv.DictWriter(self, names, lineterminator="\n")
        writer.writeheader()
        for number, row in enumerate(rows):
            writer.writerow({key: _harmless(value) for key, value in row.items()})
            if number == 0:
                self.write("", flush=True)


_EVENT: dict[str, Callable[[Event], Any]] = {
    "seq": lambda event: event.seq,
    "at": lambda event: event.at,
    "kind": lambda event: event.kind,
    "order": lambda event: event.order_id,
    "actor": lambda event: event.actor,
    "data": lambda event: with_words(event.kind, event.data, event.words),
    "cancellation": lambda event: event.cancellation,
}
_CANCELLATION: dict[str, Callable[[Cancellation], Any]] = {
    "requested_at": lambda found: found.requested_at.isoformat(timespec="seconds"),
    "order": lambda found: found.order_id,
    "state": lambda found: str(found.state),
    "requester": lambda found: found.requester,
    "decided_by": lambda found: " ".join(f"{decision.choice}:{decision.approver}" for decision in found.decisions),
    "reason": lambda found: found.reason,
    "result": lambda found: answer(found.last_answer) if found.last_answer else "",
    "card": lambda found: found.card_link,
    "cancellation": lambda found: found.id,
}
"""The columns, and what each shows."""


def _one_line(value: object) -> str:
    text = printable(" ".join(str(value).splitlines()))
    return text if len(text) <= _WIDEST else text[: _WIDEST - 1] + "…"


def _harmless(value: object) -> object:
    """Return a value that a spreadsheet takes for text: whatever might begin a formula gets a quote in front."""
    if isinstance(value, dict):
        value = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, str):
        return value
    # Some programs take a bare carriage return for the end of the row, and do not look at the quotes around it.
    text = printable(re.sub("\r\n?", "\n", value))
    return _FORMULA.sub(r"\1'", "'" + text if value.startswith(("\t", "\r", "\n")) else text)


def _escaped_in_json(text: str) -> str:
    """Return the same JSON without the characters that a terminal obeys; json.dumps leaves those beyond ASCII."""
    if text.replace("\n", "").isprintable():
        return text
    return "".join(
        character if character.isprintable() or character == "\n" else json.dumps(character)[1:-1] for character in text
    )
