"""The commands that stop everything, and let it go on, for the day on which Slack is down."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bot.cli.record import compare_option, database_option
from bot.cli.terminal import as_far_as_readable

if TYPE_CHECKING:
    from bot.domain.events import Frozen, Unfrozen
    from bot.store import Place


@click.command()
@click.option(
    "--why", metavar="TEXT", default="", callback=as_far_as_readable, help="The reason, which people in Slack read."
)
@click.option(
    "--restored",
    is_flag=True,
    help="The database is an older copy. Of each open request, say that its past is not known.",
)
@compare_option
@database_option
def freeze(why: str, compare: "tuple[Place, ...]", database: Path | None, *, restored: bool) -> None:
    """Stop everything that could cancel an order, also while the bot runs.

    No request is taken, no approval counts, and no call to the gateway begins. A call that has begun still ends.
    """
    from bot.domain.events import Frozen

    typed = click.get_current_context().get_parameter_source("compare") is click.core.ParameterSource.COMMANDLINE
    if typed and not restored:
        raise click.UsageError("--compare is about an older copy, so it needs --restored.")
    # The variable may be left from a restore, and must not keep anybody from a freeze.
    _put(Frozen(why.strip()), database, restored=restored, compare=compare if restored else ())


@click.command()
@database_option
def unfreeze(database: Path | None) -> None:
    """End a freeze, also while the bot runs. What is approved goes to the gateway when its next attempt is due."""
    from bot.domain.events import Unfrozen

    _put(Unfrozen(), database)


def _put(
    content: "Frozen | Unfrozen", database: Path | None, *, restored: bool = False, compare: "tuple[Place, ...]" = ()
) -> None:
    """Begin or end a freeze, or say in one line that there is nothing to do.

    ``restored`` is true for one that begins because the database is an older copy, which is then compared with others.
    """
    from bot.cli.problems import fail
    from bot.cli.record import at_the_terminal, settings_for
    from bot.cli.terminal import say
    from bot.clock import utc_now
    from bot.domain.events import Frozen, Unfrozen
    from bot.settings import WritingSettings
    from bot.store import AnotherWay, StoreError, open_beside, went_another_way
    from bot.wording import compared, freeze_begun, freeze_ended, frozen_already, not_frozen, store_error
    from bot.workflow import freezing

    settings = settings_for(WritingSettings, database)
    path = settings.database
    begins = isinstance(content, Frozen)
    ended: object = None
    another_way: AnotherWay = frozenset()
    try:
        with open_beside(path, settings.seals_with()) as tx:
            at, known = tx.now(utc_now), tx.freeze()  # once nobody else writes
            if isinstance(content, Frozen) and (restored or freezing.is_news(known, content.why)):
                known = None
            if restored and isinstance(content, Frozen):
                why = content.why or freezing.RESTORED
                another_way = went_another_way(tx, compare)
                freezing.freeze_restored(tx, another_way, actor=at_the_terminal(), at=at, what=why)
            elif begins == (known is None):
                ended = freezing.put(tx, content, at_the_terminal(), at).content
            waiting = tx.requests.waiting()
    except StoreError as error:
        fail(store_error(error))
    if compare:
        say(compared(another_way))
    used = _may_be_used(path)
    if begins:
        say(frozen_already(known, path, in_use=used) if known else freeze_begun(path, len(waiting), in_use=used))
    elif isinstance(ended, Unfrozen):
        say(freeze_ended(path, len(waiting), ended.due, ended.later, ended.enough, in_use=used))
    else:
        say(not_frozen(path, in_use=used))


def _may_be_used(path: "Place") -> bool:
    """Return False where certainly no bot has this open. What was asked for is done, whatever a server says now."""
    from bot.store import StoreError, in_use

    try:
        return in_use(path)
    except StoreError:
        return True
