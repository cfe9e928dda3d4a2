"""Everything the bot keeps, in one SQLite file.

``Store`` runs transactions and reads, and hands ``Tables`` to the use cases. SQL does not leave this package.
"""

from bot.store.backup import UnsoundCopy, backup
from bot.store.connection import Timeline
from bot.store.dated import dated, prune
from bot.store.engine import in_use, prepare
from bot.store.erasure import Erasure, Gone, erase_from
from bot.store.errors import StoreError, StoreProblem
from bot.store.file import Privacy
from bot.store.lookups import Page, Span
from bot.store.place import Place, Server
from bot.store.restore import AnotherWay, Restoration, UnsoundBackup, restore, went_another_way
from bot.store.store import Store, open_beside, open_reader
from bot.store.tables import Tables
from bot.store.transfer import Unsound, move
from bot.store.verification import verify, verify_all

__all__ = [
    "AnotherWay",
    "Erasure",
    "Gone",
    "Page",
    "Place",
    "Privacy",
    "Restoration",
    "Server",
    "Span",
    "Store",
    "StoreError",
    "StoreProblem",
    "Tables",
    "Timeline",
    "Unsound",
    "UnsoundBackup",
    "UnsoundCopy",
    "backup",
    "dated",
    "erase_from",
    "in_use",
    "move",
    "open_beside",
    "open_reader",
    "prepare",
    "prune",
    "restore",
    "verify",
    "verify_all",
    "went_another_way",
]
