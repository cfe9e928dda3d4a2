"""What a clean stop leaves behind."""

from pathlib import Path

from bot.store import Store


async def test_a_clean_stop_leaves_everything_in_the_one_file(database: Path) -> None:
    """After a stop, copying the database file alone loses nothing: the log beside it is gone."""
    store = Store(database)
    await store.open()
    await store.probe()
    await store.read(lambda reader: reader.last_event())
    await store.close()
    assert {path.name for path in database.parent.iterdir()} == {database.name, f"{database.name}.lock"}
