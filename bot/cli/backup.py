"""The commands that copy the bot's file, and put a copy back."""

import functools
import hashlib
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bot.cli.record import (
    at_the_terminal,
    compare_option,
    database_option,
    is_the_bots_own,
    put_on_record,
    settings_for,
)

if TYPE_CHECKING:
    from bot.store import Place

_BESIDE_A_DATABASE = ("-wal", "-shm", "-journal", ".lock")
"""The endings of SQLite's files and of the bot's."""


@click.command()
@click.argument("target", type=click.Path(path_type=Path))
@click.option("--keep", type=click.IntRange(1), help="Keep this many dated copies in the folder; delete older ones.")
@database_option
def backup(target: Path, keep: int | None, database: Path | None) -> None:
    """Write a checked copy of the database to TARGET: a new file, or a folder, where its name is the date.

    With --keep, only older copies of the same record are deleted, and only once the new one is checked.
    """
    from bot import store
    from bot.cli.problems import fail
    from bot.cli.terminal import say
    from bot.domain.events import BackedUp
    from bot.masking import path_shown
    from bot.settings import WritingSettings
    from bot.wording import events, store_error, verification

    settings = settings_for(WritingSettings, database)
    source, in_folder = settings.database, os.path.isdir(target)  # noqa: PTH112 -- Path.is_dir may raise
    if keep is not None and not in_folder:
        raise click.UsageError(f"--keep needs a folder, and {path_shown(target)} is none.")
    file = store.dated(target, datetime.now(UTC)) if in_folder else target
    beside = _BESIDE_A_DATABASE if isinstance(source, Path) else ()
    if os.path.realpath(file) in [os.path.realpath(str(source)) + ending for ending in beside]:
        fail(f"{path_shown(file)} is a name that the database itself uses. Choose another name.")
    try:
        found = store.backup(source, file)
    except FileExistsError:
        fail(f"{path_shown(file)} already exists. Choose another name.")
    except store.UnsoundCopy as error:
        kept = path_shown(error.kept)
        fail(f"The copy is not sound. {verification(error.verification)} It is kept at {kept} for inspection.")
    except store.StoreError as error:
        fail(store_error(error))
    except OSError as error:
        fail(f"{path_shown(file)}: {error.strerror}.")
    if is_the_bots_own(source, database):
        put_on_record(settings, BackedUp(found.events, _sha256(file)), f"{path_shown(file)} is written")
    say(f"{file}: {events(found)}.")
    if keep is not None:
        try:
            deleted = store.prune(file, keep)
        except OSError as error:
            fail(f"{path_shown(error.filename or target)} cannot be deleted: {error.strerror}.")
        for path in deleted:
            say(f"{path}: deleted, as there are {keep} newer copies.")


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@compare_option
@database_option
def restore(file: Path, compare: "tuple[Place, ...]", database: Path | None) -> None:
    """Put FILE, a copy made by backup, into the place of the database, while the bot is stopped.

    The copy is checked first. The database that was there is kept beside it. Everything is frozen, until somebody has
    looked what was decided after the copy was made.
    """
    from bot import store
    from bot.cli.problems import fail
    from bot.cli.terminal import say
    from bot.masking import path_shown
    from bot.settings import WritingSettings
    from bot.wording import restored, store_error, store_problem, verification
    from bot.workflow import freezing

    settings = settings_for(WritingSettings, database)
    target = settings.database
    if not isinstance(target, Path):
        fail(
            f"Nothing has changed. {target} is on a server, and restore replaces a file. Create an empty database on"
            " the server. Then set DATABASE_URL to the copy and MOVE_TO to the new database, and run move. Run"
            " freeze --restored on the new database before a bot starts with it, with COMPARE_WITH set to the database"
            " that the bots used last."
        )
    try:
        by, at = at_the_terminal(), datetime.now(UTC)
        frozen = functools.partial(freezing.freeze_restored, actor=by, at=at, used_for=timedelta(0))
        done = store.restore(file, target, by, at, then=frozen, key=settings.seals_with(), compare=compare)
    except store.UnsoundBackup as error:
        fail(f"{path_shown(file)} is not sound, so nothing has changed. {verification(error.verification)}")
    except store.StoreError as error:
        problem, known = store.StoreProblem, store_error(error)
        if error.path == file and error.problem in {problem.MISSING, problem.NOT_A_FILE, problem.FOREIGN}:
            # The usual remedies are about the database itself.
            known = f"{store_problem(error)[0]}. Name a copy that `backup` made."
        if error.path == file and error.problem is problem.ANOTHER_KEY:
            # Only a bot's start changes the key, and what restore adds belongs to the copy.
            known = (
                f"{path_shown(file)}: {store_problem(error)[0]}. Run restore with that key in RECORD_KEY. Then start"
                " the bot with the new key."
            )
        fail(f"Nothing has changed. {known}")
    except OSError as error:
        fail(f"Nothing has changed. {path_shown(error.filename or target)}: {error.strerror}.")
    say(restored(target, done))


def _sha256(file: Path) -> str:
    with file.open("rb") as copy:
        return hashlib.file_digest(copy, "sha256").hexdigest()
