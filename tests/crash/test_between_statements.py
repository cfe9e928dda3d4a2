"""The process dies between two statements of a transaction, at every statement of every transaction there is."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bot.domain.attempt import Answer, Outcome
from bot.domain.delivery import DeliveryKind, DeliveryOutcome, Receipt
from bot.domain.policy import Act, Members, Membership, Surface, Verdict
from bot.store import Place, open_reader
from bot.store.connection import Connection, Parameters, Row
from bot.workflow import ClaimedDelivery, decisions
from tests.postgres import ENGINES
from tests.world import ANN, BEN, CLEO, DORA, TABLES, World, actor, next_delivery
from tests.writer import Through

pytestmark = pytest.mark.usefixtures("unmeasured")


class Died(Exception):
    """The process is dead."""


class Mortal(Through):
    """The writer's connection, which lets the process die before its n-th statement; BEGIN and COMMIT count as well."""

    def __init__(self, connection: Connection, place: Place, copy: Path) -> None:
        super().__init__(connection)
        self.left = 0
        self.left_behind: Place = copy if isinstance(place, Path) else place
        self._place, self._copy = place, copy

    def execute(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        """Run a statement, or die before it."""
        self._count()
        return super().execute(sql, parameters)

    def stream(self, sql: str, parameters: Parameters = ()) -> Iterator[Row]:
        """Run a statement, or die before it."""
        self._count()
        return super().stream(sql, parameters)

    def begin(self) -> None:
        """Begin, or die before that."""
        self._count()
        super().begin()

    def begin_reading(self) -> None:
        """Begin, or die before that."""
        self._count()
        super().begin_reading()

    def commit(self) -> None:
        """Commit, or die before that."""
        self._count()
        super().commit()

    def _count(self) -> None:
        self.left -= 1
        if self.left < 0:
            if isinstance(self._place, Path):
                # A kill leaves behind exactly the files as they are now.
                for suffix in ("", "-wal"):
                    shutil.copyfile(f"{self._place}{suffix}", f"{self._copy}{suffix}")
            else:
                # The server finds the line closed, and undoes what was begun.
                self.close()
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
    world.answer(world.outside.under_way[-1], Answer(Outcome.UNKNOWN))
    return about


def _turned_away(world: World) -> str:
    about = _called(world)
    world.answer(world.outside.under_way[-1], Answer(Outcome.NOT_SENT, repeat=True))
    return about


def _believed_lost(world: World) -> str:
    about = _called(world)
    for _ in range(2):
        world.clock.advance(minutes=3)
        world.work()
    return about


def _settled(world: World) -> str:
    about = _unknown(world)
    world.settle(about, cancelled=False)
    return about


def _with_void_votes(world: World) -> str:
    """Return a request with the requester's own vote and that of somebody who is removed since."""
    world.restart(quorum=3, self_approval=True)
    about = world.asked()
    for person in (ANN, BEN):
        world.approve(about, person)
    world.outside.approvers = Members(frozenset({ANN, CLEO}))
    world.restart(quorum=2, self_approval=False)
    return about


def _with_enough_votes(world: World) -> str:
    """Return a request that has as many votes as are needed since the last start, and another one like it."""
    world.restart(quorum=2)
    about = world.asked()
    for each in (about, world.asked("ord_2")):
        world.approve(each)
    world.restart(quorum=1)
    return about


def _with_a_card(world: World) -> str:
    about = world.asked()
    world.deliver(DeliveryOutcome.DELIVERED)
    world.reject(about)
    return about


def _several_asked(world: World) -> str:
    """Return a request of three orders, while two people have their Home tabs open."""
    about = world.asked("ord_1", more=["ord_2", "ord_3"])
    for person in (ANN, BEN):
        world.open_home(person)
    return about


def _several_approved(world: World) -> str:
    about = _several_asked(world)
    world.approve(about)
    return about


def _several_called(world: World) -> str:
    about = _several_approved(world)
    for _ in range(3):
        world.work()
    return about


def _last_of_several(world: World) -> str:
    """Return a request of which all orders but the one that was called last are over."""
    about = _several_called(world)
    for call in world.outside.under_way[:-1]:
        world.answer(call, Answer(Outcome.UNKNOWN))
    return about


def _several_unknown(world: World) -> str:
    about = _last_of_several(world)
    world.answer(world.outside.under_way[-1], Answer(Outcome.UNKNOWN))
    return about


def _several_turned_away(world: World) -> str:
    about = _several_called(world)
    for call in world.outside.under_way:
        world.answer(call, Answer(Outcome.NOT_SENT, repeat=True))
    return about


def _several_overdue(world: World) -> str:
    about = _several_asked(world)
    world.clock.advance(minutes=61)
    return about


def _settle_one_of_several(world: World, about: str) -> object:
    return world.settle(about, order="ord_2", cancelled=False)


def _long_pending(world: World) -> str:
    """Return a request that is due for its first reminder and for its escalation."""
    about = world.asked()
    world.deliver(DeliveryOutcome.DELIVERED)
    world.clock.advance(minutes=26)
    return about


def _reminded(world: World) -> str:
    """Return a request whose reminder and escalation are owed, and that is decided before they are posted."""
    about = _long_pending(world)
    world.work()
    world.reject(about)
    return about


def _escalated(world: World) -> str:
    about = _long_pending(world)
    world.work()
    return about


def _frozen(world: World) -> str:
    """Return a request that waits for a decision while everything is frozen, beside one that waits for a call."""
    world.approve(world.asked("ord_3"))
    about = world.asked()
    world.freeze()
    return about


def _called_for_long(world: World) -> str:
    about = _called(world)
    world.clock.advance(minutes=1)
    return about


def _overdue(world: World) -> str:
    about = world.asked()
    world.clock.advance(minutes=61)
    return about


def _claimed(world: World) -> ClaimedDelivery:
    claimed = world.begin_delivery()
    assert claimed is not None
    return claimed


def _card(world: World) -> ClaimedDelivery:
    world.asked()
    return _claimed(world)


def _card_of_the_third_try(world: World) -> ClaimedDelivery:
    world.asked()
    for _ in range(2):
        world.deliver(DeliveryOutcome.BLOCKED)
        world.clock.advance(minutes=1)
    return _claimed(world)


def _older_of_two_tries(world: World) -> ClaimedDelivery:
    older = _card(world)
    world.clock.advance(minutes=3)
    _claimed(world)
    return older


def _card_beside_another(world: World) -> ClaimedDelivery:
    """Return a try that posts a second card, while the first one is on file."""
    older = _card(world)
    world.reach_slack(older)
    world.clock.advance(minutes=3)
    newer = _claimed(world)
    world.receive(newer, world.reach_slack(newer, blind=True))
    return older


def _update_of_a_deleted_card(world: World) -> ClaimedDelivery:
    _unknown(world)
    while (claimed := _claimed(world)).delivery.kind is not DeliveryKind.CARD_UPDATE:
        world.receive(claimed, world.reach_slack(claimed))
    return claimed


def _cancelled(world: World, _: object) -> None:
    call = world.outside.under_way[0]
    world.outside.cancelled[call.order_id] = call.request_id
    world.answer(call, Answer(Outcome.CANCELLED))


def _seen(world: World, claimed: ClaimedDelivery) -> None:
    """Let somebody click on a card that nobody has on file."""
    if not world.outside.messages:
        world.reach_slack(claimed)
    (ts,) = world.outside.messages
    world.click_on_card(claimed.delivery.request_id, ts)


def _ask_for_a_reason(world: World, about: str) -> object:
    outsider = actor(CLEO, Membership.OUTSIDER)
    return world.run(world.workflow.act(decisions.may_reject, Act.REJECT, about, outsider))


def _ask_for_a_finding(world: World, about: str) -> object:
    return world.run(world.workflow.act(decisions.may_settle, Act.SETTLE, about, actor(ANN)))


def _refuse(world: World, about: str) -> object:
    return world.run(world.workflow.refuse(actor(CLEO), "approve", Verdict.NOT_OF_THIS_WORKSPACE, about))


def _answered(outcome: Outcome, *, repeat: bool = False) -> Do:
    return lambda world, _: world.answer(world.outside.under_way[-1], Answer(outcome, repeat=repeat))


def _received(outcome: DeliveryOutcome) -> Do:
    def receive(world: World, claimed: ClaimedDelivery) -> object:
        receipt = Receipt(outcome, problem="problem")
        if outcome is DeliveryOutcome.DELIVERED:
            posted = next((ts for ts, by in world.outside.messages.items() if by == claimed.delivery.id), None)
            receipt = Receipt(outcome, "C1", posted) if posted else world.reach_slack(claimed)
        return world.receive(claimed, receipt)

    return receive


def everything(connection: Connection) -> list[list[Row]]:
    """Return all rows of all tables, in an order that every engine has."""
    return [sorted(connection.execute(f"SELECT * FROM {table}"), key=repr) for table in TABLES]


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
    "approve after others lost their votes": (_with_void_votes, lambda world, about: world.approve(about, CLEO)),
    "approve again as one of enough": (_with_enough_votes, lambda world, about: world.approve(about)),
    "count votes that are void": (_with_void_votes, lambda world, _: world.recount()),
    "count votes that are enough": (_with_enough_votes, lambda world, _: world.recount()),
    "click on a stale card": (_with_a_card, lambda world, about: world.approve(about)),
    "retry": (_unknown, lambda world, about: world.retry(about)),
    "retry in vain": (_unknown, lambda world, about: world.retry(about, ANN)),
    "try now": (_turned_away, lambda world, about: world.try_now(about)),
    "try now in vain": (_unknown, lambda world, about: world.try_now(about)),
    "stop trying": (_turned_away, lambda world, about: world.stop(about)),
    "stop one's own request": (_turned_away, lambda world, about: world.stop(about, ANN)),
    "stop a call that has left": (_called, lambda world, about: world.stop(about)),
    "settle as cancelled": (_unknown, lambda world, about: world.settle(about)),
    "settle as not cancelled": (_unknown, lambda world, about: world.settle(about, cancelled=False)),
    "settle in vain": (_unknown, lambda world, about: world.settle(about, ANN)),
    "ask for a finding": (_unknown, _ask_for_a_finding),
    "expire": (_overdue, lambda world, _: world.work()),
    "remind and escalate": (_long_pending, lambda world, _: world.work()),
    "approve by an escalation": (_escalated, lambda world, about: world.approve(about, DORA)),
    "call reminders off": (_reminded, lambda world, _: world.run(world.workflow.claim("w", calls=5, messages=5))),
    "tell of trouble": (_called_for_long, _answered(Outcome.UNKNOWN, repeat=True)),
    "begin a call": (_approved, lambda world, _: world.work()),
    "cancelled": (_called, _cancelled),
    "cancelled late, while asking again": (_believed_lost, _cancelled),
    "cancelled late, after a person settled it": (_settled, _cancelled),
    "refused": (_called, _answered(Outcome.REFUSED)),
    "to be repeated": (_called, _answered(Outcome.UNKNOWN, repeat=True)),
    "failed": (_called, _answered(Outcome.NOT_SENT)),
    "restart": (_called, lambda world, _: world.restart()),
    "freeze": (_asked, lambda world, _: world.freeze()),
    "freeze in vain": (_frozen, lambda world, _: world.freeze()),
    "unfreeze": (_frozen, lambda world, _: world.unfreeze()),
    "approve while frozen": (_frozen, lambda world, about: world.approve(about, CLEO)),
    "ask while frozen": (_frozen, lambda world, _: world.ask("ord_2")),
    "claim a delivery": (_asked, lambda world, _: world.run(next_delivery(world.workflow))),
    "claim everything": (_approved, lambda world, _: world.run(world.workflow.claim("w", calls=5, messages=5))),
    "ask for several": (_asked, lambda world, _: world.ask("ord_2", more=["ord_3", "ord_4"])),
    "ask for several in vain": (_several_asked, lambda world, _: world.ask("ord_2", CLEO, more=["ord_4", "ord_1"])),
    "ask in place of several that expired": (
        _several_overdue,
        lambda world, _: world.ask("ord_3", CLEO, more=["ord_4"]),
    ),
    "approve several": (_several_asked, lambda world, about: world.approve(about)),
    "reject several": (_several_asked, lambda world, about: world.reject(about)),
    "withdraw several": (_several_asked, lambda world, about: world.withdraw(about, surface=Surface.HOME)),
    "begin several calls": (
        _several_approved,
        lambda world, _: world.run(world.workflow.claim("w", calls=5, messages=9)),
    ),
    "the first of several fails": (_several_called, _answered(Outcome.NOT_SENT)),
    "the last of several fails": (_last_of_several, _answered(Outcome.NOT_SENT)),
    "retry several": (_several_unknown, lambda world, about: world.retry(about)),
    "settle one of several": (_several_unknown, _settle_one_of_several),
    "try several now": (_several_turned_away, lambda world, about: world.try_now(about)),
    "stop several": (_several_turned_away, lambda world, about: world.stop(about, ANN)),
    "restart in the middle of several": (_several_called, lambda world, _: world.restart()),
    "open the Home tab": (_asked, lambda world, _: world.open_home(CLEO)),
    "publish Home tabs": (_several_asked, lambda world, _: world.publish()),
    "publish Home tabs in doubt": (_several_asked, lambda world, _: world.publish(DeliveryOutcome.IN_DOUBT)),
    **{f"card {outcome}": (_card, _received(outcome)) for outcome in DeliveryOutcome},
    "card blocked for the third time": (_card_of_the_third_try, _received(DeliveryOutcome.BLOCKED)),
    "card delivered by an older try": (_older_of_two_tries, _received(DeliveryOutcome.DELIVERED)),
    "card seen before its receipt": (_card, _seen),
    "update of a card that is deleted": (_update_of_a_deleted_card, _received(DeliveryOutcome.IMPOSSIBLE)),
}


@pytest.mark.parametrize("engine", ENGINES, indirect=True)
@pytest.mark.parametrize("act", ACTS)
def test_a_death_between_two_statements_leaves_nothing_half_done(world: World, tmp_path: Path, act: str) -> None:
    """The database that is left holds whole transactions only, and the same act leads to the same end after it."""
    prepare, do = ACTS[act]
    about = prepare(world)
    alive = world.writer.connection
    world.writer.front = mortal = Mortal(alive, world.store.place, tmp_path / "left.db")
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
            with open_reader(mortal.left_behind) as left:
                assert everything(left.connection) == committed[-1]
    world.writer.front = alive
    assert deaths >= 3
    assert len(committed) > 1
    world.check()


def test_the_late_receipt_of_a_duplicate_writes_nothing(world: World, tmp_path: Path) -> None:
    """It commits nothing that a death could leave half done; the worker removes the duplicate."""
    older = _card_beside_another(world)
    before = everything(world.writer.connection)
    assert _received(DeliveryOutcome.DELIVERED)(world, older)
    assert everything(world.writer.connection) == before
    assert len(world.outside.messages) == 1
    world.drain()
