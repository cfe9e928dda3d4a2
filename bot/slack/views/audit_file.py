"""The words around the files that ``/cancel-audit … csv`` and ``… evidence`` bring by direct message."""

from dataclasses import dataclass
from datetime import UTC, datetime

from bot.domain.policy import Scope
from bot.slack.views.audit_page import answer_to
from bot.slack.views.text import mrkdwn, words as text
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


def evidence_coming(order: str, typed: str | None) -> str:
    """Return the answer once the evidence for an order is owed; it comes also if the bot stops in between."""
    other = "" if typed in {None, order} else f" You typed {typed}, which differs in capital letters."
    return f"The evidence for order {order} comes as a file by direct message.{other}"


def evidence(order: str, count: int, digest: str, reference: str, *, only_own: bool) -> FileWords:
    """Return the words of a file with so many events; ``digest`` is its SHA-256.

    After a doubt the message is found again by its ``reference``.
    """
    own = " These are only your own requests." if only_own else ""
    return FileWords(
        name="evidence.zip",
        title=f"Evidence for order {order}",
        comment=(
            f"Evidence for order {mrkdwn([text(order)])}: {count:,} event{'' if count == 1 else 's'}.{own} "
            "Unpack it, and read index.html. "
            f"It is on record that you asked for it, with its SHA-256: {digest}. Reference: {reference}"
        ),
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
            f"Cancellations on record{mrkdwn(answer_to(found, filters))}: {_counted(found, rows)}, "
            f"as of {at:%Y-%m-%d %H:%M} UTC.{own} All times in the file are in UTC. "
            f"It is on record that you asked for it, with its SHA-256: {digest}{warning if contradicted else ''}"
        ),
    )


def _counted(found: Found, count: int) -> str:
    what = "order" if found.order_id is None else "event"
    return f"{count:,} {what}{'' if count == 1 else 's'}"
