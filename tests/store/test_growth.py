"""The cost of one request and of one look-up does not grow with the number of all that there ever were."""

import asyncio
import json
import tracemalloc
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from bot.domain.cancellation import State
from bot.domain.delivery import DeliveryOutcome
from bot.domain.lookup import Lookup
from bot.store import open_reader
from bot.store.sqlite import open_read_only
from bot.store.tables import Tables
from tests.bench.record import EACH, START, fill
from tests.model.acts import ACTS, WAYS
from tests.world import World

pytestmark = pytest.mark.usefixtures("unmeasured")


@pytest.fixture
def engine() -> str:
    """Return SQLite: these tests are about its file."""
    return "sqlite"


def life(world: World, state: State, outcome: DeliveryOutcome) -> int:
    """Return the number of SQLite's instructions for a request that gets to this state, with all of its messages."""
    count = 0

    def step() -> None:
        nonlocal count
        count += 1

    connection = world.writer.sqlite.database.conn
    connection.set_progress_handler(step, 1)
    # Each order is the last one of its index, also the tenth: a walk to the end has no look behind it.
    about = world.asked(f"ord_{world.forms:04}")
    for act in [*WAYS[state], "withdraw by Ann", "recount"]:
        world.deliver(outcome)
        ACTS[act](world, about)
    world.clock.advance(hours=80)
    for last in (DeliveryOutcome.IMPOSSIBLE, DeliveryOutcome.DELIVERED):
        while world.deliver(last):
            pass
    world.restart()
    connection.set_progress_handler(None, 1)
    return count


@pytest.mark.parametrize("outcome", DeliveryOutcome)
@pytest.mark.parametrize("state", [state for state in State if state not in {State.APPROVED, State.SENDING}])
def test_a_request_takes_as_much_work_after_many_others_as_before_them(
    world: World, state: State, outcome: DeliveryOutcome
) -> None:
    """Every statement finds its rows by an index, or among those that are open or queued."""
    # A life whose id is the last one of an index has a few less: each walk ends there without a look behind it. So all
    # orders have names of one length, and more than one life comes first.
    world.forms = 10
    life(world, state, outcome)
    first = max(life(world, state, outcome) for _ in range(4))
    later = [life(world, state, outcome) for _ in range(10)]
    # Less than two instructions for each of the others; now and then one life has a few more, whatever came before it.
    assert min(later[-3:]) - first < 20


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Return a record and one that is twice as long, of a hundred people: a dozen requests each, more than a page."""
    folder = tmp_path_factory.mktemp("records")
    paths = []
    for requests in (1_200, 2_400):
        paths.append(folder / f"{requests}.db")
        asyncio.run(fill(paths[-1], requests * EACH))
    return paths


def difference(records: list[Path], read: Callable[[Tables], object]) -> int:
    """Return how many more of SQLite's instructions this takes in the long record than in the short one."""
    counts = []
    for path in records:
        count = 0

        def step() -> None:
            nonlocal count
            count += 1

        connection = open_read_only(path)
        connection.database.conn.set_progress_handler(step, 1)
        read(Tables(connection))
        connection.close()
        counts.append(count)
    short, long = counts
    return long - short


def page(lookup: Lookup, only_of: str | None = None) -> Callable[[Tables], object]:
    """Return a function that reads one page of a look-up."""

    def read(tables: Tables) -> object:
        find = tables.lookups.find if lookup.order_id is None else tables.lookups.story
        return find(lookup, only_of=only_of)

    return read


@pytest.mark.parametrize("only_of", [None, "U1", "U_NOBODY"])
@pytest.mark.parametrize("state", [None, State.CANCELLED, State.UNKNOWN])
@pytest.mark.parametrize("order_id", [None, "ord_1", "ord_none"])
def test_a_look_up_takes_as_much_work_in_a_long_record_as_in_a_short_one(
    records: list[Path], order_id: str | None, state: State | None, only_of: str | None
) -> None:
    """Whichever filters are combined, a page is found by the rarest of them."""
    # A dozen more of one's own to look at, not the 1,200 of all.
    assert difference(records, page(Lookup(order_id=order_id, state=state), only_of)) < 100


@pytest.mark.parametrize(
    "lookup",
    [
        pytest.param(Lookup(person="U3"), id="requester"),
        pytest.param(Lookup(person="U3A"), id="approver of every seventh"),
        pytest.param(Lookup(person="U3A", state=State.CANCELLED), id="approver and state"),
        pytest.param(Lookup(person="U3A", since=START, until=START + timedelta(minutes=9)), id="approver and time"),
        pytest.param(Lookup(person="U_NOBODY", state=State.CANCELLED), id="nobody"),
        pytest.param(Lookup(person="U3A", order_id="ord_3"), id="approver and order"),
        pytest.param(Lookup(since=START, until=START + timedelta(minutes=9)), id="time"),
    ],
)
def test_a_look_up_of_a_person_or_a_time_takes_as_much_work_in_a_long_record(
    records: list[Path], lookup: Lookup
) -> None:
    """A page is found by walking down the person's own requests and decisions, or from the end of the time."""
    assert difference(records, page(lookup)) < 100


@pytest.mark.parametrize("only_of", [None, "U3", "U_NOBODY"])
@pytest.mark.parametrize("typed", ["ord_3", "ORD_3", "ord_none"])
def test_an_order_in_any_case_takes_as_much_work_in_a_long_record(
    records: list[Path], typed: str, only_of: str | None
) -> None:
    """A spelling is found by an index of its own, however the order is typed."""
    assert difference(records, lambda tables: tables.lookups.spellings(typed, only_of=only_of)) < 10


@pytest.mark.parametrize("typed", ["person.3", "PERSON.3", "nobody"])
def test_a_name_takes_as_much_work_among_many_people(records: list[Path], typed: str) -> None:
    """A person is found by an index of names, in any case."""
    assert difference(records, lambda tables: tables.people.id_of(typed)) < 10


@pytest.mark.parametrize("order_id", ["ord_3", "ord_none"])
def test_the_requests_for_an_order_take_as_much_work_in_a_long_record(records: list[Path], order_id: str) -> None:
    """Before a retry, and at the end of a request, only the requests for the same order are looked at."""
    assert difference(records, lambda tables: tables.requests.of_order(order_id)) < 10


def test_what_is_stuck_and_what_is_pending_take_as_much_work_in_a_long_record(records: list[Path]) -> None:
    """The health check and the count of votes after a start look at what is open, not at everything there ever was."""
    assert difference(records, lambda tables: tables.deliveries.stuck(3)) < 10
    assert difference(records, lambda tables: tables.requests.pending()) < 10


def test_a_comparison_with_the_record_takes_as_much_memory_for_a_long_record(records: list[Path]) -> None:
    """Neither the requests nor the people who ever acted are held together: one bit remains for each event."""
    tracemalloc.start()
    # pydantic keeps thousands of short texts that it has read, so that it need not make them again.
    TypeAdapter(list[str]).validate_json(json.dumps([f"{number:063}" for number in range(50_000)]))
    peaks = []
    # Once before, for everything that is made at the first use.
    for path in [records[0], *records]:
        with open_reader(path) as tables:
            tracemalloc.reset_peak()
            assert list(tables.projections.contradictions()) == []
            peaks.append(tracemalloc.get_traced_memory()[1])
    tracemalloc.stop()
    _, short, long = peaks
    # A name and an id took 200 bytes, and there are 1,200 more of them.
    assert long - short < 20_000


def test_counting_what_waits_takes_as_much_work_in_a_long_record(records: list[Path]) -> None:
    """The metrics are counted every two seconds, however much there ever was."""

    def read(tables: Tables) -> None:
        tables.levels.pending()
        tables.levels.failed(START + timedelta(days=365))
        tables.levels.owed(3)
        tables.record.after(100, 10)

    assert difference(records, read) < 100
