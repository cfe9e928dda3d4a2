"""A cancellation for the tests of pure rules."""

from datetime import UTC, datetime, timedelta

from bot.domain.cancellation import Cancellation, State

AT = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
PENDING = Cancellation(
    number=1,
    id="c1",
    order_id="ord_1",
    reason="",
    requester="UASKER",
    state=State.PENDING,
    approvals_required=2,
    requested_at=AT,
    expires_at=AT + timedelta(days=1),
    card_channel="C1",
    card_ts="1.1",
    card_link="",
    attempts=0,
    due_at=AT + timedelta(days=1),
    lease_until=None,
    changed_at=AT,
)
