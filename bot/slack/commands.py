"""The slash commands and shortcuts, as Slack must know them. A test compares them with ``manifest.yml``."""

from dataclasses import dataclass

CANCEL_ORDER = "/cancel-order"
CANCEL_AUDIT = "/cancel-audit"
CANCEL_ORDER_ANYWHERE, CANCEL_ORDER_MESSAGE = "cancel_order", "cancel_order_message"
"""The callback ids of the global shortcut and of the one in the menu of a message."""


@dataclass(frozen=True, slots=True)
class Command:
    """One slash command, with the fields of Slack's manifest.

    ``description`` and ``usage_hint`` appear in Slack while somebody types the command. With ``should_escape``
    Slack sends a name behind ``@`` as a mention with the person's id.
    """

    name: str
    description: str
    usage_hint: str
    should_escape: bool


COMMANDS = (
    # A reason is kept as it was typed, so its names are not turned into mentions.
    Command(CANCEL_ORDER, "Ask for the cancellation of an order", "[order id] [reason], or help", should_escape=False),
    # A look-up by person needs the id, as names are neither unique nor lasting.
    Command(
        CANCEL_AUDIT,
        "Look up who cancelled what, when and why",
        "[order id] [@person] [cancelled] [7d or 2026-11-01..2026-11-23] [csv or evidence], or help",
        should_escape=True,
    ),
)
