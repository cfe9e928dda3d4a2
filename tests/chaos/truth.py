"""The truth at the gateway, against which everything is held that the bot tells people about an order."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime

from bot.domain.cancellation import State
from bot.domain.request import Request
from bot.sandbox.gateway import LocalGateway

_ANY = "anything"
_CLAIMS: dict[str, set[str | None]] = {
    "✅ Cancelled": {"cancelled"},
    "☑️ Already cancelled": {"cancelled"},
    "☑️ Already refunded": {"refunded"},
    "⛔ Partly refunded": {"partially_refunded"},
    "⛔ Not cancelled: the order is completed": {"completed", "paid"},
    "⛔ Not cancelled by this request: no such order": {None},
    "⛔ Not cancelled by this request: the order has expired": {"expired"},
    "⚠️ Not cancelled": {_ANY},
    "✋ Stopped": {_ANY},
    "⚠️ Not known": {_ANY},
}
"""The beginnings of titles that say something about an order, and the states at the gateway in which each is true."""
_NOT_BY_US = ("☑️ Already refunded", "⛔ Partly", "⛔ Not", "⚠️ Not cancelled", "✋ Stopped")
"""The beginnings of titles that say that this request did not cancel the order."""
_IS_A_CLAIM = ("✅", "☑️", "⛔ Not", "⛔ Partly", "⚠️ Not", "✋")
_IN_SHORT: dict[str, str] = {
    "✅ cancelled": "✅ Cancelled",
    "☑️ already cancelled": "☑️ Already cancelled",
    "☑️ already refunded": "☑️ Already refunded",
    "⛔ partly refunded": "⛔ Partly refunded",
    "⛔ completed": "⛔ Not cancelled: the order is completed",
    "⛔ no such order": "⛔ Not cancelled by this request: no such order",
    "⛔ expired at the gateway": "⛔ Not cancelled by this request: the order has expired",
    "⚠️ failed": "⚠️ Not cancelled",
    "⚠️ not known": "⚠️ Not known",
    "✋ stopped": "✋ Stopped",
    "📝 settled by hand": "📝 Settled by hand",
    "⏳ under way": "⏳ Approved",
}
"""The words behind an order in the list of several, and the title that says the same of a single one."""
_NOT_ASKED = ("⛔ Rejected", "↩️ Withdrawn", "⌛ Expired")
"""The titles that say that the gateway was not asked."""


class Truth:
    """The orders and calls at the gateway. A call belongs to a request by its order ID and its reason.

    Somebody may ask again in the same words where the first request expired unseen: the calls are the later one's.
    """

    def __init__(self, gateway: LocalGateway, requests: Iterable[Request] = ()) -> None:
        each = (one for request in requests for one in request.each())
        self._words = Counter((one.cancellation.order_id, one.reason) for one in each)
        self._gateway = gateway
        self.calls: Counter[tuple[str, str]] = Counter()
        """How often the gateway was called with each order ID and reason."""
        for call in gateway.calls:
            body = json.loads(call.body)
            self.calls[body["order_id"], body.get("reason", "")] += 1

    def ours(self, about: Request, at: datetime) -> bool:
        """Return True if this request had cancelled its order by that time."""
        order = self._gateway.orders.get(about.cancellation.order_id)
        if order is None or order.cancelled_at is None or self._is_of_another(about):
            return False
        return order.reason == about.reason and order.cancelled_at <= at

    def contradiction(self, title: str, about: Request, at: datetime) -> str:
        """Return what makes this title untrue when it was written, or nothing."""
        order = self._gateway.orders.get(about.cancellation.order_id)
        status = None if order is None else str(order.status)
        claimed = next((states for words, states in _CLAIMS.items() if title.startswith(words)), None)
        if claimed is None and title.startswith(_IS_A_CLAIM):
            return "nobody knows these words"
        if claimed is not None and _ANY not in claimed and status not in claimed:
            return f"at the gateway it is {status or 'missing'}"
        if title.startswith(_NOT_BY_US) and self.ours(about, at):
            return "this request cancelled it"
        asked = self.calls[about.cancellation.order_id, about.reason] and not self._is_of_another(about)
        return "the gateway was asked" if asked and title.startswith(_NOT_ASKED) else ""

    def _is_of_another(self, about: Request) -> bool:
        words = about.cancellation.order_id, about.reason
        return self._words[words] > 1 and not about.cancellation.attempts

    def contradictions(self, title: str, text: str, about: Request, at: datetime) -> Iterator[str]:
        """Yield what makes a message about a request untrue when it was written, by its title or its line for an order.

        An order of several that is not in the list counts as cancelled: only a summary leaves those out.
        """
        claims = dict.fromkeys(about.order_ids, title)
        if len(claims) > 1 and not title.startswith(_NOT_ASKED):
            listed = {order: re.search(rf"^{order} (.*)$", text, re.MULTILINE) for order in claims}
            short = {order: found[1] if found else "✅ cancelled" for order, found in listed.items()}
            claims = {
                order: next((says for words, says in _IN_SHORT.items() if said.startswith(words)), said)
                for order, said in short.items()
            }
        for one in about.each():
            claim = claims[one.cancellation.order_id]
            if wrong := self.contradiction(claim, one, at):
                yield f"of {one.cancellation.order_id} it says {claim!r}, but {wrong}"

    def wrong_state(self, about: Request, at: datetime, *, by_repeat: bool) -> str:
        """Return what is wrong with the state that a request ended in, or nothing.

        ``by_repeat`` means that a repeat found the order cancelled: then nobody can tell who cancelled it.
        """
        order = self._gateway.orders.get(about.cancellation.order_id)
        ours = self.ours(about, at)
        if about.state is State.CANCELLED:
            if order is None or order.status != "cancelled":
                return f"called cancelled, but at the gateway it is {order.status if order else 'missing'}"
            return "" if ours or by_repeat else f"called cancelled, but it was cancelled before, for {order.reason!r}"
        # After "settled by hand" it is a person's word, right or wrong.
        may_be_anything = {State.UNKNOWN, State.SETTLED_CANCELLED, State.SETTLED_NOT_CANCELLED}
        if ours and about.state not in may_be_anything:
            return f"called {about.state}, but the gateway cancelled it"
        return ""
