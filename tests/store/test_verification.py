"""Forgeries of a record, in every way open to somebody who has the file, and how a verification finds them."""

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from bot.domain.audit import Event, follow, parse_head
from bot.domain.cancellation import State
from bot.domain.delivery import DeliveryKind, DeliveryOutcome
from bot.domain.events import Approved, Content, Erased, Expired, Hurried, Requested, Sending, Started, StoppedTrying
from bot.domain.policy import Verdict
from bot.domain.projection import Subject
from bot.domain.request import Request
from bot.domain.verification import Damage
from bot.domain.words import ERASED
from bot.store import Store, verify_all
from bot.store.record import COLUMNS
from bot.workflow import Asked, Wish, Workflow
from tests.clock import Clock
from tests.domain.examples import changed
from tests.workflow.steps import (
    ANN,
    AWAY,
    CANCELLED,
    DENIED,
    LOST,
    approve,
    approved,
    deliver_all,
    events,
    now,
    reject,
    requested,
    retry,
    sending,
    settle,
    unknown,
)
from tests.world import DORA, World, actor, next_attempt


@pytest.fixture
def engine() -> str:
    """Return SQLite: these tests are about its file."""
    return "sqlite"


@pytest.fixture
async def played(workflow: Workflow, store: Store, clock: Clock) -> Path:
    """Return a sound file with a request of each kind: settled by hand, cancelled, rejected and pending."""
    found = await unknown(workflow)
    assert await settle(workflow, found) is Verdict.ALLOWED
    await approved(workflow, "ord_2", form="V2")
    rejected = await requested(workflow, "ord_3", form="V3")
    await deliver_all(workflow)
    assert await workflow.record_answer(await sending(workflow), replace(CANCELLED, message="done")) is State.CANCELLED
    assert await reject(workflow, rejected) is Verdict.ALLOWED
    await deliver_all(workflow)
    await requested(workflow, "ord_4", form="V4")
    assert verify_all(store.path).damage is None
    return store.path


def change(path: Path, *statements: str) -> None:
    """Change the file by plain SQL, past the bot, with the guards as they are."""
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


APART = {DeliveryKind.DIGEST, DeliveryKind.ANNOUNCEMENT, DeliveryKind.EVIDENCE, DeliveryKind.COPIES}
OF_REQUESTS = sorted(set(DeliveryKind) - APART)
ORDER = "WHERE order_id = 'ord_{}'".format
NUMBER = "(SELECT request FROM cancellations WHERE order_id = 'ord_{}')".format
CALLED = "(SELECT number FROM cancellations WHERE order_id = 'ord_{}')".format


def OF(order: int) -> str:  # noqa: N802 -- a piece of SQL like those above
    """Return the condition for the request of this order."""
    return f"WHERE number = {NUMBER(order)}"


@pytest.mark.parametrize(
    "statement, subject",
    [
        (f"UPDATE cancellations SET order_id = 'ord_9' {ORDER(4)}", Subject.ORDER_ID),
        (f"UPDATE requests SET reason = 'another' {OF(2)}", Subject.REASON),
        (f"UPDATE requests SET reason = '' {OF(2)}", Subject.REASON),
        (f"UPDATE requests SET reason = '{ERASED}' {OF(2)}", Subject.REASON),
        (f"UPDATE requests SET category = 'fraud' {OF(2)}", Subject.CATEGORY),
        (f"UPDATE requests SET source = 'https://evil' {OF(2)}", Subject.SOURCE),
        (f"UPDATE requests SET requester = 'UONE' {OF(2)}", Subject.REQUESTER),
        (f"UPDATE cancellations SET requester = 'UONE' {ORDER(2)}", Subject.REQUESTER),
        (f"UPDATE cancellations SET requested_at = '2026-01-01T00:00:00.000Z' {ORDER(2)}", Subject.REQUESTED_AT),
        (f"UPDATE cancellations SET state = 'withdrawn' {ORDER(2)}", Subject.STATE),
        (f"UPDATE cancellations SET state = 'approved' {ORDER(4)}", Subject.STATE),
        (f"UPDATE requests SET approvals_required = 2 {OF(2)}", Subject.QUORUM),
        (f"UPDATE requests SET requested_at = '2026-01-01T00:00:00.000Z' {OF(2)}", Subject.REQUESTED_AT),
        (f"UPDATE requests SET expires_at = '2099-01-01T00:00:00.000Z' {OF(4)}", Subject.EXPIRES_AT),
        (f"UPDATE requests SET approval_ttl = 999999 {OF(2)}", Subject.APPROVAL_TTL),
        (f"UPDATE cancellations SET changed_at = '2026-01-01T00:00:00.000Z' {ORDER(2)}", Subject.CHANGED_AT),
        (f"UPDATE cancellations SET changed_seq = 1 {ORDER(2)}", Subject.CHANGED_SEQ),
        (f"UPDATE requests SET card_channel = 'C9' {OF(2)}", Subject.CARD),
        (f"UPDATE requests SET card_ts = '9.9' {OF(2)}", Subject.CARD),
        (f"UPDATE requests SET card_link = 'https://evil' {OF(2)}", Subject.CARD),
        (f"UPDATE cancellations SET attempts = 7 {ORDER(2)}", Subject.ATTEMPT_COUNT),
        (f"UPDATE requests SET reminded = 1 {OF(4)}", Subject.REMINDED),
        (f"UPDATE requests SET escalated_at = requested_at {OF(4)}", Subject.ESCALATED_AT),
        (f"UPDATE requests SET due_at = '2099-01-01T00:00:00.000Z' {OF(4)}", Subject.DUE_AT),
        (f"UPDATE requests SET due_at = NULL {OF(4)}", Subject.DUE_AT),
        ("UPDATE decisions SET approver = 'UTWO' WHERE choice = 'approve'", Subject.DECISIONS),
        ("UPDATE decisions SET reason = 'other words' WHERE choice = 'reject'", Subject.DECISIONS),
        ("UPDATE decisions SET reason = 'other words' WHERE choice = 'settle'", Subject.DECISIONS),
        ("UPDATE decisions SET at = '2026-01-01T00:00:00.000Z' WHERE choice = 'approve'", Subject.DECISIONS),
        ("UPDATE decisions SET choice = 'approve' WHERE choice = 'reject'", Subject.DECISIONS),
        ("UPDATE decisions SET requested_at = '2026-01-01T00:00:00.000Z'", Subject.DECISIONS),
        ("DELETE FROM decisions WHERE choice = 'approve'", Subject.DECISIONS),
        (
            (
                "INSERT INTO decisions (number, approver, choice, order_id, reason, at, requested_at)"
                f" SELECT number, 'UTWO', 'approve', '', '', requested_at, requested_at FROM requests {OF(2)}"
            ),
            Subject.DECISIONS,
        ),
        (f"DELETE FROM attempts WHERE number = {CALLED(2)}", Subject.ATTEMPTS),
        (f"UPDATE attempts SET outcome = 'cancelled' WHERE number = {CALLED(1)}", Subject.ATTEMPTS),
        (f"UPDATE attempts SET message = 'words' WHERE number = {CALLED(2)}", Subject.ATTEMPTS),
        (f"UPDATE attempts SET http_status = 409 WHERE number = {CALLED(2)}", Subject.ATTEMPTS),
        (f"UPDATE attempts SET request_id = 'req_9' WHERE number = {CALLED(2)}", Subject.ATTEMPTS),
        (
            f"INSERT INTO attempts (number, started_at) SELECT number, requested_at FROM cancellations {ORDER(2)}",
            Subject.ATTEMPTS,
        ),
        ("INSERT INTO attempts (number, started_at) VALUES (99, '2026-01-01T00:00:00.000Z')", Subject.ATTEMPTS),
        *(
            (f"DELETE FROM deliveries WHERE kind = '{kind}' AND number = {NUMBER(order)}", Subject.DELIVERIES)
            for kind in OF_REQUESTS
            for order in (2, 3)
        ),
        (f"DELETE FROM deliveries WHERE number = {NUMBER(4)}", Subject.DELIVERIES),
        *(
            (f"UPDATE deliveries SET target = 'UEVIL' WHERE kind = '{kind}'", Subject.DELIVERIES)
            for kind in ("direct_message", "receipt", "receipt_update")
        ),
        (
            f"UPDATE deliveries SET status = 'abandoned' WHERE kind = 'receipt_update' AND number = {NUMBER(3)}",
            Subject.DELIVERIES,
        ),
        (f"UPDATE deliveries SET ts = '' WHERE kind = 'receipt' AND number = {NUMBER(3)}", Subject.DELIVERIES),
        ("UPDATE deliveries SET target = 'CEVIL' WHERE kind = 'reply'", Subject.DELIVERIES),
        (f"UPDATE deliveries SET status = 'delivered' WHERE number = {NUMBER(4)}", Subject.DELIVERIES),
        (f"UPDATE deliveries SET status = 'abandoned' WHERE number = {NUMBER(4)}", Subject.DELIVERIES),
        *(
            (f"UPDATE deliveries SET status = 'called_off' WHERE kind = '{kind}'", Subject.DELIVERIES)
            for kind in OF_REQUESTS
        ),
        (
            (
                "INSERT INTO deliveries (id, number, kind, event_seq, target, enqueued_at, due_at)"
                f" SELECT 'forged', number, 'direct_message', 1, requester, requested_at, requested_at"
                f" FROM requests {OF(4)}"
            ),
            Subject.DELIVERIES,
        ),
        ("UPDATE words SET text = 'another' WHERE field = 'reason'", Subject.WORDS),
        ("UPDATE words SET salt = 'no salt' WHERE field = 'reason'", Subject.WORDS),
        ("DELETE FROM words WHERE field = 'how'", Subject.WORDS),
        ("DELETE FROM words WHERE field = 'answer.message'", Subject.WORDS),
        ("DELETE FROM words WHERE field = 'name'", Subject.WORDS),
        ("UPDATE words SET text = 'mallory' WHERE field = 'name'", Subject.WORDS),
        ("INSERT INTO words SELECT seq, 'more', salt, text FROM words WHERE field = 'how'", Subject.WORDS),
        ("UPDATE people SET name = 'mallory'", Subject.NAME),
        ("DELETE FROM people WHERE id = 'UONE'", Subject.NAME),
        ("INSERT INTO people VALUES ('UEVIL', 'auditor')", Subject.NAME),
    ],
)
async def test_a_change_of_the_tables_is_found_with_all_guards_in_place(
    played: Path, statement: str, subject: Subject
) -> None:
    """The events are the truth; what the tables say differently is named, with the order and both sides."""
    change(played, statement)
    found = verify_all(played)
    assert found.damage is Damage.CONTRADICTION
    assert found.contradiction is not None
    assert found.contradiction.subject is subject


@pytest.mark.parametrize(
    "statement, said, kept",
    [
        ("UPDATE decisions SET reason = 'other words' WHERE choice = 'reject'", "", ": other words"),
        (f"UPDATE requests SET card_ts = NULL {OF(2)}", "", ""),
    ],
)
async def test_both_sides_of_a_contradiction_differ(played: Path, statement: str, said: str, kept: str) -> None:
    """The engineer sees which words were changed, and reads nothing where there is nothing."""
    change(played, statement)
    found = verify_all(played).contradiction
    assert found is not None
    assert found.said != found.kept
    assert found.said.endswith(said)
    assert found.kept.endswith(kept)
    assert "None" not in found.kept


@pytest.mark.parametrize("order", [2, 4])
async def test_a_request_that_was_removed_is_found(played: Path, order: int) -> None:
    """A request without a row has events that nobody wrote by mistake."""
    with closing(sqlite3.connect(played)) as connection:
        ((number, called),) = connection.execute(f"SELECT request, number FROM cancellations {ORDER(order)}").fetchall()
    change(
        played,
        *(f"DELETE FROM {table} WHERE number = {number}" for table in ("deliveries", "decisions")),
        f"DELETE FROM attempts WHERE number = {called}",
        f"DELETE FROM cancellations WHERE number = {called}",
        f"DELETE FROM requests WHERE number = {number}",
    )
    found = verify_all(played).contradiction
    assert found is not None
    assert (found.subject, found.order_id) == (Subject.REQUEST, f"ord_{order}")


async def test_a_request_without_events_is_found(played: Path) -> None:
    """A row that somebody made up has no events."""
    change(
        played,
        "INSERT INTO requests (number, id, category, reason, source, requester, approvals_required, requested_at,"
        " expires_at, approval_ttl, form_id, card_channel) SELECT 99, 'forged', category, reason, source, requester,"
        f" approvals_required, requested_at, expires_at, approval_ttl, 'forged', card_channel FROM requests {OF(2)}",
        "INSERT INTO cancellations (request, order_id, requester, requested_at, state, changed_at, changed_seq)"
        f" SELECT 99, 'ord_7', requester, requested_at, state, changed_at, changed_seq FROM cancellations {ORDER(2)}",
    )
    found = verify_all(played).contradiction
    assert found is not None
    assert (found.subject, found.order_id) == (Subject.REQUEST, "ord_7")


GUARD = "CREATE TRIGGER audit_events_no_update BEFORE UPDATE ON audit_events BEGIN SELECT 1; END"


@pytest.mark.parametrize(
    "name, statements",
    [
        ("audit_events_no_update", ["DROP TRIGGER audit_events_no_update", GUARD]),
        ("audit_events_no_delete", ["DROP TRIGGER audit_events_no_delete"]),
        ("_sqlite_migrations", ["DELETE FROM _sqlite_migrations"]),
        ("_sqlite_migrations", ["UPDATE _sqlite_migrations SET name = 'zeroth'"]),
        ("_sqlite_migrations", ["DROP TABLE _sqlite_migrations"]),
        ("application_id", ["PRAGMA application_id = 0"]),
        ("later", ["CREATE TRIGGER later AFTER INSERT ON people BEGIN DELETE FROM people; END"]),
        (
            "audit_events_by_request",
            [
                "DROP INDEX audit_events_by_request",
                "CREATE INDEX audit_events_by_request ON audit_events (request, seq) WHERE seq <> 3",
            ],
        ),
        (
            "audit_readable",
            ["DROP VIEW audit_readable", "CREATE VIEW audit_readable AS SELECT * FROM audit_events WHERE seq <> 3"],
        ),
    ],
)
async def test_a_changed_definition_is_found_by_its_text(played: Path, name: str, statements: list[str]) -> None:
    """A guard of the right name that does nothing, and an index that hides a row, are no guard and no index."""
    change(played, *statements)
    found = verify_all(played)
    assert (found.damage, found.about) == (Damage.SCHEMA, name)


def rewrite(path: Path, edit: Callable[[list[Event]], list[Event]], *statements: str) -> None:
    """Put other events into the record, with all hashes computed again, and the guards back in place."""
    with closing(sqlite3.connect(path)) as connection, connection:
        guards = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in guards:
            connection.execute(f"DROP TRIGGER {name}")
        kept = [Event(*row) for row in connection.execute(f"SELECT {COLUMNS} FROM audit_events ORDER BY seq")]
        connection.execute("DELETE FROM audit_events")
        last = "0" * 64
        for seq, event in enumerate(edit(kept), 1):
            sealed = event._replace(seq=seq, prev_hash=last).sealed()
            connection.execute("INSERT INTO audit_events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", sealed[:-1])
            last = sealed.hash
        for statement in statements:
            connection.execute(statement)
        for _, sql in guards:
            connection.execute(sql)


@pytest.mark.parametrize(
    "edit, subject",
    [
        (lambda kept: [e._replace(actor="UEVIL") if e.kind == "approved" else e for e in kept], Subject.DECISIONS),
        (lambda kept: [e._replace(actor="UEVIL") if e.kind == "requested" else e for e in kept], Subject.REQUESTER),
        (lambda kept: [e._replace(at="2026-01-01T00:00:00.000Z") for e in kept], Subject.REQUESTED_AT),
        (lambda kept: [e for e in kept if e.kind != "approved"], Subject.EVENT),
        (lambda kept: [e for e in kept if e.kind != "sending"], Subject.EVENT),
        (lambda kept: [e._replace(data="{}") if e.kind == "approved" else e for e in kept], Subject.EVENT),
        (lambda kept: [e._replace(kind="from_nowhere") if e.kind == "approved" else e for e in kept], Subject.EVENT),
        (lambda kept: [e._replace(order_id="ord_9") if e.kind == "approved" else e for e in kept], Subject.EVENT),
        (lambda kept: [], Subject.REQUEST),
    ],
)
async def test_a_record_with_new_hashes_is_found_by_the_tables(
    played: Path, edit: Callable[[list[Event]], list[Event]], subject: Subject
) -> None:
    """Somebody who computes every hash again has to change the tables in the same way, everywhere."""
    rewrite(played, edit)
    found = verify_all(played).contradiction
    assert found is not None
    assert found.subject is subject


async def test_a_record_rewritten_together_with_its_tables_is_found_by_a_head(played: Path, store: Store) -> None:
    """Without a key this is what a verification cannot see by itself; one head from Slack shows it."""
    (head,) = [event.head for event in await events(store) if event.kind == "rejected"]
    rewrite(
        played,
        lambda kept: [e._replace(actor="UTWO") if e.kind == "rejected" else e for e in kept],
        "UPDATE decisions SET approver = 'UTWO' WHERE choice = 'reject'",
    )
    assert verify_all(played).damage is None
    assert verify_all(played, parse_head(head)).damage is Damage.ANOTHER_HEAD


@pytest.mark.parametrize(
    "order, content, actor_id, subject",
    [
        ("ord_4", Approved(1, 1), "UEVIL", Subject.STATE),
        ("ord_4", Sending(1), "bot", Subject.EVENT),
        ("ord_4", Expired(), "bot", Subject.STATE),
        ("ord_2", Expired(), "bot", Subject.EVENT),
        ("ord_2", StoppedTrying(), "UEVIL", Subject.EVENT),
        ("ord_2", Hurried(), "UEVIL", Subject.EVENT),
        ("ord_4", Approved(2, 2), "UEVIL", Subject.EVENT),
        ("ord_4", Requested(("ord_1",), "again"), "UEVIL", Subject.EVENT),
        ("ord_2", Erased(tuple(range(1, 50))), "terminal:root", Subject.WORDS),
    ],
)
async def test_a_false_event_that_was_appended_is_found(
    played: Path, store: Store, order: str, content: Content, actor_id: str, subject: Subject
) -> None:
    """The guards let a well-made event pass, but the tables do not follow it, or it cannot follow those before."""
    kept = await events(store)
    about = next(event.request for event in kept if event.order_id == order)
    last = max(await store.read(lambda tables: list(tables.record.all())))
    forged, _ = follow(last, content, actor_id, last.at, request=about, order_id=order)
    with closing(sqlite3.connect(played)) as connection, connection:
        connection.execute("INSERT INTO audit_events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", forged[:-1])
    found = verify_all(played).contradiction
    assert found is not None
    assert (found.subject, found.order_id) == (subject, order)


@pytest.mark.parametrize("data", ["{}", "[", '{"events":[-1,0,99999999999999999999]}'])
async def test_a_false_erasure_about_no_request_is_found(played: Path, store: Store, data: str) -> None:
    """It cannot be read, or it erased nothing: then the words that somebody deleted are missing without an erasure."""
    last = max(await store.read(lambda tables: list(tables.record.all())))
    forged = last._replace(
        seq=last.seq + 1, kind=Erased.kind, request="", order_id="", data=data, prev_hash=last.hash
    ).sealed()
    with closing(sqlite3.connect(played)) as connection, connection:
        connection.execute("INSERT INTO audit_events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", forged[:-1])
        connection.execute("DELETE FROM words WHERE field = 'name'")
    found = verify_all(played)
    assert found.contradiction is not None
    assert found.contradiction.subject in {Subject.EVENT, Subject.WORDS}


def test_a_request_that_ended_before_its_card_is_no_contradiction(tmp_path: Path) -> None:
    """A weekend off drops a card, and with it the update that nobody can see: the record of it is intact."""
    world = World(tmp_path / "bot.db")
    about = world.asked()
    world.clock.advance(days=3)
    world.ask()  # the same order again, which ends the request whose time is over
    while world.deliver(DeliveryOutcome.DELIVERED):
        pass
    sql = "SELECT kind, status FROM deliveries WHERE kind LIKE 'card%' AND number = 1 ORDER BY kind"
    assert world.rows(sql) == [("card", "abandoned"), ("card_update", "abandoned")]
    assert world.found(about).state is State.EXPIRED
    world.close()
    assert verify_all(tmp_path / "bot.db").damage is None


async def test_a_broken_page_is_found(played: Path) -> None:
    """SQLite's own check is part of a verification."""
    name = "audit_events_by_request"
    with closing(sqlite3.connect(played)) as connection, connection:
        ((rightful,),) = connection.execute("SELECT sql FROM sqlite_master WHERE name = ?", [name])
        connection.execute(f"DROP INDEX {name}")
        connection.execute(f"CREATE INDEX {name} ON audit_events (request, seq) WHERE seq <> 3")
        connection.execute("PRAGMA writable_schema=ON")
        connection.execute("UPDATE sqlite_master SET sql = ? WHERE name = ?", [rightful, name])
    found = verify_all(played)
    assert (found.damage, found.about) == (Damage.UNSOUND, f"row 3 missing from index {name}")


# --- one request for several orders -------------------------------------------------------------------

BATCH = ("ord_3", "ord_1", "ord_4", "ord_2")
"""The orders as they were typed, which is not the order of their IDs."""
ADD_ORDER = (
    "INSERT INTO cancellations (request, order_id, requester, requested_at, state, changed_at, changed_seq, due_at)"
    " SELECT request, 'ord_9', requester, requested_at, state, changed_at, changed_seq, due_at"
    f" FROM cancellations {ORDER(2)}"
)
ADD_STATEMENT = (
    "INSERT INTO decisions (number, approver, choice, order_id, reason, at, requested_at)"
    " SELECT number, approver, choice, 'ord_2', reason, at, requested_at FROM decisions WHERE choice = 'settle'"
)


async def batch_approved(workflow: Workflow) -> Request:
    """Return one approved request for all of them."""
    acted = await workflow.request(Wish("V1", BATCH, "typed twice", "C1"), ANN)
    assert acted.request is not None
    assert await approve(workflow, acted.request) is Verdict.ALLOWED
    return acted.request


@pytest.fixture
async def batch(workflow: Workflow, store: Store) -> Path:
    """Return a sound file with one request: 1 is settled by hand, 2 cancelled, 3 failed twice, and 4 waits."""
    request = await batch_approved(workflow)
    answers = {"ord_1": replace(LOST, repeat=False), "ord_2": CANCELLED, "ord_3": DENIED, "ord_4": AWAY}
    for _ in BATCH:
        attempt = await sending(workflow)
        await workflow.record_answer(attempt, answers[attempt.order_id])
    about = (await now(store, request)).about("ord_1")
    assert about is not None
    assert await settle(workflow, about) is Verdict.ALLOWED
    assert await retry(workflow, request) is Verdict.ALLOWED
    await workflow.record_answer(await sending(workflow), DENIED)
    await deliver_all(workflow)
    assert verify_all(store.path).damage is None
    return store.path


def exchanged(table: str, column: str, one: object, other: object) -> list[str]:
    """Return the statements that give each of two values to the rows that had the other one."""
    steps = ((one, -1), (other, one), (-1, other))
    return [f"UPDATE {table} SET {column} = {to!r} WHERE {column} = {was!r}" for was, to in steps]


@pytest.mark.parametrize(
    "statements, subject, order",
    [
        ([f"UPDATE cancellations SET order_id = 'ord_9' {ORDER(2)}"], Subject.ORDER_ID, 2),
        (exchanged("cancellations", "order_id", "ord_2", "ord_4"), Subject.ORDER_ID, 4),
        ([*exchanged("cancellations", "number", 3, 4), *exchanged("attempts", "number", 3, 4)], Subject.ORDER_ID, 4),
        ([f"UPDATE cancellations SET request = 99 {ORDER(4)}"], Subject.ORDER_ID, 3),
        (
            [f"DELETE FROM attempts WHERE number = {CALLED(4)}", f"DELETE FROM cancellations {ORDER(4)}"],
            Subject.ORDER_ID,
            3,
        ),
        (
            [ADD_ORDER],
            Subject.ORDER_ID,
            3,
        ),
        ([f"UPDATE cancellations SET requester = 'UEVIL' {ORDER(4)}"], Subject.REQUESTER, 4),
        ([f"UPDATE cancellations SET requested_at = '2026' {ORDER(4)}"], Subject.REQUESTED_AT, 4),
        ([f"UPDATE cancellations SET state = 'failed' {ORDER(2)}"], Subject.STATE, 2),
        ([f"UPDATE cancellations SET state = 'approved' {ORDER(3)}"], Subject.STATE, 3),
        ([f"UPDATE cancellations SET changed_at = '2026' {ORDER(1)}"], Subject.CHANGED_AT, 1),
        ([f"UPDATE cancellations SET attempts = 7 {ORDER(4)}"], Subject.ATTEMPT_COUNT, 4),
        ([f"UPDATE cancellations SET due_at = NULL {ORDER(4)}"], Subject.DUE_AT, 4),
        ([f"UPDATE cancellations SET due_at = requested_at {ORDER(2)}"], Subject.DUE_AT, 2),
        ([f"UPDATE attempts SET outcome = 'cancelled' WHERE number = {CALLED(1)}"], Subject.ATTEMPTS, 1),
        (
            [f"DELETE FROM attempts WHERE id = (SELECT max(id) FROM attempts WHERE number = {CALLED(3)})"],
            Subject.ATTEMPTS,
            3,
        ),
        ([f"UPDATE attempts SET number = {CALLED(4)} WHERE number = {CALLED(2)}"], Subject.ATTEMPTS, 4),
        (exchanged("attempts", "number", 2, 4), Subject.ATTEMPTS, 1),
        (["INSERT INTO attempts (number, started_at) VALUES (99, '2026')"], Subject.ATTEMPTS, 0),
        ([f"UPDATE requests SET due_at = requested_at {OF(1)}"], Subject.DUE_AT, 3),
        (["UPDATE decisions SET order_id = 'ord_2' WHERE choice = 'settle'"], Subject.DECISIONS, 3),
        (["UPDATE decisions SET order_id = '' WHERE choice = 'settle'"], Subject.DECISIONS, 3),
        (["UPDATE decisions SET order_id = 'ord_1' WHERE choice = 'approve'"], Subject.DECISIONS, 3),
        (["UPDATE decisions SET approver = 'UEVIL' WHERE choice = 'settle'"], Subject.DECISIONS, 3),
        (["UPDATE decisions SET reason = 'other words' WHERE choice = 'settle'"], Subject.DECISIONS, 3),
        (["DELETE FROM decisions WHERE choice = 'settle'"], Subject.DECISIONS, 3),
        (
            [ADD_STATEMENT],
            Subject.DECISIONS,
            3,
        ),
    ],
)
async def test_a_change_of_one_order_of_several_is_found(
    batch: Path, statements: list[str], subject: Subject, order: int
) -> None:
    """Each order has its own state, calls and statement; what is the whole request's names the first order typed."""
    change(batch, *statements)
    found = verify_all(batch)
    assert found.contradiction is not None
    assert (found.contradiction.subject, found.contradiction.order_id) == (subject, f"ord_{order}" if order else "")


def naming(order_id: str, kind: str, was: str | None = None) -> Callable[[list[Event]], list[Event]]:
    """Return what makes the events of this kind, or those of them about one order, name another order or none."""

    def edit(kept: list[Event]) -> list[Event]:
        return [e._replace(order_id=order_id) if e.kind == kind and was in {None, e.order_id} else e for e in kept]

    return edit


def asking(*orders: str) -> Callable[[list[Event]], list[Event]]:
    """Return what makes the request one for these orders."""

    def edit(kept: list[Event]) -> list[Event]:
        data = {e.seq: json.dumps(json.loads(e.data) | {"orders": orders}) for e in kept if e.kind == "requested"}
        return [e._replace(data=data.get(e.seq, e.data)) for e in kept]

    return edit


def between(one: str, other: str) -> Callable[[list[Event]], list[Event]]:
    """Return what gives all events about each of two orders to the other one."""
    names = {one: other, other: one}
    return lambda kept: [e._replace(order_id=names.get(e.order_id, e.order_id)) for e in kept]


@pytest.mark.parametrize(
    "edit, subject",
    [
        *((naming("ord_1", kind), Subject.EVENT) for kind in ("requested", "approved", "card_posted")),
        *((naming("", kind), Subject.EVENT) for kind in ("sending", "cancelled", "retried", "settled_cancelled")),
        *((naming("ord_9", kind), Subject.EVENT) for kind in ("approved", "sending", "failed", "unknown")),
        (naming("ord_4", "cancelled"), Subject.STATE),
        (naming("ord_1", "cancelled"), Subject.EVENT),
        (naming("ord_2", "settled_cancelled"), Subject.EVENT),
        (naming("ord_4", "retried"), Subject.EVENT),
        (naming("ord_1", "sending", "ord_2"), Subject.EVENT),
        (between("ord_1", "ord_2"), Subject.STATE),
        (between("ord_3", "ord_4"), Subject.STATE),
        (asking("ord_3", "ord_1", "ord_4"), Subject.EVENT),
        (asking("ord_3"), Subject.EVENT),
        (asking(), Subject.EVENT),
        (asking(*BATCH, "ord_2"), Subject.EVENT),
        (asking(*BATCH, "ord_9"), Subject.ORDER_ID),
        (asking("ord_1", "ord_3", "ord_4", "ord_2"), Subject.ORDER_ID),
    ],
)
async def test_events_of_several_orders_with_new_hashes_are_found_by_the_tables(
    batch: Path, edit: Callable[[list[Event]], list[Event]], subject: Subject
) -> None:
    """An event about one order names it, and one about the whole request names none; each order keeps its own."""
    rewrite(batch, edit)
    found = verify_all(batch).contradiction
    assert found is not None
    assert found.subject is subject


@pytest.mark.parametrize(
    "order_id, content, subject",
    [
        ("ord_4", Approved(1, 1), Subject.EVENT),
        ("ord_4", Expired(), Subject.EVENT),
        ("", Expired(), Subject.EVENT),
        ("", Sending(2), Subject.EVENT),
        ("", StoppedTrying(), Subject.EVENT),
        ("", Hurried(), Subject.EVENT),
        ("ord_2", Hurried(), Subject.EVENT),
        ("ord_9", Hurried(), Subject.EVENT),
        ("ord_4", StoppedTrying(), Subject.STATE),
        ("ord_4", Sending(2), Subject.STATE),
        ("ord_4", Hurried(), Subject.DELIVERIES),
        ("", Requested(BATCH, "again"), Subject.EVENT),
        ("ord_9", Started("1"), Subject.EVENT),
    ],
)
async def test_a_false_event_about_one_order_of_several_is_found(
    batch: Path, store: Store, order_id: str, content: Content, subject: Subject
) -> None:
    """What is well made and follows from the last event must also be about what it can be about."""
    last = max(await store.read(lambda tables: list(tables.record.all())))
    about = next(event.request for event in await events(store) if event.request)
    forged, _ = follow(last, content, "UEVIL", last.at, request=about, order_id=order_id)
    with closing(sqlite3.connect(batch)) as connection, connection:
        connection.execute("INSERT INTO audit_events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", forged[:-1])
    found = verify_all(batch).contradiction
    assert found is not None
    assert found.subject is subject


# --- before a call, and in what people read -----------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE cancellations SET order_id = 'ord_9'",
        "UPDATE cancellations SET requester = 'UTWO'",
        "UPDATE requests SET reason = 'another'",
        "UPDATE requests SET requester = 'UTWO'",
        "UPDATE requests SET approvals_required = 2",
        "UPDATE decisions SET approver = 'UTWO'",
        "DELETE FROM decisions",
        "UPDATE words SET text = 'another' WHERE field = 'reason'",
        "DELETE FROM words WHERE field = 'reason'",
    ],
)
async def test_nothing_is_sent_for_a_request_that_was_changed_in_the_file(
    workflow: Workflow, store: Store, statement: str
) -> None:
    """A call is made only for exactly what was approved; what contradicts it ends as failed, with its cause."""
    await approved(workflow)
    change(store.path, statement)
    assert await next_attempt(workflow) is None
    ((state, trouble),) = await store.read(
        lambda tables: tables.connection.execute(
            "SELECT c.state, a.trouble FROM cancellations c JOIN attempts a ON a.number = c.number"
        )
    )
    assert (state, trouble) == ("failed", "record_contradicts")


@pytest.mark.parametrize(
    "statements",
    [
        [f"UPDATE cancellations SET order_id = 'ord_9' {ORDER(2)}"],
        exchanged("cancellations", "order_id", "ord_2", "ord_4"),
        [f"UPDATE cancellations SET changed_at = '2026-01-01T00:00:00.000Z' {ORDER(2)}"],
        [f"DELETE FROM cancellations {ORDER(2)}"],
        [ADD_ORDER],
        ["UPDATE decisions SET order_id = 'ord_2'"],
    ],
)
async def test_nothing_is_sent_for_any_order_of_a_request_of_which_one_was_changed(
    workflow: Workflow, store: Store, statements: list[str]
) -> None:
    """What was approved is all of it together, so a change of one order stops the calls for the others as well."""
    await batch_approved(workflow)
    change(store.path, *statements)
    for _ in range(len(BATCH) + 1):
        assert await next_attempt(workflow) is None
    found = await store.read(
        lambda tables: tables.connection.execute(
            "SELECT DISTINCT c.state, a.trouble FROM cancellations c LEFT JOIN attempts a ON a.number = c.number"
        )
    )
    assert found == [("failed", "record_contradicts")]


@pytest.mark.parametrize(
    "statement",
    [
        f"UPDATE cancellations SET state = 'withdrawn' {ORDER(2)}",
        f"UPDATE cancellations SET state = 'cancelled', lease_until = due_at {ORDER(2)}",
        "UPDATE requests SET due_at = requested_at",
    ],
)
async def test_a_changed_row_does_not_stop_what_else_is_due(workflow: Workflow, store: Store, statement: str) -> None:
    """The worker passes over a row whose state does not fit its time, and goes on with the next request."""
    await batch_approved(workflow)
    change(store.path, statement)
    await approved(workflow, "ord_9", form="V9")
    sent = [await next_attempt(workflow) for _ in range(len(BATCH) + 1)]
    assert [attempt.order_id for attempt in sent if attempt is not None] == ["ord_9"]


async def test_nothing_is_sent_for_events_that_were_changed(workflow: Workflow, store: Store) -> None:
    """An event that was edited without its hash proves nothing."""
    await approved(workflow)
    change(store.path, "DROP TRIGGER audit_events_no_update", "UPDATE audit_events SET at = '2026-01-01T00:00:00.000Z'")
    assert await next_attempt(workflow) is None


async def test_a_contradiction_after_an_unclear_answer_stays_unknown(
    workflow: Workflow, store: Store, clock: Clock
) -> None:
    """The effect of an earlier call is as unknown as before."""
    await approved(workflow)
    await workflow.record_answer(await sending(workflow), LOST)
    change(store.path, "UPDATE requests SET reason = 'another'")
    clock.advance(60)
    assert await next_attempt(workflow) is None
    ((state,),) = await store.read(lambda tables: tables.connection.execute("SELECT state FROM cancellations"))
    assert state == "unknown"


@pytest.mark.parametrize(
    "statement",
    [
        f"UPDATE requests SET requester = 'UEVIL' {OF(3)}",
        f"UPDATE cancellations SET state = 'withdrawn' {ORDER(3)}",
        f"UPDATE requests SET reason = 'evil' {OF(3)}",
        f"UPDATE cancellations SET order_id = 'ord_evil' {ORDER(3)}",
        "UPDATE decisions SET approver = 'UEVIL' WHERE choice = 'reject'",
        "DELETE FROM decisions WHERE choice = 'reject'",
    ],
)
async def test_a_look_up_shows_what_the_record_says(played: Path, workflow: Workflow, statement: str) -> None:
    """A list comes from the tables, and shows nothing that contradicts the events; it says that there is something."""
    reader = actor("UAUD")
    before = await workflow.look_up(reader, Asked(""))
    change(played, statement)
    after = await workflow.look_up(reader, Asked(""))
    assert [shown(each) for each in after.page.items] == [shown(each) for each in before.page.items]
    assert (len(before.contradictions), len(after.contradictions)) == (0, 1)


@pytest.mark.parametrize(
    "statements",
    [
        [f"UPDATE cancellations SET state = 'withdrawn' {ORDER(2)}"],
        [f"UPDATE cancellations SET order_id = 'ord_evil' {ORDER(2)}"],
        exchanged("cancellations", "order_id", "ord_2", "ord_4"),
        ["UPDATE decisions SET order_id = 'ord_2' WHERE choice = 'settle'"],
        ["UPDATE decisions SET order_id = 'ord_2' WHERE choice = 'approve'"],
        [f"UPDATE attempts SET outcome = 'cancelled', reason = NULL WHERE number = {CALLED(3)}"],
    ],
)
async def test_a_look_up_shows_each_of_several_orders_as_the_record_says(
    batch: Path, workflow: Workflow, statements: list[str]
) -> None:
    """The row of each order shows its own state and statement, whichever order of the request was changed."""
    reader = actor("UAUD")
    before = await workflow.look_up(reader, Asked(""))
    change(batch, *statements)
    after = await workflow.look_up(reader, Asked(""))
    assert [shown(each) for each in after.page.items] == [shown(each) for each in before.page.items]
    assert (before.contradictions, bool(after.contradictions)) == ((), True)


def shown(row: object) -> object:
    """Return what people read of a row."""
    assert isinstance(row, Request)
    return changed(row, due_at=None, lease_until=None, attempts=0, last_answer=None)


def reminded(world: World) -> str:
    """Return a request with a reminder and an escalation, of which Slack took the messages before it was rejected."""
    about = world.asked()
    world.clock.advance(minutes=26)
    world.work()
    while world.deliver(DeliveryOutcome.DELIVERED):
        pass
    world.reject(about)
    return about


@pytest.mark.parametrize(
    "statement, subject",
    [
        ("UPDATE requests SET reminded = 0", Subject.REMINDED),
        ("UPDATE requests SET escalated_at = NULL", Subject.ESCALATED_AT),
        ("DELETE FROM deliveries WHERE kind = 'reply' AND event_seq = {reminded}", Subject.DELIVERIES),
        ("DELETE FROM deliveries WHERE kind = 'reply' AND event_seq = {escalated}", Subject.DELIVERIES),
        # It would have been posted after the decision.
        ("UPDATE deliveries SET drawn_seq = 99 WHERE kind = 'reply' AND event_seq = {reminded}", Subject.DELIVERIES),
        ("UPDATE deliveries SET status = 'called_off' WHERE event_seq = {rejected}", Subject.DELIVERIES),
        ("UPDATE deliveries SET status = 'called_off' WHERE kind = 'card_update'", Subject.DELIVERIES),
    ],
)
def test_a_reminder_and_an_escalation_are_proved(world: World, statement: str, subject: Subject) -> None:
    """Their columns, their messages, and that no message was begun after the decision follow from the events."""
    reminded(world)
    world.check()
    seqs = {event.kind: event.seq for event in world.tables.record.all()}
    world.writer.sqlite.execute(statement.format(**seqs))
    assert [found.subject for found in world.tables.projections.contradictions()] == [subject]


def test_nothing_is_sent_for_somebody_whom_a_forged_escalation_let_approve(world: World) -> None:
    """Dora approves because the file says so, and the record does not: the request fails before any call."""
    about = world.asked()
    world.writer.sqlite.execute("UPDATE requests SET escalated_at = requested_at")
    assert world.approve(about, DORA).verdict is Verdict.ALLOWED
    assert world.work() is None
    assert world.found(about).state is State.FAILED
