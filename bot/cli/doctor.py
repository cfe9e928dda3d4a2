"""The command that checks the set-up."""

import asyncio
import sys
from typing import TYPE_CHECKING

import click

from bot.cli.env_file import env_file_option

if TYPE_CHECKING:
    from bot.doctor import Finding


def _address(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    """Return the address, checked as that of a setting is."""
    from bot.settings.values import base_url

    try:
        return base_url(value).rstrip("/") if value is not None else None
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@click.command()
@env_file_option()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for machines.")
@click.option("--post", is_flag=True, help="Post a test card in the channel of the cards.")
@click.option(
    "--request-url",
    metavar="URL",
    callback=_address,
    help="HTTP mode: ask the running bot through this address, as Slack does.",
)
def doctor(request_url: str | None, *, as_json: bool, post: bool) -> None:
    """Check settings, database, gateway, tokens, scopes, channel, people and clock; exit 1 if there is a problem."""
    from bot.cli.problems import read_everything
    from bot.cli.terminal import say

    # Before the imports: aiohttp reads some of these variables while it is being imported, and fails on wrong ones.
    settings, network, doubts = read_everything()
    from bot.doctor import Level, examine, summary, to_json
    from bot.masking import masked

    async def report() -> list["Finding"]:
        found = []
        async for finding in examine(settings, network, doubts, post=post, request_url=request_url):
            found.append(finding)
            if not as_json:
                # At once, because a look at something that is down takes a while.
                say(masked(finding.line))
        return found

    findings = asyncio.run(report())
    say(to_json(findings) if as_json else summary(findings))
    if any(finding.level is Level.PROBLEM for finding in findings):
        sys.exit(1)
