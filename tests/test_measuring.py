"""The looks that keep the metrics true, while people go on asking."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bot.measuring import Measuring
from bot.metrics import Metrics
from bot.store import Store, Tables
from bot.workflow import Rules, Workflow
from tests.clock import Clock
from tests.workflow.steps import requested


class _Busy(Store):
    """A store in which somebody asks for another order after each look of the metrics."""

    workflow: Workflow
    _asked = 0
    _asks = False

    async def read(self, work: Callable[[Tables], Any]) -> Any:
        """Read, and let somebody ask."""
        found = await super().read(work)
        if not self._asks:  # whoever asks reads as well
            self._asks = True
            self._asked += 1
            await requested(self.workflow, f"ord_{self._asked}", form=f"V{self._asked}")
            self._asks = False
        return found


async def test_a_request_that_waits_is_counted_as_well(database: Path, rules: Rules, clock: Clock) -> None:
    """What waits and what was asked are of one moment, however fast people ask."""
    store, metrics = _Busy(database), Metrics()
    await store.open()
    store.workflow = Workflow(store, rules, now=clock, wake=asyncio.Event(), jitter=lambda: 0.0)
    measuring = Measuring(store, rules, metrics, now=clock, every=0)
    await measuring.begin()
    task = asyncio.create_task(measuring.run())

    def value(name: str, **labels: str) -> float:
        return metrics.registry.get_sample_value(f"cancel_desk_{name}", labels) or 0.0

    try:
        async with asyncio.timeout(10):
            while (waits := value("requests_pending")) < 5:  # noqa: ASYNC110 -- nothing else tells
                await asyncio.sleep(0.001)
    finally:
        task.cancel()
        await asyncio.wait([task])
        await store.close()
    assert value("requests_total", result="accepted") == waits
