"""The channels from which people ask, as far as a card could be posted and decided there."""

import asyncio
from collections.abc import Callable

import structlog
from slack_sdk.web.async_client import AsyncWebClient

from bot.domain.policy import Verdict
from bot.slack import answers
from bot.slack.errors import problem_of

log = structlog.get_logger(__name__)

_FRESH = 60.0
"""Seconds for which a channel that was not shared is not looked at again: Slack limits how often that may be."""
_ANSWER_WITHIN = 1.5
"""Seconds; the form must open within three."""


class Places:
    """The channels of cards that were looked at within the last minute.

    ``trusted`` is the channel for all cards, which the operator has chosen, so that only one thing is asked of it:
    somebody may have shared it with another company since. ``shared`` allows that.
    """

    def __init__(
        self, client: AsyncWebClient, *, monotonic: Callable[[], float], trusted: str | None, shared: bool
    ) -> None:
        self._client = client
        self._monotonic = monotonic
        self._trusted = trusted
        self._shared = shared
        self._looked_at: dict[str, float] = {}

    async def look(self, channel: str) -> Verdict:
        """Return why people may not read or decide a card there, ALLOWED, or UNCHECKED while Slack does not say.

        Raises what the client raises where Slack cannot be reached, or refuses to say: a post meets the same.
        """
        if channel == self._trusted and self._shared:
            return Verdict.ALLOWED
        now = self._monotonic()
        if now - self._looked_at.get(channel, -_FRESH) < _FRESH:
            return Verdict.ALLOWED
        try:
            found = await _look(self._client, channel, shared=self._shared)
        except Exception as error:
            problem = problem_of(error)
            if not problem.unclear and problem.name != "ratelimited":
                raise
            found = Verdict.UNCHECKED
        if channel == self._trusted and found in {Verdict.NOT_INVITED, Verdict.ARCHIVED_CHANNEL}:
            found = Verdict.ALLOWED  # a post meets the same, and the requester reads what to do
        if found is Verdict.ALLOWED:
            self._looked_at = {each: at for each, at in self._looked_at.items() if now - at < _FRESH} | {channel: now}
        return found


async def may_hold_card(client: AsyncWebClient, channel_id: str, name: str = "", *, shared: bool) -> Verdict:
    """Return ALLOWED where a card could be posted in the channel, which has this name in payloads, and decided there.

    Nobody can invite the bot into a direct message between people (``mpdm-…`` is one between several). In a channel
    that is shared with another company its people would read every reason; ``shared`` allows that. Into a public
    channel the bot can be invited later, and the card then follows.
    """
    if name.startswith("mpdm-"):
        return Verdict.DIRECT_MESSAGE
    try:
        return await _look(client, channel_id, shared=shared)
    except Exception:  # noqa: BLE001 -- whatever it was, nothing is known of the channel
        return Verdict.UNCHECKED


async def _look(client: AsyncWebClient, channel_id: str, *, shared: bool) -> Verdict:
    if channel_id.startswith("D"):
        return Verdict.DIRECT_MESSAGE
    try:
        async with asyncio.timeout(_ANSWER_WITHIN):
            channel = await answers.conversation(client, channel_id)
    except Exception as error:
        problem = problem_of(error).name
        log.info("channel_not_read", channel=channel_id, problem=problem)
        if problem == "channel_not_found":
            # Slack denies a private channel to a bot that is not in it. It may be a shared one.
            return Verdict.NOT_INVITED
        raise
    if channel.get("is_im") or channel.get("is_mpim"):
        return Verdict.DIRECT_MESSAGE
    if not shared and (channel.get("is_ext_shared") or channel.get("is_pending_ext_shared")):
        return Verdict.SHARED_CHANNEL
    if channel.get("is_archived"):
        return Verdict.ARCHIVED_CHANNEL
    return Verdict.ALLOWED
