"""The output of ``audit find`` and ``audit export``: what matches as flat rows, and the forms of their printing."""

import json
import sys
import textwrap
from collections.abc import Iterator
from hashlib import sha256

from bot.cli.terminal import write
from bot.domain.lookup import Lookup
from bot.printable import printable
from bot.rows import CONTRADICTS, Row, event_row, export_row, people_of, request_row, write_csv
from bot.store import Tables

_FIRST_STEP, _STEP = 25, 500
"""Rows a query: few at first, as somebody waits for them; then enough to be quick, and to let the bot write between."""
_RARE = ("set_back", "category", "source", CONTRADICTS)
"""The columns of a table that are left out where all their cells are empty."""
_WIDEST = 60
"""Characters of a cell; several of them fit side by side on a terminal."""


def read_rows(tables: Tables, lookup: Lookup, limit: int | None) -> Iterator[Row]:
    """Yield what matches, newest first: the events of the order if one is named, else requests."""
    older: str | None = None
    left, most = limit if limit is not None else sys.maxsize, _FIRST_STEP
    while left > 0:
        step, most = min(left, most), _STEP
        if lookup.order_id is not None:
            events = tables.lookups.story(lookup, older_than=older, limit=step)
            older = events.older
            yield from map(event_row, events.items)
        else:
            requests = tables.lookups.find(lookup, older_than=older, limit=step)
            older = requests.older
            for one, contradiction in tables.projections.checked(tables.record.with_history(requests.items)):
                yield request_row(one, contradiction)
        left -= step
        if older is None:
            return


def read_requests(tables: Tables, lookup: Lookup) -> Iterator[Row]:
    """Yield the requests that match, newest first, with names and with all that was decided about them."""
    older: str | None = ""
    step = _FIRST_STEP
    while older is not None:
        found = tables.lookups.find(lookup, older_than=older or None, limit=step)
        older, step = found.older, _STEP
        checked = tables.projections.checked(tables.record.with_history(found.items))
        names = tables.people.names(set().union(*(people_of(one) for one, _ in checked)))
        for one, contradiction in checked:
            yield export_row(one, contradiction, names)


def json_line(row: Row) -> str:
    """Return a row as one line of JSON that no terminal obeys."""
    return f"{_escaped_in_json(json.dumps(row, ensure_ascii=not _is_utf8()))}\n"


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
        """Print the rows as ``json``, ``jsonl`` or ``csv``, each as it is read, or all as a table for people."""
        counted = self._counted(rows)
        if form == "json":
            self._print_json(counted)
        elif form == "jsonl":
            for row in counted:
                self.write(json_line(row), flush=self.rows == 1)
            self.began = True
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
        # The ids of requests are for machines, and would only make it wider.
        shown = [{key: _one_line(value) for key, value in row.items() if key != "request"} for row in rows]
        empty = {name for name in _RARE if not any(row.get(name) for row in shown)}
        shown = [{key: value for key, value in row.items() if key not in empty} for row in shown]
        if not shown:
            self.write("Nothing matches.\n", flush=True)
            return
        from tabulate import tabulate

        self.write(f"{printable(tabulate(shown, headers='keys', disable_numparse=True))}\n", flush=True)

    def _print_json(self, rows: Iterator[Row]) -> None:
        is_utf8 = _is_utf8()
        before = "["
        for row in rows:
            text = textwrap.indent(json.dumps(row, ensure_ascii=not is_utf8, indent=2), "  ")
            self.write(f"{before}\n{_escaped_in_json(text)}", flush=before == "[")
            before = ","
        self.write("[]\n" if before == "[" else "\n]\n")

    def _print_csv(self, rows: Iterator[Row], names: list[str]) -> None:
        first = True
        write_csv(self, names, ())
        for row in rows:
            write_csv(self, names, [row], header=False)
            if first:
                self.write("", flush=True)
            first = False


def _is_utf8() -> bool:
    return "utf" in str(getattr(sys.stdout, "encoding", "utf-8")).lower()


def _one_line(value: object) -> str:
    text = printable(" ".join(str(value).splitlines()))
    return text if len(text) <= _WIDEST else text[: _WIDEST - 1] + "…"


def _escaped_in_json(text: str) -> str:
    """Return the same JSON without the characters that a terminal obeys; json.dumps leaves those beyond ASCII."""
    if text.replace("\n", "").isprintable():
        return text
    return "".join(
        character if character.isprintable() or character == "\n" else json.dumps(character)[1:-1] for character in text
    )
