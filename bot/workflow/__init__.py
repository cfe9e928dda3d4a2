"""The use cases. ``Workflow`` runs each as one transaction; the other modules say what happens inside it."""

from bot.workflow.deliveries import ClaimedDelivery
from bot.workflow.lookups import Found, MayNotRead
from bot.workflow.requests import Acted, Wish
from bot.workflow.rules import Patience, Rules
from bot.workflow.workflow import Claimed, Workflow

__all__ = [
    "Acted",
    "Claimed",
    "ClaimedDelivery",
    "Found",
    "MayNotRead",
    "Patience",
    "Rules",
    "Wish",
    "Workflow",
]
