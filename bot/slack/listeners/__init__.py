"""The listeners, by what people do: asking, deciding, looking up.

A listener reads what Slack sent, runs one use case, acknowledges, and answers. Whatever changes state is committed
before the acknowledgement. Whatever takes time (opening a form, answering privately) runs in the background after it.
"""

from slack_bolt.async_app import AsyncApp

from bot.slack.listeners.asking import Asking
from bot.slack.listeners.deciding import Deciding
from bot.slack.listeners.leftovers import Leftovers
from bot.slack.listeners.looking_up import LookingUp
from bot.slack.listeners.parts import Parts

__all__ = ["Parts", "register"]


def register(app: AsyncApp, parts: Parts) -> None:
    """Bind every command, form and button to Bolt's app.

    Bolt asks one listener after the other, so the ones with most to do come first and the catch-alls last.
    """
    for listeners in (Deciding(parts), Asking(parts), LookingUp(parts), Leftovers(parts)):
        listeners.register(app)
