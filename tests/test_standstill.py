"""After a process stood still, nothing is done for people who have read Slack's error by then."""

import pytest
import structlog

from bot import standstill
from bot.clock import elapsed
from bot.standstill import Standstill
from bot.store import Store, StoreError, StoreProblem
from bot.workflow import Workflow
from tests.workflow.steps import approve, requested, state_of


def test_a_process_that_runs_never_stood_still() -> None:
    """Looks that are a little late are no standstill."""
    now = 100.0
    still = Standstill(lambda: now)
    for _ in range(100):
        now += 2.5
        assert still.look() == float("inf")


def test_a_standstill_is_told_once_and_counts_from_its_end() -> None:
    """A payload of the time before the process went on is too old, and a later one is not."""
    now = 100.0
    still = Standstill(lambda: now)
    now += 2.6
    with structlog.testing.capture_logs() as logs:
        assert still.look() == 0
        now += 1
        assert still.look() == 1
    assert [(line["event"], line["seconds"]) for line in logs] == [("stood_still", 2.6)]
    now += 10
    assert still.look() == 0


async def test_an_act_that_comes_too_late_to_the_database_changes_nothing(workflow: Workflow, store: Store) -> None:
    """The process stood still after it had read the click, so its person has read an error of Slack's."""
    request = await requested(workflow)
    token = standstill._answer_by.set(elapsed() - 0.1)  # noqa: SLF001 -- a standstill takes seconds
    try:
        with pytest.raises(StoreError) as refused:
            await approve(workflow, request)
    finally:
        standstill._answer_by.reset(token)  # noqa: SLF001
    assert (refused.value.problem, refused.value.unsure) == (StoreProblem.TOO_SLOW, False)
    assert str(await state_of(store, request)) == "pending"
