"""The words around a file of /cancel-audit."""

import pytest

from bot.domain.policy import Scope
from bot.slack.views import audit_file
from bot.store import Page
from bot.workflow import Found
from tests.slack.views.samples import AT, CANCELLATION


def words(filters: str = "", rows: int = 3, scope: Scope = Scope.ALL, *, contradicted: bool = False) -> str:
    """Return the text of the message that brings a file."""
    found = Found(Page([CANCELLATION], None, total=rows), scope, None, at=AT)
    return audit_file.words(found, filters, rows, "0a" * 32, contradicted=contradicted).comment


def test_the_message_says_what_the_file_is() -> None:
    """People read the filters, the number of rows, the moment, the time zone, and the hash that is on record."""
    assert words("cancelled 7d", 1234) == (
        "Cancellations on record for cancelled 7d: 1,234 orders, as of 2026-11-23 09:00 UTC. All times in the file "
        f"are in UTC. It is on record that you asked for it, with its SHA-256: {'0a' * 32}"
    )
    assert "for <@U0BEN>: 1 order, " in words("<@U0BEN|ben>", 1)
    assert "&lt;!here&gt;" in words("<!here>")
    assert "only your own requests" in words(scope=Scope.OWN)
    assert "only your own requests" not in words(scope=Scope.ALL)


@pytest.mark.parametrize("contradicted", [True, False])
def test_a_database_that_was_changed_is_told(contradicted: bool) -> None:
    """The message warns as a page does."""
    assert ("it contradicts the bot's record" in words(contradicted=contradicted)) == contradicted


def test_the_file_has_a_name_that_tells_its_moment() -> None:
    """Several files lie beside each other in a folder, in their order."""
    found = Found(Page([CANCELLATION], None, total=1), Scope.ALL, None, at=AT)
    named = audit_file.words(found, "", 1, "0a", contradicted=False)
    assert named.name == "cancellations-2026-11-23-090000-UTC.csv"
    assert named.title == "Cancellations on record, 2026-11-23 09:00 UTC"
