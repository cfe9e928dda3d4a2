"""What a clean stop leaves behind."""

from pathlib import Path

import pytest

from bot.store import Store, Unusable


async def test_a_clean_stop_leaves_everything_in_the_one_file(database: Path) -> None:
    """After a stop, copying the database file alone loses nothing: the log beside it is gone."""
    store = Store(database)
    await store.open()
    await store.probe()
    await store.read(lambda reader: reader.last_event())
    await store.close()
    assert {path.name for path in database.parent.iterdir()} == {database.name, f"{database.name}.lock"}


async def test_who_comes_after_the_close_is_told_of_the_stop(database: Path) -> None:
    """Nobody is sent to the backup because a late listener met a closed file."""
    store = Store(database)
    await store.open()
    await store.close()
    for late in (store.probe(), store.read(lambda reader: reader.last_event()), store.transaction("late", lambda _: 1)):
        with pytest.raises(Unusable, match="the bot is stopping"):
            await late
