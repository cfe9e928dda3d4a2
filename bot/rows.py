"""The record as flat rows for machines and spreadsheets, for ``audit find`` and for files by direct message."""

import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from functools import partial
from hashlib import sha256
from operator import itemgetter
from typing import IO, Any, Protocol

from bot.domain.audit import Event
from bot.domain.cancellation import State
from bot.domain.events import Hurried, Retried, StoppedTrying, with_words
from bot.domain.projection import Contradiction
from bot.domain.report import CAUSES, NOT_APPROVED, Figures, Period, Report
from bot.domain.request import Request
from bot.printable import printable
from bot.wording import answer, subject

Row = dict[str, Any]

CONTRADICTS = "contradicts_the_record_in"
"""The column that is empty as long as the tables say what the events say."""
_FORMULA = re.compile(r"""(^|[\n;])(?=[ "']*[=+@＝＋－＠﹦﹢﹣﹫⁼⁺⁻₌₊₋−-])""")  # noqa: RUF001
"""The place before a formula: where a cell begins, or a line in it, or after the separator of some countries.

Spreadsheets know the wide and small forms of the signs too, and some skip blanks and quotes before them.
"""


class Writer(Protocol):
    """Anything that takes text."""

    def write(self, text: str, /) -> object:
        """Take some text."""


def fields(*, of_events: bool) -> list[str]:
    """Return the names of the columns: those of events, or those of requests."""
    return list(_EVENT) if of_events else [*_CANCELLATION, CONTRADICTS]


def event_row(event: Event) -> Row:
    """Return an event as a row."""
    return {name: shown(event) for name, shown in _EVENT.items()}


def request_row(found: Request, contradiction: Contradiction | None) -> Row:
    """Return a request as a row, with the first thing in which the tables contradict its events."""
    row = {name: shown(found) for name, shown in _CANCELLATION.items()}
    return row | {CONTRADICTS: subject(contradiction.subject, contradiction.seq) if contradiction else ""}


def export_fields() -> list[str]:
    """Return the names of the columns of an export: those of requests, and more about people."""
    return [*_CANCELLATION, *_OF_PEOPLE, CONTRADICTS]


def export_row(found: Request, contradiction: Contradiction | None, names: Mapping[str, str]) -> Row:
    """Return a request as a row of an export; ``names`` are those of people, by their ids.

    Several decisions are in one cell each, in the same order, with a semicolon between them.
    """
    row = request_row(found, contradiction) | {name: shown(found, names) for name, shown in _OF_PEOPLE.items()}
    return {name: row[name] for name in export_fields()}


def report_fields() -> list[str]:
    """Return the names of the columns of a report."""
    return ["since", "until", "scope", "reason", *_FIGURES, "orders_unknown_before"]


def report_rows(found: Report, period: Period) -> list[Row]:
    """Return a report as rows: first all requests, and then those of each reason from the list."""
    ends: Row = {
        "since": period.since.isoformat(timespec="seconds"),
        "until": period.until.isoformat(timespec="seconds"),
    }
    rows = [("all", found.total, found.unknown_before), *(("reason", each, None) for each in found.by_category)]
    return [
        ends
        | {"scope": scope, "reason": figures.category}
        | {name: shown(figures) for name, shown in _FIGURES.items()}
        | {"orders_unknown_before": before}
        for scope, figures, before in rows
    ]


def write_csv(into: Writer, names: list[str], rows: Iterable[Row], *, header: bool = True) -> None:
    """Write rows as CSV in which a spreadsheet finds no formula."""
    writer = csv.DictWriter(into, names, lineterminator="\n")
    if header:
        writer.writeheader()
    for row in rows:
        writer.writerow({key: harmless(value) for key, value in row.items()})


class CsvFile:
    """CSV that is written into a file row by row; ``sha256`` is that of everything so far, in hexadecimal digits."""

    def __init__(self, file: IO[bytes]) -> None:
        self.rows = 0
        self._file = file
        self._digest = sha256()

    @property
    def sha256(self) -> str:
        """The SHA-256 of the file."""
        return self._digest.hexdigest()

    def add(self, names: list[str], rows: Iterable[Row]) -> None:
        """Add rows with these columns, below a header if they are the first."""
        is_first = not self.rows
        write_csv(self, names, self._counted(rows), header=is_first)

    def write(self, text: str) -> None:
        """Write some text; the csv module calls this."""
        data = text.encode()
        self._digest.update(data)
        self._file.write(data)

    def _counted(self, rows: Iterable[Row]) -> Iterator[Row]:
        for row in rows:
            self.rows += 1
            yield row


_EVENT: dict[str, Callable[[Event], Any]] = {
    "seq": lambda event: event.seq,
    "at": lambda event: event.at,
    "kind": lambda event: event.kind,
    "order": lambda event: event.order_id,
    "actor": lambda event: event.actor,
    "data": lambda event: with_words(event.kind, event.data, event.words),
    "request": lambda event: event.request,
}
_CANCELLATION: dict[str, Callable[[Request], Any]] = {
    "requested_at": lambda found: found.requested_at.isoformat(timespec="seconds"),
    "order": lambda found: found.cancellation.order_id,
    "state": lambda found: str(found.state),
    "set_back": lambda found: "true" if found.set_back else "",
    "requester": lambda found: found.requester,
    "decided_by": lambda found: " ".join(f"{act}:{person}" for act, person, *_ in _decisions(found)),
    "category": lambda found: found.category,
    "reason": lambda found: found.reason,
    "source": lambda found: found.source,
    "result": lambda found: answer(found.cancellation.last_answer) if found.cancellation.last_answer else "",
    "card": lambda found: found.card_link,
    "request": lambda found: found.id,
}
"""The columns, and what each shows."""
_OF_PEOPLE: dict[str, Callable[[Request, Mapping[str, str]], str]] = {
    "requester_name": lambda found, names: names.get(found.requester, ""),
    "decided_by_names": lambda found, names: "; ".join(names.get(person, "") for _, person, *_ in _decisions(found)),
    "decided_at": lambda found, _: "; ".join(at.isoformat(timespec="seconds") for _, _, at, _ in _decisions(found)),
    "decision_reasons": lambda found, _: "; ".join(words for *_, words in _decisions(found)),
}


_ACTS = {Retried.kind: "retry", Hurried.kind: "try_now", StoppedTrying.kind: "stop"}


def _decisions(found: Request) -> list[tuple[str, str, datetime, str]]:
    """Return what people decided about an order, and who had it sent again or stopped it: act, who, when, words."""
    order = found.cancellation
    decisions = [*found.decisions, *([order.settlement] if order.settlement is not None else [])]
    made = [(str(each.choice), each.approver, each.at, each.reason) for each in decisions]
    made += [(_ACTS[each.kind], each.person, each.at, "") for each in found.steps if each.kind in _ACTS]
    return sorted(made, key=itemgetter(2))


def people_of(found: Request) -> set[str]:
    """Return everybody whose name an export shows beside their id."""
    return {found.requester, *(person for _, person, *_ in _decisions(found))}


_FIGURES: dict[str, Callable[[Figures], int | None]] = {
    "requests": lambda found: found.asked,
    **{
        f"requests_{state}": partial(lambda state, found: found.requests.get(state, 0), state)
        for state in (State.APPROVED, *NOT_APPROVED)
    },
    "orders": lambda found: sum(found.orders.values()),
    **{f"orders_{state}": partial(lambda state, found: found.orders.get(state, 0), state) for state in State},
    **{f"refused_{reason}": partial(lambda reason, found: found.refused.get(reason, 0), reason) for reason in CAUSES},
    "decision_median_seconds": lambda found: found.decision.median,
    "decision_p95_seconds": lambda found: found.decision.p95,
    "outcome_median_seconds": lambda found: found.outcome.median,
    "outcome_p95_seconds": lambda found: found.outcome.p95,
}


def harmless(value: object) -> object:
    """Return a value that a spreadsheet takes for text: whatever might begin a formula gets a quote in front."""
    if isinstance(value, dict):
        value = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, str):
        return value
    # Some programs take a bare carriage return for the end of the row, and do not look at the quotes around it.
    text = printable(re.sub("\r\n?", "\n", value))
    return _FORMULA.sub(r"\1'", "'" + text if value.startswith(("\t", "\r", "\n")) else text)
