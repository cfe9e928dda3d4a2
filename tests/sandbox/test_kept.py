"""The playground keeps its messages, orders and calls from one run to the next."""

from pathlib import Path

from bot.sandbox.faults import Drop
from bot.sandbox.playground.playground import Playground
from bot.sandbox.stage import ANN, BEN, PAYMENTS


async def test_a_playground_that_is_started_again_goes_on_with_its_orders(tmp_path: Path) -> None:
    """Its gateway is the same one at a new address, so an order whose answer was lost keeps no bot from its start."""
    place = tmp_path / "playground.db"
    async with Playground(place) as first:
        first.gateway.faults.choose = lambda _: Drop(after_effect=True)
        ann, changes = first.person(ANN), first.slack.space.changes
        await ann.command("/cancel-order ord_1001 typed twice", PAYMENTS)
        await changes.wait_for(lambda: ann.modal, 10)
        assert await ann.submit() is None
        card = await changes.wait_for(lambda: next(iter(first.slack.space.messages(PAYMENTS)), None), 10)
        assert card is not None
        await first.person(BEN).click(card, "approve")
        await first.gateway.wait_for(lambda: first.gateway.calls)
        address = first.gateway.base_url
    async with Playground(place) as second:
        assert second.former_gateway == address != second.gateway.base_url
        assert second.bot is not None
        assert second.bot.connection.ready.is_set()
