"""A form that is changed and sent again after an error: nothing may be acknowledged that is not kept."""

import pytest

from bot.domain.policy import Standing
from bot.store import Store
from bot.workflow import Accepted, Workflow


@pytest.mark.parametrize(("order", "reason"), [("ord_2", "typed twice"), ("ord_1", "fraud")])
async def test_a_form_sent_again_with_other_words_is_not_taken_for_the_first_one(
    store: Store, workflow: Workflow, order: str, reason: str
) -> None:
    """The first acknowledgement was lost, so the person saw an error, changed a field and sent the same form again.

    Whatever is answered, it must not say that this was accepted unless this is what is kept.
    """

    async def ask(order_id: str, why: str) -> object:
        return await workflow.request(
            form_id="V1", order_id=order_id, reason=why, requester="UANN", name="ann", channel="C1",
            standing=Standing.MEMBER,
        )  # fmt: skip

    assert isinstance(await ask("ord_1", "typed twice"), Accepted)
    again = await ask(order, reason)
    if isinstance(again, Accepted):
        assert (again.cancellation.order_id, again.cancellation.reason) == (order, reason)
