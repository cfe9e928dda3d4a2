"""A request and texts to draw, and the way to read a message that Slack takes."""

from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from bot.domain.audit import FIRST, Event, follow, timestamp
from bot.domain.cancellation import Choice, Decision, State
from bot.domain.events import Content
from bot.sandbox.blockkit import problems_with_blocks
from bot.sandbox.transcript import read
from bot.sandbox.workspace import Posted
from bot.slack.views.text import Message
from tests.domain.examples import a_request

AT = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
BOT = "U0BOT"
NAMES = {"U0ANN": "ann", "U0BEN": "ben", "U0CLEO": "cleo", BOT: "cancel-desk", "C1": "payments"}
APPROVAL = Decision("U0BEN", Choice.APPROVE, "", AT)
CANCELLATION = a_request(
    number=1, id="c0ffee", order_id="ord_1", reason="typed twice", requester="U0ANN", state=State.PENDING,
    approvals_required=2, requested_at=AT, expires_at=AT + timedelta(days=1), card_channel="C1", card_ts="1.1",
    card_link="https://x.slack.com/archives/C1/p11", attempts=0, due_at=None, lease_until=None,
    changed_at=AT + timedelta(minutes=5), decisions=(APPROVAL,),
)  # fmt: skip
"""Ann asked for it, two approvals are needed, and Ben gave the first one."""

MOST_TEXT = 4000
"""The bytes of a message's text that Slack takes in an update."""
ANY_TEXT = st.one_of(
    st.text(max_size=200),
    st.sampled_from(["&<>" * 1000, "<!channel>", "\n" * 3000, "\u202e", "`*_~", "😀" * 1500, " ", "\x00\x01"]),
)


def event_of(content: Content, *, seq: int = 7, actor: str = "U0BEN") -> Event:
    """Return an event with this content, under a hash that is easy to find again."""
    last = FIRST._replace(seq=seq - 1)
    event, _ = follow(last, content, actor, timestamp(AT), request="c0ffee", order_id="ord_1")
    return event._replace(hash="0a1b2c3d" * 8)


def shown(message: Message) -> str:
    """Return what a person reads; fail if Slack would not take the message."""
    assert problems_with_blocks(message.blocks) == []
    assert message.text
    return read(Posted("C1", "1.1", message.text, message.blocks, "U0BOT"), NAMES)
