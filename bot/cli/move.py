"""The command that brings everything from one database into another."""

import click


@click.command()
@click.option(
    "--to",
    "target",
    metavar="URL",
    required=True,
    envvar="MOVE_TO",
    help="The other database, as in DATABASE_URL; with a password better in the variable MOVE_TO.",
)
def move(target: str) -> None:
    """Bring everything from the database in DATABASE_URL into another one, which must be empty.

    No bot may run on either. Both are verified, and have the same head afterwards. The first one stays as it is: take
    it away, so that no bot starts on it again.
    """
    from bot.cli.problems import fail, read_settings
    from bot.cli.terminal import say
    from bot.settings import DatabaseSettings
    from bot.settings.values import database
    from bot.store import StoreError, Unsound, move as bring
    from bot.wording import events, store_error, verification

    source = read_settings(DatabaseSettings).database
    try:
        place = database(target)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--to") from None
    try:
        found = bring(source, place)
    except StoreError as error:
        fail(store_error(error))
    except Unsound as error:
        fail(f"Nothing was moved. {error.place}: {verification(error.verification)}")
    say(f"{place}: {events(found)}.")
