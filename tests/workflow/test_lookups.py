"""Looking things up: auditors and approvers read everything, anyone else their own requests."""

from typing import Any

import pytest

from bot.domain.lookup import Mistake, NotAFilter
from bot.domain.policy import Actor, Membership, Scope
from bot.workflow import MayNotRead, Workflow
from tests.clock import Clock
from tests.workflow.steps import approve, ask, requested
from tests.world import actor

AUDITOR = Actor("UAUD", auditor=Membership.MEMBER)
ANN, BEN = actor("UASKER", Membership.OUTSIDER), actor("UBEN", Membership.OUTSIDER)


@pytest.fixture
async def filled(workflow: Workflow, clock: Clock) -> Workflow:
    """Return the use cases after requests by Ann for ord_1 (approved) and ord_2, and by Ben for ord_3."""
    await approve(workflow, await requested(workflow, "ord_1", form="V1"))
    clock.advance(1)
    await requested(workflow, "ord_2", form="V2")
    clock.advance(1)
    await ask(workflow, "ord_3", form="V3", by=actor("UBEN"))
    return workflow


async def orders(workflow: Workflow, reader: Actor, text: str, **options: Any) -> list[str]:
    """Return the order IDs on the page that this person reads."""
    return [item.order_id for item in (await workflow.look_up(reader, text, **options)).page.items]


@pytest.mark.parametrize("role", ["approver", "auditor"])
async def test_approvers_and_auditors_read_everything_newest_first(filled: Workflow, role: str) -> None:
    """A look-up without words lists the latest requests of everybody."""
    reader = Actor("UAUD", **{role: Membership.MEMBER})
    assert await orders(filled, reader, "") == ["ord_3", "ord_2", "ord_1"]
    assert (await filled.look_up(reader, "")).scope is Scope.ALL


@pytest.mark.parametrize("reader", [ANN, Actor("UASKER")], ids=["outsider", "unchecked"])
async def test_anyone_else_reads_their_own(filled: Workflow, reader: Actor) -> None:
    """Neither an outsider nor a person who could not be checked sees the requests of others."""
    assert await orders(filled, reader, "") == ["ord_2", "ord_1"]
    assert await orders(filled, reader, "@UASKER state:approved") == ["ord_1"]
    assert await orders(filled, reader, "ord_3") == []
    assert (await filled.look_up(reader, "")).scope is Scope.OWN


async def test_asking_for_the_requests_of_others_is_refused(filled: Workflow) -> None:
    """A refusal says that there is a rule, instead of an empty page that says there is nothing."""
    with pytest.raises(MayNotRead):
        await filled.look_up(BEN, "@UASKER")


async def test_an_order_leads_to_its_whole_story(filled: Workflow) -> None:
    """The events of one order are listed, newest first, and a page leads to the next older one."""
    found = await filled.look_up(AUDITOR, "ord_1", limit=1)
    assert found.of_an_order
    assert [item.kind for item in found.page.items] == ["approved"]  # type: ignore[union-attr]
    rest = await filled.look_up(AUDITOR, "ord_1", older_than=found.page.older, limit=1)
    assert [item.kind for item in rest.page.items] == ["requested"]  # type: ignore[union-attr]
    assert rest.page.older is None


async def test_a_page_of_requests_leads_to_the_next_older_one(filled: Workflow) -> None:
    """Pages follow each other without a gap and without a repetition."""
    first = await filled.look_up(AUDITOR, "", limit=2)
    assert [item.order_id for item in first.page.items] == ["ord_3", "ord_2"]
    assert await orders(filled, AUDITOR, "", older_than=first.page.older, limit=2) == ["ord_1"]


async def test_words_that_are_no_filter_are_refused(filled: Workflow) -> None:
    """The mistake reaches the caller as a code."""
    with pytest.raises(NotAFilter) as refused:
        await filled.look_up(AUDITOR, "state:gone")
    assert refused.value.mistake is Mistake.NO_STATE
