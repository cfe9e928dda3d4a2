"""Rows for the tests of the tables."""

from datetime import datetime, timedelta

from bot.domain.cancellation import Cancellation, State
from bot.store import Tables


def add(tables: Tables, at: datetime, order: str = "ord_1", *, form: str = "V1", requester: str = "U1") -> Cancellation:
    """Add a pending cancellation that expires after an hour."""
    added = tables.cancellations.add(
        form_id=form,
        order_id=order,
        reason="why",
        requester=requester,
        card_channel="C1",
        approvals_required=1,
        at=at,
        expires_at=at + timedelta(hours=1),
    )
    assert added is not None
    return added


def again(tables: Tables, cancellation: Cancellation) -> Cancellation:
    """Return the cancellation as it is now."""
    found = tables.cancellations.get(cancellation.id)
    assert found is not None
    return found


def brought(tables: Tables, cancellation: Cancellation, *states: State, at: datetime) -> Cancellation:
    """Take the cancellation through these states; return it as it is then."""
    for state in states:
        assert tables.cancellations.move(cancellation, state, at=at)
        cancellation = again(tables, cancellation)
    return cancellation
