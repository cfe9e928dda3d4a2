"""The commands that prove the record, and what all commands on the database have in common."""

import os
import pwd
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

if TYPE_CHECKING:
    from bot.domain.audit import Head
    from bot.domain.events import Content
    from bot.domain.seal import PublicKey
    from bot.settings import DatabaseSettings, WritingSettings
    from bot.store import Place, Tables

T = TypeVar("T", bound="DatabaseSettings")


def _place(text: str) -> "Place":
    """Return the database that a path or a URL names. Raises BadParameter."""
    from bot.settings.values import database

    try:
        return database(text) if "://" in text else Path(text)
    except ValueError as error:
        raise click.BadParameter(f"{error}, or a path") from None


def _path(_context: click.Context, _option: click.Parameter, value: str | None) -> Path | None:
    """Return the path that ``--database`` names, as a path or as a URL."""
    found = _place(value) if value is not None else None
    if found is not None and not isinstance(found, Path):
        # Everybody on this machine can read the words of a command.
        raise click.BadParameter("a server's address belongs into DATABASE_URL, as it may hold a password")
    return found


database_option = click.option(
    "--database",
    callback=_path,
    help="The bot's file, as a path or a sqlite:/// URL.  [default: DATABASE_URL, else sqlite:///data/bot.db]",
)


def _places(_context: click.Context, _option: click.Parameter, values: tuple[str, ...]) -> "tuple[Place, ...]":
    """Return the databases that these paths and URLs name."""
    return tuple(map(_place, values))


compare_option = click.option(
    "--compare",
    metavar="DATABASE",
    callback=_places,
    multiple=True,
    envvar="COMPARE_WITH",
    help="A database, as a path or a URL, that bots have used and that knows what this copy does not: what went another"
    " way there counts as not known. May be repeated. With a password better in the variable COMPARE_WITH, where a"
    " space stands between two.",
)


@click.group()
def audit() -> None:
    """Look up the record, and prove that nobody has changed it."""


@audit.command()
@click.argument("order")
@click.option("-o", "--output", "target", type=click.Path(path_type=Path), required=True, help="A new file, FILE.zip.")
@database_option
def evidence(order: str, target: Path, database: Path | None) -> None:
    """Write everything about one order to a file that convinces somebody who has neither the bot nor its database.

    It has a page for people, the events with the proof that they are in the record, the last seal, and a program that
    verifies all of it with Python alone.
    """
    from bot.cli.problems import fail
    from bot.cli.terminal import say
    from bot.domain.events import Exported
    from bot.evidence import NoEvidence, write
    from bot.masking import path_shown
    from bot.settings import RecordSettings
    from bot.store import StoreError, open_reader
    from bot.store.drafts import draft, publish
    from bot.wording import store_error

    settings, recorded = settings_for(RecordSettings, database), False
    if is_the_bots_own(settings.database, database):
        prove_that_it_can_be_put_on_record(settings)
        recorded = True
    try:
        with draft(target) as path:
            with open_reader(settings.database) as tables:
                tables.connection.begin_reading()
                count = write(tables, the_order(tables, order), path)
            digest = sha256(path.read_bytes()).hexdigest()
            publish(path, target)
    except NoEvidence:
        fail(f"There is no event about order {order}, so there is nothing to write.")
    except StoreError as error:
        fail(store_error(error))
    except FileExistsError:
        fail(f"{path_shown(target)} exists already. Give the name of a new file.")
    except OSError as error:
        fail(f"{path_shown(target)}: {error.strerror}.")
    if recorded:
        put_on_record(settings, Exported("audit evidence", order, count, digest), f"{path_shown(target)} is written")
    say(f"{path_shown(target)}: {count} events. Unpack it, and read index.html.")


def the_order(tables: "Tables", typed: str) -> str:
    """Return the order ID as it is on record, also where it was typed in another case; else return it as it is.

    Ends the command where several orders on record differ from it in case only, as nobody knows which one is meant.
    """
    from bot.cli.problems import fail

    spellings = tables.lookups.spellings(typed)
    if len(spellings) > 1:
        fail(
            f"No order {typed} is on record. These differ from it in capital letters only: {', '.join(spellings)}."
            " Give the one that you mean."
        )
    return spellings[0] if spellings else typed


def a_head(_context: click.Context, _option: click.Parameter, value: str | None) -> "Head | None":
    """Return the head that was typed for an option. Raises UsageError for anything else."""
    from bot.domain.audit import NotAHead, parse_head
    from bot.wording import EXAMPLE_HEAD

    try:
        return parse_head(value) if value is not None else None
    except NotAHead:
        raise click.UsageError(
            f"'{value}' is not a head. A head looks like {EXAMPLE_HEAD}; Slack shows one under each result."
        ) from None


@audit.command("verify")
@database_option
@click.option(
    "--head",
    metavar="'#SEQ·DIGITS'",
    callback=a_head,
    help="A head from a result message: shows a cut or rewritten end.",
)
@click.option(
    "--key",
    "keys",
    metavar="PUBLIC",
    envvar="RECORD_PUBLIC_KEY",
    multiple=True,
    help="A public key of the bot's seals, once for each that it ever had.  [default: those in RECORD_PUBLIC_KEY]",
)
def verify_record(database: Path | None, head: "Head | None", keys: tuple[str, ...]) -> None:
    """Recompute the record's hash chain; exit 1 if it does not match, and say where."""
    from bot.cli.problems import fail
    from bot.cli.terminal import say
    from bot.settings import DatabaseSettings
    from bot.store import StoreError, verify_all
    from bot.wording import backwards, seals, store_error, verification

    public = [_public_key(each) for each in keys]
    settings = settings_for(DatabaseSettings, database)
    try:
        found = verify_all(settings.database, head, public)
    except StoreError as error:
        fail(store_error(error))
    if found.damage is not None:
        fail(verification(found))
    for line in (verification(found), *seals(found), backwards(found)):
        if line:
            say(line)


def _public_key(text: str) -> "PublicKey":
    from bot.domain.seal import NotAKey, public_key

    try:
        return public_key(text)
    except NotAKey as error:
        raise click.UsageError(f"The key in --key {error}.") from None


@click.group()
def record() -> None:
    """Prepare the record's seals."""


@record.command("new-key")
def new_key() -> None:
    """Print a new key: RECORD_KEY is the bot's secret, RECORD_PUBLIC_KEY is for whoever verifies the record."""
    from bot.cli.terminal import say
    from bot.domain.seal import new_key as new

    key = new()
    say(f"RECORD_KEY={key.text}")
    say(f"RECORD_PUBLIC_KEY={key.public.text}")


def at_the_terminal() -> str:
    """Return the actor of an event: the user who runs the command, as the system says it.

    Variables such as LOGNAME would let anybody act under another name, and a container's user may have no name.
    """
    user = os.getuid()
    try:
        return f"terminal:{pwd.getpwuid(user).pw_name}"
    except KeyError:
        return f"terminal:{user}"


def is_the_bots_own(path: "Place", option: Path | None) -> bool:
    """Return False for a copy that somebody named with ``--database``: it stays as it is."""
    from bot.store import in_use

    return option is None or in_use(path)


def prove_that_it_can_be_put_on_record(settings: "WritingSettings") -> None:
    """End the command unless an event can be written to the record: nobody may read what will not be on it."""
    from bot.cli.problems import fail
    from bot.store import StoreError, open_beside, open_reader
    from bot.wording import store_error

    try:
        with open_reader(settings.database) as tables:
            tables.record.last()  # first, so that a file that cannot be read is told as that
    except StoreError as error:
        fail(store_error(error))
    try:
        with open_beside(settings.database, settings.seals_with()) as tx:
            tx.beat(datetime.now(UTC))
    except StoreError as error:
        fail(
            f"Nothing is handed out, because it could not be put on record. {store_error(error)} "
            "To look into it all the same, copy the file and the -wal file beside it, and name the copy: --database."
        )


def put_on_record(settings: "WritingSettings", content: "Content", handed_out: str) -> None:
    """Append an event about what was handed out to the bot's own record, also while the bot runs.

    Where that fails, end the command with a message that begins with ``handed_out``.
    """
    from bot.cli.problems import fail
    from bot.clock import utc_now
    from bot.store import StoreError, open_beside
    from bot.wording import store_error

    try:
        with open_beside(settings.database, settings.seals_with()) as tx:
            tx.record.append(content, at_the_terminal(), tx.now(utc_now))
    except StoreError as error:
        fail(f"{handed_out}, but this could not be put on record. {store_error(error)}")


def settings_for(kind: "type[T]", database: Path | None) -> "T":
    """Return the settings; ``database`` wins over DATABASE_URL, which then may hold anything."""
    from bot.cli.problems import fail, read_settings
    from bot.masking import path_shown

    if database is None:
        settings = read_settings(kind)
    else:
        environ = {name: value for name, value in os.environ.items() if name != "DATABASE_URL"}
        settings = read_settings(kind, environ).model_copy(update={"database": database})
    if isinstance(settings.database, Path) and os.path.isdir(settings.database):  # noqa: PTH112 -- Path.is_dir raises if a folder above is not readable
        # SQLite would call it a failing disk.
        fail(f"{path_shown(settings.database)}: this is a folder. Name the database file in it.")
    return settings
