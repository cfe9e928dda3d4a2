"""The command that runs the bot."""

import asyncio

import click

from bot.cli.env_file import env_file_option


@click.command()
@env_file_option()
def run() -> None:
    """Run the bot until SIGTERM or Ctrl-C."""
    import bot.log
    from bot.cli.problems import fail, read_everything

    bot.log.open_missing_streams()
    # Before the imports: aiohttp reads some of these variables while it is being imported, and fails on wrong ones.
    settings, network, doubts = read_everything()
    import structlog

    from bot import app
    from bot.store import StoreError
    from bot.wording import another_gateway, cannot_listen, store_error
    from bot.workflow import AnotherGatewayError

    bot.log.configure(settings.log_level, settings.log_format, [*settings.secrets(), *network.secrets()])
    bot.log.catch_the_rest()
    log = structlog.get_logger(__name__)
    for doubt in doubts:
        log.warning("setting_in_doubt", problem=doubt)
    try:
        asyncio.run(app.run(settings, network))
    except StoreError as error:
        fail(store_error(error))
    except AnotherGatewayError as error:
        what, remedy = another_gateway(error.former, error.current, error.orders)
        fail(f"{what}. {remedy}")
    except OSError as error:
        fail(cannot_listen(error, f"{settings.host}:{settings.port}", "Choose another HOST or PORT"))
