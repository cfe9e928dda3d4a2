"""The process dies between two statements of a transaction, at every statement of every transaction there is."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.domain.attempt import Answer, Outcome
from bot.domain.delivery import Delivery, DeliveryOutcome, Receipt
from bot.domain.policy import Act, Membership, Verdict
from bot.store import open_reader
from bot.store.connection import Connection, Parameters, Row
from bot.workflow import decisions
from tests.world import ANN, CLEO, TABLES, World, actor, next_delivery


class Died(Exception):
    """The process is dead."""


class Mortal:
    """The writer's connection, which lets the process die before its n-th statement; BEGIN and COMMIT count as well."""

    def __init__(self, connection: Connection, path: Path, copy: Path) -> None:
        self.not_indexed = connection.not_indexed
        self.left = 0
        self._connection, self._path, self._copy = connection, path, copy

    def execute(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        """Run a statement, or die before it."""
        self._count()
        return self._connection.execute(sql, parameters)

    def stream(self, sql: str, parameters: Parameters = ()) -> Iterator[Row]:
        """Run a statement, or die before it."""
        self._count()
        return self._connection.stream(sql, parameters)

    def begin(self) -> None:
        """Begin, or die before that."""
        self._count()
        self._connection.begin()

    def begin_reading(self) -> None:
        """Begin, or die before that."""
        self._count()
        self._connection.begin_reading()

    def commit(self) -> None:
        """Commit, or die before that."""
        self._count()
        self._connection.commit()

    def rollback(self) -> None:
        """Undo everything, as the next process would."""
        self._connection.rollback()

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _count(self) -> None:
        self.left -= 1
        if self.left < 0:
            # A kill leaves behind exactly the files as they are now.
            for suffix in ("", "-wal"):
                shutil.copyfile(f"{self._path}{suffix}", f"{self._copy}{suffix}")
            raise Died


Prepare = Callable[[World], Any]
"""Makes what must be there first; returns the id of a request, or a delivery."""
Do = Callable[[World, Any], object]
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
    claimed = world.run(next_delivery(world.workflow))
    assert claimed is not None
    return claimed.delivery


def _cancelled(world: World, _: object) -> None:
    (call,) = world.under_way
    world.cancelled_at_the_gateway[call.order_id] = call.cancellation_id
    world.answer(call, Answer(Outcome.CANCELLED))


def _ask_for_a_reason(world: World, about: str) -> object:
    outsider = actor(CLEO, Membership.OUTSIDER)
    return world.run(world.workflow.act(decisions.may_reject, Act.REJECT, about, outsider))


def _refuse(world: World, _: object) -> object:
    return world.run(world.workflow.refuse(actor(ANN), "/x", Verdict.NOT_A_REQUESTER))


def _answered(outcome: Outcome, *, repeat: bool = False) -> Do:
    return lambda world, _: world.answer(world.under_way[-1], Answer(outcome, repeat=repeat))


def _delivered(outcome: DeliveryOutcome) -> Do:
    receipt = Receipt(outcome, "C1", "1.1")
    return lambda world, delivery: world.run(world.workflow.record_delivery(delivery, receipt))


def everything(connection: Connection) -> list[list[Row]]:
    """Return all rows of all tables."""
    return [connection.execute(f"SELECT * FROM {table}") for table in TABLES]


ACTS: dict[str, tuple[Prepare, Do]] = {
    "ask": (_asked, lambda world, _: world.ask("ord_2")),
    "ask in vain": (_asked, lambda world, _: world.ask(person=CLEO)),
    "ask in place of an expired one": (_overdue, lambda world, _: world.ask(person=CLEO)),
    "type a refused command": (_asked, _refuse),
    "approve": (_asked, lambda world, about: world.approve(about)),
    "approve in vain": (_asked, lambda world, about: world.approve(about, ANN)),
    "approve too late": (_overdue, lambda world, about: world.approve(about)),
    "ask for a reason": (_asked, _ask_for_a_reason),
    "reject": (_asked, lambda world, about: world.reject(about)),
    "withdraw": (_asked, lambda world, about: world.withdraw(about)),
    "retry": (_unknown, lambda world, about: world.retry(about)),
    "expire": (_overdue, lambda world, _: world.work()),
    "begin a call": (_approved, lambda world, _: world.work()),
    "cancelled": (_called, _cancelled),
    "refused": (_called, _answered(Outcome.REFUSED)),
    "to be repeated": (_called, _answered(Outcome.UNKNOWN, repeat=True)),
    "failed": (_called, _answered(Outcome.NOT_SENT)),
    "restart": (_called, lambda world, _: world.restart()),
    "claim a delivery": (_asked, lambda world, _: world.run(next_delivery(world.workflow))),
    "claim everything": (_approved, lambda world, _: world.run(world.workflow.claim("w", calls=5, messages=5))),
    **{f"card {outcome}": (_claimed, _delivered(outcome)) for outcome in DeliveryOutcome},
}


@pytest.mark.parametrize("act", ACTS)
def test_a_death_between_two_statements_leaves_nothing_half_done(world: World, tmp_path: Path, act: str) -> None:
    """The file that is left holds whole transactions only, and the same act leads to the same end after it."""
    prepare, do = ACTS[act]
    about = prepare(world)
    alive, copy = world.writer.sqlite, tmp_path / "left.db"
    world.writer.front = mortal = Mortal(alive, world.store.path, copy)
    committed = [everything(alive)]
    world.on_commit = lambda: committed.append(everything(alive))
    deaths = 0
    while True:
        mortal.left = deaths
        try:
            do(world, about)
            break
        except Died:
            deaths += 1
            with open_reader(copy) as left:
                assert everything(left.connection) == committed[-1]
    world.writer.front = alive
    assert deaths >= 3
    assert len(committed) > 1
    world.check()
