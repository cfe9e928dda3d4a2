"""The command that runs the bot."""

import asyncio

import click


@click.command()
def run() -> None:
    """Run the bot until SIGTERM or Ctrl-C."""
    from bot import app, log
    from bot.cli.problems import fail, read_settings
    from bot.settings import Settings
    from bot.store import StoreError
    from bot.wording import store_error

    settings = read_settings(Settings)
    log.configure(settings.log_level, settings.log_format, settings.secrets())
    try:
        asyncio.run(app.run(settings))
    except StoreError as error:
        fail(store_error(error))
    except OSError as error:
        fail(f"{settings.host}:{settings.port}: {error.strerror}. Choose another HOST or PORT.")
