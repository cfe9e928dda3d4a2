"""The definitions on a PostgreSQL server, compared with those that the bot makes.

The server keeps no text of a definition. It writes one anew, with other brackets, casts and line breaks, so what is
compared is what is left without these. Two definitions that differ in their brackets alone do not differ for this.
"""

import re
from collections.abc import Iterator
from contextlib import closing

from sqlite_utils import Database

from bot.store import schema
from bot.store.connection import Connection, Row
from bot.store.postgres_schema import BODIES, MIGRATIONS, TRIGGERS

_TYPES = {"INTEGER": "bigint", "TEXT": "text"}
_COLLATIONS = {"INTEGER": "", "TEXT": "C"}
_TABLE = re.compile(r"CREATE TABLE (\w+) \((.*?)\n\);", re.DOTALL)
_INDEX = re.compile(r"CREATE (UNIQUE )?INDEX (\w+)\s+ON (\w+) (.*?);", re.DOTALL)
_VIEW = re.compile(r"CREATE VIEW (\w+) AS\s((?:'[^']*'|[^';])*);")
_CHECK = re.compile(r"CHECK \(.*\)")
_GENERATED = re.compile(r"(\w+) TEXT[^\n]* GENERATED ALWAYS AS\s*(\(.*?\)) STORED", re.DOTALL)

_HERE = "(SELECT oid FROM pg_namespace WHERE nspname = current_schema())"
_COLUMNS = f"""
    SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
        coalesce(pg_get_expr(d.adbin, d.adrelid), ''), coalesce(l.collname, '')
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
    LEFT JOIN pg_collation l ON l.oid = a.attcollation
    WHERE c.relnamespace = {_HERE} AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
"""
_CONSTRAINTS = f"""
    SELECT t.relname, CASE WHEN o.convalidated THEN pg_get_constraintdef(o.oid) ELSE '' END
    FROM pg_constraint o JOIN pg_class t ON t.oid = o.conrelid
    WHERE t.relnamespace = {_HERE} AND o.contype IN ('c', 'f', 'p', 'u')
"""
_INDEXES = f"""
    SELECT i.relname, t.relname, x.indisunique, pg_get_indexdef(x.indexrelid)
    FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class t ON t.oid = x.indrelid
    WHERE i.relnamespace = {_HERE} AND x.indisvalid
"""
_VIEWS = f"SELECT relname, pg_get_viewdef(oid) FROM pg_class WHERE relnamespace = {_HERE} AND relkind = 'v'"
_ENABLED = """
    SELECT t.tgname, p.proname
    FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
    WHERE t.tgrelid = 'audit_events'::regclass AND NOT t.tgisinternal AND t.tgenabled = 'A'
"""
_FUNCTIONS = f"SELECT proname, prosrc FROM pg_proc WHERE pronamespace = {_HERE}"
_ADDED = f"""
    SELECT CASE WHEN t.tgisinternal THEN c.relname ELSE t.tgname END
        FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
        WHERE c.relnamespace = {_HERE} AND (NOT t.tgisinternal OR t.tgenabled <> 'O')
    UNION ALL SELECT r.rulename FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class
        WHERE c.relnamespace = {_HERE} AND c.relkind = 'r'
    UNION ALL SELECT c.relname FROM pg_class c
        WHERE c.relnamespace = {_HERE} AND (c.relrowsecurity OR c.relforcerowsecurity)
    UNION ALL SELECT c.relname FROM pg_inherits h JOIN pg_class c ON c.oid = h.inhparent
        WHERE c.relnamespace = {_HERE} AND c.relkind = 'r'
"""
"""What changes the meaning of a table from outside it: triggers, rules, hidden rows, and rows of other tables."""


def altered(connection: Connection) -> str:
    """Return the name of a table, index, view, trigger or function that is not as the bot makes it, or an empty text.

    A trigger that is there and switched off protects nothing, and neither does one whose function does nothing. Tables
    and views that are not the bot's are left out.
    """
    functions: dict[str, str] = dict(connection.execute(_FUNCTIONS))
    triggers: dict[str, str] = dict(connection.execute(_ENABLED))
    wrong = [name for name, body in BODIES.items() if functions.get(name) != body]
    wrong += [name for name, function in TRIGGERS.items() if triggers.get(name) != function]
    wrong += [name for (name,) in connection.execute(_ADDED) if name not in TRIGGERS]
    made, kept = set(_made()), set(_kept(connection))
    ours = {name for name, *_ in made}
    wrong += [name for name, *_ in made ^ kept if name in ours]
    return min(wrong, default="")


def _kept(connection: Connection) -> Iterator[Row]:
    """Yield what the server says of each column, constraint and index: the name of the table or index, and the rest."""
    for table, name, kind, needed, default, collation in connection.execute(_COLUMNS):
        yield table, name, kind, needed, _plain(default), collation
    for table, text in connection.execute(_CONSTRAINTS):
        yield table, _plain(text)
    for name, table, unique, text in connection.execute(_INDEXES):
        yield name, table, unique, _plain(text.partition(" USING btree ")[2])
    for name, text in connection.execute(_VIEWS):
        yield name, _plain_query(text)


def _made() -> Iterator[Row]:
    """Yield the same of what the bot makes on both engines."""
    with closing(Database(memory=True)) as fresh:
        schema.migrations.apply(fresh)
        shared = {table.name: table for table in fresh.tables if not table.name.startswith("_")}
        for table in shared.values():
            for column in table.columns:
                needed, default = bool(column.notnull or column.is_pk), _plain(column.default_value or "")
                yield table.name, column.name, _TYPES[column.type], needed, default, _COLLATIONS[column.type]
            yield table.name, _plain(f"PRIMARY KEY {', '.join(table.pks)}")
            for index in table.indexes:
                if index.origin == "u":
                    yield table.name, _plain(f"UNIQUE {', '.join(index.columns)}")
            for key in table.foreign_keys:
                yield table.name, _plain(f"FOREIGN KEY {key.column} REFERENCES {key.other_table} {key.other_column}")
    text = MIGRATIONS["first"]
    for unique, name, of, rest in _INDEX.findall(text):
        yield name, of, bool(unique), _plain(rest)
    for name, query in _VIEW.findall(text):
        yield name, _plain_query(query)
    for of, body in _TABLE.findall(text):
        if of in shared:
            yield from ((of, _plain(check)) for check in _CHECK.findall(body))
            yield from ((of, name, "text", False, _plain(said), "C") for name, said in _GENERATED.findall(body))


def _plain_query(text: str) -> str:
    """Return a query without the names that the server adds to it or leaves out: of tables, and of what it selects."""
    text = re.sub(r"::\w+|\bCOLLATE \"C\"|\b(?!\d)\w+\.(?=\w)|\bAS \"?\w+\"?", "", text)
    words = re.findall(r"'[^']*'|\w+|[^\s\w()\"]", text)
    return " ".join(word if word.startswith("'") else word.lower() for word in words).rstrip(" ;")


def _plain(text: str) -> str:
    return re.sub(r'[\s()"]|::\w+', "", text).lower()
