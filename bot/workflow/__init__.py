"""The use cases. ``Workflow`` runs each as one transaction; the other modules say what happens inside it."""

from bot.workflow.deliveries import TRIES_BEFORE_TELLING, ClaimedDelivery, Concluded
from bot.workflow.digests import Due
from bot.workflow.home import HomeTab
from bot.workflow.lookups import Asked, Found, MayNotRead
from bot.workflow.requests import Acted, Wish
from bot.workflow.rules import AMONG_REPLICAS, Patience, Rules
from bot.workflow.workflow import AnotherGatewayError, Claimed, Held, Workflow

__all__ = [
    "AMONG_REPLICAS",
    "TRIES_BEFORE_TELLING",
    "Acted",
    "AnotherGatewayError",
    "Asked",
    "Claimed",
    "ClaimedDelivery",
    "Concluded",
    "Due",
    "Found",
    "Held",
    "HomeTab",
    "MayNotRead",
    "Patience",
    "Rules",
    "Wish",
    "Workflow",
]
