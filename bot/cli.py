"""The command line. Heavy imports are inside the commands, so that ``--help`` is quick."""

import asyncio
import csv
import json
import os
import re
import sqlite3
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from bot import __version__

if TYPE_CHECKING:
    from bot.domain.lookup import Lookup
    from bot.settings import Settings
    from bot.store import Reader

_SETTINGS_WRONG = 2


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """Cancel orders after a second person approved, and keep who cancelled what and why."""


@main.command()
def run() -> None:
    """Run the bot until SIGTERM or Ctrl-C."""
    from bot import app, log
    from bot.store import StoreError

    settings = _settings()
    log.configure(settings.log_level, settings.log_format, settings.secrets())
    try:
        asyncio.run(app.run(settings))
    except StoreError as error:
        _fail(str(error))
    except OSError as error:
        _fail(f"{settings.host}:{settings.port}: {error.strerror}. Choose another HOST or PORT.")


@main.command()
def demo() -> None:
    """Play the whole story in a local Slack with a local gateway, and print what each person sees."""
    from bot.sandbox import story

    sys.exit(asyncio.run(story.play()))


@main.command()
@click.option("--port", type=click.IntRange(0, 65535), help="The page's port; if not given 8420, or any free one.")
@click.option("--approvals", type=click.IntRange(1, 2), default=1, show_default=True, help="How many must approve.")
@click.option("--open/--no-open", "open_browser", default=True, help="Open the page in a browser, if there is one.")
def playground(port: int | None, approvals: int, *, open_browser: bool) -> None:
    """Use the bot in a local workspace, in a browser on this machine; Ctrl-C ends it."""
    from bot.sandbox.playground.server import play
    from bot.store import StoreError

    try:
        asyncio.run(play(Path("data/playground.db"), port=port, approvals=approvals, open_browser=open_browser))
    except ModuleNotFoundError:
        _fail("The playground needs the development requirements: use `make playground` in a checkout.")
    except StoreError as error:
        _fail(str(error))
    except OSError as error:
        _fail(f"127.0.0.1:{port}: {error.strerror}. Choose another --port.")


@main.command()
def doctor() -> None:
    """Check settings, tokens, scopes, channel, approvers, clock and database; exit 1 if something is wrong."""
    from bot.doctor import examine

    settings = _settings()

    async def report() -> bool:
        healthy = True
        async for finding in examine(settings):
            click.echo(finding.line)
            healthy = healthy and not finding.remedy
        return healthy

    if not asyncio.run(report()):
        sys.exit(1)


@main.group()
def audit() -> None:
    """Look the record up, and prove that nobody changed it."""


_database = click.option(
    "--database",
    envvar="DATABASE_URL",
    default="sqlite:///data/bot.db",
    show_default=True,
    show_envvar=True,
    help="The bot's file, as a path or as DATABASE_URL has it.",
)


@audit.command()
@click.argument("filters", nargs=-1)
@_database
@click.option("--json", "form", flag_value="json", help="One JSON array.")
@click.option("--csv", "form", flag_value="csv", help="Comma-separated values with a header line.")
@click.option("--limit", type=click.IntRange(1), help="At most so many lines; all if not given.")
def find(filters: tuple[str, ...], database: str, form: str | None, limit: int | None) -> None:
    """Print cancellations, newest first, or an order's whole story.

    FILTERS are those of /cancel-audit: an order id (its story), @U012AB3CD (a requester or approver),
    state:cancelled, 7d, 2026-11-01..2026-11-23.
    """
    from bot.domain.lookup import USAGE, NotAFilter, parse
    from bot.store import StoreError, open_reader

    pattern = re.compile(os.environ.get("ORDER_ID_PATTERN") or r"[A-Za-z0-9_-]{1,64}")
    try:
        lookup = parse(" ".join(filters), order_id_pattern=pattern, now=datetime.now(UTC))
    except NotAFilter as error:
        raise click.UsageError(f"{error}\n{USAGE}") from None
    try:
        with open_reader(_path(database)) as (reader, _):
            rows = list(_rows(reader, lookup, limit))
    except StoreError as error:
        _fail(str(error))
    _print_rows(rows, form)


@audit.command("verify")
@_database
@click.option("--head", metavar="'#SEQ·FIRST8'", help="A head from a result message: shows a cut or rewritten tail.")
def verify_record(database: str, head: str | None) -> None:
    """Recompute the record's hash chain; exit 1 where it breaks, and say how."""
    from bot.domain.audit import parse_head, verify
    from bot.store import StoreError, open_reader

    try:
        witness = parse_head(head) if head is not None else None
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    try:
        with open_reader(_path(database)) as (reader, _):
            found = verify(reader.events(), witness)
    except StoreError as error:
        _fail(str(error))
    if found.damage is not None:
        _fail(f"The record is broken at event {found.seq} ({found.damage}): {found.explanation}.")
    click.echo(f"The record is whole: {found.events} events, head {found.head or '(empty)'}.")


@main.command()
@click.argument("file", type=click.Path(path_type=Path))
@_database
def backup(file: Path, database: str) -> None:
    """Write a checked copy of the database to FILE, also while the bot runs."""
    from bot.domain.audit import verify
    from bot.store import StoreError, open_reader

    if file.exists():
        _fail(f"{file} is there already; choose a name that is free.")
    draft = file.with_name(f"{file.name}.part")
    try:
        draft.unlink(missing_ok=True)
        os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        with open_reader(_path(database)) as (_, db):
            target = sqlite3.connect(draft)
            db.conn.backup(target)
            # One file, without a log beside it, is easier to carry.
            target.execute("PRAGMA journal_mode=DELETE")
            target.close()
        with open_reader(draft) as (reader, copy):
            broken = [row[0] for row in copy.execute("PRAGMA integrity_check(1)") if row[0] != "ok"]
            found = verify(reader.events())
        if broken or found.damage is not None:
            _fail(f"The copy is not sound ({(broken or [found.explanation])[0]}); it stays at {draft} for inspection.")
        draft.rename(file)
    except StoreError as error:
        draft.unlink(missing_ok=True)
        _fail(str(error))
    except (OSError, sqlite3.Error) as error:
        _fail(f"{file}: {error}")
    click.echo(f"{file}: {found.events} events, head {found.head or '(empty)'}.")


def _rows(reader: "Reader", lookup: "Lookup", limit: int | None) -> Iterator[dict[str, Any]]:
    """What matches, as flat rows: events for an order's story, else cancellations."""
    older: str | None = None
    left = limit if limit is not None else sys.maxsize
    while left > 0:
        step = min(left, 500)
        if lookup.order_id is not None:
            events = reader.story(lookup, older_than=older, limit=step)
            older = events.older
            for event in events.items:
                yield {
                    "seq": event.seq,
                    "at": event.at,
                    "kind": event.kind,
                    "order": event.order_id,
                    "actor": event.actor,
                    "data": event.data,
                    "cancellation": event.cancellation,
                }
        else:
            page = reader.find(lookup, older_than=older, limit=step)
            older = page.older
            for found in page.items:
                yield {
                    "requested_at": found.requested_at.isoformat(timespec="seconds"),
                    "order": found.order_id,
                    "state": str(found.state),
                    "requester": found.requester,
                    "decided_by": " ".join(f"{d.choice}:{d.approver}" for d in found.decisions),
                    "reason": found.reason,
                    "result": found.detail,
                    "card": found.card_link,
                    "cancellation": found.id,
                }
        left -= step
        if older is None:
            return


def _print_rows(rows: list[dict[str, Any]], form: str | None) -> None:
    if form == "json":
        click.echo(json.dumps(rows, ensure_ascii=False, indent=2))
    elif form == "csv":
        writer = csv.DictWriter(sys.stdout, rows[0] if rows else [], lineterminator="\n")
        writer.writeheader()
        writer.writerows({key: _harmless(value) for key, value in row.items()} for row in rows)
    elif rows:
        from tabulate import tabulate

        shown = [{key: _one_line(value) for key, value in row.items() if key != "cancellation"} for row in rows]
        click.echo(tabulate(shown, headers="keys", disable_numparse=True))
    else:
        click.echo("Nothing matches.")


def _one_line(value: object) -> str:
    text = "".join(character if character.isprintable() else " " for character in str(value))
    return text if len(text) <= 60 else text[:59] + "…"  # noqa: PLR2004 -- what a terminal shows side by side


def _harmless(value: object) -> object:
    """A value that a spreadsheet takes for text: one that begins like a formula gets a quote in front."""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value


def _path(database: str) -> Path:
    return Path(database.removeprefix("sqlite:///"))


def _settings() -> "Settings":
    from bot.settings import SettingsProblem, load

    try:
        return load()
    except SettingsProblem as error:
        for problem in error.problems:
            click.echo(problem, err=True)
        sys.exit(_SETTINGS_WRONG)


def _fail(message: str) -> NoReturn:
    click.echo(message, err=True)
    sys.exit(1)
