"""The command that checks the set-up."""

import asyncio
import sys

import click

from bot.cli.env_file import env_file_option


@click.command()
@env_file_option()
def doctor() -> None:
    """Check settings, tokens, scopes, channel, approvers, clock and database; exit 1 if there is a problem."""
    from bot.cli.problems import read_everything
    from bot.cli.terminal import say

    # Before the imports: aiohttp reads some of these variables while it is being imported, and fails on wrong ones.
    settings, network, doubts = read_everything()
    from bot.doctor import examine
    from bot.masking import masked

    async def report() -> bool:
        healthy = True
        async for finding in examine(settings, network, doubts):
            # At once, because a look at something that is down takes a while.
            say(masked(finding.line))
            healthy = healthy and (finding.is_doubt or not finding.remedy)
        return healthy

    if not asyncio.run(report()):
        sys.exit(1)
