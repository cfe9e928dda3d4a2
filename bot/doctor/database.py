"""The checks of the database: the file, its guards, the record in it, and its backups."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bot.doctor.finding import Finding, ok, problem, unknown, warning
from bot.domain.audit import Event
from bot.domain.events import BackedUp
from bot.domain.verification import Damage
from bot.store import StoreError, in_use, open_reader, verify_file
from bot.wording import events, span, store_problem, verification

_SETTING = "DATABASE_URL"
_OLD = timedelta(hours=36)
"""A backup a day may be late."""


def check_database(path: Path, now: datetime) -> Iterator[Finding]:
    """Yield what is found about the file and everything in it."""
    try:
        yield from _look_at(path, now)
    except OSError as error:
        yield problem(
            "database", _SETTING, f"{path}: {error.strerror}", "Let the bot's user read the folders above it."
        )


def _look_at(path: Path, now: datetime) -> Iterator[Finding]:
    folder = path.parent
    if path.is_dir():
        yield problem("database", _SETTING, f"{path} is a folder", "Set DATABASE_URL to the file in it.")
    elif not path.exists():
        # The bot creates the folders as well, so the nearest one that exists decides.
        nearest = next(place for place in (folder, *folder.absolute().parents) if place.exists())
        if nearest.is_dir() and os.access(nearest, os.W_OK):
            yield ok("database", _SETTING, f"{path} will be created at the first start")
        else:
            remedy = "Make the folder writable for the bot's user, or set DATABASE_URL to another one."
            yield problem("database", _SETTING, f"{folder} cannot be written", remedy)
    elif not (os.access(path, os.W_OK) and os.access(folder, os.W_OK)):
        remedy = "Make the file and its folder writable for the bot's user."
        yield problem("database", _SETTING, f"{path} is read-only", remedy)
    else:
        yield from _look_into(path, now)


def _look_into(path: Path, now: datetime) -> Iterator[Finding]:
    try:
        found = verify_file(path)
        with open_reader(path) as tables:
            saved, first = tables.record.latest(BackedUp), next(iter(tables.record.after(0, 1)), None)
    except StoreError as error:
        what, remedy = store_problem(error)
        yield problem("database", _SETTING, what, f"{remedy}.")
        return
    running = "a bot has it open" if in_use(path) else "no bot has it open"
    if found.damage is None:
        yield ok("database", _SETTING, f"{path} is sound; {running}")
        yield ok("guards", _SETTING, "each table, index and trigger is as the bot makes it")
        yield ok("record", _SETTING, f"verified just now: {events(found)}")
    else:
        remedy = "Keep the file and find out who changed it. Then run restore with the latest backup."
        subject = "guards" if found.damage is Damage.SCHEMA else "record"
        yield problem(subject, _SETTING, verification(found).rstrip("."), remedy)
    yield unknown(
        "seal",
        _SETTING,
        "the record has no signature, so it does not prove by itself that its end is all there",
        "Keep a head from Slack or from a backup, and give it to audit verify with --head.",
    )
    yield _backup(saved, first, now)


def _backup(saved: Event | None, first: Event | None, now: datetime) -> Finding:
    remedy = "Run backup regularly: backup DIR --keep 14."
    since = saved or first
    if since is None:
        return ok("backup", _SETTING, "there is nothing to copy yet")
    try:
        age = now - datetime.fromisoformat(since.at).astimezone(UTC)
    except ValueError:
        return unknown("backup", _SETTING, "the time of the last one cannot be read", remedy)
    if saved is None:
        state = "there is none on record"
        # A record of today may well be copied for the first time tonight.
        return warning("backup", _SETTING, state, remedy) if age > _OLD else unknown("backup", _SETTING, state, remedy)
    state = f"the last one on record is {_age(age)} old"
    return warning("backup", _SETTING, state, remedy) if age > _OLD else ok("backup", _SETTING, state)


def _age(age: timedelta) -> str:
    hours = age / timedelta(hours=1)
    return span(age) if hours < 1 or hours >= 48 else f"{hours:.0f} h"  # noqa: PLR2004 -- from two days on in days
