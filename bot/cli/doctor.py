"""The command that checks the set-up."""

import asyncio
import sys

import click


@click.command()
def doctor() -> None:
    """Check settings, tokens, scopes, channel, approvers, clock and database; exit 1 if there is a problem."""
    from bot.cli.problems import read_settings
    from bot.cli.terminal import say
    from bot.doctor import examine
    from bot.masking import masked
    from bot.settings import Settings

    settings = read_settings(Settings)

    async def report() -> bool:
        healthy = True
        async for finding in examine(settings):
            # At once, because a look at something that is down takes a while.
            say(masked(finding.line))
            healthy = healthy and not finding.remedy
        return healthy

    if not asyncio.run(report()):
        sys.exit(1)
