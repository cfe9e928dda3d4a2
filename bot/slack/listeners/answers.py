"""Private answers through Slack's response_url, or in a modal.

Source: https://docs.slack.dev/interactivity/handling-user-interaction#message_responses (five answers in 30 minutes).
"""

from functools import partial
from http import HTTPStatus

import aiohttp
import structlog
from slack_bolt.async_app import AsyncAck
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.webhook.async_client import AsyncWebhookClient

from bot.network import Network
from bot.slack.background import Tell
from bot.slack.client import no_redirects
from bot.slack.errors import problem_of
from bot.slack.views.modals import notice
from bot.slack.views.text import Message, addressed, lines, mrkdwn, tame

log = structlog.get_logger(__name__)

_TIMEOUT = aiohttp.ClientTimeout(total=10)


async def close_form(ack: AsyncAck, field: str, error: str) -> None:
    """Let the form close, or say on the field why not. Slack shows that as it is, also marks that turn the line."""
    if error:
        await ack(response_action="errors", errors={field: tame(error)})
    else:
        await ack()


def answer_to(network: Network, response_url: str, contact: str | None = None) -> Tell:
    """Return a way to say something to the person who acted, and to nobody else.

    ``contact`` is the channel, group or person that the words name in place of the bot's operator.
    """
    return partial(respond, network, response_url, contact=contact)


def answer_in_modal(
    client: AsyncWebClient, trigger_id: str, user_id: str, otherwise: Tell | None, contact: str | None = None
) -> Tell:
    """Return a way to say something to a person who acted where there is no message, in a modal of its own.

    Where Slack opens none, ``otherwise`` says it; where there is no such way, a direct message.
    """
    otherwise = otherwise or answer_directly(client, user_id, contact)

    async def tell(text: str) -> None:
        try:
            await client.views_open(trigger_id=trigger_id, view=notice(addressed(text, contact)))
        except Exception as error:  # noqa: BLE001 -- the time to open one is over, or Slack is away
            log.info("notice_not_opened", problem=problem_of(error).name)
            await otherwise(text)

    return tell


def answer_directly(client: AsyncWebClient, user_id: str, contact: str | None = None) -> Tell:
    """Return a way to say something to a person by direct message."""

    async def tell(text: str) -> None:
        try:
            await say_directly(client, user_id, text, contact)
        except Exception as error:  # noqa: BLE001 -- a private answer may get lost, as below
            log.warning("answer_not_sent", problem=problem_of(error).name)

    return tell


async def say_directly(client: AsyncWebClient, user_id: str, text: str, contact: str | None = None) -> None:
    """Say something to a person by direct message. Raises what the client raises."""
    elements = addressed(text, contact)
    await client.chat_postMessage(channel=user_id, text=mrkdwn(elements), blocks=[lines(elements)])


async def respond(
    network: Network,
    response_url: str,
    answer: str | Message,
    *,
    replace: bool = False,
    contact: str | None = None,
) -> None:
    """Answer privately; ``replace`` puts it in the place of the message clicked."""
    if not response_url:
        return
    if isinstance(answer, str):
        elements = addressed(answer, contact)
        message = Message(mrkdwn(elements), [lines(elements)])
    else:
        message = answer
    try:
        async with aiohttp.ClientSession(timeout=_TIMEOUT, trace_configs=[no_redirects()]) as session:
            client = AsyncWebhookClient(response_url, ssl=network.tls, session=session)
            client.proxy = network.proxy_for(response_url)  # the SDK's own choice ignores NO_PROXY
            # The text says all that the blocks do: where Slack takes no blocks like these, people still read it.
            for blocks in (message.blocks, None):
                response = await client.send(
                    text=message.text,
                    blocks=blocks,
                    response_type="ephemeral",
                    replace_original=replace,
                )
                if response.status_code == HTTPStatus.OK:
                    return
                log.warning("answer_not_taken", http_status=response.status_code)
                if response.status_code != HTTPStatus.BAD_REQUEST:
                    break
    except Exception as error:  # noqa: BLE001 -- a private answer is the one thing that may get lost, as in Slack itself
        log.warning("answer_not_sent", problem=problem_of(error).name)
