"""Bringing deliveries to Slack: a message is posted once, and searched for before it is posted again.

Posting is not idempotent. So a message carries its delivery's id in its metadata, and after a try
whose answer was lost the channel or thread is searched for it first (``bot.slack.search``). The file is long because
each kind of delivery has its way here, and its own final errors.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime

import structlog
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from bot.clock import utc_now
from bot.domain import policy
from bot.domain.attempt import Trouble
from bot.domain.audit import Event
from bot.domain.delivery import MESSAGE_GONE, Delivery, DeliveryKind, DeliveryOutcome, Publish, Receipt
from bot.domain.events import CardBlocked, DeliveryAbandoned
from bot.domain.policy import Verdict
from bot.domain.projection import PASSING
from bot.domain.request import Request
from bot.slack import answers
from bot.slack.errors import problem_of
from bot.slack.identity import Identity
from bot.slack.search import METADATA_TYPE, THREAD_GONE, Search, UnfinishedError
from bot.slack.views import card, digest, freezes, missing_card, notices, receipt, results
from bot.slack.views.modals import View
from bot.slack.views.presentation import NO_SETTINGS, Presentation
from bot.slack.views.text import Message

log = structlog.get_logger(__name__)

_UNFIT = {
    "msg_too_long",
    "msg_blocks_too_long",
    "invalid_blocks",
    "invalid_blocks_format",
    "invalid_arguments",
    "no_text",
}
"""Errors about what is in the message."""
_MESSAGE_LOST = {MESSAGE_GONE}
"""The error about a message that is not there. One that may not be changed stays for people to read, untrue."""
_NOT_THERE = {"channel_not_found", "not_in_channel", "is_archived"}
"""Errors about a channel in which the bot is not: an approver typed a command there, and has the answer to it."""
_NOBODY_THERE = {"user_not_found", "user_disabled", "users_not_found", "cannot_dm_bot", "user_not_visible"}
"""Errors about the person who should get a direct message."""
_FINAL = {
    ("chat.postMessage", DeliveryKind.CARD): _UNFIT,
    ("chat.postMessage", DeliveryKind.REPLY): _UNFIT,
    ("chat.postMessage", DeliveryKind.DIGEST): _UNFIT,
    ("chat.postMessage", DeliveryKind.ANNOUNCEMENT): _UNFIT | _NOT_THERE,
    ("chat.postMessage", DeliveryKind.DIRECT_MESSAGE): _UNFIT | _NOBODY_THERE,
    ("conversations.open", DeliveryKind.DIRECT_MESSAGE): _NOBODY_THERE,
    ("chat.postMessage", DeliveryKind.RECEIPT): _UNFIT | _NOBODY_THERE,
    ("conversations.open", DeliveryKind.RECEIPT): _NOBODY_THERE,
    ("chat.update", DeliveryKind.CARD_UPDATE): _MESSAGE_LOST,
    ("chat.update", DeliveryKind.RECEIPT_UPDATE): _MESSAGE_LOST,
    ("views.publish", None): {"invalid_arguments", "view_too_large"},
}
"""Errors that concern this one message or Home tab and will not change: by the method, and what it was called for.

The same name means something else at another call. A search gives none of them: it is not the message that it is about.
An update is tried for ever, as its message would stay untrue: nobody draws it anew after the end.
"""
_PASSING = {"ratelimited", "not_reachable", "proxy_not_reachable", "not_connected_yet"}
"""Problems that end by themselves. Every other definite refusal waits for a person."""
_ABOUT_MISSING_CARD = {CardBlocked.kind, DeliveryAbandoned.kind}


async def _no_home(_: str) -> None:
    return None


async def _no_evidence(_: Delivery, __: Event) -> Receipt:
    return Receipt(DeliveryOutcome.LATER, problem="not_connected_yet", posted_nothing=True)


async def _anywhere(_: str) -> Verdict:
    return Verdict.ALLOWED


class SlackCourier:
    """The way to Slack through one Web API client, which must not repeat calls by itself.

    ``home`` returns the view of a person's Home tab as it must be now, or None while that cannot be said. ``place``
    returns ALLOWED for a channel in which people may read a card: a form may be older than the settings of today, and a
    channel may have been shared with another company since. ``evidence`` makes one try to bring a file of evidence to
    the person who asked for it.
    """

    def __init__(
        self,
        client: AsyncWebClient,
        identity: Callable[[], Identity | None],
        presentation: Presentation = NO_SETTINGS,
        *,
        home: Callable[[str], Awaitable[View | None]] = _no_home,
        place: Callable[[str], Awaitable[Verdict]] = _anywhere,
        evidence: Callable[[Delivery, Event], Awaitable[Receipt]] = _no_evidence,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self._client = client
        self._identity = identity
        self._presentation = presentation
        self._home = home
        self._place = place
        self._evidence = evidence
        self._now = now
        self._direct_channels: dict[str, str] = {}
        self._searches: dict[int, Search] = {}
        """The searches that go on with the next try, by the position of the delivery."""

    async def deliver(  # noqa: C901, PLR0911, PLR0912 -- one way out for each kind of delivery
        self, delivery: Delivery, request: Request | None, event: Event
    ) -> Receipt:
        """Make one try; whatever the network or Slack does is in the receipt. Digests and evidence have no request."""
        identity = self._identity()
        if identity is None:
            doubt = delivery.in_doubt_since is not None
            return Receipt(DeliveryOutcome.LATER, problem="not_connected_yet", in_doubt=doubt, posted_nothing=True)
        if request is not None and _is_past(delivery, request, event):
            problem = "too_late_for_a_card" if request.over else "card_is_there"
            return Receipt(DeliveryOutcome.IMPOSSIBLE, problem=problem)
        try:
            if delivery.in_doubt_since is not None and delivery.kind.is_new_message:
                found = await self._find(delivery, request, identity)
                if found is not None:
                    return found
            if delivery.kind is DeliveryKind.COPIES:
                return await self._remove_copies(delivery, request, identity)
            if delivery.kind is DeliveryKind.EVIDENCE:
                return await self._evidence(delivery, event)
            if delivery.kind is DeliveryKind.ANNOUNCEMENT:
                return await self._announce(delivery, identity, event)
            if request is None or delivery.kind is DeliveryKind.DIGEST:
                return await self._post_digest(delivery, identity, event)
            match delivery.kind:
                case DeliveryKind.CARD:
                    return await self._post_card(delivery, identity, request)
                case DeliveryKind.CARD_UPDATE:
                    return await self._update(request)
                case DeliveryKind.REPLY:
                    return await self._reply(delivery, identity, request, event)
                case DeliveryKind.DIRECT_MESSAGE | DeliveryKind.RECEIPT:
                    channel = await self._direct_channel(delivery.target)
                    message = _to_requester(delivery, identity, request, event, self._presentation)
                    try:
                        return await self._post(delivery, identity, channel, message)
                    except Exception:
                        # Slack may have named one that is not there, so the next try asks for it again.
                        self._direct_channels.pop(delivery.target, None)
                        raise
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
        if problem := _not_about(answer, channel):
            return problem
        return _delivered(identity, channel, str(answer["ts"]))

    async def _post_card(self, delivery: Delivery, identity: Identity, request: Request) -> Receipt:
        if delivery.contradicted:
            return _blocked(delivery, str(Trouble.RECORD_CONTRADICTS))
        if request.too_late_for_a_card:
            return Receipt(DeliveryOutcome.IMPOSSIBLE, problem="too_late_for_a_card")
        if (why_not := await self._why_not(request.card_channel)) is not None:
            return _blocked(delivery, why_not)
        message = card.card(request, self._presentation)
        return await self._post(delivery, identity, request.card_channel, message)

    async def _post_digest(self, delivery: Delivery, identity: Identity, event: Event) -> Receipt:
        if (why_not := await self._why_not(delivery.target)) is not None:
            return _blocked(delivery, why_not)
        return await self._post(delivery, identity, delivery.target, digest.digest(event))

    async def _why_not(self, channel: str) -> str | None:
        """Return why a card or a digest does not belong in this channel, or None where it does."""
        match await self._place(channel):
            case Verdict.SHARED_CHANNEL | Verdict.DIRECT_MESSAGE as place:
                return str(place)
            case Verdict.UNCHECKED:
                return "channel_not_checked"
        return None

    async def _announce(self, delivery: Delivery, identity: Identity, event: Event) -> Receipt:
        """Post that a freeze has begun or ended, unless strangers would read why."""
        place = await self._place(delivery.target)
        if place in {Verdict.SHARED_CHANNEL, Verdict.DIRECT_MESSAGE}:
            return Receipt(DeliveryOutcome.IMPOSSIBLE, problem=str(place))
        if place is Verdict.UNCHECKED:
            doubt = delivery.in_doubt_since is not None
            return Receipt(DeliveryOutcome.LATER, problem="channel_not_checked", in_doubt=doubt, posted_nothing=True)
        return await self._post(delivery, identity, delivery.target, freezes.announcement(event))

    async def _for_its_channel(self, request: Request) -> Request:
        """Return the request without the reason of a freeze where people of another company may read its card.

        The card was there before, and whoever asked knew that; whoever froze everything did not.
        """
        if request.freeze is None:
            return request
        try:
            place = await self._place(request.card_channel)
        except Exception:  # noqa: BLE001 -- whatever it was, nothing is known of the channel
            place = Verdict.UNCHECKED
        if place not in {Verdict.SHARED_CHANNEL, Verdict.UNCHECKED}:
            return request
        return replace(request, freeze=replace(request.freeze, why=""))

    async def _update(self, request: Request) -> Receipt:
        if request.card_ts is None:
            return Receipt(DeliveryOutcome.IMPOSSIBLE, problem="no_card")
        message = card.card(await self._for_its_channel(request), self._presentation)
        problem = await self._change(request.card_channel, request.card_ts, message)
        done = Receipt(DeliveryOutcome.DELIVERED, request.card_channel, request.card_ts, request.card_link)
        return problem or done

    async def _update_receipt(self, delivery: Delivery, identity: Identity, request: Request) -> Receipt:
        if delivery.receipt is None:
            return Receipt(DeliveryOutcome.IMPOSSIBLE, problem="no_receipt")
        channel, ts = delivery.receipt
        message = receipt.receipt(request, delivery.missing_card, identity.bot_user_id, self._presentation)
        return await self._change(channel, ts, message) or Receipt(DeliveryOutcome.DELIVERED, channel, ts)

    async def _change(self, channel: str, ts: str, message: Message) -> Receipt | None:
        """Update a message. Return why its answer proves nothing, or None where it does."""
        answer = await self._client.chat_update(channel=channel, ts=ts, text=message.text, blocks=message.blocks)
        return _not_about(answer, channel, ts)

    async def _reply(
        self,
        delivery: Delivery,
        identity: Identity,
        request: Request,
        event: Event,
    ) -> Receipt:
        if request.card_ts is None:
            return Receipt(DeliveryOutcome.IMPOSSIBLE, problem="no_card")
        shown = await self._for_its_channel(request)
        message = (
            notices.notice(shown, event, self._presentation, self._now())
            if type(event.content) in PASSING
            else results.reply(shown, event, self._presentation)
        )
        channel = request.card_channel
        try:
            return await self._post(delivery, identity, channel, message, thread_ts=request.card_ts)
        except Exception as error:
            if problem_of(error).name not in THREAD_GONE:
                raise
        # Somebody deleted the card; the result still belongs in the channel.
        return await self._post(delivery, identity, channel, message)

    async def _direct_channel(self, user: str) -> str:
        if user not in self._direct_channels:
            self._direct_channels[user] = await answers.direct_channel(self._client, user)
        return self._direct_channels[user]

    async def _channel(self, kind: DeliveryKind, target: str, request: Request | None) -> str:
        """Return the channel of a new message of this kind."""
        if kind.to_requester or kind is DeliveryKind.EVIDENCE:
            return await self._direct_channel(target)
        return target if request is None else request.card_channel

    async def _find(self, delivery: Delivery, request: Request | None, identity: Identity) -> Receipt | None:
        """Return the receipt of a try that an earlier one makes needless, or of the search; None if it must be posted.

        None only where everything was looked at: the message is not there, as far as anybody can see by now.
        """
        try:
            channel = await self._channel(delivery.kind, delivery.target, request)
            thread = request.card_ts if request is not None and delivery.kind is DeliveryKind.REPLY else None
            found = await self._search(delivery, identity, channel, thread)
        except Exception as error:  # noqa: BLE001 -- every failure becomes a receipt; none may end the worker
            return replace(_receipt(error, delivery.kind, in_doubt=True), posted_nothing=True)
        if not found:
            return None
        log.info("found_again", request=delivery.request_id, kind=str(delivery.kind))
        return _delivered(identity, channel, min(found))

    async def _search(
        self, delivery: Delivery, identity: Identity, channel: str, thread: str | None, *, everything: bool = False
    ) -> set[str]:
        """Return the timestamps of this delivery's messages, of one or of ``everything``.

        Raises UnfinishedError, or what the client raises; the next try goes on where this one had to stop.
        """
        assert delivery.in_doubt_since is not None
        kind = delivery.kind if delivery.original is None else delivery.original.kind
        search = self._searches.pop(delivery.position, None) or Search(
            self._client,
            identity.bot_id,
            delivery.id,
            channel=channel,
            thread=thread,
            first=delivery.in_doubt_since,
            last=delivery.last_try_at or delivery.in_doubt_since,
            now=self._now(),
            by_text=kind is DeliveryKind.EVIDENCE,
        )
        try:
            await search.go_on(everything=everything)
        except Exception:
            self._searches[delivery.position] = search
            raise
        return search.found

    async def _remove_copies(self, delivery: Delivery, request: Request | None, identity: Identity) -> Receipt:
        """Delete every other message of the delivery that this one is about: Slack may have shown it late.

        Of a delivery that was called off no message stays, and of files the first one does.
        """
        assert delivery.original is not None
        kind, ts = delivery.original.kind, delivery.original.ts
        channel = delivery.original.channel
        # A reply is in the thread, unless the card was gone.
        thread = request.card_ts if request is not None and kind is DeliveryKind.REPLY else None
        try:
            channel = channel or await self._channel(kind, delivery.target, request)
            found = await self._search(delivery, identity, channel, thread, everything=True)
            if kind is DeliveryKind.EVIDENCE:
                # Slack does not say where it puts a file.
                ts = min(found, default="")
            for copy in sorted(found - {ts}):
                await self._client.chat_delete(channel=channel, ts=copy)
        except Exception as error:
            problem = problem_of(error)
            if isinstance(error, UnfinishedError) or not problem.refusal:
                raise
            log.warning("duplicate_not_deleted", problem=problem.name)
        return Receipt(DeliveryOutcome.DELIVERED, channel, ts)


def _to_requester(
    delivery: Delivery, identity: Identity, request: Request, event: Event, presentation: Presentation
) -> Message:
    """Return the message that reports an event, or the receipt as it must look now."""
    missing = delivery.missing_card
    if delivery.kind is DeliveryKind.RECEIPT:
        return receipt.receipt(request, missing, identity.bot_user_id, presentation)
    if event.kind in _ABOUT_MISSING_CARD and missing is not None:
        return missing_card.message(request, missing, identity.bot_user_id, presentation)
    if type(event.content) in PASSING:
        return notices.direct_notice(request, event)
    return results.direct_message(request, event, presentation, missing)


def _is_past(delivery: Delivery, request: Request, event: Event) -> bool:
    """Return True for a message that the card is missing, where it is there again or nobody needs it any more."""
    about_card = delivery.kind is DeliveryKind.DIRECT_MESSAGE and event.kind in _ABOUT_MISSING_CARD
    return about_card and (delivery.missing_card is None or not policy.needs_card(request))


def _not_about(answer: AsyncSlackResponse, channel: str, ts: str | None = None) -> Receipt | None:
    """Return why an "ok" does not prove that this message is there, or None where it does.

    It must name the channel that was asked for, and the message, where that is known before. Only the search can say
    where a new message is whose answer names no place or another one.
    """
    named = answer.get("channel"), answer.get("ts")
    if not all(isinstance(each, str) and each for each in named):
        return Receipt(DeliveryOutcome.IN_DOUBT, problem="no_place_in_answer", in_doubt=True)
    if named != (channel, ts or named[1]):
        return Receipt(DeliveryOutcome.IN_DOUBT, problem="another_place_in_answer", in_doubt=True)
    return None


def _delivered(identity: Identity, channel: str, ts: str) -> Receipt:
    return Receipt(DeliveryOutcome.DELIVERED, channel, ts, identity.permalink(channel, ts))


def _blocked(delivery: Delivery, problem: str) -> Receipt:
    doubt = delivery.in_doubt_since is not None
    return Receipt(DeliveryOutcome.BLOCKED, in_doubt=doubt, posted_nothing=True, problem=problem)


def _receipt(error: Exception, kind: DeliveryKind | None, *, in_doubt: bool) -> Receipt:
    """Return what a failure means for a delivery of this kind, or for a Home tab, where an earlier try is in doubt."""
    if isinstance(error, UnfinishedError):
        return Receipt(DeliveryOutcome.LATER, problem="search_goes_on", in_doubt=True, posted_nothing=True)
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
    posted_nothing = not (problem.unclear or twice)
    return Receipt(
        outcome,
        problem=problem.name,
        retry_after=problem.retry_after,
        in_doubt=in_doubt or outcome is DeliveryOutcome.IN_DOUBT or twice,
        posted_nothing=posted_nothing,
    )


def _method(error: Exception) -> str:
    """Return the name of the method that gave this error, or an empty text if no answer of Slack's did."""
    address = getattr(error.response, "api_url", "") if isinstance(error, SlackApiError) else ""
    return str(address).rpartition("/")[2]
