"""A message that may be in Slack already stays in doubt while the bot does not know yet who it is."""

import pytest
from slack_sdk.web.async_client import AsyncWebClient

from bot.domain.policy import Standing
from bot.slack.delivery import SlackCourier
from bot.store import Store
from bot.workflow import Accepted, Workflow
from tests.clock import Clock


@pytest.mark.parametrize("tries", [1, 2])
async def test_a_doubt_outlives_the_tries_before_slack_is_reached(
    store: Store, workflow: Workflow, clock: Clock, tries: int
) -> None:
    """A process is killed while it posts; the next one does not reach Slack at once, and must still look first."""
    asked = await workflow.request(
        form_id="V1", order_id="ord_1", reason="", requester="UANN", name="ann", channel="C1", standing=Standing.MEMBER
    )
    assert isinstance(asked, Accepted)
    killed = await workflow.next_delivery("killed")
    assert killed is not None
    await workflow.recover({})
    courier = SlackCourier(AsyncWebClient(), lambda: None)
    for _ in range(tries):
        clock.advance(minutes=1)
        claimed = await workflow.next_delivery("next")
        assert claimed is not None
        assert claimed[0].in_doubt_since is not None
        await workflow.record_delivery(claimed[0], await courier.deliver(*claimed))
    clock.advance(minutes=1)
    claimed = await workflow.next_delivery("next")
    assert claimed is not None
    assert claimed[0].in_doubt_since is not None
