"""The process dies between two statements of a transaction, at every statement of every transaction there is."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bot.domain.attempt import Answer, Outcome
from bot.domain.delivery import Delivery, Fate, Receipt
from bot.domain.policy import Standing, Verdict
from bot.store import open_reader
from bot.workflow import Owed
from tests.world import ANN, CLEO, TABLES, World, next_owed


class Died(Exception):
    """The process is no more."""


class Mortal:
    """The writer's connection, that lets the process die before its n-th statement, the commit among them."""

    def __init__(self, db: Any, world: World, copy: Path) -> None:
        self._db, self._world, self._copy = db, world, copy
        self.left = 0

    def execute(self, *arguments: Any) -> Any:
        """Run a statement, or die before it."""
        self._count()
        return self._db.execute(*arguments)

    def query(self, *arguments: Any) -> Any:
        """The same for a query."""
        self._count()
        return self._db.query(*arguments)

    def commit(self) -> None:
        """The same for the commit."""
        self._count()
        self._db.commit()

    def _count(self) -> None:
        self.left -= 1
        if self.left < 0:
            # What a kill leaves behind is exactly the files as they are now.
            for suffix in ("", "-wal"):
                shutil.copyfile(f"{self._world.store.path}{suffix}", f"{self._copy}{suffix}")
            raise Died

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)


Way = Callable[[World], Any]
"""What must be there first; gives the id of a request, or a delivery."""
Act = Callable[[World, Any], object]
"""One act on that."""


def _asked(world: World) -> str:
    return world.asked()


def _approved(world: World) -> str:
    about = world.asked()
    world.approve(about)
    return about


def _called(world: World) -> str:
    about = _approved(world)
    world.work()
    return about


def _unknown(world: World) -> str:
    about = _called(world)
    world.answer(world.under_way[-1], Answer(Outcome.UNKNOWN))
    return about


def _overdue(world: World) -> str:
    about = world.asked()
    world.clock.advance(minutes=61)
    return about


def _claimed(world: World) -> Delivery:
    world.asked()
    owed: Owed = world.run(next_owed(world.workflow))
    return owed.delivery


def _cancelled(world: World, _: object) -> None:
    (call,) = world.under_way
    world.cancelled_at_the_gateway[call.order_id] = call.cancellation_id
    world.answer(call, Answer(Outcome.CANCELLED))


def _told(outcome: Outcome, *, repeat: bool = False) -> Act:
    return lambda world, _: world.answer(world.under_way[-1], Answer(outcome, repeat=repeat))


def _delivered(fate: Fate) -> Act:
    return lambda world, claimed: world.run(world.workflow.record_delivery(claimed, Receipt(fate, "C1", "1.1")))


def everything(db: Any) -> list[list[tuple[Any, ...]]]:
    """All that is kept."""
    return [list(db.execute(f"SELECT * FROM {table}").fetchall()) for table in TABLES]


ACTS: dict[str, tuple[Way, Act]] = {
    "ask": (_asked, lambda world, _: world.ask("ord_2")),
    "ask in vain": (_asked, lambda world, _: world.ask(person=CLEO)),
    "ask in place of an expired one": (_overdue, lambda world, _: world.ask(person=CLEO)),
    "type a refused command": (
        _asked, lambda world, _: world.run(world.workflow.refuse_command(ANN, "ann", "/x", Verdict.NOT_A_REQUESTER)),
    ),
    "approve": (_asked, lambda world, about: world.approve(about)),
    "approve in vain": (_asked, lambda world, about: world.approve(about, ANN)),
    "approve too late": (_overdue, lambda world, about: world.approve(about)),
    "ask for a reason": (
        _asked, lambda world, about: world.run(world.workflow.may_reject(about, CLEO, "cleo", Standing.OUTSIDER)),
    ),
    "reject": (_asked, lambda world, about: world.reject(about)),
    "withdraw": (_asked, lambda world, about: world.withdraw(about)),
    "retry": (_unknown, lambda world, about: world.retry(about)),
    "expire": (_overdue, lambda world, _: world.work()),
    "begin a call": (_approved, lambda world, _: world.work()),
    "cancelled": (_called, _cancelled),
    "refused": (_called, _told(Outcome.REFUSED)),
    "to be repeated": (_called, _told(Outcome.UNKNOWN, repeat=True)),
    "failed": (_called, _told(Outcome.NOT_SENT)),
    "restart": (_called, lambda world, _: world.restart()),
    "claim a delivery": (_asked, lambda world, _: world.run(next_owed(world.workflow))),
    "claim all there is": (
        _approved, lambda world, _: world.run(world.workflow.claim("w", attempts=5, deliveries=5)),
    ),
    **{f"card {fate}": (_claimed, _delivered(fate)) for fate in Fate},
}  # fmt: skip


@pytest.mark.parametrize("act", ACTS)
def test_a_death_between_two_statements_leaves_nothing_half_done(world: World, tmp_path: Path, act: str) -> None:
    """The file that is left holds whole transactions only, and the same act leads to the same end after it."""
    way, done = ACTS[act]
    what = way(world)
    kept, copy = world.store._db, tmp_path / "left.db"
    mortal = Mortal(kept, world, copy)
    world.store._db = mortal  # type: ignore[assignment]
    committed = [everything(kept)]
    world.store._on_commit = lambda _: committed.append(everything(kept))
    deaths = 0
    while True:
        mortal.left = deaths
        try:
            done(world, what)
            break
        except Died:
            deaths += 1
            with open_reader(copy) as (_, left):
                assert everything(left) == committed[-1]
    world.store._db = kept
    assert deaths >= 3
    assert len(committed) > 1
    world.check()
