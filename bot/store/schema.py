"""The tables, the record's guards and the views for people, as a sqlite-utils migration.

Tables are STRICT. Times are ISO 8601 text in UTC with milliseconds, so that text sorts as time. ``due_at`` is when the
worker must act on a row. While a worker does, ``claimed_by`` names it, and ``lease_until`` is when it counts as dead.
"""

import sqlite3
from collections.abc import Iterable

from sqlite_utils import Database, Migrations

from bot.domain.attempt import Outcome, Reason
from bot.domain.audit import GENESIS
from bot.domain.cancellation import NO_BY_A_WORD, OPEN, WITHOUT_EFFECT, Choice, State
from bot.domain.delivery import DeliveryKind
from bot.domain.events import Frozen, Hurried, Retried, SetBack, StoppedTrying, Unfrozen, VotesVoided

migrations = Migrations("bot")


def one_of(column: str, values: Iterable[str]) -> str:
    """Return an SQL condition that allows these values alone."""
    # Not IN: of more than two values SQLite builds a table at each write, which took half the time of an update.
    return "(" + " OR ".join(f"{column} = '{value}'" for value in sorted(values)) + ")"


OPEN_STATES = one_of("state", OPEN)
"""The condition of the unique index. SQLite uses the index only where a statement repeats it to the letter."""
NEXT_EVENT = "(SELECT coalesce(max(seq), 0) + 1 FROM audit_events)"
"""The number of the next event: a step and the event that tells of it are one transaction."""
_TO_REQUESTER = [kind for kind in DeliveryKind if kind.to_requester]

FREEZES = one_of("kind", (Frozen.kind, Unfrozen.kind))
"""The condition of the index that finds the last freeze. Each act asks for it, and nearly no event is one."""
_LAST_UNFROZEN = f"SELECT max(seq) FROM audit_events WHERE {FREEZES} AND kind = 'unfrozen'"
IS_IN_FORCE = f"(e.kind = 'frozen' AND e.seq > coalesce(({_LAST_UNFROZEN}), 0))"
"""True for the event ``e`` of a freeze that nobody has ended: people go by its words."""

ACTS = one_of("kind", (Hurried.kind, Retried.kind, StoppedTrying.kind))
"""The condition of the index that finds what a person did to a request beside deciding it."""
VOIDED = f"kind = '{VotesVoided.kind}'"
"""The condition of the index that finds approvals that no longer count."""
SET_BACK = f"kind = '{SetBack.kind}'"
"""The condition of the index that finds what a restore has set back. Each read asks for it, and nearly nothing is."""
SET_BACK_BY = f"coalesce((SELECT max(e.seq) FROM audit_events e WHERE e.request = r.id AND {SET_BACK}), 0)"
"""The number of the last event by which a restore has set a request ``r`` back, or 0."""


def may_have_had_effect(order: str) -> str:
    """Return the condition for the row of an order of the request ``r``; see ``Request.may_have_had_effect``."""
    return (
        f"(({one_of(f'{order}.state', WITHOUT_EFFECT)} AND {SET_BACK_BY} > 0)"
        f" OR ({one_of(f'{order}.state', NO_BY_A_WORD)} AND {SET_BACK_BY} > {order}.changed_seq))"
    )


_STATUSES = ("queued", "delivered", "abandoned", "called_off")
"""What becomes of a delivery. A message that came to be of no use before anybody posted it is called off."""


def run(db: Database, script: str) -> None:
    """Run each statement of this script; one ends at the end of a line.

    ``db.executescript`` looks for the end anew at each character, which took most of the time of a start.
    """
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            db.execute(statement)
            statement = ""
    if statement.strip():
        db.execute(statement)


TABLES = f"""
CREATE TABLE heartbeat (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    at TEXT NOT NULL,
    -- Of a server: its timeline.
    timeline INTEGER
) STRICT;

CREATE TABLE people (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL
) STRICT;
CREATE INDEX people_by_name ON people (lower(name));

-- A request is pending as long as it has a time at which it is due.
CREATE TABLE requests (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    category TEXT NOT NULL,
    reason TEXT NOT NULL,
    source TEXT NOT NULL,
    requester TEXT NOT NULL,
    approvals_required INTEGER NOT NULL CHECK (approvals_required >= 1),
    requested_at TEXT NOT NULL,
    expires_at TEXT NOT NULL,
    approval_ttl INTEGER NOT NULL,
    form_id TEXT NOT NULL UNIQUE,
    card_channel TEXT NOT NULL,
    card_ts TEXT,
    card_link TEXT NOT NULL DEFAULT '',
    remind_at TEXT,
    escalate_at TEXT,
    reminded INTEGER NOT NULL DEFAULT 0,
    escalated_at TEXT,
    due_at TEXT
) STRICT;
CREATE INDEX requests_due ON requests (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX requests_by_requester ON requests (requester);

-- One order of a request. Requester and time are the request's, for the look-ups' indexes.
CREATE TABLE cancellations (
    number INTEGER PRIMARY KEY,
    request INTEGER NOT NULL REFERENCES requests (number),
    order_id TEXT NOT NULL,
    requester TEXT NOT NULL,
    requested_at TEXT NOT NULL,
    state TEXT NOT NULL CHECK ({one_of("state", State)}),
    changed_at TEXT NOT NULL,
    changed_seq INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    due_at TEXT,
    lease_until TEXT,
    claimed_by TEXT,
    UNIQUE (request, order_id)
) STRICT;
CREATE UNIQUE INDEX one_open_cancellation_per_order
    ON cancellations (order_id) WHERE {OPEN_STATES};
CREATE INDEX cancellations_due ON cancellations (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX cancellations_leased ON cancellations (lease_until) WHERE lease_until IS NOT NULL;
CREATE INDEX cancellations_by_time ON cancellations (requested_at);
CREATE INDEX cancellations_by_order ON cancellations (order_id, requested_at);
CREATE INDEX cancellations_by_order_in_any_case ON cancellations (lower(order_id));
CREATE INDEX cancellations_by_requester ON cancellations (requester, requested_at);
CREATE INDEX cancellations_by_state ON cancellations (state, requested_at);

CREATE TABLE decisions (
    id INTEGER PRIMARY KEY,
    number INTEGER NOT NULL REFERENCES requests (number),
    approver TEXT NOT NULL,
    choice TEXT NOT NULL CHECK ({one_of("choice", Choice)}),
    order_id TEXT NOT NULL,
    reason TEXT NOT NULL,
    at TEXT NOT NULL,
    requested_at TEXT NOT NULL,
    UNIQUE (number, approver, choice, order_id)
) STRICT;
CREATE INDEX decisions_by_approver ON decisions (approver, requested_at, number);

CREATE TABLE attempts (
    id INTEGER PRIMARY KEY,
    number INTEGER NOT NULL REFERENCES cancellations (number),
    started_at TEXT NOT NULL,
    finished_at TEXT,
    outcome TEXT CHECK ({one_of("outcome", Outcome)}),
    reason TEXT CHECK ({one_of("reason", Reason)}),
    trouble TEXT,
    trouble_about TEXT NOT NULL DEFAULT '',
    http_status INTEGER,
    code TEXT NOT NULL DEFAULT '',
    message TEXT NOT NULL DEFAULT '',
    request_id TEXT NOT NULL DEFAULT '',
    cancelled_at TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX attempts_by_cancellation ON attempts (number);

CREATE TABLE audit_events (
    seq INTEGER PRIMARY KEY,
    at TEXT NOT NULL,
    kind TEXT NOT NULL,
    request TEXT NOT NULL,
    order_id TEXT NOT NULL,
    actor TEXT NOT NULL,
    data TEXT NOT NULL,
    prev_hash TEXT NOT NULL,
    hash TEXT NOT NULL
) STRICT;
CREATE INDEX audit_events_by_request ON audit_events (request, seq);
CREATE INDEX audit_events_of_freezes ON audit_events (seq) WHERE {FREEZES};
CREATE INDEX audit_events_of_acts ON audit_events (actor, seq) WHERE {ACTS};
CREATE INDEX audit_events_of_voided_votes ON audit_events (seq) WHERE {VOIDED};
CREATE INDEX audit_events_of_set_backs ON audit_events (request) WHERE {SET_BACK};

-- What people typed, apart from the events, which hold a commitment to it: so it can be erased.
CREATE TABLE words (
    seq INTEGER NOT NULL REFERENCES audit_events (seq),
    field TEXT NOT NULL,
    salt TEXT NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (seq, field)
) STRICT, WITHOUT ROWID;

-- The last seal of each key. The one over the most events counts, and its frontier is what the next one needs.
CREATE TABLE seals (
    key TEXT PRIMARY KEY,
    size INTEGER NOT NULL,
    frontier TEXT NOT NULL,
    note TEXT NOT NULL
) STRICT;

-- The root of each whole block of the Merkle tree, from 1, so that a proof needs few events.
CREATE TABLE tree_blocks (
    number INTEGER PRIMARY KEY,
    root TEXT NOT NULL
) STRICT;

-- The digest that comes next, and what the earlier ones counted.
CREATE TABLE digest (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    schedule TEXT NOT NULL,
    since TEXT NOT NULL,
    newest INTEGER NOT NULL,
    ended TEXT,
    due_at TEXT NOT NULL,
    lease_until TEXT,
    older_copy INTEGER NOT NULL DEFAULT 0
) STRICT;

-- What is about no request has no number.
CREATE TABLE deliveries (
    position INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    number INTEGER REFERENCES requests (number),
    kind TEXT NOT NULL CHECK ({one_of("kind", DeliveryKind)}),
    lane TEXT GENERATED ALWAYS AS
        (CASE WHEN {one_of("kind", _TO_REQUESTER)} THEN 'direct' ELSE 'card' END) VIRTUAL,
    event_seq INTEGER NOT NULL REFERENCES audit_events (seq),
    target TEXT NOT NULL,
    status TEXT NOT NULL DEFAULT 'queued' CHECK ({one_of("status", _STATUSES)}),
    enqueued_at TEXT NOT NULL,
    done_at TEXT,
    channel TEXT NOT NULL DEFAULT '',
    ts TEXT NOT NULL DEFAULT '',
    tries INTEGER NOT NULL DEFAULT 0,
    drawn_seq INTEGER NOT NULL DEFAULT 0,
    in_doubt_since TEXT,
    last_try_at TEXT,
    problem TEXT NOT NULL DEFAULT '',
    told_at TEXT,
    due_at TEXT NOT NULL,
    lease_until TEXT,
    claimed_by TEXT
) STRICT;
CREATE INDEX deliveries_by_request ON deliveries (number, position);
-- With everything that a claim asks of those that it passes over, of which there may be very many.
CREATE INDEX deliveries_queued_in_order ON deliveries (position, due_at, lease_until, target, tries, kind)
    WHERE status = 'queued';
-- A claim looks for them when there is nothing newer, so mostly for none.
CREATE INDEX deliveries_refused_in_order ON deliveries (position, due_at, lease_until, target, kind)
    WHERE status = 'queued' AND tries >= 3;
CREATE INDEX deliveries_next ON deliveries (coalesce(lease_until, due_at)) WHERE status = 'queued';

-- A token bucket for each channel and person that gets messages.
CREATE TABLE rates (
    target TEXT PRIMARY KEY,
    used_until TEXT NOT NULL
) STRICT;

-- What several bots behind one address have seen of Slack's signed requests; a bot alone remembers that by itself.
-- The commands that freeze and unfreeze stay, and have no end.
CREATE TABLE signatures (
    digest TEXT PRIMARY KEY,
    until TEXT
) STRICT;

CREATE TABLE homes (
    person TEXT PRIMARY KEY,
    opened_at TEXT NOT NULL,
    due_at TEXT,
    lease_until TEXT,
    free_at TEXT,
    doubt_until TEXT,
    tries INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX homes_by_opening ON homes (opened_at);
CREATE INDEX homes_due ON homes (due_at) WHERE due_at IS NOT NULL;
"""
"""The tables with their indexes, which PostgreSQL has as well (``bot/store/postgres_schema.py``)."""

_GUARDS = f"""
-- The record can only grow, by one event that follows from the last. The last guard stops REPLACE as well.
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
"""

VIEWS = """
-- For people who look into the database: in Datasette, with the sqlite-utils command, or in psql.
CREATE VIEW cancellations_readable AS
SELECT
    c.number,
    c.order_id,
    c.state,
    c.requested_at,
    coalesce(asker.name || ' (' || c.requester || ')', c.requester) AS requested_by,
    r.reason,
    (SELECT group_concat(coalesce(p.name || ' (' || d.approver || ')', d.approver), ', ')
        FROM decisions d LEFT JOIN people p ON p.id = d.approver
        WHERE d.number = r.number AND d.choice = 'approve') AS approved_by,
    (SELECT coalesce(p.name || ' (' || d.approver || ')', d.approver) || ': ' || d.reason
        FROM decisions d LEFT JOIN people p ON p.id = d.approver
        WHERE d.number = r.number AND d.choice = 'reject' ORDER BY d.id LIMIT 1) AS rejected_by,
    (SELECT coalesce(nullif(a.message, ''), a.reason, a.trouble)
        FROM attempts a WHERE a.number = c.number AND a.outcome IS NOT NULL
        ORDER BY a.id DESC LIMIT 1) AS result,
    c.changed_at,
    (SELECT count(*) FROM attempts a WHERE a.number = c.number) AS gateway_calls,
    r.card_link,
    r.id AS request
FROM cancellations c JOIN requests r ON r.number = c.request LEFT JOIN people asker ON asker.id = c.requester;

CREATE VIEW audit_readable AS
SELECT e.seq, e.at, e.kind, e.order_id,
    coalesce(p.name || ' (' || e.actor || ')', e.actor) AS actor,
    e.data, (SELECT group_concat(w.field || ': ' || w.text, '; ') FROM words w WHERE w.seq = e.seq) AS words,
    e.request, e.hash
FROM audit_events e LEFT JOIN people p ON p.id = e.actor;
"""


@migrations()
def first(db: Database) -> None:
    """Create everything."""
    run(db, TABLES + _GUARDS + VIEWS)
