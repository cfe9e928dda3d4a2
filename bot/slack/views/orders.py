"""The orders of a request as people read them: one by its id, several by their number, each with how it stands."""

from bot.domain.request import Request
from bot.slack.views.text import Element, cut, words


def named(request: Request) -> list[Element]:
    """Return the words for what a request is about: ``order ord_1001`` or ``12 orders``."""
    if len(request.cancellations) > 1:
        return [words(f"{len(request.cancellations)} orders")]
    return [words("order "), words(request.cancellation.order_id, code=True)]


def inline(request: Request, limit: int) -> str:
    """Return the order id, cut to this many characters, or how many orders there are: for plain text."""
    several = len(request.cancellations) > 1
    return f"{len(request.cancellations)} orders" if several else cut(request.cancellation.order_id, limit)
