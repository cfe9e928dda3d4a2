"""Commands that write to the record as processes of their own, beside a bot that has the file open."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from bot.domain.audit import BOT
from bot.domain.events import Started
from bot.store import Store, verify_all
from bot.workflow import Rules, Workflow
from tests.clock import Clock
from tests.workflow.steps import deliver_all, reject, requested

ROOT = Path(__file__).parents[2]


async def command(database: Path, *words: str, **variables: str) -> tuple[int | None, str, str]:
    """Run a command as the engineer does; return its exit code, stdout and stderr."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", *words,
        cwd=ROOT,
        env=os.environ | {"DATABASE_URL": f"sqlite:///{database}"} | variables,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


@pytest.mark.parametrize(
    "words, kind",
    [
        (["audit", "find"], "exported"),
        (["audit", "find", "ord_1", "--csv"], "exported"),
        (["audit", "find", "--database", "bot.db"], "exported"),
        (["report"], "exported"),
        (["erase", "--order", "ord_1", "--why", "ticket 7", "--yes"], "erased"),
        (["backup", "copy.db"], "backed_up"),
        (["backup", "copy.db", "--database", "bot.db"], "backed_up"),
    ],
)
async def test_a_command_puts_itself_on_record_while_the_bot_goes_on(
    database: Path, rules: Rules, clock: Clock, tmp_path: Path, words: list[str], kind: str
) -> None:
    """The bot's next commits follow from that event, its file counts as its own, and the next start takes it."""
    store = Store(database)
    await store.open()
    workflow = Workflow(store, rules, now=clock, wake=asyncio.Event())
    await reject(workflow, await requested(workflow))
    await deliver_all(workflow)
    words = [str(database) if word == "bot.db" else word for word in words]
    words = [str(tmp_path / word) if word == "copy.db" else word for word in words]
    assert (await command(store.path, *words))[::2] == (0, "")
    last = await store.read(lambda tables: tables.record.last())
    assert last.kind == kind
    for _ in range(3):
        await store.transaction("next", lambda tx: tx.record.append(Started("1"), BOT, clock()))
        await store.probe()
        assert (await command(store.path, "audit", "verify"))[0] == 0
    await store.close()
    assert verify_all(store.path).damage is None
    again = Store(store.path)
    await again.open()
    assert (await again.read(lambda tables: tables.record.last())).kind == "started"
    await again.close()


async def test_a_bot_that_is_killed_while_a_command_has_the_file_starts_again(
    workflow: Workflow, store: Store, tmp_path: Path
) -> None:
    """The files as a kill leaves them in the middle, copied after the command wrote, are a record that verifies."""
    await reject(workflow, await requested(workflow))
    assert (await command(store.path, "audit", "find"))[0] == 0
    left = tmp_path / "left"
    left.mkdir()
    for name in (store.path.name, f"{store.path.name}-wal"):
        (left / name).write_bytes((store.path.parent / name).read_bytes())
    again = Store(left / store.path.name)
    await again.open()
    assert (await again.read(lambda tables: tables.record.last())).kind == "exported"
    await again.close()
    assert verify_all(left / store.path.name).damage is None
