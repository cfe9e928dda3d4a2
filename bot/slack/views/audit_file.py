"""The words around the file that ``/cancel-audit … csv`` brings by direct message."""

from dataclasses import dataclass
from datetime import UTC, datetime

from bot.domain.policy import Scope
from bot.slack.views.audit_page import asked_for
from bot.slack.views.text import mrkdwn
from bot.workflow import Found


@dataclass(frozen=True, slots=True)
class FileWords:
    """A file's name, its title, and the mrkdwn text of the message that brings it."""

    name: str
    title: str
    comment: str


def coming(found: Found) -> str:
    """Return the answer while the file is written."""
    return (
        f"The whole answer comes as a file by direct message: {_counted(found, found.page.total)}. "
        "If it has not come in ten minutes, type the command again."
    )


def words(found: Found, filters: str, rows: int, digest: str, *, contradicted: bool) -> FileWords:
    """Return the words of a file with so many rows, of which ``found`` is the last part; ``digest`` is its SHA-256.

    ``contradicted`` is true where the tables say something else than the record.
    """
    at = (found.at or datetime.now(UTC)).astimezone(UTC)
    warning = (
        "\n⚠️ The bot's database was changed: it contradicts the bot's record. Only the record counts, and the file "
        "shows what it says. Tell the bot's operator."
    )
    own = " These are only your own requests." if found.scope is Scope.OWN else ""
    return FileWords(
        name=f"cancellations-{at:%Y-%m-%d-%H%M%S}-UTC.csv",
        title=f"Cancellations on record, {at:%Y-%m-%d %H:%M} UTC",
        comment=(
            f"Cancellations on record{mrkdwn(asked_for(filters))}: {_counted(found, rows)}, "
            f"as of {at:%Y-%m-%d %H:%M} UTC.{own} All times in the file are in UTC. "
            f"It is on record that you asked for it, with its SHA-256: {digest}{warning if contradicted else ''}"
        ),
    )


def _counted(found: Found, count: int) -> str:
    what = "request" if found.order_id is None else "event"
    return f"{count:,} {what}{'' if count == 1 else 's'}"
