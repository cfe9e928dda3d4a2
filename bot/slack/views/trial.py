"""The message by which an operator sees where the cards will come."""

from bot.slack.views.text import Message, escape, lines, words

_HEADING = "This is a test"
_TEXT = (
    "The cards of requests to cancel an order will be posted here, with buttons for the approvers. There is nothing to"
    " decide on this one. You can delete it."
)


def trial_card() -> Message:
    """Return a card about no order, without buttons."""
    return Message(escape(f"{_HEADING}. {_TEXT}"), [lines([words(_HEADING, bold=True)], [words(_TEXT)])])
