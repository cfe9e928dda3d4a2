"""Messages that are in Slack more often than once, and whether the bot could have known."""

import json
from collections import Counter, defaultdict

from bot.sandbox.slack import Call, LocalSlack
from bot.sandbox.workspace import Json
from tests.chaos.troubles import UPDATE_LOST

_SEARCHES = {"conversations.history", "conversations.replies"}
_NO_REFUSALS = {"ratelimited", "internal_error", "thread_not_found"}
"""Slack is away, or the message can go elsewhere."""


class Calls:
    """The calls to Slack in their order; ``blind`` are spans of them in which a search could miss a message."""

    def __init__(self, slack: LocalSlack, blind: list[tuple[int, int]]) -> None:
        self._calls = slack.calls
        self._blind = blind
        self._posted: dict[tuple[str, str], int] = {}
        """The index of the call that posted the message of each channel and timestamp."""
        self.refusals: Counter[str] = Counter()
        """How often Slack refused to post each delivery."""
        self._updates: defaultdict[tuple[str, str], list[tuple[int, bool]]] = defaultdict(list)
        """The index of each update that Slack said yes to, and whether it made that update."""
        self.not_deleted: set[tuple[str, str]] = set()
        self._seen: dict[int, set[str]] = {}
        self._searches: defaultdict[str, list[int]] = defaultdict(list)
        for index, call in enumerate(self._calls):
            self._take(index, call)

    def _take(self, index: int, call: Call) -> None:
        arguments, answer = call.arguments, call.answer
        place = str(arguments.get("channel")), str(arguments.get("ts"))
        if call.method in _SEARCHES and isinstance(answer, dict) and answer["ok"]:
            self._searches[place[0]].append(index)
            self._seen[index] = {message["ts"] for message in answer["messages"]}
        elif call.method == "chat.postMessage" and isinstance(answer, dict):
            if answer["ok"]:
                self._posted[answer["channel"], answer["ts"]] = index
            elif answer["error"] not in _NO_REFUSALS:
                self.refusals[delivery_of(_object(arguments.get("metadata")))] += 1
        elif call.method == "chat.update":
            if answer == repr(UPDATE_LOST) or (isinstance(answer, dict) and answer["ok"]):
                self._updates[place].append((index, isinstance(answer, dict)))
        elif call.method == "chat.delete" and not (isinstance(answer, dict) and answer["ok"]):
            self.not_deleted.add(place)

    def excuses(self, first: tuple[str, str], second: tuple[str, str]) -> bool:
        """Return True if a search between these two posts of one message could not see the first of them."""
        earlier, later = sorted((first, second), key=self._posted.__getitem__)
        return not self.not_deleted.isdisjoint({first, second}) or self.missed(earlier, self._posted[later])

    def missed(self, place: tuple[str, str], before: int) -> bool:
        """Return True if a search before this call could not see the message at this place."""
        channel, ts = place
        return any(
            self._posted[place] < index < before and ts not in self._seen[index] and self._is_blind(index)
            for index in self._searches[channel]
        )

    def last_update_lost(self, place: tuple[str, str], before: int | None = None) -> bool:
        """Return True if Slack did not make the last update of this message (before this call), but said yes."""
        made = [made for index, made in self._updates[place] if before is None or index < before]
        return bool(made) and not made[-1]

    def _is_blind(self, index: int) -> bool:
        return any(begin <= index <= end for begin, end in self._blind)


def delivery_of(metadata: Json | None) -> str:
    """Return the delivery's id in a message's metadata; empty if there is none."""
    return str((metadata or {}).get("event_payload", {}).get("delivery_id", ""))


def _object(metadata: object) -> Json | None:
    found = json.loads(metadata) if isinstance(metadata, str) else metadata
    return found if isinstance(found, dict) else None
