"""The demo: the real bot on a local stage, from the first command to the proof of the record."""

import re
import tempfile
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from bot import log, wording
from bot.domain.audit import parse_head
from bot.sandbox.faults import Drop
from bot.sandbox.gateway import OrderStatus
from bot.sandbox.person import Person
from bot.sandbox.stage import ANN, BEN, PAYMENTS, Stage
from bot.sandbox.workspace import Posted
from bot.store import verify

T = TypeVar("T")

_ORDERS = {
    "ord_1001": OrderStatus.PENDING,
    "ord_1002": OrderStatus.COMPLETED,
    "ord_1003": OrderStatus.PENDING,
    "ord_1004": OrderStatus.PROCESSING,
}


async def play() -> int:
    """Play the demo and print it. Return 0 if everything came as expected, 1 if not."""
    log.configure("ERROR", "console", [])
    with tempfile.TemporaryDirectory() as folder:
        # Ann may approve as well, so that the demo can show that her own approval does not count.
        settings = {"APPROVERS": f"{ANN},{BEN}"}
        async with Stage(Path(folder) / "demo.db", orders=_ORDERS, settings=settings) as stage:
            try:
                intact = await _Demo(stage).play()
            except TimeoutError:
                print("\nThe demo stopped: the next step did not come within ten seconds.")
                return 1
    return 0 if intact else 1


class _Demo:
    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    async def play(self) -> bool:
        """Play all scenes. Return True if the record is intact in the end."""
        print("A local Slack and a local gateway are running. The bot is the real one.")
        print("ann asks for cancellations and may approve; ben approves; vera audits.")
        await self._stage.start_bot()
        await self._approved()
        await self._completed()
        await self._rejected()
        await self._answer_lost()
        await self._looked_up()
        return await self._verified()

    # --- scenes -------------------------------------------------------------------------------

    async def _approved(self) -> None:
        _scene("A request, a refused self-approval, an approval")
        ann, ben = self._stage.ann, self._stage.ben
        card = await self._ask("ord_1001", "The customer ordered twice")
        self._show("#payments", card)
        self._show("ann, receipt", await self._wait(lambda: _last(ann.direct_messages)))
        await self._press(ann, card, "approve")
        self._show("only ann sees", await self._wait(lambda: _last(ann.ephemerals)))
        await self._press(ben, card, "approve")
        await self._result(card, "✅ Cancelled")
        # The first one is the receipt.
        self._show("ann, direct message", await self._wait(lambda: _last(ann.direct_messages[1:])))

    async def _completed(self) -> None:
        _scene("A completed order, which only a refund can undo")
        card = await self._ask("ord_1002", "The customer changed their mind")
        await self._press(self._stage.ben, card, "approve")
        await self._result(card, "⛔ Not cancelled")

    async def _rejected(self) -> None:
        _scene("A rejection with its reason")
        ben = self._stage.ben
        card = await self._ask("ord_1003", "Looks like fraud")
        await self._press(ben, card, "reject")
        await self._wait(lambda: ben.modal)
        _does(ben, "fills in the form: I called the customer, the order is fine")
        await ben.submit(reason="I called the customer, the order is fine")
        await self._result(card, "⛔ Rejected")

    async def _answer_lost(self) -> None:
        _scene("The gateway cancels the order, but its answer is lost")
        gateway = self._stage.gateway
        gateway.faults.add("ord_1004", Drop(after_effect=True))
        card = await self._ask("ord_1004", "Wrong amount")
        await self._press(self._stage.ben, card, "approve")
        await self._result(card, "✅ Cancelled")
        calls = sum(call.order_id == "ord_1004" for call in gateway.calls)
        print(f"    Calls to the gateway: {calls}. Times that it cancelled the order: {gateway.effects['ord_1004']}.")

    async def _looked_up(self) -> None:
        _scene("The auditor looks it up")
        vera = self._stage.vera
        for line in ("/cancel-audit", "/cancel-audit @ben state:rejected", "/cancel-audit ord_1001"):
            known = len(vera.ephemerals)
            _does(vera, f"types {line}")
            await vera.command(line, PAYMENTS)
            await self._wait(lambda known=known: len(vera.ephemerals) > known)  # type: ignore[misc]
            self._show("only vera sees", vera.ephemerals[-1])

    async def _verified(self) -> bool:
        _scene("The record is checked against the last head that people see in Slack")
        threads = [message for message in self._stage.slack.space.posted if message.thread_ts]
        heads = re.findall(r"#\d+·[A-Z2-7]{26}", "\n".join(map(self._stage.ann.reads, threads)))
        found = await self._stage.running_bot.store.read(
            lambda tables: verify(tables, parse_head(heads[-1])),
        )
        print(f"    $ python -m bot audit verify --head '{heads[-1]}'")
        print(textwrap.indent(wording.verification(found), "    "))
        return found.damage is None

    # --- what people do and see ---------------------------------------------------------------

    async def _ask(self, order: str, reason: str) -> Posted:
        ann = self._stage.ann
        _does(ann, f"types /cancel-order {order} {reason}")
        await ann.command(f"/cancel-order {order} {reason}", PAYMENTS)
        await self._wait(lambda: ann.modal)
        _does(ann, "sends the form that opens")
        await ann.submit()
        return await self._stage.card(order)

    async def _press(self, person: Person, card: Posted, action: str) -> None:
        _does(person, f"presses {action.capitalize()}")
        await person.click(card, action)

    async def _result(self, card: Posted, heading: str) -> None:
        """Show the card, once it has this heading, and the reply in its thread."""
        ann = self._stage.ann
        await self._wait(lambda: heading in ann.reads(card))
        self._show("#payments, the card now", card)
        reply = await self._wait(lambda: _last(self._stage.slack.space.messages(PAYMENTS, card.ts)))
        self._show("#payments, in the card's thread", reply)

    async def _wait(self, look: Callable[[], T | None]) -> T:
        return await self._stage.slack.space.changes.wait_for(look)

    def _show(self, where: str, message: Posted) -> None:
        print(f"\n    ({where})")
        print(textwrap.indent(self._stage.ann.reads(message), "    | "))
        print()


def _last(messages: list[Posted]) -> Posted | None:
    return messages[-1] if messages else None


def _scene(title: str) -> None:
    print(f"\n=== {title}\n")


def _does(person: Person, what: str) -> None:
    print(f"  {person.name} {what}")
