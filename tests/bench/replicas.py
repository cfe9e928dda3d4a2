"""Use cases a second on a SQLite file, and with one to three bots on a PostgreSQL server.

Each bot is a process. It has so many people who ask and approve in turn, each as soon as the last act is on disk. The
server, the bots and this process share the machine, so several bots have less of it each.
"""

import asyncio
import json
import math
import re
import statistics
import sys
import tempfile
import time
from asyncio.subprocess import PIPE, create_subprocess_exec
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from bot import log
from bot.domain.policy import Act, Actor, Members, Membership, Verdict
from bot.sandbox.postgres import LocalServer, programs
from bot.settings.values import database
from bot.store import Store
from bot.store.place import Place, Server, address
from bot.store.postgres import Postgres
from bot.workflow import Rules, Wish, Workflow, decisions

PEOPLE = 32
_APPROVERS = Members(frozenset({"UBEN"}))
_ANN = Actor("UANN", "ann", requester=Membership.MEMBER)
_BEN = Actor("UBEN", "ben", approver=Membership.MEMBER)
Row = dict[str, Any]


async def act(place: Place, name: str, begins: float, seconds: float) -> list[float]:
    """Let people ask and approve from this time on, for so many seconds; return the seconds of each use case."""
    store = Store(place)
    await store.open()
    rules = Rules(1, False, timedelta(hours=2), re.compile(r".*"))
    workflow = Workflow(store, rules, now=lambda: datetime.now(UTC), wake=asyncio.Event())
    times: list[float] = []

    async def person(number: int) -> None:
        turn = 0
        while time.time() < begins + seconds:
            form, turn = f"{name}_{begins}_{number}_{turn}", turn + 1
            began = time.perf_counter()
            asked = await workflow.request(
                Wish(form_id=form, order_ids=(form.replace(".", "_"),), reason="bench", channel="C1"), _ANN
            )
            between = time.perf_counter()
            assert asked.request is not None
            done = await workflow.act(decisions.approve, Act.APPROVE, asked.request.id, _BEN, approvers=_APPROVERS)
            assert done.verdict is Verdict.ALLOWED
            times.extend((between - began, time.perf_counter() - between))

    await asyncio.sleep(begins - time.time())
    await asyncio.gather(*(person(each) for each in range(PEOPLE)))
    await store.close()
    return times


async def together(place: Place, bots: int, seconds: float) -> Row:
    """Return the use cases a second of so many bots on this database, and how long one takes."""
    store = Store(place)
    await store.open()
    await store.close()
    begins = time.time() + 2 + bots
    processes = [
        await create_subprocess_exec(
            sys.executable,
            *("-m", "tests.bench.replicas", f"bot{each}", str(begins), str(seconds)),
            stdin=PIPE,
            stdout=PIPE,
        )
        for each in range(bots)
    ]
    said = await asyncio.gather(*(each.communicate(address(place).encode()) for each in processes))
    times = sorted(each for output, _ in said for each in json.loads(output))
    return {
        "bots": bots,
        "use cases a second": len(times) / seconds,
        "p50 ms": statistics.median(times) * 1000,
        "p99 ms": times[math.ceil(len(times) * 0.99) - 1] * 1000,
    }


def round_trip(server: Server) -> float:
    """Return the median milliseconds of the smallest question to the server."""
    with closing(Postgres(server)) as connection:
        times = []
        for _ in range(200):
            began = time.perf_counter()
            connection.execute("SELECT 1")
            times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times)


def engines(folder: Path, seconds: float = 10.0) -> list[Row]:
    """Return a row for the file and, where PostgreSQL is installed, one for each number of bots on a server."""
    rows: list[Row] = [{"engine": "SQLite"} | asyncio.run(together(folder / "engine.db", 1, seconds))]
    found = programs()
    if found is None:
        return rows
    # Not in the folder of the others, which only this user may enter.
    with tempfile.TemporaryDirectory(prefix="desk-bench-") as name:
        server = LocalServer(found, Path(name) / "server")
        Path(name).chmod(0o755)
        server.start()
        try:
            for bots in (1, 2, 3):
                place = Server(SecretStr(server.url(f"bench_{bots}")))
                with closing(Postgres(Server(SecretStr(server.url("postgres"))))) as connection:
                    connection.execute(f"CREATE DATABASE bench_{bots}")
                # A server that knows nothing of its tables yet plans badly; it looks at them by itself within a minute.
                asyncio.run(together(place, 1, 1.0))
                with closing(Postgres(place)) as connection:
                    connection.execute("ANALYZE")
                row = {"engine": "PostgreSQL"} | asyncio.run(together(place, bots, seconds))
                rows.append(row | {"round trip ms": round_trip(place)})
        finally:
            server.stop("fast")
    return rows


if __name__ == "__main__":
    log.configure("ERROR", "console", [])
    place = database(sys.stdin.read())
    name, begins, seconds = sys.argv[1:]
    print(json.dumps(asyncio.run(act(place, name, float(begins), float(seconds)))))
