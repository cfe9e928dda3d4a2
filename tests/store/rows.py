"""Rows for the tests of the tables."""

from datetime import datetime, timedelta

from bot.domain.audit import BOT
from bot.domain.cancellation import State
from bot.domain.events import Stopped
from bot.domain.request import Request
from bot.store import Tables


def add(
    tables: Tables, at: datetime, order: str = "ord_1", *, form: str = "V1", requester: str = "U1", category: str = ""
) -> Request:
    """Add a pending request that expires after an hour."""
    added = tables.requests.add(
        form_id=form,
        order_ids=[order],
        reason="why",
        category=category,
        requester=requester,
        card_channel="C1",
        approvals_required=1,
        at=at,
        expires_at=at + timedelta(hours=1),
    )
    assert isinstance(added, Request)
    return added


def again(tables: Tables, request: Request) -> Request:
    """Return the request as it is now."""
    found = tables.requests.get(request.id)
    assert found is not None
    return found


def brought(tables: Tables, request: Request, *states: State, at: datetime) -> Request:
    """Take the request through these states; return it as it is then."""
    for state in states:
        if request.state is State.PENDING:
            assert tables.requests.move(request, state, at=at)
        else:
            assert tables.cancellations.move(request.cancellation, state, at=at)
        # Any event will do: what matters is that one follows each step.
        tables.record.append(Stopped(), BOT, at)
        request = again(tables, request)
    return request
