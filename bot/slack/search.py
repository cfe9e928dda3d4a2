"""Looking for the bot's own messages in Slack, by the id of their delivery.

A search that could not look at everything proves nothing: it goes on with the next try. A message in doubt was posted
near a time that is known, so the search begins around it, and then looks as far as two clocks may be apart. At last it
looks at the newest messages, whatever their time: a doubt is mostly young, and the clock may be wrong by more.
"""

from collections import deque
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

from slack_sdk.web.async_client import AsyncWebClient

from bot.slack.errors import problem_of

METADATA_TYPE = "request_delivery"
THREAD_GONE = {"thread_not_found", "message_not_found", "cannot_reply_to_message", "invalid_thread_ts"}

_NEAR = timedelta(minutes=10)
"""With clocks that agree, a message that was posted at a certain time has a ts so near to it."""
_CLOCKS_APART = timedelta(days=1)
"""A message's ts is Slack's time, and ours may be wrong by hours."""
_OVERLAP = timedelta(seconds=1)
"""Slack leaves the bounds themselves out, so the parts overlap."""
_MOST_PAGES = 25
"""Pages of 200 messages that one try looks at, so that it does not hold up the others."""


class UnfinishedError(Exception):
    """The search has more to look at than one try may; the next one goes on."""


async def own_deliveries(client: AsyncWebClient, channel: str, bot_id: str) -> list[str]:
    """Return the ids of this bot's deliveries among the newest messages of a channel; none where it may not read them.

    Raises what the client raises, unless Slack refuses that for good.
    """
    try:
        messages = await _newest(client, channel).page()
    except Exception as error:
        if problem_of(error).refusal:
            return []
        raise
    return [found for message in messages if (found := _delivery_of(message, bot_id))]


def _delivery_of(message: dict[str, Any], bot_id: str) -> str | None:
    metadata = message.get("metadata") or {}
    ours = message.get("bot_id") == bot_id and metadata.get("event_type") == METADATA_TYPE
    return metadata.get("event_payload", {}).get("delivery_id") if ours else None


class Search:
    """One search for the messages of one delivery, which were posted between ``first`` and ``last`` by our clock.

    It looks into the thread, if there is one, and into the channel. It is kept between two tries: where one had to
    stop, the next one goes on. The message of a file has no metadata, so that one is found ``by_text``, which has the
    id in it.
    """

    def __init__(
        self,
        client: AsyncWebClient,
        bot_id: str,
        delivery_id: str,
        *,
        channel: str,
        thread: str | None,
        first: datetime,
        last: datetime,
        now: datetime,
        by_text: bool = False,
    ) -> None:
        self.found: set[str] = set()
        """The timestamps of the messages that were found so far."""
        self._bot_id = bot_id
        self._delivery_id = delivery_id
        self._by_text = by_text
        self._parts: deque[_Part] = deque()
        early, late = first - _NEAR, last + _NEAR
        earliest, latest = first - _CLOCKS_APART, last + _CLOCKS_APART
        if thread is not None:
            # A thread begins with its oldest message, and history with the newest one.
            in_thread = {"channel": channel, "ts": thread, "oldest": _ts(earliest)}
            self._parts.append(_Part(client.conversations_replies, in_thread, "oldest"))
        # Much may have come since, after a weekend off.
        around = [(early, late), (late - _OVERLAP, latest), (earliest, early + _OVERLAP)]
        for begin, end in around if now > late else [(earliest, latest)]:
            where = {"channel": channel, "oldest": _ts(begin), "latest": _ts(end)}
            self._parts.append(_Part(client.conversations_history, where, "latest"))
        if thread is not None:
            self._parts.append(
                _Part(client.conversations_replies, {"channel": channel, "ts": thread}, "oldest", pages=1)
            )
        self._parts.append(_newest(client, channel))

    async def go_on(self, *, everything: bool = False) -> None:
        """Look until one message is found, or until ``everything`` is.

        Raises UnfinishedError, or what the client raises; call it again then.
        """
        for _ in range(_MOST_PAGES):
            if not self._parts or (self.found and not everything):
                return
            part = self._parts[0]
            self.found.update(str(each["ts"]) for each in await part.page() if self._is_ours(each))
            if part.ended:
                self._parts.popleft()
        if self._parts and (everything or not self.found):
            raise UnfinishedError

    def _is_ours(self, message: dict[str, Any]) -> bool:
        if self._by_text:
            return self._delivery_id in str(message.get("text"))
        return _delivery_of(message, self._bot_id) == self._delivery_id


class _Part:
    """A part of a channel or a thread, which is read page by page.

    ``edge`` is the bound in time that leads past a page where no cursor does: Slack may say that there is more and not
    how to get it, or give the same cursor for ever, or take a cursor no longer. It ends after so many ``pages``, if
    they are not None.
    """

    def __init__(
        self, ask: Callable[..., Awaitable[Any]], where: dict[str, str], edge: str, *, pages: int | None = None
    ) -> None:
        self.ended = False
        self._pages = pages
        self._ask = ask
        self._next = where
        """The arguments with which the next page is asked for if there is no cursor."""
        self._asked = where
        self._edge = edge
        self._cursor: str | None = None
        self._seen: set[str] = set()

    async def page(self) -> list[dict[str, Any]]:
        """Return the messages of the next page. Raises what the client raises, and then asks for the same again."""
        cursor, self._cursor = self._cursor, None
        if cursor is None:
            self._asked = self._next
        try:
            page = await self._ask(**self._asked, cursor=cursor, include_all_metadata=True, limit=200)
        except Exception as error:
            if problem_of(error).name not in THREAD_GONE:
                raise
            self.ended = True
            return []
        messages: list[dict[str, Any]] = page["messages"]
        self._leave_behind([str(message["ts"]) for message in messages])
        following = (page.get("response_metadata") or {}).get("next_cursor")
        if following and following not in self._seen:
            self._seen.add(following)
            self._cursor = following
        else:
            self.ended = not (page.get("has_more") and messages and self._next != self._asked)
        if self._pages is not None:
            self._pages -= 1
            self.ended = self.ended or self._pages == 0
        return messages

    def _leave_behind(self, times: list[str]) -> None:
        # The first message of a thread comes with each of its pages.
        times += [self._next[self._edge]] if self._edge in self._next else []
        if times:
            self._next = self._next | {self._edge: min(times) if self._edge == "latest" else max(times)}


def _newest(client: AsyncWebClient, channel: str) -> _Part:
    return _Part(client.conversations_history, {"channel": channel}, "latest", pages=1)


def _ts(at: datetime) -> str:
    return f"{at.timestamp():.6f}"
