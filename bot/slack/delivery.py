"""Bringing deliveries to Slack: a message is posted once, and searched for before it is posted again.

Posting is not idempotent. So a message carries its delivery's id in its metadata, and after a try
whose answer was lost the channel or thread is searched for it first. The file is long because each kind of delivery
has its way here, and its own final errors.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import structlog
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.clock import utc_now
from bot.domain.audit import Event
from bot.domain.delivery import Delivery, DeliveryKind, DeliveryOutcome, Publish, Receipt
from bot.domain.events import CardBlocked, DeliveryAbandoned
from bot.domain.projection import PASSING
from bot.domain.request import Request
from bot.slack.errors import problem_of
from bot.slack.identity import Identity
from bot.slack.views import card, digest, missing_card, notices, receipt, results
from bot.slack.views.modals import View
from bot.slack.views.presentation import NO_SETTINGS, Presentation
from bot.slack.views.text import Message

log = structlog.get_logger(__name__)

METADATA_TYPE = "request_delivery"

_UNFIT = {
    "msg_too_long",
    "msg_blocks_too_long",
    "invalid_blocks",
    "invalid_blocks_format",
    "invalid_arguments",
    "no_text",
}
"""Errors about what is in the message."""
_MESSAGE_LOST = {"message_not_found", "cant_update_message", "edit_window_closed"}
"""Errors about the message that should be updated."""
_NOBODY_THERE = {"user_not_found", "user_disabled", "users_not_found", "cannot_dm_bot", "user_not_visible"}
"""Errors about the person who should get a direct message."""
_FINAL = {
    ("chat.postMessage", DeliveryKind.CARD): _UNFIT,
    ("chat.postMessage", DeliveryKind.REPLY): _UNFIT,
    ("chat.postMessage", DeliveryKind.DIGEST): _UNFIT,
    ("chat.postMessage", DeliveryKind.DIRECT_MESSAGE): _UNFIT | _NOBODY_THERE,
    ("conversations.open", DeliveryKind.DIRECT_MESSAGE): _NOBODY_THERE,
    ("chat.postMessage", DeliveryKind.RECEIPT): _UNFIT | _NOBODY_THERE,
    ("conversations.open", DeliveryKind.RECEIPT): _NOBODY_THERE,
    ("chat.update", DeliveryKind.CARD_UPDATE): _UNFIT | _MESSAGE_LOST,
    ("chat.update", DeliveryKind.RECEIPT_UPDATE): _UNFIT | _MESSAGE_LOST,
    ("views.publish", None): {"invalid_arguments", "view_too_large"},
}
"""Errors that concern this one message or Home tab and will not change: by the method, and what it was called for.

The same name means something else at another call. A search gives none of them: it is not the message that it is about.
"""
_PASSING = {"ratelimited", "not_reachable", "proxy_not_reachable", "not_connected_yet"}
"""Problems that end by themselves. Every other definite refusal waits for a person."""
_THREAD_GONE = {"thread_not_found", "message_not_found", "cannot_reply_to_message", "invalid_thread_ts"}

_ABOUT_MISSING_CARD = {CardBlocked.kind, DeliveryAbandoned.kind}

_CLOCKS_APART = timedelta(days=1)
"""A message's ts is Slack's time, and ours may be wrong by hours: the search begins so long before the doubt."""
_MOST_PAGES = 25
"""Pages of 200 messages; the message looked for is among the newest, as a rule on the first."""


async def _no_home(_: str) -> None:
    return None


class SlackCourier:
    """The way to Slack through one Web API client, which must not repeat calls by itself.

    ``home`` returns the view of a person's Home tab as it must be now, or None while that cannot be said.
    """

    def __init__(
        self,
        client: AsyncWebClient,
        identity: Callable[[], Identity | None],
        presentation: Presentation = NO_SETTINGS,
        *,
        home: Callable[[str], Awaitable[View | None]] = _no_home,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._client = client
        self._identity = identity
        self._presentation = presentation
        self._home = home
        self._now = now
        self._direct_channels: dict[str, str] = {}

    async def deliver(  # noqa: C901, PLR0911 -- one way out for each kind of delivery
        self, delivery: Delivery, request: Request | None, event: Event
    ) -> Receipt:
        """Make one try; whatever the network or Slack does is in the receipt. A digest has no request."""
        identity = self._identity()
        if identity is None:
            doubt = delivery.in_doubt_since is not None
            return Receipt(DeliveryOutcome.LATER, problem="not_connected_yet", in_doubt=doubt)
        if request is None or delivery.kind is DeliveryKind.DIGEST:
            return await self._deliver_digest(delivery, identity, event)
        if _is_past(delivery, event):
            problem = "card_is_there" if request.state.awaits_people else "too_late_for_a_card"
            return Receipt(DeliveryOutcome.IMPOSSIBLE, problem=problem)
        try:
            if delivery.in_doubt_since is not None and delivery.kind.is_new_message:
                found = await self._find(delivery, request, identity)
                if found is not None:
                    return found
            match delivery.kind:
                case DeliveryKind.CARD:
                    if not request.state.awaits_people:
                        return Receipt(DeliveryOutcome.IMPOSSIBLE, problem="too_late_for_a_card")
                    message = card.card(request, self._presentation)
                    return await self._post(delivery, identity, request.card_channel, message)
                case DeliveryKind.CARD_UPDATE:
                    return await self._update(request)
                case DeliveryKind.REPLY:
                    return await self._reply(delivery, identity, request, event)
                case DeliveryKind.DIRECT_MESSAGE | DeliveryKind.RECEIPT:
                    channel = await self._direct_channel(delivery.target)
                    message = _to_requester(delivery, identity, request, event)
                    return await self._post(delivery, identity, channel, message)
                case DeliveryKind.RECEIPT_UPDATE:
                    return await self._update_receipt(delivery, identity, request)
        except Exception as error:  # noqa: BLE001 -- every failure becomes a receipt; none may end the worker
            return _receipt(error, delivery.kind, in_doubt=delivery.in_doubt_since is not None)

    async def publish(self, publish: Publish) -> Receipt:
        """Make one try to show a person their Home tab; whatever the network or Slack does is in the receipt."""
        if self._identity() is None:
            return Receipt(DeliveryOutcome.LATER, problem="not_connected_yet")
        try:
            view = await self._home(publish.person)
            if view is None:
                return Receipt(DeliveryOutcome.LATER, problem="person_not_checked")
            await self._client.views_publish(user_id=publish.person, view=view)
        except Exception as error:  # noqa: BLE001 -- every failure becomes a receipt; none may end the worker
            return _receipt(error, None, in_doubt=False)
        return Receipt(DeliveryOutcome.DELIVERED)

    async def _deliver_digest(self, delivery: Delivery, identity: Identity, event: Event) -> Receipt:
        try:
            if delivery.in_doubt_since is not None:
                found = await self._find(delivery, None, identity)
                if found is not None:
                    return found
            return await self._post(delivery, identity, delivery.target, digest.digest(event))
        except Exception as error:  # noqa: BLE001 -- every failure becomes a receipt; none may end the worker
            return _receipt(error, delivery.kind, in_doubt=delivery.in_doubt_since is not None)

    async def remove(self, receipt: Receipt) -> None:
        """Delete a duplicate; where Slack does not let the bot, a click on it closes it."""
        try:
            await self._client.chat_delete(channel=receipt.channel, ts=receipt.ts)
        except Exception as error:  # noqa: BLE001 -- nothing depends on it
            log.warning("duplicate_not_deleted", problem=problem_of(error).name)

    async def _post(
        self,
        delivery: Delivery,
        identity: Identity,
        channel: str,
        message: Message,
        *,
        thread_ts: str | None = None,
    ) -> Receipt:
        answer = await self._client.chat_postMessage(
            channel=channel,
            text=message.text,
            blocks=message.blocks,
            thread_ts=thread_ts,
            metadata={"event_type": METADATA_TYPE, "event_payload": {"delivery_id": delivery.id}},
            unfurl_links=False,
            unfurl_media=False,
        )
        return _delivered(identity, answer.get("channel"), answer.get("ts"))

    async def _update(self, request: Request) -> Receipt:
        if request.card_ts is None:
            return Receipt(DeliveryOutcome.IMPOSSIBLE, problem="no_card")
        message = card.card(request, self._presentation)
        await self._client.chat_update(
            channel=request.card_channel,
            ts=request.card_ts,
            text=message.text,
            blocks=message.blocks,
        )
        return Receipt(DeliveryOutcome.DELIVERED, request.card_channel, request.card_ts, request.card_link)

    async def _update_receipt(self, delivery: Delivery, identity: Identity, request: Request) -> Receipt:
        if delivery.receipt is None:
            return Receipt(DeliveryOutcome.IMPOSSIBLE, problem="no_receipt")
        channel, ts = delivery.receipt
        message = receipt.receipt(request, delivery.missing_card, identity.bot_user_id)
        await self._client.chat_update(channel=channel, ts=ts, text=message.text, blocks=message.blocks)
        return Receipt(DeliveryOutcome.DELIVERED, channel, ts)

    async def _reply(
        self,
        delivery: Delivery,
        identity: Identity,
        request: Request,
        event: Event,
    ) -> Receipt:
        if request.card_ts is None:
            return Receipt(DeliveryOutcome.IMPOSSIBLE, problem="no_card")
        message = (
            notices.notice(request, event, self._presentation, self._now())
            if type(event.content) in PASSING
            else results.reply(request, event)
        )
        channel = request.card_channel
        try:
            return await self._post(delivery, identity, channel, message, thread_ts=request.card_ts)
        except Exception as error:
            if problem_of(error).name not in _THREAD_GONE:
                raise
        # Somebody deleted the card; the result still belongs in the channel.
        return await self._post(delivery, identity, channel, message)

    async def _direct_channel(self, user: str) -> str:
        if user not in self._direct_channels:
            answer = await self._client.conversations_open(users=user)
            self._direct_channels[user] = str(answer["channel"]["id"])
        return self._direct_channels[user]

    async def _find(self, delivery: Delivery, request: Request | None, identity: Identity) -> Receipt | None:
        """Return the receipt of this delivery's message if an earlier try did reach Slack, else None."""
        assert delivery.in_doubt_since is not None
        channel = delivery.target if request is None else request.card_channel
        if delivery.kind.to_requester:
            channel = await self._direct_channel(delivery.target)
        oldest = f"{(delivery.in_doubt_since - _CLOCKS_APART).timestamp():.6f}"
        where: dict[str, Any] = {"channel": channel, "oldest": oldest, "include_all_metadata": True, "limit": 200}
        # History begins with the newest message, a thread with the oldest one.
        searches: list[tuple[Callable[..., Awaitable[Any]], dict[str, Any], str]] = [
            (self._client.conversations_history, where, "latest")
        ]
        if delivery.kind is DeliveryKind.REPLY and request is not None and request.card_ts is not None:
            in_thread = where | {"ts": request.card_ts}
            searches.insert(0, (self._client.conversations_replies, in_thread, "oldest"))
        for ask, arguments, edge in searches:
            ts = await _search(ask, arguments, edge, delivery.id, identity)
            if ts is not None:
                log.info("found_again", request=delivery.request_id, kind=str(delivery.kind))
                return _delivered(identity, channel, ts)
        return None


async def _search(
    ask: Callable[..., Awaitable[Any]], arguments: dict[str, Any], edge: str, delivery_id: str, identity: Identity
) -> str | None:
    """Return the ts of the message with this delivery's id, or None.

    ``edge`` is the bound in time that leads past a page where no cursor does: Slack may say that there is more and not
    how to get it, or give the same cursor for ever.
    """
    seen: set[str] = set()
    for _ in range(_MOST_PAGES):
        try:
            page = await ask(**arguments)
        except Exception as error:
            if problem_of(error).name in _THREAD_GONE:
                return None
            raise
        for message in page["messages"]:
            metadata = message.get("metadata") or {}
            ours = message.get("bot_id") == identity.bot_id and metadata.get("event_type") == METADATA_TYPE
            if ours and metadata.get("event_payload", {}).get("delivery_id") == delivery_id:
                return str(message["ts"])
        cursor = (page.get("response_metadata") or {}).get("next_cursor")
        if cursor and cursor not in seen:
            seen.add(cursor)
            arguments = arguments | {"cursor": cursor}
        elif page.get("has_more") and page["messages"]:
            times = [str(message["ts"]) for message in page["messages"]]
            arguments = arguments | {"cursor": None, edge: min(times) if edge == "latest" else max(times)}
        else:
            return None
    return None


def _to_requester(delivery: Delivery, identity: Identity, request: Request, event: Event) -> Message:
    """Return the message that reports an event, or the receipt as it must look now."""
    missing = delivery.missing_card
    if delivery.kind is DeliveryKind.RECEIPT:
        return receipt.receipt(request, missing, identity.bot_user_id)
    if event.kind in _ABOUT_MISSING_CARD and missing is not None:
        return missing_card.message(request, missing, identity.bot_user_id)
    if type(event.content) in PASSING:
        return notices.direct_notice(request, event)
    return results.direct_message(request, event)


def _is_past(delivery: Delivery, event: Event) -> bool:
    """Return True for a message that the card is missing, where it is there again or nobody needs it any more."""
    about_card = delivery.kind is DeliveryKind.DIRECT_MESSAGE and event.kind in _ABOUT_MISSING_CARD
    return about_card and delivery.missing_card is None


def _delivered(identity: Identity, channel: object, ts: object) -> Receipt:
    if not (isinstance(channel, str) and isinstance(ts, str) and channel and ts):
        # "ok" without a place: it may be posted, and only the search can say where.
        return Receipt(DeliveryOutcome.IN_DOUBT, problem="no_place_in_answer", in_doubt=True)
    return Receipt(DeliveryOutcome.DELIVERED, channel, ts, identity.permalink(channel, ts))


def _receipt(error: Exception, kind: DeliveryKind | None, *, in_doubt: bool) -> Receipt:
    """Return what a failure means for a delivery of this kind, or for a Home tab, where an earlier try is in doubt."""
    problem = problem_of(error)
    if problem.unclear:
        outcome = DeliveryOutcome.IN_DOUBT
    elif problem.name in _PASSING:
        outcome = DeliveryOutcome.LATER
    elif problem.name in _FINAL.get((_method(error), kind), ()):
        outcome = DeliveryOutcome.IMPOSSIBLE
    else:
        outcome = DeliveryOutcome.BLOCKED
    # One search that found nothing ends no doubt: what Slack took may become visible later. And something on the way
    # may have sent a message twice, so that a rate limit was the answer to the second copy.
    twice = problem.name == "ratelimited" and _method(error) == "chat.postMessage"
    in_doubt = in_doubt or outcome is DeliveryOutcome.IN_DOUBT or twice
    return Receipt(outcome, problem=problem.name, retry_after=problem.retry_after, in_doubt=in_doubt)


def _method(error: Exception) -> str:
    """Return the name of the method that gave this error, or an empty text if no answer of Slack's did."""
    address = getattr(error.response, "api_url", "") if isinstance(error, SlackApiError) else ""
    return str(address).rpartition("/")[2]
