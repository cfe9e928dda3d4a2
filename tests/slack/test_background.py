"""Work after the acknowledgement: it is done, or its end is clean."""

import asyncio
import gc

from bot.precedence import Precedence
from bot.slack.background import Background


async def test_what_a_stop_overtakes_ends_without_a_trace() -> None:
    """Work that had not begun when the stop came is closed, and nobody is told of an error."""
    precedence, begun = Precedence(at_most=60), asyncio.Event()
    told: list[str] = []

    async def tell(text: str) -> None:
        told.append(text)

    async def work() -> None:
        begun.set()

    background = Background(precedence)
    with precedence.answering():
        background.start(work(), tell=tell)
        await asyncio.sleep(0)
        await background.finish(0)
    gc.collect()
    assert (told, begun.is_set()) == ([], False)
