"""Everything the bot keeps, in one SQLite file.

``Store`` runs transactions and reads, and hands ``Tables`` to the use cases. SQL does not leave this package.
"""

from bot.store.backup import UnsoundCopy, backup, integrity
from bot.store.errors import StoreError, StoreProblem
from bot.store.lookups import Page
from bot.store.store import Store, open_reader
from bot.store.tables import Tables

__all__ = [
    "Page",
    "Store",
    "StoreError",
    "StoreProblem",
    "Tables",
    "UnsoundCopy",
    "backup",
    "integrity",
    "open_reader",
]
