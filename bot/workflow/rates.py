"""Slack's rate for new messages, inside a transaction: so it holds for all bots together, and across a restart.

Source: https://docs.slack.dev/apis/web-api/rate-limits (chat.postMessage: about one a second in each channel). Each
channel or person has a token bucket: one message every so often, with a few of them at once.
"""

from datetime import datetime

from bot.store import Tables
from bot.workflow.rules import Patience


def blocked(tx: Tables, patience: Patience, at: datetime) -> dict[str, datetime]:
    """Return the targets that must not get anything now, each with the time from which on it may."""
    ahead = patience.messages_at_once
    used = tx.rates.used(at + ahead, at + ahead + patience.longest_before_try)
    return {target: until - ahead for target, until in used.items()}


def record(tx: Tables, patience: Patience, target: str, at: datetime) -> None:
    """Count one message to this target."""
    if patience.message_every:
        tx.rates.forget(at)
        until = tx.rates.used(at, at + patience.longest_before_try).get(target, at)
        tx.rates.use(target, until + patience.message_every)


def pause(tx: Tables, patience: Patience, target: str, until: datetime) -> None:
    """Block this target until that time."""
    tx.rates.use(target, until + patience.messages_at_once)
