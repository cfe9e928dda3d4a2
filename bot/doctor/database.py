"""The checks of the database: the file or the server, its guards, the record in it, its backups, and a freeze."""

import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bot.clock import REPLICAS_MAY_DIFFER
from bot.doctor.finding import Finding, ok, problem, unknown, warning
from bot.domain.audit import BOT, Event
from bot.domain.events import BackedUp
from bot.domain.freeze import Freeze
from bot.domain.seal import PrivateKey
from bot.domain.verification import Damage, Verification
from bot.settings import Settings
from bot.slack.commands import CANCEL_ORDER
from bot.store import Place, Server, StoreError, in_use, open_reader, verify_all
from bot.wording import another_gateway, backwards, events, span, store_problem, verification

_SETTING = "DATABASE_URL"
_RESTORE = "Keep the file and find out who changed it. Then run restore with the latest backup."
_MOVE_BACK = (
    "Keep the database and find out who changed it. Then bring the latest backup into an empty database with move."
)
_OLD = timedelta(hours=36)
"""A backup a day may be late."""


def check_database(settings: Settings, now: datetime) -> Iterator[Finding]:
    """Yield what is found about the file or the server, and everything in it."""
    yield from _of_the_place(settings.database, now, settings.seals_with())
    # What nobody can read, or is not there yet, is told above.
    with suppress(StoreError, ValueError, OSError), open_reader(settings.database) as tables:
        before, asked = tables.record.last_start(), tables.cancellations.asked()
        if before and asked and settings.started("").has_another_gateway(before):
            what, remedy = another_gateway(before.dvpay_base_url, settings.dvpay_base_url, asked)
            yield problem("former gateway", "DVPAY_BASE_URL", what, remedy)
        if (freeze := tables.freeze()) is not None:
            yield _frozen(freeze)


def _of_the_place(path: Place, now: datetime, key: PrivateKey | None) -> Iterator[Finding]:
    if not isinstance(path, Path):
        yield from _server(path, now, key)
        return
    try:
        yield from _look_at(path, now, key)
    except OSError as error:
        yield problem(
            "database", _SETTING, f"{path}: {error.strerror}", "Let the bot's user read the folders above it."
        )


def _look_at(path: Path, now: datetime, key: PrivateKey | None) -> Iterator[Finding]:
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
        yield from _look_into(path, now, key)


def _server(server: Server, now: datetime, key: PrivateKey | None) -> Iterator[Finding]:
    from bot.store.server_facts import facts

    try:
        found = facts(server)
    except StoreError as error:
        what, remedy = store_problem(error)
        yield problem("database", _SETTING, what, f"{remedy}.")
        return
    way = "encrypted" if found.encrypted else "not encrypted, on this machine"
    pooled = ", through a pooler" if found.pooled else ""
    ms = found.round_trip.total_seconds() * 1000
    yield ok("server", _SETTING, f"{server} is PostgreSQL {found.version}, {way}{pooled}, and answers in {ms:.0f} ms")
    if abs(found.apart) > REPLICAS_MAY_DIFFER:
        state = f"its clock and this machine's are {span(abs(found.apart))} apart"
        yield problem("database clock", _SETTING, state, "Set both clocks (NTP): all bots act by the server's.")
    if found.waits_for:
        yield ok("standby", _SETTING, f"each commit waits for one of: {found.waits_for}")
    else:
        remedy = "Set synchronous_standby_names on the server, unless it has no standby or you can bear that."
        state = "no commit waits for a standby, so a failover can lose the last events"
        yield warning("standby", _SETTING, state, remedy)
    if not found.has_tables:
        yield ok("database", _SETTING, "the tables will be made at the first start, or by migrate")
        return
    if found.may_change_events:
        remedy = "Let another role own the tables (migrate --grant), unless your team is small enough for one."
        state = "the bot's role owns the tables, so it can switch off the record's guards"
        yield warning("database role", _SETTING, state, remedy)
    yield from _look_into(server, now, key)


def _look_into(path: Place, now: datetime, key: PrivateKey | None) -> Iterator[Finding]:
    try:
        found = verify_all(path)
        with open_reader(path) as tables:
            saved, first = tables.record.latest(BackedUp), next(iter(tables.record.after(0, 1)), None)
        running = "a bot has it open" if in_use(path) else "no bot has it open"
    except StoreError as error:
        what, remedy = store_problem(error)
        yield problem("database", _SETTING, what, f"{remedy}.")
        return
    if found.damage is None:
        yield ok("database", _SETTING, f"{path} is sound; {running}")
        yield ok("guards", _SETTING, "each table, index and trigger is as the bot makes it")
        yield ok("record", _SETTING, f"verified just now: {events(found)}")
    else:
        remedy = _RESTORE if isinstance(path, Path) else _MOVE_BACK
        subject = "guards" if found.damage is Damage.SCHEMA else "record"
        yield problem(subject, _SETTING, verification(found).rstrip("."), remedy)
    if late := backwards(found):
        remedy = "Keep the machine's clock set (NTP), and read the times around that event with care."
        yield warning("record times", _SETTING, late.rstrip("."), remedy)
    if found.damage is None:
        yield _seal(found, key)
    yield _backup(saved, first, now)


def _frozen(freeze: Freeze) -> Finding:
    by = "the bot itself" if freeze.by == BOT else freeze.name or freeze.by
    why = f": “{' '.join(freeze.why.split())}”" if freeze.why else ""
    state = f"everything is frozen by {by} since {freeze.at.astimezone(UTC):%Y-%m-%d %H:%M} UTC{why}"
    remedy = f"When orders may be cancelled again, run unfreeze, or let an approver type “{CANCEL_ORDER} unfreeze”."
    return warning("freeze", _SETTING, state, remedy)


def _seal(found: Verification, key: PrivateKey | None) -> Finding:
    setting = "RECORD_KEY"
    if key is None:
        if found.sealed_by:
            state = f"the record is sealed with the key {found.sealed_by}, and this is not set"
            return problem("seal", setting, state, "Set it to that key: without it the bot does not start.")
        state = "the record has no seal, so it does not prove who wrote it, and that its end is all there"
        return unknown("seal", setting, state, "Run record new-key and set RECORD_KEY, or keep heads for audit verify.")
    if not found.sealed_by:
        return ok("seal", setting, f"the bot will seal from its next start on with the key {key.public.text}")
    if found.sealed_by != key.public.short:
        state = f"the record is sealed with the key {found.sealed_by}, and this is {key.public.short}"
        return warning("seal", setting, state, "The bot's next start changes the key. Else set the one of before.")
    return ok("seal", setting, f"the record is sealed up to its end; give auditors the public key {key.public.text}")


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
