"""Everything the bot keeps, in one SQLite file.

``Store`` runs transactions and reads; ``Transaction`` and ``Reader`` are what it hands to the use
cases. SQL does not leave this package.
"""

from bot.store.database import Store, open_reader
from bot.store.errors import Busy, Damaged, NewerSchema, StoreError, Unusable
from bot.store.reading import Page, Reader
from bot.store.transaction import Attempt, Transaction

__all__ = [
    "Attempt",
    "Busy",
    "Damaged",
    "NewerSchema",
    "Page",
    "Reader",
    "Store",
    "StoreError",
    "Transaction",
    "Unusable",
    "open_reader",
]
