"""The command that erases what people typed."""

import functools
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from bot.cli.record import database_option
from bot.cli.terminal import readable


def _age(_context: click.Context, _option: click.Parameter, value: str | None) -> timedelta | None:
    from bot.settings.values import days

    found = days(value) if value is not None else None
    if value is not None and found is None:
        raise click.BadParameter("give a number of days, such as 400d")
    return found


def _person(context: click.Context, option: click.Parameter, value: str | None) -> str | None:
    from bot.domain.ids import USER_ID

    value = readable(context, option, value)
    if value is not None and not re.fullmatch(f"{USER_ID}|terminal:.+", value):
        # A name would match nothing, and look like a person without words.
        raise click.BadParameter("give the member ID from the person's Slack profile, such as U012AB3CD")
    return value


_WHY = "The reason for the record, such as a ticket. This text itself can never be erased: no personal data here."


@click.command()
@click.option("--order", metavar="ID", callback=readable, help="Erase the words of all requests for this order.")
@click.option(
    "--person", metavar="ID", callback=_person, help="Erase the words and names of the person with this Slack ID."
)
@click.option("--older-than", metavar="DAYS", callback=_age, help="Erase all words that are older, such as 400d.")
@click.option("--why", metavar="TEXT", required=True, callback=readable, help=_WHY)
@click.confirmation_option(prompt="Nobody can bring these words back. Erase them?")
@database_option
def erase(order: str | None, person: str | None, older_than: timedelta | None, why: str, database: Path | None) -> None:
    """Erase reasons, notes and names that people typed.

    The record keeps who did what and when, and still verifies. Messages in Slack, backups and the log of the bot are
    not touched, but a card and a receipt that offered Retry say that it is over. The words of requests that are still
    open stay.
    """
    from bot.cli.problems import fail
    from bot.cli.record import at_the_terminal, settings_for
    from bot.cli.terminal import say
    from bot.settings import WritingSettings
    from bot.store import Erasure, StoreError, erase_from
    from bot.wording import erased, store_error

    if sum(each is not None for each in (order, person, older_than)) != 1:
        raise click.UsageError("Give one of --order, --person and --older-than.")
    now = functools.partial(datetime.now, UTC)
    erasure = Erasure(order, person, now() - older_than if older_than is not None else None)
    settings = settings_for(WritingSettings, database)
    try:
        gone = erase_from(settings.database, erasure, why, at_the_terminal(), now, key=settings.seals_with())
    except StoreError as error:
        fail(store_error(error))
    if not gone.from_log:
        # Nobody may take these words for gone.
        fail(erased(gone))
    say(erased(gone))
