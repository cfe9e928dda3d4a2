"""Evidence for one order: a file that convinces somebody who has neither the bot nor its database."""

from bot.evidence.bundle import NoEvidence, write

__all__ = ["NoEvidence", "write"]
