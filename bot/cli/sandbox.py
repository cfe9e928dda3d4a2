"""The commands that need no account: a local Slack and a local gateway around the real bot."""

import asyncio
import sys
from collections.abc import Callable

import click

Reader = Callable[[click.Context, click.Parameter, str | None], str | None]


@click.command()
def demo() -> None:
    """Play the whole story in a local Slack with a local gateway, and print what each person sees."""
    from bot.sandbox.demo import play

    sys.exit(asyncio.run(play()))


def _readable(reader: str) -> Reader:
    """Return a check of a text for a setting of the bot, by the name of the reader of its value."""

    def check(_: click.Context, __: click.Parameter, text: str | None) -> str | None:
        from bot.settings import values

        if text is not None:
            try:
                getattr(values, reader)(text)
            except ValueError as error:
                raise click.BadParameter(str(error)) from None
        return text

    return check


@click.command()
@click.option("--port", type=click.IntRange(0, 65535), help="The page's port; without it 8420, or any free one.")
@click.option("--approvals", type=click.IntRange(1, 2), default=1, show_default=True, help="How many must approve.")
@click.option("--ttl", callback=_readable("duration"), help="How long a request waits for approval, such as 90s or 5m.")
@click.option("--remind", callback=_readable("durations"), help="When approvers are reminded, such as 10s,20s, or off.")
@click.option("--escalate", callback=_readable("duration"), help="When olga is asked to decide as well, such as 30s.")
@click.option("--open/--no-open", "open_browser", default=True, help="Open the page in a browser, if there is one.")
@click.option("--replicas", type=click.IntRange(1, 5), help="How many bots share the work; needs --postgres.")
@click.option("--postgres", is_flag=True, help="Keep the record on a PostgreSQL server, which the playground starts.")
def playground(
    *,
    port: int | None,
    approvals: int,
    ttl: str | None,
    remind: str | None,
    escalate: str | None,
    replicas: int | None,
    open_browser: bool,
    postgres: bool,
) -> None:
    """Use the bot in a local workspace, in a browser on this machine, until Ctrl-C."""
    from bot.cli.problems import end_wrong_settings, fail
    from bot.sandbox.playground.playground import Playground
    from bot.sandbox.playground.server import DATABASE, SERVER, play
    from bot.sandbox.playground.several import SeveralBots
    from bot.sandbox.postgres import MISSING, NotStarted, programs
    from bot.sandbox.stage import OLGA
    from bot.settings import SettingsProblem
    from bot.store import StoreError, StoreProblem
    from bot.wording import cannot_listen, store_error

    given = {
        "APPROVALS_REQUIRED": str(approvals),
        "APPROVAL_TTL": ttl,
        "REMIND_AFTER": remind,
        "ESCALATE_AFTER": escalate,
        "ESCALATE_TO": OLGA if escalate else None,
    }
    settings = {name: value for name, value in given.items() if value is not None}
    if replicas and not postgres:
        raise click.UsageError("Several bots need a database server: add --postgres.")
    found, data = (programs(), SERVER) if postgres else (None, DATABASE)
    if postgres and found is None:
        fail(MISSING)
    try:
        made = (
            Playground(data, settings=settings)
            if found is None
            else SeveralBots(found, data, replicas=replicas or 1, settings=settings)
        )
        asyncio.run(play(made, port=port, open_browser=open_browser))
    except SettingsProblem as error:
        # Each option can be read, but they do not fit together: a reminder after the end, for example.
        end_wrong_settings(error)
    except StoreError as error:
        if error.problem is StoreProblem.BUSY:
            fail("The playground is already running. Its address is in the terminal where you started it.")
        # Nothing in there is worth a repair.
        fail(f"{store_error(error)} Or start over: delete {data.with_suffix('')}.*")
    except NotStarted as error:
        fail(str(error))
    except OSError as error:
        fail(cannot_listen(error, f"127.0.0.1:{port}", "Choose another --port"))
