"""The command that makes the tables, for a database in which the bot itself may not."""

import click


@click.command()
@click.option("--grant", metavar="ROLE", help="Give this role on the server the rights of a bot.")
def migrate(grant: str | None) -> None:
    """Make the tables in DATABASE_URL, or bring them to this version.

    A start of the bot does the same. On a server, the role that owns the tables can do it instead, so that the bot's
    own role can neither change events nor switch off their guards.
    """
    from pathlib import Path

    from bot.cli.problems import fail, read_settings
    from bot.cli.terminal import say
    from bot.settings import DatabaseSettings
    from bot.store import StoreError, prepare
    from bot.wording import store_error

    place = read_settings(DatabaseSettings).database
    if grant is not None and isinstance(place, Path):
        raise click.UsageError("--grant is for a server: whoever may write the file has all rights on it.")
    try:
        prepare(place, grant)
    except StoreError as error:
        fail(store_error(error))
    say(f"{place}: the tables are those of this version.")
