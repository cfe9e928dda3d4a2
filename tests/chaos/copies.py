"""Messages that are in Slack more often than once, and whether the bot could have known."""

import json
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bot.sandbox.slack import Call, LocalSlack
from bot.sandbox.workspace import Json, Posted
from tests.chaos.troubles import UPDATE_LOST

_HISTORY, _REPLIES = "conversations.history", "conversations.replies"
_NO_REFUSALS = {"ratelimited", "internal_error", "thread_not_found"}
"""Slack is away, or the message can go elsewhere."""
_MOST_PAGES = 25
"""A search ends after so many pages of history, and after so many pages of a thread."""

_TOLD = {"cursor", "latest", "oldest", "ts", "thread_ts"}

Place = tuple[str, str]
"""A message's channel and timestamp."""


@dataclass(frozen=True, slots=True)
class Deleted:
    """A message that somebody deleted, and how many calls to Slack there had been by then."""

    message: Posted
    calls: int


@dataclass(frozen=True, slots=True)
class Update:
    """An update that Slack said yes to, and whether it made it; ``index`` is that of the call."""

    index: int
    call: Call
    made: bool


class Calls:
    """The calls to Slack in their order. ``several`` is true where several bots made them."""

    def __init__(self, slack: LocalSlack, deleted: Sequence[Deleted], *, several: bool = False) -> None:
        self._calls = slack.calls
        self._several = several
        self._taken_back: set[Place] = set()
        """The messages that a bot deleted, or tried to."""
        self._gone: dict[Place, int] = {(found.message.channel, found.message.ts): found.calls for found in deleted}
        """The index of the first call after which each deleted message was no longer there."""
        self.posts: defaultdict[str, list[tuple[int, Place]]] = defaultdict(list)
        """For each delivery the calls that posted it, by index, and the place of the message."""
        self.refusals: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
        """Why and when Slack refused to post each delivery."""
        self._updates: defaultdict[Place, list[Update]] = defaultdict(list)
        for index, call in enumerate(self._calls):
            self._take(index, call)

    def _take(self, index: int, call: Call) -> None:
        arguments, answer = call.arguments, call.answer
        place = str(arguments.get("channel")), str(arguments.get("ts"))
        if call.method == "chat.postMessage" and isinstance(answer, dict):
            # A private answer that found no other way is nobody's delivery, and no copy of another one.
            delivery = _delivery(call) or f"answer {index}"
            if answer["ok"]:
                self.posts[delivery].append((index, (answer["channel"], answer["ts"])))
            elif answer["error"] not in _NO_REFUSALS:
                self.refusals[delivery].append((answer["error"], f"{call.at:%d. %H:%M:%S.%f}"))
        elif call.method == "chat.update":
            if answer == repr(UPDATE_LOST) or (isinstance(answer, dict) and answer["ok"]):
                self._updates[place].append(Update(index, call, isinstance(answer, dict)))
        elif call.method == "chat.delete":
            self._taken_back.add(place)
            if isinstance(answer, dict) and answer["ok"]:
                self._gone[place] = index

    def delivery(self, index: int) -> str:
        """Return the id of the delivery that this call was to post."""
        return _delivery(self._calls[index])

    # --- copies -------------------------------------------------------------------------------

    @property
    def copied(self) -> set[Place]:
        """The places of all messages whose delivery was posted more than once."""
        return {place for posts in self.posts.values() if len(posts) > 1 for _, place in posts}

    def excuses(self) -> Iterator[tuple[str, str]]:
        """Yield each delivery once for each post of it after the first, and why the bot could not know; empty if so."""
        for delivery, posts in self.posts.items():
            for number, (index, place) in enumerate(posts[1:], 1):
                search = self._last_of(self._search_before(index, delivery, place[0]))
                search = sorted({*search, *self._in_thread(index, posts[number - 1][0])})
                reasons = {
                    self._below_deleted(at, index)
                    or self._unseen(earlier, search)
                    or self._there_for_a_moment(earlier, place)
                    for at, earlier in posts[:number]
                }
                # Each of the earlier ones would have been enough.
                yield delivery, "" if "" in reasons else max(reasons)

    def was_hidden(self, place: Place) -> bool:
        """Return True if Slack hid this message from a search."""
        channel, ts = place
        return any(ts in call.hidden and call.arguments.get("channel") == channel for call in self._calls)

    def between_posts(self, delivery: str) -> list[str]:
        """Return a line for each post of this delivery and each call about its channel in between or just before."""
        posts = self.posts[delivery]
        channel = posts[0][1][0]
        lines = []
        for index in range(max(0, posts[0][0] - 60), posts[-1][0] + 1):
            call = self._calls[index]
            if call.arguments.get("channel") == channel and call.method != "chat.update":
                shown = {name: str(value)[:40] for name, value in call.arguments.items() if name in _TOLD}
                answer = call.answer if isinstance(call.answer, str) else str(list(_seen(call)) or call.answer)
                lines.append(f"{index} {call.method} {shown} {answer[:300]} hidden {sorted(call.hidden)}")
        return lines

    def _search_before(self, index: int, delivery: str, channel: str) -> list[int]:
        """Return the calls of the search right before this post, by index, in their order.

        The bot looks at the thread, if there is one, then at the channel, and posts. It brings one message at a time to
        a channel, so nothing of another delivery is between these calls. A search that found its message ends without
        a post: the times of its doubt tell it from the next one.
        """
        search: list[int] = []
        begin, times = "", set[str]()
        for earlier in range(index - 1, -1, -1):
            call = self._calls[earlier]
            if call.arguments.get("channel") != channel:
                continue
            if call.method == "chat.postMessage" and (search or _delivery(call) != delivery):
                break
            if call.method not in {_HISTORY, _REPLIES} or not isinstance(call.answer, dict):
                continue
            # After all looks around a time comes one at the newest messages, which has no bounds.
            of_newest = begin == "None" and self._bounds(earlier) != ("None", "None")
            if begin and call.method == _HISTORY and not of_newest:
                break
            if times and (other := self._times(earlier)) and times.isdisjoint(other):
                break  # what another delivery was looked for, and found
            times |= self._times(earlier)
            search.insert(0, earlier)
            oldest = str(call.arguments.get("oldest"))
            is_first = not call.arguments.get("cursor") and not call.arguments.get("latest")
            if call.method == _HISTORY and is_first:
                begin = oldest
            elif call.method == _REPLIES and is_first and oldest == begin:
                break
        return search

    def _last_of(self, search: list[int]) -> list[int]:
        """Return the calls from the last time on that the search of the channel began: a killed bot begins it again."""
        begins = [index for index in search if self._calls[index].method == _HISTORY and not self._has_cursor(index)]
        if not begins:
            return search
        first = self._bounds(begins[0])
        last = max(index for index in begins if self._bounds(index) == first)
        return [index for index in search if index >= last or self._calls[index].method == _REPLIES]

    def _has_cursor(self, index: int) -> bool:
        return bool(self._calls[index].arguments.get("cursor"))

    def _times(self, index: int) -> set[str]:
        """Return the thousandths of the times around which this call looks; other bounds are those of messages."""
        return {bound.partition(".")[2] for bound in self._bounds(index) if bound.endswith("000")}

    def _bounds(self, index: int) -> tuple[str, str]:
        arguments = self._calls[index].arguments
        return str(arguments.get("oldest")), str(arguments.get("latest"))

    def _looked_at(self, index: int) -> tuple[float, float]:
        """Return the times of which this look saw all messages: of the newest ones, only a page is looked at."""
        oldest, latest = self._bounds(index)
        seen = [float(ts) for ts in _seen(self._calls[index])]
        if (oldest, latest) == ("None", "None") and seen:
            return min(seen), math.inf
        return _time(oldest, 0), _time(latest, math.inf)

    def _in_thread(self, index: int, since: int) -> list[int]:
        """Return the latest look into the thread of this post since another one, by index: its first page and the rest.

        The HTTP client asks again where a connection ends, so other looks at the channel may be in between.
        """
        thread = self._calls[index].arguments.get("thread_ts")
        looks: list[int] = []
        for number in range(since + 1, index):
            call = self._calls[number]
            if call.method == _REPLIES and call.arguments.get("ts") == thread and isinstance(call.answer, dict):
                looks = [*looks, number] if call.arguments.get("cursor") else [number]
        return looks

    def _below_deleted(self, index: int, before: int) -> str:
        """Return a reason if this post went to the thread of a message that was deleted before the call ``before``.

        People look at the card that came in its place, so the message belongs there.
        """
        call = self._calls[index]
        above = str(call.arguments.get("channel")), str(call.arguments.get("thread_ts"))
        return "below a deleted card" if self._gone.get(above, before) < before else ""

    def _there_for_a_moment(self, *places: Place) -> str:
        """Return a reason if one of these was taken back: a bot stood still, and another one posted in its place.

        Somebody may have deleted it before the bot could. Two that are left are judged elsewhere.
        """
        if not self._several:
            return ""
        return "taken back" if not self._taken_back.isdisjoint(places) or any(p in self._gone for p in places) else ""

    def _unseen(self, place: Place, search: list[int]) -> str:
        """Return why this search could not find this message; empty if it could."""
        calls = [self._calls[index] for index in search]
        if not search or place[1] in {ts for call in calls for ts in _seen(call)}:
            return ""
        if self._gone.get(place, search[-1] + 1) <= search[-1]:
            return "deleted"
        if any(place[1] in call.hidden for call in calls):
            return "hidden by Slack"
        looks = [self._looked_at(index) for index in search if self._calls[index].method == _HISTORY]
        if looks and not any(oldest < float(place[1]) < latest for oldest, latest in looks):
            return "clocks more than a day apart"
        for method in (_HISTORY, _REPLIES):
            pages = [call.answer for call in calls if call.method == method and isinstance(call.answer, dict)]
            if len(pages) >= _MOST_PAGES and pages[-1].get("has_more"):
                return f"beyond {_MOST_PAGES} pages"
        return ""

    # --- updates ------------------------------------------------------------------------------

    def last_lost(self, place: Place, before: int | None = None) -> Call | None:
        """Return the last update of this message (before this call) if Slack said yes to it and did not make it."""
        updates = [found for found in self._updates[place] if before is None or found.index < before]
        return updates[-1].call if updates and not updates[-1].made else None

    def last_made(self, place: Place) -> Call:
        """Return the last call that changed this message: an update, or the post."""
        made = [found.call for found in self._updates[place] if found.made]
        if made:
            return made[-1]
        (index,) = [index for posts in self.posts.values() for index, there in posts if there == place]
        return self._calls[index]


def delivery_of(metadata: Json | None) -> str:
    """Return the delivery's id in a message's metadata; empty if there is none."""
    return str((metadata or {}).get("event_payload", {}).get("delivery_id", ""))


def _delivery(call: Call) -> str:
    metadata = call.arguments.get("metadata")
    found = json.loads(metadata) if isinstance(metadata, str) else metadata
    return delivery_of(found if isinstance(found, dict) else None)


def _time(bound: str, without: float) -> float:
    return without if bound == "None" else float(bound)


def _seen(call: Call) -> Iterator[str]:
    """Yield the timestamps that a page shows."""
    if isinstance(call.answer, dict) and call.answer["ok"]:
        yield from (message["ts"] for message in call.answer.get("messages", ()))
