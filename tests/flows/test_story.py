"""The whole way of a request, from the command to the record, over real websockets and signed HTTP."""

import pytest

from tests.flows.desk import LOBBY, Desk
from tests.postgres import ENGINES


@pytest.mark.parametrize("engine", ENGINES, indirect=True)
async def test_ask_approve_cancel_tell(desk: Desk) -> None:
    """A request that a second person approves is cancelled once, and everybody concerned reads it."""
    card = await desk.ask("ord_1", "typed twice")
    text = desk.ann.reads(card)
    assert "@ann asks to cancel order" in text
    assert "ord_1" in text
    assert "Requested by @ann" in text
    assert "> typed twice" in text
    assert "1 approval is needed" in text
    assert "[ Approve ] [ Reject ] [ … Withdraw ]" in text
    await desk.ben.click(card, "approve")
    final = await desk.card_says(card, "✅ Cancelled")
    assert "1 of 1 approval: @ben" in final
    assert "[" not in final
    (reply,) = await desk.replies(card)
    assert "✅ Cancelled · order ord_1" in reply
    assert "Record #" in reply
    assert "Open the card" in await desk.direct(desk.ann)
    (call,) = desk.gateway.calls
    assert call.body == '{"order_id": "ord_1", "reason": "typed twice"}'
    assert desk.gateway.effects["ord_1"] == 1


async def test_the_form_is_filled_in_from_the_command(desk: Desk) -> None:
    """The text behind the command is in the form, as it was typed."""
    await desk.ann.command("/cancel-order ord_1 paid <twice> & more", LOBBY)
    opened = await desk.wait(lambda: desk.ann.modal)
    values = [block["element"].get("initial_value") for block in opened.view["blocks"]]
    assert values == ["ord_1", "paid <twice> & more"]
