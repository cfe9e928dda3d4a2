"""Answers of the gateway and acts of people in every order: what is allowed, the record must hold for possible.

Two rules judge each step, and neither knows the other: ``policy`` before it, and the verification of the record after
it. Where they differ, a desk takes its own record for damaged.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from bot.domain.attempt import Answer
from bot.domain.audit import BOT
from bot.domain.events import Unfrozen
from bot.domain.policy import Verdict
from bot.domain.request import Request
from bot.store import Store
from bot.workflow import Patience, Rules, Workflow, freezing
from tests.clock import Clock
from tests.workflow.steps import (
    AWAY,
    LOST,
    MISSING,
    approve,
    approved,
    ask,
    retry,
    settle,
)
from tests.workflow.test_stopping import stop
from tests.world import next_attempt

pytestmark = pytest.mark.usefixtures("unmeasured")

ANSWERS = {"lost": LOST, "not sent": AWAY, "no such order": MISSING}
STEPS = 6
"""So many after the approval: an answer is lost, settled by hand, asked again, not believed, retried and stopped."""


@dataclass
class One:
    """A desk with one order, and the latest request for it."""

    workflow: Workflow
    store: Store
    clock: Clock
    request: Request
    asked: int = 1

    async def answered(self, answer: Answer) -> bool:
        """Let the call that is due be made and answered; return False if none is."""
        self.clock.advance(60)
        attempt = await next_attempt(self.workflow)
        if attempt is not None:
            await self.workflow.record_answer(attempt, answer)
        return attempt is not None

    async def ask_again(self) -> bool:
        """Ask for the order once more, and approve it; return False if that is refused."""
        self.asked += 1
        acted = await ask(self.workflow, form=f"V{self.asked}")
        if acted.request is None or acted.verdict is not Verdict.ALLOWED:
            return False
        self.request = acted.request
        return await approve(self.workflow, self.request) is Verdict.ALLOWED

    async def go_on_with_an_older_copy(self) -> bool:
        """Say that the database is an older copy, and end the freeze that this begins."""
        at = self.clock()
        await self.store.transaction("restore", lambda tx: freezing.freeze_restored(tx, actor="terminal:op", at=at))
        await self.store.transaction("go on", lambda tx: freezing.put(tx, Unfrozen(), BOT, at))
        return True

    def steps(self) -> dict[str, Callable[[], Awaitable[bool]]]:
        """Return all that can be tried next, by its name."""

        def pressed(act: Callable[..., Awaitable[Verdict]], **more: bool) -> Callable[[], Awaitable[bool]]:
            async def press() -> bool:
                return await act(self.workflow, self.request, **more) is Verdict.ALLOWED

            return press

        def said(answer: Answer) -> Callable[[], Awaitable[bool]]:
            return lambda: self.answered(answer)

        return {name: said(answer) for name, answer in ANSWERS.items()} | {
            "retry": pressed(retry),
            "stop": pressed(stop),
            "settle": pressed(settle, cancelled=False),
            "ask again": self.ask_again,
            "older copy": self.go_on_with_an_older_copy,
        }

    async def stands(self) -> tuple[object, ...]:
        """Return what the rules can tell apart: the state of each request, the answers to it, and who stopped it."""
        sql = (
            "SELECT c.state, c.attempts, r.number = (SELECT max(number) FROM requests), (SELECT e.actor FROM"
            " audit_events e WHERE e.seq = c.changed_seq AND e.kind = 'stopped_trying'), (SELECT group_concat(kind)"
            " FROM (SELECT DISTINCT t.outcome AS kind FROM attempts t WHERE t.number = c.number ORDER BY 1)), EXISTS"
            " (SELECT 1 FROM audit_events e WHERE e.request = r.id AND e.kind = 'set_back')"
            " FROM cancellations c JOIN requests r ON r.number = c.request ORDER BY c.number"
        )
        return tuple(await self.store.read(lambda tables: tables.connection.execute(sql)))


@dataclass(frozen=True)
class Reached:
    """A database, as its bytes, and all else that a desk goes on with."""

    content: bytes
    at: datetime
    request: Request
    asked: int
    steps: tuple[str, ...] = ()


@asynccontextmanager
async def desk(folder: Path, rules: Rules, since: Reached | None = None) -> AsyncIterator[One]:
    """Yield a desk that goes on from what was reached before, or one on which nothing has happened yet."""
    place, clock = folder / "bot.db", Clock()
    if since is not None:
        place.write_bytes(since.content)
        clock.at = since.at
    store = Store(place)
    await store.open()
    rules = replace(rules, patience=Patience(max_attempts=1, message_every=timedelta(0)))
    workflow = Workflow(store, rules, now=clock, wake=asyncio.Event(), jitter=lambda: 0.0)
    yield One(workflow, store, clock, since.request if since else await approved(workflow), since.asked if since else 1)
    await store.close()


def kept(folder: Path, one: One, steps: tuple[str, ...]) -> Reached:
    """Return what a desk has reached, once it is closed; its file is gone then."""
    place = folder / "bot.db"
    reached = Reached(place.read_bytes(), one.clock.at, one.request, one.asked, steps)
    for each in folder.iterdir():
        each.unlink()
    return reached


async def test_the_record_holds_for_possible_whatever_people_were_allowed(tmp_path: Path, rules: Rules) -> None:
    """Every sequence of answers and acts leaves a record that the verification finds sound."""
    async with desk(tmp_path, rules) as one:
        known = {await one.stands()}
    waiting = deque([kept(tmp_path, one, ())])
    while waiting:
        since = waiting.popleft()
        for name in one.steps():
            async with desk(tmp_path, rules, since) as one:
                await one.steps()[name]()
                steps = (*since.steps, name)
                found = await one.store.read(lambda tables: list(tables.projections.contradictions()))
                assert found == [], steps
                stands = await one.stands()
            reached = kept(tmp_path, one, steps)
            if stands not in known and len(steps) < STEPS:
                known.add(stands)
                waiting.append(reached)
