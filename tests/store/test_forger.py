"""Every forgery that docs/record.md lists, on both engines, with the guards in place, put back, and left off.

The table in "What it does not prove" says what is found without a key and with it. These tests take their expectations
from there, and a row without a forgery, or a forgery without a row, fails.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import Any, Protocol

import pytest

from bot.domain.audit import Event, Head, follow, parse_head, timestamp
from bot.domain.events import Approved, Content, LookedUp, Named, Sending, Started, Stopped, to_json
from bot.domain.seal import PrivateKey
from bot.domain.verification import Damage, Verification
from bot.store import Place, backup, move, open_beside, open_reader, verify_all
from bot.store.record import COLUMNS
from bot.workflow import Rules
from tests.clock import Clock
from tests.postgres import REFUSED, Cluster
from tests.store.test_seals import Bots
from tests.test_docs import rows_below
from tests.workflow.steps import requested

KEY, OTHER = PrivateKey(bytes(32)), PrivateKey(bytes([1] * 32))
_INSERT = f"INSERT INTO audit_events ({COLUMNS}) VALUES ({', '.join('?' * 9)})"


class Guards(Enum):
    """The ways to deal with the guards of the record."""

    IN_PLACE = auto()
    PUT_BACK = auto()
    LEFT_OFF = auto()


class Hand(Protocol):
    """A connection of somebody who may do everything in the database, and owes nothing to the bot's code."""

    def __call__(self, sql: str, *values: object) -> list[Any]:
        """Run one statement, and return its rows."""
        ...


class Forger:
    """Somebody who has the database of a bot, but not its key."""

    def __init__(self, bots: Bots, clock: Clock, postgres: Cluster | None, folder: Path) -> None:
        self.bots, self.clock, self._postgres, self._folder = bots, clock, postgres, folder
        self.place: Place = bots.place
        self.key: PrivateKey | None = None
        """The bot's key, where it has one."""
        self.guards = Guards.IN_PLACE

    @contextmanager
    def hand(self) -> Iterator[Hand]:
        """Yield a connection for one transaction, with the guards as this forger deals with them."""
        if isinstance(self.place, Path):
            with closing(sqlite3.connect(self.place)) as file, file:

                def on_file(sql: str, *values: object) -> list[Any]:
                    return file.execute(sql, values).fetchall()

                guards = on_file("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
                yield from self._with_guards(
                    on_file, [f"DROP TRIGGER {name}" for name, _ in guards], [s for _, s in guards]
                )
            return
        assert self._postgres is not None
        name = self.place.url.get_secret_value().rpartition("/")[2]
        with self._postgres.connect(name) as server, server.transaction():

            def on_server(sql: str, *values: object) -> list[Any]:
                cursor = server.execute(sql.replace("?", "%s").encode(), values or None)
                return cursor.fetchall() if cursor.description else []

            always = ("audit_events_no_change", "audit_events_only_append")
            back = [f"ALTER TABLE audit_events ENABLE ALWAYS TRIGGER {each}" for each in always]
            off = ["ALTER TABLE audit_events DISABLE TRIGGER ALL"]
            yield from self._with_guards(on_server, off, ["ALTER TABLE audit_events ENABLE TRIGGER ALL", *back])

    def _with_guards(self, hand: Hand, off: list[str], back: list[str]) -> Iterator[Hand]:
        for statement in off if self.guards is not Guards.IN_PLACE else ():
            hand(statement)
        yield hand
        for statement in back if self.guards is Guards.PUT_BACK else ():
            hand(statement)

    def run(self, *statements: str) -> None:
        """Run these statements."""
        with self.hand() as hand:
            for each in statements:
                hand(each)

    def rewrite(self, edit: Callable[[list[Event]], list[Event]], *statements: str) -> None:
        """Put other events into the record, with all hashes computed again, and run these statements."""
        with self.hand() as hand:
            kept = [Event(*row) for row in hand(f"SELECT {COLUMNS} FROM audit_events ORDER BY seq")]
            hand("DELETE FROM audit_events")
            last = "0" * 64
            for seq, event in enumerate(edit(kept), 1):
                made = event._replace(seq=seq, prev_hash=last).sealed()
                hand(_INSERT, *made[:-1])
                last = made.hash
            for statement in statements:
                hand(statement)

    def append(self, content: Content, actor: str = "bot", order: str = "", *, words: bool = True) -> Event:
        """Append a well-made event, with the words beside it; the guards let it pass."""
        with self.hand() as hand:
            rows = hand(f"SELECT {COLUMNS} FROM audit_events ORDER BY seq DESC LIMIT 1")
            about = hand("SELECT request FROM audit_events WHERE order_id = ? LIMIT 1", order)[0][0] if order else ""
            event, typed = follow(
                Event(*rows[0]), content, actor, timestamp(self.clock()), request=about, order_id=order
            )
            hand(_INSERT, *event[:-1])
            for word in typed if words else ():
                hand("INSERT INTO words (seq, field, salt, text) VALUES (?, ?, ?, ?)", event.seq, *word)
        return event

    def head(self) -> Head:
        """Return the head of the last event, as Slack shows it."""
        with open_reader(self.place) as tables:
            return parse_head(tables.record.last().head)

    def copy(self) -> Place:
        """Return a copy of the whole database as it is now, on the same engine."""
        file = self._folder / "copy.db"
        backup(self.place, file)
        if isinstance(self.place, Path):
            return file
        assert self._postgres is not None
        server = self._postgres.new()
        move(file, server)
        return server

    async def go_on(self) -> None:
        """Let the bot go on with its own database."""
        await self.bots.cancel(self.key, "ord_later")

    def verified(self, *keys: PrivateKey | None, head: Head | None = None) -> Verification:
        """Verify the forged database."""
        return verify_all(self.place, head, [each.public for each in keys if each is not None])


@dataclass(frozen=True)
class Forgery:
    """One forgery. ``act`` may return a head that Slack showed, which has to find it where nothing else does."""

    way: str
    name: str
    act: Callable[[Forger], Any]
    sealed: tuple[bool, ...] = (True, False)
    guards: tuple[Guards, ...] = tuple(Guards)
    engines: tuple[str, ...] = ("sqlite", "postgres")


def by_sql(*statements: str) -> Callable[[Forger], None]:
    """Return what runs these statements."""
    return lambda forger: forger.run(*statements)


def by_rewriting(edit: Callable[[list[Event]], list[Event]]) -> Callable[[Forger], None]:
    """Return what puts these events into the record, and leaves the tables as they are."""
    return lambda forger: forger.rewrite(edit)


def by_appending(content: Content, actor: str = "UEVE", order: str = "") -> Callable[[Forger], Event]:
    """Return what appends a well-made event."""
    return lambda forger: forger.append(content, actor, order)


def _edited(event: str, **fields: str) -> Callable[[list[Event]], list[Event]]:
    def edit(kept: list[Event]) -> list[Event]:
        return [Event(**(each._asdict() | fields)) if each.kind == event else each for each in kept]

    return edit


def _another_approver(kept: list[Event]) -> list[Event]:
    kept = [each._replace(actor="UTWO") if each.kind == "named" and each.actor == "UONE" else each for each in kept]
    return [each._replace(actor="UTWO") if each.kind == "approved" else each for each in kept]


_FOLLOWED = (
    "UPDATE decisions SET approver = 'UTWO' WHERE choice = 'approve'",
    "UPDATE people SET id = 'UTWO' WHERE id = 'UONE'",
)
"""The tables as ``_another_approver`` needs them."""
_NEVER_SEALED = ("DELETE FROM seals", "DELETE FROM tree_blocks")


def _never_a_key(kept: list[Event]) -> list[Event]:
    plain = to_json(Started("1"))[0]
    return [each._replace(data=plain) if each.kind == Started.kind else each for each in _another_approver(kept)]


def _rewritten_together(forger: Forger) -> Head:
    seen = forger.head()
    forger.rewrite(_another_approver, *_FOLLOWED)
    return seen


def _extended_together(forger: Forger) -> None:
    event = forger.append(Named("eve"), "UEVE")
    forger.run("INSERT INTO people (id, name) VALUES ('UEVE', 'eve')")
    assert event.kind == "named"


def _cut_together(forger: Forger) -> Head:
    seen = forger.head()
    forger.rewrite(lambda kept: kept[:-1])
    return seen


def _as_if_without_key(forger: Forger) -> Head:
    seen = forger.head()
    forger.rewrite(_never_a_key, *_FOLLOWED, *_NEVER_SEALED)
    return seen


async def _sealed_again(forger: Forger) -> Head:
    seen = _as_if_without_key(forger)
    if forger.guards is not Guards.LEFT_OFF:  # a bot does not start without them
        await forger.bots.cancel(OTHER, "ord_9")
    return seen


def _false_end(content: Content) -> Callable[[Forger], Any]:
    async def forge(forger: Forger) -> Head:
        forged = forger.copy()
        await forger.go_on()
        later = forger.head()
        forger.place = forged
        forger.append(content, "UEVE")
        return later

    return forge


async def _older_copy(forger: Forger) -> Head:
    older = forger.copy()
    await forger.go_on()
    later = forger.head()
    forger.place = older
    return later


async def _wrong_before_the_first_seal(forger: Forger) -> Head:
    seen = _rewritten_together(forger)
    forger.key = KEY
    await forger.bots.cancel(KEY, "ord_9")
    return seen


TABLES = "a row of requests, decisions, calls, messages, words or names changed, added or deleted"
EVENTS = "an event changed, removed, inserted or moved"
HASHES = "events rewritten with all hashes computed again, the tables as they were"
FALSE = "false events at the end that do not fit the tables, or that cannot follow"
DEFINITIONS = "a trigger, index or table replaced, also by one of the same name"
VIEW = "a view replaced"
SEALS = "a seal or the tree changed, or a seal removed"
UNSEALED = "in a sealed record: events rewritten, added or cut off, the seal as it was"
RESEALED = "everything rewritten as if there had never been a key, or sealed with another key"
END = "in a record without seals: false events at the end that no row repeats, such as a look-up or a start"
TOGETHER = "in a record without seals: events and tables rewritten, extended or cut off together"
OLDER = "an older copy of the whole database put back"
BEFORE = "what was wrong before the first seal"
ONCE = (Guards.IN_PLACE,)
ORDER = "WHERE order_id = 'ord_1'"
LAST = "(SELECT max(seq) FROM audit_events)"

FORGERIES = [
    *(
        Forgery(TABLES, sql, by_sql(sql), guards=(Guards.IN_PLACE, Guards.PUT_BACK))
        for sql in (
            f"UPDATE cancellations SET order_id = 'ord_9' {ORDER}",
            f"UPDATE cancellations SET state = 'refused' {ORDER}",
            "UPDATE requests SET reason = 'other words'",
            "UPDATE requests SET requester = 'UEVE'",
            "UPDATE requests SET approvals_required = 2",
            "UPDATE decisions SET approver = 'UEVE'",
            "DELETE FROM decisions",
            (
                "INSERT INTO decisions (number, approver, choice, order_id, reason, at, requested_at)"
                " SELECT number, 'UEVE', 'approve', '', '', requested_at, requested_at FROM requests"
            ),
            "UPDATE attempts SET outcome = 'unknown'",
            "DELETE FROM attempts",
            "DELETE FROM deliveries",
            "UPDATE deliveries SET target = 'CEVE' WHERE kind = 'card'",
            "UPDATE words SET text = 'other words' WHERE field = 'reason'",
            "DELETE FROM words",
            "UPDATE people SET name = 'eve'",
            "INSERT INTO people (id, name) VALUES ('UEVE', 'ann')",
        )
    ),
    *(
        Forgery(EVENTS, sql, by_sql(sql))
        for sql in (
            "UPDATE audit_events SET actor = 'UEVE' WHERE kind = 'approved'",
            "UPDATE audit_events SET at = '2026-01-01T00:00:00.000Z'",
            "UPDATE audit_events SET hash = prev_hash WHERE seq = 3",
            "UPDATE audit_events SET seq = seq + 1000 WHERE seq = 3",
            (
                f"INSERT INTO audit_events SELECT {LAST} + 2, at, kind, request, order_id, actor, data, prev_hash, hash"
                " FROM audit_events WHERE seq = 3"
            ),
        )
    ),
    Forgery(
        EVENTS,
        "an event removed",
        by_sql("DELETE FROM words", "DELETE FROM deliveries", "DELETE FROM audit_events WHERE seq = 3"),
    ),
    *(
        Forgery(HASHES, name, by_rewriting(edit))
        for name, edit in {
            "another approver": _edited("approved", actor="UEVE"),
            "another requester": _edited("requested", actor="UEVE"),
            "another time": _edited("requested", at="2026-01-01T00:00:00.000Z"),
            "another order": _edited("approved", order_id="ord_9"),
            "no approval": lambda kept: [each for each in kept if each.kind != "approved"],
            "nothing": lambda kept: [],
        }.items()
    ),
    *(
        Forgery(FALSE, f"{content.kind} of {order}", by_appending(content, order=order))
        for content, order in (
            (Approved(1, 1), "ord_2"),
            (Sending(1), "ord_2"),
            (Stopped(), "ord_1"),
            (Approved(1, 1), ""),
        )
    ),
    Forgery(FALSE, "a name without its words", lambda forger: forger.append(Named("eve"), "UEVE", words=False)),
    *(
        Forgery(DEFINITIONS, statements[-1], by_sql(*statements), guards=ONCE, engines=("sqlite",))
        for statements in (
            ("DROP TRIGGER audit_events_no_update",),
            (
                "DROP TRIGGER audit_events_no_update",
                "CREATE TRIGGER audit_events_no_update BEFORE UPDATE ON audit_events BEGIN SELECT 1; END",
            ),
            ("CREATE TRIGGER later AFTER INSERT ON people BEGIN DELETE FROM people; END",),
            (
                "DROP INDEX audit_events_by_request",
                "CREATE INDEX audit_events_by_request ON audit_events (request, seq) WHERE seq <> 3",
            ),
            (
                "DROP INDEX one_open_cancellation_per_order",
                "CREATE UNIQUE INDEX one_open_cancellation_per_order ON cancellations (order_id) WHERE state = 'x'",
            ),
            ("ALTER TABLE people ADD COLUMN note TEXT",),
            ("CREATE TABLE more (id INTEGER)",),
        )
    ),
    *(
        Forgery(DEFINITIONS, statements[-1], by_sql(*statements), guards=ONCE, engines=("postgres",))
        for statements in (
            ("DROP TRIGGER audit_events_no_change ON audit_events",),
            ("ALTER TABLE audit_events DISABLE TRIGGER audit_events_only_append",),
            (
                (
                    "CREATE OR REPLACE FUNCTION audit_events_append_only() RETURNS trigger LANGUAGE plpgsql"
                    " AS 'BEGIN RETURN NULL; END'"
                ),
            ),
            (
                "CREATE FUNCTION evil() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
                "CREATE TRIGGER later AFTER INSERT ON people FOR EACH ROW EXECUTE FUNCTION evil()",
            ),
            (
                "DROP INDEX one_open_cancellation_per_order",
                "CREATE UNIQUE INDEX one_open_cancellation_per_order ON cancellations (order_id) WHERE state = 'x'",
            ),
            ("ALTER TABLE people ADD COLUMN note TEXT",),
            ("CREATE RULE nothing AS ON INSERT TO decisions DO INSTEAD NOTHING",),
            ("ALTER TABLE decisions ENABLE ROW LEVEL SECURITY",),
        )
    ),
    Forgery(
        VIEW,
        "the readable record",
        by_sql("DROP VIEW audit_readable", "CREATE VIEW audit_readable AS SELECT * FROM audit_events WHERE seq <> 3"),
        guards=ONCE,
    ),
    *(
        Forgery(SEALS, sql, by_sql(sql), sealed=(True,), guards=ONCE)
        for sql in (
            "DELETE FROM seals",
            f"UPDATE seals SET key = '{OTHER.public.text}'",
            "UPDATE seals SET note = replace(note, 'chain ', 'chain 0')",
            "UPDATE seals SET note = ''",
            "UPDATE seals SET size = size + 1",
            "UPDATE seals SET size = size - 1",
            "UPDATE seals SET frontier = ''",
            "INSERT INTO tree_blocks (number, root) VALUES (1, '00')",
        )
    ),
    Forgery(UNSEALED, "rewritten together with the tables", _rewritten_together, sealed=(True,)),
    Forgery(UNSEALED, "a stop added", by_appending(Stopped(), "bot"), sealed=(True,)),
    Forgery(UNSEALED, "a look-up added", by_appending(LookedUp("7d", 1, "0a")), sealed=(True,)),
    Forgery(UNSEALED, "a name added with its row", _extended_together, sealed=(True,)),
    Forgery(UNSEALED, "the end cut off", _cut_together, sealed=(True,)),
    Forgery(RESEALED, "as if there had never been a key", _as_if_without_key, sealed=(True,)),
    Forgery(RESEALED, "sealed with another key", _sealed_again, sealed=(True,)),
    Forgery(END, "a look-up", _false_end(LookedUp("7d", 1, "0a")), sealed=(False,)),
    Forgery(END, "a start", _false_end(Started("1")), sealed=(False,)),
    Forgery(END, "a stop", _false_end(Stopped()), sealed=(False,)),
    Forgery(TOGETHER, "another approver", _rewritten_together, sealed=(False,)),
    Forgery(TOGETHER, "a name with its row", _extended_together, sealed=(False,)),
    Forgery(TOGETHER, "the end cut off", _cut_together, sealed=(False,)),
    Forgery(OLDER, "a copy", _older_copy, guards=ONCE),
    Forgery(
        BEFORE,
        "another approver",
        _wrong_before_the_first_seal,
        sealed=(False,),
        guards=(Guards.IN_PLACE, Guards.PUT_BACK),
    ),
]


def documented() -> dict[str, tuple[str, str]]:
    """Return what docs/record.md says of each forgery: what is found without a key, and with it."""
    return {
        way: (without, with_key) for way, without, with_key in rows_below("docs/record.md", "## What it does not prove")
    }


def test_the_documented_forgeries_are_those_that_are_tried() -> None:
    """A row that nobody tries promises too much, and a forgery without a row is not admitted."""
    assert list(dict.fromkeys(each.way for each in FORGERIES)) == list(documented())


CASES = [
    pytest.param(
        each,
        sealed,
        guards,
        engine,
        id=f"{each.way}: {each.name}-{'sealed' if sealed else 'plain'}-{guards.name}-{engine}",
    )
    for each in FORGERIES
    for sealed in each.sealed
    for guards in each.guards
    for engine in each.engines
]


@pytest.mark.parametrize("forgery, sealed, guards, engine", CASES, indirect=["engine"])
async def test_a_forgery_is_found_or_admitted(
    forgery: Forgery,
    sealed: bool,
    guards: Guards,
    database_place: Place,
    rules: Rules,
    clock: Clock,
    request: pytest.FixtureRequest,
    tmp_path: Path,
) -> None:
    """The database refuses it, or a verification finds it, or the documentation says that only a head does."""
    bots = Bots(database_place, rules, clock)
    postgres = None if isinstance(database_place, Path) else request.getfixturevalue("postgres")
    forger = Forger(bots, clock, postgres, tmp_path)
    forger.key = KEY if sealed else None
    await bots.cancel(forger.key, "ord_1")
    async with bots.running(forger.key) as workflow:
        await requested(workflow, "ord_2", form="V2")
    with open_beside(database_place, forger.key) as tables:
        tables.record.append(Stopped(), "bot", clock())
    assert forger.verified(forger.key).damage is None
    forger.guards = guards
    try:
        witness = forgery.act(forger)
        if hasattr(witness, "__await__"):
            witness = await witness
    except REFUSED:
        assert guards is Guards.IN_PLACE
        assert forger.verified(forger.key).damage is None
        return
    without, with_key = documented()[forgery.way]
    if guards is Guards.LEFT_OFF:
        assert forger.verified().damage is not None
        return
    assert (forger.verified().damage is not None) is without.startswith("yes")
    found = forger.verified(KEY)
    if with_key.startswith("no seal"):
        assert found.damage is Damage.NEVER_SEALED
    elif forger.key is not None or forgery.way in {RESEALED, BEFORE}:
        assert (found.damage is not None) is with_key.startswith("yes")
    if "head" in without and isinstance(witness, Head):
        assert forger.verified(head=witness).damage is not None
