"""``python -m tests.bench``: this bot beside the floor and the tutorial's way; a table in build/bench.md."""

import argparse
import asyncio
import os
import platform
import sqlite3
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tabulate import tabulate

from tests.bench.acks import compare
from tests.bench.record import commit_cost, growth
from tests.flows.desk import open_desk


async def acknowledgements(folder: Path, count: int) -> list[dict[str, Any]]:
    """The comparison, in a fresh workspace."""
    async with open_desk(folder / "bench.db") as desk:
        return await compare(desk, count=count)


def judged(rows: list[dict[str, Any]], commit: float) -> list[dict[str, Any]]:
    """Each row with its ratio to the floor, and whether the aim is met."""
    floor = {(row["act"], row["at once"]): row["p50 ms"] for row in rows if row["app"] == "floor"}
    for row in rows:
        base = floor.get((row["act"].partition(",")[0], row["at once"]))
        row["x floor"] = row["p50 ms"] / base if base else None
        if row["app"] != "this bot" or not base:
            continue
        allowed = 1.3 * base + (0 if row["act"] == "command" else commit * row["at once"])
        row["aim"] = (
            "met" if row["p50 ms"] <= allowed and row["p99 ms"] <= 250 else f"missed (p50 {allowed:.1f}, p99 250)"
        )
    return rows


def main() -> None:
    """Measure, print, and write the table down."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it works")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        commit = asyncio.run(commit_cost(folder / "commit.db"))
        rows = judged(asyncio.run(acknowledgements(folder, 20 if options.quick else 300)), commit)
        sizes = [1_000] if options.quick else [1_000, 100_000, 1_000_000]
        record = growth(folder, sizes)
    machine = (
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, Python {platform.python_version()},"
        f" SQLite {sqlite3.sqlite_version}; one commit {commit:.2f} ms"
    )
    text = "\n\n".join([
        machine,
        tabulate(rows, headers="keys", floatfmt=".2f", tablefmt="github"),
        tabulate(record, headers="keys", floatfmt=".2f", tablefmt="github"),
    ])  # fmt: skip
    build = Path("build")
    build.mkdir(exist_ok=True)
    (build / "bench.md").write_text(text + "\n", "utf-8")
    print(text)


if __name__ == "__main__":
    main()
