"""Small runs of the benchmark; ``make bench`` is the whole."""

import math
from pathlib import Path

import pytest

from bot.sandbox.postgres import programs
from bot.store import open_reader
from tests.bench.acks import ACTS, at_work, hanging_calls, one_round
from tests.bench.apps import COMMITTING_FLOOR, FLOOR, HTTP, SOCKET, THIS, TUTORIAL, prepare
from tests.bench.homes import homes
from tests.bench.record import growth, reminders
from tests.bench.replicas import engines
from tests.bench.whole import many_calls
from tests.flows.desk import Desk


@pytest.mark.parametrize(
    "module, mode",
    [(FLOOR, HTTP), (FLOOR, SOCKET), (COMMITTING_FLOOR, HTTP), (THIS, HTTP), (THIS, SOCKET), (TUTORIAL, HTTP)],
)
async def test_every_app_acknowledges_every_act(tmp_path: Path, module: str, mode: str) -> None:
    """The bot and the apps beside it acknowledge each command, form and click in time."""
    async with at_work(tmp_path, module, mode) as desk:
        for make in ACTS.values():
            times = await one_round(desk, module, make, 2)
            assert len(times) == 2
            assert all(map(math.isfinite, times))


async def test_a_hundred_calls_hang_while_others_are_acknowledged(tmp_path: Path) -> None:
    """They are all under way at once, and a click is still answered."""
    async with at_work(tmp_path, THIS, HTTP, calls=100) as desk, hanging_calls(desk, THIS, 100):
        assert len(desk.gateway.calls) == 100
        assert all(map(math.isfinite, await one_round(desk, THIS, ACTS["click"], 2, hanging=True)))


def test_a_large_record_is_searched_and_verified(tmp_path: Path) -> None:
    """Every look-up finds something, and the record verifies."""
    (row,), (sealed,) = growth(tmp_path, [1_000])
    assert row["events"] == 996  # whole requests
    assert all(figure > 0 for figure in (*row.values(), *sealed.values()))
    assert sealed["a proof bytes"] <= 32 * 11


async def test_many_requests_are_reminded_of(tmp_path: Path) -> None:
    """Every claim ends, with as many reminders as there are requests."""
    row = await reminders(tmp_path / "bot.db", 30)
    with open_reader(tmp_path / "bot.db") as tables:
        assert tables.connection.execute("SELECT count(*) FROM requests WHERE reminded = 1") == [(30,)]
    assert row["pending"] == 30
    assert all(figure > 0 for figure in row.values())


async def test_home_tabs_are_read_and_drawn(tmp_path: Path) -> None:
    """Everybody who has theirs open is owed it."""
    row = await homes(tmp_path / "bot.db", 12)
    with open_reader(tmp_path / "bot.db") as tables:
        assert tables.connection.execute("SELECT count(*) FROM homes WHERE due_at IS NOT NULL") == [(200,)]
    assert all(figure > 0 for figure in row.values())


async def test_all_orders_of_the_largest_request_are_answered(tmp_path: Path) -> None:
    """Ten calls of a second run at once, so it takes five seconds at least."""
    async with Desk(tmp_path / "whole.db") as desk:
        prepare(desk)
        row = await many_calls(desk)
    assert row["value"] > 5


def test_every_engine_takes_the_acts_of_many_people(tmp_path: Path) -> None:
    """There is a row for the file, and one for each number of bots where there is a server to start."""
    rows = engines(tmp_path, 0.5)
    assert [row["bots"] for row in rows] == ([1, 1, 2, 3] if programs() else [1])
    assert all(row["p99 ms"] >= row["p50 ms"] > 0 for row in rows)
