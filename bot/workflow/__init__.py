"""The use cases. ``Workflow`` says what is one transaction; the other modules say what happens in it."""

from bot.workflow.rules import Rules
from bot.workflow.usecases import (
    Accepted,
    Acted,
    AlreadyOpen,
    AskResult,
    BadOrderId,
    Claimed,
    MayNotAsk,
    Owed,
    Workflow,
)

__all__ = [
    "Accepted",
    "Acted",
    "AlreadyOpen",
    "AskResult",
    "BadOrderId",
    "Claimed",
    "MayNotAsk",
    "Owed",
    "Rules",
    "Workflow",
]
