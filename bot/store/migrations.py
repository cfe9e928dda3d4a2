"""The tables, their guards and the views for people, as one set of sqlite-utils migrations.

Tables are STRICT. Times are ISO 8601 text in UTC with milliseconds, so that they sort as they read.
``next_at`` says when the worker must look at a row; while ``claimed_by`` names a worker it is the end
of that worker's lease.
"""

from collections.abc import Iterable

from sqlite_utils import Database, Migrations

from bot.domain.attempt import Outcome
from bot.domain.audit import GENESIS
from bot.domain.cancellation import OPEN, Choice, State
from bot.domain.delivery import DeliveryKind

migrations = Migrations("bot")

AUDIT_TRIGGERS = ("audit_events_no_update", "audit_events_no_delete", "audit_events_only_append")
"""Without these the record is not append-only; their presence is checked at each start."""


def _one_of(column: str, values: Iterable[str]) -> str:
    """Not IN: of more than two values SQLite makes a table, anew at each write; it took half the time of an update."""
    return "(" + " OR ".join(f"{column} = '{value}'" for value in sorted(values)) + ")"


OPEN_STATES = _one_of("state", OPEN)
"""The condition of the unique index; SQLite recognises it as that only if it is repeated to the letter."""


@migrations()
def tables(db: Database) -> None:
    """Everything kept."""
    db.executescript(f"""
        CREATE TABLE heartbeat (
            id INTEGER PRIMARY KEY CHECK (id = 1),
            at TEXT NOT NULL
        ) STRICT;

        CREATE TABLE people (
            id TEXT PRIMARY KEY,
            name TEXT NOT NULL
        ) STRICT;

        CREATE TABLE cancellations (
            number INTEGER PRIMARY KEY,
            id TEXT NOT NULL UNIQUE,
            order_id TEXT NOT NULL,
            reason TEXT NOT NULL,
            requester TEXT NOT NULL,
            state TEXT NOT NULL CHECK ({_one_of("state", State)}),
            approvals_required INTEGER NOT NULL CHECK (approvals_required >= 1),
            requested_at TEXT NOT NULL,
            expires_at TEXT NOT NULL,
            changed_at TEXT NOT NULL,
            form_id TEXT NOT NULL UNIQUE,
            card_channel TEXT NOT NULL,
            card_ts TEXT,
            card_link TEXT NOT NULL DEFAULT '',
            attempts INTEGER NOT NULL DEFAULT 0,
            detail TEXT NOT NULL DEFAULT '',
            next_at TEXT,
            claimed_by TEXT
        ) STRICT;
        CREATE UNIQUE INDEX one_open_cancellation_per_order
            ON cancellations (order_id) WHERE {OPEN_STATES};
        CREATE INDEX cancellations_due ON cancellations (next_at) WHERE next_at IS NOT NULL;
        CREATE INDEX cancellations_by_time ON cancellations (requested_at);
        CREATE INDEX cancellations_by_order ON cancellations (order_id, requested_at);
        CREATE INDEX cancellations_by_requester ON cancellations (requester, requested_at);
        CREATE INDEX cancellations_by_state ON cancellations (state, requested_at);

        CREATE TABLE decisions (
            number INTEGER NOT NULL REFERENCES cancellations (number),
            approver TEXT NOT NULL,
            choice TEXT NOT NULL CHECK ({_one_of("choice", Choice)}),
            reason TEXT NOT NULL,
            at TEXT NOT NULL,
            requested_at TEXT NOT NULL,
            PRIMARY KEY (number, approver, choice)
        ) STRICT;
        CREATE INDEX decisions_by_approver ON decisions (approver, requested_at, number);

        CREATE TABLE attempts (
            id INTEGER PRIMARY KEY,
            number INTEGER NOT NULL REFERENCES cancellations (number),
            started_at TEXT NOT NULL,
            finished_at TEXT,
            outcome TEXT CHECK ({_one_of("outcome", Outcome)}),
            http_status INTEGER,
            code TEXT NOT NULL DEFAULT '',
            message TEXT NOT NULL DEFAULT '',
            request_id TEXT NOT NULL DEFAULT ''
        ) STRICT;
        CREATE INDEX attempts_by_cancellation ON attempts (number);

        CREATE TABLE audit_events (
            seq INTEGER PRIMARY KEY,
            at TEXT NOT NULL,
            kind TEXT NOT NULL,
            cancellation TEXT NOT NULL,
            order_id TEXT NOT NULL,
            actor TEXT NOT NULL,
            data TEXT NOT NULL,
            prev_hash TEXT NOT NULL,
            hash TEXT NOT NULL
        ) STRICT;
        CREATE INDEX audit_events_by_cancellation ON audit_events (cancellation, seq);

        CREATE TABLE deliveries (
            position INTEGER PRIMARY KEY,
            id TEXT NOT NULL,
            number INTEGER NOT NULL REFERENCES cancellations (number),
            kind TEXT NOT NULL CHECK ({_one_of("kind", DeliveryKind)}),
            lane TEXT GENERATED ALWAYS AS (iif(kind = 'direct_message', 'direct', 'card')) VIRTUAL,
            event_seq INTEGER NOT NULL REFERENCES audit_events (seq),
            target TEXT NOT NULL,
            status TEXT NOT NULL DEFAULT 'owed' CHECK ({_one_of("status", ("owed", "delivered", "abandoned"))}),
            owed_at TEXT NOT NULL,
            done_at TEXT,
            channel TEXT NOT NULL DEFAULT '',
            ts TEXT NOT NULL DEFAULT '',
            tries INTEGER NOT NULL DEFAULT 0,
            in_doubt_since TEXT,
            problem TEXT NOT NULL DEFAULT '',
            next_at TEXT NOT NULL,
            claimed_by TEXT
        ) STRICT;
        CREATE INDEX deliveries_due ON deliveries (next_at) WHERE status = 'owed';
        CREATE INDEX deliveries_owed ON deliveries (number, position) WHERE status = 'owed';
    """)


@migrations()
def append_only(db: Database) -> None:
    """The record can only grow, by one event that follows from the last; REPLACE is stopped as well."""
    db.executescript(f"""
        CREATE TRIGGER audit_events_no_update BEFORE UPDATE ON audit_events BEGIN
            SELECT RAISE(ABORT, 'audit_events is append-only');
        END;
        CREATE TRIGGER audit_events_no_delete BEFORE DELETE ON audit_events BEGIN
            SELECT RAISE(ABORT, 'audit_events is append-only');
        END;
        CREATE TRIGGER audit_events_only_append BEFORE INSERT ON audit_events
        WHEN NEW.seq IS NOT (SELECT coalesce(max(seq), 0) + 1 FROM audit_events)
            OR NEW.prev_hash IS NOT coalesce(
                (SELECT hash FROM audit_events ORDER BY seq DESC LIMIT 1), '{GENESIS}')
        BEGIN
            SELECT RAISE(ABORT, 'an audit event must follow from the last one');
        END;
    """)


@migrations()
def readable(db: Database) -> None:
    """Views for people who open the file in Datasette or with the sqlite-utils command."""
    db.executescript("""
        CREATE VIEW cancellations_readable AS
        SELECT
            c.number,
            c.order_id,
            c.state,
            c.requested_at,
            coalesce(asker.name || ' (' || c.requester || ')', c.requester) AS requested_by,
            c.reason,
            (SELECT group_concat(coalesce(p.name || ' (' || d.approver || ')', d.approver), ', ')
                FROM decisions d LEFT JOIN people p ON p.id = d.approver
                WHERE d.number = c.number AND d.choice = 'approve') AS approved_by,
            (SELECT coalesce(p.name || ' (' || d.approver || ')', d.approver) || ': ' || d.reason
                FROM decisions d LEFT JOIN people p ON p.id = d.approver
                WHERE d.number = c.number AND d.choice = 'reject') AS rejected_by,
            c.detail AS result,
            c.changed_at,
            (SELECT count(*) FROM attempts a WHERE a.number = c.number) AS gateway_calls,
            c.card_link,
            c.id
        FROM cancellations c LEFT JOIN people asker ON asker.id = c.requester;

        CREATE VIEW audit_readable AS
        SELECT e.seq, e.at, e.kind, e.order_id,
            coalesce(p.name || ' (' || e.actor || ')', e.actor) AS actor,
            e.data, e.cancellation, substr(e.hash, 1, 8) AS head
        FROM audit_events e LEFT JOIN people p ON p.id = e.actor;
    """)


@migrations()
def deliveries_in_turn(db: Database) -> None:
    """What is owed next is found among what is owed, however much was delivered before."""
    db.executescript("""
        DROP INDEX deliveries_due;
        CREATE INDEX deliveries_in_turn ON deliveries (position, next_at) WHERE status = 'owed';
    """)
