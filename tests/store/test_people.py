"""Names: the latest one of everybody who acted."""

import itertools
from datetime import UTC, datetime

from bot.domain.policy import Actor
from bot.store import Store, Tables
from tests.postgres import ON_SQLITE
from tests.writer import Writer

AT = datetime(2026, 11, 23, tzinfo=UTC)


async def test_the_latest_name_is_kept(store: Store) -> None:
    """A person who acts under another name is known by that one; an act without a name changes nothing."""

    def work(tx: Tables) -> dict[str, str]:
        for person, name in (("U1", "ann"), ("U2", "ben"), ("U1", "anna"), ("U2", ""), ("U3", "")):
            tx.people.remember(Actor(person, name), AT)
        return tx.people.names(["U1", "U2", "U3", "U9"])

    assert await store.transaction("names", work) == {"U1": "anna", "U2": "ben"}


@ON_SQLITE
async def test_a_name_is_written_only_when_it_has_changed(store: Store, writer: Writer) -> None:
    """Every click brings a name, and hardly ever a new one; a known name costs no write."""

    def work(tx: Tables) -> list[int]:
        changes = [writer.sqlite.database.conn.total_changes]
        for name in ("ann", "ann", "anna", "anna", ""):
            tx.people.remember(Actor("U1", name), AT)
            changes.append(writer.sqlite.database.conn.total_changes)
        return [after - before for before, after in itertools.pairwise(changes)]

    assert await store.transaction("names", work) == [3, 0, 3, 0, 0]


async def test_nobody_is_nobody(store: Store) -> None:
    """A question about no people has an empty answer."""
    assert await store.read(lambda tables: tables.people.names([])) == {}


async def test_a_person_is_found_by_the_name_they_go_by(store: Store) -> None:
    """In any case; not by a name they no longer have, and not where two people have the name."""

    def work(tx: Tables) -> list[str | None]:
        for person, name in (("U1", "ann"), ("U1", "Anna"), ("U2", "ben"), ("U3", "BEN"), ("U4", "cleo.k")):
            tx.people.remember(Actor(person, name), AT)
        return [tx.people.id_of(name) for name in ("anna", "ANNA", "ann", "ben", "cleo.k", "cleo_k", "%", "", "U1")]

    found = await store.transaction("names", work)
    assert found == ["U1", "U1", None, None, "U4", None, None, None, None]
