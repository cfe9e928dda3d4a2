"""The verification of a whole database: its definitions, its pages, the record, and the tables that repeat it."""

from dataclasses import replace
from pathlib import Path

from bot.domain.audit import Head
from bot.domain.verification import Damage, Verification, walk
from bot.store import sqlite
from bot.store.store import open_reader
from bot.store.tables import Tables


def verify(tables: Tables, head: Head | None = None) -> Verification:
    """Verify everything, and return the first damage. The caller reads one consistent state.

    The chain comes first: what the events say counts only once nobody can have changed them. ``head`` is a witness from
    a result message. Memory grows with the people who ever acted, not with what they did.
    """
    found = walk(tables.record.chain(), head)
    if found.damage is not None:
        return found
    if altered := sqlite.altered(tables.connection):
        return replace(found, damage=Damage.SCHEMA, about=altered)
    if complaint := sqlite.complaint(tables.connection):
        return replace(found, damage=Damage.UNSOUND, about=complaint)
    contradiction = next(tables.projections.contradictions(), None)
    if contradiction is not None:
        return replace(found, damage=Damage.CONTRADICTION, contradiction=contradiction)
    return found


def verify_file(path: Path, head: Head | None = None) -> Verification:
    """Verify the file, also while the bot runs. Raises StoreError."""
    with open_reader(path) as tables:
        tables.connection.begin_reading()
        return verify(tables, head)
