"""For which orders of each request the gateway is still to be called, as the record tells it."""

from collections import defaultdict

from bot.domain.audit import Event
from bot.domain.events import (
    Approved,
    Cancelled,
    Content,
    Requested,
    Retried,
    SettledCancelled,
    SettledNotCancelled,
)
from bot.domain.projection import Ending


class UnderWay:
    """The orders of all requests, and those of them that are under way, as far as the record was followed."""

    def __init__(self) -> None:
        self.orders: defaultdict[str, tuple[str, ...]] = defaultdict(tuple)
        self.now: defaultdict[str, set[str]] = defaultdict(set)

    def follow(self, event: Event) -> bool:
        """Follow one event; return True for an ending with which nothing of its request is under way any more."""
        match event.content:
            case Requested(orders=orders):
                self.orders[event.request] = orders
            case Approved():
                self.now[event.request] = set(self.orders[event.request])
            case Retried():
                self.now[event.request].add(event.order_id)
            case content if isinstance(content, Ending):
                self.now[event.request].discard(event.order_id)
                return not self.now[event.request]
        return False


def is_about_one(content: Content) -> bool:
    """Return True for news of one order of several: what somebody found, and what was confirmed late."""
    late = isinstance(content, Cancelled) and content.late
    return late or isinstance(content, SettledCancelled | SettledNotCancelled)
