"""A stage with a quick bot, and with what tests wait for there."""

import contextlib
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import aiohttp
import pytest

from bot.clock import utc_now
from bot.domain.audit import BOT, Event
from bot.domain.cancellation import State
from bot.domain.events import ClickRefused, RequestRefused
from bot.domain.lookup import Lookup
from bot.domain.policy import Verdict
from bot.sandbox.files import SlackFile
from bot.sandbox.notifications import Notification
from bot.sandbox.person import Person
from bot.sandbox.slack import NotAcknowledged
from bot.sandbox.stage import ANN, BEN, CLEO, GENERAL, OLGA, PAYMENTS, VERA, Stage
from bot.sandbox.workspace import Posted
from bot.store import Place, open_reader
from bot.tuning import Tuning
from bot.workflow import Patience

__all__ = [
    "ANN",
    "BEN",
    "CLEO",
    "LEADS",
    "LOBBY",
    "OLGA",
    "PAYMENTS",
    "PRIVATE",
    "QUICK",
    "VERA",
    "Desk",
    "quick_tuning",
]

LOBBY = GENERAL
"""The channel in which people type commands; the cards go to another one."""
PRIVATE = "G0PRIVATE"
LEADS = "S0LEADS"
"""A user group with Cleo in it."""

SLACK_WAITS = 30.0
"""Seconds, which are more than Slack's three: a busy machine may stand still for a moment."""

QUICK = Patience(
    first_pause=timedelta(milliseconds=5),
    longest_pause=timedelta(milliseconds=20),
    longest_delivery_pause=timedelta(milliseconds=20),
    max_attempts=4,
    settle_delay=timedelta(milliseconds=300),
    receipt_waits=timedelta(seconds=10),
    message_every=timedelta(0),
)


def quick_tuning(**changes: Any) -> Tuning:
    """Return a tuning with short pauses and without a limit on messages.

    The interval of the pings stays as it is: the SDK drops a connection after half of it without an answer, and a test
    that stands still for a moment would lose a click.
    """
    quick: dict[str, Any] = {
        "patience": QUICK,
        "slack_waits": SLACK_WAITS,
        "store_check": 0.05,
        "metrics_check": 0.05,
        "record_check": 0.05,
    }
    return Tuning(**quick | changes)


class Desk(Stage):
    """A stage with a few orders. Ben and the leads approve.

    Slack waits for ``ack_within`` seconds here, which is longer than it really does: a busy machine may stand still for
    a moment.
    """

    def __init__(
        self,
        place: Place,
        *,
        now: Callable[[], datetime] = utc_now,
        ack_within: float = SLACK_WAITS,
        rate_limited: bool = False,
    ) -> None:
        super().__init__(
            place,
            orders={"ord_1": "pending", "ord_2": "pending", "ord_3": "pending", "ord_done": "completed"},
            settings={"APPROVERS": f"{BEN},{LEADS}"},
            tuning=quick_tuning(),
            now=now,
            ack_within=ack_within,
            rate_limited=rate_limited,
        )
        self.slack.space.groups[LEADS] = [CLEO]

    @property
    def by_http(self) -> dict[str, str]:
        """The changes of the settings with which Slack's requests come over HTTP."""
        return {"SLACK_APP_TOKEN": "", "SLACK_SIGNING_SECRET": self.slack.signing_secret}

    @contextlib.contextmanager
    def unacknowledged(self) -> Iterator[None]:
        """Expect that the bot acknowledges nothing of what is sent to it here, and give it half a second only."""
        within, self.slack.ack_within = self.slack.ack_within, 0.5
        with pytest.raises(NotAcknowledged):
            yield
        self.slack.ack_within = within

    async def wait(self, look: Any, within: float = 10.0) -> Any:
        """Return the first true result of ``look``, which is called again at each change in Slack."""
        return await self.slack.space.changes.wait_for(look, within)

    async def card_says(self, card: Posted, words: str) -> str:
        """Return the card's text, as soon as these words are in it."""
        found: str = await self.wait(lambda: (text := self.ann.reads(card)) if words in self.ann.reads(card) else None)
        return found

    async def replies(self, card: Posted, count: int = 1) -> list[str]:
        """Return the messages in the card's thread, as soon as there are so many."""

        def look() -> list[str] | None:
            thread = self.slack.space.messages(card.channel, card.ts)
            return [self.ann.reads(message) for message in thread] if len(thread) >= count else None

        found: list[str] = await self.wait(look)
        return found

    async def endings(self, card: Posted) -> list[str]:
        """Return the messages in the card's thread that tell how it ended, without what passes, once there is one."""

        def look() -> list[str]:
            thread = map(self.ann.reads, self.slack.space.messages(card.channel, card.ts))
            return [text for text in thread if not text.startswith(("👀", "⏰", "🔔", "⏳"))]

        found: list[str] = await self.wait(look)
        return found

    async def told(self, person: Person, count: int = 1) -> str:
        """Return the last answer that this person alone reads, as soon as they have got so many.

        That their request went to another channel is no answer to a click.
        """
        await self.wait(lambda: len(self.answers(person)) >= count)
        return person.reads(self.answers(person)[-1])

    def answers(self, person: Person) -> list[Posted]:
        """Return the answers that this person alone reads, the oldest first."""
        return [message for message in person.ephemerals if "The approval card for " not in message.text]

    def receipts(self, person: Person) -> list[Posted]:
        """Return the receipts of this person's requests, the oldest first."""
        return [message for message in person.direct_messages if self._is_receipt(message)]

    def results(self, person: Person) -> list[Posted]:
        """Return the other direct messages to this person, the oldest first."""
        return [message for message in person.direct_messages if not self._is_receipt(message)]

    def _is_receipt(self, message: Posted) -> bool:
        delivery = (message.metadata or {}).get("event_payload", {}).get("delivery_id")
        with open_reader(self.place) as tables:
            sql = "SELECT 1 FROM deliveries WHERE id = ? AND kind = 'receipt'"
            return bool(tables.connection.execute(sql, (delivery,)))

    async def direct(self, person: Person, count: int = 1) -> str:
        """Return the bot's last direct message to this person but for receipts, as soon as there are so many."""
        await self.wait(lambda: len(self.results(person)) >= count)
        return person.reads(self.results(person)[-1])

    async def receipt(self, words: str = "", person: Person | None = None) -> Posted:
        """Return this person's newest receipt, as soon as it says these words; it is Ann's unless another is named."""
        reader = person or self.ann

        def look() -> Posted | None:
            found = self.receipts(reader)[-1:]
            return found[0] if found and words in reader.reads(found[0]) else None

        receipt: Posted = await self.wait(look)
        return receipt

    async def notified(self, person: Person, count: int = 1) -> list[Notification]:
        """Return all that this person was notified of, as soon as it is so many times."""
        await self.wait(lambda: len(person.notifications) >= count)
        return person.notifications

    async def file(self, person: Person, count: int = 1) -> SlackFile:
        """Return the last file in this person's conversations, as soon as there are so many."""
        await self.wait(lambda: len(person.files) >= count)
        return person.files[-1]

    async def events(self) -> list[Event]:
        """Return the whole record."""
        return await self.running_bot.store.read(lambda tables: list(tables.record.all()))

    async def state(self, order: str = "ord_1") -> State | None:
        """Return the state of the order's newest request, or None if nobody asked."""
        found = await self.running_bot.store.read(lambda tables: tables.lookups.find(Lookup(order_id=order), limit=1))
        return found.items[0].state if found.items else None

    async def refusal(self) -> tuple[str, str | None, Verdict | None]:
        """Return who was refused last, about which order, and why; why is None if people's last event is no refusal."""
        last = [event for event in await self.events() if event.actor != BOT][-1]
        why = last.content.why if isinstance(last.content, RequestRefused | ClickRefused) else None
        return last.actor, last.order_id, why

    async def deliver_again(self, payload: dict[str, Any]) -> None:
        """Deliver an interaction once more, as it was; over HTTP the same signature is refused as a replay."""
        with contextlib.suppress(*([NotAcknowledged] if self.slack.events_url else [])):
            await self.slack.deliver("interactive", payload)

    async def get(self, path: str) -> tuple[int, dict[str, Any]]:
        """Return the status and the JSON that the bot answers on its own port."""
        url = f"http://127.0.0.1:{self.running_bot.port}{path}"
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            return answer.status, await answer.json()
