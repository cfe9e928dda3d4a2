"""The demo: the real bot in a local workspace, from the first command to the proof of the record."""

import asyncio
import os
import tempfile
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from bot import log
from bot.app import Bot
from bot.domain.audit import Verification, parse_head, verify
from bot.sandbox.faults import Drop
from bot.sandbox.gateway import LocalGateway
from bot.sandbox.person import Person
from bot.sandbox.slack import LocalSlack
from bot.sandbox.workspace import Message
from bot.settings import load

T = TypeVar("T")

PAYMENTS = "C0PAYMENTS"
ANN, BEN, VERA = "U0ANN", "U0BEN", "U0VERA"


async def play() -> int:
    """Play the story and print it; 0 if everything came as it should, 1 if not."""
    log.configure("ERROR", "console", [])
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        # Everything here is on loopback; a proxy would stand in the way.
        os.environ.pop(name, None)
        os.environ.pop(name.lower(), None)
    with tempfile.TemporaryDirectory() as folder:
        async with LocalSlack() as slack, LocalGateway() as gateway:
            story = _Story(slack, gateway, Path(folder) / "demo.db")
            try:
                await story.play()
            except TimeoutError:
                print("\nThe story stopped: what should have come next did not come within ten seconds.")
                return 1
            finally:
                await story.close()
    return 0


class _Story:
    def __init__(self, slack: LocalSlack, gateway: LocalGateway, database: Path) -> None:
        self._slack, self._gateway, self._database = slack, gateway, database
        for user, name in ((ANN, "ann"), (BEN, "ben"), (VERA, "vera")):
            slack.space.add_user(user, name)
        slack.space.add_channel(PAYMENTS, "payments", (ANN, BEN, VERA))
        for order, status in (
            ("ord_1001", "pending"),
            ("ord_1002", "completed"),
            ("ord_1003", "pending"),
            ("ord_1004", "processing"),
        ):
            gateway.add_order(order, status)
        self._ann, self._ben, self._vera = (Person(slack, user) for user in (ANN, BEN, VERA))
        self._bot: Bot | None = None

    async def play(self) -> None:
        """All scenes."""
        print("A local Slack and a local gateway are up. The bot is the real one.")
        print("ann asks for cancellations and may approve; ben approves; vera audits.")
        await self._start_bot()
        await self._approved()
        await self._completed()
        await self._rejected()
        await self._answer_lost()
        await self._looked_up()
        await self._verified()

    async def close(self) -> None:
        """Stop the bot, whatever happened."""
        if self._bot is not None:
            await self._bot.stop()

    async def _start_bot(self) -> None:
        settings = load(
            {
                "SLACK_BOT_TOKEN": self._slack.bot_token,
                "SLACK_APP_TOKEN": self._slack.app_token,
                "SLACK_API_URL": self._slack.api_url,
                "DVPAY_BASE_URL": self._gateway.base_url,
                "DVPAY_API_KEY": "local-key",
                "DVPAY_APP_ID": "local-app",
                "PORT": "0",
                "DATABASE_URL": f"sqlite:///{self._database}",
                "APPROVERS": f"{ANN},{BEN}",
                "AUDITORS": VERA,
            }
        )
        self._bot = Bot(settings)
        await self._bot.start()
        await asyncio.wait_for(self._bot.connection.ready.wait(), 10)

    # --- scenes -------------------------------------------------------------------------------

    async def _approved(self) -> None:
        _scene("A request, a refused self-approval, an approval")
        card = await self._ask(self._ann, "ord_1001", "The customer ordered twice")
        self._show("#payments", card)
        await self._press(self._ann, card, "approve")
        self._show("only ann sees", await self._wait(lambda: _last(self._ann.ephemerals)))
        await self._press(self._ben, card, "approve")
        await self._result(card, "Cancelled")
        self._show("ann, direct message", await self._wait(lambda: _last(self._ann.direct_messages)))

    async def _completed(self) -> None:
        _scene("An order that is completed must be refunded")
        card = await self._ask(self._ann, "ord_1002", "The customer changed their mind")
        await self._press(self._ben, card, "approve")
        await self._result(card, "Not cancelled")

    async def _rejected(self) -> None:
        _scene("A rejection, with its reason")
        card = await self._ask(self._ann, "ord_1003", "Looks like fraud")
        await self._press(self._ben, card, "reject")
        await self._wait(lambda: self._ben.modal)
        _does(self._ben, "fills in the form: I called the customer, the order is fine")
        await self._ben.submit(reason="I called the customer, the order is fine")
        await self._result(card, "Rejected")

    async def _answer_lost(self) -> None:
        _scene("The gateway cancels, but its answer is lost on the way")
        self._gateway.faults.add("ord_1004", Drop(after_effect=True))
        card = await self._ask(self._ann, "ord_1004", "Wrong amount")
        await self._press(self._ben, card, "approve")
        await self._result(card, "Cancelled")
        effects = self._gateway.effects["ord_1004"]
        print(f"    The gateway was called twice and cancelled {effects} time.")

    async def _looked_up(self) -> None:
        _scene("The auditor looks it up")
        for line in ("/cancel-audit", "/cancel-audit @ben state:rejected", "/cancel-audit ord_1001"):
            known = len(self._vera.ephemerals)
            _does(self._vera, f"types {line}")
            await self._vera.command(line, PAYMENTS)
            await self._wait(lambda known=known: len(self._vera.ephemerals) > known)  # type: ignore[misc]
            self._show("only vera sees", self._vera.ephemerals[-1])

    async def _verified(self) -> None:
        _scene("The record is proved against the last head that stands in Slack")
        heads = [
            line.split("Record ")[1].split(" ")[0]
            for message in self._slack.space.posted
            if message.thread_ts
            for line in self._ann.reads(message).splitlines()
            if "Record #" in line
        ]
        assert self._bot is not None
        found: Verification = await self._bot.store.read(
            lambda reader: verify(reader.events(), parse_head(heads[-1])),
        )
        if found.damage is not None:
            raise TimeoutError
        print(f"    $ python -m bot audit verify --head '{heads[-1]}'")
        print(f"    The record is whole: {found.events} events, head {found.head}.")

    # --- what people do and see ---------------------------------------------------------------

    async def _ask(self, person: Person, order: str, reason: str) -> Message:
        _does(person, f"types /cancel-order {order} {reason}")
        await person.command(f"/cancel-order {order} {reason}", PAYMENTS)
        await self._wait(lambda: person.modal)
        _does(person, "sends the form that opens")
        await person.submit()
        return await self._wait(lambda: self._card(order))

    async def _press(self, person: Person, card: Message, action: str) -> None:
        _does(person, f"presses {action.capitalize()}")
        await person.click(card, action)

    async def _result(self, card: Message, words: str) -> None:
        """The card in its final state and the reply in its thread."""
        await self._wait(lambda: words in self._ann.reads(card))
        self._show("#payments, the card now", card)
        reply = await self._wait(lambda: _last(self._slack.space.messages(PAYMENTS, card.ts)))
        self._show("#payments, in the card's thread", reply)

    def _card(self, order: str) -> Message | None:
        cards = [message for message in self._slack.space.messages(PAYMENTS) if order in self._ann.reads(message)]
        return _last(cards)

    async def _wait(self, look: Callable[[], T | None]) -> T:
        return await self._slack.space.changes.wait_for(look)

    def _show(self, where: str, message: Message) -> None:
        print(f"\n    ({where})")
        print(textwrap.indent(self._ann.reads(message), "    | "))
        print()


def _last(messages: list[Message]) -> Message | None:
    return messages[-1] if messages else None


def _scene(title: str) -> None:
    print(f"\n=== {title}\n")


def _does(person: Person, what: str) -> None:
    print(f"  {person.name} {what}")
